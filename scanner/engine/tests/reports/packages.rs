//! Packages of operating systems: unpacked at the root, so an absolute link leads where its own tree goes.

use crate::common::{check_laws, codes, scan};
use probity_tests::build::ar::{self, Member};
use probity_tests::build::tar::{Entry, Tar};
use probity_tests::build::zip;

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

/// The directory of an archive with many members begins before the end of the file that is looked at first; where the
/// archive begins is told by its end record all the same.
#[test]
fn a_large_archive_that_is_the_last_member_is_no_second_format() {
    let name = |number: usize| format!("org/example/a/long/name/of/a/package/Class{number:06}.properties");
    let members = (0..1200).map(|number| zip::Entry::stored(&name(number), b"a = 1\n"));
    let jar = zip::Zip::of(members.collect()).build();
    let data = Tar::of(vec![
        Entry::file("./usr/share/doc/copyright", b"a licence\n"),
        Entry::file("./usr/share/java/example.jar", &jar),
    ])
    .build();
    let report = scan("data.tar", &data);
    check_laws(&report);
    assert_eq!(report.artifacts[0].format, "tar");
    assert!(!codes(&report).contains(&"polyglot"), "{:?}", codes(&report));
    let nested = |a: &probity_engine::artifact::Artifact| a.nested.as_deref() == Some("./usr/share/java/example.jar");
    assert!(report.artifacts.iter().any(|a| nested(a) && a.format == "zip"));
}
