//! What the programs remember, and what they count.

/// Value of the map `PROCESSES`, keyed by tgid: the lineage of the tree.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Process {
    /// Start of the process, nanoseconds since boot: a tgid that was reused has another.
    pub start: u64,
    /// [`IN_SCRIPT`] and the like.
    pub flags: u32,
    /// Parent when it was made.
    pub ppid: u32,
    /// Hash of the script's last component while its interpreter has not opened it yet; 0 for none.
    pub script: u64,
}

/// The process runs a script whose file the interpreter has not opened yet.
pub const IN_SCRIPT: u32 = 1;
/// The process has left the tree's cgroup.
pub const HAS_ESCAPED: u32 = 2;

/// Key of the map `VERDICTS`: one way to one object.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct VerdictKey {
    /// Address of the dentry.
    pub dentry: u64,
    /// Address of the mount.
    pub mount: u64,
}

/// Value of the map `VERDICTS`: what was decided, and what must still be true for it to hold.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// Address of the inode.
    pub inode: u64,
    /// Inode number.
    pub ino: u64,
    /// Renames, mounts and re-pins so far.
    pub epoch: u64,
    /// Inode generation.
    pub generation: u32,
    /// Links, when it was decided.
    pub nlink: u32,
    /// Access bits that are declared.
    pub allow: u8,
    /// Zero.
    pub reserved: [u8; 3],
    /// The rule that allowed the lowest of them.
    pub rule: u16,
    /// Zero.
    pub reserved2: u16,
}

/// Key of the map `SEEN`: an undeclared act that was sent once is afterwards only counted.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SeenKey {
    /// Object: dentry, or hash of an address.
    pub object: u64,
    /// Object: inode, or hash of an address.
    pub object2: u64,
    /// Executable of the subject (its inode's address).
    pub exe: u64,
    /// Kind, verdict and access.
    pub act: u64,
}

/// Value of the map `SEEN`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    /// How often, the first included.
    pub count: u64,
    /// Time of the event that was sent, which names it.
    pub time: u64,
}

/// The per-CPU counters of the map `COUNTERS`.
pub mod counter {
    /// Acts that a rule allows.
    pub const DECLARED: u32 = 0;
    /// Declared acts that the verdict cache answered.
    pub const CACHED: u32 = 1;
    /// Acts sent as events.
    pub const SENT: u32 = 2;
    /// Undeclared acts that were counted because they had been sent before.
    pub const REPEATED: u32 = 3;
    /// Violations that did not fit into their ring: lost.
    pub const LOST_VIOLATIONS: u32 = 4;
    /// Other events that did not fit into their ring: lost.
    pub const LOST_EVENTS: u32 = 5;
    /// Processes that did not fit into the map of the lineage: lost.
    pub const LOST_PROCESSES: u32 = 6;
    /// Acts for which no scratch space was free: lost.
    pub const LOST_SCRATCH: u32 = 7;
    /// Acts that could not be told with certainty.
    pub const AMBIGUOUS: u32 = 8;
    /// Pointers that the kernel refused to read: what they led to is unknown, so the act is lost.
    pub const LOST_READS: u32 = 9;
    /// Undeclared acts that could not be remembered as seen: each was sent.
    pub const UNREMEMBERED: u32 = 10;
    /// io_uring requests seen.
    pub const RING_REQUESTS: u32 = 11;
    /// Names that did not fit into an event.
    pub const NAMES_CUT: u32 = 12;
    /// Files that the process [`crate::config::Config::watcher`] opened while a backend was probed.
    pub const PROBED: u32 = 13;
    /// How many there are.
    pub const COUNT: u32 = 16;
    /// The ones that stand for lost acts, with a word for people.
    pub const LOSSES: [(u32, &str); 5] = [
        (LOST_VIOLATIONS, "violations ring"),
        (LOST_EVENTS, "events ring"),
        (LOST_PROCESSES, "process table"),
        (LOST_SCRATCH, "scratch space"),
        (LOST_READS, "kernel reads"),
    ];
}

/// What the `iter/task_file` program writes for each descriptor of the watcher.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Held {
    /// The descriptor's number.
    pub fd: u32,
    /// Inode generation.
    pub generation: u32,
    /// Address of the inode.
    pub inode: u64,
    /// Inode number.
    pub ino: u64,
    /// Address of the `struct file`.
    pub file: u64,
    /// Device of the super block.
    pub dev: u32,
    /// Process that holds it.
    pub tgid: u32,
}

/// Value of the map `SCRIPTS`, keyed by thread: the files that the kernel read during `execve`, in order.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Scripts {
    /// Addresses of inodes, 0 where there is none.
    pub inodes: [u64; 4],
}

/// What the `iter/task` program writes for each task of the host.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Task {
    /// Start of its process, nanoseconds since boot.
    pub start: u64,
    /// Address of its executable's inode, 0 for none.
    pub exe: u64,
    /// The task's own number.
    pub pid: u32,
    /// Its process.
    pub tgid: u32,
    /// The process that it is a child of.
    pub ppid: u32,
    /// [`HAS_MEMORY`] and [`IS_KERNEL`].
    pub flags: u32,
}

/// The task has not ended: it has an address space.
pub const HAS_MEMORY: u32 = 1;
/// The task is the kernel's own.
pub const IS_KERNEL: u32 = 2;

/// How many inodes one system call is followed for.
pub const TOUCHED: usize = 8;

/// An inode whose change time moved during a system call, as it was then.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Touched {
    /// Address of the inode.
    pub inode: u64,
    /// Address of its first dentry, 0 for none yet.
    pub dentry: u64,
    /// Address of that dentry's parent.
    pub parent: u64,
    /// Links it had.
    pub nlink: u32,
    /// Bytes of the name.
    pub name_len: u32,
    /// The kernel's hash of the name.
    pub hash: u32,
    /// Zero.
    pub reserved: u32,
    /// Its name then.
    pub name: [u8; 256],
}

/// Value of the map `INFLIGHT`, keyed by thread: the system call that it is in.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Inflight {
    /// Number of the call.
    pub nr: u32,
    /// How many of `touched` are used; one more than there are when some were dropped.
    pub count: u32,
    /// The inodes.
    pub touched: [Touched; TOUCHED],
}

const _: () = assert!(size_of::<Touched>() == 296);
const _: () = assert!(size_of::<Process>() == 24);
const _: () = assert!(size_of::<Verdict>() == 40);
const _: () = assert!(size_of::<Held>() == 40);
const _: () = assert!(size_of::<Task>() == 32);
