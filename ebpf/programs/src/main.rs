//! Probity's eBPF programs: decisions on files and sockets, made in the kernel.
//!
//! `trace/`, `lsm/`, `hook/` and `cgroup/` hold one file per hook and find out *what* is being done to *which* object; `act/`
//! holds the decision they share. A program never parses anything but path bytes, and counts whatever it drops.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]
#![expect(
    clippy::needless_borrows_for_generic_args,
    reason = "a key passed by value is copied to the stack, which has 512 bytes for all frames together"
)]

mod act;
mod atomic;
mod cgroup;
mod emit;
mod hook;
mod iter;
mod kernel;
mod lsm;
mod maps;
mod scratch;
mod security;
mod trace;
mod tree;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";
