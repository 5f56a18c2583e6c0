//! The table of a run without a declared set: what was touched, by group.

use super::super::document::{Entry, Report};
use super::super::merge::{self, Merged};
use super::super::text::{count, number};
use super::{View, columns};
use anstyle::Style;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Rows of one group.
const SHOWN: usize = 6;

/// The groups, in the order in which they are shown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Section {
    Programs,
    Connections,
    Listens,
    UnixSockets,
    Written,
    Created,
    Removed,
    Read,
    Changed,
    Kernel,
}

impl Section {
    fn of(entry: &Entry) -> Self {
        let has = |word| entry.object.access.contains(&word);
        match entry.kind {
            "exec" => Self::Programs,
            "net.bind" | "net.listen" => Self::Listens,
            "net.connect" | "net.send" | "net.accept" => Self::Connections,
            "unix.connect" => Self::UnixSockets,
            "file.mount" => Self::Kernel,
            kind if !kind.starts_with("file.") => Self::Kernel,
            _ if has("write") => Self::Written,
            _ if has("create") => Self::Created,
            _ if has("delete") => Self::Removed,
            _ if has("metadata") => Self::Changed,
            _ => Self::Read,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Programs => "programs started",
            Self::Connections => "connections",
            Self::Listens => "listens",
            Self::UnixSockets => "unix sockets",
            Self::Written => "files written",
            Self::Created => "files created",
            Self::Removed => "files removed",
            Self::Read => "files read",
            Self::Changed => "metadata changed",
            Self::Kernel => "kernel",
        }
    }
}

#[derive(Default)]
struct Content {
    paths: Vec<Merged>,
    others: BTreeMap<String, u64>,
}

pub(super) fn render(report: &Report, view: View, out: &mut String) {
    let mut sections: BTreeMap<Section, Content> = BTreeMap::new();
    for entry in &report.objects {
        let section = Section::of(entry);
        let content = sections.entry(section).or_default();
        match &entry.path {
            Some(path) if section != Section::Kernel && entry.object.path2.is_none() && !path.is_empty() => {
                content.paths.push(merge::row(path, false, entry.count));
            }
            _ if section == Section::Kernel => {
                *content
                    .others
                    .entry(format!("{}: {}", entry.kind, entry.name))
                    .or_default() += entry.count;
            }
            _ => *content.others.entry(entry.name.clone()).or_default() += entry.count,
        }
    }
    let mut lines = Vec::new();
    for (section, content) in sections {
        let mut rows: Vec<(String, u64, u64)> = merge::merge(content.paths, SHOWN)
            .into_iter()
            .map(|m| (m.to_string(), m.objects, m.count))
            .chain(content.others.into_iter().map(|(name, n)| (name, 1, n)))
            .collect();
        rows.sort_by(|a, b| b.2.cmp(&a.2).then_with(|| a.0.cmp(&b.0)));
        let more = rows.len().saturating_sub(SHOWN);
        for (at, (name, objects, acts)) in rows.into_iter().take(SHOWN).enumerate() {
            let title = if at == 0 { section.title() } else { "" };
            let objects = if objects > 1 {
                count(objects, "object")
            } else {
                String::new()
            };
            lines.push(vec![title.to_owned(), name, number(acts), objects]);
        }
        if more > 0 {
            lines.push(vec![
                String::new(),
                format!("and {more} more"),
                String::new(),
                String::new(),
            ]);
        }
    }
    if lines.is_empty() {
        return;
    }
    out.push('\n');
    for line in columns(&lines, 1, 2, view.columns) {
        let first = line
            .first()
            .map(|cell| view.paint(Style::new().bold(), cell))
            .unwrap_or_default();
        let rest = line.get(1..).unwrap_or_default().join("  ");
        _ = writeln!(out, "  {}", format!("{first}  {rest}").trim_end());
    }
    out.push('\n');
}
