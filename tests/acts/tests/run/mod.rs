//! Runs one prepared act, for at most a minute, and reads what it told.

use std::ffi::OsString;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use probity_acts::context::Form;
use probity_acts::outside::Outside;
use probity_acts::table::Act;
use serde_json::Value;

/// How one run ended.
pub(crate) enum Ran {
    Done(Value),
    Skipped(String),
    Failed(String),
}

/// The binary under test.
pub(crate) fn acts() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_acts"))
}

/// Runs the act behind `before`. The two forms use up different fixtures, so the caller restores them once per act.
pub(crate) fn run(outside: &Outside, act: &Act, form: Form, before: &[OsString]) -> Ran {
    let launch = match outside.launch(act, form) {
        Ok(launch) => launch,
        Err(reason) => return Ran::Skipped(reason),
    };
    let mut command = launch.command(before);
    let what = format!("{} ({})", act.name, form.word());
    let mut child = command.spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            child.wait().unwrap();
            return Ran::Failed(format!("{what} does not end"));
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    let mut line = String::new();
    child.stdout.take().unwrap().read_to_string(&mut line).unwrap();
    let Ok(told) = serde_json::from_str::<Value>(&line) else {
        return Ran::Failed(format!("{what} printed {line:?} and ended with {status}"));
    };
    assert_eq!(told["name"], act.name);
    let kills_its_parent = act.name == "kill-parent" && form == Form::Undeclared;
    match (told["done"].as_bool(), status.code()) {
        (Some(true), Some(0)) => Ran::Done(told),
        (Some(true), None) if kills_its_parent => Ran::Done(told),
        (Some(false), Some(77)) => Ran::Skipped(told["skipped"].as_str().unwrap().to_owned()),
        _ => Ran::Failed(format!("{status}: {line}")),
    }
}
