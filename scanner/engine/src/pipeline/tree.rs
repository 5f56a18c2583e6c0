//! Parse: the tree of artifacts that are slices of one source, and what had to be decoded on the way.

use super::asking::{Asking, Queued, Reading, Said, Viewed};
use super::{Context, decode, root, signed, tensors};
use crate::artifact::Artifact;
use crate::fact::{Fact, Storage};
use crate::finding::{ErrorCode, Finding, Findings, ScanError, code};
use crate::format::{self, Child, Held, Input, Layout, Parse, ReadLog, Source};
use crate::identify::{Candidate, Strength};
use crate::inspect::container::{Want, is_layer};
use crate::ledger::{Ledger, Role};
use crate::name;
use crate::source::{AssembledSource, Limits, Quota, ReadAt};
use crate::span::Span;
use crate::verify::Plan;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Where a source stands in the report.
#[derive(Clone)]
pub(super) struct Place {
    /// The root's path, escaped.
    pub(super) path: String,
    /// The nested path, escaped.
    pub(super) nested: Option<String>,
    /// The last level of the name, raw.
    pub(super) name: Vec<u8>,
    /// Levels above.
    pub(super) level: u32,
    /// Whether code is expected here.
    pub(super) expected: bool,
    /// The formats it lies in, the root's first.
    pub(super) within: Vec<&'static str>,
    /// What its container is judged by.
    pub(super) want: Want,
    /// Whether it is a layer of an image, which is unpacked at the root of a file system.
    pub(super) layer: bool,
    /// What its bytes are, where the container knows it: they are not identified then.
    pub(super) layout: Option<Layout>,
    /// What its bytes are the elements of, where a model beside it says so.
    pub(super) storage: Option<Box<Storage>>,
}

impl Place {
    fn child(&self, name: &[u8], expected: bool, format: &'static str) -> Self {
        let level = name::escape_level(name);
        let nested = match &self.nested {
            Some(above) => format!("{above}!{level}"),
            None => level,
        };
        Self {
            path: self.path.clone(),
            nested: Some(nested),
            name: name.to_vec(),
            level: self.level.saturating_add(1),
            expected,
            within: self.within.iter().copied().chain([format]).collect(),
            want: Want::of(name),
            layer: self.layer || is_layer(name),
            layout: None,
            storage: None,
        }
    }
}

/// A child of a node, in the order in which the format named it.
pub(super) enum Below {
    /// Another node of the same tree.
    Node(usize),
    /// Decoded or put together, examined and closed already.
    Closed(Closed),
}

/// A child whose bytes are no slice of its parent.
#[derive(Default)]
pub(super) struct Closed {
    /// Itself and what it holds; none where it was not admitted.
    pub(super) artifacts: Vec<Artifact>,
    /// The bytes of its parent that it was made of.
    pub(super) made_of: Vec<Span>,
}

/// One artifact of the tree, parsed.
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) window: Span,
    pub(super) format: &'static str,
    pub(super) ledger: Ledger,
    pub(super) facts: Vec<Fact>,
    pub(super) findings: Findings,
    pub(super) errors: Vec<ScanError>,
    pub(super) below: Vec<Below>,
    /// Whether a limit or a failing read ended a parse.
    pub(super) cut_short: bool,
    /// What its signatures wait for.
    pub(super) signed: Vec<Plan>,
    /// Bytes of slices taken so far: bounded, since slices may overlap.
    sliced: u64,
}

/// Everything that is a slice of one source; a node's children come after it.
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    pub(super) log: ReadLog,
}

