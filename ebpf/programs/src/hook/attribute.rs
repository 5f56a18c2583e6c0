//! Mode, owner, times, extended attributes and access control lists.

use aya_ebpf::{macros::fentry, programs::FEntryContext};
use probity_abi::event::HOOK;

use crate::security::{answer, argument, attribute};

#[fentry(function = "security_path_chmod")]
pub fn hook_path_chmod(ctx: FEntryContext) -> i32 {
    answer(attribute::of_path(argument(&ctx, 0), HOOK))
}

#[fentry(function = "security_path_chown")]
pub fn hook_path_chown(ctx: FEntryContext) -> i32 {
    answer(attribute::of_path(argument(&ctx, 0), HOOK))
}

#[fentry(function = "security_inode_setxattr")]
pub fn hook_inode_setxattr(ctx: FEntryContext) -> i32 {
    answer(attribute::of_dentry(argument(&ctx, 1), HOOK))
}

#[fentry(function = "security_inode_removexattr")]
pub fn hook_inode_removexattr(ctx: FEntryContext) -> i32 {
    answer(attribute::of_dentry(argument(&ctx, 1), HOOK))
}

#[fentry(function = "security_inode_set_acl")]
pub fn hook_inode_set_acl(ctx: FEntryContext) -> i32 {
    answer(attribute::of_dentry(argument(&ctx, 1), HOOK))
}

#[fentry(function = "security_inode_remove_acl")]
pub fn hook_inode_remove_acl(ctx: FEntryContext) -> i32 {
    answer(attribute::of_dentry(argument(&ctx, 1), HOOK))
}

#[fentry(function = "security_inode_setattr")]
pub fn hook_inode_setattr(ctx: FEntryContext) -> i32 {
    answer(attribute::times(argument(&ctx, 1), argument(&ctx, 2), HOOK))
}
