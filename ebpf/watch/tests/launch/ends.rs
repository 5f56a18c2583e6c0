//! Where the command runs, how it ends, and which signals reach it.

use rustix::process::Signal;

use crate::Test;
use crate::watcher::{Scene, alive, kill, pid, text, until};

pub(crate) const TESTS: &[Test] = &[
    ("the_command_is_in_its_cgroup_from_the_start", in_cgroup),
    ("exit_codes_are_those_of_the_contract", exit_codes),
    ("a_text_without_interpreter_line_is_run_by_sh", text_program),
    ("signals_sent_to_the_watcher_reach_the_command", signals),
    ("ignored_signals_and_mask_are_those_of_the_start", dispositions),
    ("a_dropped_preparation_ends_the_child", dropped),
];

fn in_cgroup() {
    let scene = Scene::new();
    let output = scene.run(&[], &["cat", "/proc/self/cgroup"]);
    let prepared = scene.report("prepared");
    let line = format!("0::{}\n", prepared["kernel_path"].as_str().expect("a path"));
    assert!(
        text(&output.stdout).contains(&line),
        "{line} in {}",
        text(&output.stdout)
    );
    assert_eq!(prepared["joined"], "AtClone");
    assert_eq!(prepared["members"][0], prepared["pid"]);
    assert!(prepared["id"].as_u64().is_some_and(|id| id > 1), "{prepared}");
    let depth = prepared["kernel_path"].as_str().map(|p| p.matches('/').count());
    assert_eq!(prepared["level"].as_u64(), depth.and_then(|d| u64::try_from(d).ok()));
    scene.assert_clean();
}

fn exit_codes() {
    let scene = Scene::new();
    let check = |cmd: &[&str], expect: i32| {
        let output = scene.run(&[], cmd);
        assert_eq!(output.status.code(), Some(expect), "{cmd:?}: {}", text(&output.stderr));
        scene.assert_clean_if_prepared();
    };
    check(&["true"], 0);
    check(&["sh", "-c", "exit 3"], 3);
    check(&["sh", "-c", "kill -KILL $$"], 137);
    check(&["sh", "-c", "kill -SEGV $$"], 139);
    check(&["/no/such/command"], 127);
    check(&["no-such-command-anywhere"], 127);
    check(&[""], 127);
    check(&["/etc/passwd"], 126);
    check(&["/"], 126);
    let interpreter = scene.program("lost", b"#!/no/such/interpreter\n");
    check(&[&interpreter], 127);
    let broken = scene.program("broken", b"\x7fELF and no more");
    check(&[&broken], 126);
}

fn text_program() {
    let scene = Scene::new();
    let program = scene.program("plain", b"echo \"$1 from $0\"; exit 5\n");
    let output = scene.run(&["--check", "yes"], &[&program, "hello"]);
    assert_eq!(output.status.code(), Some(5), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), format!("hello from {program}\n"));
}

fn signals() {
    for (signal, name) in [
        (Signal::TERM, "TERM"),
        (Signal::HUP, "HUP"),
        (Signal::USR1, "USR1"),
        (Signal::INT, "INT"),
    ] {
        let scene = Scene::new();
        let ready = scene.path("ready");
        let script = format!(
            "trap 'exit 42' {name}; echo $$ > {}; while :; do sleep 0.02; done",
            ready.display()
        );
        let mut watcher = scene.start(&[], &["sh", "-c", &script], "started");
        assert_eq!(scene.number("ready"), pid(&scene.report("prepared")["pid"]));
        kill(watcher.pid(), signal);
        assert_eq!(watcher.code(), 42, "{name}");
        scene.assert_clean();
    }
}

fn dispositions() {
    let scene = Scene::new();
    let show = "grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status";
    let direct = std::process::Command::new("sh")
        .args(["-c", &format!("trap '' HUP USR2; exec sh -c \"{show}\"")])
        .output();
    let line = format!("trap '' HUP USR2; exec {} -- sh -c \"{show}\"", scene.contain_line());
    let contained = std::process::Command::new("sh").args(["-c", &line]).output();
    let (direct, contained) = (direct.expect("sh runs"), contained.expect("sh runs"));
    assert_eq!(text(&contained.stdout), text(&direct.stdout));
    let ignored = text(&direct.stdout)
        .lines()
        .find_map(|l| u64::from_str_radix(l.strip_prefix("SigIgn:\t")?, 16).ok());
    assert_eq!(
        ignored.map(|bits| bits & 0x801),
        Some(0x801),
        "HUP and USR2 are ignored: {}",
        text(&direct.stdout)
    );
}

fn dropped() {
    let scene = Scene::new();
    let marker = scene.path("ran");
    let output = scene.run(&["--between", "drop"], &["touch", marker.to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let child = pid(&scene.report("prepared")["pid"]);
    until("the child to go", || !alive(child));
    assert!(!marker.exists(), "the command ran without a release");
    scene.assert_clean();
}
