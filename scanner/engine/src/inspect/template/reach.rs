//! What a template could reach: names that lead from any value to the interpreter, and templates that it loads.

use super::Subject;
use super::value::{BUILT, FOREIGN, OBJECT, UNDERSCORES, UNFOLDED, Value, Values};
use crate::finding::{Findings, Value as Evidence, code};
use crate::policy::shown;
use crate::span::Span;
use crate::walk::jinja::{Node, NodeId, NodeKind, PieceKind, Template};
use std::collections::BTreeMap;

/// Members that lead from a value to its class, its namespace, its code or the interpreter's frames.
const ESCAPES: &[&str] = &[
    "__base__",
    "__bases__",
    "__builtins__",
    "__class_getitem__",
    "__closure__",
    "__code__",
    "__delattr__",
    "__dict__",
    "__func__",
    "__getattr__",
    "__getattribute__",
    "__globals__",
    "__import__",
    "__init__",
    "__init_subclass__",
    "__loader__",
    "__mro__",
    "__new__",
    "__reduce__",
    "__reduce_ex__",
    "__self__",
    "__setattr__",
    "__spec__",
    "__subclasses__",
    "__wrapped__",
    "_TemplateReference__context",
    "_Context__self",
    "ag_frame",
    "cr_frame",
    "f_back",
    "f_builtins",
    "f_globals",
    "f_locals",
    "func_globals",
    "gi_code",
    "gi_frame",
    "im_func",
    "tb_frame",
];
/// Modules and functions that a template only names to run something.
const MODULES: &[&str] = &[
    "os",
    "sys",
    "subprocess",
    "importlib",
    "builtins",
    "shutil",
    "socket",
    "pty",
    "popen",
    "eval",
    "exec",
    "open",
    "compile",
    "__import__",
    "__builtins__",
    "globals",
    "locals",
    "getattr",
    "setattr",
    "vars",
];

/// How grave an access is; later is graver.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Grade {
    Introspection,
    Exhausts,
    Class,
    Dynamic,
    Format,
    Module,
    Assembled,
    Escape,
}

impl Grade {
    fn case(self) -> &'static str {
        match self {
            Self::Introspection => "introspection",
            Self::Exhausts => "exhausts",
            Self::Class => "class",
            Self::Dynamic => "dynamic",
            Self::Format => "format",
            Self::Module => "module",
            Self::Assembled => "assembled",
            Self::Escape => "escape",
        }
    }

    fn says(self) -> &'static str {
        match self {
            Self::Introspection => "looks at what a value is",
            Self::Exhausts => "makes more than a machine can hold or count",
            Self::Class => "looks up a value's class",
            Self::Dynamic => "looks up an attribute whose name is not written in the template",
            Self::Format => "formats a string whose fields lead into an object",
            Self::Module => "uses a module or function that templates do not have",
            Self::Assembled => "looks up a member whose name is put together from hidden parts",
            Self::Escape => "leads from a value to the interpreter",
        }
    }
}

/// The accesses of one tag.
struct Reached {
    grade: Grade,
    span: Span,
    names: Vec<String>,
    built: bool,
}

/// `template-injection`.
pub(super) fn report(subject: &Subject<'_>, template: &Template, values: &Values, out: &mut Findings) {
    let mut tags: BTreeMap<u64, Reached> = BTreeMap::new();
    for node in &template.nodes {
        for (grade, name, built) in accesses(node, template, values) {
            let at = template
                .pieces
                .partition_point(|p| p.span.start() <= node.span.start())
                .saturating_sub(1);
            let piece = template.pieces.get(at).map_or(node.span, |p| p.span);
            let tag = tags.entry(piece.start()).or_insert(Reached {
                grade,
                span: node.span,
                names: Vec::new(),
                built: false,
            });
            tag.built |= built;
            if (grade, node.span.len()) > (tag.grade, tag.span.len()) {
                tag.grade = grade;
                tag.span = node.span;
            }
            if tag.names.len() < 16 && !tag.names.contains(&name) {
                tag.names.push(name);
            }
        }
    }
    for tag in tags.into_values().filter(|t| subject.chat || t.grade > Grade::Module) {
        let names: Vec<String> = tag.names.iter().map(|n| shown(n.as_bytes())).collect();
        let what = format!("{}: {}", tag.grade.says(), names.join(", "));
        let finding = subject
            .finding(code::TEMPLATE_INJECTION, tag.grade.case(), tag.span, &what)
            .evidence("assembled", if tag.built { "yes" } else { "no" })
            .key(format!("{} {}", subject.name, names.join(",")))
            .evidence("names", Evidence::List(names));
        out.push(finding);
    }
    if subject.chat {
        others(subject, template, values, out);
    }
    unread(subject, template, out);
}

