//! Symbolic values: which strings an expression may be, and where it comes from.
//!
//! One pass over the nodes in order computes every expression, since operands stand first; passes are repeated until the
//! variables stay the same, [`PASSES`] times at most. Variables are one map for the whole template: scopes are not kept
//! apart, which errs on the side of more values.

use super::strings;
use crate::walk::jinja::{BlockId, BlockKind, NodeId, NodeKind, PieceKind, Template};
use std::collections::BTreeMap;

/// Comes from what a message says.
pub(super) const CONTENT: u16 = 1;
/// Holds a literal that is natural language.
pub(super) const WORD: u16 = 1 << 1;
/// Depends on a message holding certain words.
pub(super) const ASKED: u16 = 1 << 2;
/// Comes from the clock.
pub(super) const DATE: u16 = 1 << 3;
/// Depends on the date.
pub(super) const DATED: u16 = 1 << 4;
/// A string with `__` in it, of which a part is not known.
pub(super) const UNDERSCORES: u16 = 1 << 5;
/// An object of the engine, or of a web framework, that people do not name in chat templates.
pub(super) const OBJECT: u16 = 1 << 6;
/// Text taken out of such an object.
pub(super) const FOREIGN: u16 = 1 << 7;
/// Put together from several strings.
pub(super) const BUILT: u16 = 1 << 8;

/// Made of constants by something that is not followed.
pub(super) const UNFOLDED: u16 = 1 << 9;

/// What survives a comparison: its result holds nothing of what was compared.
const CONDITIONS: u16 = ASKED | DATED;
const PASSES: usize = 6;
const ALTERNATIVES: usize = 12;
/// The longest string that is followed, in bytes.
const LONG: usize = 256;
/// The bytes of strings that one pass holds.
const BUDGET: usize = 8 << 20;

/// What is known about an expression.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Value {
    /// The strings it may be; empty when it is no known string.
    pub(super) texts: Vec<String>,
    /// The strings it lists, in order, when all are known.
    pub(super) list: Option<Vec<String>>,
    /// The strings it holds under its keys, when it is a dictionary.
    pub(super) held: Vec<String>,
    /// The whole number it is.
    pub(super) number: Option<i64>,
    /// Where it comes from.
    pub(super) flags: u16,
}

impl Value {
    fn flags(flags: u16) -> Self {
        Self {
            flags,
            ..Self::default()
        }
    }

    fn text(text: String) -> Self {
        Self {
            texts: vec![text],
            ..Self::default()
        }
    }

    /// Adds what `other` may be.
    fn join(&mut self, other: &Self) {
        self.flags |= other.flags;
        for text in &other.texts {
            if !self.texts.contains(text) {
                self.texts.push(text.clone());
            }
        }
        for text in &other.held {
            if !self.held.contains(text) {
                self.held.push(text.clone());
            }
        }
        if self.list.is_none() {
            self.list.clone_from(&other.list);
        }
        if self.number.is_none() {
            self.number = other.number;
        }
    }

    /// Drops strings that are too many or too long, and remembers what matters about them.
    fn bounded(mut self, budget: &mut usize) -> Self {
        let size: usize = self
            .texts
            .iter()
            .chain(self.list.iter().flatten())
            .chain(&self.held)
            .map(String::len)
            .sum();
        let long = self.texts.iter().any(|t| t.len() > LONG) || self.list.as_ref().is_some_and(|l| l.len() > 64);
        if self.texts.len().max(self.held.len()) > ALTERNATIVES || long || size > *budget {
            let mut all = self.texts.iter().chain(self.list.iter().flatten()).chain(&self.held);
            if all.any(|t| t.contains("__")) {
                self.flags |= UNDERSCORES;
            }
            self.texts.clear();
            self.held.clear();
            self.list = None;
        } else {
            *budget = budget.saturating_sub(size);
        }
        self
    }
}

/// What every node may be, in the order of the nodes.
pub(super) struct Values {
    all: Vec<Value>,
    variables: BTreeMap<Box<str>, Value>,
}

impl Values {
    /// What `node` may be.
    pub(super) fn of(&self, node: NodeId) -> &Value {
        const UNKNOWN: &Value = &Value {
            texts: Vec::new(),
            list: None,
            held: Vec::new(),
            number: None,
            flags: 0,
        };
        self.all.get(node).unwrap_or(UNKNOWN)
    }

