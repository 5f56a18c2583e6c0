//! Jinja templates, as the reference implementation reads them (Jinja documentation, "Template Designer Documentation";
//! `lexer.py` and `parser.py` where it says more), with the tags that chat templates add (`generation`, loop controls).
//!
//! A template becomes [`Piece`]s in the order of the text, the [`Block`]s they stand in, and the [`Node`]s of their
//! expressions. A node's operands stand before it, so that one pass over the nodes in order evaluates every expression
//! from the inside out. Nothing recurses: the text decides neither a stack's depth nor, beyond [`LONGEST`] and [`MOST`], the
//! memory. Renders nothing, resolves nothing, and gives names no meaning.
//!
//! A tag that breaks a rule is a [`Fault`], and reading goes on behind it: the reference refuses the whole template
//! then, but other engines may not.

mod expression;
mod lexer;
mod literal;
mod tag;
#[cfg(test)]
mod tests;

use self::lexer::Lexer;
use crate::span::Span;

/// The longest template that is read, in bytes; published ones have 30 KiB at most.
pub const LONGEST: usize = 1 << 20;
/// The most nodes, pieces and blocks, each, that are kept.
pub const MOST: usize = 200_000;

/// The index of a [`Node`].
pub type NodeId = usize;
/// The index of a [`Block`].
pub type BlockId = usize;

/// A node of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// Its bytes in the template, from its first operand to its last token.
    pub span: Span,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// A variable.
    Name(Box<str>),
    /// A string literal, unescaped; neighbours are joined.
    Text(Box<str>),
    /// A number as written.
    Number(Box<str>),
    /// `true`, `false`, `none`
    Constant,
    /// The absent part of a slice.
    Missing,
    /// A list or tuple.
    List(Vec<NodeId>),
    /// Keys and values in turn.
    Dict(Vec<NodeId>),
    /// `value.name`
    Attribute(NodeId, Box<str>),
    /// `value[key]`
    Item(NodeId, NodeId),
    /// `value[from:to:step]`
    Slice(NodeId, Vec<NodeId>),
    /// `value(arguments)`
    Call(NodeId, Vec<NodeId>),
    /// `name=value` among arguments.
    Keyword(Box<str>, NodeId),
    /// `value|name(arguments)`
    Filter(NodeId, Box<str>, Vec<NodeId>),
    /// `value is name(arguments)`
    Test(NodeId, Box<str>, Vec<NodeId>),
    /// `not`, `-`, `+`, `*`, `**`
    Unary(&'static str, NodeId),
    /// Two operands: the operator as written, `not in` as one.
    Binary(&'static str, NodeId, NodeId),
    /// `first if condition else other`: the value, the condition, the other value.
    Choice(NodeId, NodeId, Option<NodeId>),
}

/// One piece of a template, in the order of its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// What it is.
    pub kind: PieceKind,
    /// Its bytes, delimiters included.
    pub span: Span,
    /// The block it stands in.
    pub block: BlockId,
}

/// What a piece is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PieceKind {
    /// Text that is copied.
    Text,
    /// `{{ value }}`
    Output(NodeId),
    /// `{% set names = value %}`, `{% with name = value %}`: targets as dotted names.
    Set(Vec<Box<str>>, NodeId),
    /// A tag's expression whose value is dropped (`do`) or only looked at.
    Value(NodeId),
    /// `include`, `import`, `from`, `extends`: the tag and what it names.
    Other(&'static str, NodeId),
    /// The beginning of a block: its index.
    Open(BlockId),
}

/// A block of a template. The first is the template itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What it is.
    pub kind: BlockKind,
    /// The block it stands in; itself for the first.
    pub parent: BlockId,
    /// The last block inside it; itself when there is none.
    pub last: BlockId,
    /// The tag that opens it.
    pub span: Span,
}

/// What a block is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockKind {
    /// The template.
    Root,
    /// `if`, `elif` with its condition, `else` without; and the branch before it.
    Branch(Option<NodeId>, Option<BlockId>),
    /// `for`: the loop's names, what is looped over, and the condition behind it.
    Loop(Vec<Box<str>>, NodeId, Option<NodeId>),
    /// `macro`: its name and its parameters in order.
    Macro(Box<str>, Vec<Box<str>>),
    /// `set` without a value: the name that takes the block's text.
    Capture(Box<str>),
    /// Anything else: the tag.
    Tag(Box<str>),
}

/// A rule of the language that a template breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where: from the tag's beginning to the end of what was passed over.
    pub span: Span,
    /// Which rule.
    pub rule: &'static str,
}

/// A template, read.
#[derive(Clone, Debug, Default)]
pub struct Template {
    /// The nodes of all expressions, operands first.
    pub nodes: Vec<Node>,
    /// The pieces, in order.
    pub pieces: Vec<Piece>,
    /// The blocks, outer ones first.
    pub blocks: Vec<Block>,
    /// Broken rules, in order, [`Self::FAULTS`] at most.
    pub faults: Vec<Fault>,
    /// Whether [`LONGEST`] or [`MOST`] ended the reading.
    pub cut: bool,
}

impl Template {
    /// The most faults that are kept.
    pub const FAULTS: usize = 64;

    /// Reads `text`.
    pub fn read(text: &str) -> Self {
        let mut template = Self::default();
        let mut end = text.len().min(LONGEST);
        while !text.is_char_boundary(end) {
            end = end.saturating_sub(1);
        }
        template.cut = end < text.len();
        let whole = span(0, end);
        template.blocks.push(Block {
            kind: BlockKind::Root,
            parent: 0,
            last: 0,
            span: whole,
        });
        tag::read(&mut Lexer::new(text.get(..end).unwrap_or_default()), &mut template);
        template.close_blocks();
        template
    }

    /// Whether `block` is `outer` or stands inside it.
    pub fn is_inside(&self, block: BlockId, outer: BlockId) -> bool {
        let last = self.blocks.get(outer).map_or(outer, |b| b.last);
        (outer..=last).contains(&block)
    }

    /// Blocks are numbered as they open, so that those inside one follow it: says how far.
    fn close_blocks(&mut self) {
        for block in (1..self.blocks.len()).rev() {
            let (parent, last) = self.blocks.get(block).map_or((0, 0), |b| (b.parent, b.last));
            if let Some(parent) = self.blocks.get_mut(parent) {
                parent.last = parent.last.max(last);
            }
        }
    }

    /// Whether there is room for more.
    fn has_room(&self) -> bool {
        self.nodes.len().max(self.pieces.len()).max(self.blocks.len()) < MOST
    }

    fn fault(&mut self, span: Span, rule: &'static str) {
        if self.faults.len() < Self::FAULTS {
            self.faults.push(Fault { span, rule });
        }
    }
}

/// The line, counted from 1, in which the byte at `offset` stands.
pub fn line(text: &str, offset: u64) -> u64 {
    let before = usize::try_from(offset).unwrap_or(usize::MAX).min(text.len());
    let feeds = memchr::memchr_iter(b'\n', text.as_bytes().get(..before).unwrap_or_default()).count();
    u64::try_from(feeds).unwrap_or(u64::MAX).saturating_add(1)
}

fn span(start: usize, end: usize) -> Span {
    let wide = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    Span::new(wide(start), wide(end.max(start)))
}
