//! Taking what already runs into the tree, with what it has open.
//!
//! The programs are attached before: a process that is in the tree hands its membership on to whatever it forks. So the
//! passes over the host's tasks are repeated until one finds nobody new. What was orphaned before the first pass is not a
//! descendant any more, for anybody.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::ffi::OsStrExt;

use probity_abi::access::WRITE;
use probity_abi::state::Held;

use super::error::WatchError;
use super::maps;
use super::open::uncovered;
use super::tasks::{Running, Snapshot};
use super::watching::Watch;
use crate::act::ProcessKey;
use crate::launch::{InheritedKind, open_in};
use crate::report::{Facts, Uncovered};
use crate::subject::{Program, Programs};

/// Passes before it is said that the tree grows faster than it can be adopted.
const PASSES: usize = 64;
/// What is listed as uncovered, at most.
const LISTED: usize = 4_096;

/// Who is never adopted: this process and those above it.
pub(super) fn ourselves(watch: &mut Watch) -> Result<HashSet<u32>, WatchError> {
    let snapshot = Snapshot::new(&watch.loaded.tasks()?);
    Ok(snapshot.ancestry(std::process::id()))
}

/// Adopts those that `pick` names, and whoever descends from them; says how many.
///
/// # Errors
///
/// When the host's tasks cannot be listed, or the kernel refuses an entry.
pub(super) fn adopt(
    watch: &mut Watch,
    excluded: &HashSet<u32>,
    mut pick: impl FnMut(&Snapshot) -> Result<Vec<ProcessKey>, WatchError>,
    facts: &mut Facts,
) -> Result<usize, WatchError> {
    let mut known: HashSet<ProcessKey> = HashSet::new();
    let mut adopted: Vec<Running> = Vec::new();
    let mut settled = false;
    let mut last = Snapshot::default();
    for _ in 0..PASSES {
        last = Snapshot::new(&watch.loaded.tasks()?);
        let fresh = last.descent(&pick(&last)?, &known, excluded);
        if fresh.is_empty() {
            settled = true;
            break;
        }
        for process in fresh {
            maps::adopt(&mut watch.loaded.ebpf, process.key, process.ppid)?;
            known.insert(process.key);
            adopted.push(process);
        }
    }
    if !settled {
        facts
            .incomplete
            .push("processes were made faster than they could be adopted".to_owned());
    }
    for process in &adopted {
        if !last.runs(process.key) {
            maps::forget(&mut watch.loaded.ebpf, process.key);
        }
    }
    cover(watch, &adopted, facts)?;
    seed(watch, &adopted);
    facts.contained &= !adopted.iter().any(|process| is_root(process.key.tgid));
    Ok(adopted.len())
}

/// Forgets the processes of the lineage that have ended unseen; says whether any is left.
///
/// # Errors
///
/// When the host's tasks cannot be listed.
pub(super) fn sweep(watch: &mut Watch) -> Result<bool, WatchError> {
    // In this order: whoever is in the lineage and lives is in the later pass.
    let lineage = maps::lineage(&mut watch.loaded.ebpf)?;
    let snapshot = Snapshot::new(&watch.loaded.tasks()?);
    let mut left = false;
    for key in lineage {
        if snapshot.runs(key) {
            left = true;
        } else {
            maps::forget(&mut watch.loaded.ebpf, key);
        }
    }
    Ok(left)
}

/// Marks what is open: its use is judged. Lists it.
fn cover(watch: &mut Watch, adopted: &[Running], facts: &mut Facts) -> Result<(), WatchError> {
    let held = watch.loaded.held()?;
    let mut of: HashMap<u32, Vec<&Held>> = HashMap::new();
    for held in &held {
        of.entry(held.tgid).or_default().push(held);
    }
    let mut any = false;
    let mut exempt: HashMap<u64, u32> = HashMap::new();
    for process in adopted {
        let tgid = process.key.tgid;
        let Ok(listed) = open_in(tgid) else { continue };
        for descriptor in &listed {
            let fd = u32::try_from(descriptor.fd).unwrap_or(u32::MAX);
            let judged = matches!(descriptor.kind, InheritedKind::File | InheritedKind::Directory);
            let found = of.get(&tgid).and_then(|list| list.iter().find(|held| held.fd == fd));
            if let Some(held) = found.filter(|_| judged) {
                // Writing to the output that its caller chose is its caller's.
                *exempt.entry(held.file).or_default() |= if matches!(fd, 1 | 2) { u32::from(WRITE) } else { 0 };
            }
        }
    }
    for (file, exempt) in exempt {
        maps::foreign(&mut watch.loaded.ebpf, file, exempt)?;
        any = true;
    }
    if any {
        maps::state(&mut watch.loaded.ebpf, 2, 1)?;
    }
    for process in adopted {
        match uncovered(process.key.tgid) {
            Ok(list) => note(list, facts),
            Err(why) => {
                let gone = !std::path::Path::new(&format!("/proc/{}", process.key.tgid)).exists();
                if !gone {
                    let pid = process.key.tgid;
                    facts
                        .incomplete
                        .push(format!("what process {pid} has open is unknown: {why}"));
                }
            }
        }
    }
    Ok(())
}

fn note(list: Vec<Uncovered>, facts: &mut Facts) {
    let room = LISTED.saturating_sub(facts.uncovered.len());
    if room > 0 && room < list.len() {
        facts.notes.push(format!(
            "of what was already open the first {LISTED} objects are listed"
        ));
    }
    facts.uncovered.extend(list.into_iter().take(room));
}

/// Says which programs they run.
fn seed(watch: &mut Watch, adopted: &[Running]) {
    let mut digests: HashMap<u64, Option<String>> = HashMap::new();
    for process in adopted {
        let tgid = process.key.tgid;
        let program = fs::read_link(format!("/proc/{tgid}/exe")).ok().map(|path| {
            let path = path.as_os_str().as_bytes().to_vec();
            let programs = &mut watch.programs;
            let sha256 = digests
                .entry(process.exe)
                .or_insert_with(|| programs.sha256(tgid, &path))
                .clone();
            Program { path, sha256 }
        });
        watch.journal.subjects.seed(process.key, process.ppid, program);
    }
}

/// Whether a process is root's: it could end the watcher.
fn is_root(tgid: u32) -> bool {
    let Ok(status) = fs::read_to_string(format!("/proc/{tgid}/status")) else {
        return false;
    };
    status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))
        .is_some_and(|ids| ids.split_whitespace().any(|id| id == "0"))
}
