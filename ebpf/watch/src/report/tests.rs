use super::*;
use crate::act::tests::Raw;
use crate::subject::{NoDigests, Programs, Stamp};
use crate::tally::COUNTERS;
use probity_abi::state::{Seen, SeenKey, counter};
use probity_abi::{access, event, kind};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

/// 2026-11-20T08:00:00Z: the machine of the tests was booted then.
const BOOT: i128 = 1_795_161_600_000_000_000;

/// Where a writer writes to in a test: so many bytes fit.
#[derive(Clone)]
struct Sink {
    text: Arc<Mutex<Vec<u8>>>,
    room: usize,
}

impl Sink {
    fn new(room: usize) -> Self {
        Self {
            text: Arc::default(),
            room,
        }
    }

    fn lines(&self) -> Vec<Value> {
        let text = self.text.lock().expect("no writer panicked").clone();
        let text = String::from_utf8(text).expect("JSON is UTF-8");
        text.lines()
            .map(|line| serde_json::from_str(line).expect("each line is JSON"))
            .collect()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut text = self.text.lock().expect("no writer panicked");
        if text.len() + bytes.len() > self.room {
            return Err(io::ErrorKind::StorageFull.into());
        }
        text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Digests;

impl Programs for Digests {
    fn stamp(&mut self, _: u32, _: &[u8]) -> Option<Stamp> {
        Some(Stamp { size: 1, mtime: 1 })
    }

    fn sha256(&mut self, _: u32, path: &[u8]) -> Option<String> {
        Some(format!("{:02x}", path.len()).repeat(32))
    }
}

pub(super) fn rules() -> Rules {
    Rules::new(["a.declared.toml:4", "a.declared.toml:9", "a.declared.toml:12"].map(str::to_owned))
}

pub(super) fn exec(path: &str) -> Raw {
    Raw::file(kind::EXEC, event::DECLARED, access::EXEC, path).with(|e| (e.rule, e.flags) = (1, event::LAUNCH))
}

pub(super) fn read(verdict: u8, path: &str) -> Raw {
    Raw::file(kind::FILE_OPEN, verdict, access::READ, path)
}

/// A journal that has taken in `acts`, a microsecond apart.
fn journal(acts: &[Raw], out: Option<Sink>, all: bool) -> Journal {
    let clock = Clock::booted_at(BOOT);
    let writer = out.map(|out| EventWriter::new(Box::new(out), clock, all));
    let mut journal = Journal::new(rules(), clock, writer);
    for (raw, n) in acts.iter().zip(1..) {
        let raw = raw.clone().with(|e| e.time = n * 1_000);
        journal
            .absorb(&raw.bytes(), &mut Digests, &mut |_, host| {
                (host? == "api.example.com").then_some(2)
            })
            .expect("the bytes are an event");
    }
    journal
}

pub(super) fn facts(declared_set: bool) -> Facts {
    Facts {
        cmd: vec!["/usr/bin/node".into(), "my app.js".into()],
        ended: Ended::Exited(0),
        started: 500,
        seconds: 3.25,
        contained: true,
        declared_set,
        ..Facts::default()
    }
}

pub(super) fn report(acts: &[Raw], facts: Facts) -> Report {
    let mut journal = journal(acts, None, false);
    let mut counters = [0; COUNTERS];
    counters[counter::DECLARED as usize] = 18_204;
    journal.absorb_counts([], &counters);
    journal.finish(facts)
}

/// An answer that gives `api.example.com` the address 192.0.2.1.
fn dns() -> Raw {
    let mut message = vec![0, 1, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0];
    message.extend(b"\x03api\x07example\x03com\0\0\x01\0\x01\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04");
    message.extend([192, 0, 2, 1]);
    Raw::new(kind::NET_DNS, 0).named(&message, b"").with(|e| e.port = 53)
}

#[test]
fn an_event_is_what_the_contract_says() {
    let sink = Sink::new(1 << 20);
    let acts = [
        exec("/usr/bin/node"),
        read(event::DENIED, "/home/u/.ssh/id").with(|e| (e.rule, e.missing) = (3, 1)),
    ];
    journal(&acts, Some(sink.clone()), false).flush();
    let node = "0d".repeat(32);
    assert_eq!(
        sink.lines(),
        [
            json!({
                "schema": "probity.event/1", "time": "2026-11-20T08:00:00.000001000Z", "seq": 1, "kind": "exec",
                "verdict": "declared",
                "subject": {"pid": 101, "tgid": 100, "ppid": 1, "comm": "node", "exe": "/usr/bin/node", "exe_sha256": node},
                "object": {
                    "path": "/usr/bin/node", "mnt_ns": 4_026_531_841_u64, "dev": 0x0080_0001, "ino": 42, "access": ["exec"]
                },
                "rule": "a.declared.toml:4", "backend": "trace", "count": 1, "flags": ["launch"], "uid": 1000
            }),
            json!({
                "schema": "probity.event/1", "time": "2026-11-20T08:00:00.000002000Z", "seq": 2, "kind": "file.open",
                "verdict": "denied",
                "subject": {"pid": 101, "tgid": 100, "ppid": 1, "comm": "node", "exe": "/usr/bin/node", "exe_sha256": node},
                "object": {
                    "path": "/home/u/.ssh/id", "mnt_ns": 4_026_531_841_u64, "dev": 0x0080_0001, "ino": 42,
                    "access": ["read"]
                },
                "rule": "a.declared.toml:12", "backend": "trace", "count": 1, "missing": ["read"], "uid": 1000
            }),
        ]
    );
}

#[test]
fn objects_carry_what_their_kind_has() {
    let sink = Sink::new(1 << 20);
    let undeclared = |kind| Raw::new(kind, event::UNDECLARED);
    let acts = [
        read(event::UNDECLARED, "").named(b"/a\xff\n", b""),
        read(event::UNDECLARED, "/a\n\x1b\u{e4}"),
        Raw::file(kind::FILE_RENAME, event::UNDECLARED, access::DELETE, "").named(b"/old", b"/new"),
        undeclared(kind::UNIX_CONNECT)
            .named(b"bus", b"")
            .with(|e| e.flags = event::ABSTRACT),
        undeclared(kind::UNIX_CONNECT).named(b"/run/bus", b""),
        undeclared(kind::PTRACE).with(|e| (e.arg0, e.flags) = (77, event::OUTSIDER)),
        undeclared(kind::BPF).with(|e| (e.arg0, e.arg1) = (321, 5)),
        undeclared(kind::NET_SOCKET).with(|e| (e.family, e.sock_type) = (17, 3)),
        Raw::connect(event::UNDECLARED, "192.0.2.9", 443),
        Raw::connect(event::UNDECLARED, "2001:db8::9", 53).with(|e| (e.kind, e.protocol) = (kind::NET_SEND, 17)),
    ];
    journal(&acts, Some(sink.clone()), false).flush();
    let file =
        |path: Value| json!({"path": path, "mnt_ns": 4_026_531_841_u64, "dev": 0x0080_0001, "ino": 42, "access": []});
    let with = |mut value: Value, more: Value| {
        let more = more.as_object().expect("an object").clone();
        value.as_object_mut().expect("an object").extend(more);
        value
    };
    let want = [
        with(file(Value::Null), json!({"path_b64": "L2H/Cg==", "access": ["read"]})),
        with(file("/a\n\u{1b}\u{e4}".into()), json!({"access": ["read"]})),
        with(file("/old".into()), json!({"path2": "/new", "access": ["delete"]})),
        json!({"path": null, "abstract_b64": "YnVz", "access": []}),
        file("/run/bus".into()),
        json!({"path": null, "target": 77, "access": []}),
        json!({"path": null, "args": [321, 5], "access": []}),
        json!({"path": null, "proto": "raw", "family": "packet", "access": []}),
        json!({"path": null, "addr": "192.0.2.9", "port": 443, "proto": "tcp", "family": "inet",
               "host_evidence": "ip-only", "access": []}),
        json!({"path": null, "addr": "2001:db8::9", "port": 53, "proto": "udp", "family": "inet6",
               "host_evidence": "ip-only", "access": []}),
    ];
    let lines = sink.lines();
    let got: Vec<&Value> = lines.iter().map(|line| &line["object"]).collect();
    assert_eq!(got, want.iter().collect::<Vec<_>>());
}

#[test]
fn what_is_written_depends_on_verdict_and_kind() {
    let fork = || Raw::new(kind::FORK, 0).with(|e| (e.arg0, e.arg1) = (102, 900));
    let exit = |word| Raw::new(kind::EXIT, 0).with(|e| e.arg0 = word);
    for (what, raw, by_default, with_all) in [
        ("declared", read(event::DECLARED, "/x"), false, true),
        ("undeclared", read(event::UNDECLARED, "/x"), true, true),
        ("denied", read(event::DENIED, "/x"), true, true),
        ("blocked", read(event::BLOCKED, "/x"), true, true),
        ("ambiguous", read(event::AMBIGUOUS, "/x"), true, true),
        ("exec", exec("/x"), true, true),
        ("fork", fork(), true, true),
        ("exit", exit(3 << 8), true, true),
        ("lost", Raw::new(kind::LOST, 0), true, true),
        ("dns", dns(), false, false),
    ] {
        for (all, want) in [(false, by_default), (true, with_all)] {
            let sink = Sink::new(1 << 20);
            journal(std::slice::from_ref(&raw), Some(sink.clone()), all).flush();
            assert_eq!(sink.lines().len(), usize::from(want), "{what}, all: {all}");
        }
    }
    let sink = Sink::new(1 << 20);
    journal(&[fork(), exit(3 << 8), exit(9)], Some(sink.clone()), false).flush();
    let lines = sink.lines();
    assert_eq!((&lines[0]["child"], &lines[1]["exit_code"]), (&json!(102), &json!(3)));
    assert_eq!((&lines[2]["exit_code"], &lines[2]["signal"]), (&Value::Null, &json!(9)));
}

#[test]
fn a_name_learned_before_a_connection_decides_it() {
    let connect = || Raw::connect(event::UNDECLARED, "192.0.2.1", 443);
    let sink = Sink::new(1 << 20);
    let journal = journal(&[connect(), dns(), connect()], Some(sink.clone()), true);
    let report = journal.finish(facts(true));
    let got: Vec<_> = sink
        .lines()
        .iter()
        .map(|l| {
            (
                l["verdict"].clone(),
                l["rule"].clone(),
                l["object"]["host"].clone(),
                l["object"]["host_evidence"].clone(),
            )
        })
        .collect();
    assert_eq!(
        got,
        [
            (json!("undeclared"), Value::Null, Value::Null, json!("ip-only")),
            (
                json!("declared"),
                json!("a.declared.toml:9"),
                json!("api.example.com"),
                json!("dns")
            ),
        ]
    );
    assert_eq!(report.verdict, Verdict::Violation);
    assert_eq!(report.rules[1].used, Some(1));
}

#[test]
fn what_the_kernel_counted_is_written_at_the_end() {
    let sink = Sink::new(1 << 20);
    let mut journal = journal(&[read(event::UNDECLARED, "/x")], Some(sink.clone()), false);
    let key = SeenKey {
        object: 1,
        object2: 2,
        exe: 3,
        act: 4,
    };
    let mut counters = [0; COUNTERS];
    counters[counter::LOST_READS as usize] = 2;
    journal.absorb_counts([(key, Seen { count: 9, time: 1_000 })], &counters);
    let report = journal.finish(facts(true));
    let lines = sink.lines();
    let got: Vec<_> = lines
        .iter()
        .map(|l| (l["seq"].clone(), l["kind"].clone(), l["count"].clone()))
        .collect();
    let want = [(1, "file.open", 1), (2, "lost", 2), (3, "file.open", 8)];
    assert_eq!(
        got,
        want.map(|(seq, kind, count)| (json!(seq), json!(kind), json!(count)))
    );
    assert_eq!(
        (&lines[1]["lost"], &lines[2]["flags"]),
        (&json!("kernel reads"), &json!(["repeated"]))
    );
    assert_eq!(
        (report.objects[0].count, report.reasons),
        (9, vec!["2 acts lost: kernel reads".to_owned()])
    );
}

#[test]
fn a_full_disk_is_told_once_and_makes_the_run_incomplete() {
    let sink = Sink::new(100);
    let acts: Vec<Raw> = (0..400).map(|n| read(event::DECLARED, &format!("/{n}"))).collect();
    let report = journal(&acts, Some(sink), true).finish(facts(true));
    let written = report.events.as_ref().expect("events were asked for");
    assert!(
        written.unwritten > 0 && written.lines + written.unwritten == 400,
        "{written:?}"
    );
    assert_eq!(
        (report.verdict, report.exit_code, report.reasons.len()),
        (Verdict::Incomplete, 121, 1)
    );
    assert!(report.reasons[0].contains("no storage space"), "{:?}", report.reasons);
}

#[test]
fn bytes_that_are_no_event_are_lost_ones() {
    let mut journal = journal(&[], None, false);
    assert!(journal.absorb(&[0; 10], &mut NoDigests, &mut |_, _| None).is_err());
    let report = journal.finish(facts(true));
    assert_eq!((report.verdict, report.exit_code), (Verdict::Incomplete, 121));
    assert_eq!(report.reasons, ["1 act lost: decoding"]);
}

#[test]
fn the_verdict_follows_from_acts_and_what_was_not_seen() {
    let blind = |matters| Blind {
        act: "int80".into(),
        reason: "no hook".into(),
        matters,
    };
    for (what, acts, change, want) in [
        (
            "declared",
            vec![read(event::DECLARED, "/x")],
            facts(true),
            (Verdict::Clean, 0),
        ),
        (
            "undeclared",
            vec![read(event::UNDECLARED, "/x")],
            facts(true),
            (Verdict::Violation, 120),
        ),
        (
            "denied",
            vec![read(event::DENIED, "/x")],
            facts(true),
            (Verdict::Violation, 120),
        ),
        (
            "blocked",
            vec![read(event::BLOCKED, "/x")],
            facts(true),
            (Verdict::Violation, 120),
        ),
        (
            "ambiguous",
            vec![read(event::AMBIGUOUS, "/x")],
            facts(true),
            (Verdict::Incomplete, 121),
        ),
        (
            "without a set",
            vec![read(event::UNDECLARED, "/x")],
            facts(false),
            (Verdict::Clean, 0),
        ),
        (
            "ambiguous without a set",
            vec![read(event::AMBIGUOUS, "/x")],
            facts(false),
            (Verdict::Incomplete, 121),
        ),
        (
            "blind",
            vec![],
            Facts {
                blind: vec![blind(true)],
                ..facts(true)
            },
            (Verdict::Incomplete, 121),
        ),
        (
            "blind to what is not asked",
            vec![],
            Facts {
                blind: vec![blind(false)],
                ..facts(true)
            },
            (Verdict::Clean, 0),
        ),
        (
            "CMD failed",
            vec![],
            Facts {
                ended: Ended::Exited(3),
                ..facts(true)
            },
            (Verdict::Clean, 3),
        ),
        (
            "the watcher failed",
            vec![],
            Facts {
                failed: Some("no BTF".into()),
                ..facts(true)
            },
            (Verdict::Clean, 125),
        ),
    ] {
        let report = report(&acts, change);
        assert_eq!((report.verdict, report.exit_code), want, "{what}");
    }
}

#[test]
fn a_report_holds_the_run() {
    let acts = [
        exec("/usr/bin/node"),
        read(event::UNDECLARED, "/x").with(|e| e.missing = 1),
    ];
    let mut journal = journal(&acts, None, false);
    let mut counters = [0; COUNTERS];
    (counters[counter::DECLARED as usize], counters[counter::CACHED as usize]) = (50, 40);
    journal.absorb_counts([], &counters);
    journal.tally.absorb_rule_uses([(1, 1), (2, 49), (3, 0)]);
    let facts = Facts {
        observable: vec![Observable {
            act: "file.open".into(),
            backend: "trace".into(),
            blockable: false,
        }],
        blind: vec![Blind {
            act: "int80".into(),
            reason: "no hook".into(),
            matters: false,
        }],
        inherited: vec![Inherited {
            fd: 5,
            target: "pipe".into(),
        }],
        lingering: vec![Lingering {
            pid: 9,
            exe: None,
            done: "killed".into(),
        }],
        uncovered: vec![Uncovered {
            pid: 100,
            what: "/var/log/x".into(),
        }],
        notes: vec!["a note".into()],
        ..facts(true)
    };
    let text = journal.finish(facts).to_json();
    let node = "0d".repeat(32);
    let want = json!({
        "schema": "probity.watch/1",
        "tool": {"name": "probity", "version": env!("CARGO_PKG_VERSION")},
        "verdict": "violation",
        "reasons": [],
        "failed": null,
        "cmd": ["/usr/bin/node", "my app.js"],
        "attached": null,
        "cmd_exit": 0,
        "signal": null,
        "exit_code": 120,
        "started": "2026-11-20T08:00:00.000000500Z",
        "seconds": 3.25,
        "contained": true,
        "declared_set": true,
        "backends": {"trace": {"exec": 1, "file.open": 1}},
        "observable": [{"act": "file.open", "backend": "trace", "blockable": false}],
        "blind": [{"act": "int80", "reason": "no hook", "matters": false}],
        "counts": {"exec": {"declared": 1}, "file.open": {"undeclared": 1}},
        "declared": {"acts": 50, "cached": 40, "sent": 1},
        "objects": [
            {
                "kind": "file.open", "verdict": "undeclared", "name": "/x",
                "object": {"path": "/x", "dev": 0x0080_0001, "ino": 42, "access": ["read"]},
                "rule": null, "exe": "/usr/bin/node", "exe_sha256": node, "processes": 1, "count": 1,
                "first": "2026-11-20T08:00:00.000002000Z", "backend": "trace", "missing": ["read"], "flags": []
            },
            {
                "kind": "exec", "verdict": "declared", "name": "/usr/bin/node",
                "object": {"path": "/usr/bin/node", "dev": 0x0080_0001, "ino": 42, "access": ["exec"]},
                "rule": "a.declared.toml:4", "exe": "/usr/bin/node", "exe_sha256": node, "processes": 1, "count": 1,
                "first": "2026-11-20T08:00:00.000001000Z", "backend": "trace", "missing": [], "flags": ["launch"]
            }
        ],
        "objects_omitted": 0,
        "rules": [
            {"rule": "a.declared.toml:4", "used": 1},
            {"rule": "a.declared.toml:9", "used": 49},
            {"rule": "a.declared.toml:12", "used": 0}
        ],
        "unused_rules": ["a.declared.toml:12"],
        "lost": {},
        "ambiguous": 0,
        "inherited": [{"fd": 5, "target": "pipe"}],
        "lingering": [{"pid": 9, "exe": null, "done": "killed"}],
        "uncovered": [{"pid": 100, "what": "/var/log/x"}],
        "events": null,
        "programs": [],
        "notes": ["a note"]
    });
    let got: Value = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!(got, want);
    assert!(text.ends_with("}\n"));
}

#[test]
fn declared_objects_are_bounded_and_others_are_not() {
    let acts: Vec<Raw> = (0..3_000)
        .map(|n| {
            read(
                if n < 1_500 { event::DECLARED } else { event::UNDECLARED },
                &format!("/{n}"),
            )
        })
        .collect();
    let report = report(&acts, facts(true));
    assert_eq!((report.objects.len(), report.objects_omitted), (2_500, 500));
}

#[test]
fn rules_whose_use_was_not_counted_are_not_called_unused() {
    let report = report(&[read(event::DECLARED, "/x").with(|e| e.rule = 2)], facts(true));
    let uses: Vec<_> = report.rules.iter().map(|rule| rule.used).collect();
    assert_eq!((uses, report.unused_rules), (vec![None, Some(1), None], None));
}
