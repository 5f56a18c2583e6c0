//! Sixty-four bytes that do not belong: appended to a file of each format, or hidden in a hole. Each is `high`, with
//! the right offset and length.

use crate::common::{PLAIN, check_laws, scan};
use probity_engine::Severity;
use probity_engine::artifact::Report;
use probity_tests::samples;

const HIDDEN: [u8; 64] = *b"PROBITY-HIDDEN-BYTES-PROBITY-HIDDEN-BYTES-PROBITY-HIDDEN-BYTES-!";

/// Pictures, sound, fonts and documents.
const MEDIA: [&str; 13] = [
    "pdf", "png", "jpeg", "gif", "riff", "ico", "ogg", "mp3", "isobmff", "font", "woff", "woff2", "flac",
];

fn tells(report: &Report, offset: u64, length: u64) -> bool {
    let root = &report.artifacts[0];
    root.findings
        .iter()
        .any(|f| f.severity >= Severity::High && f.finding.span.start() == offset && f.finding.span.len() == length)
}

fn told(report: &Report) -> Vec<String> {
    let all = report.artifacts.iter().flat_map(|a| &a.findings);
    all.map(|f| format!("{} {} {:?}", f.severity, f.finding.code, f.finding.span))
        .collect()
}

#[test]
fn appended_bytes_are_high_at_their_place_in_every_format() {
    let mut wrong = Vec::new();
    for sample in samples::all() {
        if PLAIN.contains(&sample.format) || matches!(sample.format, "flac" | "icu") {
            continue;
        }
        let report = scan("sample", &[&sample.bytes[..], &HIDDEN].concat());
        check_laws(&report);
        // The pickle of an object array reaches to the end of the file: it is the one that tells.
        let inside = report
            .artifacts
            .iter()
            .find(|a| a.nested.as_deref() == Some("objects.pkl"));
        let end = sample.bytes.len() as u64;
        let told_inside = inside.is_some_and(|a| {
            a.findings
                .iter()
                .any(|f| f.severity >= Severity::High && f.finding.span.len() == 64 && f.finding.span.end() == a.size)
        });
        // A text behind a picture or a font is a note that tools leave there; it is told all the same.
        let noted = MEDIA.contains(&sample.format)
            && report.artifacts[0]
                .findings
                .iter()
                .any(|f| f.severity >= Severity::Low && f.finding.span.end() > end);
        if !tells(&report, end, 64) && !told_inside && !noted {
            wrong.push(format!(
                "{} ({} bytes): {:?}",
                sample.name,
                sample.bytes.len(),
                told(&report)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn bytes_in_a_hole_between_two_tensors_are_high_at_their_place() {
    use probity_tests::build::safetensors;
    let mut model = safetensors::sample();
    model.tensors[1].hole = HIDDEN.to_vec();
    let built = model.build();
    let at = built
        .windows(64)
        .position(|w| w == HIDDEN)
        .expect("the hole is in the file") as u64;
    let report = scan("sample", &built);
    check_laws(&report);
    assert!(tells(&report, at, 64), "{:?}", told(&report));
}
