//! A file with several names: what one of them allows, the others do not carry elsewhere.

use std::fs::{self, hard_link};

use super::place::Place;

#[test]
fn a_hard_link_of_a_forbidden_file_is_reported() {
    let Some(place) = Place::new() else { return };
    let (ok, secret) = (place.directory("ok"), place.file("no/secret"));
    fs::write(ok.join("plain"), "plain\n").unwrap();
    hard_link(secret, ok.join("copy")).unwrap();
    let rules = format!("[[file]]\naccess = [\"read\"]\npaths = [\"{}/**\"]\n", place.text("ok"));
    place
        .watch(&rules)
        .sh(&format!("read x < {}", place.text("ok/plain")))
        .declared();
    let seen = place.watch(&rules).sh(&format!("read x < {}", place.text("ok/copy")));
    seen.violates(&[format!("undeclared file.open {}", place.text("ok/copy"))]);
    assert!(seen.events.iter().any(|event| {
        event["flags"]
            .as_array()
            .is_some_and(|f| f.contains(&"hardlink".into()))
    }));
    // Its own name is what a rule may say, and a set may say that links are of no concern.
    let exact = format!(
        "{rules}[[file]]\naccess = [\"read\"]\npaths = [\"{}\"]\n",
        place.text("ok/copy")
    );
    place
        .watch(&exact)
        .sh(&format!("read x < {}", place.text("ok/copy")))
        .declared();
    let set = format!(
        "version = 1\nname = \"test\"\nhardlinks = \"allow\"\n{rules}\n{}",
        super::watched::tools()
    );
    place
        .watch_exactly(&set)
        .sh(&format!("read x < {}", place.text("ok/copy")))
        .declared();
}

#[test]
fn every_name_of_a_denied_file_is_denied() {
    let Some(place) = Place::new() else { return };
    let secret = place.file("no/secret");
    let copy = place.file("ok/plain").with_file_name("copy");
    hard_link(&secret, &copy).unwrap();
    for denied in ["no/secret", "no/*", "no/**", "**/secret"] {
        let set = format!(
            "version = 1\nname = \"test\"\nhardlinks = \"allow\"\n[[file]]\naccess = [\"read\"]\npaths = [\"{0}/ok/**\"]\n\
             [[file]]\ndeny = [\"read\"]\npaths = [\"{0}/{denied}\"]\n{1}",
            place.text(""),
            super::watched::tools()
        );
        let set = set.replace("//", "/");
        place
            .watch_exactly(&set)
            .sh(&format!("read x < {}", place.text("ok/plain")))
            .declared();
        let seen = place
            .watch_exactly(&set)
            .sh(&format!("read x < {}", place.text("ok/copy")));
        seen.violates(&[format!("denied file.open {}", place.text("ok/copy"))]);
    }
}

#[test]
fn a_link_that_the_tree_makes_gives_it_nothing() {
    let Some(place) = Place::new() else { return };
    place.file("no/secret");
    place.directory("ok");
    let rules = format!(
        "[[file]]\naccess = [\"read\", \"create\"]\npaths = [\"{}/**\"]\n",
        place.text("ok")
    );
    let (secret, copy) = (place.text("no/secret"), place.text("ok/copy"));
    let seen = place.watch(&rules).sh(&format!("ln {secret} {copy}; read x < {copy}"));
    seen.violates(&[format!("undeclared file.open {copy}")]);
}