    /// Whether the template itself gives `name` a value.
    pub(super) fn is_local(&self, name: &str) -> bool {
        self.variables.contains_key(name)
    }
}

/// Evaluates every expression of `template`.
pub(super) fn evaluate(template: &Template, source: &str) -> Values {
    let mut macros: BTreeMap<&str, &[Box<str>]> = BTreeMap::new();
    let mut variables: BTreeMap<Box<str>, Value> = BTreeMap::new();
    for block in &template.blocks {
        match &block.kind {
            BlockKind::Macro(name, parameters) => {
                macros.insert(name, parameters);
                for parameter in parameters {
                    variables.entry(parameter.clone()).or_default();
                }
            }
            BlockKind::Loop(names, ..) => {
                for name in names {
                    variables.entry(name.clone()).or_default();
                }
            }
            _ => {}
        }
    }
    let mut pass = Pass {
        template,
        source,
        macros,
        variables,
        all: Vec::new(),
        budget: BUDGET,
    };
    for _ in 0..PASSES {
        let before = pass.variables.clone();
        pass.all.clear();
        pass.budget = BUDGET;
        for node in 0..template.nodes.len() {
            let value = pass.node(node);
            let value = value.bounded(&mut pass.budget);
            pass.all.push(value);
        }
        pass.assign();
        if pass.variables == before {
            break;
        }
    }
    Values {
        all: pass.all,
        variables: pass.variables,
    }
}

struct Pass<'t> {
    template: &'t Template,
    source: &'t str,
    macros: BTreeMap<&'t str, &'t [Box<str>]>,
    variables: BTreeMap<Box<str>, Value>,
    all: Vec<Value>,
    budget: usize,
}

