//! The command line of `probity watch`.

use crate::declare::VarArgs;
use clap::{ArgGroup, Args, ValueEnum};
use probity_watch::launch::Linger;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// `probity watch`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: CMD's own (0 without CMD), 120 violation, 121 incomplete, 125 the watcher failed, 126 CMD cannot be run, 127 CMD not found, 2 usage.",
    group = ArgGroup::new("what").required(true).args(["command", "cgroup", "pid", "exe"]),
    group = ArgGroup::new("attached").args(["cgroup", "pid", "exe"])
)]
pub(crate) struct WatchArgs {
    /// What CMD may touch (docs/declared.md); without it the report is an inventory. Several files are held together
    #[arg(long, value_name = "FILE")]
    pub(crate) declared: Vec<PathBuf>,
    /// Variables.
    #[command(flatten)]
    pub(crate) vars: VarArgs,
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
    #[arg(long, value_name = "USER", requires = "command")]
    pub(crate) user: Option<String>,
    /// CMD may run as root, which can end or blind the watcher
    #[arg(long, requires = "command")]
    pub(crate) allow_root: bool,
    /// What happens to processes that outlive CMD
    #[arg(long, value_enum, default_value_t = LingerArg::Kill, value_name = "kill|wait|report", conflicts_with = "attached")]
    pub(crate) linger: LingerArg,
    /// Run CMD even where it cannot be watched; the verdict is then incomplete
    #[arg(long, requires = "command")]
    pub(crate) best_effort: bool,
    /// Watch a cgroup that exists, and all below it, instead of running CMD: its directory, or its path below the cgroup2
    /// mount. Ends when it is empty
    #[arg(long, value_name = "PATH")]
    pub(crate) cgroup: Option<PathBuf>,
    /// Watch a running process and its descendants. Ends with the last of them
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) pid: Option<u32>,
    /// Watch every start of an executable on this host, and its descendants. Ends with a signal or --duration
    #[arg(long, value_name = "PATH")]
    pub(crate) exe: Option<PathBuf>,
    /// The directory that / means in the declared set; without it the root of the process, or of the cgroup's first
    #[arg(long, value_name = "DIR", requires = "attached")]
    pub(crate) root: Option<PathBuf>,
    /// Watch for at most so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds, requires = "attached")]
    pub(crate) duration: Option<Duration>,
    /// No closing table
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// The command and its arguments
    #[arg(last = true, value_name = "CMD")]
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

/// A number of seconds, with or without a fraction.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "say a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
