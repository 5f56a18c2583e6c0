//! A model's signature against the files beside it: those that are there must be those that were signed.
//!
//! The signature itself is not checked here, since nobody gave a key; `probity verify` does that, and names what is missing or
//! was added, which is no finding in a directory that is only looked at: downloads are partial, and tools leave files of theirs.

use super::{Container, Inspection, Outcome, join};
use crate::finding::code;
use crate::policy::shown;
use crate::verify::oms;

/// `signed-file-changed`.
pub(super) struct Signed;

impl Inspection for Signed {
    fn inspect(&self, container: &Container<'_>, out: &mut Outcome<'_>) {
        let signatures = container
            .members
            .iter()
            .filter(|m| m.name() == oms::DEFAULT_NAME.as_bytes());
        for signature in signatures {
            let Some(files) = out.text(signature).and_then(oms::listed) else {
                continue;
            };
            for (name, digest) in files {
                let path = join(signature.folder(), name.as_bytes());
                let Some(member) = container.file(&path).filter(|member| member.is_examined()) else {
                    continue;
                };
                if member.sha256().is_some_and(|found| found != digest) {
                    let message = format!("{} is not what {} lists", shown(&path), shown(&signature.path));
                    out.push(container.finding(code::SIGNED_FILE_CHANGED, member, message));
                }
            }
        }
    }
}
