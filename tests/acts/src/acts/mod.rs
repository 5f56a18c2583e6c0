//! The acts, a file per group, and the snippets of declared sets that several groups share.

mod exec;
mod open;
mod process;
mod socket;
mod tcp;
mod udp;
mod unix;
mod uring;

use crate::table::Act;

/// Every group with its rows.
pub(crate) const GROUPS: &[(&str, &[Act])] = &[
    ("open", open::ACTS),
    ("process", process::ACTS),
    ("exec", exec::ACTS),
    ("tcp", tcp::ACTS),
    ("udp", udp::ACTS),
    ("socket", socket::ACTS),
    ("unix", unix::ACTS),
    ("uring", uring::ACTS),
];

/// A `[[file]]` rule for `DIR/allowed/**` with these access words.
macro_rules! allowed {
    ($($access:literal),+) => {
        concat!("[[file]]\naccess = [", $("\"", $access, "\", ",)+ "]\npaths = [\"${DIR}/allowed/**\"]\n")
    };
}
pub(crate) use allowed;

/// A `[[file]]` rule for the given access words and paths, as they are written in TOML.
macro_rules! file {
    ([$($access:literal),+], $paths:literal) => {
        concat!("[[file]]\naccess = [", $("\"", $access, "\", ",)+ "]\npaths = [", $paths, "]\n")
    };
}
pub(crate) use file;

/// A `[kernel]` section with one key.
macro_rules! kernel {
    ($key:literal, $value:literal) => {
        concat!("[kernel]\n", $key, " = \"", $value, "\"\n")
    };
}
pub(crate) use kernel;
