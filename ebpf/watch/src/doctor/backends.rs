//! Which of the stronger backends this host lets run: a minimal program is loaded on `file_open`, attached, and a file is
//! opened. A program that loads and attaches may never run (`bpf` missing in `lsm=`), so only the counter decides.
//!
//! The program counts and returns 0: it denies nothing. Sources: bpf(2), `<linux/bpf.h>`, Documentation/bpf/prog_lsm.rst.

#![expect(
    unsafe_code,
    reason = "bpf(2) has no safe form for a program that is not in the object"
)]

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use serde::Serialize;

use crate::kernel::btf::Types;

/// What became of one backend.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
pub struct Backend {
    /// `lsm`, `hook`, `trace`, `cgroup`.
    pub name: &'static str,
    /// Whether its programs run on this host.
    pub runs: bool,
    /// Why not.
    pub why: Option<String>,
    /// What it would add.
    pub adds: &'static str,
}

const BPF_MAP_CREATE: libc::c_long = 0;
const BPF_MAP_LOOKUP_ELEM: libc::c_long = 1;
const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_RAW_TRACEPOINT_OPEN: libc::c_long = 17;
const PROG_TYPE_TRACING: u32 = 26;
const PROG_TYPE_LSM: u32 = 29;
const BPF_TRACE_FENTRY: u32 = 24;
const BPF_LSM_MAC: u32 = 27;

/// One of the two that the kernel may refuse.
struct Probe {
    name: &'static str,
    adds: &'static str,
    prog_type: u32,
    attach_type: u32,
    function: &'static str,
}

const PROBES: [Probe; 2] = [
    Probe {
        name: "lsm",
        adds: "race-free objects, opens through io_uring, and blocking",
        prog_type: PROG_TYPE_LSM,
        attach_type: BPF_LSM_MAC,
        function: "bpf_lsm_file_open",
    },
    Probe {
        name: "hook",
        adds: "race-free objects and opens through io_uring, where `lsm=` lacks bpf",
        prog_type: PROG_TYPE_TRACING,
        attach_type: BPF_TRACE_FENTRY,
        function: "security_file_open",
    },
];

/// Tries both.
pub(super) fn try_all(types: &Types) -> Vec<Backend> {
    let tried = PROBES.iter().map(|probe| {
        let why = match types.function_id(probe.function) {
            None => Some(format!("this kernel has no `{}`", probe.function)),
            Some(id) => match fires(probe, id) {
                Ok(true) => None,
                Ok(false) => {
                    Some("it loads and attaches, and never runs: `bpf` is not in the kernel's `lsm=`".to_owned())
                }
                Err(why) => Some(why),
            },
        };
        Backend {
            name: probe.name,
            runs: why.is_none(),
            why,
            adds: probe.adds,
        }
    });
    tried.collect()
}

/// Whether a program on the hook is run by an open of ours.
fn fires(probe: &Probe, function: u32) -> Result<bool, String> {
    let said = |what: &'static str| {
        move |error: io::Error| match error.kind() {
            io::ErrorKind::PermissionDenied => format!("{what}: {error}: this host refuses such programs"),
            _ => format!("{what}: {error}"),
        }
    };
    let counter = bpf(BPF_MAP_CREATE, &[2 | 4 << 32, 8 | 1 << 32]).map_err(said("map"))?;
    let program = load(probe, function, &counter).map_err(said("load"))?;
    let attach = bpf(BPF_RAW_TRACEPOINT_OPEN, &[0, word(&program)]).map_err(said("attach"))?;
    for _ in 0..10 {
        let _opened = File::open("/proc/self/status");
    }
    let runs = read(&counter).map_err(said("counter"))?;
    drop(attach);
    Ok(runs > 0)
}

