//! The 32-bit entry of a 64-bit kernel: `int 0x80`, which the syscall tracepoints do not see.
//!
//! Its addresses have 32 bits, so arguments lie in memory mapped below 4 GiB. Each act runs in a child: where the
//! kernel has no such entry the instruction faults, and the fault is how that is found out.

use crate::acts::allowed;
#[cfg(not(target_arch = "x86_64"))]
use crate::context::Context;
#[cfg(not(target_arch = "x86_64"))]
use crate::sys::Acted;
use crate::table::Act;

const ROW: Act = Act {
    group: "int80",
    kind: "int80",
    needs: &["x86_64", "ia32"],
    ..Act::ROW
};

pub(crate) const ACTS: &[Act] = &[
    Act {
        name: "int80-open",
        does: "open(2) by its 32-bit number, 5",
        object: "${DIR}/${FORM}/secret",
        access: &["read"],
        set: concat!(allowed!("read"), "[kernel]\nint80 = \"allow\"\n"),
        undeclared_set: Some(concat!(allowed!("read"), "[kernel]\nint80 = \"deny\"\n")),
        run: open,
        ..ROW
    },
    Act {
        name: "int80-connect",
        does: "connect(2) by its 32-bit number, 362",
        object: "127.0.0.1:${PORT}",
        takes: &["port"],
        service: Some("tcp4"),
        set: concat!(
            "[[net]]\ncidr = [\"127.0.0.0/8\"]\nports = [${PORT}]\nproto = [\"tcp\"]\n",
            "[kernel]\nint80 = \"allow\"\n"
        ),
        undeclared_set: Some(concat!(
            "[[net]]\ncidr = [\"127.0.0.0/8\"]\nports = [${PORT}]\nproto = [\"tcp\"]\n",
            "[kernel]\nint80 = \"deny\"\n"
        )),
        run: connect,
        ..ROW
    },
];

#[cfg(not(target_arch = "x86_64"))]
fn open(_: &Context) -> Acted {
    crate::sys::skip("int 0x80 is an x86 instruction")
}

#[cfg(not(target_arch = "x86_64"))]
fn connect(_: &Context) -> Acted {
    crate::sys::skip("int 0x80 is an x86 instruction")
}

#[cfg(target_arch = "x86_64")]
use gate::{connect, open};

#[cfg(target_arch = "x86_64")]
mod gate {
    use std::arch::asm;
    use std::os::fd::AsRawFd;
    use std::ptr;

    use crate::acts::open::holds_secret;
    use crate::child;
    use crate::context::Context;
    use crate::net::{self, Address};
    use crate::sys::{Acted, Stop, call, owned, skip};

    const OPEN: u32 = 5;
    const CONNECT: u32 = 362;
    const NOT_THERE: i64 = -38;

    /// Copies the bytes to a page below 4 GiB and returns its address.
    fn low(bytes: &[u8]) -> Acted<u32> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_32BIT;
        let address = call!(
            libc::SYS_mmap,
            0,
            bytes.len().next_multiple_of(4096),
            protection,
            flags,
            -1,
            0
        )?;
        let page: *mut u8 = ptr::with_exposed_provenance_mut(address as usize);
        // SAFETY: the mapping is new, writable, and at least as long as the bytes.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), page, bytes.len()) };
        u32::try_from(address).map_err(|_| Stop::Wrong(String::from("MAP_32BIT gave an address above 4 GiB")))
    }

    fn int80(number: u32, first: u32, second: u32, third: u32) -> Acted<i64> {
        let result: i32;
        // SAFETY: the gate keeps every register but eax and r8 to r11; rbx, which the compiler reserves, is put back.
        // The kernel checks the addresses it is given.
        unsafe {
            asm!(
                "xchg {first:r}, rbx",
                "int 0x80",
                "xchg {first:r}, rbx",
                first = inout(reg) u64::from(first) => _,
                inlateout("eax") number => result,
                in("ecx") second,
                in("edx") third,
                out("r8") _, out("r9") _, out("r10") _, out("r11") _,
            );
        }
        match i64::from(result) {
            NOT_THERE => skip("the 32-bit table has no such call"),
            failed @ -4095..0 => Err(Stop::Errno(i32::try_from(-failed).unwrap_or(0))),
            value => Ok(value),
        }
    }

    /// Does the act in a child, and takes its fault for the missing entry.
    fn guarded(act: impl FnOnce() -> Acted) -> Acted {
        let mut faulted = false;
        let acted = child::told(|outcome| {
            let pid = child::fork(|| {
                outcome.tell(&act());
                0
            })?;
            faulted = libc::WIFSIGNALED(child::wait(pid)?);
            Ok(())
        });
        if faulted {
            skip("int 0x80 faults: the kernel has no IA32 emulation")
        } else {
            acted
        }
    }

    pub(super) fn open(context: &Context) -> Acted {
        let path = low(context.own("secret")?.as_bytes_with_nul())?;
        guarded(|| holds_secret(context, &owned(int80(OPEN, path, libc::O_RDONLY as u32, 0)?)?))
    }

    pub(super) fn connect(context: &Context) -> Acted {
        let (socket, to) = (
            net::socket(libc::AF_INET, libc::SOCK_STREAM, 0)?,
            Address::v4(context.port()?),
        );
        let address = low(to.bytes())?;
        let fd = socket.as_raw_fd() as u32;
        guarded(|| int80(CONNECT, fd, address, to.bytes().len() as u32).map(|_| ()))
    }
}
