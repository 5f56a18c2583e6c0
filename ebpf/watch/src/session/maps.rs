//! Filling the kernel's maps, and reading what it counted.

use std::net::IpAddr;

use aya::maps::lpm_trie::Key;
use aya::maps::{Array, HashMap, LpmTrie, MapData, MapError, PerCpuArray, RingBuf};
use aya::{Ebpf, Pod};
use probity_abi::net::{AbstractKey, FamilyKey, NetEntry, NetGrant, NetKey};
use probity_abi::policy::{Grant, Pin};
use probity_abi::state::{Process, Seen, SeenKey, counter};

use super::lower::Lowered;
use crate::act::ProcessKey;
use crate::tally::COUNTERS;

/// A map that is not as it must be.
#[derive(Debug, thiserror::Error)]
#[error("the map `{map}`: {source}")]
pub struct FillError {
    /// Its name.
    pub map: &'static str,
    /// What is wrong.
    pub source: MapError,
}

fn named(map: &'static str) -> impl Fn(MapError) -> FillError {
    move |source| FillError { map, source }
}

fn array<'a, T: Pod>(ebpf: &'a mut Ebpf, name: &'static str) -> Result<Array<&'a mut MapData, T>, FillError> {
    let missing = || FillError {
        map: name,
        source: MapError::InvalidName { name: name.to_owned() },
    };
    Array::try_from(ebpf.map_mut(name).ok_or_else(missing)?).map_err(named(name))
}

fn hash<'a, K: Pod, V: Pod>(
    ebpf: &'a mut Ebpf,
    name: &'static str,
) -> Result<HashMap<&'a mut MapData, K, V>, FillError> {
    let missing = || FillError {
        map: name,
        source: MapError::InvalidName { name: name.to_owned() },
    };
    HashMap::try_from(ebpf.map_mut(name).ok_or_else(missing)?).map_err(named(name))
}

/// Writes the declared set's tables.
///
/// # Errors
///
/// When the kernel refuses an entry.
pub(super) fn fill(ebpf: &mut Ebpf, lowered: &Lowered) -> Result<(), FillError> {
    let automaton = &lowered.files.automaton;
    fill_array(ebpf, "TRANSITIONS", &automaton.transitions)?;
    fill_array(ebpf, "ACCEPTS", &automaton.accepts)?;
    fill_array::<Grant>(ebpf, "GRANTS", &automaton.grants)?;
    for (prefix, entry) in &lowered.net.prefixes {
        let value = NetEntry { entry: *entry };
        match prefix.address {
            IpAddr::V4(address) => {
                let mut trie = trie::<u32>(ebpf, "NET4")?;
                let key = Key::new(u32::from(prefix.length), u32::from_ne_bytes(address.octets()));
                trie.insert(&key, value, 0).map_err(named("NET4"))?;
            }
            IpAddr::V6(address) => {
                let mut trie = trie::<[u8; 16]>(ebpf, "NET6")?;
                let key = Key::new(u32::from(prefix.length), address.octets());
                trie.insert(&key, value, 0).map_err(named("NET6"))?;
            }
        }
    }
    let mut ports = hash::<NetKey, NetGrant>(ebpf, "NET_PORTS")?;
    for (key, grant) in lowered.net.port_entries() {
        ports.insert(key, grant, 0).map_err(named("NET_PORTS"))?;
    }
    let mut families = hash::<FamilyKey, u16>(ebpf, "FAMILIES")?;
    for (key, rule) in &lowered.families {
        families.insert(key, rule, 0).map_err(named("FAMILIES"))?;
    }
    let mut abstracts = hash::<AbstractKey, u32>(ebpf, "ABSTRACTS")?;
    for (key, rules) in &lowered.abstracts {
        abstracts.insert(key, rules, 0).map_err(named("ABSTRACTS"))?;
    }
    Ok(())
}

fn trie<'a, K: Pod>(
    ebpf: &'a mut Ebpf,
    name: &'static str,
) -> Result<LpmTrie<&'a mut MapData, K, NetEntry>, FillError> {
    let missing = || FillError {
        map: name,
        source: MapError::InvalidName { name: name.to_owned() },
    };
    LpmTrie::try_from(ebpf.map_mut(name).ok_or_else(missing)?).map_err(named(name))
}

fn fill_array<T: Pod>(ebpf: &mut Ebpf, name: &'static str, values: &[T]) -> Result<(), FillError> {
    let mut map = array::<T>(ebpf, name)?;
    for (index, value) in (0..).zip(values) {
        map.set(index, value, 0).map_err(named(name))?;
    }
    Ok(())
}

/// Writes the pins that the kernel named.
///
/// # Errors
///
/// When the kernel refuses an entry.
pub(super) fn pin(ebpf: &mut Ebpf, pins: &[(u64, Pin)]) -> Result<(), FillError> {
    let mut map = hash::<u64, Pin>(ebpf, "PINS")?;
    for (address, pin) in pins {
        map.insert(address, pin, 0).map_err(named("PINS"))?;
    }
    Ok(())
}

/// Takes a pin out. One that is not there is no error.
pub(super) fn unpin(ebpf: &mut Ebpf, address: u64) {
    if let Ok(mut map) = hash::<u64, Pin>(ebpf, "PINS") {
        let _ = map.remove(&address);
    }
}

