//! `probity sign`: an OpenSSF model signature over a directory, by a key or a certificate.

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use probity_engine::name::printable;
use probity_engine::verify::key::{PrivateKey, pem};
use probity_engine::verify::oms::{Algorithm, DEFAULT_NAME, SignOptions, sign};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// `probity sign`.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 signed, 2 not signed, and why is told.")]
pub(crate) struct SignArgs {
    /// The model's directory, or one file
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
    /// The private key, of P-256, P-384 or P-521, in PEM without a password
    #[arg(long, value_name = "KEY")]
    pub(crate) key: PathBuf,
    /// The certificate of that key, in PEM: the signer then has a name
    #[arg(long, value_name = "CERT")]
    pub(crate) certificate: Option<PathBuf>,
    /// Certificates between that and a root, in PEM
    #[arg(long, value_name = "CERT", requires = "certificate")]
    pub(crate) chain: Vec<PathBuf>,
    /// Where the signature goes [default: model.sig in the directory]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Leave a file or a directory unsigned; the signature says so
    #[arg(long, value_name = "PATH")]
    pub(crate) ignore: Vec<PathBuf>,
    /// Sign .git, .gitattributes, .github and .gitignore too
    #[arg(long)]
    pub(crate) include_git: bool,
    /// Sign links to files inside the directory as what they lead to
    #[arg(long)]
    pub(crate) allow_symlinks: bool,
    /// The digests in the signature
    #[arg(long, value_enum, default_value_t = Hash::Sha256, value_name = "HASH")]
    pub(crate) hash: Hash,
}

/// Digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Hash {
    /// SHA-256
    Sha256,
    /// BLAKE2b with 64 bytes
    #[value(alias = "blake2")]
    Blake2b,
    /// BLAKE3
    Blake3,
}

/// Signs; returns the exit code.
pub(crate) fn run(args: &SignArgs) -> Result<u8> {
    let directory = &args.directory;
    let meta = fs::metadata(directory).with_context(|| directory.display().to_string())?;
    let read = |path: &Path| fs::read(path).with_context(|| path.display().to_string());
    let key = PrivateKey::read(&read(&args.key)?).with_context(|| args.key.display().to_string())?;
    let mut certificates = Vec::new();
    for path in args.certificate.iter().chain(&args.chain) {
        certificates.extend(certificates_in(path, &read(path)?)?);
    }
    let output = match &args.output {
        Some(output) => output.clone(),
        None if meta.is_dir() => directory.join(DEFAULT_NAME),
        None => {
            let mut name = directory.as_os_str().to_owned();
            name.push(".sig");
            PathBuf::from(name)
        }
    };
    // A signature may be written anew; a file of the model, or the key, must not be written over.
    if let (Ok(old), Ok(own)) = (fs::symlink_metadata(&output), fs::metadata(&args.key)) {
        let key = (old.dev(), old.ino()) == (own.dev(), own.ino());
        if key || !old.is_file() || !looks_signed(&output) {
            bail!("--output {} is there already, and is no signature", output.display());
        }
    }
    let ignore = args
        .ignore
        .iter()
        .map(|path| below(directory, path))
        .collect::<Result<Vec<String>>>()?;
    let signed = sign(
        directory,
        &SignOptions {
            key: &key,
            certificates: &certificates,
            algorithm: match args.hash {
                Hash::Sha256 => Algorithm::Sha256,
                Hash::Blake2b => Algorithm::Blake2b,
                Hash::Blake3 => Algorithm::Blake3,
            },
            ignore: &ignore,
            ignore_git: !args.include_git,
            allow_symlinks: args.allow_symlinks,
            output: &output,
        },
    )?;
    write(&output, &signed.bundle).with_context(|| format!("cannot write {}", output.display()))?;
    let noun = if signed.files == 1 { "file" } else { "files" };
    let text = format!(
        "{}: {} {noun}, {} bytes, signed by key:sha256:{}\nexplicitly unsigned: {}\n",
        printable(output.as_os_str().as_encoded_bytes()),
        signed.files,
        signed.bytes,
        key.public().hint(),
        printable(signed.ignored.join(", ").as_bytes()),
    );
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(0),
    }
}

/// The certificates of a PEM file; a file without one is an error.
pub(crate) fn certificates_in(path: &Path, bytes: &[u8]) -> Result<Vec<Vec<u8>>> {
    if bytes.first() == Some(&0x30) {
        return Ok(vec![bytes.to_vec()]);
    }
    let blocks = pem(bytes).into_iter();
    let found: Vec<Vec<u8>> = blocks
        .filter(|(label, _)| label == "CERTIFICATE")
        .map(|(_, der)| der)
        .collect();
    if found.is_empty() {
        bail!("{}: it holds no certificate in PEM", path.display());
    }
    Ok(found)
}

/// A path to ignore, from the directory: given from there, or from where we are.
fn below(directory: &Path, path: &Path) -> Result<String> {
    let directory = fs::canonicalize(directory)?;
    let inside = match fs::canonicalize(path) {
        Ok(found) if found.starts_with(&directory) => found.strip_prefix(&directory).map(Path::to_owned).ok(),
        _ => None,
    };
    let inside = inside.or_else(|| path.is_relative().then(|| path.to_owned()));
    let text = inside
        .as_ref()
        .and_then(|path| path.to_str())
        .map(|text| text.trim_end_matches('/').to_owned());
    match text {
        Some(text) if !text.is_empty() && !text.split('/').any(|level| matches!(level, "." | "..")) => Ok(text),
        _ => bail!("--ignore {} is not below {}", path.display(), directory.display()),
    }
}

/// Whether the file is an older signature.
fn looks_signed(path: &Path) -> bool {
    fs::read(path).is_ok_and(|bytes| {
        let head = &bytes[..bytes.len().min(4096)];
        head.windows(29).any(|w| w == b"vnd.dev.sigstore.bundle.v0.3+")
            || String::from_utf8_lossy(&bytes).contains("\"dsseEnvelope\"")
    })
}

/// Written beside and put in place whole.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut file = tempfile::Builder::new().prefix(".probity-").tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file()
        .set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
