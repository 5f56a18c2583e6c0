//! Where an executable takes its libraries from: a place that others can write to is theirs to fill.
//!
//! Directories of a build machine (`/home/runner/...`, `/opt/...`) are left in published libraries by the hundred. They are
//! nobody's to write to on most machines, so that only those below a home are worth a word.

use crate::fact::{Fact, LibraryAsk};
use crate::finding::{Finding, Findings, Value, code};
use crate::inspect::{Closing, Inspector};
use crate::policy::shown;
use crate::span::Span;
use std::collections::BTreeMap;

/// `library-path`.
pub(in crate::inspect) struct Paths;

/// Directories that everybody may write to.
const SHARED: [&[u8]; 9] = [
    b"/tmp",
    b"/var/tmp",
    b"/dev/shm",
    b"/run/shm",
    b"/private/tmp",
    b"/private/var/tmp",
    b"/Users/Shared",
    b"/usr/tmp",
    b"/dev/mqueue",
];
/// Directories of single users.
const HOMES: [&[u8]; 4] = [b"/home", b"/Users", b"/root", b"/var/home"];
/// Where loaders are told to start from.
const ANCHORS: [&[u8]; 8] = [
    b"$ORIGIN",
    b"${ORIGIN}",
    b"$LIB",
    b"${LIB}",
    b"@loader_path",
    b"@executable_path",
    b"@rpath",
    b"$PLATFORM",
];

impl Inspector for Paths {
    fn inspect(&self, artifact: &Closing<'_>, out: &mut Findings) {
        let elf = artifact.format == "elf";
        let mut found: BTreeMap<&'static str, Vec<(String, Span)>> = BTreeMap::new();
        for fact in artifact.facts {
            if let Fact::LibraryPath { asked, path, span } = fact
                && let Some(case) = judge(*asked, path, elf)
            {
                found.entry(case).or_default().push((shown(path), *span));
            }
        }
        for (case, mut paths) in found {
            let span = paths.first().map_or(Span::new(0, 0), |(_, span)| *span);
            paths.sort();
            paths.dedup_by(|a, b| a.0 == b.0);
            let first = paths.first().map_or("", |(path, _)| path.as_str());
            let message = message(case, first);
            let list = Value::List(paths.iter().map(|(path, _)| path.clone()).collect());
            let finding = Finding::new(code::LIBRARY_PATH, span, message).case(case);
            out.push(finding.evidence("paths", list).key(case));
        }
    }
}

fn message(case: &str, path: &str) -> String {
    match case {
        "loader" => format!("the program asks for a loader in a place that others can fill: {path}"),
        "writable" => format!("a library is taken from a directory that everybody can write to: {path}"),
        "searched" => format!("libraries are searched in a directory that everybody can write to: {path}"),
        "relative" => format!("a library is taken from below the directory the program is started in: {path}"),
        "searched-relative" if path.is_empty() => {
            "libraries are searched in the directory the program is started in".to_owned()
        }
        "searched-relative" => {
            format!("libraries are searched below the directory the program is started in: {path}")
        }
        _ => format!("libraries are searched in the home of a user: {path}"),
    }
}

/// The case of `library-path` that a path is.
fn judge(asked: LibraryAsk, path: &[u8], elf: bool) -> Option<&'static str> {
    let below = |roots: &[&[u8]]| {
        roots.iter().any(|root| {
            path.strip_prefix(*root)
                .is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
        })
    };
    let anchored = ANCHORS.iter().any(|anchor| path.starts_with(anchor));
    let absolute = path.first() == Some(&b'/');
    match asked {
        _ if anchored => None,
        LibraryAsk::Loader => (!absolute || below(&SHARED)).then_some("loader"),
        LibraryAsk::Library if absolute => below(&SHARED).then_some("writable"),
        // Without a slash the search path is gone through; dyld looks where the program is started.
        LibraryAsk::Library => (path.contains(&b'/') && elf).then_some("relative"),
        LibraryAsk::Directory if absolute => {
            let case = if below(&SHARED) { "searched" } else { "home" };
            (case == "searched" || below(&HOMES)).then_some(case)
        }
        LibraryAsk::Directory => Some("searched-relative"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_judged_by_who_can_write_to_it() {
        use LibraryAsk::{Directory, Library, Loader};
        for (asked, path, expected) in [
            (Loader, "/lib64/ld-linux-x86-64.so.2", None),
            (Loader, "/nix/store/abc-glibc/lib/ld-linux.so.2", None),
            (Loader, "/tmp/ld.so", Some("loader")),
            (Loader, "ld.so", Some("loader")),
            (Library, "libc.so.6", None),
            (Library, "/usr/lib/libSystem.B.dylib", None),
            (Library, "@rpath/libtbb.dylib", None),
            (Library, "/tmp/libevil.so", Some("writable")),
            (Library, "/tmpfiles/libfine.so", None),
            (Library, "/dev/shm/a.so", Some("writable")),
            (Library, "./liba.so", Some("relative")),
            (Library, "../lib/liba.so", Some("relative")),
            (Directory, "$ORIGIN/../lib", None),
            (Directory, "${ORIGIN}", None),
            (Directory, "@loader_path/.", None),
            (Directory, "/opt/conda/lib", None),
            (Directory, "/home/runner/work/lib", Some("home")),
            (Directory, "/homes/a", None),
            (Directory, "/var/tmp/x", Some("searched")),
            (Directory, "/private/tmp", Some("searched")),
            (Directory, "", Some("searched-relative")),
            (Directory, "lib", Some("searched-relative")),
            (Directory, ".", Some("searched-relative")),
        ] {
            assert_eq!(judge(asked, path.as_bytes(), true), expected, "{path}");
        }
        assert_eq!(judge(Library, b"lib/liba.dylib", false), None);
    }
}
