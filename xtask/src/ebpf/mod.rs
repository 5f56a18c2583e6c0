//! `cargo xtask ebpf`: builds the eBPF programs into the committed object, or holds that object against its sources.
//!
//! The object is committed so that building Probity needs no BPF toolchain. Beside it lies `provenance.toml`: the digests
//! of the object and of the sources it was built from, and with what. The same toolchain gives the same bytes wherever
//! the repository lies; `--check` needs no toolchain at all.

mod provenance;
mod strip;
mod toolchain;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::ci::Done;
use crate::run::{Cmd, root, target_dir};
use crate::tools;
use provenance::Provenance;
use toolchain::Toolchain;

const PROGRAMS: &str = "ebpf/programs";
const OBJECT: &str = "ebpf/programs/prebuilt/probity.bpf.o";

/// What the compiler is told besides where sources lie. `--btf` makes the linker turn debug information into BTF.
pub(crate) const FLAGS: [&str; 4] = [
    "-Clinker=bpf-linker",
    "-Ctarget-cpu=v3",
    "-Cdebuginfo=2",
    "-Clink-arg=--btf",
];

#[derive(clap::Args, Default)]
pub(crate) struct Args {
    /// Change nothing; fail when the committed object was built from other sources
    #[arg(long)]
    check: bool,
    /// With --check, also build, and compare the bytes
    #[arg(long, requires = "check")]
    rebuild: bool,
}

/// Builds the object and writes its provenance, or checks both.
///
/// # Errors
///
/// When the programs cannot be built; with `--check`, when the committed object is not what the sources say.
pub(crate) fn ebpf(args: &Args) -> Result<()> {
    if !args.check {
        return write();
    }
    let recorded = check()?;
    eprintln!(
        "xtask ebpf: {OBJECT} was built from these sources by {}",
        recorded.rustc
    );
    if args.rebuild {
        let (_, said) = rebuild(&recorded)?;
        eprintln!("xtask ebpf: {said}");
    }
    Ok(())
}

/// The CI step: no drift, tidy sources, and the watcher's tests against a fresh object. Returns what it saw.
///
/// # Errors
///
/// When one of these fails; a toolchain that cannot be had here is a step not run, not an error.
pub(crate) fn ci() -> Result<Done> {
    let recorded = check()?;
    let manifest = format!("{PROGRAMS}/Cargo.toml");
    Cmd::cargo()
        .args(["fmt", "--check", "--manifest-path", &manifest])
        .run()?;
    // Linted for the host, by the workspace's own clippy: the BPF toolchain of a distribution comes without one.
    Cmd::cargo()
        .args([
            "clippy",
            "--quiet",
            "--release",
            "--locked",
            "--manifest-path",
            &manifest,
        ])
        .arg("--target-dir")
        .arg(target_dir().join("ebpf"))
        .args(["--", "-D", "warnings"])
        // The programs use assembly of a target that is not stable yet; the compilers that build them take it likewise.
        .env("RUSTC_BOOTSTRAP", "1")
        .run()?;
    if let Err(error) = toolchain::get() {
        return Ok(Done::NotRun(format!("sources match, but no rebuild: {error:#}")));
    }
    let (object, said) = rebuild(&recorded)?;
    if fs::read(&object)? == fs::read(root().join(OBJECT))? {
        // These very bytes are what the workspace's tests have loaded.
        return Ok(Done::Passed(said));
    }
    Cmd::cargo()
        .args(["test", "--quiet", "--package", "probity-watch"])
        .env("PROBITY_BPF_OBJECT", &object)
        .run()?;
    Ok(Done::Passed(said))
}

fn write() -> Result<()> {
    let tools = Tools::get()?;
    let bytes = fs::read(tools.build()?)?;
    let path = root().join(OBJECT);
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    fs::write(&path, &bytes).with_context(|| format!("cannot write {OBJECT}"))?;
    tools.provenance(&bytes)?.save()?;
    eprintln!("xtask ebpf: wrote {OBJECT}, {} bytes", bytes.len());
    Ok(())
}

/// The recorded provenance, when it fits the committed object and the sources.
fn check() -> Result<Provenance> {
    let recorded = Provenance::load()?;
    let object = fs::read(root().join(OBJECT)).with_context(|| format!("cannot read {OBJECT}"))?;
    if recorded.object != provenance::digest(&object) {
        bail!("{OBJECT} is not the object its provenance records; run `cargo xtask ebpf`");
    }
    if recorded.sources != provenance::sources()? {
        bail!("{OBJECT} was built from other sources; run `cargo xtask ebpf`");
    }
    Ok(recorded)
}

/// Builds under `target` and compares with what is committed: the object's path, and what the comparison says.
fn rebuild(recorded: &Provenance) -> Result<(PathBuf, String)> {
    let tools = Tools::get()?;
    let object = tools.build()?;
    let ours = tools.provenance(&fs::read(&object)?)?;
    if ours.object == recorded.object {
        return Ok((
            object,
            format!("the rebuilt object has the same bytes ({})", ours.rustc),
        ));
    }
    let differs = ours.tools_that_differ(recorded);
    if differs.is_empty() {
        bail!("the same toolchain built another object: {}", object.display());
    }
    Ok((object, format!("another object, as expected of another {differs}")))
}

/// What a build takes, found or installed.
struct Tools {
    toolchain: Toolchain,
    linker: PathBuf,
}

impl Tools {
    fn get() -> Result<Self> {
        Ok(Self {
            toolchain: toolchain::get()?,
            linker: tools::bpf_linker()?,
        })
    }

    /// Builds the object under `target` and returns its path.
    fn build(&self) -> Result<PathBuf> {
        let out = target_dir().join("ebpf");
        self.toolchain
            .cargo(&self.linker)?
            .args(["build", "--release", "--locked", "--target", toolchain::TARGET])
            .arg("--target-dir")
            .arg(&out)
            .dir(root().join(PROGRAMS))
            .run()?;
        let linked = out.join(toolchain::TARGET).join("release/probity");
        let bytes = fs::read(&linked).with_context(|| format!("cannot read {}", linked.display()))?;
        let object = out.join("probity.bpf.o");
        fs::write(&object, strip::debug_sections(&bytes)?)?;
        Ok(object)
    }

    fn provenance(&self, object: &[u8]) -> Result<Provenance> {
        Ok(Provenance {
            object: provenance::digest(object),
            sources: provenance::sources()?,
            rustc: self.toolchain.version()?,
            linker: tools::version(&self.linker)?,
            llvm: self.toolchain.linker_llvm()?,
            flags: FLAGS.map(str::to_owned).to_vec(),
        })
    }
}
