//! `rules list` and `explain`: every code can be looked up.

use crate::common::{run_in, temp};
use probity_engine::finding::{ErrorCode, code};

#[test]
fn every_code_is_listed_and_explained() {
    let dir = temp();
    let list = run_in(dir.path(), &["rules", "list"]);
    assert_eq!((list.code, list.stderr.as_str()), (0, ""));
    for code in code::ALL {
        assert!(
            list.stdout.lines().any(|l| l.split_whitespace().next() == Some(code)),
            "{code}"
        );
        let text = run_in(dir.path(), &["explain", code]);
        assert_eq!((text.code, text.stderr.as_str()), (0, ""), "{code}");
        for part in ["severity", "What it is", "Why it is bad", "What to do"] {
            assert!(text.stdout.contains(part), "{code}: {part}");
        }
        let wide = text
            .stdout
            .lines()
            .find(|l| l.chars().count() > 80 && l.contains(' ') && !l.contains("http"));
        assert_eq!(wide, None, "{code}");
    }
    let codes = list.stdout.lines().take_while(|l| !l.is_empty()).count();
    assert_eq!(codes, code::ALL.len(), "the list holds these and no others");
}

#[test]
fn a_mistyped_code_gets_a_hint() {
    let dir = temp();
    for (asked, hint) in [
        ("trailing", "trailing-bytes?"),
        ("Traling-Byts", "trailing-bytes"),
        ("archive_bomb", "archive-bomb"),
        ("zzz", "see probity rules list"),
        ("a\u{e4}\u{e4}\u{e4}", "see probity rules list"),
        ("", "see probity rules list"),
    ] {
        let run = run_in(dir.path(), &["explain", asked]);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{asked}");
        assert!(run.stderr.contains(hint), "{asked}: {}", run.stderr);
    }
}

#[test]
fn the_code_of_an_error_is_told_from_that_of_a_finding() {
    let dir = temp();
    for error in ErrorCode::ALL {
        let run = run_in(dir.path(), &["explain", error.as_str()]);
        assert_eq!(run.code, 2);
        assert!(run.stderr.contains("not a finding but an error"), "{}", run.stderr);
    }
}
