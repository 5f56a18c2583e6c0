//! Mode, owner, times, extended attributes and access control lists.

use aya_ebpf::{macros::lsm, programs::LsmContext};
use probity_abi::event::LSM;

use crate::security::{answer, argument, attribute};

#[lsm(hook = "path_chmod")]
pub fn lsm_path_chmod(ctx: LsmContext) -> i32 {
    answer(attribute::of_path(argument(&ctx, 0), LSM))
}

#[lsm(hook = "path_chown")]
pub fn lsm_path_chown(ctx: LsmContext) -> i32 {
    answer(attribute::of_path(argument(&ctx, 0), LSM))
}

#[lsm(hook = "inode_setxattr")]
pub fn lsm_inode_setxattr(ctx: LsmContext) -> i32 {
    answer(attribute::of_dentry(argument(&ctx, 1), LSM))
}

#[lsm(hook = "inode_removexattr")]
pub fn lsm_inode_removexattr(ctx: LsmContext) -> i32 {
    answer(attribute::of_dentry(argument(&ctx, 1), LSM))
}

#[lsm(hook = "inode_set_acl")]
pub fn lsm_inode_set_acl(ctx: LsmContext) -> i32 {
    answer(attribute::of_dentry(argument(&ctx, 1), LSM))
}

#[lsm(hook = "inode_remove_acl")]
pub fn lsm_inode_remove_acl(ctx: LsmContext) -> i32 {
    answer(attribute::of_dentry(argument(&ctx, 1), LSM))
}

#[lsm(hook = "inode_setattr")]
pub fn lsm_inode_setattr(ctx: LsmContext) -> i32 {
    answer(attribute::times(argument(&ctx, 1), argument(&ctx, 2), LSM))
}

/// The same before 6.9, without the idmap.
#[lsm(hook = "inode_setattr")]
pub fn lsm_inode_setattr_of_two(ctx: LsmContext) -> i32 {
    answer(attribute::times(argument(&ctx, 0), argument(&ctx, 1), LSM))
}
