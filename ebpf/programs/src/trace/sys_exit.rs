//! Every system call's return: the object a descriptor means is read from the descriptor table, not from the caller's
//! memory, so that no argument can be swapped under the watcher.
//!
//! One program rather than sixty tracepoints: it sees the 32-bit entry too, and calls that have no tracepoint of their own.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use probity_abi::{
    access::{CREATE, DELETE, MAP, METADATA, READ, WRITE},
    config::{TRACE_FOREIGN, TRACE_MAP, TRACE_NAMES, TRACE_NET, TRACE_OPEN, TRACE_UNIX, TRACE_WORDS, kernel_act},
    event::{AMBIGUOUS, COMPAT, FAILED, FASTOPEN, FOREIGN as FOREIGN_FLAG, OUTSIDER, SHARED_TABLE, TRACE},
    kind, net as addresses,
};

use super::{
    calls, names, process,
    syscall::{self, Call},
    unix, words,
};
use crate::{
    act::{
        file::{self, Act},
        foreign, kernel as kernel_acts,
        net::{self, AF_INET, AF_INET6, AF_UNIX},
    },
    emit,
    kernel::{self, S_IFDIR, S_IFREG, field},
    maps::{config, offset},
    scratch, tree,
};

#[btf_tracepoint(function = "sys_exit")]
pub fn sys_exit(ctx: BtfTracePointContext) -> i32 {
    let nr = syscall::number(ctx.arg(0));
    let route = calls::route(nr);
    let compat = syscall::compat();
    if !compat && (route == 0 || route == calls::FOREIGN && !foreign::any()) {
        return 0;
    }
    let Some(flags) = tree::current() else {
        // A task outside the tree may still rename or mount what decisions were made on.
        if route & (calls::MOVES | calls::MOVES_COMPAT) != 0 {
            tree::bump_epoch();
        }
        return 0;
    };
    let ret: i64 = ctx.arg(1);
    let call = syscall::read(ctx.arg(0), compat);
    let flags = if compat { flags | COMPAT } else { flags };
    // Asked again each time: what is kept across calls costs stack, of which the longest way down needs all there is.
    let goes = |to: u8| calls::route(call.nr) & to != 0;
    if ret >= 0 && goes(calls::MOVES) {
        tree::bump_epoch();
    }
    if flags & COMPAT != 0 {
        kernel_act(kind::INT80, kernel_act::INT80, flags, ret, [call.nr as u64, 0, 0]);
    }
    if ret >= 0 && goes(calls::FILES | calls::FOREIGN) {
        files(&call, ret, flags);
    }
    if goes(calls::SOCKETS) {
        sockets(&call, ret, flags);
    }
    if goes(calls::KERNEL) {
        kernel_calls(&call, ret, flags);
    }
    0
}

