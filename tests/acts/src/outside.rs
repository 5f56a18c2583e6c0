//! What a harness keeps outside the watched tree: the fixtures, the listeners, two victims, two cgroups.
//!
//! It prepares one act at a time and hands over the command line and the declared set; it starts no watcher and judges
//! nothing. `tests/acts/README.md` says how a harness uses it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::io::{FdFlags, fcntl_setfd};
use serde_json::Value;
use tempfile::TempDir;

use crate::context::Form;
use crate::table::Act;

/// Everything that runs outside; dropping it ends and removes it.
pub struct Outside {
    acts: PathBuf,
    serve: Mode,
    victims: [Mode; 2],
    cgroups: Option<Cgroups>,
    dir: TempDir,
}

/// One act's command line, and what must stay open until it has been started.
pub struct Launch {
    /// The `acts` binary and its arguments.
    pub words: Vec<OsString>,
    _inherited: Option<File>,
}

impl Launch {
    /// The act as a child of `before` (a watcher's command line up to `--`), or by itself when that is empty.
    ///
    /// By itself it runs behind `acts under`, so that an act which ends its parent does not end the harness.
    pub fn command(&self, before: &[OsString]) -> Command {
        let alone = [self.words[0].clone(), "under".into()];
        let (before, rest) = if before.is_empty() {
            (&alone[..], &self.words[1..])
        } else {
            (before, &self.words[..])
        };
        let mut command = Command::new(&before[0]);
        command
            .args(&before[1..])
            .args(rest)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        command
    }
}

impl Outside {
    /// Makes a fixture folder below the system's temporary folder and starts what must run; `acts` is the binary.
    pub fn start(acts: &Path) -> io::Result<Outside> {
        let dir = tempfile::Builder::new().prefix("acts").tempdir()?;
        setup(acts, dir.path())?;
        let serve = Mode::start(acts, dir.path(), &["serve"])?;
        let [declared, undeclared] =
            Form::BOTH.map(|form| Mode::start(acts, dir.path(), &["victim", "--form", form.word()]));
        let victims = [declared?, undeclared?];
        Ok(Outside {
            acts: acts.to_path_buf(),
            serve,
            victims,
            cgroups: Cgroups::make(dir.path()),
            dir,
        })
    }

    /// The fixture folder, absolute.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Restores the fixtures, which acts use up.
    pub fn setup(&self) -> io::Result<()> {
        setup(&self.acts, self.dir.path())
    }

    /// Everything that the act's row asks for, as a command line; or why this host cannot offer it.
    ///
    /// A harness may append options of its own, such as `--cgroup` or `--count`: the last one of a name counts.
    pub fn launch(&self, act: &Act, form: Form) -> Result<Launch, String> {
        let mut words: Vec<OsString> = vec![self.acts.clone().into(), "run".into(), act.name.into()];
        words.extend(["--dir".into(), self.dir().into(), "--form".into(), form.word().into()]);
        if let Some(service) = act.service {
            let port = self
                .port(service, form)
                .ok_or_else(|| format!("no {service} service on this host"))?;
            words.extend(["--port".into(), port.to_string().into()]);
        }
        let mut inherited = None;
        if act.takes.contains(&"fd") {
            let file = self
                .inherited(form)
                .map_err(|error| format!("no descriptor to inherit: {error}"))?;
            words.extend(["--fd".into(), file.as_raw_fd().to_string().into()]);
            inherited = Some(file);
        }
        if act.takes.contains(&"pid") {
            let victim = &self.victims[usize::from(form == Form::Undeclared)].ready;
            for (option, key) in [("--pid", "pid"), ("--victim-fd", "fd"), ("--addr", "addr")] {
                words.extend([option.into(), victim[key].to_string().into()]);
            }
        }
        if act.takes.contains(&"cgroup") {
            let cgroups = self
                .cgroups
                .as_ref()
                .ok_or("no cgroup v2 in which a group can be made")?;
            words.extend(["--cgroup".into(), cgroups.of(form).into()]);
        }
        Ok(Launch {
            words,
            _inherited: inherited,
        })
    }

    /// The declared set for the act in this form, with every variable replaced.
    ///
    /// A harness whose own cgroups the tree lives in replaces `${CGROUP}` itself; here it is the one that
    /// [`Outside::launch`] names.
    pub fn declared_set(&self, act: &Act, form: Form) -> String {
        let allowed = act
            .service
            .and_then(|service| self.port(service, Form::Declared))
            .unwrap_or(0);
        let cgroup = self.cgroups.as_ref().map(|cgroups| cgroups.of(form));
        act.declared_set(form)
            .replace("${DIR}", &self.dir().to_string_lossy())
            .replace("${ACTS}", &self.acts.to_string_lossy())
            .replace("${PORT}", &allowed.to_string())
            .replace("${CGROUP}", &cgroup.unwrap_or_default().to_string_lossy())
    }

    fn port(&self, service: &str, form: Form) -> Option<u64> {
        self.serve.ready[form.folder()][service].as_u64()
    }

    fn inherited(&self, form: Form) -> io::Result<File> {
        let path = self.dir().join(form.folder()).join("inherited");
        let file = File::options().read(true).write(true).open(path)?;
        fcntl_setfd(&file, FdFlags::empty())?;
        Ok(file)
    }
}

fn setup(acts: &Path, dir: &Path) -> io::Result<()> {
    let out = Command::new(acts).args(["setup", "--dir"]).arg(dir).output()?;
    match out.status.success() {
        true => Ok(()),
        false => Err(io::Error::other(String::from_utf8_lossy(&out.stderr).into_owned())),
    }
}

/// A mode of `acts` that prints one line when it is ready and ends when its standard input does.
struct Mode {
    child: Child,
    ready: Value,
    _stdout: BufReader<ChildStdout>,
}

impl Mode {
    fn start(acts: &Path, dir: &Path, words: &[&str]) -> io::Result<Mode> {
        let mut command = Command::new(acts);
        command
            .args(words)
            .arg("--dir")
            .arg(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let stdout = child.stdout.take().ok_or_else(|| io::Error::other("no pipe"))?;
        let (mut stdout, mut line) = (BufReader::new(stdout), String::new());
        stdout.read_line(&mut line)?;
        let ready = serde_json::from_str(&line);
        match ready {
            Ok(ready) => Ok(Mode {
                child,
                ready,
                _stdout: stdout,
            }),
            Err(error) => {
                child.kill()?;
                child.wait()?;
                Err(io::Error::other(format!("acts {words:?} printed {line:?}: {error}")))
            }
        }
    }
}

impl Drop for Mode {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Two empty cgroups, one per form, under the harness's own.
struct Cgroups(PathBuf);

impl Cgroups {
    fn make(dir: &Path) -> Option<Cgroups> {
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
        let is_v2 = |mount: &&str| Path::new(mount).join("cgroup.controllers").exists();
        let mount = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].into_iter().find(is_v2)?;
        let path = Path::new(mount)
            .join(own)
            .join(format!("probity-{}", dir.file_name()?.to_string_lossy()));
        fs::create_dir(&path).ok()?;
        let cgroups = Cgroups(path);
        Form::BOTH
            .iter()
            .all(|form| fs::create_dir(cgroups.of(*form)).is_ok())
            .then_some(cgroups)
    }

    fn of(&self, form: Form) -> PathBuf {
        self.0.join(form.folder())
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        for form in Form::BOTH {
            let _ = fs::remove_dir(self.of(form));
        }
        let _ = fs::remove_dir(&self.0);
    }
}
