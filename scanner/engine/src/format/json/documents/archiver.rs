//! `MAR-INF/MANIFEST.json` of TorchServe: which handler serves the model (`torch-model-archiver`).

use super::{Event, Path, Reader};
use crate::finding::{Finding, code};
use crate::format::Parse;
use crate::name::printable;
use crate::span::Span;

/// Handlers that the server itself has.
const OWN: &[&str] = &[
    "image_classifier",
    "image_segmenter",
    "object_detector",
    "text_classifier",
    "text_handler",
    "vision_handler",
    "base_handler",
    "request_envelope",
];

#[derive(Default)]
pub(super) struct Manifest {
    archiver: bool,
    handler: Option<(String, Span)>,
}

impl Reader for Manifest {
    fn see(&mut self, path: &Path<'_>, event: &Event<'_>, span: Span, out: &mut Parse) {
        match (path.depth(), path.key(0), event) {
            (1, "archiverVersion", Event::Text(_)) => self.archiver = true,
            (2, "handler", Event::Text(handler)) if path.key(1) == "model" => {
                self.handler = Some(((*handler).to_owned(), span));
            }
            (0, _, Event::Close) if self.archiver => {
                let Some((handler, span)) = self.handler.take().filter(|(h, _)| !OWN.contains(&h.as_str())) else {
                    return;
                };
                let handler = printable(handler.as_bytes());
                let message = format!("serving this archive runs its handler {handler}");
                let finding = Finding::new(code::BUNDLED_CODE, span, message).case("handler");
                out.finding(finding.evidence("handler", handler.clone()).key(handler));
            }
            _ => {}
        }
    }
}
