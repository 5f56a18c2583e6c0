//! The changes of a package or binary: what it asks for, runs and holds, besides its tensors.

use super::Raw;
use super::pairs::{Node, Pairs};
use crate::artifact::{Artifact, Judged, Kind};
use crate::fact::CallableUse;
use crate::finding::{Elsewhere, Finding, Value, code};
use crate::format::language::is_text;
use crate::inventory::Inventory;
use crate::ledger::Role;
use crate::name::printable;
use crate::span::Span;
use probity_signatures::Severity;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Names that one message lists.
const EXAMPLES: usize = 8;
/// Entitlements that undo what the hardened runtime protects (Apple, "Hardened Runtime").
const STRONG: [&str; 7] = [
    "com.apple.security.get-task-allow",
    "com.apple.security.cs.disable-library-validation",
    "com.apple.security.cs.allow-dyld-environment-variables",
    "com.apple.security.cs.disable-executable-page-protection",
    "com.apple.security.cs.allow-unsigned-executable-memory",
    "com.apple.security.cs.debugger",
    "com.apple.rootless",
];

/// Everything that changed.
pub(super) fn changes(pairs: &Pairs<'_>) -> Vec<Raw> {
    let mut out = Changes::default();
    if pairs.identical() {
        return out.found;
    }
    // Hosts of a root are those of all that it holds: compared once, for the arguments themselves.
    if let Some((old, new)) = pairs.changed.first() {
        out.hosts(old, new);
    }
    for (old, new) in &pairs.changed {
        out.pair(old, new);
    }
    for (old, new) in &pairs.moved {
        let message = format!("moved from {}, its bytes are the same", shown(&old.key));
        out.say(code::DIFF_CONTENT, "moved", message, Some(old), Some(new));
    }
    for node in &pairs.added {
        out.alone(node, true);
    }
    for node in &pairs.removed {
        out.alone(node, false);
    }
    out.found
}

#[derive(Default)]
struct Changes {
    found: Vec<Raw>,
}

fn elsewhere(node: &Node<'_>) -> Elsewhere {
    Elsewhere {
        path: node.artifact.path.clone(),
        nested: node.artifact.nested.clone(),
    }
}

fn shown(key: &str) -> String {
    match key.is_empty() {
        true => "the whole".to_owned(),
        false => printable(key.as_bytes()),
    }
}

/// Whether an artifact is what the processor, or an interpreter, runs.
fn is_native(format: &str) -> bool {
    matches!(format, "elf" | "pe" | "macho" | "fat" | "wasm" | "coff")
}

fn has_tensors(artifact: &Artifact) -> bool {
    artifact.tensors.is_some()
}

impl Changes {
    fn say(
        &mut self,
        code: &'static str,
        case: &'static str,
        message: String,
        old: Option<&Node<'_>>,
        new: Option<&Node<'_>>,
    ) {
        let key = message.clone();
        self.add(
            Finding::new(code, Span::new(0, 0), message).case(case).key(key),
            old,
            new,
        );
    }

    fn add(&mut self, finding: Finding, old: Option<&Node<'_>>, new: Option<&Node<'_>>) {
        self.found.push(Raw {
            finding,
            severity: None,
            old: old.map(elsewhere),
            new: new.map(elsewhere),
        });
    }

    fn pair(&mut self, old: &Node<'_>, new: &Node<'_>) {
        let (a, b) = (old.artifact, new.artifact);
        self.findings(old, new);
        self.signatures(old, new);
        let empty = Inventory::default();
        let (x, y) = (
            a.inventory.as_deref().unwrap_or(&empty),
            b.inventory.as_deref().unwrap_or(&empty),
        );
        self.imports(x, y, old, new);
        self.callables(x, y, Some(old), new);
        self.scripts(x, y, Some(old), new);
        self.entitlements(x, y, old, new);
        if a.kind == Kind::Directory || b.kind == Kind::Directory {
            return;
        }
        let texts = is_text(a.format) && is_text(b.format);
        if a.format != b.format && !texts {
            let message = format!("was {}, is {}", a.format, b.format);
            self.say(code::DIFF_CONTENT, "format", message, Some(old), Some(new));
        } else if !has_tensors(a) && (a.sha256 != b.sha256 || a.size != b.size) {
            let message = match a.size.cmp(&b.size) {
                std::cmp::Ordering::Equal => format!("changed, {} bytes as before", b.size),
                _ => format!("changed, {} bytes instead of {}", b.size, a.size),
            };
            let mut finding = Finding::new(code::DIFF_CONTENT, Span::new(0, 0), message).case("changed");
            if let Some(parts) = parts(x, y) {
                finding = finding.evidence("regions", Value::List(parts));
            }
            self.add(finding.key("content"), Some(old), Some(new));
        }
        self.sections(x, y, old, new);
    }

