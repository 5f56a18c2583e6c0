//! Each act that a security hook is there for, done once and looked for in the rings.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use aya::maps::RingBuf;
use probity_abi::access::{CREATE, DELETE, EXEC, MAP, METADATA, READ, UNIX, WRITE};
use probity_abi::config::{Config, DECLARED_SET, HOOKED, REPORT, kernel_act};
use probity_abi::event::{FOREIGN, INTERPRETER, RING};
use probity_abi::kind;
use probity_watch::act::{Act, Kind, Object as Of};
use probity_watch::kernel::btf::Types;
use probity_watch::kernel::load::Object;
use probity_watch::kernel::probe::probe;
use probity_watch::kernel::programs::{Backend, Hook, Row, of};
use probity_watch::launch::Cgroup;
use rustix::fs::{CWD, FileType, Mode, RenameFlags, XattrFlags};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType,
};

use crate::ring;

#[test]
fn lsm_programs_see_each_act() {
    check(Backend::Lsm);
}

#[test]
fn fentry_programs_see_each_act() {
    check(Backend::Hook);
}

/// What an event says: kind, access, the path below the scene's directory or whole, flags that must be there.
type Expected = (u16, u8, &'static str, u32);

const EXPECTED: &[Expected] = &[
    (kind::FILE_OPEN, READ, "old", 0),
    (kind::FILE_OPEN, READ | WRITE, "attributes", 0),
    (kind::FILE_CREATE, WRITE | CREATE, "new", 0),
    (kind::FILE_CREATE, CREATE, "directory", 0),
    (kind::FILE_CREATE, CREATE, "symbolic", 0),
    (kind::FILE_CREATE, CREATE, "fifo", 0),
    (kind::FILE_CREATE, CREATE, "node", 0),
    (kind::FILE_CREATE, CREATE, "socket", 0),
    (kind::FILE_LINK, CREATE, "hard", 0),
    (kind::FILE_RENAME, DELETE, "new", 0),
    (kind::FILE_RENAME, CREATE, "renamed", 0),
    (kind::FILE_RENAME, DELETE, "renamed", 0),
    (kind::FILE_RENAME, DELETE | CREATE, "replaced", 0),
    (kind::FILE_RENAME, DELETE | CREATE, "one", 0),
    (kind::FILE_RENAME, DELETE | CREATE, "other", 0),
    (kind::FILE_TRUNCATE, WRITE, "attributes", 0),
    (kind::FILE_SETATTR, METADATA, "mode", 0),
    (kind::FILE_SETATTR, METADATA, "owner", 0),
    (kind::FILE_SETATTR, METADATA, "times", 0),
    (kind::FILE_SETATTR, METADATA, "extended", 0),
    (kind::FILE_RECEIVE, READ, "sent", FOREIGN),
    (kind::FILE_READ, READ, "sent", FOREIGN),
    (kind::FILE_UNLINK, DELETE, "hard", 0),
    (kind::FILE_UNLINK, DELETE, "directory", 0),
    (kind::UNIX_CONNECT, UNIX, "socket", 0),
    (kind::UNIX_CONNECT, UNIX, "datagram", 0),
    (kind::UNIX_CONNECT, UNIX, "probity-abstract", 0),
    (kind::EXEC, EXEC, "script", 0),
    (kind::FILE_OPEN, READ, "script", 0),
    (kind::FILE_MOUNT, 0, "", 0),
];

const EXPECTED_OF_RINGS: &[Expected] = &[
    (kind::FILE_OPEN, READ, "ring", RING),
    (kind::FILE_OPEN, READ, "worker", RING),
];

fn check(backend: Backend) {
    if let Err(why) = probe(backend) {
        assert_ne!(super::asked(), Some(backend), "{why}");
        eprintln!("probity-skip: {}: {why}", backend.word());
        return;
    }
    let scene = tempfile::tempdir().expect("a directory");
    let at = scene.path().canonicalize().expect("it has a name");
    prepare(&at);
    let cgroup = Cgroup::create_under_own().expect("a cgroup");
    if !cgroup.level_is_absolute() {
        eprintln!("probity-skip: in a cgroup namespace");
        return;
    }
    let mut config = Config {
        cgroup: cgroup.id(),
        cgroup_level: cgroup.level(),
        flags: DECLARED_SET,
        trace: !HOOKED,
        ..Config::default()
    };
    config.kernel[kernel_act::MOUNT] = REPORT;
    let mut object = Object::new(&config).expect("the object");
    let own = |row: &&Row| matches!(row.hook, Hook::Lsm | Hook::Fentry);
    for row in of(backend)
        .filter(own)
        .filter(|row| row.unfit(&Types::running().expect("BTF")).is_none())
    {
        object.load(row).and_then(|_| object.attach(row)).expect(row.name);
    }
    let procs = cgroup.path().join("cgroup.procs");
    let home = cgroup.path().parent().expect("the parent").join("cgroup.procs");
    fs::write(procs, "0").expect("into the cgroup");
    act(&at);
    let rings = ring::open(&at.join("ring"), 0) && ring::open(&at.join("worker"), ring::ASYNC);
    fs::write(home, "0").expect("out of the cgroup");
    let seen = drain(&mut object, backend);
    let mut missing = Vec::new();
    if !rings {
        eprintln!("probity-skip: no io_uring on this host");
    }
    let through_rings = EXPECTED_OF_RINGS.iter().filter(|_| rings);
    for &(kind, access, name, flags) in EXPECTED.iter().chain(through_rings) {
        let path = at.join(name).into_os_string().into_encoded_bytes();
        let found = seen.iter().any(|act| {
            let named = match &act.object {
                Of::Unix {
                    name: own,
                    is_abstract: true,
                    ..
                } => own == name.as_bytes(),
                of => of.path() == (!name.is_empty()).then_some(&path),
            };
            named && act.kind == number(kind) && act.access.0 == access && (flags == 0 || act.flags.has(flags))
        });
        if !found {
            missing.push((kind::word(kind), access, name));
        }
    }
    let listed: Vec<String> = seen.iter().map(line).collect();
    assert!(missing.is_empty(), "not seen: {missing:?}\n{}", listed.join("\n"));
    let interpreter = |kind: u16, access: u8| {
        let mut acts = seen
            .iter()
            .filter(|act| act.kind == number(kind) && act.access.0 == access);
        acts.any(|act| act.flags.has(INTERPRETER))
    };
    assert!(
        interpreter(kind::EXEC, EXEC),
        "the script's interpreter\n{}",
        listed.join("\n")
    );
    assert!(
        interpreter(kind::FILE_MAP, MAP),
        "the dynamic loader\n{}",
        listed.join("\n")
    );
    let library = seen
        .iter()
        .any(|act| act.kind == number(kind::FILE_MAP) && !act.flags.has(INTERPRETER));
    assert!(library, "a library\n{}", listed.join("\n"));
    // What open made and truncated is told once.
    let twice = seen
        .iter()
        .filter(|act| act.object.path() == Some(at.join("new").as_os_str().as_encoded_bytes()));
    assert_eq!(twice.count(), 2, "made and moved\n{}", listed.join("\n"));
}

fn line(act: &Act) -> String {
    let path = act.object.path().map(String::from_utf8_lossy);
    format!("{:?} {:#x} {path:?} flags {:#x}", act.kind, act.access.0, act.flags.0)
}

fn prepare(at: &Path) {
    for name in [
        "old",
        "replaced",
        "one",
        "other",
        "attributes",
        "mode",
        "owner",
        "times",
        "extended",
        "sent",
        "ring",
        "worker",
    ] {
        fs::write(at.join(name), name).expect(name);
    }
    fs::write(at.join("script"), "#!/bin/sh\nexit 0\n").expect("script");
    fs::set_permissions(at.join("script"), Permissions::from_mode(0o755)).expect("script");
}

fn act(at: &Path) {
    let path = |name: &str| at.join(name);
    let mut text = String::new();
    File::open(path("old"))
        .and_then(|mut file| file.read_to_string(&mut text))
        .expect("old");
    drop(File::create(path("new")).expect("new"));
    fs::create_dir(path("directory")).expect("directory");
    symlink("old", path("symbolic")).expect("symbolic");
    rustix::fs::mknodat(CWD, path("fifo"), FileType::Fifo, Mode::RUSR, 0).expect("fifo");
    rustix::fs::mknodat(CWD, path("node"), FileType::RegularFile, Mode::RUSR, 0).expect("node");
    fs::hard_link(path("old"), path("hard")).expect("hard");
    fs::rename(path("new"), path("renamed")).expect("renamed");
    fs::rename(path("renamed"), path("replaced")).expect("replaced");
    rustix::fs::renameat_with(CWD, path("one"), CWD, path("other"), RenameFlags::EXCHANGE).expect("exchanged");
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path("attributes"))
        .expect("attributes");
    file.set_len(1).expect("truncated");
    fs::set_permissions(path("mode"), Permissions::from_mode(0o600)).expect("mode");
    chown(path("owner"), Some(1), None).expect("owner");
    let times = File::open(path("times")).expect("times");
    times.set_modified(SystemTime::UNIX_EPOCH).expect("times");
    // The hook comes before the file system, which may have no such attributes.
    let _ = rustix::fs::setxattr(path("extended"), "trusted.probity", b"x", XattrFlags::empty());
    receive(&path("sent"));
    fs::remove_file(path("hard")).expect("hard");
    fs::remove_dir(path("directory")).expect("directory");
    unix(at);
    assert!(Command::new(path("script")).status().expect("script").success());
    let itself = Command::new("/proc/self/exe").arg("--list").output().expect("itself");
    assert!(itself.status.success());
    rustix::process::chroot("/").expect("chroot");
}

