//! What is executed is what was checked, or nothing is.

use std::time::{Duration, SystemTime};

use crate::Test;
use crate::watcher::{Scene, text};

pub(crate) const TESTS: &[Test] = &[
    ("a_checked_binary_is_compared_before_its_first_instruction", binary),
    ("a_checked_script_names_its_interpreter", script),
    ("a_refused_executable_does_not_run", refused),
    ("a_replaced_executable_does_not_run", replaced),
    ("a_changed_executable_does_not_run", changed),
    ("a_script_put_in_the_place_of_a_binary_does_not_run", masked),
    ("a_fresh_file_is_checked_twice", fresh),
];

fn binary() {
    let scene = Scene::new();
    let output = scene.run(&["--check", "yes"], &["sh", "-c", "exit 6"]);
    assert_eq!(output.status.code(), Some(6), "{}", text(&output.stderr));
    let started = scene.report("started");
    assert_eq!(started["verified"], "BeforeFirstInstruction");
    assert_eq!(
        (&started["interpreter"], &started["checked"]),
        (&serde_json::Value::Null, &1.into())
    );
    scene.assert_clean();
}

fn script() {
    let scene = Scene::new();
    let inner = scene.program("inner", b"#!/bin/sh -e\nexec sh \"$@\"\n");
    let outer = scene.program("outer", format!("#!{inner}\necho by the inner\n").as_bytes());
    let output = scene.run(&["--check", "yes"], &[&outer]);
    assert_eq!(text(&output.stdout), "by the inner\n", "{}", text(&output.stderr));
    let shell = std::fs::canonicalize("/bin/sh").expect("a shell");
    assert_eq!(scene.report("started")["interpreter"], shell.to_str().expect("UTF-8"));
}

fn refused() {
    let scene = Scene::new();
    let marker = scene.path("ran");
    let output = scene.run(&["--check", "refuse"], &["touch", marker.to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(126));
    assert!(
        text(&output.stderr).contains("refused: not the declared digest"),
        "{}",
        text(&output.stderr)
    );
    assert!(!marker.exists());
}

/// A copy of `touch` that is old enough for its times to tell, and what happens to it between check and release.
fn tampered(between: &dyn Fn(&str) -> String) {
    let scene = Scene::new();
    let marker = scene.path("ran");
    let touch = std::fs::read("/usr/bin/touch").expect("touch");
    let program = scene.program("subject", &touch);
    let old = SystemTime::now() - Duration::from_secs(3600);
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(&program)
        .expect("just written");
    file.set_modified(old).expect("times can be set");
    drop(file);
    let options = ["--check", "yes", "--between", &between(&program)];
    let output = scene.run(&options, &[&program, marker.to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(125), "{}", text(&output.stderr));
    assert!(
        text(&output.stderr).contains("between its check and its execution"),
        "{}",
        text(&output.stderr)
    );
    assert!(!marker.exists(), "the command ran");
    scene.assert_clean();
}

fn replaced() {
    tampered(&|program| format!("cp {program} {program}.new && mv {program}.new {program}"));
}

fn changed() {
    tampered(&|program| format!("echo more >> {program}"));
}

fn masked() {
    tampered(&|program| {
        format!("mv {program} {program}.old && printf '#!/bin/sh\\ntouch $1\\n' > {program} && chmod 755 {program}")
    });
}

fn fresh() {
    let scene = Scene::new();
    let program = scene.path("subject");
    // Copied by the watcher's own side, directly before the check: the clock's tick has not passed.
    let line = format!(
        "cp /bin/true {p}; exec {} --check yes -- {p}",
        scene.contain_line(),
        p = program.display()
    );
    for _attempt in 0..50 {
        let output = std::process::Command::new("sh")
            .args(["-c", &line])
            .output()
            .expect("sh runs");
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        if scene.report("started")["checked"] == 2 {
            return;
        }
    }
    // What decides is held by the unit tests of `launch::subject`; only how long a start takes is the host's affair.
    eprintln!(
        "probity-skip: on this host a check comes later after a copy than the clock's tick, in fifty of fifty starts"
    );
}
