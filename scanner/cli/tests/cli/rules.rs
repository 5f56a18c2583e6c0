//! `--rules`, `rules test` and `rules list`: rules as data, each kind firing and each near-miss quiet.

use crate::common::{Run, artifacts, findings, put, root, run_in, scan, scrubbed, temp};
use serde_json::Value;
use std::path::Path;

/// One rule of each kind, with its vectors.
const RULES: &str = r#"
[[rule]]
id = "acme-string"
severity = "high"
summary = "an ACME beacon"
reason = "incident 7"
references = ["https://acme.example/7"]
strings = [{ text = "ACME_BEACON", encodings = ["ascii", "utf-16"], nocase = true }]
tests = [
  { text = "x acme_Beacon y", expect = "fire" },
  { utf16 = "ACME_BEACON", expect = "fire" },
  { text = "ACME-BEACON", expect = "quiet" },
]

[[rule]]
id = "acme-bytes"
severity = "medium"
summary = "an ACME stub"
reason = "incident 8"
bytes = ["DE AD ?? [2-4] BE EF"]
tests = [
  { hex = "DE AD 00 01 02 BE EF", expect = "fire" },
  { hex = "DE AD 00 01 BE EF", expect = "quiet" },
]

[[rule]]
id = "acme-regex"
severity = "critical"
confidence = "certain"
summary = "an ACME token"
reason = "incident 9"
action = "revoke it"
regex = ['\bacme_[0-9a-f]{8}\b']
tests = [
  { text = "acme_deadbeef", expect = "fire" },
  { text = "acme_deadbeefs", expect = "quiet" },
]

[[rule]]
id = "acme-host"
severity = "low"
summary = "names a host of ACME"
reason = "block list"
hosts = ["*.evil.com"]
tests = [
  { text = "see https://a.evil.com/x", expect = "fire" },
  { text = "see https://evil.com/x", expect = "quiet" },
]

[[rule]]
id = "acme-digest"
severity = "critical"
summary = "the ACME dropper"
reason = "incident 10"
sha256 = ["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"]
tests = [
  { text = "test", expect = "fire" },
  { text = "tests", expect = "quiet" },
  { sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", expect = "fire" },
]

[[rule]]
id = "acme-both"
severity = "high"
summary = "an ACME loader"
reason = "incident 11"
strings = ["stage one", "stage two", "stage three"]
condition = "2 of"
tests = [
  { text = "stage two, then stage three", expect = "fire" },
  { text = "stage two, then stage two", expect = "quiet" },
]
"#;

/// What each rule fires on, and what it must leave alone.
const SUBJECTS: [(&str, &str, &[u8], &[u8]); 6] = [
    (
        "acme-string",
        "high",
        b"\x00\x01 Acme_Beacon \xfe\xff",
        b"\x00\x01 Acme_Beakon \xfe\xff",
    ),
    (
        "acme-bytes",
        "medium",
        b"\x00\x01\xde\xad..\xef.\xbe\xef\xfe\xff",
        b"\x00\x01\xde\xad..\xbe\xef\xfe\xff",
    ),
    (
        "acme-regex",
        "critical",
        b"\x00\x01 acme_01234567 \xfe\xff",
        b"\x00\x01 acme_0123456 \xfe\xff",
    ),
    (
        "acme-host",
        "low",
        b"\x00\x01 https://c2.evil.com/ \xfe\xff",
        b"\x00\x01 https://evil.com/ \xfe\xff",
    ),
    ("acme-digest", "critical", b"test", b"test\n"),
    (
        "acme-both",
        "high",
        b"\x00\x01 stage three stage one \xff",
        b"\x00\x01 stage three stage four \xff",
    ),
];

fn rules(dir: &Path) {
    put(dir, "rules/sub/acme.toml", RULES.as_bytes());
    put(dir, "rules/README.md", b"not a rule");
}

fn under_rules(dir: &Path, args: &[&str]) -> Run {
    scan(dir, &[&["--rules", "rules"][..], args].concat())
}

fn of<'a>(report: &'a Value, code: &str) -> Vec<&'a Value> {
    let all = artifacts(report)
        .iter()
        .flat_map(|a| a["findings"].as_array().into_iter().flatten());
    all.filter(|f| f["code"] == code).collect()
}

