//! Pins over directories that change. Nothing here needs privileges: every root is a temporary directory.

use super::{Change, PinSet, Root};
use crate::compile::files::{Entry, FileRule, Files, Note, compile};
use crate::compile::{Decision, Limits, decide};
use probity_abi::access::{CREATE, DELETE, EXEC, READ, WRITE};
use probity_abi::policy::DEAD;
use probity_abi::state::Held;
use proptest::prelude::*;
use rustix::fs::{Mode, OFlags};
use std::collections::BTreeSet;
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

fn open(directory: &Path) -> OwnedFd {
    rustix::fs::open(
        directory,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .unwrap()
}

fn rule(number: u16, allow: u8, deny: u8, pattern: &str) -> FileRule {
    FileRule {
        rule: number,
        allow,
        deny,
        pattern: pattern.into(),
    }
}

fn compiled(root: &Path, rules: &[FileRule]) -> Files {
    compile(&Root::new(open(root)).unwrap(), rules, Limits::default()).unwrap()
}

fn pinned(root: &Path, rules: &[FileRule]) -> (Files, PinSet) {
    let files = compiled(root, rules);
    let set = PinSet::resolve(open(root), &files).unwrap();
    assert_eq!(set.notes().collect::<Vec<_>>(), Vec::<&Change>::new());
    (files, set)
}

fn number_of(path: &Path) -> u64 {
    fs::symlink_metadata(path).unwrap().ino()
}

/// Decides as the programs do: from the object upwards, at each ancestor that is pinned.
fn judge(root: &Path, files: &Files, set: &PinSet, path: &str, needed: u8) -> Decision {
    let pins: Vec<(u64, u32)> = set
        .requests()
        .map(|pin| (rustix::fs::fstat(&pin.fd).unwrap().st_ino, pin.state))
        .collect();
    let ends = (0..=path.len())
        .rev()
        .filter(|end| *end == path.len() || path.as_bytes()[*end] == b'/');
    let entered = ends.filter_map(|end| {
        let ino = number_of(&root.join(path[..end].trim_start_matches('/')));
        let pin = pins.iter().find(|pin| pin.0 == ino)?;
        Some((pin.1, &path.as_bytes()[end..]))
    });
    decide(&files.automaton.united(entered), needed)
}

fn write(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, path.as_os_str().as_encoded_bytes()).unwrap();
}

#[test]
fn a_prefix_with_symbolic_links_holds_under_its_canonical_name() {
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path();
    write(&root.join("run/docker.sock"));
    write(&root.join("usr/bin/python3.11"));
    fs::create_dir_all(root.join("var")).unwrap();
    // Absolute links mean the subject's root, not ours.
    symlink("/run", root.join("var/run")).unwrap();
    symlink("python3.11", root.join("usr/bin/python3")).unwrap();
    let rules = [
        rule(1, READ | EXEC | DELETE, 0, "/usr/bin/python3"),
        rule(2, 0, WRITE, "/var/run/docker.sock"),
        rule(3, READ, 0, "/var/run/**"),
        rule(4, CREATE, 0, "/var/run/new/deep/*.pid"),
    ];
    let (files, set) = pinned(root, &rules);
    let judge = |path: &str, needed: u8| judge(root, &files, &set, path, needed);
    assert_eq!(judge("/usr/bin/python3.11", READ | EXEC), Decision::Declared(1));
    assert_eq!(judge("/usr/bin/python3.11", DELETE), Decision::Undeclared(DELETE));
    assert_eq!(judge("/usr/bin/python3", DELETE), Decision::Declared(1));
    assert_eq!(judge("/run/docker.sock", READ), Decision::Declared(3));
    assert_eq!(judge("/run/docker.sock", WRITE), Decision::Denied(2, WRITE));
    let paths: Vec<&[u8]> = files.bases.iter().map(|base| base.path.as_slice()).collect();
    assert!(
        paths.contains(&&b"/run/new/deep"[..]) && paths.contains(&&b"/run"[..]),
        "{files:?}"
    );
    assert!(
        !paths.contains(&&b"/usr/bin/python3.11"[..]),
        "what is only allowed is not pinned"
    );
    write(&root.join("run/new/deep/x.pid"));
    assert_eq!(judge("/run/new/deep/x.pid", CREATE), Decision::Declared(4));
}

