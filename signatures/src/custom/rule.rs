//! The keys of one rule: what it is called, what it looks for, where, and what is said about it.

use super::load::{Loader, MOST_RULES, digest};
use super::model::{CustomRule, Detect, Known, Pattern, Place, Vector};
use crate::declared::{EmbeddedHost, HostPattern};
use crate::rules::{Confidence, Rule, Severity, is_kebab_case, rules};
use globset::{GlobBuilder, GlobMatcher};
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

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
/// The longest glob.
const LONGEST_GLOB: usize = 1024;

impl<'t> Loader<'t, '_> {
    /// Reads one rule, whose table begins at `header`.
    pub(super) fn rule(&mut self, table: &DeTable<'t>, header: Range<usize>) {
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
            thresholds: BTreeMap::new(),
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