    /// Findings of the new side that the old one does not have, as the scan judged them.
    fn findings(&mut self, old: &Node<'_>, new: &Node<'_>) {
        // Nothing that a version, a digest or a place changes goes into the key.
        let key = |judged: &Judged| {
            let f = &judged.finding;
            let text: String = match f.key.is_empty() {
                true => f.message.chars().filter(|c| !c.is_ascii_digit()).collect(),
                false => f.key.clone(),
            };
            (f.code, f.case, text)
        };
        let mut known: HashMap<_, u64> = HashMap::new();
        for judged in &old.artifact.findings {
            let n = known.entry(key(judged)).or_default();
            *n = n.saturating_add(1);
        }
        for judged in &new.artifact.findings {
            match known.get_mut(&key(judged)) {
                Some(n) if *n > 0 => *n = n.saturating_sub(1),
                _ => self.finding(judged, Some(old), new),
            }
        }
    }

    fn finding(&mut self, judged: &Judged, old: Option<&Node<'_>>, new: &Node<'_>) {
        self.found.push(Raw {
            finding: judged.finding.clone(),
            severity: Some(judged.severity),
            old: old.map(elsewhere),
            new: Some(elsewhere(new)),
        });
    }

    fn hosts(&mut self, old: &Node<'_>, new: &Node<'_>) {
        for (host, place) in new
            .artifact
            .hosts
            .iter()
            .filter(|(h, _)| !old.artifact.hosts.contains_key(*h))
        {
            let address = host.parse::<std::net::IpAddr>().is_ok() || host.starts_with('[');
            let case = match (address, place.likely) {
                (true, _) => "address",
                (false, true) => "added",
                (false, false) => "possible",
            };
            let inside = place
                .nested
                .as_deref()
                .map_or_else(String::new, |n| format!(", in {n}"));
            let message = format!("names the host {}{inside}", printable(host.as_bytes()));
            let finding = Finding::new(code::DIFF_HOST, Span::new(0, 0), message)
                .case(case)
                .key(host.clone());
            let finding = finding.evidence("host", host.as_str()).region(place.region.clone());
            self.add(finding, Some(old), Some(new));
        }
        for host in old
            .artifact
            .hosts
            .keys()
            .filter(|h| !new.artifact.hosts.contains_key(*h))
        {
            let message = format!("no longer names the host {}", printable(host.as_bytes()));
            let finding = Finding::new(code::DIFF_HOST, Span::new(0, 0), message)
                .case("removed")
                .key(host.clone());
            self.add(finding.evidence("host", host.as_str()), Some(old), Some(new));
        }
    }

    /// A signature that is gone or new, or another's.
    fn signatures(&mut self, old: &Node<'_>, new: &Node<'_>) {
        let (before, after) = (signers(old.artifact), signers(new.artifact));
        let told = match (old.artifact.signed, new.artifact.signed) {
            (true, false) => Some(("lost", "was signed and is not any more".to_owned())),
            (false, true) => Some(("gained", "is signed and was not before".to_owned())),
            (true, true) => signer_change(&before, &after),
            (false, false) => None,
        };
        if let Some((case, message)) = told {
            self.say(code::DIFF_SIGNER, case, message, Some(old), Some(new));
        }
    }

