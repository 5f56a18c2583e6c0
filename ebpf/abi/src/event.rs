//! What leaves the kernel: one [`Event`], followed by up to two names.

/// No rule of the declared set allows it.
pub const UNDECLARED: u8 = 1;
/// A deny rule hit.
pub const DENIED: u8 = 2;
/// It was stopped.
pub const BLOCKED: u8 = 3;
/// What it touched could not be told with certainty.
pub const AMBIGUOUS: u8 = 4;
/// A rule allows it.
pub const DECLARED: u8 = 5;

/// BPF LSM programs.
pub const LSM: u8 = 1;
/// fentry on the security hooks.
pub const HOOK: u8 = 2;
/// Tracepoints.
pub const TRACE: u8 = 3;
/// cgroup socket programs.
pub const CGROUP: u8 = 4;

/// The file has more than one link and only its directory is declared.
pub const HARDLINK: u32 = 1 << 0;
/// The path was longer than the walk: it starts in the middle.
pub const PATH_CUT: u32 = 1 << 1;
/// The name is no longer linked to a directory.
pub const UNLINKED: u32 = 1 << 2;
/// The descriptor table is shared, so that another thread may have replaced the descriptor.
pub const SHARED_TABLE: u32 = 1 << 3;
/// The descriptor was not opened by this tree: inherited or received.
pub const FOREIGN: u32 = 1 << 4;
/// The executable has no name in any file system (memfd, deleted file).
pub const NAMELESS: u32 = 1 << 5;
/// A script's interpreter.
pub const INTERPRETER: u32 = 1 << 6;
/// The program that the watcher itself started.
pub const LAUNCH: u32 = 1 << 7;
/// It happened through io_uring.
pub const RING: u32 = 1 << 8;
/// It happened through a 32-bit system call.
pub const COMPAT: u32 = 1 << 9;
/// An abstract unix address: the name starts behind a zero byte.
pub const ABSTRACT: u32 = 1 << 10;
/// The system call failed; what it tried is reported all the same.
pub const FAILED: u32 = 1 << 11;
/// TCP Fast Open.
pub const FASTOPEN: u32 = 1 << 12;
/// The process is outside the tree's cgroup, known by its lineage.
pub const ESCAPED: u32 = 1 << 13;
/// The path was walked without knowing through which mount: the first mount that shows it was taken.
pub const MOUNT_GUESSED: u32 = 1 << 14;
/// The object is a directory.
pub const DIRECTORY: u32 = 1 << 15;
/// A declared act, sent because every act was asked for.
pub const ALL: u32 = 1 << 16;
/// The name as the caller wrote it stands in for the object's path.
pub const AS_WRITTEN: u32 = 1 << 17;
/// The target is a process outside the tree.
pub const OUTSIDER: u32 = 1 << 18;
/// Not an act by itself: it tells which program a process is from now on. The act was judged apart.
pub const STARTED: u32 = 1 << 19;

/// The largest number of bytes of both names together.
pub const NAMES: usize = 4096;

/// One act. `names` bytes follow it: the first name (`name_len` bytes), then the second (`name2_len`).
///
/// A name is an absolute path as the walk found it (`/a/b`), or for `net.dns` the datagram, or for an abstract unix
/// address the bytes behind its zero.
///
/// | offset | field | unit |
/// | --- | --- | --- |
/// | 0 | time | ns since boot, suspend included |
/// | 8 | start | the process's start, ns since boot: with `tgid` it names a process for ever |
/// | 16 | inode | the kernel's address, an identity and never shown |
/// | 24 | ino | inode number as the kernel's super block knows it |
/// | 32.. | see the fields | |
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Event {
    /// Nanoseconds since boot (CLOCK_BOOTTIME).
    pub time: u64,
    /// Start of the process (of its thread group leader), nanoseconds since boot.
    pub start: u64,
    /// Address of the object's inode: an identity, never shown.
    pub inode: u64,
    /// Inode number.
    pub ino: u64,
    /// First argument of the kind: system call number for kernel acts, target's tgid for ptrace and signal, child's
    /// pid for fork, exit code for exit.
    pub arg0: u64,
    /// Second argument: ptrace request, signal number, io_uring opcode, clone flags, new cgroup's id.
    pub arg1: u64,
    /// `HARDLINK` and the like.
    pub flags: u32,
    /// Thread.
    pub pid: u32,
    /// Process.
    pub tgid: u32,
    /// Parent process.
    pub ppid: u32,
    /// Effective user.
    pub uid: u32,
    /// Number of the mount namespace.
    pub mnt_ns: u32,
    /// Device of the super block, as the kernel encodes it (major << 20 | minor).
    pub dev: u32,
    /// Inode generation.
    pub generation: u32,
    /// Hard links.
    pub nlink: u32,
    /// What the system call returned, where it is known.
    pub ret: i32,
    /// One of [`crate::kind`].
    pub kind: u16,
    /// The rule that decided, counted from 1; 0 for none.
    pub rule: u16,
    /// `DECLARED` and the like.
    pub verdict: u8,
    /// `LSM` and the like.
    pub backend: u8,
    /// What the act needed: bits of [`crate::access`].
    pub access: u8,
    /// What of it no rule allows.
    pub missing: u8,
    /// Socket family.
    pub family: u16,
    /// Remote (or bound) port, host order.
    pub port: u16,
    /// IP protocol (6, 17, 262 ...).
    pub protocol: u16,
    /// Socket type (SOCK_STREAM = 1 ...).
    pub sock_type: u16,
    /// IPv4 in the first four bytes, or IPv6.
    pub addr: [u8; 16],
    /// Name of the thread, zero-padded.
    pub comm: [u8; 16],
    /// Bytes of the first name.
    pub name_len: u16,
    /// Bytes of the second name.
    pub name2_len: u16,
    /// Zero.
    pub reserved: u32,
}

const _: () = assert!(size_of::<Event>() == 144);
