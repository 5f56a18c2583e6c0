//! What outlives the command, and what outlives the watcher.

use std::fs;

use rustix::process::Signal;

use crate::Test;
use crate::watcher::{Scene, alive, kill, pid, text, until};

pub(crate) const TESTS: &[Test] = &[
    ("a_daemon_is_killed", killed),
    ("a_daemon_is_waited_for", waited),
    ("a_signal_ends_the_wait", wait_interrupted),
    ("a_daemon_is_left_in_the_callers_cgroup", reported),
    ("two_hundred_descendants_die_with_the_watcher", two_hundred),
    ("the_tree_continues_where_it_should", continues),
    ("the_guardian_survives_signals_and_holds_nothing", guardian),
    ("a_watcher_killed_before_the_release_leaves_nothing", killed_early),
    ("cgroups_made_by_the_tree_are_removed", nested),
];

/// A shell script that leaves `command` behind in a session of its own, doubly forked, its pid in `file`.
fn daemon(scene: &Scene, command: &str, file: &str) -> String {
    let file = scene.path(file);
    format!(
        "(setsid sh -c 'echo $$ > {f}; exec {command}' >/dev/null 2>&1 </dev/null &); until test -s {f}; do :; done",
        f = file.display()
    )
}

fn killed() {
    let scene = Scene::new();
    let output = scene.run(
        &["--linger", "kill"],
        &["sh", "-c", &format!("{}; exit 4", daemon(&scene, "sleep 1000", "pid"))],
    );
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
    let outcome = scene.report("outcome");
    let left = scene.number("pid");
    assert_eq!(outcome["killed"], 1);
    assert_eq!(outcome["lingering"][0]["pid"], left);
    assert!(!alive(left));
    scene.assert_clean();
}

