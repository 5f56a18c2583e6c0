//! Loading: the object with the run's constants, each program by itself, and what was refused.

use std::fs::File;
use std::path::Path;

use aya::Ebpf;
use aya::programs::{CgroupAttachMode, CgroupSkbAttachType, Program};
use probity_abi::config::Config;
use probity_abi::state::{Held, Task};

use crate::compile::Automaton;
use crate::kernel::load::{self, Object};
use crate::kernel::programs::{Hook, Row};
use crate::report::ProgramUse;

/// Why the programs could not be loaded at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// Nothing can be loaded.
    #[error(transparent)]
    Object(#[from] load::LoadError),
    /// A program without which nothing works.
    #[error("the program `{program}` ({sees}) is refused: {why}")]
    Required {
        /// Its name.
        program: &'static str,
        /// What it makes visible.
        sees: &'static str,
        /// What the kernel said.
        why: String,
    },
}

/// What became of one program.
#[derive(Debug, Clone)]
pub struct Capability {
    /// The program.
    pub row: &'static Row,
    /// `None` when it is attached; else what the kernel said.
    pub refused: Option<String>,
    /// Instructions that the verifier walked.
    pub verified: Option<u32>,
}

/// The object, loaded.
pub struct Loaded {
    /// Its maps and programs.
    pub ebpf: Ebpf,
    /// What became of each program.
    pub programs: Vec<Capability>,
}

/// What the kernel said, in one line: the error, and the last line of the verifier that says something.
#[must_use]
pub(crate) fn shortened(why: &str) -> String {
    const NOISE: [&str; 5] = [
        "processed ",
        "verification time",
        "stack depth",
        "insns processed",
        "mark_read",
    ];
    let mut lines = why.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    match lines
        .rev()
        .find(|line| !NOISE.iter().any(|noise| line.starts_with(noise)))
    {
        Some(last) => format!("{first} {last}"),
        None => first.to_owned(),
    }
}

impl Loaded {
    /// Loads the object with its constants; attaches nothing.
    ///
    /// # Errors
    ///
    /// [`LoadError`].
    pub fn load(config: &Config, automaton: Option<&Automaton>, wanted: &[&'static Row]) -> Result<Self, LoadError> {
        let mut object = Object::with_rules(config, automaton)?;
        let mut programs = Vec::new();
        for row in wanted {
            match object.load(row) {
                Ok(verified) => programs.push(Capability {
                    row,
                    refused: None,
                    verified,
                }),
                Err(why) if row.required => {
                    return Err(LoadError::Required {
                        program: row.name,
                        sees: row.sees,
                        why: shortened(&why),
                    });
                }
                Err(why) => programs.push(Capability {
                    row,
                    refused: Some(shortened(&why)),
                    verified: None,
                }),
            }
        }
        let ebpf = object.ebpf;
        Ok(Self { ebpf, programs })
    }

    /// Attaches what was loaded; iterators are not attached but run.
    ///
    /// # Errors
    ///
    /// [`LoadError::Required`].
    pub fn attach(&mut self, cgroup: Option<&Path>) -> Result<(), LoadError> {
        for capability in &mut self.programs {
            if capability.refused.is_some() || matches!(capability.row.hook, Hook::IterTaskFile | Hook::IterTask) {
                continue;
            }
            let Some(program) = self.ebpf.program_mut(capability.row.name) else {
                continue;
            };
            if let Err(why) = attach_one(program, cgroup) {
                if capability.row.required {
                    return Err(LoadError::Required {
                        program: capability.row.name,
                        sees: capability.row.sees,
                        why,
                    });
                }
                capability.refused = Some(why);
            }
        }
        Ok(())
    }

    /// Whether a program is attached.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.programs
            .iter()
            .any(|capability| capability.row.name == name && capability.refused.is_none())
    }

