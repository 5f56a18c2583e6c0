//! From TOML to a policy: every key known, every value of its kind, every mistake told with what to write instead.
//!
//! The document is walked with its positions rather than deserialised: a mistake in one entry does not hide those in the
//! others, and each entry knows its line.

use super::date::Date;
use crate::diagnostic::{Problem, line_of};
use probity_engine::name::printable;
use probity_engine::policy::{Allow, Override, PathGlob, Policy, Scope};
use probity_signatures::{Rule, Rules, Severity};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The version of the language.
const VERSION: &str = "1";
const TOP: &[&str] = &["version", "severity", "allow"];
const SEVERITY: &[&str] = &[
    "code", "case", "path", "nested", "format", "region", "signer", "sha256", "level", "reason", "expires",
];
const ALLOW: &[&str] = &[
    "code", "case", "path", "nested", "format", "region", "signer", "sha256", "reason", "expires",
];
/// Formats that no parser has: what could not be opened, and what a directory is.
const NO_PARSER: [&str; 2] = ["unknown", "directory"];
/// The longest glob.
const LONGEST_GLOB: usize = 1024;

/// Loads a policy.
pub(super) fn policy<'t>(name: &str, text: &'t str, today: Date, rules: &'t Rules) -> Result<Policy, Vec<Problem>> {
    let document = DeTable::parse(text).map_err(|error| {
        vec![Problem {
            span: error.span().unwrap_or_default(),
            title: error.message().split_whitespace().collect::<Vec<_>>().join(" "),
            help: syntax_help(error.message()).to_owned(),
        }]
    })?;
    let mut loader = Loader {
        name: printable(name.as_bytes()),
        text,
        today,
        rules,
        problems: Vec::new(),
    };
    let policy = loader.document(document.get_ref());
    if loader.problems.is_empty() {
        Ok(policy)
    } else {
        Err(loader.problems)
    }
}

fn syntax_help(message: &str) -> &'static str {
    if message.contains("duplicate key") {
        "keep one of the two; each entry starts with its own [[severity]] or [[allow]]"
    } else {
        "a policy is TOML: key = \"text\", expires = 2027-06-30, and [[severity]] or [[allow]] before each entry"
    }
}

struct Loader<'t> {
    name: String,
    text: &'t str,
    today: Date,
    rules: &'t Rules,
    problems: Vec<Problem>,
}

/// An entry and where it stands.
struct Entry<'d, 't> {
    kind: &'static str,
    table: &'d DeTable<'t>,
    header: Range<usize>,
}

impl<'t> Loader<'t> {
    fn wrong(&mut self, span: Range<usize>, title: impl Into<String>, help: impl Into<String>) {
        self.problems.push(Problem {
            span,
            title: title.into(),
            help: help.into(),
        });
    }

    fn document(&mut self, top: &DeTable<'t>) -> Policy {
        let mut policy = Policy::default();
        self.known(top, TOP, "a policy");
        match top.get("version").map(|v| (v.span(), v.get_ref())) {
            Some((_, DeValue::Integer(n))) if n.radix() == 10 && n.as_str() == VERSION => {}
            Some((span, _)) => self.wrong(span, "a version that this build does not read", "write version = 1"),
            None => self.wrong(
                0..0,
                "the policy does not say its version",
                "write version = 1 on the first line",
            ),
        }
        for entry in self.entries(top, "severity") {
            policy.overrides.extend(self.severity(&entry));
        }
        for entry in self.entries(top, "allow") {
            policy.allows.extend(self.allow(&entry));
        }
        policy
    }

    fn known(&mut self, table: &DeTable<'t>, keys: &[&str], what: &str) {
        for key in table.keys().filter(|k| !keys.contains(&k.get_ref().as_ref())) {
            let title = format!("unknown key `{}`", key.get_ref());
            self.wrong(key.span(), title, format!("the keys of {what} are {}", keys.join(", ")));
        }
    }

