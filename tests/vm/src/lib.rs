//! What the two sides of a virtual machine agree on: the commands to run, and the lines that tell how they ended.
//!
//! `cargo xtask vm` writes the manifest and reads the console; the machine's first process, `probity-init`, does the
//! reverse. Neither knows what the commands are about.

pub mod console;
pub mod manifest;

/// Where the manifest lies inside the machine.
pub const MANIFEST: &str = "/manifest";

/// The folder of kernel modules, loaded in the order of their names.
pub const MODULES: &str = "/modules";
