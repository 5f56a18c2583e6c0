use super::*;
use crate::act::tests::Raw;
use probity_abi::kind;
use std::collections::BTreeMap;

fn at(time: u64, tgid: u32, start: u64, raw: Raw) -> Raw {
    raw.with(|e| (e.time, e.tgid, e.pid, e.start, e.ppid) = (time, tgid, tgid, start, 1))
}

/// A fork whose child began at the time of the event.
fn fork(time: u64, tgid: u32, start: u64, child: u32) -> Raw {
    at(
        time,
        tgid,
        start,
        Raw::new(kind::FORK, 0).with(|e| (e.arg0, e.arg1) = (child.into(), time)),
    )
}

fn exec(time: u64, tgid: u32, start: u64, path: &str) -> Raw {
    at(time, tgid, start, Raw::file(kind::EXEC, event::DECLARED, 64, path))
}

fn open(time: u64, tgid: u32, start: u64) -> Raw {
    at(time, tgid, start, Raw::file(kind::FILE_OPEN, event::DECLARED, 1, "/x"))
}

fn exit(time: u64, tgid: u32, start: u64) -> Raw {
    at(time, tgid, start, Raw::new(kind::EXIT, 0))
}

fn table(acts: &[Raw]) -> Subjects {
    let mut table = Subjects::new(Capacity {
        live: 16,
        ended: 2,
        digests: 4,
    });
    for raw in acts {
        table.absorb(&raw.act(), &mut NoDigests);
    }
    table
}

fn exe(table: &Subjects, tgid: u32, start: u64) -> Option<String> {
    let program = table.program(ProcessKey { tgid, start })?;
    Some(String::from_utf8_lossy(&program.path).into_owned())
}

#[test]
fn the_program_of_a_process_is_what_it_last_started_or_inherited() {
    for (name, acts, want) in [
        ("never told", vec![open(20, 7, 5)], None),
        ("exec", vec![exec(20, 7, 5, "/bin/a")], Some("/bin/a")),
        (
            "second exec",
            vec![exec(20, 7, 5, "/bin/a"), exec(21, 7, 5, "/bin/b")],
            Some("/bin/b"),
        ),
        (
            "forked",
            vec![exec(3, 2, 1, "/bin/a"), fork(5, 2, 1, 7), open(20, 7, 5)],
            Some("/bin/a"),
        ),
        (
            "the parent's exec after the fork is not the child's",
            vec![
                exec(3, 2, 1, "/bin/a"),
                fork(5, 2, 1, 7),
                exec(8, 2, 1, "/bin/b"),
                open(20, 7, 5),
            ],
            Some("/bin/a"),
        ),
        (
            "a failed exec starts nothing",
            vec![
                exec(20, 7, 5, "/bin/a"),
                exec(21, 7, 5, "/bin/b").with(|e| e.flags = event::FAILED),
            ],
            Some("/bin/a"),
        ),
        (
            "a blocked exec starts nothing",
            vec![
                exec(20, 7, 5, "/bin/a"),
                exec(21, 7, 5, "/bin/b").with(|e| e.verdict = event::BLOCKED),
            ],
            Some("/bin/a"),
        ),
        (
            "an exec in a thread",
            vec![exec(20, 7, 5, "/bin/a"), exec(22, 7, 5, "/bin/b").with(|e| e.pid = 8)],
            Some("/bin/b"),
        ),
        (
            "a number used again",
            vec![
                exec(1, 2, 1, "/bin/sh"),
                exec(3, 7, 2, "/bin/a"),
                exit(4, 7, 2),
                fork(5, 2, 1, 7),
                open(20, 7, 5),
            ],
            Some("/bin/sh"),
        ),
        (
            "a number used again, its exit and fork unseen",
            vec![exec(3, 7, 2, "/bin/a"), open(20, 7, 5)],
            None,
        ),
        (
            "a fork with another start is another's",
            vec![exec(1, 2, 1, "/bin/sh"), fork(4, 2, 1, 7), open(20, 7, 5)],
            None,
        ),
        (
            "nameless",
            vec![exec(20, 7, 5, "").with(|e| e.flags = event::NAMELESS)],
            Some("(nameless)"),
        ),
    ] {
        assert_eq!(exe(&table(&acts), 7, 5).as_deref(), want, "{name}");
    }
}

