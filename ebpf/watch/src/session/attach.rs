//! Loading: the object with the run's constants, each program by itself, and what was refused.

use std::fs::File;
use std::path::Path;

use aya::programs::{CgroupAttachMode, CgroupSkbAttachType, Program, ProgramError};
use aya::{Btf, Ebpf, EbpfLoader};
use probity_abi::config::Config;
use probity_abi::state::Held;

use crate::compile::Automaton;
use crate::kernel::btf::{BtfError, Types};
use crate::kernel::programs::{Hook, Row, TABLE};
use crate::kernel::{layout, object};
use crate::report::ProgramUse;

/// Why the programs could not be loaded at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// No type information.
    #[error("{0}: the watcher needs a kernel with CONFIG_DEBUG_INFO_BTF")]
    NoBtf(#[from] BtfError),
    /// A structure is not as it must be.
    #[error("this kernel has no {}", .0.join(", no "))]
    Layout(Vec<String>),
    /// The object cannot be read.
    #[error("the eBPF object: {0}")]
    Object(std::io::Error),
    /// The kernel refuses maps or BTF.
    #[error("{0}")]
    Refused(String),
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

/// What the kernel said, shortened to what a person can use.
#[must_use]
pub(crate) fn reason(error: &ProgramError) -> String {
    match error {
        ProgramError::LoadError { io_error, verifier_log } => {
            let log = verifier_log.to_string();
            let line = log
                .lines()
                .rev()
                .map(str::trim)
                .find(|line| {
                    !line.is_empty()
                        && ![
                            "processed ",
                            "verification time",
                            "stack depth",
                            "insns processed",
                            "mark_read",
                        ]
                        .iter()
                        .any(|noise| line.starts_with(noise))
                })
                .unwrap_or_default();
            if line.is_empty() {
                io_error.to_string()
            } else {
                format!("{io_error}: {line}")
            }
        }
        ProgramError::SyscallError(error) => format!("{error}: {}", error.io_error),
        other => other.to_string(),
    }
}

impl Loaded {
    /// Loads the object with its constants; attaches nothing.
    ///
    /// # Errors
    ///
    /// [`LoadError`].
    pub fn load(config: &Config, automaton: Option<&Automaton>, wanted: &[&'static Row]) -> Result<Self, LoadError> {
        let types = Types::running()?;
        let (offsets, missing) = layout::resolve(&types);
        if !missing.is_empty() {
            return Err(LoadError::Layout(missing));
        }
        let bytes = object::bytes().map_err(LoadError::Object)?;
        let classes = automaton.map_or([0; 256], |automaton| automaton.classes);
        let mut loader = EbpfLoader::new();
        loader
            .override_global("OFFSETS", &offsets, true)
            .override_global("CONFIG", config, true)
            .override_global("CLASSES", &classes, true);
        if let Some(automaton) = automaton {
            let entries = |length: usize| u32::try_from(length.max(1)).unwrap_or(u32::MAX);
            loader
                .map_max_entries("TRANSITIONS", entries(automaton.transitions.len()))
                .map_max_entries("ACCEPTS", entries(automaton.accepts.len()))
                .map_max_entries("GRANTS", entries(automaton.grants.len()));
        }
        let mut ebpf = loader.load(&bytes).map_err(|error| LoadError::Refused(chain(&error)))?;
        let btf = Btf::from_sys_fs().map_err(|error| LoadError::Refused(chain(&error)))?;
        let mut programs = Vec::new();
        for row in wanted {
            let (refused, verified) = load_one(&mut ebpf, row, &types, &btf);
            if let Some(why) = &refused
                && row.required
            {
                return Err(LoadError::Required {
                    program: row.name,
                    sees: row.sees,
                    why: why.clone(),
                });
            }
            programs.push(Capability { row, refused, verified });
        }
        Ok(Self { ebpf, programs })
    }

    /// Attaches what was loaded; iterators are not attached but run.
    ///
    /// # Errors
    ///
    /// [`LoadError::Required`].
    pub fn attach(&mut self, cgroup: Option<&Path>) -> Result<(), LoadError> {
        for capability in &mut self.programs {
            if capability.refused.is_some() || capability.row.hook == Hook::IterTaskFile {
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
        let failed = |why: String| LoadError::Required {
            program: "held_files",
            sees: "identity of pinned files",
            why,
        };
        let program = self
            .ebpf
            .program_mut("held_files")
            .ok_or_else(|| failed("not in the object".to_owned()))?;
        let Program::Iter(iter) = program else {
            return Err(failed("not an iterator".to_owned()));
        };
        let id = iter.attach().map_err(|error| failed(reason(&error)))?;
        let link = iter.take_link(id).map_err(|error| failed(reason(&error)))?;
        let mut file = link.into_file().map_err(|error| failed(error.to_string()))?;
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut file, &mut bytes).map_err(|error| failed(error.to_string()))?;
        Ok(bytes.chunks_exact(size_of::<Held>()).map(record).collect())
    }
}

/// One record of the iterator.
fn record(bytes: &[u8]) -> Held {
    let word = |at: usize| -> u64 {
        bytes
            .get(at..at + 8)
            .and_then(|eight| eight.try_into().ok())
            .map_or(0, u64::from_ne_bytes)
    };
    let half = |at: usize| -> u32 {
        bytes
            .get(at..at + 4)
            .and_then(|four| four.try_into().ok())
            .map_or(0, u32::from_ne_bytes)
    };
    Held {
        fd: half(0),
        generation: half(4),
        inode: word(8),
        ino: word(16),
        file: word(24),
        dev: half(32),
        tgid: half(36),
    }
}

/// Every message of an error and its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}

fn load_one(ebpf: &mut Ebpf, row: &'static Row, types: &Types, btf: &Btf) -> (Option<String>, Option<u32>) {
    let Some(program) = ebpf.program_mut(row.name) else {
        return (Some("not in the object".to_owned()), None);
    };
    if row.hook == Hook::Tracepoint && !types.has_tracepoint(row.target) {
        return (Some(format!("this kernel has no tracepoint `{}`", row.target)), None);
    }
    let loaded = match program {
        Program::BtfTracePoint(program) => program.load(row.target, btf),
        Program::Lsm(program) => program.load(row.target, btf),
        Program::FEntry(program) => program.load(row.target, btf),
        Program::CgroupSockAddr(program) => program.load(),
        Program::CgroupSkb(program) => program.load(),
        Program::Iter(program) => program.load(row.target, btf),
        _ => return (Some("a program of unknown type".to_owned()), None),
    };
    match loaded {
        Ok(()) => (
            None,
            program.info().ok().and_then(|info| info.verified_instruction_count()),
        ),
        Err(error) => (Some(reason(&error)), None),
    }
}

fn attach_one(program: &mut Program, cgroup: Option<&Path>) -> Result<(), String> {
    let open = || -> Result<File, String> {
        let path = cgroup.ok_or("the tree has no cgroup of its own")?;
        File::open(path).map_err(|error| format!("{}: {error}", path.display()))
    };
    match program {
        Program::BtfTracePoint(program) => program.attach().map(drop),
        Program::Lsm(program) => program.attach().map(drop),
        Program::FEntry(program) => program.attach().map(drop),
        Program::CgroupSockAddr(program) => program.attach(open()?, CgroupAttachMode::Single).map(drop),
        Program::CgroupSkb(program) => program
            .attach(open()?, CgroupSkbAttachType::Ingress, CgroupAttachMode::Single)
            .map(drop),
        _ => return Err("a program of unknown type".to_owned()),
    }
    .map_err(|error| reason(&error))
}

/// The programs of the trace backend.
#[must_use]
pub(crate) fn trace_rows() -> Vec<&'static Row> {
    TABLE
        .iter()
        .filter(|row| !matches!(row.hook, Hook::Lsm | Hook::Fentry))
        .collect()
}
