use super::{Allow, Baseline, BaselineEntry, Override, PathGlob, Policy, Scope};
use crate::artifact::{Artifact, Report, Verdict};
use crate::pipeline::{Options, Scanner};
use probity_signatures::Severity;

const ROOT: &str = "models/model.pt";
const INNER: &str = "archive/data.pkl";

fn fixture(name: &str) -> Vec<u8> {
    let all = probity_tests::samples::hostile();
    all.into_iter().find(|h| h.name == name).unwrap().bytes
}

fn scan(policy: Policy, bytes: Vec<u8>) -> Report {
    let options = Options {
        jobs: 1,
        policy,
        ..Options::default()
    };
    Scanner::new(options).unwrap().scan_bytes(ROOT, bytes)
}

fn torch(policy: Policy) -> Report {
    scan(policy, fixture("torch-zip-system"))
}

fn of(report: &Report, code: &str) -> (usize, usize) {
    let kept = report.artifacts.iter().flat_map(|a| &a.findings);
    let suppressed = report.artifacts.iter().flat_map(|a| &a.suppressed);
    (
        kept.filter(|j| j.finding.code == code).count(),
        suppressed.filter(|s| s.judged.finding.code == code).count(),
    )
}

fn digest(report: &Report, code: &str) -> Option<[u8; 32]> {
    holder(report, code).sha256
}

fn holder<'a>(report: &'a Report, code: &str) -> &'a Artifact {
    let mut all = report.artifacts.iter();
    all.find(|a| a.findings.iter().any(|j| j.finding.code == code)).unwrap()
}

fn allow(scope: Scope) -> Policy {
    Policy {
        allows: vec![Allow {
            scope,
            reason: "reviewed".to_owned(),
            origin: "probity.toml:3".to_owned(),
        }],
        ..Policy::default()
    }
}

fn scope(code: &str) -> Scope {
    Scope {
        code: code.to_owned(),
        ..Scope::default()
    }
}

#[test]
fn a_critical_finding_is_allowed_by_digest_only() {
    let plain = torch(Policy::default());
    let own = digest(&plain, "unsafe-callable");
    let root = plain.artifacts[0].sha256;
    assert!(own.is_some() && root.is_some() && own != root);
    for (sha256, allowed) in [(None, false), (Some([7; 32]), false), (own, true), (root, true)] {
        let report = torch(allow(Scope {
            sha256,
            ..scope("unsafe-callable")
        }));
        let expected = if allowed { (0, 1) } else { (1, 0) };
        assert_eq!(of(&report, "unsafe-callable"), expected, "{sha256:?}");
        let verdict = if allowed { Verdict::Clean } else { Verdict::Findings };
        assert_eq!(
            (report.verdict, report.artifacts[0].verdict),
            (verdict, verdict),
            "the roots' verdicts follow"
        );
        assert_eq!(report.suppressed(), u64::from(allowed));
    }
}

#[test]
fn a_critical_finding_is_lowered_by_digest_only_and_anything_else_by_any_scope() {
    let own = digest(&torch(Policy::default()), "unsafe-callable");
    for (sha256, level) in [(None, Severity::Critical), (own, Severity::Info)] {
        let scope = Scope {
            sha256,
            ..scope("unsafe-callable")
        };
        let overrides = vec![Override {
            scope,
            level: Severity::Info,
        }];
        let report = torch(Policy {
            overrides,
            ..Policy::default()
        });
        assert_eq!(
            holder(&report, "unsafe-callable").findings[0].severity,
            level,
            "{sha256:?}"
        );
    }
    let levels = [Severity::Critical, Severity::Low];
    let overrides = levels.map(|level| Override {
        scope: scope("trailing-bytes"),
        level,
    });
    let report = scan(
        Policy {
            overrides: overrides.to_vec(),
            ..Policy::default()
        },
        fixture("gzip-trailing"),
    );
    assert_eq!(
        report.artifacts[0].findings[0].severity,
        Severity::Low,
        "the last entry wins"
    );
    assert_eq!(report.verdict, Verdict::Clean);
}

