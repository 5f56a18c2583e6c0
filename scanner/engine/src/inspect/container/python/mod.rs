//! What a Python source does when it is imported: programs it starts, hosts it talks to, text it decodes and runs.
//!
//! A tokeniser and a table, no grammar: which lines run at import follows from indentation (bodies of functions do not,
//! unless something that runs calls them by name, decorates with them or makes a class with them), what is called from
//! the dotted name before a bracket, with imports and plain assignments followed. Programs that other functions and
//! methods start, and hidden text that they run, are acts that are deferred: whoever uses the model calls them. What is computed (`getattr` with a computed name) is not followed. Bounded by the
//! length of the text; nothing recurses.

mod lexer;
mod table;
#[cfg(test)]
mod tests;

use lexer::{Lexer, Token, fields};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What kind of act it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ActKind {
    /// It starts a program.
    Process,
    /// It talks to a host.
    Network,
    /// It runs what it decoded.
    Decoded,
    /// It runs text, or imports what a computed name says.
    Dynamic,
}

/// Calls that send something: a model that fetches an image is ordinary, one that posts is not.
const SENDS: &[&str] = &[
    "ftplib.FTP",
    "httpx.post",
    "httpx.put",
    "paramiko.SSHClient",
    "requests.post",
    "requests.put",
    "smtplib.SMTP",
    "smtplib.SMTP_SSL",
];

/// One act of a source that is imported.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Act {
    /// What kind.
    pub(crate) kind: ActKind,
    /// The line, from 1.
    pub(crate) line: u32,
    /// The callable.
    pub(crate) call: Box<str>,
    /// It stands in a function or method that the import does not reach: it runs when that is called.
    pub(crate) deferred: bool,
}

impl Act {
    /// About how many bytes it takes.
    pub(crate) fn weight(&self) -> usize {
        self.call.len().saturating_add(32)
    }
}

/// Acts of one source that are kept: a person needs no more.
const MOST: usize = 8;
/// A dotted name is followed over this many levels.
const LEVELS: usize = 8;
/// Longer names are none of the table's.
const LONGEST: usize = 128;

/// What importing `text` does, by line.
pub(crate) fn acts(text: &[u8]) -> Vec<Act> {
    if !table::may_act(text) {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(text);
    let mut reading = Reading::default();
    reading.coding(&text);
    // What formatted strings compute is read after the line that holds them, as a part of the same scope.
    let mut queue = vec![(Cow::Borrowed(&*text), None::<(Scope, u32)>)];
    while let Some((part, inside)) = queue.pop() {
        let mut pending: Vec<(String, Option<(Scope, u32)>)> = Vec::new();
        reading.read(&part, inside, &mut pending);
        queue.extend(pending.into_iter().map(|(part, inside)| (Cow::Owned(part), inside)));
    }
    reading.finish()
}

/// Where code runs: at import, or in the function or class of this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Scope {
    Import,
    Function(usize),
    /// A method.
    Method,
    /// Below `if __name__ == "__main__"`.
    Never,
}

/// One block that is open: the column of its header, and the scope of its body.
struct Block {
    column: usize,
    scope: Scope,
    /// The number of the class it is the body of.
    class: Option<usize>,
}

/// Text that these run is code, not data that somebody packed.
const INTERPRETERS: &[&str] = &["exec", "eval", "marshal.loads", "types.FunctionType", "execfile"];

#[derive(Default)]
struct Reading {
    /// What a local name stands for.
    aliases: HashMap<String, String>,
    /// Functions and classes by name. Several of one name are one.
    functions: HashMap<String, usize>,
    acts: BTreeMap<Scope, BTreeSet<Act>>,
    /// Which function each scope calls.
    calls: BTreeMap<Scope, BTreeSet<usize>>,
    /// Whether the source assigns its own `__name__`.
    renamed: bool,
}

