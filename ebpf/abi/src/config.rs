//! What is known before the programs load, written into `.rodata`.

/// One run's settings.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Config {
    /// The tree's cgroup, 0 for none (`--pid`, `--exe`).
    pub cgroup: u64,
    /// Address of the kernel's `rename_lock`, 0 when unknown: verdicts are then not cached.
    pub rename_lock: u64,
    /// Address of the kernel's `mount_lock`, 0 when unknown.
    pub mount_lock: u64,
    /// Level of the tree's cgroup in the hierarchy.
    pub cgroup_level: u32,
    /// The watcher itself.
    pub watcher: u32,
    /// Byte classes of the automaton; 0 where there is no declared set.
    pub classes: u32,
    /// [`DECLARED_SET`] and the like.
    pub flags: u32,
    /// What the system call exit program resolves itself: [`TRACE_OPEN`] and the like. Nothing, where LSM or fentry
    /// programs do it better.
    pub trace: u32,
    /// The automaton's state at the root directory, for names that are known only as written.
    pub root_state: u32,
    /// Kernel acts (index [`kernel_act`]): 0 allow, 1 report, 2 deny.
    pub kernel: [u8; 16],
    /// Rule number of each kernel act, counted from 1.
    pub kernel_rule: [u16; 16],
}

/// There is a declared set: what no rule allows is a violation. Without it everything is an inventory.
pub const DECLARED_SET: u32 = 1 << 0;
/// Declared acts are sent too.
pub const SEND_ALL: u32 = 1 << 1;
/// A file with several links that only its directory allows is fine.
pub const HARDLINKS_ALLOWED: u32 = 1 << 2;
/// Executing what has no name is denied by every rule.
pub const MEMFD_DENIED: u32 = 1 << 3;
/// Running a program through the dynamic loader is denied.
pub const LDSO_DENIED: u32 = 1 << 4;
/// Processes are followed by lineage as well as by cgroup.
pub const LINEAGE: u32 = 1 << 5;
/// Socket families are limited.
pub const FAMILIES_LIMITED: u32 = 1 << 6;
/// A process that starts this executable (map `STARTERS`) is adopted: `--exe`.
pub const ADOPT_BY_EXE: u32 = 1 << 7;

/// Executing what has no name needs no rule.
pub const MEMFD_ALLOWED: u32 = 1 << 8;

/// Opens, by the descriptor that the call returned.
pub const TRACE_OPEN: u32 = 1 << 0;
/// Names made, moved and removed, by the inodes whose change time moved meanwhile.
pub const TRACE_NAMES: u32 = 1 << 1;
/// The same by the caller's own words, where no such tracepoint exists.
pub const TRACE_WORDS: u32 = 1 << 2;
/// Use of descriptors that were inherited or received.
pub const TRACE_FOREIGN: u32 = 1 << 3;
/// Executable maps.
pub const TRACE_MAP: u32 = 1 << 4;
/// Unix sockets, by their peer.
pub const TRACE_UNIX: u32 = 1 << 5;
/// Connections, by the socket: where no cgroup program can be attached.
pub const TRACE_NET: u32 = 1 << 6;
/// `sched_process_exit` says whether the whole process ended.
pub const EXIT_TELLS_GROUP: u32 = 1 << 7;
/// Programs started, by `sched_process_exec`.
pub const TRACE_EXEC: u32 = 1 << 8;

/// What the security hooks see themselves: without these bits the system call exit program leaves it to them.
pub const HOOKED: u32 = TRACE_OPEN | TRACE_NAMES | TRACE_WORDS | TRACE_FOREIGN | TRACE_MAP | TRACE_UNIX | TRACE_EXEC;

/// Indices of [`Config::kernel`].
pub mod kernel_act {
    /// io_uring.
    pub const IO_URING: usize = 0;
    /// User namespaces.
    pub const USERNS: usize = 1;
    /// Mounts.
    pub const MOUNT: usize = 2;
    /// ptrace and its class.
    pub const PTRACE: usize = 3;
    /// bpf().
    pub const BPF: usize = 4;
    /// perf_event_open.
    pub const PERF: usize = 5;
    /// userfaultfd.
    pub const USERFAULTFD: usize = 6;
    /// 32-bit system calls.
    pub const INT80: usize = 7;
    /// Signals to processes outside the tree.
    pub const SIGNAL: usize = 8;
    /// Other namespaces.
    pub const NAMESPACE: usize = 9;
    /// Kernel modules.
    pub const MODULE: usize = 10;
    /// Leaving the cgroup.
    pub const CGROUP: usize = 11;
    /// The words of the declared set, by index, where it has one.
    pub const WORDS: [&str; 12] = [
        "io_uring",
        "userns",
        "mount",
        "ptrace",
        "bpf",
        "perf",
        "userfaultfd",
        "int80",
        "signal",
        "namespace",
        "module",
        "cgroup",
    ];
}

/// Allowed.
pub const ALLOW: u8 = 0;
/// Reported as undeclared.
pub const REPORT: u8 = 1;
/// Denied.
pub const DENY: u8 = 2;
/// Allowed inside the tree only.
pub const TREE_ONLY: u8 = 3;
