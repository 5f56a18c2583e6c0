//! `--exe`: every start of one executable, whoever starts it.

use super::actor::{Actor, Thread};
use super::{touched, turn, undeclared, watched};
use probity_watch::session::Target;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A set that allows what a shell and cat need, and no file of the test.
const SHELL: &str = r#"
version = 1
name = "a tool"
[[file]]
access = ["read", "map"]
paths = ["/usr/**", "/lib/**", "/lib64/**", "/etc/**", "/dev/**"]
[[exec]]
paths = ["/usr/**", "/bin/**"]
"#;

struct Files(tempfile::TempDir);

impl Files {
    fn make() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    fn file(&self, name: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, "x").expect("room");
        path
    }

    fn tool(&self) -> PathBuf {
        let path = self.0.path().join("tool");
        std::fs::copy("/bin/sh", &path).expect("a shell");
        path
    }
}

fn run(program: &Path, script: &str) {
    let done = Command::new(program).args(["-c", script]).output().expect("it runs");
    assert!(done.status.success(), "{done:?}");
}

#[test]
fn every_start_is_seen_with_its_children_and_nothing_else() {
    let Some(_turn) = turn() else { return };
    let files = Files::make();
    let tool = files.tool();
    let cat = |name: &str| format!("cat {}; true", files.file(name).display());
    let (first, second, early, other) = (cat("first"), cat("second"), cat("early"), cat("other"));
    let mut running = Actor::start(Command::new(&tool).args(["-c", &format!("echo ready; read go; {early}")]));
    let mut go = running.go();
    let thread = Thread::current();
    let program = tool.clone();
    let report = watched(Target::Exe(tool), SHELL, move |running| {
        assert_eq!(running, 1);
        run(&program, &first);
        run(Path::new("/bin/sh"), &format!("{} -c '{second}'", program.display()));
        run(Path::new("/bin/sh"), &other);
        go.line();
        // The adopted one has ended when its output has: its parent is us.
        std::thread::sleep(std::time::Duration::from_millis(300));
        thread.terminate();
    })
    .expect("it can be watched");
    for name in ["/first", "/second", "/early"] {
        assert!(undeclared(&report, "file.open", name), "{name}: {:?}", report.objects);
    }
    assert!(!touched(&report, "/other"), "{:?}", report.objects);
    assert!(!undeclared(&report, "exec", "/tool"), "{:?}", report.objects);
    let ran = report
        .notes
        .iter()
        .any(|note| note.starts_with("1 process ran already"));
    assert!(ran, "{:?}", report.notes);
}

#[test]
fn a_replaced_executable_is_watched_again() {
    let Some(_turn) = turn() else { return };
    let files = Files::make();
    let tool = files.tool();
    let script = format!("cat {}; true", files.file("late").display());
    let thread = Thread::current();
    let program = tool.clone();
    let (said, heard) = std::sync::mpsc::channel();
    let act = std::thread::spawn(move || {
        heard.recv().expect("the watch begins");
        let new = program.with_extension("new");
        std::fs::copy("/bin/sh", &new).expect("a shell");
        std::fs::rename(&new, &program).expect("one directory");
        // Ten passes: the watcher looks ten times a second.
        std::thread::sleep(std::time::Duration::from_secs(1));
        run(&program, &script);
        thread.terminate();
    });
    let report = watched(Target::Exe(tool), SHELL, move |_| {
        said.send(()).expect("the actor waits")
    })
    .expect("it can be watched");
    act.join().expect("the actor ended");
    assert!(undeclared(&report, "file.open", "/late"), "{:?}", report.objects);
    assert!(
        report.notes.iter().any(|note| note.contains("was replaced")),
        "{:?}",
        report.notes
    );
}

#[test]
fn another_digest_is_refused_before_anything_is_watched() {
    let Some(_turn) = turn() else { return };
    let files = Files::make();
    let tool = files.tool();
    let subject = |mismatch: &str| {
        let digest = "0".repeat(64);
        format!("{SHELL}\n[subject]\nsha256 = [\"{digest}\"]\non_mismatch = \"{mismatch}\"\n")
    };
    let refused = watched(Target::Exe(tool.clone()), &subject("refuse"), |_| {
        panic!("it was watched")
    });
    let error = refused.expect_err("it is refused");
    assert_eq!(error.exit_code(), 125);
    assert!(error.to_string().contains("has sha256"), "{error}");

    let mut running = Actor::start(Command::new(&tool).args(["-c", "echo ready; read go"]));
    let go = running.go();
    let report = watched(Target::Pid(running.pid()), &subject("report"), move |_| drop(go));
    let report = report.expect("it is watched all the same");
    assert!(
        report.reasons.iter().any(|reason| reason.contains("has sha256")),
        "{:?}",
        report.reasons
    );
    assert_eq!(report.exit_code, 121);
}