/// One logical line while it is read.
struct Line {
    column: usize,
    scope: Scope,
    words: usize,
    first: String,
    /// Function or class whose name is expected next, whose header this is.
    header: Option<Header>,
    depth: usize,
    decodes: bool,
    dynamic: Vec<Act>,
    /// `if __name__ == "__main__":`, as far as it matched.
    main: usize,
    /// Whether something before it may make the condition hold all the same.
    either: bool,
    /// `import` and `from` statements, and assignments.
    statement: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Header {
    Function,
    Class,
}

impl Line {
    fn new(column: usize, scope: Scope) -> Self {
        Self {
            column,
            scope,
            words: 0,
            first: String::new(),
            header: None,
            depth: 0,
            decodes: false,
            dynamic: Vec::new(),
            main: 0,
            either: false,
            statement: Vec::new(),
        }
    }
}

/// The dotted name that stands before the next token.
#[derive(Default)]
struct Chain {
    name: String,
    levels: usize,
    dot: bool,
}

impl Chain {
    fn clear(&mut self) {
        self.name.clear();
        self.levels = 0;
        self.dot = false;
    }

    fn push(&mut self, word: &str) {
        if !self.dot || self.levels >= LEVELS || self.name.len().saturating_add(word.len()) > LONGEST {
            self.clear();
        }
        if !self.name.is_empty() {
            self.name.push('.');
        }
        if word.len() <= LONGEST {
            self.name.push_str(word);
        }
        self.levels = self.levels.saturating_add(1);
        self.dot = false;
    }
}

impl Reading {
    /// A source that says it is written in an encoding which hides its text (PEP 263).
    fn coding(&mut self, text: &str) {
        for (number, line) in text.lines().take(2).enumerate() {
            let Some((_, rest)) = line.split_once("coding").filter(|_| line.trim_start().starts_with('#')) else {
                continue;
            };
            let name = rest.trim_start_matches([':', '=']).trim_start();
            let end = name.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)));
            let name = name.get(..end.unwrap_or(name.len())).unwrap_or_default();
            let plain = name.to_ascii_lowercase().replace('_', "-");
            if matches!(
                plain.as_str(),
                "utf-7"
                    | "utf7"
                    | "u7"
                    | "unicode-escape"
                    | "raw-unicode-escape"
                    | "punycode"
                    | "idna"
                    | "rot13"
                    | "rot-13"
            ) {
                let line = u32::try_from(number).unwrap_or(0).saturating_add(1);
                self.act(Scope::Import, ActKind::Decoded, &format!("coding: {plain}"), line);
            }
        }
    }

    fn act(&mut self, scope: Scope, kind: ActKind, call: &str, line: u32) {
        let acts = self.acts.entry(scope).or_default();
        if acts.len() < MOST {
            acts.insert(Act {
                kind,
                line,
                call: call.into(),
                deferred: false,
            });
        }
    }

    fn function(&mut self, name: &str) -> usize {
        let next = self.functions.len();
        *self.functions.entry(name.to_owned()).or_insert(next)
    }

    fn read(&mut self, text: &str, inside: Option<(Scope, u32)>, pending: &mut Vec<(String, Option<(Scope, u32)>)>) {
        let mut lexer = match inside {
            Some((_, line)) => Lexer::inside(text, line),
            None => Lexer::new(text, 1),
        };
        let mut blocks: Vec<Block> = Vec::new();
        let mut line = Line::new(0, inside.map_or(Scope::Import, |(scope, _)| scope));
        let mut chain = Chain::default();
        // `__import__("os")` and `getattr(os, "system")`: the call, and what was seen of its arguments.
        let mut resolver: Option<(String, Vec<Argument>)> = None;
        // Those around it: `getattr(__import__("os"), "system")`.
        let mut around: Vec<(String, Vec<Argument>)> = Vec::new();
        // A table of names whose item is being named.
        let mut subscript: Option<(String, Option<String>)> = None;
        while let Some(token) = lexer.next() {
            match &token {
                Token::Line(column) => {
                    subscript = None;
                    self.end(&line);
                    self.defines(&line, &blocks);
                    line = Line::new(*column, Scope::Import);
                    while blocks.last().is_some_and(|b| b.column >= *column) {
                        blocks.pop();
                    }
                    line.scope = blocks.last().map_or(Scope::Import, |b| b.scope);
                    chain.clear();
                    resolver = None;
                    around.clear();
                    continue;
                }
                Token::Text(body, true) => {
                    for field in fields(body) {
                        pending.push((field.to_owned(), Some((line.scope, lexer.line()))));
                    }
                }
                _ => {}
            }
            self.word(&token, &mut line, &mut blocks);
            if let Some((call, arguments)) = &mut resolver {
                match &token {
                    Token::Name(word) => match arguments.last_mut() {
                        Some(Argument::Name(name)) if name.ends_with('.') && name.len() <= LONGEST => {
                            name.push_str(word);
                        }
                        _ => arguments.push(Argument::Name(word.clone().into_owned())),
                    },
                    Token::Op('.') => {
                        if let Some(Argument::Name(name)) = arguments.last_mut() {
                            name.push('.');
                        }
                    }
                    Token::Text(body, false) => match arguments.last_mut() {
                        // Texts that stand side by side, or are added, are one.
                        Some(Argument::Text(text)) if text.len() <= LONGEST => text.push_str(body),
                        _ => arguments.push(Argument::Text((*body).to_owned())),
                    },
                    Token::Op('+') if matches!(arguments.last(), Some(Argument::Text(_))) => {}
                    Token::Op(',') => arguments.push(Argument::Next),
                    Token::Op(')') => {
                        let found = resolved(call, arguments, &self.aliases);
                        let import = call.ends_with("__import__") || call.ends_with("import_module");
                        resolver = around.pop();
                        if let Some((_, outer)) = &mut resolver {
                            // The name and the bracket of the inner one.
                            outer.truncate(outer.len().saturating_sub(2));
                            outer.push(found.map_or(Argument::Other, Argument::Name));
                            chain.clear();
                            continue;
                        }
                        chain.clear();
                        match found {
                            Some(name) => {
                                chain.name = name;
                                chain.levels = 1;
                            }
                            None if import => {
                                self.act(line.scope, ActKind::Dynamic, "__import__", lexer.line());
                            }
                            None => {}
                        }
                        continue;
                    }
                    _ => arguments.push(Argument::Other),
                }
                if resolver.as_ref().is_some_and(|(_, a)| a.len() > LEVELS) {
                    resolver = None;
                }
            }
            match (&token, subscript.take()) {
                (Token::Op('['), _) if !chain.dot => {
                    let table = expand(&chain.name, &self.aliases);
                    if is_table(&table) {
                        subscript = Some((table, None));
                        chain.clear();
                        continue;
                    }
                }
                (Token::Text(key, false), Some((table, None))) => {
                    subscript = Some((table, Some((*key).to_owned())));
                    continue;
                }
                (Token::Op(']'), Some((table, Some(key)))) => {
                    chain.name = item(&table, &key).unwrap_or_default();
                    chain.levels = 1;
                    continue;
                }
                _ => {}
            }
            match &token {
                Token::Name(word) => chain.push(word),
                Token::Op('.') if !chain.name.is_empty() => chain.dot = true,
                Token::Op('(') => {
                    if let Some(name) = self.call(&chain, &mut line, lexer.line()) {
                        if around.len() < LEVELS {
                            around.extend(resolver.take());
                        }
                        resolver = Some((name, Vec::new()));
                    }
                    chain.clear();
                }
                _ => {
                    self.mention(&chain, &line, lexer.line());
                    chain.clear();
                }
            }
        }
        self.end(&line);
        self.defines(&line, &blocks);
    }

    /// A name that is handed on, not called: to a thread, to `map`, at exit. A type in an annotation is no act.
    fn mention(&mut self, chain: &Chain, line: &Line, number: u32) {
        if chain.name.is_empty() || chain.dot || matches!(line.first.as_str(), "import" | "from" | "def" | "class") {
            return;
        }
        let full = expand(&chain.name, &self.aliases);
        if full.contains('.') && full != "subprocess.Popen" && table::kind(&full) == Some(ActKind::Process) {
            self.act(line.scope, ActKind::Process, &full, number);
        }
    }

    /// A call of the name in `chain`. The full name when it is one that gives a callable by its name.
    fn call(&mut self, chain: &Chain, line: &mut Line, number: u32) -> Option<String> {
        if chain.name.is_empty() || line.header.is_some() && line.words <= header_words(line) {
            return None;
        }
        let full = expand(&chain.name, &self.aliases);
        let full = full.strip_prefix("builtins.").unwrap_or(&full).to_owned();
        let kind = table::kind(&full);
        line.decodes |= table::decodes(&full) || kind == Some(ActKind::Network);
        match kind {
            Some(ActKind::Dynamic) if line.dynamic.len() < MOST => line.dynamic.push(Act {
                kind: ActKind::Dynamic,
                line: number,
                call: full.as_str().into(),
                deferred: false,
            }),
            Some(kind) => self.act(line.scope, kind, &full, number),
            None => {
                if let Some(function) = self.functions.get(full.as_str()) {
                    self.calls.entry(line.scope).or_default().insert(*function);
                } else if !full.contains('.') {
                    // It may be defined further down.
                    let function = self.function(&full);
                    self.calls.entry(line.scope).or_default().insert(function);
                }
            }
        }
        matches!(
            full.as_str(),
            "__import__" | "importlib.import_module" | "getattr" | "vars" | "globals"
        )
        .then_some(full)
    }

    /// `if __name__ == "__main__":`, perhaps with other conditions and `and` before it: what stands below does not run at
    /// import, unless the source has given itself that name.
    fn guard(&self, token: &Token<'_>, line: &mut Line, blocks: &mut Vec<Block>) {
        let starts = match token {
            Token::Name(word) if line.words == 1 => word == "if",
            Token::Name(word) => word == "and" && line.first == "if" && !line.either && line.depth == 0,
            _ => false,
        };
        line.either |= matches!(token, Token::Name(word) if matches!(&**word, "or" | "else" | "lambda"));
        let next = match (line.main, token) {
            _ if starts => 1,
            (1, Token::Name(word)) if word == "__name__" => 2,
            (2, Token::Op('=')) => 3,
            (3, Token::Op('=')) => 4,
            (4, Token::Text("__main__", false)) => 5,
            (5, Token::Op(':')) => 6,
            _ => 0,
        };
        line.main = next;
        if next == 6 && !self.renamed {
            blocks.push(Block {
                column: line.column,
                scope: Scope::Never,
                class: None,
            });
            line.scope = Scope::Never;
        }
    }

    /// What the words of a line say about its structure.
    fn word(&mut self, token: &Token<'_>, line: &mut Line, blocks: &mut Vec<Block>) {
        line.words = line.words.saturating_add(1);
        self.guard(token, line, blocks);
        match token {
            Token::Op('(' | '[' | '{') => line.depth = line.depth.saturating_add(1),
            Token::Op(')' | ']' | '}') => line.depth = line.depth.saturating_sub(1),
            Token::Name(word) if line.words == 1 => line.first = word.clone().into_owned(),
            _ => {}
        }
        if let Token::Name(word) = token {
            let starts = line.words == 1 || (line.words == 2 && line.first == "async");
            match &**word {
                "def" if starts => line.header = Some(Header::Function),
                "class" if starts => line.header = Some(Header::Class),
                name => {
                    let named = line.words == 2 || (line.words == 3 && line.first == "async");
                    if let (Some(header), true) = (line.header, named) {
                        self.open(header, name, line, blocks);
                    }
                }
            }
        }
        // The body of a function that stands on the line of its header.
        if line.header.is_some()
            && line.depth == 0
            && *token == Token::Op(':')
            && let Some(block) = blocks.last()
        {
            line.scope = block.scope;
        }
        const STATEMENT: usize = 512;
        if line.statement.len() < STATEMENT {
            line.statement.push(match token {
                Token::Name(word) => word.clone().into_owned(),
                Token::Op(c) => c.to_string(),
                _ => "?".to_owned(),
            });
        }
        // Two statements on one line.
        if line.depth == 0 && matches!(token, Token::Op(';')) {
            self.statement(line);
            line.statement.clear();
        }
    }

    fn open(&mut self, header: Header, name: &str, line: &Line, blocks: &mut Vec<Block>) {
        let above = blocks.last();
        let class = above.and_then(|b| b.class);
        let scope = match (header, class) {
            (Header::Class, _) => above.map_or(Scope::Import, |b| b.scope),
            // Making an instance runs these; calling a class is calling them.
            (Header::Function, Some(class)) if matches!(name, "__init__" | "__new__") => Scope::Function(class),
            // Deriving a class runs this.
            (Header::Function, Some(class)) if name == "__init_subclass__" => Scope::Function(self.deriving(class)),
            (Header::Function, Some(_)) => Scope::Method,
            (Header::Function, None) => Scope::Function(self.function(name)),
        };
        let class = (header == Header::Class).then(|| self.function(name));
        blocks.push(Block {
            column: line.column,
            scope,
            class,
        });
    }

    /// What runs when a class is derived from that of this number.
    fn deriving(&mut self, class: usize) -> usize {
        self.function(&format!("{class} derived"))
    }

    /// A decorator is called with what it decorates, a metaclass makes the class, a base hears of it.
    fn defines(&mut self, line: &Line, blocks: &[Block]) {
        let words: Vec<&str> = line.statement.iter().map(String::as_str).collect();
        let mut called = Vec::new();
        if let Some((&"@", rest)) = words.split_first() {
            called.extend(
                rest.first()
                    .filter(|_| rest.get(1) != Some(&"."))
                    .map(|w| self.function(w)),
            );
        } else if line.header == Some(Header::Class) {
            for at in 2..words.len() {
                let Some(word) = words.get(at) else { break };
                if words.get(at.wrapping_sub(2)..at) == Some(&["metaclass", "="]) {
                    called.push(self.function(word));
                } else {
                    let base = self.function(word);
                    called.push(self.deriving(base));
                }
            }
        }
        // The line's own scope may be the body of what it opens.
        let header = line.header.is_some() && blocks.len() > 1;
        let scope = match blocks.len().checked_sub(2).filter(|_| header) {
            Some(above) => blocks.get(above).map_or(Scope::Import, |b| b.scope),
            None if line.header.is_some() => Scope::Import,
            None => line.scope,
        };
        self.calls.entry(scope).or_default().extend(called);
    }

    fn end(&mut self, line: &Line) {
        for act in &line.dynamic {
            let kind = if line.decodes { ActKind::Decoded } else { act.kind };
            self.act(line.scope, kind, &act.call, act.line);
        }
        self.statement(line);
    }

    /// Imports and plain assignments give names to callables.
    fn statement(&mut self, line: &Line) {
        let words: Vec<&str> = line.statement.iter().map(String::as_str).collect();
        match words.split_first() {
            Some((&"import", rest)) => {
                for part in rest.split(|w| *w == ",") {
                    let mut halves = part.split(|w| *w == "as");
                    let name = halves.next().unwrap_or_default().concat();
                    if let Some([alias]) = halves.next() {
                        self.alias(alias, &name);
                    }
                }
            }
            Some((&"from", rest)) => {
                let mut halves = rest.splitn(2, |w| *w == "import");
                let module = halves.next().unwrap_or_default().concat();
                for part in halves.next().unwrap_or_default().split(|w| *w == ",") {
                    let part: Vec<&str> = part.iter().copied().filter(|w| !matches!(*w, "(" | ")")).collect();
                    match *part.as_slice() {
                        ["*"] => {
                            for name in table::names_of(&module) {
                                self.alias(name, &format!("{module}.{name}"));
                            }
                        }
                        [name] => self.alias(name, &format!("{module}.{name}")),
                        [name, "as", alias] => self.alias(alias, &format!("{module}.{name}")),
                        _ => {}
                    }
                }
            }
            Some((name, rest)) => {
                self.renamed |= *name == "__name__" && rest.first() == Some(&"=");
                if let Some((&"=", value)) = rest.split_first()
                    && value.len() <= LEVELS
                    && !value.is_empty()
                    && value
                        .iter()
                        .all(|w| *w == "." || w.chars().all(|c| c == '_' || c.is_alphanumeric()))
                {
                    let full = expand(&value.concat(), &self.aliases);
                    self.alias(name, &full);
                }
            }
            None => {}
        }
    }

    fn alias(&mut self, name: &str, full: &str) {
        if name != full && name.len() <= LONGEST && full.len() <= LONGEST {
            self.aliases.insert(name.to_owned(), full.to_owned());
        }
    }

    /// Acts at import, those of what is called there among them.
    fn finish(self) -> Vec<Act> {
        let mut reached: BTreeSet<Scope> = BTreeSet::from([Scope::Import]);
        let mut open = vec![Scope::Import];
        while let Some(scope) = open.pop() {
            for function in self.calls.get(&scope).into_iter().flatten() {
                let next = Scope::Function(*function);
                if reached.insert(next) {
                    open.push(next);
                }
            }
        }
        let mut acts: Vec<Act> = Vec::new();
        for (scope, found) in self.acts {
            if reached.contains(&scope) {
                acts.extend(found);
            } else if scope != Scope::Never {
                // What is fetched in one line may be run in the next.
                let fetches = found.iter().any(|act| act.kind == ActKind::Network);
                let runs = |act: &Act| match act.kind {
                    ActKind::Process => true,
                    ActKind::Decoded => INTERPRETERS.contains(&&*act.call),
                    ActKind::Network => SENDS.contains(&&*act.call),
                    ActKind::Dynamic => fetches && &*act.call == "exec",
                };
                acts.extend(found.into_iter().filter(runs).map(|act| Act { deferred: true, ..act }));
            }
        }
        acts.sort_by(|a, b| (a.deferred, a.line, a).cmp(&(b.deferred, b.line, b)));
        acts.dedup();
        acts.truncate(MOST);
        acts
    }
}

