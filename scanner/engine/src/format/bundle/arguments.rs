//! Arguments that a bundle gives its own runtime, which act before the program's first line.

use crate::finding::{Finding, Value, code};
use crate::format::Parse;
use crate::name::printable;
use crate::span::Span;

/// Arguments that name a module which runs ahead of the program, or code itself.
const LOADING: [&str; 10] = [
    "--preload",
    "--require",
    "--import",
    "--loader",
    "--experimental-loader",
    "--eval",
    "--print",
    "-r",
    "-e",
    "-p",
];
/// Arguments that open a debugger, which runs what it is told by whoever connects.
const DEBUGGING: [&str; 7] = [
    "--inspect",
    "--inspect-brk",
    "--inspect-wait",
    "--inspect-port",
    "--debug",
    "--debug-brk",
    "--debug-port",
];
/// Arguments that only tune memory, or make the runtime stricter: they load nothing and open nothing.
const TUNING: [&str; 18] = [
    "--smol",
    "--expose-gc",
    "--zero-fill-buffers",
    "--tls-extra-distrusted-keys",
    "--max-http-header-size",
    "--no-deprecation",
    "--disallow-code-generation-from-strings",
    "--no-warnings",
    "--disable-warning",
    "--max-old-space-size",
    "--max_old_space_size",
    "--max-semi-space-size",
    "--stack-size",
    "--stack_size",
    "--enable-source-maps",
    "--disable-proto",
    "--frozen-intrinsics",
    "--no-addons",
];

/// Emits `bundle-autoload` for the arguments at `span`.
pub(in crate::format) fn judge(raw: &[&[u8]], span: Span, region: &str, out: &mut Parse) {
    let arguments: Vec<String> = raw.iter().filter(|a| !a.is_empty()).map(|a| printable(a)).collect();
    if arguments.is_empty() {
        return;
    }
    let loads = |a: &&String| LOADING.iter().any(|l| names(a, l)) || (a.starts_with("-r") && !a.starts_with("--"));
    let debugs = |a: &&String| DEBUGGING.iter().any(|l| names(a, l));
    let (case, message) = if let Some(argument) = arguments.iter().find(loads) {
        let message = format!("an embedded argument loads code ahead of the program: {argument}");
        ("preload", message)
    } else if let Some(argument) = arguments.iter().find(debugs) {
        let message = format!("an embedded argument opens the program to a debugger: {argument}");
        ("debugger", message)
    } else if arguments.iter().all(|a| TUNING.iter().any(|t| names(a, t))) {
        let message = "runtime arguments are embedded that only tune or restrict".to_owned();
        ("tuning", message)
    } else {
        ("exec-argv", "runtime arguments are embedded".to_owned())
    };
    let finding = Finding::new(code::BUNDLE_AUTOLOAD, span, message)
        .case(case)
        .region(region);
    out.finding(finding.evidence("arguments", Value::List(arguments)).key(case));
}

/// Whether `argument` is the option `name`, alone or with `=value`.
fn names(argument: &str, name: &str) -> bool {
    argument
        .strip_prefix(name)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
}
