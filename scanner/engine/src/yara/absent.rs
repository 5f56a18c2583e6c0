//! A build without YARA: nothing can be compiled, and so nothing is ever applied.

use super::{YaraError, YaraInfo, YaraMatch};
use crate::finding::ScanError;
use std::time::Duration;

/// YARA rules, of which a build without the feature `yara` has none.
#[derive(Debug)]
pub enum YaraRules {}

impl YaraRules {
    /// Whether this build knows YARA.
    pub const AVAILABLE: bool = false;

    /// Refuses: this build has no YARA.
    ///
    /// # Errors
    /// Always.
    pub fn compile(sources: &[(String, Vec<u8>)]) -> Result<Self, YaraError> {
        Err(YaraError {
            file: sources.first().map_or_else(String::new, |(file, _)| file.clone()),
            message: "this build has no YARA; build probity with --features yara".to_owned(),
        })
    }

    /// What a report says about them.
    pub fn info(&self) -> &YaraInfo {
        match *self {}
    }

    pub(super) fn matches(&self, _bytes: &[u8], _timeout: Duration) -> Result<Vec<YaraMatch>, ScanError> {
        match *self {}
    }
}
