//! overlay: what is done to the merged directory happens to inodes of the layers too, which nobody named.

use std::fs;

use super::place::Place;

/// Mounts an overlay whose layers lie below `disk`, with a file to read, one to write and one to remove on each side.
fn merged(place: &Place) -> Option<String> {
    for side in ["ok", "no"] {
        for name in ["read", "written", "removed", "renamed", "cut", "mode"] {
            place.file(&format!("disk/lower/{side}/{name}"));
        }
    }
    place.directory("disk/upper");
    place.directory("disk/work");
    let options = format!(
        "lowerdir={0}/lower,upperdir={0}/upper,workdir={0}/work",
        place.text("disk")
    );
    place.mount(&["-t", "overlay", "overlay", "-o", &options], "merged")?;
    Some(place.text("merged"))
}

fn on(place: &Place) {
    let Some(merged) = merged(place) else { return };
    let rules = format!(
        "[[file]]\naccess = [\"read\", \"write\", \"create\", \"delete\", \"metadata\"]\npaths = [\"{merged}/ok/**\"]\n"
    );
    let script = |side: &str| {
        format!(
            "cd {merged}/{side}; read x < read; echo y >> written; echo z > made; rm removed; mv -T renamed other; : > cut"
        )
    };
    place.watch(&rules).sh(&script("ok")).declared();
    let seen = place.watch(&rules).sh(&script("no"));
    let at = |verdict: &str, kind: &str, name: &str| format!("{verdict} {kind} {merged}/no/{name}");
    seen.violates(&[
        at("undeclared", "file.open", "read"),
        at("undeclared", "file.open", "written"),
        at("undeclared", "file.create", "made"),
        at("undeclared", "file.unlink", "removed"),
        at("undeclared", "file.rename", "renamed"),
        at("undeclared", "file.rename", "other"),
        at("undeclared", "file.open", "cut"),
    ]);
    assert_eq!(
        fs::read_to_string(place.path("disk/upper/no/written")).unwrap(),
        "disk/lower/no/written\ny\n"
    );
}

#[test]
fn acts_on_an_overlay_of_tmpfs_are_told_once() {
    let Some(place) = Place::new() else { return };
    if place.mount(&["-t", "tmpfs", "tmpfs"], "disk").is_some() {
        on(&place);
    }
}

#[test]
fn acts_on_an_overlay_of_ext4_are_told_once() {
    let Some(place) = Place::new() else { return };
    if place.image("ext4", 32, "disk").is_some() {
        on(&place);
    }
}
