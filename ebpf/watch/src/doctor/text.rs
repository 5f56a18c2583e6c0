//! What `probity doctor` shows people: the worst first, one line a thing, what is well at the end and merged.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};

use super::document::{Act, Document, Standing, State};
use crate::report::table::View;
use crate::report::text::printable;

/// The narrowest that lines are broken to.
const NARROWEST: usize = 40;
/// Where a text stands that is put below its name.
const BELOW: usize = 6;

/// The text, each line ended by a line feed.
#[must_use]
pub fn render(document: &Document, view: View) -> String {
    let mut page = Page {
        out: String::new(),
        columns: view.columns.map_or(100, |columns| columns.clamp(NARROWEST, 120)),
        colour: view.colour,
    };
    page.verdict(document);
    if document.refused.is_some() {
        page.missing(document);
    } else {
        for (standing, title) in [
            (Standing::Blind, "blind: done here, and not seen"),
            (Standing::Untried, "unknown: could not be tried"),
        ] {
            page.acts(document, standing, title);
        }
        page.observed(document);
        page.backends(document);
        page.missing(document);
    }
    page.host(document);
    page.out
}

struct Page {
    out: String,
    columns: usize,
    colour: bool,
}

impl Page {
    fn paint(&self, style: Style, text: &str) -> String {
        if self.colour {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }

    fn verdict(&mut self, document: &Document) {
        let count = |standing| document.acts.iter().filter(|act| act.standing == standing).count();
        let (word, colour, rest) = match &document.refused {
            Some(_) => (
                "cannot watch",
                AnsiColor::Red,
                "nothing runs here until this is mended".to_owned(),
            ),
            None => {
                let (blind, observed) = (count(Standing::Blind), count(Standing::Observed));
                let core = document
                    .acts
                    .iter()
                    .any(|act| act.core && act.standing != Standing::Observed);
                let (word, colour) = match (core, blind) {
                    (true, _) => ("wanting", AnsiColor::Red),
                    (false, 0) => ("all is seen", AnsiColor::Green),
                    (false, _) => ("partly blind", AnsiColor::Yellow),
                };
                (
                    word,
                    colour,
                    format!("{observed} acts observed, {blind} blind, none blockable"),
                )
            }
        };
        let length = "probity doctor: : ".len() + word.len() + rest.len();
        let gap = if length > self.columns { "\n  " } else { " " };
        let word = self.paint(colour.on_default().bold(), word);
        _ = writeln!(self.out, "probity doctor: {word}:{gap}{rest}");
        if let Some(why) = &document.refused {
            self.entry("  ", "", why);
        }
    }

    fn title(&mut self, title: &str) {
        let title = self.paint(Style::new().bold(), title);
        _ = writeln!(self.out, "\n{title}");
    }

    fn acts(&mut self, document: &Document, standing: Standing, title: &str) {
        let mut acts: Vec<&Act> = document.acts.iter().filter(|act| act.standing == standing).collect();
        if acts.is_empty() {
            return;
        }
        acts.sort_by_key(|act| !act.core);
        self.title(title);
        // Acts of one reason stand together.
        let mut told: Vec<(Vec<&str>, &Act)> = Vec::new();
        for act in acts {
            match told
                .iter_mut()
                .find(|(_, first)| (&first.reason, first.cost) == (&act.reason, act.cost))
            {
                Some((names, _)) => names.push(act.act),
                None => told.push((vec![act.act], act)),
            }
        }
        let width = told
            .iter()
            .flat_map(|(names, _)| names)
            .map(|name| name.len())
            .max()
            .unwrap_or(0);
        let hang = 2 + width + 2;
        for (names, act) in told {
            let mut said = vec![act.reason.clone().unwrap_or_default()];
            said.extend(act.cost.map(|cost| format!("costs: {cost}")));
            let lines: Vec<String> = said.iter().flat_map(|text| self.broken(hang, text)).collect();
            if self.below(hang) {
                for name in names {
                    _ = writeln!(self.out, "  {name}");
                }
                for line in lines {
                    _ = writeln!(self.out, "{:BELOW$}{line}", "");
                }
                continue;
            }
            for at in 0..names.len().max(lines.len()) {
                let (name, line) = (names.get(at).copied(), lines.get(at).map(String::as_str));
                let whole = format!("  {:width$}  {}", name.unwrap_or_default(), line.unwrap_or_default());
                _ = writeln!(self.out, "{}", whole.trim_end());
            }
        }
    }

    /// Groups with the backends that saw them.
    fn observed(&mut self, document: &Document) {
        let observed: Vec<&Act> = document
            .acts
            .iter()
            .filter(|act| act.standing == Standing::Observed)
            .collect();
        if observed.is_empty() {
            return;
        }
        self.title("observed");
        let mut groups: Vec<(&str, &str, Vec<&str>)> = Vec::new();
        for act in &observed {
            let backend = act.backend.unwrap_or_default();
            match groups
                .iter_mut()
                .find(|(group, by, _)| (*group, *by) == (act.group, backend))
            {
                Some((_, _, names)) => names.push(act.act),
                None => groups.push((act.group, backend, vec![act.act])),
            }
        }
        let width = |pick: fn(&(&str, &str, Vec<&str>)) -> usize| groups.iter().map(pick).max().unwrap_or(0);
        let (wide, by) = (width(|(group, _, _)| group.len()), width(|(_, by, _)| by.len()));
        for (group, backend, names) in groups {
            self.entry("  ", &format!("{group:wide$}  {backend:by$}"), &names.join(", "));
        }
        let absent: Vec<&str> = document
            .acts
            .iter()
            .filter(|act| act.standing == Standing::Absent)
            .map(|act| act.act)
            .collect();
        if !absent.is_empty() {
            self.entry(
                "  ",
                &format!("{:1$}", "not possible here", wide + by + 2),
                &absent.join(", "),
            );
        }
    }

    fn backends(&mut self, document: &Document) {
        self.title("backends");
        let width = document
            .backends
            .iter()
            .map(|backend| backend.name.len())
            .max()
            .unwrap_or(0);
        for backend in &document.backends {
            let name = format!("{:width$}", backend.name);
            match &backend.why {
                None => self.entry("  ", &name, &format!("runs: {}", backend.adds)),
                Some(why) => self.entry("  ", &name, &format!("refused: {why}; it would add {}", backend.adds)),
            }
        }
        let refused = document
            .programs
            .iter()
            .filter(|program| program.state == State::Refused);
        for program in refused.collect::<Vec<_>>() {
            let why = program.why.as_deref().unwrap_or_default();
            self.entry(
                "  ",
                &format!("{:width$}", ""),
                &format!("{} ({}): {why}", program.name, program.sees),
            );
        }
        for lost in &document.lost {
            self.entry(
                "  ",
                &format!("{:width$}", ""),
                &format!("{lost}: an act may be called blind for that"),
            );
        }
    }

    /// Capabilities that are missing.
    fn missing(&mut self, document: &Document) {
        let missing = &document.host.missing_capabilities;
        if missing.is_empty() {
            return;
        }
        self.title("missing privileges");
        let width = missing.iter().map(|missing| missing.name.len()).max().unwrap_or(0);
        for capability in missing {
            self.entry("  ", &format!("{:width$}", capability.name), capability.costs);
        }
    }

    fn host(&mut self, document: &Document) {
        let host = &document.host;
        self.title("host");
        let lsm = host.lsm.as_ref().map_or_else(
            || "unknown: securityfs is not mounted".to_owned(),
            |list| list.join(", "),
        );
        let btf = if host.btf { "yes" } else { "no" };
        let names = match (host.names.ip_only(), host.names.resolved_stub) {
            (true, _) if host.names.nss_resolve => {
                "names may come from nss-resolve, without a packet: such connections are ip-only"
            }
            (true, _) => "names may come from nscd, without a packet: such connections are ip-only",
            (false, true) => "names come from systemd-resolved's stub over loopback, and are seen",
            (false, false) => "names come in DNS answers, and are seen",
        };
        let place = document.cgroup.as_ref().map_or_else(
            || "no child can be made below our own".to_owned(),
            |place| {
                let delegated = if place.delegated { ", delegated" } else { "" };
                format!("children can be made in {}{delegated}", place.path)
            },
        );
        let mut rows = vec![
            ("kernel", format!("{} {}", host.kernel, host.machine)),
            ("BTF", btf.to_owned()),
            ("lsm=", lsm),
            ("cgroup", place),
            ("names", names.to_owned()),
        ];
        for setting in &host.settings {
            if let Some(value) = &setting.value {
                rows.push((setting.name, format!("{value}: {}", setting.means)));
            }
        }
        let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, value) in rows {
            self.entry("  ", &format!("{name:width$}"), &value);
        }
    }

