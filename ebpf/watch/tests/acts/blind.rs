//! What a backend cannot see, and why.

/// Name of the act, backends in which it is not seen, reason.
pub(crate) const BLIND: &[(&str, &[&str], &str)] = &[
    (
        "keyctl",
        &["trace", "lsm", "hook"],
        "the declared set has no word for keyrings, so that nothing could allow it",
    ),
    ("uring-openat", &["trace"], RING),
    ("uring-openat-async", &["trace"], RING),
    ("uring-sqpoll", &["trace"], RING),
];

const RING: &str =
    "no tracepoint carries the file that an io_uring request opens; what is then read from the page cache is seen";

/// Why a backend does not see an act.
pub(crate) fn reason(act: &str, backend: &str) -> Option<&'static str> {
    BLIND
        .iter()
        .find(|(name, backends, _)| *name == act && backends.contains(&backend))
        .map(|(.., why)| *why)
}
