//! Names that the next run makes anew: random suffixes, process numbers, times, digests.
//!
//! A digest of sixteen hexadecimal digits or more is one wherever it stands, and so is what only rustc makes. Everything
//! else is taken for random only in a name that the run itself made or removed: what stays keeps its name. Known sources: mkstemp(3), Python's `tempfile`, gcc
//! (`ccXXXXXX.s`), the Rust crate `tempfile`, rustc (`rmetaXXXXXX`, `s-TIME-RANDOM-working`, `*.rcgu.o`), git
//! (`tmp_obj_XXXXXX`), npm (`.name-XXXXXXXX`, times of logs).

use super::names::{literal, names};
use super::observe::{Observations, Seen};
use super::shape::Place;
use probity_abi::access::{CREATE, DELETE};
use std::collections::HashSet;

/// Digits of a digest, at least.
const DIGEST: usize = 16;
/// What stands before a random part, and its length.
const KNOWN: &[(&str, usize)] = &[
    ("sed", 6),
    ("tmp_mtimes_", 6),
    ("tmp_pack_", 6),
    ("tmp_midx_", 6),
    ("tmp_obj_", 6),
    ("tmp_idx_", 6),
    ("tmp_rev_", 6),
    ("tmp.", 10),
    (".tmp", 6),
    ("tmp", 8),
    ("rustc", 6),
    ("rmeta", 6),
    ("cc", 6),
];
/// One byte of a random part: nothing such as `.pem` or `id_rsa` can hide in several.
const RANDOM: &str = "[!._-]";
/// The same for Python, which takes `_` too.
const RANDOM_WORD: &str = "[!.-]";
/// Hexadecimal digits, any number; what begins or ends otherwise is not covered.
const HEX: &str = "[0-9a-f]*[0-9a-f]";

/// What is known of the names of a run.
pub(super) struct Volatile<'a> {
    made: HashSet<&'a [u8]>,
    transient: HashSet<&'a [u8]>,
    /// Directories called by the first two digits of the digests in them.
    buckets: HashSet<&'a [u8]>,
    pids: &'a HashSet<u32>,
    temporary: Vec<String>,
    /// Directories with a name of their own, which are not temporary even where they lie in such a directory.
    places: Vec<String>,
}

impl<'a> Volatile<'a> {
    pub(super) fn new(seen: &'a Observations, place: &Place) -> Self {
        let (mut made, mut transient, mut buckets) = (HashSet::new(), HashSet::new(), HashSet::new());
        for (path, seen) in &seen.files {
            if seen.access & (CREATE | DELETE) != 0 {
                made.insert(path.as_slice());
            }
            if seen.access & (CREATE | DELETE) == CREATE | DELETE {
                transient.insert(path.as_slice());
            }
        }
        for path in seen.files.keys().chain(seen.execs.keys()) {
            let mut below_digest = false;
            for (at, name) in ends(path).into_iter().rev() {
                if below_digest && name.len() == 2 && name.iter().all(is_hex) {
                    buckets.extend(path.get(..at));
                } else {
                    below_digest = name.len() >= DIGEST && name.iter().all(is_hex);
                }
            }
        }
        Self {
            made,
            transient,
            buckets,
            pids: &seen.pids,
            temporary: place.temporary_directories().collect(),
            places: place.variables.iter().map(|(_, value)| value.clone()).collect(),
        }
    }

    /// The names of a path, the volatile ones as patterns.
    pub(super) fn names(&self, path: &[u8], seen: &Seen) -> Vec<String> {
        if let Some(names) = process_names(path, seen) {
            return names;
        }
        let ends = ends(path);
        ends.into_iter()
            .map(|(end, name)| self.name(path.get(..end).unwrap_or(path), name))
            .collect()
    }

    fn name(&self, path: &[u8], name: &[u8]) -> String {
        if self.buckets.contains(path) {
            return "[0-9a-f][0-9a-f]".to_owned();
        }
        // O_TMPFILE: the file has a number for a name, and no other file gets such a name from a program.
        if let [b'#', number @ ..] = name
            && !number.is_empty()
            && number.iter().all(u8::is_ascii_digit)
        {
            return "#[0-9]*".to_owned();
        }
        if let Some(unit) = std::str::from_utf8(name).ok().and_then(codegen_unit) {
            return unit;
        }
        if self.made.contains(path)
            && let Ok(text) = std::str::from_utf8(name)
            && let Some(made) = self.made_name(path, text)
        {
            return made;
        }
        digests(name)
    }

