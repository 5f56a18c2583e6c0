//! What Python and Jinja make of constant strings, as far as names are assembled with it.

use super::value::{BUILT, UNDERSCORES, UNFOLDED, Value};

/// The most alternatives that are multiplied.
const MOST: usize = 12;

/// Methods of strings and lists: what they are called on stays what it is.
pub(super) fn is_method(name: &str) -> bool {
    matches!(
        name,
        "lower"
            | "upper"
            | "strip"
            | "lstrip"
            | "rstrip"
            | "split"
            | "rsplit"
            | "splitlines"
            | "replace"
            | "title"
            | "capitalize"
            | "casefold"
            | "swapcase"
            | "join"
            | "format"
            | "format_map"
            | "encode"
            | "decode"
            | "items"
            | "values"
            | "keys"
            | "get"
            | "removeprefix"
            | "removesuffix"
            | "partition"
            | "rpartition"
            | "copy"
    )
}

/// Whether a literal is natural language and not markup, a key of a message or a tag.
pub(super) fn is_language(text: &str) -> bool {
    const KEYS: &[&str] = &[
        "text",
        "image",
        "image_url",
        "images",
        "video",
        "audio",
        "content",
        "role",
        "type",
        "user",
        "assistant",
        "system",
        "tool",
        "tools",
        "tool_calls",
        "tool_call",
        "function",
        "functions",
        "name",
        "thinking",
        "reasoning",
        "think",
        "file",
        "parts",
        "python",
        "ipython",
        "json",
        "document",
        "documents",
        "developer",
        "model",
        "query",
        "arguments",
        "object",
        "string",
        "array",
        "number",
        "boolean",
        "integer",
        "none",
        "null",
        "true",
        "false",
        "human",
        "gpt",
        "bot",
        "observation",
        "environment",
        "code",
        "description",
        "properties",
        "required",
        "nullable",
        "enum",
        "items",
        "parameters",
        "format",
        "default",
        "title",
    ];
    let text = text.trim();
    let allowed =
        |c: char| c.is_alphanumeric() || matches!(c, ' ' | '\'' | '-' | ',' | '.' | '?' | '!' | ':' | '\u{2019}');
    text.chars().count() >= 3
        && text.chars().all(allowed)
        && text.chars().any(char::is_alphabetic)
        && !KEYS.contains(&text.to_lowercase().as_str())
}

/// Every string of `a` followed by every one of `b`.
pub(super) fn concatenated(a: &Value, b: &Value) -> Vec<String> {
    let number = |v: &Value| v.number.map(|n| n.to_string()).into_iter().collect::<Vec<_>>();
    let all = |v: &Value| if v.texts.is_empty() { number(v) } else { v.texts.clone() };
    let (first, second) = (all(a), all(b));
    if first.len().saturating_mul(second.len()) > MOST || (a.texts.is_empty() && b.texts.is_empty()) {
        return Vec::new();
    }
    first
        .iter()
        .flat_map(|x| second.iter().map(move |y| format!("{x}{y}")))
        .collect()
}

/// `text[from:to:step]`; `parts` holds for each part whether it is absent or a number.
pub(super) fn slice(text: &str, parts: &[Option<Option<i64>>]) -> Option<String> {
    let part = |at: usize| parts.get(at).copied().unwrap_or(Some(None));
    let (from, to, step) = (part(0)?, part(1)?, part(2)?.unwrap_or(1));
    let chars: Vec<char> = text.chars().collect();
    let length = i64::try_from(chars.len()).ok()?;
    let place = |at: i64, low: i64, high: i64| {
        let at = if at < 0 { at.saturating_add(length) } else { at };
        at.clamp(low, high)
    };
    let mut out = String::new();
    let pick = |at: i64| usize::try_from(at).ok().and_then(|at| chars.get(at)).copied();
    if step > 0 {
        let end = to.map_or(length, |t| place(t, 0, length));
        let mut at = from.map_or(0, |f| place(f, 0, length));
        while at < end {
            out.extend(pick(at));
            at = at.saturating_add(step);
        }
    } else if step < 0 {
        let end = to.map_or(-1, |t| place(t, -1, length.saturating_sub(1)));
        let mut at = from.map_or(length.saturating_sub(1), |f| place(f, -1, length.saturating_sub(1)));
        while at > end {
            out.extend(pick(at));
            at = at.saturating_add(step);
        }
    }
    Some(out)
}

