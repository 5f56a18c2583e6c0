//! `_target_`: what `hydra.utils.instantiate` and loaders like it import and call; `py/function` and its like, which
//! jsonpickle resolves.

use super::{Event, Path, Reader};
use crate::fact::Fact;
use crate::finding::{ErrorCode, ScanError};
use crate::format::Parse;
use crate::span::Span;

pub(super) struct Targets;

/// The most callables of one document.
const MOST: usize = 100_000;

impl Reader for Targets {
    fn see(&mut self, path: &Path<'_>, event: &Event<'_>, span: Span, out: &mut Parse) {
        let Event::Text(text) = event else { return };
        let name = match path.key(0) {
            "_target_" | "py/function" | "py/object" | "py/type" => *text,
            // `module/expression`, which is evaluated.
            "py/repr" => "builtins.eval",
            _ => return,
        };
        if out.facts().len() >= MOST {
            let message = format!("more than {MOST} facts of one document; further callables were not read");
            return out.error(ScanError::new(ErrorCode::LimitExceeded, message));
        }
        out.fact(Fact::Configured {
            name: name.into(),
            span,
        });
    }
}
