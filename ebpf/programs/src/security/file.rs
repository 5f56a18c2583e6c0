//! Opening, receiving, reading, writing and mapping files.

use probity_abi::{
    access::{CREATE, MAP, READ, WRITE},
    event::{DECLARED, FOREIGN as FOREIGN_FLAG, INTERPRETER},
    kind,
};

use crate::{
    act::{
        file::{self, Act},
        foreign,
    },
    kernel::{self, S_IFDIR, S_IFREG, field},
    maps::offset,
    trace::syscall,
    tree,
};

const PROT_WRITE: u64 = 2;
const PROT_EXEC: u64 = 4;
const MAP_SHARED: u64 = 1;

/// The protection that a map gets for what was asked: what the kernel adds to it comes after the hook's function is entered.
#[inline(always)]
pub fn implied(protection: u64) -> u64 {
    const PROT_READ: u64 = 1;
    const READ_IMPLIES_EXEC: u32 = 0x0040_0000;
    let personality: u32 = field(kernel::task(), offset!(task_personality));
    if protection & PROT_READ != 0 && personality & READ_IMPLIES_EXEC != 0 {
        protection | PROT_EXEC
    } else {
        protection
    }
}

/// A file is about to be opened; `FMODE_CREATED` says whether this very call made it.
#[inline(always)]
pub fn open(file: u64, backend: u8) -> u8 {
    /// `__FMODE_EXEC`: the kernel opens what it is about to execute, which has a hook of its own.
    const FMODE_EXEC: u32 = 0x20;
    let Some(flags) = tree::current() else { return DECLARED };
    let opened: u32 = field(file, offset!(file_flags));
    let (dentry, mount) = kernel::path_of(file);
    if opened & FMODE_EXEC != 0 || kernel::internal(mount) {
        return DECLARED;
    }
    // The address may have been that of a file which came from elsewhere.
    foreign::forget(file);
    let need = file::open_access(file);
    file::judge(&Act {
        dentry,
        mount,
        need,
        kind: if need & CREATE != 0 {
            kind::FILE_CREATE
        } else {
            kind::FILE_OPEN
        },
        backend,
        flags,
        ret: 0,
        arg0: 0,
        arg1: 0,
    })
}

/// A descriptor has arrived from another process.
#[inline(always)]
pub fn receive(file: u64, backend: u8) -> u8 {
    let Some(flags) = tree::current() else { return DECLARED };
    let inode: u64 = field(file, offset!(file_inode));
    let of = kernel::file_type(inode);
    if of != S_IFREG && of != S_IFDIR {
        return DECLARED;
    }
    if let Some(exempt) = foreign::exempt(file)
        && exempt != 0
    {
        return DECLARED;
    }
    foreign::mark(file);
    judge(
        file,
        file::open_access(file),
        kind::FILE_RECEIVE,
        flags | FOREIGN_FLAG,
        backend,
    )
}

/// A file is about to be read or written: judged when this tree did not open it.
#[inline(always)]
pub fn permission(file: u64, mask: u32, backend: u8) -> u8 {
    const MAY_WRITE: u32 = 2;
    const MAY_READ: u32 = 4;
    const MAY_APPEND: u32 = 8;
    if !foreign::any() {
        return DECLARED;
    }
    let Some(flags) = tree::current() else { return DECLARED };
    let (need, kind) = if mask & (MAY_WRITE | MAY_APPEND) != 0 {
        (WRITE, kind::FILE_WRITE)
    } else if mask & MAY_READ != 0 {
        (READ, kind::FILE_READ)
    } else {
        return DECLARED;
    };
    through_foreign(file, need, kind, flags, backend)
}

/// A file is about to be mapped; `file` is 0 for anonymous memory.
#[inline(always)]
pub fn map(file: u64, protection: u64, map_flags: u64, backend: u8) -> u8 {
    if file == 0 {
        return DECLARED;
    }
    let Some(flags) = tree::current() else { return DECLARED };
    if protection & PROT_EXEC == 0 {
        let shared = map_flags & MAP_SHARED != 0 && protection & PROT_WRITE != 0;
        let need = if shared { READ | WRITE } else { READ };
        return through_foreign(file, need, kind::FILE_MAP, flags, backend);
    }
    executable(file, flags, backend)
}

/// Memory is about to become executable; `vma` may map a file.
#[inline(always)]
pub fn protect(vma: u64, protection: u64, backend: u8) -> u8 {
    if protection & PROT_EXEC == 0 {
        return DECLARED;
    }
    let Some(flags) = tree::current() else { return DECLARED };
    let file: u64 = field(vma, offset!(vma_file));
    if file == 0 {
        return DECLARED;
    }
    executable(file, flags, backend)
}

/// Maps with PROT_EXEC. What execve itself maps was judged as a program, except for the loader that the program asks for.
#[inline(always)]
fn executable(file: u64, flags: u32, backend: u8) -> u8 {
    let mut flags = flags;
    if matches!(syscall::current_number(), 59 | 322) {
        let inode: u64 = field(file, offset!(file_inode));
        if inode == kernel::executable(kernel::task()) {
            return DECLARED;
        }
        flags |= INTERPRETER;
    }
    judge(file, MAP, kind::FILE_MAP, flags, backend)
}

#[inline(always)]
fn through_foreign(file: u64, need: u8, kind: u16, flags: u32, backend: u8) -> u8 {
    if !foreign::any() {
        return DECLARED;
    }
    match foreign::exempt(file) {
        Some(exempt) if exempt & need != need => judge(file, need, kind, flags | FOREIGN_FLAG, backend),
        _ => DECLARED,
    }
}

#[inline(always)]
fn judge(file: u64, need: u8, kind: u16, flags: u32, backend: u8) -> u8 {
    let (dentry, mount) = kernel::path_of(file);
    file::judge(&Act {
        dentry,
        mount,
        need,
        kind,
        backend,
        flags,
        ret: 0,
        arg0: 0,
        arg1: 0,
    })
}
