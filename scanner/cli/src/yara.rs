//! `--yara FILE`: YARA rules, where they are compiled in.

use crate::complain;
use anyhow::{Context, Result, bail};
use probity_engine::name::printable;
use probity_engine::yara::YaraRules;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

/// The most bytes of one file.
const LARGEST: u64 = 64 << 20;

/// Compiles the files. `None` when they do not compile: why is on standard error. `Some(None)` when there are none.
///
/// # Errors
/// When this build has no YARA, a file cannot be read, is too large or is given twice.
pub(crate) fn load(paths: &[PathBuf]) -> Result<Option<Option<Arc<YaraRules>>>> {
    if paths.is_empty() {
        return Ok(Some(None));
    }
    if !YaraRules::AVAILABLE {
        bail!("--yara: this build has no YARA; build probity with --features yara");
    }
    let mut sources: Vec<(String, Vec<u8>)> = Vec::new();
    for path in paths {
        let name = printable(path.as_os_str().as_encoded_bytes());
        if sources.iter().any(|(other, _)| *other == name) {
            bail!("--yara {name} is given twice");
        }
        let mut bytes = Vec::new();
        let about = || format!("--yara {name}");
        if !fs::metadata(path).with_context(about)?.is_file() {
            bail!("--yara {name}: not a regular file");
        }
        let file = File::open(path).with_context(about)?;
        file.take(LARGEST + 1).read_to_end(&mut bytes).with_context(about)?;
        if bytes.len() as u64 > LARGEST {
            bail!("--yara {name}: larger than {} MiB", LARGEST >> 20);
        }
        sources.push((name, bytes));
    }
    match YaraRules::compile(&sources) {
        Ok(rules) => Ok(Some(Some(Arc::new(rules)))),
        Err(error) => {
            complain(&format!("--yara {}: these are no YARA rules", error.file));
            let mut stderr = io::stderr().lock();
            for line in error.message.lines() {
                // A closed pipe is not an error.
                let _ = writeln!(stderr, "{}", printable(line.as_bytes()));
            }
            Ok(None)
        }
    }
}
