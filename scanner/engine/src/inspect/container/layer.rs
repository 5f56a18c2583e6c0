//! Layers of container images (OCI Image Layer Filesystem Changeset): tars that are unpacked at the root of a file
//! system, over the layers below, with names that take files of those away.
//!
//! What a layer deletes is inventory; that its names stay inside is judged with every archive's.

use super::{Container, Inspection, Outcome, is_hexadecimal, split};
use crate::finding::{Finding, Value as Evidence, code};
use crate::policy::shown;
use crate::span::Span;

/// `image-inventory`, `image-mismatch`: of one layer.
pub(super) struct Layer;

/// What a deleted file is called: its name behind this.
const WHITEOUT: &[u8] = b".wh.";
/// What says that a folder of the layers below is not seen at all.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Whether the file at `path` is where images keep their layers: `blobs/sha256/DIGEST`, `ID/layer.tar`, `ID.tar`.
pub(crate) fn is_layer(path: &[u8]) -> bool {
    let (folder, name) = split(path);
    let id = |text: &[u8]| text.len() == 64 && is_hexadecimal(text);
    let in_blobs = split(folder).1 == b"sha256" && split(split(folder).0).1 == b"blobs";
    (in_blobs && id(name))
        || (name == b"layer.tar" && id(split(folder).1))
        || (folder.is_empty() && name.strip_suffix(b".tar").is_some_and(id))
}

impl Inspection for Layer {
    fn inspect(&self, container: &Container<'_>, out: &mut Outcome<'_>) {
        if container.around.format != "tar" {
            return;
        }
        let mut deleted: Vec<String> = Vec::new();
        let (mut whiteouts, mut opaque, mut first) = (0u64, 0u64, Span::new(0, 0));
        for member in &container.members {
            let name = member.name();
            if name == OPAQUE {
                opaque = opaque.saturating_add(1);
            } else if let Some(hidden) = name.strip_prefix(WHITEOUT).filter(|n| !n.starts_with(WHITEOUT)) {
                whiteouts = whiteouts.saturating_add(1);
                let beside = [member.folder(), b"/", hidden].concat();
                if matches!(hidden, b"" | b"." | b"..") {
                    let message = format!("{} takes away a folder by a name that is none", shown(&member.path));
                    out.push(
                        container
                            .finding(code::IMAGE_MISMATCH, member, message)
                            .case("whiteout"),
                    );
                } else if container
                    .at(super::clean(beside.strip_prefix(b"/").unwrap_or(&beside)))
                    .is_some()
                {
                    let message = format!(
                        "{} takes away what the same layer brings: tools keep one or the other",
                        shown(&member.path)
                    );
                    out.push(
                        container
                            .finding(code::IMAGE_MISMATCH, member, message)
                            .case("whiteout"),
                    );
                }
            } else {
                continue;
            }
            if first.is_empty() {
                first = member.span;
            }
            if deleted.len() < 32 {
                deleted.push(shown(&member.path));
            }
        }
        if whiteouts > 0 || opaque > 0 {
            let message = format!("takes {whiteouts} files of the layers below away, and hides {opaque} folders");
            let finding = Finding::new(code::IMAGE_INVENTORY, first, message)
                .case("whiteouts")
                .key("whiteouts");
            out.push(finding.evidence("names", Evidence::List(deleted)));
        }
        privileged(container, out);
    }
}

fn privileged(container: &Container<'_>, out: &mut Outcome<'_>) {
    let Some((_, _, span)) = container.privileged.first() else {
        return;
    };
    let names: Vec<String> = container
        .privileged
        .iter()
        .take(32)
        .map(|(name, mode, _)| format!("{} ({mode:o})", shown(name)))
        .collect();
    let message = format!(
        "{} programs run with the rights of their owner or group: {}",
        container.privileged.len(),
        names.join(", ")
    );
    let finding = Finding::new(code::IMAGE_INVENTORY, *span, message)
        .case("privileged")
        .key("privileged");
    out.push(finding.evidence("names", Evidence::List(names)));
}

#[cfg(test)]
mod tests {
    use super::is_layer;

    #[test]
    fn layers_are_known_by_their_place() {
        let id = "0123456789abcdef".repeat(4);
        for (path, expected) in [
            (format!("blobs/sha256/{id}"), true),
            (format!("image/blobs/sha256/{id}"), true),
            (format!("{id}/layer.tar"), true),
            (format!("{id}.tar"), true),
            (format!("sha256/{id}"), false),
            ("layer.tar".to_owned(), false),
            (format!("a/{id}.tar"), false),
        ] {
            assert_eq!(is_layer(path.as_bytes()), expected, "{path}");
        }
    }
}
