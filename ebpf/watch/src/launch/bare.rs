//! Running a command where it cannot have a cgroup, for those who want it run all the same: unwatched, uncontained.
//!
//! What it leaves behind is not known and not ended, and it stops without us. Supplementary groups of another user are not
//! taken on: it gets fewer rights than a login would give, never more.

use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command as Process, ExitStatus};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, Signal, kill_process};

use super::running::Exit;
use super::signals::Router;
use super::user::adjust_environment;
use super::{Command, LaunchError, Result};

/// Runs `command` to its end; the second value says whether it ran as somebody who is not root.
///
/// # Errors
/// As [`super::prepare`] for a command that cannot be found or executed, or a user that cannot be become.
pub fn bare(command: &Command) -> Result<(Exit, bool)> {
    let euid = rustix::process::geteuid().as_raw();
    let identity = command.run_as.resolve(euid, command.allow_root, &command.env)?;
    let mut env = command.env.clone();
    let mut process = Process::new(&command.program);
    process.args(&command.args);
    if let Some(credentials) = &identity.credentials {
        adjust_environment(&mut env, credentials);
        process.gid(credentials.gid).uid(credentials.uid);
    }
    process.env_clear().envs(env);
    let router = Router::install()?;
    let mut child = process.spawn().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => LaunchError::NotFound {
            program: command.program.clone(),
        },
        _ => LaunchError::NotExecutable {
            program: command.program.clone(),
            source,
        },
    })?;
    let status = follow(&mut child, &router).map_err(LaunchError::system("wait"))?;
    Ok((exit_of(status), identity.contained))
}

/// Passes on what other processes send us; the terminal's signals reach the command directly.
fn follow(child: &mut Child, router: &Router) -> io::Result<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        match poll(&mut [PollFd::from_borrowed_fd(router.fd(), PollFlags::IN)], None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        for arrived in router.take() {
            let signal = Signal::from_named_raw(arrived.signal).filter(|signal| *signal != Signal::CHILD);
            if let (Some(pid), Some(signal), true) = (pid, signal, arrived.by_process) {
                // It is not waited for yet, so that its number is still its own; that it has ended is no error.
                let _ended = kill_process(pid, signal);
            }
        }
    }
}

fn exit_of(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(u8::try_from(code & 0xff).unwrap_or(u8::MAX)),
        (None, signal) => Exit::Signal {
            signal: signal.unwrap_or(0),
            core: status.core_dumped(),
        },
    }
}
