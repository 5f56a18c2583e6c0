//! Where the fields of the kernel's structures are, in bytes, from the running kernel's BTF; [`NONE`] where it has no such
//! field.

/// The kernel has no such field.
pub const NONE: u32 = u32::MAX;

macro_rules! offsets {
    ($($field:ident = $structure:literal, $path:literal;)*) => {
        /// Byte offsets of kernel fields, in `.rodata`.
        #[repr(C)]
        #[derive(Clone, Copy, Debug)]
        pub struct Offsets {
            $(#[doc = concat!("`", $structure, ".", $path, "`.")] pub $field: u32,)*
        }

        impl Offsets {
            /// Where each field comes from: structure, path of members.
            pub const SOURCES: &[(&str, &str, &str)] = &[$((stringify!($field), $structure, $path)),*];

            /// Nothing known.
            pub const UNKNOWN: Self = Self { $($field: NONE),* };

            /// Builds from a lookup of structure and path of members.
            pub fn resolve(mut lookup: impl FnMut(&str, &str) -> Option<u32>) -> Self {
                Self { $($field: lookup($structure, $path).unwrap_or(NONE)),* }
            }
        }
    };
}

offsets! {
    task_pid = "task_struct", "pid";
    task_tgid = "task_struct", "tgid";
    task_real_parent = "task_struct", "real_parent";
    task_group_leader = "task_struct", "group_leader";
    task_thread_pid = "task_struct", "thread_pid";
    task_start = "task_struct", "start_boottime";
    task_mm = "task_struct", "mm";
    task_signal = "task_struct", "signal";
    task_files = "task_struct", "files";
    task_fs = "task_struct", "fs";
    task_nsproxy = "task_struct", "nsproxy";
    task_status = "task_struct", "thread_info.status";
    task_exit_code = "task_struct", "exit_code";
    task_comm = "task_struct", "comm";
    task_flags = "task_struct", "flags";
    task_personality = "task_struct", "personality";
    task_cgroups = "task_struct", "cgroups";
    signal_live = "signal_struct", "live";
    mm_exe_file = "mm_struct", "exe_file";
    files_count = "files_struct", "count";
    files_fdt = "files_struct", "fdt";
    fdt_fd = "fdtable", "fd";
    fdt_max_fds = "fdtable", "max_fds";
    fs_root = "fs_struct", "root";
    fs_pwd = "fs_struct", "pwd";
    nsproxy_mnt_ns = "nsproxy", "mnt_ns";
    mnt_ns_inum = "mnt_namespace", "ns.inum";
    mnt_ns_root = "mnt_namespace", "root";
    file_path = "file", "f_path";
    file_inode = "file", "f_inode";
    file_flags = "file", "f_flags";
    file_mode = "file", "f_mode";
    file_count = "file", "f_count";
    file_ref = "file", "f_ref";
    file_private = "file", "private_data";
    path_mnt = "path", "mnt";
    path_dentry = "path", "dentry";
    dentry_parent = "dentry", "d_parent";
    dentry_name = "dentry", "d_name";
    dentry_inode = "dentry", "d_inode";
    dentry_flags = "dentry", "d_flags";
    dentry_alias = "dentry", "d_u";
    dentry_sb = "dentry", "d_sb";
    dentry_hash = "dentry", "d_hash";
    qstr_name = "qstr", "name";
    qstr_len = "qstr", "len";
    qstr_hash = "qstr", "hash";
    inode_mode = "inode", "i_mode";
    inode_private = "inode", "i_private";
    pid_numbers = "pid", "numbers";
    inode_uid = "inode", "i_uid";
    inode_ino = "inode", "i_ino";
    inode_generation = "inode", "i_generation";
    inode_nlink = "inode", "i_nlink";
    inode_sb = "inode", "i_sb";
    inode_dentry = "inode", "i_dentry";
    sb_dev = "super_block", "s_dev";
    sb_magic = "super_block", "s_magic";
    sb_mounts = "super_block", "s_mounts";
    mount_vfs = "mount", "mnt";
    mount_parent = "mount", "mnt_parent";
    mount_mountpoint = "mount", "mnt_mountpoint";
    mount_ns = "mount", "mnt_ns";
    mount_instance = "mount", "mnt_instance";
    mount_next_for_sb = "mount", "mnt_next_for_sb";
    vfsmount_root = "vfsmount", "mnt_root";
    vfsmount_sb = "vfsmount", "mnt_sb";
    vma_file = "vm_area_struct", "vm_file";
    iattr_valid = "iattr", "ia_valid";
    proc_pid = "proc_inode", "pid";
    proc_inode = "proc_inode", "vfs_inode";
    mapping_host = "address_space", "host";
    socket_sk = "socket", "sk";
    socket_type = "socket", "type";
    socket_state = "socket", "state";
    sock_family = "sock", "__sk_common.skc_family";
    sock_daddr = "sock", "__sk_common.skc_daddr";
    sock_dport = "sock", "__sk_common.skc_dport";
    sock_num = "sock", "__sk_common.skc_num";
    sock_rcv_saddr = "sock", "__sk_common.skc_rcv_saddr";
    sock_v6_daddr = "sock", "__sk_common.skc_v6_daddr";
    sock_v6_rcv_saddr = "sock", "__sk_common.skc_v6_rcv_saddr";
    sock_type = "sock", "sk_type";
    sock_protocol = "sock", "sk_protocol";
    unix_path = "unix_sock", "path";
    unix_addr = "unix_sock", "addr";
    unix_peer = "unix_sock", "peer";
    unix_address_len = "unix_address", "len";
    unix_address_name = "unix_address", "name";
    binprm_file = "linux_binprm", "file";
    binprm_filename = "linux_binprm", "filename";
    binprm_interp = "linux_binprm", "interp";
    cgroup_kn = "cgroup", "kn";
    cgroup_level = "cgroup", "level";
    cgroup_ancestors = "cgroup", "ancestors";
    kernfs_id = "kernfs_node", "id";
    css_set_dfl = "css_set", "dfl_cgrp";
    kiocb_file = "io_kiocb", "file";
    kiocb_opcode = "io_kiocb", "opcode";
    kiocb_ctx = "io_kiocb", "ctx";
}