/// Marks a `struct file` as one that the tree did not open; `exempt` access to it needs no rule.
///
/// # Errors
///
/// When the kernel refuses the entry.
pub(super) fn foreign(ebpf: &mut Ebpf, file: u64, exempt: u32) -> Result<(), FillError> {
    hash::<u64, u32>(ebpf, "FOREIGN")?
        .insert(file, exempt, 0)
        .map_err(named("FOREIGN"))
}

/// Takes a process into the lineage.
///
/// # Errors
///
/// When the kernel refuses the entry.
pub(super) fn adopt(ebpf: &mut Ebpf, key: ProcessKey, ppid: u32) -> Result<(), FillError> {
    let process = Process {
        start: key.start,
        flags: 0,
        ppid,
        script: 0,
    };
    hash::<u32, Process>(ebpf, "PROCESSES")?
        .insert(key.tgid, process, 0)
        .map_err(named("PROCESSES"))
}

/// Takes a process out of the lineage, unless its number stands for another by now.
pub(super) fn forget(ebpf: &mut Ebpf, key: ProcessKey) {
    if let Ok(mut map) = hash::<u32, Process>(ebpf, "PROCESSES")
        && map.get(&key.tgid, 0).is_ok_and(|process| process.start == key.start)
    {
        let _ = map.remove(&key.tgid);
    }
}

/// The lineage as it is now.
///
/// # Errors
///
/// When there is no such map.
pub(super) fn lineage(ebpf: &mut Ebpf) -> Result<Vec<ProcessKey>, FillError> {
    let map = hash::<u32, Process>(ebpf, "PROCESSES")?;
    let entries = map.iter().filter_map(Result::ok);
    Ok(entries
        .map(|(tgid, process)| ProcessKey {
            tgid,
            start: process.start,
        })
        .collect())
}

/// Adopts from now on whoever starts the executable with this inode.
///
/// # Errors
///
/// When the kernel refuses the entry.
pub(super) fn await_start(ebpf: &mut Ebpf, inode: u64) -> Result<(), FillError> {
    hash::<u64, u32>(ebpf, "STARTERS")?
        .insert(inode, 1, 0)
        .map_err(named("STARTERS"))
}

/// No longer adopts whoever starts the executable with this inode.
pub(super) fn await_no_more(ebpf: &mut Ebpf, inode: u64) {
    if let Ok(mut map) = hash::<u64, u32>(ebpf, "STARTERS") {
        let _ = map.remove(&inode);
    }
}

/// Writes a slot of the programs' common state.
///
/// # Errors
///
/// When the kernel refuses the entry.
pub(super) fn state(ebpf: &mut Ebpf, slot: u32, value: u64) -> Result<(), FillError> {
    array::<u64>(ebpf, "STATE")?.set(slot, value, 0).map_err(named("STATE"))
}

/// What was decided so far no longer holds.
///
/// # Errors
///
/// When the kernel refuses the entry.
pub(super) fn bump_epoch(ebpf: &mut Ebpf) -> Result<(), FillError> {
    let mut map = array::<u64>(ebpf, "STATE")?;
    let epoch = map.get(&0, 0).map_err(named("STATE"))?;
    map.set(0, epoch.wrapping_add(1), 0).map_err(named("STATE"))
}

/// The counters, summed over CPUs.
///
/// # Errors
///
/// When a map cannot be read.
pub(super) fn counters(ebpf: &mut Ebpf) -> Result<[u64; COUNTERS], FillError> {
    let mut sums = [0; COUNTERS];
    let map = ebpf.map_mut("COUNTERS").ok_or_else(|| FillError {
        map: "COUNTERS",
        source: MapError::InvalidName {
            name: "COUNTERS".to_owned(),
        },
    })?;
    let map = PerCpuArray::<_, u64>::try_from(map).map_err(named("COUNTERS"))?;
    for (index, sum) in (0..counter::COUNT).zip(&mut sums) {
        *sum = map.get(&index, 0).map_err(named("COUNTERS"))?.iter().sum();
    }
    Ok(sums)
}

/// Uses per rule, summed over CPUs; slot 0 is not a rule.
///
/// # Errors
///
/// When a map cannot be read.
pub(super) fn rule_uses(ebpf: &mut Ebpf, rules: usize) -> Result<Vec<u64>, FillError> {
    let map = ebpf.map_mut("RULES").ok_or_else(|| FillError {
        map: "RULES",
        source: MapError::InvalidName {
            name: "RULES".to_owned(),
        },
    })?;
    let map = PerCpuArray::<_, u64>::try_from(map).map_err(named("RULES"))?;
    let mut uses = vec![0];
    for index in (1..=u32::try_from(rules).unwrap_or(0)).take(4095) {
        uses.push(map.get(&index, 0).map_err(named("RULES"))?.iter().sum());
    }
    Ok(uses)
}

/// Acts that were sent once and counted since.
///
/// # Errors
///
/// When the map cannot be read.
pub(super) fn seen(ebpf: &mut Ebpf) -> Result<Vec<(SeenKey, Seen)>, FillError> {
    let map = hash::<SeenKey, Seen>(ebpf, "SEEN")?;
    Ok(map
        .iter()
        .filter_map(Result::ok)
        .filter(|(_, seen)| seen.count > 1)
        .collect())
}

/// Takes a ring out of the object.
///
/// # Errors
///
/// When there is none.
pub(super) fn ring(ebpf: &mut Ebpf, name: &'static str) -> Result<RingBuf<MapData>, FillError> {
    let missing = || FillError {
        map: name,
        source: MapError::InvalidName { name: name.to_owned() },
    };
    RingBuf::try_from(ebpf.take_map(name).ok_or_else(missing)?).map_err(named(name))
}