#[test]
fn a_link_out_of_the_root_stays_inside() {
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path().join("root");
    write(&root.join("etc/passwd"));
    write(&temporary.path().join("outside"));
    symlink("../../../../outside", root.join("etc/out")).unwrap();
    let (files, set) = pinned(&root, &[rule(1, 0, READ, "/etc/out"), rule(2, 0, READ, "/etc/passwd")]);
    let denied: Vec<&[u8]> = files
        .bases
        .iter()
        .filter(|base| base.entry == Entry::Denied)
        .map(|b| &*b.path)
        .collect();
    assert_eq!(denied, [&b"/etc/out"[..], b"/etc/passwd"]);
    let outside = number_of(&temporary.path().join("outside"));
    assert!(
        set.requests()
            .all(|pin| rustix::fs::fstat(&pin.fd).unwrap().st_ino != outside)
    );
}

#[test]
fn another_link_to_a_denied_file_is_denied_and_one_to_an_allowed_file_is_not_allowed() {
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path();
    write(&root.join("home/.ssh/id"));
    write(&root.join("home/.ssh/deep/key"));
    write(&root.join("home/.netrc"));
    write(&root.join("etc/passwd"));
    fs::create_dir(root.join("data")).unwrap();
    for (from, to) in [
        ("home/.ssh/id", "data/a"),
        ("home/.ssh/deep/key", "data/b"),
        ("home/.netrc", "data/c"),
        ("etc/passwd", "p"),
    ] {
        fs::hard_link(root.join(from), root.join(to)).unwrap();
    }
    let rules = [
        rule(1, 0, READ | WRITE, "/home/.ssh/**"),
        rule(2, 0, READ, "/home/.netrc"),
        rule(3, READ | WRITE, 0, "/data/**"),
        rule(4, READ, 0, "/etc/passwd"),
        rule(5, WRITE, 0, "/home/**"),
    ];
    let (files, set) = pinned(root, &rules);
    let judge = |path: &str, needed: u8| judge(root, &files, &set, path, needed);
    assert_eq!(files.denied, 2);
    assert_eq!(judge("/data/a", READ), Decision::Denied(1, READ));
    assert_eq!(judge("/data/b", WRITE), Decision::Denied(1, WRITE));
    assert_eq!(judge("/data/c", READ), Decision::Denied(2, READ));
    assert_eq!(judge("/data/c", WRITE), Decision::Declared(3));
    assert_eq!(judge("/p", READ), Decision::Undeclared(READ));
    assert_eq!(judge("/etc/passwd", READ), Decision::Declared(4));
    let leaf = set.requests().find(|pin| pin.path == b"/home/.netrc").unwrap();
    assert_eq!(
        files.automaton.grant(leaf.state).allow,
        0,
        "a denied leaf carries no permission to its other names"
    );
}

#[test]
fn a_denied_file_stays_denied_while_another_name_of_it_exists() {
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path();
    write(&root.join("secret"));
    write(&root.join("data/x"));
    fs::hard_link(root.join("secret"), root.join("data/copy")).unwrap();
    let (files, mut set) = pinned(root, &[rule(1, 0, READ, "/secret"), rule(2, READ, 0, "/data/**")]);
    fs::remove_file(root.join("secret")).unwrap();
    write(&root.join("secret"));
    let changes = set.refresh();
    assert!(matches!(changes[..], [Change::Pinned { .. }]), "{changes:?}");
    assert_eq!(judge(root, &files, &set, "/data/copy", READ), Decision::Denied(1, READ));
    fs::remove_file(root.join("data/copy")).unwrap();
    let changes = set.refresh();
    assert!(matches!(changes[..], [Change::Unpinned { .. }]), "{changes:?}");
    assert_eq!(set.refresh(), []);
}

#[test]
fn moving_a_directory_does_not_take_its_denials_away() {
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path();
    write(&root.join("data/safe/deep/x"));
    let rules = [
        rule(1, READ | WRITE | CREATE | DELETE, 0, "/data/**"),
        rule(2, 0, WRITE, "/data/safe/**"),
    ];
    let (files, mut set) = pinned(root, &rules);
    fs::rename(root.join("data/safe"), root.join("data/other")).unwrap();
    fs::create_dir(root.join("data/safe")).unwrap();
    let check = |set: &PinSet| {
        assert_eq!(
            judge(root, &files, set, "/data/other/deep/x", WRITE),
            Decision::Denied(2, WRITE)
        );
        assert_eq!(
            judge(root, &files, set, "/data/other/deep/x", READ),
            Decision::Declared(1)
        );
    };
    check(&set);
    let changes = set.refresh();
    assert!(
        matches!(changes[..], [Change::Restated { .. }, Change::Pinned { .. }]),
        "{changes:?}"
    );
    check(&set);
    fs::rename(root.join("data/other"), root.join("out")).unwrap();
    assert_eq!(
        judge(root, &files, &set, "/out/deep/x", READ),
        Decision::Undeclared(READ)
    );
    assert_eq!(
        judge(root, &files, &set, "/out/deep/x", WRITE),
        Decision::Denied(2, WRITE)
    );
    fs::remove_dir_all(root.join("out")).unwrap();
    let changes = set.refresh();
    assert!(
        matches!(changes[..], [Change::Unpinned { .. }, Change::Unpinned { .. }]),
        "{changes:?}"
    );
}

