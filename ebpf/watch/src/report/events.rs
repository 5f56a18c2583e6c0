//! `--events`: one JSON object a line, schema `probity.event/1` of the contract.
//!
//! Written are what no rule allows, what was denied, blocked or ambiguous, what begins and ends processes, and losses; with
//! `all` also what is declared. A repeated act is written once, and what the kernel side counted
//! of it afterwards in a line of its own at the end (`"flags": ["repeated"]`), so that the counts add up. The first write
//! error ends the writing; the report says so.

use super::clock::Clock;
use super::object::{Object, Subject};
use super::rules::Rules;
use crate::act::{Act, Kind, Verdict};
use crate::subject::Program;
use crate::tally::{By, Group};
use serde::Serialize;
use std::io::{self, BufWriter, Write};

/// The schema's name.
pub const SCHEMA: &str = "probity.event/1";

#[derive(Serialize)]
struct Line<'a> {
    schema: &'static str,
    time: String,
    seq: u64,
    kind: &'static str,
    verdict: &'static str,
    subject: Option<Subject>,
    object: Option<Object>,
    rule: Option<&'a str>,
    backend: Option<&'static str>,
    count: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    flags: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ret: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    child: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lost: Option<&'a str>,
}

/// What a report says about the events.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Debug)]
pub struct Written {
    /// Lines written.
    pub lines: u64,
    /// Lines that were not written because an earlier one could not be.
    pub unwritten: u64,
    /// Why.
    pub error: Option<String>,
}

/// Writes events to where `--events` says.
pub struct EventWriter {
    out: BufWriter<Box<dyn Write + Send>>,
    clock: Clock,
    all: bool,
    written: Written,
}

impl EventWriter {
    /// Writes to `out`, every act with `all`.
    pub fn new(out: Box<dyn Write + Send>, clock: Clock, all: bool) -> Self {
        Self {
            out: BufWriter::with_capacity(1 << 16, out),
            clock,
            all,
            written: Written::default(),
        }
    }

    /// Writes to a path, or to a descriptor that the caller was started with (`fd:3`), of which a duplicate is taken.
    ///
    /// # Errors
    /// A path that cannot be created, a descriptor that is not open.
    pub fn open(target: &str, clock: Clock, all: bool) -> io::Result<Self> {
        Ok(Self::new(
            Box::new(super::target::open(target)?) as Box<dyn Write + Send>,
            clock,
            all,
        ))
    }

    /// Writes an act as it was judged in the end, unless its kind and verdict are not asked for.
    pub fn act(&mut self, act: &Act, program: Option<&Program>, host: Option<&str>, rules: &Rules) {
        if self.wants(act) {
            let (exit_code, signal) = act.ended().unwrap_or_default();
            let line = self.line(act, program, host, rules);
            self.put(Line {
                child: act.forked().map(|child| child.tgid),
                exit_code,
                signal,
                object: line.object.filter(|_| !act.kind.is_notice()),
                ..line
            });
        }
    }

    /// Writes what the kernel side counted of a group's acts without sending them, if it did.
    pub fn repeated(&mut self, group: &Group, rules: &Rules) {
        let key = &group.key;
        if group.repeated == 0 || !(self.all || key.verdict != Verdict::Declared) {
            return;
        }
        let program = key.program.as_deref();
        self.put(Line {
            schema: SCHEMA,
            time: self.clock.rfc3339(group.last),
            seq: 0,
            kind: key.kind.word(),
            verdict: key.verdict.word(),
            subject: Some(Subject::of(&group.first_by, program)),
            object: Some(Object::new(key.kind, &key.item, key.access, group.file)),
            rule: key.rule.and_then(|rule| rules.get(rule)),
            backend: Some(group.backend.word()),
            count: group.repeated,
            flags: group.flags.words().chain(["repeated"]).collect(),
            missing: group.missing.words().collect(),
            ret: None,
            uid: None,
            child: None,
            exit_code: None,
            signal: None,
            lost: None,
        });
    }

    /// Writes that acts were lost at `place`.
    pub fn lost(&mut self, time: u64, place: &str, count: u64) {
        self.put(Line {
            schema: SCHEMA,
            time: self.clock.rfc3339(time),
            seq: 0,
            kind: Kind::LOST.word(),
            verdict: Verdict::Ambiguous.word(),
            subject: None,
            object: None,
            rule: None,
            backend: None,
            count,
            flags: Vec::new(),
            missing: Vec::new(),
            ret: None,
            uid: None,
            child: None,
            exit_code: None,
            signal: None,
            lost: Some(place),
        });
    }

    /// Hands on what is buffered: after every drain, so that a reader is not behind.
    pub fn flush(&mut self) {
        if self.written.error.is_none()
            && let Err(error) = self.out.flush()
        {
            self.written.error = Some(error.to_string());
        }
    }

    /// Whether and why writing ended early. Flush first.
    #[must_use]
    pub fn written(&self) -> &Written {
        &self.written
    }

    fn wants(&self, act: &Act) -> bool {
        match act.kind {
            Kind::NET_DNS => false,
            kind => self.all || act.verdict != Verdict::Declared || kind.is_lifecycle() || kind == Kind::LOST,
        }
    }

    fn line<'a>(&self, act: &Act, program: Option<&Program>, host: Option<&str>, rules: &'a Rules) -> Line<'a> {
        Line {
            schema: SCHEMA,
            time: self.clock.rfc3339(act.time),
            seq: 0,
            kind: act.kind.word(),
            verdict: act.verdict.word(),
            subject: Some(Subject::of(&By::of(act), program)),
            object: Some(Object::of(act, host)),
            rule: act.rule.and_then(|rule| rules.get(rule)),
            backend: Some(act.backend.word()),
            count: 1,
            flags: act.flags.words().collect(),
            missing: act.missing.words().collect(),
            ret: (act.ret != 0).then_some(act.ret),
            uid: Some(act.uid),
            child: None,
            exit_code: None,
            signal: None,
            lost: None,
        }
    }

    fn put(&mut self, mut line: Line<'_>) {
        if self.written.error.is_some() {
            self.written.unwritten += 1;
            return;
        }
        line.seq = self.written.lines + 1;
        let written = serde_json::to_writer(&mut self.out, &line).map_err(io::Error::from);
        match written.and_then(|()| self.out.write_all(b"\n")) {
            Ok(()) => self.written.lines += 1,
            Err(error) => {
                self.written.unwritten += 1;
                self.written.error = Some(error.to_string());
            }
        }
    }
}
