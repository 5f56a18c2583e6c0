use super::*;
use probity_abi::kind;
use proptest::prelude::*;
use std::net::IpAddr;

/// An event by its fields, for the tests of every module: what the kernel would send.
#[derive(Clone)]
pub(crate) struct Raw {
    pub(crate) event: Event,
    pub(crate) first: Vec<u8>,
    pub(crate) second: Vec<u8>,
}

impl Raw {
    pub(crate) fn new(kind: u16, verdict: u8) -> Self {
        let mut comm = [0; 16];
        comm[..4].copy_from_slice(b"node");
        Self {
            event: Event {
                time: 1_000,
                start: 500,
                inode: 0xffff_8880_0000_1000,
                ino: 42,
                arg0: 0,
                arg1: 0,
                flags: 0,
                pid: 101,
                tgid: 100,
                ppid: 1,
                uid: 1000,
                mnt_ns: 4_026_531_841,
                dev: 8 << 20 | 1,
                generation: 7,
                nlink: 1,
                ret: 0,
                kind,
                rule: 0,
                verdict,
                backend: event::TRACE,
                access: 0,
                missing: 0,
                family: 0,
                port: 0,
                protocol: 0,
                sock_type: 0,
                addr: [0; 16],
                comm,
                name_len: 0,
                name2_len: 0,
                reserved: 0,
            },
            first: Vec::new(),
            second: Vec::new(),
        }
    }

    pub(crate) fn file(kind: u16, verdict: u8, access: u8, path: &str) -> Self {
        Self::new(kind, verdict)
            .with(|e| e.access = access)
            .named(path.as_bytes(), b"")
    }

    pub(crate) fn connect(verdict: u8, ip: &str, port: u16) -> Self {
        Self::new(kind::NET_CONNECT, verdict).with(|e| {
            (e.port, e.protocol, e.sock_type) = (port, 6, 1);
            match ip.parse().expect("an address") {
                IpAddr::V4(ip) => {
                    e.family = 2;
                    e.addr[..4].copy_from_slice(&ip.octets());
                }
                IpAddr::V6(ip) => {
                    e.family = 10;
                    e.addr = ip.octets();
                }
            }
        })
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Event)) -> Self {
        change(&mut self.event);
        self
    }

    pub(crate) fn named(mut self, first: &[u8], second: &[u8]) -> Self {
        (self.event.name_len, self.event.name2_len) = (first.len() as u16, second.len() as u16);
        (self.first, self.second) = (first.to_vec(), second.to_vec());
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = vec![0; size_of::<Event>()];
        let e = self.event;
        macro_rules! put {
            ($($field:ident)*) => {$({
                let bytes = e.$field.to_ne_bytes();
                out[offset_of!(Event, $field)..][..bytes.len()].copy_from_slice(&bytes);
            })*};
        }
        put!(time start inode ino arg0 arg1 flags pid tgid ppid uid mnt_ns dev generation nlink ret kind rule verdict);
        put!(backend access missing family port protocol sock_type name_len name2_len reserved);
        out[offset_of!(Event, addr)..][..16].copy_from_slice(&e.addr);
        out[offset_of!(Event, comm)..][..16].copy_from_slice(&e.comm);
        out.extend_from_slice(&self.first);
        out.extend_from_slice(&self.second);
        out
    }

    pub(crate) fn act(&self) -> Act {
        Act::decode(&self.bytes()).expect("the bytes are an event")
    }
}

#[test]
fn every_field_arrives() {
    let raw = Raw::file(kind::FILE_RENAME, event::UNDECLARED, 0b1100, "/a/old")
        .named(b"/a/old", b"/a/new")
        .with(|e| {
            (e.rule, e.missing, e.flags, e.ret, e.arg0, e.arg1) = (9, 0b1000, event::FAILED | event::RING, -13, 82, 3);
        });
    let act = raw.act();
    assert_eq!(
        (act.time, act.kind, act.verdict, act.backend),
        (1_000, Kind::FILE_RENAME, Verdict::Undeclared, Backend::Trace)
    );
    assert_eq!(act.process, ProcessKey { tgid: 100, start: 500 });
    assert_eq!(
        (act.pid, act.ppid, act.uid, act.mnt_ns, act.ret),
        (101, 1, 1000, 4_026_531_841, -13)
    );
    assert_eq!(
        (act.rule, act.arg0, act.arg1, act.comm.as_slice()),
        (Some(9), 82, 3, b"node".as_slice())
    );
    assert_eq!(act.access.words().collect::<Vec<_>>(), ["create", "delete"]);
    assert_eq!(act.missing.words().collect::<Vec<_>>(), ["delete"]);
    assert_eq!(act.flags.words().collect::<Vec<_>>(), ["io-uring", "failed"]);
    let file = FileId {
        inode: 0xffff_8880_0000_1000,
        ino: 42,
        dev: 8 << 20 | 1,
        generation: 7,
        nlink: 1,
    };
    assert_eq!(
        act.object,
        Object::File {
            file,
            path: b"/a/old".into(),
            second: b"/a/new".into()
        }
    );
}

