//! From a description of the command to a child that waits in its cgroup, and from there to the running command.

use std::ffi::{CString, OsStr, OsString};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType};
use rustix::process::{Gid, Uid};

use super::child::{self, Become, Plan, PointerArray, Report};
use super::clone::{Cloned, ExitSignal, clone};
use super::exec_stop::{self, ExecStop};
use super::inherited::{Inherited, inherited};
use super::running::{Exit, Running, mirror_stop};
use super::signals::Router;
use super::subject::{Check, FileIdentity, Subject};
use super::user::{Credentials, Identity, RunAs, adjust_environment};
use super::{Cgroup, LaunchError, Result};

/// The search path of execvp(3) when PATH is unset.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// What to start.
#[derive(Debug, Clone)]
pub struct Command {
    /// A path when it holds a slash, else a name to be found in PATH, by the user it runs as.
    pub program: OsString,
    /// The arguments after `argv[0]`, which is `program`.
    pub args: Vec<OsString>,
    /// The environment before HOME, USER and LOGNAME are set to the user's.
    pub env: Vec<(OsString, OsString)>,
    /// The user to become.
    pub run_as: RunAs,
    /// Whether the command may run as root.
    pub allow_root: bool,
}

impl Command {
    /// `program` with `args`, in our own environment, as the invoking user, not as root.
    pub fn new<S: Into<OsString>>(program: impl Into<OsString>, args: impl IntoIterator<Item = S>) -> Self {
        Self {
            program: program.into(),
            args: args.into_iter().map(Into::into).collect(),
            env: std::env::vars_os().collect(),
            run_as: RunAs::default(),
            allow_root: false,
        }
    }
}

/// How the child came into its cgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Joined {
    /// `CLONE_INTO_CGROUP`: it never ran an instruction outside.
    AtClone,
    /// It entered by itself before anything else it did (kernels before 5.7).
    BeforeExec,
}

/// When the executed file was compared with the checked one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verified {
    /// There was no check.
    Unchecked,
    /// At the stop after `execve`.
    BeforeFirstInstruction,
    /// While the command already ran: ptrace is not permitted here, or would take a set-user-ID bit away.
    AfterStart,
}

/// A child in the cgroup that waits for its release. Dropping it ends the child.
#[derive(Debug)]
pub struct Prepared {
    running: Running,
    socket: OwnedFd,
    program: OsString,
    path: PathBuf,
    subject: Option<Subject>,
    contained: bool,
    user: Option<Credentials>,
    joined: Joined,
    inherited: Vec<Inherited>,
}

/// Makes the child: in the cgroup, as the user, with the executable found and checked, waiting.
///
/// Between this and [`Prepared::release`] the caller learns pid and cgroup and attaches what watches them. Until the
/// command is finished this process reaps every child it has, so it should start no others meanwhile; and the calling
/// thread's signal mask is the one the command gets.
///
/// # Errors
/// Any [`LaunchError`]; those of a command that cannot be found or executed come from here as far as they can be known
/// before `execve`.
pub fn prepare(command: &Command, cgroup: &Arc<Cgroup>, check: Option<Check<'_>>) -> Result<Prepared> {
    let euid = rustix::process::geteuid().as_raw();
    let identity = command.run_as.resolve(euid, command.allow_root, &command.env)?;
    let inherited = inherited()?;
    let router = Router::install()?;
    let (socket, child_end) =
        rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .map_err(LaunchError::system("socketpair"))?;
    let plan = plan(command, cgroup, &identity, &router, (child_end, &socket))?;
    let cloned = spawn(&plan, cgroup)?;
    let joined = if cloned.in_cgroup {
        Joined::AtClone
    } else {
        Joined::BeforeExec
    };
    let mut running = Running::new(cloned.pid, cloned.pidfd, Arc::clone(cgroup), router);
    // The socket must have no other end but the child's.
    let candidates = plan.into_candidates();
    let program = command.program.clone();
    let path = match Report::receive(&socket).map_err(LaunchError::system("recv"))? {
        Some(Report::Ready(index)) => usize::try_from(index).ok().and_then(|i| candidates.into_iter().nth(i)),
        Some(report) => return Err(failure(report, program)),
        None => None,
    };
    let Some(path) = path else { return Err(running.lost()) };
    let path = PathBuf::from(OsString::from_vec(path.into_bytes()));
    let subject = check.map(|check| Subject::check(&path, check)).transpose()?;
    let Identity {
        credentials: user,
        contained,
    } = identity;
    Ok(Prepared {
        running,
        socket,
        program,
        path,
        subject,
        contained,
        user,
        joined,
        inherited,
    })
}