/// Sends a descriptor to itself and reads through what arrives.
fn receive(path: &Path) {
    let file = File::open(path).expect("sent");
    let (left, right) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
        .expect("a pair of sockets");
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = [file.as_fd()];
    assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
    rustix::net::sendmsg(&left, &[IoSlice::new(b"x")], &mut control, SendFlags::empty()).expect("sent");
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    rustix::net::recvmsg(
        &right,
        &mut [IoSliceMut::new(&mut byte)],
        &mut control,
        RecvFlags::empty(),
    )
    .expect("received");
    let mut arrived: Vec<OwnedFd> = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            arrived.extend(fds);
        }
    }
    let mut text = String::new();
    let mut file = File::from(arrived.pop().expect("a descriptor"));
    file.read_to_string(&mut text).expect("readable");
    assert_eq!(text, "sent");
}

fn unix(at: &Path) {
    let listener = UnixListener::bind(at.join("socket")).expect("bind");
    let mut stream = UnixStream::connect(at.join("socket")).expect("connect");
    stream.write_all(b"x").expect("write");
    drop(listener);
    let receiver = UnixDatagram::bind(at.join("datagram")).expect("bind");
    let sender = UnixDatagram::unbound().expect("a socket");
    sender.send_to(b"x", at.join("datagram")).expect("send");
    drop(receiver);
    let address = SocketAddr::from_abstract_name("probity-abstract").expect("an address");
    let listener = UnixListener::bind_addr(&address).expect("bind");
    UnixStream::connect_addr(&address).expect("connect");
    drop(listener);
}

/// The acts in the ring of violations: without rules each is one.
fn drain(object: &mut Object, backend: Backend) -> Vec<Act> {
    let map = object.ebpf.map_mut("VIOLATIONS").expect("the map");
    let mut ring = RingBuf::try_from(map).expect("a ring");
    let mut acts = Vec::new();
    while let Some(bytes) = ring.next() {
        let act = Act::decode(&bytes).expect("an event");
        assert_eq!(act.backend.word(), backend.word());
        acts.push(act);
    }
    acts
}

fn number(kind: u16) -> Kind {
    Kind::new(kind).expect("a kind")
}