    fn imports(&mut self, x: &Inventory, y: &Inventory, old: &Node<'_>, new: &Node<'_>) {
        for (a, b, case, verb) in [
            (&x.imports, &y.imports, "added", "asks the loader for"),
            (&y.imports, &x.imports, "removed", "no longer asks the loader for"),
        ] {
            self.list(code::DIFF_IMPORT, case, verb, a, b, (Some(old), new));
        }
        for (a, b, case, verb) in [
            (&x.exports, &y.exports, "export", "offers the symbols"),
            (&y.exports, &x.exports, "export-removed", "no longer offers the symbols"),
        ] {
            self.list(code::DIFF_IMPORT, case, verb, a, b, (Some(old), new));
        }
    }

    /// One change for all names of `b` that are not in `a`.
    fn list(
        &mut self,
        code: &'static str,
        case: &'static str,
        verb: &str,
        a: &BTreeSet<Box<str>>,
        b: &BTreeSet<Box<str>>,
        (old, new): (Option<&Node<'_>>, &Node<'_>),
    ) {
        let fresh: Vec<String> = b.difference(a).map(|name| printable(name.as_bytes())).collect();
        if fresh.is_empty() {
            return;
        }
        let message = format!("{verb} {}", some(&fresh));
        let finding = Finding::new(code, Span::new(0, 0), message)
            .case(case)
            .key(fresh.join(" "));
        let names = fresh.into_iter().take(256).collect();
        self.add(finding.evidence("names", Value::List(names)), old, Some(new));
    }

    fn callables(&mut self, x: &Inventory, y: &Inventory, old: Option<&Node<'_>>, new: &Node<'_>) {
        let verb = |usage: &CallableUse| match usage {
            CallableUse::Named => "names",
            CallableUse::Constructed => "constructs",
            CallableUse::Called => "calls",
        };
        for (name, usage) in &y.callables {
            let before = x.callables.get(name);
            if before.is_some_and(|before| before.strongest >= usage.strongest) {
                continue;
            }
            let instead = before.map_or_else(String::new, |b| {
                format!(", which it only {} before", verb(&b.strongest).trim_end_matches('s'))
            });
            let message = format!(
                "loading {} {}{instead}",
                verb(&usage.strongest),
                printable(name.as_bytes())
            );
            let case = if usage.inert { "inert" } else { "added" };
            let finding = Finding::new(code::DIFF_CALLABLE, Span::new(0, 0), message).case(case);
            self.add(
                finding
                    .key(name.to_string())
                    .evidence("callable", printable(name.as_bytes())),
                old,
                Some(new),
            );
        }
        for name in x.callables.keys().filter(|name| !y.callables.contains_key(*name)) {
            let message = format!("loading no longer uses {}", printable(name.as_bytes()));
            let finding = Finding::new(code::DIFF_CALLABLE, Span::new(0, 0), message).case("removed");
            self.add(finding.key(name.to_string()), old, Some(new));
        }
        self.list(
            code::DIFF_CALLABLE,
            "operator",
            "uses the operators",
            &x.operators,
            &y.operators,
            (old, new),
        );
    }