#[test]
fn each_kind_of_rule_fires_at_its_place_and_leaves_the_near_miss_alone() {
    let dir = temp();
    rules(dir.path());
    for (id, severity, hit, miss) in SUBJECTS {
        put(dir.path(), "hit", hit);
        put(dir.path(), "miss", miss);
        let report = under_rules(dir.path(), &["hit"]).json();
        let found = of(&report, id);
        assert_eq!(found.len(), 1, "{id}: {report:#}");
        assert_eq!(found[0]["severity"], severity, "{id}");
        let (start, length) = (
            found[0]["offset"].as_u64().unwrap(),
            found[0]["length"].as_u64().unwrap(),
        );
        assert!(length > 0 && start + length <= hit.len() as u64, "{}", found[0]);
        assert!(!found[0]["region"].as_str().unwrap().is_empty(), "{}", found[0]);
        let report = under_rules(dir.path(), &["miss"]).expect(0, "clean", true);
        assert!(
            !findings(&report).iter().any(|code| code.starts_with("acme-")),
            "{id}: {report:#}"
        );
        let report = scan(dir.path(), &["hit"]).expect(0, "clean", true);
        assert_eq!(findings(&report), [""; 0], "without --rules nothing is looked for");
    }
    let text = under_rules(dir.path(), &["hit"]).json();
    assert_eq!(of(&text, "acme-both")[0]["related"][0]["offset"], 15);
}

#[test]
fn nested_and_decoded_artifacts_are_searched_too() {
    use probity_tests::build::gzip::gzip;
    use probity_tests::build::tar::{Entry, Tar};
    let dir = temp();
    rules(dir.path());
    let archive = Tar::of(vec![Entry::file("inner/one.bin", b"\x00\x01 acme_beacon \xff")]).build();
    put(dir.path(), "a.tar", &archive);
    put(dir.path(), "a.tar.gz", &gzip(&archive));
    for name in ["a.tar", "a.tar.gz"] {
        let report = under_rules(dir.path(), &[name]).expect(1, "findings", true);
        let found = artifacts(&report)
            .iter()
            .find(|a| a["findings"].as_array().is_some_and(|f| !f.is_empty()));
        let nested = found.and_then(|a| a["nested"].as_str()).unwrap_or_default();
        assert!(nested.ends_with("inner/one.bin"), "{report:#}");
        assert_eq!(of(&report, "acme-string").len(), 1, "once, where it stands: {report:#}");
        assert_eq!(of(&report, "acme-string")[0]["offset"], 3);
    }
}

#[test]
fn regions_formats_and_paths_narrow_a_rule() {
    let dir = temp();
    put(dir.path(), "good.txt", b"plain text with a marker\n");
    put(
        dir.path(),
        "tail.gz",
        &[&probity_tests::build::gzip::gzip(b"x")[..], b"a marker behind"].concat(),
    );
    let rule = |rest: &str| {
        format!("id = \"m-m\"\nseverity = \"low\"\nsummary = \"s\"\nreason = \"r\"\nstrings = [\"marker\"]\n{rest}\n")
    };
    for (rest, text, tail) in [
        ("", 1, 1),
        ("regions = [\"unclaimed\"]", 0, 1),
        ("regions = [\"padding\"]", 0, 0),
        ("regions = [\"te*\"]", 1, 0),
        ("formats = [\"gzip\"]", 0, 1),
        ("formats = [\"text\", \"gzip\"]", 1, 1),
        ("paths = [\"*.txt\"]", 1, 0),
        ("paths = [\"other/**\"]", 0, 0),
    ] {
        put(dir.path(), "rules/m.toml", rule(rest).as_bytes());
        for (name, expected) in [("good.txt", text), ("tail.gz", tail)] {
            let report = under_rules(dir.path(), &[name]).json();
            assert_eq!(of(&report, "m-m").len(), expected, "{rest}: {name}: {report:#}");
        }
    }
}

