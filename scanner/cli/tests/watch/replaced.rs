//! Names that come to mean other objects while a rule speaks of them.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::place::Place;

#[test]
fn a_declared_file_that_is_replaced_stays_declared() {
    let Some(place) = Place::new() else { return };
    let file = place.file("conf/settings");
    let (name, temporary) = (place.text("conf/settings"), place.text("conf/settings.tmp"));
    let rules = format!(
        "[[file]]\naccess = [\"read\", \"write\", \"create\", \"delete\"]\npaths = [\"{name}\", \"{temporary}\"]\n"
    );
    let script = format!(
        "i=0; while [ $i -lt 40 ]; do echo $i > {temporary}; mv {temporary} {name}; read x < {name}; i=$((i+1)); done"
    );
    place.watch(&rules).sh(&script).declared();

    let rules = format!("[[file]]\naccess = [\"read\"]\npaths = [\"{name}\"]\n");
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let other = file.with_file_name("other");
            while !over.load(Ordering::Relaxed) {
                fs::write(&other, "new\n").unwrap();
                fs::rename(&other, &file).unwrap();
            }
        });
        let script = format!("i=0; while [ $i -lt 20000 ]; do read x < {name}; i=$((i+1)); done");
        let seen = place.watch(&rules).sh(&script);
        over.store(true, Ordering::Relaxed);
        seen.declared();
    });
}

#[test]
fn a_directory_made_in_the_place_of_one_that_moved_is_declared_at_once() {
    let Some(place) = Place::new() else { return };
    place.file("ok/a");
    let rules = format!("[[file]]\naccess = [\"read\"]\npaths = [\"{}/**\"]\n", place.text("ok"));
    let mut run = place.watch(&rules).start(&[
        "/bin/sh",
        "-c",
        &format!(
            "read x < {0}/ok/a; echo 1; read go; read x < {0}/ok/b; echo 2; read go; read x < {0}/ok/b; read x < {0}/aside/a",
            place.text("")
        ),
    ]);
    assert_eq!(run.line(), "1");
    fs::rename(place.path("ok"), place.path("aside")).unwrap();
    place.file("ok/b");
    run.say("go");
    assert_eq!(run.line(), "2");
    // The watcher looks again every tenth of a second; from then on the one that moved is no longer meant.
    thread::sleep(std::time::Duration::from_millis(600));
    run.say("go");
    run.end()
        .violates(&[format!("undeclared file.open {}", place.text("aside/a"))]);
}

#[test]
fn a_denied_directory_that_is_moved_stays_denied() {
    let Some(place) = Place::new() else { return };
    place.file("ok/keys/secret");
    let rules = format!(
        "[[file]]\naccess = [\"read\", \"create\", \"delete\"]\npaths = [\"{0}/**\"]\n\
         [[file]]\ndeny = [\"read\"]\npaths = [\"{0}/keys/**\"]\n",
        place.text("ok")
    );
    let script = format!("mv {0}/keys {0}/other; read x < {0}/other/secret", place.text("ok"));
    let seen = place.watch(&rules).sh(&script);
    seen.violates(&[format!("denied file.open {}", place.text("ok/other/secret"))]);
}
