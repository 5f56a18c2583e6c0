//! Prompts under a condition: text for the model that appears only when a message holds certain words, or on certain days.
//!
//! Published templates ask about markup (`</think>`, `[INST]`), about kinds of content (`image`) and about whether a date
//! exists; they show long prompts to everyone. An instruction that waits for a word is read by no one who reviews outputs.

use super::Subject;
use super::value::{ASKED, DATED, Values};
use crate::finding::{Findings, code};
use crate::span::Span;
use crate::walk::jinja::{BlockId, BlockKind, NodeId, NodeKind, PieceKind, Template};

/// The most conditions that are looked into.
const MOST: usize = 64;

/// `conditional-prompt`.
pub(super) fn report(subject: &Subject<'_>, template: &Template, values: &Values, out: &mut Findings) {
    let mut left = MOST;
    let hidden = hidden(template);
    for (block, node, span) in branches(template) {
        let flags = values.of(node).flags & (ASKED | DATED);
        if flags == 0 || left == 0 {
            continue;
        }
        left = left.saturating_sub(1);
        if let Some(text) = shown_text(subject, template, &hidden, block) {
            push(subject, flags, node, template, span, &text, out);
        }
    }
    for node in &template.nodes {
        let NodeKind::Choice(value, condition, other) = &node.kind else {
            continue;
        };
        let flags = values.of(*condition).flags & (ASKED | DATED);
        if flags == 0 || left == 0 {
            continue;
        }
        left = left.saturating_sub(1);
        let kinds = [Some(*value), *other].into_iter().flatten();
        let literal = kinds
            .filter_map(|id| template.nodes.get(id))
            .find_map(|n| match &n.kind {
                NodeKind::Text(text) if instructs(text) => Some(text.to_string()),
                _ => None,
            });
        if let Some(text) = literal {
            push(subject, flags, *condition, template, node.span, &text, out);
        }
    }
}

fn push(
    subject: &Subject<'_>,
    flags: u16,
    condition: NodeId,
    template: &Template,
    span: Span,
    text: &str,
    out: &mut Findings,
) {
    let (case, when) = if flags & ASKED != 0 {
        ("content", "when a message holds certain words")
    } else {
        ("date", "at certain dates")
    };
    let asked = template.nodes.get(condition).map_or(span, |n| n.span);
    let excerpt: String = text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(120)
        .collect();
    let excerpt = crate::policy::shown(excerpt.as_bytes());
    let what = format!("a prompt that is added only {when}");
    let finding = subject
        .finding(code::CONDITIONAL_PROMPT, case, asked, &what)
        .key(format!("{} {excerpt}", subject.name))
        .evidence("prompt", excerpt);
    out.push(finding);
}

/// Blocks that render under a condition of their own, with the condition: an `else` has those before it.
fn branches(template: &Template) -> Vec<(BlockId, NodeId, Span)> {
    let mut found = Vec::new();
    for (id, block) in template.blocks.iter().enumerate() {
        match &block.kind {
            BlockKind::Branch(Some(node), _) | BlockKind::Loop(_, _, Some(node)) => found.push((id, *node, block.span)),
            BlockKind::Branch(None, before) => {
                let condition = before.and_then(|b| template.blocks.get(b)).and_then(|b| match &b.kind {
                    BlockKind::Branch(condition, _) => *condition,
                    _ => None,
                });
                found.extend(
                    condition
                        .filter(|c| is_negated(*c, template))
                        .map(|c| (id, c, block.span)),
                );
            }
            _ => {}
        }
    }
    found
}

fn is_negated(condition: NodeId, template: &Template) -> bool {
    matches!(
        template.nodes.get(condition).map(|n| &n.kind),
        Some(NodeKind::Unary("not", _) | NodeKind::Binary("not in" | "!=", ..))
    )
}

/// Text for the model that `block` holds and that instructs it.
fn shown_text(subject: &Subject<'_>, template: &Template, hidden: &[bool], block: BlockId) -> Option<String> {
    let start = template.blocks.get(block)?.span.end();
    let first = template.pieces.partition_point(|p| p.span.start() < start);
    let mut all = String::new();
    for piece in template.pieces.iter().skip(first) {
        if !template.is_inside(piece.block, block) {
            break;
        }
        let text = |span: Span| {
            let from = usize::try_from(span.start()).unwrap_or(usize::MAX);
            let to = usize::try_from(span.end()).unwrap_or(usize::MAX);
            subject.text.get(from..to).unwrap_or_default()
        };
        match &piece.kind {
            PieceKind::Text => all.push_str(text(piece.span)),
            // What is raised is read by the caller, not by the model.
            PieceKind::Output(_) | PieceKind::Set(..) | PieceKind::Value(_)
                if !text(piece.span).contains("raise_exception") =>
            {
                let from = template.nodes.partition_point(|n| n.span.end() <= piece.span.start());
                for (node, hidden) in template.nodes.iter().zip(hidden).skip(from) {
                    if node.span.start() >= piece.span.end() {
                        break;
                    }
                    if let NodeKind::Text(literal) = &node.kind
                        && !hidden
                    {
                        all.push(' ');
                        all.push_str(literal);
                    }
                }
            }
            _ => {}
        }
        if all.len() > 1 << 16 {
            break;
        }
    }
    instructs(&all).then_some(all)
}

/// Which nodes are looked up or compared, so that the model never sees them.
fn hidden(template: &Template) -> Vec<bool> {
    let mut hidden = vec![false; template.nodes.len()];
    let mut hide = |nodes: &[NodeId]| {
        for node in nodes {
            if let Some(slot) = hidden.get_mut(*node) {
                *slot = true;
            }
        }
    };
    for node in &template.nodes {
        match &node.kind {
            NodeKind::Item(_, key) => hide(&[*key]),
            NodeKind::Test(_, _, arguments) => hide(arguments),
            NodeKind::Filter(_, name, arguments) if !matches!(&**name, "default" | "d") => hide(arguments),
            NodeKind::Call(called, arguments) => {
                let method = match template.nodes.get(*called).map(|n| &n.kind) {
                    Some(NodeKind::Attribute(_, method)) => !matches!(&**method, "append" | "extend" | "format"),
                    _ => false,
                };
                if method {
                    hide(arguments);
                }
            }
            NodeKind::Binary("==" | "!=" | "in" | "not in" | "<" | ">" | "<=" | ">=", a, b) => hide(&[*a, *b]),
            _ => {}
        }
    }
    hidden
}

/// Whether a text is more than markup: a URL, or a run of words that makes a sentence.
fn instructs(text: &str) -> bool {
    if text.contains("://") {
        return true;
    }
    let (mut run, mut longest) = (0usize, 0usize);
    for word in text.split_whitespace() {
        let letters = word.trim_matches(|c: char| !c.is_alphanumeric());
        let plain =
            letters.chars().count() >= 1 && letters.chars().all(|c| c.is_alphanumeric() || matches!(c, '\'' | '-'));
        run = if plain { run.saturating_add(1) } else { 0 };
        longest = longest.max(run);
    }
    // Languages that write without spaces.
    let ideographs = text.chars().filter(|c| ('\u{3040}'..='\u{9fff}').contains(c)).count();
    longest >= 5 || ideographs >= 12
}
