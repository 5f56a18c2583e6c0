//! The table of security hooks, once for BPF LSM programs and once for fentry.
//!
//! A hook whose prototype changed has one program for each, told apart by the number of arguments: include/linux/lsm_hook_defs.h.

use super::programs::{Hook, Row};

macro_rules! hooks {
    ($($name:literal, $lsm:literal($lsm_arguments:literal), $function:literal($arguments:literal), $sees:literal;)*) => {
        /// BPF LSM programs.
        pub const LSM: &[Row] = &[
            $(row(concat!("lsm_", $name), Hook::Lsm, $lsm, $lsm_arguments, $sees),)*
            // Before 6.9, without the idmap.
            row("lsm_inode_setattr_of_two", Hook::Lsm, "inode_setattr", 2, "times set"),
        ];
        /// fentry programs.
        pub const HOOK: &[Row] = &[
            $(row(concat!("hook_", $name), Hook::Fentry, $function, $arguments, $sees),)*
        ];
    };
}

const fn row(name: &'static str, hook: Hook, target: &'static str, arguments: usize, sees: &'static str) -> Row {
    Row {
        name,
        hook,
        target,
        sees,
        required: matches!(target.as_bytes(), b"file_open" | b"security_file_open"),
        arguments: Some(arguments),
    }
}

hooks! {
    "file_open", "file_open"(1), "security_file_open"(1), "opens";
    "file_receive", "file_receive"(1), "security_file_receive"(1), "descriptors received";
    "file_permission", "file_permission"(2), "security_file_permission"(2), "use of descriptors that others opened";
    "mmap_file", "mmap_file"(4), "security_mmap_file"(3), "executable maps";
    "file_mprotect", "file_mprotect"(3), "security_file_mprotect"(3), "maps made executable";
    "path_unlink", "path_unlink"(2), "security_path_unlink"(2), "names removed";
    "path_rmdir", "path_rmdir"(2), "security_path_rmdir"(2), "directories removed";
    "path_mkdir", "path_mkdir"(3), "security_path_mkdir"(3), "directories made";
    "path_mknod", "path_mknod"(4), "security_path_mknod"(4), "nodes made";
    "path_symlink", "path_symlink"(3), "security_path_symlink"(3), "symbolic links made";
    "path_link", "path_link"(3), "security_path_link"(3), "links made";
    "path_rename", "path_rename"(5), "security_path_rename"(5), "names moved";
    "path_truncate", "path_truncate"(1), "security_path_truncate"(1), "files truncated by name";
    "file_truncate", "file_truncate"(1), "security_file_truncate"(1), "files truncated by descriptor (since 6.2)";
    "path_chroot", "path_chroot"(1), "security_path_chroot"(1), "the root directory changed";
    "path_chmod", "path_chmod"(2), "security_path_chmod"(2), "modes changed";
    "path_chown", "path_chown"(3), "security_path_chown"(3), "owners changed";
    "inode_setxattr", "inode_setxattr"(6), "security_inode_setxattr"(6), "extended attributes set";
    "inode_removexattr", "inode_removexattr"(3), "security_inode_removexattr"(3), "extended attributes removed";
    "inode_set_acl", "inode_set_acl"(4), "security_inode_set_acl"(4), "access control lists set (since 6.2)";
    "inode_remove_acl", "inode_remove_acl"(3), "security_inode_remove_acl"(3), "access control lists removed (since 6.2)";
    "inode_setattr", "inode_setattr"(3), "security_inode_setattr"(3), "times set";
    "bprm_check_security", "bprm_check_security"(1), "security_bprm_check"(1), "programs about to be started";
    "unix_stream_connect", "unix_stream_connect"(3), "security_unix_stream_connect"(3), "unix connections";
    "unix_may_send", "unix_may_send"(2), "security_unix_may_send"(2), "unix datagrams";
}

/// The program that a backend's probe runs.
pub(super) const PROBES: [Row; 2] = [
    row("lsm_probe", Hook::Lsm, "file_open", 1, "whether BPF LSM programs run"),
    row(
        "hook_probe",
        Hook::Fentry,
        "security_file_open",
        1,
        "whether fentry programs run",
    ),
];
