//! Finding the programs a task needs, and installing the few that are not part of a toolchain under `target/tools`.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::run::{Cmd, target_dir};

/// The version of cargo-deny that reads this repository's `deny.toml`.
const CARGO_DENY: &str = "^0.20";

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

/// picklescan, in a virtual environment of its own.
pub(crate) fn picklescan() -> Result<PathBuf> {
    let home = target_dir().join("tools/picklescan");
    let program = home.join("bin/picklescan");
    if !program.is_file() {
        Cmd::new("python3").args(["-m", "venv"]).arg(&home).run()?;
        Cmd::new(home.join("bin/pip"))
            .args(["install", "--quiet", "picklescan"])
            .run()?;
    }
    if !program.is_file() {
        bail!("pip installed picklescan without its program");
    }
    Ok(program)
}
