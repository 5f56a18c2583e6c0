//! Names in one folder that some file systems take for one: they differ in case, or in the normal form of an accent.
//!
//! Case is folded as Unicode's simple lower case has it. Of normal forms only the letters of Latin, Greek and Cyrillic
//! with one mark are known, and Hangul: what macOS and Windows would merge beyond them is not told.

use super::{Container, Inspection, Kind, Outcome};
use crate::finding::code;
use crate::policy::shown;
use std::collections::HashMap;

mod compose;

/// `duplicate-entry`: the cases of names that are the same to some.
pub(super) struct Names;

impl Inspection for Names {
    fn inspect(&self, container: &Container<'_>, out: &mut Outcome<'_>) {
        // A hash is kept for each member, and no name: the members hold them.
        let mut seen: HashMap<u64, usize> = HashMap::with_capacity(container.members.len());
        for (index, member) in container.members.iter().enumerate() {
            if member.kind == Kind::Directory {
                continue;
            }
            let Ok(path) = std::str::from_utf8(&member.path) else {
                continue;
            };
            let Some(first) = seen.insert(compose::folded_hash(path), index) else {
                continue;
            };
            let Some(first) = container.members.get(first).filter(|f| f.path != member.path) else {
                continue;
            };
            let other = String::from_utf8_lossy(&first.path).into_owned();
            let composed = compose::composed(path) == compose::composed(&other);
            if !composed && compose::composed(&path.to_lowercase()) != compose::composed(&other.to_lowercase()) {
                continue;
            }
            let same = member.sha256().is_some() && member.sha256() == first.sha256();
            let case = match (same, composed) {
                (true, _) => "identical",
                (false, true) => "normal-form",
                (false, false) => "case-insensitive",
            };
            let (a, b) = (shown(&first.path), shown(&member.path));
            let how = if composed { "the writing of an accent" } else { "case" };
            let message = format!("{a} and {b} differ only in {how}: some file systems hold one of them");
            let finding = container.finding(code::DUPLICATE_ENTRY, member, message).case(case);
            out.push(container.pointing(finding, first));
        }
    }
}
