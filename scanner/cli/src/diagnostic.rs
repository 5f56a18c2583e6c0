//! What is wrong with a file of the user: the line, the reason, and what to write instead.
//!
//! A line is quoted alone, cut to a window when it is long, and without anything that moves a cursor: a policy may come
//! from a stranger's repository.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use probity_engine::name::{hidden, printable};
use std::ops::Range;

/// Characters of a line that are shown.
const WINDOW: usize = 160;
/// Of these, how many stand before the place.
const BEFORE: usize = 40;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The bytes of the text it is about.
    pub(crate) span: Range<usize>,
    /// What is wrong: one sentence, lower case, no full stop.
    pub(crate) title: String,
    /// What to write instead.
    pub(crate) help: String,
}

impl Problem {
    /// The line and column of the place, counted from 1, the column in characters.
    pub(crate) fn position(&self, text: &str) -> (usize, usize) {
        let start = floor(text, self.span.start);
        let line = line_of(text, start);
        let head = &text[..start];
        let column = head.rsplit('\n').next().unwrap_or_default().chars().count();
        (line, column.saturating_add(1))
    }

    /// The problem for a terminal, with colours.
    pub(crate) fn render(&self, file: &str, text: &str) -> String {
        self.render_as(&Level::ERROR, file, text)
    }

    /// The same for what a person should read, though nothing is refused.
    pub(crate) fn render_warning(&self, file: &str, text: &str) -> String {
        self.render_as(&Level::WARNING, file, text)
    }

    fn render_as(&self, level: &Level<'_>, file: &str, text: &str) -> String {
        let (line, column) = self.position(text);
        let start = floor(text, self.span.start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at.saturating_add(1));
        let rest = &text[line_start..];
        let quoted = rest.split('\n').next().unwrap_or_default().trim_end_matches('\r');
        let marked = self.span.end.saturating_sub(start).max(1);
        let (shown, marks) = window(quoted, start.saturating_sub(line_start), marked);
        let title = printable(self.title.as_bytes());
        let help = printable(self.help.as_bytes());
        let path = printable(file.as_bytes());
        // The renderer counts columns in what is shown: of a line that is cut it is told where the place is.
        let cut = column > WINDOW - BEFORE;
        let snippet = Snippet::source(shown)
            .line_start(line)
            .path((!cut).then(|| path.clone()))
            .annotation(AnnotationKind::Primary.span(marks));
        let origin = cut.then(|| Origin::path(path).line(line).char_column(column));
        let report = &[level
            .clone()
            .primary_title(title)
            .elements(origin)
            .element(snippet)
            .element(Level::HELP.message(help))];
        let renderer = Renderer::styled().decor_style(DecorStyle::Ascii);
        format!("{}\n", renderer.render(report))
    }
}

/// The line of a byte, counted from 1.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    let before = text.bytes().take(at).filter(|b| *b == b'\n').count();
    before.saturating_add(1)
}

/// The nearest character boundary at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0)
}

/// The part of a line around the bytes `at..at + length`, safe to print, and where these stand in it.
fn window(line: &str, at: usize, length: usize) -> (String, Range<usize>) {
    let first = line.get(..at).map_or(0, |head| head.chars().count());
    let skipped = if first < WINDOW - BEFORE {
        0
    } else {
        first.saturating_sub(BEFORE)
    };
    let (mut shown, mut marks) = (String::new(), None::<Range<usize>>);
    let cut = "... ";
    if skipped > 0 {
        shown.push_str(cut);
    }
    for (index, c) in line.char_indices().skip(skipped).take(WINDOW) {
        let start = shown.len();
        match c {
            '\t' => shown.push(' '),
            c if hidden(c) => shown.push('\u{fffd}'),
            c => shown.push(c),
        }
        if (at..at.saturating_add(length)).contains(&index) {
            marks = Some(marks.map_or(start, |m| m.start)..shown.len());
        }
    }
    if line.chars().count() > skipped.saturating_add(WINDOW) {
        shown.push_str(" ...");
    }
    let end = shown.len();
    (shown, marks.unwrap_or(end..end))
}

#[cfg(test)]
mod tests {
    use super::{Problem, window};

    fn plain(span: std::ops::Range<usize>, text: &str) -> String {
        let problem = Problem {
            span,
            title: "unknown key `pth`".to_owned(),
            help: "write `path`".to_owned(),
        };
        anstream::adapter::strip_str(&problem.render("probity.toml", text)).to_string()
    }

    #[test]
    fn a_problem_shows_file_line_column_line_reason_and_way_out() {
        let text = "version = 1\r\n[[allow]]\r\npth = \"a\"\r\n";
        let expected = "error: unknown key `pth`
 --> probity.toml:3:1
  |
3 | pth = \"a\"
  | ^^^
  |
  = help: write `path`
";
        assert_eq!(plain(24..27, text), expected);
    }

    #[test]
    fn any_place_of_any_text_can_be_shown() {
        for text in [
            "",
            "\n",
            "a",
            "\u{e4}\u{e4}\n\u{1b}[31m\u{9b}2J\u{202e}x\t\ty",
            "x\r\n\r\n",
        ] {
            for start in 0..=text.len() + 2 {
                for end in start..=text.len() + 2 {
                    let shown = plain(start..end, text);
                    assert!(shown.contains("probity.toml:"), "{shown}");
                    assert!(!shown.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{shown:?}");
                }
            }
        }
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let line = format!("{}MARK{}", "a".repeat(100_000), "b".repeat(100_000));
        let (shown, marks) = window(&line, 100_000, 4);
        assert_eq!(&shown[marks], "MARK");
        assert!(shown.len() < 200, "{shown}");
        assert!(plain(100_000..100_004, &line).contains("probity.toml:1:100001"));
    }
}
