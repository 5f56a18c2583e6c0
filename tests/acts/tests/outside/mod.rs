//! What a harness keeps outside the watched tree: the fixtures, the listeners, a victim, a cgroup.

use std::io::{BufRead, BufReader, Read};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use probity_acts::context::Form;
use probity_acts::table::Act;
use rustix::io::{FdFlags, fcntl_setfd};
use serde_json::Value;
use tempfile::TempDir;

const ACTS: &str = env!("CARGO_BIN_EXE_acts");

/// How one run ended.
pub(crate) enum Ran {
    Done(Value),
    Skipped(String),
    Failed(String),
}

/// Everything that runs outside; dropping it ends and removes it.
pub(crate) struct Outside {
    dir: TempDir,
    serve: Helper,
    victims: [Helper; 2],
    cgroups: Option<Cgroups>,
}

impl Outside {
    pub(crate) fn start() -> Outside {
        let dir = tempfile::Builder::new().prefix("acts").tempdir_in("/tmp").unwrap();
        setup(dir.path());
        let serve = Helper::start(dir.path(), &["serve"]);
        let victims = Form::BOTH.map(|form| Helper::start(dir.path(), &["victim", "--form", form.word()]));
        Outside {
            dir,
            serve,
            victims,
            cgroups: Cgroups::make(),
        }
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn setup(&self) {
        setup(self.dir.path());
    }

    /// Runs one act with everything its row asks for, for at most a minute.
    pub(crate) fn run(&self, act: &Act, form: Form) -> Ran {
        let mut command = Command::new(ACTS);
        // A child of `under`, so that an act which ends its parent does not end the test.
        command
            .args(["under", "run", act.name, "--dir"])
            .arg(self.dir())
            .args(["--form", form.word()]);
        if let Some(service) = act.service {
            let Some(port) = self.serve.ready[form.folder()][service].as_u64() else {
                return Ran::Skipped(format!("no {service} service on this host"));
            };
            command.arg("--port").arg(port.to_string());
        }
        let inherited = act.takes.contains(&"fd").then(|| {
            let path = self.dir().join(form.folder()).join("inherited");
            let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
            fcntl_setfd(&file, FdFlags::empty()).unwrap();
            file
        });
        if let Some(file) = &inherited {
            command.arg("--fd").arg(file.as_raw_fd().to_string());
        }
        if act.takes.contains(&"pid") {
            let victim = &self.victims[usize::from(form == Form::Undeclared)].ready;
            for (option, key) in [("--pid", "pid"), ("--victim-fd", "fd"), ("--addr", "addr")] {
                command.arg(option).arg(victim[key].to_string());
            }
        }
        if act.takes.contains(&"cgroup") {
            let Some(cgroups) = &self.cgroups else {
                return Ran::Skipped(String::from("no cgroup v2 that a group can be made in"));
            };
            command.arg("--cgroup").arg(cgroups.of(form));
        }
        finished(act, form, command)
    }
}

fn finished(act: &Act, form: Form, mut command: Command) -> Ran {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            child.wait().unwrap();
            return Ran::Failed(format!("{} ({}) does not end", act.name, form.word()));
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    let mut line = String::new();
    child.stdout.take().unwrap().read_to_string(&mut line).unwrap();
    let Ok(told) = serde_json::from_str::<Value>(&line) else {
        return Ran::Failed(format!(
            "{} ({}) printed {line:?} and ended with {status}",
            act.name,
            form.word()
        ));
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

fn setup(dir: &Path) {
    let out = Command::new(ACTS).args(["setup", "--dir"]).arg(dir).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

/// A mode of `acts` that prints one line when it is ready and ends when its standard input does.
struct Helper {
    child: Child,
    ready: Value,
}

impl Helper {
    fn start(dir: &Path, args: &[&str]) -> Helper {
        let (mode, rest) = args.split_first().unwrap();
        let mut command = Command::new(ACTS);
        command
            .args([mode, "--dir"])
            .arg(dir)
            .args(rest)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let ready = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{args:?} printed {line:?}: {error}"));
        Helper { child, ready }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Two empty cgroups under the tests' own.
struct Cgroups(PathBuf);

impl Cgroups {
    fn make() -> Option<Cgroups> {
        let own = std::fs::read_to_string("/proc/self/cgroup").ok()?;
        let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
        let mount = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"]
            .into_iter()
            .find(|mount| Path::new(mount).join("cgroup.controllers").exists())?;
        let path = Path::new(mount)
            .join(own)
            .join(format!("probity-acts-{}", std::process::id()));
        std::fs::create_dir(&path).ok()?;
        let cgroups = Cgroups(path);
        Form::BOTH
            .iter()
            .all(|form| std::fs::create_dir(cgroups.of(*form)).is_ok())
            .then_some(cgroups)
    }

    fn of(&self, form: Form) -> PathBuf {
        self.0.join(form.folder())
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        for form in Form::BOTH {
            let _ = std::fs::remove_dir(self.of(form));
        }
        let _ = std::fs::remove_dir(&self.0);
    }
}
