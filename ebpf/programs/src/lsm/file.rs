//! Opening, receiving, reading, writing and mapping files.

use aya_ebpf::{macros::lsm, programs::LsmContext};
use probity_abi::event::LSM;

use crate::security::{answer, argument, file};

#[lsm(hook = "file_open")]
pub fn lsm_file_open(ctx: LsmContext) -> i32 {
    answer(file::open(ctx.arg::<*const u8>(0) as u64, LSM))
}

#[lsm(hook = "file_receive")]
pub fn lsm_file_receive(ctx: LsmContext) -> i32 {
    answer(file::receive(ctx.arg::<*const u8>(0) as u64, LSM))
}

#[lsm(hook = "file_permission")]
pub fn lsm_file_permission(ctx: LsmContext) -> i32 {
    answer(file::permission(
        ctx.arg::<*const u8>(0) as u64,
        ctx.arg::<i32>(1) as u32,
        LSM,
    ))
}

#[lsm(hook = "mmap_file")]
pub fn lsm_mmap_file(ctx: LsmContext) -> i32 {
    answer(file::map(argument(&ctx, 0), ctx.arg(2), ctx.arg(3), LSM))
}

#[lsm(hook = "file_mprotect")]
pub fn lsm_file_mprotect(ctx: LsmContext) -> i32 {
    answer(file::protect(ctx.arg::<*const u8>(0) as u64, ctx.arg(2), LSM))
}
