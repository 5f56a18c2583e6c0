//! `probity learn`: a run is watched without a declared set, and FILE becomes the set that would have allowed it.

pub(crate) mod args;

use crate::complain;
use crate::watch::load;
use args::LearnArgs;
use probity_signatures::declared::Declared;
use probity_watch::launch::{Command, RunAs};
use probity_watch::learn::{About, Existing, Lesson, Observations, Place, learn, not_allowed};
use probity_watch::report::verdict::{INCOMPLETE, Verdict};
use probity_watch::session::{Observed, Options, observe};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Usage or configuration error.
const USAGE: u8 = 2;
/// The watcher failed.
const FAILED: u8 = 125;
/// The ports that Linux gives to those who ask for any, where the host does not say.
const EPHEMERAL: (u16, u16) = (32_768, 60_999);

/// Runs the command and gives its exit code, or what the watch says instead.
pub(crate) fn run(args: &LearnArgs) -> ExitCode {
    let run_as = args.user.clone().map_or(RunAs::Invoking, RunAs::User);
    let home = run_as.home();
    let (existing, place) = match prepare(args, home.as_deref()) {
        Ok(prepared) => prepared,
        Err(message) => {
            complain(&message);
            return ExitCode::from(USAGE);
        }
    };
    let Some((program, rest)) = args.command.split_first() else {
        complain("no command");
        return ExitCode::from(USAGE);
    };
    let mut command = Command::new(program, rest.iter().cloned());
    command.allow_root = args.allow_root;
    command.run_as = run_as;
    let observed = observe(Options {
        command,
        declared: None,
        events: None,
        events_all: false,
        linger: args.linger.into(),
        best_effort: false,
    });
    match observed {
        Ok(observed) => conclude(args, home.as_deref(), existing.as_ref(), &place, &observed),
        Err(error) => {
            complain(&error.to_string());
            ExitCode::from(error.exit_code())
        }
    }
}

/// The file as it is, and where the run takes place.
fn prepare(args: &LearnArgs, home: Option<&Path>) -> Result<(Option<(String, Declared)>, Place), String> {
    let shown = args.output.display();
    let text = match fs::read_to_string(&args.output) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(format!("{shown}: {error}")),
    };
    let existing = match text {
        Some(text) => load(std::slice::from_ref(&args.output), &args.vars, home)?.map(|set| (text, set)),
        None => None,
    };
    let mut place = Place {
        ephemeral: ephemeral(),
        home: real(
            home.map(Path::to_owned)
                .or_else(|| std::env::var_os("HOME").map(PathBuf::from)),
        ),
        temporary: real(std::env::var_os("TMPDIR").map(PathBuf::from))
            .into_iter()
            .collect(),
        ..Place::default()
    };
    let work = real(std::env::current_dir().ok());
    match &existing {
        Some((_, set)) => {
            let own = set
                .vars
                .iter()
                .filter(|(_, value)| real(Some(PathBuf::from(value))).as_ref() == Some(*value));
            place
                .variables
                .extend(own.map(|(name, value)| (name.clone(), value.clone())));
        }
        None => {
            let work = work.filter(|work| Some(work) != place.home.as_ref() && !work.contains("${"));
            place.variables.extend(work.map(|work| ("work".to_owned(), work)));
        }
    }
    place
        .variables
        .extend(place.home.clone().map(|home| ("HOME".to_owned(), home)));
    Ok((existing, place))
}

/// A directory below the root, if that is its real name: rules are about real names.
fn real(path: Option<PathBuf>) -> Option<String> {
    let path = path?;
    let real = fs::canonicalize(&path).ok()?;
    let text = path.to_str()?.trim_end_matches('/');
    (real.to_str() == Some(text) && text.len() > 1).then(|| text.to_owned())
}

fn ephemeral() -> (u16, u16) {
    let read = || {
        let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
        let mut words = text.split_whitespace().map(str::parse);
        Some((words.next()?.ok()?, words.next()?.ok()?))
    };
    read().unwrap_or(EPHEMERAL)
}

fn conclude(
    args: &LearnArgs,
    home: Option<&Path>,
    existing: Option<&(String, Declared)>,
    place: &Place,
    observed: &Observed,
) -> ExitCode {
    let seen = Observations::of(&observed.tally);
    let report = &observed.report;
    let subject = observed.subject.as_ref().and_then(|(path, sha256)| {
        let path = fs::canonicalize(path).ok()?;
        Some((path.to_str()?.to_owned(), sha256.clone()))
    });
    let about = About {
        command: report.cmd.clone(),
        date: report.started.get(..10).unwrap_or_default().to_owned(),
        subject,
        incomplete: report.reasons.clone(),
    };
    let known = existing.map(|(text, set)| Existing { text, set });
    let mut lesson = learn(&seen, place, &about, known.as_ref());
    if let Some((_, set)) = existing {
        lesson.warnings.extend(other_subject(set, &about));
    }
    let changed = known.as_ref().is_none_or(|known| known.text != lesson.text);
    if changed && let Err(error) = write(&args.output, &lesson.text) {
        complain(&format!("{}: {error}", args.output.display()));
        return ExitCode::from(FAILED);
    }
    let missing = match load(std::slice::from_ref(&args.output), &args.vars, home) {
        Ok(Some(set)) => not_allowed(&seen, &set, &lesson.text),
        Ok(None) => Vec::new(),
        Err(message) => {
            complain(&format!("what was learned does not load: {message}"));
            return ExitCode::from(FAILED);
        }
    };
    tell(args, &lesson, &missing);
    let lacking = report.verdict == Verdict::Clean && !(lesson.incomplete.is_empty() && missing.is_empty());
    ExitCode::from(if lacking { INCOMPLETE } else { report.exit_code })
}

fn other_subject(set: &Declared, about: &About) -> Option<String> {
    let subject = set.subject.as_ref()?;
    let (exec, sha256) = about.subject.as_ref()?;
    let hex = |digest: &[u8; 32]| digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let other = !subject.sha256.is_empty() && !subject.sha256.iter().any(|digest| hex(digest) == *sha256);
    other.then(|| {
        format!(
            "{}: the subject is another program than {exec} with sha256 {sha256}",
            subject.at
        )
    })
}

/// The new text in the place of the old, never half of it.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mode = fs::metadata(path).map(|metadata| metadata.permissions()).ok();
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(text.as_bytes())?;
    let mode = mode.unwrap_or_else(|| std::os::unix::fs::PermissionsExt::from_mode(0o644));
    file.as_file().set_permissions(mode)?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

fn tell(args: &LearnArgs, lesson: &Lesson, missing: &[String]) {
    for warning in &lesson.warnings {
        complain(&format!("warning: {warning}"));
    }
    for reason in &lesson.incomplete {
        complain(&format!("incomplete: {reason}"));
    }
    for what in missing {
        complain(&format!("incomplete: the set does not allow {what}"));
    }
    if !args.quiet {
        let shown = args.output.display();
        match lesson.added {
            0 => complain(&format!("{shown}: nothing new")),
            1 => complain(&format!(
                "{shown}: 1 line is new; read it before you hold anything to it"
            )),
            added => complain(&format!(
                "{shown}: {added} lines are new; read them before you hold anything to them"
            )),
        }
    }
}
