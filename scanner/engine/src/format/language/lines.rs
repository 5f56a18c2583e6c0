//! What the first lines of a text say about its language.

use super::Language;

/// Lines that are looked at.
pub(super) const MOST: usize = 64;

/// The language of a text that begins with `lines`.
pub(super) fn language(lines: &[&str]) -> Option<Language> {
    let lines = lines.get(..MOST).unwrap_or(lines);
    let first = lines.first()?;
    if let Some(rest) = first.strip_prefix("#!") {
        return interpreter(rest);
    }
    if yaml_tag(lines) {
        return Some(Language::Yaml);
    }
    let significant = lines.iter().copied().filter(|line| !line.trim_start().is_empty());
    let hashed = significant.clone().filter(|line| !line.trim_start().starts_with('#'));
    // Each looks at the first line that is no comment before anything else: most texts end here.
    if is_toml(hashed.clone()) {
        return Some(Language::Toml);
    }
    if is_ini(hashed.clone().filter(|line| !line.trim_start().starts_with(';'))) {
        return Some(Language::Ini);
    }
    if is_python(hashed.clone(), first) {
        return Some(Language::Python);
    }
    if is_javascript(significant) {
        return Some(Language::JavaScript);
    }
    is_yaml(hashed).then_some(Language::Yaml)
}

/// The language of the interpreter that a `#!` line names; `env` and its options are passed over.
fn interpreter(line: &str) -> Option<Language> {
    let mut words = line.split_whitespace();
    let base = |word: &str| word.rsplit('/').next().unwrap_or(word).to_owned();
    let mut name = base(words.next()?);
    if name == "env" {
        name = base(words.find(|word| !word.starts_with('-') && !word.contains('='))?);
    }
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    Some(match stem {
        "python" | "pypy" | "pythonw" => Language::Python,
        "node" | "nodejs" | "deno" | "bun" | "tsx" | "ts-node" | "zx" => Language::JavaScript,
        "sh" | "bash" | "dash" | "ash" | "zsh" | "ksh" | "mksh" => Language::Shell,
        _ => return None,
    })
}

/// A tag that makes a loader of YAML construct something, where a node begins.
fn yaml_tag(lines: &[&str]) -> bool {
    const TAGS: [&str; 4] = ["!!python/", "!<tag:yaml.org,2002:", "!!js/", "!!javax."];
    let mut marked = lines.iter().filter(|line| line.contains('!'));
    marked.any(|line| {
        line.trim_start().starts_with("%TAG !")
            || TAGS.iter().any(|tag| {
                line.find(tag).is_some_and(|at| {
                    let before = line.get(..at).unwrap_or_default().trim_end();
                    before.is_empty() || before.ends_with([':', '-', '[', '{', ','])
                })
            })
    })
}

/// A bare or quoted key, dotted or not.
fn is_toml_key(key: &str) -> bool {
    let key = key.trim();
    let part = |part: &str| {
        let part = part.trim();
        let bare = !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        let quoted = |mark| part.len() > 2 && part.starts_with(mark) && part.ends_with(mark);
        bare || quoted('"') || quoted('\'')
    };
    if key.contains(['"', '\'']) {
        return key.len() < 200 && !key.contains('=');
    }
    !key.is_empty() && key.split('.').all(part)
}

/// Every line is a header or a key with a value that is spelled as TOML spells it, up to the first value that goes on
/// in the next line.
fn is_toml<'t>(lines: impl Iterator<Item = &'t str>) -> bool {
    let mut pairs = 0u32;
    let mut tables = 0u32;
    for line in lines {
        let line = line.trim();
        if let Some(rest) = line.strip_prefix('[') {
            let rest = rest.strip_prefix('[').unwrap_or(rest);
            let Some((name, behind)) = rest.split_once(']') else {
                return false;
            };
            let behind = behind.strip_prefix(']').unwrap_or(behind).trim_start();
            if !is_toml_key(name) || !(behind.is_empty() || behind.starts_with('#')) {
                return false;
            }
            tables = tables.saturating_add(1);
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            return false;
        };
        let value = value.trim();
        if !is_toml_key(key) || !is_toml_value(value) {
            return false;
        }
        pairs = pairs.saturating_add(1);
        let open = value.starts_with("\"\"\"") || value.starts_with("'''") || matches!(value, "[" | "{");
        if open || value.starts_with('[') && !value.contains(']') {
            break;
        }
    }
    // A lone assignment is TOML, shell, Python and more.
    pairs > 0 && (tables > 0 || pairs > 2)
}

