//! `_target_`: what `hydra.utils.instantiate` and loaders like it import and call.

use super::{Event, Path, Reader};
use crate::fact::Fact;
use crate::format::Parse;
use crate::span::Span;

pub(super) struct Targets;

impl Reader for Targets {
    fn see(&mut self, path: &Path<'_>, event: &Event<'_>, span: Span, out: &mut Parse) {
        const MOST: usize = 10_000;
        if let Event::Text(text) = event
            && path.key(0) == "_target_"
            && out.facts().len() < MOST
        {
            out.fact(Fact::Configured {
                name: (*text).into(),
                span,
            });
        }
    }
}
