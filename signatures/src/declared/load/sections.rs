//! The sections of a file, each with its keys.

use super::values::{Table, Text, named};
use super::{Loader, Part, Sited};
use crate::declared::access::Access;
use crate::declared::net::EmbeddedHost;
use crate::declared::pattern::{Pattern, Space};
use crate::declared::rule::{
    Embedded, ExecRule, FileRule, KernelAct, KernelAnswer, Mode, OnMismatch, Section, Signer, SignerScheme, Subject,
    UnixRule,
};
use crate::declared::vars::is_name;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub(super) const TOP: &[&str] = &[
    "version",
    "name",
    "hardlinks",
    "subject",
    "mode",
    "vars",
    "file",
    "exec",
    "net",
    "unix",
    "kernel",
    "embedded",
];
pub(super) const SUBJECT: &[&str] = &["exec", "sha256", "signer", "on_mismatch"];
pub(super) const MODE: &[&str] = &[
    "default",
    "file",
    "exec",
    "net",
    "unix",
    "kernel",
    "on_unsupported",
    "on_event_loss",
    "watcher_exit",
];
pub(super) const FILE: &[&str] = &["access", "deny", "paths", "label", "mode"];
pub(super) const EXEC: &[&str] = &["paths", "deny", "memfd", "ldso", "label", "mode"];
pub(super) const NET: &[&str] = &["hosts", "cidr", "ports", "proto", "require_name", "label", "mode"];
pub(super) const POLICY: &[&str] = &["families", "deny", "listen", "mode"];
pub(super) const UNIX: &[&str] = &["paths", "deny", "label", "mode"];
pub(super) const EMBEDDED: &[&str] = &["hosts"];

/// Patterns and where each stands.
type Patterns = Vec<(Pattern, Range<usize>)>;

