//! `cargo xtask corpus`: downloads the published artifacts of `xtask/corpus.toml` with their ordinary clients.
//!
//! Each lands in `target/corpus/packed/NAME/FILE` and, opened, in `target/corpus/unpacked/NAME`. What is there stays
//! as it is. Nothing is installed, imported or run: archives are opened as data, and no file keeps its execute bit.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::run::{Cmd, root, target_dir};
use crate::table::table;
use crate::tools;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The artifacts to get; all of them when none is named
    name: Vec<String>,
    /// Print the table and stop
    #[arg(long)]
    list: bool,
    /// Copy files that this folder already holds instead of downloading them
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    artifact: Vec<Artifact>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Artifact {
    name: String,
    client: Client,
    spec: String,
    holds: Vec<String>,
    #[serde(default)]
    models: bool,
    why: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Client {
    Npm,
    Pip,
    Apt,
}

/// Where the corpus is kept.
pub(crate) fn corpus_dir() -> PathBuf {
    target_dir().join("corpus")
}

fn known() -> Result<Table> {
    let text = fs::read_to_string(root().join("xtask/corpus.toml")).context("cannot read xtask/corpus.toml")?;
    toml::from_str(&text).context("xtask/corpus.toml")
}

/// The artifacts that hold models, by name: what each is called and where it comes from.
pub(crate) fn models() -> Result<Vec<(String, String)>> {
    let mut models: Vec<(String, String)> = known()?
        .artifact
        .into_iter()
        .filter(|artifact| artifact.models)
        .map(|artifact| (artifact.name, artifact.spec))
        .collect();
    models.sort();
    Ok(models)
}

/// Gets, opens and checks each artifact; tries all of them before it fails.
///
/// # Errors
///
/// When one could not be downloaded or opened, or does not hold what the table says.
pub(crate) fn corpus(args: &Args) -> Result<()> {
    let known = known()?;
    if let Some(unknown) = args
        .name
        .iter()
        .find(|name| known.artifact.iter().all(|a| a.name != **name))
    {
        bail!("no artifact `{unknown}` in xtask/corpus.toml");
    }
    if args.list {
        let row = |a: &Artifact| vec![a.name.clone(), a.spec.clone(), a.why.clone()];
        print!(
            "{}",
            table(
                &["name", "spec", "why"],
                &known.artifact.iter().map(row).collect::<Vec<_>>()
            )
        );
        return Ok(());
    }
    let mut failed = Vec::new();
    for artifact in known
        .artifact
        .iter()
        .filter(|a| args.name.is_empty() || args.name.contains(&a.name))
    {
        if let Err(error) = get(artifact, args.from.as_deref()) {
            eprintln!("corpus: {}: {error:#}", artifact.name);
            failed.push(artifact.name.as_str());
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        bail!("not in the corpus: {}", failed.join(", "))
    }
}

fn get(artifact: &Artifact, from: Option<&Path>) -> Result<()> {
    let packed = corpus_dir().join("packed").join(&artifact.name);
    let unpacked = corpus_dir().join("unpacked").join(&artifact.name);
    fs::create_dir_all(&packed)?;
    if only_file(&packed)?.is_none() {
        match from.and_then(|dir| copy_source(artifact, dir)) {
            Some(file) => {
                let name = file.file_name().context("no file name")?;
                fs::copy(&file, packed.join(name))?;
                eprintln!("corpus: {} copied from {}", artifact.name, file.display());
            }
            None => download(artifact, &packed)?,
        }
    }
    let file = only_file(&packed)?.context("the client left no file")?;
    if !unpacked.exists() {
        // Opened beside its place and renamed, so that an interrupted run leaves nothing that looks complete.
        let partial = unpacked.with_extension("partial");
        if partial.exists() {
            fs::remove_dir_all(&partial)?;
        }
        fs::create_dir_all(&partial)?;
        open(&file, &partial)?;
        Cmd::new("chmod")
            .quiet()
            .args(["-R", "a-x,a+rX,u+w"])
            .arg(&partial)
            .run()?;
        fs::rename(&partial, &unpacked)?;
    }
    let mut names = Vec::new();
    list(&unpacked, &mut names)?;
    let missing: Vec<&str> = artifact
        .holds
        .iter()
        .map(String::as_str)
        .filter(|end| !names.iter().any(|name| name.ends_with(end)))
        .collect();
    if !missing.is_empty() {
        bail!("{} holds no {}", file.display(), missing.join(", "));
    }
    println!("{} {} ({} files)", artifact.name, file.display(), names.len());
    Ok(())
}

fn download(artifact: &Artifact, into: &Path) -> Result<()> {
    let spec = artifact.spec.as_str();
    match artifact.client {
        Client::Npm => {
            tools::need("npm", "it comes with Node.js")?;
            let spec = npm_version(spec)?;
            Cmd::new("npm")
                .args(["pack", "--silent", "--ignore-scripts"])
                .arg(spec)
                .dir(into)
                .read()
                .map(|_| ())
        }
        Client::Pip => {
            tools::need("pip", "it comes with Python")?;
            let args = [
                "download",
                "--quiet",
                "--no-deps",
                "--only-binary",
                ":all:",
                "--dest",
                ".",
            ];
            Cmd::new("pip").args(args).arg(spec).dir(into).run()
        }
        Client::Apt => {
            tools::need("apt-get", "Debian packages are fetched on Debian")?;
            Cmd::new("apt-get")
                .args(["download", "-qq", "-o", "APT::Sandbox::User=root"])
                .arg(spec)
                .dir(into)
                .run()
        }
    }
}

/// Fills `{version}` with the version npm calls current, where `spec` asks for it.
fn npm_version(spec: &str) -> Result<String> {
    let Some((package, _)) = spec.split_once("@{version}") else {
        return Ok(spec.to_owned());
    };
    let version = Cmd::new("npm").args(["view", package, "version"]).read()?;
    Ok(spec.replace("{version}", version.trim()))
}

/// The file in `dir` that this artifact was downloaded as before, going by how its client names files.
fn copy_source(artifact: &Artifact, dir: &Path) -> Option<PathBuf> {
    let slug = |text: &str| text.trim_start_matches('@').replace(['/', '_'], "-").to_lowercase();
    let (front, back) = match artifact.spec.split_once("@{version}") {
        Some((package, suffix)) => (slug(package), suffix.to_owned()),
        None => (slug(&artifact.spec), String::new()),
    };
    let mut files: Vec<PathBuf> = fs::read_dir(dir)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    files.sort();
    files.into_iter().find(|file| {
        let stem = file
            .file_name()
            .map(|name| name.to_string_lossy().to_lowercase().replace('_', "-"));
        let stem = stem.as_deref().and_then(|name| name.strip_prefix(front.as_str()));
        let Some(version) = stem.and_then(|rest| rest.strip_prefix('-')) else {
            return false;
        };
        let body = version
            .trim_end_matches(".tgz")
            .trim_end_matches(".deb")
            .trim_end_matches(".whl");
        let Some(body) = body.strip_suffix(back.as_str()) else {
            return false;
        };
        let word = |c: char| c.is_ascii_digit() || c == '.';
        match artifact.client {
            Client::Npm => body.chars().all(word),
            Client::Pip | Client::Apt => body.starts_with(|c: char| c.is_ascii_digit()),
        }
    })
}

fn only_file(dir: &Path) -> Result<Option<PathBuf>> {
    let files: Vec<PathBuf> = fs::read_dir(dir)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    match files.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one.clone())),
        more => bail!("{} holds {} files; one is expected", dir.display(), more.len()),
    }
}

