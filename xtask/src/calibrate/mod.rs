//! `cargo xtask calibrate`: what the statistics of tensors are in published models, and how often a threshold is passed.
//!
//! The models are those of the corpus (`models = true` in `xtask/corpus.toml`). An example of the engine scans them and
//! prints what each tensor was judged by; weights of single precision are made into narrower and quantised types, and
//! these are scanned too. The result is `docs/calibration.md`: no date, no path, the same for the same corpus. Nothing of a
//! model is run.

mod cast;
mod collect;
mod page;
mod quantise;
mod statistics;
mod thresholds;
mod variants;

use std::fs;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::corpus::{self, corpus_dir};
use crate::run::{Cmd, root, target_dir};
use crate::table::duration;
use collect::Scanned;

const PAGE: &str = "docs/calibration.md";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Measure nothing: fail when the page quotes another threshold than the rules have, or lists other packages than the corpus
    #[arg(long)]
    check: bool,
    /// Keep the variants under `target/calibrate`
    #[arg(long)]
    keep: bool,
}

/// One package of the corpus.
struct Package {
    name: String,
    file: String,
}

/// Measures the corpus and writes the page.
///
/// # Errors
///
/// When a package of the corpus is not there, a scan is incomplete, or something at medium or above was told of a tensor.
pub(crate) fn calibrate(args: &Args) -> Result<()> {
    if args.check {
        println!("{}", check()?);
        return Ok(());
    }
    let begin = Instant::now();
    let packages = packages()?;
    let program = example()?;
    let names: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let published = collect::scan(&program, &corpus_dir().join("unpacked"), &names)?;
    eprintln!("calibrate: published models {}", duration(begin.elapsed()));

    let made_in = target_dir().join("calibrate");
    if made_in.exists() {
        fs::remove_dir_all(&made_in)?;
    }
    variants::write(&published, &corpus_dir().join("unpacked"), &made_in)?;
    let made = collect::scan(&program, &made_in, &variants::folders())?;
    if !args.keep {
        fs::remove_dir_all(&made_in)?;
    }
    eprintln!("calibrate: with variants {}", duration(begin.elapsed()));

    let text = page::page(&packages, &published, &made);
    fs::write(root().join(PAGE), text).with_context(|| format!("cannot write {PAGE}"))?;
    eprintln!("calibrate: wrote {PAGE}");
    refuse(&published, &made)
}

/// Whether the page fits the rules and the corpus, without measuring anything; what was compared.
///
/// # Errors
///
/// When it does not.
pub(crate) fn check() -> Result<String> {
    let text = fs::read_to_string(root().join(PAGE)).with_context(|| format!("cannot read {PAGE}"))?;
    let quoted = thresholds::check(&text, probity_signatures::rules())?;
    let names: Vec<String> = corpus::models()?.into_iter().map(|(name, _)| name).collect();
    let listed = page::packages_of(&text);
    if listed != names {
        let odd = |a: &[String], b: &[String]| {
            let only: Vec<&str> = a.iter().filter(|name| !b.contains(name)).map(String::as_str).collect();
            only.join(", ")
        };
        bail!(
            "{PAGE} is of another corpus (only there: {}; only in xtask/corpus.toml: {}); run `cargo xtask calibrate`",
            odd(&listed, &names),
            odd(&names, &listed)
        );
    }
    Ok(format!(
        "{quoted} thresholds and {} packages as calibrated",
        names.len()
    ))
}

/// The packages, each with the file it was published as.
fn packages() -> Result<Vec<Package>> {
    let mut packages = Vec::new();
    let mut missing = Vec::new();
    for (name, _) in corpus::models()? {
        let packed = corpus_dir().join("packed").join(&name);
        let file = fs::read_dir(&packed).ok().and_then(|mut files| files.next()?.ok());
        match file {
            Some(file) if corpus_dir().join("unpacked").join(&name).is_dir() => packages.push(Package {
                name,
                file: file.file_name().to_string_lossy().into_owned(),
            }),
            _ => missing.push(name),
        }
    }
    if missing.is_empty() {
        Ok(packages)
    } else {
        bail!(
            "not in the corpus: {0}; run `cargo xtask corpus {0}`",
            missing.join(" ")
        )
    }
}

/// Builds the program that measures, as the tests do: it needs no build of its own. Its path.
fn example() -> Result<std::path::PathBuf> {
    let build = ["build", "--package", "probity-engine", "--example", "tensor_statistics"];
    Cmd::cargo().args(build).run()?;
    Ok(target_dir().join("debug/examples/tensor_statistics"))
}

/// The page is written whatever was found: what is wrong with the thresholds stands in it.
fn refuse(published: &Scanned, made: &Scanned) -> Result<()> {
    let mut problems: Vec<String> = published.problems.iter().chain(&made.problems).cloned().collect();
    for artifact in published.artifacts.iter().chain(&made.artifacts) {
        for finding in artifact.serious() {
            problems.push(format!("{}: {finding}", artifact.path));
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    bail!("{} problems:\n  {}", problems.len(), problems.join("\n  "))
}
