//! The object with a run's constants, and its programs, each loaded by itself so that one refusal costs one program.

use aya::programs::{Program, ProgramError};
use aya::{Btf, Ebpf, EbpfLoader};
use probity_abi::config::Config;

use super::btf::{BtfError, Types};
use super::programs::Row;
use super::{layout, object};
use crate::compile::Automaton;

/// Why nothing could be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The kernel's type information is missing or malformed.
    #[error("{0}; a kernel with CONFIG_DEBUG_INFO_BTF is needed")]
    Types(#[from] BtfError),
    /// A structure lacks a field.
    #[error("this kernel has no {}", .0.join(", no "))]
    Layout(Vec<String>),
    /// The object cannot be read.
    #[error("cannot read the eBPF object: {0}")]
    Object(std::io::Error),
    /// The kernel refuses its maps.
    #[error("the kernel refuses the eBPF object: {0}")]
    Refused(#[from] aya::EbpfError),
    /// aya cannot use the kernel's type information.
    #[error("the kernel's BTF: {0}")]
    Btf(#[from] aya::BtfError),
}

/// The object, none of its programs loaded yet.
pub struct Object {
    /// Maps and programs.
    pub ebpf: Ebpf,
    /// This kernel's types.
    pub types: &'static Types,
    btf: Btf,
}

impl Object {
    /// Creates the maps and writes the constants.
    ///
    /// # Errors
    ///
    /// [`LoadError`].
    pub fn new(config: &Config) -> Result<Self, LoadError> {
        Self::with_rules(config, None)
    }

    /// The same with room for a declared set's automaton, and its byte classes.
    ///
    /// # Errors
    ///
    /// [`LoadError`].
    pub fn with_rules(config: &Config, automaton: Option<&Automaton>) -> Result<Self, LoadError> {
        let types = Types::shared()?;
        let (offsets, missing) = layout::resolve(types);
        if !missing.is_empty() {
            return Err(LoadError::Layout(missing));
        }
        let bytes = object::bytes().map_err(LoadError::Object)?;
        let btf = Btf::from_sys_fs()?;
        let classes = automaton.map_or([0; 256], |automaton| automaton.classes);
        let mut loader = EbpfLoader::new();
        loader
            .btf(Some(&btf))
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
        let ebpf = loader.load(&bytes)?;
        Ok(Self { ebpf, types, btf })
    }

    /// Loads one program. Returns how many instructions the verifier walked, where the kernel tells.
    ///
    /// # Errors
    ///
    /// Why the kernel refuses it, or cannot take it.
    pub fn load(&mut self, row: &Row) -> Result<Option<u32>, String> {
        if let Some(why) = row.unfit(self.types) {
            return Err(why);
        }
        let (program, btf) = (program(&mut self.ebpf, row)?, &self.btf);
        match program {
            Program::BtfTracePoint(program) => program.load(row.target, btf),
            Program::Lsm(program) => program.load(row.target, btf),
            Program::FEntry(program) => program.load(row.target, btf),
            Program::CgroupSockAddr(program) => program.load(),
            Program::CgroupSkb(program) => program.load(),
            Program::Iter(program) => program.load(row.target, btf),
            _ => return Err(format!("the program `{}` is of no known type", row.name)),
        }
        .map_err(|error| reason(&error))?;
        Ok(program.info().ok().and_then(|info| info.verified_instruction_count()))
    }

    /// Attaches one loaded program to the whole system. Those of a cgroup, and iterators, are left as they are.
    ///
    /// # Errors
    ///
    /// Why the kernel refuses.
    pub fn attach(&mut self, row: &Row) -> Result<(), String> {
        attach(program(&mut self.ebpf, row)?).map(drop)
    }
}

/// Attaches a loaded program to the whole system. `false` for those of a cgroup and iterators, which it leaves as they are.
///
/// # Errors
///
/// Why the kernel refuses.
pub(crate) fn attach(program: &mut Program) -> Result<bool, String> {
    match program {
        Program::BtfTracePoint(program) => program.attach().map(|_| true),
        Program::Lsm(program) => program.attach().map(|_| true),
        Program::FEntry(program) => program.attach().map(|_| true),
        _ => Ok(false),
    }
    .map_err(|error| reason(&error))
}

fn program<'a>(ebpf: &'a mut Ebpf, row: &Row) -> Result<&'a mut Program, String> {
    ebpf.program_mut(row.name)
        .ok_or_else(|| format!("the object has no program `{}`", row.name))
}

/// What the kernel said, with the verifier's last lines.
#[must_use]
pub fn reason(error: &ProgramError) -> String {
    const LINES: usize = 24;
    match error {
        ProgramError::LoadError { io_error, verifier_log } => {
            let log = verifier_log.to_string();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default();
            if tail.is_empty() {
                io_error.to_string()
            } else {
                format!("{io_error}:\n{}", tail.join("\n"))
            }
        }
        ProgramError::SyscallError(error) => format!("{}: {}", error.call, error.io_error),
        other => other.to_string(),
    }
}
