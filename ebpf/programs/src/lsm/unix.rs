//! Unix sockets: connections, and datagrams to a peer.

use aya_ebpf::{macros::lsm, programs::LsmContext};
use probity_abi::event::LSM;

use crate::security::{answer, argument, unix};

#[lsm(hook = "unix_stream_connect")]
pub fn lsm_unix_stream_connect(ctx: LsmContext) -> i32 {
    answer(unix::connect(argument(&ctx, 1), LSM))
}

#[lsm(hook = "unix_may_send")]
pub fn lsm_unix_may_send(ctx: LsmContext) -> i32 {
    answer(unix::send(argument(&ctx, 1), LSM))
}