    /// A name and what is said of it, broken at words; what follows the first line stands below the text. In a narrow
    /// terminal the text begins on a line of its own.
    fn entry(&mut self, margin: &str, name: &str, text: &str) {
        let hang = margin.len() + name.len() + if name.is_empty() { 0 } else { 2 };
        let mut lines = self.broken(hang, text).into_iter();
        let indented = self.below(hang);
        if indented {
            if !name.trim().is_empty() {
                _ = writeln!(self.out, "{margin}{}", name.trim_end());
            }
        } else {
            let first = lines.next().unwrap_or_default();
            let gap = if name.is_empty() { "" } else { "  " };
            _ = writeln!(self.out, "{}", format!("{margin}{name}{gap}{first}").trim_end());
        }
        let hang = if indented { BELOW } else { hang };
        for line in lines {
            _ = writeln!(self.out, "{:hang$}{line}", "");
        }
    }

    /// Whether a text with this many columns before it is better put below.
    fn below(&self, hang: usize) -> bool {
        hang * 2 > self.columns
    }

    /// The lines of a text that begins behind `hang` columns.
    fn broken(&self, hang: usize, text: &str) -> Vec<String> {
        let room = self.columns - if self.below(hang) { BELOW } else { hang };
        let mut lines = vec![String::new()];
        for word in printable(text.as_bytes()).split(' ') {
            let used = lines.last().map_or(0, |line| line.chars().count());
            if used > 0 && used + 1 + word.chars().count() > room {
                lines.push(String::new());
            }
            if let Some(line) = lines.last_mut() {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::document::SCHEMA;
    use crate::doctor::{Backend, Host};

    fn act(name: &'static str, standing: Standing, reason: Option<&str>) -> Act {
        Act {
            act: name,
            group: "files",
            kind: "file.open",
            core: false,
            standing,
            backend: (standing == Standing::Observed).then_some("trace"),
            blockable: false,
            blockable_with: None,
            reason: reason.map(str::to_owned),
            cost: (standing == Standing::Blind).then_some("files opened this way are not held to any rule of the set"),
        }
    }

    fn document(acts: Vec<Act>) -> Document {
        Document {
            schema: SCHEMA,
            version: "0",
            exit_code: 1,
            refused: None,
            host: Host::read(),
            cgroup: None,
            backends: vec![Backend {
                name: "trace",
                runs: true,
                why: None,
                adds: "the acts above that say so",
            }],
            acts,
            programs: Vec::new(),
            lost: Vec::new(),
        }
    }

    #[test]
    fn the_worst_comes_first_and_no_line_is_too_long() {
        let why = "no tracepoint of this kernel carries the file that a request opens, whatever is done";
        let document = document(vec![
            act("openat", Standing::Observed, None),
            act("open through the ring", Standing::Blind, Some(why)),
            act("open into the ring's own table", Standing::Blind, Some(why)),
            act("open by handle", Standing::Untried, Some("Operation not permitted")),
        ]);
        for columns in [60, 80, 100] {
            let text = render(
                &document,
                View {
                    columns: Some(columns),
                    colour: false,
                },
            );
            let long: Vec<&str> = text.lines().filter(|line| line.chars().count() > columns).collect();
            assert_eq!(long, Vec::<&str>::new());
            let at = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part} in {text}"));
            assert!(
                at("blind:") < at("unknown:") && at("unknown:") < at("\nobserved") && at("\nobserved") < at("\nhost")
            );
            assert_eq!(text.matches("no tracepoint").count(), 1, "a reason stands once: {text}");
            assert!(at("open through the ring") < at("open into the ring's own table"));
        }
    }

    #[test]
    fn what_stands_in_the_way_comes_first() {
        let mut document = document(Vec::new());
        document.refused = Some("no cgroup2 file system is mounted here".to_owned());
        let text = render(&document, View::default());
        assert_eq!(text.lines().nth(1), Some("  no cgroup2 file system is mounted here"));
        assert!(!text.contains("\nobserved"));
    }
}
