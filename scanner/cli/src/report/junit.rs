//! `--format junit`: one suite, one test case for each file scanned, for CI systems that show test results.
//!
//! The dialect is that of Jenkins' `junit-10.xsd`, which Ant's writers and most readers share. A case is a failure when
//! it or anything nested in it has a finding at or above `--fail-on`, else an error when it was not examined in full, as
//! with the exit code; a failure names what was not examined too. A case has one of the two, so that readers that
//! subtract both from the tests stay above zero. Directories are cases only for what is wrong with themselves.

use super::cut::cut;
use probity_engine::Severity;
use probity_engine::artifact::{Artifact, Judged, Kind, Report};
use probity_engine::finding::ScanError;
use std::fmt::Write as _;
use std::io::{self, Write};

/// Lines of one text.
const LINES: usize = 200;
/// Characters of one message.
const MESSAGE: usize = 1000;

/// Writes the document.
pub(crate) fn render(report: &Report, fail_on: Option<Severity>, out: &mut dyn Write) -> io::Result<()> {
    let cases: Vec<Case<'_>> = groups(&report.artifacts)
        .filter_map(|group| Case::new(group, fail_on))
        .collect();
    let failures = cases.iter().filter(|c| !c.failing.is_empty()).count();
    let errors = cases.iter().filter(|c| c.failing.is_empty() && !c.complete).count();
    let counts = format!(
        "name=\"probity\" tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\" time=\"{:.3}\"",
        cases.len(),
        report.seconds.clamp(0.0, 1e9)
    );
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(out, "<testsuites {counts}>")?;
    writeln!(out, "  <testsuite {counts} skipped=\"0\">")?;
    writeln!(out, "    <properties>")?;
    let threshold = fail_on.map_or("never", Severity::as_str);
    for (name, value) in [
        ("version", env!("CARGO_PKG_VERSION")),
        ("rules", &report.rules.digest()),
        ("fail-on", threshold),
        ("verdict", report.verdict.as_str()),
        ("complete", if report.complete { "true" } else { "false" }),
        ("excluded", &report.excluded.to_string()),
    ] {
        writeln!(out, "      <property name=\"{name}\" value=\"{}\"/>", escape(value))?;
    }
    writeln!(out, "    </properties>")?;
    for case in &cases {
        case.render(threshold, out)?;
    }
    writeln!(out, "  </testsuite>\n</testsuites>")
}

/// Each root with all that it holds.
fn groups(artifacts: &[Artifact]) -> impl Iterator<Item = &[Artifact]> {
    artifacts.chunk_by(|_, next| next.kind == Kind::Nested)
}

struct Case<'a> {
    root: &'a Artifact,
    complete: bool,
    failing: Vec<(&'a Artifact, &'a Judged)>,
    below: Vec<(&'a Artifact, &'a Judged)>,
    errors: Vec<(&'a Artifact, &'a ScanError)>,
}

impl<'a> Case<'a> {
    fn new(group: &'a [Artifact], fail_on: Option<Severity>) -> Option<Self> {
        let root = group.first()?;
        let findings = group.iter().flat_map(|a| a.findings.iter().map(move |f| (a, f)));
        let (mut failing, mut below): (Vec<_>, Vec<_>) =
            findings.partition(|(_, f)| fail_on.is_some_and(|least| f.severity >= least));
        failing.sort_by_key(|(_, f)| std::cmp::Reverse(f.severity));
        below.sort_by_key(|(_, f)| std::cmp::Reverse(f.severity));
        let errors: Vec<_> = group
            .iter()
            .flat_map(|a| a.errors.iter().map(move |e| (a, e)))
            .collect();
        let directory = root.kind == Kind::Directory;
        let silent = failing.is_empty() && below.is_empty() && errors.is_empty();
        (!directory || !silent).then_some(Self {
            root,
            // A directory is as incomplete as its files, which are cases of their own.
            complete: errors.is_empty() && (directory || root.complete),
            failing,
            below,
            errors,
        })
    }

