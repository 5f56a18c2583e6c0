//! Scripts: text whose first line names its interpreter (`#!`, as execve(2) reads it).
//!
//! Never surer than likely: a zipapp begins with such a line and is a ZIP. A script that carries an archive behind its
//! text (makeself, conda installers) is claimed whole as text; that binary follows is seen by the sweep and judged there.

use super::text::Encoding;
use super::{Format, Input, Parse};
use crate::identify::{Match, Probe};
use crate::ledger::Role;

/// A script.
pub(super) struct Script;

impl Format for Script {
    fn id(&self) -> &'static str {
        "script"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let line = interpreter_line(probe.head)?;
        // Binary right behind the line is something else (a zipapp, a .pyz of another kind).
        let text = Encoding::of_probe(probe).is_some() || Encoding::of(line, true).is_some();
        text.then_some(Match::LIKELY)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.leaf(input.whole(), Role::Text, "script");
    }
}

/// The first line, when it is `#!`, blanks, and an absolute path of an interpreter.
fn interpreter_line(head: &[u8]) -> Option<&[u8]> {
    let rest = head.strip_prefix(b"#!")?;
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let line = rest.get(..end)?;
    // Kernels read 127 to 255 bytes; env -S lines are longer than that in no real script.
    let path = line.trim_ascii();
    let absolute = path.starts_with(b"/") || (path.starts_with(b"env ") || path == b"env");
    (absolute && line.len() <= 4096).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_names_its_interpreter_in_its_first_line() {
        for (head, expected) in [
            (&b"#!/bin/sh\ntrue\n"[..], true),
            (b"#! /usr/bin/env node\n", true),
            (b"#!/usr/bin/env -S python3 -u\n\0\0\x01", true),
            (b"#!env node\n", true),
            (b"#!/bin/sh", true),
            (b"#![allow(missing_docs)]\n", false),
            (b"#!python\n", false),
            (b"# !/bin/sh\n", false),
            (b"#!/bin/\0sh\n", false),
            (b"#!", false),
        ] {
            let probe = Probe::new(head, head, u64::try_from(head.len()).unwrap());
            assert_eq!(
                Script.identify(&probe).is_some(),
                expected,
                "{}",
                String::from_utf8_lossy(head)
            );
        }
    }
}
