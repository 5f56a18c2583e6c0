//! Regular expressions and byte sequences with holes, compiled: linear in time, bounded in size, and never matching
//! nothing or everything.
//!
//! Both become one compiled automaton and the fixed bytes that a match must hold at a known distance from its start, so
//! that a sweep runs the automaton only where those bytes stand. What is refused here is refused when the rules are
//! loaded, before anything is scanned.

use regex_automata::meta::{self, Regex};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::literal::{ExtractKind, Extractor};
use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, Dot, Hir, Look, Repetition};

/// The longest match, in bytes. A match is never looked for beyond this distance from its start.
pub const LONGEST_MATCH: usize = 4096;
/// The longest text of an expression or of a byte sequence.
const LONGEST_TEXT: usize = 4096;
/// The most bytes of one compiled expression.
const MOST_COMPILED: usize = 512 << 10;
/// The most bytes a jump may leave out.
const LONGEST_JUMP: u32 = 1024;
/// The most fixed beginnings of one expression that are looked for.
const MOST_ANCHORS: usize = 64;
/// The fewest bytes of a fixed beginning that are worth looking for.
const SHORTEST_ANCHOR: usize = 2;
/// The most bytes of a fixed beginning that are looked for.
const LONGEST_ANCHOR: usize = 16;

/// A compiled expression.
#[derive(Debug, Clone)]
pub struct Expression {
    regex: Regex,
    anchors: Vec<Vec<u8>>,
    lead: usize,
}

impl Expression {
    /// The automaton. Searched with an anchored input no longer than [`LONGEST_MATCH`] it gives the match that starts
    /// there.
    pub fn regex(&self) -> &Regex {
        &self.regex
    }

    /// Byte sequences of one length, one of which stands [`Self::lead`] bytes behind the start of every match. Empty
    /// when the expression has none: then every byte may start a match.
    pub fn anchors(&self) -> &[Vec<u8>] {
        &self.anchors
    }

    /// How far behind the start of a match its anchor stands.
    pub fn lead(&self) -> usize {
        self.lead
    }
}

/// Why a pattern is refused, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) title: String,
    pub(super) help: String,
}

impl Refused {
    pub(super) fn new(title: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            help: help.into(),
        }
    }
}

/// Compiles a regular expression over bytes.
pub(super) fn regex(text: &str, nocase: bool) -> Result<Expression, Refused> {
    if text.len() > LONGEST_TEXT {
        return Err(Refused::new(
            format!("an expression of more than {LONGEST_TEXT} bytes"),
            "write several expressions",
        ));
    }
    let mut parser = ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .nest_limit(64)
        .case_insensitive(nocase)
        .build();
    let hir = parser.parse(text).map_err(|error| {
        let why = match &error {
            regex_syntax::Error::Parse(error) => error.kind().to_string(),
            regex_syntax::Error::Translate(error) => error.kind().to_string(),
            other => other.to_string(),
        };
        Refused::new(
            format!("not a regular expression: {}", one_line(&why)),
            "docs/rules.md lists what an expression may hold; write \\. for a dot and '...' around the text",
        )
    })?;
    let looks = hir.properties().look_set();
    if looks.contains(Look::Start) || looks.contains(Look::End) {
        return Err(Refused::new(
            "`^`, `$`, `\\A` and `\\z` stand for the ends of a text, and a sweep has none",
            "write (?m)^ and (?m)$ for the ends of a line, or leave them out",
        ));
    }
    if looks.contains_word_unicode() {
        return Err(Refused::new(
            "a Unicode word boundary does not keep to linear time",
            "leave (?u) out: \\b is then the boundary of an ASCII word",
        ));
    }
    compile(&hir, 0, prefixes(&hir))
}

