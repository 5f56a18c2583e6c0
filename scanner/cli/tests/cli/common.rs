//! Runs the binary with a time bound, and reads its reports.

use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// No scan of these tests may take longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// What one run left behind.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// The most memory that was resident, in KiB, as last seen before the end.
    pub(crate) peak: u64,
    pub(crate) took: Duration,
}

impl Run {
    /// The report as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {}{}", self.stdout, self.stderr))
    }

    /// The exit code, the verdict and `complete` of a JSON report.
    #[track_caller]
    pub(crate) fn expect(&self, code: i32, verdict: &str, complete: bool) -> Value {
        let report = self.json();
        assert_eq!(
            (self.code, report["verdict"].as_str(), report["complete"].as_bool()),
            (code, Some(verdict), Some(complete)),
            "{}{}",
            self.stdout,
            self.stderr
        );
        report
    }
}

/// The binary.
pub(crate) fn probity() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_probity"));
    // `CI` makes a dumb terminal count as one with colours.
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI"] {
        command.env_remove(name);
    }
    command
}

/// Runs the binary in `dir`.
pub(crate) fn run_in<S: AsRef<OsStr>>(dir: &Path, args: &[S]) -> Run {
    let mut command = probity();
    command.current_dir(dir).args(args);
    run(command, Stdio::null())
}

/// `probity scan --format json` in `dir`.
pub(crate) fn scan<S: AsRef<OsStr>>(dir: &Path, args: &[S]) -> Run {
    let mut command = probity();
    command.current_dir(dir).args(["scan", "--format", "json"]).args(args);
    run(command, Stdio::null())
}

/// Runs the binary in `dir` with `input` on standard input.
pub(crate) fn run_fed<S: AsRef<OsStr>>(dir: &Path, args: &[S], input: &[u8]) -> Run {
    let mut command = probity();
    command
        .current_dir(dir)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeder = thread::spawn(move || {
        // The child may have read enough: a closed pipe is its right.
        let _ = pipe.write_all(&input);
    });
    let run = wait(child);
    feeder.join().unwrap();
    run
}

/// Runs a command and waits for its end.
pub(crate) fn run(mut command: Command, stdin: Stdio) -> Run {
    wait(
        command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    )
}

/// Waits for a child whose outputs are pipes; a hang is a failure.
pub(crate) fn wait(mut child: Child) -> Run {
    let started = Instant::now();
    let (stdout, stderr) = (drain(child.stdout.take()), drain(child.stderr.take()));
    let mut peak = 0;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        peak = high_water(child.id()).unwrap_or(peak);
        if started.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("not finished after {PATIENCE:?}");
        }
        thread::sleep(Duration::from_millis(2));
    };
    Run {
        code: status.code().unwrap_or_else(|| panic!("{status}")),
        stdout: String::from_utf8(stdout.join().unwrap()).expect("reports are UTF-8"),
        stderr: String::from_utf8(stderr.join().unwrap()).expect("messages are UTF-8"),
        peak,
        took: started.elapsed(),
    }
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            pipe.read_to_end(&mut bytes).unwrap();
        }
        bytes
    })
}

fn high_water(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// A report without what may differ between two runs.
pub(crate) fn scrubbed(mut report: Value) -> Value {
    report["summary"]["seconds"] = Value::Null;
    report["summary"]["bytes_read"] = Value::Null;
    report
}

/// The artifacts of a report.
pub(crate) fn artifacts(report: &Value) -> &[Value] {
    report["artifacts"].as_array().map_or(&[], Vec::as_slice)
}

/// The paths of the roots that are files.
pub(crate) fn files(report: &Value) -> Vec<&str> {
    let roots = artifacts(report)
        .iter()
        .filter(|a| a["nested"].is_null() && a["format"] != "directory");
    roots.filter_map(|a| a["path"].as_str()).collect()
}

/// The artifact at `path` itself.
#[track_caller]
pub(crate) fn root<'a>(report: &'a Value, path: &str) -> &'a Value {
    let found = artifacts(report)
        .iter()
        .find(|a| a["path"] == path && a["nested"].is_null());
    found.unwrap_or_else(|| panic!("no {path} in {report:#}"))
}

/// The codes of an artifact's errors.
pub(crate) fn errors(artifact: &Value) -> Vec<&str> {
    let errors = artifact["errors"].as_array().into_iter().flatten();
    errors.filter_map(|e| e["code"].as_str()).collect()
}

/// The codes of all findings of a report.
pub(crate) fn findings(report: &Value) -> Vec<&str> {
    let findings = artifacts(report)
        .iter()
        .filter_map(|a| a["findings"].as_array())
        .flatten();
    findings.filter_map(|f| f["code"].as_str()).collect()
}

/// A temporary directory.
pub(crate) fn temp() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// Writes `bytes` to `dir/name`, with the directories it needs.
pub(crate) fn put(dir: &Path, name: impl AsRef<Path>, bytes: &[u8]) -> PathBuf {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path
}

/// Bytes that no format knows and that hold nothing to report.
pub(crate) fn plain() -> Vec<u8> {
    b"\x00\x01plain bytes\xfe\xff".to_vec()
}

/// Bytes whose worst finding has the severity; `None` when nothing is wrong with them.
pub(crate) fn bytes_of(severity: Option<&str>) -> Vec<u8> {
    match severity {
        None => plain(),
        Some("info") => b"\x00\x01 http://10.0.0.1/ \xfe\xff".to_vec(),
        Some("low") => b"\x00\x01 http://8.8.8.8/ \xfe\xff".to_vec(),
        Some("medium") => b"\x00\x01 http://0x08080808/ \xfe\xff".to_vec(),
        Some("high") => {
            let mut file = probity_tests::build::gzip::gzip(b"content");
            file.extend_from_slice(b"bytes after the end of the stream");
            file
        }
        Some(other) => panic!("no bytes for {other}"),
    }
}

/// Says that a test could not run here.
pub(crate) fn skip(reason: &str) {
    eprintln!("probity-skip: {reason}");
}

/// Whether the tests run as root.
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0)
}

/// The binary as a user whom permissions bind; `None` when there is no way to that.
pub(crate) fn probity_unprivileged(place: &Path) -> Option<Command> {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    const NOBODY: u32 = 65534;
    if !is_root() {
        return Some(probity());
    }
    // The build directory may be closed to others: the copy is not.
    let binary = place.join("probity");
    fs::copy(env!("CARGO_BIN_EXE_probity"), &binary).ok()?;
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).ok()?;
    fs::set_permissions(place, fs::Permissions::from_mode(0o755)).ok()?;
    let mut command = Command::new(binary);
    command.uid(NOBODY).gid(NOBODY);
    let works = Command::new("true")
        .uid(NOBODY)
        .gid(NOBODY)
        .status()
        .is_ok_and(|s| s.success());
    works.then_some(command)
}
