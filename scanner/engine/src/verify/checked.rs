//! What checking one signature of a file or a directory gives, for schemes whose signature lies beside what it signs.

use super::{Answer, ChainAnswer};
use crate::artifact::Judged;
use crate::finding::{ErrorCode, Finding, Findings, ScanError};
use crate::policy;
use crate::span::Span;
use probity_signatures::rules;

/// One signature that was checked: the four answers, and what was found on the way.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Checked {
    /// The scheme: `oms`, `sigstore`, `npm-integrity`, `npm-registry`, `minisign`, `wheel-record`, `deb-md5sums`.
    pub scheme: &'static str,
    /// Whether the bytes are those that were signed.
    pub intact: Answer,
    /// Who signed.
    pub signer: Option<String>,
    /// Whether the signer is somebody trusted.
    pub chain: ChainAnswer,
    /// When (RFC 3339).
    pub time: Option<String>,
    /// Bytes that it covers.
    pub covered: u64,
    /// What else is worth telling, one line each.
    pub notes: Vec<String>,
    /// Findings, worst first.
    pub findings: Vec<Judged>,
    /// What could not be done.
    pub errors: Vec<ScanError>,
}

/// The same while it is made.
pub(crate) struct Draft {
    pub(crate) checked: Checked,
    pub(crate) findings: Findings,
}

impl Draft {
    pub(crate) fn new(scheme: &'static str) -> Self {
        let checked = Checked {
            scheme,
            intact: Answer::Unknown,
            signer: None,
            chain: ChainAnswer::Unknown,
            time: None,
            covered: 0,
            notes: Vec::new(),
            findings: Vec::new(),
            errors: Vec::new(),
        };
        Self {
            checked,
            findings: Findings::default(),
        }
    }

    /// It does not hold.
    pub(crate) fn refuse(&mut self, code: &'static str, case: Option<&'static str>, message: impl Into<String>) {
        self.checked.intact = Answer::No;
        let mut finding = Finding::new(code, Span::new(0, 0), message).key(format!("{} {code}", self.checked.scheme));
        finding.case = case;
        self.findings.push(finding);
    }

    /// It could not be found out.
    pub(crate) fn error(&mut self, code: ErrorCode, message: impl Into<String>) {
        self.checked.errors.push(ScanError::new(code, message));
    }

    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.checked.notes.push(note.into());
    }

    pub(crate) fn close(mut self) -> Checked {
        self.checked.findings = policy::judge(self.findings.close(), None, rules());
        self.checked
    }
}