fn each(value: &Value, change: impl Fn(&str) -> String) -> Value {
    Value {
        texts: value.texts.iter().map(|t| change(t)).collect(),
        ..Value::default()
    }
}

fn joined(list: &Value, between: &str) -> Value {
    let mut out = Value::default();
    match &list.list {
        Some(items) => out.texts.push(items.join(between)),
        // Joining a string puts the separator between its characters.
        None => {
            for text in &list.texts {
                let parts: Vec<String> = text.chars().map(String::from).collect();
                out.texts.push(parts.join(between));
            }
        }
    }
    out
}

fn replaced(value: &Value, arguments: &[Value]) -> Value {
    let one = |at: usize| arguments.get(at).and_then(|a| a.texts.first()).map(String::as_str);
    match (one(0), one(1)) {
        (Some(from), Some(to)) if !from.is_empty() => each(value, |t| t.replace(from, to)),
        _ => unknown(value),
    }
}

fn unknown(value: &Value) -> Value {
    let mut out = Value::default();
    if value.texts.iter().any(|t| t.contains("__")) {
        out.flags |= UNDERSCORES;
    }
    if !value.texts.is_empty() || value.list.as_ref().is_some_and(|l| !l.is_empty()) {
        out.flags |= UNFOLDED;
    }
    out
}

/// `text % values`: `%s`, `%c`, `%d`.
pub(super) fn printf(format: &Value, values: &Value) -> Value {
    let mut arguments: Vec<String> = values
        .list
        .clone()
        .unwrap_or_else(|| values.texts.first().cloned().into_iter().collect());
    if let Some(number) = values.number.filter(|_| arguments.is_empty()) {
        arguments.push(
            u32::try_from(number)
                .ok()
                .and_then(char::from_u32)
                .map_or_else(String::new, String::from),
        );
    }
    if arguments.is_empty() {
        // Numbers in a tuple are characters behind `%c`; which ones is not followed.
        let mut out = unknown(format);
        if format.texts.iter().any(|t| t.contains("%c")) {
            out.flags |= UNDERSCORES | BUILT;
        }
        return out;
    }
    each(format, |text| {
        let mut out = String::new();
        let mut next = arguments.iter();
        let mut rest = text;
        while let Some((plain, behind)) = rest.split_once('%') {
            out.push_str(plain);
            rest = behind;
            let mut chars = behind.chars();
            match chars.next() {
                Some('s' | 'c' | 'd' | 'r') => out.push_str(next.next().map_or("", String::as_str)),
                Some(other) => out.push(other),
                None => {}
            }
            rest = rest
                .get(rest.len().saturating_sub(chars.as_str().len())..)
                .unwrap_or_default();
        }
        out.push_str(rest);
        out
    })
}

/// `'{}{}'.format(a, b)`: positions in order, by number.
fn formatted(format: &Value, arguments: &[Value]) -> Value {
    let texts: Option<Vec<&String>> = arguments.iter().map(|a| a.texts.first()).collect();
    let Some(texts) = texts else { return unknown(format) };
    each(format, |text| {
        let mut out = String::new();
        let mut position = 0usize;
        let mut rest = text;
        while let Some((plain, behind)) = rest.split_once('{') {
            out.push_str(plain);
            let Some((field, after)) = behind.split_once('}') else {
                rest = behind;
                break;
            };
            let at = field.parse().unwrap_or(position);
            position = position.saturating_add(1);
            out.push_str(texts.get(at).map_or("", |t| t.as_str()));
            rest = after;
        }
        out.push_str(rest);
        out
    })
}

