//! The maps, and the constants that the loader writes into `.rodata`.

use aya_ebpf::{
    macros::map,
    maps::{Array, HashMap, LpmTrie, LruHashMap, PerCpuArray, RingBuf},
};
use probity_abi::{
    config::Config,
    net::{AbstractKey, FamilyKey, NetEntry, NetGrant, NetKey},
    offsets::Offsets,
    policy::{Classes, Grant, Pin},
    state::{Inflight, Process, Scripts, Seen, SeenKey, Verdict, VerdictKey, counter},
};

use crate::scratch::Scratch;

#[unsafe(no_mangle)]
pub static OFFSETS: Offsets = Offsets::UNKNOWN;
#[unsafe(no_mangle)]
pub static CONFIG: Config = Config {
    cgroup: 0,
    rename_lock: 0,
    mount_lock: 0,
    cgroup_level: 0,
    watcher: 0,
    classes: 0,
    flags: 0,
    trace: 0,
    root_state: 0,
    kernel: [0; 16],
    kernel_rule: [0; 16],
};
#[unsafe(no_mangle)]
pub static CLASSES: Classes = [0; 256];

#[map]
pub static EVENTS: RingBuf = RingBuf::with_byte_size(1 << 23, 0);
#[map]
pub static VIOLATIONS: RingBuf = RingBuf::with_byte_size(1 << 23, 0);
#[map]
pub static COUNTERS: PerCpuArray<u64> = PerCpuArray::with_max_entries(counter::COUNT, 0);
/// Uses per rule; the number of a rule counts from 1.
#[map]
pub static RULES: PerCpuArray<u64> = PerCpuArray::with_max_entries(4096, 0);
#[map]
pub static SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(4, 0);
/// Slot 0: renames and mounts so far; slot 1: 1 once a process has left the cgroup; slot 2: how many entries `FOREIGN` has.
#[map]
pub static STATE: Array<u64> = Array::with_max_entries(4, 0);

#[map]
pub static PINS: HashMap<u64, Pin> = HashMap::with_max_entries(16384, 0);
#[map]
pub static TRANSITIONS: Array<u32> = Array::with_max_entries(1, 0);
#[map]
pub static ACCEPTS: Array<u32> = Array::with_max_entries(1, 0);
#[map]
pub static GRANTS: Array<Grant> = Array::with_max_entries(1, 0);

#[map]
pub static NET4: LpmTrie<u32, NetEntry> = LpmTrie::with_max_entries(8192, 1);
#[map]
pub static NET6: LpmTrie<[u8; 16], NetEntry> = LpmTrie::with_max_entries(8192, 1);
#[map]
pub static NET_PORTS: HashMap<NetKey, NetGrant> = HashMap::with_max_entries(1 << 17, 1);
#[map]
pub static FAMILIES: HashMap<FamilyKey, u16> = HashMap::with_max_entries(256, 0);
#[map]
pub static ABSTRACTS: HashMap<AbstractKey, u32> = HashMap::with_max_entries(1024, 1);

#[map]
pub static PROCESSES: HashMap<u32, Process> = HashMap::with_max_entries(32768, 0);
/// Inodes of executables whose start adopts the process.
#[map]
pub static STARTERS: HashMap<u64, u32> = HashMap::with_max_entries(64, 0);
#[map]
pub static VERDICTS: LruHashMap<VerdictKey, Verdict> = LruHashMap::with_max_entries(65536, 0);
#[map]
pub static SEEN: HashMap<SeenKey, Seen> = HashMap::with_max_entries(65536, 0);
/// `struct file`s that the tree holds but did not open; the value is the access that needs no rule.
#[map]
pub static FOREIGN: LruHashMap<u64, u32> = LruHashMap::with_max_entries(16384, 0);
#[map]
pub static SCRIPTS: LruHashMap<u64, Scripts> = LruHashMap::with_max_entries(4096, 0);
#[map]
pub static INFLIGHT: LruHashMap<u64, Inflight> = LruHashMap::with_max_entries(1024, 0);

/// Adds one to a counter of this CPU.
#[inline(always)]
pub fn count(counter: u32) {
    if let Some(slot) = COUNTERS.get_ptr_mut(counter) {
        // SAFETY: the slot belongs to this CPU; an interrupted increment loses at most a count of the same kind.
        unsafe { *slot += 1 };
    }
}

/// Adds one to a rule's uses.
#[inline(always)]
pub fn count_rule(rule: u16) {
    if rule != 0
        && let Some(slot) = RULES.get_ptr_mut(rule as u32)
    {
        // SAFETY: as above.
        unsafe { *slot += 1 };
    }
}

/// Reads a constant of the run. Volatile, since the compiler would otherwise fold the initial value in.
macro_rules! config {
    ($($field:tt)+) => {
        // SAFETY: a plain read of a static.
        unsafe { core::ptr::read_volatile(&raw const crate::maps::CONFIG.$($field)+) }
    };
}
pub(crate) use config;

/// Reads a field's offset.
macro_rules! offset {
    ($field:ident) => {
        // SAFETY: a plain read of a static.
        unsafe { core::ptr::read_volatile(&raw const crate::maps::OFFSETS.$field) }
    };
}
pub(crate) use offset;
