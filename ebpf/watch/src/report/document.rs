//! `--report`: one JSON document, schema `probity.watch/1`.
//!
//! It holds every group of acts that is not declared, and the declared ones that were seen most. It carries the verdict and
//! CMD's exit apart, because CMD may itself return one of the watcher's codes.

use super::clock::Clock;
use super::events::Written;
use super::facts::{Attached, Blind, Facts, Inherited, Lingering, Observable, ProgramUse, Uncovered};
use super::object::{self, Object};
use super::rules::Rules;
use super::text::{count, printable, unless_utf8, utf8};
use super::verdict::{Ended, Outcome, Verdict, exit_code};
use crate::act;
use crate::tally::{Group, Tally};
use probity_abi::state::counter;
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// The schema's name.
pub const SCHEMA: &str = "probity.watch/1";
/// Declared objects that are listed.
const DECLARED_LISTED: usize = 1_000;

/// What made the report.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
pub struct Tool {
    /// `probity`.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
}

/// One group of acts.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
pub struct Entry {
    /// Their kind.
    pub kind: &'static str,
    /// What the declared set says of them.
    pub verdict: &'static str,
    /// What they were done to, in one line with control characters escaped.
    pub name: String,
    /// The same, field by field.
    pub object: Object,
    /// The rule that decided.
    pub rule: Option<String>,
    /// The program that did them; null when it is not known or not UTF-8.
    pub exe: Option<String>,
    /// The same in Base64 when it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exe_b64: Option<String>,
    /// SHA-256 of that program.
    pub exe_sha256: Option<String>,
    /// Processes that did them, at most 64.
    pub processes: usize,
    /// How many acts.
    pub count: u64,
    /// When the first happened.
    pub first: String,
    /// What saw them.
    pub backend: &'static str,
    /// What no rule allows of the access.
    pub missing: Vec<&'static str>,
    /// What is peculiar about them.
    pub flags: Vec<&'static str>,
    /// The group's own verdict, for sorting and colours.
    #[serde(skip)]
    pub judged: act::Verdict,
    /// Path of the file or unix socket as it is, for merging by directory.
    #[serde(skip)]
    pub path: Option<Vec<u8>>,
}

/// How often a rule decided.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
pub struct RuleUse {
    /// The rule, `file:line`.
    pub rule: String,
    /// How often; null when the kernel side did not count it.
    pub used: Option<u64>,
}

/// Acts that a rule allows: most are counted in the kernel only.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Debug)]
pub struct Sums {
    /// All of them.
    pub acts: u64,
    /// Those that the verdict cache answered.
    pub cached: u64,
    /// Those that were sent.
    pub sent: u64,
}

/// The document.
#[derive(Clone, PartialEq, Serialize, Debug)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// What made it.
    pub tool: Tool,
    /// The verdict.
    pub verdict: Verdict,
    /// Why it is incomplete, or was one besides being a violation.
    pub reasons: Vec<String>,
    /// Why the watcher failed.
    pub failed: Option<String>,
    /// CMD and its arguments.
    pub cmd: Vec<String>,
    /// What was attached to, where there is no CMD.
    pub attached: Option<Attached>,
    /// CMD's exit code; null when it was ended by a signal or not run.
    pub cmd_exit: Option<u8>,
    /// The signal that ended CMD.
    pub signal: Option<u8>,
    /// What the watcher exits with.
    pub exit_code: u8,
    /// When CMD was started.
    pub started: String,
    /// How long it took.
    pub seconds: f64,
    /// Whether CMD could not end or blind the watcher.
    pub contained: bool,
    /// Whether there was a declared set.
    pub declared_set: bool,
    /// Acts sent, by backend and kind.
    pub backends: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
    /// What was proved to be seen on this host.
    pub observable: Vec<Observable>,
    /// What could not be seen.
    pub blind: Vec<Blind>,
    /// Acts by kind and verdict, repeated ones included; declared ones only where they were sent.
    pub counts: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
    /// Declared acts.
    pub declared: Sums,
    /// Groups of acts, the worst first.
    pub objects: Vec<Entry>,
    /// Declared groups that are not listed.
    pub objects_omitted: usize,
    /// Every rule.
    pub rules: Vec<RuleUse>,
    /// Rules that decided nothing; null when that is not known.
    pub unused_rules: Option<Vec<String>>,
    /// Acts lost, by place.
    pub lost: BTreeMap<String, u64>,
    /// Acts that could not be told with certainty.
    pub ambiguous: u64,
    /// Descriptors that CMD got.
    pub inherited: Vec<Inherited>,
    /// Processes that lived on.
    pub lingering: Vec<Lingering>,
    /// What was already open when watching began.
    pub uncovered: Vec<Uncovered>,
    /// What became of `--events`, if they were asked for.
    pub events: Option<Written>,
    /// What the programs of the kernel side cost.
    pub programs: Vec<ProgramUse>,
    /// Anything else.
    pub notes: Vec<String>,
}

