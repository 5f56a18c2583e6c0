//! One run, event by event: what was drained goes in, what is to be read comes out.

use super::clock::Clock;
use super::document::Report;
use super::events::EventWriter;
use super::facts::Facts;
use super::rules::Rules;
use crate::act::{Act, DecodeError, Verdict};
use crate::names::Names;
use crate::subject::{Programs, Subjects};
use crate::tally::{COUNTERS, Tally};
use probity_abi::state::{Seen, SeenKey};

/// Decides on an undeclared act to an address with the name behind it (`None`: no name is known): the rule that allows it.
/// Asked once for each name, the newest first, and last without one.
pub type Decide<'a> = dyn FnMut(&Act, Option<&str>) -> Option<u16> + 'a;

/// Everything known of a run so far.
pub struct Journal {
    /// Who.
    pub subjects: Subjects,
    /// The names behind addresses.
    pub names: Names,
    /// What, merged.
    pub tally: Tally,
    rules: Rules,
    clock: Clock,
    events: Option<EventWriter>,
}

impl Journal {
    /// Nothing yet.
    #[must_use]
    pub fn new(rules: Rules, clock: Clock, events: Option<EventWriter>) -> Self {
        let (subjects, names, tally) = (Subjects::default(), Names::default(), Tally::default());
        Self {
            subjects,
            names,
            tally,
            rules,
            clock,
            events,
        }
    }

    /// Takes in one event. Events must come in the order of time: a name counts for what is connected after its answer.
    /// Gives the act as it was judged in the end.
    ///
    /// # Errors
    /// Bytes that are no event. They are counted as lost, so that the run is incomplete.
    pub fn absorb(
        &mut self,
        bytes: &[u8],
        programs: &mut dyn Programs,
        decide: &mut Decide<'_>,
    ) -> Result<Act, DecodeError> {
        let mut act = Act::decode(bytes).inspect_err(|_| self.tally.lose("decoding", 1))?;
        // Who did it is what ran before the act: an exec is the act of the program that calls it.
        let before = self.subjects.program(act.process).cloned();
        self.subjects.absorb(&act, programs);
        let program = before.or_else(|| self.subjects.program(act.process).cloned());
        self.names.absorb(&act);
        let host = self.decide(&mut act, decide);
        // A start was judged as an act of the program that called it; this only says what the process is from now on.
        if !act.only_tells() {
            self.tally.absorb(&act, program.as_ref(), host.as_deref());
        }
        if act.only_tells() && act.verdict != Verdict::Declared {
            return Ok(act);
        }
        if let Some(events) = &mut self.events {
            events.act(&act, program.as_deref(), host.as_deref(), &self.rules);
        }
        Ok(act)
    }

    /// Takes what the kernel side counted, at any time and at the end; numbers only grow. See [`Tally`].
    pub fn absorb_counts(&mut self, seen: impl IntoIterator<Item = (SeenKey, Seen)>, counters: &[u64; COUNTERS]) {
        self.tally.absorb_counts(seen);
        for (place, lost) in self.tally.absorb_counters(counters) {
            if let Some(events) = &mut self.events {
                events.lost(Clock::now(), place, lost);
            }
        }
    }

    /// Hands on buffered events.
    pub fn flush(&mut self) {
        if let Some(events) = &mut self.events {
            events.flush();
        }
    }

    /// Ends the run: writes what was counted of repeated acts, and puts the report together.
    #[must_use]
    pub fn finish(self, facts: Facts) -> Report {
        self.conclude(facts).0
    }

    /// Like [`Self::finish`], with every group that the report was put together from.
    #[must_use]
    pub fn conclude(mut self, mut facts: Facts) -> (Report, Tally) {
        if let Some(events) = &mut self.events {
            for group in self.tally.groups() {
                events.repeated(group, &self.rules);
            }
            events.flush();
        }
        if self.subjects.turned_away() > 0 {
            facts.incomplete.push(format!(
                "{} processes more than are told apart",
                self.subjects.turned_away()
            ));
        }
        if self.names.forgotten() > 0 {
            facts.notes.push(format!(
                "the names of {} addresses were forgotten for want of room",
                self.names.forgotten()
            ));
        }
        let written = self.events.as_ref().map(EventWriter::written);
        let report = Report::new(facts, &self.tally, &self.rules, self.clock, written);
        (report, self.tally)
    }

    /// The name to write for an act, and with it, where no rule for addresses allows the act, what the rules for names say.
    fn decide(&self, act: &mut Act, decide: &mut Decide<'_>) -> Option<String> {
        let (ip, _) = act.object.address().filter(|_| act.kind.has_peer())?;
        let mut hosts: Vec<Option<&str>> = self.names.hosts(ip, act.time).map(Some).collect();
        hosts.push(None);
        let mut shown = hosts.first().copied().flatten();
        if act.verdict == Verdict::Undeclared
            && let Some((host, rule)) = hosts.iter().find_map(|host| Some((*host, decide(act, *host)?)))
        {
            (act.verdict, act.rule, act.missing) = (Verdict::Declared, Some(rule), crate::act::Access::default());
            shown = host.or(shown);
        }
        shown.map(str::to_owned)
    }
}