    fn made_name(&self, path: &[u8], name: &str) -> Option<String> {
        for (prefix, length) in KNOWN {
            if let Some(rest) = name.strip_prefix(prefix)
                && let Some((random, rest)) = rest.split_at_checked(*length)
                && random.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                && (rest.is_empty() || rest.starts_with(['.', '-', '/']))
            {
                let one = if random.contains('_') || *prefix == "tmp" {
                    RANDOM_WORD
                } else {
                    RANDOM
                };
                return Some(format!("{prefix}{}{}", one.repeat(*length), digests(rest.as_bytes())));
            }
        }
        let transient = self.transient.contains(path);
        let temporary = self.temporary.iter().any(|directory| below(path, directory))
            && !self.places.iter().any(|place| below(path, place));
        // Python tries a directory out under a bare random name.
        let bare = name.len() == 8
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        let direct = || self.temporary.iter().any(|directory| directory.len() + 9 == path.len());
        if transient && temporary && bare && direct() {
            return Some(RANDOM_WORD.repeat(8));
        }
        let marked = temporary || transient || name.starts_with('.') || name.contains("tmp");
        let changed = self.tokens(name, marked);
        (changed != literal(name.as_bytes())).then_some(changed)
    }

    /// Times, process numbers and random words of a name.
    fn tokens(&self, name: &str, marked: bool) -> String {
        if let Some((before, time, after)) = time(name) {
            let end = if time.ends_with('Z') { "Z" } else { "" };
            return format!("{}[0-9]*{end}{}", literal(before.as_bytes()), digests(after.as_bytes()));
        }
        let mut out = String::new();
        let mut rest = name;
        while !rest.is_empty() {
            if let Some(after) = uuid(rest.as_bytes()).and_then(|after| std::str::from_utf8(after).ok()) {
                out.push_str(HEX);
                rest = after;
                continue;
            }
            let length = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
            let (word, tail) = rest.split_at(length);
            let number = word.parse::<u32>().ok().filter(|_| word.len() >= 3);
            if number.is_some_and(|number| self.pids.contains(&number)) {
                out.push_str("[0-9]*");
            } else if marked && is_random(word) {
                out.push_str(&RANDOM.repeat(word.len()));
            } else {
                out.push_str(&digests(word.as_bytes()));
            }
            let separator = tail.chars().next().map_or(0, char::len_utf8);
            let (separator, tail) = tail.split_at(separator);
            out.push_str(&literal(separator.as_bytes()));
            rest = tail;
        }
        out
    }
}

fn below(path: &[u8], directory: &str) -> bool {
    path.starts_with(directory.as_bytes()) && path.get(directory.len()) == Some(&b'/')
}

/// Each name with the offset of its end.
fn ends(path: &[u8]) -> Vec<(usize, &[u8])> {
    let mut at = 0;
    let mut ends = Vec::new();
    for name in path.split(|byte| *byte == b'/') {
        at += name.len();
        if !name.is_empty() {
            ends.push((at, name));
        }
        at += 1;
    }
    ends
}

/// Another process has another number. What a process reads of itself is `/proc/self`; the secrets of another are those of
/// none other: its very number.
fn process_names(path: &[u8], seen: &Seen) -> Option<Vec<String>> {
    let parts = names(path);
    let (proc, number, rest) = match parts.as_slice() {
        [proc, number, rest @ ..] => (*proc, *number, rest),
        _ => return None,
    };
    if proc != b"proc" || !number.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let own = std::str::from_utf8(number).ok()?.parse() == Ok(seen.tgid);
    let secret = super::sensitive::is_sensitive(path);
    let who = match (secret, own) {
        (_, true) => "self".to_owned(),
        (true, false) => literal(number),
        (false, _) => "[0-9]*".to_owned(),
    };
    let mut out = vec!["proc".to_owned(), who];
    let mut task = false;
    for name in rest {
        let number = task && name.iter().all(u8::is_ascii_digit);
        out.push(if number { "[0-9]*".to_owned() } else { literal(name) });
        task = *name == b"task";
    }
    Some(out)
}

