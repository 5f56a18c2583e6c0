//! A command under `probity watch`: started, talked to, and what the watcher said when it ended.
//!
//! The command is mostly a shell: its builtins read, write and change directory without another process. What the shell
//! itself needs is declared by exact name, since a distribution's libraries may have several links.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::place::Place;

/// A run that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(300);

/// The binary.
pub(crate) fn probity() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_probity"));
    command.env_remove("LANG").env("LC_ALL", "C").env_remove("LD_PRELOAD");
    command
}

/// The binary of the single acts, built when it is missing or old.
pub(crate) fn acts() -> &'static Path {
    static ACTS: OnceLock<PathBuf> = OnceLock::new();
    ACTS.get_or_init(|| {
        let probity = Path::new(env!("CARGO_BIN_EXE_probity"));
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--package", "probity-acts"]);
        build.arg("--target-dir").arg(probity.ancestors().nth(2).unwrap());
        assert!(build.status().unwrap().success(), "the acts could not be built");
        probity.ancestors().nth(2).unwrap().join("debug/acts")
    })
}

/// Rules for what the shell and the tools of the tests need for themselves.
pub(crate) fn tools() -> &'static str {
    static TOOLS: OnceLock<String> = OnceLock::new();
    TOOLS.get_or_init(|| {
        let names = [
            "sh",
            "cat",
            "mv",
            "rm",
            "ln",
            "mkdir",
            "cp",
            "chroot",
            "unshare",
            "mount",
            "umount",
            "pivot_root",
        ];
        let mut programs: Vec<PathBuf> = names.iter().filter_map(|name| find(name)).collect();
        programs.push(acts().to_path_buf());
        let mut libraries = BTreeSet::new();
        for program in &programs {
            let listed = Command::new("ldd").arg(program).output().unwrap();
            for word in String::from_utf8_lossy(&listed.stdout).split_whitespace() {
                if word.starts_with('/') {
                    libraries.insert(fs::canonicalize(word).unwrap());
                }
            }
        }
        let quoted =
            |paths: &mut dyn Iterator<Item = &PathBuf>| paths.map(|path| format!("{path:?}, ")).collect::<String>();
        let programs: BTreeSet<PathBuf> = programs.iter().map(|path| fs::canonicalize(path).unwrap()).collect();
        format!(
            "[[exec]]\npaths = [{}]\n[[file]]\naccess = [\"read\", \"map\"]\npaths = [{}\"/etc/ld.so.cache\"]\n\
             [[file]]\naccess = [\"read\", \"write\"]\npaths = [\"/dev/null\"]\n\
             [[file]]\naccess = [\"read\"]\npaths = [\"/proc/filesystems\"]\n",
            quoted(&mut programs.iter()),
            quoted(&mut libraries.iter()),
        )
    })
}

fn find(name: &str) -> Option<PathBuf> {
    let folders = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];
    folders
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.exists())
}

/// A run that is to be started.
pub(crate) struct Watch<'a> {
    place: &'a Place,
    pub(crate) command: Command,
    rules: Option<String>,
}

impl Place {
    /// A run under these rules, beside those for the tools.
    pub(crate) fn watch(&self, rules: &str) -> Watch<'_> {
        self.watch_exactly(&format!("version = 1\nname = \"test\"\n{rules}\n{}", tools()))
    }

    /// A run under exactly this declared set.
    pub(crate) fn watch_exactly(&self, set: &str) -> Watch<'_> {
        let mut watch = self.inventory();
        watch.rules = Some(set.to_owned());
        watch
    }

    /// A run under no rules.
    pub(crate) fn inventory(&self) -> Watch<'_> {
        let mut command = probity();
        command.args(["watch", "--allow-root"]);
        command
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Watch {
            place: self,
            command,
            rules: None,
        }
    }
}

