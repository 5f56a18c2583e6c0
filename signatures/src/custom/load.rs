//! From files to rules, with every mistake told and each rule's line known.
//!
//! The documents are walked with their positions rather than deserialised: a mistake in one rule does not hide those of
//! the others. Everything is bounded: the files by their bytes, the rules and patterns by their number, the mistakes by
//! how many a person reads.

use super::model::{CustomRule, Detect, Known, Pattern, Place, Sought, Vector};
use crate::declared::{Diagnostic, EmbeddedHost, HostPattern, Level};
use crate::rules::{Confidence, Rule, Severity, is_kebab_case, rules};
use globset::{GlobBuilder, GlobMatcher};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// The largest file, in bytes.
pub const LARGEST: usize = 8 << 20;
/// The most rules in all files.
pub const MOST_RULES: usize = 100_000;
/// The most patterns in all rules.
pub const MOST_PATTERNS: usize = 200_000;
/// The most regular expressions and byte sequences with holes in all rules.
pub const MOST_EXPRESSIONS: usize = 5_000;
/// The most mistakes that are told.
const MOST_MISTAKES: usize = 64;
/// The most patterns, hosts or digests of one rule.
const MOST_IN_RULE: usize = 100_000;
/// The longest glob.
const LONGEST_GLOB: usize = 1024;

const KEYS: &[&str] = &[
    "id",
    "severity",
    "confidence",
    "summary",
    "reason",
    "action",
    "references",
    "strings",
    "bytes",
    "regex",
    "condition",
    "hosts",
    "sha256",
    "known",
    "regions",
    "formats",
    "paths",
    "tests",
];

/// What rules may speak of and this crate does not know.
pub struct Surroundings<'a> {
    /// The ids of all formats.
    pub formats: &'a [&'a str],
    /// Says what is wrong with a glob over paths.
    pub path_glob: &'a dyn Fn(&str) -> Result<(), String>,
}

/// Whether a text is a rule of Probity's own, which has a `code` where a rule of the user has an `id`.
pub fn is_built_in(text: &str) -> bool {
    DeTable::parse(text).is_ok_and(|document| document.get_ref().contains_key("code"))
}

/// Loads the rules of all files, given as (name, text), in their order.
///
/// # Errors
///
/// What is wrong with them, in the order of the files; at most 64 mistakes.
pub fn load(files: &[(&str, &str)], around: &Surroundings<'_>) -> Result<Vec<CustomRule>, Vec<Diagnostic>> {
    let mut loader = Loader {
        around,
        file: "",
        text: "",
        lines: Vec::new(),
        found: Vec::new(),
        rules: Vec::new(),
        ids: HashMap::new(),
        patterns: 0,
        expressions: 0,
    };
    for (file, text) in files {
        if loader.is_full() {
            break;
        }
        loader.file(file, text);
    }
    if loader.found.is_empty() {
        Ok(loader.rules)
    } else {
        Err(loader.found)
    }
}

/// The state of reading.
pub(super) struct Loader<'t, 'a> {
    pub(super) around: &'a Surroundings<'a>,
    file: &'t str,
    text: &'t str,
    /// The offset of each line feed of the file at hand.
    lines: Vec<usize>,
    found: Vec<Diagnostic>,
    rules: Vec<CustomRule>,
    ids: HashMap<String, String>,
    pub(super) patterns: usize,
    pub(super) expressions: usize,
}

