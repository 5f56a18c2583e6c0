//! Finding rules: one `rules/<code>.toml` per finding code, which is also the code's documentation.
//!
//! A rule says how bad a code is by default, per case where that differs, and what a person should know and do. It does
//! not say when the engine emits it: inspectors do, and `policy/` has the last word on severity.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;
use toml::Spanned;

use crate::embedded::{KNOWN_FILES, RULE_FILES};
use crate::toml_error::{line_of, message_of};

/// The rules compiled into this build.
///
/// # Panics
///
/// When an embedded rule file is invalid, which a test of this crate rules out.
pub fn rules() -> &'static Rules {
    static RULES: LazyLock<Rules> = LazyLock::new(|| match Rules::from_files(RULE_FILES.iter().copied()) {
        Ok(rules) => rules,
        Err(error) => panic!("embedded rules: {error}"),
    });
    &RULES
}

/// A set of rules, by code.
#[derive(Debug, Clone)]
pub struct Rules {
    by_code: BTreeMap<String, Rule>,
    digest: String,
}

impl Rules {
    /// Loads a set from (file name, text) pairs, such as the files of a `--rules` directory.
    ///
    /// # Errors
    ///
    /// The first file, in the order given, that is invalid or repeats a code.
    pub fn from_files<N, T>(files: impl IntoIterator<Item = (N, T)>) -> Result<Self, RuleError>
    where
        N: AsRef<str>,
        T: AsRef<str>,
    {
        let mut by_code = BTreeMap::new();
        let mut contents = Vec::new();
        for (name, text) in files {
            let (name, text) = (name.as_ref(), text.as_ref());
            let rule = Self::parse(name, text)?;
            match by_code.entry(rule.code.clone()) {
                Entry::Vacant(entry) => entry.insert(rule),
                Entry::Occupied(_) => return Err(RuleError::new(name, 1, RuleErrorKind::RepeatedCode(rule.code))),
            };
            contents.push((format!("rules/{}", file_name(name)), text.to_owned()));
        }
        let known = KNOWN_FILES
            .iter()
            .map(|(name, text)| (format!("known/{name}"), (*text).to_owned()));
        contents.extend(known);
        Ok(Self {
            by_code,
            digest: digest_of(contents),
        })
    }

    /// Parses and checks one rule file. `name` is its file name or path; its stem must be the rule's code.
    ///
    /// # Errors
    ///
    /// A [`RuleError`] with the file and the line, when the text is not a rule or breaks one of the rules' own rules.
    pub fn parse(name: &str, text: &str) -> Result<Rule, RuleError> {
        let file: RuleFile = toml::from_str(text).map_err(|error| {
            let line = line_of(text, error.span());
            RuleError::new(name, line, RuleErrorKind::Syntax(message_of(&error)))
        })?;
        file.check(name, text)
    }

    /// These rules and `more`, which come from `files`: (name, text) pairs that the digest follows too, whatever their
    /// order. A rule whose code is taken is left out: the loader refuses it before.
    #[must_use]
    pub fn with(&self, more: impl IntoIterator<Item = Rule>, files: &[(&str, &str)]) -> Self {
        let mut by_code = self.by_code.clone();
        for rule in more {
            by_code.entry(rule.code.clone()).or_insert(rule);
        }
        let mut contents = vec![("rules".to_owned(), self.digest.clone())];
        let named = files
            .iter()
            .map(|(name, text)| (format!("custom/{name}"), (*text).to_owned()));
        contents.extend(named);
        Self {
            by_code,
            digest: digest_of(contents),
        }
    }

    /// The rule of a finding code.
    pub fn get(&self, code: &str) -> Option<&Rule> {
        self.by_code.get(code)
    }

    /// All rules, sorted by code.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Rule> {
        self.by_code.values()
    }

    /// The default severity of a code, in a case or without one. `None` when the code, or that case of it, is not
    /// declared.
    pub fn severity(&self, code: &str, case: Option<&str>) -> Option<Severity> {
        self.get(code)?.severity_in(case)
    }

    /// `sha256:<hex>` over the names and contents of these rule files and of the known files of this build; it does not
    /// depend on the order in which the files were given.
    pub fn digest(&self) -> String {
        self.digest.clone()
    }
}

