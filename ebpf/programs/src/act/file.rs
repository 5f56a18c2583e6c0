//! Judging an act on a file: cache, walk, verdict.

use probity_abi::{
    access::{CREATE, DELETE, EXEC, READ},
    config::{DECLARED_SET, HARDLINKS_ALLOWED, LDSO_DENIED, MEMFD_ALLOWED, MEMFD_DENIED},
    event::{
        AMBIGUOUS, DECLARED, DENIED, DIRECTORY, HARDLINK, HOOK, INTERPRETER, LSM, NAMELESS, NAMES, SHARED_TABLE,
        UNDECLARED, UNLINKED,
    },
    state::{Verdict, VerdictKey, counter},
};

use super::walk::{self, CUT, DETACHED};
use crate::{
    atomic::opaque,
    emit,
    kernel::{self, S_IFDIR, S_IFREG, field},
    maps::{VERDICTS, config, count, count_rule, offset},
    scratch::{self, HEAD, Scratch},
    security::origin,
    tree,
};

/// One act on one file.
#[derive(Clone, Copy)]
pub struct Act {
    /// The object's dentry.
    pub dentry: u64,
    /// Its `struct mount`, 0 when unknown.
    pub mount: u64,
    /// Bits of [`probity_abi::access`].
    pub need: u8,
    /// One of [`probity_abi::kind`].
    pub kind: u16,
    /// Who saw it.
    pub backend: u8,
    /// Event flags known already.
    pub flags: u32,
    /// What the system call returned.
    pub ret: i32,
    /// The kind's argument.
    pub arg0: u64,
    /// The kind's second argument.
    pub arg1: u64,
}

/// Set beside a verdict that the cache gave.
pub const CACHED: u32 = 0x100;

/// Judges an act and sends what must be sent. Returns the verdict.
#[inline(always)]
pub fn judge(act: &Act) -> u8 {
    answer(act) as u8
}

/// The same; returns the verdict, and [`CACHED`].
#[inline(always)]
pub fn answer(act: &Act) -> u32 {
    let what = (act.flags as u64) << 32 | (act.kind as u64) << 16 | (act.need as u64) << 8 | act.backend as u64;
    let result = (act.ret as u32 as u64) << 32 | act.arg0 & 0xffff_ffff;
    judge_file(act.dentry, act.mount, what, result, act.arg1)
}

/// The same with plain numbers: a function of global linkage is verified once, not at each of its callers.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn judge_file(dentry: u64, mount: u64, what: u64, result: u64, arg1: u64) -> u32 {
    run(dentry, mount, what, result, arg1)
}

#[inline(always)]
fn run(dentry: u64, mount: u64, what: u64, result: u64, arg1: u64) -> u32 {
    let need = (what >> 8) as u8;
    if need == 0 || dentry == 0 {
        return DECLARED as u32;
    }
    let inode: u64 = field(dentry, offset!(dentry_inode));
    let key = VerdictKey { dentry, mount };
    // A shared descriptor table makes the object itself doubtful, whatever is known about it.
    let doubtful = (what >> 32) as u32 & SHARED_TABLE != 0;
    let cacheable = inode != 0 && need & (CREATE | DELETE) == 0 && !doubtful;
    if cacheable && cached(&key, inode, need) {
        return DECLARED as u32 | CACHED;
    }
    let Some(space) = scratch::take() else {
        return AMBIGUOUS as u32;
    };
    // Taken apart no sooner than here, so that less lies on the stack.
    let (what, result) = (opaque(what), opaque(result));
    let act = &Act {
        dentry,
        mount,
        need,
        kind: (what >> 16) as u16,
        backend: what as u8,
        flags: (what >> 32) as u32,
        ret: (result >> 32) as i32,
        arg0: result & 0xffff_ffff,
        arg1,
    };
    let way = if act.backend == LSM || act.backend == HOOK {
        origin()
    } else {
        0
    };
    emit::begin(space, act.kind, act.backend, act.flags | way);
    space.event.ret = act.ret;
    space.event.arg0 = act.arg0;
    space.event.arg1 = act.arg1;
    let verdict = decide(space, act, inode);
    // What is `self` for one process is not for the next.
    if verdict == DECLARED
        && cacheable
        && space.own == 0
        && config!(flags) & DECLARED_SET != 0
        && !kernel::of_procfs(inode)
    {
        remember(space, act, inode);
    }
    // A name that was made and removed again may leave its addresses to the next: the name's hash tells them apart.
    let hash: u32 = field(act.dentry.wrapping_add(offset!(dentry_name) as u64), offset!(qstr_hash));
    emit::judged(
        space,
        act.dentry ^ ((hash as u64) << 32),
        inode ^ ((space.event.generation as u64) << 32),
    );
    space.free();
    verdict as u32
}

