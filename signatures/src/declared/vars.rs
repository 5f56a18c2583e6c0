//! `${NAME}` in a text: from `--var`, from `[vars]`, from the environment, in this order.
//!
//! A value stands for itself: a `*` or a `{` in it is a character and no pattern, so that a directory's name cannot
//! widen a rule. An empty value is refused like an unset one: `${HOME}/**` must not become `/**`.

use std::collections::BTreeMap;
use thiserror::Error;

/// How deep values may name other values.
const DEEPEST: usize = 8;

/// One byte of a text, and whether it may be pattern syntax.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) byte: u8,
    /// From a variable or behind a backslash: never syntax.
    pub(super) quoted: bool,
}

/// Why a text with variables is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VarError {
    /// Nothing gives the variable a value.
    #[error("the variable `{0}` is not set")]
    Unset(String),
    /// The value is empty.
    #[error("the variable `{0}` is empty")]
    Empty(String),
    /// `${` without `}`.
    #[error("`${{` without its `}}`")]
    Unclosed,
    /// Not a name.
    #[error("`{0}` is not a variable's name")]
    Name(String),
    /// A value that comes back to itself, or goes too deep.
    #[error("the variable `{0}` stands in its own value")]
    Circular(String),
}

impl VarError {
    /// What to write instead.
    pub fn help(&self) -> String {
        match self {
            Self::Unset(name) | Self::Empty(name) => {
                format!("set it in the environment, or give --var {name}=VALUE")
            }
            Self::Unclosed => "write ${NAME}; \\$\\{ is the text itself".to_owned(),
            Self::Name(_) => "a name has letters, digits and _, such as ${WORKSPACE}".to_owned(),
            Self::Circular(_) => "give it a value without variables".to_owned(),
        }
    }
}

/// Where values come from.
pub(super) struct Scope<'a> {
    /// `--var`.
    pub(super) overrides: &'a BTreeMap<String, String>,
    /// `[vars]`.
    pub(super) own: BTreeMap<String, String>,
    /// The environment.
    pub(super) environment: &'a dyn Fn(&str) -> Option<String>,
}

impl Scope<'_> {
    /// The bytes of a text, its variables replaced and its backslashes resolved.
    pub(super) fn units(&self, text: &str) -> Result<Vec<Unit>, VarError> {
        let mut units = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let tail = &rest[c.len_utf8()..];
            if let Some(inside) = rest.strip_prefix("${") {
                let (name, after) = inside.split_once('}').ok_or(VarError::Unclosed)?;
                let value = self.value(name, DEEPEST)?;
                // `/` is the root of a tree like any other directory: what follows brings its own separator.
                let value = value.trim_end_matches('/');
                let root = value.is_empty() && !after.starts_with('/');
                let bytes = if root { "/" } else { value }.bytes();
                units.extend(bytes.map(|byte| Unit { byte, quoted: true }));
                rest = after;
                continue;
            }
            rest = tail;
            let quoted = c == '\\';
            let c = if quoted {
                let next = rest.chars().next();
                rest = next.map_or(rest, |next| &rest[next.len_utf8()..]);
                next.unwrap_or('\\')
            } else {
                c
            };
            let mut buffer = [0; 4];
            let bytes = c.encode_utf8(&mut buffer).bytes();
            units.extend(bytes.map(|byte| Unit { byte, quoted }));
        }
        Ok(units)
    }

    /// A text that is no pattern, its variables replaced.
    pub(super) fn text(&self, text: &str) -> Result<String, VarError> {
        self.plain(text, DEEPEST)
    }

    fn plain(&self, text: &str, depth: usize) -> Result<String, VarError> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, inside)) = rest.split_once("${") {
            out.push_str(before);
            let (name, after) = inside.split_once('}').ok_or(VarError::Unclosed)?;
            out.push_str(&self.value(name, depth)?);
            rest = after;
        }
        out.push_str(rest);
        Ok(out)
    }

    fn value(&self, name: &str, depth: usize) -> Result<String, VarError> {
        if !is_name(name) {
            return Err(VarError::Name(name.to_owned()));
        }
        let depth = depth
            .checked_sub(1)
            .ok_or_else(|| VarError::Circular(name.to_owned()))?;
        let value = match (self.overrides.get(name), self.own.get(name)) {
            (Some(value), _) => value.clone(),
            // `HOME = "${HOME}"` asks the environment, not itself.
            (None, Some(own)) if *own == format!("${{{name}}}") => self.outside(name)?,
            (None, Some(own)) => self.plain(own, depth)?,
            (None, None) => self.outside(name)?,
        };
        if value.is_empty() {
            return Err(VarError::Empty(name.to_owned()));
        }
        Ok(value)
    }

    fn outside(&self, name: &str) -> Result<String, VarError> {
        (self.environment)(name).ok_or_else(|| VarError::Unset(name.to_owned()))
    }
}

/// Whether it can be a variable's name: ASCII letters, digits and `_`, no digit first.
pub(super) fn is_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    bytes.first().is_some_and(|b| !b.is_ascii_digit()) && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Result<&str, VarError>) {
        let overrides = BTreeMap::from([("given".to_owned(), "/o".to_owned())]);
        let own = [
            ("given", "/never"),
            ("work", "${WS}/x"),
            ("HOME", "${HOME}"),
            ("a", "${b}"),
            ("b", "${a}"),
        ];
        let environment = |name: &str| match name {
            "WS" => Some("/ws".to_owned()),
            "HOME" => Some("/home/*/".to_owned()),
            "ROOT" => Some("/".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let scope = Scope {
            overrides: &overrides,
            own: own.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            environment: &environment,
        };
        let units = scope
            .units(text)
            .map(|units| units.iter().map(|u| u.byte).collect::<Vec<u8>>());
        assert_eq!(units, expect.map(|e| e.as_bytes().to_vec()), "{text}");
    }

    #[test]
    fn values_come_from_the_option_then_the_file_then_the_environment() {
        check("${given}/f", Ok("/o/f"));
        check("${work}/f", Ok("/ws/x/f"));
        check("${HOME}/.ssh", Ok("/home/*/.ssh"));
        check("${ROOT}/f", Ok("/f"));
        check("${ROOT}", Ok("/"));
        check("/$x/\\${y}/\\*", Ok("/$x/${y}/*"));
        check("${none}", Err(VarError::Unset("none".to_owned())));
        check("${EMPTY}/**", Err(VarError::Empty("EMPTY".to_owned())));
        check("${", Err(VarError::Unclosed));
        check("${a b}", Err(VarError::Name("a b".to_owned())));
        assert!(matches!(
            Scope {
                overrides: &BTreeMap::new(),
                own: [("a".to_owned(), "${b}".to_owned()), ("b".to_owned(), "${a}".to_owned())].into(),
                environment: &|_| None
            }
            .units("${a}"),
            Err(VarError::Circular(_))
        ));
    }
}
