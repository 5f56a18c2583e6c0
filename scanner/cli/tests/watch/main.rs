//! `probity watch` as it runs: commands in real cgroups, on real file systems, under the real binary.
//!
//! One file holds one idea; [`place`] gives a test a directory in a mount namespace of its own, [`watched`] runs a command
//! there and says what the watcher said. What a host cannot do (no root, no BPF, no cgroup v2, a file system that is not
//! in the kernel) is said on standard error as `probity-skip: reason`. Counts that take minutes are made smaller unless
//! `PROBITY_WATCH_FULL` is set.

mod place;
mod watched;

mod bind;
mod container;
mod flood;
mod hard_link;
mod input;
mod mounted;
mod names;
mod overlay;
mod proc_self;
mod race;
mod replaced;
mod reuse;
mod streams;
mod subvolume;
mod survival;
mod symlink;
