//! Chat templates: a string, a list of `{name, template}`, or strings by name, under `chat_template` at any depth.

use super::{Event, Path, Reader};
use crate::fact::Fact;
use crate::finding::{ErrorCode, ScanError};
use crate::format::Parse;
use crate::name::printable;
use crate::span::Span;

const KEY: &str = "chat_template";
/// The most templates of one document.
const MOST: usize = 256;
/// The most bytes of all of them.
const BYTES: usize = 16 << 20;

#[derive(Default)]
pub(super) struct Templates {
    count: usize,
    bytes: usize,
    /// The `name` and the `template` of the list element that is open.
    name: Option<String>,
    template: Option<(String, Span)>,
}

impl Reader for Templates {
    fn see(&mut self, path: &Path<'_>, event: &Event<'_>, span: Span, out: &mut Parse) {
        let own = path.key(0);
        // Inside an element the keys above are the element's own, none for the list, and the list's.
        let inside = path.key(2) == KEY && path.key(1).is_empty();
        match event {
            Event::Text(text) if own == KEY => self.emit(KEY.to_owned(), text, span, out),
            Event::Text(text) if own.is_empty() && path.key(1) == KEY => self.emit(KEY.to_owned(), text, span, out),
            Event::Text(text) if inside && own == "name" => self.name = Some((*text).to_owned()),
            Event::Text(text) if inside && own == "template" => {
                // A key that stands twice has two templates: neither is lost.
                self.flush(out);
                self.template = Some(((*text).to_owned(), span));
            }
            Event::Text(text) if path.key(1) == KEY => {
                self.emit(format!("{KEY} {}", printable(own.as_bytes())), text, span, out);
            }
            Event::Close if own.is_empty() && path.key(1) == KEY => {
                self.flush(out);
                self.name = None;
            }
            _ => {}
        }
    }
}

impl Templates {
    fn flush(&mut self, out: &mut Parse) {
        if let Some((text, span)) = self.template.take() {
            let name = self.name.as_deref().unwrap_or("without a name");
            self.emit(format!("{KEY} {}", printable(name.as_bytes())), &text, span, out);
        }
    }

    fn emit(&mut self, name: String, text: &str, span: Span, out: &mut Parse) {
        self.count = self.count.saturating_add(1);
        self.bytes = self.bytes.saturating_add(text.len());
        if self.count > MOST || self.bytes > BYTES {
            let message = format!("more than {MOST} chat templates or {BYTES} bytes of them; the rest was not read");
            out.error(ScanError::new(ErrorCode::LimitExceeded, message));
            return;
        }
        out.fact(Fact::Template {
            name: name.into(),
            text: text.into(),
            span,
        });
    }
}