/// A finding code, its default severity and its documentation.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Rule {
    /// The finding code: kebab-case, never renamed or reused.
    pub code: String,
    /// Severity when no case applies.
    pub severity: Severity,
    /// Confidence when the engine does not say otherwise.
    pub confidence: Confidence,
    /// One line, lower case, no full stop.
    pub summary: String,
    /// What the code reports, in two to five sentences.
    pub what: String,
    /// What attack it is a sign of, and its benign readings.
    pub why: String,
    /// One line: what to do now.
    pub action: String,
    /// Specifications, CVEs and papers.
    pub references: Vec<String>,
    /// The version that introduced the code.
    pub since: String,
    /// Cases with a severity of their own, by name.
    pub cases: BTreeMap<String, RuleCase>,
    /// The numbers that the code is told by, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub thresholds: BTreeMap<String, Threshold>,
    /// Where a rule of the user stands, `rules/acme.toml:3`; `None` for Probity's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
}

impl Rule {
    /// The default severity in `case`; `None` when the rule has no such case.
    pub fn severity_in(&self, case: Option<&str>) -> Option<Severity> {
        match case {
            None => Some(self.severity),
            Some(case) => self.cases.get(case).map(|case| case.severity),
        }
    }
}

/// One case of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RuleCase {
    /// Severity in this case.
    pub severity: Severity,
    /// One line: when this case applies.
    pub when: String,
}

/// One number of a rule, which the engine reads and `docs/calibration.md` has the measurements behind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Threshold {
    /// The number.
    pub value: f64,
    /// One line: what it is the threshold of, and in which unit.
    pub meaning: String,
}

/// How bad a finding is.
///
/// `Critical` runs code or defeats a signature when the artifact is used as intended; `High` is a hidden payload, a path
/// escape or tampering with no benign reading; `Medium` needs a person; `Low` is hygiene; `Info` is inventory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the five levels are described together, above")]
pub enum Severity {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    /// All levels, lowest first.
    pub const ALL: [Self; 5] = [Self::Info, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The name used in rule files, reports and options.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// How sure the engine is that the finding is what its code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// It may be: a pattern that innocent bytes can form.
    Possible,
    /// It probably is: structure agrees, but a benign reading remains.
    Likely,
    /// It is: the bytes say so.
    Certain,
}

impl Confidence {
    /// All levels, lowest first.
    pub const ALL: [Self; 3] = [Self::Possible, Self::Likely, Self::Certain];

    /// The name used in rule files and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Possible => "possible",
            Self::Likely => "likely",
            Self::Certain => "certain",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that names no [`Severity`] or [`Confidence`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown level {0:?}")]
pub struct UnknownLevel(pub String);

impl FromStr for Severity {
    type Err = UnknownLevel;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|level| level.as_str() == word)
            .ok_or_else(|| UnknownLevel(word.to_owned()))
    }
}

impl FromStr for Confidence {
    type Err = UnknownLevel;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|level| level.as_str() == word)
            .ok_or_else(|| UnknownLevel(word.to_owned()))
    }
}

/// Why a rule file was refused, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{file}:{line}: {kind}")]
#[non_exhaustive]
pub struct RuleError {
    /// The file, as named by the caller.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub kind: RuleErrorKind,
}

impl RuleError {
    fn new(file: &str, line: usize, kind: RuleErrorKind) -> Self {
        Self {
            file: file.to_owned(),
            line,
            kind,
        }
    }
}

