//! `map`: every byte in one row, and the exit code of a scan.

use crate::common::{Run, bytes_of, plain, put, run_in, scan, temp};
use serde_json::Value;
use std::path::Path;

fn map(dir: &Path, name: &str) -> Run {
    run_in(dir, &["map", "--format", "json", name])
}

fn number(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or_else(|| panic!("{key} in {value:#}"))
}

/// The bytes that are in at least one of the spans.
fn union(mut spans: Vec<(u64, u64)>) -> u64 {
    spans.sort_unstable();
    let (mut end, mut total) = (0, 0);
    for (from, length) in spans {
        let to = from + length;
        total += to.saturating_sub(from.max(end));
        end = end.max(to);
    }
    total
}

#[test]
fn every_fixture_is_mapped_to_its_last_byte() {
    let dir = temp();
    let samples = probity_tests::samples::all().into_iter().map(|s| (s.name, s.bytes));
    for (name, bytes) in samples.chain(probity_tests::samples::hostile().into_iter().map(|h| (h.name, h.bytes))) {
        put(dir.path(), name, &bytes);
        let run = map(dir.path(), name);
        let document = run.json();
        assert_eq!(run.code, scan(dir.path(), &[name]).code, "{name} exits like a scan");
        assert_eq!(document["schema"], "probity.map/1");
        let (size, account) = (number(&document, "size"), &document["bytes"]);
        assert_eq!(size, bytes.len() as u64, "{name}");
        assert_eq!(
            number(account, "claimed") + number(account, "unclaimed"),
            size,
            "{name}"
        );
        let rows = document["regions"].as_array().unwrap();
        let span = |r: &Value| (number(r, "offset"), number(r, "length"));
        let of = |wanted: fn(&Value) -> bool| rows.iter().filter(|r| wanted(r)).map(span).collect::<Vec<_>>();
        assert_eq!(
            union(of(|r| r["claimed"] == true)),
            number(account, "claimed"),
            "{name}"
        );
        assert_eq!(
            union(of(|r| r["role"] == "unclaimed")),
            number(account, "unclaimed"),
            "{name}"
        );
        assert_eq!(
            union(of(|r| r["leaf"] == true && r["role"] == "padding")),
            number(account, "padding"),
            "{name}"
        );
        let starts: Vec<u64> = rows.iter().map(|r| number(r, "offset")).collect();
        assert!(starts.is_sorted(), "{name}");
        for row in rows {
            assert!(number(row, "offset") + number(row, "length") <= size, "{name}: {row:#}");
            assert!(
                row["entropy"].is_null() || row["entropy"].as_f64().is_some_and(|e| (0.0..=8.0).contains(&e)),
                "{row:#}"
            );
        }
    }
}

#[test]
fn the_table_says_what_every_byte_is() {
    let dir = temp();
    put(dir.path(), "tail.gz", &bytes_of(Some("high")));
    let run = run_in(dir.path(), &["map", "tail.gz"]);
    assert_eq!(run.code, 1);
    for part in [
        "member 1 header",
        "member 1 deflate stream",
        "member 1 trailer",
        "UNCLAIMED",
        "33 unclaimed",
    ] {
        assert!(run.stdout.contains(part), "{part}: {}", run.stdout);
    }
}

#[test]
fn an_empty_file_an_odd_one_and_one_that_cannot_be_read_are_mapped_or_refused() {
    let dir = temp();
    put(dir.path(), "empty", b"");
    put(dir.path(), "plain", &plain());
    for name in ["empty", "plain"] {
        let run = map(dir.path(), name);
        assert_eq!(
            (run.code, number(&run.json(), "size")),
            (0, std::fs::metadata(dir.path().join(name)).unwrap().len())
        );
    }
    let run = map(dir.path(), "/proc/self/mem");
    assert_eq!((run.code, run.stdout.as_str()), (3, ""));
    assert!(
        run.stderr.starts_with("probity: /proc/self/mem: cannot read"),
        "{}",
        run.stderr
    );
    let run = map(dir.path(), "/dev/zero");
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
}
