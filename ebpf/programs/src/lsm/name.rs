//! Names: made, removed, moved; files truncated; the root changed.

use aya_ebpf::{macros::lsm, programs::LsmContext};
use probity_abi::event::LSM;

use crate::{
    maps::offset,
    security::{answer, argument, name},
};

#[lsm(hook = "path_unlink")]
pub fn lsm_path_unlink(ctx: LsmContext) -> i32 {
    answer(name::unlink(argument(&ctx, 0), argument(&ctx, 1), LSM))
}

#[lsm(hook = "path_rmdir")]
pub fn lsm_path_rmdir(ctx: LsmContext) -> i32 {
    answer(name::rmdir(argument(&ctx, 0), argument(&ctx, 1), LSM))
}

#[lsm(hook = "path_mkdir")]
pub fn lsm_path_mkdir(ctx: LsmContext) -> i32 {
    answer(name::mkdir(argument(&ctx, 0), argument(&ctx, 1), LSM))
}

#[lsm(hook = "path_mknod")]
pub fn lsm_path_mknod(ctx: LsmContext) -> i32 {
    answer(name::mknod(
        argument(&ctx, 0),
        argument(&ctx, 1),
        argument(&ctx, 2) as u16,
        LSM,
    ))
}

#[lsm(hook = "path_symlink")]
pub fn lsm_path_symlink(ctx: LsmContext) -> i32 {
    answer(name::symlink(argument(&ctx, 0), argument(&ctx, 1), LSM))
}

#[lsm(hook = "path_link")]
pub fn lsm_path_link(ctx: LsmContext) -> i32 {
    answer(name::link(argument(&ctx, 1), argument(&ctx, 2), LSM))
}

#[lsm(hook = "path_rename")]
pub fn lsm_path_rename(ctx: LsmContext) -> i32 {
    let from = (argument(&ctx, 0), argument(&ctx, 1));
    let to = (argument(&ctx, 2), argument(&ctx, 3));
    answer(name::rename(from, to, argument(&ctx, 4) as u32, LSM))
}

#[lsm(hook = "path_truncate")]
pub fn lsm_path_truncate(ctx: LsmContext) -> i32 {
    answer(name::truncate(argument(&ctx, 0), LSM))
}

/// Since 6.2 ftruncate has a hook of its own.
#[lsm(hook = "file_truncate")]
pub fn lsm_file_truncate(ctx: LsmContext) -> i32 {
    answer(name::truncate(
        argument(&ctx, 0).wrapping_add(offset!(file_path) as u64),
        LSM,
    ))
}

#[lsm(hook = "path_chroot")]
pub fn lsm_path_chroot(_ctx: LsmContext) -> i32 {
    answer(name::chroot(LSM))
}
