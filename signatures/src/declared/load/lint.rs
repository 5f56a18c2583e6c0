//! Rules that load and cannot mean what they say: allowed and denied at once, denied before they are reached, empty.

use super::Sited;
use super::merge::Merged;
use crate::declared::access::Access;
use crate::declared::diagnostic::{Diagnostic, Source};
use crate::declared::pattern::Pattern;
use crate::declared::rule::{Family, NetDeny, RuleRef};
use std::ops::Range;

/// A pattern of a rule: what it allows or denies, and where it stands.
struct Said<'m> {
    pattern: &'m Pattern,
    allow: Access,
    deny: Access,
    at: &'m RuleRef,
    span: &'m Range<usize>,
}

pub(super) fn lint(texts: &[(&str, &str)], merged: &Merged, found: &mut Vec<Diagnostic>) {
    let mut notes = Notes { texts, found };
    let files: Vec<Said<'_>> = merged
        .files
        .iter()
        .flat_map(|s| said(s, &s.rule.at, &s.rule.paths, s.rule.allow, s.rule.deny, 0))
        .collect();
    notes.shadowed(&files);
    let mut execs = Vec::new();
    for sited in &merged.execs {
        let rule = &sited.rule;
        execs.extend(said(sited, &rule.at, &rule.paths, Access::EXEC, Access::NONE, 0));
        execs.extend(said(
            sited,
            &rule.at,
            &rule.deny,
            Access::NONE,
            Access::EXEC,
            rule.paths.len(),
        ));
    }
    notes.shadowed(&execs);
    // A socket has one access, and a rule either way: the bit only stands for it.
    let mut sockets = Vec::new();
    for sited in &merged.unixes {
        let rule = &sited.rule;
        sockets.extend(said(sited, &rule.at, &rule.paths, Access::WRITE, Access::NONE, 0));
        sockets.extend(said(
            sited,
            &rule.at,
            &rule.deny,
            Access::NONE,
            Access::WRITE,
            rule.paths.len(),
        ));
    }
    notes.shadowed(&sockets);
    for sited in merged.nets.iter().filter(|s| s.rule.ports.is_empty()) {
        let help = "write ports = [443], or ports = [\"*\"] for all";
        notes.warn(
            &sited.rule.at,
            &sited.header,
            "this entry names no port and allows nothing",
            help,
        );
    }
    if let Some(declared) = &merged.declared {
        let policy = &declared.net_policy;
        for (family, at) in policy.families.iter().flatten() {
            let denied = match family {
                Family::Packet => NetDeny::Packet,
                Family::Vsock => NetDeny::Vsock,
                _ => continue,
            };
            if let Some((_, by)) = policy.deny.iter().find(|(deny, _)| *deny == denied) {
                let title = format!("`{family}` sockets are allowed here and denied at {by}: deny wins");
                notes.warn_line(at, &title, "take it out of `families`");
            }
        }
    }
}

fn said<'m, R>(
    sited: &'m Sited<R>,
    at: &'m RuleRef,
    patterns: &'m [Pattern],
    allow: Access,
    deny: Access,
    skip: usize,
) -> impl Iterator<Item = Said<'m>> {
    let spans = sited.spans.iter().skip(skip);
    patterns.iter().zip(spans).map(move |(pattern, span)| Said {
        pattern,
        allow,
        deny,
        at,
        span,
    })
}

struct Notes<'t, 'f> {
    texts: &'t [(&'t str, &'t str)],
    found: &'f mut Vec<Diagnostic>,
}

impl Notes<'_, '_> {
    /// Patterns that are allowed in vain.
    fn shadowed(&mut self, all: &[Said<'_>]) {
        let denies: Vec<&Said<'_>> = all.iter().filter(|s| !s.deny.is_empty()).collect();
        let mut told: Option<(&RuleRef, &Range<usize>)> = None;
        for said in all.iter().filter(|s| !s.allow.is_empty()) {
            // One text may stand for many patterns: it is told of once.
            if told == Some((said.at, said.span)) {
                continue;
            }
            for by in &denies {
                let both = said.allow & by.deny;
                if both.is_empty() || by.at == said.at && by.span == said.span {
                    continue;
                }
                let same = by.pattern.as_str() == said.pattern.as_str();
                let whole = both == said.allow && (same || by.pattern.includes(said.pattern));
                if !whole && !same {
                    continue;
                }
                let what = said.pattern;
                let act = if said.allow.contains(Access::EXEC) {
                    "it".to_owned()
                } else {
                    both.to_string()
                };
                let title = match (whole, same) {
                    (true, false) => format!("`{what}` can never be allowed: `{}` is denied at {}", by.pattern, by.at),
                    _ => format!("`{what}` is allowed here and denied at {} ({act}): deny wins", by.at),
                };
                self.warn(said.at, said.span, &title, "take one of the two out");
                told = Some((said.at, said.span));
                break;
            }
        }
    }

    fn warn(&mut self, at: &RuleRef, span: &Range<usize>, title: &str, help: &str) {
        let Some((file, text)) = self.texts.iter().find(|(file, _)| *file == at.file) else {
            return;
        };
        let mut source = Source::new(file, text);
        source.warning(span.clone(), title, help);
        self.found.append(&mut source.found);
    }

    /// A warning about a whole line.
    fn warn_line(&mut self, at: &RuleRef, title: &str, help: &str) {
        let text = self
            .texts
            .iter()
            .find(|(file, _)| *file == at.file)
            .map_or("", |(_, text)| text);
        let before = usize::try_from(at.line).unwrap_or(1).saturating_sub(1);
        let start: usize = text.split_inclusive('\n').take(before).map(str::len).sum();
        let line = text
            .get(start..)
            .and_then(|rest| rest.lines().next())
            .unwrap_or_default();
        let indent = line.len() - line.trim_start().len();
        self.warn(at, &(start + indent..start + line.trim_end().len()), title, help);
    }
}
