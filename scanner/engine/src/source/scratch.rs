//! Where decoded bytes live while they are examined: a shared memory budget, else an unlinked temporary file.

use super::{FileSource, MemorySource, ReadAt};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Memory shared by all decoded children that are alive, in bytes.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    left: AtomicU64,
}

impl MemoryBudget {
    /// The whole budget.
    pub(crate) const TOTAL: u64 = 64 << 20;
    /// The most one child may hold in memory.
    pub(crate) const ONE: u64 = 16 << 20;

    /// A full budget.
    pub(crate) fn new() -> Self {
        Self {
            left: AtomicU64::new(Self::TOTAL),
        }
    }

    fn take(&self, n: u64) -> bool {
        self.left
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(n))
            .is_ok()
    }

    fn give(&self, n: u64) {
        self.left.fetch_add(n, Ordering::AcqRel);
    }
}

impl Default for MemoryBudget {
    fn default() -> Self {
        Self::new()
    }
}

/// A sink for bytes of unknown length that becomes a [`ReadAt`]: in memory while the budget lasts, then in an unlinked
/// file under the scratch directory.
pub(crate) struct Spool {
    budget: Arc<MemoryBudget>,
    scratch: PathBuf,
    memory: Vec<u8>,
    charged: u64,
    file: Option<File>,
    length: u64,
}

impl Spool {
    /// How much is charged to the budget at a time.
    const STEP: u64 = 64 << 10;

    /// An empty spool.
    pub(crate) fn new(budget: &Arc<MemoryBudget>, scratch: &Path) -> Self {
        Self {
            budget: Arc::clone(budget),
            scratch: scratch.to_owned(),
            memory: Vec::new(),
            charged: 0,
            file: None,
            length: 0,
        }
    }

    /// The bytes written so far.
    pub(crate) fn len(&self) -> u64 {
        self.length
    }

    /// Ends writing.
    ///
    /// # Errors
    /// What the operating system reports about the scratch file.
    pub(crate) fn finish(mut self) -> io::Result<Arc<dyn ReadAt>> {
        match self.file.take() {
            Some(mut file) => {
                file.flush()?;
                Ok(Arc::new(FileSource::from_file(file, true)?))
            }
            None => Ok(Arc::new(Charged {
                inner: MemorySource::new(std::mem::take(&mut self.memory)),
                budget: Arc::clone(&self.budget),
                charged: std::mem::take(&mut self.charged),
            })),
        }
    }

    fn spill(&mut self) -> io::Result<&mut File> {
        let mut file = tempfile::tempfile_in(&self.scratch).map_err(|e| {
            io::Error::new(
                e.kind(),
                format!("no scratch file under {}: {e}", self.scratch.display()),
            )
        })?;
        file.write_all(&self.memory)?;
        self.memory = Vec::new();
        self.budget.give(std::mem::take(&mut self.charged));
        Ok(self.file.insert(file))
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = bytes.len() as u64;
        if self.file.is_none() {
            let wanted = self.length.saturating_add(n);
            while self.charged < wanted && self.charged < MemoryBudget::ONE && self.budget.take(Self::STEP) {
                self.charged = self.charged.saturating_add(Self::STEP);
            }
            if self.charged < wanted {
                self.spill()?;
            } else {
                self.memory.extend_from_slice(bytes);
            }
        }
        if let Some(file) = &mut self.file {
            file.write_all(bytes)?;
        }
        self.length = self.length.saturating_add(n);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.budget.give(self.charged);
    }
}

struct Charged {
    inner: MemorySource,
    budget: Arc<MemoryBudget>,
    charged: u64,
}

impl ReadAt for Charged {
    fn len(&self) -> u64 {
        self.inner.len()
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_at(buffer, offset)
    }
    fn as_slice(&self) -> Option<&[u8]> {
        self.inner.as_slice()
    }
    fn is_private(&self) -> bool {
        true
    }
}

impl Drop for Charged {
    fn drop(&mut self) {
        self.budget.give(self.charged);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::read_full_at;

    #[test]
    fn a_spool_keeps_its_bytes_in_memory_then_on_disk_and_returns_the_budget() {
        let dir = tempfile::tempdir().unwrap();
        for size in [0usize, 10, 1 << 20, (16 << 20) + 1, 40 << 20] {
            let budget = Arc::new(MemoryBudget::new());
            let mut spool = Spool::new(&budget, dir.path());
            let block: Vec<u8> = (0..=255u8).cycle().take(1 << 16).collect();
            let mut left = size;
            while left > 0 {
                let n = left.min(block.len());
                spool.write_all(&block[..n]).unwrap();
                left -= n;
            }
            let source = spool.finish().unwrap();
            assert_eq!(source.len(), size as u64);
            assert_eq!(source.as_slice().is_some(), size as u64 <= MemoryBudget::ONE);
            let mut tail = [0u8; 4];
            if size > 4 {
                assert_eq!(read_full_at(source.as_ref(), &mut tail, size as u64 - 4).unwrap(), 4);
                assert_eq!(tail[0], block[(size - 4) % block.len()]);
            }
            drop(source);
            assert_eq!(budget.left.load(Ordering::Acquire), MemoryBudget::TOTAL);
        }
    }
}
