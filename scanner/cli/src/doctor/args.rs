//! The command line of `probity doctor`.

use clap::{Args, ValueEnum};
use std::ffi::OsString;

/// `probity doctor`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 every act that was done was observed, 1 some are not (listed), 3 the watcher cannot run here, 2 usage."
)]
pub(crate) struct DoctorArgs {
    /// How the report is written
    #[arg(long, value_enum, default_value_t = DoctorFormat::Text, value_name = "FORMAT")]
    pub(crate) format: DoctorFormat,
    /// The instances that doctor itself starts: what they do.
    #[arg(long, hide = true, num_args = 2, value_names = ["ACT", "ON"])]
    pub(crate) serve: Option<Vec<OsString>>,
}

/// `--format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DoctorFormat {
    /// For people
    Text,
    /// Schema probity.doctor/1
    Json,
}
