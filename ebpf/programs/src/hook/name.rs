//! Names: made, removed, moved; files truncated; the root changed.

use aya_ebpf::{macros::fentry, programs::FEntryContext};
use probity_abi::event::HOOK;

use crate::{
    maps::offset,
    security::{answer, argument, name},
};

#[fentry(function = "security_path_unlink")]
pub fn hook_path_unlink(ctx: FEntryContext) -> i32 {
    answer(name::unlink(argument(&ctx, 0), argument(&ctx, 1), HOOK))
}

#[fentry(function = "security_path_rmdir")]
pub fn hook_path_rmdir(ctx: FEntryContext) -> i32 {
    answer(name::rmdir(argument(&ctx, 0), argument(&ctx, 1), HOOK))
}

#[fentry(function = "security_path_mkdir")]
pub fn hook_path_mkdir(ctx: FEntryContext) -> i32 {
    answer(name::mkdir(argument(&ctx, 0), argument(&ctx, 1), HOOK))
}

#[fentry(function = "security_path_mknod")]
pub fn hook_path_mknod(ctx: FEntryContext) -> i32 {
    answer(name::mknod(
        argument(&ctx, 0),
        argument(&ctx, 1),
        argument(&ctx, 2) as u16,
        HOOK,
    ))
}

#[fentry(function = "security_path_symlink")]
pub fn hook_path_symlink(ctx: FEntryContext) -> i32 {
    answer(name::symlink(argument(&ctx, 0), argument(&ctx, 1), HOOK))
}

#[fentry(function = "security_path_link")]
pub fn hook_path_link(ctx: FEntryContext) -> i32 {
    answer(name::link(argument(&ctx, 1), argument(&ctx, 2), HOOK))
}

#[fentry(function = "security_path_rename")]
pub fn hook_path_rename(ctx: FEntryContext) -> i32 {
    let from = (argument(&ctx, 0), argument(&ctx, 1));
    let to = (argument(&ctx, 2), argument(&ctx, 3));
    answer(name::rename(from, to, argument(&ctx, 4) as u32, HOOK))
}

#[fentry(function = "security_path_truncate")]
pub fn hook_path_truncate(ctx: FEntryContext) -> i32 {
    answer(name::truncate(argument(&ctx, 0), HOOK))
}

/// Since 6.2 ftruncate has a hook of its own.
#[fentry(function = "security_file_truncate")]
pub fn hook_file_truncate(ctx: FEntryContext) -> i32 {
    answer(name::truncate(
        argument(&ctx, 0).wrapping_add(offset!(file_path) as u64),
        HOOK,
    ))
}

#[fentry(function = "security_path_chroot")]
pub fn hook_path_chroot(_ctx: FEntryContext) -> i32 {
    answer(name::chroot(HOOK))
}