/// `r2 = &0; r0 = lookup(counter, r2); if r0 { *r0 += 1 }; return 0`.
fn load(probe: &Probe, function: u32, counter: &OwnedFd) -> io::Result<OwnedFd> {
    let fd = u64::from(counter.as_raw_fd().cast_unsigned());
    let instruction = |code: u8, registers: u8, offset: i16, value: i32| {
        u64::from(code)
            | u64::from(registers) << 8
            | u64::from(offset.cast_unsigned()) << 16
            | u64::from(value.cast_unsigned()) << 32
    };
    const R0: u8 = 0;
    const R1: u8 = 1;
    const R2: u8 = 2;
    const FP: u8 = 10;
    let instructions = [
        // *(u32 *)(fp - 4) = 0
        instruction(0x62, FP, -4, 0),
        // r2 = fp; r2 += -4
        instruction(0xbf, FP << 4 | R2, 0, 0),
        instruction(0x07, R2, 0, -4),
        // r1 = map (BPF_PSEUDO_MAP_FD), two slots
        instruction(0x18, 1 << 4 | R1, 0, 0) | fd << 32,
        0,
        // call bpf_map_lookup_elem
        instruction(0x85, 0, 0, 1),
        // if r0 == 0 goto +2
        instruction(0x15, R0, 2, 0),
        // r1 = 1; lock *(u64 *)r0 += r1
        instruction(0xb7, R1, 0, 1),
        instruction(0xdb, R1 << 4 | R0, 0, 0),
        // return 0
        instruction(0xb7, R0, 0, 0),
        instruction(0x95, 0, 0, 0),
    ];
    let mut log = [0_u8; 4096];
    let licence = c"GPL";
    let halves = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    let mut attributes = [0_u64; 16];
    // `union bpf_attr` for BPF_PROG_LOAD, by byte offset / 8: type and count, instructions, licence, log level and size,
    // log, ..., expected_attach_type at 68, attach_btf_id at 108.
    attributes[0] = halves(probe.prog_type, u32::try_from(instructions.len()).unwrap_or(0));
    attributes[1] = instructions.as_ptr().expose_provenance() as u64;
    attributes[2] = licence.as_ptr().expose_provenance() as u64;
    attributes[3] = halves(1, u32::try_from(log.len()).unwrap_or(0));
    attributes[4] = log.as_mut_ptr().expose_provenance() as u64;
    attributes[8] = halves(0, probe.attach_type);
    attributes[13] = halves(0, function);
    bpf(BPF_PROG_LOAD, &attributes)
}

fn read(counter: &OwnedFd) -> io::Result<u64> {
    let (key, value) = (0_u32, 0_u64);
    let mut value = value;
    let attributes = [
        word(counter),
        (&raw const key).expose_provenance() as u64,
        (&raw mut value).expose_provenance() as u64,
        0,
    ];
    command(BPF_MAP_LOOKUP_ELEM, &attributes)?;
    Ok(value)
}

fn word(fd: &OwnedFd) -> u64 {
    u64::from(fd.as_raw_fd().cast_unsigned())
}

/// A command that gives a descriptor.
fn bpf(number: libc::c_long, attributes: &[u64]) -> io::Result<OwnedFd> {
    let fd = command(number, attributes)?;
    let fd = i32::try_from(fd).map_err(|_| io::ErrorKind::InvalidData)?;
    // SAFETY: the kernel just gave this descriptor to us, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn command(number: libc::c_long, attributes: &[u64]) -> io::Result<libc::c_long> {
    // SAFETY: the attributes are plain numbers, whose addresses point to what the callers' frames keep alive; the kernel
    // reads as many bytes as it is told.
    let done = unsafe { libc::syscall(libc::SYS_bpf, number, attributes.as_ptr(), size_of_val(attributes)) };
    if done < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same program where more hosts take it: so that a refusal elsewhere is the kernel's, not a mistake of its bytes.
    #[test]
    fn the_program_runs_on_a_tracepoint() {
        const BPF_TRACE_RAW_TP: u32 = 23;
        let Some(id) = Types::running().ok().and_then(|types| types.tracepoint_id("sys_enter")) else {
            eprintln!("probity-skip: this kernel shows no BTF");
            return;
        };
        let probe = Probe {
            name: "trace",
            adds: "",
            prog_type: PROG_TYPE_TRACING,
            attach_type: BPF_TRACE_RAW_TP,
            function: "sys_enter",
        };
        match fires(&probe, id) {
            Err(why) if !rustix::process::geteuid().is_root() => eprintln!("probity-skip: {why}"),
            fired => assert_eq!(fired, Ok(true)),
        }
    }
}
