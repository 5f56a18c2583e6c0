//! Acts whose object only the caller's words name: no tracepoint of this kernel carries the inode.
//!
//! The words are read from the caller's memory after the call, are not resolved through symbolic links, and may have been
//! changed by another thread: the event says so ([`AS_WRITTEN`]), and words with `..` in them are ambiguous.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::{
    bpf_loop, bpf_probe_read_kernel, bpf_probe_read_kernel_str, bpf_probe_read_user_str,
};
use probity_abi::event::{AMBIGUOUS, AS_WRITTEN, NAMES, TRACE};

use crate::{
    act::{
        automaton,
        file::{self, Act},
        walk,
    },
    atomic::opaque,
    emit,
    kernel::{self, field},
    maps::{config, offset},
    scratch::{self, HEAD, Scratch},
};

/// `AT_FDCWD` as a 32-bit argument.
pub const CWD: u32 = (-100i32) as u32;

/// In `need_and_kind`: the words stand in the kernel's memory.
pub const KERNEL: u32 = 1 << 31;

struct Dots {
    space: *mut Scratch,
    at: u32,
    last: u32,
    found: u64,
}

/// Judges an act on the path that stands at `words` in user memory, relative to `directory`.
///
/// A function of global linkage is verified once, not at each of its callers.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn judge_words(words: u64, directory: u32, need_and_kind: u32, flags: u32) -> u32 {
    let (need, kind) = ((need_and_kind >> 16) as u8, need_and_kind as u16);
    let Some(space) = scratch::take() else { return 0 };
    emit::begin(space, kind, TRACE, flags | AS_WRITTEN);
    space.need = need as u32;
    space.event.access = need;
    // SAFETY: the second half of `bytes` is NAMES long.
    let source = unsafe { (&raw mut space.bytes).cast::<u8>().add(HEAD + NAMES) };
    // SAFETY: as above; the helper checks the address.
    let length = unsafe {
        if need_and_kind & KERNEL != 0 {
            bpf_probe_read_kernel_str(source.cast(), NAMES as u32, words as *const _)
        } else {
            bpf_probe_read_user_str(source.cast(), NAMES as u32, words as *const _)
        }
    };
    if length <= 1 || length > NAMES as i64 {
        space.event.verdict = AMBIGUOUS;
        emit::judged(space, words, kind as u64);
        space.free();
        return 1;
    }
    let length = opaque(length as u64 - 1) as u32 & (NAMES as u32 - 1);
    let at = opaque((NAMES as u32 - length) as u64) as u32 & (NAMES as u32 - 1);
    // SAFETY: `at + length` is NAMES.
    unsafe {
        bpf_probe_read_kernel(
            (&raw mut space.bytes).cast::<u8>().add(HEAD + at as usize).cast(),
            length,
            source.cast_const().cast(),
        )
    };
    space.at = at;
    // SAFETY: inside `bytes`.
    let first = unsafe { *source };
    let dotted = dots(space);
    let act = Act {
        dentry: 0,
        mount: 0,
        need,
        kind,
        backend: TRACE,
        flags,
        ret: 0,
        arg0: 0,
        arg1: 0,
    };
    if first == b'/' {
        space.allow = 0;
        space.deny = 0;
        space.exact = need;
        space.allow_rule = 0;
        space.deny_rule = 0;
        space.end = walk::ROOT;
        if let Some(grant) = automaton::grant(space, config!(root_state)) {
            space.allow = grant.allow & need;
            space.deny = grant.deny & need;
            let bit = walk::lowest(need);
            space.allow_rule = grant.allow_rule[bit & 7];
            space.deny_rule = grant.deny_rule[bit & 7];
        }
    } else {
        walk::put(space, 0, 0);
        let (dentry, mount) = directory_of(directory);
        walk::walk(space, dentry, mount);
        walk::walk_aside(space);
    }
    file::conclude(space, &act, 0);
    if dotted {
        space.event.verdict = AMBIGUOUS;
    }
    let hash = space.at as u64;
    emit::judged(space, words ^ (hash << 48), kind as u64);
    space.free();
    1
}

/// Dentry and mount that relative words start from.
#[inline(always)]
fn directory_of(directory: u32) -> (u64, u64) {
    if directory == CWD {
        let fs: u64 = field(kernel::task(), offset!(task_fs));
        return kernel::path_at(fs.wrapping_add(offset!(fs_pwd) as u64));
    }
    match kernel::file_of(directory) {
        Some((file, _)) => kernel::path_of(file),
        None => (0, 0),
    }
}

/// Whether a component is `..`.
#[inline(always)]
fn dots(space: &mut Scratch) -> bool {
    let mut dots = Dots {
        space,
        at: space.at,
        last: u32::from(b'/'),
        found: 0,
    };
    // SAFETY: the callback takes what is passed here.
    unsafe {
        bpf_loop(
            (NAMES as u32) - space.at,
            dots_step as *mut c_void,
            (&raw mut dots).cast(),
            0,
        )
    };
    dots.found != 0 || dots.last & 0x00ff_ffff == u32::from_be_bytes([0, b'/', b'.', b'.'])
}

extern "C" fn dots_step(_: u64, dots: *mut c_void) -> i64 {
    // SAFETY: `bpf_loop` passes the `Dots` on the caller's stack.
    let dots = unsafe { &mut *dots.cast::<Dots>() };
    let at = (dots.at as usize) & (NAMES - 1);
    // SAFETY: the index is masked.
    let byte = unsafe { *(&raw const (*dots.space).bytes).cast::<u8>().add(HEAD + at) };
    dots.at += 1;
    dots.last = dots.last << 8 | byte as u32;
    if dots.last == u32::from_be_bytes(*b"/../") {
        dots.found = 1;
        return 1;
    }
    0
}
