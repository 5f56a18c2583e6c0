//! Attaching to what others started: a container's cgroup, a running tree, the starts of an executable.
//!
//! Each test makes its own actors, waits with them until the watch has begun, and ends it with a bound. They run one after
//! the other: two watchers at once would only be slow.

mod actor;
mod cgroup;
mod exe;
mod pid;
mod refused;

use probity_watch::report::Report;
use probity_watch::session::{AttachOptions, Target, WatchError, attach};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The longest that a watch may take.
const BOUND: Duration = Duration::from_secs(60);

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The turn to watch, or `None` where this host cannot; says so.
fn turn() -> Option<MutexGuard<'static, ()>> {
    let reason = if !rustix::process::geteuid().is_root() {
        "attaching takes root"
    } else if !Path::new("/sys/kernel/btf/vmlinux").exists() {
        "this kernel shows no BTF"
    } else if !Path::new("/usr/bin/python3").exists() {
        "the actors are python3 scripts"
    } else {
        return Some(ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner));
    };
    eprintln!("probity-skip: {reason}");
    None
}

/// Watches a target; `ready` is called once the watch has begun.
fn watched(target: Target, declared: &str, ready: impl FnOnce(usize) + 'static) -> Result<Report, WatchError> {
    let set = probity_signatures::declared::load_all(&[("t.toml", declared)], &|_| None, &BTreeMap::new());
    attach(AttachOptions {
        target,
        declared: Some(set.expect("the test's set is well formed")),
        events: None,
        events_all: false,
        root: None,
        duration: Some(BOUND),
        ready: Some(Box::new(move |_, running| ready(running))),
    })
}

/// Names of the objects of a verdict, with the word of their kind.
fn acts(report: &Report, verdict: &str) -> Vec<(String, String)> {
    let of_verdict = report.objects.iter().filter(|entry| entry.verdict == verdict);
    of_verdict
        .map(|entry| (entry.kind.to_owned(), entry.name.clone()))
        .collect()
}

/// Whether an undeclared act of this kind was done to an object whose name ends like this.
fn undeclared(report: &Report, kind: &str, name: &str) -> bool {
    acts(report, "undeclared")
        .iter()
        .any(|(of, object)| of == kind && object.ends_with(name))
}

/// Whether anything at all was done to an object whose name holds this.
fn touched(report: &Report, name: &str) -> bool {
    report.objects.iter().any(|entry| entry.name.contains(name))
}

/// Whether the watch ended by itself, within its bound.
fn ended_in_time(report: &Report) {
    assert!(
        !report.notes.iter().any(|note| note.contains("--duration")),
        "{:?}",
        report.notes
    );
}
