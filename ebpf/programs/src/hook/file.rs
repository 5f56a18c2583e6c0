//! Opening, receiving, reading, writing and mapping files.

use aya_ebpf::{macros::fentry, programs::FEntryContext};
use probity_abi::event::HOOK;

use crate::security::{
    answer, argument,
    file::{self, implied},
};

#[fentry(function = "security_file_open")]
pub fn hook_file_open(ctx: FEntryContext) -> i32 {
    answer(file::open(ctx.arg::<*const u8>(0) as u64, HOOK))
}

#[fentry(function = "security_file_receive")]
pub fn hook_file_receive(ctx: FEntryContext) -> i32 {
    answer(file::receive(ctx.arg::<*const u8>(0) as u64, HOOK))
}

#[fentry(function = "security_file_permission")]
pub fn hook_file_permission(ctx: FEntryContext) -> i32 {
    answer(file::permission(
        ctx.arg::<*const u8>(0) as u64,
        ctx.arg::<i32>(1) as u32,
        HOOK,
    ))
}

#[fentry(function = "security_mmap_file")]
pub fn hook_mmap_file(ctx: FEntryContext) -> i32 {
    answer(file::map(argument(&ctx, 0), implied(ctx.arg(1)), ctx.arg(2), HOOK))
}

#[fentry(function = "security_file_mprotect")]
pub fn hook_file_mprotect(ctx: FEntryContext) -> i32 {
    answer(file::protect(ctx.arg::<*const u8>(0) as u64, ctx.arg(2), HOOK))
}
