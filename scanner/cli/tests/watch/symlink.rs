//! Rules that are written through a symbolic link.

use std::fs;
use std::os::unix::fs::symlink;

use super::place::Place;

#[test]
fn a_rule_through_a_link_means_what_the_link_led_to() {
    let Some(place) = Place::new() else { return };
    place.file("usr/lib/a");
    place.file("other/a");
    symlink("usr/lib", place.path("lib")).unwrap();
    let rules = format!(
        "[[file]]\naccess = [\"read\"]\npaths = [\"{}/**\"]\n",
        place.text("lib")
    );
    let script = format!(
        "cd {}; read x < lib/a; read x < usr/lib/a; echo 1; read go; read x < usr/lib/a; echo 2; read x < lib/a",
        place.text("")
    );
    let mut run = place.watch(&rules).start(&["/bin/sh", "-c", &script]);
    assert_eq!(run.line(), "1");
    symlink("other", place.path("swapped")).unwrap();
    fs::rename(place.path("swapped"), place.path("lib")).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    run.say("go");
    assert_eq!(run.line(), "2");
    run.end()
        .violates(&[format!("undeclared file.open {}", place.text("other/a"))]);
}

#[test]
fn a_denied_file_is_denied_behind_any_link() {
    let Some(place) = Place::new() else { return };
    place.file("keys/secret");
    place.directory("ok");
    symlink("../keys", place.path("ok/way")).unwrap();
    symlink("keys", place.path("alias")).unwrap();
    for denied in ["keys/**", "alias/**", "alias/secret"] {
        let rules = format!(
            "[[file]]\naccess = [\"read\"]\npaths = [\"{0}**\"]\n[[file]]\ndeny = [\"read\"]\npaths = [\"{0}{denied}\"]\n",
            place.text("")
        );
        let seen = place
            .watch(&rules)
            .sh(&format!("read x < {}", place.text("ok/way/secret")));
        seen.violates(&[format!("denied file.open {}", place.text("keys/secret"))]);
    }
}
