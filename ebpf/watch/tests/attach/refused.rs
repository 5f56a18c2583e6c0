//! What cannot be attached to is said, and nothing is watched.

use super::{turn, watched};
use probity_watch::session::Target;
use std::path::PathBuf;

fn check(target: Target, why: &str) {
    let shown = format!("{target:?}");
    let error = watched(target, "version = 1\nname = \"t\"\n", |_| panic!("it was watched")).err();
    let error = error.unwrap_or_else(|| panic!("{shown} was accepted"));
    assert_eq!(error.exit_code(), 125, "{shown}: {error}");
    assert!(error.to_string().contains(why), "{shown}: {error}");
}

#[test]
fn what_cannot_be_watched_is_named() {
    let Some(_turn) = turn() else { return };
    check(Target::Pid(u32::MAX), "no such process");
    check(Target::Pid(2), "a thread of the kernel");
    check(Target::Pid(std::process::id()), "the watcher itself");
    check(Target::Pid(1), "an ancestor");
    check(Target::Cgroup(PathBuf::from("/proc")), "no directory of cgroup2");
    check(
        Target::Cgroup(PathBuf::from("/nonexistent/x")),
        "no directory of cgroup2",
    );
    check(Target::Cgroup(PathBuf::from("/")), "the root holds every process");
    check(Target::Exe(PathBuf::from("/nonexistent/x")), "No such file");
    check(Target::Exe(PathBuf::from("/usr")), "not a regular file");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let script = directory.path().join("script");
    std::fs::write(&script, "#!/bin/sh\n").expect("room");
    check(Target::Exe(script), "its interpreter");
}
