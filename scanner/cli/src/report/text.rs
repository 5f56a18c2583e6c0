//! `--format text`: for people. Artifacts with the worst findings first, each finding with its bytes, the rule that
//! decided and one line of what to do; one line of totals at the end.

use super::hex;
use super::wrap::wrap;
use anstyle::{AnsiColor, Style};
use probity_engine::Severity;
use probity_engine::artifact::{Artifact, Judged, Kind, Report, Suppressed, Verdict};
use probity_engine::name::printable;
use probity_signatures::Rules;
use std::cmp::Reverse;
use std::io::{self, Write};

/// Roots that are listed one by one when nothing is wrong with them.
const LISTED_ROOTS: usize = 24;
/// Where the text of a finding begins.
const INDENT: usize = 12;
/// Findings of one artifact shown without `-v`.
const SHOWN: usize = 16;

/// How much is shown, and how wide.
#[derive(Clone, Copy)]
pub(crate) struct View {
    /// Info findings and the host inventory as well.
    pub(crate) verbose: bool,
    /// Whether the scan read structure only.
    pub(crate) quick: bool,
    /// The terminal's width; `None` when the report does not go to one.
    pub(crate) columns: Option<usize>,
}

/// Writes the report.
pub(crate) fn render(report: &Report, view: View, out: &mut dyn Write) -> io::Result<()> {
    let lowest = if view.verbose { Severity::Info } else { Severity::Low };
    let shown = |a: &&Artifact| {
        a.findings.iter().any(|f| f.severity >= lowest)
            || !a.errors.is_empty()
            || (view.verbose && !a.suppressed.is_empty())
    };
    let mut worst: Vec<&Artifact> = report.artifacts.iter().filter(shown).collect();
    worst.sort_by_key(|a| Reverse(a.findings.first().map(|f| f.severity)));
    for a in &worst {
        artifact(a, lowest, view, &report.rules, out)?;
    }
    let roots: Vec<&Artifact> = report.artifacts.iter().filter(|a| a.kind == Kind::Root).collect();
    if roots.len() <= LISTED_ROOTS || view.verbose {
        for root in roots {
            line(root, view, out)?;
            if view.verbose {
                hosts(root, view, out)?;
            }
        }
    }
    totals(report, view, out)
}

fn artifact(a: &Artifact, lowest: Severity, view: View, rules: &Rules, out: &mut dyn Write) -> io::Result<()> {
    let bold = Style::new().bold();
    let place = match &a.nested {
        Some(nested) => format!("{}!{nested}", a.path),
        None => a.path.clone(),
    };
    let about = if never_opened(a) {
        String::new()
    } else {
        format!(" {}, {}", format_name(a), size(a.size))
    };
    writeln!(
        out,
        "{bold}{place}{bold:#} {}",
        wrap(&about, place.chars().count().saturating_add(1), 2, view.columns)
    )?;
    let findings: Vec<&Judged> = a.findings.iter().filter(|f| f.severity >= lowest).collect();
    let most = if view.verbose { usize::MAX } else { SHOWN };
    for judged in findings.iter().take(most) {
        finding(judged, view, rules, out)?;
    }
    if findings.len() > most {
        writeln!(
            out,
            "  and {} (-v shows all)",
            count(findings.len().saturating_sub(most) as u64, "more finding")
        )?;
    }
    for allowed in a.suppressed.iter().filter(|_| view.verbose) {
        suppressed(allowed, view, out)?;
    }
    for error in &a.errors {
        let style = AnsiColor::Magenta.on_default().bold();
        let at = error.offset.map_or_else(String::new, |o| format!(" at {o:#x}"));
        let text = format!("{}{at}: {}", error.code.as_str(), printable(error.message.as_bytes()));
        writeln!(
            out,
            "  {style}not examined{style:#}  {}",
            wrap(&text, 16, 16, view.columns)
        )?;
    }
    writeln!(out)
}

