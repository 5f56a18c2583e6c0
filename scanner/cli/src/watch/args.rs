//! The command line of `probity watch`.

use clap::{Args, ValueEnum};
use probity_watch::launch::Linger;
use std::ffi::OsString;
use std::path::PathBuf;

/// `probity watch`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: CMD's own, 120 violation, 121 incomplete, 125 the watcher failed, 126 CMD cannot be run, 127 CMD not found, 2 usage."
)]
pub(crate) struct WatchArgs {
    /// What CMD may touch (docs/declared.md); without it the report is an inventory. Several files are held together
    #[arg(long, value_name = "FILE")]
    pub(crate) declared: Vec<PathBuf>,
    /// Gives a variable of the declared set its value
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) var: Vec<String>,
    /// Stop what is denied or undeclared, not only report it
    #[arg(long)]
    pub(crate) enforce: bool,
    /// Write events as NDJSON to FILE or fd:N
    #[arg(long, value_name = "FILE")]
    pub(crate) events: Option<String>,
    /// Write declared acts too
    #[arg(long, requires = "events")]
    pub(crate) events_all: bool,
    /// Write the report as JSON to FILE or fd:N
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<String>,
    /// The user that CMD runs as: a name, or uid, or uid:gid
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,
    /// CMD may run as root, which can end or blind the watcher
    #[arg(long)]
    pub(crate) allow_root: bool,
    /// What happens to processes that outlive CMD
    #[arg(long, value_enum, default_value_t = LingerArg::Kill, value_name = "kill|wait|report")]
    pub(crate) linger: LingerArg,
    /// Run CMD even where it cannot be watched; the verdict is then incomplete
    #[arg(long)]
    pub(crate) best_effort: bool,
    /// No closing table
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

/// `--linger`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LingerArg {
    /// They are killed
    Kill,
    /// They are waited for
    Wait,
    /// They are left running, and reported
    Report,
}

impl From<LingerArg> for Linger {
    fn from(arg: LingerArg) -> Self {
        match arg {
            LingerArg::Kill => Self::Kill,
            LingerArg::Wait => Self::Wait,
            LingerArg::Report => Self::Report,
        }
    }
}
