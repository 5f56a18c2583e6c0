//! The document type declaration: which entities it declares, where they lead, and how far they expand.

use super::super::Parse;
use crate::finding::{Finding, code};
use crate::name::printable;
use crate::span::Span;
use std::collections::HashMap;

/// The most entities that are read.
const MOST: usize = 4096;
/// An expansion of this many bytes, and of this many times what declares it, is a bomb.
const LARGE: u64 = 8 << 20;
const RATIO: u64 = 64;

/// What an entity stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// Text, which may refer to other entities.
    Text(String),
    /// A resource that a parser would fetch.
    External(String),
    /// A resource that no parser fetches by itself (`NDATA`).
    Unparsed,
}

/// What stands in front of the root element.
#[derive(Debug, Default)]
pub(super) struct Prolog {
    /// The root element's name.
    pub(super) root: Option<String>,
    /// Name and value of each entity, parameter entities with `%` in front.
    pub(super) entities: Vec<(String, Value)>,
    /// The external subset.
    pub(super) subset: Option<String>,
}

/// Reads `text` up to its root element.
pub(super) fn prolog(text: &str) -> Prolog {
    let mut out = Prolog::default();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
        if let Some(behind) = rest.strip_prefix("<?") {
            let Some((_, behind)) = behind.split_once("?>") else {
                return out;
            };
            rest = behind;
        } else if let Some(behind) = rest.strip_prefix("<!--") {
            let Some((_, behind)) = behind.split_once("-->") else {
                return out;
            };
            rest = behind;
        } else if let Some(behind) = rest.strip_prefix("<!DOCTYPE") {
            let Some(behind) = doctype(behind, &mut out) else {
                return out;
            };
            rest = behind;
        } else {
            let name = rest.strip_prefix('<').map(name).filter(|name| !name.is_empty());
            out.root = name.map(str::to_owned);
            return out;
        }
    }
}

fn name(text: &str) -> &str {
    let end = text.find(|c: char| c.is_whitespace() || matches!(c, '>' | '/' | '[' | '<' | '"' | '\'' | ';'));
    text.get(..end.unwrap_or(text.len())).unwrap_or_default()
}

/// Reads behind `<!DOCTYPE`; what follows its end.
fn doctype<'t>(text: &'t str, out: &mut Prolog) -> Option<&'t str> {
    let mut rest = text.trim_start();
    rest = rest.get(name(rest).len()..)?;
    let (external, behind) = external_id(rest);
    out.subset = external;
    rest = behind.trim_start();
    if let Some(inside) = rest.strip_prefix('[') {
        rest = internal_subset(inside, out)?.trim_start();
    }
    rest.split_once('>').map(|(_, behind)| behind)
}

/// Declarations up to `]`.
fn internal_subset<'t>(text: &'t str, out: &mut Prolog) -> Option<&'t str> {
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        if let Some(behind) = rest.strip_prefix(']') {
            return Some(behind);
        } else if let Some(behind) = rest.strip_prefix("<!--") {
            rest = behind.split_once("-->")?.1;
        } else if let Some(behind) = rest.strip_prefix("<?") {
            rest = behind.split_once("?>")?.1;
        } else if let Some(behind) = rest.strip_prefix("<!ENTITY") {
            rest = entity(behind, out)?;
        } else if rest.starts_with("<!") {
            rest = declaration(rest)?;
        } else {
            // A reference to a parameter entity, or what is no declaration.
            let next = rest.find(['<', ']']).filter(|next| *next > 0);
            rest = rest.get(next.unwrap_or_else(|| rest.chars().next().map_or(1, char::len_utf8))..)?;
            if rest.is_empty() {
                return None;
            }
        }
    }
}

/// Behind a declaration of no interest, whose literals may hold `>`.
fn declaration(text: &str) -> Option<&str> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '>') => return text.get(at.saturating_add(1)..),
            _ => {}
        }
    }
    None
}

fn entity<'t>(text: &'t str, out: &mut Prolog) -> Option<&'t str> {
    let mut rest = text.trim_start();
    let parameter = rest
        .strip_prefix('%')
        .filter(|behind| behind.starts_with(char::is_whitespace));
    if let Some(behind) = parameter {
        rest = behind.trim_start();
    }
    let own = name(rest);
    rest = rest.get(own.len()..)?.trim_start();
    let value = if let Some((value, behind)) = literal(rest) {
        rest = behind;
        Value::Text(value.to_owned())
    } else {
        let (external, behind) = external_id(rest);
        rest = behind.trim_start();
        match external {
            Some(_) if rest.starts_with("NDATA") => Value::Unparsed,
            Some(place) => Value::External(place),
            None => Value::Text(String::new()),
        }
    };
    if out.entities.len() < MOST {
        let sign = if parameter.is_some() { "%" } else { "" };
        out.entities.push((format!("{sign}{own}"), value));
    }
    declaration(rest)
}