fn finding(judged: &Judged, view: View, rules: &Rules, out: &mut dyn Write) -> io::Result<()> {
    let f = &judged.finding;
    let style = style(judged.severity);
    let case = f.case.map_or_else(String::new, |c| format!(" ({c})"));
    let text = format!("{}{case}: {}", f.code, printable(f.message.as_bytes()));
    let head = format!(
        "  {style}{:<8}{style:#}  {}",
        judged.severity.as_str(),
        wrap(&text, INDENT, INDENT, view.columns)
    );
    let mut lines = Vec::new();
    let region = printable(f.region.as_bytes());
    if !(f.span.is_empty() && f.excerpt.is_empty()) {
        lines.push(format!(
            "at {:#x}, {}, in {region}",
            f.span.start(),
            count(f.span.len(), "byte")
        ));
    }
    for related in &f.related {
        let region = printable(related.region.as_bytes());
        if let Some(other) = &related.elsewhere {
            let nested = other.nested.as_deref().map_or_else(String::new, |n| format!("!{n}"));
            lines.push(format!("see also {}{nested}", other.path));
            continue;
        }
        lines.push(format!(
            "see also {region} at {:#x}, {}",
            related.span.start(),
            count(related.span.len(), "byte")
        ));
    }
    if let Some(rule) = rules.get(f.code) {
        lines.push(format!("what to do: {}", rule.action));
    }
    writeln!(out, "{head}")?;
    for text in lines {
        writeln!(out, "{:INDENT$}{}", "", wrap(&text, INDENT, INDENT, view.columns))?;
    }
    let dim = Style::new().dimmed();
    for line in hex::lines(f.span.start() & !15, &f.excerpt, 3) {
        writeln!(out, "    {dim}{line}{dim:#}")?;
    }
    Ok(())
}

fn suppressed(allowed: &Suppressed, view: View, out: &mut dyn Write) -> io::Result<()> {
    let dim = Style::new().dimmed();
    let f = &allowed.judged.finding;
    let case = f.case.map_or_else(String::new, |c| format!(" ({c})"));
    let text = format!("{}{case}: {}", f.code, printable(f.message.as_bytes()));
    let text = wrap(&text, INDENT, INDENT, view.columns);
    writeln!(out, "  {dim}allowed{dim:#}   {text}")?;
    let severity = allowed.judged.severity.as_str();
    let by = printable(format!("{severity}, allowed by {}: {}", allowed.by, allowed.reason).as_bytes());
    writeln!(out, "{:INDENT$}{}", "", wrap(&by, INDENT, INDENT, view.columns))
}

fn line(root: &Artifact, view: View, out: &mut dyn Write) -> io::Result<()> {
    let style = verdict_style(root.verdict);
    let unclaimed = match root.bytes.unclaimed {
        0 => "every byte claimed".to_owned(),
        n => format!("{} unclaimed", count(n, "byte")),
    };
    let hosts = match root.hosts.len() {
        0 => String::new(),
        n => format!(", {}", count(n as u64, "host")),
    };
    let tensors = root
        .tensors
        .as_ref()
        .map_or_else(String::new, |t| format!(", {}", count(t.count, "tensor")));
    let about = match never_opened(root) {
        true => "not examined".to_owned(),
        false => format!(
            "{}, {}, {unclaimed}{tensors}{hosts}",
            format_name(root),
            size(root.size)
        ),
    };
    let text = format!("{}  {about}", root.path);
    writeln!(
        out,
        "{style}{:<10}{style:#} {}",
        root.verdict.as_str(),
        wrap(&text, 11, 13, view.columns)
    )
}

fn hosts(root: &Artifact, view: View, out: &mut dyn Write) -> io::Result<()> {
    for (host, place) in &root.hosts {
        let nested = place.nested.as_deref().map_or_else(String::new, |n| format!(" of {n}"));
        let sure = if place.likely { "" } else { " (possible)" };
        let region = printable(place.region.as_bytes());
        let times = count(place.count, "time");
        let how = match place.encoding {
            "ascii" | "utf-16le" | "utf-16be" => String::new(),
            encoding => format!(" ({encoding})"),
        };
        let text = format!(
            "host {host}{sure}{how}, {times}, first at {:#x} in {region}{nested}",
            place.offset
        );
        writeln!(out, "{:11}{}", "", wrap(&text, 11, 13, view.columns))?;
    }
    Ok(())
}

