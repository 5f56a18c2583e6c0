//! Signatures that lie beside what they sign, and what the user gives to check them with.

use crate::sign::certificates_in;
use anyhow::{Context, Result, bail};
use clap::Args;
use probity_engine::artifact::Report;
use probity_engine::name::printable;
use probity_engine::source::{FileSource, ReadAt, read_full_at};
use probity_engine::verify::key::PublicKey;
use probity_engine::verify::{Answer, Checked, deb, minisign, npm, oms, record, sigstore};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// What is at hand to check with.
#[derive(Debug, Args)]
#[command(next_help_heading = "What to check with")]
pub(crate) struct GivenArgs {
    /// The signature of a model [default: model.sig in the directory]
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
    /// The public key that must have signed the model, in PEM
    #[arg(long, value_name = "PUB")]
    key: Option<PathBuf>,
    /// Certificates that the signer's must lead to, in PEM
    #[arg(long, value_name = "ROOT")]
    certificate_chain: Vec<PathBuf>,
    /// A Sigstore bundle, or a PEP 740 attestation [default: FILE.sigstore.json and the like, beside FILE]
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// Sigstore's trusted root, in JSON, instead of the embedded ones
    #[arg(long, value_name = "FILE")]
    trusted_root: Option<PathBuf>,
    /// Who must have signed: the identity in the certificate
    #[arg(long, value_name = "IDENTITY")]
    identity: Option<String>,
    /// Who must have vouched for that identity
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// The digest that a package must have, as npm writes it (sha512-...)
    #[arg(long, value_name = "TEXT")]
    integrity: Option<String>,
    /// A package-lock.json that locks the package
    #[arg(long, value_name = "FILE")]
    lockfile: Option<PathBuf>,
    /// What npm's registry says of the package's version: its metadata, or the signatures in it
    #[arg(long, value_name = "FILE")]
    registry_signature: Option<PathBuf>,
    /// The registry's keys, as its keys endpoint gives them
    #[arg(long, value_name = "FILE", requires = "registry_signature")]
    keys: Option<PathBuf>,
    /// A minisign public key: its file, or its text; the signature is FILE.minisig
    #[arg(long, value_name = "KEY")]
    minisign_key: Option<String>,
}

/// One argument with what was found beside it.
pub(crate) struct Target {
    pub(crate) path: PathBuf,
    pub(crate) signatures: Vec<Found>,
}

impl Target {
    /// Its path as reports write it.
    pub(crate) fn name(&self) -> String {
        printable(self.path.as_os_str().as_encoded_bytes())
    }

    /// Whether it is a directory that is signed as a whole.
    pub(crate) fn is_model(&self) -> bool {
        !self.signatures.is_empty() && self.path.is_dir()
    }

    /// Adds what the scan says of a wheel's RECORD; its findings are told with the wheel.
    pub(crate) fn add_record(&mut self, report: &Report) {
        let name = self.name();
        let wheel = report.artifacts.iter().find(|a| a.path == name && a.nested.is_none());
        if let Some(mut checked) = wheel.and_then(record::of_scan) {
            checked.findings.clear();
            checked.errors.clear();
            self.signatures.push(Found { by: None, checked });
        }
    }
}

/// One signature, and the file it stands in when that is another one.
pub(crate) struct Found {
    pub(crate) by: Option<PathBuf>,
    pub(crate) checked: Checked,
}

impl Found {
    /// Whether it was found out what it is worth.
    pub(crate) fn is_known(&self) -> bool {
        self.checked.errors.is_empty() && self.checked.intact != Answer::Unknown
    }
}

/// The same as [`GivenArgs`], read.
pub(crate) struct Given {
    signature: Option<PathBuf>,
    trust: oms::Trust,
    bundle: Option<PathBuf>,
    npm: npm::Expected,
    minisign_key: Option<minisign::PublicKey>,
}

fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    let length = fs::metadata(path).with_context(|| path.display().to_string())?.len();
    if length > most {
        bail!("{}: {length} bytes are too long for what it should be", path.display());
    }
    fs::read(path).with_context(|| path.display().to_string())
}

