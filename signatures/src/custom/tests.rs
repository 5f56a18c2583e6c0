use super::*;
use crate::declared::Diagnostic;

/// The head of a rule; what it looks for follows.
const HEAD: &str = "id = \"acme-rule\"\nseverity = \"high\"\nsummary = \"a thing\"\nreason = \"ticket 7\"\n";

fn read(files: &[(&str, &str)]) -> Result<Vec<CustomRule>, Vec<Diagnostic>> {
    let around = Surroundings {
        formats: &["elf", "text"],
        path_glob: &|glob| {
            if glob.contains('[') {
                Err("unclosed".to_owned())
            } else {
                Ok(())
            }
        },
    };
    load(files, &around)
}

/// `line:column title` of each mistake in a rule of `HEAD` and `rest`, whose first line is the fifth.
fn mistakes(rest: &str) -> Vec<String> {
    problems(&format!("{HEAD}{rest}"))
}

fn problems(text: &str) -> Vec<String> {
    let found = read(&[("a.toml", text)]).err().unwrap_or_default();
    for one in &found {
        assert!(!one.help.is_empty() && !one.title.contains('\n'), "{one:?}");
    }
    found
        .iter()
        .map(|d| format!("{}:{} {}", d.line, d.column, d.title))
        .collect()
}

#[test]
fn a_whole_rule_is_read() {
    let text = format!(
        "{HEAD}confidence = \"certain\"\naction = \"call us\"\nreferences = [\"ticket 7\"]\n\
         strings = [\"one\", {{ text = \"Two\", encodings = [\"ascii\", \"utf-16\"], nocase = true }}]\n\
         bytes = [\"4D 5A 90\", \"4D5A ?? [0-4] 50\"]\nregex = ['a\\d+']\ncondition = \"2 of\"\n\
         regions = [\"padding\", \".rs*\"]\nformats = [\"elf\"]\npaths = [\"**/x\"]\n\
         [[tests]]\ntext = \"one\"\nexpect = \"quiet\"\nregion = \".rsrc\"\n[[tests]]\nhex = \"00\"\nexpect = \"fire\"\n"
    );
    let [rule] = &read(&[("rules/a.toml", &text)]).unwrap()[..] else {
        panic!()
    };
    assert_eq!(
        (rule.file.as_str(), rule.line, rule.rule.origin.as_deref()),
        ("rules/a.toml", 1, Some("rules/a.toml:1"))
    );
    assert_eq!(
        (rule.rule.severity.as_str(), rule.rule.confidence.as_str()),
        ("high", "certain")
    );
    let Detect::Patterns { patterns, needed: 2 } = &rule.detect else {
        panic!("{rule:?}")
    };
    let shown: Vec<&str> = patterns.iter().map(|p| p.shown.as_str()).collect();
    assert_eq!(
        shown,
        [
            "\"one\"",
            "\"Two\" (any case)",
            "{ 4D 5A 90 }",
            "{ 4D5A ?? [0-4] 50 }",
            "/a\\d+/"
        ]
    );
    let Sought::Literals(two) = &patterns[1].sought else {
        panic!()
    };
    let bytes: Vec<&[u8]> = two.iter().map(|l| &l.bytes[..]).collect();
    assert_eq!(bytes, [&b"Two"[..], b"T\0w\0o\0", b"\0T\0w\0o"]);
    assert!(rule.place.holds_region("x", "padding") && rule.place.holds_region(".rsrc", "data"));
    assert!(!rule.place.holds_region("text", "code") && !rule.place.holds_format("text"));
    let lines: Vec<(u32, bool)> = rule.tests.iter().map(|v| (v.line, v.fires)).collect();
    assert_eq!(lines, [(15, false), (19, true)]);
}

