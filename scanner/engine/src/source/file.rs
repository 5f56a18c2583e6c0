//! A file that is read where it lies, by descriptor and position.

use super::ReadAt;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

/// An open regular file, with the identity it had when it was opened.
pub struct FileSource {
    file: File,
    length: u64,
    stamp: Stamp,
    /// Unlinked scratch storage of our own: nobody else can write it.
    private: bool,
}

#[derive(PartialEq, Eq)]
struct Stamp {
    size: u64,
    mtime: (i64, i64),
    ctime: (i64, i64),
}

impl Stamp {
    fn of(file: &File) -> io::Result<Self> {
        file.metadata().map(|meta| Self::new(&meta))
    }

    fn new(meta: &Metadata) -> Self {
        Self {
            size: meta.len(),
            mtime: (meta.mtime(), meta.mtime_nsec()),
            ctime: (meta.ctime(), meta.ctime_nsec()),
        }
    }
}

impl FileSource {
    /// Opens the regular file at `path`. Never blocks on a FIFO: the caller has checked the file type, and the open is
    /// non-blocking in case it was swapped.
    ///
    /// # Errors
    /// What the operating system reports, and `InvalidInput` when it is not a regular file.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = rustix::fs::OFlags::RDONLY
            | rustix::fs::OFlags::CLOEXEC
            | rustix::fs::OFlags::NONBLOCK
            | rustix::fs::OFlags::NOCTTY;
        let file = File::from(rustix::fs::open(path, flags, rustix::fs::Mode::empty())?);
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok(Self::with(file, Stamp::new(&meta), false))
    }

    /// Wraps an open file; `private` says that it is our own scratch storage.
    ///
    /// # Errors
    /// What the operating system reports.
    pub fn from_file(file: File, private: bool) -> io::Result<Self> {
        let stamp = Stamp::of(&file)?;
        Ok(Self::with(file, stamp, private))
    }

    fn with(file: File, stamp: Stamp, private: bool) -> Self {
        Self {
            length: stamp.size,
            stamp,
            file,
            private,
        }
    }

    /// The open file, for sequential reading of files that do not tell their length (`/proc`).
    pub fn file(&self) -> &File {
        &self.file
    }
}

impl ReadAt for FileSource {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn is_private(&self) -> bool {
        self.private
    }

    fn changed(&self) -> Option<String> {
        if self.private {
            return None;
        }
        match Stamp::of(&self.file) {
            Ok(now) if now == self.stamp => None,
            Ok(now) if now.size != self.stamp.size => Some(format!(
                "the file was {} bytes long when it was opened and is {} now",
                self.stamp.size, now.size
            )),
            Ok(_) => Some("the file was written to or its metadata changed while it was read".to_owned()),
            Err(e) => Some(format!("the file's state could not be read again: {e}")),
        }
    }
}
