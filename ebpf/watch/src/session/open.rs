//! What a process had open or mapped before it was watched: listed for the report, as nobody saw it opened.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::launching::describe_inherited;
use crate::launch::{Access, Inherited, InheritedKind, open_in};
use crate::report::Uncovered;

/// Anonymous inodes through which more is done than is seen.
const WORTH_A_LINE: [&str; 4] = ["io_uring", "bpf", "perf_event", "userfaultfd"];

/// Descriptors and mapped files of a process; a reason where they cannot be listed.
pub(super) fn uncovered(pid: u32) -> Result<Vec<Uncovered>, String> {
    let listed = open_in(pid).map_err(|error| error.to_string())?;
    let descriptors = listed.iter().filter(|descriptor| matters(descriptor)).map(describe);
    let maps = fs::read(format!("/proc/{pid}/maps")).map_err(|error| error.to_string())?;
    let mapped: BTreeSet<String> = maps.split(|byte| *byte == b'\n').filter_map(mapped).collect();
    let mapped = mapped.into_iter().map(|path| format!("mapped {path}"));
    Ok(descriptors.chain(mapped).map(|what| Uncovered { pid, what }).collect())
}

/// Whether a descriptor lets a process do what no later event shows.
fn matters(descriptor: &Inherited) -> bool {
    match &descriptor.kind {
        InheritedKind::File | InheritedKind::Socket(_) => true,
        InheritedKind::Device => descriptor.target != Path::new("/dev/null"),
        InheritedKind::Anon => {
            let name = descriptor.target.to_string_lossy();
            WORTH_A_LINE.iter().any(|word| name.contains(word))
        }
        InheritedKind::Directory | InheritedKind::Pipe | InheritedKind::Tty => false,
    }
}

fn describe(descriptor: &Inherited) -> String {
    let what = describe_inherited(descriptor);
    let fd = descriptor.fd;
    match (&descriptor.kind, descriptor.access) {
        (InheritedKind::Socket(_), _) => format!("{fd}: {what}"),
        (_, Access::Read) => format!("{fd}: {what} (read)"),
        (_, Access::Write) => format!("{fd}: {what} (write)"),
        (_, Access::ReadWrite) => format!("{fd}: {what} (read, write)"),
        (_, Access::Path) => format!("{fd}: {what} (path only)"),
    }
}

/// The file of one line of `/proc/PID/maps`: `start-end perms offset dev inode path`.
fn mapped(line: &[u8]) -> Option<String> {
    let slash = line.iter().position(|byte| *byte == b'/')?;
    let path = Path::new(std::ffi::OsStr::from_bytes(line.get(slash..)?));
    Some(path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_are_mapped() {
        for (line, expect) in [
            (
                "7f0000000000-7f0000001000 r--p 00000000 fe:00 1234        /usr/lib/libc.so.6",
                Some("/usr/lib/libc.so.6"),
            ),
            (
                "7f0000000000-7f0000001000 rw-s 00000000 00:01 9 /memfd:x (deleted)",
                Some("/memfd:x (deleted)"),
            ),
            ("7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0 [stack]", None),
            ("7f0000000000-7f0000001000 rw-p 00000000 00:00 0 ", None),
            ("", None),
        ] {
            assert_eq!(mapped(line.as_bytes()).as_deref(), expect, "{line}");
        }
    }

    #[test]
    fn an_open_file_and_a_connection_are_listed() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
        let address = listener.local_addr().expect("it is bound");
        let stream = std::net::TcpStream::connect(address).expect("it listens");
        let found = uncovered(std::process::id()).expect("our own");
        let lines: Vec<&str> = found.iter().map(|item| item.what.as_str()).collect();
        let name = file.path().display().to_string();
        let has = |wanted: &str| lines.iter().any(|line| line.contains(wanted));
        assert!(has(&format!("{name} (read, write)")), "{lines:?}");
        assert!(has(&format!("to {address}")), "{lines:?}");
        assert!(lines.iter().any(|line| line.starts_with("mapped /")), "{lines:?}");
        drop(stream);
    }
}