/// Templates that the template loads.
fn others(subject: &Subject<'_>, template: &Template, values: &Values, out: &mut Findings) {
    for piece in &template.pieces {
        let PieceKind::Other(tag, node) = &piece.kind else {
            continue;
        };
        let target = values.of(*node).texts.first().map_or_else(
            || "a template that it computes the name of".to_owned(),
            |name| shown(name.as_bytes()),
        );
        let what = format!("{tag} of {target}");
        let finding = subject.finding(code::TEMPLATE_INJECTION, "other-template", piece.span, &what);
        out.push(finding.key(format!("{} {what}", subject.name)));
    }
}

/// Tags that break a rule, so that they were not read, and hold a name that leads to the interpreter.
fn unread(subject: &Subject<'_>, template: &Template, out: &mut Findings) {
    for fault in &template.faults {
        let from = usize::try_from(fault.span.start()).unwrap_or(usize::MAX);
        let to = usize::try_from(fault.span.end())
            .unwrap_or(usize::MAX)
            .min(subject.text.len());
        let text = subject.text.get(from..to).unwrap_or_default();
        // Identifiers are normalised (PEP 3131), so that a wide underscore is one.
        let text = &text.replace('\u{ff3f}', "_");
        let escape = ESCAPES
            .iter()
            .chain(&["__class__"])
            .find(|name| (name.starts_with("__") || name.ends_with("_frame")) && text.contains(**name));
        // A comment or a block without an end is no tag that was misread.
        if let Some(name) = escape.filter(|_| text.starts_with("{{") || text.starts_with("{%")) {
            let what = format!("a tag that could not be read ({}) names {name}", fault.rule);
            let finding = subject.finding(code::TEMPLATE_INJECTION, "unread", fault.span, &what);
            out.push(finding.key(format!("{} unread {name}", subject.name)));
        }
    }
}

/// What one node looks up: how grave, the name, and whether it was put together.
fn accesses(node: &Node, template: &Template, values: &Values) -> Vec<(Grade, String, bool)> {
    let mut found = Vec::new();
    match &node.kind {
        NodeKind::Attribute(value, name) => {
            found.extend(grade(name).map(|g| (g, name.to_string(), false)));
            if matches!(&**name, "format" | "format_map") {
                found.extend(fields(values.of(*value)));
            }
            found.extend(module(*value, template, values));
        }
        NodeKind::Item(_, key) => found.extend(looked_up(*key, false, template, values)),
        NodeKind::Call(called, arguments) => {
            found.extend(module(*called, template, values));
            if matches!(template.nodes.get(*called).map(|n| &n.kind), Some(NodeKind::Name(n)) if &**n == "range") {
                found.extend(arguments.iter().find_map(|a| vast(*a, values)));
            }
            // `{% filter attr(name) %}`: the filter stands without a value.
            let filter =
                matches!(template.nodes.get(*called).map(|n| &n.kind), Some(NodeKind::Name(n)) if &**n == "attr");
            if let Some(key) = arguments.first().filter(|_| filter) {
                found.extend(looked_up(*key, true, template, values));
            }
        }
        NodeKind::Filter(value, name, arguments) => {
            let first = arguments.first().copied();
            match &**name {
                "attr" => match first {
                    Some(key) => {
                        found.extend(looked_up(key, true, template, values));
                        let formats = |text: &String| matches!(text.as_str(), "format" | "format_map");
                        if values.of(key).texts.iter().any(formats) {
                            found.extend(fields(values.of(*value)));
                        }
                    }
                    None => found.push((Grade::Dynamic, "attr".into(), false)),
                },
                "format" => found.extend(fields(values.of(*value))),
                "center" | "indent" | "wordwrap" | "ljust" | "rjust" => {
                    found.extend(arguments.iter().find_map(|a| vast(*a, values)));
                }
                "map" | "selectattr" | "rejectattr" | "sort" | "groupby" | "sum" | "unique" | "min" | "max"
                | "join" => {
                    let by_name = first.is_some_and(|f| values.of(f).texts.iter().any(|t| t == "attr"));
                    for argument in arguments {
                        let keyword = matches!(
                            template.nodes.get(*argument).map(|n| &n.kind),
                            Some(NodeKind::Keyword(..))
                        );
                        let second = by_name && arguments.get(1) == Some(argument);
                        let plain = !matches!(&**name, "map" | "join") && first == Some(*argument);
                        if keyword || plain || second {
                            found.extend(paths(values.of(*argument)));
                        }
                        if second {
                            found.extend(looked_up(*argument, true, template, values));
                        }
                    }
                }
                _ => {}
            }
        }
        NodeKind::Binary("*", a, b) => found.extend([*a, *b].into_iter().find_map(|n| vast(n, values))),
        // A power of a power: three small digits are enough.
        NodeKind::Binary("**", a, b) => {
            let power = |n: NodeId| matches!(template.nodes.get(n).map(|n| &n.kind), Some(NodeKind::Binary("**", ..)));
            found.extend((power(*a) || power(*b)).then(|| (Grade::Exhausts, "**".into(), false)));
        }
        _ => {}
    }
    found
}

