//! The rules by their number, as `file:line`.

/// What each rule is called in events and reports. Rules are numbered from 1.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Rules(Vec<String>);

impl Rules {
    /// The names of the rules 1, 2, ...
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        Self(names.into_iter().collect())
    }

    /// The name of a rule.
    #[must_use]
    pub fn get(&self, rule: u16) -> Option<&str> {
        let at = usize::from(rule).checked_sub(1)?;
        self.0.get(at).map(String::as_str)
    }

    /// Every rule with its number.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &str)> {
        (1..=u16::MAX).zip(self.0.iter().map(String::as_str))
    }
}