#[test]
fn the_kind_says_what_the_object_is() {
    for (kind, path, object) in [
        (kind::FILE_OPEN, "/x", "file"),
        (kind::EXEC, "/bin/x", "file"),
        (kind::EXEC, "", "file"),
        (kind::NET_CONNECT, "", "net"),
        (kind::NET_SOCKET, "", "net"),
        (kind::NET_DNS, "bytes", "datagram"),
        (kind::UNIX_CONNECT, "/run/x", "unix"),
        (kind::PTRACE, "", "process"),
        (kind::SIGNAL, "", "process"),
        (kind::FORK, "", "process"),
        (kind::EXIT, "", "kernel"),
        (kind::IO_URING, "", "kernel"),
        (kind::FILE_MOUNT, "", "kernel"),
        (kind::FILE_MOUNT, "/mnt", "file"),
        (kind::MODULE, "/lib/x.ko", "file"),
        (kind::CGROUP_ESCAPE, "", "kernel"),
    ] {
        let got = match Raw::file(kind, event::DECLARED, 0, path).act().object {
            Object::File { .. } => "file",
            Object::Net { .. } => "net",
            Object::Datagram { .. } => "datagram",
            Object::Unix { .. } => "unix",
            Object::Process { .. } => "process",
            Object::Kernel => "kernel",
        };
        assert_eq!(got, object, "kind {kind}");
    }
}

#[test]
fn addresses_are_what_their_family_says() {
    for (ip, want) in [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
    ] {
        let act = Raw::connect(event::UNDECLARED, ip, 443).act();
        assert_eq!(act.object.address(), Some((want.parse().expect("an address"), 443)));
    }
    let vsock = Raw::connect(event::UNDECLARED, "192.0.2.7", 443)
        .with(|e| e.family = 40)
        .act();
    assert_eq!(vsock.object.address(), None);
}

#[test]
fn a_fork_names_its_child_and_an_exit_its_end() {
    let fork = |arg0| Raw::new(kind::FORK, 0).with(|e| (e.arg0, e.arg1) = (arg0, 900)).act();
    assert_eq!(fork(200).forked(), Some(ProcessKey { tgid: 200, start: 900 }));
    assert_eq!((fork(u64::MAX).forked(), fork(u64::MAX).object), (None, Object::Kernel));
    let exit = |word| Raw::new(kind::EXIT, 0).with(|e| e.arg0 = word).act();
    assert_eq!((exit(1).forked(), fork(1).ended()), (None, None));
    for (word, want) in [
        (0, (Some(0), None)),
        (3 << 8, (Some(3), None)),
        (9, (None, Some(9))),
        (0x80 | 11, (None, Some(11))),
    ] {
        assert_eq!(exit(word).ended(), Some(want));
    }
}

#[test]
fn what_does_not_fit_is_refused_with_the_reason() {
    let open = || Raw::file(kind::FILE_OPEN, event::DECLARED, 1, "/etc/passwd");
    let whole = open().bytes();
    let cases: [(Vec<u8>, &str); 8] = [
        (vec![], "an event has 144 bytes, these are 0"),
        (whole[..143].to_vec(), "an event has 144 bytes, these are 143"),
        (whole[..154].to_vec(), "the names take 11 bytes, 10 follow the event"),
        (
            open().with(|e| e.name2_len = 4086).bytes(),
            "the names take 4097 bytes, at most 4096 fit",
        ),
        (open().with(|e| e.kind = 9999).bytes(), "unknown kind 9999"),
        (
            open().with(|e| e.verdict = 9).bytes(),
            "unknown verdict 9 of kind file.open",
        ),
        (
            open().with(|e| e.verdict = 0).bytes(),
            "unknown verdict 0 of kind file.open",
        ),
        (
            open().with(|e| e.backend = 0).bytes(),
            "unknown backend 0 of kind file.open",
        ),
    ];
    for (bytes, message) in cases {
        assert_eq!(Act::decode(&bytes).expect_err(message).to_string(), message);
    }
    let mut padded = whole.clone();
    padded.extend_from_slice(&[0; 64]);
    assert_eq!(Act::decode(&padded), Act::decode(&whole));
}

#[test]
fn every_kind_of_the_kernel_side_has_a_type() {
    for (number, word) in kind::WORDS {
        assert_eq!(Kind::new(*number).map(Kind::word), Some(*word));
    }
    assert_eq!(Flags(u32::MAX).words().count(), 20);
}

proptest! {
    #[test]
    fn any_bytes_decode_or_fail(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Act::decode(&bytes);
    }

    #[test]
    fn names_come_back_as_they_went(
        kind in proptest::sample::select(kind::WORDS),
        verdict in 1u8..=5,
        first in proptest::collection::vec(any::<u8>(), 0..2048),
        second in proptest::collection::vec(any::<u8>(), 0..2048),
        addr in any::<[u8; 16]>(),
        (family, port, arg0, flags) in any::<(u16, u16, u64, u32)>(),
    ) {
        let raw = Raw::new(kind.0, verdict).named(&first, &second).with(|e| {
            (e.addr, e.family, e.port, e.arg0, e.flags) = (addr, family, port, arg0, flags);
        });
        let act = raw.act();
        prop_assert_eq!(act.kind.word(), kind.1);
        match act.object {
            Object::File { path, second: other, .. } => prop_assert_eq!((path, other), (first, second)),
            Object::Datagram { bytes, .. } => prop_assert_eq!(bytes, first),
            Object::Unix { name, .. } => prop_assert_eq!(name, first),
            Object::Net { port: got, .. } => prop_assert_eq!(got, port),
            Object::Process { tgid, .. } => prop_assert_eq!(u64::from(tgid), arg0),
            Object::Kernel => {}
        }
    }
}
