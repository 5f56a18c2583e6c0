//! Why a watch gives no report.

use super::load::LoadError;
use super::lower::LowerError;
use super::maps::FillError;
use crate::doctor::Obstacle;
use crate::launch::LaunchError;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// CMD could not be started, or not contained.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// The host does not let anything be watched.
    #[error("nothing can be watched here: {0} (see probity doctor)")]
    Host(Box<Obstacle>),
    /// The programs could not be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The declared set cannot be held.
    #[error(transparent)]
    Lower(#[from] LowerError),
    /// A map refused its content.
    #[error(transparent)]
    Fill(#[from] FillError),
    /// The declared set asks for what this host cannot do, and says that this is an error.
    #[error("{}: say `on_unsupported = \"report\"` under [mode] to run all the same", .0.join("; "))]
    Unsupported(Vec<String>),
    /// Where events go cannot be opened.
    #[error("{target}: {source}")]
    Events {
        /// As asked for.
        target: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// What was asked for cannot be attached to.
    #[error("{0}")]
    Target(String),
    /// The subject is not what the declared set says.
    #[error("{0}")]
    Refused(String),
    /// A system call failed.
    #[error("{call}: {source}")]
    System {
        /// The call.
        call: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

impl WatchError {
    /// The exit code of `probity watch`: 125 unless CMD itself could not be run.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Launch(error) => error.exit_code(),
            _ => crate::report::verdict::FAILED,
        }
    }
}

/// A failed system call.
pub(super) fn system(call: &'static str) -> impl Fn(rustix::io::Errno) -> WatchError {
    move |error| WatchError::System {
        call,
        source: error.into(),
    }
}
