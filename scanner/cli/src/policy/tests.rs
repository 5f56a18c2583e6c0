use super::date::Date;
use super::{Refusal, load, parse};
use probity_engine::Severity;
use probity_engine::policy::Policy;
use std::fs;
use std::path::Path;

const TODAY: Date = Date {
    year: 2027,
    month: 1,
    day: 31,
};
const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

fn read(text: impl AsRef<[u8]>) -> Result<Policy, Refusal> {
    parse("probity.toml", text.as_ref(), TODAY, probity_signatures::rules())
}

fn rendered(refusal: &Refusal) -> String {
    let mut problems = refusal.problems.clone();
    problems.sort_by_key(|p| p.span.start);
    let text: String = problems
        .iter()
        .map(|p| p.render(&refusal.name, &refusal.text))
        .collect();
    anstream::adapter::strip_str(&text).to_string()
}

/// `line:column title` of each problem.
fn problems(text: impl AsRef<[u8]>) -> Vec<String> {
    let Err(refusal) = read(text) else { return Vec::new() };
    let all = refusal.problems.iter().map(|p| {
        let (line, column) = p.position(&refusal.text);
        assert!(!p.help.is_empty());
        assert!(rendered(&refusal).contains(&format!("probity.toml:{line}:{column}\n")));
        format!("{line}:{column} {}", p.title)
    });
    all.collect()
}

/// An allow entry with `line` added: the line is the fourth.
fn allow(line: &str) -> String {
    format!("version = 1\n[[allow]]\nreason = \"r\"\n{line}\ncode = \"malformed\"\n")
}

#[test]
fn a_whole_policy_is_read() {
    let policy = read(format!(
        "version = 1\n\n[[severity]]\ncode = \"malformed\"\nlevel = \"info\"\n\n[[allow]]\n\
         code = \"unsafe-callable\"\nsha256 = \"{DIGEST}\"\npath = \"a/**\"\nnested = \"*\"\nformat = \"pickle\"\n\
         region = \"x\"\nsigner = \"apple:Q\"\ncase = \"called\"\nreason = \"read by hand\"\nexpires = 2027-01-31\n\
         [[allow]]\ncode = \"unsafe-callable\"\ncase = \"named\"\nreason = \"a value\"\n"
    ))
    .unwrap();
    assert_eq!(policy.overrides[0].level, Severity::Info);
    let [first, second] = &policy.allows[..] else {
        panic!("{policy:?}")
    };
    assert_eq!(
        (first.origin.as_str(), second.origin.as_str()),
        ("probity.toml:7", "probity.toml:18")
    );
    assert_eq!(first.reason, "read by hand");
    assert_eq!(first.scope.sha256, load::digest(DIGEST));
    assert_eq!(first.scope.sha256.map(|d| d[0]), Some(0x9f));
    assert!(first.scope.path.is_some() && first.scope.nested.is_some());
    assert_eq!(first.scope.signer.as_deref(), Some("apple:Q"));
}

#[test]
fn byte_order_marks_carriage_returns_and_inline_entries_are_read() {
    let crlf = allow("path = \"a\"").replace('\n', "\r\n");
    for text in [
        format!("\u{feff}{crlf}"),
        "version=1\nallow=[{code=\"malformed\",reason=\"r\"}]".to_owned(),
        "version = 1".to_owned(),
    ] {
        assert!(read(&text).is_ok(), "{text:?}");
    }
    assert_eq!(
        problems(format!("\u{feff}{}", crlf.replace("path", "pth"))),
        ["4:1 unknown key `pth`"]
    );
}

#[test]
fn each_mistake_in_an_entry_is_told_where_it_stands() {
    for (line, expected) in [
        ("pth = \"a\"", "4:1 unknown key `pth`"),
        ("level = \"low\"", "4:1 unknown key `level`"),
        ("path = 1", "4:8 `path` is text, not integer"),
        ("path = [\"a\"]", "4:8 `path` is text, not array"),
        ("path = \"\"", "4:8 an empty glob matches no path"),
        ("path = \"models/\"", "4:8 a glob that ends in `/` matches no file"),
        ("path = \"[\"", "4:8 not a glob: unclosed character class; missing ']'"),
        (
            "nested = \"{a\"",
            "4:10 not a glob: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)",
        ),
        ("case = \"called\"", "4:8 `malformed` has no case `called`"),
        ("format = \"pickel\"", "4:10 there is no format `pickel`"),
        ("sha256 = \"abc\"", "4:10 not a SHA-256 digest"),
        ("expires = \"2027-06-30\"", "4:11 `expires` is a day"),
        ("expires = 2027-06-30T00:00:00Z", "4:11 `expires` is a day"),
        ("expires = 07:32:00", "4:11 `expires` is a day"),
        ("expires = 2027-01-30", "4:11 this entry expired on 2027-01-30"),
        ("expires = 1999-12-31", "4:11 this entry expired on 1999-12-31"),
        ("reason = \"again\"", "4:1 duplicate key"),
    ] {
        assert_eq!(problems(allow(line)), [expected], "{line}");
    }
    for line in [
        "expires = 2027-02-30",
        "expires = 2027-13-01",
        "path = 'a",
        "\u{1}",
        "= 1",
        "[[",
    ] {
        let found = problems(allow(line));
        assert!(found.len() == 1 && found[0].starts_with("4:"), "{line}: {found:?}");
    }
    let long = format!("path = \"{}\"", "a".repeat(2000));
    assert_eq!(problems(allow(&long)), ["4:8 a glob that is too long"]);
    let bomb = format!("path = \"{}\"", "{a,".repeat(341));
    assert_eq!(problems(allow(&bomb)).len(), 1);
}

