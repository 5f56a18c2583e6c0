//! What a bundle loads besides itself: the autoload flags and the arguments baked in.

use super::graph::Offsets;
use crate::finding::{Finding, Value, code};
use crate::format::Parse;
use crate::format::bundle::arguments;
use crate::span::Span;

/// Flags 0 to 3 switch these off.
const AUTOLOADED: [&str; 4] = [".env", "bunfig.toml", "tsconfig.json", "package.json"];

/// Emits `bundle-autoload`.
pub(super) fn inspect(offsets: &Offsets, flags: Span, argv: Option<(Span, &[u8])>, out: &mut Parse) {
    let on: Vec<String> = (0u32..)
        .zip(AUTOLOADED)
        .filter(|(bit, _)| !offsets.has(*bit))
        .map(|(_, f)| f.to_owned())
        .collect();
    if !on.is_empty() {
        let message = format!("the bundle reads {} of the directory it is started in", on.join(", "));
        let finding = Finding::new(code::BUNDLE_AUTOLOAD, flags, message)
            .case("autoload")
            .region("offsets");
        out.finding(finding.evidence("files", Value::List(on)).key("autoload"));
    }
    let Some((span, text)) = argv.filter(|(_, text)| !text.is_empty()) else {
        return;
    };
    let list: Vec<&[u8]> = text.split(|b| b.is_ascii_whitespace() || *b == 0).collect();
    arguments::judge(&list, span, "compile_exec_argv", out);
}
