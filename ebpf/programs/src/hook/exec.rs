//! Programs about to be started.

use aya_ebpf::{macros::fentry, programs::FEntryContext};
use probity_abi::event::HOOK;

use crate::security::{answer, exec};

#[fentry(function = "security_bprm_check")]
pub fn hook_bprm_check_security(ctx: FEntryContext) -> i32 {
    answer(exec::check(ctx.arg::<*const u8>(0) as u64, HOOK))
}
