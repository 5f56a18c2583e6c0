//! How a Mach-O program was built: the flags of its header, and the build information of Go.

use super::command::Command;
use super::fields::Fields;
use super::header::Header;
use crate::fact::{Build, Fact};
use crate::format::{Input, Parse, buildinfo};
use crate::span::Span;
use object::macho as raw;

/// Emits the fact, for what is started and not loaded.
pub(super) fn describe(header: &Header, commands: &[Command<'_>], input: &Input<'_>, out: &mut Parse) {
    if header.filetype != raw::MH_EXECUTE {
        return;
    }
    let place = Span::saturating_at(24, 4);
    let Some(flags) = input
        .read(place)
        .ok()
        .and_then(|bytes| Fields::new(&bytes, header.big).u32(0))
    else {
        return;
    };
    let mut build = Build {
        toolchain: "c",
        version: "".into(),
        modules: Vec::new(),
        missing: Vec::new(),
        span: place,
    };
    if let Some((span, built)) = go(commands, out, input) {
        build.toolchain = "go";
        (build.span, build.version, build.modules) = (span, built.version.into(), built.modules);
    }
    if flags & raw::MH_PIE == 0 {
        build.missing.push("position-independent code (PIE)");
    }
    if flags & raw::MH_ALLOW_STACK_EXECUTION != 0 {
        build.missing.push("a stack that is not executable");
    }
    if build.toolchain != "c" || !build.missing.is_empty() {
        out.fact(Fact::Build(Box::new(build)));
    }
}

fn go(commands: &[Command<'_>], out: &Parse, input: &Input<'_>) -> Option<(Span, buildinfo::Built)> {
    // The section was claimed under its name.
    let segments = commands
        .iter()
        .any(|c| matches!(c.cmd, raw::LC_SEGMENT | raw::LC_SEGMENT_64));
    let section = out
        .view()
        .leaves()
        .find(|r| segments && r.name.ends_with(",__go_buildinfo"))?;
    let bytes = input
        .read_up_to(section.span.start(), section.span.len().min(buildinfo::MOST))
        .ok()?;
    Some((section.span, buildinfo::go(&bytes)?))
}