#[test]
fn one_file_holds_one_rule_or_many_and_lines_may_end_in_crlf() {
    let many = "[[rule]]\r\nid = \"a-a\"\r\nseverity = \"low\"\r\nsummary = \"s\"\r\nreason = \"r\"\r\nhosts = [\"*.evil.example\", \"10.0.0.1\"]\r\n\
                [[rule]]\r\nid = \"b-b\"\r\nseverity = \"info\"\r\nsummary = \"s\"\r\nreason = \"r\"\r\nknown = \"good\"\r\n\
                sha256 = [\"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"]\r\n";
    let rules = read(&[("m.toml", many)]).unwrap();
    let lines: Vec<u32> = rules.iter().map(|rule| rule.line).collect();
    assert_eq!(lines, [2, 8]);
    let Detect::Hosts(hosts) = &rules[0].detect else {
        panic!()
    };
    assert!(hosts[0].matches("a.evil.example") && !hosts[0].matches("evil.example") && hosts[1].matches("10.0.0.1"));
    assert!(matches!(&rules[1].detect, Detect::Digests { known: Known::Good, digests } if digests.len() == 1));
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let mut differing = Vec::new();
    for (rest, expected) in [
        ("", "1:1 a rule that looks for nothing"),
        ("strings = []", "5:11 `strings` is empty"),
        ("strings = \"abc\"", "5:11 `strings` is a list, not string"),
        (
            "strings = [7]",
            "5:12 an entry of `strings` is text or a table, not integer",
        ),
        (
            "strings = [\"\"]",
            "5:12 a string of fewer than 3 characters stands everywhere",
        ),
        (
            "strings = [\"ab\"]",
            "5:12 a string of fewer than 3 characters stands everywhere",
        ),
        ("strings = [\"abc\", \"abc\"]", "5:19 a pattern that stands twice"),
        ("strings = [{ text = \"abc\", case = 1 }]", "5:28 unknown key `case`"),
        (
            "strings = [{ text = \"abc\", nocase = 1 }]",
            "5:37 `nocase` is true or false",
        ),
        (
            "strings = [{ text = \"\u{e4}\u{e4}\u{e4}\", nocase = true }]",
            "5:21 `nocase` knows the letters of ASCII only",
        ),
        (
            "strings = [{ text = \"abc\", encodings = [\"utf-8\"] }]",
            "5:41 an encoding that is not known",
        ),
        (
            "bytes = [\"?? ??\"]",
            "5:10 no two bytes in a row are given before the first jump",
        ),
        (
            "regex = ['']",
            "5:10 an expression that matches the empty text, and so matches everywhere",
        ),
        ("regex = ['(?s).+']", "5:10 an expression that matches almost any bytes"),
        (
            "regex = ['(?:(?:(?:a{1,50}){1,50}){1,50}){1,50}b']",
            "5:10 the expression needs more than 512 KiB when it is compiled",
        ),
        (
            "strings = [\"abc\"]\ncondition = \"2 of\"",
            "6:13 a condition that cannot be met, or is always met",
        ),
        (
            "strings = [\"abc\"]\ncondition = \"0 of\"",
            "6:13 a condition that cannot be met, or is always met",
        ),
        (
            "strings = [\"abc\"]\ncondition = \"some\"",
            "6:13 there is no condition `some`",
        ),
        (
            "strings = [\"abc\"]\nhosts = [\"a.example\"]",
            "6:1 a rule that looks for things of two kinds",
        ),
        (
            "strings = [\"abc\"]\nknown = \"bad\"",
            "6:1 `known` says something about sha256 only",
        ),
        ("hosts = [\"*\"]", "5:10 `*` holds every host"),
        ("hosts = [\"https://a.example/\"]", "5:10 `https://a.example/` is a URL"),
        ("sha256 = [\"00\"]", "5:11 not a SHA-256 digest"),
        (
            "strings = [\"abc\"]\nregions = [\"[\"]",
            "6:12 not a glob: unclosed character class; missing ']'",
        ),
        (
            "strings = [\"abc\"]\nformats = [\"exe\"]",
            "6:12 there is no format `exe`",
        ),
        ("strings = [\"abc\"]\npaths = [\"[\"]", "6:10 not a glob: unclosed"),
        ("strings = [\"abc\"]\nstring = []", "6:1 unknown key `string`"),
        (
            "strings = [\"abc\"]\nconfidence = \"sure\"",
            "6:14 there is no confidence `sure`",
        ),
        (
            "strings = [\"abc\"]\ntests = [{ text = \"abc\" }]",
            "6:10 a test vector that expects nothing",
        ),
        (
            "strings = [\"abc\"]\ntests = [{ expect = \"fire\" }]",
            "6:10 a test vector has one input",
        ),
        (
            "strings = [\"abc\"]\ntests = [{ hex = \"??\", expect = \"fire\" }]",
            "6:18 not bytes",
        ),
        (
            "strings = [\"abc\"]\ntests = [{ text = \"a\", expect = \"yes\" }]",
            "6:33 nothing is expected as `yes`",
        ),
        ("strings = [\"abc\"]\nstrings = [\"abd\"]", "6:1 duplicate key"),
        ("strings = [\"abc\"", "5:17 unclosed array, expected `]`"),
    ] {
        let found = mistakes(rest);
        if found != [expected] {
            differing.push((rest, found, expected));
        }
    }
    assert!(differing.is_empty(), "{differing:#?}");
    let good = format!("known = \"good\"\nsha256 = [\"{digest}\"]");
    assert_eq!(mistakes(&good), ["2:12 what is known to be good is a note"]);
    let vector = format!("strings = [\"abc\"]\ntests = [{{ sha256 = \"{digest}\", expect = \"fire\" }}]");
    assert_eq!(mistakes(&vector), ["6:21 this rule knows no digests"]);
}

