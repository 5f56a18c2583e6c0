//! Who outlives whom: a watcher that is killed, commands that do not want to end.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::place::Place;
use super::watched::Running;

/// How long a tree may outlive its watcher.
const AFTERLIFE: Duration = Duration::from_secs(2);

fn pid(text: &str) -> Pid {
    Pid::from_raw(text.parse().unwrap()).unwrap()
}

fn alive(pid: Pid) -> bool {
    test_kill_process(pid).is_ok()
        && fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).is_ok_and(|stat| !stat.contains(") Z "))
}

/// The cgroup v2 directory of a process.
fn cgroup(pid: Pid) -> PathBuf {
    let own = fs::read_to_string(format!("/proc/{}/cgroup", pid.as_raw_nonzero())).unwrap();
    let own = own
        .lines()
        .find_map(|line| line.strip_prefix("0::/"))
        .unwrap()
        .to_owned();
    let mounts = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
    let is_v2 = |mount: &&str| Path::new(mount).join("cgroup.controllers").exists();
    Path::new(mounts.into_iter().find(is_v2).unwrap()).join(own)
}

#[track_caller]
fn soon(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < AFTERLIFE, "not after {AFTERLIFE:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn ends(run: Running) -> super::watched::Seen {
    let started = Instant::now();
    let seen = run.end();
    assert!(started.elapsed() < Duration::from_secs(120), "{:?}", started.elapsed());
    seen
}

#[test]
fn the_tree_of_a_watcher_that_is_killed_dies() {
    let Some(place) = Place::new() else { return };
    let script = "trap '' TERM HUP INT; (trap '' TERM HUP; echo $$; exec setsid cat > /dev/null < /dev/zero) & \
                  echo $!; read x; read x";
    let mut run = place.inventory().start(&["/bin/sh", "-c", script]);
    let (one, two) = (pid(&run.line()), pid(&run.line()));
    let group = cgroup(one);
    assert!(alive(one) && alive(two) && group.exists());
    let watcher = Pid::from_child(&run.child);
    kill_process(watcher, Signal::KILL).unwrap();
    soon("the tree is dead", || !alive(one) && !alive(two));
    soon("the cgroup is gone", || !group.exists());
    assert_eq!(run.end().code(), 128 + 9);
}

#[test]
fn what_outlives_the_command_is_ended_whatever_it_ignores() {
    let Some(place) = Place::new() else { return };
    let script = "(trap '' TERM HUP INT; exec setsid cat < /dev/zero > /dev/null) & echo $!; sleep 0.2; exit 3";
    let mut run = place.inventory().start(&["/bin/sh", "-c", script]);
    let left = pid(&run.line());
    let seen = ends(run);
    assert_eq!(seen.code(), 3, "{}", seen.said());
    assert!(!alive(left));
}

#[test]
fn a_command_that_ignores_a_signal_is_not_ended_by_it() {
    let Some(place) = Place::new() else { return };
    let script = "trap '' TERM; echo 1; read x; echo $x; exit 5";
    let mut run = place.inventory().start(&["/bin/sh", "-c", script]);
    assert_eq!(run.line(), "1");
    kill_process(Pid::from_child(&run.child), Signal::TERM).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    run.say("still here");
    assert_eq!(run.line(), "still here");
    assert_eq!(ends(run).code(), 5);
    // One that does not ignore it is.
    let mut run = place.inventory().start(&["/bin/sh", "-c", "echo 1; read x"]);
    assert_eq!(run.line(), "1");
    kill_process(Pid::from_child(&run.child), Signal::TERM).unwrap();
    assert_eq!(run.line(), "");
    assert_eq!(ends(run).code(), 128 + 15);
}

#[test]
fn a_command_without_descriptors_is_watched_all_the_same() {
    let Some(place) = Place::new() else { return };
    let secret = place.file("secret").into_os_string().into_string().unwrap();
    let seen = place.watch("").sh(&format!("exec 0<&- 1>&- 2>&-; read x < {secret}"));
    seen.violates(&[format!("undeclared file.open {secret}")]);
}

#[test]
fn killing_the_parent_is_seen_and_survived() {
    let Some(place) = Place::new() else { return };
    let dir = place.directory("a").into_os_string().into_string().unwrap();
    let acts = super::watched::acts();
    let mut setup = std::process::Command::new(acts);
    assert!(setup.args(["setup", "--dir", &dir]).status().unwrap().success());
    let rules = format!("[[file]]\naccess = [\"read\"]\npaths = [\"{dir}/allowed/**\"]\n");
    // Behind a process of its own, whose end ends the run: what was done afterwards is seen until then.
    let words = [
        acts.to_str().unwrap(),
        "under",
        "kill-parent",
        "--dir",
        &dir,
        "--form",
        "undeclared",
    ];
    let seen = ends(place.watch(&rules).start(&words));
    assert!([120, 137].contains(&seen.code()), "{}", seen.said());
    // The parent is the watcher itself: the tree dies with it.
    let words = [
        acts.to_str().unwrap(),
        "kill-parent",
        "--dir",
        &dir,
        "--form",
        "undeclared",
    ];
    let seen = ends(place.watch(&rules).start(&words));
    assert_eq!(seen.code(), 137, "{}", seen.said());
}

#[test]
fn a_watcher_may_be_watched() {
    let Some(place) = Place::new() else { return };
    let secret = place.file("secret").into_os_string().into_string().unwrap();
    let set = place.beside("inner.toml");
    fs::write(
        &set,
        format!("version = 1\nname = \"inner\"\n{}", super::watched::tools()),
    )
    .unwrap();
    let inner = [
        env!("CARGO_BIN_EXE_probity"),
        "watch",
        "--allow-root",
        "--quiet",
        "--declared",
        set.to_str().unwrap(),
        "--",
        "/bin/sh",
        "-c",
        &format!("read x < {secret}; echo $x; exit 4"),
    ];
    let seen = ends(place.inventory().start(&inner));
    assert_eq!(seen.code(), 120, "{}", seen.said());
    assert_eq!(
        (seen.report["cmd_exit"].as_i64(), seen.report["verdict"].as_str()),
        (Some(120), Some("clean"))
    );
    assert_eq!(String::from_utf8_lossy(&seen.stdout), "secret\n");
}