    /// What each program cost so far. The counters run while the sysctl `kernel.bpf_stats_enabled` is 1.
    #[must_use]
    pub fn uses(&self) -> Vec<ProgramUse> {
        let attached = self.programs.iter().filter(|capability| capability.refused.is_none());
        attached
            .filter_map(|capability| {
                let program = self.ebpf.program(capability.row.name)?;
                let fd = std::os::fd::AsRawFd::as_raw_fd(&std::os::fd::AsFd::as_fd(program.fd().ok()?));
                let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap_or_default();
                let number = |key: &str| -> u64 {
                    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
                    line.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
                };
                Some(ProgramUse {
                    program: capability.row.name.to_owned(),
                    verified: capability.verified,
                    runs: number("run_cnt"),
                    nanoseconds: number("run_time_ns"),
                    skipped: number("recursion_misses"),
                })
            })
            .collect()
    }

    /// Which objects all open descriptors of the host mean.
    ///
    /// # Errors
    ///
    /// When the iterator cannot run.
    pub fn held(&mut self) -> Result<Vec<Held>, LoadError> {
        let bytes = self.iterate("held_files", "identity of pinned files")?;
        Ok(bytes.chunks_exact(size_of::<Held>()).map(record).collect())
    }

    /// Every task of the host.
    ///
    /// # Errors
    ///
    /// When the iterator cannot run.
    pub fn tasks(&mut self) -> Result<Vec<Task>, LoadError> {
        let bytes = self.iterate("all_tasks", "running processes")?;
        Ok(bytes.chunks_exact(size_of::<Task>()).map(task).collect())
    }

    /// What an iterator writes.
    fn iterate(&mut self, program: &'static str, sees: &'static str) -> Result<Vec<u8>, LoadError> {
        let failed = |why: String| LoadError::Required { program, sees, why };
        let found = self
            .ebpf
            .program_mut(program)
            .ok_or_else(|| failed("not in the object".to_owned()))?;
        let Program::Iter(iter) = found else {
            return Err(failed("not an iterator".to_owned()));
        };
        let id = iter.attach().map_err(|error| failed(load::reason(&error)))?;
        let link = iter.take_link(id).map_err(|error| failed(load::reason(&error)))?;
        let mut file = link.into_file().map_err(|error| failed(error.to_string()))?;
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut file, &mut bytes).map_err(|error| failed(error.to_string()))?;
        Ok(bytes)
    }
}

/// Eight bytes of a record.
fn word(bytes: &[u8], at: usize) -> u64 {
    bytes
        .get(at..at + 8)
        .and_then(|eight| eight.try_into().ok())
        .map_or(0, u64::from_ne_bytes)
}

/// Four bytes of a record.
fn half(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..at + 4)
        .and_then(|four| four.try_into().ok())
        .map_or(0, u32::from_ne_bytes)
}

/// One record of the iterator over tasks.
fn task(bytes: &[u8]) -> Task {
    Task {
        start: word(bytes, 0),
        exe: word(bytes, 8),
        pid: half(bytes, 16),
        tgid: half(bytes, 20),
        ppid: half(bytes, 24),
        flags: half(bytes, 28),
    }
}

/// One record of the iterator over descriptors.
fn record(bytes: &[u8]) -> Held {
    Held {
        fd: half(bytes, 0),
        generation: half(bytes, 4),
        inode: word(bytes, 8),
        ino: word(bytes, 16),
        file: word(bytes, 24),
        dev: half(bytes, 32),
        tgid: half(bytes, 36),
    }
}

fn attach_one(program: &mut Program, cgroup: Option<&Path>) -> Result<(), String> {
    let open = || -> Result<File, String> {
        let path = cgroup.ok_or("the tree has no cgroup of its own")?;
        File::open(path).map_err(|error| format!("{}: {error}", path.display()))
    };
    if load::attach(program)? {
        return Ok(());
    }
    match program {
        Program::CgroupSockAddr(program) => program.attach(open()?, CgroupAttachMode::Single).map(drop),
        Program::CgroupSkb(program) => program
            .attach(open()?, CgroupSkbAttachType::Ingress, CgroupAttachMode::Single)
            .map(drop),
        _ => return Err("a program of unknown type".to_owned()),
    }
    .map_err(|error| load::reason(&error))
}
