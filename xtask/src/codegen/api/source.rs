//! Rust sources as rustfmt leaves them, to modules and items. It knows no types and expands no macro.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// What an item holds that its users see, one line each.
pub(super) enum Members {
    Nothing,
    Fields(Vec<String>),
    Variants(Vec<String>),
    /// Public methods of an `impl`, all methods of a trait.
    Signatures(Vec<String>),
}

/// One item of a module, with what its attributes say.
pub(super) struct Item {
    /// `struct`, `fn`, `impl`, `use`, ...
    pub(super) kind: String,
    /// Its name; of an `impl` the type's; empty for `use`.
    pub(super) name: String,
    /// What is written before its body or value, on one line.
    pub(super) head: String,
    pub(super) members: Members,
    public: bool,
    hidden: bool,
    pub(super) non_exhaustive: bool,
    pub(super) derives: Vec<String>,
    /// `#[cfg(...)]` as written.
    pub(super) cfg: Option<String>,
    /// The trait of an `impl`.
    pub(super) implements: Option<String>,
}

impl Item {
    /// Whether documentation shows it, wherever its module is.
    pub(super) fn shown(&self) -> bool {
        self.public && !self.hidden
    }

    pub(super) fn is_type(&self) -> bool {
        matches!(self.kind.as_str(), "struct" | "enum" | "union")
    }

    pub(super) fn is_named(&self) -> bool {
        !matches!(self.kind.as_str(), "impl" | "use" | "mod")
    }
}

/// A line as written, and without comments and what stands in literals.
struct Line {
    raw: String,
    code: String,
}

impl Line {
    fn indent(&self) -> usize {
        self.code.len().saturating_sub(self.code.trim_start().len())
    }
}

/// Reads the file of the module at `path`, and of every module below it, without tests.
pub(super) fn read(file: &Path, path: &mut Vec<String>, modules: &mut BTreeMap<Vec<String>, Vec<Item>>) -> Result<()> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let bare = without_literals(&text);
    let lines: Vec<Line> = text
        .lines()
        .zip(bare.lines())
        .map(|(raw, code)| Line {
            raw: raw.trim().to_owned(),
            code: code.trim_end().to_owned(),
        })
        .collect();
    block(&lines, 0, file, path, modules)
}

/// One module's lines, its items at `indent`.
fn block(
    lines: &[Line],
    indent: usize,
    file: &Path,
    path: &mut Vec<String>,
    modules: &mut BTreeMap<Vec<String>, Vec<Item>>,
) -> Result<()> {
    let mut items = Vec::new();
    for chunk in chunks(lines, indent, &[';', '}']) {
        let Some(item) = item(chunk, indent) else { continue };
        if item.kind == "mod" {
            path.push(item.name.clone());
            match chunk.last() {
                Some(last) if last.code.trim_end().ends_with(';') => read(&file_of(file, &item.name)?, path, modules)?,
                _ => block(body(chunk, indent), indent.saturating_add(4), file, path, modules)?,
            }
            path.pop();
        }
        items.push(item);
    }
    modules.insert(path.clone(), items);
    Ok(())
}

/// Where the module `name` lies that `file` declares.
fn file_of(file: &Path, name: &str) -> Result<PathBuf> {
    let folder = file.parent().context("a source lies in a folder")?;
    let stem = file.file_stem().unwrap_or_default();
    let folder = if stem == "mod" || stem == "lib" {
        folder.to_owned()
    } else {
        folder.join(stem)
    };
    let candidates = [folder.join(format!("{name}.rs")), folder.join(name).join("mod.rs")];
    let [plain, nested] = &candidates;
    candidates
        .iter()
        .find(|path| path.is_file())
        .cloned()
        .with_context(|| format!("neither {} nor {}", plain.display(), nested.display()))
}

/// The items of a block with their attributes: each ends at the first line at `indent` that ends like one.
fn chunks<'a>(lines: &'a [Line], indent: usize, ends: &'a [char]) -> impl Iterator<Item = &'a [Line]> {
    lines
        .split_inclusive(move |line| {
            let code = line.code.trim();
            line.indent() == indent && code.ends_with(ends) && !code.starts_with("#[") && code != "where"
        })
        .filter(|chunk| chunk.iter().any(|line| !line.code.trim().is_empty()))
}

/// The lines between an item's opening and closing brace.
fn body(chunk: &[Line], indent: usize) -> &[Line] {
    let opening = chunk
        .iter()
        .position(|line| line.indent() == indent && line.code.ends_with('{'));
    let start = opening.map_or(chunk.len(), |at| at.saturating_add(1));
    chunk.get(start..chunk.len().saturating_sub(1)).unwrap_or_default()
}

