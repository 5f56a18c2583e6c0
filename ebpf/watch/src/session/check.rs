//! Whether the subject is the executable that the declared set names.

use std::fs::File;
use std::path::{Path, PathBuf};

use probity_signatures::declared::{Declared, OnMismatch};

use super::hash::digest;
use crate::launch::Refused;

/// Whether the declared set says what the subject's bytes are.
pub(super) fn wants_check(set: Option<&Declared>) -> bool {
    set.and_then(|set| set.subject.as_ref())
        .is_some_and(|subject| !subject.sha256.is_empty() || !subject.signers.is_empty())
}

/// The subject's digest, against the declared ones.
pub(super) struct SubjectCheck<'a> {
    set: Option<&'a Declared>,
    /// Reasons for which the run is incomplete.
    pub(super) incomplete: Vec<String>,
    /// What an executable is of which no set says what it should be: its path and its digest.
    pub(super) found: Option<(PathBuf, String)>,
}

impl<'a> SubjectCheck<'a> {
    /// Nothing checked yet.
    pub(super) fn new(set: Option<&'a Declared>) -> Self {
        Self {
            set,
            incomplete: Vec::new(),
            found: None,
        }
    }

    /// Compares an executable with what is declared.
    ///
    /// # Errors
    ///
    /// It is another, and the set says to refuse it; or it could not be read.
    pub(super) fn check(&mut self, file: &File, path: &Path) -> Result<(), Refused> {
        let mut copy = file.try_clone().map_err(|error| Refused(error.to_string()))?;
        let Some(subject) = self.set.and_then(|set| set.subject.as_ref()) else {
            if self.found.is_none() {
                self.found = digest(&mut copy).map(|digest| (path.to_owned(), digest));
            }
            return Ok(());
        };
        let found = digest(&mut copy).ok_or_else(|| Refused(format!("{}: could not be read", path.display())))?;
        if subject.sha256.is_empty() {
            self.incomplete
                .push(format!("{}: the signer is not checked by this version", subject.at));
            return Ok(());
        }
        let wanted: Vec<String> = subject.sha256.iter().map(|digest| hex(digest)).collect();
        if wanted.contains(&found) {
            return Ok(());
        }
        let said = format!(
            "{}: {} has sha256 {found}, and {} is declared",
            subject.at,
            path.display(),
            wanted.join(" or ")
        );
        if subject.on_mismatch == OnMismatch::Report {
            self.incomplete.push(said);
            return Ok(());
        }
        Err(Refused(said))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
