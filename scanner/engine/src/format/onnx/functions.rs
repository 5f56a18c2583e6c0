//! Functions that a model defines for itself: what they call, whether that ends, and how much it expands to.

use crate::finding::{Finding, code};
use crate::format::Parse;
use crate::name::printable;
use crate::span::Span;
use std::collections::{HashMap, HashSet};

/// Nodes to which calls may expand before a loader that inlines them runs out of memory.
const MOST_NODES: u64 = 50_000_000;

/// An operator's domain, name and overload.
pub(super) type Key = (String, String, String);

/// One function.
pub(super) struct Function {
    pub(super) span: Span,
    /// The operators of its nodes, each with how often it stands there.
    pub(super) calls: HashMap<Key, u64>,
}

/// All functions of a model.
#[derive(Default)]
pub(super) struct Functions(HashMap<Key, Function>);

impl Functions {
    pub(super) fn add(&mut self, key: Key, function: Function, out: &mut Parse) {
        let span = function.span;
        let shown = printable(key.1.as_bytes());
        if matches!(key.0.as_str(), "" | "ai.onnx") {
            let text =
                format!("onnx: function {shown} takes the place of an operator of ONNX itself (IR, 'Functions')");
            out.malformed(span, &text);
        }
        if let Some(first) = self.0.insert(key, function) {
            let text = format!("function {shown} stands twice");
            let finding = Finding::new(code::DUPLICATE_KEY, span, text).key(shown);
            out.finding(finding.related("first", first.span));
        }
    }

    /// Whether the model defines `domain`'s operator `name` itself.
    pub(super) fn defines(&self, key: &Key) -> bool {
        self.0.contains_key(key)
    }

    /// Reports functions that reach themselves, and calls that expand beyond reason.
    pub(super) fn check(&self, out: &mut Parse) {
        let mut size: HashMap<&Key, u64> = HashMap::new();
        let mut names: Vec<&Key> = self.0.keys().collect();
        names.sort_unstable();
        for name in names {
            let mut open: Vec<(&Key, Vec<&Key>)> = Vec::new();
            let mut path: HashSet<&Key> = HashSet::new();
            let mut next = Some(name);
            loop {
                if let Some(key) = next.take()
                    && !size.contains_key(key)
                {
                    if path.insert(key) {
                        open.push((key, self.callees(key)));
                    } else {
                        self.recursion(key, out);
                    }
                }
                let Some((key, left)) = open.last_mut() else { break };
                next = left.pop();
                if next.is_none() {
                    let key = *key;
                    open.pop();
                    path.remove(key);
                    let nodes = self.expanded(key, &size);
                    size.insert(key, nodes);
                    if nodes > MOST_NODES {
                        self.expansion(key, nodes, out);
                    }
                }
            }
        }
    }

    fn callees(&self, key: &Key) -> Vec<&Key> {
        let calls = self.0.get(key).into_iter().flat_map(|f| f.calls.keys());
        let mut callees: Vec<&Key> = calls.filter(|callee| self.0.contains_key(*callee)).collect();
        callees.sort_unstable();
        callees
    }

    fn expanded(&self, key: &Key, size: &HashMap<&Key, u64>) -> u64 {
        let calls = self.0.get(key).into_iter().flat_map(|f| &f.calls);
        calls.fold(0u64, |sum, (callee, times)| {
            let each = size.get(callee).copied().unwrap_or(1);
            sum.saturating_add(each.saturating_mul(*times))
        })
    }

    fn recursion(&self, key: &Key, out: &mut Parse) {
        let shown = printable(key.1.as_bytes());
        let rule =
            format!("onnx: function {shown} reaches itself (onnx/docs/IR.md, Functions: recursion is not allowed)");
        let span = self.0.get(key).map_or(Span::new(0, 0), |f| f.span);
        out.finding(Finding::new(code::MALFORMED, span, &*rule).case("crash").key(rule));
    }

    fn expansion(&self, key: &Key, nodes: u64, out: &mut Parse) {
        let shown = printable(key.1.as_bytes());
        let rule = format!("onnx: calls of function {shown} expand to more than {MOST_NODES} nodes");
        let span = self.0.get(key).map_or(Span::new(0, 0), |f| f.span);
        let finding = Finding::new(code::MALFORMED, span, &*rule).case("crash");
        out.finding(finding.evidence("nodes", nodes).key(rule));
    }
}
