//! The table of programs: what each attaches to, and what the watcher is blind to without it.

use super::btf::Types;
use super::security;

/// Who sees what is done to files, programs and unix sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Backend {
    /// BPF LSM programs.
    Lsm,
    /// fentry on the functions that call the security modules.
    Hook,
    /// Tracepoints.
    Trace,
}

impl Backend {
    /// All, best first.
    pub const ALL: [Self; 3] = [Self::Lsm, Self::Hook, Self::Trace];

    /// Its word in events, reports and [`super::probe::WANTED`].
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Lsm => "lsm",
            Self::Hook => "hook",
            Self::Trace => "trace",
        }
    }

    /// The backend that a word names.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|backend| backend.word() == word)
    }
}

/// The programs of a backend. Those of [`TABLE`] are of each: they follow processes, sockets and acts on the kernel.
pub fn of(backend: Backend) -> impl Iterator<Item = &'static Row> {
    let hooks: &[Row] = match backend {
        Backend::Lsm => security::LSM,
        Backend::Hook => security::HOOK,
        Backend::Trace => &[],
    };
    TABLE.iter().chain(hooks)
}

/// How a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// A BTF tracepoint.
    Tracepoint,
    /// A BPF LSM hook.
    Lsm,
    /// fentry on the `security_*` function of an LSM hook.
    Fentry,
    /// A socket address program of the tree's cgroup.
    SockAddr,
    /// A packet program of the tree's cgroup, on the way in.
    SkbIngress,
    /// An iterator over open files.
    IterTaskFile,
    /// An iterator over tasks.
    IterTask,
}

/// One program of the object.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The program's name in the object.
    pub name: &'static str,
    /// How it is attached.
    pub hook: Hook,
    /// To what: a tracepoint, an LSM hook, a function.
    pub target: &'static str,
    /// What it makes visible, for `doctor` and reports.
    pub sees: &'static str,
    /// Nothing works without it.
    pub required: bool,
    /// How many arguments the hook has where the program fits; `None` where that is not looked at.
    pub arguments: Option<usize>,
}

impl Row {
    /// Why this kernel's hook is not the one the program was written for; `None` when it is.
    #[must_use]
    pub fn unfit(&self, types: &Types) -> Option<String> {
        let target = self.target;
        let (found, what) = match self.hook {
            Hook::Tracepoint => {
                return (!types.has_tracepoint(target)).then(|| format!("this kernel has no tracepoint `{target}`"));
            }
            Hook::Lsm => (types.function_arguments(&format!("bpf_lsm_{target}")), "LSM hook"),
            Hook::Fentry => (types.function_arguments(target), "function"),
            Hook::SockAddr | Hook::SkbIngress | Hook::IterTaskFile | Hook::IterTask => return None,
        };
        match (found, self.arguments) {
            (None, _) => Some(format!("this kernel has no {what} `{target}`")),
            (Some(has), Some(wants)) if has != wants => {
                Some(format!("the {what} `{target}` has {has} arguments here, not {wants}"))
            }
            _ => None,
        }
    }
}

const fn row(name: &'static str, hook: Hook, target: &'static str, sees: &'static str, required: bool) -> Row {
    Row {
        name,
        hook,
        target,
        sees,
        required,
        arguments: None,
    }
}

/// Every program that does not belong to a single backend.
pub const TABLE: &[Row] = &[
    row(
        "held_files",
        Hook::IterTaskFile,
        "task_file",
        "identity of pinned files",
        true,
    ),
    row("all_tasks", Hook::IterTask, "task", "processes that already run", true),
    row(
        "sys_exit",
        Hook::Tracepoint,
        "sys_exit",
        "opens, sockets, kernel acts",
        true,
    ),
    row(
        "task_newtask",
        Hook::Tracepoint,
        "task_newtask",
        "forks, namespaces",
        true,
    ),
    row(
        "sched_process_exec",
        Hook::Tracepoint,
        "sched_process_exec",
        "programs started",
        true,
    ),
    row(
        "sched_process_exit",
        Hook::Tracepoint,
        "sched_process_exit",
        "exits",
        true,
    ),
    row(
        "signal_generate",
        Hook::Tracepoint,
        "signal_generate",
        "signals to outsiders",
        false,
    ),
    row(
        "cgroup_attach_task",
        Hook::Tracepoint,
        "cgroup_attach_task",
        "leaving the cgroup",
        false,
    ),
    row(
        "io_uring_submit_req",
        Hook::Tracepoint,
        "io_uring_submit_req",
        "io_uring requests",
        false,
    ),
    row(
        "io_uring_submit_sqe",
        Hook::Tracepoint,
        "io_uring_submit_sqe",
        "io_uring requests",
        false,
    ),
    row(
        "inode_set_ctime_to_ts",
        Hook::Tracepoint,
        "inode_set_ctime_to_ts",
        "names made, moved, removed",
        false,
    ),
    row(
        "ctime_xchg_skip",
        Hook::Tracepoint,
        "ctime_xchg_skip",
        "names made, moved, removed",
        false,
    ),
    row(
        "ctime_ns_xchg",
        Hook::Tracepoint,
        "ctime_ns_xchg",
        "names made, moved, removed",
        false,
    ),
    row(
        "mm_filemap_get_pages",
        Hook::Tracepoint,
        "mm_filemap_get_pages",
        "scripts, reads through io_uring",
        false,
    ),
    row("connect4", Hook::SockAddr, "connect4", "connections", false),
    row("connect6", Hook::SockAddr, "connect6", "connections", false),
    row("sendmsg4", Hook::SockAddr, "sendmsg4", "unconnected datagrams", false),
    row("sendmsg6", Hook::SockAddr, "sendmsg6", "unconnected datagrams", false),
    row("bind4", Hook::SockAddr, "bind4", "binds", false),
    row("bind6", Hook::SockAddr, "bind6", "binds", false),
    row(
        "dns_ingress",
        Hook::SkbIngress,
        "ingress",
        "names in DNS answers",
        false,
    ),
];