    fn scripts(&mut self, x: &Inventory, y: &Inventory, old: Option<&Node<'_>>, new: &Node<'_>) {
        let quoted = |text: &str| printable(text.as_bytes());
        for (stage, command) in &y.scripts {
            let lifecycle = !stage.starts_with("bin");
            let (case, message) = match x.scripts.get(stage) {
                Some(before) if before == command => continue,
                Some(before) => (
                    if lifecycle { "changed" } else { "command" },
                    format!("{} was `{}`, is `{}`", quoted(stage), quoted(before), quoted(command)),
                ),
                None => (
                    if lifecycle { "added" } else { "command" },
                    format!("{} is new: `{}`", quoted(stage), quoted(command)),
                ),
            };
            let finding = Finding::new(code::DIFF_SCRIPT, Span::new(0, 0), message)
                .case(case)
                .key(stage.to_string());
            self.add(finding.evidence("command", quoted(command)), old, Some(new));
        }
        for (stage, command) in x.scripts.iter().filter(|(stage, _)| !y.scripts.contains_key(*stage)) {
            let message = format!("{} is gone: `{}`", quoted(stage), quoted(command));
            self.say(code::DIFF_SCRIPT, "removed", message, old, Some(new));
        }
        let (mut fresh, mut ranges, mut gone) = (Vec::new(), Vec::new(), Vec::new());
        for (name, range) in &y.dependencies {
            match x.dependencies.get(name) {
                None => fresh.push(format!("{} {}", quoted(name), quoted(range))),
                Some(before) if before != range => {
                    ranges.push(format!(
                        "{} {} instead of {}",
                        quoted(name),
                        quoted(range),
                        quoted(before)
                    ));
                }
                Some(_) => {}
            }
        }
        gone.extend(
            x.dependencies
                .keys()
                .filter(|n| !y.dependencies.contains_key(*n))
                .map(|n| quoted(n)),
        );
        for (case, verb, names) in [
            ("dependency", "asks for the packages", fresh),
            ("dependency-range", "asks for other versions:", ranges),
            ("dependency-removed", "no longer asks for the packages", gone),
        ] {
            if !names.is_empty() {
                let message = format!("{verb} {}", some(&names));
                let finding = Finding::new(code::DIFF_SCRIPT, Span::new(0, 0), message)
                    .case(case)
                    .key(names.join(" "));
                self.add(finding.evidence("names", Value::List(names)), old, Some(new));
            }
        }
        if let (Some(before), Some(after)) = (&x.version, &y.version)
            && before != after
        {
            let message = format!("version {} instead of {}", quoted(after), quoted(before));
            self.say(code::DIFF_CONTENT, "version", message, old, Some(new));
        }
    }

    fn entitlements(&mut self, x: &Inventory, y: &Inventory, old: &Node<'_>, new: &Node<'_>) {
        for entry in y.entitlements.difference(&x.entitlements) {
            let key = entry.split(" = ").next().unwrap_or(entry);
            let strong = STRONG.iter().any(|s| key.starts_with(s)) && !entry.ends_with("= false");
            let case = if strong { "strong" } else { "added" };
            let message = format!("has the entitlement {entry}");
            self.say(code::DIFF_ENTITLEMENT, case, message, Some(old), Some(new));
        }
        for entry in x.entitlements.difference(&y.entitlements) {
            let message = format!("no longer has the entitlement {entry}");
            self.say(code::DIFF_ENTITLEMENT, "removed", message, Some(old), Some(new));
        }
    }

    /// Sections that came or went; of code, that is worth a word.
    fn sections(&mut self, x: &Inventory, y: &Inventory, old: &Node<'_>, new: &Node<'_>) {
        if x.parts.is_empty() || y.parts.is_empty() {
            return;
        }
        let code_of = |held: &Inventory| -> BTreeSet<Box<str>> {
            let code = held.parts.iter().filter(|p| p.role == Role::Code);
            code.map(|p| Box::from(stem(&p.name))).collect()
        };
        self.list(
            code::DIFF_CONTENT,
            "code-region",
            "has the code regions",
            &code_of(x),
            &code_of(y),
            (Some(old), new),
        );
    }

    /// Something that one side alone has.
    fn alone(&mut self, node: &Node<'_>, added: bool) {
        let artifact = node.artifact;
        let (old, new) = if added { (None, Some(node)) } else { (Some(node), None) };
        let verb = if added { "added" } else { "removed" };
        let native = is_native(artifact.format);
        let case = match (added, native) {
            (true, true) if artifact.signed => "executable-signed",
            (true, true) => "executable",
            (true, false) => "added",
            (false, _) => "removed",
        };
        let message = format!("{verb}: {}, {} bytes", artifact.format, artifact.size);
        self.say(code::DIFF_CONTENT, case, message, old, new);
        if !added {
            return;
        }
        for judged in artifact.findings.iter().filter(|j| j.severity > Severity::Info) {
            self.finding(judged, None, node);
        }
        let before = Inventory::default();
        let Some(held) = artifact.inventory.as_deref() else {
            return;
        };
        self.callables(&before, held, None, node);
        // A package of its own among others brings commands; those it runs by itself are what matters.
        let mut scripts = Inventory::default();
        let lifecycle = held.scripts.iter().filter(|(stage, _)| !stage.starts_with("bin"));
        scripts.scripts = lifecycle
            .map(|(stage, command)| (stage.clone(), command.clone()))
            .collect();
        self.scripts(&before, &scripts, None, node);
    }
}