#[test]
fn what_is_missing_is_told_at_the_entry() {
    for (text, expected) in [
        ("", &["1:1 the policy does not say its version"][..]),
        ("version = 2", &["1:11 a version that this build does not read"]),
        ("version = \"1\"", &["1:11 a version that this build does not read"]),
        ("version = 1\nallow = 3", &["2:9 `allow` is a list of entries"]),
        ("version = 1\n[allow]", &["2:1 `allow` is a list of entries"]),
        ("version = 1\nallow = [3]", &["2:10 an entry of `allow` is a table"]),
        ("version = 1\nalow = []", &["2:1 unknown key `alow`"]),
        (
            "version = 1\n[[allow]]\n",
            &[
                "2:1 an entry of [[allow]] needs the code it is about",
                "2:1 an allow entry needs a reason",
            ],
        ),
        (
            "version = 1\n[[allow]]\ncode = \"malformed\"\nreason = \" \"",
            &["4:10 an empty reason"],
        ),
        (
            "version = 1\n[[severity]]\ncode = \"malformed\"",
            &["2:1 a severity entry needs the level it gives"],
        ),
        (
            "version = 1\n[[severity]]\ncode = \"malformed\"\nlevel = \"hgh\"\n[[severity]]\ncode = \"x\"\nlevel = \"low\"",
            &["4:9 there is no severity `hgh`", "6:8 there is no finding code `x`"],
        ),
    ] {
        assert_eq!(problems(text), expected, "{text}");
    }
}

#[test]
fn what_is_critical_must_be_named_by_its_digest() {
    let says = "an allow entry for a critical code must name the artifact's sha256";
    for (entry, refused) in [
        ("[[allow]]\ncode = \"unsafe-callable\"\nreason = \"r\"", true),
        (
            "[[allow]]\ncode = \"unsafe-callable\"\ncase = \"called\"\nreason = \"r\"",
            true,
        ),
        (
            "[[allow]]\ncode = \"unsafe-callable\"\ncase = \"named\"\nreason = \"r\"",
            false,
        ),
        ("[[severity]]\ncode = \"unsafe-callable\"\nlevel = \"critical\"", false),
    ] {
        let found = problems(format!("version = 1\n{entry}"));
        let expected: Vec<String> = refused.then(|| format!("3:8 {says}")).into_iter().collect();
        assert_eq!(found, expected, "{entry}");
    }
    let found = problems("version = 1\n[[severity]]\ncode = \"unsafe-callable\"\nlevel = \"high\"");
    assert_eq!(
        found,
        ["3:8 a severity entry that lowers a critical code must name the artifact's sha256"]
    );
}

#[test]
fn what_is_not_utf_8_is_told_at_its_byte() {
    assert_eq!(problems(b"version = 1\n# caf\xe9 \n"), ["2:6 not UTF-8"]);
    assert_eq!(problems(b"\xff\xfev\0"), ["1:1 not UTF-8"]);
}

#[test]
fn any_damage_is_an_answer() {
    let whole = allow("path = \"\u{e4}/**\"");
    for cut in 0..whole.len() {
        for byte in [0x00, 0x0d, 0x1b, 0x22, 0x5b, 0x7b, 0x80, 0xff] {
            let mut bytes = whole.clone().into_bytes();
            bytes[cut] = byte;
            for bytes in [&bytes[..], &bytes[..cut]] {
                if let Err(refusal) = read(bytes) {
                    let text = rendered(&refusal);
                    assert!(!text.contains('\u{1b}'), "{text:?}");
                }
            }
        }
    }
    let deep = format!("version = 1\nallow = {}", "[".repeat(100_000));
    assert!(!problems(deep).is_empty());
}

#[test]
fn the_examples_of_the_documentation_are_as_they_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/policy.md");
    let page = fs::read_to_string(path).unwrap();
    let (mut accepted, mut refused) = (0, 0);
    let mut said = None;
    for block in page.split("\n```").skip(1).step_by(2) {
        let (kind, body) = block.split_once('\n').unwrap();
        match kind {
            "toml" => {
                read(body).unwrap_or_else(|r| panic!("{}", rendered(&r)));
                accepted += 1;
            }
            "toml refused" => said = Some(rendered(&read(body).unwrap_err())),
            "text" => {
                if let Some(said) = said.take() {
                    assert_eq!(said.trim_end(), body.trim_end());
                    refused += 1;
                }
            }
            _ => {}
        }
    }
    assert_eq!((accepted, refused), (1, 1));
}