/// Compiles a byte sequence: pairs of hexadecimal digits, `?` for any digit, `[n]` and `[n-m]` for bytes left out.
pub(super) fn bytes(text: &str) -> Result<Expression, Refused> {
    let items = sequence(text)?;
    let mut run: Option<(usize, Vec<u8>)> = None;
    let mut best: Option<(usize, Vec<u8>)> = None;
    let mut at = 0usize;
    for item in items.iter().chain([&Item::Jump(0, 0)]) {
        if let Item::Byte(value, 0xff) = item {
            run.get_or_insert((at, Vec::new())).1.push(*value);
        } else if let Some(done) = run.take()
            && best.as_ref().is_none_or(|(_, known)| known.len() < done.1.len())
        {
            best = Some(done);
        }
        if matches!(item, Item::Jump(..)) {
            break;
        }
        at = at.saturating_add(1);
    }
    let Some((lead, mut anchor)) = best.filter(|(_, anchor)| anchor.len() >= SHORTEST_ANCHOR) else {
        return Err(Refused::new(
            "no two bytes in a row are given before the first jump",
            "begin with what is fixed: hex = \"4D 5A ?? ?? [0-64] 50 45\"",
        ));
    };
    anchor.truncate(LONGEST_ANCHOR);
    let parts = items.iter().map(|item| match item {
        Item::Byte(value, 0xff) => Hir::literal([*value]),
        Item::Byte(_, 0) => Hir::dot(Dot::AnyByte),
        Item::Byte(value, mask) => Hir::class(Class::Bytes(ClassBytes::new(
            (0..=u8::MAX)
                .filter(|byte| byte & mask == *value)
                .map(|byte| ClassBytesRange::new(byte, byte)),
        ))),
        Item::Jump(least, most) => Hir::repetition(Repetition {
            min: *least,
            max: Some(*most),
            greedy: false,
            sub: Box::new(Hir::dot(Dot::AnyByte)),
        }),
    });
    compile(&Hir::concat(parts.collect()), lead, vec![anchor])
}

/// The bytes of pairs of hexadecimal digits; `None` when they are not that.
pub(super) fn hex(text: &str) -> Option<Vec<u8>> {
    let items = sequence(text).ok()?;
    items
        .iter()
        .map(|item| match item {
            Item::Byte(value, 0xff) => Some(*value),
            _ => None,
        })
        .collect()
}

/// A byte with the bits of it that count, or how many bytes are left out.
enum Item {
    Byte(u8, u8),
    Jump(u32, u32),
}

fn sequence(text: &str) -> Result<Vec<Item>, Refused> {
    if text.len() > LONGEST_TEXT {
        return Err(Refused::new(
            format!("a byte sequence of more than {LONGEST_TEXT} characters"),
            "write several sequences",
        ));
    }
    let mut items = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let taken = if first == '[' {
            let (inside, after) = rest[1..]
                .split_once(']')
                .ok_or_else(|| Refused::new("`[` without `]`", "write [4] or [0-16] for bytes that are left out"))?;
            items.push(jump(inside)?);
            after
        } else {
            let pair = rest.get(..2).unwrap_or(rest);
            let digits: Vec<char> = pair.chars().collect();
            let [high, low] = digits[..] else {
                return Err(odd(pair));
            };
            let (Some((high, high_mask)), Some((low, low_mask))) = (digit(high), digit(low)) else {
                return Err(odd(pair));
            };
            items.push(Item::Byte(high << 4 | low, high_mask << 4 | low_mask));
            &rest[pair.len()..]
        };
        rest = taken.trim_start();
    }
    match (items.first(), items.last()) {
        (None, _) => Err(Refused::new("an empty byte sequence", "write hex = \"4D 5A ?? 00\"")),
        (Some(Item::Jump(..)), _) | (_, Some(Item::Jump(..))) => Err(Refused::new(
            "a jump at the end of a byte sequence says nothing",
            "leave it out: jumps stand between bytes",
        )),
        _ => Ok(items),
    }
}

fn odd(pair: &str) -> Refused {
    Refused::new(
        format!("`{pair}` is no byte"),
        "write two hexadecimal digits for a byte, ?? for any byte, [0-16] for bytes that are left out",
    )
}

fn digit(c: char) -> Option<(u8, u8)> {
    if c == '?' {
        return Some((0, 0));
    }
    let value = c.to_digit(16).and_then(|value| u8::try_from(value).ok())?;
    Some((value, 0xf))
}

