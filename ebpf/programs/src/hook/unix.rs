//! Unix sockets: connections, and datagrams to a peer.

use aya_ebpf::{macros::fentry, programs::FEntryContext};
use probity_abi::event::HOOK;

use crate::security::{answer, argument, unix};

#[fentry(function = "security_unix_stream_connect")]
pub fn hook_unix_stream_connect(ctx: FEntryContext) -> i32 {
    answer(unix::connect(argument(&ctx, 1), HOOK))
}

#[fentry(function = "security_unix_may_send")]
pub fn hook_unix_may_send(ctx: FEntryContext) -> i32 {
    answer(unix::send(argument(&ctx, 1), HOOK))
}
