//! A build with YARA, by the `yara-x` crate.

use super::{YaraError, YaraInfo, YaraMatch};
use crate::finding::{ErrorCode, ScanError};
use crate::span::Span;
use sha2::{Digest, Sha256};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;
use yara_x::{Compiler, MetaValue, Rules, ScanError as YaraScanError, Scanner, SourceCode};

/// Matches of one string that YARA keeps.
const MOST_MATCHES: usize = 1000;

/// YARA rules, compiled.
pub struct YaraRules {
    rules: Rules,
    info: YaraInfo,
}

impl YaraRules {
    /// Whether this build knows YARA.
    pub const AVAILABLE: bool = true;

    /// Compiles the files, given as (name, contents); the stem of a file's name is the namespace of its rules. `include` is
    /// refused: what is not named on the command line decides nothing.
    ///
    /// # Errors
    /// The first file that does not compile, with what YARA says about it.
    pub fn compile(sources: &[(String, Vec<u8>)]) -> Result<Self, YaraError> {
        let mut compiler = Compiler::new();
        compiler.enable_includes(false);
        let mut hash = Sha256::new();
        for (file, text) in sources {
            let stem = Path::new(file)
                .file_stem()
                .and_then(|stem| stem.to_str())
                .unwrap_or("default");
            compiler.new_namespace(stem);
            let source = SourceCode::from(text.as_slice()).with_origin(file.clone());
            compiler.add_source(source).map_err(|error| YaraError {
                file: file.clone(),
                message: error.to_string(),
            })?;
            hash.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_le_bytes());
            hash.update(text);
        }
        let rules = compiler.build();
        let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let info = YaraInfo {
            files: sources.iter().map(|(file, _)| file.clone()).collect(),
            rules: u64::try_from(rules.iter().len()).unwrap_or(u64::MAX),
            digest: format!("sha256:{hex}"),
        };
        Ok(Self { rules, info })
    }

    /// What a report says about them.
    pub fn info(&self) -> &YaraInfo {
        &self.info
    }

    pub(super) fn matches(&self, bytes: &[u8], timeout: Duration) -> Result<Vec<YaraMatch>, ScanError> {
        let scanned = catch_unwind(AssertUnwindSafe(|| {
            let mut scanner = Scanner::new(&self.rules);
            scanner.set_timeout(timeout.max(Duration::from_secs(1)));
            scanner.max_matches_per_pattern(MOST_MATCHES);
            let results = scanner.scan(bytes)?;
            let found = results.matching_rules().map(|rule| matched(&rule)).collect::<Vec<_>>();
            Ok::<_, YaraScanError>(found)
        }));
        let mut found = match scanned {
            Ok(Ok(found)) => found,
            Ok(Err(YaraScanError::Timeout)) => {
                let message = "the YARA rules were not finished within --timeout";
                return Err(ScanError::new(ErrorCode::LimitExceeded, message));
            }
            Ok(Err(error)) => {
                let message = format!("the YARA rules could not be applied: {error}");
                return Err(ScanError::new(ErrorCode::Internal, message));
            }
            Err(_) => return Err(ScanError::new(ErrorCode::Internal, "YARA failed on these bytes")),
        };
        found.sort_by(|a, b| (&a.namespace, &a.rule).cmp(&(&b.namespace, &b.rule)));
        Ok(found)
    }
}

impl fmt::Debug for YaraRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("YaraRules")
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}

fn matched(rule: &yara_x::Rule<'_, '_>) -> YaraMatch {
    let mut places = Vec::new();
    for pattern in rule.patterns() {
        for found in pattern.matches() {
            let range = found.range();
            let place = |at: usize| u64::try_from(at).unwrap_or(u64::MAX);
            places.push((
                pattern.identifier().to_owned(),
                Span::new(place(range.start), place(range.end)),
            ));
        }
    }
    places.sort_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
    let (mut case, mut description) = (None, None);
    for (key, value) in rule.metadata() {
        match (key.to_ascii_lowercase().as_str(), value) {
            ("severity" | "threat_level", MetaValue::String(word)) => case = case.or(level(word)),
            ("score", MetaValue::Integer(score)) => case = case.or(Some(scored(score))),
            ("description", MetaValue::String(text)) => description = Some(text.to_owned()),
            _ => {}
        }
    }
    YaraMatch {
        rule: rule.identifier().to_owned(),
        namespace: rule.namespace().to_owned(),
        tags: rule.tags().map(|tag| tag.identifier().to_owned()).collect(),
        case,
        description,
        places,
    }
}

/// The case of a severity's word.
fn level(word: &str) -> Option<&'static str> {
    let words = [
        ("critical", "critical"),
        ("high", "high"),
        ("medium", "medium"),
        ("low", "low"),
        ("info", "info"),
        ("informational", "info"),
    ];
    let word = word.trim().to_ascii_lowercase();
    words
        .into_iter()
        .find(|(known, _)| *known == word)
        .map(|(_, case)| case)
}

/// The case of a score from 0 to 100, as public rule sets give it.
fn scored(score: i64) -> &'static str {
    match score {
        80.. => "high",
        60.. => "medium",
        40.. => "low",
        _ => "info",
    }
}
