//! `acts`: performs one act by name. See `probity_acts::command` for the commands.
//!
//! It has no Rust `main`: the runtime's start-up asks the C library for the main thread's stack, which opens
//! `/proc/self/maps`, and the act must be the only file the process opens itself.
#![no_main]

/// The C library's entry: takes the arguments from it and returns the exit code.
///
/// # Safety
///
/// Only the C library's start-up may call it, with its own `argc` and `argv`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn main(argc: libc::c_int, argv: *const *const libc::c_char) -> libc::c_int {
    let count = usize::try_from(argc).unwrap_or(0);
    // SAFETY: the C library passes `argc` pointers to NUL-terminated strings that live as long as the process.
    let args = (1..count).map(|at| unsafe { std::ffi::CStr::from_ptr(*argv.add(at)) });
    probity_acts::command::command(args.map(|arg| arg.to_string_lossy().into_owned()).collect())
}