#[inline(always)]
fn cached(key: &VerdictKey, inode: u64, need: u8) -> bool {
    // SAFETY: read while the program runs; a torn value fails one of the compares below.
    let Some(verdict) = (unsafe { VERDICTS.get(key) }) else {
        return false;
    };
    if verdict.allow & need != need || verdict.inode != inode || verdict.epoch != tree::epoch() {
        return false;
    }
    let (ino, nlink) = kernel::number_and_links(inode);
    let generation: u32 = field(inode, offset!(inode_generation));
    if verdict.ino != ino || verdict.generation != generation || verdict.nlink != nlink {
        return false;
    }
    if config!(flags) & probity_abi::config::SEND_ALL != 0 {
        return false;
    }
    count_rule(verdict.rule);
    count(counter::DECLARED);
    count(counter::CACHED);
    true
}

#[inline(always)]
fn remember(space: &mut Scratch, act: &Act, inode: u64) {
    space.way = VerdictKey {
        dentry: act.dentry,
        mount: act.mount,
    };
    space.verdict = Verdict {
        inode,
        ino: field(inode, offset!(inode_ino)),
        epoch: tree::epoch(),
        generation: field(inode, offset!(inode_generation)),
        nlink: field(inode, offset!(inode_nlink)),
        allow: act.need,
        reserved: [0; 3],
        rule: space.allow_rule,
        reserved2: 0,
    };
    // A full cache only costs time.
    let _ = VERDICTS.insert(&space.way, &space.verdict, 0);
}

/// Walks and compares. The event is complete afterwards.
#[inline(always)]
fn decide(space: &mut Scratch, act: &Act, inode: u64) -> u8 {
    space.need = act.need as u32;
    identify(space, act, inode);
    walk::walk(space, act.dentry, act.mount);
    walk::walk_aside(space);
    conclude(space, act, inode)
}

/// Compares what the walk found with what the act needs.
#[inline(always)]
pub fn conclude(space: &mut Scratch, act: &Act, inode: u64) -> u8 {
    let flags = config!(flags);
    let detached = space.end == DETACHED;
    let nameless = detached || (space.event.flags & UNLINKED != 0 && act.need & EXEC != 0);
    if nameless && act.need & EXEC != 0 {
        space.event.flags |= NAMELESS;
    }
    let missing = act.need & !space.allow;
    let linked = space.event.nlink > 1
        && kernel::file_type(inode) == S_IFREG
        && missing == 0
        && space.exact & act.need != act.need
        && flags & HARDLINKS_ALLOWED == 0
        && act.need & (CREATE | DELETE) == 0
        && !of_the_system(space, act.dentry);
    space.event.missing = missing;
    space.event.verdict = if space.deny & act.need != 0 {
        space.event.rule = space.deny_rule;
        DENIED
    } else if act.need & EXEC != 0 && nameless && flags & MEMFD_DENIED != 0 {
        DENIED
    } else if act.need & EXEC != 0 && nameless && flags & MEMFD_ALLOWED != 0 {
        DECLARED
    } else if act.need & EXEC != 0 && flags & LDSO_DENIED != 0 && act.flags & INTERPRETER == 0 && loader(act.dentry) {
        DENIED
    } else if detached && act.need & EXEC == 0 && space.at as usize == NAMES {
        // Made by this very tree, without a name: a pipe, a socket, a memfd.
        DECLARED
    } else if missing != 0 {
        if space.end == CUT { AMBIGUOUS } else { UNDECLARED }
    } else if linked && flags & DECLARED_SET != 0 {
        space.event.flags |= HARDLINK;
        space.event.rule = space.allow_rule;
        UNDECLARED
    } else if act.flags & SHARED_TABLE != 0 && flags & DECLARED_SET != 0 {
        AMBIGUOUS
    } else {
        space.event.rule = space.allow_rule;
        count_rule(space.allow_rule);
        DECLARED
    };
    space.event.verdict
}