#[test]
fn a_denied_file_that_appears_is_pinned() {
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path();
    write(&root.join("data/x"));
    let (files, mut set) = pinned(root, &[rule(1, 0, READ, "/home/.netrc"), rule(2, READ, 0, "/data/**")]);
    write(&root.join("home/.netrc"));
    set.refresh();
    fs::hard_link(root.join("home/.netrc"), root.join("data/copy")).unwrap();
    assert_eq!(judge(root, &files, &set, "/data/copy", READ), Decision::Denied(1, READ));
    assert_eq!(judge(root, &files, &set, "/data/x", READ), Decision::Declared(2));
}

#[test]
fn a_replaced_directory_is_pinned_anew() {
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path();
    write(&root.join("data/a"));
    let (files, mut set) = pinned(root, &[rule(1, READ, 0, "/data/**")]);
    assert_eq!(set.refresh(), []);
    fs::rename(root.join("data"), root.join("old")).unwrap();
    // By identity the directory is still what the rule meant.
    assert_eq!(judge(root, &files, &set, "/old/a", READ), Decision::Declared(1));
    write(&root.join("data/b"));
    let changes = set.refresh();
    let state = set.requests().find(|pin| pin.path == b"/data").unwrap().state;
    let gone = Change::Unpinned {
        path: b"/data".to_vec(),
        address: None,
    };
    let fresh = Change::Pinned {
        path: b"/data".to_vec(),
        state,
    };
    assert_eq!(changes, [gone, fresh]);
    set.release();
    assert_eq!(judge(root, &files, &set, "/old/a", READ), Decision::Undeclared(READ));
    assert_eq!(judge(root, &files, &set, "/data/b", READ), Decision::Declared(1));
}

#[test]
fn a_directory_that_appears_is_pinned_and_a_link_is_not_followed() {
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path();
    write(&root.join("home/x"));
    write(&root.join("etc/shadow"));
    let (files, mut set) = pinned(root, &[rule(1, READ, 0, "/home/.cache/tool/**")]);
    let paths = |set: &PinSet| set.requests().map(|pin| pin.path.clone()).collect::<Vec<_>>();
    assert!(paths(&set).contains(&b"/home".to_vec()));
    fs::create_dir(root.join("home/.cache")).unwrap();
    set.refresh();
    assert!(paths(&set).contains(&b"/home/.cache".to_vec()));
    write(&root.join("home/.cache/tool/y"));
    set.refresh();
    assert!(paths(&set).contains(&b"/home/.cache/tool".to_vec()));
    assert_eq!(
        judge(root, &files, &set, "/home/.cache/tool/y", READ),
        Decision::Declared(1)
    );
    fs::remove_dir_all(root.join("home/.cache/tool")).unwrap();
    symlink("/etc", root.join("home/.cache/tool")).unwrap();
    set.refresh();
    assert_eq!(
        judge(root, &files, &set, "/etc/shadow", READ),
        Decision::Undeclared(READ)
    );
    fs::remove_dir_all(root.join("home")).unwrap();
    set.refresh();
    assert_eq!(paths(&set), [b"/".to_vec()]);
    assert_eq!(set.refresh(), []);
}

#[test]
fn an_object_with_two_names_needs_a_state_for_both() {
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path();
    write(&root.join("a"));
    fs::hard_link(root.join("a"), root.join("b")).unwrap();
    let rules = [rule(1, 0, READ, "/a"), rule(2, 0, WRITE, "/b")];
    let (files, set) = pinned(root, &rules);
    assert_eq!(files.joint.len(), 1);
    let pin = set.requests().find(|pin| pin.path == b"/a").unwrap();
    assert_eq!(files.automaton.grant(pin.state).deny, READ | WRITE);
    // The names meet only after the rules were compiled.
    fs::remove_file(root.join("b")).unwrap();
    write(&root.join("b"));
    let files = compiled(root, &rules);
    fs::remove_file(root.join("b")).unwrap();
    fs::hard_link(root.join("a"), root.join("b")).unwrap();
    let set = PinSet::resolve(open(root), &files).unwrap();
    let stale = Change::NeedsCompiling { path: b"/a".to_vec() };
    assert_eq!(set.notes().collect::<Vec<_>>(), [&stale]);
}