#[test]
fn a_known_good_digest_is_a_note_that_suppresses_nothing() {
    let dir = temp();
    put(dir.path(), "file", b"\x00\x01 http://8.8.8.8/ \xfe\xff");
    let plain = scan(dir.path(), &["file"]).json();
    let digest = root(&plain, "file")["digests"]["sha256"].as_str().unwrap().to_owned();
    put(
        dir.path(),
        "rules/good.toml",
        format!("id = \"ours\"\nseverity = \"info\"\nsummary = \"a file of ours\"\nreason = \"built by us, ticket 1\"\nknown = \"good\"\nsha256 = [\"{digest}\"]\n").as_bytes(),
    );
    let report = under_rules(dir.path(), &["file", "--fail-on", "low"]).expect(1, "findings", true);
    assert_eq!(of(&report, "ours")[0]["message"], "known good: built by us, ticket 1");
    assert_eq!(
        (
            of(&report, "ours")[0]["severity"].as_str(),
            of(&report, "ip-literal-url").len()
        ),
        (Some("info"), 1)
    );
    under_rules(dir.path(), &["file"]).expect(0, "clean", true);
}

#[test]
fn thresholds_policies_baselines_and_every_format_know_a_rule_by_its_id() {
    let dir = temp();
    rules(dir.path());
    put(dir.path(), "file", b"\x00\x01 acme_beacon \xfe\xff");
    under_rules(dir.path(), &["file"]).expect(1, "findings", true);
    under_rules(dir.path(), &["file", "--fail-on", "critical"]).expect(0, "clean", true);
    let entry = |text: &str| format!("version = 1\n{text}\n");
    put(
        dir.path(),
        "low.toml",
        entry("[[severity]]\ncode = \"acme-string\"\nlevel = \"low\"").as_bytes(),
    );
    put(
        dir.path(),
        "allow.toml",
        entry("[[allow]]\ncode = \"acme-string\"\nreason = \"ours\"").as_bytes(),
    );
    let lowered = under_rules(dir.path(), &["file", "--policy", "low.toml"]).expect(0, "clean", true);
    assert_eq!(of(&lowered, "acme-string")[0]["severity"], "low");
    let allowed = under_rules(dir.path(), &["file", "--policy", "allow.toml"]).expect(0, "clean", true);
    assert_eq!(allowed["summary"]["suppressed"], 1);
    put(
        dir.path(),
        "crit.toml",
        entry("[[allow]]\ncode = \"acme-regex\"\nreason = \"ours\"").as_bytes(),
    );
    let refused = under_rules(dir.path(), &["file", "--policy", "crit.toml"]);
    assert_eq!(refused.code, 2);
    assert!(
        refused.stderr.contains("must name the artifact's sha256"),
        "{}",
        refused.stderr
    );
    assert_eq!(
        scan(dir.path(), &["file", "--policy", "low.toml"]).code,
        2,
        "without --rules it is no code"
    );
    assert_eq!(under_rules(dir.path(), &["file", "--baseline", "base.json"]).code, 1);
    under_rules(dir.path(), &["file", "--baseline", "base.json"]).expect(0, "clean", true);
    for format in ["text", "sarif", "junit", "markdown", "ndjson"] {
        let run = run_in(dir.path(), &["scan", "file", "--rules", "rules", "--format", format]);
        assert_eq!(run.code, 1, "{}", run.stderr);
        assert!(
            run.stdout.contains("acme-string") && run.stdout.contains("an ACME beacon"),
            "{}",
            run.stdout
        );
    }
    let sarif = run_in(dir.path(), &["scan", "file", "--rules", "rules", "--format", "sarif"]).json();
    let driver = &sarif["runs"][0]["tool"]["driver"];
    assert_eq!(driver["rules"][0]["id"], "acme-string");
    assert_eq!(driver["rules"][0]["properties"]["origin"], "rules/sub/acme.toml:3");
    let one = |n: &str| scrubbed(under_rules(dir.path(), &["file", "--jobs", n]).json());
    assert_eq!(one("1"), one("8"));
}