/// A number that nothing in a prompt is repeated, counted or filled up to.
fn vast(node: NodeId, values: &Values) -> Option<(Grade, String, bool)> {
    const VAST: i64 = 10_000_000;
    let number = values.of(node).number?;
    (number >= VAST).then(|| (Grade::Exhausts, number.to_string(), false))
}

fn grade(name: &str) -> Option<Grade> {
    if ESCAPES.contains(&name) {
        return Some(Grade::Escape);
    }
    if name == "__class__" {
        return Some(Grade::Class);
    }
    let inside = name.strip_prefix("__")?.strip_suffix("__")?;
    (!inside.is_empty() && inside.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
        .then_some(Grade::Introspection)
}

/// What is looked up under a computed key: as an attribute by a filter, or as an item.
fn looked_up(key: NodeId, by_filter: bool, template: &Template, values: &Values) -> Vec<(Grade, String, bool)> {
    let value = values.of(key);
    let literal = matches!(template.nodes.get(key).map(|n| &n.kind), Some(NodeKind::Text(_)));
    let mut found: Vec<_> = value
        .texts
        .iter()
        .filter_map(|text| grade(text).map(|g| (g, text.clone(), !literal)))
        .map(|(grade, text, built)| {
            // Nobody puts `__class__` together who could have written it.
            let hidden = grade <= Grade::Class && value.flags & BUILT != 0;
            (if hidden { Grade::Assembled } else { grade }, text, built)
        })
        .collect();
    if value.texts.is_empty() && value.number.is_none() {
        let hidden = value.flags & (FOREIGN | OBJECT | UNFOLDED) != 0
            || value.flags & (UNDERSCORES | BUILT) == UNDERSCORES | BUILT;
        if hidden {
            found.push((Grade::Assembled, "(assembled)".into(), true));
        } else if by_filter {
            found.push((Grade::Dynamic, "(computed)".into(), true));
        }
    }
    found
}

/// Dotted paths that filters follow: `map(attribute='a.b')`.
fn paths(value: &Value) -> Vec<(Grade, String, bool)> {
    let segments = value.texts.iter().flat_map(|t| t.split(['.', ',']));
    segments
        .filter_map(|s| grade(s).map(|g| (g, s.to_owned(), true)))
        .collect()
}

/// Fields of a format string that lead into an object: `{0.__class__}`.
fn fields(value: &Value) -> Vec<(Grade, String, bool)> {
    let mut found = Vec::new();
    for text in &value.texts {
        for field in text.split('{').skip(1).filter_map(|f| f.split('}').next()) {
            let leads = field
                .split(['.', '[', ']', '!', ':'])
                .skip(1)
                .find(|s| ESCAPES.contains(s) || *s == "__class__");
            found.extend(leads.map(|name| (Grade::Format, name.to_owned(), true)));
        }
    }
    found
}

/// A module or function of the interpreter, used by its name.
fn module(value: NodeId, template: &Template, values: &Values) -> Option<(Grade, String, bool)> {
    match template.nodes.get(value).map(|n| &n.kind) {
        Some(NodeKind::Name(name)) if MODULES.contains(&&**name) && !values.is_local(name) => {
            Some((Grade::Module, name.to_string(), false))
        }
        _ => None,
    }
}
