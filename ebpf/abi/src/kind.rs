//! The kinds of events, and the words that `--events` writes for them.

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $value:literal, $word:literal;)*) => {
        $($(#[$doc])* pub const $name: u16 = $value;)*
        /// Every kind with its word.
        pub const WORDS: &[(u16, &str)] = &[$(($name, $word)),*];
    };
}

kinds! {
    /// A file was opened, or used through a descriptor that this tree did not open.
    FILE_OPEN = 1, "file.open";
    /// A file was mapped with PROT_EXEC, or through a descriptor that this tree did not open.
    FILE_MAP = 2, "file.map";
    /// A file, directory, node or symlink came to be.
    FILE_CREATE = 3, "file.create";
    /// A name was moved.
    FILE_RENAME = 4, "file.rename";
    /// A name was removed.
    FILE_UNLINK = 5, "file.unlink";
    /// A second name was given to a file.
    FILE_LINK = 6, "file.link";
    /// A file's length was changed by name or descriptor.
    FILE_TRUNCATE = 7, "file.truncate";
    /// Mode, owner, times or extended attributes were changed.
    FILE_SETATTR = 8, "file.setattr";
    /// mount, umount, move_mount, pivot_root, chroot.
    FILE_MOUNT = 9, "file.mount";
    /// A file was read through a descriptor that this tree did not open.
    FILE_READ = 10, "file.read";
    /// A file was written through a descriptor that this tree did not open.
    FILE_WRITE = 11, "file.write";
    /// A descriptor arrived from another process (SCM_RIGHTS, pidfd_getfd).
    FILE_RECEIVE = 12, "file.receive";
    /// A program was started.
    EXEC = 20, "exec";
    /// A process or thread was made.
    FORK = 21, "fork";
    /// A process ended.
    EXIT = 22, "exit";
    /// A stream was connected.
    NET_CONNECT = 30, "net.connect";
    /// A datagram was sent to an address.
    NET_SEND = 31, "net.send";
    /// An address was bound.
    NET_BIND = 32, "net.bind";
    /// A socket listens.
    NET_LISTEN = 33, "net.listen";
    /// A socket was made.
    NET_SOCKET = 34, "net.socket";
    /// A connection was accepted.
    NET_ACCEPT = 35, "net.accept";
    /// A DNS answer arrived; its bytes follow the event.
    NET_DNS = 36, "net.dns";
    /// A unix socket was connected or sent to.
    UNIX_CONNECT = 40, "unix.connect";
    /// ptrace, process_vm_*, pidfd_getfd, /proc/PID/mem of a process.
    PTRACE = 50, "ptrace";
    /// A signal was sent.
    SIGNAL = 51, "signal";
    /// bpf() was called.
    BPF = 52, "bpf";
    /// io_uring was set up or used.
    IO_URING = 53, "io_uring";
    /// A user namespace was made or entered.
    USERNS = 54, "userns";
    /// perf_event_open was called.
    PERF = 55, "perf";
    /// userfaultfd was called.
    USERFAULTFD = 56, "userfaultfd";
    /// A 32-bit system call was made by a 64-bit system's process.
    INT80 = 57, "int80";
    /// A namespace other than a user namespace was made or entered.
    NAMESPACE = 58, "namespace";
    /// A kernel module was loaded or removed.
    MODULE = 59, "module";
    /// A process left the tree's cgroup.
    CGROUP_ESCAPE = 60, "cgroup.escape";
    /// Events were lost.
    LOST = 61, "lost";
}

/// The word of a kind.
#[must_use]
pub fn word(kind: u16) -> Option<&'static str> {
    WORDS.iter().find(|(value, _)| *value == kind).map(|(_, word)| *word)
}