fn jump(inside: &str) -> Result<Item, Refused> {
    let number = |text: &str| text.trim().parse::<u32>().ok();
    let (least, most) = match inside.split_once('-') {
        Some((least, most)) => (number(least), number(most)),
        None => (number(inside), number(inside)),
    };
    match (least, most) {
        (Some(least), Some(most)) if least <= most && most <= LONGEST_JUMP => Ok(Item::Jump(least, most)),
        (Some(_), Some(most)) if most > LONGEST_JUMP => Err(Refused::new(
            format!("a jump of more than {LONGEST_JUMP} bytes"),
            "write two patterns and condition = \"all\"",
        )),
        _ => Err(Refused::new(
            format!("`[{inside}]` is no jump"),
            "write [4] or [0-16]: both ends are given, the smaller first",
        )),
    }
}

fn compile(hir: &Hir, lead: usize, anchors: Vec<Vec<u8>>) -> Result<Expression, Refused> {
    match hir.properties().minimum_len() {
        None => return Err(Refused::new("an expression that matches nothing", "remove it")),
        Some(0) => {
            return Err(Refused::new(
                "an expression that matches the empty text, and so matches everywhere",
                "write + for * or remove ?: a match holds at least one byte",
            ));
        }
        Some(least) if least > LONGEST_MATCH => {
            return Err(Refused::new(
                format!("no match is shorter than {least} bytes, and none is looked for beyond {LONGEST_MATCH}"),
                "write two patterns and condition = \"all\"",
            ));
        }
        Some(_) => {}
    }
    let config = meta::Config::new()
        .nfa_size_limit(Some(MOST_COMPILED))
        .onepass_size_limit(Some(64 << 10))
        .hybrid_cache_capacity(512 << 10)
        .utf8_empty(false);
    let regex = meta::Builder::new()
        .configure(config)
        .build_from_hir(hir)
        .map_err(|error| match error.size_limit() {
            Some(_) => Refused::new(
                format!(
                    "the expression needs more than {} KiB when it is compiled",
                    MOST_COMPILED >> 10
                ),
                "a repetition of a repetition multiplies: write smaller bounds, or several expressions",
            ),
            None => Refused::new(
                format!("the expression cannot be compiled: {}", one_line(&error.to_string())),
                "write a simpler expression",
            ),
        })?;
    let everything = Refused::new(
        "an expression that matches almost any bytes",
        "give some bytes that what you look for always holds",
    );
    if matches_everything(&regex, hir.properties().minimum_len().unwrap_or(1)) {
        return Err(everything);
    }
    Ok(Expression { regex, anchors, lead })
}

/// Whether most runs of one byte match.
fn matches_everything(regex: &Regex, least: usize) -> bool {
    const RUNS: [u8; 16] = *b"\x00\x01\n 09AZaz_\x7f\x80\x90\xc3\xff";
    let length = least.saturating_mul(2).clamp(16, LONGEST_MATCH);
    let matching = RUNS.iter().filter(|byte| regex.is_match(&vec![**byte; length]));
    matching.count() > RUNS.len() / 2
}