/// The words of a header up to the bracket behind its name: `def f(`, `async def f(`.
fn header_words(line: &Line) -> usize {
    if line.first == "async" { 4 } else { 3 }
}

/// An argument of a call that gives a callable by its name.
enum Argument {
    Name(String),
    Text(String),
    /// The comma between two.
    Next,
    Other,
}

/// The name that such a call gives.
fn resolved(call: &str, arguments: &[Argument], aliases: &HashMap<String, String>) -> Option<String> {
    match (call, arguments) {
        ("__import__" | "importlib.import_module", [Argument::Text(module)]) => Some(module.clone()),
        ("__import__" | "importlib.import_module", [Argument::Text(module), Argument::Next, ..]) => {
            Some(module.clone())
        }
        ("getattr", [Argument::Name(object), Argument::Next, Argument::Text(name), ..]) => {
            Some(format!("{}.{name}", expand(object, aliases)))
        }
        ("vars", [Argument::Name(object)]) => Some(format!("{}.__dict__", expand(object, aliases))),
        ("globals", []) => Some(NAMES.to_owned()),
        _ => None,
    }
}

/// What stands for the names of a module or of the interpreter.
const NAMES: &str = "__globals__";

/// The name that an item of a table of names gives: `os.__dict__["system"]`, `sys.modules["os"]`.
fn item(table: &str, key: &str) -> Option<String> {
    let table = table.strip_suffix(".__dict__").unwrap_or(table);
    match table {
        "sys.modules" | "__builtins__" | "builtins" => Some(key.to_owned()),
        NAMES => Some(if key == "__builtins__" {
            "builtins".to_owned()
        } else {
            key.to_owned()
        }),
        module => Some(format!("{module}.{key}")),
    }
}

/// Whether `name` is such a table.
fn is_table(name: &str) -> bool {
    name.ends_with(".__dict__") || matches!(name, "sys.modules" | "__builtins__" | NAMES)
}

/// A dotted name with its first level replaced by what it stands for.
fn expand(name: &str, aliases: &HashMap<String, String>) -> String {
    let (first, rest) = name.split_once('.').map_or((name, None), |(f, r)| (f, Some(r)));
    match (aliases.get(first), rest) {
        (Some(full), Some(rest)) => format!("{full}.{rest}"),
        (Some(full), None) => full.clone(),
        (None, _) => name.to_owned(),
    }
}
