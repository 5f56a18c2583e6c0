//! The callables a file names, with the strongest use seen of each.

use crate::fact::{CallableUse, Fact};
use crate::format::Parse;
use crate::span::Span;
use probity_signatures::{InertCallable, callables};
use std::collections::HashMap;

/// The most distinct names kept of one file.
const MOST: usize = 1 << 16;

/// A callable of the file.
pub(super) type GlobalId = u32;

/// One callable.
struct Global {
    module: Box<str>,
    name: Box<str>,
    usage: Option<CallableUse>,
    span: Span,
    inert: Option<&'static InertCallable>,
    settled: bool,
}

/// All callables of one file, in the order in which they are named.
#[derive(Default)]
pub(super) struct Uses {
    all: Vec<Global>,
    index: HashMap<(Box<str>, Box<str>), GlobalId>,
    full: bool,
}

impl Uses {
    /// The callable called `name` of `module`, first named at `span`. Nothing is said about its use yet.
    pub(super) fn global(&mut self, module: &str, name: &str, span: Span) -> GlobalId {
        let key = (Box::from(module), Box::from(name));
        if let Some(id) = self.index.get(&key) {
            return *id;
        }
        let id = GlobalId::try_from(self.all.len()).unwrap_or(GlobalId::MAX);
        if self.all.len() >= MOST {
            self.full = true;
            return id;
        }
        let inert = callables().inert(module, name);
        self.all.push(Global {
            module: module.into(),
            name: name.into(),
            usage: None,
            span,
            inert,
            settled: false,
        });
        self.index.insert(key, id);
        id
    }

    /// Notes that `id` is used so.
    pub(super) fn note(&mut self, id: GlobalId, usage: CallableUse) {
        if let Some(global) = self.get_mut(id)
            && !(global.settled && usage == CallableUse::Named)
        {
            global.usage = global.usage.max(Some(usage));
        }
    }

    /// Notes that naming `id` alone says nothing: what it made is what counts.
    pub(super) fn settle(&mut self, id: GlobalId) {
        if let Some(global) = self.get_mut(id) {
            global.settled = true;
            global.usage = global.usage.filter(|usage| *usage != CallableUse::Named);
        }
    }

    /// Notes a call of something that has no name.
    pub(super) fn note_unresolved(&mut self, name: &str, span: Span) {
        let id = self.global("?", name, span);
        self.note(id, CallableUse::Called);
    }

    /// Module and name, with Python 2's spelling of the one module that the tracker looks for.
    pub(super) fn names(&self, id: GlobalId) -> (&str, &str) {
        match self.get(id) {
            Some(global) if &*global.module == "copy_reg" => ("copyreg", &global.name),
            Some(global) => (&global.module, &global.name),
            None => ("?", "?"),
        }
    }

    /// The entry of a reviewed inert callable.
    pub(super) fn inert(&self, id: GlobalId) -> Option<&'static InertCallable> {
        self.get(id)?.inert
    }

    /// Whether names were left out.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// Emits one fact for each callable.
    pub(super) fn emit(self, out: &mut Parse) {
        for Global {
            module,
            name,
            usage,
            span,
            ..
        } in self.all
        {
            if let Some(usage) = usage {
                out.fact(Fact::Callable {
                    module,
                    name,
                    usage,
                    span,
                });
            }
        }
    }

    fn get(&self, id: GlobalId) -> Option<&Global> {
        self.all.get(usize::try_from(id).ok()?)
    }

    fn get_mut(&mut self, id: GlobalId) -> Option<&mut Global> {
        self.all.get_mut(usize::try_from(id).ok()?)
    }
}
