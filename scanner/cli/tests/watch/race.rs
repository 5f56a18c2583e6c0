//! A thread that puts another file under a descriptor, or closes it, before the watcher looks: doubtful, and never silent.

use std::process::Command;

use super::place::{Place, skip};
use super::watched::{Seen, acts};

/// Seconds of racing: a minute where time is given.
fn seconds() -> &'static str {
    match std::env::var_os("PROBITY_WATCH_FULL") {
        Some(_) => "60",
        None => "5",
    }
}

fn raced(place: &Place, name: &str, form: &str) -> Option<Seen> {
    let dir = place.directory("a").into_os_string().into_string().unwrap();
    let mut setup = Command::new(acts());
    assert!(setup.args(["setup", "--dir", &dir]).status().unwrap().success());
    let rules = format!("[[file]]\naccess = [\"read\"]\npaths = [\"{dir}/allowed/**\"]\n");
    let seen = place
        .watch(&rules)
        .act(&["run", name, "--dir", &dir, "--form", form, "--seconds", seconds()]);
    if seen.report["cmd_exit"] == 77 {
        return skip(&format!("{name}: {}", String::from_utf8_lossy(&seen.stdout).trim()));
    }
    assert_eq!(seen.report["cmd_exit"], 0, "{}", seen.said());
    Some(seen)
}

#[test]
fn a_replaced_descriptor_is_doubtful() {
    let Some(place) = Place::new() else { return };
    let Some(seen) = raced(&place, "race-dup2", "undeclared") else {
        return;
    };
    assert_eq!(seen.code(), 120, "{}", seen.said());
    let dir = place.text("a");
    let (secret, decoy) = (format!("{dir}/forbidden/secret"), format!("{dir}/allowed/target"));
    let others: Vec<String> = seen.acts();
    let told = |act: String| others.contains(&act);
    assert!(told(format!("undeclared file.open {secret}")), "{}", seen.said());
    // Where the decoy won, what was opened is not known: none of these may be among the few acts that are declared.
    let (declared, ambiguous) = (&seen.report["declared"]["acts"], &seen.report["ambiguous"]);
    eprintln!(
        "race-dup2: {ambiguous} in doubt, {declared} declared, {}",
        seen.report["counts"]
    );
    assert!(declared.as_u64().is_some_and(|acts| acts < 20), "{declared}");
    assert!(
        others.iter().all(|act| act.ends_with(&secret) || act.ends_with(&decoy)),
        "{others:?}"
    );
}

#[test]
fn a_replaced_descriptor_is_doubtful_though_both_files_are_declared() {
    let Some(place) = Place::new() else { return };
    let Some(seen) = raced(&place, "race-dup2", "declared") else {
        return;
    };
    // A decoy that never won leaves nothing in doubt.
    assert!([0, 121].contains(&seen.code()), "{}", seen.said());
    assert!(
        seen.acts().iter().all(|act| act.starts_with("ambiguous")),
        "{}",
        seen.said()
    );
}

#[test]
fn a_descriptor_that_is_closed_before_anyone_looks_is_told() {
    let Some(place) = Place::new() else { return };
    for _ in 0..5 {
        let Some(seen) = raced(&place, "race-close", "declared") else {
            return;
        };
        let ambiguous = seen.report["ambiguous"].as_u64().unwrap_or(0);
        assert_eq!(seen.code(), if ambiguous > 0 { 121 } else { 0 }, "{}", seen.said());
        assert!(
            seen.acts().iter().all(|act| act.starts_with("ambiguous file.open")),
            "{}",
            seen.said()
        );
        if ambiguous > 0 {
            return;
        }
    }
    panic!("the descriptor was gone for the act, and never for the watcher");
}

#[test]
fn a_path_that_is_rewritten_while_it_is_read_hides_nothing() {
    let Some(place) = Place::new() else { return };
    let Some(seen) = raced(&place, "race-path", "undeclared") else {
        return;
    };
    assert_eq!(seen.code(), 120, "{}", seen.said());
    let object = format!("undeclared file.open {}/forbidden/secret", place.text("a"));
    assert!(seen.acts().contains(&object), "{}", seen.said());
}
