//! One run of the watcher: programs loaded, the declared set in the kernel's maps, events drained, a report at the end.
//!
//! The order matters. The child exists, in its cgroup, and waits; then the programs load (they hold the cgroup's number as a
//! constant), the rules' objects are pinned through the kernel, the maps are filled, the programs attach; only then is the
//! child released. Where nothing is launched ([`attach`]) the programs attach first, and then what already runs is adopted:
//! whatever it makes meanwhile is followed. Nothing here prints.

mod adopt;
mod attaching;
mod check;
mod drain;
mod error;
mod group;
mod hash;
mod launching;
mod load;
mod lower;
mod maps;
mod memory;
mod open;
mod process;
mod scope;
mod starter;
mod stop;
mod tasks;
mod watching;

pub use attaching::{AttachOptions, Ready, Target, attach};
pub use error::WatchError;
pub use hash::HostPrograms;
pub use launching::{Observed, Observer, Options, observe, watch, watch_with};
pub use load::{Capability, LoadError, Loaded};
pub use lower::{LowerError, Lowered, lower};
