//! A second opinion on the load commands: goblin's reader over the same bytes.

use super::command::Command;
use super::entry::Entry;
use super::header::Header;
use crate::finding::{Finding, code};
use crate::format::Parse;
use crate::name::printable;
use crate::span::Span;
use goblin::mach::load_command::{CommandVariant, LoadCommand};
use object::macho as raw;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What both readers say about a file, to be compared.
#[derive(Debug, Default, PartialEq, Eq)]
struct Reading {
    /// Name, file range and addresses of each segment.
    segments: Vec<([u8; 16], [u64; 4])>,
    entry: Option<Entry>,
    commands: usize,
}

/// Compares our reading of `commands` with goblin's of the same `bytes`.
pub(super) fn compare(header: &Header, head: &[u8], bytes: &[u8], commands: &[Command<'_>], out: &mut Parse) {
    let span = Span::saturating_at(header.size(), u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    let complete = u32::try_from(commands.len()) == Ok(header.ncmds);
    let theirs = catch_unwind(AssertUnwindSafe(|| theirs(header, head, bytes))).unwrap_or(None);
    let finding = |message: String| Finding::new(code::READER_DISAGREEMENT, span, message).evidence("reader", "goblin");
    match (theirs, complete) {
        (None, true) => {
            let message = "goblin does not read the load commands that Probity reads".to_owned();
            out.finding(finding(message).case("rejects").key("rejects"));
        }
        (Some(_), false) => {
            let message = "goblin reads all load commands, Probity rejects them".to_owned();
            out.finding(finding(message).case("accepts").key("accepts"));
        }
        (Some(theirs), true) => differences(&ours(header, commands), &theirs, finding, out),
        (None, false) => {}
    }
}

fn differences(ours: &Reading, theirs: &Reading, finding: impl Fn(String) -> Finding, out: &mut Parse) {
    if ours.segments.len() != theirs.segments.len() || ours.commands != theirs.commands {
        let message = format!(
            "Probity reads {} segments in {} commands, goblin {} in {}",
            ours.segments.len(),
            ours.commands,
            theirs.segments.len(),
            theirs.commands
        );
        out.finding(finding(message).case("extent").key("commands"));
    }
    for ((name, place), (their_name, their_place)) in ours.segments.iter().zip(&theirs.segments) {
        let shown = printable(super::fields::until_nul(name));
        if name != their_name {
            let other = printable(super::fields::until_nul(their_name));
            let message = format!("segment {shown} is called {other} by goblin");
            out.finding(finding(message).case("name").key(shown.clone()));
        }
        if place != their_place {
            let message =
                format!("segment {shown} has address, size, offset and size {place:x?}, by goblin {their_place:x?}");
            out.finding(finding(message).case("extent").key(shown));
        }
    }
    // goblin knows the thread states of fewer processors: that it says nothing is no contradiction.
    if theirs.entry.is_some() && ours.entry != theirs.entry {
        let message = format!(
            "execution starts at {:x?}, by goblin at {:x?}",
            ours.entry, theirs.entry
        );
        out.finding(finding(message).case("extent").key("entry"));
    }
}

/// Our reading.
fn ours(header: &Header, commands: &[Command<'_>]) -> Reading {
    let mut reading = Reading {
        commands: commands.len(),
        ..Reading::default()
    };
    for command in commands {
        let fields = &command.fields;
        let (wide, words) = match command.cmd {
            raw::LC_SEGMENT => (false, [24usize, 28, 32, 36]),
            raw::LC_SEGMENT_64 => (true, [24, 32, 40, 48]),
            _ => {
                reading.entry = reading.entry.or_else(|| Entry::read(header, command));
                continue;
            }
        };
        let name = fields.bytes.get(8..24).and_then(|name| name.try_into().ok());
        if let (Some(name), [Some(a), Some(b), Some(c), Some(d)]) = (name, words.map(|at| fields.word(at, wide))) {
            reading.segments.push((name, [a, b, c, d]));
        }
    }
    reading
}

/// goblin's reading; `None` when it does not accept the commands.
fn theirs(header: &Header, head: &[u8], bytes: &[u8]) -> Option<Reading> {
    let (_, context) = goblin::mach::parse_magic_and_ctx(head, 0).ok()?;
    let order = context?.le;
    let mut reading = Reading::default();
    let mut at = 0usize;
    for _ in 0..header.ncmds {
        let before = at;
        let command = LoadCommand::parse(bytes, &mut at, order).ok()?;
        if at <= before {
            return None;
        }
        reading.commands = reading.commands.saturating_add(1);
        match command.command {
            CommandVariant::Segment32(s) => {
                let place = [s.vmaddr, s.vmsize, s.fileoff, s.filesize].map(u64::from);
                reading.segments.push((s.segname, place));
            }
            CommandVariant::Segment64(s) => {
                reading
                    .segments
                    .push((s.segname, [s.vmaddr, s.vmsize, s.fileoff, s.filesize]));
            }
            CommandVariant::Main(main) => reading.entry = reading.entry.or(Some(Entry::Offset(main.entryoff))),
            CommandVariant::Unixthread(thread) => {
                let address = thread.instruction_pointer(header.cputype).ok().map(Entry::Address);
                reading.entry = reading.entry.or(address);
            }
            _ => {}
        }
    }
    Some(reading)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(change: impl FnOnce(&mut Reading)) -> Vec<(Option<&'static str>, String)> {
        let segment = |name: &[u8; 16], at| (*name, [at, 0x1000, at, 0x1000]);
        let reading = || Reading {
            segments: vec![
                segment(b"__TEXT\0\0\0\0\0\0\0\0\0\0", 0),
                segment(b"__LINKEDIT\0\0\0\0\0\0", 0x1000),
            ],
            entry: Some(Entry::Offset(0x200)),
            commands: 5,
        };
        let mut theirs = reading();
        change(&mut theirs);
        let mut out = Parse::new("macho");
        let finding = |message: String| Finding::new(code::READER_DISAGREEMENT, Span::new(0, 8), message);
        differences(&reading(), &theirs, finding, &mut out);
        out.findings().iter().map(|f| (f.case, f.key.clone())).collect()
    }

    #[test]
    fn each_difference_is_reported_and_agreement_is_not() {
        assert!(found(|_| {}).is_empty());
        assert!(found(|r| r.entry = None).is_empty());
        let one = |case, key: &str| vec![(Some(case), key.to_owned())];
        assert_eq!(found(|r| r.commands = 4), one("extent", "commands"));
        assert_eq!(found(|r| r.segments.truncate(1)), one("extent", "commands"));
        assert_eq!(found(|r| r.segments[0].0[2] = b'X'), one("name", "__TEXT"));
        assert_eq!(found(|r| r.segments[1].1[3] = 0x2000), one("extent", "__LINKEDIT"));
        assert_eq!(found(|r| r.entry = Some(Entry::Offset(0x300))), one("extent", "entry"));
        assert_eq!(found(|r| r.entry = Some(Entry::Address(0x200))), one("extent", "entry"));
    }

    #[test]
    fn a_command_too_short_for_goblin_is_noted() {
        for (cmd, expected) in [(0x2u8, Some("rejects")), (0x77, None)] {
            let head = [
                &[
                    0xcf, 0xfa, 0xed, 0xfe, 7, 0, 0, 1, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 8,
                ][..],
                &[0; 11],
            ]
            .concat();
            let bytes = [cmd, 0, 0, 0, 8, 0, 0, 0];
            let header = Header::read(&head).unwrap();
            let mut out = Parse::new("macho");
            let commands = super::super::command::walk(&header, &bytes, &mut out);
            compare(&header, &head, &bytes, &commands, &mut out);
            let found = out.findings().iter().find(|f| f.code == code::READER_DISAGREEMENT);
            assert_eq!(found.and_then(|f| f.case), expected);
        }
    }
}
