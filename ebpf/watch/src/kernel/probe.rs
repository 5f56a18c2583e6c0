//! Which backend this host really has: a program that loads and attaches may never run, so each is proved by an act.
//!
//! The probe attaches one small program, opens a file, and looks whether the program saw it. It proves that acts are
//! seen; it does not prove that they could be refused.

use std::fs::File;

use aya::maps::PerCpuArray;
use probity_abi::config::Config;
use probity_abi::state::counter;

use super::load::{LoadError, Object};
use super::programs::{Backend, Row};
use super::security;

/// Environment variable that names the backend to use: `lsm`, `hook` or `trace`.
pub const WANTED: &str = "PROBITY_BACKEND";

/// How many files a probe opens.
const OPENS: u64 = 8;

/// Why a backend is not there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Why {
    /// The object, or the kernel's type information.
    #[error("{0}")]
    Load(#[from] LoadError),
    /// A program is refused.
    #[error("the kernel refuses the program `{program}`: {why}")]
    Refused {
        /// Its name.
        program: &'static str,
        /// What the kernel said.
        why: String,
    },
    /// A program was attached and never ran.
    #[error("the program `{program}` is attached, and ran in {ran} of {of} opens")]
    Silent {
        /// Its name.
        program: &'static str,
        /// How often it ran.
        ran: u64,
        /// How often it should have.
        of: u64,
    },
    /// What the probe needs for its act.
    #[error("cannot probe: {0}")]
    Act(String),
}

/// A backend, and why the better ones are not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The best that works, or the one that was asked for.
    pub backend: Backend,
    /// Those that were tried and do not work, with the reason in words.
    pub refused: Vec<(Backend, String)>,
}

/// Chooses a backend: `wanted`, else what [`WANTED`] names, else the best that works.
///
/// One that is asked for is tried alone; where it does not work the result is `trace`, with the reason.
#[must_use]
pub fn choose(wanted: Option<Backend>) -> Chosen {
    let named = || std::env::var(WANTED).ok().and_then(|word| Backend::of_word(&word));
    let wanted = wanted.or_else(named);
    let mut refused = Vec::new();
    let mut object = None;
    for backend in Backend::ALL {
        if wanted.is_some_and(|wanted| wanted != backend) {
            continue;
        }
        match probe_in(&mut object, backend) {
            Ok(()) => return Chosen { backend, refused },
            Err(why) => refused.push((backend, why.to_string())),
        }
    }
    let backend = Backend::Trace;
    Chosen { backend, refused }
}

/// Proves that a backend sees an open. `trace` is what remains, and needs no proof.
///
/// # Errors
///
/// [`Why`] it does not.
pub fn probe(backend: Backend) -> Result<(), Why> {
    probe_in(&mut None, backend)
}

/// The same in an object that is made on first use, and used for the next backend too.
fn probe_in(object: &mut Option<Object>, backend: Backend) -> Result<(), Why> {
    let [lsm, hook] = &security::PROBES;
    let (probe, real) = match backend {
        Backend::Lsm => (lsm, security::LSM.first()),
        Backend::Hook => (hook, security::HOOK.first()),
        Backend::Trace => return Ok(()),
    };
    let config = Config {
        watcher: std::process::id(),
        ..Config::default()
    };
    let object = match object {
        Some(object) => object,
        None => object.insert(Object::new(&config)?),
    };
    let before = counted(object)?;
    let refused = |row: &Row, why| Why::Refused { program: row.name, why };
    object.load(probe).map_err(|why| refused(probe, why))?;
    // The verifier may take the small program and not the one that matters.
    if let Some(real) = real {
        object.load(real).map_err(|why| refused(real, why))?;
    }
    object.attach(probe).map_err(|why| refused(probe, why))?;
    for _ in 0..OPENS {
        File::open("/proc/self/stat").map_err(|error| Why::Act(format!("/proc/self/stat: {error}")))?;
    }
    let ran = counted(object)?.saturating_sub(before);
    if ran < OPENS {
        let program = probe.name;
        return Err(Why::Silent {
            program,
            ran,
            of: OPENS,
        });
    }
    Ok(())
}

fn counted(object: &Object) -> Result<u64, Why> {
    let act = |error: &dyn std::fmt::Display| Why::Act(format!("map COUNTERS: {error}"));
    let map = object.ebpf.map("COUNTERS").ok_or_else(|| act(&"missing"))?;
    let counters: PerCpuArray<_, u64> = PerCpuArray::try_from(map).map_err(|error| act(&error))?;
    let values = counters.get(&counter::PROBED, 0).map_err(|error| act(&error))?;
    Ok(values.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_works_and_says_why_better_ones_are_not_used() {
        let chosen = choose(None);
        let tried = match std::env::var(WANTED).ok().and_then(|word| Backend::of_word(&word)) {
            Some(wanted) if wanted == chosen.backend => vec![],
            Some(wanted) => vec![wanted],
            None => Backend::ALL
                .into_iter()
                .take_while(|other| *other != chosen.backend)
                .collect(),
        };
        let refused: Vec<Backend> = chosen.refused.iter().map(|(backend, _)| *backend).collect();
        assert_eq!(refused, tried, "{:?}", chosen.refused);
        assert!(chosen.refused.iter().all(|(_, why)| !why.is_empty()));
        assert!(probe(chosen.backend).is_ok());
        for (backend, why) in chosen.refused {
            eprintln!("probity-skip: {}: {why}", backend.word());
        }
    }

    #[test]
    fn words_name_backends() {
        for backend in Backend::ALL {
            assert_eq!(Backend::of_word(backend.word()), Some(backend));
        }
        assert_eq!(Backend::of_word("kprobe"), None);
    }
}