/// Acts on files.
#[inline(always)]
fn files(call: &Call, ret: i64, flags: u32) {
    let trace = config!(trace);
    let a = &call.args;
    let mut fd = a[0] as u32;
    let mut second = u32::MAX;
    let mut need = 0u8;
    let mut other = 0u8;
    let mut kind = kind::FILE_OPEN;
    let mut only_foreign = false;
    match call.nr {
        2 | 85 | 257 | 437 | 304 if trace & TRACE_OPEN != 0 => {
            fd = ret as u32;
        }
        0 | 17 | 19 | 295 | 327 | 217 | 78 if trace & TRACE_FOREIGN != 0 => {
            need = READ;
            kind = kind::FILE_READ;
            only_foreign = true;
        }
        1 | 18 | 20 | 296 | 328 if trace & TRACE_FOREIGN != 0 => {
            need = WRITE;
            kind = kind::FILE_WRITE;
            only_foreign = true;
        }
        40 if trace & TRACE_FOREIGN != 0 => {
            fd = a[1] as u32;
            second = a[0] as u32;
            need = READ;
            other = WRITE;
            kind = kind::FILE_READ;
            only_foreign = true;
        }
        275 | 326 if trace & TRACE_FOREIGN != 0 => {
            second = a[2] as u32;
            need = READ;
            other = WRITE;
            kind = kind::FILE_READ;
            only_foreign = true;
        }
        285 => {
            need = WRITE;
            kind = kind::FILE_WRITE;
        }
        77 if trace & (TRACE_NAMES | TRACE_WORDS) != 0 => {
            need = WRITE;
            kind = kind::FILE_TRUNCATE;
        }
        91 | 93 | 190 | 199 if trace & (TRACE_NAMES | TRACE_WORDS) != 0 => {
            need = METADATA;
            kind = kind::FILE_SETATTR;
        }
        438 if trace & TRACE_FOREIGN != 0 => {
            fd = ret as u32;
            kind = kind::FILE_RECEIVE;
        }
        9 if trace & (TRACE_MAP | TRACE_FOREIGN) != 0 => {
            const PROT_EXEC: u64 = 4;
            const MAP_ANONYMOUS: u64 = 0x20;
            if a[3] & MAP_ANONYMOUS != 0 {
                return;
            }
            fd = a[4] as u32;
            kind = kind::FILE_MAP;
            if a[2] & PROT_EXEC != 0 && trace & TRACE_MAP != 0 {
                need = MAP;
            } else {
                need = READ;
                only_foreign = true;
            }
        }
        _ => {
            if trace & TRACE_NAMES != 0 && names::judge(call, flags) != 0 {
                return;
            }
            if trace & (TRACE_NAMES | TRACE_WORDS) != 0 {
                written(call, flags);
            }
            return;
        }
    }
    let ret = ret as i32;
    descriptor(&Use {
        fd,
        flags,
        ret,
        kind,
        need,
        only_foreign,
    });
    if other != 0 {
        descriptor(&Use {
            fd: second,
            flags,
            ret,
            kind: kind::FILE_WRITE,
            need: other,
            only_foreign: true,
        });
    }
}

/// One use of a descriptor.
struct Use {
    fd: u32,
    flags: u32,
    ret: i32,
    kind: u16,
    /// 0: what its open mode says.
    need: u8,
    /// Only if this tree did not open it.
    only_foreign: bool,
}

/// Judges the file behind a descriptor.
#[inline(always)]
fn descriptor(used: &Use) -> u32 {
    let what = (used.kind as u32) << 16 | (used.only_foreign as u32) << 8 | used.need as u32;
    judge_descriptor(used.fd, what, used.flags, used.ret as u32)
}

/// The same with plain numbers: a function of global linkage is verified once, not at each of its callers.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn judge_descriptor(fd: u32, what: u32, flags: u32, ret: u32) -> u32 {
    let (kind, need, only_foreign) = ((what >> 16) as u16, what as u8, what & 0x100 != 0);
    let ret = ret as i32;
    if only_foreign && !foreign::any() {
        return 0;
    }
    let Some((file, shared)) = kernel::file_of(fd) else {
        if !only_foreign {
            vanished(fd, kind, need, flags);
        }
        return 0;
    };
    let mut flags = flags;
    if only_foreign || kind == kind::FILE_RECEIVE {
        match foreign::exempt(file) {
            Some(exempt) if exempt & need == need && need != 0 => return 0,
            None if only_foreign => return 0,
            _ => {}
        }
        flags |= FOREIGN_FLAG;
    }
    let inode: u64 = field(file, offset!(file_inode));
    let mut need = need;
    if need == 0 {
        need = file::open_access(file);
    }
    if kind == kind::FILE_RECEIVE {
        let kind = kernel::file_type(inode);
        if kind != S_IFREG && kind != S_IFDIR {
            return 0;
        }
        foreign::mark(file);
    }
    // Whoever shares the table and holds the file once only may have put another file under this number.
    if shared && kind == kind::FILE_OPEN {
        flags |= SHARED_TABLE & doubtful(file);
    }
    let (dentry, mount) = kernel::path_of(file);
    let created = need & CREATE != 0;
    let answer = file::answer(&Act {
        dentry,
        mount,
        need,
        kind: if created { kind::FILE_CREATE } else { kind },
        backend: TRACE,
        flags,
        ret,
        arg0: 0,
        arg1: 0,
    });
    // Nothing of procfs is in the cache.
    if kind == kind::FILE_OPEN && answer & file::CACHED == 0 {
        memory_of_another(fd, flags);
    }
    1
}

