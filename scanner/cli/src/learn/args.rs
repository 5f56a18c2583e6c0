//! The command line of `probity learn`.

use crate::declare::VarArgs;
use crate::watch::args::LingerArg;
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;

/// `probity learn`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: CMD's own, 121 incomplete (FILE is written, and says so), 125 the watcher failed, 126 CMD cannot be run, 127 CMD not found, 2 usage."
)]
pub(crate) struct LearnArgs {
    /// The declared set to write (docs/declared.md); what a FILE that is there allows is kept, and only what is new is added
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Variables.
    #[command(flatten)]
    pub(crate) vars: VarArgs,
    /// The user that CMD runs as: a name, or uid, or uid:gid
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,
    /// CMD may run as root, which can end or blind the watcher
    #[arg(long)]
    pub(crate) allow_root: bool,
    /// What happens to processes that outlive CMD
    #[arg(long, value_enum, default_value_t = LingerArg::Kill, value_name = "kill|wait|report")]
    pub(crate) linger: LingerArg,
    /// Say only what went wrong
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}
