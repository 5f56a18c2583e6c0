use super::lexer::{first_tag, tags};
use crate::format::laws::{holds, identified, map, parse, survives};
use crate::pipeline::{Options, Scanner};
use probity_tests::build::documents::utf16;
use proptest::prelude::*;

/// The tags of `text`, without the prefix of `!!`.
fn found(text: &str) -> Vec<String> {
    let tags = tags(text).into_iter();
    tags.map(|tag| tag.full.replace("tag:yaml.org,2002:", "!!")).collect()
}

#[test]
fn tags_are_found_where_a_node_begins_and_nowhere_else() {
    for (text, expected) in [
        ("!!a x\n", &["!!a"][..]),
        ("k: !!a x\n", &["!!a"]),
        ("k:\n  !!a\n  x: 1\n", &["!!a"]),
        ("- !!a x\n- !!b y\n", &["!!a", "!!b"]),
        ("- - !!a x\n", &["!!a"]),
        ("? !!a x\n: !!b y\n", &["!!a", "!!b"]),
        ("k: &x !!a y\n", &["!!a"]),
        ("k: !!a &x y\n", &["!!a"]),
        ("k: [!!a 1, !!b 2, {k: !!c 3}]\n", &["!!a", "!!b", "!!c"]),
        ("k: [\n  !!a 1,\n  !!b 2\n]\nl: !!c 3\n", &["!!a", "!!b", "!!c"]),
        ("{\"k\":!!a 1}\n", &["!!a"]),
        ("\"k\": !!a 1\n", &["!!a"]),
        ("--- !!a\nx: 1\n--- !!b\ny: 1\n", &["!!a", "!!b"]),
        ("k: !<tag:yaml.org,2002:a> x\n", &["!!a"]),
        (
            "%TAG !p! tag:yaml.org,2002:python/\n---\nk: !p!name:x y\n",
            &["!!python/name:x"],
        ),
        ("%TAG ! tag:yaml.org,2002:\n---\nk: !a y\n", &["!!a"]),
        ("%TAG !! tag:other,2002:\n---\nk: !!a y\n", &["tag:other,2002:a"]),
        ("%TAG !! tag:other,2002:\n---\nk: 1\n...\n---\nk: !!a y\n", &["!!a"]),
        ("k: !!python/name:a%2eb x\n", &["!!python/name:a.b"]),
        ("k: !local x\n", &["!local"]),
        // Not tags.
        ("# !!a\nk: 1 # !!a\n", &[]),
        ("k: x !!a\n", &[]),
        ("k: 'x: !!a'\n", &[]),
        ("k: \"x: !!a \\\" - !!b\"\n", &[]),
        ("k: 'it''s\n  - !!a'\n", &[]),
        ("k: |\n  - !!a x\n\n  - !!b x\nl: !!c 1\n", &["!!c"]),
        ("k: >-2\n    - !!a x\nl: !!c 1\n", &["!!c"]),
        ("- k: |\n    - !!a x\n  l: !!c 1\n", &["!!c"]),
        ("- |\n - !!a x\n- !!c 1\n", &["!!c"]),
        ("k:\n- |\n  - !!a x\n- !!c 1\n", &["!!c"]),
        ("--- |\n- !!a x\n--- !!c\n", &["!!c"]),
        ("k: plain\n  \"goes on\nl: !!c 1\n", &["!!c"]),
        ("k: plain\n  - !!a on\nl: !!c 1\n", &["!!c"]),
        ("k: a|b\nl: !!c 1\n", &["!!c"]),
        ("k: \"a\n\n  b\"\nl: !!c 1\n", &["!!c"]),
        ("- [a, b\n  c, 'd']\n- !!c 1\n", &["!!c"]),
        ("a: {b: c}\nd: !!c 1\n", &["!!c"]),
        ("url: http://host.example/#!!a\nk: it's !!b\nl: !!c 1\n", &["!!c"]),
    ] {
        assert_eq!(found(text), expected, "{text}");
        assert_eq!(found(&text.replace('\n', "\r\n")), expected, "{text} with CRLF");
    }
}

#[test]
fn a_tag_says_where_it_stands() {
    let text = "a: 1\nb: [x, !!python/name:m.f y]\n";
    let tags = tags(text);
    let span = tags[0].span;
    let at = |n: u64| usize::try_from(n).unwrap();
    assert_eq!(&text[at(span.start())..at(span.end())], "!!python/name:m.f");
}

fn scan(bytes: Vec<u8>) -> (&'static str, Vec<String>) {
    let options = Options {
        jobs: 1,
        ..Options::default()
    };
    let report = Scanner::new(options).unwrap().scan_bytes("config.yaml", bytes);
    let root = &report.artifacts[0];
    let each = root.findings.iter();
    (
        root.format,
        each.map(|j| format!("{} {} {}", j.severity, j.finding.code, j.finding.case.unwrap_or("-")))
            .collect(),
    )
}

