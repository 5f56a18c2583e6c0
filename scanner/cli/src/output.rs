//! Where reports go: standard output or a file. A closed pipe is not an error.

use anyhow::{Context, Result};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Writes `bytes` to standard output.
///
/// # Errors
/// Anything but a closed pipe.
pub(crate) fn print(bytes: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done.context("cannot write to standard output"),
    }
}

/// Has `render` write to standard output, which takes it as it comes.
///
/// # Errors
/// Anything but a closed pipe.
pub(crate) fn stream(render: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let mut out = io::stdout().lock();
    match render(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done.context("cannot write to standard output"),
    }
}

/// The width of the terminal that standard output is; `None` when it is none, or does not tell.
pub(crate) fn columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

/// Opens the file that `--output` names, before any work is done. What it holds stays until the report is there: it
/// may lie in a directory that is scanned.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn open(path: &Path) -> Result<File> {
    let file = File::options().write(true).create(true).truncate(false).open(path);
    file.with_context(|| format!("cannot write {}", path.display()))
}

/// Puts `bytes` in place of what the file holds.
///
/// # Errors
/// What the operating system reports.
pub(crate) fn replace(file: File, bytes: &[u8]) -> io::Result<()> {
    stream_to(file, |out| out.write_all(bytes))
}

/// Has `render` write in place of what the file holds.
///
/// # Errors
/// What the operating system reports.
pub(crate) fn stream_to(mut file: File, render: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    if file.metadata()?.is_file() {
        file.set_len(0)?;
    }
    render(&mut file)
}
