//! How a PE program was built: `DllCharacteristics`, and the build information of Go at the start of its data.

use super::image::{Image, le16};
use crate::fact::{Build, Fact};
use crate::format::{Parse, buildinfo};
use crate::span::Span;

/// Emits the fact.
pub(super) fn describe(image: &Image<'_, '_, '_>, out: &mut Parse) {
    let headers = image.headers;
    if headers.is_efi() || image.sections.iter().all(|s| !s.executable()) {
        return;
    }
    let input = image.window.input();
    let field = Span::saturating_at(headers.optional.start().saturating_add(70), 2);
    let Some(flags) = input.read(field).ok().and_then(|bytes| le16(&bytes, 0)) else {
        return;
    };
    let data = image.sections.iter().find(|s| &*s.name == ".data");
    let go = data.and_then(|s| {
        let bytes = input
            .read_up_to(s.content.start(), s.content.len().min(buildinfo::MOST))
            .ok()?;
        // It is aligned, and near the start.
        let at = (0..4096usize)
            .step_by(16)
            .find(|at| bytes.get(*at..).is_some_and(|b| b.starts_with(buildinfo::GO)))?;
        buildinfo::go(bytes.get(at..)?).map(|built| (s.content, built))
    });
    let mut build = Build {
        toolchain: "c",
        version: "".into(),
        modules: Vec::new(),
        missing: Vec::new(),
        span: field,
    };
    if let Some((span, built)) = go {
        build.toolchain = "go";
        (build.span, build.version, build.modules) = (span, built.version.into(), built.modules);
    }
    let expected = [
        (0x40, "addresses that change (DYNAMIC_BASE)", true),
        (0x100, "data that is not executable (NX_COMPAT)", true),
        (0x20, "64-bit address layout (HIGH_ENTROPY_VA)", headers.plus),
    ];
    if !headers.is_dll() {
        let missing = expected.iter().filter(|(bit, _, asked)| *asked && flags & bit == 0);
        build.missing = missing.map(|(_, what, _)| *what).collect();
    }
    if build.toolchain != "c" || !build.missing.is_empty() {
        out.fact(Fact::Build(Box::new(build)));
    }
}