/// Parses `source` and every slice in it.
pub(super) fn parse(ctx: &Context<'_>, quota: &mut Quota, source: &Arc<dyn ReadAt>, place: Place) -> Tree {
    let log = RefCell::new(ReadLog::default());
    let overlap = Cell::new(0);
    let asking = Asking::new(ctx, quota, source.as_ref());
    let mut nodes: Vec<Node> = Vec::new();
    let mut queue = vec![Queued {
        parent: None,
        place,
        window: Span::new(0, source.len()),
        said: None,
    }];
    loop {
        asking.ahead(&mut queue, &log.borrow());
        let Some(next) = queue.pop() else { break };
        let index = nodes.len();
        if let Some((at, slot)) = next.parent
            && let Some(below) = nodes.get_mut(at).and_then(|n| n.below.get_mut(slot))
        {
            *below = Below::Node(index);
        }
        let mut parser = Parser {
            ctx,
            asking: &asking,
            quota,
            source,
            log: &log,
            window: next.window,
            overlap: &overlap,
        };
        let (mut node, children) = parser.node(next.place, next.said);
        for (slot, child) in children {
            if let Some((place, window)) = parser.child(&mut node, slot, child) {
                queue.push(Queued {
                    parent: Some((index, slot)),
                    place,
                    window,
                    said: None,
                });
            }
        }
        nodes.push(node);
    }
    Tree {
        nodes,
        log: log.into_inner(),
    }
}

struct Parser<'p, 'c> {
    ctx: &'p Context<'c>,
    asking: &'p Asking<'p, 'c>,
    quota: &'p mut Quota,
    source: &'p Arc<dyn ReadAt>,
    log: &'p RefCell<ReadLog>,
    window: Span,
    /// Bytes of the whole tree that slices take beyond what their nodes hold, so that overlap cannot multiply from level
    /// to level.
    overlap: &'p Cell<u64>,
}

impl Parser<'_, '_> {
    fn node(&mut self, place: Place, said: Option<Said>) -> (Node, Vec<(usize, Child)>) {
        let length = self.window.len();
        let mut node = Node {
            window: self.window,
            format: "data",
            ledger: Ledger::new(length),
            facts: Vec::new(),
            findings: Findings::default(),
            errors: Vec::new(),
            below: Vec::new(),
            cut_short: false,
            signed: Vec::new(),
            sliced: 0,
            place,
        };
        let mut children = Vec::new();
        let whole = Span::new(0, length);
        if let Some(layout) = node.place.layout.take() {
            node.format = layout.format;
            self.view(Reading::Layout(&layout), None, &mut node, &mut children);
            claim_unexamined(&mut node);
            return (node, children);
        }
        let Said {
            candidates,
            mut held,
            viewed,
            log,
        } = said.unwrap_or_else(|| self.asking.about(self.window, &self.log.borrow()));
        self.log.borrow_mut().reads.extend(log.reads);
        let candidates = match candidates {
            Ok(candidates) => candidates,
            Err(error) => {
                node.errors.push(error);
                claim_unexamined(&mut node);
                return (node, children);
            }
        };
        let Some((primary, others)) = candidates.split_first() else {
            return (node, children);
        };
        node.format = primary.format.id();
        if let Some(viewed) = viewed {
            self.take(viewed, primary.format.id(), &mut node, &mut children);
        }
        for other in others.iter().filter(|c| c.matched.strength == Strength::Certain) {
            self.second(*other, *primary, held.as_ref(), &mut node, &mut children);
        }
        claim_unexamined(&mut node);
        self.gaps(&mut node, &mut children);
        if let Some(storage) = node.place.storage.take() {
            node.facts.push(tensors::tensor(&storage, whole));
        }
        self.signatures(held.as_ref(), &mut node);
        if let Some(held) = &mut held {
            held.log(self.window.start(), &mut self.log.borrow_mut());
        }
        (node, children)
    }

    /// Reads the artifact as one format: one view of the ledger.
    fn view(&mut self, reading: Reading<'_>, held: Option<&Held>, node: &mut Node, children: &mut Vec<(usize, Child)>) {
        let viewed = self.asking.view(reading, self.window, held, self.log);
        self.take(viewed, reading.id(), node, children);
    }