impl Prepared {
    /// The child's process id, which stays CMD's.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.running.pid()
    }

    /// A pidfd of the child.
    #[must_use]
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.running.pidfd()
    }

    /// The executable as found.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The checked executable, open for reading, to be pinned by its inode; `None` without a check.
    #[must_use]
    pub fn executable(&self) -> Option<&std::fs::File> {
        self.subject.as_ref().map(Subject::file)
    }

    /// What was remembered of the executable when it was checked.
    #[must_use]
    pub fn identity(&self) -> Option<FileIdentity> {
        self.subject.as_ref().map(Subject::identity)
    }

    /// Whether the command is not root.
    #[must_use]
    pub fn contained(&self) -> bool {
        self.contained
    }

    /// The user the command runs as; `None` when it stays who we are.
    #[must_use]
    pub fn user(&self) -> Option<&Credentials> {
        self.user.as_ref()
    }

    /// How the child came into its cgroup.
    #[must_use]
    pub fn joined(&self) -> Joined {
        self.joined
    }

    /// The descriptors the command inherits from whoever started us.
    #[must_use]
    pub fn inherited(&self) -> &[Inherited] {
        &self.inherited
    }

    /// Lets the child execute the command and waits until it has.
    ///
    /// With a checked executable the child is held after `execve` and compared; `check` is asked again where the file
    /// had changed too shortly before its check for its times to tell.
    ///
    /// # Errors
    /// [`LaunchError::NotExecutable`], [`LaunchError::SubjectChanged`], [`LaunchError::Refused`], [`LaunchError::System`];
    /// the child is dead and reaped then.
    pub fn release(self, check: Option<Check<'_>>) -> Result<Running> {
        let Self {
            mut running,
            socket,
            program,
            subject,
            ..
        } = self;
        // Without CAP_SYS_PTRACE a traced set-user-ID program would run without its privilege.
        let may_trace = rustix::thread::capabilities(None)
            .is_ok_and(|sets| sets.effective.contains(rustix::thread::CapabilitySet::SYS_PTRACE));
        let traced = subject.is_some() && may_trace && exec_stop::seize(running.child()).is_ok();
        if rustix::net::send(&socket, b"g", SendFlags::NOSIGNAL).is_err() {
            return Err(running.lost());
        }
        if traced {
            let stopped = |signal| mirror_stop(running.child(), running.pidfd(), signal);
            let stop = exec_stop::await_exec(running.child(), &stopped).map_err(LaunchError::system("waitpid"))?;
            if let ExecStop::Ended(status) = stop {
                running.ended(Exit::of_status(status));
            }
        }
        if let Some(report) = Report::receive(&socket).map_err(LaunchError::system("recv"))? {
            return Err(failure(report, program));
        }
        match subject {
            Some(subject) if running.exit().is_none() => {
                running.interpreter = subject.verify(running.pid(), check)?;
                running.verified = if traced {
                    Verified::BeforeFirstInstruction
                } else {
                    Verified::AfterStart
                };
                if traced {
                    exec_stop::detach(running.child()).map_err(LaunchError::system("ptrace(PTRACE_DETACH)"))?;
                }
            }
            _ => {}
        }
        Ok(running)
    }
}

fn failure(report: Report, program: OsString) -> LaunchError {
    match report {
        Report::NotFound(Errno::NOENT) => LaunchError::NotFound { program },
        Report::NotFound(errno) | Report::NotExecuted(errno) => LaunchError::NotExecutable {
            program,
            source: errno.into(),
        },
        Report::NotContained(errno) => LaunchError::System {
            call: "write to cgroup.procs",
            source: errno.into(),
        },
        Report::NotUser(errno) => LaunchError::System {
            call: "changing to the user",
            source: errno.into(),
        },
        Report::Ready(_) => LaunchError::System {
            call: "recv",
            source: std::io::ErrorKind::InvalidData.into(),
        },
    }
}

