//! Inode numbers that are given again.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::place::{Place, skip};

#[test]
fn a_file_with_the_inode_number_of_a_declared_one_is_not_declared() {
    let Some(place) = Place::new() else { return };
    if place.image("ext4", 16, "disk").is_none() {
        return;
    }
    let declared = place.file("disk/ok/a");
    let other = place.file("disk/no/x").with_file_name("b");
    let number = fs::metadata(&declared).unwrap().ino();
    for pattern in ["a", "**"] {
        let rules = format!(
            "[[file]]\naccess = [\"read\"]\npaths = [\"{}/{pattern}\"]\n",
            place.text("disk/ok")
        );
        let script = format!(
            "read x < {0}/ok/a; read x < {0}/ok/a; echo 1; read go; read x < {0}/no/b",
            place.text("disk")
        );
        let mut run = place.watch(&rules).start(&["/bin/sh", "-c", &script]);
        assert_eq!(run.line(), "1");
        fs::remove_file(&declared).unwrap();
        fs::write(&other, "b\n").unwrap();
        let reused = fs::metadata(&other).unwrap().ino() == number;
        run.say("go");
        let seen = run.end();
        seen.violates(&[format!("undeclared file.open {}", place.text("disk/no/b"))]);
        if !reused {
            skip::<()>("the file system gave another inode number");
        }
        fs::remove_file(&other).unwrap();
        place.file("disk/ok/a");
    }
}

#[test]
fn a_file_with_the_inode_number_of_a_denied_one_is_not_denied() {
    let Some(place) = Place::new() else { return };
    if place.image("ext4", 16, "disk").is_none() {
        return;
    }
    let denied = place.file("disk/no/a");
    place.directory("disk/ok");
    let rules = format!(
        "[[file]]\naccess = [\"read\"]\npaths = [\"{0}/ok/**\"]\n[[file]]\ndeny = [\"read\"]\npaths = [\"{0}/no/a\"]\n",
        place.text("disk")
    );
    let script = format!("echo 1; read go; read x < {0}/ok/b", place.text("disk"));
    let mut run = place.watch(&rules).start(&["/bin/sh", "-c", &script]);
    assert_eq!(run.line(), "1");
    fs::remove_file(denied).unwrap();
    place.file("disk/ok/b");
    run.say("go");
    run.end().declared();
}