#[test]
fn every_part_of_a_scope_must_hold() {
    let plain = torch(Policy::default());
    let found = holder(&plain, "unsafe-callable");
    assert_eq!(found.nested.as_deref(), Some(INNER));
    let judged = &found.findings[0].finding;
    let base = || Scope {
        sha256: found.sha256,
        ..scope("unsafe-callable")
    };
    let glob = |text: &str| Some(PathGlob::new(text).unwrap());
    let text = |text: &str| Some(text.to_owned());
    #[rustfmt::skip]
    let cases = [
        (Scope { path: glob("models/**"), ..base() }, true),
        (Scope { path: glob("models/*.pt"), ..base() }, true),
        (Scope { path: glob("models/*.pkl"), ..base() }, false),
        (Scope { path: glob("**/*.pkl"), ..base() }, false),
        (Scope { path: glob("models/model.pt!*/data.pkl"), ..base() }, true),
        (Scope { path: glob("other/**"), ..base() }, false),
        (Scope { nested: glob("*/data.pkl"), ..base() }, true),
        (Scope { nested: glob(""), ..base() }, false),
        (Scope { format: text("pickle"), ..base() }, true),
        (Scope { format: text("zip"), ..base() }, false),
        (Scope { case: judged.case.map(str::to_owned), ..base() }, true),
        (Scope { case: text("named"), ..base() }, false),
        (Scope { region: text(&judged.region), ..base() }, true),
        (Scope { region: text("elsewhere"), ..base() }, false),
        (Scope { signer: text("apple:Q6L2SF6YDW"), ..base() }, false),
        (Scope { code: "unknown-callable".to_owned(), ..base() }, false),
    ];
    for (scope, allowed) in cases {
        let policy = allow(scope.clone());
        let report = torch(policy.clone());
        assert_eq!(
            of(&report, "unsafe-callable").1,
            usize::from(allowed),
            "{scope:?} on {:?}",
            judged.region
        );
        assert_eq!(policy.unused(&report).len(), usize::from(!allowed));
    }
}

#[test]
fn errors_stay_whatever_is_allowed() {
    let bytes = fixture("zip-bomb");
    let plain = scan(Policy::default(), bytes.clone());
    assert!(!plain.complete);
    let report = scan(allow(scope("archive-bomb")), bytes);
    assert_eq!((report.complete, report.verdict), (false, Verdict::Incomplete));
    assert!(report.suppressed() > 0);
}

#[test]
fn a_baseline_accepts_what_it_was_made_of_and_the_rest_is_new() {
    let plain = torch(Policy::default());
    let (entries, left) = Baseline::of(&plain);
    assert_eq!(left, 0);
    assert!(entries.iter().all(|e| e.severity >= Severity::Low));
    let under = |entries: Vec<BaselineEntry>| {
        let baseline = Baseline::new("baseline.json", entries);
        let report = torch(Policy {
            baseline: Some(baseline.clone()),
            ..Policy::default()
        });
        (
            of(&report, "unsafe-callable"),
            baseline.gone(&report),
            report.verdict == Verdict::Clean,
        )
    };
    assert_eq!(under(entries.clone()), ((0, 1), 0, true));
    type Change = fn(&mut BaselineEntry);
    let changes: [Change; 4] = [
        |e| e.sha256 = Some([7; 32]),
        |e| e.sha256 = None,
        |e| e.fingerprint = "0".repeat(32),
        |e| e.code = "malformed".to_owned(),
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut changed = entries.clone();
        change(changed.iter_mut().find(|e| e.code == "unsafe-callable").unwrap());
        assert_eq!(under(changed), ((1, 0), 1, false), "change {number}");
    }
    let mut lowered = entries.clone();
    for entry in &mut lowered {
        (entry.severity, entry.sha256) = (Severity::Low, None);
    }
    assert_eq!(
        under(lowered).0,
        (1, 0),
        "a severity written into the file is not believed"
    );
    assert!(
        Baseline::of(&scan(Policy::default(), b"plain text\n".to_vec()))
            .0
            .is_empty()
    );
}

#[test]
fn what_only_counts_the_rest_is_accepted_with_its_digest() {
    let many = |n: usize| {
        let mut text = b"\x00\x01".to_vec();
        for i in 0..n {
            text.extend_from_slice(format!(" http://8.8.{}.{}/ \u{1}", i / 250, i % 250 + 1).as_bytes());
        }
        text
    };
    let plain = scan(Policy::default(), many(100));
    let (entries, _) = Baseline::of(&plain);
    assert!(entries.iter().any(|e| e.sha256.is_some()), "{entries:?}");
    let policy = Policy {
        baseline: Some(Baseline::new("baseline.json", entries)),
        ..Policy::default()
    };
    assert_eq!(of(&scan(policy.clone(), many(100)), "ip-literal-url").0, 0);
    assert_eq!(of(&scan(policy, many(101)), "ip-literal-url").0, 1);
}
