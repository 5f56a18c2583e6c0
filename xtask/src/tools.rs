//! Finding the programs a task needs, and installing the few that are not part of a toolchain under `target/tools`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::run::{Cmd, target_dir};

/// The version of cargo-deny that reads this repository's `deny.toml`.
const CARGO_DENY: &str = "^0.20";

/// The last bpf-linker that takes its LLVM from a rustup toolchain; later ones need a full LLVM.
const BPF_LINKER: &str = "0.10.3";

/// Where `program` is: on `PATH`, else under `target/tools`.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let own = target_dir().join("tools/bin");
    std::env::split_paths(&path)
        .chain([own])
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
}

/// Where `program` is, or an error that says how to get it.
pub(crate) fn need(program: &str, how: &str) -> Result<PathBuf> {
    find(program).with_context(|| format!("{program} is not installed: {how}"))
}

/// cargo-deny, installed on first use: an unoptimised build, since it runs for a second and compiles for minutes.
pub(crate) fn cargo_deny() -> Result<PathBuf> {
    if let Some(found) = find("cargo-deny") {
        return Ok(found);
    }
    let tools = target_dir().join("tools");
    Cmd::cargo()
        .args([
            "install",
            "cargo-deny",
            "--locked",
            "--debug",
            "--version",
            CARGO_DENY,
            "--root",
        ])
        .arg(&tools)
        .env("CARGO_PROFILE_DEV_DEBUG", "false")
        .run()?;
    need("cargo-deny", "cargo install cargo-deny --locked")
}

/// bpf-linker in the one version used here, installed on first use.
pub(crate) fn bpf_linker() -> Result<PathBuf> {
    let wanted = format!("bpf-linker {BPF_LINKER}");
    let tools = target_dir().join("tools");
    let own = tools.join("bin/bpf-linker");
    let found = [Some(own.clone()), find("bpf-linker")];
    if let Some(found) = found
        .into_iter()
        .flatten()
        .find(|path| version(path).is_ok_and(|version| version == wanted))
    {
        return Ok(found);
    }
    Cmd::cargo()
        .args([
            "install",
            "bpf-linker",
            "--locked",
            "--force",
            "--version",
            BPF_LINKER,
            "--root",
        ])
        .arg(&tools)
        .run()?;
    Ok(own)
}

/// The first line of `program --version`.
pub(crate) fn version(program: &Path) -> Result<String> {
    let text = Cmd::new(program).quiet().arg("--version").read()?;
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

/// Installs Debian packages, where this user may.
///
/// # Errors
///
/// When this is not a Debian kind of system, the user is not root, or the packages cannot be fetched: the message names
/// the packages to install.
pub(crate) fn apt_install(packages: &[&str]) -> Result<()> {
    let names = packages.join(" ");
    if find("apt-get").is_none() {
        bail!("install what Debian calls {names}");
    }
    if !nix::unistd::geteuid().is_root() {
        bail!("as root: apt-get install {names}");
    }
    let apt = || Cmd::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive");
    // A stale list names packages that are gone; a source that fails here fails again, by name, below.
    apt().args(["update", "-qq"]).output()?;
    apt()
        .args(["install", "-qq", "--no-install-recommends"])
        .args(packages)
        .read()
        .with_context(|| format!("cannot install {names}"))?;
    Ok(())
}

/// A program from the Python registry, in a virtual environment of its own; wheels only, so that nothing is built.
pub(crate) fn python_tool(name: &str) -> Result<PathBuf> {
    let home = target_dir().join("tools").join(name);
    let program = home.join("bin").join(name);
    if !program.is_file() {
        Cmd::new("python3").args(["-m", "venv"]).arg(&home).run()?;
        Cmd::new(home.join("bin/pip"))
            .args(["install", "--quiet", "--only-binary", ":all:", name])
            .run()?;
    }
    if !program.is_file() {
        bail!("pip installed {name} without its program");
    }
    Ok(program)
}

/// model-signing of PyPI, in a virtual environment of its own: tests sign and verify against it. `pyopenssl` is what its
/// metadata forgets to name.
pub(crate) fn model_signing() -> Result<PathBuf> {
    let home = target_dir().join("tools/model-signing");
    let program = home.join("bin/model_signing");
    if !program.is_file() {
        Cmd::new("python3").args(["-m", "venv"]).arg(&home).run()?;
        Cmd::new(home.join("bin/pip"))
            .args(["install", "--quiet", "--only-binary", ":all:"])
            .args(["model-signing==1.1.1", "pyopenssl"])
            .run()?;
    }
    if !program.is_file() {
        bail!("pip installed model-signing without its program");
    }
    Ok(program)
}
