//! conda packages: programs that conda runs when it links or unlinks one (conda-build, "Link and unlink scripts").

use super::{Container, Inspection, Outcome, join, json, split};
use crate::finding::code;
use crate::policy::shown;

/// `install-script`, `package-inventory`: of conda packages.
pub(super) struct Conda;

impl Inspection for Conda {
    fn inspect(&self, container: &Container<'_>, out: &mut Outcome<'_>) {
        for member in &container.members {
            let (folder, name) = (split(member.folder()).1, member.name());
            if !matches!(folder, b"bin" | b"Scripts") {
                continue;
            }
            let text = String::from_utf8_lossy(name);
            let stages = [
                ("-post-link.", "after it is linked"),
                ("-pre-link.", "before it is linked"),
                ("-pre-unlink.", "before it is unlinked"),
            ];
            let stage = stages.iter().find(|(mark, _)| {
                text.starts_with('.') && text.contains(mark) && (text.ends_with(".sh") || text.ends_with(".bat"))
            });
            if let Some((_, when)) = stage {
                let message = format!("conda runs {} {when}", shown(&member.path));
                out.push(container.finding(code::INSTALL_SCRIPT, member, message).case("conda"));
            }
        }
        let Some(link) = container.file(b"info/link.json") else {
            return;
        };
        let Some(value) = out.text(link).and_then(json::value) else {
            return;
        };
        let points = value
            .get("noarch")
            .and_then(|n| n.get("entry_points"))
            .and_then(|e| e.as_array());
        let points: Vec<String> = points
            .into_iter()
            .flatten()
            .take(32)
            .filter_map(|p| p.as_str())
            .map(|p| p.chars().take(200).collect())
            .collect();
        if !points.is_empty() && container.has(&join(b"info", b"index.json")) {
            let message = format!("installs {} commands: {}", points.len(), points.join(", "));
            out.push(
                container
                    .finding(code::PACKAGE_INVENTORY, link, message)
                    .case("entry-points"),
            );
        }
    }
}