fn totals(report: &Report, view: View, out: &mut dyn Write) -> io::Result<()> {
    let counts: Vec<String> = Severity::ALL
        .iter()
        .rev()
        .map(|s| (report.count(*s), s.as_str()))
        .filter(|(n, _)| *n > 0)
        .map(|(n, name)| format!("{n} {name}"))
        .collect();
    let findings = if counts.is_empty() {
        "no findings".to_owned()
    } else {
        counts.join(", ")
    };
    let hidden = if view.verbose || report.count(Severity::Info) == 0 {
        ""
    } else {
        " (info: -v)"
    };
    let suppressed = match (report.suppressed(), view.verbose) {
        (0, _) => String::new(),
        (n, true) => format!(", {n} suppressed"),
        (n, false) => format!(", {n} suppressed (-v shows them)"),
    };
    let excluded = if report.excluded > 0 {
        format!(", {} excluded", report.excluded)
    } else {
        String::new()
    };
    let roots = report.artifacts.iter().filter(|a| a.kind == Kind::Root).count();
    // The start of the program is most of a short scan: a rate would say nothing.
    let rate = match report.bytes {
        0..100_000_000 => String::new(),
        bytes => format!(" ({:.2} GB/s)", bytes as f64 / report.seconds.max(1e-9) / 1e9),
    };
    let style = verdict_style(report.verdict);
    let verdict = report.verdict.as_str();
    let unfinished = if report.complete || report.verdict == Verdict::Incomplete {
        ""
    } else {
        ", and incomplete"
    };
    let yara = report
        .yara
        .as_ref()
        .map_or_else(String::new, |yara| format!(", {} on", count(yara.rules, "YARA rule")));
    let depth = if view.quick {
        " (structure only: content was not read at --depth quick)"
    } else {
        ""
    };
    let text = format!(
        "{unfinished}{depth}: {findings}{hidden}{suppressed}; {} ({} nested){excluded}{yara}, {} in {:.2} s{rate}",
        count(roots as u64, "file"),
        report.nested,
        size(report.bytes),
        report.seconds,
    );
    writeln!(
        out,
        "{style}{verdict}{style:#}{}",
        wrap(&text, verdict.len(), 2, view.columns)
    )
}

pub(super) fn verdict_style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Clean => AnsiColor::Green.on_default().bold(),
        Verdict::Findings => AnsiColor::Red.on_default().bold(),
        Verdict::Incomplete => AnsiColor::Magenta.on_default().bold(),
    }
}

/// `1 byte`, `2 bytes`.
pub(crate) fn count(n: u64, what: &str) -> String {
    if n == 1 {
        format!("1 {what}")
    } else {
        format!("{n} {what}s")
    }
}

/// Whether there are no bytes to speak of: the error says why.
fn never_opened(a: &Artifact) -> bool {
    a.format == "unknown" && a.size == 0
}

fn format_name(a: &Artifact) -> String {
    let mut name = a.format.to_owned();
    for also in &a.also {
        name.push('+');
        name.push_str(also);
    }
    name
}

pub(super) fn style(severity: Severity) -> Style {
    match severity {
        Severity::Critical => AnsiColor::Red.on_default().bold().invert(),
        Severity::High => AnsiColor::Red.on_default().bold(),
        Severity::Medium => AnsiColor::Yellow.on_default().bold(),
        Severity::Low => AnsiColor::Cyan.on_default(),
        Severity::Info => Style::new().dimmed(),
    }
}

/// Decimal units, as storage is sold: `373.1 MB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "kB", "MB", "GB", "TB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 {
        count(bytes, "byte")
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_short() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (999, "999 bytes"),
            (1000, "1.0 kB"),
            (373_100_000, "373.1 MB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