/// What a method of a string gives.
pub(super) fn method(object: &Value, method: &str, arguments: &[Value]) -> Value {
    let first = arguments.first();
    match method {
        "lower" | "casefold" => each(object, str::to_lowercase),
        "upper" => each(object, str::to_uppercase),
        "swapcase" => each(object, swapped),
        "strip" | "lstrip" | "rstrip" => match first.and_then(|a| a.texts.first()) {
            Some(set) => {
                let set: Vec<char> = set.chars().collect();
                each(object, |t| match method {
                    "lstrip" => t.trim_start_matches(set.as_slice()).to_owned(),
                    "rstrip" => t.trim_end_matches(set.as_slice()).to_owned(),
                    _ => t.trim_matches(set.as_slice()).to_owned(),
                })
            }
            None => each(object, |t| t.trim().to_owned()),
        },
        "encode" | "decode" => each(object, str::to_owned),
        "replace" => replaced(object, arguments),
        "join" => match (object.texts.first(), first) {
            (Some(between), Some(list)) => joined(list, between),
            _ => Value::default(),
        },
        "format" => formatted(object, arguments),
        "__add__" | "__concat__" => Value {
            texts: first.map_or_else(Vec::new, |b| concatenated(object, b)),
            ..Value::default()
        },
        "split" => {
            let between = first.and_then(|a| a.texts.first()).map(String::as_str);
            let list = object.texts.first().map(|text| match between {
                Some(between) if !between.is_empty() => text.split(between).map(str::to_owned).collect(),
                _ => text.split_whitespace().map(str::to_owned).collect(),
            });
            Value {
                list,
                ..Value::default()
            }
        }
        "get" | "pop" | "setdefault" => Value {
            texts: object.held.clone(),
            ..Value::default()
        },
        "items" | "values" | "keys" | "copy" => pairs(object),
        _ => unknown(object),
    }
}

/// A dictionary's keys and values, all of them.
fn pairs(object: &Value) -> Value {
    let all: Vec<String> = object.list.iter().flatten().chain(&object.held).cloned().collect();
    Value {
        list: (!all.is_empty()).then_some(all),
        held: object.held.clone(),
        ..Value::default()
    }
}

fn swapped(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_ascii_lowercase() {
                c.to_ascii_uppercase()
            } else {
                c.to_ascii_lowercase()
            }
        })
        .collect()
}

/// What a filter gives.
pub(super) fn filter(value: &Value, name: &str, arguments: &[Value]) -> Value {
    let between = arguments
        .first()
        .and_then(|a| a.texts.first())
        .map_or("", String::as_str);
    match name {
        "join" => joined(value, between),
        "lower" => each(value, str::to_lowercase),
        "upper" => each(value, str::to_uppercase),
        "trim" => each(value, |t| t.trim().to_owned()),
        "reverse" => {
            let mut out = each(value, |t| t.chars().rev().collect());
            out.list = value.list.as_ref().map(|l| l.iter().rev().cloned().collect());
            out
        }
        "replace" => replaced(value, arguments),
        "format" => match arguments {
            [single] => printf(value, single),
            _ => {
                let list: Option<Vec<String>> = arguments.iter().map(|a| a.texts.first().cloned()).collect();
                let arguments = Value {
                    list,
                    ..Value::default()
                };
                printf(value, &arguments)
            }
        },
        "items" | "dictsort" => pairs(value),
        "first" | "last" | "random" => {
            let items = value.list.as_deref().unwrap_or_default();
            let one = match name {
                "first" => items.first().cloned().into_iter().collect(),
                "last" => items.last().cloned().into_iter().collect(),
                _ => items.to_vec(),
            };
            Value {
                texts: one,
                ..Value::default()
            }
        }
        "list" | "sort" | "unique" | "string" | "safe" | "escape" | "e" | "forceescape" | "default" | "d"
        | "tojson" => {
            let mut same = value.clone();
            same.flags = 0;
            same
        }
        _ => unknown(value),
    }
}