fn is_hex(byte: &u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// Runs of hexadecimal digits that are long enough for a digest, and UUIDs, as patterns.
fn digests(name: &[u8]) -> String {
    let mut out = String::new();
    let mut rest = name;
    while !rest.is_empty() {
        let word = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let (head, tail) = rest.split_at(word);
        if let Some(after) = uuid(rest) {
            out.push_str(HEX);
            rest = after;
            continue;
        }
        if head.len() >= DIGEST && head.iter().all(is_hex) {
            out.push_str(HEX);
        } else {
            out.push_str(&literal(head));
        }
        let other = tail.iter().take_while(|byte| !byte.is_ascii_alphanumeric()).count();
        let (separator, tail) = tail.split_at(other);
        out.push_str(&literal(separator));
        rest = tail;
    }
    out
}

/// What follows a UUID in its usual form.
fn uuid(text: &[u8]) -> Option<&[u8]> {
    let (head, rest) = text.split_at_checked(36)?;
    let fits = head.iter().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    });
    (fits && !rest.first().is_some_and(u8::is_ascii_alphanumeric)).then_some(rest)
}

/// rustc's files between code generation and linking, and the sessions of its incremental compilation.
fn codegen_unit(name: &str) -> Option<String> {
    if let Some((head, tail)) = name.split_once(".rcgu.") {
        let stem = head.split('.').next().unwrap_or(head);
        return Some(format!(
            "{}.*.rcgu.{}",
            digests(stem.as_bytes()),
            literal(tail.as_bytes())
        ));
    }
    let session = name.strip_prefix("s-")?;
    let (name, lock) = match session.strip_suffix(".lock") {
        Some(name) => (name, ".lock"),
        None => (session, ""),
    };
    let words: Vec<&str> = name.split('-').collect();
    let fits = (2..=3).contains(&words.len())
        && words
            .iter()
            .all(|word| word.len() >= 5 && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
    fits.then(|| format!("s-*-*[0-9a-z]{lock}"))
}

/// A time with ten digits or more: what is before, itself, what is after.
fn time(name: &str) -> Option<(&str, &str, &str)> {
    let start = name.find(|c: char| c.is_ascii_digit())?;
    let (before, rest) = name.split_at(start);
    let length = rest
        .find(|c: char| !(c.is_ascii_digit() || "-_:TZ.".contains(c)))
        .unwrap_or(rest.len());
    let span = rest.get(..length)?;
    let span = span.trim_end_matches(|c: char| !(c.is_ascii_digit() || c == 'Z'));
    let digits = span.bytes().filter(u8::is_ascii_digit).count();
    let after = rest.get(span.len()..)?;
    (digits >= 10 && !after.starts_with(|c: char| c.is_ascii_alphanumeric())).then_some((before, span, after))
}

/// Whether a word looks chosen by chance: six to twelve letters and digits of at least two kinds, mixed.
fn is_random(word: &str) -> bool {
    let kind = |byte: u8| match byte {
        b'0'..=b'9' => 0,
        b'a'..=b'z' => 1,
        _ => 2,
    };
    let bytes = word.as_bytes();
    // A capital at the beginning and digits at the end are how people write names.
    let core = bytes.get(1..).unwrap_or_default();
    let core = core
        .iter()
        .rposition(|byte| !byte.is_ascii_digit())
        .and_then(|end| core.get(..=end))
        .unwrap_or_default();
    (6..=12).contains(&bytes.len())
        && bytes.iter().all(u8::is_ascii_alphanumeric)
        && core
            .windows(2)
            .any(|pair| matches!(pair, [a, b] if kind(*a) != kind(*b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, made: bool, expect: &str) {
        let access = if made { CREATE | DELETE } else { 1 };
        let seen = Seen {
            access,
            tgid: 4321,
            ..Seen::default()
        };
        let mut all = Observations::default();
        all.pids.insert(4321);
        let mut at = 0;
        // Directories of the run are made too, except the roots.
        while let Some(next) = path.get(at + 1..).and_then(|rest| rest.find('/')) {
            at += next + 1;
            let directory = path.get(..at).unwrap_or_default();
            if made && names(directory.as_bytes()).len() > 2 {
                all.files.insert(directory.as_bytes().to_vec(), seen.clone());
            }
        }
        all.files.insert(path.as_bytes().to_vec(), seen.clone());
        let volatile = Volatile::new(&all, &Place::default());
        assert_eq!(
            super::super::shape::absolute(&volatile.names(path.as_bytes(), &seen)),
            expect,
            "{path}"
        );
    }

    #[test]
    fn what_a_run_names_by_chance_becomes_a_pattern() {
        let r = |n| RANDOM.repeat(n);
        for (path, expect) in [
            ("/tmp/tmpt6qi2av6", format!("/tmp/tmp{}", RANDOM_WORD.repeat(8))),
            ("/tmp/esgoi2mn", format!("/tmp/{}", RANDOM_WORD.repeat(8))),
            (
                "/w/c/tmp/48771422-e5d5-4935-a239-5db43a7bb359",
                format!("/w/c/tmp/{HEX}"),
            ),
            ("/tmp/cc5sJOhm.s", format!("/tmp/cc{}.s", r(6))),
            ("/tmp/tmp.X3kdUwqpLz", format!("/tmp/tmp.{}", r(10))),
            ("/w/p/.tmpAbCdEf", format!("/w/p/.tmp{}", r(6))),
            (
                "/w/p/.git/objects/tmp_obj_aZ09bY",
                format!("/w/p/.git/objects/tmp_obj_{}", r(6)),
            ),
            (
                "/w/p/target/rmetaQpW3xY/lib.rmeta",
                format!("/w/p/target/rmeta{}/lib.rmeta", r(6)),
            ),
            ("/w/p/a-0123456789abcdef.1kx.rcgu.o", format!("/w/p/a-{HEX}.*.rcgu.o")),
            ("/w/p/s-hdqk2lp0q1-0x1y2z3-working", "/w/p/s-*-*[0-9a-z]".to_owned()),
            ("/w/p/s-hdqk2lp0q1-0x1y2z3.lock", "/w/p/s-*-*[0-9a-z].lock".to_owned()),
            (
                "/w/p/_logs/2026-11-20T09_41_12_345Z-debug-0.log",
                "/w/p/_logs/[0-9]*Z-debug-0.log".to_owned(),
            ),
            (
                "/w/p/node_modules/.left-pad-Xy12aBcD",
                format!("/w/p/node_modules/.left-pad-{}", r(8)),
            ),
            ("/w/p/gc.pid.4321", "/w/p/gc.pid.[0-9]*".to_owned()),
            ("/w/p/sedAbCdEf", format!("/w/p/sed{}", r(6))),
            ("/w/p/x-aB3dEf", format!("/w/p/x-{}", r(6))),
            ("/w/p/Makefile2", "/w/p/Makefile2".to_owned()),
            ("/w/p/output.json", "/w/p/output.json".to_owned()),
        ] {
            check(path, true, &expect);
        }
    }

    #[test]
    fn what_was_there_before_keeps_its_name_unless_it_is_a_digest() {
        for (path, expect) in [
            ("/tmp/tmpt6qi2av6", "/tmp/tmpt6qi2av6".to_owned()),
            ("/w/p/sedAbCdEf", "/w/p/sedAbCdEf".to_owned()),
            ("/w/p/a[1].txt", "/w/p/a\\[1\\].txt".to_owned()),
            (
                "/w/.git/objects/0a/0123456789012345678901234567890123456a",
                format!("/w/.git/objects/[0-9a-f][0-9a-f]/{HEX}"),
            ),
            (
                "/w/c/sha512/0a/1b/0123456789012345678901234567890123456a",
                format!("/w/c/sha512/[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]/{HEX}"),
            ),
            ("/w/deps/libx-0123456789abcdef.rlib", format!("/w/deps/libx-{HEX}.rlib")),
            ("/w/x-123e4567-e89b-12d3-a456-426614174000.db", format!("/w/x-{HEX}.db")),
            ("/proc/4321/status", "/proc/self/status".to_owned()),
            ("/proc/4321/task/4330/comm", "/proc/self/task/[0-9]*/comm".to_owned()),
            ("/proc/77/stat", "/proc/[0-9]*/stat".to_owned()),
            ("/proc/77/environ", "/proc/77/environ".to_owned()),
            ("/proc/4321/maps", "/proc/self/maps".to_owned()),
            ("/proc/4321/environ", "/proc/self/environ".to_owned()),
            ("/tmp/#10012808", "/tmp/#[0-9]*".to_owned()),
        ] {
            check(path, false, &expect);
        }
    }
}