/// Opening `/proc/PID/mem` is reaching into that process.
#[inline(always)]
fn memory_of_another(fd: u32, flags: u32) {
    let Some((file, _)) = kernel::file_of(fd) else { return };
    if !kernel::of_procfs(field(file, offset!(file_inode))) {
        return;
    }
    let (dentry, _) = kernel::path_of(file);
    let name: u64 = field(dentry.wrapping_add(offset!(dentry_name) as u64), offset!(qstr_name));
    if field::<u32>(name, 0) != u32::from_le_bytes(*b"mem\0") {
        return;
    }
    let parent: u64 = field(dentry, offset!(dentry_parent));
    let directory: u64 = field(parent.wrapping_add(offset!(dentry_name) as u64), offset!(qstr_name));
    let digits: [u8; 8] = field(directory, 0);
    let mut pid = 0u64;
    let mut at = 0;
    while at < 8 {
        let digit = digits[at].wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        pid = pid * 10 + digit as u64;
        at += 1;
    }
    let own = aya_ebpf::helpers::bpf_get_current_pid_tgid() >> 32;
    if pid == 0 || pid == own {
        return;
    }
    let outsider = if in_tree(pid, 1) { 0 } else { OUTSIDER };
    kernel_act(kind::PTRACE, kernel_act::PTRACE, flags | outsider, 0, [pid, 0, 0]);
}

/// A call returned a descriptor, or used one, that is not there any more: whoever shares the table closed it before the
/// look at it, and nobody knows what it was.
#[inline(always)]
fn vanished(fd: u32, kind: u16, need: u8, flags: u32) {
    let Some(space) = scratch::take() else { return };
    emit::begin(space, kind, TRACE, flags | SHARED_TABLE);
    space.event.access = need;
    space.event.ret = fd as i32;
    space.event.verdict = AMBIGUOUS;
    emit::judged(space, fd as u64, kind as u64);
    space.free();
}

/// All ones when a file is held more than once: a descriptor of a shared table may have been replaced by a duplicate.
#[inline(always)]
fn doubtful(file: u64) -> u32 {
    // Since 6.13 a reference count of one is stored as zero, in another field.
    let reference = offset!(file_ref);
    let more = if reference != probity_abi::offsets::NONE {
        field::<u64>(file, reference) > 0
    } else {
        field::<u64>(file, offset!(file_count)) > 1
    };
    if more { u32::MAX } else { 0 }
}

/// Acts on names that only the caller's words tell.
#[inline(always)]
fn written(call: &Call, flags: u32) {
    let a = &call.args;
    let cwd = words::CWD;
    let (words, directory, need, kind, second, second_directory) = match call.nr {
        83 | 133 => (a[0], cwd, CREATE, kind::FILE_CREATE, 0, 0),
        258 | 259 => (a[1], a[0] as u32, CREATE, kind::FILE_CREATE, 0, 0),
        88 => (a[1], cwd, CREATE, kind::FILE_CREATE, 0, 0),
        266 => (a[2], a[1] as u32, CREATE, kind::FILE_CREATE, 0, 0),
        86 => (a[1], cwd, CREATE, kind::FILE_LINK, 0, 0),
        265 => (a[3], a[2] as u32, CREATE, kind::FILE_LINK, 0, 0),
        84 | 87 => (a[0], cwd, DELETE, kind::FILE_UNLINK, 0, 0),
        263 => (a[1], a[0] as u32, DELETE, kind::FILE_UNLINK, 0, 0),
        82 => (a[0], cwd, DELETE, kind::FILE_RENAME, a[1], cwd),
        264 | 316 => (a[1], a[0] as u32, DELETE, kind::FILE_RENAME, a[3], a[2] as u32),
        76 => (a[0], cwd, WRITE, kind::FILE_TRUNCATE, 0, 0),
        90 | 92 | 94 | 132 | 235 | 188 | 189 | 197 | 198 => (a[0], cwd, METADATA, kind::FILE_SETATTR, 0, 0),
        268 | 452 | 260 | 280 | 261 | 463 | 466 => (a[1], a[0] as u32, METADATA, kind::FILE_SETATTR, 0, 0),
        _ => return,
    };
    if words == 0 {
        // utimensat(fd, NULL), futimens: the descriptor itself.
        descriptor(&Use {
            fd: directory,
            flags,
            ret: 0,
            kind: kind::FILE_SETATTR,
            need: METADATA,
            only_foreign: false,
        });
        return;
    }
    words::judge_words(words, directory, (need as u32) << 16 | kind as u32, flags);
    if second != 0 {
        words::judge_words(second, second_directory, (CREATE as u32) << 16 | kind as u32, flags);
    }
}