#[test]
fn what_a_loader_would_call_is_judged() {
    for (text, expected) in [
        (
            "model: x\nhook: !!python/object/apply:os.system ['true']\n",
            &["critical unsafe-callable called"][..],
        ),
        (
            "!!python/object/apply:os.system ['true']\n",
            &["critical unsafe-callable called"],
        ),
        (
            "a: !!python/object/apply:eval ['1']\n",
            &["critical unsafe-callable called"],
        ),
        (
            "a: !!python/object/new:os.system ['true']\n",
            &["critical unsafe-callable constructed"],
        ),
        ("a: !!python/name:os.system\nb: 1\n", &["medium unsafe-callable named"]),
        (
            "%TAG ! tag:yaml.org,2002:python/object/apply:\n---\na: !os%2Esystem ['true']\n",
            &["critical unsafe-callable called"],
        ),
        (
            "a: !!python/object:package.Settings {}\nb: 1\n",
            &["low unknown-callable constructed"],
        ),
        (
            "a: !!python/name:materialx.emoji.twemoji\nb: 1\n",
            &["info unknown-callable named"],
        ),
        (
            "a: !!javax.script.ScriptEngineManager []\nb: 1\n",
            &["low unknown-callable constructed"],
        ),
        ("a: !!js/function 'x => x'\nb: 1\n", &["medium unknown-callable called"]),
        ("a: !!python/tuple [1, 2]\nb: !!set {x}\nc: !!binary aGk=\n", &[]),
        ("a: '!!python/object/apply:os.system'\nb: 1\n", &[]),
        ("a: 1 # !!python/object/apply:os.system\nb: 1\n", &[]),
    ] {
        assert_eq!(
            scan(text.as_bytes().to_vec()),
            ("yaml", expected.iter().map(ToString::to_string).collect()),
            "{text}"
        );
        assert_eq!(scan(utf16(text.as_bytes())).1, expected, "{text} in UTF-16");
    }
}

#[test]
fn a_call_behind_what_the_first_lines_show_is_judged() {
    const CALL: &str = "hook: !!python/object/apply:os.system ['true']\n";
    let comments = "# a line of a licence\n";
    let called = ["critical unsafe-callable called"];
    let told = |text: String| {
        let findings = scan(text.into_bytes()).1;
        findings
            .into_iter()
            .filter(|f| f.contains("callable"))
            .collect::<Vec<_>>()
    };
    assert_eq!(told(format!("{}{CALL}", comments.repeat(200))), called);
    for begin in [
        comments.repeat(20_000),
        format!("my own key: {}\n", "word ".repeat(2000)),
        format!("items: {}{}\n", "[".repeat(3000), "]".repeat(3000)),
        format!("{{a: 1,\n b: \"{}\",\n", "x".repeat(5000)),
    ] {
        assert_eq!(told(format!("{begin}{CALL}")), called, "{}", &begin[..20]);
        let prose = format!("{begin}This is how it is not done.\n\n{CALL}");
        assert_eq!(told(prose), [""; 0], "{}", &begin[..20]);
    }
    let readme = format!(
        "# Notes\n\n{}\n```yaml\n{CALL}```\n",
        "A sentence of prose.\n".repeat(200)
    );
    assert_eq!(told(readme), [""; 0]);
}

#[test]
fn a_document_is_claimed_whole_and_changes_are_survived() {
    let file = b"%YAML 1.2\n---\nk: [a, 'b', \"c\"]\nl: |\n  text\nm: !!set {x}\n";
    assert_eq!(map(&parse("yaml", file)), [format!("0 {} text document", file.len())]);
    holds("yaml", file, false);
    survives("yaml", b"k: !!python/object/apply:os.system [");
    assert_eq!(identified(b"just prose, with a colon: here\n"), "text");
}

proptest! {
    #[test]
    fn any_text_is_read_in_one_pass(text in "[-!|>'\"#:,\\[\\]{}&*? \\t\na-c%\\\\]{0,400}") {
        for tag in tags(&text) {
            let start = usize::try_from(tag.span.start()).unwrap();
            prop_assert_eq!(text.as_bytes().get(start), Some(&b'!'));
            prop_assert!(tag.span.end() <= u64::try_from(text.len()).unwrap());
        }
    }
}

proptest! {
    #[test]
    fn the_first_tag_is_the_first_of_all(
        pieces in proptest::collection::vec(
            proptest::sample::select(vec!["!!a ", "k: ", "- ", "\n", "'", "\"", "[", "]", "{", ", ", "x", "|\n", "  ", "---\n", "!b!c ", "#", "%TAG !b! t:\n", "&a "]),
            0..40,
        ),
    ) {
        let text = pieces.concat();
        prop_assert_eq!(first_tag(&text), tags(&text).into_iter().next());
    }
}
