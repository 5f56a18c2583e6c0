//! The callables a file names, with the strongest use seen of each, and what else loading it does.

use crate::fact::{CallableUse, Fact, LoadAct};
use crate::format::Parse;
use crate::span::Span;
use probity_signatures::{Classification, InertCallable, callables};
use std::collections::{BTreeMap, HashMap};

/// The most distinct names kept of one file.
const MOST: usize = 1 << 16;
/// Dangerous names kept beyond.
const MOST_DANGEROUS: usize = 1 << 10;
/// The most acts of one kind, each with another subject.
const MOST_ACTS: usize = 64;

/// A callable of the file.
pub(super) type GlobalId = u32;

/// One callable.
struct Global {
    module: Box<str>,
    name: Box<str>,
    usage: Option<CallableUse>,
    span: Span,
    inert: Option<&'static InertCallable>,
    dangerous: bool,
    term: Option<(Box<str>, Span)>,
    settled: bool,
}

/// All callables of one file, in the order in which they are named.
#[derive(Default)]
pub(super) struct Uses {
    all: Vec<Global>,
    /// By `module`, a newline, `name`: as `GLOBAL` spells them.
    index: HashMap<Box<[u8]>, GlobalId>,
    acts: BTreeMap<(LoadAct, Box<str>), (Box<str>, Span)>,
    full: bool,
}

impl Uses {
    /// The callable spelled `module`, newline, `name`, first named at `span`. Nothing is said about its use yet.
    pub(super) fn spelled(&mut self, spelled: &[u8], span: Span) -> GlobalId {
        if let Some(id) = self.index.get(spelled) {
            return *id;
        }
        let id = GlobalId::try_from(self.all.len()).unwrap_or(GlobalId::MAX);
        let mut lines = spelled.splitn(2, |byte| *byte == b'\n');
        let mut text = || String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
        let (module, name) = (text(), text());
        let known = callables();
        let dangerous = matches!(known.classify(&module, &name), Classification::Dangerous { .. });
        if self.all.len() >= MOST {
            self.full = true;
            // A flood of names does not hide the one that matters.
            if !dangerous || self.all.len() >= MOST.saturating_add(MOST_DANGEROUS) {
                return GlobalId::MAX;
            }
        }
        self.all.push(Global {
            usage: None,
            span,
            inert: known.inert(&module, &name),
            dangerous,
            module: module.into(),
            name: name.into(),
            term: None,
            settled: false,
        });
        self.index.insert(spelled.into(), id);
        id
    }

    /// The callable called `name` of `module`.
    pub(super) fn global(&mut self, module: &str, name: &str, span: Span) -> GlobalId {
        self.spelled(&[module.as_bytes(), b"\n", name.as_bytes()].concat(), span)
    }

    /// Whether `usage` of `id` would be news worth a term.
    pub(super) fn is_news(&self, id: GlobalId, usage: CallableUse) -> bool {
        self.get(id)
            .is_some_and(|g| g.inert.is_none() && g.usage.is_none_or(|u| u < usage || g.term.is_none()))
    }

    /// Notes that `id` is used so.
    pub(super) fn note(&mut self, id: GlobalId, usage: CallableUse) {
        if let Some(global) = self.get_mut(id)
            && !(global.settled && usage == CallableUse::Named)
        {
            global.usage = global.usage.max(Some(usage));
        }
    }

    /// Shows how `id` is used, at its strongest.
    pub(super) fn show(&mut self, id: GlobalId, term: String, at: Span) {
        if let Some(global) = self.get_mut(id) {
            global.term = Some((term.into(), at));
        }
    }

    /// Notes that naming `id` alone says nothing: what it made is what counts.
    pub(super) fn settle(&mut self, id: GlobalId) {
        if let Some(global) = self.get_mut(id) {
            global.settled = true;
            global.usage = global.usage.filter(|usage| *usage != CallableUse::Named);
        }
    }

    /// Notes an act; the first with each subject is kept.
    pub(super) fn act(&mut self, act: LoadAct, subject: &str, term: String, at: Span) {
        if self.acts.keys().filter(|(kind, _)| *kind == act).count() < MOST_ACTS {
            self.acts.entry((act, subject.into())).or_insert((term.into(), at));
        }
    }

    /// Module and name, with Python 3's spelling of the modules that the machine looks for.
    pub(super) fn names(&self, id: GlobalId) -> (&str, &str) {
        match self.get(id) {
            Some(global) => {
                let module = match &*global.module {
                    "copy_reg" => "copyreg",
                    "__builtin__" | "__builtins__" => "builtins",
                    module => module,
                };
                (module, &global.name)
            }
            None => ("?", "?"),
        }
    }

    /// `module.name`, for a person.
    pub(super) fn shown(&self, id: GlobalId) -> String {
        match self.get(id) {
            Some(Global { module, name, .. }) if name.is_empty() => module.to_string(),
            Some(Global { module, name, .. }) => format!("{module}.{name}"),
            None => "?".to_owned(),
        }
    }

    /// The entry of a reviewed inert callable.
    pub(super) fn inert(&self, id: GlobalId) -> Option<&'static InertCallable> {
        self.get(id)?.inert
    }

    /// Whether it is known to be dangerous.
    pub(super) fn is_dangerous(&self, id: GlobalId) -> bool {
        self.get(id).is_none_or(|global| global.dangerous)
    }

    /// Whether names were left out.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// Emits one fact for each callable and each act.
    pub(super) fn emit(self, out: &mut Parse) {
        for Global {
            module,
            name,
            usage,
            span,
            term,
            ..
        } in self.all
        {
            let Some(usage) = usage else { continue };
            if let Some((term, at)) = term {
                out.fact(Fact::Act {
                    act: LoadAct::Uses,
                    subject: format!("{module}.{name}").into(),
                    term,
                    span: at,
                });
            }
            out.fact(Fact::Callable {
                module,
                name,
                usage,
                span,
            });
        }
        for ((act, subject), (term, span)) in self.acts {
            out.fact(Fact::Act {
                act,
                subject,
                term,
                span,
            });
        }
    }

    fn get(&self, id: GlobalId) -> Option<&Global> {
        self.all.get(usize::try_from(id).ok()?)
    }

    fn get_mut(&mut self, id: GlobalId) -> Option<&mut Global> {
        self.all.get_mut(usize::try_from(id).ok()?)
    }
}
