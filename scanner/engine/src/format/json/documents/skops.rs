//! `schema.json` of skops: a tree of nodes, each with the class that its loader makes (`skops/io/_audit.py`, `_general.py`).

use super::{Event, Path, Reader};
use crate::fact::{CallableUse, Fact};
use crate::finding::{ErrorCode, ScanError};
use crate::format::Parse;
use crate::span::Span;

/// A node whose keys are being read.
#[derive(Default)]
struct Node {
    module: Option<String>,
    class: Option<String>,
    loader: Option<String>,
    span: Option<Span>,
}

#[derive(Default)]
pub(super) struct Nodes {
    open: Vec<Node>,
}

/// The most nodes that become facts.
const MOST: usize = 100_000;

impl Reader for Nodes {
    fn see(&mut self, path: &Path<'_>, event: &Event<'_>, span: Span, out: &mut Parse) {
        match event {
            Event::Open => self.open.push(Node::default()),
            Event::Close => {
                if let Some(node) = self.open.pop() {
                    close(node, out);
                }
            }
            Event::Text(text) => {
                let Some(node) = self.open.last_mut() else { return };
                let place = match path.key(0) {
                    "__module__" => &mut node.module,
                    "__class__" => &mut node.class,
                    "__loader__" => &mut node.loader,
                    _ => return,
                };
                *place = Some((*text).to_owned());
                node.span = Some(
                    node.span
                        .map_or(span, |s| Span::new(s.start(), span.end().max(s.start()))),
                );
            }
            Event::Number(_) => {}
        }
    }
}

fn close(node: Node, out: &mut Parse) {
    let (Some(module), Some(class), Some(loader), Some(span)) = (node.module, node.class, node.loader, node.span)
    else {
        return;
    };
    let usage = match loader.as_str() {
        // `getattr(operator, class)(*attrs)`
        "OperatorFuncNode" => CallableUse::Called,
        "FunctionNode" | "TypeNode" | "MethodNode" | "PartialNode" => CallableUse::Named,
        _ => CallableUse::Constructed,
    };
    // What the library trusts without being asked: containers, arrays, and the estimators of these libraries.
    let root = module.split('.').next().unwrap_or_default();
    let trusted = matches!(
        root,
        "sklearn" | "numpy" | "scipy" | "skops" | "builtins" | "collections" | "pandas"
    ) || matches!(
        root,
        "xgboost" | "lightgbm" | "catboost" | "imblearn" | "quantile_forest" | "functools"
    );
    let listed = matches!(
        probity_signatures::callables().classify(&module, &class),
        probity_signatures::Classification::Dangerous { .. }
    );
    if trusted && !listed {
        return;
    }
    // The library asks a person before it imports anything else, and then does more than construct it.
    let usage = if listed { usage } else { CallableUse::Called };
    if out.facts().len() >= MOST {
        let message = format!("more than {MOST} facts of one document; further nodes were not read");
        return out.error(ScanError::new(ErrorCode::LimitExceeded, message));
    }
    // `functools.partial` is how the library spells a node whose function stands below it.
    if loader == "PartialNode" && (module.as_str(), class.as_str()) == ("functools", "partial") {
        return;
    }
    out.fact(Fact::Callable {
        module: module.into(),
        name: class.into(),
        usage,
        span,
    });
}