/// The item of a chunk; none for inner attributes, tests and what is no item.
fn item(chunk: &[Line], indent: usize) -> Option<Item> {
    let attributes = chunk.iter().take_while(|line| {
        let code = line.code.trim();
        code.is_empty() || code.starts_with('#') || line.indent() > indent || code.ends_with(']') || code == ")]"
    });
    let count = attributes.count();
    let (attributes, rest) = chunk.split_at(count);
    let has = |text: &str| attributes.iter().any(|line| line.code.contains(text));
    let cfg = attributes.iter().find(|line| line.code.trim().starts_with("#[cfg("));
    if cfg.is_some_and(|line| line.code.contains("test")) {
        return None;
    }
    let head = head(rest)?;
    let words: Vec<&str> = head
        .split([' ', '<', '(', ':', ';', '!'])
        .filter(|word| !word.is_empty())
        .collect();
    let public = words.first() == Some(&"pub") && !head.starts_with("pub(");
    let kinds = [
        "mod", "use", "struct", "enum", "union", "trait", "type", "static", "impl", "fn", "const",
    ];
    let written = words
        .iter()
        .filter(|word| **word != "const")
        .find(|word| kinds.contains(*word));
    let kind = written.copied().or_else(|| words.contains(&"const").then_some("const"));
    let invoked = head
        .split_once('!')
        .filter(|(name, _)| name.chars().all(|c| c.is_alphanumeric() || c == '_'));
    let (kind, name) = match (kind, invoked) {
        (_, Some((name, _))) if name != "macro_rules" => ("macro", name.to_owned()),
        (Some("use"), _) => ("use", String::new()),
        (Some("impl"), _) => ("impl", implementor(&head)),
        (Some(kind), _) => (
            kind,
            (*words.iter().skip_while(|word| **word != kind).nth(1)?).to_owned(),
        ),
        (None, _) => return None,
    };
    let inside = body(rest, indent);
    let deeper = indent.saturating_add(4);
    let members = match kind {
        "struct" | "union" => Members::Fields(fields(inside, deeper)),
        "enum" => Members::Variants(chunks(inside, deeper, &[',']).filter_map(member).collect()),
        "trait" => Members::Signatures(signatures(inside, deeper, false)),
        "impl" => Members::Signatures(signatures(inside, deeper, true)),
        _ => Members::Nothing,
    };
    Some(Item {
        public: public || kind == "macro",
        head: if kind == "macro" {
            format!("what {name}! makes")
        } else {
            head.clone()
        },
        implements: if kind == "impl" { implemented(&head) } else { None },
        kind: kind.to_owned(),
        name,
        members,
        hidden: has("#[doc(hidden)]"),
        non_exhaustive: has("#[non_exhaustive]"),
        derives: derives(attributes),
        cfg: cfg.map(|line| line.raw.clone()),
    })
}

/// What stands before the body, the value or the end, on one line.
fn head(lines: &[Line]) -> Option<String> {
    let mut head = String::new();
    for line in lines {
        let code = line.code.trim();
        head.push_str(code);
        head.push(' ');
        let value = !head.starts_with("type ") && !head.starts_with("pub type ") && code.ends_with(" =");
        if value || code.ends_with('{') && !head.contains("use ") {
            break;
        }
    }
    let mut head = head.trim();
    if !head.contains("use ") {
        if ["const ", "static "]
            .iter()
            .any(|kind| head.strip_prefix("pub ").unwrap_or(head).starts_with(kind))
            && !head.contains("fn ")
        {
            head = head.split(" =").next().unwrap_or(head);
        }
        head = head
            .strip_suffix("{}")
            .or_else(|| head.strip_suffix('{'))
            .unwrap_or(head);
    }
    let head = tidy(head.trim().trim_end_matches([';', '=']));
    (!head.is_empty()).then_some(head)
}

/// Lines that rustfmt broke, put together again.
fn tidy(text: &str) -> String {
    let text = text.replace("( ", "(").replace(", )", ")").replace(" )", ")");
    let text = text.replace(", }", " }").replace("< ", "<").replace(", >", ">");
    text.trim().trim_end_matches(',').to_owned()
}