/// What is wrong with a rule file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RuleErrorKind {
    /// Not TOML, an unknown or missing key, or a value of the wrong kind.
    #[error("{0}")]
    Syntax(String),
    /// The code is not the file's stem.
    #[error("code {code:?} differs from the file name {stem:?}")]
    CodeIsNotStem {
        /// The code declared.
        code: String,
        /// The file's stem.
        stem: String,
    },
    /// A code or a case name is not kebab-case.
    #[error("{0:?} is not kebab-case")]
    NotKebabCase(String),
    /// A required text is blank.
    #[error("{0} is empty")]
    Empty(&'static str),
    /// A text that must stay on one line does not.
    #[error("{0} is not a single line")]
    NotOneLine(&'static str),
    /// The summary starts with a capital or ends with a full stop.
    #[error("summary is not lower case without a full stop")]
    SummaryForm,
    /// A threshold is NaN or infinite.
    #[error("threshold {0:?} is not a finite number")]
    NotFinite(String),
    /// Another file of the set declares the same code.
    #[error("code {0:?} is declared twice")]
    RepeatedCode(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFile {
    code: Spanned<String>,
    severity: Severity,
    confidence: Confidence,
    summary: Spanned<String>,
    what: Spanned<String>,
    why: Spanned<String>,
    action: Spanned<String>,
    #[serde(default)]
    references: Vec<String>,
    since: Spanned<String>,
    #[serde(default)]
    cases: BTreeMap<Spanned<String>, Spanned<RuleCase>>,
    #[serde(default)]
    thresholds: BTreeMap<Spanned<String>, Threshold>,
}

impl RuleFile {
    fn check(self, name: &str, text: &str) -> Result<Rule, RuleError> {
        let fail = |span: std::ops::Range<usize>, kind| Err(RuleError::new(name, line_of(text, Some(span)), kind));
        let code = self.code.get_ref();
        let stem = file_name(name).strip_suffix(".toml").unwrap_or(file_name(name));
        if code != stem {
            let kind = RuleErrorKind::CodeIsNotStem {
                code: code.clone(),
                stem: stem.to_owned(),
            };
            return fail(self.code.span(), kind);
        }
        if !is_kebab_case(code) {
            return fail(self.code.span(), RuleErrorKind::NotKebabCase(code.clone()));
        }
        let texts = [
            ("summary", &self.summary),
            ("what", &self.what),
            ("why", &self.why),
            ("action", &self.action),
            ("since", &self.since),
        ];
        for (key, value) in texts {
            if value.get_ref().trim().is_empty() {
                return fail(value.span(), RuleErrorKind::Empty(key));
            }
            if !matches!(key, "what" | "why") && value.get_ref().contains('\n') {
                return fail(value.span(), RuleErrorKind::NotOneLine(key));
            }
        }
        let summary = self.summary.get_ref();
        if summary.ends_with('.') || starts_with_capitalised_word(summary) {
            return fail(self.summary.span(), RuleErrorKind::SummaryForm);
        }
        for (case, body) in &self.cases {
            if !is_kebab_case(case.get_ref()) {
                return fail(case.span(), RuleErrorKind::NotKebabCase(case.get_ref().clone()));
            }
            if body.get_ref().when.trim().is_empty() {
                return fail(case.span(), RuleErrorKind::Empty("when"));
            }
            if body.get_ref().when.contains('\n') {
                return fail(case.span(), RuleErrorKind::NotOneLine("when"));
            }
        }
        for (name, threshold) in &self.thresholds {
            if !is_kebab_case(name.get_ref()) {
                return fail(name.span(), RuleErrorKind::NotKebabCase(name.get_ref().clone()));
            }
            if !threshold.value.is_finite() {
                return fail(name.span(), RuleErrorKind::NotFinite(name.get_ref().clone()));
            }
            if threshold.meaning.trim().is_empty() {
                return fail(name.span(), RuleErrorKind::Empty("meaning"));
            }
            if threshold.meaning.contains('\n') {
                return fail(name.span(), RuleErrorKind::NotOneLine("meaning"));
            }
        }
        Ok(Rule {
            code: self.code.into_inner(),
            severity: self.severity,
            confidence: self.confidence,
            summary: self.summary.into_inner(),
            what: self.what.get_ref().trim().to_owned(),
            why: self.why.get_ref().trim().to_owned(),
            action: self.action.into_inner(),
            references: self.references,
            since: self.since.into_inner(),
            cases: self
                .cases
                .into_iter()
                .map(|(name, case)| (name.into_inner(), case.into_inner()))
                .collect(),
            thresholds: self
                .thresholds
                .into_iter()
                .map(|(name, threshold)| (name.into_inner(), threshold))
                .collect(),
            origin: None,
        })
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

pub(crate) fn is_kebab_case(word: &str) -> bool {
    word.split('-').all(|part| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    })
}

/// `Bytes follow` is capitalised; `URLs hide` is an acronym and passes.
fn starts_with_capitalised_word(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next().is_some_and(char::is_uppercase) && !letters.next().is_some_and(char::is_uppercase)
}

/// Every name and content goes in with its length, so that no two sets of files give the same byte stream.
fn digest_of(mut contents: Vec<(String, String)>) -> String {
    contents.sort();
    let mut hasher = Sha256::new();
    for (name, text) in &contents {
        for part in [name, text] {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
    }
    let hex: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
