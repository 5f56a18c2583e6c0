//! The command line: `list`, `run`, `setup`, `serve`, `victim`, `under`, and the short names of some acts.
//!
//! Exit codes: 0 done, 1 failed, 2 usage, 77 this host cannot do the act.

use serde_json::{Value, json};

use crate::context::{Context, Form};
use crate::sys::{self, Acted, Stop};
use crate::table::{self, Act};
use crate::{child, serve, setup, victim};

/// This host cannot do the act.
pub const SKIPPED: i32 = 77;

const USAGE: &str = "usage: acts list [--json]
       acts setup --dir DIR [--uid N --gid N]
       acts serve --dir DIR
       acts victim --dir DIR [--form declared|undeclared]
       acts run NAME --dir DIR [--form declared|undeclared] [--port N] [--fd N] [--pid N --victim-fd N --addr N]
                     [--cgroup DIR] [--seconds N] [--count N] [--distinct]
       acts flood open|fork|connect ... | deep ... | names ... | rename-under ... | kill-parent ...  (as run)
       acts under COMMAND...   runs COMMAND as a child of a process that only waits for it
";

/// Runs one command and returns its exit code.
pub fn command(args: Vec<String>) -> i32 {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["list"] => list(),
        ["list", "--json"] => print(&format!("{:#}\n", table::json())),
        ["under", rest @ ..] => under(rest),
        ["run", name, rest @ ..] => with(rest, |context, _| perform(name, context)),
        ["flood", what, rest @ ..] => with(rest, |context, _| perform(&format!("flood-{what}"), context)),
        ["deep", rest @ ..] => several(&["path-deep-near", "path-deep-over"], rest),
        ["names", rest @ ..] => several(&["name-not-utf8", "name-newline", "name-deleted"], rest),
        [name @ ("rename-under" | "kill-parent"), rest @ ..] => with(rest, |context, _| perform(name, context)),
        ["setup", rest @ ..] => with(rest, |context, owner| outside(setup::setup(&context.dir, owner))),
        ["serve", rest @ ..] => with(rest, |context, _| outside(serve::serve(&context.dir))),
        ["victim", rest @ ..] => with(rest, |context, _| outside(victim::victim(context))),
        _ => usage("no such command"),
    }
}

fn list() -> i32 {
    let mut lines = String::new();
    for act in table::all() {
        let core = if act.core { "core" } else { "" };
        lines.push_str(&format!(
            "{:<28} {:<11} {:<14} {:<5} {}\n",
            act.name, act.group, act.kind, core, act.does
        ));
    }
    print(&lines)
}

fn several(names: &[&str], rest: &[&str]) -> i32 {
    names
        .iter()
        .map(|name| with(rest, |context, _| perform(name, context)))
        .max()
        .unwrap_or(0)
}

fn perform(name: &str, context: &Context) -> i32 {
    let Some(act) = table::find(name) else {
        return usage(&format!("no act named {name}"));
    };
    let acted = (act.run)(context);
    let code = match &acted {
        Ok(()) => 0,
        Err(Stop::Skip(_)) => SKIPPED,
        Err(_) => 1,
    };
    print(&format!("{}\n", outcome(act, context, &acted)));
    code
}

fn outcome(act: &Act, context: &Context, acted: &Acted) -> Value {
    let (errno, skipped, wrong) = match acted {
        Ok(()) => (None, None, None),
        Err(Stop::Errno(number)) => (Some(*number), None, None),
        Err(Stop::Skip(reason)) => (None, Some(reason), None),
        Err(Stop::Wrong(reason)) => (None, None, Some(reason)),
    };
    json!({
        "name": act.name, "form": context.form.word(), "done": acted.is_ok(), "errno": errno,
        "object": context.resolve(act.object), "skipped": skipped, "wrong": wrong,
    })
}

/// Runs the command in a child, so that a command may end its parent without ending the caller.
fn under(rest: &[&str]) -> i32 {
    let args = rest.iter().map(|word| String::from(*word)).collect();
    let ended = child::fork(|| command(args)).and_then(child::wait);
    match ended {
        Ok(status) if libc::WIFEXITED(status) => libc::WEXITSTATUS(status),
        _ => 1,
    }
}

fn outside(acted: Acted) -> i32 {
    match acted {
        Ok(()) => 0,
        Err(stop) => {
            complain(&format!("acts: {stop:?}\n"));
            1
        }
    }
}

type Owner = Option<(u32, u32)>;

fn with(rest: &[&str], then: impl FnOnce(&Context, Owner) -> i32) -> i32 {
    match parse(rest) {
        Ok((context, owner)) => then(&context, owner),
        Err(message) => usage(&message),
    }
}

fn parse(rest: &[&str]) -> Result<(Context, Owner), String> {
    let mut context = Context {
        dir: String::new(),
        form: Form::Undeclared,
        port: None,
        fd: None,
        pid: None,
        victim_fd: None,
        addr: None,
        cgroup: None,
        seconds: 1,
        count: 1000,
        distinct: false,
    };
    let (mut uid, mut gid) = (None, None);
    let mut words = rest.iter().copied();
    while let Some(option) = words.next() {
        if option == "--distinct" {
            context.distinct = true;
            continue;
        }
        let value = words.next().ok_or_else(|| format!("{option} needs a value"))?;
        match option {
            "--dir" => context.dir = String::from(value.trim_end_matches('/')),
            "--form" => context.form = form(value)?,
            "--port" => context.port = Some(number(option, value)?),
            "--fd" => context.fd = Some(number(option, value)?),
            "--pid" => context.pid = Some(number(option, value)?),
            "--victim-fd" => context.victim_fd = Some(number(option, value)?),
            "--addr" => context.addr = Some(number(option, value)?),
            "--cgroup" => context.cgroup = Some(String::from(value)),
            "--seconds" => context.seconds = number(option, value)?,
            "--count" => context.count = number(option, value)?,
            "--uid" => uid = Some(number(option, value)?),
            "--gid" => gid = Some(number(option, value)?),
            _ => return Err(format!("no such option: {option}")),
        }
    }
    if !context.dir.starts_with('/') {
        return Err(String::from("--dir must be given, and absolute"));
    }
    Ok((context, uid.zip(gid)))
}

fn form(value: &str) -> Result<Form, String> {
    let found = Form::BOTH.into_iter().find(|form| form.word() == value);
    found.ok_or_else(|| format!("--form is declared or undeclared, not {value}"))
}

fn number<T: std::str::FromStr>(option: &str, value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| format!("{option}: {value} is not a number in range"))
}

fn usage(message: &str) -> i32 {
    complain(&format!("acts: {message}\n{USAGE}"));
    2
}

/// Writes to standard output in one call where the reader takes it in one.
pub(crate) fn print(text: &str) -> i32 {
    i32::from(emit(libc::STDOUT_FILENO, text).is_err())
}

fn complain(text: &str) {
    let _ = emit(libc::STDERR_FILENO, text);
}

fn emit(fd: i32, text: &str) -> Acted {
    let mut bytes = text.as_bytes();
    while !bytes.is_empty() {
        let wrote = sys::call!(libc::SYS_write, fd, bytes.as_ptr(), bytes.len())?;
        bytes = bytes
            .get(usize::try_from(wrote).unwrap_or(bytes.len())..)
            .unwrap_or(&[]);
    }
    Ok(())
}