#[test]
fn a_leader_that_exits_leaves_its_threads_their_process() {
    let key = ProcessKey { tgid: 7, start: 5 };
    let thread = |raw: Raw| raw.with(|e| e.pid = 8);
    let ended = |acts: &[Raw]| table(acts).get(key).expect("it is known").ended;
    let mut acts = vec![exec(20, 7, 5, "/bin/a"), thread(exit(21, 7, 5))];
    assert_eq!(ended(&acts), None, "a thread's exit");
    acts.push(exit(22, 7, 5));
    assert_eq!(ended(&acts), Some(22), "the leader's exit");
    acts.push(thread(open(23, 7, 5)));
    assert_eq!(ended(&acts), None, "a thread acts on");
    acts.push(thread(exit(24, 7, 5)));
    assert_eq!(ended(&acts), Some(24), "the last thread's exit");
    assert_eq!(exe(&table(&acts), 7, 5).as_deref(), Some("/bin/a"));
}

#[test]
fn parents_are_found_by_start_and_number() {
    let table = table(&[
        exec(2, 2, 1, "/bin/sh"),
        fork(5, 2, 1, 7),
        exec(7, 7, 5, "/bin/make"),
        fork(8, 7, 5, 8),
        exec(10, 8, 8, "/bin/cc"),
    ]);
    let names: Vec<_> = table
        .ancestry(ProcessKey { tgid: 8, start: 8 })
        .map(|p| String::from_utf8_lossy(&p.program.as_ref().expect("known").path).into_owned())
        .collect();
    assert_eq!(names, ["/bin/cc", "/bin/make", "/bin/sh"]);
    assert_eq!(table.live().count(), 3);
}

#[test]
fn what_ended_is_forgotten_the_oldest_first() {
    let mut acts = Vec::new();
    for tgid in 10..20 {
        acts.push(exec(u64::from(tgid), tgid, 1, "/bin/a"));
        acts.push(exit(u64::from(tgid), tgid, 1));
    }
    let table = table(&acts);
    let known: BTreeMap<u32, _> = table.processes.keys().map(|k| (k.tgid, k.start)).collect();
    assert_eq!(known.keys().copied().collect::<Vec<_>>(), [18, 19]);
    assert_eq!((table.current.len(), table.ended.len(), table.turned_away()), (2, 2, 0));
}

#[test]
fn a_flood_of_processes_is_bounded_and_counted() {
    let acts: Vec<Raw> = (100..200).map(|tgid| exec(20, tgid, 5, "/bin/a")).collect();
    let table = table(&acts);
    assert_eq!((table.processes.len(), table.turned_away()), (18, 82));
}

struct Counting {
    stamp: Stamp,
    asked: u32,
}

impl Programs for Counting {
    fn stamp(&mut self, _: u32, path: &[u8]) -> Option<Stamp> {
        (path != b"/gone").then_some(self.stamp)
    }

    fn sha256(&mut self, _: u32, path: &[u8]) -> Option<String> {
        self.asked += 1;
        Some(format!("{}#{}", String::from_utf8_lossy(path), self.asked))
    }
}

#[test]
fn a_digest_is_taken_once_for_one_content() {
    let mut programs = Counting {
        stamp: Stamp { size: 9, mtime: 1 },
        asked: 0,
    };
    let mut table = Subjects::new(Capacity::default());
    let mut run = |programs: &mut Counting, tgid: u32, path: &str, ino: u64| {
        table.absorb(&exec(20, tgid, 5, path).with(|e| e.ino = ino).act(), programs);
        table
            .program(ProcessKey { tgid, start: 5 })
            .and_then(|p| p.sha256.clone())
    };
    assert_eq!(run(&mut programs, 1, "/a", 42).as_deref(), Some("/a#1"));
    assert_eq!(
        run(&mut programs, 2, "/link-to-a", 42).as_deref(),
        Some("/a#1"),
        "the same file"
    );
    assert_eq!(
        run(&mut programs, 3, "/b", 43).as_deref(),
        Some("/b#2"),
        "another inode"
    );
    programs.stamp.mtime = 2;
    assert_eq!(
        run(&mut programs, 4, "/a", 42).as_deref(),
        Some("/a#3"),
        "changed since"
    );
    assert_eq!(run(&mut programs, 5, "/gone", 44), None, "cannot be looked at");
    assert_eq!(
        run(&mut programs, 6, "/n", 0).as_deref(),
        Some("/n#4"),
        "no inode number: never remembered"
    );
    assert_eq!(run(&mut programs, 7, "/n", 0).as_deref(), Some("/n#5"));
}
