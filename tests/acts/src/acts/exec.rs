//! Running a program, in every form of the call. The program is `crate::elf`'s, which ends with 42.
//!
//! Each act forks, so that the act's own process lives to tell; the fork is a lifecycle event and no violation.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd};

use crate::acts::{allowed, files};
use crate::child;
use crate::context::Context;
use crate::elf;
use crate::sys::{self, Acted, Stop, call, owned, skip};
use crate::table::Act;

const RUNS: &str = concat!(
    "[[exec]]\npaths = [\"${DIR}/allowed/**\"]\n",
    "[[file]]\naccess = [\"read\", \"map\"]\npaths = [\"${DIR}/allowed/**\"]\n"
);
const EXEC: Act = Act {
    group: "exec",
    kind: "exec",
    object: "${DIR}/${FORM}/tool",
    core: true,
    set: RUNS,
    ..Act::ROW
};

pub(crate) const ACTS: &[Act] = &[
    Act {
        name: "execve",
        does: "execve(2) of a program by path",
        run: execve,
        ..EXEC
    },
    Act {
        name: "execveat",
        does: "execveat(2) of an O_PATH descriptor with AT_EMPTY_PATH",
        run: execveat,
        ..EXEC
    },
    Act {
        name: "exec-script",
        does: "execve(2) of a script whose first line names the program",
        object: "${DIR}/${FORM}/script",
        run: script,
        ..EXEC
    },
    Act {
        name: "exec-memfd",
        does: "a program written to a memfd and executed from it; declared by its own exec rule",
        object: "/memfd:act (deleted)",
        set: "[[exec]]\npaths = [\"/memfd:act*\"]\nmemfd = \"allow\"\n",
        undeclared_set: Some("[[exec]]\npaths = [\"${DIR}/allowed/**\"]\nmemfd = \"deny\"\n"),
        run: memfd,
        ..EXEC
    },
    Act {
        name: "exec-deleted",
        does: "a program that was unlinked while a descriptor held it",
        object: "${DIR}/${FORM}/doomed-tool",
        noise: &[files!(["delete"], r#""${DIR}/*/doomed-tool""#)],
        run: deleted,
        ..EXEC
    },
    Act {
        name: "exec-ld-so",
        does: "the dynamic loader, given the program as its argument",
        noise: &[
            "[[exec]]\npaths = [\"/lib/ld-*.so*\", \"/lib64/ld-*.so*\", \"/lib/*/ld-*.so*\", \"/usr/lib/*/ld-*.so*\"]\nldso = \"allow\"\n",
        ],
        access: &["map"],
        kind: "file.map",
        run: through_loader,
        ..EXEC
    },
    Act {
        name: "exec-copy",
        does: "a program written under another name a moment ago",
        object: "${DIR}/${FORM}/copied-tool",
        noise: &[files!(["create", "write"], r#""${DIR}/*/copied-tool""#)],
        run: copied,
        ..EXEC
    },
    Act {
        name: "exec-renamed",
        does: "a program renamed a moment ago",
        object: "${DIR}/${FORM}/renamed-tool",
        core: false,
        noise: &[files!(["create", "delete"], r#""${DIR}/*/{doomed,renamed}-tool""#)],
        run: renamed,
        ..EXEC
    },
    Act {
        name: "map-exec",
        does: "mmap(2) with PROT_EXEC of a file",
        kind: "file.map",
        access: &["read", "map"],
        core: false,
        set: allowed!("read", "map"),
        run: map_exec,
        ..EXEC
    },
];

/// Runs `exec` in a child and wants the child to end as the program does.
fn program(exec: impl FnOnce() -> Acted<i64>) -> Acted {
    let pid = child::fork(|| match exec() {
        Err(Stop::Errno(number)) => 100 + number.min(127),
        _ => 1,
    })?;
    let status = child::wait(pid)?;
    match (libc::WIFEXITED(status), libc::WEXITSTATUS(status)) {
        (true, elf::CODE) => Ok(()),
        (true, code) if code > 100 => Err(Stop::Errno(code - 100)),
        _ => Err(Stop::Wrong(format!("the program ended with status {status:#x}"))),
    }
}

fn exec(path: &CStr, arguments: &[&CStr]) -> Acted<i64> {
    let mut argv: Vec<*const libc::c_char> = arguments.iter().map(|argument| argument.as_ptr()).collect();
    argv.push(std::ptr::null());
    let envp = [std::ptr::null::<libc::c_char>()];
    call!(libc::SYS_execve, path.as_ptr(), argv.as_ptr(), envp.as_ptr())
}

fn exec_descriptor(file: &OwnedFd) -> Acted<i64> {
    let (argv, envp) = ([c"tool".as_ptr(), std::ptr::null()], [std::ptr::null::<libc::c_char>()]);
    let fd = file.as_raw_fd();
    call!(
        libc::SYS_execveat,
        fd,
        c"".as_ptr(),
        argv.as_ptr(),
        envp.as_ptr(),
        libc::AT_EMPTY_PATH
    )
}

fn run(path: &CString) -> Acted {
    program(|| exec(path, &[path]))
}

fn execve(context: &Context) -> Acted {
    run(&context.own("tool")?)
}

fn execveat(context: &Context) -> Acted {
    let file = sys::open(&context.own("tool")?, libc::O_PATH | libc::O_CLOEXEC, 0)?;
    program(|| exec_descriptor(&file))
}

fn script(context: &Context) -> Acted {
    run(&context.own("script")?)
}

fn memfd(_: &Context) -> Acted {
    let file = owned(call!(libc::SYS_memfd_create, c"act".as_ptr(), libc::MFD_CLOEXEC)?)?;
    sys::write(&file, &elf::exit_42())?;
    program(|| exec_descriptor(&file))
}

fn deleted(context: &Context) -> Acted {
    let path = context.own("doomed-tool")?;
    let file = sys::open(&path, libc::O_PATH | libc::O_CLOEXEC, 0)?;
    call!(libc::SYS_unlinkat, libc::AT_FDCWD, path.as_ptr(), 0)?;
    program(|| exec_descriptor(&file))
}

/// The dynamic loaders of the architectures the suite knows.
const LOADERS: &[&CStr] = &[c"/lib64/ld-linux-x86-64.so.2", c"/lib/ld-linux-aarch64.so.1"];

fn through_loader(context: &Context) -> Acted {
    let exists = |path: &&&CStr| call!(libc::SYS_faccessat, libc::AT_FDCWD, path.as_ptr(), libc::X_OK).is_ok();
    let Some(loader) = LOADERS.iter().find(exists) else {
        return skip("there is no dynamic loader at the usual paths");
    };
    let path = context.own("tool")?;
    program(|| exec(loader, &[loader, &path]))
}

fn copied(context: &Context) -> Acted {
    let path = context.own("copied-tool")?;
    let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_CLOEXEC;
    sys::write(&sys::open(&path, flags, 0o755)?, &elf::exit_42())?;
    run(&path)
}

fn renamed(context: &Context) -> Acted {
    let (from, to) = (context.own("doomed-tool")?, context.own("renamed-tool")?);
    call!(
        libc::SYS_renameat2,
        libc::AT_FDCWD,
        from.as_ptr(),
        libc::AT_FDCWD,
        to.as_ptr(),
        0
    )?;
    run(&to)
}

fn map_exec(context: &Context) -> Acted {
    let file = sys::open(&context.own("tool")?, libc::O_RDONLY | libc::O_CLOEXEC, 0)?;
    let protection = libc::PROT_READ | libc::PROT_EXEC;
    let address = call!(
        libc::SYS_mmap,
        0,
        4096,
        protection,
        libc::MAP_PRIVATE,
        file.as_raw_fd(),
        0
    )?;
    call!(libc::SYS_munmap, address, 4096).map(|_| ())
}