    fn render(&self, threshold: &str, out: &mut dyn Write) -> io::Result<()> {
        let head = format!(
            "    <testcase name=\"{}\" classname=\"probity.{}\"",
            escape(&self.root.path),
            escape(self.root.format)
        );
        if self.failing.is_empty() && self.complete && self.below.is_empty() {
            return writeln!(out, "{head}/>");
        }
        writeln!(out, "{head}>")?;
        let unfinished = if self.complete {
            ""
        } else {
            ", and not everything was examined"
        };
        if let Some((_, worst)) = self.failing.first() {
            let message = format!(
                "{} at or above {threshold}{unfinished}",
                count(self.failing.len(), "finding")
            );
            let text = self.lines(&self.failing, true);
            element(out, "failure", Some((worst.finding.code, &message)), &text)?;
        } else if !self.complete {
            let kind = self.errors.first().map_or("incomplete", |(_, e)| e.code.as_str());
            element(
                out,
                "error",
                Some((kind, "not everything was examined")),
                &self.lines(&[], true),
            )?;
        }
        if !self.below.is_empty() {
            element(out, "system-out", None, &self.lines(&self.below, false))?;
        }
        writeln!(out, "    </testcase>")
    }

    /// One line for each finding, then for each error; at most [`LINES`] of each.
    fn lines(&self, findings: &[(&Artifact, &Judged)], errors: bool) -> String {
        let mut text = String::new();
        for (a, judged) in findings.iter().take(LINES) {
            let f = &judged.finding;
            let case = f.case.map_or_else(String::new, |c| format!(" ({c})"));
            // A `write!` to a `String` cannot fail.
            let _ = writeln!(
                text,
                "{} {}{case} in {} at {:#x}, {} bytes: {}",
                judged.severity,
                f.code,
                place(a),
                f.span.start(),
                f.span.len(),
                cut(&f.message, MESSAGE)
            );
        }
        more(&mut text, findings.len(), "finding");
        if errors {
            for (a, error) in self.errors.iter().take(LINES) {
                let at = error.offset.map_or_else(String::new, |o| format!(" at {o:#x}"));
                let message = cut(&error.message, MESSAGE);
                let _ = writeln!(
                    text,
                    "not examined: {} in {}{at}: {message}",
                    error.code.as_str(),
                    place(a)
                );
            }
            more(&mut text, self.errors.len(), "place that was not examined");
        }
        text
    }
}

fn more(text: &mut String, all: usize, what: &str) {
    if all > LINES {
        let _ = writeln!(text, "and {} more: {what}", all.saturating_sub(LINES));
    }
}

fn place(a: &Artifact) -> String {
    match &a.nested {
        Some(nested) => format!("{}!{nested}", a.path),
        None => a.path.clone(),
    }
}

fn element(out: &mut dyn Write, name: &str, about: Option<(&str, &str)>, text: &str) -> io::Result<()> {
    let attributes = about.map_or_else(String::new, |(kind, message)| {
        format!(" type=\"{}\" message=\"{}\"", escape(kind), escape(message))
    });
    writeln!(out, "      <{name}{attributes}>{}</{name}>", escape(text))
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// Text for content and attributes. What XML 1.0 forbids, even as a reference, becomes U+FFFD.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\n' => out.push('\n'),
            '\t' | '\r' => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn markup_is_escaped_and_forbidden_characters_are_replaced() {
        for (text, expected) in [
            ("a<b>&\"c'", "a&lt;b&gt;&amp;&quot;c&apos;"),
            ("]]>", "]]&gt;"),
            ("\0\x01\x1b\u{fffe}\u{ffff}", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
            ("a\nb\tc\rd", "a\nb&#9;c&#13;d"),
            ("\u{7f}\u{85}\u{10ffff}", "\u{7f}\u{85}\u{10ffff}"),
        ] {
            assert_eq!(escape(text), expected);
        }
    }
}