#[test]
fn keys_come_from_what_the_kernel_says_about_each_descriptor() {
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path();
    write(&root.join("data/a"));
    let (_, mut set) = pinned(root, &[rule(1, READ, 0, "/data/**")]);
    let held = |fd: i32, inode: u64| Held {
        fd: fd as u32,
        generation: 7,
        inode,
        ino: inode + 1,
        file: 0,
        dev: 0,
        tgid: std::process::id(),
    };
    let answers: Vec<Held> = set
        .requests()
        .filter(|pin| pin.path == b"/data")
        .map(|pin| held(pin.fd.as_raw_fd(), 0x1000))
        .collect();
    let state = set.requests().find(|pin| pin.path == b"/data").unwrap().state;
    assert_ne!(state, DEAD);
    let keys = set.keys(&answers);
    assert_eq!(keys.missing, [b"/".to_vec()]);
    let [(address, pin)] = keys.pins[..] else {
        panic!("{keys:?}")
    };
    assert_eq!(
        (address, pin.state, pin.generation, pin.ino),
        (0x1000, state, 7, 0x1001)
    );
    let other = Held { tgid: 1, ..answers[0] };
    assert_eq!(set.keys(&[other]).pins, []);
    fs::rename(root.join("data"), root.join("old")).unwrap();
    let changes = set.refresh();
    let gone = Change::Unpinned {
        path: b"/data".to_vec(),
        address: Some(0x1000),
    };
    assert_eq!(changes, [gone]);
}

#[test]
fn the_process_behind_proc_self_is_not_the_watcher() {
    let rules = [
        rule(1, READ, 0, "/proc/self/**"),
        rule(2, READ, 0, "/proc/mounts"),
        rule(3, 0, READ, "/proc/*/mem"),
    ];
    let (files, _) = pinned(Path::new("/"), &rules);
    let own = std::process::id().to_string();
    for base in &files.bases {
        assert!(
            !String::from_utf8_lossy(&base.path).contains(&own),
            "{:?}",
            base.path.escape_ascii().to_string()
        );
    }
    let at = |path: &str| {
        decide(
            files.automaton.grant(files.automaton.run(files.root, path.as_bytes())),
            READ,
        )
    };
    assert_eq!(at("/proc/self/maps"), Decision::Declared(1));
    assert_eq!(at("/proc/self/mounts"), Decision::Declared(1));
    assert_eq!(at(&format!("/proc/{own}/maps")), Decision::Undeclared(READ));
    assert_eq!(at(&format!("/proc/{own}/mem")), Decision::Denied(3, READ));
}

#[test]
fn the_search_for_denied_files_is_bounded_and_says_so() {
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path();
    fs::create_dir(root.join("d")).unwrap();
    fs::create_dir(root.join("other")).unwrap();
    for number in 0..super::leaves::MOST_LEAVES + 5 {
        fs::write(root.join(format!("d/{number}")), b"").unwrap();
    }
    write(&root.join("other/deep/.env"));
    let files = compiled(root, &[rule(1, 0, READ, "/d/**"), rule(2, 0, READ, "/other/**/.env")]);
    assert!(
        matches!(
            files.notes[..],
            [Note::DeniedCut {
                found: super::leaves::MOST_LEAVES,
                ..
            }]
        ),
        "{:?}",
        files.notes
    );
    let files = compiled(root, &[rule(2, 0, READ, "/other/**/.env")]);
    assert_eq!((files.denied, files.notes.len()), (1, 0));
    // A look at all directories and some of the files goes round.
    let (_, mut set) = pinned(root, &[rule(1, 0, READ, "/d/1*")]);
    fs::remove_file(root.join("d/1999")).unwrap();
    let changes: Vec<Change> = (0..8).flat_map(|_| set.refresh()).collect();
    assert!(
        matches!(&changes[..], [Change::Unpinned { path, .. }] if path == b"/d/1999"),
        "{changes:?}"
    );
}

/// A mount that is taken away again.
struct Mounted(std::path::PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        rustix::mount::unmount(&self.0, rustix::mount::UnmountFlags::DETACH).unwrap();
    }
}