impl<'t> Loader<'t, '_> {
    fn file(&mut self, file: &'t str, text: &'t str) {
        self.file = file;
        self.text = text;
        self.lines = text
            .bytes()
            .enumerate()
            .filter(|(_, b)| *b == b'\n')
            .map(|(at, _)| at)
            .collect();
        if text.len() > LARGEST {
            let help = "split it: rules are written by people, for people";
            return self.wrong(0..0, format!("larger than {} MiB", LARGEST >> 20), help);
        }
        let document = match DeTable::parse(text) {
            Ok(document) => document,
            Err(error) => {
                let title = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
                let help = if title.contains("duplicate key") {
                    "keep one of the two; several rules in one file start with [[rule]] each"
                } else {
                    "a rule is TOML: id = \"my-rule\", strings = [\"text\"]; '...' around a text keeps its backslashes"
                };
                return self.wrong(error.span().unwrap_or_default(), title, help);
            }
        };
        let top = document.get_ref();
        match top.get("rule").map(|value| (value.span(), value.get_ref())) {
            Some((_, DeValue::Array(list))) => {
                if let Some((key, _)) = top.iter().find(|(key, _)| key.get_ref() != "rule") {
                    let title = format!("`{}` stands outside of [[rule]]", key.get_ref());
                    self.wrong(key.span(), title, "write it below the [[rule]] it belongs to");
                }
                if list.is_empty() {
                    self.wrong(0..0, "a file without a rule", "write a rule, or remove the file");
                }
                for item in list.iter() {
                    match item.get_ref() {
                        DeValue::Table(table) => self.rule(table, item.span()),
                        _ => self.wrong(
                            item.span(),
                            "an entry of `rule` is a table",
                            "write [[rule]] before each rule",
                        ),
                    }
                    if self.is_full() {
                        return;
                    }
                }
            }
            Some((span, _)) => self.wrong(span, "`rule` is a list of tables", "write [[rule]] before each rule"),
            None if top.is_empty() => self.wrong(0..0, "a file without a rule", "write a rule, or remove the file"),
            None => self.rule(top, 0..0),
        }
    }

    /// Whether no more mistakes are wanted.
    fn is_full(&self) -> bool {
        self.found.len() >= MOST_MISTAKES
    }

    pub(super) fn wrong(&mut self, span: Range<usize>, title: impl Into<String>, help: impl Into<String>) {
        if self.is_full() {
            return;
        }
        let start = (0..=span.start.min(self.text.len()))
            .rev()
            .find(|at| self.text.is_char_boundary(*at))
            .unwrap_or(0);
        let line = self.lines.partition_point(|feed| *feed < start);
        let line_start = line
            .checked_sub(1)
            .and_then(|n| self.lines.get(n))
            .map_or(0, |feed| feed + 1);
        let line_end = self.lines.get(line).copied().unwrap_or(self.text.len());
        let column = self.text.get(line_start..start).map_or(0, |head| head.chars().count());
        self.found.push(Diagnostic {
            level: Level::Error,
            file: self.file.to_owned(),
            line: count(line + 1),
            column: count(column + 1),
            span,
            quoted: self
                .text
                .get(line_start..line_end)
                .unwrap_or_default()
                .trim_end_matches('\r')
                .to_owned(),
            title: title.into(),
            help: help.into(),
        });
    }

    fn line(&self, at: usize) -> u32 {
        count(self.lines.partition_point(|feed| *feed < at) + 1)
    }

    fn rule(&mut self, table: &DeTable<'t>, header: Range<usize>) {
        if table.contains_key("code") && !table.contains_key("id") {
            let span = table.get_key_value("code").map_or(header, |(key, _)| key.span());
            let help = "a rule of your own has an id: id = \"acme-my-rule\"; docs/rules.md has its keys";
            return self.wrong(span, "this is how rules of Probity itself are written", help);
        }
        let mistakes = self.found.len();
        self.known(table, KEYS, "a rule");
        let id = self.id(table, &header);
        let severity = self.level(table, &header);
        let confidence = self.confidence(table);
        let summary = self.sentence(table, "summary", Some(&header), "one line that says what was found");
        let reason = self.sentence(table, "reason", Some(&header), "why it matters and who says so");
        let action = self.sentence(table, "action", None, "what to do now");
        let references = self.texts(table, "references");
        let detect = self.detect(table, &header);
        let place = Place {
            regions: self.region_globs(table),
            formats: self.formats(table),
            paths: self.path_globs(table),
        };
        if let Some(Detect::Digests { known, .. }) = &detect {
            let span = table.get_key_value("regions").map(|(key, _)| key.span());
            if let Some(span) = span {
                self.wrong(span, "a digest is that of a whole artifact", "remove `regions`");
            }
            if let (Known::Good, Some(severity)) = (known, severity)
                && severity != Severity::Info
            {
                let span = table.get("severity").map_or(0..0, Spanned::span);
                self.wrong(span, "what is known to be good is a note", "write severity = \"info\"");
            }
        }
        let tests = self.tests(table, detect.as_ref());
        if self.rules.len() >= MOST_RULES {
            return self.wrong(
                header,
                format!("more than {MOST_RULES} rules"),
                "load fewer rules at once",
            );
        }
        let (Some((id, span)), Some(severity), Some(summary), Some(reason), Some(detect)) =
            (id, severity, summary, reason, detect)
        else {
            return;
        };
        if self.found.len() > mistakes {
            return;
        }
        let line = self.line(span.start);
        let rule = Rule {
            code: id,
            severity,
            confidence,
            what: described(&detect, &place),
            summary,
            why: reason.clone(),
            action: action.unwrap_or_else(|| format!("look at the place; the rule says: {reason}")),
            references,
            since: String::new(),
            cases: BTreeMap::new(),
            origin: Some(format!("{}:{line}", self.file)),
        };
        self.rules.push(CustomRule {
            rule,
            reason,
            file: self.file.to_owned(),
            line,
            detect,
            place,
            tests,
        });
    }

    fn id(&mut self, table: &DeTable<'t>, header: &Range<usize>) -> Option<(String, Range<usize>)> {
        if !table.contains_key("id") {
            self.wrong(
                header.clone(),
                "a rule without an id",
                "write id = \"acme-my-rule\": lower case, with hyphens",
            );
        }
        let (id, span) = self.text(table, "id")?;
        if !is_kebab_case(&id) || id.len() > 100 {
            let help = "write lower-case letters and digits, with a hyphen between words: \"acme-my-rule\"";
            self.wrong(span, format!("`{id}` is no id"), help);
            return None;
        }
        if rules().get(&id).is_some() {
            let help = format!("choose another id, such as \"acme-{id}\"; `probity rules list` has those of Probity");
            self.wrong(span, format!("`{id}` is a code of Probity itself"), help);
            return None;
        }
        let here = format!("{}:{}", self.file, self.line(span.start));
        if let Some(there) = self.ids.insert(id.clone(), here) {
            self.wrong(
                span,
                format!("a second rule `{id}`"),
                format!("the first is at {there}: choose another id"),
            );
            return None;
        }
        Some((id, span))
    }

    fn level(&mut self, table: &DeTable<'t>, header: &Range<usize>) -> Option<Severity> {
        let help = "write severity = \"info\", \"low\", \"medium\", \"high\" or \"critical\"";
        if !table.contains_key("severity") {
            self.wrong(header.clone(), "a rule without a severity", help);
        }
        let (text, span) = self.text(table, "severity")?;
        let level = text.parse().ok();
        if level.is_none() {
            self.wrong(span, format!("there is no severity `{text}`"), help);
        }
        level
    }

    fn confidence(&mut self, table: &DeTable<'t>) -> Confidence {
        let Some((text, span)) = self.text(table, "confidence") else {
            return Confidence::Likely;
        };
        text.parse().unwrap_or_else(|_| {
            let help = "write confidence = \"possible\", \"likely\" or \"certain\"";
            self.wrong(span, format!("there is no confidence `{text}`"), help);
            Confidence::Likely
        })
    }

    /// A text of one line; mandatory where `header` says where the rule begins.
    fn sentence(
        &mut self,
        table: &DeTable<'t>,
        key: &'static str,
        header: Option<&Range<usize>>,
        says: &str,
    ) -> Option<String> {
        let help = format!("write {key} = \"...\": {says}");
        if let (Some(header), false) = (header, table.contains_key(key)) {
            self.wrong(header.clone(), format!("a rule without a {key}"), help.clone());
        }
        let (text, span) = self.text(table, key)?;
        let text = text.trim();
        if text.is_empty() || text.len() > 2000 {
            let what = if text.is_empty() { "an empty" } else { "a very long" };
            self.wrong(span, format!("{what} {key}"), help);
            return None;
        }
        Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    fn detect(&mut self, table: &DeTable<'t>, header: &Range<usize>) -> Option<Detect> {
        let mistakes = self.found.len();
        let kinds = [&["strings", "bytes", "regex"][..], &["hosts"], &["sha256"]];
        let given: Vec<&[&str]> = kinds
            .into_iter()
            .filter(|kind| kind.iter().any(|key| table.contains_key(*key)))
            .collect();
        let one = match given[..] {
            [one] => one,
            [] => {
                let help = "write strings, bytes or regex for content, hosts, or sha256";
                self.wrong(header.clone(), "a rule that looks for nothing", help);
                return None;
            }
            [_, second, ..] => {
                let key = second.iter().find_map(|key| table.get_key_value(*key));
                let span = key.map_or(header.clone(), |(key, _)| key.span());
                let help = "make two rules: one for content, one for hosts, one for digests";
                self.wrong(span, "a rule that looks for things of two kinds", help);
                return None;
            }
        };
        for (key, kind) in [("condition", "strings"), ("known", "sha256")] {
            if let Some((at, _)) = table.get_key_value(key).filter(|_| !one.contains(&kind)) {
                self.wrong(
                    at.span(),
                    format!("`{key}` says something about {kind} only"),
                    "remove it",
                );
            }
        }
        let detect = match one[0] {
            "hosts" => Detect::Hosts(self.hosts(table)),
            "sha256" => Detect::Digests {
                digests: self.digests(table),
                known: self.good_or_bad(table),
            },
            _ => {
                let patterns: Vec<Pattern> = self.all_patterns(table);
                let needed = self.condition(table, patterns.len());
                Detect::Patterns { patterns, needed }
            }
        };
        (self.found.len() == mistakes).then_some(detect)
    }

    fn condition(&mut self, table: &DeTable<'t>, patterns: usize) -> usize {
        let Some((text, span)) = self.text(table, "condition") else {
            return 1;
        };
        let number = || text.strip_suffix(" of")?.trim().parse::<usize>().ok();
        match (text.as_str(), number()) {
            ("any", _) => 1,
            ("all", _) => patterns,
            (_, Some(needed)) if (1..=patterns).contains(&needed) => needed,
            (_, Some(_)) => {
                let help = format!("the rule has {patterns} patterns: write \"1 of\" to \"{patterns} of\"");
                self.wrong(span, "a condition that cannot be met, or is always met", help);
                1
            }
            _ => {
                self.wrong(
                    span,
                    format!("there is no condition `{text}`"),
                    "write condition = \"any\", \"all\" or \"2 of\"",
                );
                1
            }
        }
    }

    fn hosts(&mut self, table: &DeTable<'t>) -> Vec<HostPattern> {
        let mut hosts = Vec::new();
        for (text, span) in self.sited_texts(table, "hosts") {
            match text.parse::<EmbeddedHost>() {
                Ok(EmbeddedHost(host)) if host.name().is_empty() => {
                    self.wrong(span, "`*` holds every host", "name the hosts: \"*.evil.example\"");
                }
                Ok(EmbeddedHost(host)) => hosts.push(host),
                Err(error) => self.wrong(span, error.what, error.help),
            }
        }
        hosts
    }

    fn digests(&mut self, table: &DeTable<'t>) -> Vec<[u8; 32]> {
        let mut digests = Vec::new();
        for (text, span) in self.sited_texts(table, "sha256") {
            match digest(&text) {
                Some(digest) => digests.push(digest),
                None => self.wrong(
                    span,
                    "not a SHA-256 digest",
                    "write its 64 hexadecimal digits, as sha256sum prints them",
                ),
            }
        }
        digests
    }

    fn good_or_bad(&mut self, table: &DeTable<'t>) -> Known {
        match self.text(table, "known") {
            Some((text, _)) if text == "good" => Known::Good,
            Some((text, span)) if text != "bad" => {
                self.wrong(
                    span,
                    format!("there is no `{text}`"),
                    "write known = \"bad\" or known = \"good\"",
                );
                Known::Bad
            }
            _ => Known::Bad,
        }
    }

    fn region_globs(&mut self, table: &DeTable<'t>) -> Vec<GlobMatcher> {
        let mut globs = Vec::new();
        for (text, span) in self.sited_texts(table, "regions") {
            let built = GlobBuilder::new(&text).backslash_escape(true).build();
            match built {
                _ if text.is_empty() || text.len() > LONGEST_GLOB => {
                    self.wrong(
                        span,
                        "no region is called that",
                        "write a name or a role: \"padding\", \"unclaimed\"",
                    );
                }
                Ok(glob) => globs.push(glob.compile_matcher()),
                Err(error) => self.wrong(
                    span,
                    format!("not a glob: {}", error.kind()),
                    "write [[] for the character [",
                ),
            }
        }
        globs
    }

    fn formats(&mut self, table: &DeTable<'t>) -> Vec<String> {
        let mut formats = Vec::new();
        for (text, span) in self.sited_texts(table, "formats") {
            if self.around.formats.contains(&text.as_str()) {
                formats.push(text);
            } else {
                let mut known = self.around.formats.to_vec();
                known.sort_unstable();
                self.wrong(
                    span,
                    format!("there is no format `{text}`"),
                    format!("the formats are {}", known.join(", ")),
                );
            }
        }
        formats
    }

    fn path_globs(&mut self, table: &DeTable<'t>) -> Vec<String> {
        let mut globs = Vec::new();
        for (text, span) in self.sited_texts(table, "paths") {
            let checked = match text.len() {
                0 => Err("it is empty".to_owned()),
                1..=LONGEST_GLOB => (self.around.path_glob)(&text),
                _ => Err(format!("it has more than {LONGEST_GLOB} bytes")),
            };
            match checked {
                Ok(()) => globs.push(text),
                Err(why) => self.wrong(
                    span,
                    format!("not a glob: {why}"),
                    "* and ? stop at /, ** does not; write [[] for the character [",
                ),
            }
        }
        globs
    }

    fn tests(&mut self, table: &DeTable<'t>, detect: Option<&Detect>) -> Vec<Vector> {
        let mut vectors = Vec::new();
        let Some(list) = self.list(table, "tests") else {
            return vectors;
        };
        for item in list.iter() {
            match item.get_ref() {
                DeValue::Table(vector) => vectors.extend(self.vector(vector, item.span(), detect)),
                _ => self.wrong(
                    item.span(),
                    "a test vector is a table",
                    "write { text = \"...\", expect = \"fire\" }",
                ),
            }
        }
        vectors
    }

    pub(super) fn vector_line(&self, at: usize) -> u32 {
        self.line(at)
    }

    pub(super) fn known(&mut self, table: &DeTable<'t>, keys: &[&str], what: &str) {
        for key in table.keys().filter(|key| !keys.contains(&key.get_ref().as_ref())) {
            let title = format!("unknown key `{}`", key.get_ref());
            self.wrong(key.span(), title, format!("the keys of {what} are {}", keys.join(", ")));
        }
    }

    pub(super) fn text(&mut self, table: &DeTable<'t>, key: &'static str) -> Option<(String, Range<usize>)> {
        let value = table.get(key)?;
        if let DeValue::String(text) = value.get_ref() {
            return Some((text.clone().into_owned(), value.span()));
        }
        let title = format!("`{key}` is text, not {}", value.get_ref().type_str());
        self.wrong(value.span(), title, format!("write {key} = \"...\""));
        None
    }

    pub(super) fn list<'d>(&mut self, table: &'d DeTable<'t>, key: &'static str) -> Option<&'d DeArray<'t>> {
        let value = table.get(key)?;
        let help = format!("write {key} = [...], with something in it");
        match value.get_ref() {
            DeValue::Array(list) if !list.is_empty() && list.len() <= MOST_IN_RULE => Some(list),
            DeValue::Array(list) if list.is_empty() => {
                self.wrong(value.span(), format!("`{key}` is empty"), help);
                None
            }
            DeValue::Array(_) => {
                let title = format!("more than {MOST_IN_RULE} entries");
                self.wrong(value.span(), title, "make several rules");
                None
            }
            other => {
                self.wrong(
                    value.span(),
                    format!("`{key}` is a list, not {}", other.type_str()),
                    help,
                );
                None
            }
        }
    }

    fn texts(&mut self, table: &DeTable<'t>, key: &'static str) -> Vec<String> {
        self.sited_texts(table, key).into_iter().map(|(text, _)| text).collect()
    }

    fn sited_texts(&mut self, table: &DeTable<'t>, key: &'static str) -> Vec<(String, Range<usize>)> {
        let mut texts = Vec::new();
        let Some(list) = self.list(table, key) else {
            return texts;
        };
        for item in list.iter() {
            match item.get_ref() {
                DeValue::String(text) => texts.push((text.clone().into_owned(), item.span())),
                other => {
                    let title = format!("an entry of `{key}` is text, not {}", other.type_str());
                    self.wrong(item.span(), title, format!("write {key} = [\"...\"]"));
                }
            }
        }
        texts
    }
}

