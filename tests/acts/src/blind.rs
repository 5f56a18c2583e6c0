//! What a backend of the watcher cannot see, and why.
//!
//! The watcher's test holds each row both ways: an act that stands here must really not be seen. `docs/acts.md` is
//! written from it. What no act of the suite does is not here.

use crate::table::Act;

/// The backends, by their words.
pub const BACKENDS: [&str; 3] = ["lsm", "hook", "trace"];

/// An act that some backends do not see.
pub struct Blind {
    /// The act's name.
    pub act: &'static str,
    /// In which backends, from [`BACKENDS`].
    pub backends: &'static [&'static str],
    /// Why.
    pub why: &'static str,
}

/// The act that, in the undeclared form, ends the watcher itself: the run then has no verdict.
pub const ENDS_THE_WATCHER: &str = "kill-parent";

/// Every blind spot.
pub const BLIND: &[Blind] = &[
    Blind {
        act: "keyctl",
        backends: &BACKENDS,
        why: "the declared set has no word for keyrings, so that nothing could allow it",
    },
    through_ring("uring-openat"),
    through_ring("uring-openat-async"),
    through_ring("uring-sqpoll"),
];

const fn through_ring(act: &'static str) -> Blind {
    Blind {
        act,
        backends: &["trace"],
        why: "no tracepoint carries the file that an io_uring request opens; what is then read from the page cache is seen",
    }
}

/// Why a backend does not see an act; `None` where it does.
pub fn reason(act: &str, backend: &str) -> Option<&'static str> {
    BLIND
        .iter()
        .find(|blind| blind.act == act && blind.backends.contains(&backend))
        .map(|blind| blind.why)
}

/// Whether not being able to tell is an answer too: the act races or floods the watcher, which may then say `incomplete`
/// where it would say `violation`.
pub fn may_end_incomplete(act: &Act) -> bool {
    matches!(act.group, "race" | "flood")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table;

    #[test]
    fn every_blind_spot_is_an_act_in_known_backends() {
        for (at, blind) in BLIND.iter().enumerate() {
            assert!(table::find(blind.act).is_some(), "no act {}", blind.act);
            assert!(!blind.backends.is_empty() && !blind.why.is_empty(), "{}", blind.act);
            for backend in blind.backends {
                assert!(BACKENDS.contains(backend), "{}: {backend}", blind.act);
                assert_eq!(reason(blind.act, backend), Some(blind.why));
                let again = BLIND
                    .iter()
                    .skip(at + 1)
                    .any(|other| other.act == blind.act && other.backends.contains(backend));
                assert!(!again, "{} stands twice for {backend}", blind.act);
            }
        }
        assert!(table::find(ENDS_THE_WATCHER).is_some());
        assert_eq!(reason("openat", "trace"), None);
        assert_eq!(reason("uring-openat", "lsm"), None);
    }
}
