//! Tags to pieces and blocks (`parser.py`, `parse_statement`; the extensions `do`, `loopcontrols`, `i18n`, and `generation` of
//! chat templates).

use super::lexer::{Broken, Found, Kind, Lexer, Token};
use super::{Block, BlockId, BlockKind, NodeKind, Piece, PieceKind, Template, expression};
use crate::span::Span;

/// Reads the whole text.
pub(super) fn read(lexer: &mut Lexer<'_>, out: &mut Template) {
    let mut block: BlockId = 0;
    while let Some(found) = lexer.next() {
        if !out.has_room() {
            out.cut = true;
            return;
        }
        match found {
            Found::Text(span) => piece(PieceKind::Text, span, block, out),
            Found::Spent => {
                out.cut = true;
                return;
            }
            Found::Unended(span) => out.fault(span, "a comment without an end"),
            Found::Output(span, tokens) => {
                let read = tokens.and_then(|tokens| whole(&tokens, 0, out));
                match read {
                    Ok(node) => piece(PieceKind::Output(node), span, block, out),
                    Err(rule) => out.fault(span, rule),
                }
            }
            Found::Tag(span, tokens) => {
                let read = tokens.and_then(|tokens| {
                    let mut tag = Tag {
                        tokens: &tokens,
                        span,
                        block,
                        out: &mut *out,
                    };
                    tag.read(lexer)
                });
                match read {
                    Ok(inside) => block = inside,
                    Err(rule) => out.fault(span, rule),
                }
            }
        }
    }
    if block != 0 {
        let opened = out.blocks.get(block).map_or(Span::new(0, 0), |b| b.span);
        out.fault(opened, "a block without an end");
    }
    debug_assert!(lexer.end() <= super::LONGEST, "the text was cut before");
}

fn piece(kind: PieceKind, span: Span, block: BlockId, out: &mut Template) {
    out.pieces.push(Piece { kind, span, block });
}

/// The expression that begins at token `from` and takes the rest.
fn whole(tokens: &[Token], from: usize, out: &mut Template) -> Result<usize, Broken> {
    let (node, behind) = expression::read(tokens, from, (true, true), out)?;
    if behind < tokens.len() {
        return Err("a token where a tag should end");
    }
    Ok(node)
}

struct Tag<'t, 'o> {
    tokens: &'t [Token],
    span: Span,
    block: BlockId,
    out: &'o mut Template,
}

impl Tag<'_, '_> {
    fn name(&self, at: usize) -> Option<&str> {
        self.tokens.get(at).and_then(Token::name)
    }

    fn is(&self, at: usize, mark: &str) -> bool {
        self.tokens.get(at).is_some_and(|t| t.is(mark))
    }

    fn emit(&mut self, kind: PieceKind) {
        piece(kind, self.span, self.block, self.out);
    }

    /// Opens a block in `parent`, which becomes the current one.
    fn open(&mut self, kind: BlockKind, parent: BlockId) -> BlockId {
        let id = self.out.blocks.len();
        self.out.blocks.push(Block {
            kind,
            parent,
            last: id,
            span: self.span,
        });
        piece(PieceKind::Open(id), self.span, parent, self.out);
        id
    }

    fn current(&self) -> (BlockId, Option<BlockKind>) {
        let block = self.out.blocks.get(self.block);
        (block.map_or(0, |b| b.parent), block.map(|b| b.kind.clone()))
    }

    /// Reads the tag; the block that is current behind it.
    fn read(&mut self, lexer: &mut Lexer<'_>) -> Result<BlockId, Broken> {
        let name = self.name(0).ok_or("a tag without a name")?.to_owned();
        let block = self.block;
        match &*name {
            "if" => {
                let condition = whole(self.tokens, 1, self.out)?;
                return Ok(self.open(BlockKind::Branch(Some(condition), None), block));
            }
            "elif" | "else" => return self.branch(&name),
            "for" => return self.for_loop(),
            "set" => return self.set(),
            "with" => {
                let mut at = 1;
                while at < self.tokens.len() {
                    let (target, behind) = self.target(at)?;
                    let (value, next) = expression::read(self.tokens, behind, (false, true), self.out)?;
                    self.emit(PieceKind::Set(vec![target], value));
                    at = next.saturating_add(usize::from(self.is(next, ",")));
                    if at == next && at < self.tokens.len() {
                        return Err("a token where a tag should end");
                    }
                }
                return Ok(self.open(BlockKind::Tag(name.into()), block));
            }
            "macro" => return self.definition(),
            "call" => return self.call(),
            "raw" => {
                let (text, ended) = lexer.raw("endraw");
                piece(PieceKind::Text, text, block, self.out);
                if !ended {
                    return Err("a raw block without an end");
                }
            }
            "include" | "import" | "from" | "extends" => {
                let (node, _) = expression::read(self.tokens, 1, (false, true), self.out)?;
                let tag = match &*name {
                    "include" => "include",
                    "import" => "import",
                    "from" => "from",
                    _ => "extends",
                };
                self.emit(PieceKind::Other(tag, node));
            }
            "do" | "print" => {
                let node = whole(self.tokens, 1, self.out)?;
                self.emit(if name == "do" {
                    PieceKind::Value(node)
                } else {
                    PieceKind::Output(node)
                });
            }
            "filter" => {
                let (node, _) = expression::read(self.tokens, 1, (false, true), self.out)?;
                self.emit(PieceKind::Value(node));
                return Ok(self.open(BlockKind::Tag(name.into()), block));
            }
            "block" | "autoescape" | "generation" | "trans" | "pluralize" => {
                if name != "pluralize" {
                    return Ok(self.open(BlockKind::Tag(name.into()), block));
                }
            }
            "break" | "continue" | "debug" => {}
            _ => match name.strip_prefix("end") {
                Some(ended) => return self.end(ended),
                None => return Err("a tag that no engine for chat templates knows"),
            },
        }
        Ok(block)
    }

