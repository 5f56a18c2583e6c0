//! btrfs: two subvolumes give out the same inode numbers, and `stat` shows another device than the super block's.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use super::place::{Place, done, skip};

#[test]
fn a_file_of_another_subvolume_with_the_same_number_is_another_file() {
    let Some(place) = Place::new() else { return };
    if place.image("btrfs", 128, "disk").is_none() {
        return;
    }
    for name in ["one", "two"] {
        let mut make = Command::new("btrfs");
        make.args(["subvolume", "create"]).arg(place.path("disk").join(name));
        if !done(make, "btrfs") {
            return;
        }
        place.file(&format!("disk/{name}/file"));
    }
    let number = |name: &str| fs::metadata(place.path(name)).unwrap().ino();
    if number("disk/one/file") != number("disk/two/file") {
        skip::<()>("the subvolumes gave different inode numbers");
        return;
    }
    let (one, two) = (place.text("disk/one/file"), place.text("disk/two/file"));
    for rules in [
        format!("[[file]]\naccess = [\"read\"]\npaths = [\"{one}\"]\n"),
        format!(
            "[[file]]\naccess = [\"read\"]\npaths = [\"{}/**\"]\n",
            place.text("disk/one")
        ),
    ] {
        place
            .watch(&rules)
            .sh(&format!("read x < {one}; read x < {one}"))
            .declared();
        let seen = place.watch(&rules).sh(&format!("read x < {one}; read x < {two}"));
        seen.violates(&[format!("undeclared file.open {two}")]);
    }
    for denied in ["disk/two/file", "disk/two/**"] {
        let rules = format!(
            "[[file]]\naccess = [\"read\"]\npaths = [\"{0}disk/**\"]\n[[file]]\ndeny = [\"read\"]\npaths = [\"{0}{denied}\"]\n",
            place.text("")
        );
        place.watch(&rules).sh(&format!("read x < {one}")).declared();
        let seen = place.watch(&rules).sh(&format!("read x < {one}; read x < {two}"));
        seen.violates(&[format!("denied file.open {two}")]);
    }
}
