//! The loader's half: aya may copy these types.
#![expect(
    unsafe_code,
    reason = "aya::Pod is an unsafe marker: each type here is repr(C), Copy and without padding"
)]

use crate::{config, event, net, offsets, policy, state};

macro_rules! pod {
    ($($type:ty),* $(,)?) => {
        // SAFETY: every type is repr(C), Copy, without padding (sizes are asserted beside each), and valid for any bytes.
        $(unsafe impl aya::Pod for $type {})*
    };
}

pod!(
    config::Config,
    event::Event,
    net::AbstractKey,
    net::FamilyKey,
    net::NetEntry,
    net::NetGrant,
    net::NetKey,
    offsets::Offsets,
    policy::Grant,
    policy::Pin,
    state::Held,
    state::Process,
    state::Seen,
    state::SeenKey,
    state::Task,
    state::Verdict,
    state::VerdictKey,
);