fn derives(attributes: &[Line]) -> Vec<String> {
    let all: String = attributes.iter().map(|line| line.code.trim()).collect();
    let lists = all
        .split("#[derive(")
        .skip(1)
        .filter_map(|rest| rest.split(")]").next());
    lists
        .flat_map(|list| list.split(','))
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

/// One field or variant on a line, without its attributes.
fn member(chunk: &[Line]) -> Option<String> {
    let lines = chunk.iter().map(|line| line.code.trim());
    let text: Vec<&str> = lines
        .filter(|code| !code.is_empty() && !code.starts_with("#["))
        .collect();
    let text = tidy(&text.join(" "));
    (!text.is_empty()).then_some(text)
}

fn fields(lines: &[Line], indent: usize) -> Vec<String> {
    let public = |text: String| text.strip_prefix("pub ").map(str::to_owned);
    chunks(lines, indent, &[','])
        .filter_map(member)
        .filter_map(public)
        .collect()
}

/// The signatures of methods and associated constants; of an `impl` only public ones.
fn signatures(lines: &[Line], indent: usize, public: bool) -> Vec<String> {
    let mut found = Vec::new();
    for chunk in chunks(lines, indent, &[';', '}']) {
        let Some(item) = item(chunk, indent) else { continue };
        if item.hidden || (public && !item.public) {
            continue;
        }
        let provided = !public && item.kind == "fn" && chunk.last().is_some_and(|line| line.code.ends_with('}'));
        let text = item.head.strip_prefix("pub ").unwrap_or(&item.head);
        found.push(if provided {
            format!("{text} (provided)")
        } else {
            text.to_owned()
        });
    }
    found
}

/// The head of an `impl` without `impl`, its parameters and its bounds.
fn implementation(head: &str) -> &str {
    let rest = head.strip_prefix("impl").unwrap_or(head);
    let rest = match rest.strip_prefix('<') {
        None => rest,
        Some(parameters) => {
            let mut depth = 1_usize;
            let end = parameters.find(|c| {
                match c {
                    '<' => depth = depth.saturating_add(1),
                    '>' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                depth == 0
            });
            end.and_then(|end| parameters.get(end.saturating_add(1)..))
                .unwrap_or(rest)
        }
    };
    rest.split(" where").next().unwrap_or(rest).trim()
}

/// The name of the type that an `impl` is for.
fn implementor(head: &str) -> String {
    let whole = implementation(head);
    let of = whole.split_once(" for ").map_or(whole, |(_, of)| of);
    let name = of.split('<').next().unwrap_or(of);
    name.rsplit("::").next().unwrap_or(name).trim().to_owned()
}

fn implemented(head: &str) -> Option<String> {
    Some(implementation(head).split_once(" for ")?.0.to_owned())
}

/// The paths of a `use` tree, each with the name it gets.
pub(super) fn flatten(tree: &str) -> Result<Vec<(Vec<String>, String)>> {
    let mut found = Vec::new();
    let mut open: Vec<(String, String)> = vec![(String::new(), tree.trim().trim_end_matches(';').to_owned())];
    while let Some((before, tree)) = open.pop() {
        if let Some((outer, list)) = tree.split_once('{') {
            let list = list.trim_end().strip_suffix('}').context("a list of names is closed")?;
            let mut depth = 0_usize;
            for part in list.split(|c| {
                match c {
                    '{' => depth = depth.saturating_add(1),
                    '}' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                c == ',' && depth == 0
            }) {
                if !part.trim().is_empty() {
                    open.push((format!("{before}{outer}"), part.trim().to_owned()));
                }
            }
            continue;
        }
        let (path, renamed) = tree.split_once(" as ").unwrap_or((&tree, ""));
        let path: Vec<String> = format!("{before}{path}").split("::").map(str::to_owned).collect();
        let last = path.last().cloned().unwrap_or_default();
        if last == "*" {
            bail!("a re-export of everything says nothing: {before}{tree}");
        }
        let name = if renamed.is_empty() { last } else { renamed.to_owned() };
        found.push((path, name));
    }
    Ok(found)
}

/// The text with comments and the content of literals left out, line for line.
fn without_literals(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = literal(rest, out.chars().last());
        let Some(skipped) = length.and_then(|length| rest.get(..length)) else {
            out.push(c);
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
            continue;
        };
        if !skipped.starts_with('/') {
            out.push_str("\"\"");
        }
        out.extend(skipped.chars().filter(|c| *c == '\n'));
        rest = rest.get(skipped.len()..).unwrap_or_default();
    }
    out
}

/// The length of the comment or literal that `rest` begins with.
fn literal(rest: &str, before: Option<char>) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(rest.find("*/").map_or(rest.len(), |at| at.saturating_add(2)));
    }
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if let Some(raw) = rest.strip_prefix('r').filter(|_| !in_word || before == Some('b')) {
        let hashes = raw.len().saturating_sub(raw.trim_start_matches('#').len());
        if raw.get(hashes..).is_some_and(|raw| raw.starts_with('"')) {
            let close = format!("\"{}", "#".repeat(hashes));
            let from = hashes.saturating_add(2);
            let end = rest.get(from..)?.find(&close)?;
            return Some(from.saturating_add(end).saturating_add(close.len()));
        }
    }
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    // A lifetime has no second quote one character on.
    let mut chars = rest.char_indices().skip(1);
    if quote == '\'' {
        let first = chars.next()?.1;
        let second = chars.next()?.1;
        if first != '\\' && second != '\'' {
            return None;
        }
    }
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return Some(at.saturating_add(1)),
            _ => {}
        }
    }
    None
}
