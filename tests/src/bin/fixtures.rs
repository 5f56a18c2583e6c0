//! `fixtures DIR` writes every sample to `DIR/benign`, `DIR/hostile` and `DIR/stress`: fuzz seeds, and files for other
//! tools to read.
//!
//! A benign file is named `<name>.<format>`, a hostile one `<name>.<expected code>`.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use probity_tests::samples;

fn main() -> io::Result<()> {
    let Some(dir) = env::args_os().nth(1).map(PathBuf::from) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "usage: fixtures DIR"));
    };
    for sample in samples::all() {
        write(
            &dir.join("benign"),
            &format!("{}.{}", sample.name, sample.format),
            &sample.bytes,
        )?;
    }
    for case in samples::hostile() {
        write(
            &dir.join("hostile"),
            &format!("{}.{}", case.name, case.expect_code),
            &case.bytes,
        )?;
    }
    for (name, bytes) in samples::stress() {
        write(&dir.join("stress"), name, &bytes)?;
    }
    Ok(())
}

fn write(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    fs::write(dir.join(name), bytes)
}
