//! Every fixture built by code: benign ones are spotless to the last byte, hostile ones say what is wrong.

use crate::common::{check_laws, codes, complaints, scan};
use probity_engine::artifact::Verdict;
use probity_tests::samples;

#[test]
fn benign_fixtures_are_recognised_claimed_whole_and_quiet() {
    let mut wrong = Vec::new();
    for sample in samples::all() {
        let report = scan("sample", &sample.bytes);
        check_laws(&report);
        let root = &report.artifacts[0];
        if root.format != sample.format {
            wrong.push(format!(
                "{}: read as {}, is {}",
                sample.name, root.format, sample.format
            ));
        }
        wrong.extend(
            complaints(&report)
                .into_iter()
                .map(|line| format!("{}: {line}", sample.name)),
        );
        if report.verdict != Verdict::Clean {
            wrong.push(format!("{}: {}", sample.name, report.verdict.as_str()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn hostile_fixtures_give_the_code_they_should_and_are_never_clean() {
    let mut wrong = Vec::new();
    for hostile in samples::hostile() {
        let report = scan("sample", &hostile.bytes);
        check_laws(&report);
        let found = codes(&report);
        if !found.contains(&hostile.expect_code) {
            wrong.push(format!(
                "{}: expected {}, found {found:?}",
                hostile.name, hostile.expect_code
            ));
        }
        let listed = report
            .artifacts
            .iter()
            .any(|a| a.findings.iter().any(|f| f.finding.code == hostile.expect_code));
        if report.verdict == Verdict::Clean && !listed {
            wrong.push(format!("{}: clean", hostile.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn inputs_that_need_only_be_survived_are_survived() {
    for (name, bytes) in samples::stress() {
        let started = std::time::Instant::now();
        let report = scan("sample", &bytes);
        check_laws(&report);
        assert!(started.elapsed().as_secs() < 30, "{name} took {:?}", started.elapsed());
    }
}