#[test]
fn what_every_rule_needs_is_asked_for() {
    assert_eq!(
        problems("strings = [\"abc\"]"),
        [
            "1:1 a rule without an id",
            "1:1 a rule without a severity",
            "1:1 a rule without a summary",
            "1:1 a rule without a reason"
        ]
    );
    for (id, says) in [
        ("Acme", "`Acme` is no id"),
        ("a--b", "`a--b` is no id"),
        ("malformed", "`malformed` is a code of Probity itself"),
    ] {
        let text = format!("{HEAD}strings = [\"abc\"]").replace("acme-rule", id);
        assert_eq!(problems(&text), [format!("1:6 {says}")]);
    }
    let text = format!("{HEAD}strings = [\"abc\"]");
    let twice = read(&[("a.toml", &text), ("b.toml", &text)]).unwrap_err();
    assert_eq!(twice[0].to_string(), "b.toml:1:6: a second rule `acme-rule`");
    assert!(twice[0].help.contains("a.toml:1"), "{twice:?}");
    assert_eq!(problems(""), ["1:1 a file without a rule"]);
    assert_eq!(problems("rule = []"), ["1:1 a file without a rule"]);
    assert_eq!(
        problems("code = \"x\""),
        ["1:1 this is how rules of Probity itself are written"]
    );
    assert_eq!(problems("x = 1\n[[rule]]\n")[0], "1:1 `x` stands outside of [[rule]]");
}

#[test]
fn rules_are_bounded_and_a_hundred_thousand_are_read() {
    let mut text = String::new();
    for n in 0..MOST_RULES {
        text.push_str(&format!(
            "[[rule]]\nid='r-{n}'\nseverity='low'\nsummary='s'\nreason='r'\nhosts=['h{n}.x']\n"
        ));
    }
    let halves: Vec<&str> = {
        let at = text.match_indices("[[rule]]").nth(MOST_RULES / 2).unwrap().0;
        vec![&text[..at], &text[at..]]
    };
    assert!(halves.iter().all(|half| half.len() < LARGEST));
    assert_eq!(
        read(&[("a.toml", halves[0]), ("b.toml", halves[1])]).unwrap().len(),
        MOST_RULES
    );
    let one_more = format!("{HEAD}hosts = ['x.y']");
    let error = read(&[("a.toml", halves[0]), ("b.toml", halves[1]), ("c.toml", &one_more)]).unwrap_err();
    assert_eq!(error[0].to_string(), "c.toml:1:1: more than 100000 rules");
    let wrong = text.replace("severity='low'", "severity='lw'");
    let at = wrong.match_indices("[[rule]]").nth(40_000).unwrap().0;
    assert_eq!(
        read(&[("a.toml", &wrong[..at])]).unwrap_err().len(),
        64,
        "mistakes are bounded"
    );
    let large = format!("{HEAD}#{}", "x".repeat(LARGEST));
    assert_eq!(problems(&large), ["1:1 larger than 8 MiB"]);
}

#[test]
fn any_damage_is_an_answer() {
    let whole = format!(
        "{HEAD}strings = [\"one\"]\nbytes = [\"4D 5A [2] 00\"]\nregex = ['\u{e4}b+c']\ntests = [{{ text = \"one\", expect = \"fire\" }}]\n"
    );
    assert!(read(&[("a.toml", &whole)]).is_ok());
    for (at, c) in whole.char_indices() {
        for with in ["\0", "\r", "\"", "[", "{", "\u{20ac}", "\\"] {
            let changed = format!("{}{with}{}", &whole[..at], &whole[at + c.len_utf8()..]);
            let _ = problems(&changed);
        }
        let _ = problems(&whole[..at]);
    }
    assert!(!problems(&format!("strings = {}", "[".repeat(100_000))).is_empty());
}