/// The byte sequences one of which begins every match, all of one length; empty when there are none, or too many.
fn prefixes(hir: &Hir) -> Vec<Vec<u8>> {
    let mut extractor = Extractor::new();
    extractor.kind(ExtractKind::Prefix).limit_total(MOST_ANCHORS);
    let sequence = extractor.extract(hir);
    let Some(literals) = sequence.literals() else {
        return Vec::new();
    };
    let common = sequence.min_literal_len().unwrap_or(0).min(LONGEST_ANCHOR);
    if common < SHORTEST_ANCHOR || literals.len() > MOST_ANCHORS {
        return Vec::new();
    }
    let mut anchors: Vec<Vec<u8>> = literals
        .iter()
        .filter_map(|literal| literal.as_bytes().get(..common))
        .map(<[u8]>::to_vec)
        .collect();
    anchors.sort_unstable();
    anchors.dedup();
    anchors
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn expressions_know_what_their_matches_begin_with() {
        let anchors = |text| regex(text, false).unwrap().anchors().to_vec();
        assert_eq!(anchors("foo.*bar"), [b"foo"]);
        assert_eq!(anchors("(?:abc|xyz1)[^0]+"), [b"abc", b"xyz"]);
        assert_eq!(anchors(r"\bkey_[a-z]{3}"), [b"key_"]);
        assert!(anchors("[0-9]+foo").is_empty());
        assert!(anchors("[a-z]{8}@").is_empty());
        assert_eq!(regex("pass", true).unwrap().anchors().len(), 16);
        let holes = bytes("?? 4? 4D 5A 90 [1-4] 50 45").unwrap();
        assert_eq!((holes.lead(), holes.anchors()), (2, &[b"MZ\x90".to_vec()][..]));
    }

    #[test]
    fn what_matches_nothing_or_everything_or_explodes_is_refused() {
        for (text, says) in [
            ("", "the empty text"),
            ("a*", "the empty text"),
            ("(?:)", "the empty text"),
            ("(?s).", "almost any bytes"),
            ("(?s).+", "almost any bytes"),
            ("[^a]{4}", "almost any bytes"),
            (r"[\x00-\xff]{100}", "almost any bytes"),
            ("[a&&b]", "matches nothing"),
            ("^abc", "ends of a text"),
            (r"abc\z", "ends of a text"),
            (r"(?u:\b)abc", "linear time"),
            ("a{5000}", "beyond 4096"),
            ("(?:(?:(?:a{1,50}){1,50}){1,50}){1,50}b", "KiB when it is compiled"),
            ("(?:a[^x]{1000}){1000}", "beyond 4096"),
            ("(?:a|[^x]{1000}){1,1000}z", "KiB when it is compiled"),
            ("(", "not a regular expression"),
            (r"(a)\1", "not a regular expression"),
            ("(?=a)b", "not a regular expression"),
        ] {
            let began = Instant::now();
            let refused = regex(text, false).map(|e| e.anchors().to_vec()).unwrap_err();
            assert!(refused.title.contains(says), "{text}: {refused:?}");
            assert!(!refused.help.is_empty() && !refused.title.contains('\n'));
            assert!(began.elapsed().as_secs() < 5, "{text}");
        }
        let deep = format!("{}a{}", "(".repeat(1000), ")".repeat(1000));
        assert!(regex(&deep, false).is_err());
        assert!(regex(&"a".repeat(5000), false).is_err());
    }

    #[test]
    fn sequences_are_read_as_written() {
        for (text, bytes_that_match) in [
            ("4D5A", &b"MZ"[..]),
            ("4d 5a ?? 00", b"MZ\x12\0"),
            ("4D 5A [2] 50", b"MZ..P"),
            ("4D 5A [0-3] 5?", b"MZ.._"),
            ("4D 5A ?1", b"MZA"),
        ] {
            let expression = bytes(text).unwrap();
            let found = expression.regex().find(bytes_that_match);
            assert_eq!(found.map(|m| m.range()), Some(0..bytes_that_match.len()), "{text}");
        }
        for (text, says) in [
            ("", "empty"),
            ("4", "no byte"),
            ("4D 5", "no byte"),
            ("zz zz", "no byte"),
            ("\u{e4}\u{e4}", "no byte"),
            ("?? ??", "no two bytes"),
            ("4D ?? 5A", "no two bytes"),
            ("4D [2-4] 5A 90", "no two bytes"),
            ("4D 5A [4-2] 50", "no jump"),
            ("4D 5A [4-] 50", "no jump"),
            ("4D 5A [", "without"),
            ("[4] 4D 5A", "end of a byte sequence"),
            ("4D 5A [0-9999] 50", "more than 1024"),
        ] {
            let refused = bytes(text).map(|e| e.lead()).unwrap_err();
            assert!(refused.title.contains(says), "{text}: {refused:?}");
        }
        assert_eq!(hex("00 ff 7F"), Some(vec![0, 255, 127]));
        assert_eq!(hex("00 ??"), None);
    }
}