fn is_toml_value(value: &str) -> bool {
    let bare = value.split(['#', ' ']).next().unwrap_or_default();
    let number = bare.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-'))
        && bare
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.' | b'_' | b':'));
    let text = value.starts_with(['"', '\'']) && !value.ends_with([';', ',', '\\', '+', ')']);
    let list = value.starts_with(['[', '{']) && !value.ends_with([';', '(', ')']);
    text || list || number || matches!(bare, "true" | "false" | "inf" | "nan")
}

/// A section comes first; keys follow.
fn is_ini<'t>(mut lines: impl Iterator<Item = &'t str>) -> bool {
    let header = |line: &str| {
        let name = line.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        name.is_some_and(|name| !name.is_empty() && name.len() < 100 && !name.contains(['[', ']', ',', '{', '"']))
    };
    if !lines.next().is_some_and(header) {
        return false;
    }
    let mut keys = 0u32;
    for line in lines {
        if header(line) || line.starts_with([' ', '\t']) {
            continue;
        }
        match line.split_once(['=', ':']) {
            Some((key, _)) if !key.trim().is_empty() && !key.contains(['(', '{', '"', '<']) => {
                keys = keys.saturating_add(1);
            }
            _ => return false,
        }
    }
    keys > 0
}

/// Statements that only Python has.
fn is_python<'t>(mut lines: impl Iterator<Item = &'t str>, very_first: &str) -> bool {
    if very_first.starts_with('#') && very_first.contains("coding:") && very_first.contains("-*-") {
        return true;
    }
    let Some(first) = lines.next().map(str::trim_end) else {
        return false;
    };
    let definition = |line: &str| {
        let line = line.trim_end();
        let begins = ["def ", "class ", "async def "]
            .iter()
            .any(|word| line.starts_with(word));
        begins && (line.ends_with(':') || line.ends_with('(')) && !line.contains('{')
    };
    let from = |line: &str| {
        let rest = line.strip_prefix("from ").and_then(|rest| rest.split_once(" import "));
        rest.is_some_and(|(module, what)| !module.contains(['"', '\'', ' ']) && !what.trim_end().ends_with(';'))
    };
    let import = |line: &str| {
        line.strip_prefix("import ").is_some_and(|rest| {
            rest.bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b',' | b' '))
        })
    };
    let docstring = ["\"\"\"", "'''", "r\"\"\"", "u\"\"\""]
        .iter()
        .any(|mark| first.starts_with(mark));
    if from(first) || definition(first) {
        return true;
    }
    let starts = docstring || import(first) || first.starts_with('@');
    starts && lines.any(|line| from(line) || definition(line) || docstring && import(line))
}