impl<'t> Loader<'t, '_> {
    pub(super) fn document(&mut self, top: &DeTable<'t>) -> Part {
        let top = Table {
            what: "a declared set",
            table: top,
            header: 0..0,
        };
        self.known(&top, TOP);
        self.version(&top);
        let mut part = Part {
            name: self.text(&top, "name").map(|(text, _)| text),
            hardlinks: self.word(&top, "hardlinks"),
            ..Part::default()
        };
        self.vars(&top, &mut part);
        self.mode(&top, &mut part);
        part.subject = self.table(&top, "subject", "[subject]").and_then(|t| self.subject(&t));
        for entry in self.entries(&top, "file", "[[file]]") {
            part.files.extend(self.file(&entry));
        }
        for entry in self.entries(&top, "exec", "[[exec]]") {
            part.execs.extend(self.exec(&entry));
        }
        self.network(&top, &mut part);
        for entry in self.entries(&top, "unix", "[[unix]]") {
            part.unixes.extend(self.unix(&entry));
        }
        if let Some(kernel) = self.table(&top, "kernel", "[kernel]") {
            self.kernel(&kernel, &mut part);
        }
        part.embedded = self.table(&top, "embedded", "[embedded]").map(|t| self.embedded(&t));
        part
    }

    fn version(&mut self, top: &Table<'_, 't>) {
        let help = "write version = 1";
        match top.get("version").map(|v| (v.span(), v.get_ref())) {
            Some((_, DeValue::Integer(n))) if n.radix() == 10 && n.as_str() == "1" => {}
            Some((span, DeValue::Integer(_))) => {
                self.source.error(span, "a version that this build does not read", help);
            }
            Some((span, other)) => {
                let title = format!("`version` is a number, not {}", named(other));
                self.source.error(span, title, help);
            }
            None => {
                let help = "write version = 1 on the first line";
                self.source.error(0..0, "the set does not say its version", help);
            }
        }
    }

    fn vars(&mut self, top: &Table<'_, 't>, part: &mut Part) {
        let Some(vars) = self.table(top, "vars", "[vars]") else {
            return;
        };
        let mut spans = Vec::new();
        for (key, value) in vars.table.iter() {
            let name = key.get_ref().as_ref();
            if !is_name(name) {
                let help = "letters, digits and _, no digit first";
                self.source
                    .error(key.span(), format!("`{name}` is not a variable's name"), help);
            }
            match value.get_ref() {
                DeValue::String(text) => {
                    self.scope.own.insert(name.to_owned(), text.clone().into_owned());
                    spans.push((name.to_owned(), value.span()));
                }
                other => {
                    let title = format!("the variable `{name}` is a text, not {}", named(other));
                    self.source
                        .error(value.span(), title, format!("write {name} = \"...\""));
                }
            }
        }
        for (name, span) in spans.into_iter().filter(|(name, _)| is_name(name)) {
            match self.scope.text(&format!("${{{name}}}")) {
                Ok(value) => {
                    part.vars.insert(name, value);
                }
                Err(error) => {
                    let help = match self.scope.own.contains_key(&name) {
                        true => format!("{}, or --var {name}=VALUE", error.help()),
                        false => error.help(),
                    };
                    self.source.error(span, error.to_string(), help);
                    // Told once: its uses are not at fault.
                    self.scope.own.insert(name, "/unset".to_owned());
                }
            }
        }
    }

    fn mode(&mut self, top: &Table<'_, 't>, part: &mut Part) {
        let Some(mode) = self.table(top, "mode", "[mode]") else {
            return;
        };
        self.known(&mode, MODE);
        part.default = self.word(&mode, "default");
        part.on_unsupported = self.word(&mode, "on_unsupported");
        part.on_event_loss = self.word(&mode, "on_event_loss");
        part.watcher_exit = self.word(&mode, "watcher_exit");
        for (slot, section) in part.sections.iter_mut().zip(Section::ALL) {
            *slot = self.word(&mode, section.as_str());
        }
    }

    fn subject(&mut self, table: &Table<'_, 't>) -> Option<(Subject, Range<usize>)> {
        self.known(table, SUBJECT);
        let exec = self
            .text(table, "exec")
            .and_then(|(text, span)| self.program(&text, span));
        let mut sha256 = Vec::new();
        for (text, span) in self.one_or_more(table, "sha256") {
            match digest(&text) {
                Some(digest) => sha256.push(digest),
                None => {
                    let help = "write the 64 hexadecimal digits that sha256sum prints";
                    self.source.error(span, "not a SHA-256 digest", help);
                }
            }
        }
        let mut signers = Vec::new();
        for (text, span) in self.one_or_more(table, "signer") {
            let (scheme, identity) = text.split_once(':').unwrap_or((&text, ""));
            match SignerScheme::parse(scheme) {
                Some(scheme) if !identity.trim().is_empty() => signers.push(Signer {
                    scheme,
                    identity: identity.to_owned(),
                }),
                _ => {
                    let help = "write \"apple:TEAM\", \"authenticode:CN=...\" or \"sigstore:IDENTITY\"";
                    self.source.error(span, format!("`{text}` names no signer"), help);
                }
            }
        }
        if !table.has("exec") && !table.has("sha256") && !table.has("signer") {
            let help = "write exec = \"/path\", sha256 = [\"...\"] or signer = \"...\"";
            self.source
                .error(table.header.clone(), "a subject that names nothing", help);
        }
        let subject = Subject {
            at: self.at(table.header.start),
            exec,
            sha256,
            signers,
            on_mismatch: self.word(table, "on_mismatch").unwrap_or(OnMismatch::Refuse),
        };
        Some((subject, table.header.clone()))
    }

    /// The subject's program: one absolute path.
    fn program(&mut self, text: &str, span: Range<usize>) -> Option<String> {
        let read = match Pattern::read(text, &self.scope) {
            Ok(read) => read,
            Err(error) => {
                self.source.error(span, error.to_string(), error.help());
                return None;
            }
        };
        let literal = match read.as_slice() {
            [only] if only.space() == Space::Path => only.literal().and_then(|bytes| String::from_utf8(bytes).ok()),
            _ => None,
        };
        if literal.is_none() {
            let help = "write one absolute path; \\* is the character itself";
            self.source
                .error(span, format!("`{text}` is a pattern, not a program"), help);
        }
        literal
    }

    /// A text, or a list of texts.
    fn one_or_more(&mut self, table: &Table<'_, 't>, key: &'static str) -> Vec<Text> {
        match table.get(key).map(Spanned::get_ref) {
            None => Vec::new(),
            Some(DeValue::String(_)) => self.text(table, key).into_iter().collect(),
            Some(_) => {
                let texts = self.texts(table, key).unwrap_or_default();
                if texts.is_empty() {
                    let help = format!("write {key} = [\"...\"], or take the key out");
                    self.source
                        .error(table.span(key), format!("`{key}` names nothing"), help);
                }
                texts
            }
        }
    }

    pub(super) fn label(&mut self, table: &Table<'_, 't>) -> Option<String> {
        self.text(table, "label").map(|(text, _)| text)
    }

    /// The mode of an entry; `denies` says whether there is an act it could decide.
    pub(super) fn entry_mode(&mut self, table: &Table<'_, 't>, denies: bool, section: Section) -> Option<Mode> {
        let mode = self.word(table, "mode");
        if mode.is_some() && !denies {
            let help = format!(
                "write {section} = \"...\" below [mode] for what no {} entry allows",
                table.what
            );
            self.source.warning(
                table.span("mode"),
                "this entry denies nothing: its mode decides nothing",
                help,
            );
        }
        mode
    }

    fn accesses(&mut self, table: &Table<'_, 't>, key: &'static str) -> Access {
        let mut access = Access::NONE;
        let words = Access::WORDS.map(|(word, _)| word);
        let Some(texts) = self.texts(table, key) else {
            return access;
        };
        if texts.is_empty() {
            let help = format!("write {key} = [\"read\"], or take the key out");
            self.source
                .error(table.span(key), format!("`{key}` names nothing"), help);
        }
        for (text, span) in texts {
            match Access::parse(&text) {
                Some(one) if Access::FILE.contains(one) => access |= one,
                _ if matches!(text.as_str(), "exec" | "execute" | "run") => {
                    let list = if key == "deny" { "deny" } else { "paths" };
                    let help = format!("write an [[exec]] entry with these paths in its `{list}`");
                    self.source
                        .error(span, format!("`{text}` is no access to a file"), help);
                }
                _ => self.no_word(&text, span, key, &words),
            }
        }
        access
    }

    fn file(&mut self, table: &Table<'_, 't>) -> Option<Sited<FileRule>> {
        self.known(table, FILE);
        let (allow, deny) = (self.accesses(table, "access"), self.accesses(table, "deny"));
        let mode = self.entry_mode(table, table.has("deny"), Section::File);
        if !table.has("access") && !table.has("deny") {
            let help = "write access = [\"read\"] or deny = [\"read\", \"write\"]";
            self.source.error(
                table.header.clone(),
                "a [[file]] entry without `access` or `deny`",
                help,
            );
        }
        let both = allow & deny;
        if !both.is_empty() {
            let help = format!("deny wins: take {both} out of `access`");
            self.source
                .warning(table.span("access"), format!("{both} both allowed and denied"), help);
        }
        let paths = self.paths(table, "paths", &[Space::Path], true)?;
        let (paths, spans) = paths.into_iter().unzip();
        let rule = FileRule {
            at: self.at(table.header.start),
            label: self.label(table),
            mode,
            allow,
            deny,
            paths,
        };
        Some(self.sited(table, rule, spans))
    }

    pub(super) fn sited<R>(&self, table: &Table<'_, 't>, rule: R, spans: Vec<Range<usize>>) -> Sited<R> {
        Sited {
            rule,
            header: table.header.clone(),
            spans,
        }
    }

    /// Patterns; when they are `needed`, their absence is told and there is no entry without them.
    fn paths(&mut self, table: &Table<'_, 't>, key: &'static str, spaces: &[Space], needed: bool) -> Option<Patterns> {
        let sample = if table.what == "[[unix]]" {
            "/run/name/socket"
        } else {
            "/usr/**"
        };
        if !table.has(key) {
            if needed {
                let title = format!("a {} entry without `{key}`", table.what);
                self.source
                    .error(table.header.clone(), title, format!("write {key} = [\"{sample}\"]"));
            }
            return (!needed).then(Vec::new);
        }
        let empty = matches!(table.get(key).map(Spanned::get_ref), Some(DeValue::Array(list)) if list.is_empty());
        if empty {
            let help = format!("write {key} = [\"{sample}\"], or take the entry out");
            self.source
                .error(table.span(key), format!("`{key}` names nothing"), help);
        }
        self.patterns(table, key, spaces)
    }

    fn exec(&mut self, table: &Table<'_, 't>) -> Option<Sited<ExecRule>> {
        self.known(table, EXEC);
        let (memfd, ldso) = (self.word(table, "memfd"), self.word(table, "ldso"));
        let denies = ["deny", "memfd", "ldso"].iter().any(|key| table.has(key));
        let mode = self.entry_mode(table, denies, Section::Exec);
        let (paths, spans) = self.paths(table, "paths", &[Space::Path], !denies)?.into_iter().unzip();
        let mut spans: Vec<Range<usize>> = spans;
        let (deny, deny_spans): (Vec<_>, Vec<_>) =
            self.paths(table, "deny", &[Space::Path], false)?.into_iter().unzip();
        spans.extend(deny_spans);
        let rule = ExecRule {
            at: self.at(table.header.start),
            label: self.label(table),
            mode,
            paths,
            deny,
            memfd,
            ldso,
        };
        Some(self.sited(table, rule, spans))
    }

    fn unix(&mut self, table: &Table<'_, 't>) -> Option<Sited<UnixRule>> {
        const BOTH: &[Space] = &[Space::Path, Space::Abstract];
        self.known(table, UNIX);
        let mode = self.entry_mode(table, table.has("deny"), Section::Unix);
        let (paths, spans) = self
            .paths(table, "paths", BOTH, !table.has("deny"))?
            .into_iter()
            .unzip();
        let mut spans: Vec<Range<usize>> = spans;
        let (deny, deny_spans): (Vec<_>, Vec<_>) = self.paths(table, "deny", BOTH, false)?.into_iter().unzip();
        spans.extend(deny_spans);
        let rule = UnixRule {
            at: self.at(table.header.start),
            label: self.label(table),
            mode,
            paths,
            deny,
        };
        Some(self.sited(table, rule, spans))
    }

    /// Values with the rule that stands where each was written.
    pub(super) fn placed<T>(&self, list: Vec<(T, Range<usize>)>) -> Vec<(T, crate::declared::RuleRef)> {
        list.into_iter()
            .map(|(value, span)| (value, self.at(span.start)))
            .collect()
    }

    fn kernel(&mut self, table: &Table<'_, 't>, part: &mut Part) {
        let keys: Vec<&'static str> = KernelAct::ALL.iter().map(|act| act.as_str()).chain(["mode"]).collect();
        self.known(table, &keys);
        part.kernel.mode = self.word(table, "mode");
        for act in KernelAct::ALL {
            let Some((text, span)) = self.text(table, act.as_str()) else {
                continue;
            };
            let Some(answer) = KernelAnswer::parse(&text).filter(|a| allowed(*act, *a)) else {
                let words: Vec<&'static str> = KernelAnswer::ALL
                    .iter()
                    .filter(|a| allowed(*act, **a))
                    .map(|a| a.as_str())
                    .collect();
                self.no_word(&text, span, act.as_str(), &words);
                continue;
            };
            let at = self.at(table.span(act.as_str()).start);
            part.kernel.answers.push((*act, answer, at));
        }
    }

    fn embedded(&mut self, table: &Table<'_, 't>) -> Embedded {
        self.known(table, EMBEDDED);
        if !table.has("hosts") {
            let help = "write hosts = [\"*.example.com\"]; hosts = [] says that there is none";
            self.source
                .error(table.header.clone(), "an [embedded] section without `hosts`", help);
        }
        let hosts: Vec<(EmbeddedHost, _)> = self.parsed(table, "hosts").unwrap_or_default();
        let hosts = hosts.into_iter().map(|(host, span)| (host.0, span)).collect();
        Embedded {
            hosts: self.placed(hosts),
        }
    }
}

/// `tree-only` is about whose memory it is, which only `ptrace` asks.
fn allowed(act: KernelAct, answer: KernelAnswer) -> bool {
    answer != KernelAnswer::TreeOnly || act == KernelAct::Ptrace
}

/// The bytes of 64 hexadecimal digits.
fn digest(text: &str) -> Option<[u8; 32]> {
    let digits: Option<Vec<u8>> = text
        .bytes()
        .map(|b| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok()))
        .collect();
    let bytes: Vec<u8> = digits?
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |n, digit| n << 4 | digit))
        .collect();
    <[u8; 32]>::try_from(bytes).ok().filter(|_| text.len() == 64)
}
