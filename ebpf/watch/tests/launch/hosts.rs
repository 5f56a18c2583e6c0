//! Hosts that do not let a command be contained: what they answer, in mount and cgroup namespaces made for it.

use std::process::{Command, Output};

use crate::Test;
use crate::watcher::{Scene, cgroup2_mount, text};

pub(crate) const TESTS: &[Test] = &[
    ("a_read_only_mount_is_named", read_only),
    ("a_missing_mount_is_named", missing),
    ("an_unprivileged_caller_is_told_about_delegation", unprivileged),
    ("in_a_cgroup_namespace_levels_are_relative", namespace),
];

/// Runs a shell script in a namespace of its own, with `contain ... -- touch ran` at its end.
fn within(scene: &Scene, flags: &[&str], script: &str) -> Output {
    let line = format!(
        "{script} exec {} -- touch {}",
        scene.contain_line(),
        scene.path("ran").display()
    );
    Command::new("unshare")
        .args(flags)
        .args(["sh", "-c", &line])
        .output()
        .expect("unshare runs")
}

fn check(scene: &Scene, output: &Output, expect: &str) {
    assert_eq!(output.status.code(), Some(125), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains(expect), "{}", text(&output.stderr));
    assert!(!scene.path("ran").exists(), "the command ran uncontained");
}

fn read_only() {
    let scene = Scene::new();
    let mount = cgroup2_mount();
    let output = within(
        &scene,
        &["-m"],
        &format!("mount -o remount,bind,ro {} &&", mount.display()),
    );
    check(&scene, &output, "mounted read-only at");
}

fn missing() {
    let scene = Scene::new();
    let mount = cgroup2_mount();
    let output = within(&scene, &["-m"], &format!("umount -l {} &&", mount.display()));
    check(&scene, &output, "no cgroup2 file system is mounted");
}

fn unprivileged() {
    let scene = Scene::new();
    // The report and the test binary need not be reachable for nobody: a copy and no report.
    let own = std::fs::read(std::env::current_exe().expect("own path")).expect("own binary");
    let copy = scene.program("launch", &own);
    let line = format!("setpriv --reuid 65534 --regid 65534 --clear-groups {copy} contain -- touch ran");
    let output = Command::new("sh").args(["-c", &line]).output().expect("sh runs");
    check(&scene, &output, "Delegate=yes");
}

fn namespace() {
    let scene = Scene::new();
    let output = within(&scene, &["-C"], "");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(scene.report("prepared")["level_is_absolute"], false);
    let output = scene.run(&[], &["true"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(
        scene.report("prepared")["level_is_absolute"],
        std::fs::read_link("/proc/self/ns/cgroup").is_ok_and(|ns| ns.as_os_str() == "cgroup:[4026531835]")
    );
}