fn plan(
    command: &Command,
    cgroup: &Cgroup,
    identity: &Identity,
    router: &Router,
    (child_end, parent_end): (OwnedFd, &OwnedFd),
) -> Result<Plan> {
    let mut env = command.env.clone();
    if let Some(user) = &identity.credentials {
        adjust_environment(&mut env, user);
    }
    let arguments = std::iter::once(&command.program).chain(&command.args);
    let argv = arguments
        .map(|arg| c_string(arg, "an argument"))
        .collect::<Result<Vec<_>>>()?;
    let gap = [c"/bin/sh".to_owned(), CString::default()];
    let shell_argv = gap.into_iter().chain(argv.iter().skip(1).cloned()).collect();
    let entries = env.iter().map(|(key, value)| {
        let mut entry = key.clone();
        entry.push("=");
        entry.push(value);
        c_string(&entry, "the environment")
    });
    let envp = entries.collect::<Result<Vec<_>>>()?;
    let user = identity.credentials.as_ref().map(|c| Become {
        uid: Uid::from_raw(c.uid),
        gid: Gid::from_raw(c.gid),
        groups: c.groups.iter().map(|g| Gid::from_raw(*g)).collect(),
    });
    let procs = rustix::fs::openat(
        cgroup.dir(),
        c"cgroup.procs",
        OFlags::WRONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(|_| LaunchError::CgroupPermission {
        path: cgroup.path().to_owned(),
    })?;
    Ok(Plan {
        candidates: candidates(&command.program, &env)?,
        argv: PointerArray::new(argv),
        shell_argv: PointerArray::new(shell_argv),
        envp: PointerArray::new(envp),
        user,
        stays_root: !identity.contained,
        ignored: router.ignored_at_start(),
        child_end,
        parent_end: parent_end.as_raw_fd(),
        cgroup_procs: procs,
    })
}

/// The paths execvp(3) would try.
fn candidates(program: &OsStr, env: &[(OsString, OsString)]) -> Result<Vec<CString>> {
    if program.is_empty() {
        return Ok(Vec::new());
    }
    if program.as_bytes().contains(&b'/') {
        return Ok(vec![c_string(program, "the command")?]);
    }
    let path = env
        .iter()
        .find(|(key, _)| key == "PATH")
        .map_or(OsStr::new(DEFAULT_PATH), |(_, value)| value);
    let directories = path.as_bytes().split(|&b| b == b':');
    // An empty element is the working directory.
    directories
        .map(|dir| {
            c_string(
                Path::new(OsStr::from_bytes(dir)).join(program).as_os_str(),
                "the command",
            )
        })
        .collect()
}

fn c_string(value: &OsStr, what: &'static str) -> Result<CString> {
    CString::new(value.as_bytes()).map_err(|_| LaunchError::ZeroByte { what })
}

#[expect(
    unsafe_code,
    reason = "the child of a clone may make only some calls, which the compiler cannot check"
)]
fn spawn(plan: &Plan, cgroup: &Cgroup) -> Result<Cloned> {
    // SAFETY: `child::run` makes only async-signal-safe calls and does not return.
    let cloned = unsafe {
        clone(Some(cgroup.dir()), ExitSignal::Child, &|in_cgroup, mask| {
            child::run(plan, in_cgroup, mask)
        })
    };
    cloned.map_err(|source| match source.raw_os_error() {
        Some(libc::EACCES) => LaunchError::CgroupPermission {
            path: cgroup.path().to_owned(),
        },
        Some(libc::EOPNOTSUPP | libc::EBUSY) => LaunchError::CgroupType {
            path: cgroup.path().to_owned(),
            kind: "not able to hold processes".to_owned(),
        },
        _ => LaunchError::System { call: "clone3", source },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_those_of_execvp() {
        let check = |program: &str, path: Option<&str>, expect: &[&str]| {
            let env: Vec<_> = path
                .into_iter()
                .map(|p| (OsString::from("PATH"), OsString::from(p)))
                .collect();
            let got = candidates(OsStr::new(program), &env).expect("no zero byte");
            let got: Vec<_> = got.iter().map(|c| c.to_str().expect("ASCII")).collect();
            assert_eq!(got, expect);
        };
        check("ls", Some("/usr/bin:/bin"), &["/usr/bin/ls", "/bin/ls"]);
        check("ls", Some(":/bin"), &["ls", "/bin/ls"]);
        check("ls", None, &["/bin/ls", "/usr/bin/ls"]);
        check("./ls", Some("/bin"), &["./ls"]);
        check("", Some("/bin"), &[]);
    }
}