#[test]
fn a_directory_mounted_elsewhere_is_entered_with_the_rules_of_both_names() {
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path();
    write(&root.join("data/x"));
    fs::create_dir(root.join("mnt")).unwrap();
    if let Err(error) = rustix::mount::mount_bind(root.join("data"), root.join("mnt")) {
        eprintln!("probity-skip: no bind mount: {error}");
        return;
    }
    let mounted = Mounted(root.join("mnt"));
    let (files, mut set) = pinned(root, &[rule(1, READ, 0, "/data/**"), rule(2, 0, WRITE, "/mnt/**")]);
    for path in ["/data/x", "/mnt/x"] {
        assert_eq!(judge(root, &files, &set, path, READ), Decision::Declared(1), "{path}");
        assert_eq!(
            judge(root, &files, &set, path, WRITE),
            Decision::Denied(2, WRITE),
            "{path}"
        );
    }
    // The held directory keeps the mount busy, so that it is detached; then the names part.
    drop(mounted);
    let changes = set.refresh();
    assert!(
        matches!(changes[..], [Change::Restated { .. }, Change::Pinned { .. }]),
        "{changes:?}"
    );
    write(&root.join("data/new"));
    assert_eq!(
        judge(root, &files, &set, "/data/new", WRITE),
        Decision::Undeclared(WRITE)
    );
    // What was found denied stays so while it has a name.
    assert_eq!(judge(root, &files, &set, "/data/x", WRITE), Decision::Denied(2, WRITE));
}

#[test]
fn looking_again_at_two_hundred_bases_is_cheap() {
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path();
    let rules: Vec<_> = (0..200)
        .map(|number| rule(1, READ, 0, &format!("/a/b{}/c/d{number}/**", number % 20)))
        .collect();
    for number in 0..200 {
        fs::create_dir_all(root.join(format!("a/b{}/c/d{number}", number % 20))).unwrap();
    }
    let start = std::time::Instant::now();
    let (files, mut set) = pinned(root, &rules);
    let resolved = start.elapsed();
    assert_eq!((files.bases.len(), set.requests().count()), (201, 201));
    let start = std::time::Instant::now();
    assert_eq!(set.refresh(), []);
    println!(
        "201 bases: compiled and held in {resolved:?}, looked at again in {:?}",
        start.elapsed()
    );
}

/// Something that others do to the tree. What cannot be done is not done.
fn act(root: &Path, verb: u8, one: &str, other: &str) {
    let (one, other) = (root.join(one), root.join(other));
    let _ = match verb {
        0 => fs::create_dir_all(&one),
        1 => fs::remove_dir_all(&one),
        2 => fs::rename(&one, &other),
        3 => fs::write(&one, b""),
        4 => fs::remove_file(&one),
        5 => symlink(&other, &one),
        _ => fs::rename(&one, root.join("aside")).and_then(|()| fs::create_dir_all(&one)),
    };
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn looking_again_finds_what_looking_for_the_first_time_finds(
        acts in prop::collection::vec((0..7u8, 0..6usize, 0..6usize), 1..20),
    ) {
        const PATHS: [&str; 6] = ["a", "a/b", "a/b/c", "d", "d/e", "a/f"];
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path();
        fs::create_dir_all(root.join("a/b")).unwrap();
        let rules = [
            rule(1, READ, 0, "/a/b/c/**"),
            rule(2, WRITE, 0, "/d/e/*.x"),
            rule(3, 0, READ, "/a/f"),
            rule(4, READ, 0, "/a/**/z"),
        ];
        let (files, mut set) = pinned(root, &rules);
        for (verb, one, other) in acts {
            act(root, verb, PATHS[one], PATHS[other]);
            set.refresh();
            set.release();
            let view = |set: &PinSet| -> BTreeSet<(u64, u32, Vec<u8>)> {
                let pins = set.requests().filter(|pin| pin.names.iter().any(|name| name.0 == Entry::Whole));
                pins.map(|pin| (rustix::fs::fstat(&pin.fd).unwrap().st_ino, pin.state, pin.path.clone())).collect()
            };
            let denied = |set: &PinSet| -> BTreeSet<u64> {
                let pins = set.requests().filter(|pin| pin.names.iter().all(|name| name.0 == Entry::Denied));
                pins.map(|pin| rustix::fs::fstat(&pin.fd).unwrap().st_ino).collect()
            };
            let fresh = PinSet::resolve(open(root), &files).unwrap();
            prop_assert_eq!(view(&set), view(&fresh));
            prop_assert!(denied(&fresh).is_subset(&denied(&set)));
            prop_assert_eq!(set.refresh(), []);
        }
    }
}
