//! One run of the watcher: programs loaded, the declared set in the kernel's maps, events drained, a report at the end.
//!
//! The order matters. The child exists, in its cgroup, and waits; then the programs load (they hold the cgroup's number as a
//! constant), the rules' objects are pinned through the kernel, the maps are filled, the programs attach; only then is the
//! child released. Nothing here prints.

mod attach;
mod drain;
mod hash;
mod lower;
mod maps;
mod run;

pub use attach::{Capability, LoadError, Loaded};
pub use hash::HostPrograms;
pub use lower::{LowerError, Lowered, lower};
pub use run::{Options, WatchError, watch};