impl GivenArgs {
    /// Reads what was given; what cannot be read is a usage error.
    pub(crate) fn load(&self) -> Result<Given> {
        const SHORT: u64 = 16 << 20;
        let mut trust = oms::Trust::default();
        if let Some(path) = &self.key {
            let key = PublicKey::read(&read(path, SHORT)?).with_context(|| path.display().to_string())?;
            trust.key = Some(key);
        }
        for path in &self.certificate_chain {
            trust.anchors.extend(certificates_in(path, &read(path, SHORT)?)?);
        }
        if let Some(path) = &self.trusted_root {
            let text = String::from_utf8(read(path, SHORT)?).with_context(|| path.display().to_string())?;
            trust.sigstore.root = Some(text);
        }
        trust.sigstore.identity.clone_from(&self.identity);
        trust.sigstore.issuer.clone_from(&self.issuer);
        let mut npm = npm::Expected::default();
        npm.integrity.clone_from(&self.integrity);
        let whole = |path: &Option<PathBuf>| path.as_deref().map(|path| read(path, npm::LONGEST)).transpose();
        npm.lockfile = whole(&self.lockfile)?;
        npm.signatures = whole(&self.registry_signature)?;
        npm.keys = whole(&self.keys)?;
        let minisign_key = match &self.minisign_key {
            None => None,
            Some(text) => {
                let file = Path::new(text);
                let content = if file.is_file() {
                    String::from_utf8_lossy(&read(file, SHORT)?).into_owned()
                } else {
                    text.clone()
                };
                Some(minisign::key(&content).map_err(|why| anyhow::anyhow!("--minisign-key {text}: {why}"))?)
            }
        };
        Ok(Given {
            signature: self.signature.clone(),
            trust,
            bundle: self.bundle.clone(),
            npm,
            minisign_key,
        })
    }
}

/// How the files are called that bundles lie in, beside what they sign.
const BESIDE: [&str; 6] = [
    ".sigstore.json",
    ".sigstore",
    ".publish.attestation",
    ".attestation",
    ".provenance",
    ".bundle",
];

impl Given {
    /// Checks every signature of `path` that lies beside it, or that was given.
    pub(crate) fn check(&self, path: &Path) -> Result<Target> {
        let signatures = if path.is_dir() {
            self.directory(path)?
        } else if path.is_file() {
            self.file(path)?
        } else {
            Vec::new()
        };
        Ok(Target {
            path: path.to_owned(),
            signatures,
        })
    }

    fn directory(&self, path: &Path) -> Result<Vec<Found>> {
        let file = match &self.signature {
            Some(file) => file.clone(),
            None => path.join(oms::DEFAULT_NAME),
        };
        let npm = &self.npm;
        if npm.integrity.is_some() || npm.lockfile.is_some() || npm.signatures.is_some() || self.bundle.is_some() {
            bail!("{}: a directory is no package; name the package's file", path.display());
        }
        if self.signature.is_none() && fs::symlink_metadata(&file).is_err() {
            return Ok(Vec::new());
        }
        Ok(vec![self.model(path, file)?])
    }

    fn model(&self, path: &Path, file: PathBuf) -> Result<Found> {
        let outcome = oms::verify(path, &file, &self.trust, None).with_context(|| file.display().to_string())?;
        Ok(Found {
            checked: outcome.checked(),
            by: Some(file),
        })
    }

    fn file(&self, path: &Path) -> Result<Vec<Found>> {
        let source = FileSource::open(path).with_context(|| path.display().to_string())?;
        let mut found = Vec::new();
        let plain = |checked| Found { by: None, checked };
        if let Some(file) = &self.signature {
            found.push(self.model(path, file.clone())?);
        }
        found.extend(npm::check(&source, &self.npm).into_iter().map(plain));
        let bundle = self.bundle.clone().or_else(|| beside(path, &BESIDE));
        // What was asked for and cannot be answered must not look like an answer.
        let expected = &self.trust.sigstore;
        let sigstore = expected.identity.is_some() || expected.issuer.is_some() || expected.root.is_some();
        if sigstore && bundle.is_none() && self.signature.is_none() {
            bail!(
                "{}: there is no bundle beside it to check that with (--bundle)",
                path.display()
            );
        }
        if self.signature.is_none() && (self.trust.key.is_some() || !self.trust.anchors.is_empty()) {
            bail!(
                "{}: --key and --certificate-chain go with --signature, or with a model's directory",
                path.display()
            );
        }
        if let Some(file) = bundle {
            let text = read(&file, sigstore::LONGEST)?;
            found.extend(
                sigstore::check_file(&source, &text, &self.trust.sigstore)
                    .into_iter()
                    .map(|checked| Found {
                        by: Some(file.clone()),
                        checked,
                    }),
            );
        }
        let signature = beside(path, &[".minisig"]);
        if let Some(file) = signature {
            let text = read(&file, minisign::LONGEST)?;
            let checked = minisign::check(&source, &text, self.minisign_key.as_ref());
            found.push(Found {
                by: Some(file),
                checked,
            });
        } else if self.minisign_key.is_some() {
            bail!("there is no {}.minisig", path.display());
        }
        let mut head = [0u8; 32];
        let n = read_full_at(&source as &dyn ReadAt, &mut head, 0).with_context(|| path.display().to_string())?;
        let name = path
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        if deb::is_package(&head[..n]) {
            found.push(plain(deb::check(&source, &name)));
        }
        Ok(found)
    }
}

/// The first file that is called like `path` and one of `endings`.
fn beside(path: &Path, endings: &[&str]) -> Option<PathBuf> {
    let named = |ending: &&str| {
        let mut name: OsString = path.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    endings.iter().map(named).find(|file| file.is_file())
}
