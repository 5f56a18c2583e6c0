//! Files that are none: FIFOs, sockets, devices, and the files of `/proc` that say they are empty.

use crate::common::{Run, errors, is_root, plain, put, root, scan, skip, temp};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::fs::File;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

#[track_caller]
fn refused(run: &Run, path: &str, code: &str) {
    let report = run.expect(3, "incomplete", false);
    assert_eq!(errors(root(&report, path)), [code], "{path}");
    assert!(run.took < Duration::from_secs(10), "{path} took {:?}", run.took);
}

fn fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap();
}

#[test]
fn a_fifo_or_socket_holds_nobody_up_and_is_not_clean() {
    let dir = temp();
    put(dir.path(), "t/file", &plain());
    fifo(&dir.path().join("t/fifo"));
    let _listening = UnixListener::bind(dir.path().join("t/socket")).unwrap();
    for path in ["t/fifo", "t/socket"] {
        refused(&scan(dir.path(), &[path]), path, "unsupported");
        refused(&scan(dir.path(), &["t"]), path, "unsupported");
    }
    std::os::unix::fs::symlink("t/fifo", dir.path().join("to-fifo")).unwrap();
    refused(&scan(dir.path(), &["to-fifo"]), "to-fifo", "unsupported");
    let report = scan(dir.path(), &["t"]).json();
    assert_eq!(root(&report, "t/file")["verdict"], "clean");
}

#[test]
fn a_fifo_with_a_writer_is_no_different() {
    let dir = temp();
    fifo(&dir.path().join("fifo"));
    let both = File::options()
        .read(true)
        .write(true)
        .open(dir.path().join("fifo"))
        .unwrap();
    refused(&scan(dir.path(), &["fifo"]), "fifo", "unsupported");
    drop(both);
}

#[test]
fn devices_are_not_read() {
    let dir = temp();
    for path in ["/dev/zero", "/dev/null", "/dev/full", "/dev/tty"] {
        match Path::new(path).exists() {
            true => refused(&scan(dir.path(), &[path]), path, "unsupported"),
            false => skip(&format!("no {path}")),
        }
    }
    if !is_root() {
        return skip("only root makes device nodes");
    }
    let device = rustix::fs::makedev(1, 5);
    match mknodat(
        CWD,
        dir.path().join("zero"),
        FileType::CharacterDevice,
        Mode::RWXU,
        device,
    ) {
        Ok(()) => refused(&scan(dir.path(), &["."]), "./zero", "unsupported"),
        Err(error) => skip(&format!("mknod: {error}")),
    }
}

#[test]
fn files_that_say_they_are_empty_are_read_to_their_end() {
    let dir = temp();
    for (path, least) in [
        ("/proc/self/status", 200),
        ("/proc/version", 20),
        ("/proc/self/maps", 500),
    ] {
        let report = scan(dir.path(), &[path]).expect(0, "clean", true);
        let size = root(&report, path)["size"].as_u64().unwrap();
        assert!(size >= least, "{path} holds {size} bytes");
    }
    put(dir.path(), "version", &std::fs::read("/proc/version").unwrap());
    let report = scan(dir.path(), &["/proc/version", "version"]).expect(0, "clean", true);
    assert_eq!(
        root(&report, "/proc/version")["digests"],
        root(&report, "version")["digests"]
    );
}

#[test]
fn what_cannot_be_read_as_it_says_is_unreadable() {
    let dir = temp();
    refused(&scan(dir.path(), &["/proc/self/mem"]), "/proc/self/mem", "unreadable");
    let sys = "/sys/kernel/mm/transparent_hugepage/enabled";
    match Path::new(sys).exists() {
        true => refused(&scan(dir.path(), &[sys]), sys, "unreadable"),
        false => skip(&format!("no {sys}")),
    }
}

#[test]
fn a_sparse_file_of_ten_gigabytes_costs_no_more_than_its_limits() {
    let dir = temp();
    File::create(dir.path().join("sparse"))
        .unwrap()
        .set_len(10 << 30)
        .unwrap();
    let run = scan(dir.path(), &["sparse", "--timeout", "1"]);
    refused(&run, "sparse", "limit-exceeded");
    assert!(run.peak < 64 << 10, "{} KiB", run.peak);
    let run = scan(dir.path(), &["sparse", "--depth", "quick"]);
    let report = run.expect(0, "clean", true);
    assert_eq!(root(&report, "sparse")["size"].as_u64(), Some(10 << 30));
    assert!(
        root(&report, "sparse")["digests"].is_null(),
        "what was not read has no digest"
    );
}