impl Pass<'_> {
    fn value(&self, node: NodeId) -> Value {
        self.all.get(node).cloned().unwrap_or_default()
    }

    fn kind(&self, node: NodeId) -> Option<&NodeKind> {
        self.template.nodes.get(node).map(|n| &n.kind)
    }

    fn give(&mut self, name: &str, value: &Value) {
        let mut known = self.variables.get(name).cloned().unwrap_or_default();
        known.join(value);
        let mut budget = usize::MAX;
        self.variables.insert(name.into(), known.bounded(&mut budget));
    }

    fn union(&self, nodes: &[NodeId]) -> u16 {
        nodes
            .iter()
            .filter_map(|n| self.all.get(*n))
            .fold(0, |f, v| f | v.flags)
    }

    fn node(&mut self, id: NodeId) -> Value {
        let Some(node) = self.template.nodes.get(id) else {
            return Value::default();
        };
        match &node.kind {
            NodeKind::Name(name) => match self.variables.get(name) {
                Some(value) => value.clone(),
                None => Value::flags(global(name)),
            },
            NodeKind::Text(text) => {
                let mut value = Value::text(text.to_string());
                value.flags = if strings::is_language(text) { WORD } else { 0 };
                value
            }
            NodeKind::Number(number) => Value {
                number: number.parse().ok(),
                ..Value::default()
            },
            NodeKind::Constant | NodeKind::Missing => Value::default(),
            NodeKind::List(items) => {
                let mut value = Value::flags(self.union(items));
                value.list = self.strings(items);
                value
            }
            NodeKind::Dict(items) => {
                let keys: Vec<NodeId> = items.iter().step_by(2).copied().collect();
                let mut value = Value::flags(self.union(items) & !WORD);
                value.list = self.strings(&keys);
                let values = items.iter().skip(1).step_by(2).take(64);
                value.held = values
                    .filter_map(|n| self.all.get(*n))
                    .flat_map(|v| v.texts.clone())
                    .collect();
                value
            }
            NodeKind::Attribute(value, name) => {
                if let Some(NodeKind::Name(object)) = self.kind(*value)
                    && let Some(known) = self.variables.get(format!("{object}.{name}").as_str())
                {
                    return known.clone();
                }
                self.member(&self.value(*value), name)
            }
            NodeKind::Item(value, key) => {
                let (value, key) = (self.value(*value), self.value(*key));
                match key.texts.first() {
                    Some(name) => self.member(&value, name),
                    None => {
                        let flags = value.flags | key.flags & CONDITIONS;
                        let mut texts = value.list.unwrap_or_default();
                        texts.extend(value.held);
                        Value {
                            texts,
                            flags,
                            ..Value::default()
                        }
                    }
                }
            }
            NodeKind::Slice(value, parts) => {
                let value = self.value(*value);
                let parts: Vec<Option<Option<i64>>> = parts
                    .iter()
                    .map(|part| match self.kind(*part) {
                        Some(NodeKind::Missing) => Some(None),
                        _ => self.all.get(*part).and_then(|v| v.number).map(Some),
                    })
                    .collect();
                let texts = value.texts.iter().filter_map(|t| strings::slice(t, &parts)).collect();
                Value {
                    texts,
                    flags: value.flags | BUILT,
                    ..Value::default()
                }
            }
            NodeKind::Call(called, arguments) => self.call(*called, arguments),
            NodeKind::Keyword(_, value) => self.value(*value),
            NodeKind::Filter(value, name, arguments) => self.filter(&self.value(*value), name, arguments),
            NodeKind::Test(value, _, arguments) => {
                let (value, others) = (self.value(*value), self.union(arguments));
                Value::flags(if !arguments.is_empty() {
                    compared(value.flags | others)
                } else {
                    (value.flags | others) & CONDITIONS
                })
            }
            NodeKind::Unary(operator, value) => {
                let mut value = self.value(*value);
                if *operator == "-" {
                    value.number = value.number.and_then(i64::checked_neg);
                }
                value
            }
            NodeKind::Binary(operator, first, second) => {
                let (a, b) = (self.value(*first), self.value(*second));
                binary(operator, a, &b)
            }
            NodeKind::Choice(value, condition, other) => {
                let mut joined = self.value(*value);
                if let Some(other) = other {
                    joined.join(&self.value(*other));
                }
                joined.flags |= self.value(*condition).flags & CONDITIONS;
                joined
            }
        }
    }

    /// The strings that `nodes` are, when each is one.
    fn strings(&self, nodes: &[NodeId]) -> Option<Vec<String>> {
        if nodes.len() > 64 {
            return None;
        }
        nodes
            .iter()
            .map(|node| match self.all.get(*node).map(|v| v.texts.as_slice()) {
                Some([text]) => Some(text.clone()),
                _ => None,
            })
            .collect()
    }

    /// A member of `value` by its name.
    fn member(&self, value: &Value, name: &str) -> Value {
        let inherited = value.flags & CONDITIONS;
        let flags = match name {
            "content" | "text" | "reasoning_content" => CONTENT | inherited,
            _ if strings::is_method(name) => value.flags,
            _ if value.flags & (OBJECT | FOREIGN) != 0 => FOREIGN | inherited,
            _ => inherited,
        };
        Value {
            texts: value.held.clone(),
            flags,
            ..Value::default()
        }
    }

    fn call(&mut self, called: NodeId, arguments: &[NodeId]) -> Value {
        let others = self.union(arguments);
        match self.kind(called).cloned() {
            Some(NodeKind::Attribute(object, method)) => self.method(&self.value(object), &method, arguments),
            Some(NodeKind::Name(name)) => {
                if let Some(parameters) = self.macros.get(&*name).copied() {
                    self.bind(parameters, arguments);
                    return Value::flags(others & CONDITIONS);
                }
                match &*name {
                    "strftime_now" | "now" | "current_date" => Value::flags(DATE),
                    "dict" => Value {
                        list: Some(self.keywords(arguments)),
                        held: arguments.iter().take(64).flat_map(|a| self.value(*a).texts).collect(),
                        flags: others | BUILT,
                        ..Value::default()
                    },
                    "namespace" | "raise_exception" | "range" => Value::default(),
                    _ => Value::flags(self.value(called).flags | others & (CONDITIONS | FOREIGN)),
                }
            }
            _ => Value::flags(self.value(called).flags | others & (CONDITIONS | FOREIGN)),
        }
    }

    fn keywords(&self, arguments: &[NodeId]) -> Vec<String> {
        let keyword = |node: &NodeId| match self.kind(*node) {
            Some(NodeKind::Keyword(name, _)) => Some(name.to_string()),
            _ => None,
        };
        arguments.iter().take(64).filter_map(keyword).collect()
    }

    fn bind(&mut self, parameters: &[Box<str>], arguments: &[NodeId]) {
        for (position, argument) in arguments.iter().enumerate() {
            let value = self.value(*argument);
            match self.kind(*argument).cloned() {
                Some(NodeKind::Keyword(name, _)) => self.give(&name, &value),
                _ => {
                    if let Some(name) = parameters.get(position) {
                        self.give(name, &value);
                    }
                }
            }
        }
    }

    fn method(&self, object: &Value, method: &str, arguments: &[NodeId]) -> Value {
        let others = self.union(arguments);
        if matches!(
            method,
            "startswith" | "endswith" | "find" | "rfind" | "index" | "count" | "__contains__" | "__eq__"
        ) {
            return Value::flags(compared(object.flags | others));
        }
        if matches!(method, "today" | "utcnow" | "now" | "strftime") {
            return Value::flags(DATE);
        }
        let all: Vec<Value> = arguments.iter().take(16).map(|a| self.value(*a)).collect();
        let mut value = strings::method(object, method, &all);
        value.flags |= object.flags | others & (CONDITIONS | FOREIGN | UNDERSCORES) | BUILT;
        value
    }

    fn filter(&self, value: &Value, name: &str, arguments: &[NodeId]) -> Value {
        let all: Vec<Value> = arguments.iter().take(16).map(|a| self.value(*a)).collect();
        let others = self.union(arguments);
        let mut found = strings::filter(value, name, &all);
        found.flags |= value.flags | others & (CONDITIONS | FOREIGN | UNDERSCORES) | BUILT;
        if value.flags & OBJECT != 0 {
            found.flags |= FOREIGN;
        }
        if matches!(name, "default" | "d") {
            found.join(all.first().unwrap_or(&Value::default()));
        }
        if matches!(name, "select" | "reject" | "selectattr" | "rejectattr") {
            found.flags |= compared(value.flags | others);
        }
        if matches!(name, "length" | "count" | "int" | "float" | "abs" | "round") {
            found.flags &= CONDITIONS | DATE;
        }
        found
    }

    /// Gives variables what the template assigns to them.
    fn assign(&mut self) {
        let template = self.template;
        let conditions: Vec<u16> = self.conditions();
        for piece in &template.pieces {
            let under = conditions.get(piece.block).copied().unwrap_or(0);
            match &piece.kind {
                PieceKind::Set(targets, node) => {
                    let mut value = self.value(*node);
                    value.flags |= under;
                    if targets.len() > 1 {
                        value.texts = value.list.take().unwrap_or_default();
                    }
                    for target in targets {
                        self.give(target, &value);
                    }
                    // `namespace(found=false)`: members are variables of their own.
                    if let (Some(NodeKind::Call(_, arguments)), [target]) =
                        (self.kind(*node).cloned(), targets.as_slice())
                    {
                        for argument in arguments {
                            if let Some(NodeKind::Keyword(name, _)) = self.kind(argument).cloned() {
                                let value = self.value(argument);
                                self.give(&format!("{target}.{name}"), &value);
                            }
                        }
                    }
                }
                PieceKind::Open(block) => match template.blocks.get(*block).map(|b| &b.kind) {
                    Some(BlockKind::Loop(names, items_node, _)) => {
                        let items = self.value(*items_node);
                        let element = Value {
                            texts: items.list.unwrap_or_default(),
                            flags: items.flags | under,
                            ..Value::default()
                        };
                        let keyed = names.len() == 2 && self.pairs(*items_node);
                        for (position, name) in names.iter().enumerate() {
                            let mut own = element.clone();
                            if keyed && position == 0 {
                                own.flags &= !CONTENT;
                            }
                            self.give(name, &own);
                        }
                    }
                    Some(BlockKind::Capture(name)) => {
                        let value = self.capture(*block);
                        self.give(name, &value);
                    }
                    _ => {}
                },
                _ => {}
            }
        }
    }

    /// Whether a loop goes over keys and values.
    fn pairs(&self, items: NodeId) -> bool {
        match self.kind(items) {
            Some(NodeKind::Filter(_, name, _)) => matches!(&**name, "dictsort" | "items"),
            Some(NodeKind::Call(called, _)) => {
                matches!(self.kind(*called), Some(NodeKind::Attribute(_, name)) if &**name == "items")
            }
            _ => false,
        }
    }

    /// What the conditions above each block depend on.
    fn conditions(&self) -> Vec<u16> {
        let mut found: Vec<u16> = Vec::with_capacity(self.template.blocks.len());
        for block in &self.template.blocks {
            let above = found.get(block.parent).copied().unwrap_or(0);
            let own = match &block.kind {
                BlockKind::Branch(Some(node), _) | BlockKind::Loop(_, _, Some(node)) => self.value(*node).flags,
                _ => 0,
            };
            found.push(above | own & CONDITIONS);
        }
        found
    }

    /// The text of a block that a variable takes, when all of it is known.
    fn capture(&self, block: BlockId) -> Value {
        let first = self
            .template
            .pieces
            .partition_point(|p| p.span.start() < self.template.blocks.get(block).map_or(0, |b| b.span.end()));
        let mut text = String::new();
        let mut value = Value::flags(BUILT);
        let mut known = true;
        for piece in self
            .template
            .pieces
            .iter()
            .skip(first)
            .take_while(|p| p.block >= block)
            .take(64)
        {
            match &piece.kind {
                PieceKind::Text if piece.block == block => {
                    let from = usize::try_from(piece.span.start()).unwrap_or(0);
                    let to = usize::try_from(piece.span.end()).unwrap_or(0);
                    text.push_str(self.source.get(from..to).unwrap_or_default());
                }
                PieceKind::Output(node) if piece.block == block => {
                    let output = self.value(*node);
                    value.flags |= output.flags;
                    match output.texts.as_slice() {
                        [single] => text.push_str(single),
                        _ => known = false,
                    }
                }
                _ => known = false,
            }
        }
        if known {
            value.texts.push(text);
        } else if text.contains("__") {
            value.flags |= UNDERSCORES;
        }
        value
    }
}