    /// Takes what a format said into the node: one view of the ledger.
    fn take(&mut self, viewed: Viewed, id: &'static str, node: &mut Node, children: &mut Vec<(usize, Child)>) {
        self.ctx.count_read(viewed.used);
        let Some(mut parse) = viewed.parse else {
            node.errors
                .push(ScanError::new(ErrorCode::Internal, format!("the {id} parser failed")));
            return;
        };
        // Decoding comes now: a codec completes its parent's account. Slices wait until the node is whole.
        let mut parsed = std::mem::take(&mut parse.children);
        let mut storages = self.storages(&mut parsed, id);
        for child in parsed {
            let slot = node.below.len();
            node.below.push(Below::Closed(Closed::default()));
            match child.source {
                Source::Decoded { span, codec } => {
                    if self.ctx.quick() {
                        let message = "compressed content is not decoded at --depth quick";
                        parse.error(ScanError::new(ErrorCode::LimitExceeded, message).at(span.start()));
                        parse.leaf(span, Role::Payload, "compressed content");
                        continue;
                    }
                    if !self.admit(&node.place, &mut parse.errors, &mut parse.findings, span) {
                        // The codec would have claimed it: what a limit kept shut is not what nobody accounts for.
                        parse.leaf(span, Role::Payload, "compressed content");
                        continue;
                    }
                    let layout = codec.layout();
                    let decoded =
                        decode::decode(self.ctx, self.quota, self.source, self.window, span, codec, &mut parse);
                    if let Some(bytes) = decoded {
                        let mut place = node.place.child(&child.name, child.expected, node.format);
                        place.layout = layout;
                        place.storage = storages.remove(&child.name).map(Box::new);
                        let mut closed = root::examine(self.ctx, self.quota, &bytes, place);
                        if let Some(folder) = child.name.strip_suffix(b"data.pkl") {
                            let named = closed.first_mut().map(|a| std::mem::take(&mut a.storages));
                            storages.extend(
                                named
                                    .unwrap_or_default()
                                    .into_iter()
                                    .map(|storage| (tensors::member_name(folder, &storage.key), storage)),
                            );
                        }
                        if let Some(below) = node.below.get_mut(slot) {
                            *below = Below::Closed(Closed {
                                artifacts: closed,
                                made_of: vec![span],
                            });
                        }
                    }
                }
                _ => children.push((slot, child)),
            }
        }
        node.cut_short |= parse.cut_short;
        node.findings.append(parse.findings);
        node.errors.append(&mut parse.errors);
        node.facts.append(&mut parse.facts);
        node.ledger.push(parse.view);
    }

    /// Asks the verifiers what they need. What they read counts like another reading of the structure.
    fn signatures(&mut self, held: Option<&Held>, node: &mut Node) {
        let left = Cell::new(self.quota.limits().max_structure);
        let input = Input::new(
            self.source.as_ref(),
            self.window,
            &left,
            self.log,
            self.quota.deadline(),
            self.ctx.quick(),
        )
        .holding(held);
        signed::plans(node, &input);
        self.ctx
            .count_read(self.quota.limits().max_structure.saturating_sub(left.get()));
    }

