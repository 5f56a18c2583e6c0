//! Packages of operating systems: unpacked at the root, so an absolute link leads where its own tree goes.

use crate::common::{check_laws, codes, scan};
use probity_tests::build::ar::{self, Member};
use probity_tests::build::tar::{Entry, Tar};

fn tree(link: &str, target: &str) -> Vec<u8> {
    Tar::of(vec![
        Entry::file("./usr/lib/a.so.1", b"content"),
        Entry::special(b'2', link, target),
    ])
    .build()
}

fn package(data: &[u8]) -> Vec<u8> {
    let members = [Member::of("debian-binary", b"2.0\n"), Member::of("data.tar", data)];
    ar::archive(&members, false).bytes
}

#[test]
fn an_absolute_link_escapes_an_archive_and_not_a_package() {
    for (target, alone, packed) in [
        ("/usr/lib/a.so.1", true, false),
        ("a.so.1", false, false),
        ("../../../../etc/passwd", true, true),
    ] {
        let data = tree("./usr/lib/a.so", target);
        for (bytes, expected) in [(data.clone(), alone), (package(&data), packed)] {
            let report = scan("package", &bytes);
            check_laws(&report);
            assert_eq!(
                codes(&report).contains(&"symlink-escape"),
                expected,
                "{target}: {:?}",
                codes(&report)
            );
        }
    }
}
