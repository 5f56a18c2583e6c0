//! File systems that are mounted below a rule's path, before the run and while it goes on.

use std::fs;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use super::place::Place;

#[test]
fn a_rule_holds_in_what_is_mounted_below_it() {
    let Some(place) = Place::new() else { return };
    let Some(_) = place.mount(&["-t", "tmpfs", "tmpfs"], "x/before") else {
        return;
    };
    place.file("x/before/deep/a");
    place.directory("x/during");
    let rules = format!(
        "[[file]]\naccess = [\"read\", \"write\", \"create\"]\npaths = [\"{0}x/**\"]\n\
         [[file]]\ndeny = [\"read\"]\npaths = [\"{0}x/*/secret\", \"{0}x/during/keys/**\"]\n",
        place.text("")
    );
    let script = format!(
        "cd {0}x; read x < before/deep/a; echo n > before/made; echo 1; read go; \
         read x < during/a; echo n > during/made; echo 2; read go; read x < during/secret; read x < during/keys/k",
        place.text("")
    );
    let mut run = place.watch(&rules).start(&["/bin/sh", "-c", &script]);
    assert_eq!(run.line(), "1");
    mount("tmpfs", place.path("x/during"), "tmpfs", MountFlags::empty(), None).unwrap();
    for name in ["a", "secret", "keys/k"] {
        place.file(&format!("x/during/{name}"));
    }
    run.say("go");
    assert_eq!(run.line(), "2");
    run.say("go");
    let seen = run.end();
    seen.violates(&[
        format!("denied file.open {}", place.text("x/during/secret")),
        format!("denied file.open {}", place.text("x/during/keys/k")),
    ]);
}

#[test]
fn what_a_mount_uncovers_is_judged_by_its_own_path() {
    let Some(place) = Place::new() else { return };
    place.file("x/sub/under");
    if place.mount(&["-t", "tmpfs", "tmpfs"], "x/sub").is_none() {
        return;
    }
    place.file("x/sub/over");
    let rules = format!(
        "[[file]]\naccess = [\"read\"]\npaths = [\"{}/over\"]\n",
        place.text("x/sub")
    );
    let script = format!(
        "cd {0}; read x < sub/over; echo 1; read go; read x < sub/under",
        place.text("x")
    );
    let mut run = place.watch(&rules).start(&["/bin/sh", "-c", &script]);
    assert_eq!(run.line(), "1");
    // The watcher holds the mounted root, so the mount can only be taken out of the tree.
    unmount(place.path("x/sub"), UnmountFlags::DETACH).unwrap();
    assert!(fs::exists(place.path("x/sub/under")).unwrap());
    run.say("go");
    run.end()
        .violates(&[format!("undeclared file.open {}", place.text("x/sub/under"))]);
}
