//! Data that an artifact takes from other files: where the path leads decides.

use super::{Closing, Inspector};
use crate::fact::{Fact, Outside};
use crate::finding::{Finding, Findings, code};
use crate::policy::shown;

/// `external-storage`.
pub(super) struct External;

impl Inspector for External {
    fn inspect(&self, artifact: &Closing<'_>, out: &mut Findings) {
        for fact in artifact.facts {
            let Fact::Outside { how, by, target, span } = fact else {
                continue;
            };
            let (what, beside) = match how {
                Outside::Storage => ("elements are in", "storage"),
                Outside::Link => ("it is an object of", "link"),
                Outside::Virtual => ("elements come from", "virtual"),
            };
            let path = shown(target);
            let case = if leads_away(target) { "escape" } else { beside };
            let finding = Finding::new(code::EXTERNAL_STORAGE, *span, format!("{by}: {what} the file {path}"))
                .case(case)
                .evidence("path", path.clone())
                .evidence("object", &**by)
                .evidence("advisory", "CVE-2026-1669")
                .key(format!("{by} {path}"));
            out.push(finding);
        }
    }
}

/// Whether a path, on any system, leads out of the folder of the file that names it.
pub(super) fn leads_away(path: &[u8]) -> bool {
    let drive = matches!(path, [letter, b':', ..] if letter.is_ascii_alphabetic());
    let rooted = matches!(path.first(), Some(b'/' | b'\\' | b'~'));
    let upwards = path.split(|b| matches!(b, b'/' | b'\\')).any(|part| part == b"..");
    let address = memchr::memmem::find(path, b"://").is_some();
    let variable = path.starts_with(b"${") && !path.starts_with(b"${ORIGIN}") && !path.starts_with(b"${PREFIX}");
    drive || rooted || upwards || address || variable
}

#[cfg(test)]
mod tests {
    use super::leads_away;

    #[test]
    fn only_paths_below_the_folder_stay() {
        for (path, expected) in [
            (&b"part.h5"[..], false),
            (b"parts/one.h5", false),
            (b"./one.h5", false),
            (b"a..b.h5", false),
            (b"/etc/passwd", true),
            (b"../one.h5", true),
            (b"parts/../../one.h5", true),
            (b"C:\\one.h5", true),
            (b"\\\\host\\share", true),
            (b"~/one.h5", true),
            (b"https://host.example/x", true),
            (b"file:///etc/passwd", true),
        ] {
            assert_eq!(leads_away(path), expected, "{}", path.escape_ascii());
        }
    }
}
