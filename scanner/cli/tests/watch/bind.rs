//! One directory at two places.

use super::place::Place;

#[test]
fn a_deny_holds_through_a_bind_mount() {
    let Some(place) = Place::new() else { return };
    place.file("keys/deep/secret");
    place.file("keys/only");
    for (from, below) in [("keys", "deep/secret"), ("keys/deep", "secret")] {
        let Some(_) = place.mount(&["--bind", &place.text(from)], "ok/bound") else {
            return;
        };
        for denied in ["keys/**", "keys/deep/secret", "**/secret"] {
            let rules = format!(
                "[[file]]\naccess = [\"read\"]\npaths = [\"{0}ok/**\"]\n[[file]]\ndeny = [\"read\"]\npaths = [\"{0}{denied}\"]\n",
                place.text("")
            );
            let object = place.text(&format!("ok/bound/{below}"));
            let seen = place.watch(&rules).sh(&format!("read x < {object}"));
            seen.violates(&[format!("denied file.open {object}")]);
        }
        rustix::mount::unmount(place.path("ok/bound"), rustix::mount::UnmountFlags::DETACH).unwrap();
    }
}

#[test]
fn an_undeclared_directory_seen_through_a_bind_mount_is_what_the_path_says() {
    let Some(place) = Place::new() else { return };
    place.file("elsewhere/deep/x");
    let Some(_) = place.mount(&["--bind", &place.text("elsewhere")], "ok/bound") else {
        return;
    };
    let rules = format!("[[file]]\naccess = [\"read\"]\npaths = [\"{}/**\"]\n", place.text("ok"));
    place
        .watch(&rules)
        .sh(&format!("read x < {}", place.text("ok/bound/deep/x")))
        .declared();
    let direct = place.text("elsewhere/deep/x");
    place
        .watch(&rules)
        .sh(&format!("read x < {direct}"))
        .violates(&[format!("undeclared file.open {direct}")]);
    // And the other way round: a declared directory that is mounted elsewhere is the same directory.
    let rules = format!(
        "[[file]]\naccess = [\"read\"]\npaths = [\"{}/**\"]\n",
        place.text("elsewhere")
    );
    place
        .watch(&rules)
        .sh(&format!("read x < {}", place.text("ok/bound/deep/x")))
        .declared();
}

#[test]
fn a_file_mounted_over_a_declared_one_keeps_its_denial() {
    let Some(place) = Place::new() else { return };
    let (secret, over) = (place.file("keys/secret"), place.file("ok/plain"));
    rustix::mount::mount_bind(&secret, &over).unwrap();
    let rules = format!(
        "[[file]]\naccess = [\"read\"]\npaths = [\"{0}ok/**\"]\n[[file]]\ndeny = [\"read\"]\npaths = [\"{0}keys/**\"]\n",
        place.text("")
    );
    let object = place.text("ok/plain");
    place
        .watch(&rules)
        .sh(&format!("read x < {object}"))
        .violates(&[format!("denied file.open {object}")]);
}