/// `SYSTEM "place"` or `PUBLIC "name" "place"`, and what follows.
fn external_id(text: &str) -> (Option<String>, &str) {
    let rest = text.trim_start();
    let rest = if let Some(behind) = rest.strip_prefix("SYSTEM") {
        behind
    } else if let Some(behind) = rest.strip_prefix("PUBLIC") {
        match literal(behind.trim_start()) {
            Some((_, behind)) => behind,
            None => return (None, behind),
        }
    } else {
        return (None, text);
    };
    match literal(rest.trim_start()) {
        Some((place, behind)) => (Some(place.to_owned()), behind),
        None => (None, rest),
    }
}

fn literal(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    text.get(1..)?.split_once(quote)
}

/// Turns entities into findings.
pub(super) fn judge(prolog: &Prolog, span: Span, out: &mut Parse) {
    for (name, value) in &prolog.entities {
        let Value::External(place) = value else { continue };
        let (name, shown) = (printable(name.as_bytes()), printable(place.as_bytes()));
        let case = reach(place);
        let message = format!("the entity {name} is read from {shown} by parsers that resolve entities");
        let finding = Finding::new(code::XML_ENTITY, span, message)
            .case(case)
            .key(format!("{name} {shown}"));
        out.finding(finding.evidence("entity", name).evidence("place", shown));
    }
    let declared: u64 = prolog.entities.iter().map(|(_, value)| length(value)).sum();
    let largest = expansions(&prolog.entities).into_iter().max_by_key(|(_, size)| *size);
    if let Some((name, size)) = largest
        && size >= LARGE
        && size / RATIO >= declared.max(1)
    {
        let name = printable(name.as_bytes());
        let message = format!("the entity {name} expands to {size} bytes or more, {declared} declare it");
        let finding = Finding::new(code::XML_ENTITY, span, message)
            .case("expansion")
            .key("expansion");
        out.finding(finding.evidence("entity", name).evidence("expanded", size));
    }
}

fn length(value: &Value) -> u64 {
    match value {
        Value::Text(text) => u64::try_from(text.len()).unwrap_or(u64::MAX),
        _ => 0,
    }
}

/// Where an external entity leads.
fn reach(place: &str) -> &'static str {
    let lower = place.trim_start().to_ascii_lowercase();
    let scheme = lower.split_once(':').map(|(scheme, _)| scheme).filter(|scheme| {
        scheme.len() > 1
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
    });
    let drive = matches!(lower.as_bytes(), [b'a'..=b'z', b':', ..]);
    match scheme {
        Some("http" | "https" | "urn") => "external",
        Some(_) => "file",
        None if drive || lower.starts_with(['/', '\\']) || lower.contains("..") => "file",
        None => "relative",
    }
}

/// How long each entity is once everything it refers to is put in. Numbers are bounded, cycles too.
fn expansions(entities: &[(String, Value)]) -> Vec<(&str, u64)> {
    // The first declaration of a name counts.
    let mut index: HashMap<&str, usize> = HashMap::new();
    for (at, (name, _)) in entities.iter().enumerate() {
        index.entry(name).or_insert(at);
    }
    let references: Vec<Vec<usize>> = entities
        .iter()
        .map(|(_, value)| match value {
            Value::Text(text) => text
                .split('&')
                .skip(1)
                .filter_map(|part| part.split_once(';'))
                .filter_map(|(name, _)| index.get(name).copied())
                .collect(),
            _ => Vec::new(),
        })
        .collect();
    let mut sizes: Vec<u64> = entities.iter().map(|(_, value)| length(value)).collect();
    // One pass settles entities that refer to earlier ones, as all real ones and bombs do.
    for _ in 0..32 {
        let mut changed = false;
        for (at, to) in references.iter().enumerate() {
            let own = entities.get(at).map_or(0, |(_, value)| length(value));
            let size = to
                .iter()
                .filter_map(|at| sizes.get(*at))
                .fold(own, |sum, size| sum.saturating_add(*size));
            if let Some(slot) = sizes.get_mut(at)
                && *slot < size
            {
                *slot = size;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    entities.iter().map(|(name, _)| name.as_str()).zip(sizes).collect()
}
