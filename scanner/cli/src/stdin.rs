//! Standard input that keeps to `--timeout`: a pipe that is open and gives nothing would hold a read for ever.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

/// Bytes handed over at a time.
const CHUNK: usize = 256 << 10;
/// Chunks that may wait.
const WAITING: usize = 4;

/// What a thread reads from standard input.
pub(crate) struct Stdin {
    chunks: Receiver<io::Result<Vec<u8>>>,
    chunk: io::Cursor<Vec<u8>>,
    deadline: Option<Instant>,
}

impl Stdin {
    /// Starts to read; the time runs from now. The thread ends with the input or with the process.
    pub(crate) fn new(timeout: Duration) -> Self {
        let (give, chunks) = sync_channel(WAITING);
        std::thread::spawn(move || {
            let mut input = io::stdin().lock();
            loop {
                let mut chunk = vec![0u8; CHUNK];
                let read = match input.read(&mut chunk) {
                    Ok(0) => break,
                    Ok(n) => {
                        chunk.truncate(n);
                        Ok(chunk)
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => Err(error),
                };
                let last = read.is_err();
                if give.send(read).is_err() || last {
                    break;
                }
            }
        });
        Self {
            chunks,
            chunk: io::Cursor::default(),
            deadline: Instant::now().checked_add(timeout),
        }
    }
}

impl Read for Stdin {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.chunk.read(buffer)?;
        if n > 0 || buffer.is_empty() {
            return Ok(n);
        }
        let next = match self.deadline {
            Some(at) => self.chunks.recv_timeout(at.saturating_duration_since(Instant::now())),
            None => self.chunks.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match next {
            Ok(chunk) => {
                self.chunk = io::Cursor::new(chunk?);
                self.chunk.read(buffer)
            }
            Err(RecvTimeoutError::Timeout) => Err(io::ErrorKind::TimedOut.into()),
            Err(RecvTimeoutError::Disconnected) => Ok(0),
        }
    }
}