impl Watch<'_> {
    /// Adds options of `probity watch`.
    pub(crate) fn options<S: AsRef<std::ffi::OsStr>>(mut self, options: &[S]) -> Self {
        self.command.args(options);
        self
    }

    /// Runs a script of the shell to its end.
    #[track_caller]
    pub(crate) fn sh(self, script: &str) -> Seen {
        self.start(&["/bin/sh", "-c", script]).end()
    }

    /// Runs an act to its end.
    #[track_caller]
    pub(crate) fn act(self, words: &[&str]) -> Seen {
        let mut all = vec![acts().to_str().unwrap()];
        all.extend(words);
        self.start(&all).end()
    }

    /// Starts a command.
    pub(crate) fn start<S: AsRef<std::ffi::OsStr>>(mut self, words: &[S]) -> Running {
        let (events, report) = (self.place.beside("events"), self.place.beside("report"));
        let _ = fs::remove_file(&events);
        let _ = fs::remove_file(&report);
        if let Some(rules) = &self.rules {
            let path = self.place.beside("set.declared.toml");
            fs::write(&path, rules).unwrap();
            self.command.arg("--declared").arg(path);
        }
        let given: Vec<OsString> = self.command.get_args().map(OsString::from).collect();
        for (option, path) in [("--events", &events), ("--report", &report)] {
            if !given.iter().any(|word| word == option) {
                self.command.arg(option).arg(path);
            }
        }
        self.command.arg("--").args(words);
        let mut child = self.command.spawn().unwrap();
        let stderr = drained(child.stderr.take());
        Running {
            stdin: child.stdin.take(),
            stdout: child.stdout.take().map(BufReader::new),
            child,
            stderr,
            events,
            report,
        }
    }
}

/// A run that is under way.
pub(crate) struct Running {
    pub(crate) child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<BufReader<ChildStdout>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
    events: PathBuf,
    report: PathBuf,
}

impl Running {
    /// The next line that the command prints.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.as_mut().unwrap().read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Gives the command a line.
    pub(crate) fn say(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Waits for the end; a hang is a failure.
    #[track_caller]
    pub(crate) fn end(mut self) -> Seen {
        drop(self.stdin.take());
        let stdout = drained(self.stdout.take());
        let started = Instant::now();
        let mut peak = 0;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            peak = high_water(self.child.id()).unwrap_or(peak);
            if started.elapsed() > PATIENCE {
                self.child.kill().unwrap();
                panic!("not finished after {PATIENCE:?}");
            }
            thread::sleep(Duration::from_millis(5));
        };
        let bytes = |pipe: Option<JoinHandle<Vec<u8>>>| pipe.map_or_else(Vec::new, |pipe| pipe.join().unwrap());
        let events = fs::read(&self.events).unwrap_or_default();
        let report = fs::read(&self.report).unwrap_or_default();
        Seen {
            status,
            stdout: bytes(stdout),
            stderr: String::from_utf8_lossy(&bytes(self.stderr)).into_owned(),
            events: events
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
                .map(|line| serde_json::from_slice(line).unwrap())
                .collect(),
            report: serde_json::from_slice(&report).unwrap_or_default(),
            peak,
        }
    }
}

fn drained(pipe: Option<impl Read + Send + 'static>) -> Option<JoinHandle<Vec<u8>>> {
    pipe.map(|mut pipe| {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = pipe.read_to_end(&mut bytes);
            bytes
        })
    })
}

/// The most memory that a process had so far, in kB.
fn high_water(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// What the watcher said.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
    pub(crate) events: Vec<Value>,
    pub(crate) report: Value,
    /// kB.
    pub(crate) peak: u64,
}

impl Seen {
    /// The exit code, or 128 and the signal.
    pub(crate) fn code(&self) -> i32 {
        self.status
            .code()
            .unwrap_or_else(|| 128 + self.status.signal().unwrap_or(0))
    }

    /// The acts that are not declared, each as `verdict kind path`; a path that is not UTF-8 in base64.
    pub(crate) fn acts(&self) -> Vec<String> {
        let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
        let mut acts: Vec<String> = self
            .events
            .iter()
            .filter(|event| event["verdict"].as_str().is_some_and(|verdict| verdict != "declared"))
            .map(|event| {
                let object = &event["object"];
                let path = if object["path"].is_string() {
                    &object["path"]
                } else {
                    &object["path_b64"]
                };
                format!("{} {} {}", text(&event["verdict"]), text(&event["kind"]), text(path))
            })
            .collect();
        acts.dedup();
        acts
    }

    /// Nothing but what is declared was done, and the command ended well.
    #[track_caller]
    pub(crate) fn declared(&self) {
        assert_eq!((self.code(), self.acts()), (0, vec![]), "{}", self.said());
    }

    /// Exactly these acts were not declared.
    #[track_caller]
    pub(crate) fn violates(&self, acts: &[String]) {
        assert_eq!((self.code(), self.acts()), (120, acts.to_vec()), "{}", self.said());
    }

    /// Everything, for a failure's message.
    pub(crate) fn said(&self) -> String {
        let reasons = [
            &self.report["reasons"],
            &self.report["incomplete"],
            &self.report["notes"],
        ];
        let stdout = String::from_utf8_lossy(&self.stdout);
        format!("{reasons:?}\n{stdout}\n{}\n{:#?}", self.stderr, self.events)
    }
}