#[test]
fn the_digest_of_the_rules_follows_what_is_loaded_and_not_where() {
    let dir = temp();
    rules(dir.path());
    put(dir.path(), "moved/sub/acme.toml", RULES.as_bytes());
    put(dir.path(), "other/sub/acme.toml", format!("{RULES}\n# x").as_bytes());
    put(dir.path(), "file", b"\x00\x01");
    let digest = |args: &[&str]| scan(dir.path(), &[&["file"], args].concat()).json()["tool"]["rules"].clone();
    let own = digest(&[]);
    assert_ne!(digest(&["--rules", "rules"]), own);
    assert_eq!(digest(&["--rules", "rules"]), digest(&["--rules", "moved"]));
    assert_ne!(digest(&["--rules", "rules"]), digest(&["--rules", "other"]));
}

#[test]
fn rules_are_listed_and_explained() {
    let dir = temp();
    rules(dir.path());
    let list = run_in(dir.path(), &["rules", "list", "--rules", "rules"]);
    assert!(
        list.stdout
            .contains("acme-string              high      an ACME beacon (rules/sub/acme.toml:3)"),
        "{}",
        list.stdout
    );
    assert!(
        list.stdout.contains(" and 6 of yours, rules sha256:"),
        "{}",
        list.stdout
    );
    let text = run_in(dir.path(), &["explain", "acme-regex", "--rules", "rules"]);
    assert_eq!(text.code, 0, "{}", text.stderr);
    for part in [
        "severity critical, confidence certain, from rules/sub/acme.toml:",
        "incident 9",
        "revoke it",
        "acme_",
    ] {
        assert!(text.stdout.contains(part), "{part}: {}", text.stdout);
    }
    assert_eq!(run_in(dir.path(), &["explain", "acme-regex"]).code, 2);
}