fn open(file: &Path, into: &Path) -> Result<()> {
    let name = file.to_string_lossy();
    if name.ends_with(".tgz") || name.ends_with(".tar.gz") {
        Cmd::new("tar")
            .args(["--no-same-owner", "-xzf"])
            .arg(file)
            .arg("-C")
            .arg(into)
            .run()
    } else if name.ends_with(".whl") || name.ends_with(".zip") {
        Cmd::new("python3")
            .args(["-m", "zipfile", "-e"])
            .arg(file)
            .arg(into)
            .run()
    } else if name.ends_with(".deb") {
        Cmd::new("dpkg-deb").arg("-x").arg(file).arg(into).run()
    } else {
        bail!("{name}: no way to open it is known")
    }
}

/// The paths of the regular files under `dir`; links are not followed.
pub(crate) fn list(dir: &Path, out: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            list(&entry.path(), out)?;
        } else {
            out.push(entry.path().display().to_string());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_well_formed_and_its_names_are_unique() {
        let table: Table = toml::from_str(include_str!("../corpus.toml")).unwrap();
        let mut names: Vec<&str> = table.artifact.iter().map(|a| a.name.as_str()).collect();
        names.sort_unstable();
        let before = names.len();
        names.dedup();
        assert_eq!(names.len(), before);
        for artifact in &table.artifact {
            let pinned = !artifact.holds.is_empty() && !artifact.why.is_empty();
            assert!(pinned, "{} says neither what it holds nor why", artifact.name);
        }
    }
}
