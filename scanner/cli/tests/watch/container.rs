//! A command that gives itself another root directory: rules keep meaning the objects that they meant.

use super::place::Place;

const KERNEL: &str = "[kernel]\nuserns = \"allow\"\nmount = \"allow\"\n";

/// A root directory with the host's programs in it, something declared and something not.
fn root(place: &Place) -> Option<String> {
    for (from, to) in [
        ("/usr", "c/usr"),
        ("/bin", "c/bin"),
        ("/lib", "c/lib"),
        ("/lib64", "c/lib64"),
    ] {
        if std::path::Path::new(from).exists() {
            place.mount(&["--bind", from], to)?;
        }
    }
    for name in ["c/data/a", "c/no/b", "c/etc/hostname"] {
        place.file(name);
    }
    place.directory("c/old");
    Some(place.text("c"))
}

fn rules(root: &str) -> String {
    format!("{KERNEL}[[file]]\naccess = [\"read\"]\npaths = [\"{root}/data/**\", \"/etc/hostname\"]\n")
}

#[test]
fn a_changed_root_does_not_change_what_rules_mean() {
    let Some(place) = Place::new() else { return };
    let Some(root) = root(&place) else { return };
    let inside = "read x < /data/a; read x < /etc/hostname; read x < /no/b";
    let seen = place
        .watch(&rules(&root))
        .start(&["/usr/sbin/chroot", &root, "/bin/sh", "-c", inside])
        .end();
    seen.violates(&[
        format!("undeclared file.open {root}/etc/hostname"),
        format!("undeclared file.open {root}/no/b"),
    ]);
    let seen = place
        .watch(&rules(&root))
        .start(&["/usr/sbin/chroot", &root, "/bin/sh", "-c", "read x < /data/a"])
        .end();
    seen.declared();
}

#[test]
fn a_pivoted_root_does_not_change_what_rules_mean() {
    let Some(place) = Place::new() else { return };
    let Some(root) = root(&place) else { return };
    let pivot = format!("mount --rbind {root} {root}; cd {root}; pivot_root . old; cd /; ");
    let run = |inside: &str| {
        let script = format!("{pivot}{inside}");
        place
            .watch(&rules(&root))
            .start(&["/usr/bin/unshare", "-m", "/bin/sh", "-c", &script])
            .end()
    };
    run("read x < /data/a; read x < /old/etc/hostname").declared();
    run("read x < /data/a; read x < /etc/hostname; read x < /no/b; read x < /old/etc/passwd").violates(&[
        "undeclared file.open /etc/hostname".to_owned(),
        "undeclared file.open /no/b".to_owned(),
        "undeclared file.open /old/etc/passwd".to_owned(),
    ]);
}
