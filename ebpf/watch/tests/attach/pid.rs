//! `--pid`: a running tree, by lineage.

use super::actor::{Actor, Thread};
use super::{ended_in_time, touched, turn, undeclared, watched};
use probity_watch::session::Target;
use std::path::Path;
use std::process::Command;

const SYSTEM: &str = r#"
version = 1
name = "a running tree"
[[file]]
access = ["read", "map"]
paths = ["/usr/**", "/lib/**", "/lib64/**", "/etc/**", "/proc/**", "/sys/**", "/dev/**"]
[[exec]]
paths = ["/usr/**", "/bin/**"]
"#;

/// Parent, child, and a grandchild in a session of its own. Argument 1 is open before, 2 is opened by the grandchild.
const TREE: &str = r#"
import os, sys, socket, time
held = os.open(sys.argv[1], os.O_RDONLY)
ready, say = os.pipe()
if os.fork() == 0:
    if os.fork() == 0:
        os.setsid()
        os.write(say, b"x")
        sys.stdin.readline()
        os.read(held, 1)
        os.close(os.open(sys.argv[2], os.O_RDONLY))
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind(("127.0.0.1", 0))
        s.sendto(b"x", ("127.0.0.9", 9))
        os._exit(0)
    os.wait()
    os._exit(0)
os.read(ready, 1)
print("ready", flush=True)
os.wait()
"#;

#[test]
fn a_tree_is_adopted_with_what_it_has_open() {
    let Some(_turn) = turn() else { return };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = |name: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, "x").expect("room");
        path
    };
    let (held, secret, aside) = (file("held"), file("secret"), file("aside"));
    let mut tree = Actor::python(TREE, &[&held, &secret]);
    let mut go = tree.go();
    let bystander = aside.clone();
    let report = watched(Target::Pid(tree.pid()), SYSTEM, move |running| {
        assert_eq!(running, 3);
        let other = Command::new("cat").arg(&bystander).output().expect("cat runs");
        assert!(other.status.success());
        go.line();
    })
    .expect("it can be watched");
    ended_in_time(&report);
    assert_eq!(report.exit_code, 120, "{:?}", report.reasons);
    assert_eq!(report.cmd, Vec::<String>::new());
    assert_eq!(report.cmd_exit, None);
    assert!(undeclared(&report, "file.open", "/secret"), "{:?}", report.objects);
    assert!(undeclared(&report, "file.read", "/held"), "{:?}", report.objects);
    assert!(
        undeclared(&report, "net.send", "127.0.0.9:9/udp"),
        "{:?}",
        report.objects
    );
    assert!(report.objects.iter().any(|entry| entry.kind == "net.bind"));
    assert!(!touched(&report, "/aside"), "{:?}", report.objects);
    let listed = |name: &Path| {
        let name = format!("{} (read)", name.display());
        report
            .uncovered
            .iter()
            .filter(|item| item.what.ends_with(&name))
            .count()
    };
    assert_eq!(listed(&held), 3, "{:?}", report.uncovered);
    assert_eq!(listed(&secret), 0);
    let json: serde_json::Value = serde_json::from_str(&report.to_json()).expect("a document");
    assert_eq!(json["attached"]["pid"], tree.pid());
    assert!(json["cmd_exit"].is_null());
}

/// A parent that lives on, and a child that ends when it is told to. Says the child's number in the file of argument 1.
const PARENT: &str = r#"
import os, sys
child = os.fork()
if child == 0:
    sys.stdin.readline()
    os._exit(0)
open(sys.argv[1], "w").write(str(child))
print("ready", flush=True)
os.waitpid(child, 0)
open(sys.argv[1], "w").write("gone")
sys.stdin.readline()
"#;

#[test]
fn a_number_that_is_used_again_is_not_the_tree() {
    let Some(_turn) = turn() else { return };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (told, secret) = (directory.path().join("told"), directory.path().join("secret"));
    std::fs::write(&secret, "x").expect("room");
    let mut tree = Actor::python(PARENT, &[&told]);
    let child: u32 = std::fs::read_to_string(&told).expect("told").parse().expect("a number");
    let mut go = tree.go();
    let read = secret.clone();
    let (send, reused) = std::sync::mpsc::channel();
    let report = watched(Target::Pid(tree.pid()), SYSTEM, move |running| {
        assert_eq!(running, 2);
        go.line();
        for _ in 0..500 {
            if std::fs::read_to_string(&told).is_ok_and(|text| text == "gone") {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let again = (0..50).any(|_| {
            let set = std::fs::write("/proc/sys/kernel/ns_last_pid", (child - 1).to_string());
            let other = Command::new("cat")
                .arg(&read)
                .stdout(std::process::Stdio::null())
                .spawn();
            let (Ok(()), Ok(mut other)) = (set, other) else {
                return false;
            };
            let number = other.id();
            let _ = other.wait();
            number == child
        });
        send.send(again).expect("the test waits");
        go.line();
    })
    .expect("it can be watched");
    if !reused.recv().expect("it was tried") {
        eprintln!("probity-skip: no number could be used again here");
        return;
    }
    ended_in_time(&report);
    assert!(!touched(&report, "/secret"), "{:?}", report.objects);
}

const WAITS: &str = r#"
import sys
print("ready", flush=True)
sys.stdin.readline()
"#;

#[test]
fn a_signal_ends_the_watch_and_not_the_tree() {
    let Some(_turn) = turn() else { return };
    let mut tree = Actor::python(WAITS, &[]);
    let _go = tree.go();
    let thread = Thread::current();
    let report = watched(Target::Pid(tree.pid()), SYSTEM, move |_| thread.terminate());
    let report = report.expect("the report is written");
    assert_eq!(report.exit_code, 0, "{:?}", report.reasons);
    let said = report.notes.iter().any(|note| note.contains("ended by signal 15"));
    assert!(said, "{:?}", report.notes);
    assert!(tree.is_alive());
}
