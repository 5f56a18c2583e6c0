//! `cargo xtask tamper`: signed images of the corpus, each changed in every way that `probity-tests` knows, through the
//! release scanner and, where it is a PE image, through `osslsigncode` beside it.
//!
//! It fails when an image as published is not quiet, or when a change is not told by the finding that names it. With
//! `--write` the tables become `docs/tamper.md`. A changed image lies under `target/tamper` for as long as it is looked at;
//! nothing is run.

mod page;
mod peer;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use probity_tests::build::pe::Pe;
use probity_tests::build::signed::{Certificate, tamper_code};
use probity_tests::build::tamper::{TAMPERS, Tamper};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::corpus::{corpus_dir, list};
use crate::run::{Cmd, root, target_dir};
use crate::scan::release_build;
use peer::Peer;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only subjects whose name contains one of these
    name: Vec<String>,
    /// Write the tables to docs/tamper.md, where all subjects are there
    #[arg(long)]
    write: bool,
    /// A scanner that is built already
    #[arg(long, value_name = "FILE")]
    probity: Option<PathBuf>,
}

/// Published images: where in the corpus, and how the file's name ends.
const PUBLISHED: [(&str, &str); 6] = [
    ("claude-code-win32-x64", "/claude.exe"),
    ("codex-win32-x64", "/bin/codex.exe"),
    ("codex-win32-x64", "/glib-2.0-0.dll"),
    ("claude-code-darwin-arm64", "/claude"),
    ("codex-darwin-arm64", "/bin/codex"),
    ("codex-darwin-arm64", "/libglib-2.0.0.dylib"),
];

/// A signed image, and what is known of it.
struct Subject {
    name: String,
    bytes: Vec<u8>,
    /// A root to trust besides the known ones: of an image that is signed by a key of our own.
    root: Option<PathBuf>,
}

impl Subject {
    fn is_pe(&self) -> bool {
        self.bytes.starts_with(b"MZ")
    }

    fn tampers(&self) -> &'static [Tamper] {
        if self.is_pe() { TAMPERS } else { tamper_code::TAMPERS }
    }
}

/// What one image got, as published or changed.
struct Row {
    change: &'static str,
    ours: Ours,
    /// What osslsigncode says; `None` where it was not asked.
    theirs: Option<String>,
}

/// What the scanner says of an image.
#[derive(Clone, Debug, Default, PartialEq)]
struct Ours {
    /// Severity, code and case of the image's own findings at low or above.
    findings: Vec<(String, String, String)>,
    intact: String,
    signer: String,
    chain: String,
    time: String,
    uncovered: Option<u64>,
    exit: Option<i32>,
}

/// One subject's table.
struct Section {
    title: String,
    digest: String,
    length: usize,
    rows: Vec<Row>,
}

/// Changes each image in every way, and prints what was said.
///
/// # Errors
///
/// When something is not told as it should be, no image is there, or the scanner failed.
pub(crate) fn tamper(args: &Args) -> Result<()> {
    let program = match &args.probity {
        Some(program) => program.clone(),
        None => release_build()?,
    };
    let home = target_dir().join("tamper");
    fs::create_dir_all(&home)?;
    let peer = Peer::find();
    let wanted = |name: &str| args.name.is_empty() || args.name.iter().any(|part| name.contains(part.as_str()));
    let (mut sections, mut problems) = (Vec::new(), Vec::new());
    for (number, name) in names().into_iter().enumerate().filter(|(_, name)| wanted(name)) {
        match subject(number, &name, &home)? {
            Some(subject) => sections.push(section(&subject, &program, peer.as_ref(), &home, &mut problems)?),
            None => println!("{name} is not there: cargo xtask corpus"),
        }
    }
    let text = page::render(&sections, peer.as_ref());
    print!("{text}");
    if args.write {
        if sections.len() < names().len() {
            bail!("docs/tamper.md is about all subjects");
        }
        fs::write(root().join("docs/tamper.md"), &text)?;
    }
    if !problems.is_empty() {
        bail!("{} wrong:\n  {}", problems.len(), problems.join("\n  "));
    }
    Ok(())
}

fn names() -> Vec<String> {
    let published = PUBLISHED.iter().map(|(corpus, end)| {
        let file = end.rsplit('/').next().unwrap_or(end);
        format!("{corpus}: {file}")
    });
    std::iter::once("an image signed by a key of our own".to_owned())
        .chain(published)
        .collect()
}

fn subject(number: usize, name: &str, home: &Path) -> Result<Option<Subject>> {
    let name = name.to_owned();
    let Some((corpus, end)) = number.checked_sub(1).and_then(|n| PUBLISHED.get(n)) else {
        let root = home.join("root.der");
        fs::write(&root, Certificate::root().build())?;
        return Ok(Some(Subject {
            name,
            bytes: Pe::signed(true).build(),
            root: Some(root),
        }));
    };
    let (folder, mut files) = (corpus_dir().join("unpacked").join(corpus), Vec::new());
    if folder.is_dir() {
        list(&folder, &mut files)?;
    }
    let Some(file) = files.into_iter().find(|file| file.ends_with(end)) else {
        return Ok(None);
    };
    Ok(Some(Subject {
        name,
        bytes: fs::read(&file).with_context(|| file.clone())?,
        root: None,
    }))
}