    /// The storages that a stored `data.pkl` among `children` names, by the member that holds each: members that are
    /// compressed are decoded before it is examined by itself. One that is compressed too is put first.
    fn storages(&mut self, children: &mut [Child], format: &'static str) -> HashMap<Vec<u8>, Storage> {
        /// Pickles of models: names and shapes, no elements.
        const LONGEST: u64 = 64 << 20;
        let mut found = HashMap::new();
        if format != "zip" || !children.iter().any(|c| matches!(c.source, Source::Decoded { .. })) {
            return found;
        }
        let Some(at) = children.iter().position(|child| child.name.ends_with(b"/data.pkl")) else {
            return found;
        };
        match children.get(at).map(|child| (&child.source, &child.name)) {
            Some((Source::Slice(span), name)) if span.len() <= LONGEST => {
                let left = Cell::new(self.quota.limits().max_structure);
                let window = span
                    .intersect(Span::new(0, self.window.len()))
                    .shifted(self.window.start());
                let deadline = self.quota.deadline();
                let input = Input::new(
                    self.source.as_ref(),
                    window,
                    &left,
                    self.log,
                    deadline,
                    self.ctx.quick(),
                );
                let parsed = catch_unwind(AssertUnwindSafe(|| format::pickled(&input)));
                let folder = name.strip_suffix(b"data.pkl").unwrap_or_default();
                for fact in parsed.map(|parse| parse.facts).unwrap_or_default() {
                    if let Fact::Storage(storage) = fact {
                        found.insert(tensors::member_name(folder, &storage.key), *storage);
                    }
                }
            }
            // The order of a format's children is the order of its report: only this one moves.
            Some((Source::Decoded { .. }, _)) => {
                if let Some(before) = children.get_mut(..=at) {
                    before.rotate_right(1);
                }
            }
            _ => {}
        }
        found
    }

    /// A second certain format: a nested artifact when it lies in bytes nobody claimed, a polyglot when it starts
    /// inside another leaf.
    fn second(
        &mut self,
        other: Candidate,
        primary: Candidate,
        held: Option<&Held>,
        node: &mut Node,
        children: &mut Vec<(usize, Child)>,
    ) {
        let start = other.matched.start;
        let claimed = node.ledger.leaf_at(start).cloned();
        let Some(region) = claimed.filter(|r| r.role != Role::Padding && r.role != Role::Payload) else {
            return;
        };
        let message = format!(
            "the bytes are {} and, from offset {start:#x} on, {}",
            primary.format.id(),
            other.format.id()
        );
        let span = Span::new(start, self.window.len());
        let finding = Finding::new(code::POLYGLOT, span, message)
            .region(region.name.to_string())
            .evidence("first", primary.format.id())
            .evidence("second", other.format.id())
            .key(format!("{}+{}", primary.format.id(), other.format.id()));
        node.findings.push(finding);
        self.view(Reading::Format(other.format), held, node, children);
    }

    /// Bytes nobody claimed that are a format of their own become nested artifacts. They stay unclaimed here: that
    /// they are something does not explain what they do in this place.
    fn gaps(&mut self, node: &mut Node, children: &mut Vec<(usize, Child)>) {
        const SMALLEST: u64 = 16;
        const MOST: usize = 64;
        for gap in node
            .ledger
            .gaps()
            .into_iter()
            .filter(|g| g.len() >= SMALLEST && g.len() < self.window.len())
            .take(MOST)
        {
            let Ok(candidates) = self.asking.identify(self.window, gap) else {
                continue;
            };
            let certain = |c: &&Candidate| c.matched.strength == Strength::Certain;
            if let Some(found) = candidates.iter().find(certain) {
                let span = Span::new(gap.start().saturating_add(found.matched.start), gap.end());
                let name = format!("unclaimed@{:#x}", span.start());
                children.push((
                    node.below.len(),
                    Child {
                        name: name.into_bytes(),
                        source: Source::Slice(span),
                        expected: false,
                    },
                ));
                node.below.push(Below::Closed(Closed::default()));
            }
        }
    }

