//! What cannot be run, and what cannot be held: told before anything is started.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::place::{Place, skip};

/// A run whose command would leave a trace.
#[track_caller]
fn refused(place: &Place, set: &str, says: &[&str]) {
    let trace = place.text("trace");
    let seen = place.watch_exactly(set).sh(&format!(": > {trace}"));
    assert_eq!(seen.code(), 2, "{}", seen.said());
    for word in says {
        assert!(seen.stderr.contains(word), "{word} is not in {}", seen.stderr);
    }
    assert!(!place.path("trace").exists(), "the command was run");
}

#[test]
fn a_declared_set_with_a_mistake_starts_nothing() {
    let Some(place) = Place::new() else { return };
    let head = "version = 1\nname = \"test\"\n";
    refused(
        &place,
        &format!("{head}[[file]]\naccess = [\"read\"]\nacess = [\"read\"]\npaths = [\"/x\"]\n"),
        &["acess", "set.declared.toml:5"],
    );
    refused(
        &place,
        &format!("{head}[vars]\nw = \"${{PROBITY_NO_SUCH_VARIABLE}}\"\n"),
        &["PROBITY_NO_SUCH_VARIABLE"],
    );
    refused(
        &place,
        &format!("{head}[[file]]\naccess = [\"read\"]\npaths = [\"${{NO_SUCH}}/x\"]\n"),
        &["NO_SUCH"],
    );
    refused(
        &place,
        &format!("{head}[[file]]\naccess = [\"reed\"]\npaths = [\"/x\"]\n"),
        &["reed"],
    );
    refused(
        &place,
        &format!("{head}[[file]]\naccess = [\"read\"]\npaths = [\"relative/x\"]\n"),
        &["relative/x"],
    );
    refused(
        &place,
        &format!("{head}[kernel]\nmount = \"allow\"\nmount = \"deny\"\n"),
        &["duplicate", "set.declared.toml:5"],
    );
    refused(&place, "version = 7\nname = \"test\"\n", &["version"]);
    refused(&place, "\u{0}\u{1}", &["set.declared.toml"]);
    refused(&place, "", &["set.declared.toml"]);
}

#[test]
fn a_declared_set_that_is_not_there_starts_nothing() {
    let Some(place) = Place::new() else { return };
    let missing = place.text("no.declared.toml");
    let seen = place
        .inventory()
        .options(&["--declared", &missing])
        .sh(&format!(": > {}", place.text("trace")));
    assert_eq!(seen.code(), 2, "{}", seen.said());
    assert!(seen.stderr.contains(&missing), "{}", seen.stderr);
    assert!(!place.path("trace").exists());
    let seen = place.inventory().options(&["--declared", &place.text("")]).sh("true");
    assert_eq!(seen.code(), 2, "{}", seen.said());
}

#[test]
fn what_is_allowed_and_denied_at_once_is_denied() {
    let Some(place) = Place::new() else { return };
    let file = place.file("a").into_os_string().into_string().unwrap();
    let rules = format!(
        "[[file]]\naccess = [\"read\"]\npaths = [\"{file}\"]\n[[file]]\ndeny = [\"read\"]\npaths = [\"{file}\"]\n"
    );
    place
        .watch(&rules)
        .sh(&format!("read x < {file}"))
        .violates(&[format!("denied file.open {file}")]);
}

#[test]
fn a_command_that_cannot_be_run_is_126_or_127() {
    let Some(place) = Place::new() else { return };
    let plain = place.file("plain");
    let run = |word: &str| place.inventory().start(&[word]).end();
    let missing = run(&place.text("missing"));
    assert_eq!(missing.code(), 127, "{}", missing.said());
    assert_eq!(run("probity-no-such-command").code(), 127);
    assert_eq!(run(plain.to_str().unwrap()).code(), 126);
    assert_eq!(run(place.text("").trim_end_matches('/')).code(), 126);
    std::fs::set_permissions(&plain, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(&plain, "\u{7f}ELF nonsense").unwrap();
    assert_eq!(run(plain.to_str().unwrap()).code(), 126);
    assert_eq!(run("").code(), 127);
}

#[test]
fn the_home_of_a_rule_is_that_of_the_user_whom_the_command_runs_as() {
    const USER: &str = "daemon";
    let Some(place) = Place::new() else { return };
    let entries = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let entry = entries.lines().find(|line| line.split(':').next() == Some(USER));
    let home = entry.and_then(|line| line.split(':').nth(5)).unwrap_or_default();
    let readable = |path: &std::path::Path| {
        std::fs::metadata(path)
            .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o004 != 0 && file.nlink() == 1)
    };
    let files = std::fs::read_dir(home).into_iter().flatten().flatten();
    let Some(file) = files.map(|entry| entry.path()).find(|path| readable(path)) else {
        return skip(&format!("the user {USER} has no home with a file in it")).unwrap_or_default();
    };
    for (user, code) in [(USER, 0), ("root", 120)] {
        let seen = place
            .watch("[[file]]\naccess = [\"read\"]\npaths = [\"${HOME}/*\"]\n")
            .options(&["--user", user])
            .sh(&format!("read x < {}; true", file.display()));
        assert_eq!(seen.code(), code, "{user}: {}", seen.said());
    }
}