/// Acts on sockets.
#[inline(always)]
fn sockets(call: &Call, ret: i64, flags: u32) {
    const MSG_FASTOPEN: u64 = 0x2000_0000;
    const IN_PROGRESS: i64 = -115;
    let a = &call.args;
    let trace = config!(trace);
    let done = ret >= 0;
    match call.nr {
        41 => {
            net::judge_family(
                a[0] as u32,
                a[1] as u32,
                a[2] as u32,
                (kind::NET_SOCKET as u32) << 8 | TRACE as u32,
            );
        }
        42 => {
            let Some(sock) = unix::sock_of(a[0] as u32) else { return };
            let family: u16 = field(sock, offset!(sock_family));
            if family == AF_UNIX {
                if trace & TRACE_UNIX != 0 && done {
                    unix::unix_connected(sock, flags, TRACE as u32);
                } else if trace & TRACE_UNIX != 0 {
                    unix::sent_to(a[1], a[2] as u32, flags | FAILED);
                }
            } else if trace & TRACE_NET != 0 && (done || ret == IN_PROGRESS) {
                remote(sock, kind::NET_CONNECT, flags);
            }
        }
        44 => {
            if a[3] & MSG_FASTOPEN != 0
                && let Some(sock) = unix::sock_of(a[0] as u32)
            {
                remote(sock, kind::NET_CONNECT, flags | FASTOPEN);
            }
            if a[4] != 0 && done {
                addressed(a[0] as u32, a[4], a[5] as u32, flags);
            }
        }
        46 if done => message(a[0] as u32, a[1], flags),
        307 if done => {
            let mut index = 0;
            while index < 8 && (index as i64) < ret {
                message(a[0] as u32, a[1].wrapping_add(index * 64), flags);
                index += 1;
            }
        }
        49 if trace & TRACE_NET != 0 && done => {
            if let Some(sock) = unix::sock_of(a[0] as u32) {
                local(sock, kind::NET_BIND, flags);
            }
        }
        50 if done => {
            if let Some(sock) = unix::sock_of(a[0] as u32) {
                local(sock, kind::NET_LISTEN, flags);
            }
        }
        43 | 288 if done => {
            if let Some(sock) = unix::sock_of(ret as u32) {
                remote(sock, kind::NET_ACCEPT, flags);
            }
        }
        47 if done && trace & TRACE_FOREIGN != 0 => {
            received_message(a[1], flags);
        }
        299 if done && trace & TRACE_FOREIGN != 0 => {
            let mut index = 0;
            while index < 8 && (index as i64) < ret {
                received_message(a[1].wrapping_add(index * 64), flags);
                index += 1;
            }
        }
        _ => {}
    }
}

/// The address of a `struct msghdr` in user memory.
#[inline(always)]
fn message(fd: u32, header: u64, flags: u32) {
    let mut name = [0u64; 2];
    // SAFETY: sixteen bytes into a local.
    let failed =
        unsafe { aya_ebpf::helpers::generated::bpf_probe_read_user((&raw mut name).cast(), 16, header as *const _) };
    if failed == 0 && name[0] != 0 {
        addressed(fd, name[0], name[1] as u32, flags);
    }
}

/// Something was sent to an address in the caller's memory.
#[inline(always)]
fn addressed(fd: u32, name: u64, length: u32, flags: u32) {
    let trace = config!(trace);
    if trace & TRACE_UNIX != 0 {
        unix::sent_to(name, length, flags);
    }
    if trace & TRACE_NET != 0 {
        sent_to(fd, name, flags);
    }
}

