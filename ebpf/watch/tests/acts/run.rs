//! Running one group of acts, both forms of each, and telling what was wrong with all of them at once.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use probity_acts::blind;
use probity_acts::context::Form;
use probity_acts::outside::Outside;
use probity_acts::table::{self, Act};
use serde_json::{Value, json};

use crate::judge::{Outcome, Run, judge};

/// Environment variable: where results go, one JSON line per act and form.
const RESULTS: &str = "PROBITY_ACTS_RESULTS";
/// Environment variable: `all` core acts or the `first` of each group, for emulated machines, where a watch takes seconds
/// to start.
const CORE: &str = "PROBITY_ACTS_CORE";

/// A program that another package builds: named by the environment, beside our own, or installed.
fn program(variable: &str, name: &str) -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(variable) {
        return Some(path.into());
    }
    let own = std::env::current_exe().ok()?;
    let beside = own.parent()?.parent()?.join(name);
    [beside, Path::new("/bin").join(name)]
        .into_iter()
        .find(|path| path.exists())
}

/// Runs every act of a group.
pub(crate) fn group(group: &str) {
    if !rustix::process::geteuid().is_root() {
        eprintln!("probity-skip: the watcher needs root");
        return;
    }
    let (Some(probity), Some(acts)) = (program("PROBITY_BIN", "probity"), program("PROBITY_ACTS", "acts")) else {
        panic!("build the workspace first: `probity` and `acts` are run");
    };
    let backend = std::env::var("PROBITY_BACKEND").unwrap_or_else(|_| "trace".to_owned());
    let core = std::env::var(CORE).ok();
    let only = std::env::var("PROBITY_ACTS_ONLY").ok();
    let first = table::all()
        .find(|act| act.group == group && act.core)
        .map_or("", |act| act.name);
    let outside = Outside::start(&acts).expect("the fixtures");
    let mut wrong = Vec::new();
    for act in table::all().filter(|act| act.group == group) {
        if only.as_deref().is_some_and(|only| only != act.name) {
            continue;
        }
        let in_short = core.as_deref() == Some("first");
        if core.is_some() && (!act.core || in_short && act.name != first) {
            continue;
        }
        for form in Form::BOTH {
            // Where time is short, one declared act of a group stands for the others.
            if core.is_some() && form == Form::Declared && act.name != first {
                continue;
            }
            let outcome = one(&probity, &outside, act, form);
            record(act, form, &backend, &outcome);
            let blind = blind::reason(act.name, &backend);
            let word = form.word();
            match (outcome, blind, form) {
                (Outcome::Right, Some(why), Form::Undeclared) => {
                    wrong.push(format!("{} {word}: is seen, and listed as blind: {why}", act.name));
                }
                (Outcome::Right, ..) | (Outcome::Unseen, Some(_), Form::Undeclared) => {}
                (Outcome::Skipped(why), ..) => eprintln!("probity-skip: {} {word}: {why}", act.name),
                (Outcome::Unseen, ..) => wrong.push(format!("{} {word}: not seen", act.name)),
                (Outcome::Wrong(what), ..) => wrong.push(format!("{} {word}: {what}", act.name)),
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of the group {group}:\n  {}",
        wrong.len(),
        wrong.join("\n  ")
    );
}

fn one(probity: &Path, outside: &Outside, act: &Act, form: Form) -> Outcome {
    outside.setup().expect("the fixtures again");
    if act.name == "cgroup-leave" && form == Form::Declared {
        return Outcome::Skipped("the tree's own cgroup has no name before it runs".to_owned());
    }
    let launch = match outside.launch(act, form) {
        Ok(launch) => launch,
        Err(why) => return Outcome::Skipped(why),
    };
    let scratch = tempfile::tempdir().expect("a folder");
    let (set, events) = (scratch.path().join("act.declared.toml"), scratch.path().join("events"));
    fs::write(&set, outside.declared_set(act, form)).expect("the declared set");
    let before: Vec<OsString> = [
        probity.as_os_str(),
        "watch".as_ref(),
        "--allow-root".as_ref(),
        "--quiet".as_ref(),
        "--declared".as_ref(),
        set.as_os_str(),
        "--events".as_ref(),
        events.as_os_str(),
        "--".as_ref(),
    ]
    .map(OsString::from)
    .to_vec();
    let output = launch
        .command(&before)
        .stderr(std::process::Stdio::piped())
        .output()
        .expect("probity runs");
    let lines = fs::read_to_string(&events).unwrap_or_default();
    let said = String::from_utf8_lossy(&output.stdout)
        .lines()
        .next_back()
        .unwrap_or_default()
        .to_owned();
    let run = Run {
        code: output.status.code(),
        events: lines
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect(),
        said: serde_json::from_str(&said).unwrap_or(Value::Null),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    };
    judge(act, form, &run)
}

fn record(act: &Act, form: Form, backend: &str, outcome: &Outcome) {
    let Some(path) = std::env::var_os(RESULTS) else { return };
    let (word, detail) = match outcome {
        Outcome::Right => ("right", ""),
        Outcome::Unseen => ("unseen", ""),
        Outcome::Wrong(what) => ("wrong", what.as_str()),
        Outcome::Skipped(why) => ("skipped", why.as_str()),
    };
    let line = json!({
        "act": act.name, "form": form.word(), "backend": backend, "outcome": word, "detail": detail,
    });
    let mut file = fs::File::options()
        .create(true)
        .append(true)
        .open(path)
        .expect("the results");
    writeln!(file, "{line}").expect("a line");
}
