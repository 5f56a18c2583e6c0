//! Where in a data file an error lies: byte spans turned into one-based lines.

use std::ops::Range;

/// The one-based line on which `span` starts; 1 when the parser gave no position.
pub(crate) fn line_of(text: &str, span: Option<Range<usize>>) -> usize {
    let start = span.map_or(0, |span| span.start);
    1 + text.bytes().take(start).filter(|byte| *byte == b'\n').count()
}

/// The parser's message on one line.
pub(crate) fn message_of(error: &toml::de::Error) -> String {
    error.message().split_whitespace().collect::<Vec<_>>().join(" ")
}
