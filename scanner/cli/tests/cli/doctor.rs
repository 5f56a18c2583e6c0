//! `probity doctor`, and what `probity watch` says where nothing can be watched.

use crate::common::{Run, probity, run};
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Root with a cgroup2 file system and type information; else the reason why not.
fn lacking() -> Option<&'static str> {
    let root = is_root();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let cgroup2 = mounts.contains(" - cgroup2 ");
    let btf = PathBuf::from("/sys/kernel/btf/vmlinux").exists();
    match (root, cgroup2, btf) {
        (false, ..) => Some("needs root"),
        (_, false, _) => Some("needs a cgroup2 file system"),
        (.., false) => Some("needs a kernel with BTF"),
        _ => None,
    }
}

fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .any(|line| line.starts_with("Uid:") && line.split_ascii_whitespace().nth(2) == Some("0"))
}

fn skipped() -> bool {
    let why = lacking();
    if let Some(why) = why {
        eprintln!("probity-skip: {why}");
    }
    why.is_some()
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value
        .as_object()
        .map(|object| object.keys().map(String::as_str).collect())
        .unwrap();
    keys.sort_unstable();
    keys
}

#[test]
fn core_acts_are_observed_and_the_schema_stands() {
    if skipped() {
        return;
    }
    let mut command = probity();
    command.args(["doctor", "--format", "json"]);
    let run = run(command, Stdio::null());
    let document = run.json();
    assert_eq!(document["schema"], "probity.doctor/1");
    assert_eq!(document["refused"], Value::Null, "{}", run.stderr);
    assert_eq!(
        keys(&document),
        [
            "acts",
            "backends",
            "cgroup",
            "exit_code",
            "host",
            "lost",
            "programs",
            "refused",
            "schema",
            "version"
        ]
    );
    assert_eq!(
        keys(&document["acts"][0]),
        [
            "act",
            "backend",
            "blockable",
            "blockable_with",
            "core",
            "cost",
            "group",
            "kind",
            "reason",
            "standing"
        ]
    );
    assert_eq!(
        keys(&document["programs"][0]),
        ["name", "sees", "state", "target", "verified", "why"]
    );
    assert_eq!(keys(&document["backends"][0]), ["adds", "name", "runs", "why"]);
    assert_eq!(
        keys(&document["host"]),
        [
            "btf",
            "in_user_namespace",
            "kernel",
            "lsm",
            "machine",
            "missing_capabilities",
            "names",
            "settings"
        ]
    );
    let acts = document["acts"].as_array().unwrap();
    let unseen: Vec<&Value> = acts
        .iter()
        .filter(|act| act["core"] == true && act["standing"] != "observed")
        .collect();
    assert!(unseen.is_empty(), "{unseen:#?}");
    assert!(acts.iter().filter(|act| act["core"] == true).count() >= 15);
    for act in acts {
        assert_eq!(act["backend"].is_string(), act["standing"] == "observed", "{act}");
        assert_eq!(act["cost"].is_string(), act["standing"] == "blind", "{act}");
        assert_eq!(act["reason"].is_string(), act["standing"] != "observed", "{act}");
        assert_eq!(act["blockable"], false, "{act}");
    }
    let blind = acts.iter().any(|act| act["standing"] == "blind");
    assert_eq!(run.code, i32::from(blind), "{}", run.stderr);
    assert_eq!(document["exit_code"], run.code);
    let left = std::fs::read_dir(std::env::temp_dir()).unwrap().filter_map(Result::ok);
    let left: Vec<_> = left
        .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"probity-doctor-"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Runs a line of shell in a mount namespace of its own, with the binary as `$P`.
fn in_namespace(line: &str) -> Run {
    let mut command = Command::new("unshare");
    command
        .args(["-m", "sh", "-c", line])
        .env("P", env!("CARGO_BIN_EXE_probity"))
        .env_remove("SUDO_UID");
    run(command, Stdio::null())
}

/// Where nothing can be watched: `doctor` exits 3 and `watch` 125, each with one clear line; the command does not run
/// unless that was asked for.
fn check_refusal(prepare: &str, run_as: &str, expect: &str) {
    let clear = |run: &Run, code: i32| {
        let lines: Vec<&str> = run.stderr.lines().collect();
        assert_eq!((run.code, lines.len()), (code, 1), "{}", run.stderr);
        assert!(lines[0].contains(expect), "{}", run.stderr);
    };
    let doctor = in_namespace(&format!("{prepare} exec {run_as} $P doctor"));
    clear(&doctor, 3);
    assert!(
        doctor.stdout.starts_with("probity doctor: cannot watch"),
        "{}",
        doctor.stdout
    );
    let watch = in_namespace(&format!("{prepare} exec {run_as} $P watch --allow-root -- echo ran"));
    clear(&watch, 125);
    assert_eq!(watch.stdout, "");
    let bare = in_namespace(&format!(
        "{prepare} exec {run_as} $P watch --allow-root --best-effort -- sh -c 'echo ran; exit 3'"
    ));
    assert_eq!((bare.code, bare.stdout.as_str()), (121, "ran\n"), "{}", bare.stderr);
    assert!(
        bare.stderr.contains("unwatched") && bare.stderr.contains("exited 3"),
        "{}",
        bare.stderr
    );
}

#[test]
fn without_privileges_one_line_says_which() {
    if skipped() {
        return;
    }
    // A copy that nobody may reach; the build's own directory may be closed.
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("probity");
    std::fs::copy(env!("CARGO_BIN_EXE_probity"), &copy).unwrap();
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let prepare = format!("P={} &&", copy.display());
    let nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups";
    check_refusal(
        &prepare,
        nobody,
        "no CAP_BPF, no CAP_PERFMON, no CAP_NET_ADMIN: run as root",
    );
}

#[test]
fn without_cgroup2_one_line_says_so() {
    if skipped() {
        return;
    }
    let unmount = "awk '/ - cgroup2 /{print $5}' /proc/self/mountinfo | xargs -n1 umount -l &&";
    check_refusal(unmount, "", "no cgroup2 file system is mounted here");
}

#[test]
fn without_type_information_one_line_says_so() {
    if skipped() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let hide = format!("mount --bind {} /sys/kernel/btf &&", dir.path().display());
    check_refusal(&hide, "", "no type information at /sys/kernel/btf/vmlinux");
}

#[test]
fn a_ring_that_is_allowed_and_not_used_leaves_the_verdict_alone() {
    if skipped() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (set, report) = (dir.path().join("ring.declared.toml"), dir.path().join("report.json"));
    let every = "access = [\"read\", \"write\", \"create\", \"delete\", \"metadata\", \"map\"]\npaths = [\"/**\"]";
    let text = format!(
        "version = 1\nname = \"ring\"\n[[file]]\n{every}\n[[exec]]\npaths = [\"/**\"]\n[kernel]\nio_uring = \"allow\"\n"
    );
    std::fs::write(&set, text).unwrap();
    let mut command = probity();
    command
        .args(["watch", "--allow-root", "--quiet", "--declared"])
        .arg(&set)
        .arg("--report")
        .arg(&report)
        .args(["--", "true"]);
    let run = run(command, Stdio::null());
    let report: Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    assert_eq!(run.code, 0, "{} {report}", run.stderr);
    let blind = report["blind"].as_array().unwrap();
    assert!(blind.iter().all(|blind| blind["matters"] == false), "{blind:?}");
    let names = |name: &str| blind.iter().any(|blind| blind["act"].as_str().unwrap().contains(name));
    assert!(
        names("opens through io_uring") && !names("io_uring_submit"),
        "{blind:?}"
    );
}