fn section(
    subject: &Subject,
    program: &Path,
    peer: Option<&Peer>,
    home: &Path,
    problems: &mut Vec<String>,
) -> Result<Section> {
    let peer = peer.filter(|_| subject.is_pe());
    let path = home.join("image");
    let look = |bytes: &[u8]| -> Result<(Ours, Option<peer::Said>)> {
        fs::write(&path, bytes)?;
        let ours = ours(program, &path, subject.root.as_deref())?;
        let theirs = peer.map(|peer| peer.verify(&path, subject.root.as_deref())).transpose();
        fs::remove_file(&path)?;
        Ok((ours, theirs?))
    };
    let (before, theirs) = look(&subject.bytes)?;
    if before.intact != "yes" || !before.findings.is_empty() || before.uncovered != Some(0) {
        problems.push(format!("{}: as it was: {before:?}", subject.name));
    }
    let original = theirs;
    let mut rows = vec![Row {
        change: "none",
        ours: before,
        theirs: original.as_ref().map(peer::Said::verdict),
    }];
    for tamper in subject.tampers() {
        let Some(changed) = (tamper.apply)(&subject.bytes) else {
            continue;
        };
        let (ours, theirs) = look(&changed)?;
        if !told(tamper, &ours) {
            problems.push(format!("{}: {}: {ours:?}", subject.name, tamper.name));
        }
        rows.push(Row {
            change: tamper.name,
            ours,
            theirs: theirs.map(|said| said.beside(original.as_ref())),
        });
    }
    Ok(Section {
        title: subject.name.clone(),
        digest: Sha256::digest(&subject.bytes)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect(),
        length: subject.bytes.len(),
        rows,
    })
}

/// Whether a change is told by the finding that names it. What the last bytes of a message are differs from signer to
/// signer: there it counts that it is told at all.
fn told(tamper: &Tamper, ours: &Ours) -> bool {
    let (code, case) = tamper.told;
    if code == "signature-time" {
        return ours.findings.iter().any(|(_, code, _)| code.starts_with("signature-"));
    }
    let named = ours.findings.iter().any(|(_, c, k)| c == code && k == case);
    named && (ours.intact == "yes") == tamper.intact
}

fn ours(program: &Path, path: &Path, trust: Option<&Path>) -> Result<Ours> {
    let mut command = Cmd::new(program)
        .quiet()
        .args(["scan", "--no-progress", "--format", "json"]);
    if let Some(root) = trust {
        command = command.arg("--trust").arg(root);
    }
    let output = command.arg(path).output()?;
    let report: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("no JSON report: {}", String::from_utf8_lossy(&output.stderr)))?;
    let mut found = read(&report["artifacts"][0]);
    found.exit = output.status.code();
    Ok(found)
}

fn read(artifact: &Value) -> Ours {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut findings: Vec<(String, String, String)> = artifact["findings"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|f| (text(&f["severity"]), text(&f["code"]), text(&f["case"])))
        .filter(|(severity, _, _)| severity != "info")
        .collect();
    findings.dedup();
    let signature = &artifact["signatures"][0];
    Ours {
        findings,
        intact: text(&signature["intact"]),
        signer: page::common_name(&text(&signature["signer"])),
        chain: text(&signature["chain"]),
        time: text(&signature["time"]),
        uncovered: artifact["bytes"]["uncovered"].as_u64(),
        exit: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: &str, case: &str, intact: &str) -> Ours {
        Ours {
            findings: vec![("high".to_owned(), code.to_owned(), case.to_owned())],
            intact: intact.to_owned(),
            ..Ours::default()
        }
    }

    #[test]
    fn a_change_is_told_only_by_its_own_finding_and_answer() {
        let checksum = TAMPERS
            .iter()
            .find(|t| t.told.0 == "image-checksum" && t.intact)
            .unwrap();
        assert!(told(checksum, &said("image-checksum", "signed", "yes")));
        assert!(!told(checksum, &said("image-checksum", "", "yes")));
        assert!(!told(checksum, &said("image-checksum", "signed", "no")));
        assert!(!told(checksum, &Ours::default()));
    }

    #[test]
    fn answers_and_findings_are_those_of_the_image_itself() {
        let artifact = serde_json::json!({
            "bytes": { "uncovered": 512 },
            "signatures": [ { "intact": "yes", "signer": "CN=A\\, B, O=C", "chain": "anchored", "time": "2026-01-02T03:04:05Z" } ],
            "findings": [ { "code": "uncovered-bytes", "case": null, "severity": "high" }, { "code": "x", "severity": "info" } ],
        });
        let found = read(&artifact);
        assert_eq!(
            found.findings,
            [("high".to_owned(), "uncovered-bytes".to_owned(), String::new())]
        );
        assert_eq!((found.signer.as_str(), found.uncovered), ("A, B", Some(512)));
    }

    #[test]
    fn every_published_subject_is_part_of_the_corpus() {
        let table = include_str!("../corpus.toml");
        for (corpus, _) in PUBLISHED {
            assert!(table.contains(&format!("name = \"{corpus}\"")), "{corpus}");
        }
    }
}
