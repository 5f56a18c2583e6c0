//! Lines that fit a terminal: long text goes on under its own beginning.

/// `text` for a line on which `used` columns are taken, broken at spaces so that no line passes `columns`; further
/// lines start `indent` columns in. A word longer than a line (a path, a digest) stays whole, so that it can be copied.
/// Without a width nothing is broken: a pipe wants one line for one thing.
pub(crate) fn wrap(text: &str, used: usize, indent: usize, columns: Option<usize>) -> String {
    let Some(columns) = columns.filter(|c| *c >= indent.saturating_add(20)) else {
        return text.to_owned();
    };
    let mut out = String::with_capacity(text.len());
    let (mut at, mut fresh) = (used, true);
    for word in text.split(' ') {
        let length = word.chars().count();
        if !fresh && at.saturating_add(1).saturating_add(length) > columns {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
            at = indent;
        } else if !fresh {
            out.push(' ');
            at = at.saturating_add(1);
        }
        fresh = false;
        out.push_str(word);
        at = at.saturating_add(length);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn text_goes_on_under_its_beginning_and_words_stay_whole() {
        let text = "one two three four five six";
        for (text, used, indent, columns, expected) in [
            (text, 4, 4, None, text),
            (text, 4, 4, Some(80), text),
            (text, 4, 4, Some(24), "one two three four\n    five six"),
            (text, 20, 2, Some(24), "one\n  two three four five\n  six"),
            (
                "a ccccccccccccccccccccccccccccccc d",
                0,
                2,
                Some(24),
                "a\n  ccccccccccccccccccccccccccccccc\n  d",
            ),
            (text, 4, 4, Some(10), text),
            ("", 4, 4, Some(80), ""),
        ] {
            assert_eq!(wrap(text, used, indent, columns), expected);
        }
    }
}
