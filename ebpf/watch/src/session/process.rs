//! The process of `--pid`: which numbers can be watched, and that a number still means the same process.
//!
//! Source: proc_pid_stat(5).

use std::os::unix::fs::MetadataExt;

use super::error::WatchError;
use super::tasks::Snapshot;
use crate::act::ProcessKey;

/// A process that must still be the one that was asked for when it is adopted.
pub(super) struct ProcessNumber {
    pub(super) pid: u32,
    /// Start in clock ticks since boot, as `/proc` shows it.
    ticks: u64,
}

impl ProcessNumber {
    /// Finds a process that can be watched.
    ///
    /// # Errors
    ///
    /// There is none of this number, or it is the kernel's, or the watcher descends from it.
    pub(super) fn find(pid: u32) -> Result<Self, WatchError> {
        const PF_KTHREAD: u64 = 0x0020_0000;
        in_first_namespace("--pid")?;
        let process = Self { pid, ticks: 0 };
        let stat =
            std::fs::read(format!("/proc/{pid}/stat")).map_err(|_| process.refused("there is no such process"))?;
        let [state, _, flags, ticks] = fields(&stat).ok_or_else(|| process.refused("its state cannot be read"))?;
        if is_above_us(pid) {
            return Err(process.refused("it is the watcher itself, or an ancestor of it"));
        }
        if flags & PF_KTHREAD != 0 {
            return Err(process.refused("it is a thread of the kernel"));
        }
        if matches!(u8::try_from(state), Ok(b'Z' | b'X')) {
            return Err(process.refused("it has ended"));
        }
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let leader = status.lines().find_map(|line| line.strip_prefix("Tgid:"));
        if let Some(leader) = leader.map(str::trim).filter(|leader| *leader != pid.to_string()) {
            return Err(process.refused(&format!("it is a thread of process {leader}")));
        }
        Ok(Self { pid, ticks })
    }

    /// The process, unless its number means another by now.
    pub(super) fn key(&self, snapshot: &Snapshot) -> Result<Vec<ProcessKey>, WatchError> {
        // USER_HZ is 100 wherever /proc shows ticks.
        const NANOSECONDS_A_TICK: u64 = 10_000_000;
        let found = snapshot.get(self.pid).map(|process| process.key);
        Ok(found
            .filter(|key| key.start / NANOSECONDS_A_TICK == self.ticks)
            .into_iter()
            .collect())
    }

    fn refused(&self, why: &str) -> WatchError {
        WatchError::Target(format!("--pid {}: {why}", self.pid))
    }
}

/// Whether a process is this one, or one that it descends from.
fn is_above_us(pid: u32) -> bool {
    let mut next = Some(std::process::id());
    while let Some(ours) = next.filter(|ours| *ours != 0) {
        if ours == pid {
            return true;
        }
        let stat = std::fs::read(format!("/proc/{ours}/stat")).unwrap_or_default();
        next = fields(&stat).and_then(|[_, parent, ..]| u32::try_from(parent).ok());
    }
    false
}

/// State, parent, flags and start in ticks of `/proc/PID/stat`, whose second field may hold anything.
fn fields(stat: &[u8]) -> Option<[u64; 4]> {
    let name_end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(name_end + 1..)?).ok()?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let state = u64::from(*fields.first()?.as_bytes().first()?);
    let number = |at: usize| fields.get(at)?.parse().ok();
    Some([state, number(1)?, number(6)?, number(19)?])
}

/// Numbers of the kernel's own are ours only in the first process namespace.
///
/// # Errors
///
/// The watcher is in another.
pub(super) fn in_first_namespace(option: &str) -> Result<(), WatchError> {
    /// `PROC_PID_INIT_INO`.
    const INITIAL: u64 = 0xEFFF_FFFC;
    let ours = std::fs::metadata("/proc/self/ns/pid").map_or(0, |namespace| namespace.ino());
    if ours == INITIAL {
        return Ok(());
    }
    Err(WatchError::Target(format!(
        "{option}: the watcher is in a process namespace of its own"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_brackets_shifts_nothing() {
        let stat = b"7 (a) b (c)) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 1000 10";
        assert_eq!(fields(stat), Some([u64::from(b'S'), 1, 4_194_560, 4_711]));
        assert_eq!(fields(b"7 (cut"), None);
    }

    #[test]
    fn what_is_no_process_is_said() {
        for (pid, why) in [
            (u32::MAX, "there is no such process"),
            (2, "it is a thread of the kernel"),
        ] {
            match ProcessNumber::find(pid) {
                Err(error) => assert!(error.to_string().contains(why), "{error}"),
                Ok(found) => panic!("{} was found", found.pid),
            }
        }
    }
}
