//! Configurations in YAML (`Model.to_yaml`, Keras before 2.6), and YAML that makes its loader build Python objects.
//!
//! Read line by line, not as YAML: a tag `!!python/...` names what an unsafe loader calls (CVE-2021-37678), `class_name`
//! and `module` at any depth name classes, and `!!binary` or a long text behind them may be code, which makes the Lambda
//! around it one. Anchors, flow collections over several lines and block scalars are not followed.

use crate::fact::{CallableUse, ConfigObject, Fact};
use crate::format::{Input, Parse};
use crate::span::Span;
use memchr::memmem::{self, Finder};
use std::sync::LazyLock;

/// The longest document that is looked at.
const LONGEST: u64 = 16 << 20;
/// The most objects told.
const MOST: usize = 4096;

static CLASS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("class_name:"));
/// What stands before the tags, short and long.
static MARKS: LazyLock<[Finder<'static>; 2]> =
    LazyLock::new(|| [Finder::new("!!python/"), Finder::new("yaml.org,2002:python/")]);

/// Tags that make a loader import or call, and what is done to the name behind them.
const TAGS: &[(&[u8], CallableUse)] = &[
    (b"python/object/apply:", CallableUse::Called),
    (b"python/object/new:", CallableUse::Constructed),
    (b"python/object:", CallableUse::Constructed),
    (b"python/name:", CallableUse::Named),
    (b"python/module:", CallableUse::Named),
];

/// Looks at a YAML document for classes; its tags are the format's own business.
pub(in crate::format) fn look_for_classes(bytes: &[u8], out: &mut Parse) {
    if CLASS.find(bytes).is_some() && reads_like_yaml(bytes) {
        classes(bytes, out);
    }
}

/// Looks at a text whose beginning is `head`.
pub(super) fn look(head: &[u8], input: &Input<'_>, out: &mut Parse) {
    let is_model = CLASS.find(head).is_some();
    let is_tagged = MARKS.iter().any(|mark| mark.find(head).is_some());
    if !is_model && !is_tagged {
        return;
    }
    let bytes = match input.read_up_to(0, LONGEST) {
        Ok(bytes) => bytes,
        Err(fault) => return out.fault(&fault, "configuration"),
    };
    // A program that handles such documents has their words in it too.
    if is_tagged && reads_like_yaml(&bytes) {
        tags(&bytes, out);
    }
    if is_model && reads_like_yaml(&bytes) {
        classes(&bytes, out);
    }
}

/// Whether most of the first lines are keys, list items or comments.
fn reads_like_yaml(bytes: &[u8]) -> bool {
    let lines = bytes
        .split(|b| *b == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|l| !l.is_empty());
    let (mut all, mut fit) = (0usize, 0usize);
    for line in lines.take(64) {
        all = all.saturating_add(1);
        let key = line
            .iter()
            .position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'"' | b'\'' | b' ')))
            .is_some_and(|at| {
                line.get(at) == Some(&b':') && matches!(line.get(at.saturating_add(1)), None | Some(b' '))
            });
        let item = line.starts_with(b"- ") || line.starts_with(b"#") || line == b"---" || line.starts_with(b"!!");
        fit = fit.saturating_add(usize::from(key || item));
    }
    fit.saturating_mul(4) >= all.saturating_mul(3)
}

fn tags(bytes: &[u8], out: &mut Parse) {
    for at in memmem::find_iter(bytes, b"python/").take(MOST) {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some((tag, usage)) = TAGS.iter().find(|(tag, _)| rest.starts_with(tag)) else {
            continue;
        };
        let name: Vec<u8> = rest
            .iter()
            .skip(tag.len())
            .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'))
            .take(256)
            .copied()
            .collect();
        let path = String::from_utf8_lossy(&name).into_owned();
        let (module, name) = path.rsplit_once('.').unwrap_or(("builtins", &path));
        out.fact(Fact::Callable {
            module: module.into(),
            name: name.into(),
            usage: *usage,
            span: Span::saturating_at(wide(at), wide(tag.len().saturating_add(path.len()))),
        });
    }
}

fn classes(bytes: &[u8], out: &mut Parse) {
    let mut at = 0usize;
    let mut told = 0usize;
    for line in bytes.split(|b| *b == b'\n') {
        let start = at;
        at = at.saturating_add(line.len()).saturating_add(1);
        for (key, is_class) in [(&b"class_name:"[..], true), (b"module:", false)] {
            for place in memmem::find_iter(line, key) {
                told = told.saturating_add(1);
                if told > MOST {
                    return;
                }
                let from = place.saturating_add(key.len());
                let value: Vec<u8> = line
                    .get(from..)
                    .unwrap_or_default()
                    .iter()
                    .skip_while(|b| matches!(b, b' ' | b'"' | b'\''))
                    .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'>'))
                    .take(256)
                    .copied()
                    .collect();
                let value: Box<str> = String::from_utf8_lossy(&value).into();
                let span = Span::new(
                    wide(start.saturating_add(place)),
                    wide(start.saturating_add(line.len())),
                );
                if is_class && &*value == "Lambda" {
                    out.fact(Fact::ConfigLambda { layer: "".into(), span });
                }
                let (module, name) = if is_class {
                    (None, value)
                } else {
                    (Some(value), "*".into())
                };
                out.fact(Fact::ConfigObject(Box::new(ConfigObject {
                    module,
                    name,
                    is_function: false,
                    registered: None,
                    layer: "".into(),
                    span,
                })));
            }
        }
    }
}

fn wide(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