/// A datagram was sent to an IP address: the caller's words, as no cgroup program saw the address that was used.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sent_to(fd: u32, name: u64, flags: u32) -> u32 {
    const STREAM: u16 = 1;
    let Some(sock) = unix::sock_of(fd) else { return 0 };
    let kind: u16 = field(sock, offset!(sock_type));
    let own: u16 = field(sock, offset!(sock_family));
    if kind == STREAM || (own != AF_INET && own != AF_INET6) {
        return 0;
    }
    let mut head = [0u32; 2];
    // SAFETY: eight bytes into a local: family, port, and an IPv4 address or a flow label.
    unsafe {
        aya_ebpf::helpers::generated::bpf_probe_read_user((&raw mut head).cast(), 8, name as *const _);
    }
    let family = head[0] as u16;
    let mut addr = [0u8; 16];
    if family == AF_INET6 {
        // SAFETY: sixteen bytes into a local.
        unsafe {
            aya_ebpf::helpers::generated::bpf_probe_read_user(
                (&raw mut addr).cast(),
                16,
                name.wrapping_add(8) as *const _,
            );
        }
    } else if family == AF_INET {
        addr[..4].copy_from_slice(&head[1].to_ne_bytes());
    } else {
        return 0;
    }
    net::judge(&net::Act {
        addr,
        family,
        port: u16::from_be((head[0] >> 16) as u16),
        protocol: field(sock, offset!(sock_protocol)),
        sock_type: kind,
        kind: kind::NET_SEND,
        backend: TRACE,
        direction: addresses::CONNECT,
        flags,
    }) as u32
}

/// Descriptors that came with a message.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn received_message(header: u64, flags: u32) -> u32 {
    /// `cmsg_level` SOL_SOCKET and `cmsg_type` SCM_RIGHTS in one word.
    const RIGHTS: u64 = 1 | 1 << 32;
    let mut pair = [0u64; 2];
    // SAFETY: sixteen bytes into a local, at the offset of msg_control.
    unsafe {
        aya_ebpf::helpers::generated::bpf_probe_read_user(
            (&raw mut pair).cast(),
            16,
            header.wrapping_add(32) as *const _,
        )
    };
    let [control, length] = pair;
    if control == 0 || length < 20 {
        return 0;
    }
    // SAFETY: sixteen bytes into a local: cmsg_len, cmsg_level, cmsg_type.
    unsafe { aya_ebpf::helpers::generated::bpf_probe_read_user((&raw mut pair).cast(), 16, control as *const _) };
    if pair[1] != RIGHTS {
        return 0;
    }
    let count = (pair[0] as u32).saturating_sub(16) / 4;
    let mut index = 0;
    while index < 16 && index < count {
        let mut fd = 0u32;
        // SAFETY: four bytes into a local.
        unsafe {
            aya_ebpf::helpers::generated::bpf_probe_read_user(
                (&raw mut fd).cast(),
                4,
                control.wrapping_add(16 + index as u64 * 4) as *const _,
            )
        };
        descriptor(&Use {
            fd,
            flags,
            ret: fd as i32,
            kind: kind::FILE_RECEIVE,
            need: 0,
            only_foreign: false,
        });
        index += 1;
    }
    0
}

/// Judges a socket's remote address.
#[inline(always)]
fn remote(sock: u64, kind: u16, flags: u32) {
    judge_sock(sock, kind as u32, flags, 1);
}