    fn branch(&mut self, name: &str) -> Result<BlockId, Broken> {
        let (parent, kind) = self.current();
        match kind {
            Some(BlockKind::Branch(Some(_), _)) => {
                let condition = if name == "elif" {
                    Some(whole(self.tokens, 1, self.out)?)
                } else {
                    None
                };
                Ok(self.open(BlockKind::Branch(condition, Some(self.block)), parent))
            }
            Some(BlockKind::Loop(..)) if name == "else" => Ok(self.open(BlockKind::Tag("for".into()), parent)),
            _ => Err("an else or elif without its if"),
        }
    }

    fn for_loop(&mut self) -> Result<BlockId, Broken> {
        let mut names = Vec::new();
        let mut at = 1;
        loop {
            match self.tokens.get(at).map(|t| &t.kind) {
                Some(Kind::Name(name)) if &**name == "in" => break,
                Some(Kind::Name(name)) => names.push(name.clone()),
                Some(Kind::Mark("," | "(" | ")" | ".")) => {}
                _ => return Err("a loop without `in`"),
            }
            at = at.saturating_add(1);
        }
        let (items, mut behind) = expression::read(self.tokens, at.saturating_add(1), (true, false), self.out)?;
        let mut condition = None;
        if self.name(behind) == Some("if") {
            let (node, next) = expression::read(self.tokens, behind.saturating_add(1), (false, true), self.out)?;
            condition = Some(node);
            behind = next;
        }
        if self.name(behind) == Some("recursive") {
            behind = behind.saturating_add(1);
        }
        if behind < self.tokens.len() {
            return Err("a token where a tag should end");
        }
        Ok(self.open(BlockKind::Loop(names, items, condition), self.block))
    }

    /// `name`, `name.name`, followed by `=` or not: the dotted name, and what is behind it and the `=`.
    fn target(&self, at: usize) -> Result<(Box<str>, usize), Broken> {
        let mut name = self.name(at).ok_or("an assignment without a name")?.to_owned();
        let mut at = at.saturating_add(1);
        while self.is(at, ".") {
            name.push('.');
            at = at.saturating_add(1);
            name.push_str(self.name(at).ok_or("an assignment without a name")?);
            at = at.saturating_add(1);
        }
        Ok((name.into(), at.saturating_add(usize::from(self.is(at, "=")))))
    }

    fn set(&mut self) -> Result<BlockId, Broken> {
        let mut targets = Vec::new();
        let mut at = 1usize;
        loop {
            at = at.saturating_add(usize::from(self.is(at, "(")));
            let (target, behind) = self.target(at)?;
            targets.push(target);
            let behind = behind.saturating_add(usize::from(self.is(behind, ")")));
            let before = behind.saturating_sub(1);
            if self.is(before, "=") || self.is(behind, "=") {
                let from = behind.saturating_add(usize::from(self.is(behind, "=")));
                let value = whole(self.tokens, from, self.out)?;
                self.emit(PieceKind::Set(targets, value));
                return Ok(self.block);
            }
            if !self.is(behind, ",") {
                break;
            }
            at = behind.saturating_add(1);
        }
        let capture = targets.into_iter().next().ok_or("an assignment without a name")?;
        Ok(self.open(BlockKind::Capture(capture), self.block))
    }

    fn definition(&mut self) -> Result<BlockId, Broken> {
        let name: Box<str> = self.name(1).ok_or("a macro without a name")?.into();
        let node = whole(self.tokens, 1, self.out)?;
        let arguments = match self.out.nodes.get(node).map(|n| &n.kind) {
            Some(NodeKind::Call(_, arguments)) => arguments.clone(),
            _ => return Err("a macro without its parameters"),
        };
        let mut parameters = Vec::new();
        for argument in arguments {
            match self.out.nodes.get(argument).map(|n| &n.kind) {
                Some(NodeKind::Name(name)) => parameters.push(name.clone()),
                Some(NodeKind::Keyword(name, value)) => {
                    let (name, value) = (name.clone(), *value);
                    parameters.push(name.clone());
                    self.emit(PieceKind::Set(vec![name], value));
                }
                _ => return Err("a macro's parameter that is no name"),
            }
        }
        Ok(self.open(BlockKind::Macro(name, parameters), self.block))
    }

    fn call(&mut self) -> Result<BlockId, Broken> {
        let mut at = 1;
        if self.is(at, "(") {
            at = self
                .tokens
                .iter()
                .position(|t| t.is(")"))
                .ok_or("brackets that do not match")?
                .saturating_add(1);
        }
        let node = whole(self.tokens, at, self.out)?;
        self.emit(PieceKind::Output(node));
        Ok(self.open(BlockKind::Tag("call".into()), self.block))
    }

    fn end(&mut self, ended: &str) -> Result<BlockId, Broken> {
        let (parent, kind) = self.current();
        let fits = match &kind {
            Some(BlockKind::Branch(..)) => ended == "if",
            Some(BlockKind::Loop(..)) => ended == "for",
            Some(BlockKind::Macro(..)) => ended == "macro",
            Some(BlockKind::Capture(_)) => ended == "set",
            Some(BlockKind::Tag(tag)) => **tag == *ended,
            Some(BlockKind::Root) | None => false,
        };
        if fits {
            Ok(parent)
        } else {
            Err("an end tag that closes nothing")
        }
    }
}