/// Whether a name stands below `/usr` in a directory that only root can write to: distributions put several names of one
/// program there (`perl`, `perl5.36.0`), and nobody else can.
#[inline(always)]
fn of_the_system(space: &Scratch, dentry: u64) -> bool {
    let at = space.at as usize;
    if at >= NAMES || space.end != walk::ROOT {
        return false;
    }
    let at = at & (NAMES - 1);
    // SAFETY: the index is masked, and eight more bytes are inside `bytes`.
    let first: u64 = unsafe { core::ptr::read_unaligned((&raw const space.bytes).cast::<u8>().add(HEAD + at).cast()) };
    if first & 0xff_ffff_ffff != u64::from_le_bytes(*b"/usr/\0\0\0") {
        return false;
    }
    let parent: u64 = field(dentry, offset!(dentry_parent));
    let directory: u64 = field(parent, offset!(dentry_inode));
    let owner: u32 = field(directory, offset!(inode_uid));
    let mode: u16 = field(directory, offset!(inode_mode));
    owner == 0 && mode & 0o022 == 0
}

/// Whether a program is the dynamic loader, by the names it has: `ld-linux*`, `ld-musl*`, `ld-2*`, `ld.so*`.
#[inline(always)]
fn loader(dentry: u64) -> bool {
    let name: u64 = field(dentry.wrapping_add(offset!(dentry_name) as u64), offset!(qstr_name));
    let bytes: [u8; 8] = field(name, 0);
    let word = u64::from_le_bytes(bytes);
    word == u64::from_le_bytes(*b"ld-linux")
        || word == u64::from_le_bytes(*b"ld-musl-")
        || word as u32 == u32::from_le_bytes(*b"ld-2")
        || word as u32 == u32::from_le_bytes(*b"ld.s")
}

/// Who the object is, for people.
#[inline(always)]
fn identify(space: &mut Scratch, act: &Act, inode: u64) {
    let event = &mut space.event;
    event.access = act.need;
    event.inode = inode;
    event.ino = field(inode, offset!(inode_ino));
    event.generation = field(inode, offset!(inode_generation));
    event.nlink = field(inode, offset!(inode_nlink));
    // A name that does not exist yet has no inode; its directory's file system is its own.
    let sb: u64 = if inode != 0 {
        field(inode, offset!(inode_sb))
    } else {
        field(act.dentry, offset!(dentry_sb))
    };
    event.dev = field(sb, offset!(sb_dev));
    if kernel::file_type(inode) == S_IFDIR {
        event.flags |= DIRECTORY;
    }
    if act.need & CREATE == 0 && kernel::unhashed(act.dentry) {
        event.flags |= UNLINKED;
    }
}

/// What opening a file with these bits needs.
#[inline(always)]
pub fn open_access(file: u64) -> u8 {
    const FMODE_READ: u32 = 1;
    const FMODE_WRITE: u32 = 2;
    const FMODE_CREATED: u32 = 1 << 20;
    const O_PATH: u32 = 0o10_000_000;
    const O_TRUNC: u32 = 0o1000;
    const O_TMPFILE: u32 = 0o20_000_000;
    let mode: u32 = field(file, offset!(file_mode));
    let flags: u32 = field(file, offset!(file_flags));
    if flags & O_PATH != 0 {
        return 0;
    }
    let mut need = 0;
    if mode & FMODE_READ != 0 {
        need |= READ;
    }
    if mode & FMODE_WRITE != 0 || flags & O_TRUNC != 0 {
        need |= probity_abi::access::WRITE;
    }
    if mode & FMODE_CREATED != 0 || flags & O_TMPFILE == O_TMPFILE {
        need |= CREATE;
    }
    need
}