impl Report {
    /// Puts together what is known at the end of a run.
    #[must_use]
    pub fn new(facts: Facts, tally: &Tally, rules: &Rules, clock: Clock, events: Option<&Written>) -> Self {
        let reasons = reasons(&facts, tally, events);
        let wrong = [act::Verdict::Blocked, act::Verdict::Denied, act::Verdict::Undeclared];
        let verdict = if facts.declared_set && wrong.iter().any(|v| tally.total(*v) > 0) {
            Verdict::Violation
        } else if reasons.is_empty() {
            Verdict::Clean
        } else {
            Verdict::Incomplete
        };
        let outcome = Outcome {
            failed: facts.failed.is_some(),
            verdict,
            cmd: facts.ended,
        };
        let (objects, objects_omitted) = objects(tally, rules, clock);
        let mut notes = facts.notes;
        if tally.coarse() > 0 {
            notes.push(format!(
                "{} to more objects than are told apart: counted by directory and kind",
                count(tally.coarse(), "act")
            ));
        }
        let known = tally.knows_rule_uses();
        let used = |rule| Some(tally.rule_uses(rule)).filter(|used| known || *used > 0);
        Self {
            schema: SCHEMA,
            tool: Tool {
                name: "probity",
                version: env!("CARGO_PKG_VERSION"),
            },
            verdict,
            reasons,
            failed: facts.failed,
            cmd: facts.cmd,
            attached: facts.attached,
            cmd_exit: if let Ended::Exited(code) = facts.ended {
                Some(code)
            } else {
                None
            },
            signal: if let Ended::Signalled(signal) = facts.ended {
                Some(signal)
            } else {
                None
            },
            exit_code: exit_code(outcome),
            started: clock.rfc3339(facts.started),
            seconds: facts.seconds,
            contained: facts.contained,
            declared_set: facts.declared_set,
            backends: nested(
                tally
                    .backends()
                    .iter()
                    .map(|((backend, kind), n)| (backend.word(), kind.word(), *n)),
            ),
            observable: facts.observable,
            blind: facts.blind,
            counts: nested(
                tally
                    .counts()
                    .iter()
                    .map(|((kind, verdict), n)| (kind.word(), verdict.word(), *n)),
            ),
            declared: Sums {
                acts: tally.counter(counter::DECLARED),
                cached: tally.counter(counter::CACHED),
                sent: tally.total(act::Verdict::Declared),
            },
            objects,
            objects_omitted,
            rules: rules
                .iter()
                .map(|(n, rule)| RuleUse {
                    rule: rule.to_owned(),
                    used: used(n),
                })
                .collect(),
            unused_rules: known.then(|| {
                rules
                    .iter()
                    .filter(|(n, _)| tally.rule_uses(*n) == 0)
                    .map(|(_, rule)| rule.to_owned())
                    .collect()
            }),
            lost: tally.lost().clone(),
            ambiguous: tally.ambiguous(),
            inherited: facts.inherited,
            lingering: facts.lingering,
            uncovered: facts.uncovered,
            events: events.cloned(),
            programs: facts.programs,
            notes,
        }
    }

