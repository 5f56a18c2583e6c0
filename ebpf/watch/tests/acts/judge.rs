//! Whether a run of the watcher said what the act's row asks for.

use probity_acts::blind;
use probity_acts::context::Form;
use probity_acts::table::Act;
use serde_json::Value;

/// What one run gave.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) events: Vec<Value>,
    /// The act's own line.
    pub(crate) said: Value,
    pub(crate) stderr: String,
}

/// What it means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// As the row asks.
    Right,
    /// The undeclared act was not seen.
    Unseen,
    /// Something else.
    Wrong(String),
    /// This host cannot do the act.
    Skipped(String),
}

/// Judges a run.
pub(crate) fn judge(act: &Act, form: Form, run: &Run) -> Outcome {
    if let Some(why) = run.said["skipped"].as_str() {
        return Outcome::Skipped(why.to_owned());
    }
    if act.name == blind::ENDS_THE_WATCHER && form == Form::Undeclared {
        // The run must not look as if it had a verdict.
        return if run.code.is_none() {
            Outcome::Right
        } else {
            Outcome::Wrong(format!("exit {:?}", run.code))
        };
    }
    if run.said["done"] != Value::Bool(true) {
        return Outcome::Wrong(format!("the act was not done: {} {}", run.said, run.stderr));
    }
    let judged: Vec<&Value> = run
        .events
        .iter()
        .filter(|event| event["verdict"] != "declared")
        .collect();
    let matching = judged.iter().filter(|event| is_the_act(act, event, &run.said)).count();
    // A ring that the set allows opens what the trace backend does not see.
    let through_ring = act.declared_set(form).contains("io_uring = \"allow\"");
    let honest_loss = blind::may_end_incomplete(act);
    match form {
        Form::Declared if !act.judged => Outcome::Right,
        Form::Declared => match (run.code, judged.is_empty()) {
            (Some(0), true) => Outcome::Right,
            (Some(121), _) if honest_loss => Outcome::Right,
            (Some(121), true) if through_ring => Outcome::Right,
            _ => Outcome::Wrong(format!("exit {:?}, events: {}{}", run.code, brief(&judged), run.stderr)),
        },
        Form::Undeclared if matching > 0 => match run.code {
            Some(120) => Outcome::Right,
            _ => Outcome::Wrong(format!("seen, and exit {:?}", run.code)),
        },
        Form::Undeclared if honest_loss && run.code == Some(121) => Outcome::Right,
        Form::Undeclared if judged.is_empty() => Outcome::Unseen,
        Form::Undeclared => Outcome::Wrong(format!("another event: {}", brief(&judged))),
    }
}

/// Whether an event is the row's: kind and object.
///
/// The object of a 32-bit call is the call; a file with several names may be shown by another; what has no name yet is
/// shown below its directory; a path that does not fit is shown from its middle.
fn is_the_act(act: &Act, event: &Value, said: &Value) -> bool {
    // What was opened through a ring is seen at the latest when it is read.
    let by_reading = act.name == "uring-openat-direct" && event["kind"] == "file.read";
    if event["kind"] != act.kind && !by_reading {
        return false;
    }
    let Some(object) = said["object"].as_str() else {
        return true;
    };
    if matches!(act.name, "open-hard-link" | "cgroup-leave") || act.kind == "int80" {
        return true;
    }
    let shown = &event["object"];
    if object.starts_with('/') {
        let Some(path) = shown["path"].as_str() else {
            return shown["path_b64"].is_string();
        };
        return match act.name {
            "open-tmpfile" => path.starts_with(&format!("{object}/#")),
            "path-deep-over" => path.len() > 3000 && object.ends_with(path),
            _ => {
                let name = |text: &str| text.trim_end_matches(" (deleted)").trim_end_matches('/').to_owned();
                name(path) == name(object)
            }
        };
    }
    match object.rsplit_once(':') {
        Some((address, port)) if port.parse::<u16>().is_ok() => {
            let address = address.trim_matches(['[', ']']);
            port.parse::<u16>().is_ok_and(|port| shown["port"] == port)
                && (shown["addr"] == address || shown["addr"] == format!("::ffff:{address}"))
        }
        _ => true,
    }
}

fn brief(events: &[&Value]) -> String {
    let mut text = String::new();
    for event in events.iter().take(6) {
        text.push_str(&format!(
            "\n      {} {} {} missing {} flags {} rule {}",
            event["kind"], event["verdict"], event["object"], event["missing"], event["flags"], event["rule"]
        ));
    }
    text.push('\n');
    text
}
