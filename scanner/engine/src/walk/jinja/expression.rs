//! Tokens to nodes: operator precedence with an explicit stack (`parser.py`, `parse_expression` and below).

use super::lexer::{Broken, Kind, Token};
use super::{Node, NodeId, NodeKind, Template, span};
use crate::span::Span;

/// What waits for an operand or a closing bracket.
enum Frame {
    /// An operator before its operand.
    Prefix(&'static str, u8, usize),
    /// `name=` before an argument.
    Keyword(Box<str>, usize),
    /// `value is name` before an argument without brackets.
    Argument(NodeId, Box<str>, bool),
    /// An operator between operands.
    Binary(&'static str, u8),
    /// `value if`
    If,
    /// `value if condition else`
    Else,
    /// An open bracket.
    Open(Open),
}

/// An open bracket, or the expression itself.
struct Open {
    kind: Bracket,
    /// How many operands lie below.
    base: usize,
    start: usize,
    /// Whether a comma stood in it.
    comma: bool,
    /// How many colons stood in it.
    colons: usize,
}

/// What a bracket means.
enum Bracket {
    Top,
    Group,
    List,
    Dict,
    Subscript(NodeId),
    Call(NodeId),
    Filter(NodeId, Box<str>),
    Test(NodeId, Box<str>, bool),
}

impl Bracket {
    fn closes(&self) -> &'static str {
        match self {
            Self::Top => "",
            Self::List | Self::Subscript(_) => "]",
            Self::Dict => "}",
            _ => ")",
        }
    }
}

const TERNARY: u8 = 1;
const NOT: u8 = 4;
const COMPARE: u8 = 5;
const SIGN: u8 = 9;
const TIGHT: u8 = 100;

/// The operator that a mark or a name is between operands.
fn binary(token: &Token) -> Option<(&'static str, u8)> {
    Some(match &token.kind {
        Kind::Name(name) => match &**name {
            "or" => ("or", 2),
            "and" => ("and", 3),
            "in" => ("in", COMPARE),
            _ => return None,
        },
        Kind::Mark(mark) => match *mark {
            "==" | "!=" | "<" | ">" | "<=" | ">=" => (mark, COMPARE),
            "+" | "-" => (mark, 6),
            "~" => ("~", 7),
            "*" | "/" | "//" | "%" => (mark, 8),
            "**" => ("**", 10),
            _ => return None,
        },
        _ => return None,
    })
}

/// Reads the expression that begins at token `from`; a tuple without brackets is one when `tuple`, and `if` belongs to
/// it when `choice`. Its node, and the first token that does not belong to it.
pub(super) fn read(
    tokens: &[Token],
    from: usize,
    (tuple, choice): (bool, bool),
    out: &mut Template,
) -> Result<(NodeId, usize), Broken> {
    let mut reader = Reader {
        tokens,
        at: from,
        operands: Vec::new(),
        frames: Vec::new(),
        opens: Vec::new(),
        out,
        tuple,
        choice,
    };
    reader.open(Bracket::Top);
    while reader.operand()? {
        while reader.postfix()? {}
        if !reader.operator()? {
            break;
        }
    }
    reader.close_top().map(|node| (node, reader.at))
}

struct Reader<'t, 'o> {
    tokens: &'t [Token],
    at: usize,
    operands: Vec<NodeId>,
    frames: Vec<Frame>,
    /// Where in `frames` the open brackets stand.
    opens: Vec<usize>,
    out: &'o mut Template,
    tuple: bool,
    choice: bool,
}

impl Reader<'_, '_> {
    fn token(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn is(&self, mark: &str) -> bool {
        self.token().is_some_and(|t| t.is(mark))
    }

    fn is_name(&self, name: &str) -> bool {
        self.token().and_then(Token::name) == Some(name)
    }

    fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn start(&self) -> usize {
        self.token()
            .map_or_else(|| self.tokens.last().map_or(0, |t| t.end), |t| t.start)
    }

    /// The end of the token before this one.
    fn end(&self) -> usize {
        self.at
            .checked_sub(1)
            .and_then(|before| self.tokens.get(before))
            .map_or(0, |t| t.end)
    }

    fn node(&mut self, kind: NodeKind, place: Span) -> Result<NodeId, Broken> {
        if !self.out.has_room() {
            self.out.cut = true;
            return Err("more expressions than are read");
        }
        let id = self.out.nodes.len();
        self.out.nodes.push(Node { kind, span: place });
        Ok(id)
    }

    fn push(&mut self, kind: NodeKind, start: usize) -> Result<(), Broken> {
        let place = span(start, self.end());
        let id = self.node(kind, place)?;
        self.operands.push(id);
        Ok(())
    }

    fn pop(&mut self) -> Result<NodeId, Broken> {
        let base = self.opened().map_or(0, |open| open.base);
        if self.operands.len() <= base {
            return Err("an operator without its operand");
        }
        self.operands.pop().ok_or("an operator without its operand")
    }

    fn start_of(&self, id: NodeId) -> usize {
        let start = self.out.nodes.get(id).map_or(0, |n| n.span.start());
        usize::try_from(start).unwrap_or(0)
    }

    fn open(&mut self, kind: Bracket) {
        let base = self.operands.len();
        let start = self.start();
        self.opens.push(self.frames.len());
        self.frames.push(Frame::Open(Open {
            kind,
            base,
            start,
            comma: false,
            colons: 0,
        }));
    }

    fn opened(&self) -> Option<&Open> {
        match self.opens.last().and_then(|at| self.frames.get(*at)) {
            Some(Frame::Open(open)) => Some(open),
            _ => None,
        }
    }

    /// The innermost bracket, once everything inside is reduced.
    fn innermost(&mut self) -> Option<&mut Open> {
        match self.frames.last_mut() {
            Some(Frame::Open(open)) => Some(open),
            _ => None,
        }
    }

    /// Reads up to and with one operand, or closes an empty bracket. `false` when the expression ends here.
    fn operand(&mut self) -> Result<bool, Broken> {
        loop {
            let start = self.start();
            let Some(token) = self.token() else {
                return self.nothing();
            };
            match &token.kind {
                Kind::Text(text) => {
                    let mut all = text.to_string();
                    self.step();
                    while let Some(Token {
                        kind: Kind::Text(more), ..
                    }) = self.token()
                    {
                        all.push_str(more);
                        self.step();
                    }
                    self.push(NodeKind::Text(all.into()), start)?;
                    return Ok(true);
                }
                Kind::Number(number) => {
                    let number = number.clone();
                    self.step();
                    self.push(NodeKind::Number(number), start)?;
                    return Ok(true);
                }
                Kind::Name(name) => {
                    let name = name.clone();
                    self.step();
                    match &*name {
                        "not" => {
                            self.frames.push(Frame::Prefix("not", NOT, start));
                            continue;
                        }
                        "true" | "True" | "false" | "False" | "none" | "None" => {
                            self.push(NodeKind::Constant, start)?;
                        }
                        _ if self.is("=")
                            && matches!(self.frames.last(), Some(Frame::Open(o)) if takes_keywords(&o.kind)) =>
                        {
                            self.step();
                            self.frames.push(Frame::Keyword(name, start));
                            continue;
                        }
                        _ => self.push(NodeKind::Name(name), start)?,
                    }
                    return Ok(true);
                }
                Kind::Mark(mark) => match *mark {
                    "-" | "+" | "*" | "**" => {
                        let mark = *mark;
                        self.step();
                        self.frames.push(Frame::Prefix(mark, SIGN, start));
                    }
                    "(" => self.bracket(Bracket::Group),
                    "[" => self.bracket(Bracket::List),
                    "{" => self.bracket(Bracket::Dict),
                    ":" if matches!(self.frames.last(), Some(Frame::Open(o)) if matches!(o.kind, Bracket::Subscript(_))) =>
                    {
                        self.push(NodeKind::Missing, start)?;
                        return Ok(true);
                    }
                    _ => return self.nothing(),
                },
            }
        }
    }

    fn bracket(&mut self, kind: Bracket) {
        self.open(kind);
        self.step();
    }

    /// Where an operand should stand and none does: right where a bracket closes, an error elsewhere.
    fn nothing(&mut self) -> Result<bool, Broken> {
        let Some(Frame::Open(open)) = self.frames.last() else {
            return Err("an operator without its operand");
        };
        let closes = open.kind.closes();
        let behind_comma = open.comma || self.operands.len() == open.base;
        let slice = open.colons > 0;
        if matches!(open.kind, Bracket::Top) {
            // A trailing comma of a tuple without brackets.
            return if open.comma {
                Ok(false)
            } else {
                Err("an expression that is empty")
            };
        }
        if !self.is(closes) || !(behind_comma || slice) {
            return Err("a token where a value should stand");
        }
        if slice {
            let start = self.start();
            self.push(NodeKind::Missing, start)?;
        }
        self.close()?;
        Ok(true)
    }

    /// Reads what follows an operand and binds to it alone.
    fn postfix(&mut self) -> Result<bool, Broken> {
        let Some(token) = self.token() else { return Ok(false) };
        if token.is(".") {
            self.step();
            let value = self.pop()?;
            let start = self.start_of(value);
            let kind = match self.token().map(|t| &t.kind) {
                Some(Kind::Name(name)) => NodeKind::Attribute(value, name.clone()),
                Some(Kind::Number(number)) => {
                    let place = span(self.start(), self.start());
                    let key = NodeKind::Number(number.clone());
                    NodeKind::Item(value, self.node(key, place)?)
                }
                _ => return Err("a point without a name behind it"),
            };
            self.step();
            self.push(kind, start)?;
        } else if token.is("[") {
            let value = self.pop()?;
            self.bracket(Bracket::Subscript(value));
            return self.operand();
        } else if token.is("(") {
            let value = self.pop()?;
            self.bracket(Bracket::Call(value));
            return self.operand();
        } else if token.is("|") {
            self.step();
            let name = self.dotted("a filter without a name")?;
            let value = self.pop()?;
            if self.is("(") {
                self.bracket(Bracket::Filter(value, name));
                return self.operand();
            }
            let start = self.start_of(value);
            self.push(NodeKind::Filter(value, name, Vec::new()), start)?;
        } else if token.name() == Some("is") {
            return self.test();
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn test(&mut self) -> Result<bool, Broken> {
        self.step();
        let negated = self.is_name("not");
        if negated {
            self.step();
        }
        let name = self.dotted("a test without a name")?;
        let value = self.pop()?;
        if self.is("(") {
            self.bracket(Bracket::Test(value, name, negated));
            return self.operand();
        }
        let argument = match self.token().map(|t| &t.kind) {
            Some(Kind::Name(name)) => !matches!(&**name, "else" | "or" | "and" | "is" | "if" | "in" | "not"),
            Some(Kind::Text(_) | Kind::Number(_)) => true,
            Some(Kind::Mark(mark)) => matches!(*mark, "[" | "{"),
            None => false,
        };
        if argument {
            self.frames.push(Frame::Argument(value, name, negated));
            return self.operand();
        }
        self.tested(value, name, Vec::new(), negated)?;
        Ok(true)
    }

    fn tested(&mut self, value: NodeId, name: Box<str>, arguments: Vec<NodeId>, negated: bool) -> Result<(), Broken> {
        let start = self.start_of(value);
        self.push(NodeKind::Test(value, name, arguments), start)?;
        if negated {
            let test = self.pop()?;
            self.push(NodeKind::Unary("not", test), start)?;
        }
        Ok(())
    }

    fn dotted(&mut self, missing: Broken) -> Result<Box<str>, Broken> {
        let mut name = self.token().and_then(Token::name).ok_or(missing)?.to_owned();
        self.step();
        while self.is(".") {
            self.step();
            name.push('.');
            name.push_str(self.token().and_then(Token::name).ok_or(missing)?);
            self.step();
        }
        Ok(name.into())
    }

    /// Reads what stands between operands. `false` when the expression ends here.
    fn operator(&mut self) -> Result<bool, Broken> {
        loop {
            let Some(token) = self.token() else { return Ok(false) };
            if let Some((operator, strength)) = binary(token) {
                self.step();
                self.reduce(strength)?;
                self.frames.push(Frame::Binary(operator, strength));
                return Ok(true);
            }
            let bracketed = self.opened().is_some_and(|open| !matches!(open.kind, Bracket::Top));
            let word = token.name().map(str::to_owned);
            let mark = match token.kind {
                Kind::Mark(mark) => mark,
                _ => "",
            };
            match (word.as_deref(), mark) {
                (Some("not"), _) if self.tokens.get(self.at.saturating_add(1)).and_then(Token::name) == Some("in") => {
                    self.at = self.at.saturating_add(2);
                    self.reduce(COMPARE)?;
                    self.frames.push(Frame::Binary("not in", COMPARE));
                    return Ok(true);
                }
                (Some("if"), _) if bracketed || self.choice => {
                    self.step();
                    self.reduce(TERNARY.saturating_add(1))?;
                    self.frames.push(Frame::If);
                    return Ok(true);
                }
                (Some("else"), _) => {
                    self.reduce(TERNARY.saturating_add(1))?;
                    // An `else` inside ends the choice in its own place.
                    while matches!(self.frames.last(), Some(Frame::Else)) {
                        self.reduce_top()?;
                    }
                    match self.frames.last_mut() {
                        Some(frame @ Frame::If) => *frame = Frame::Else,
                        _ => return Err("an else without its if"),
                    }
                    self.step();
                    return Ok(true);
                }
                (_, ",") => {
                    self.reduce(0)?;
                    let tuple = self.tuple;
                    let Some(open) = self.innermost() else {
                        return Err("a comma outside of brackets");
                    };
                    if matches!(open.kind, Bracket::Top) && !tuple {
                        return Ok(false);
                    }
                    open.comma = true;
                    self.step();
                    return Ok(true);
                }
                (_, ":") => {
                    self.reduce(0)?;
                    match self.innermost() {
                        Some(open) if matches!(open.kind, Bracket::Subscript(_) | Bracket::Dict) => {
                            open.colons = open.colons.saturating_add(1);
                        }
                        _ => return Err("a colon outside of a slice"),
                    }
                    self.step();
                    return Ok(true);
                }
                (_, ")" | "]" | "}") => {
                    self.reduce(0)?;
                    match self.frames.last() {
                        Some(Frame::Open(open)) if open.kind.closes() == mark => self.close()?,
                        _ => return Err("brackets that do not match"),
                    }
                    while self.postfix()? {}
                }
                _ => return Ok(false),
            }
        }
    }

    /// Builds what binds at least as strongly as `strength`, up to the innermost bracket.
    fn reduce(&mut self, strength: u8) -> Result<(), Broken> {
        loop {
            let own = match self.frames.last() {
                Some(Frame::Prefix(_, own, _) | Frame::Binary(_, own)) => *own,
                Some(Frame::Argument(..)) => TIGHT,
                Some(Frame::Keyword(..)) => 0,
                Some(Frame::If | Frame::Else) => TERNARY,
                Some(Frame::Open(_)) | None => return Ok(()),
            };
            if own < strength {
                return Ok(());
            }
            self.reduce_top()?;
        }
    }

    fn reduce_top(&mut self) -> Result<(), Broken> {
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        let last = self.pop()?;
        match frame {
            Frame::Prefix(operator, _, start) => self.push(NodeKind::Unary(operator, last), start),
            Frame::Keyword(name, start) => self.push(NodeKind::Keyword(name, last), start),
            Frame::Argument(value, name, negated) => self.tested(value, name, vec![last], negated),
            Frame::Binary(operator, _) => {
                let first = self.pop()?;
                let start = self.start_of(first);
                self.push(NodeKind::Binary(operator, first, last), start)
            }
            Frame::If => {
                let value = self.pop()?;
                let start = self.start_of(value);
                self.push(NodeKind::Choice(value, last, None), start)
            }
            Frame::Else => {
                let condition = self.pop()?;
                let value = self.pop()?;
                let start = self.start_of(value);
                self.push(NodeKind::Choice(value, condition, Some(last)), start)
            }
            Frame::Open(_) => Err("brackets that do not match"),
        }
    }

    /// Closes the innermost bracket at its closing token.
    fn close(&mut self) -> Result<(), Broken> {
        let Some(Frame::Open(open)) = self.frames.pop() else {
            return Err("brackets that do not match");
        };
        self.opens.pop();
        self.step();
        let items = self.operands.split_off(open.base.min(self.operands.len()));
        let (kind, start) = match open.kind {
            Bracket::Group if items.len() == 1 && !open.comma => {
                self.operands.extend(items);
                return Ok(());
            }
            Bracket::Group | Bracket::List | Bracket::Top => (NodeKind::List(items), open.start),
            Bracket::Dict => (NodeKind::Dict(items), open.start),
            Bracket::Subscript(value) => {
                let start = self.start_of(value);
                let kind = match items.as_slice() {
                    [key] if open.colons == 0 && !open.comma => NodeKind::Item(value, *key),
                    _ if open.colons > 0 => NodeKind::Slice(value, items),
                    _ => {
                        let place = span(open.start, self.end());
                        NodeKind::Item(value, self.node(NodeKind::List(items), place)?)
                    }
                };
                (kind, start)
            }
            Bracket::Call(value) => (NodeKind::Call(value, items), self.start_of(value)),
            Bracket::Filter(value, name) => (NodeKind::Filter(value, name, items), self.start_of(value)),
            Bracket::Test(value, name, negated) => return self.tested(value, name, items, negated),
        };
        self.push(kind, start)
    }

    fn close_top(&mut self) -> Result<NodeId, Broken> {
        self.reduce(0)?;
        let [Frame::Open(open)] = self.frames.as_slice() else {
            return Err("brackets that do not match");
        };
        let (start, comma) = (open.start, open.comma);
        match self.operands.as_slice() {
            [single] if !comma => Ok(*single),
            [] => Err("an expression that is empty"),
            _ => {
                let items = std::mem::take(&mut self.operands);
                let place = span(start, self.end());
                self.node(NodeKind::List(items), place)
            }
        }
    }
}

fn takes_keywords(bracket: &Bracket) -> bool {
    matches!(bracket, Bracket::Call(_) | Bracket::Filter(..) | Bracket::Test(..))
}
