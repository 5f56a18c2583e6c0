//! The declared set, `*.declared.toml`: what an artifact is and may touch.
//!
//! [`load`] reads one file, [`load_all`] several that are held together; all that is wrong is told at once, with the
//! line and what to write instead. The model keeps for each rule where it stands. What an act means under the rules is
//! decided here once ([`Declared::decide_file`] and its kin); the kernel's tables are built from the same model and
//! tested against it. Nothing here asks the host anything: the environment is a function of the caller.
//!
//! The format is `docs/declared.md`; its JSON schema comes from [`schema`].

mod access;
mod decide;
mod diagnostic;
mod diff;
mod load;
mod net;
mod pattern;
mod rule;
pub mod schema;
mod vars;
mod words;

pub use access::Access;
pub use decide::Decision;
pub use diagnostic::{Diagnostic, Diagnostics, Level};
pub use diff::{Change, ChangeKind, diff};
pub use load::{LARGEST, MOST_PATTERNS, load, load_all};
pub use net::{Cidr, HostPattern, Listen, NetError, PortRange};
pub use pattern::{ByteSet, Component, LONGEST, MOST, Pattern, PatternError, Space, Token};
pub use rule::{
    Embedded, Evidence, ExecAnswer, ExecRule, Family, FileRule, Hardlinks, KernelAct, KernelAnswer, KernelPolicy, Mode,
    Modes, NetDeny, NetPolicy, NetRule, OnEventLoss, OnMismatch, OnUnsupported, Proto, RuleRef, Section, Signer,
    SignerScheme, Subject, UnixRule, WatcherExit,
};
pub use vars::VarError;

pub(crate) use net::EmbeddedHost;

use std::collections::BTreeMap;

/// A declared set: one file, or several that are held together. Rules keep the order of the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// What people call it.
    pub name: String,
    /// What the tree starts from.
    pub subject: Option<Subject>,
    /// How it is held.
    pub mode: Modes,
    /// The variables of `[vars]` and their values.
    pub vars: BTreeMap<String, String>,
    /// `[[file]]`.
    pub files: Vec<FileRule>,
    /// `[[exec]]`.
    pub execs: Vec<ExecRule>,
    /// `[[net]]`.
    pub nets: Vec<NetRule>,
    /// `[net.policy]`.
    pub net_policy: NetPolicy,
    /// `[[unix]]`.
    pub unixes: Vec<UnixRule>,
    /// `[kernel]`.
    pub kernel: KernelPolicy,
    /// `[embedded]`; `None` when no file has that section, so that nothing is held against what the scan finds.
    pub embedded: Option<Embedded>,
    /// What a file with several links means.
    pub hardlinks: Hardlinks,
    /// What a person should read, though the set loads.
    pub warnings: Vec<Diagnostic>,
}
