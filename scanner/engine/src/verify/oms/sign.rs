//! Signing a directory: every file with its digest, in one statement, under one signature.

use super::bundle::{IN_TOTO, MEDIA_TYPE, pae};
use super::digest::{Algorithm, digest};
use super::manifest::{PREDICATE, STATEMENT};
use super::{MOST_NAMES, listing};
use crate::policy::shown;
use crate::source::FileSource;
use crate::source::listing::{Listed, Regular, Standing};
use crate::span::Span;
use crate::verify::cms::certificate::Certificate;
use crate::verify::document::hex;
use crate::verify::key::{PrivateKey, PublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rayon::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What version control keeps in a model's directory, and model-signing leaves out.
const OF_GIT: [&str; 4] = [".git", ".gitattributes", ".github", ".gitignore"];

/// How a directory is signed.
#[derive(Debug)]
pub struct SignOptions<'a> {
    /// The key.
    pub key: &'a PrivateKey,
    /// The signer's certificate, then its issuers, in DER; none for a signature by the key alone.
    pub certificates: &'a [Vec<u8>],
    /// The digests.
    pub algorithm: Algorithm,
    /// Paths from the directory that are left unsigned.
    pub ignore: &'a [String],
    /// Whether files that version control keeps are left unsigned.
    pub ignore_git: bool,
    /// Whether links to files inside the directory are signed as what they lead to.
    pub allow_symlinks: bool,
    /// Where the signature will lie, so that it does not sign itself.
    pub output: &'a Path,
}

