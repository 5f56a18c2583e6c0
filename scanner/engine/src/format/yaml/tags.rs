//! What a resolved tag asks a loader to call.

use super::super::Parse;
use crate::fact::{CallableUse, Fact};
use crate::span::Span;

/// The prefix of `!!` tags.
pub(super) const CORE: &str = "tag:yaml.org,2002:";

/// States the callable that the tag `full` names, if it names one.
pub(super) fn callable(full: &str, span: Span, out: &mut Parse) {
    let Some(tag) = full.strip_prefix(CORE) else { return };
    let (usage, path) = if let Some(path) = tag.strip_prefix("python/object/apply:") {
        (CallableUse::Called, path)
    } else if let Some(path) = tag
        .strip_prefix("python/object/new:")
        .or(tag.strip_prefix("python/object:"))
    {
        (CallableUse::Constructed, path)
    } else if let Some(path) = tag.strip_prefix("python/name:") {
        (CallableUse::Named, path)
    } else if let Some(module) = tag.strip_prefix("python/module:") {
        return state(module, "*", CallableUse::Named, span, out);
    } else if tag == "js/function" {
        return state("js", "function", CallableUse::Called, span, out);
    } else if !tag.contains(['/', ':']) && tag.contains('.') {
        // SnakeYAML's global tags are class names.
        (CallableUse::Constructed, tag)
    } else {
        return;
    };
    let (module, name) = path.rsplit_once('.').unwrap_or(("builtins", path));
    state(module, name, usage, span, out);
}

fn state(module: &str, name: &str, usage: CallableUse, span: Span, out: &mut Parse) {
    /// The most callables that one document states.
    const MOST: usize = 16 << 10;
    if out.facts().len() < MOST {
        out.fact(Fact::Callable {
            module: module.into(),
            name: name.into(),
            usage,
            span,
        });
    }
}
