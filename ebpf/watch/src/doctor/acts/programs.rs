//! Acts that start programs and processes.

use std::ffi::CString;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::MemfdFlags;

use super::sys::{Acted, Stop, call, forked, wait};
use super::{Object, Row, Scene, elf};
use crate::act::Kind;

/// The program that is executed.
pub(super) const PROGRAM: &str = "program";
/// The script, of which it is the interpreter.
pub(super) const SCRIPT: &str = "script";

const EXEC: Row = Row {
    name: "",
    group: "programs",
    kind: Kind::EXEC,
    object: Object::OfChild,
    core: false,
    cost: "programs started this way are not held to `[[exec]]` rules",
    run: |_| Ok(()),
};

const PROCESS: Row = Row {
    cost: "the tree cannot be followed",
    core: true,
    ..EXEC
};

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "exec",
        object: Object::File(PROGRAM),
        core: true,
        run: exec,
        ..EXEC
    },
    Row {
        name: "exec of a script",
        object: Object::File(SCRIPT),
        run: script,
        ..EXEC
    },
    Row {
        name: "exec of a memfd",
        run: memfd,
        ..EXEC
    },
    Row {
        name: "fork",
        kind: Kind::FORK,
        run: fork,
        ..PROCESS
    },
    Row {
        name: "exit",
        kind: Kind::EXIT,
        run: |_| Ok(()),
        ..PROCESS
    },
];

fn execute(path: &Path) -> Acted {
    let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| Stop::Wrong)?;
    let (argv, envp) = ([path.as_ptr(), std::ptr::null()], [std::ptr::null::<libc::c_char>()]);
    call!(libc::SYS_execve, path.as_ptr(), argv.as_ptr(), envp.as_ptr()).map(drop)
}

fn exec(scene: &Scene) -> Acted {
    execute(&scene.file(PROGRAM))
}

fn script(scene: &Scene) -> Acted {
    execute(&scene.file(SCRIPT))
}

fn memfd(_: &Scene) -> Acted {
    let fd: OwnedFd = rustix::fs::memfd_create("probity", MemfdFlags::CLOEXEC)?;
    let mut file = std::fs::File::from(fd);
    file.write_all(&elf::exits_with_zero())?;
    let (argv, envp) = (
        [c"memfd".as_ptr(), std::ptr::null()],
        [std::ptr::null::<libc::c_char>()],
    );
    call!(
        libc::SYS_execveat,
        file.as_raw_fd(),
        c"".as_ptr(),
        argv.as_ptr(),
        envp.as_ptr(),
        libc::AT_EMPTY_PATH
    )
    .map(drop)
}

fn fork(_: &Scene) -> Acted {
    match wait(forked(|| Ok(()))?)? {
        0 => Ok(()),
        _ => Err(Stop::Wrong),
    }
}