    /// Admits a child that is not decoded: a slice joins the tree, an assembled one is examined by itself.
    fn child(&mut self, node: &mut Node, slot: usize, child: Child) -> Option<(Place, Span)> {
        let place = node.place.child(&child.name, child.expected, node.format);
        match child.source {
            Source::Slice(span) => {
                let span = span.intersect(Span::new(0, self.window.len()));
                if !self.admit(&node.place, &mut node.errors, &mut node.findings, span) || !self.room(node, span) {
                    return None;
                }
                Some((place, span.shifted(self.window.start())))
            }
            Source::Assembled(parts) => {
                let first = parts.first().copied().unwrap_or(Span::new(0, 0));
                if !self.admit(&node.place, &mut node.errors, &mut node.findings, first) {
                    return None;
                }
                let whole = Span::new(0, self.window.len());
                let made_of: Vec<Span> = parts.iter().map(|p| p.intersect(whole)).collect();
                let parts: Vec<Span> = made_of.iter().map(|p| p.shifted(self.window.start())).collect();
                let source: Arc<dyn ReadAt> = Arc::new(AssembledSource::new(Arc::clone(self.source), &parts));
                let artifacts = root::examine(self.ctx, self.quota, &source, place);
                if let Some(below) = node.below.get_mut(slot) {
                    *below = Below::Closed(Closed { artifacts, made_of });
                }
                None
            }
            Source::Decoded { .. } => None,
        }
    }

    /// Whether a slice may be examined by itself: slices that do not overlap always may, and overlapping ones until they
    /// sum to twice their parent, and in the whole tree to no more than the source once again.
    fn room(&self, node: &mut Node, span: Span) -> bool {
        const SMALL: u64 = 1 << 20;
        let (own, all) = (self.window.len(), self.source.len());
        let before = node.sliced.max(own);
        node.sliced = node.sliced.saturating_add(span.len());
        let more = node.sliced.saturating_sub(before);
        let overlap = self.overlap.get().saturating_add(more);
        if node.sliced <= own.saturating_mul(2).saturating_add(SMALL)
            && (more == 0 || overlap <= all.saturating_add(SMALL))
        {
            self.overlap.set(overlap);
            return true;
        }
        let message = "nested artifacts overlap and sum to more than twice the bytes that hold them";
        if !node.findings.as_slice().iter().any(|f| f.case == Some("overlap")) {
            node.findings.push(
                Finding::new(code::ARCHIVE_BOMB, span, message)
                    .case("overlap")
                    .key("overlap"),
            );
        }
        let error = ScanError::new(ErrorCode::LimitExceeded, message);
        if !node.errors.contains(&error) {
            node.errors.push(error);
        }
        false
    }

    /// Whether one more nested artifact may be examined; says so in the parent when not.
    fn admit(&mut self, place: &Place, errors: &mut Vec<ScanError>, findings: &mut Findings, span: Span) -> bool {
        let limits: &Limits = self.quota.limits();
        let error = if place.level >= limits.max_depth {
            let message = format!("nested more than --max-depth {} levels deep", limits.max_depth);
            if !findings.as_slice().iter().any(|f| f.code == code::ARCHIVE_BOMB) {
                findings.push(
                    Finding::new(code::ARCHIVE_BOMB, span, message.clone())
                        .case("nested")
                        .key("nested"),
                );
            }
            ScanError::new(ErrorCode::LimitExceeded, message).at(span.start())
        } else if !self.quota.member() {
            let most = self.quota.limits().max_members;
            ScanError::new(
                ErrorCode::LimitExceeded,
                format!("more than --max-members {most} nested artifacts"),
            )
        } else if self.quota.expired() {
            self.quota.timeout_error()
        } else {
            return true;
        };
        if !errors.contains(&error) && errors.len() < 64 {
            errors.push(error);
        }
        false
    }
}

/// An artifact whose structure could not be read at all has an error that says so. That nobody accounts for its bytes
/// would be a finding about Probity, not about the artifact.
fn claim_unexamined(node: &mut Node) {
    if node.errors.is_empty() || node.ledger.leaves().next().is_some() {
        return;
    }
    let mut parse = Parse::new(node.format);
    parse.leaf(node.ledger.whole(), Role::Opaque, "not examined");
    match node.ledger.views_mut().first_mut() {
        Some(view) => view.regions.append(&mut parse.view.regions),
        None => node.ledger.push(parse.view),
    }
}
