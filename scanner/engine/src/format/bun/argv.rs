//! What a bundle loads besides itself: the autoload flags and the arguments baked in.

use super::graph::Offsets;
use crate::finding::{Finding, Value, code};
use crate::format::Parse;
use crate::name::printable;
use crate::span::Span;

/// Flags 0 to 3 switch these off.
const AUTOLOADED: [&str; 4] = [".env", "bunfig.toml", "tsconfig.json", "package.json"];
/// Arguments that name a module which runs ahead of the program, or code itself.
const LOADING: [&str; 8] = [
    "--preload",
    "--require",
    "--import",
    "--loader",
    "--experimental-loader",
    "--eval",
    "--print",
    "-r",
];
/// Arguments that only tune memory, or make the runtime stricter: they load nothing and open nothing.
const TUNING: [&str; 7] = [
    "--smol",
    "--expose-gc",
    "--zero-fill-buffers",
    "--tls-extra-distrusted-keys",
    "--max-http-header-size",
    "--no-deprecation",
    "--disallow-code-generation-from-strings",
];

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
    let arguments: Vec<String> = text
        .split(|b| b.is_ascii_whitespace() || *b == 0)
        .filter(|a| !a.is_empty())
        .map(printable)
        .collect();
    let loads = |a: &&String| LOADING.iter().any(|l| names(a, l)) || (a.starts_with("-r") && !a.starts_with("--"));
    let (case, message, key) = if let Some(argument) = arguments.iter().find(loads) {
        (
            "preload",
            format!("an embedded argument loads code ahead of the program: {argument}"),
            "preload",
        )
    } else if arguments.iter().all(|a| TUNING.iter().any(|t| names(a, t))) {
        (
            "tuning",
            "runtime arguments are embedded that only tune or restrict".to_owned(),
            "tuning",
        )
    } else {
        ("exec-argv", "runtime arguments are embedded".to_owned(), "exec-argv")
    };
    let finding = Finding::new(code::BUNDLE_AUTOLOAD, span, message)
        .case(case)
        .region("compile_exec_argv");
    out.finding(finding.evidence("arguments", Value::List(arguments)).key(key));
}

/// Whether `argument` is the option `name`, alone or with `=value`.
fn names(argument: &str, name: &str) -> bool {
    argument
        .strip_prefix(name)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
}
