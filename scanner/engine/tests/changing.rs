//! Sources that misbehave while they are read: they change, shrink, fail or give bytes in morsels.

use probity_engine::artifact::{Artifact, Verdict};
use probity_engine::finding::ErrorCode;
use probity_engine::pipeline::{Options, Scanner};
use probity_engine::source::ReadAt;
use probity_tests::build::tar::{Entry, Tar};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What is wrong with a source.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    /// Every read of the first bytes gives another byte 4 (a gzip member's time: it selects nothing).
    NeverTwiceTheSame,
    /// The first read of this offset gives another byte there than all later ones.
    FirstOtherAt(u64),
    /// After the first read, nothing is left from this offset on.
    EndsAt(u64),
    /// Reads from this offset on fail.
    FailsAt(u64),
    /// The operating system says that somebody wrote to it.
    Stamped,
    /// No read gives more than seven bytes, and every third is interrupted.
    Morsels,
}

struct Faulty {
    bytes: Vec<u8>,
    fault: Fault,
    reads: AtomicU64,
    /// Whether the byte that changes was read.
    read: AtomicBool,
}

impl ReadAt for Faulty {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let reads = self.reads.fetch_add(1, Ordering::Relaxed);
        let (mut end, mut most) = (self.len(), usize::MAX);
        match self.fault {
            Fault::EndsAt(at) if reads > 0 => end = at,
            Fault::FailsAt(at) if offset >= at => return Err(io::Error::other("the disk is on fire")),
            Fault::FailsAt(at) => end = at,
            Fault::Morsels if reads % 3 == 2 => return Err(io::ErrorKind::Interrupted.into()),
            Fault::Morsels => most = 7,
            _ => {}
        }
        let from = offset.min(end) as usize;
        let n = buffer.len().min(end as usize - from).min(most);
        buffer[..n].copy_from_slice(&self.bytes[from..from + n]);
        if self.fault == Fault::NeverTwiceTheSame && offset == 0 && n > 4 {
            buffer[4] = reads as u8;
        }
        if let Fault::FirstOtherAt(at) = self.fault
            && (offset..offset + n as u64).contains(&at)
            && !self.read.swap(true, Ordering::Relaxed)
        {
            buffer[(at - offset) as usize] ^= 1;
        }
        Ok(n)
    }

    fn is_private(&self) -> bool {
        false
    }

    fn changed(&self) -> Option<String> {
        (self.fault == Fault::Stamped).then(|| "somebody wrote to it".to_owned())
    }
}

fn examine(bytes: &[u8], fault: Fault, jobs: usize) -> Vec<Artifact> {
    let scanner = Scanner::new(Options {
        jobs,
        ..Options::default()
    })
    .unwrap();
    let source = Faulty {
        bytes: bytes.to_vec(),
        fault,
        reads: AtomicU64::new(0),
        read: AtomicBool::new(false),
    };
    let report = scanner.scan_source("source", Arc::new(source));
    assert_eq!(report.complete, report.artifacts[0].complete);
    assert_eq!(report.verdict, report.artifacts[0].verdict);
    report.artifacts
}

/// A gzip of a megabyte that does not compress.
fn archive() -> Vec<u8> {
    let noise = (0..1u32 << 18).flat_map(|n| (n.wrapping_mul(n).wrapping_mul(2_654_435_761) ^ (n << 9)).to_le_bytes());
    probity_tests::build::gzip::gzip(&noise.collect::<Vec<u8>>())
}

/// Longer than what is swept on one thread.
fn large() -> Vec<u8> {
    (0..20u32 << 20).map(|n| (n >> 3) as u8).collect()
}

#[track_caller]
fn check(bytes: &[u8], fault: Fault, jobs: usize, code: ErrorCode) {
    let artifacts = examine(bytes, fault, jobs);
    let root = &artifacts[0];
    assert_eq!(
        (root.complete, root.verdict),
        (false, Verdict::Incomplete),
        "{fault:?}: {:?}",
        root.findings
    );
    assert!(
        root.errors.iter().any(|e| e.code == code),
        "{fault:?}: {:?}",
        root.errors
    );
    if matches!(fault, Fault::EndsAt(_) | Fault::FailsAt(_)) {
        assert_eq!(root.sha256, None, "{fault:?}: a digest of a part is none");
    }
}

