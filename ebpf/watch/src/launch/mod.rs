//! Starting a command contained in a cgroup of its own and following it to its end, without any eBPF.
//!
//! # The order of things
//!
//! 1. [`Cgroup::create_under_own`] makes a cgroup below the caller's.
//! 2. [`Guardian::start`] makes the process that acts when the watcher dies; from here on nothing can be left behind.
//! 3. [`prepare`] lists the inherited descriptors, catches signals, and makes the child *in* the cgroup
//!    (`CLONE_INTO_CGROUP`). The child becomes the user, finds the executable as that user, says so and waits. The
//!    parent opens the executable and has it checked.
//! 4. The watcher attaches, knowing [`Prepared::pid`], [`Cgroup::id`] and [`Prepared::executable`].
//! 5. [`Prepared::release`] lets the child execute. A checked executable is compared at the stop after `execve`, before
//!    its first instruction; then the child runs, untraced.
//! 6. The caller polls [`Running::signals`] among its own descriptors and calls [`Running::try_wait`], then
//!    [`Running::try_finish`]; or it blocks in [`Running::finish`].
//! 7. [`Guardian::dismiss`], and dropping the [`Cgroup`] removes it.
//!
//! # What passes through
//!
//! Working directory, descriptors, terminal, session and process group are the command's as they would be without us;
//! so are its signal mask and dispositions (SIGPIPE is set to its default, as Rust's runtime hides what it was). No
//! descriptor of ours is open in it. The terminal's signals reach it directly; signals sent to us alone are passed on;
//! when it stops, we stop. A signal sent to the whole process group by a *process* reaches the command twice.
//!
//! Deliberately not here: resource limits, namespaces, closing of inherited descriptors (they are reported), following
//! processes that leave the cgroup (the watcher sees that), and decisions about what is allowed.
//!
//! Sources: cgroups(7), clone(2), execve(2), ptrace(2), signal-safety(7), Documentation/admin-guide/cgroup-v2.rst.

mod bare;
mod cgroup;
mod child;
mod clone;
mod error;
mod exec_stop;
mod guardian;
mod inherited;
mod mountinfo;
mod prepare;
mod remove;
mod running;
mod signals;
mod subject;
mod user;

pub use bare::bare;
pub use cgroup::Cgroup;
pub(crate) use cgroup::procs_below;
pub use error::{LaunchError, Result};
pub use guardian::{Guardian, OnWatcherExit};
pub use inherited::{Access, Inherited, InheritedKind, InheritedSocket, inherited, open_in};
pub(crate) use mountinfo::{Cgroup2, cgroup2_mounts};
pub use prepare::{Command, Joined, Prepared, Verified, prepare};
pub use running::{Exit, Linger, Lingering, Outcome, Running};
pub use subject::{Check, FileIdentity};
pub use user::{Credentials, RunAs};

/// Why the caller's check refuses an executable, in words for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused(pub String);