fn waited() {
    let scene = Scene::new();
    let fifo = scene.path("fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .expect("a FIFO");
    let script = format!("{}; exit 4", daemon(&scene, &format!("cat {}", fifo.display()), "pid"));
    let mut watcher = scene.start(&["--linger", "wait"], &["sh", "-c", &script], "started");
    let command = pid(&scene.report("prepared")["pid"]);
    let left = scene.number("pid");
    until("the command to be reaped", || {
        !fs::exists(format!("/proc/{command}")).unwrap_or(true)
    });
    assert!(alive(left) && watcher.child.try_wait().expect("our child").is_none());
    // Opening succeeds once the reader is there, closing ends it.
    drop(fs::OpenOptions::new().write(true).open(&fifo).expect("a reader"));
    assert_eq!(watcher.code(), 4);
    let outcome = scene.report("outcome");
    assert_eq!(
        (&outcome["killed"], &outcome["lingering"][0]["pid"]),
        (&0.into(), &left.into())
    );
    scene.assert_clean();
}

fn wait_interrupted() {
    let scene = Scene::new();
    let script = daemon(&scene, "sleep 1000", "pid");
    let mut watcher = scene.start(&["--linger", "wait"], &["sh", "-c", &script], "started");
    let command = pid(&scene.report("prepared")["pid"]);
    let left = scene.number("pid");
    until("the command to be reaped", || {
        !fs::exists(format!("/proc/{command}")).unwrap_or(true)
    });
    kill(watcher.pid(), Signal::TERM);
    assert_eq!(watcher.code(), 0);
    assert_eq!(scene.report("outcome")["killed"], 1);
    assert!(!alive(left));
    scene.assert_clean();
}

fn reported() {
    let scene = Scene::new();
    let output = scene.run(
        &["--linger", "report"],
        &["sh", "-c", &daemon(&scene, "sleep 1000", "pid")],
    );
    let left = scene.number("pid");
    let own = fs::read_to_string("/proc/self/cgroup").expect("own cgroup");
    let line = |text: &str| text.lines().find(|l| l.starts_with("0::")).map(str::to_owned);
    let theirs = fs::read_to_string(format!("/proc/{left}/cgroup")).expect("it lives");
    kill(left, Signal::KILL);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(line(&theirs), line(&own));
    let outcome = scene.report("outcome");
    assert_eq!(
        (&outcome["killed"], &outcome["lingering"][0]["pid"]),
        (&0.into(), &left.into())
    );
    scene.assert_clean();
}

fn two_hundred() {
    let scene = Scene::new();
    let script = "i=0; while test $i -lt 200; do (setsid sleep 1000 &); i=$((i+1)); done; exec sleep 1000";
    let watcher = scene.start(&[], &["sh", "-c", script], "started");
    let prepared = scene.report("prepared");
    let procs = std::path::Path::new(prepared["cgroup"].as_str().expect("a path")).join("cgroup.procs");
    let members = || -> Vec<i32> {
        fs::read_to_string(&procs)
            .unwrap_or_default()
            .lines()
            .filter_map(|l| l.parse().ok())
            .collect()
    };
    until("201 members, all asleep", || members().len() == 201);
    let all = members();
    kill(watcher.pid(), Signal::KILL);
    until("all to be gone", || !all.iter().any(|p| alive(*p)));
    scene.assert_clean();
}

fn continues() {
    let scene = Scene::new();
    let watcher = scene.start(&["--watcher-exit", "continue"], &["sleep", "1000"], "started");
    let prepared = scene.report("prepared");
    let command = pid(&prepared["pid"]);
    kill(watcher.pid(), Signal::KILL);
    drop(watcher);
    assert!(alive(command) && alive(pid(&prepared["guardian"])));
    kill(command, Signal::KILL);
    scene.assert_clean();
}

fn guardian() {
    let scene = Scene::new();
    let mut watcher = scene.start(&[], &["sleep", "1000"], "started");
    let prepared = scene.report("prepared");
    let guardian = pid(&prepared["guardian"]);
    for signal in [Signal::INT, Signal::HUP, Signal::TERM, Signal::QUIT] {
        kill(guardian, signal);
    }
    let links = fs::read_dir(format!("/proc/{guardian}/fd")).expect("it lives");
    let mut held: Vec<String> = links
        .filter_map(|l| Some(fs::read_link(l.ok()?.path()).ok()?.display().to_string()))
        .collect();
    held.sort();
    let cgroup = prepared["cgroup"].as_str().expect("a path");
    let expected = ["cgroup.events", "cgroup.kill", "cgroup.procs"].map(|file| format!("{cgroup}/{file}"));
    for file in &expected {
        assert!(held.contains(file), "{file} in {held:?}");
    }
    assert_eq!(held.len(), 6, "{held:?}");
    assert!(alive(guardian));
    kill(watcher.pid(), Signal::TERM);
    assert_eq!(watcher.code(), 143);
    scene.assert_clean();
}

fn killed_early() {
    let scene = Scene::new();
    let marker = scene.path("ran");
    let watcher = scene.start(
        &["--between", "park"],
        &["touch", marker.to_str().expect("UTF-8")],
        "prepared",
    );
    let child = pid(&scene.report("prepared")["pid"]);
    kill(watcher.pid(), Signal::KILL);
    until("the child to go", || !alive(child));
    assert!(!marker.exists());
    scene.assert_clean();
}

fn nested() {
    let scene = Scene::new();
    let mount = crate::watcher::cgroup2_mount();
    let script = format!(
        "c={}$(sed -n s/^0:://p /proc/self/cgroup); mkdir -p $c/a/b $c/c && (echo 0 > $c/a/b/cgroup.procs; setsid sleep 1000 & echo $! > {})",
        mount.display(),
        scene.path("pid").display()
    );
    let output = scene.run(&[], &["sh", "-c", &script]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(scene.report("outcome")["lingering"][0]["pid"], scene.number("pid"));
    assert!(!alive(scene.number("pid")));
    scene.assert_clean();
}
