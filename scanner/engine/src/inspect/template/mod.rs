//! Chat templates: what an engine that renders one could be made to reach, and prompts that appear only under a
//! condition.
//!
//! A template is read by [`crate::walk::jinja`] and evaluated symbolically ([`value`]): string constants are followed through
//! operators, filters, methods, variables, loops and macro parameters, so that a name counts where it is *used* as a name,
//! however it was put together, and counts nowhere else. Words in comments, in text and in comparisons are nothing.
//!
//! Templates come from metadata (GGUF), from documents (facts), and from files that are templates by name. Other Jinja
//! files (`.jinja`, `.j2`) are held to less: what leads out of the engine's objects is told, habits of chat templates are not
//! expected of them. Renders nothing.

mod prompt;
mod reach;
mod strings;
#[cfg(test)]
mod tests;
mod value;

use super::{Closing, Inspector};
use crate::fact::Fact;
use crate::finding::{Finding, Findings, code};
use crate::policy::shown;
use crate::span::Span;
use crate::walk::jinja::{self, Template};
use std::borrow::Cow;

/// `template-injection`, `conditional-prompt`, and `malformed` for templates.
pub(super) struct Templates;

impl Inspector for Templates {
    fn inspect(&self, artifact: &Closing<'_>, out: &mut Findings) {
        for fact in artifact.facts {
            if let Fact::Template { name, text, span } = fact {
                let subject = Subject {
                    name: Cow::Borrowed(name),
                    text,
                    place: Place::Inside(*span),
                    chat: true,
                };
                judge(&subject, out);
            }
        }
        // Strict documents hand their templates over; what Python's reader takes besides may look like any other text.
        if artifact.format != "json" && artifact.name.ends_with(b".json") {
            let text = content(artifact);
            for (template, span) in lax(&text) {
                let subject = Subject {
                    name: Cow::Borrowed("chat_template"),
                    text: &template,
                    place: Place::Inside(span),
                    chat: true,
                };
                judge(&subject, out);
            }
        }
        if let Some(chat) = kind(artifact) {
            let text = content(artifact);
            let subject = Subject {
                name: Cow::Owned(shown(last(artifact.name))),
                text: &text,
                place: Place::Whole,
                chat,
            };
            judge(&subject, out);
        }
    }
}

/// A template to judge.
struct Subject<'a> {
    name: Cow<'a, str>,
    text: &'a str,
    place: Place,
    /// Whether an engine renders it into a prompt.
    chat: bool,
}

/// Where a template's bytes are.
enum Place {
    /// The artifact is the template: offsets are the same.
    Whole,
    /// A string of the artifact stands for it, with escapes: offsets are not the same.
    Inside(Span),
}

impl Subject<'_> {
    /// The bytes of the artifact for `span` of the text.
    fn place(&self, span: Span) -> Span {
        match self.place {
            Place::Whole => span,
            Place::Inside(string) => string,
        }
    }

    /// The text at `span`, on one line and not too long.
    fn shown(&self, span: Span) -> String {
        const LONG: usize = 160;
        let from = usize::try_from(span.start()).unwrap_or(usize::MAX);
        let to = usize::try_from(span.end()).unwrap_or(usize::MAX);
        let text = self.text.get(from..to.min(self.text.len())).unwrap_or_default();
        let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let cut: String = line.chars().take(LONG).collect();
        shown(cut.as_bytes())
    }

    fn line(&self, span: Span) -> u64 {
        jinja::line(self.text, span.start())
    }

    fn finding(&self, code: &'static str, case: &'static str, span: Span, what: &str) -> Finding {
        let line = self.line(span);
        Finding::new(code, self.place(span), format!("{}, line {line}: {what}", self.name))
            .case(case)
            .evidence("template", self.name.as_ref())
            .evidence("line", line)
            .evidence("expression", self.shown(span))
    }
}

fn judge(subject: &Subject<'_>, out: &mut Findings) {
    let template = Template::read(subject.text);
    let values = value::evaluate(&template, subject.text);
    reach::report(subject, &template, &values, out);
    if subject.chat {
        prompt::report(subject, &template, &values, out);
        broken(subject, &template, out);
    }
}

/// Rules of the language that a chat template breaks, as one finding, or that it was too long to be read.
fn broken(subject: &Subject<'_>, template: &Template, out: &mut Findings) {
    if template.cut {
        let end = Span::saturating_at(u64::try_from(subject.text.len()).unwrap_or(u64::MAX), 0);
        let what = format!(
            "jinja: a chat template of more than {} bytes or {} expressions; the rest was not read",
            jinja::LONGEST,
            jinja::MOST
        );
        let mut finding = subject.finding(code::MALFORMED, "lenient", end, &what);
        finding.case = None;
        out.push(finding.key(format!("{} length", subject.name)));
    } else if let Some(first) = template.faults.first() {
        let more = template.faults.len().saturating_sub(1);
        let more = if more > 0 {
            format!(", and {more} more")
        } else {
            String::new()
        };
        let what = format!("jinja: {}{more}; engines differ in what they make of it", first.rule);
        let finding = subject.finding(code::MALFORMED, "lenient", first.span, &what);
        out.push(finding.key(format!("{} {}", subject.name, first.rule)));
    }
}

fn last(name: &[u8]) -> &[u8] {
    name.rsplit(|byte| matches!(*byte, b'/' | b'\\')).next().unwrap_or(name)
}

/// Whether the artifact is a template, and then whether it is a chat template.
fn kind(artifact: &Closing<'_>) -> Option<bool> {
    if artifact.within.last() == Some(&"gguf") && artifact.name.starts_with(b"tokenizer.chat_template") {
        return Some(true);
    }
    let name = last(artifact.name).to_ascii_lowercase();
    let name = std::str::from_utf8(&name).ok()?;
    let (_, extension) = name.rsplit_once('.')?;
    if !matches!(extension, "jinja" | "jinja2" | "j2") {
        return None;
    }
    let path = String::from_utf8_lossy(artifact.name);
    Some(name.contains("chat_template") || path.contains("chat_templates/"))
}

/// The artifact's text, as far as a template is read.
fn content(artifact: &Closing<'_>) -> String {
    let most = u64::try_from(jinja::LONGEST).unwrap_or(u64::MAX).saturating_add(4);
    let bytes = artifact.beginning(most);
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    String::from_utf8_lossy(text).into_owned()
}

/// Templates in a document that Python reads and that is not strict JSON (`NaN`, a comment): the strings behind the keys.
fn lax(text: &str) -> Vec<(String, Span)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("template\"") {
        let behind = text
            .get(at..)
            .unwrap_or_default()
            .trim_start_matches("template\"")
            .trim_start();
        let Some(value) = behind.strip_prefix(':').map(str::trim_start) else {
            continue;
        };
        let Some(inside) = value.strip_prefix('"') else {
            continue;
        };
        let start = text.len().saturating_sub(value.len());
        let mut escaped = false;
        let end = inside.bytes().position(|b| {
            let ends = b == b'"' && !escaped;
            escaped = b == b'\\' && !escaped;
            ends
        });
        let Some(end) = end else { continue };
        let raw = value.get(..end.saturating_add(2)).unwrap_or_default();
        if let Ok(template) = serde_json::from_str::<String>(raw) {
            let wide = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
            found.push((template, Span::saturating_at(wide(start), wide(raw.len()))));
        }
        if found.len() >= 64 {
            break;
        }
    }
    found
}
