//! `cargo xtask codegen`: writes the files that are derived from code, and with `--check` compares them.
//!
//! Derived are the finding reference, the table of detections, the table of acts, the JSON schema of declared sets, the command
//! line reference, the list of what `probity-engine` makes public, and the fuzz workspace's list of targets and lock file.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::fuzz;
use crate::run::{Cmd, root, target_dir};

mod acts;
mod api;
mod detections;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Change nothing; fail when a file would change
    #[arg(long)]
    pub(crate) check: bool,
}

type Make = fn() -> Result<Option<String>>;

/// The generated files; the one that needs a build comes last.
const FILES: [(&str, Make); 7] = [
    ("tests/fuzz/Cargo.toml", || fuzz_manifest().map(Some)),
    ("docs/findings.md", || Ok(Some(findings()))),
    ("docs/acts.md", || acts::page().map(Some)),
    ("docs/detections.md", || detections::page().map(Some)),
    ("docs/declared.schema.json", || {
        Ok(Some(probity_signatures::declared::schema::json_schema()))
    }),
    ("scanner/engine/public-api.txt", || {
        api::page(&root().join("scanner/engine/src/lib.rs")).map(Some)
    }),
    ("docs/cli.md", || command_line().map(Some)),
];

/// Writes or compares each generated file.
///
/// # Errors
///
/// With `--check`, when a file is not what the code says.
pub(crate) fn codegen(args: &Args) -> Result<()> {
    let mut stale = Vec::new();
    if !fuzz_lock(args.check)? {
        stale.push("tests/fuzz/Cargo.lock");
    }
    for (name, make) in FILES {
        let Some(wanted) = make().with_context(|| format!("cannot make {name}"))? else {
            continue;
        };
        let path = root().join(name);
        let found = fs::read_to_string(&path).unwrap_or_default();
        if found == wanted {
            continue;
        }
        if args.check {
            eprintln!("{}", difference(name, &found, &wanted));
            stale.push(name);
        } else {
            if let Some(dir) = path.parent() {
                fs::create_dir_all(dir)?;
            }
            fs::write(&path, wanted).with_context(|| format!("cannot write {name}"))?;
            eprintln!("codegen: wrote {name}");
        }
    }
    if stale.is_empty() {
        Ok(())
    } else {
        bail!("not up to date: {}; run `cargo xtask codegen`", stale.join(", "))
    }
}

/// The reference of findings, from the rules' own texts.
fn findings() -> String {
    probity_signatures::render_findings_markdown()
}

/// The help of `probity` and of each subcommand, from the development build that the tests use too.
fn command_line() -> Result<String> {
    build_programs()?;
    let top = help(&[])?;
    let names = subcommands(&top);
    if names.is_empty() {
        bail!("`probity --help` lists no command");
    }
    let mut out = String::from("# Command line\n\nWritten by `cargo xtask codegen`; do not edit.\n");
    section(&mut out, "probity", &top)?;
    for name in names {
        let text = help(&[&name])?;
        section(&mut out, &format!("probity {name}"), &text)?;
        for below in subcommands(&text) {
            section(&mut out, &format!("probity {name} {below}"), &help(&[&name, &below])?)?;
        }
    }
    Ok(out)
}

/// The development build of every program: the tests have made it already, where they ran.
pub(crate) fn build_programs() -> Result<()> {
    Cmd::cargo().args(["build", "--quiet", "--workspace", "--bins"]).run()
}

fn section(out: &mut String, title: &str, text: &str) -> Result<()> {
    let lines: Vec<&str> = text.trim_end().lines().map(str::trim_end).collect();
    writeln!(out, "\n## `{title}`\n\n```text\n{}\n```", lines.join("\n"))?;
    Ok(())
}

/// One help text, wrapped at 100 columns whatever the terminal.
fn help(words: &[&str]) -> Result<String> {
    let program: PathBuf = target_dir().join("debug/probity");
    Cmd::new(program)
        .quiet()
        .args(words)
        .arg("--help")
        .env("COLUMNS", "100")
        .env("NO_COLOR", "1")
        .read()
}

/// The names under `Commands:` in clap's help, without `help` itself.
fn subcommands(help: &str) -> Vec<String> {
    let listed = help.lines().skip_while(|line| line.trim() != "Commands:").skip(1);
    listed
        .take_while(|line| line.starts_with(' '))
        .filter_map(|line| {
            let name = line.strip_prefix("  ")?;
            let continued = name.starts_with(' ');
            name.split_whitespace()
                .next()
                .filter(|name| !continued && *name != "help")
                .map(str::to_owned)
        })
        .collect()
}

const BEGIN: &str = "# Written by `cargo xtask codegen`: one entry a file in fuzz_targets.\n";
const END: &str = "# End of what is written.\n";

/// The fuzz manifest with its list of targets between the markers replaced.
fn fuzz_manifest() -> Result<String> {
    let text = fs::read_to_string(root().join("tests/fuzz/Cargo.toml")).context("cannot read tests/fuzz/Cargo.toml")?;
    let (head, rest) = text
        .split_once(BEGIN)
        .context("tests/fuzz/Cargo.toml has lost its opening marker")?;
    let (_, tail) = rest
        .split_once(END)
        .context("tests/fuzz/Cargo.toml has lost its closing marker")?;
    let mut out = format!("{head}{BEGIN}");
    for name in fuzz::targets()? {
        write!(
            out,
            "[[bin]]\nname = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"\ntest = false\ndoc = false\nbench = false\n\n"
        )?;
    }
    Ok(format!("{out}{END}{tail}"))
}

/// Whether the fuzz lock file fits its manifests; without `check`, makes it fit, from the versions the workspace uses.
fn fuzz_lock(check: bool) -> Result<bool> {
    let metadata = || {
        Cmd::cargo().quiet().args([
            "metadata",
            "--format-version",
            "1",
            "--manifest-path",
            "tests/fuzz/Cargo.toml",
        ])
    };
    if metadata().arg("--locked").output()?.status.success() {
        return Ok(true);
    }
    if check {
        return Ok(false);
    }
    fs::copy(root().join("Cargo.lock"), root().join("tests/fuzz/Cargo.lock"))?;
    metadata().read()?;
    eprintln!("codegen: wrote tests/fuzz/Cargo.lock");
    Ok(true)
}

/// The first line at which two texts differ.
fn difference(name: &str, found: &str, wanted: &str) -> String {
    let mut number = 1_usize;
    let (mut old, mut new) = (found.lines(), wanted.lines());
    loop {
        match (old.next(), new.next()) {
            (None, None) => return format!("{name}: differs only in its line endings"),
            (a, b) if a == b => number = number.saturating_add(1),
            (a, b) => {
                let shown = |line: Option<&str>| line.unwrap_or("(end of file)").to_owned();
                return format!("{name}:{number}\n- {}\n+ {}", shown(a), shown(b));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subcommands_are_read_from_the_help() {
        let help = "Proves\n\nUsage: probity <COMMAND>\n\nCommands:\n  scan  Scan files\n          and more\n  map   Show\n  help  Print\n\nOptions:\n  -h, --help\n";
        assert_eq!(subcommands(help), ["scan", "map"]);
    }

    #[test]
    fn a_difference_names_the_first_line_that_drifted() {
        assert_eq!(difference("f", "a\nb\n", "a\nc\n"), "f:2\n- b\n+ c");
        assert_eq!(difference("f", "a\n", "a\nc\n"), "f:2\n- (end of file)\n+ c");
    }
}
