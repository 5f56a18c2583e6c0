//! The user a command runs as.

use crate::Test;
use crate::watcher::{Scene, text};

pub(crate) const TESTS: &[Test] = &[
    ("user_groups_home_and_capabilities_are_the_users", nobody),
    ("the_invoking_user_is_taken", invoking),
    ("root_is_refused_without_permission", root),
    ("the_search_is_made_as_the_user", search),
];

const SHOW: &str = "grep -E '^(Uid|Gid|Groups|CapPrm|CapEff):' /proc/self/status; echo $HOME $USER $LOGNAME";

fn nobody() {
    let scene = Scene::new();
    let output = scene.run(&["--user", "nobody"], &["sh", "-c", SHOW]);
    let expect = "Uid:\t65534\t65534\t65534\t65534\n\
                  Gid:\t65534\t65534\t65534\t65534\n\
                  Groups:\t65534 \n\
                  CapPrm:\t0000000000000000\n\
                  CapEff:\t0000000000000000\n\
                  /nonexistent nobody nobody\n";
    assert_eq!(text(&output.stdout), expect, "{}", text(&output.stderr));
    assert_eq!(scene.report("prepared")["contained"], true);
    scene.assert_clean();
}

fn invoking() {
    let scene = Scene::new();
    let mut command = scene.contain(&[], &["sh", "-c", SHOW]);
    let output = command
        .env("SUDO_UID", "54321")
        .env("SUDO_GID", "54322")
        .output()
        .expect("it runs");
    let got = text(&output.stdout);
    assert!(
        got.starts_with("Uid:\t54321\t54321\t54321\t54321\nGid:\t54322\t54322\t54322\t54322\nGroups:\t54322 \n"),
        "{got}"
    );
    assert!(got.ends_with("\n/ 54321 54321\n"), "{got}");
}

fn root() {
    let scene = Scene::new();
    let output = scene.run(&["--deny-root", "yes"], &["true"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains("--allow-root"),
        "{}",
        text(&output.stderr)
    );
    let output = scene.run(&[], &["true"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(scene.report("prepared")["contained"], false);
}

fn search() {
    let scene = Scene::new();
    std::fs::create_dir(scene.path("closed")).expect("a directory");
    let _hidden = scene.program("closed/tool", b"#!/bin/sh\necho hidden\n");
    let _open = scene.program("tool", b"#!/bin/sh\necho open\n");
    let closed = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(scene.path("closed"), closed).expect("permissions can be set");
    let path = format!(
        "{}:{}:/bin:/usr/bin",
        scene.path("closed").display(),
        scene.path("").display()
    );
    let check = |options: &[&str], expect: &str| {
        let output = scene
            .contain(options, &["tool"])
            .env("PATH", &path)
            .output()
            .expect("it runs");
        assert_eq!(text(&output.stdout), expect, "{}", text(&output.stderr));
    };
    check(&["--user", "nobody"], "open\n");
    check(&[], "hidden\n");
}
