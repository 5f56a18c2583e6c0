//! One watched run of all acts, and which of their events arrived.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use probity_abi::config::Config;

use super::acts::{self, Object, Row, Scene};
use super::backends::{self, Backend};
use super::document::{Act as Entry, Program, Standing, State};
use super::scene::Stage;
use super::{Obstacle, PERFORM, coverage};
use crate::act::{Act, Backend as Seen, Kind, Object as Of};
use crate::kernel::btf::Types;
use crate::kernel::programs;
use crate::kernel::{load, probe};
use crate::launch::{Command, Linger};
use crate::session::{Capability, LoadError, Loaded, Options, watch_with};

/// What the probes found.
pub(super) struct Found {
    pub(super) acts: Vec<Entry>,
    pub(super) backends: Vec<Backend>,
    pub(super) programs: Vec<Program>,
    pub(super) lost: Vec<String>,
}

/// Tries everything.
pub(super) fn observe(executable: &Path, arguments: &[&str]) -> Result<Found, Obstacle> {
    let types = Types::shared()
        .map_err(load::LoadError::from)
        .map_err(LoadError::from)?;
    let rows: Vec<&'static programs::Row> = programs::of(probe::choose(None).backend).collect();
    let loaded = Loaded::load(
        &Config {
            classes: 1,
            ..Config::default()
        },
        None,
        &rows,
    )?;
    let programs = loaded.programs.iter().map(program).collect();
    drop(loaded);
    let mut backends = backends::try_all(types);
    let stage = Stage::set(executable, arguments)?;
    let scene = serde_json::to_string(&stage.scene).map_err(|error| Obstacle::Probe {
        what: "the probe's arguments",
        source: error.into(),
    })?;
    let words = arguments.iter().copied().chain([PERFORM, &scene]);
    let mut command = Command::new(executable, words.map(str::to_owned).collect::<Vec<_>>());
    command.allow_root = true;
    command.run_as = crate::launch::RunAs::User("0:0".to_owned());
    let options = Options {
        command,
        declared: None,
        events: None,
        events_all: true,
        linger: Linger::Kill,
        best_effort: false,
    };
    let arrived = Rc::new(RefCell::new(Vec::new()));
    let sink = Rc::clone(&arrived);
    let report = watch_with(options, Box::new(move |act| sink.borrow_mut().push(act.clone())))?;
    let done = acts::performed(&stage.scene.dir).map_err(Obstacle::probe("the acts were not done"))?;
    let arrived = arrived.borrow();
    let entries: Vec<Entry> = acts::rows()
        .map(|row| {
            let done = done.iter().find(|done| done.name == row.name);
            entry(row, done, &arrived, &stage.scene)
        })
        .collect();
    for (name, backend, adds) in [
        ("trace", Seen::Trace, "the acts above that say so"),
        (
            "cgroup",
            Seen::Cgroup,
            "addresses of connections and datagrams, names in DNS answers",
        ),
    ] {
        let runs = arrived.iter().any(|act| act.backend == backend);
        backends.push(Backend {
            name,
            runs,
            why: (!runs).then(|| "its programs attach, and no event of theirs arrived".to_owned()),
            adds,
        });
    }
    Ok(Found {
        acts: entries,
        backends,
        programs,
        lost: report
            .lost
            .iter()
            .map(|(place, count)| format!("{count} lost: {place}"))
            .collect(),
    })
}

fn program(capability: &Capability) -> Program {
    let state = match &capability.refused {
        None => State::Loaded,
        Some(why) if why.contains("has no tracepoint") => State::Absent,
        Some(_) => State::Refused,
    };
    Program {
        name: capability.row.name,
        target: capability.row.target,
        sees: capability.row.sees,
        state,
        why: capability.refused.clone(),
        verified: capability.verified,
    }
}

fn entry(row: &'static Row, done: Option<&acts::Done>, arrived: &[Act], scene: &Scene) -> Entry {
    let seen = done.and_then(|done| arrived.iter().find(|act| is_of(row, done.child, act, scene)));
    let outcome = done.map_or(Err(acts::sys::Stop::Wrong), acts::Done::outcome);
    let (standing, reason) = match (seen, outcome) {
        (Some(_), _) => (Standing::Observed, None),
        (None, Ok(())) => {
            let why = coverage::known(row.name).unwrap_or("the act was done and no event arrived");
            (Standing::Blind, Some(why.to_owned()))
        }
        (None, Err(acts::sys::Stop::Lacks)) => (Standing::Absent, Some("this host cannot do it".to_owned())),
        (None, Err(acts::sys::Stop::Errno(number))) => (
            Standing::Untried,
            Some(std::io::Error::from_raw_os_error(number).to_string()),
        ),
        (None, Err(acts::sys::Stop::Wrong)) => (Standing::Untried, Some("the act had no effect".to_owned())),
    };
    Entry {
        act: row.name,
        group: row.group,
        kind: row.kind.word(),
        core: row.core,
        standing,
        backend: seen.map(|act| act.backend.word()),
        blockable: false,
        blockable_with: stopped_by(row.kind),
        reason,
        cost: (standing == Standing::Blind).then_some(row.cost),
    }
}

/// Whether an event is that of a row's act.
fn is_of(row: &Row, child: i32, act: &Act, scene: &Scene) -> bool {
    if act.kind != row.kind {
        return false;
    }
    let of_child = u32::try_from(child).is_ok_and(|child| child != 0 && act.process.tgid == child);
    let is_path = |wanted: &Path| match &act.object {
        Of::File { path, second, .. } => [path, second].contains(&&wanted.as_os_str().as_encoded_bytes().to_vec()),
        _ => false,
    };
    match row.object {
        Object::OfChild => of_child,
        Object::File(name) => of_child && is_path(&scene.dir.join(name)),
        Object::Tmpfs(name) => of_child && scene.tmpfs.as_ref().is_some_and(|dir| is_path(&dir.join(name))),
        Object::Answer => match &act.object {
            Of::Datagram { bytes, .. } => bytes.windows(acts::QUESTION.len()).any(|part| part == acts::QUESTION),
            _ => false,
        },
    }
}

/// What could stop an act of this kind; this version stops nothing.
fn stopped_by(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::NET_CONNECT | Kind::NET_SEND | Kind::NET_BIND | Kind::NET_SOCKET => "cgroup programs",
        Kind::FILE_OPEN
        | Kind::FILE_CREATE
        | Kind::FILE_RENAME
        | Kind::FILE_UNLINK
        | Kind::FILE_LINK
        | Kind::FILE_TRUNCATE => "BPF LSM, or Landlock at launch",
        Kind::EXEC => "BPF LSM, or Landlock at launch",
        Kind::EXIT | Kind::NET_DNS | Kind::CGROUP_ESCAPE => return None,
        Kind::INT80 | Kind::IO_URING | Kind::PERF | Kind::BPF | Kind::USERFAULTFD => "BPF LSM, or seccomp at launch",
        _ => "BPF LSM",
    })
}
