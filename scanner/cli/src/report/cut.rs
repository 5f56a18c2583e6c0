//! Bounded text: what a reader of another format gets of a long message.

use probity_engine::name::printable;

/// Text of an artifact, made printable and cut to `most` characters; what is left out is counted.
pub(crate) fn cut(text: &str, most: usize) -> String {
    let text = printable(text.as_bytes());
    match text.char_indices().nth(most) {
        None => text,
        Some((end, _)) => {
            let rest = text.get(end..).map_or(0, |rest| rest.chars().count());
            let kept = text.get(..end).unwrap_or_default();
            format!("{kept}... ({rest} left out)")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn long_text_is_cut_at_a_character_and_says_so() {
        for (text, most, expected) in [
            ("short", 5, "short"),
            ("longer", 5, "longe... (1 left out)"),
            ("\u{fc}\u{fc}\u{fc}", 2, "\u{fc}\u{fc}... (1 left out)"),
            ("a\nb", 9, "a%0Ab"),
            ("", 0, ""),
        ] {
            assert_eq!(cut(text, most), expected);
        }
    }
}
