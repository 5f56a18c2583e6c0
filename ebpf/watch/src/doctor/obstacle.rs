//! Why the watcher cannot run at all, in one line each, with the way out.

use super::host::Host;
use crate::launch::LaunchError;
use crate::session::{LoadError, WatchError};

/// What stands in the way.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Obstacle {
    /// Not privileged enough.
    #[error("no {}: run as root, or with sudo", .0.join(", no "))]
    Capabilities(Vec<&'static str>),
    /// Root of a user namespace only.
    #[error(
        "the privileges hold only inside a user namespace, where the kernel loads no tracing program: start outside of it"
    )]
    UserNamespace,
    /// No type information.
    #[error(
        "no type information at /sys/kernel/btf/vmlinux: boot a kernel with CONFIG_DEBUG_INFO_BTF, and let a container see /sys/kernel/btf"
    )]
    NoBtf,
    /// The tree cannot have a cgroup of its own.
    #[error(transparent)]
    Cgroup(LaunchError),
    /// The programs without which nothing works are refused.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The probe run failed.
    #[error("the probe run failed: {0}")]
    Watch(Box<WatchError>),
    /// The probe run could not be set up, or left nothing.
    #[error("{what}: {source}")]
    Probe {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Obstacle {
    /// The first of the things that need nothing to be made to be known.
    #[must_use]
    pub fn of(host: &Host) -> Option<Self> {
        let lacking: Vec<&'static str> = host
            .missing_capabilities
            .iter()
            .filter(|missing| missing.required)
            .map(|missing| missing.name)
            .collect();
        if !lacking.is_empty() {
            return Some(Self::Capabilities(lacking));
        }
        if host.in_user_namespace {
            return Some(Self::UserNamespace);
        }
        if !host.btf {
            return Some(Self::NoBtf);
        }
        None
    }

    pub(super) fn probe(what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Probe { what, source }
    }
}

impl From<WatchError> for Obstacle {
    fn from(error: WatchError) -> Self {
        match error {
            WatchError::Load(error) => Self::Load(error),
            WatchError::Host(obstacle) => *obstacle,
            error => Self::Watch(Box::new(error)),
        }
    }
}