/// Statements that only JavaScript has, behind comments.
fn is_javascript<'t>(lines: impl Iterator<Item = &'t str>) -> bool {
    let mut comment = false;
    let code = lines.map(str::trim).find(|line| {
        if comment {
            comment = !line.contains("*/");
            return false;
        }
        if line.starts_with("/*") {
            comment = !line.contains("*/");
            // A banner and the program in one line, as minifiers write it.
            return !comment
                && line
                    .split_once("*/")
                    .is_some_and(|(_, behind)| !behind.trim().is_empty());
        }
        !line.starts_with("//")
    });
    let Some(code) = code else { return false };
    let line = code
        .rsplit_once("*/")
        .filter(|_| code.starts_with("/*"))
        .map_or(code, |(_, behind)| behind.trim());
    const STARTS: [&str; 20] = [
        "\"use strict\"",
        "'use strict'",
        "\"use client\"",
        "export default ",
        "export * from ",
        "module.exports",
        "exports.",
        "Object.defineProperty(exports",
        "(function",
        "!function",
        ";(function",
        "(()=>",
        "(() =>",
        "(async",
        "async function ",
        "export function ",
        "export class ",
        "export interface ",
        "export declare ",
        "export type ",
    ];
    if STARTS.iter().any(|start| line.starts_with(start)) {
        return true;
    }
    let quoted = |rest: &str| rest.contains(" from \"") || rest.contains(" from '") || rest.starts_with(['"', '\'']);
    if let Some(rest) = line.strip_prefix("import") {
        return (rest.starts_with([' ', '{', '*', '"', '\''])) && (quoted(rest.trim_start()) || rest.contains("}from"));
    }
    let bound = ["const ", "let ", "var ", "export const "]
        .iter()
        .find_map(|word| line.strip_prefix(word));
    if let Some((target, value)) = bound.and_then(|rest| rest.split_once('=')) {
        let name = target
            .trim()
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$'));
        let pattern = target.trim_start().starts_with(['{', '[']);
        let says = ["require(", "=>", "function", "Object."]
            .iter()
            .any(|word| value.contains(word));
        return (name || pattern) && (says || value.trim_end().ends_with([';', '{', '[', '(']));
    }
    line.strip_prefix("function ")
        .is_some_and(|rest| rest.contains('(') && rest.contains(')') && rest.contains('{'))
}

/// Keys and items, and nothing else in the first column.
fn is_yaml<'t>(lines: impl Iterator<Item = &'t str> + Clone) -> bool {
    let Some(first) = lines.clone().next() else {
        return false;
    };
    // Headers of mail and of packages are spelled alike, and are something else.
    const OTHERS: [&str; 9] = [
        "Metadata-Version:",
        "Wheel-Version:",
        "Manifest-Version:",
        "Signature-Version:",
        "Package:",
        "Format:",
        "From:",
        "Origin:",
        "Copyright:",
    ];
    if OTHERS.iter().any(|other| first.starts_with(other)) {
        return false;
    }
    if first.starts_with("%YAML") {
        return true;
    }
    let marked = first.trim_end() == "---" || first.starts_with("--- ");
    let mut told = 0u32;
    let mut nested = false;
    for (number, line) in lines.enumerate() {
        if line.starts_with("---") || line.trim_end() == "..." {
            // Front matter ends with a second marker, and prose follows.
            if number > 0 && marked {
                break;
            }
            continue;
        }
        if line.starts_with([' ', '\t', ']', '}']) {
            nested = true;
            continue;
        }
        let item = line.starts_with("- ") || line.trim_end() == "-";
        if !(item || is_yaml_key(line)) {
            return false;
        }
        // Lists of prose are Markdown: an item tells only when it is a mapping or stands below a key.
        let mapping = line.strip_prefix("- ").is_none_or(is_yaml_key);
        told = told.saturating_add(u32::from(mapping));
    }
    told >= 2 || told == 1 && (marked || nested)
}

/// `key:` or `key: value`, where the key is a word or two.
fn is_yaml_key(line: &str) -> bool {
    let Some(at) = line.find(": ").or_else(|| {
        line.trim_end()
            .ends_with(':')
            .then(|| line.trim_end().len().saturating_sub(1))
    }) else {
        return false;
    };
    let key = line.get(..at).unwrap_or_default();
    let plain =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'/' | b'$' | b'*' | b'@' | b'<' | b'~');
    let quoted =
        key.len() > 2 && (key.starts_with('"') && key.ends_with('"') || key.starts_with('\'') && key.ends_with('\''));
    let bare = !key.is_empty() && key.len() <= 64 && key.bytes().all(plain);
    bare || quoted
}
