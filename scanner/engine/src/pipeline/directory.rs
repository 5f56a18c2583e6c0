//! Directory arguments: the container that a directory is, closed when all its files are.

use super::Context;
use super::root::{Found, place, unexamined};
use crate::artifact::{Artifact, HostPlace, Kind, Verdict};
use crate::finding::{ErrorCode, Findings, ScanError};
use crate::inspect::container::{self, Around, Container, Member, Want};
use crate::policy;
use crate::source::walk::{Item, Root};
use crate::span::Span;
use std::borrow::Cow;
use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Bytes that the files of one directory hand up to it, all together, by the lengths that the walk saw.
const EXPORTS: u64 = 256 << 20;

/// What each item of a root is to hand up. The room is given away in the order of the walk, before any file is opened,
/// so that it does not depend on the number of threads who gets it.
pub(super) fn wanted(root: &Root) -> Vec<(&Item, Want)> {
    let mut room = EXPORTS;
    let wanted = root.items.iter().map(|item| {
        let want = match &item.what {
            Ok(length) if root.directory => wanted_of(root, item, *length, &mut room),
            _ => Want::Nothing,
        };
        (item, want)
    });
    wanted.collect()
}

fn wanted_of(root: &Root, item: &Item, length: u64, room: &mut u64) -> Want {
    let want = Want::of(relative(root, &item.path));
    match room.checked_sub(want.share(length)) {
        Some(left) => {
            *room = left;
            want
        }
        None => Want::NoRoom,
    }
}

/// The path inside the root: the walk joins names to the root's path.
fn relative<'p>(root: &Root, path: &'p Path) -> &'p [u8] {
    let above = root.path.as_os_str().as_bytes();
    let rest = path.as_os_str().as_bytes().strip_prefix(above);
    let below = rest.and_then(|rest| match above.ends_with(b"/") {
        true => Some(rest),
        false => rest.strip_prefix(b"/"),
    });
    match below {
        Some(below) if !below.is_empty() && !below.starts_with(b"/") => below,
        _ => path.strip_prefix(&root.path).unwrap_or(path).as_os_str().as_bytes(),
    }
}

/// The artifact that a directory argument is: as incomplete as what it holds, and home to all hosts. `files` are the
/// artifacts of its items, in their order.
pub(super) fn close(ctx: &Context<'_>, root: &Root, files: &[Found]) -> Artifact {
    let mut artifact = unexamined(ctx, place(&root.path), ScanError::new(ErrorCode::Internal, ""));
    artifact.errors.clear();
    artifact.kind = Kind::Directory;
    artifact.format = "directory";
    let mut findings = Findings::default();
    inspect(ctx, root, files, &mut findings, &mut artifact.errors);
    artifact.findings = policy::judge(findings.close(), None, ctx.options.rules());
    let all = || files.iter().flat_map(Found::artifacts);
    let below = all().filter_map(|a| a.findings.first()).map(|f| f.severity);
    let worst = below.chain(artifact.findings.first().map(|f| f.severity)).max();
    artifact.complete = artifact.errors.is_empty() && all().all(|a| a.complete);
    artifact.verdict = policy::verdict(worst, artifact.complete, ctx.options.fail_on);
    for file in all().filter(|a| a.kind == Kind::Root) {
        artifact.size = artifact.size.saturating_add(file.size);
        artifact.bytes.claimed = artifact.bytes.claimed.saturating_add(file.bytes.claimed);
        artifact.bytes.unclaimed = artifact.bytes.unclaimed.saturating_add(file.bytes.unclaimed);
        artifact.bytes.padding = artifact.bytes.padding.saturating_add(file.bytes.padding);
        for (host, found) in &file.hosts {
            let known = artifact.hosts.entry(host.clone()).or_insert_with(|| HostPlace {
                count: 0,
                ..found.clone()
            });
            known.likely |= found.likely;
            known.count = known.count.saturating_add(found.count);
        }
    }
    debug_assert!(
        artifact.complete || artifact.verdict != Verdict::Clean,
        "an unfinished directory is never clean"
    );
    artifact
}

fn inspect(ctx: &Context<'_>, root: &Root, files: &[Found], findings: &mut Findings, errors: &mut Vec<ScanError>) {
    let member = |path, kind, artifacts| Member {
        path: Cow::Borrowed(relative(root, path)),
        kind,
        span: Span::new(0, 0),
        artifacts,
    };
    let items = root.items.iter().zip(files);
    let mut members: Vec<Member<'_>> = items
        .map(|(item, found)| member(&item.path, container::Kind::File, found.artifacts()))
        .collect();
    // Few directories hold links: then nobody asks.
    let items = root.items.iter().filter(|_| !root.links.is_empty());
    let known: HashSet<&Path> = items.map(|item| item.path.as_path()).collect();
    for link in &root.links {
        let target = container::Kind::Link(Cow::Owned(relative(root, &link.target).to_vec()));
        if known.contains(link.target.as_path()) {
            members.push(member(&link.path, target, &[]));
        }
    }
    let around = Around {
        name: root.path.file_name().unwrap_or(root.path.as_os_str()).as_bytes(),
        format: "directory",
        excluded: &ctx.options.exclude,
        whole: true,
    };
    Container::of_directory(around, members).inspect(findings, errors);
}