/// Who signed an artifact: publishers where a pin names them, else the subjects of the signers' certificates.
fn signers(artifact: &Artifact) -> BTreeSet<String> {
    let names = artifact
        .signatures
        .iter()
        .filter_map(|s| s.publisher.as_ref().or(s.signer.as_ref()));
    names.map(|name| printable(name.as_bytes())).collect()
}

/// What to say where no signer is on both sides.
fn signer_change(before: &BTreeSet<String>, after: &BTreeSet<String>) -> Option<(&'static str, String)> {
    let all = |names: &BTreeSet<String>| some(&names.iter().cloned().collect::<Vec<_>>());
    match (before.is_empty(), after.is_empty()) {
        (false, true) => {
            let message = format!("was signed by {} and has a signature of nobody now", all(before));
            Some(("lost", message))
        }
        (true, false) => Some((
            "gained",
            format!("is signed by {} and had a signature of nobody", all(after)),
        )),
        (false, false) if before.is_disjoint(after) => {
            let message = format!("is signed by {} instead of {}", all(after), all(before));
            Some(("changed", message))
        }
        _ => None,
    }
}

/// The name of a region without the number that tells it from others of its kind.
fn stem(name: &str) -> &str {
    name.trim_end_matches(|c: char| c.is_ascii_digit() || c == ' ' || c == '#')
}

/// Regions that came, went or have another length, shortened.
fn parts(x: &Inventory, y: &Inventory) -> Option<Vec<String>> {
    const MOST: usize = 64;
    let sizes = |held: &Inventory| -> BTreeMap<String, u64> {
        let mut sizes: BTreeMap<String, u64> = BTreeMap::new();
        for part in &held.parts {
            let size = sizes.entry(printable(part.name.as_bytes())).or_default();
            *size = size.saturating_add(part.span.len());
        }
        sizes
    };
    let (a, b) = (sizes(x), sizes(y));
    if a.is_empty() && b.is_empty() {
        return None;
    }
    let mut lines: Vec<(u64, String)> = Vec::new();
    for (name, size) in &b {
        match a.get(name) {
            None => lines.push((*size, format!("{name}: new, {size} bytes"))),
            Some(before) if before != size => {
                lines.push((
                    before.abs_diff(*size),
                    format!("{name}: {size} bytes instead of {before}"),
                ));
            }
            Some(_) => {}
        }
    }
    for (name, size) in a.iter().filter(|(name, _)| !b.contains_key(*name)) {
        lines.push((*size, format!("{name}: gone, {size} bytes")));
    }
    lines.sort_by(|x, y| y.0.cmp(&x.0).then_with(|| x.1.cmp(&y.1)));
    Some(lines.into_iter().take(MOST).map(|(_, line)| line).collect())
}

/// The first names of a list, and how many more there are.
fn some(names: &[String]) -> String {
    let first: Vec<&str> = names.iter().take(EXAMPLES).map(String::as_str).collect();
    match names.len().saturating_sub(EXAMPLES) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::signer_change;
    use std::collections::BTreeSet;

    #[test]
    fn a_signer_who_stays_is_no_change() {
        let set = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<BTreeSet<_>>();
        for (before, after, case) in [
            (&["CN=A"][..], &["CN=A"][..], None),
            (&["CN=A"], &["CN=A", "CN=B"], None),
            (&["CN=A"], &["CN=B"], Some("changed")),
            (&["CN=A"], &[], Some("lost")),
            (&[], &["CN=A"], Some("gained")),
            (&[], &[], None),
        ] {
            let told = signer_change(&set(before), &set(after)).map(|(case, _)| case);
            assert_eq!(told, case, "{before:?} {after:?}");
        }
    }
}
