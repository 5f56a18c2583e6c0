//! Starting `contain` from a test, reading its report, and waiting for things with a deadline.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use probity_watch::launch::Cgroup;
use serde_json::Value;

/// Why no command can be contained here, or `None`.
pub(crate) fn unable() -> Option<&'static str> {
    static UNABLE: OnceLock<Option<String>> = OnceLock::new();
    let reason = UNABLE.get_or_init(|| {
        if !rustix::process::geteuid().is_root() {
            return Some("not root".to_owned());
        }
        Cgroup::create_under_own().err().map(|error| error.to_string())
    });
    reason.as_deref()
}

/// A directory for one test, with the report of its watcher.
pub(crate) struct Scene {
    dir: tempfile::TempDir,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        // Other users run commands in it.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(dir.path(), open).expect("permissions can be set");
        Self { dir }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes an executable file.
    pub(crate) fn program(&self, name: &str, content: &[u8]) -> String {
        let path = self.path(name);
        fs::write(&path, content).expect("a file can be written");
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .expect("permissions can be set");
        path.to_str().expect("UTF-8").to_owned()
    }

    /// The shell command line of `contain`, for tests that need something in front of it.
    pub(crate) fn contain_line(&self) -> String {
        let own = std::env::current_exe().expect("own path");
        format!("{} contain --report {}", own.display(), self.path("report").display())
    }

    /// `contain OPTIONS -- CMD`, not started.
    pub(crate) fn contain(&self, options: &[&str], cmd: &[&str]) -> Command {
        let mut command = Command::new(std::env::current_exe().expect("own path"));
        command
            .arg("contain")
            .arg("--report")
            .arg(self.path("report"))
            .args(options)
            .arg("--")
            .args(cmd);
        command.stdin(Stdio::null());
        for key in ["SUDO_UID", "SUDO_GID", "SUDO_USER", "PKEXEC_UID", "DOAS_USER"] {
            command.env_remove(key);
        }
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, options: &[&str], cmd: &[&str]) -> Output {
        self.contain(options, cmd).output().expect("the test binary runs")
    }

    /// Starts it and waits for its report of `event`.
    pub(crate) fn start(&self, options: &[&str], cmd: &[&str], event: &str) -> Watcher<'_> {
        let mut command = self.contain(options, cmd);
        command.stdout(Stdio::null());
        let watcher = Watcher {
            child: command.spawn().expect("the test binary runs"),
            scene: self,
        };
        watcher.scene.report(event);
        watcher
    }

    /// The reported line of `event`, which has to come.
    pub(crate) fn report(&self, event: &str) -> Value {
        let mut found = None;
        until(&format!("report of {event}"), || {
            found = self.reported(event);
            found.is_some()
        });
        found.expect("just found")
    }

    /// The reported line of `event`, if it is there.
    pub(crate) fn reported(&self, event: &str) -> Option<Value> {
        let text = fs::read_to_string(self.path("report")).unwrap_or_default();
        let whole = text.rsplit_once('\n').map_or("", |(lines, _)| lines);
        whole
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .find(|value| value["event"] == event)
    }

    /// A number that a command wrote into a file.
    pub(crate) fn number(&self, name: &str) -> i32 {
        let mut number = None;
        until(&format!("number in {name}"), || {
            let text = fs::read_to_string(self.path(name)).unwrap_or_default();
            number = text.strip_suffix('\n').and_then(|n| n.parse().ok());
            number.is_some()
        });
        number.expect("just read")
    }

    /// As [`Self::assert_clean`], for a command that may not have been found.
    pub(crate) fn assert_clean_if_prepared(&self) {
        if self.reported("prepared").is_some() {
            self.assert_clean();
        }
    }

    /// Nothing of the watcher is left: not its cgroup, not its guardian.
    pub(crate) fn assert_clean(&self) {
        let prepared = self.report("prepared");
        let cgroup = PathBuf::from(prepared["cgroup"].as_str().expect("a path"));
        until("the cgroup to go", || !cgroup.exists());
        until("the guardian to go", || !alive(pid(&prepared["guardian"])));
    }
}

/// A running `contain`, killed and reaped at the end of its test.
pub(crate) struct Watcher<'a> {
    pub(crate) child: Child,
    scene: &'a Scene,
}

impl Watcher<'_> {
    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a process id")
    }

    /// Its exit code, within the deadline.
    pub(crate) fn code(&mut self) -> i32 {
        let mut status = None;
        until("the watcher to end", || {
            status = self.child.try_wait().expect("it is our child");
            status.is_some()
        });
        status.and_then(|s| s.code()).expect("it ended by itself")
    }
}

impl Drop for Watcher<'_> {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Polls until `condition` holds, at most 20 seconds.
#[track_caller]
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "waited 20 s for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process exists and is not a zombie.
pub(crate) fn alive(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        stat.rsplit(')')
            .next()
            .is_some_and(|rest| !rest.trim_start().starts_with(['Z', 'X']))
    })
}

pub(crate) fn pid(value: &Value) -> i32 {
    value
        .as_i64()
        .and_then(|n| i32::try_from(n).ok())
        .expect("a process id")
}

pub(crate) fn kill(pid: i32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(pid).expect("not zero");
    rustix::process::kill_process(pid, signal).expect("the process exists");
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The mount point of cgroup2.
pub(crate) fn cgroup2_mount() -> PathBuf {
    let info = fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
    let line = info
        .lines()
        .find(|line| line.contains(" - cgroup2 "))
        .expect("cgroup2 is mounted");
    Path::new(line.split(' ').nth(4).expect("a mount point")).to_owned()
}
