//! How an executable is mapped and where it starts.

use super::{Closing, Inspector};
use crate::fact::Fact;
use crate::finding::{Finding, Findings, code};
use crate::span::Span;

/// `writable-executable`, `suspicious-entry`.
pub(super) struct Segments;

impl Inspector for Segments {
    fn inspect(&self, artifact: &Closing<'_>, out: &mut Findings) {
        for fact in artifact.facts {
            match fact {
                Fact::Segment {
                    name,
                    span,
                    write: true,
                    execute: true,
                    kind,
                } => {
                    let message = format!("{name} is mapped writable and executable");
                    let finding = Finding::new(code::WRITABLE_EXECUTABLE, *span, message);
                    out.push(finding.case(kind).region(name.to_string()).key(name.to_string()));
                }
                Fact::EntryPoint {
                    offset,
                    inside_code: false,
                } => {
                    let span = Span::saturating_at(offset.unwrap_or(0), 0);
                    let message = "execution starts outside every executable section".to_owned();
                    let finding = Finding::new(code::SUSPICIOUS_ENTRY, span, message);
                    out.push(finding.case("entry-outside-sections").key("entry"));
                }
                _ => {}
            }
        }
    }
}