/// The bytes of 64 hexadecimal digits.
pub(super) fn digest(text: &str) -> Option<[u8; 32]> {
    let bytes = super::expression::hex(text)?;
    <[u8; 32]>::try_from(bytes).ok().filter(|_| text.len() == 64)
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// What a rule looks for, in a sentence.
fn described(detect: &Detect, place: &Place) -> String {
    let mut text = match detect {
        Detect::Patterns { patterns, needed } => {
            let shown: Vec<&str> = patterns.iter().take(8).map(|p| p.shown.as_str()).collect();
            let more = patterns.len().saturating_sub(shown.len());
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            let how = match (*needed, patterns.len()) {
                (_, 1) => String::new(),
                (1, _) => "any of ".to_owned(),
                (needed, all) if needed == all => "all of ".to_owned(),
                (needed, _) => format!("{needed} of "),
            };
            format!("Looks for {how}{}{more}.", shown.join(", "))
        }
        Detect::Hosts(hosts) => {
            let shown: Vec<String> = hosts.iter().take(8).map(ToString::to_string).collect();
            let more = hosts.len().saturating_sub(shown.len());
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            format!("Looks for artifacts that name {}{more}.", shown.join(", "))
        }
        Detect::Digests { digests, known } => {
            let known = if *known == Known::Bad { "bad" } else { "good" };
            format!("Knows {} digests of artifacts that are {known}.", digests.len())
        }
    };
    let regions: Vec<&str> = place.regions.iter().map(|glob| glob.glob().glob()).collect();
    let paths: Vec<&str> = place.paths.iter().map(String::as_str).collect();
    let formats: Vec<&str> = place.formats.iter().map(String::as_str).collect();
    for (what, names) in [("regions", regions), ("formats", formats), ("paths", paths)] {
        if !names.is_empty() {
            text.push_str(&format!(" Only {what}: {}.", names.join(", ")));
        }
    }
    text
}

/// Counts expressions, which are costly, and all patterns.
impl Loader<'_, '_> {
    pub(super) fn room(&mut self, pattern: &Pattern, span: Range<usize>) {
        self.patterns += 1;
        self.expressions += usize::from(matches!(pattern.sought, Sought::Expression(_)));
        if self.patterns > MOST_PATTERNS {
            self.wrong(
                span,
                format!("more than {MOST_PATTERNS} patterns"),
                "load fewer rules at once",
            );
        } else if self.expressions > MOST_EXPRESSIONS {
            let help = "load fewer rules at once, or write strings where nothing varies";
            self.wrong(span, format!("more than {MOST_EXPRESSIONS} expressions"), help);
        }
    }
}