#[test]
fn vectors_pass_fail_or_are_malformed() {
    let dir = temp();
    rules(dir.path());
    let test = |args: &[&str]| run_in(dir.path(), &[&["rules", "test"], args].concat());
    let run = test(&["rules"]);
    assert_eq!(
        (run.code, run.stdout.as_str()),
        (0, "6 of yours, 14 vectors pass, 0 fail\n"),
        "{}",
        run.stderr
    );
    let json = test(&["rules", "--format", "json"]).json();
    assert_eq!(
        (&json["schema"], &json["verdict"], &json["vectors"], &json["failed"]),
        (&"probity.rules-test/1".into(), &"passed".into(), &14.into(), &0.into())
    );
    let wrong = RULES.replacen(
        "{ text = \"ACME-BEACON\", expect = \"quiet\" }",
        "{ text = \"ACME-BEACON\", expect = \"fire\" }",
        1,
    );
    put(dir.path(), "wrong/a.toml", wrong.as_bytes());
    let run = test(&["wrong"]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    let says = "FAILED  acme-string (wrong/a.toml:12): vector 3 must fire and stays quiet: \"ACME-BEACON\"\n";
    assert!(run.stdout.starts_with(says), "{}", run.stdout);
    let json = test(&["wrong", "--format", "json"]);
    assert_eq!((json.code, json.json()["failed"].as_u64()), (1, Some(1)));
    let failed = json.json()["results"]
        .as_array()
        .unwrap()
        .iter()
        .find(|r| r["passed"] == false)
        .unwrap()
        .clone();
    assert_eq!(
        (&failed["expect"], &failed["got"], &failed["vector"]),
        (&"fire".into(), &"quiet".into(), &3.into())
    );
    put(
        dir.path(),
        "bare/a.toml",
        b"id = \"a-a\"\nseverity = \"low\"\nsummary = \"s\"\nreason = \"r\"\nstrings = [\"abc\"]\n",
    );
    let run = test(&["bare"]);
    assert!(run.code == 0 && run.stdout.contains("untested  a-a"), "{}", run.stdout);
    put(dir.path(), "bad/a.toml", b"id = \"a-a\"\n");
    let run = test(&["bad"]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    assert!(
        run.stderr.contains("a rule without a severity") && run.stderr.contains("bad/a.toml:1:1"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_vector_may_say_where_its_bytes_stand() {
    let dir = temp();
    put(
        dir.path(),
        "rules/a.toml",
        b"id = \"a-a\"\nseverity = \"low\"\nsummary = \"s\"\nreason = \"r\"\nstrings = [\"abc\"]\nregions = [\"padding\"]\n\
          formats = [\"elf\"]\npaths = [\"*.so\"]\n\
          tests = [\n{ text = \"abc\", expect = \"fire\" },\n{ text = \"abc\", region = \"padding\", format = \"elf\", path = \"x.so\", expect = \"fire\" },\n\
          { text = \"abc\", region = \"code\", expect = \"quiet\" },\n{ text = \"abc\", format = \"pe\", expect = \"quiet\" },\n\
          { text = \"abc\", path = \"x.dll\", expect = \"quiet\" }]\n",
    );
    let run = run_in(dir.path(), &["rules", "test", "rules"]);
    assert_eq!(
        (run.code, run.stdout.as_str()),
        (0, "1 of yours, 5 vectors pass, 0 fail\n"),
        "{}",
        run.stderr
    );
}

#[test]
fn the_rules_of_this_repository_are_well_formed() {
    let dir = temp();
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../signatures/rules");
    let count = std::fs::read_dir(&own).unwrap().count();
    let says = format!("{count} rules of Probity are well formed\n");
    let run = run_in(dir.path(), &["rules".as_ref(), "test".as_ref(), own.as_os_str()]);
    assert_eq!((run.code, run.stdout.as_str()), (0, says.as_str()), "{}", run.stderr);
    let run = run_in(dir.path(), &["rules", "test"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, says.as_str()));
    put(dir.path(), "rules/x.toml", b"code = \"x\"\nseverity = \"lw\"\n");
    let run = run_in(dir.path(), &["rules", "test", "rules"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("rules/x.toml:2:1"), "{}", run.stderr);
}

#[test]
fn what_is_wrong_is_told_with_its_line_before_anything_is_scanned() {
    let dir = temp();
    put(dir.path(), "file", b"x");
    let head = "id = \"a-a\"\r\nseverity = \"low\"\r\nsummary = \"s\"\r\nreason = \"r\"\r\n";
    let cases: [(Vec<u8>, &[&str]); 8] = [
        (
            format!("\u{feff}{head}regex = ['((((a{{1,50}}){{1,50}}){{1,50}}){{1,50}}b)']").into_bytes(),
            &[
                "the expression needs more than 512 KiB when it is compiled",
                "rules/a.toml:5:10",
                "5 | regex = ['((((a{1,50})",
            ],
        ),
        (
            format!("{head}regex = ['']").into_bytes(),
            &["matches everywhere", "rules/a.toml:5:10"],
        ),
        (
            format!("{head}strngs = [\"abc\"]").into_bytes(),
            &["unknown key `strngs`", "the keys of a rule are id,"],
        ),
        (
            format!("{head}id = \"b-b\"").into_bytes(),
            &["duplicate key", "rules/a.toml:5:1"],
        ),
        (
            [head.as_bytes(), b"# caf\xe9"].concat(),
            &["not UTF-8", "rules/a.toml:5:6"],
        ),
        (b"\xff\xfei\0d\0".to_vec(), &["not UTF-8", "this is UTF-16"]),
        (vec![b'#'; 10 << 20], &["probity: rules/a.toml: larger than 8 MiB"]),
        (Vec::new(), &["a file without a rule"]),
    ];
    for (bytes, says) in cases {
        put(dir.path(), "rules/a.toml", &bytes);
        let run = run_in(dir.path(), &["scan", "file", "--rules", "rules", "--output", "report"]);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{}", run.stderr);
        for text in says {
            assert!(run.stderr.contains(text), "{text:?} in {}", run.stderr);
        }
        assert!(!run.stderr.contains('\u{1b}') && !dir.path().join("report").exists());
    }
    std::fs::create_dir(dir.path().join("empty")).unwrap();
    put(dir.path(), "good/a.toml", RULES.as_bytes());
    for (args, says) in [
        (&["--rules", "missing"][..], "probity: missing: "),
        (&["--rules", "empty"], "empty: no *.toml file is in there"),
        (&["--rules", "good", "--depth", "quick"], "--rules looks at content"),
        (&["--rules", "good", "--output", "good/a.toml"], "is one of the rules"),
    ] {
        let run = run_in(dir.path(), &[&["scan", "file"], args].concat());
        assert_eq!(run.code, 2);
        assert!(run.stderr.contains(says), "{says}: {}", run.stderr);
    }
}

#[test]
fn the_examples_of_the_documentation_are_as_they_say() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rules.md")).unwrap();
    let dir = temp();
    let (mut accepted, mut refused, mut said) = (0, 0, None);
    for block in page.split("\n```").skip(1).step_by(2) {
        let (kind, body) = block.split_once('\n').unwrap();
        put(dir.path(), "rules/acme.toml", body.as_bytes());
        let run = run_in(dir.path(), &["rules", "test", "rules"]);
        match kind {
            "toml" => {
                assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
                accepted += 1;
            }
            "toml refused" => said = Some(run.stderr),
            "text" => {
                if let Some(said) = said.take() {
                    assert_eq!(said.trim_end(), body.trim_end());
                    refused += 1;
                }
            }
            _ => {}
        }
    }
    assert_eq!((accepted, refused), (3, 1));
}

#[test]
fn yara_rules_need_a_build_with_yara_and_are_named_by_the_report() {
    let dir = temp();
    put(dir.path(), "file", b"\x00\x01 ACME_BEACON \xff");
    put(
        dir.path(),
        "acme.yar",
        b"rule Beacon : c2 { meta: severity = \"high\" strings: $a = \"ACME_BEACON\" condition: $a }",
    );
    put(dir.path(), "bad.yar", b"rule Beacon {\n  condition: nothing\n}");
    let run = scan(dir.path(), &["file", "--yara", "acme.yar"]);
    if !probity_engine::yara::YaraRules::AVAILABLE {
        assert_eq!((run.code, run.stdout.as_str()), (2, ""));
        assert!(run.stderr.contains("--features yara"), "{}", run.stderr);
        return;
    }
    let report = run.expect(1, "findings", true);
    assert_eq!(of(&report, "yara-match")[0]["evidence"]["rule"], "Beacon");
    assert_eq!(
        (&report["tool"]["yara"]["rules"], &report["tool"]["yara"]["files"][0]),
        (&1.into(), &"acme.yar".into())
    );
    let text = run_in(dir.path(), &["scan", "file", "--yara", "acme.yar"]);
    assert!(text.stdout.contains("1 YARA rule on"), "{}", text.stdout);
    let bad = scan(dir.path(), &["file", "--yara", "bad.yar"]);
    assert_eq!((bad.code, bad.stdout.as_str()), (2, ""));
    assert!(bad.stderr.contains("bad.yar:2:"), "{}", bad.stderr);
    assert_eq!(
        scan(dir.path(), &["file", "--yara", "acme.yar", "--depth", "quick"]).code,
        2
    );
}