/// What a name that the template does not set stands for.
fn global(name: &str) -> u16 {
    match name {
        "messages" | "message" | "prompt" => CONTENT,
        "date_string" => DATE,
        "lipsum"
        | "cycler"
        | "joiner"
        | "self"
        | "request"
        | "config"
        | "session"
        | "g"
        | "url_for"
        | "get_flashed_messages" => OBJECT,
        _ => 0,
    }
}

/// What the result of comparing depends on.
fn compared(flags: u16) -> u16 {
    let mut found = flags & CONDITIONS;
    if flags & CONTENT != 0 && flags & WORD != 0 {
        found |= ASKED;
    }
    if flags & DATE != 0 {
        found |= DATED;
    }
    found
}

fn binary(operator: &str, mut a: Value, b: &Value) -> Value {
    match operator {
        "~" | "+" => {
            let texts = strings::concatenated(&a, b);
            if texts.is_empty() && a.texts.iter().chain(&b.texts).any(|t| t.contains("__")) {
                a.flags |= UNDERSCORES;
            }
            if a.flags & OBJECT != 0 || b.flags & OBJECT != 0 {
                a.flags |= FOREIGN;
            }
            let number = a.number.zip(b.number).and_then(|(a, b)| a.checked_add(b));
            let list = a
                .list
                .as_ref()
                .zip(b.list.as_ref())
                .map(|(a, b)| [a.as_slice(), b].concat());
            Value {
                texts,
                list,
                held: Vec::new(),
                number,
                flags: a.flags | b.flags | BUILT,
            }
        }
        "and" | "or" => {
            a.join(b);
            a
        }
        "%" => {
            let mut value = strings::printf(&a, b);
            value.flags |= a.flags | b.flags | BUILT;
            value
        }
        "*" => {
            let (text, times) = if a.number.is_some() {
                (b, a.number)
            } else {
                (&a, b.number)
            };
            let times = times.and_then(|n| usize::try_from(n).ok()).filter(|n| *n <= 64);
            let texts = times.map_or(Vec::new(), |n| text.texts.iter().map(|t| t.repeat(n)).collect());
            Value {
                texts,
                flags: a.flags | b.flags | BUILT,
                ..Value::default()
            }
        }
        "-" | "/" | "//" | "**" => Value {
            number: (operator == "-")
                .then(|| a.number.zip(b.number).and_then(|(a, b)| a.checked_sub(b)))
                .flatten(),
            flags: (a.flags | b.flags) & (CONDITIONS | DATE),
            ..Value::default()
        },
        _ => Value::flags(compared(a.flags | b.flags)),
    }
}