/// A signature that was made.
#[derive(Debug)]
#[non_exhaustive]
pub struct Signed {
    /// The bundle, to be written as it is.
    pub bundle: Vec<u8>,
    /// Files signed.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What is left unsigned.
    pub ignored: Vec<String>,
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The directory cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A file cannot be read.
    #[error("{name}: {source}")]
    File {
        /// Its name below the directory.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// What stands under a name cannot be signed.
    #[error("{name} {why}")]
    Refused {
        /// The name below the directory.
        name: String,
        /// Why.
        why: &'static str,
    },
    /// The certificate does not belong to the key, or cannot be read.
    #[error("{0}")]
    Certificate(String),
    /// Nothing to sign, or too much.
    #[error("{0}")]
    Content(String),
}

/// Signs `directory`.
///
/// # Errors
/// When a file cannot be read or signed: nothing is left out in silence.
pub fn sign(directory: &Path, options: &SignOptions<'_>) -> Result<Signed, SignError> {
    let material = material(options)?;
    let own = listing::name_below(directory, options.output);
    let mut ignored: Vec<String> = options.ignore.to_vec();
    if let Some(name) = own.and_then(|name| String::from_utf8(name).ok()) {
        ignored.push(name);
    }
    if options.ignore_git {
        ignored.extend(OF_GIT.map(str::to_owned));
    }
    ignored.sort();
    ignored.dedup();
    let listed = listing::list(directory, MOST_NAMES)?
        .ok_or_else(|| SignError::Content(format!("the directory holds more than {MOST_NAMES} names")))?;
    let mut files = files(&listed, &ignored, options.allow_symlinks)?;
    if files.is_empty() {
        return Err(SignError::Content("there is no file to sign".to_owned()));
    }
    // Level by level, as model-signing does.
    files.sort_by(|(a, _), (b, _)| a.split('/').cmp(b.split('/')));
    let digests: Vec<Result<Vec<u8>, SignError>> = files
        .par_iter()
        .map(|(name, file)| {
            read(file, options.algorithm).map_err(|source| SignError::File {
                name: shown(name.as_bytes()),
                source,
            })
        })
        .collect();
    let mut root = Sha256::new();
    let mut resources = Vec::with_capacity(files.len());
    for ((name, _), digest) in files.iter().zip(digests) {
        let digest = digest?;
        root.update(&digest);
        resources.push(json!({"name": name, "algorithm": options.algorithm.as_str(), "digest": hex(&digest)}));
    }
    let model = std::fs::canonicalize(directory)?;
    let model = model
        .file_name()
        .map_or_else(|| "model".into(), |name| name.to_string_lossy());
    let statement = json!({
        "_type": STATEMENT,
        "subject": [{"name": model, "digest": {"sha256": hex(&root.finalize())}}],
        "predicateType": PREDICATE,
        "predicate": {
            "serialization": {
                "method": "files",
                "hash_type": options.algorithm.as_str(),
                "allow_symlinks": options.allow_symlinks,
                "ignore_paths": ignored,
            },
            "resources": resources,
        },
    });
    let payload = serde_json::to_vec_pretty(&statement).map_err(io::Error::from)?;
    let signature = options
        .key
        .sign(&pae(&payload))
        .ok_or_else(|| SignError::Content("the key does not sign".to_owned()))?;
    let bundle = json!({
        "mediaType": MEDIA_TYPE,
        "verificationMaterial": material,
        "dsseEnvelope": {
            "payload": STANDARD.encode(&payload),
            "payloadType": IN_TOTO,
            "signatures": [{"sig": STANDARD.encode(signature), "keyid": ""}],
        },
    });
    Ok(Signed {
        bundle: serde_json::to_vec(&bundle).map_err(io::Error::from)?,
        files: u64::try_from(files.len()).unwrap_or(u64::MAX),
        bytes: files.iter().fold(0, |n, (_, file)| n.saturating_add(file.length)),
        ignored,
    })
}

fn material(options: &SignOptions<'_>) -> Result<Value, SignError> {
    let Some(own) = options.certificates.first() else {
        return Ok(json!({"publicKey": {"hint": options.key.public().hint()}, "tlogEntries": []}));
    };
    let refused = |why: String| SignError::Certificate(format!("the certificate cannot be used: {why}"));
    let certificate = Certificate::from_der(own).map_err(|fault| refused(fault.rule.to_owned()))?;
    let key = PublicKey::from_spki(certificate.spki).ok();
    if key.as_ref() != Some(options.key.public()) {
        return Err(SignError::Certificate(
            "the certificate is not one of the key".to_owned(),
        ));
    }
    if !certificate.is_for_signing() {
        let why = format!("{} has neither digitalSignature nor codeSigning", certificate.shown());
        return Err(refused(why));
    }
    let certificates: Vec<Value> = options
        .certificates
        .iter()
        .map(|der| json!({"rawBytes": STANDARD.encode(der)}))
        .collect();
    Ok(json!({"x509CertificateChain": {"certificates": certificates}, "tlogEntries": []}))
}

fn files<'l>(
    listed: &'l [Listed],
    ignored: &[String],
    allow_symlinks: bool,
) -> Result<Vec<(&'l str, &'l Regular)>, SignError> {
    let mut files = Vec::new();
    for item in listed {
        let refuse = |why| {
            Err(SignError::Refused {
                name: shown(&item.name),
                why,
            })
        };
        if super::compare::under(ignored, &item.name).is_some() {
            continue;
        }
        let Ok(name) = std::str::from_utf8(&item.name) else {
            return refuse("has a name that is not UTF-8");
        };
        if name.contains('\\') || name.chars().any(char::is_control) {
            return refuse("has a backslash or a control character in its name");
        }
        match &item.what {
            Standing::File(file) => files.push((name, file)),
            Standing::Link(file) | Standing::Blob(file) if allow_symlinks => files.push((name, file)),
            Standing::Link(_) | Standing::Blob(_) => {
                return refuse("is a link (--allow-symlinks signs what it leads to)");
            }
            Standing::Outside(_) => return refuse("is a link that leads outside of the directory"),
            Standing::Folder => return refuse("is a link to a directory"),
            Standing::Broken => return refuse("is a link that leads nowhere"),
            Standing::Special => return refuse("is a device, a FIFO or a socket"),
            Standing::Unreadable(_) => return refuse("cannot be read"),
        }
    }
    Ok(files)
}

fn read(file: &Regular, algorithm: Algorithm) -> io::Result<Vec<u8>> {
    let changed = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    let source = FileSource::open(&file.path)?;
    let meta = source.file().metadata()?;
    if (meta.dev(), meta.ino()) != file.identity {
        return Err(changed("another file was put in its place".to_owned()));
    }
    let found = digest(algorithm, &source, Span::new(0, file.length))?;
    match crate::source::ReadAt::changed(&source) {
        Some(why) => Err(changed(why)),
        None => found.ok_or_else(|| changed("it became shorter while it was read".to_owned())),
    }
}
