//! What runs inside a machine: the watcher's tests as cargo builds them, and the programs they start.
//!
//! Nothing here names a test: what `cargo test -p probity-watch` would run is what runs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use probity_vm::manifest::Command;
use serde_json::Value;

use super::Boot;
use crate::run::{Cmd, root, target_dir};

/// Set on the host to run every act in the machines, not only the core ones: that takes an hour a machine.
const ALL_ACTS: &str = "PROBITY_ACTS_ALL";

/// The package whose tests run.
const TESTED: &str = "probity-watch";

/// Packages whose programs the tests start, where they exist.
const PROGRAMS: [&str; 2] = ["probity", "probity-acts"];

/// Linked statically: it runs before there is anything to link with.
const STATIC_TARGET: &str = "x86_64-unknown-linux-gnu";

/// An emulated machine is about twenty times slower than this one.
const TEST_TIMEOUT: Duration = Duration::from_secs(1800);
const FACTS_TIMEOUT: Duration = Duration::from_secs(60);

/// A program and where it goes.
pub(super) struct Program {
    /// Its path inside the machine.
    pub(super) place: String,
    /// Where it was built.
    pub(super) built: PathBuf,
}

/// Everything built for the machines.
pub(super) struct Suite {
    /// All programs, the first process among them.
    pub(super) programs: Vec<Program>,
    tests: Vec<String>,
    dir: PathBuf,
}

/// Builds the tests, the programs they start, and the machine's own.
///
/// # Errors
///
/// When something does not build.
pub(super) fn build() -> Result<Suite> {
    let packages = packages()?;
    let (_, dir) = packages
        .iter()
        .find(|(name, _)| name == TESTED)
        .with_context(|| format!("no package {TESTED}"))?;
    let mut programs = vec![];
    Cmd::cargo()
        .args([
            "build",
            "--quiet",
            "--package",
            "probity-vm",
            "--bins",
            "--target",
            STATIC_TARGET,
        ])
        .env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static")
        .run()?;
    let built = target_dir().join(STATIC_TARGET).join("debug");
    for (name, place) in [("probity-init", "/init"), ("probity-facts", "/bin/probity-facts")] {
        let place = place.to_owned();
        let built = built.join(name);
        programs.push(Program { place, built });
    }
    let present = PROGRAMS
        .iter()
        .filter(|name| packages.iter().any(|(package, _)| package == *name));
    for name in present {
        for (name, built) in executables(&["build", "--bins", "--package", name], false)? {
            let place = format!("/bin/{name}");
            programs.push(Program { place, built });
        }
    }
    let mut tests = Vec::new();
    for (name, built) in executables(&["test", "--no-run", "--package", TESTED], true)? {
        let place = format!("/tests/{name}");
        programs.push(Program { place, built });
        tests.push(name);
    }
    tests.sort();
    let dir = dir.clone();
    Ok(Suite { programs, tests, dir })
}

impl Suite {
    /// The commands of one boot: what the machine is, then each test program.
    pub(super) fn commands(&self, boot: &Boot, object: Option<&str>, filter: &[String]) -> Vec<Command> {
        let command = |name: &str, timeout: Duration, argv: Vec<String>| Command {
            name: name.to_owned(),
            timeout,
            dir: self.dir.display().to_string(),
            env: self.env(boot, object),
            argv,
        };
        let facts = ["/bin/probity-facts", boot.series.name(), &boot.lsm()];
        let facts = facts.map(str::to_owned).to_vec();
        let mut out = vec![command("facts", FACTS_TIMEOUT, facts)];
        for test in &self.tests {
            let mut argv = vec![
                format!("/tests/{test}"),
                "--show-output".to_owned(),
                "--test-threads=1".to_owned(),
            ];
            argv.extend(filter.iter().cloned());
            out.push(command(test, TEST_TIMEOUT, argv));
        }
        out
    }

    fn env(&self, boot: &Boot, object: Option<&str>) -> Vec<(String, String)> {
        let mut env = vec![
            ("PATH", "/bin:/usr/bin:/sbin:/usr/sbin".to_owned()),
            ("HOME", "/root".to_owned()),
            ("TMPDIR", "/tmp".to_owned()),
            ("RUST_BACKTRACE", "1".to_owned()),
            ("CARGO_MANIFEST_DIR", self.dir.display().to_string()),
            ("PROBITY_BACKEND", boot.backend.name().to_owned()),
            ("PROBITY_VM", "1".to_owned()),
            ("PROBITY_ACTS_CORE", if boot.brief { "first" } else { "all" }.to_owned()),
        ];
        if std::env::var_os(ALL_ACTS).is_some() {
            env.retain(|(key, _)| *key != "PROBITY_ACTS_CORE");
        }
        env.extend(object.map(|path| ("PROBITY_BPF_OBJECT", path.to_owned())));
        env.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }
}

/// The workspace's packages and their folders.
fn packages() -> Result<Vec<(String, PathBuf)>> {
    let text = Cmd::cargo()
        .quiet()
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .read()?;
    let value: Value = serde_json::from_str(&text)?;
    let listed = value["packages"]
        .as_array()
        .context("cargo metadata lists no packages")?;
    let package = |value: &Value| {
        let manifest = Path::new(value["manifest_path"].as_str()?);
        Some((value["name"].as_str()?.to_owned(), manifest.parent()?.to_path_buf()))
    };
    Ok(listed.iter().filter_map(package).collect())
}

/// Names and paths of the executables a cargo command builds: the tests, or what is not a test.
fn executables(words: &[&str], tests: bool) -> Result<Vec<(String, PathBuf)>> {
    let text = Cmd::cargo()
        .args(words)
        .arg("--message-format=json-render-diagnostics")
        .dir(root())
        .read()?;
    Ok(text.lines().filter_map(|line| executable(line, tests)).collect())
}

fn executable(line: &str, tests: bool) -> Option<(String, PathBuf)> {
    let value: Value = serde_json::from_str(line).ok()?;
    let path = value["executable"].as_str()?;
    if value["profile"]["test"].as_bool()? != tests {
        return None;
    }
    let name = value["target"]["name"].as_str()?;
    let kind = value["target"]["kind"][0].as_str()?;
    let name = if tests && kind != "test" {
        format!("{name}-{kind}")
    } else {
        name.to_owned()
    };
    Some((name, PathBuf::from(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_programs_are_told_from_programs() {
        let line = |kind: &str, test: bool| {
            format!(
                r#"{{"reason":"compiler-artifact","target":{{"kind":["{kind}"],"name":"x"}},"profile":{{"test":{test}}},"executable":"/t/x"}}"#
            )
        };
        let found = |name: &str| Some((name.to_owned(), PathBuf::from("/t/x")));
        assert_eq!(executable(&line("lib", true), true), found("x-lib"));
        assert_eq!(executable(&line("test", true), true), found("x"));
        assert_eq!(executable(&line("bin", false), true), None);
        assert_eq!(executable(&line("bin", false), false), found("x"));
        assert_eq!(executable(r#"{"reason":"build-finished","success":true}"#, false), None);
    }
}
