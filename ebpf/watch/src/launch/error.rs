//! What can stop a launch, each with the way out, and the exit code the contract gives it.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

/// Why a command could not be started contained.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// No cgroup version 2 hierarchy is mounted in this mount namespace.
    #[error(
        "no cgroup2 file system is mounted here: mount one (mount -t cgroup2 none /sys/fs/cgroup) or boot without systemd.unified_cgroup_hierarchy=0"
    )]
    NoCgroup2,
    /// The caller's own cgroup lies outside of what the mounts of this namespace show.
    #[error(
        "own cgroup {own} is not below any cgroup2 mount visible here: start in the cgroup namespace of the mount, or bind the host's cgroup2 file system in"
    )]
    CgroupHidden {
        /// The path in `/proc/self/cgroup`, after `0::`.
        own: String,
    },
    /// The cgroup2 mount is read-only, as in an ordinary container.
    #[error("cgroup2 is mounted read-only at {}: remount it read-write, or start the container with a writable cgroup namespace", path.display())]
    CgroupReadOnly {
        /// The directory in which a child was to be made.
        path: PathBuf,
    },
    /// The caller may not make or join a child of its own cgroup.
    #[error("no permission to make a cgroup in {}: run as root, or in a delegated scope (systemd-run --user --scope -p Delegate=yes -- ...)", path.display())]
    CgroupPermission {
        /// The directory in which a child was to be made.
        path: PathBuf,
    },
    /// `cgroup.max.descendants` or `cgroup.max.depth` of an ancestor is reached.
    #[error("no more cgroups are allowed below {}: raise cgroup.max.descendants and cgroup.max.depth there or above", path.display())]
    CgroupLimit {
        /// The directory in which a child was to be made.
        path: PathBuf,
    },
    /// The caller's cgroup is threaded, or its child cannot hold processes.
    #[error("cgroup {} cannot hold processes (its type is {kind:?}): start from a domain cgroup", path.display())]
    CgroupType {
        /// The directory that was made.
        path: PathBuf,
        /// The content of `cgroup.type`.
        kind: String,
    },
    /// Processes or directories are left in the cgroup after the bounded time.
    #[error("cgroup {} is not empty: {left} processes outlived SIGKILL", path.display())]
    CgroupBusy {
        /// The cgroup.
        path: PathBuf,
        /// Processes that are still listed.
        left: usize,
    },
    /// Another failure with a file of the cgroup.
    #[error("cannot {action} {}: {source}", path.display())]
    Cgroup {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Running as root was not asked for.
    #[error("the command would run as root: give --user USER, start through sudo, or allow it with --allow-root")]
    NeedsAllowRoot,
    /// Only root can become another user.
    #[error("cannot run as {user}: only root can become another user")]
    NotRoot {
        /// The user asked for.
        user: String,
    },
    /// The user does not exist, or is neither a name nor UID nor UID:GID.
    #[error("no user {user:?}: give a name from the user database, UID, or UID:GID")]
    UnknownUser {
        /// The user asked for.
        user: String,
    },
    /// A bare UID without an entry in the user database has no group.
    #[error("user {uid} has no entry in the user database: give its group too, as {uid}:GID")]
    GroupNeeded {
        /// The user id asked for.
        uid: u32,
    },
    /// An argument, a path or an environment entry holds a zero byte.
    #[error("{what} holds a zero byte")]
    ZeroByte {
        /// Which of them.
        what: &'static str,
    },
    /// The command does not exist: exit code 127.
    #[error("{}: command not found", program.display())]
    NotFound {
        /// As given.
        program: OsString,
    },
    /// The command exists but could not be run: exit code 126, or 127 where its interpreter is missing.
    #[error("{}: cannot be executed: {source}", program.display())]
    NotExecutable {
        /// As given or found.
        program: OsString,
        /// What `execve` or the search answered.
        source: io::Error,
    },
    /// The executable cannot be opened for its check.
    #[error("{}: cannot be read, so it cannot be checked: {source}", path.display())]
    Unreadable {
        /// The executable.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The caller's check of the executable said no.
    #[error("{}: refused: {}", path.display(), reason.0)]
    Refused {
        /// The executable.
        path: PathBuf,
        /// The caller's words.
        reason: super::Refused,
    },
    /// What was executed is not what had been checked.
    #[error("{}: {what} between its check and its execution; the command was killed before its first instruction", path.display())]
    SubjectChanged {
        /// The executable.
        path: PathBuf,
        /// What is different.
        what: String,
    },
    /// The signal routing of a process serves one command at a time.
    #[error("another contained command is already running in this process: finish it first")]
    AlreadyRunning,
    /// The child ended before it was released.
    #[error("the child ended before it was released ({how}): it was probably killed from outside, or memory is short")]
    ChildLost {
        /// How it ended.
        how: String,
    },
    /// A system call failed.
    #[error("{call}: {source}")]
    System {
        /// The call or the file.
        call: &'static str,
        /// The system's answer.
        source: io::Error,
    },
}

impl LaunchError {
    /// The exit code of `probity watch` for this error: 2 for usage, 126 and 127 when the command could not be run,
    /// 125 when the watcher failed.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotFound { .. } => 127,
            Self::NotExecutable { source, .. } if source.raw_os_error() == Some(libc::ENOENT) => 127,
            Self::NotExecutable { .. } | Self::Refused { .. } => 126,
            Self::NeedsAllowRoot
            | Self::NotRoot { .. }
            | Self::UnknownUser { .. }
            | Self::GroupNeeded { .. }
            | Self::ZeroByte { .. } => 2,
            _ => 125,
        }
    }

    /// For `map_err`: a failed system call.
    pub(super) fn system<E: Into<io::Error>>(call: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::System {
            call,
            source: source.into(),
        }
    }
}

/// The result of everything here.
pub type Result<T> = std::result::Result<T, LaunchError>;
