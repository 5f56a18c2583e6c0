//! Programs about to be started.

use aya_ebpf::{macros::lsm, programs::LsmContext};
use probity_abi::event::LSM;

use crate::security::{answer, exec};

#[lsm(hook = "bprm_check_security")]
pub fn lsm_bprm_check_security(ctx: LsmContext) -> i32 {
    answer(exec::check(ctx.arg::<*const u8>(0) as u64, LSM))
}
