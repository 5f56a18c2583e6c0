//! Enumerations whose values are words of the format.

/// An enumeration of words.
pub(super) trait Word: Copy + 'static {
    /// Every value.
    const ALL: &'static [Self];

    /// The word of a value.
    fn word(self) -> &'static str;
}

/// Declares an enumeration with the word of each value, the list of them all, and the way back from a word.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, schemars::JsonSchema)]
        pub enum $name {
            $($(#[$doc])* #[serde(rename = $text)] $variant,)*
        }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word in files and reports.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            /// The value of a word; `None` when there is no such word.
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == word)
            }
        }

        impl $crate::declared::words::Word for $name {
            const ALL: &'static [Self] = Self::ALL;

            fn word(self) -> &'static str {
                self.as_str()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

pub(super) use words;

/// The word that is nearest to `asked`: at most three letters away, and at most half of it.
pub(super) fn nearest<'w>(asked: &str, words: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let asked = asked.to_ascii_lowercase();
    let length = asked.chars().count();
    words
        .into_iter()
        .map(|word| (distance(&asked, word), word))
        .filter(|(away, word)| *away <= 3 && *away <= length.max(word.len()).div_ceil(2))
        .min()
        .map(|(_, word)| word)
}

/// Letters to insert, remove or replace (Levenshtein). Words are short; a long one is far from all.
fn distance(a: &str, b: &str) -> usize {
    const LONG: usize = 64;
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(LONG).enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (y, above) in b.iter().zip(row.iter_mut().skip(1)) {
            let next = (diagonal + usize::from(x != *y)).min(left + 1).min(*above + 1);
            diagonal = *above;
            *above = next;
            left = next;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0) + a.chars().count().saturating_sub(LONG)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_nearest_word_is_a_slip_away_and_a_stranger_has_none() {
        let words = ["read", "write", "create", "delete", "metadata", "map"];
        for (asked, expected) in [
            ("raed", Some("read")),
            ("reed", Some("read")),
            ("READ", Some("read")),
            ("wite", Some("write")),
            ("meta-data", Some("metadata")),
            ("execute", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(asked, words), expected, "{asked}");
        }
    }
}
