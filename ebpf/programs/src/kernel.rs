//! Reading the kernel's structures: addresses are plain numbers, offsets come from `.rodata`.

use aya_ebpf::helpers::{bpf_get_current_task, generated};

use crate::maps::offset;

/// Reads a value; a refused address gives `None`.
#[inline(always)]
pub fn read<T: Copy>(address: u64) -> Option<T> {
    let mut value = core::mem::MaybeUninit::<T>::zeroed();
    // SAFETY: the helper checks the address itself; the destination is a local of the right size.
    let failed = unsafe {
        generated::bpf_probe_read_kernel(value.as_mut_ptr().cast(), size_of::<T>() as u32, address as *const _)
    };
    // SAFETY: zeroed, then written by the helper.
    (failed == 0).then(|| unsafe { value.assume_init() })
}

/// Reads the field at an offset; zero where the address or the offset leads nowhere.
#[inline(always)]
pub fn field<T: Copy + Default>(base: u64, offset: u32) -> T {
    if base == 0 {
        return T::default();
    }
    read(base.wrapping_add(offset as u64)).unwrap_or_default()
}

/// The current task.
#[inline(always)]
pub fn task() -> u64 {
    // SAFETY: no argument, no effect.
    unsafe { bpf_get_current_task() }
}

/// Start of a task's process, nanoseconds since boot.
#[inline(always)]
pub fn start(task: u64) -> u64 {
    let leader: u64 = field(task, offset!(task_group_leader));
    field(leader, offset!(task_start))
}

/// The inode of a task's executable: an identity.
#[inline(always)]
pub fn executable(task: u64) -> u64 {
    let mm: u64 = field(task, offset!(task_mm));
    let file: u64 = field(mm, offset!(mm_exe_file));
    field(file, offset!(file_inode))
}

/// A task's mount namespace.
#[inline(always)]
pub fn mount_namespace(task: u64) -> u64 {
    let proxy: u64 = field(task, offset!(task_nsproxy));
    field(proxy, offset!(nsproxy_mnt_ns))
}

/// The current task by a pointer whose type the verifier knows: what lies behind it is loaded, without a helper.
#[inline(always)]
pub fn typed_task() -> *const u8 {
    // SAFETY: no argument, no effect.
    (unsafe { generated::bpf_get_current_task_btf() }) as *const u8
}

/// Loads the field at an offset behind a typed pointer: one from [`typed_task`], or one that this function loaded from a
/// field that is a pointer to a structure. Zero where it leads nowhere.
#[inline(always)]
pub fn load<T: Copy>(base: *const u8, offset: u32) -> T {
    // SAFETY: the verifier takes no program in which the pointer has another type, or the offset is none of its fields;
    // the kernel catches a fault.
    unsafe { core::ptr::read_volatile(base.add(offset as usize).cast()) }
}

/// The `struct file` behind a descriptor of the current task, and whether its descriptor table is shared with others.
#[inline(always)]
pub fn file_of(fd: u32) -> Option<(u64, bool)> {
    let files: *const u8 = load(typed_task(), offset!(task_files));
    let users: u32 = load(files, offset!(files_count));
    let table: *const u8 = load(files, offset!(files_fdt));
    let max: u32 = load(table, offset!(fdt_max_fds));
    let array: u64 = load(table, offset!(fdt_fd));
    if fd >= max {
        return None;
    }
    let file: u64 = field(array, fd.wrapping_mul(8));
    (file != 0).then_some((file, users > 1))
}

/// Dentry and `struct mount` of an open file.
#[inline(always)]
pub fn path_of(file: u64) -> (u64, u64) {
    path_at(file.wrapping_add(offset!(file_path) as u64))
}

/// Dentry and `struct mount` of a `struct path`, which is two pointers.
#[inline(always)]
pub fn path_at(path: u64) -> (u64, u64) {
    if offset!(path_mnt) == 0 && offset!(path_dentry) == 8 {
        let [mnt, dentry]: [u64; 2] = field(path, 0);
        return (dentry, mount_of(mnt));
    }
    let dentry: u64 = field(path, offset!(path_dentry));
    let mnt: u64 = field(path, offset!(path_mnt));
    (dentry, mount_of(mnt))
}

/// An inode's number and how many names it has: neighbours in every kernel that is known.
#[inline(always)]
pub fn number_and_links(inode: u64) -> (u64, u32) {
    let at = offset!(inode_ino);
    if offset!(inode_nlink) == at.wrapping_add(8) {
        let [ino, links]: [u64; 2] = field(inode, at);
        return (ino, links as u32);
    }
    (field(inode, at), field(inode, offset!(inode_nlink)))
}

/// Whether an inode is one of procfs.
#[inline(always)]
pub fn of_procfs(inode: u64) -> bool {
    const PROC_SUPER_MAGIC: u64 = 0x9fa0;
    let sb: u64 = field(inode, offset!(inode_sb));
    field::<u64>(sb, offset!(sb_magic)) == PROC_SUPER_MAGIC
}

/// The `struct mount` around a `struct vfsmount`.
#[inline(always)]
pub fn mount_of(mnt: u64) -> u64 {
    if mnt == 0 {
        0
    } else {
        mnt.wrapping_sub(offset!(mount_vfs) as u64)
    }
}

/// Whether a mount is the kernel's own, in nobody's namespace: what an overlay opens beneath, pipes, sockets.
#[inline(always)]
pub fn internal(mount: u64) -> bool {
    let namespace: i64 = field(mount, offset!(mount_ns));
    (-4096..0).contains(&namespace)
}

/// The kind of an inode: S_IFMT bits of its mode.
#[inline(always)]
pub fn file_type(inode: u64) -> u16 {
    let mode: u16 = field(inode, offset!(inode_mode));
    mode & 0o170_000
}

/// The first dentry of an inode, 0 for none.
#[inline(always)]
pub fn alias(inode: u64) -> u64 {
    let node: u64 = field(inode, offset!(inode_dentry));
    if node == 0 {
        0
    } else {
        node.wrapping_sub(offset!(dentry_alias) as u64)
    }
}

/// Whether a dentry no longer is in its directory.
#[inline(always)]
pub fn unhashed(dentry: u64) -> bool {
    let previous: u64 = field(dentry, offset!(dentry_hash).wrapping_add(8));
    previous == 0
}

/// Directory.
pub const S_IFDIR: u16 = 0o040_000;
/// Regular file.
pub const S_IFREG: u16 = 0o100_000;
/// Socket.
pub const S_IFSOCK: u16 = 0o140_000;