/// Judges a socket's local address.
#[inline(always)]
fn local(sock: u64, kind: u16, flags: u32) {
    judge_sock(sock, kind as u32, flags, 0);
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn judge_sock(sock: u64, kind: u32, flags: u32, remote: u32) -> u32 {
    let (kind, remote) = (kind as u16, remote != 0);
    let family: u16 = field(sock, offset!(sock_family));
    if family != AF_INET && family != AF_INET6 {
        return 0;
    }
    let mut addr = [0u8; 16];
    if family == AF_INET {
        let at = if remote {
            offset!(sock_daddr)
        } else {
            offset!(sock_rcv_saddr)
        };
        let word: u32 = field(sock, at);
        addr[..4].copy_from_slice(&word.to_ne_bytes());
    } else {
        let at = if remote {
            offset!(sock_v6_daddr)
        } else {
            offset!(sock_v6_rcv_saddr)
        };
        addr = field(sock, at);
    }
    let port = if remote {
        u16::from_be(field(sock, offset!(sock_dport)))
    } else {
        field(sock, offset!(sock_num))
    };
    net::judge(&net::Act {
        addr,
        family,
        port,
        protocol: field(sock, offset!(sock_protocol)),
        sock_type: field(sock, offset!(sock_type)),
        kind,
        backend: TRACE,
        direction: if remote { addresses::CONNECT } else { addresses::LISTEN },
        flags,
    }) as u32
}

/// Acts on the kernel.
#[inline(always)]
fn kernel_calls(call: &Call, ret: i64, flags: u32) {
    let a = &call.args;
    let mut words = 0;
    let (kind, setting, arg0, arg1) = match call.nr {
        // Seen by `path_chroot` where names are not followed here.
        161 if config!(trace) & (TRACE_NAMES | TRACE_WORDS) == 0 => return,
        101 => {
            const TRACEME: u64 = 0;
            const ATTACH: u64 = 16;
            const SEIZE: u64 = 0x4206;
            if a[0] != TRACEME && a[0] != ATTACH && a[0] != SEIZE {
                return;
            }
            (kind::PTRACE, kernel_act::PTRACE, a[1], a[0])
        }
        310 | 311 => (kind::PTRACE, kernel_act::PTRACE, a[0], call.nr as u64),
        438 => (
            kind::PTRACE,
            kernel_act::PTRACE,
            process_behind(a[0] as u32),
            call.nr as u64,
        ),
        321 => (kind::BPF, kernel_act::BPF, 0, a[0]),
        298 => (kind::PERF, kernel_act::PERF, 0, 0),
        323 => (kind::USERFAULTFD, kernel_act::USERFAULTFD, 0, 0),
        425 => (kind::IO_URING, kernel_act::IO_URING, 0, u64::MAX),
        175 | 313 | 176 => (kind::MODULE, kernel_act::MODULE, 0, call.nr as u64),
        165 | 166 | 429 | 428 | 430 | 432 | 442 | 155 | 161 => {
            words = match call.nr {
                165 | 428 | 442 => a[1],
                429 => a[3],
                432 => 0,
                _ => a[0],
            };
            (kind::FILE_MOUNT, kernel_act::MOUNT, words_hash(words), call.nr as u64)
        }
        272 if ret >= 0 => {
            process::namespaces(a[0], flags);
            return;
        }
        308 if ret >= 0 => {
            process::namespaces(if a[1] == 0 { OTHER } else { a[1] }, flags);
            return;
        }
        _ => return,
    };
    let outsider = if kind == kind::PTRACE && !in_tree(arg0, arg1) {
        OUTSIDER
    } else {
        0
    };
    kernel_act(kind, setting, flags | outsider, ret, [arg0, arg1, words]);
}

/// CLONE_NEWUTS stands for a namespace that setns() found by itself.
const OTHER: u64 = 0x0400_0000;

/// Tells different words apart, so that each is sent once: where they stand will do.
#[inline(always)]
fn words_hash(words: u64) -> u64 {
    words & 0xffff_ffff
}

/// The process that a pidfd of the current task means, 0 when it means none.
#[inline(always)]
fn process_behind(fd: u32) -> u64 {
    let Some((file, _)) = kernel::file_of(fd) else {
        return 0;
    };
    let inode: u64 = field(file, offset!(file_inode));
    // Since 6.9 the inode of a pidfd holds the pid; before, the file did.
    let behind: u64 = field(inode, offset!(inode_private));
    let behind = if behind != 0 {
        behind
    } else {
        field(file, offset!(file_private))
    };
    field::<u32>(behind, offset!(pid_numbers)) as u64
}

/// Whether the target of a ptrace-like act is a process of the tree, by its number alone.
#[inline(always)]
fn in_tree(target: u64, request: u64) -> bool {
    // PTRACE_TRACEME: the tracer is the parent, which is of the tree for every process but the first.
    if request == 0 && target == 0 {
        return true;
    }
    let tgid = target as u32;
    // SAFETY: the value is not read.
    unsafe { crate::maps::PROCESSES.get(&tgid) }.is_some()
}

#[inline(always)]
fn kernel_act(kind: u16, setting: usize, flags: u32, ret: i64, args: [u64; 3]) {
    let flags = if ret < 0 { flags | FAILED } else { flags };
    kernel_acts::judge(&kernel_acts::Act {
        kind,
        setting,
        backend: TRACE,
        flags,
        ret: ret as i32,
        arg0: args[0],
        arg1: args[1],
        words: args[2],
    });
}