    /// The document as text, with a line feed at its end.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Maps with string keys and plain values: there is nothing that JSON cannot hold.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

/// Why not everything is known.
fn reasons(facts: &Facts, tally: &Tally, events: Option<&Written>) -> Vec<String> {
    let mut reasons: Vec<String> = tally
        .lost()
        .iter()
        .filter(|(_, n)| **n > 0)
        .map(|(place, n)| format!("{} lost: {place}", count(*n, "act")))
        .collect();
    if tally.ambiguous() > 0 {
        reasons.push(format!(
            "{} could not be told with certainty",
            count(tally.ambiguous(), "act")
        ));
    }
    if tally.unattributed() > 0 {
        reasons.push(format!(
            "{} repeat one that never arrived",
            count(tally.unattributed(), "act")
        ));
    }
    reasons.extend(
        facts
            .blind
            .iter()
            .filter(|b| b.matters)
            .map(|b| format!("{} cannot be seen: {}", b.act, b.reason)),
    );
    if let Some(Written {
        error: Some(error),
        unwritten,
        ..
    }) = events
    {
        reasons.push(format!(
            "the events were not written to their end ({} missing): {error}",
            count(*unwritten, "line")
        ));
    }
    reasons.extend(facts.incomplete.iter().cloned());
    reasons
}

/// The groups to list, the worst first, and how many declared ones are left out.
fn objects(tally: &Tally, rules: &Rules, clock: Clock) -> (Vec<Entry>, usize) {
    let mut groups: Vec<&Group> = tally.groups().iter().collect();
    groups.sort_by(|a, b| {
        let of = |g: &Group| (g.key.verdict, Reverse(g.count));
        of(a)
            .cmp(&of(b))
            .then_with(|| a.key.item.cmp(&b.key.item))
            .then_with(|| a.first.cmp(&b.first))
    });
    let wrong = groups
        .iter()
        .take_while(|g| g.key.verdict != act::Verdict::Declared)
        .count();
    let listed = groups.len().min(wrong + DECLARED_LISTED);
    let entries = groups
        .iter()
        .take(listed)
        .map(|group| entry(group, rules, clock))
        .collect();
    (entries, groups.len() - listed)
}

fn entry(group: &Group, rules: &Rules, clock: Clock) -> Entry {
    let key = &group.key;
    let program = key.program.as_deref();
    Entry {
        kind: key.kind.word(),
        verdict: key.verdict.word(),
        name: object::line(key.kind, &key.item),
        object: Object::new(key.kind, &key.item, key.access, group.file),
        rule: key
            .rule
            .map(|rule| rules.get(rule).map_or_else(|| format!("rule {rule}"), str::to_owned)),
        exe: program.and_then(|p| utf8(&p.path)),
        exe_b64: program.and_then(|p| unless_utf8(&p.path)),
        exe_sha256: program.and_then(|p| p.sha256.clone()),
        processes: group.processes().0,
        count: group.count,
        first: clock.rfc3339(group.first),
        backend: group.backend.word(),
        missing: group.missing.words().collect(),
        flags: group.flags.words().collect(),
        judged: key.verdict,
        path: key.item.path().map(<[u8]>::to_vec),
    }
}

impl Entry {
    /// The program that did it, for people.
    pub(super) fn who(&self) -> String {
        match (&self.exe, &self.exe_b64) {
            (Some(exe), _) => printable(exe.as_bytes()),
            (None, Some(encoded)) => format!("base64:{encoded}"),
            (None, None) => "(unknown program)".to_owned(),
        }
    }
}

fn nested(
    rows: impl Iterator<Item = (&'static str, &'static str, u64)>,
) -> BTreeMap<&'static str, BTreeMap<&'static str, u64>> {
    let mut out: BTreeMap<&'static str, BTreeMap<&'static str, u64>> = BTreeMap::new();
    for (outer, inner, n) in rows {
        let sum = out.entry(outer).or_default().entry(inner).or_default();
        *sum = sum.saturating_add(n);
    }
    out
}
