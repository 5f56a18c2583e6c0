//! The characters between `://` and the end of the authority, with template placeholders folded into one mark.

use super::Encoding;
use super::text::decode;

/// Stands for a whole placeholder (`${host}`, `%s`, `{host}`, `<host>`, `$HOST`).
pub(super) const PLACEHOLDER: char = '\0';

/// Longest placeholder recognised, in characters.
const MAX_PLACEHOLDER: usize = 96;

/// HTML elements that may follow a URL in text: `<br>` is markup, `<host>` a placeholder.
const MARKUP: &[&str] = &[
    "a", "b", "body", "br", "code", "dd", "div", "dt", "em", "hr", "i", "li", "ol", "p", "pre", "span", "strong",
    "table", "td", "th", "tr", "u", "ul",
];

/// One character of an authority.
#[derive(Clone, Copy)]
pub(super) struct Glyph {
    pub(super) ch: char,
    /// Offset of its first byte in the window.
    pub(super) at: usize,
}

/// An authority as written.
pub(super) struct Authority {
    pub(super) glyphs: Vec<Glyph>,
    /// Offset after its last byte.
    pub(super) end: usize,
    /// The first character in it that nobody sees; none of them is a glyph.
    pub(super) invisible: Option<char>,
}

/// Reads the authority that starts at `at`.
pub(super) fn read(encoding: Encoding, bytes: &[u8], mut at: usize) -> Authority {
    let mut glyphs = Vec::new();
    let mut invisible = None;
    while let Some((ch, len)) = decode(encoding, bytes, at) {
        let next = at.saturating_add(len);
        let (ch, next) = match ch {
            '{' | '<' | '$' | '%' => match placeholder(encoding, bytes, ch, next) {
                Some(end) => (PLACEHOLDER, end),
                None if matches!(ch, '{' | '<') => break,
                None => (ch, next),
            },
            _ if is_invisible(ch) && continues(encoding, bytes, next) => {
                invisible = invisible.or(Some(ch));
                at = next;
                continue;
            }
            _ if ends_authority(ch) => break,
            _ => (ch, next),
        };
        glyphs.push(Glyph { ch, at });
        at = next;
    }
    Authority {
        glyphs,
        end: at,
        invisible,
    }
}

/// Characters that leave no mark, or only turn the direction of others: soft hyphen, zero-width and directional ones.
pub(super) fn is_invisible(ch: char) -> bool {
    matches!(
        ch,
        '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}'
            | '\u{2066}'..='\u{2069}' | '\u{feff}'
    )
}

/// Whether what follows an invisible character belongs to the host in front of it.
fn continues(encoding: Encoding, bytes: &[u8], at: usize) -> bool {
    matches!(decode(encoding, bytes, at), Some((ch, _)) if ch.is_ascii_alphanumeric() || matches!(ch, '.' | '-'))
}

fn ends_authority(ch: char) -> bool {
    match ch {
        '/' | '?' | '#' | '"' | '\'' | '`' | '(' | ')' | '}' | '>' | '|' | '\\' | '^' => true,
        _ if ch.is_ascii() => ch.is_ascii_whitespace() || ch.is_ascii_control(),
        _ => !ch.is_alphanumeric(),
    }
}

/// Where the placeholder that `opener` begins ends, given the offset after `opener`.
///
/// No placeholder holds a slash, so that reading one never runs into the next URL and the work stays linear.
fn placeholder(encoding: Encoding, bytes: &[u8], opener: char, after: usize) -> Option<usize> {
    let (next, len) = decode(encoding, bytes, after)?;
    let inner = after.saturating_add(len);
    match (opener, next) {
        ('{', '/' | '?' | '#' | '&') => None,
        ('{', _) => closed(encoding, bytes, after, '{', '}').map(|(end, _)| end),
        ('<', _) => closed(encoding, bytes, after, '<', '>').and_then(|(end, inside)| {
            let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | ' ');
            (inside.chars().all(plain) && !MARKUP.contains(&inside.as_str()) && !inside.is_empty()).then_some(end)
        }),
        (_, '{') => closed(encoding, bytes, inner, '{', '}').map(|(end, _)| end),
        (_, '(') => {
            let (end, _) = closed(encoding, bytes, inner, '(', ')')?;
            match decode(encoding, bytes, end) {
                Some(('s' | 'd', len)) if opener == '%' => Some(end.saturating_add(len)),
                _ => Some(end),
            }
        }
        ('$', c) if c.is_ascii_alphabetic() || c == '_' => {
            let mut end = inner;
            while let Some((c, len)) = decode(encoding, bytes, end) {
                if !(c.is_ascii_alphanumeric() || c == '_') {
                    break;
                }
                end = end.saturating_add(len);
            }
            Some(end)
        }
        ('%', 'd' | 'f') if matches!(decode(encoding, bytes, inner), Some((c, _)) if c.is_ascii_hexdigit()) => None,
        ('%', 's' | 'd' | 'v' | 'i' | 'u' | 'f' | 'q' | '@') => Some(inner),
        _ => None,
    }
}

/// The offset after the `close` that balances an `open` already read, and the text in between.
fn closed(encoding: Encoding, bytes: &[u8], mut at: usize, open: char, close: char) -> Option<(usize, String)> {
    let mut depth = 0_usize;
    let mut inside = String::new();
    for _ in 0..MAX_PLACEHOLDER {
        let (ch, len) = decode(encoding, bytes, at)?;
        at = at.saturating_add(len);
        if ch == close {
            if depth == 0 {
                return Some((at, inside));
            }
            depth = depth.saturating_sub(1);
        } else if ch == open {
            depth = depth.saturating_add(1);
        } else if ch == '/' || ch.is_control() {
            return None;
        }
        inside.push(ch);
    }
    None
}