#[test]
fn a_source_that_says_two_things_has_changed() {
    for jobs in [1, 2] {
        check(&archive(), Fault::NeverTwiceTheSame, jobs, ErrorCode::ChangedDuringScan);
    }
}

#[test]
fn a_source_that_ends_early_has_changed() {
    for jobs in [1, 2] {
        for at in [0, 5, 100_000] {
            check(&archive(), Fault::EndsAt(at), jobs, ErrorCode::ChangedDuringScan);
            check(&large(), Fault::EndsAt(at), jobs, ErrorCode::ChangedDuringScan);
        }
        check(&large(), Fault::EndsAt(19 << 20), jobs, ErrorCode::ChangedDuringScan);
    }
}

#[test]
fn a_source_that_fails_is_unreadable() {
    for jobs in [1, 2] {
        for at in [0, 5, 200_000] {
            check(&archive(), Fault::FailsAt(at), jobs, ErrorCode::Unreadable);
            check(&large(), Fault::FailsAt(at), jobs, ErrorCode::Unreadable);
        }
        check(&large(), Fault::FailsAt(19 << 20), jobs, ErrorCode::Unreadable);
    }
}

/// An archive of texts, more than are asked about at once, with pickles and archives among them.
fn members() -> Vec<u8> {
    let text = |n: usize| format!("// {n}\nconst a={{b:[!0,!1],c:'--- !!x'}};\n").repeat(100 + n);
    let inner = Tar::of(vec![Entry::file("in", b"I1\n."), Entry::file("out", b"just a line\n")]).build();
    let entries = (0..900usize).map(|n| match n % 9 {
        0 => Entry::file(&format!("{n}.pkl"), b"cos\nsystem\n(S'true'\ntR."),
        1 => Entry::file(&format!("{n}.tar"), &inner),
        2 => Entry::file(&format!("{n}.bin"), &[0, 1, 2, n as u8]),
        _ => Entry::file(&format!("{n}.js"), text(n).as_bytes()),
    });
    Tar::of(entries.collect()).build()
}

#[test]
fn members_are_asked_about_ahead_with_the_same_result() {
    let rows = |jobs, fault| -> Vec<String> {
        let artifacts = examine(&members(), fault, jobs);
        let row = |a: &Artifact| {
            format!(
                "{:?} {} {:?} {:?} {:?}",
                a.nested, a.format, a.sha256, a.findings, a.errors
            )
        };
        artifacts.iter().map(row).collect()
    };
    let one = rows(1, Fault::None);
    assert_eq!(one.len(), 1 + 900 + 200);
    assert!(one.iter().any(|row| row.contains("unsafe-callable")));
    assert_eq!(one, rows(2, Fault::None));
    assert_eq!(one, rows(2, Fault::Morsels));
}

#[test]
fn a_member_that_was_read_at_once_is_compared_as_a_whole() {
    let bytes = members();
    // In the middle of a text in the middle: neither a header nor what tells what the archive is.
    let half = &bytes[..bytes.len() / 2];
    let text = half.windows(7).rposition(|w| w == b"const a").unwrap();
    for jobs in [1, 2] {
        let root = &examine(&bytes, Fault::FirstOtherAt(text as u64), jobs)[0];
        let changed = root.errors.iter().any(|e| e.code == ErrorCode::ChangedDuringScan);
        assert!(!root.complete && changed, "{:?}", root.errors);
    }
}

#[test]
fn a_source_that_was_written_to_has_changed_whatever_its_bytes_say() {
    for bytes in [archive(), large(), Vec::new()] {
        check(&bytes, Fault::Stamped, 2, ErrorCode::ChangedDuringScan);
    }
}

#[test]
fn short_and_interrupted_reads_change_nothing() {
    for bytes in [archive(), b"\0short\xff".to_vec(), Vec::new()] {
        let (whole, morsels) = (examine(&bytes, Fault::None, 1), examine(&bytes, Fault::Morsels, 1));
        assert_eq!(whole.len(), morsels.len());
        for (a, b) in whole.iter().zip(&morsels) {
            assert_eq!((a.format, a.sha256, a.bytes), (b.format, b.sha256, b.bytes));
            assert!(b.complete && b.sha256.is_some(), "{:?}", b.errors);
        }
    }
}