    fn entries<'d>(&mut self, top: &'d DeTable<'t>, kind: &'static str) -> Vec<Entry<'d, 't>> {
        let mut entries = Vec::new();
        let help = format!("write [[{kind}]] before each entry");
        let Some(found) = top.get(kind) else { return entries };
        let Some(list) = found.get_ref().as_array() else {
            self.wrong(found.span(), format!("`{kind}` is a list of entries"), help);
            return entries;
        };
        for item in list.iter() {
            match item.get_ref() {
                DeValue::Table(table) => entries.push(Entry {
                    kind,
                    table,
                    header: item.span(),
                }),
                _ => self.wrong(item.span(), format!("an entry of `{kind}` is a table"), help.clone()),
            }
        }
        entries
    }

    fn severity(&mut self, entry: &Entry<'_, 't>) -> Option<Override> {
        self.known(entry.table, SEVERITY, "[[severity]]");
        let (scope, rule) = self.scope(entry);
        self.expiry(entry);
        self.reason(entry);
        let levels = "write level = \"info\", \"low\", \"medium\", \"high\" or \"critical\"";
        let level = match self.text(entry, "level") {
            Some((text, span)) => match text.parse::<Severity>() {
                Ok(level) => Some(level),
                Err(_) => {
                    self.wrong(span, format!("there is no severity `{text}`"), levels);
                    None
                }
            },
            None if entry.table.contains_key("level") => None,
            None => {
                self.wrong(
                    entry.header.clone(),
                    "a severity entry needs the level it gives",
                    levels,
                );
                None
            }
        };
        let (scope, level) = (scope?, level?);
        if level < Severity::Critical {
            self.digest(entry, &scope, rule?, "a severity entry that lowers a critical code");
        }
        Some(Override { scope, level })
    }

    fn allow(&mut self, entry: &Entry<'_, 't>) -> Option<Allow> {
        self.known(entry.table, ALLOW, "[[allow]]");
        let (scope, rule) = self.scope(entry);
        self.expiry(entry);
        if !entry.table.contains_key("reason") {
            self.wrong(
                entry.header.clone(),
                "an allow entry needs a reason",
                "write reason = \"reviewed by whom, on what grounds, ticket\"",
            );
        }
        let reason = self.reason(entry);
        let scope = scope?;
        self.digest(entry, &scope, rule?, "an allow entry for a critical code");
        Some(Allow {
            scope,
            reason: printable(reason?.as_bytes()),
            origin: format!("{}:{}", self.name, line_of(self.text, entry.header.start)),
        })
    }

    /// What runs code is judged artifact by artifact: no glob may speak for it.
    fn digest(&mut self, entry: &Entry<'_, 't>, scope: &Scope, rule: &Rule, what: &str) {
        let critical = match &scope.case {
            Some(case) => rule.severity_in(Some(case)) == Some(Severity::Critical),
            None => {
                let cases = rule.cases.values().map(|case| case.severity);
                cases.chain([rule.severity]).max() == Some(Severity::Critical)
            }
        };
        if critical && scope.sha256.is_none() && !entry.table.contains_key("sha256") {
            let span = entry.table.get("code").map_or(entry.header.clone(), Spanned::span);
            let harmless: Vec<&str> = rule
                .cases
                .iter()
                .filter(|(_, case)| case.severity < Severity::Critical)
                .map(|(name, _)| name.as_str())
                .collect();
            let or = if harmless.is_empty() || scope.case.is_some() {
                String::new()
            } else {
                format!(
                    "; or case = \"{}\" if that is all it is about",
                    harmless.join("\" or \"")
                )
            };
            self.wrong(
                span,
                format!("{what} must name the artifact's sha256"),
                format!("write sha256 = \"...\", as the JSON report has it or sha256sum prints it{or}"),
            );
        }
    }

    fn scope(&mut self, entry: &Entry<'_, 't>) -> (Option<Scope>, Option<&'t Rule>) {
        let mistakes = self.problems.len();
        let rule = self.code(entry);
        let case = self.case(entry, rule);
        let scope = Scope {
            code: rule.map_or_else(String::new, |rule| rule.code.clone()),
            case,
            path: self.glob(entry, "path"),
            nested: self.glob(entry, "nested"),
            format: self.format(entry),
            region: self.text(entry, "region").map(|(text, _)| text),
            signer: self.text(entry, "signer").map(|(text, _)| text),
            sha256: self.sha256(entry),
        };
        (Some(scope).filter(|_| self.problems.len() == mistakes), rule)
    }

    fn code(&mut self, entry: &Entry<'_, 't>) -> Option<&'t Rule> {
        if !entry.table.contains_key("code") {
            let title = format!("an entry of [[{}]] needs the code it is about", entry.kind);
            self.wrong(
                entry.header.clone(),
                title,
                "write code = \"...\"; probity rules list has them all",
            );
        }
        let (text, span) = self.text(entry, "code")?;
        let rule = self.rules.get(&text);
        if rule.is_none() {
            let near = nearest(&text, self.rules.iter().map(|r| r.code.as_str()));
            let help = near.map_or_else(
                || "probity rules list has all codes".to_owned(),
                |near| format!("did you mean `{near}`? probity rules list has all codes"),
            );
            self.wrong(span, format!("there is no finding code `{text}`"), help);
        }
        rule
    }

    fn case(&mut self, entry: &Entry<'_, 't>, rule: Option<&Rule>) -> Option<String> {
        let (text, span) = self.text(entry, "case")?;
        let rule = rule?;
        if !rule.cases.contains_key(&text) {
            let cases: Vec<&str> = rule.cases.keys().map(String::as_str).collect();
            let help = if cases.is_empty() {
                "it has no cases: leave the key out".to_owned()
            } else {
                format!("its cases are {}", cases.join(", "))
            };
            self.wrong(span, format!("`{}` has no case `{text}`", rule.code), help);
        }
        Some(text)
    }

    fn glob(&mut self, entry: &Entry<'_, 't>, key: &'static str) -> Option<PathGlob> {
        let (text, span) = self.text(entry, key)?;
        let (title, help) = if text.len() > LONGEST_GLOB {
            let help = format!("a glob has at most {LONGEST_GLOB} bytes: write several entries");
            ("a glob that is too long".to_owned(), help)
        } else if text.is_empty() && key == "path" {
            let help = "write path = \"**\" for every path, or leave the key out".to_owned();
            ("an empty glob matches no path".to_owned(), help)
        } else if text.ends_with('/') {
            let help = format!("write {key} = \"{text}**\" for everything below it");
            ("a glob that ends in `/` matches no file".to_owned(), help)
        } else {
            match PathGlob::new(&text) {
                Ok(glob) => return Some(glob),
                Err(error) => {
                    let help = "* and ? stop at /, ** does not; write [[] for the character [".to_owned();
                    (format!("not a glob: {}", error.kind()), help)
                }
            }
        };
        self.wrong(span, title, help);
        None
    }

    fn format(&mut self, entry: &Entry<'_, 't>) -> Option<String> {
        let (text, span) = self.text(entry, "format")?;
        let mut known: Vec<&str> = probity_engine::formats().chain(NO_PARSER).collect();
        if !known.contains(&text.as_str()) {
            known.sort_unstable();
            let help = format!("the formats are {}", known.join(", "));
            self.wrong(span, format!("there is no format `{text}`"), help);
        }
        Some(text)
    }

    fn sha256(&mut self, entry: &Entry<'_, 't>) -> Option<[u8; 32]> {
        let (text, span) = self.text(entry, "sha256")?;
        let digest = digest(&text);
        if digest.is_none() {
            self.wrong(span, "not a SHA-256 digest", "write its 64 hexadecimal digits");
        }
        digest
    }

    fn reason(&mut self, entry: &Entry<'_, 't>) -> Option<String> {
        let (text, span) = self.text(entry, "reason")?;
        if text.trim().is_empty() {
            self.wrong(
                span,
                "an empty reason",
                "say who reviewed it, on what grounds, under which ticket",
            );
        }
        Some(text)
    }

    fn expiry(&mut self, entry: &Entry<'_, 't>) {
        let Some(value) = entry.table.get("expires") else {
            return;
        };
        let date = value.get_ref().as_datetime().filter(|d| d.time.is_none());
        let Some(date) = date.and_then(|d| d.date) else {
            self.wrong(
                value.span(),
                "`expires` is a day",
                "write expires = 2027-06-30, without quotes",
            );
            return;
        };
        let last = Date {
            year: i64::from(date.year),
            month: date.month,
            day: date.day,
        };
        if last < self.today {
            let help = format!(
                "it is {} (UTC): review the finding again and set a new day, or remove the entry",
                self.today
            );
            self.wrong(value.span(), format!("this entry expired on {last}"), help);
        }
    }

    fn text(&mut self, entry: &Entry<'_, 't>, key: &'static str) -> Option<(String, Range<usize>)> {
        let value = entry.table.get(key)?;
        if let DeValue::String(text) = value.get_ref() {
            return Some((text.clone().into_owned(), value.span()));
        }
        self.wrong(
            value.span(),
            format!("`{key}` is text, not {}", value.get_ref().type_str()),
            format!("write {key} = \"...\""),
        );
        None
    }
}

/// The bytes of 64 hexadecimal digits.
pub(crate) fn digest(text: &str) -> Option<[u8; 32]> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect();
    let bytes: Vec<u8> = digits?
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |n, d| n << 4 | d))
        .collect();
    <[u8; 32]>::try_from(bytes).ok().filter(|_| text.len() == 64)
}

/// The word that is nearest to `asked`: at most three letters away.
fn nearest<'w>(asked: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let distances = words.map(|word| (distance(asked, word), word));
    distances.filter(|(away, _)| *away <= 3).min().map(|(_, word)| word)
}

/// Letters to insert, remove or replace (Levenshtein). Words are short; a long one is far from all.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(64).enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (y, above) in b.iter().zip(row.iter_mut().skip(1)) {
            let next = (diagonal + usize::from(x != *y)).min(left + 1).min(*above + 1);
            diagonal = *above;
            *above = next;
            left = next;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0) + a.chars().count().saturating_sub(64)
}
