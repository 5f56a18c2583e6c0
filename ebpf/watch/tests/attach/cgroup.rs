//! `--cgroup`: a container, as its runtime makes one.

use super::actor::{Actor, Group};
use super::{ended_in_time, touched, turn, undeclared, watched};
use probity_watch::session::Target;
use std::process::Command;

const CONTAINER: &str = r#"
version = 1
name = "a container"
[[file]]
access = ["read", "map"]
paths = ["/usr/**", "/lib/**", "/lib64/**", "/etc/**", "/dev/**", "/data/**"]
[[exec]]
paths = ["/usr/**", "/bin/**"]
[kernel]
mount = "allow"
"#;

/// Joins the cgroup $1, makes a root of its own below $2, and waits there.
const RUNTIME: &str = r#"
set -e
echo $$ > "$1/cgroup.procs"
mount -t tmpfs none "$2"
cd "$2"
mkdir usr data old dev proc
for name in bin lib lib64; do ln -s usr/$name $name; done
mount --rbind /usr usr
mount --rbind /proc proc
echo x > data/given
echo x > secret
echo x > dev/null
pivot_root . old
cd /
umount -l old
exec /usr/bin/sh -c 'echo ready; read go; cat /data/given; cat /secret; cat /data/given'
"#;

#[test]
fn rules_mean_the_containers_own_root() {
    let Some(_turn) = turn() else { return };
    let Some(group) = Group::make("container") else {
        return eprintln!("probity-skip: no cgroup of version 2 can be made here");
    };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let aside = directory.path().join("aside");
    std::fs::write(&aside, "x").expect("room");
    let root = directory.path().join("root");
    std::fs::create_dir(&root).expect("room");
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", RUNTIME, "sh"]);
    let mut container = Actor::start(command.arg(group.nested()).arg(&root));
    let mut go = container.go();
    let report = watched(Target::Cgroup(group.0.clone()), CONTAINER, move |running| {
        assert_eq!(running, 1);
        let other = Command::new("cat").arg(&aside).output().expect("cat runs");
        assert!(other.status.success());
        go.line();
    })
    .expect("it can be watched");
    ended_in_time(&report);
    assert_eq!(report.exit_code, 120, "{:?}", report.reasons);
    assert!(undeclared(&report, "file.open", "/secret"), "{:?}", report.objects);
    assert!(!undeclared(&report, "file.open", "/data/given"), "{:?}", report.objects);
    assert!(!touched(&report, "/aside"), "{:?}", report.objects);
    assert!(report.declared.acts > 0);
    let secret = report.objects.iter().find(|entry| entry.name.ends_with("/secret"));
    assert_eq!(secret.map(|entry| entry.name.as_str()), Some("/secret"));
    let program = secret.and_then(|entry| entry.exe.as_deref());
    assert_eq!(program, Some("/usr/bin/cat"), "{:?}", report.objects);
    assert!(group.nested().exists(), "nothing of others is removed");
}

#[test]
fn an_empty_cgroup_is_waited_for() {
    let Some(_turn) = turn() else { return };
    let Some(group) = Group::make("empty") else {
        return eprintln!("probity-skip: no cgroup of version 2 can be made here");
    };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let secret = directory.path().join("secret");
    std::fs::write(&secret, "x").expect("room");
    let script = format!(
        "echo $$ > {}/cgroup.procs; exec sh -c 'cat {}; true'",
        group.nested().display(),
        secret.display()
    );
    // By its path below the mount, as /proc/PID/cgroup shows it.
    let name = std::path::Path::new("/").join(group.0.file_name().expect("it has a name"));
    let report = watched(Target::Cgroup(name), CONTAINER, move |running| {
        assert_eq!(running, 0);
        let status = Command::new("sh").args(["-c", &script]).output().expect("sh runs");
        assert!(status.status.success());
    })
    .expect("it can be watched");
    ended_in_time(&report);
    assert!(undeclared(&report, "file.open", "/secret"), "{:?}", report.objects);
    assert_eq!(report.exit_code, 120);
}
