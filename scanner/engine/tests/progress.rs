//! Progress adds up: what was planned is what is started, swept and finished.

use probity_engine::pipeline::{Options, Progress, Scanner, Stream};
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Default)]
struct Counts {
    planned: AtomicU64,
    bytes: AtomicU64,
    started: AtomicU64,
    advanced: AtomicU64,
    finished: AtomicU64,
}

impl Progress for Counts {
    fn planned(&self, files: u64, bytes: u64) {
        self.planned.store(files, Ordering::Relaxed);
        self.bytes.store(bytes, Ordering::Relaxed);
    }
    fn started(&self, _path: &str) {
        self.started.fetch_add(1, Ordering::Relaxed);
    }
    fn advanced(&self, n: u64) {
        self.advanced.fetch_add(n, Ordering::Relaxed);
    }
    fn finished(&self) {
        self.finished.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn as_much_is_finished_as_was_planned_whatever_cannot_be_read() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("small"), b"\0small\xff").unwrap();
    fs::write(dir.path().join("large"), vec![7; 20 << 20]).unwrap();
    fs::write(dir.path().join("packed.gz"), probity_tests::build::gzip::nested(3)).unwrap();
    std::os::unix::fs::symlink("nowhere", dir.path().join("dangling")).unwrap();
    for (jobs, stream) in [(1, false), (2, true)] {
        let scanner = Scanner::new(Options {
            jobs,
            ..Options::default()
        })
        .unwrap();
        let root = scanner.resolve(dir.path()).unwrap();
        let (counts, mut empty) = (Counts::default(), std::io::empty());
        let input = stream.then_some(Stream {
            after: 0,
            reader: &mut empty,
        });
        scanner.scan(&[root], input, &counts);
        let of = |n: &AtomicU64| n.load(Ordering::Relaxed);
        let expected = if stream { 5 } else { 4 };
        assert_eq!(
            (of(&counts.planned), of(&counts.started), of(&counts.finished)),
            (expected, expected, expected)
        );
        assert_eq!(of(&counts.bytes), of(&counts.advanced), "{jobs} jobs");
    }
}
