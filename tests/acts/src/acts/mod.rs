//! The acts, a file per group, and the snippets of declared sets that several groups share.

mod attribute;
mod exec;
mod flood;
mod inherited;
mod int80;
mod kernel;
mod mount;
mod open;
mod outsider;
mod path;
mod process;
mod race;
mod socket;
mod tcp;
mod tree;
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
    ("path", path::ACTS),
    ("tree", tree::ACTS),
    ("attribute", attribute::ACTS),
    ("mount", mount::ACTS),
    ("inherited", inherited::ACTS),
    ("outsider", outsider::ACTS),
    ("kernel", kernel::ACTS),
    ("int80", int80::ACTS),
    ("race", race::ACTS),
    ("flood", flood::ACTS),
];

/// A `[[file]]` rule for `DIR/allowed/**` with these access words.
macro_rules! allowed {
    ($($access:literal),+) => {
        concat!("[[file]]\naccess = [", $("\"", $access, "\", ",)+ "]\npaths = [\"${DIR}/allowed/**\"]\n")
    };
}
pub(crate) use allowed;

/// A `[[file]]` rule for the given access words and paths, as they are written in TOML.
macro_rules! files {
    ([$($access:literal),+], $paths:literal) => {
        concat!("[[file]]\naccess = [", $("\"", $access, "\", ",)+ "]\npaths = [", $paths, "]\n")
    };
}
pub(crate) use files;

/// A `[kernel]` section with one key.
macro_rules! kernel_key {
    ($key:literal, $value:literal) => {
        concat!("[kernel]\n", $key, " = \"", $value, "\"\n")
    };
}
pub(crate) use kernel_key;
