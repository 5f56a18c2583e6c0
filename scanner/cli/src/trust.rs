//! `--trust FILE_OR_DIR`: roots of the user besides those that come with Probity.

use anyhow::{Context, Result, bail};
use probity_engine::name::printable;
use probity_engine::verify::TrustStore;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The most bytes of one file.
const LARGEST: u64 = 16 << 20;

/// The roots: those that come with Probity, and those of `paths`: certificates in PEM or DER, and directories of them.
///
/// # Errors
/// When a path cannot be read or holds no certificate. Of a directory, files that end in pem, crt, cer or der are read.
pub(crate) fn load(paths: &[PathBuf]) -> Result<Arc<TrustStore>> {
    let built_in = TrustStore::built_in();
    if paths.is_empty() {
        return Ok(built_in);
    }
    let mut store = (*built_in).clone();
    for path in paths {
        let name = printable(path.as_os_str().as_encoded_bytes());
        let about = || format!("--trust {name}");
        if fs::metadata(path).with_context(about)?.is_dir() {
            let mut files = Vec::new();
            for entry in fs::read_dir(path).with_context(about)? {
                let file = entry.with_context(about)?.path();
                let ending = file.extension().and_then(|e| e.to_str()).unwrap_or_default();
                if matches!(ending, "pem" | "crt" | "cer" | "der") {
                    files.push(file);
                }
            }
            files.sort();
            if files.is_empty() {
                bail!("--trust {name}: no file that ends in pem, crt, cer or der");
            }
            for file in files {
                add(&mut store, &file)?;
            }
        } else {
            add(&mut store, path)?;
        }
    }
    Ok(Arc::new(store))
}

fn add(store: &mut TrustStore, path: &Path) -> Result<()> {
    let name = printable(path.as_os_str().as_encoded_bytes());
    let about = || format!("--trust {name}");
    let mut bytes = Vec::new();
    let file = File::open(path).with_context(about)?;
    file.take(LARGEST + 1).read_to_end(&mut bytes).with_context(about)?;
    if bytes.len() as u64 > LARGEST {
        bail!("--trust {name}: larger than {} MiB", LARGEST >> 20);
    }
    store.add(&bytes).with_context(about)?;
    Ok(())
}
