//! What calls, constructions and state do: the uses that follow from them, and the terms they return.
//!
//! Resolvers whose arguments stand in the stream are followed: `getattr(os, "system")` is `os.system`, a partial object
//! calls what it wraps, a getter reaches what it names. What cannot be followed is an act of its own, and what a call
//! returns is never taken for a callable that somebody reviewed.

use super::machine::{Machine, Step, is_hook};
use super::term::{Node, Value};
use super::uses::GlobalId;
use crate::fact::{CallableUse, LoadAct};
use crate::span::Span;

/// Calls that lead to calls.
const HANDED_ON: usize = 16;

/// A call that waits for its turn.
type Pending = (Value, Value);

impl Machine<'_, '_, '_> {
    /// Notes that `id` is used so, on or with `args`.
    pub(super) fn note(&mut self, id: GlobalId, usage: CallableUse, args: Value, at: Span) {
        if usage > CallableUse::Named && self.uses.is_news(id, usage) {
            let term = self.show_call(id, args);
            self.uses.show(id, term, at);
        }
        self.uses.note(id, usage);
    }

    /// `REDUCE`, `INST`, `OBJ`: calls `callee` and pushes the result.
    pub(super) fn call(&mut self, callee: Value, args: Value, at: Span) {
        let mut pending = Some((callee, args));
        let mut result = None;
        for _ in 0..HANDED_ON {
            let Some((callee, args)) = pending.take() else { break };
            let (value, next) = self.call_once(callee, args, at);
            result = value.or(result);
            pending = next;
        }
        if pending.is_some() {
            let term = "a long chain of calls".to_owned();
            self.uses.act(LoadAct::CallsUnknown, "a long chain of calls", term, at);
        }
        match result {
            Some(value) => self.push(value),
            None => self.push_made(callee, args),
        }
    }

    /// One call: its value when that is known, and what it calls in turn with arguments that are known.
    fn call_once(&mut self, callee: Value, args: Value, at: Span) -> (Option<Value>, Option<Pending>) {
        match callee {
            Value::Global(id) => self.call_global(id, args, at),
            Value::Node(_) => self.call_node(callee, args, at),
            other => {
                self.unresolved(other, args, at);
                (None, None)
            }
        }
    }

    fn call_global(&mut self, id: GlobalId, args: Value, at: Span) -> (Option<Value>, Option<Pending>) {
        let arguments = Arguments::of(self, args);
        let is_eval = self.uses.names(id) == ("builtins", "eval");
        // Paddle writes a tensor as `eval("data", {"data": array})`: a name, looked up in the mapping given.
        if is_eval && arguments.length == Some(2) && self.is_lookup(&arguments) {
            self.uses.settle(id);
            return (None, None);
        }
        let (module, name) = self.uses.names(id);
        if module == "torch._utils"
            && matches!(name, "_rebuild_tensor" | "_rebuild_tensor_v2")
            && let Some(storage) = self.storages.last_mut().filter(|storage| storage.shape.is_none())
        {
            storage.shape = Some(arguments.item(2));
        }
        match (module, name) {
            // `cls.__new__(cls, ...)`, as `NEWOBJ` does.
            ("copyreg", "__newobj__" | "__newobj_ex__") => {
                let rest = arguments.items.get(1..).unwrap_or_default().to_vec();
                let rest = self.arena.tuple(&rest);
                self.construct(arguments.item(0), rest, at);
                return (None, None);
            }
            ("copyreg", "_reconstructor") => {
                self.construct(arguments.item(0), Value::Plain, at);
                // `object.__init__` is not called, any other base's is.
                match arguments.item(1) {
                    Value::Global(base) if self.uses.inert(base).is_none() => {
                        self.note(base, CallableUse::Called, args, at);
                    }
                    Value::Global(_) => {}
                    other => self.unresolved(other, args, at),
                }
                self.uses.note(id, CallableUse::Called);
                return (None, None);
            }
            ("builtins", "getattr") => {
                if let Some(value) = self.attribute(arguments.item(0), arguments.item(1), at) {
                    self.uses.settle(id);
                    return (Some(value), None);
                }
            }
            ("functools" | "_functools", "partial") if !arguments.item(0).is_data() => {
                self.kept(arguments.item(0), at);
                self.uses.settle(id);
                return (None, None);
            }
            // Loads the stream it is given: as inert as that is, which is examined by itself.
            ("torch.storage", "_load_from_bytes") => {
                match arguments.item(0) {
                    Value::Bytes { offset, length } if length < u32::MAX => {
                        self.nested.push((Span::saturating_at(offset, u64::from(length)), id));
                    }
                    _ => self.note(id, CallableUse::Called, args, at),
                }
                return (None, None);
            }
            // `typing.Union[int, str]` is written as a call of `getitem`.
            ("operator" | "_operator", "getitem") => {
                if let Value::Global(base) = arguments.item(0)
                    && self.uses.names(base).0 == "typing"
                    && !self.uses.is_dangerous(base)
                {
                    self.uses.settle(id);
                    return (None, None);
                }
            }
            ("numpy.core" | "numpy._core", "_ufunc_reconstruct") => {
                if let (Some(module), Some(name)) = (self.text(arguments.item(0)), self.text(arguments.item(1))) {
                    self.push_global(&module, &name, at);
                    self.uses.settle(id);
                    return (Some(self.pop()), None);
                }
            }
            ("importlib", "import_module" | "__import__") | ("builtins", "__import__") => {
                self.note(id, CallableUse::Called, args, at);
                return (self.module(arguments.item(0), at), None);
            }
            ("pkgutil", "resolve_name") | ("pydoc", "locate") => {
                self.note(id, CallableUse::Called, args, at);
                return (self.path(arguments.item(0), at), None);
            }
            _ => {}
        }
        if let Some(next) = self.handed_on(id, args, &arguments, at) {
            return (None, Some(next));
        }
        self.note(id, CallableUse::Called, args, at);
        let reviewed = self.review(id, args, &arguments, at);
        // Bytes of protocol 2, large and many, stay where they are.
        let bytes = reviewed && self.uses.names(id) == ("_codecs", "encode");
        let value = if bytes {
            None
        } else {
            self.evaluate(id, &arguments.items)
        };
        (value, None)
    }

    /// Whether the first argument is a plain name that the second one, a mapping of literal names, holds.
    fn is_lookup(&mut self, arguments: &Arguments) -> bool {
        let Some(Node::Object { made: None, items, .. }) = self.arena.get(arguments.item(1)) else {
            return false;
        };
        let [(key, _)] = items[..] else { return false };
        let (Value::Text(_), Value::Text(_)) = (key, arguments.item(0)) else {
            return false;
        };
        let (key, name) = (self.text(key), self.text(arguments.item(0)));
        name.is_some_and(|name| {
            let plain =
                name.starts_with(|c: char| c.is_ascii_lowercase()) && name.bytes().all(|b| b.is_ascii_lowercase());
            plain && Some(name) == key
        })
    }

    /// What a reviewed callable does with its arguments; `false` when it is none, or not with these.
    fn review(&mut self, id: GlobalId, args: Value, arguments: &Arguments, at: Span) -> bool {
        let Some(inert) = self.uses.inert(id) else {
            return false;
        };
        let mut plain = true;
        let shown = || self.uses.shown(id);
        if inert
            .max_arguments
            .is_some_and(|most| arguments.length.is_none_or(|n| n > most))
        {
            let (subject, term) = (format!("{} with more arguments", shown()), self.show_call(id, args));
            self.uses.act(LoadAct::CallsUnknown, &subject, term, at);
        }
        if let Some(word) = &inert.word
            && arguments.length.is_none_or(|n| n > word.at)
        {
            let stated = self.text(arguments.item(word.at));
            let known = stated.is_some_and(|text| word.of.iter().any(|known| known.eq_ignore_ascii_case(&text)));
            if !known {
                plain = false;
                let subject = format!("{} with another word", self.uses.shown(id));
                let term = self.show_call(id, args);
                self.uses.act(LoadAct::CallsUnknown, &subject, term, at);
            }
        }
        let uses_some = !(inert.calls.is_empty() && inert.constructs.is_empty());
        if uses_some && arguments.length.is_none() {
            let subject = format!("arguments of {}", self.uses.shown(id));
            let term = self.show_call(id, args);
            self.uses.act(LoadAct::CallsUnknown, &subject, term, at);
            return false;
        }
        let given = |position: &usize| arguments.length.is_some_and(|n| *position < n);
        for position in inert.calls.iter().filter(|p| given(p)) {
            self.called(arguments.item(*position), at);
        }
        for position in inert.constructs.iter().filter(|p| given(p)) {
            match arguments.item(*position) {
                Value::Global(class) => self.construct(Value::Global(class), Value::Plain, at),
                other => self.called(other, at),
            }
        }
        for position in inert.keeps.iter().filter(|p| given(p)) {
            self.kept(arguments.item(*position), at);
        }
        plain
    }

    /// `torch._tensor._rebuild_from_type_v2(function, type, args, state)` calls the function and casts to the type.
    fn handed_on(&mut self, id: GlobalId, args: Value, arguments: &Arguments, at: Span) -> Option<Pending> {
        let (module, name) = self.uses.names(id);
        if !(module.starts_with("torch") && matches!(name, "_rebuild_from_type" | "_rebuild_from_type_v2")) {
            return None;
        }
        arguments.length.filter(|n| *n > 2)?;
        self.note(id, CallableUse::Called, args, at);
        self.called(arguments.item(1), at);
        Some((arguments.item(0), arguments.item(2)))
    }

    /// Calls what an earlier call returned.
    fn call_node(&mut self, callee: Value, args: Value, at: Span) -> (Option<Value>, Option<Pending>) {
        match self.arena.get(callee) {
            Some(Node::Attribute { base, path }) => {
                let (base, path) = (*base, *path);
                self.note(path, CallableUse::Called, args, at);
                if !base.is_data() {
                    self.unresolved(callee, args, at);
                }
                let arguments = Arguments::of(self, args);
                let items: Vec<Value> = std::iter::once(base).chain(arguments.items).collect();
                (self.evaluate(path, &items), None)
            }
            Some(Node::Object {
                made: Some((maker, first)),
                ..
            }) => {
                let (maker, first) = (*maker, *first);
                self.unresolved(callee, args, at);
                let made = Arguments::of(self, first);
                let given = Arguments::of(self, args);
                match self.uses.names(maker) {
                    ("functools" | "_functools", "partial") => {
                        let rest = made.items.iter().skip(1).chain(&given.items);
                        let all: Vec<Value> = rest.copied().collect();
                        let all = self.arena.tuple(&all);
                        (None, Some((made.item(0), all)))
                    }
                    ("operator" | "_operator", "attrgetter") => (self.attribute(given.item(0), made.item(0), at), None),
                    ("operator" | "_operator", "methodcaller") => {
                        let rest: Vec<Value> = made.items.iter().skip(1).copied().collect();
                        let all = self.arena.tuple(&rest);
                        let method = self.attribute(given.item(0), made.item(0), at);
                        (None, method.map(|method| (method, all)))
                    }
                    _ => (None, None),
                }
            }
            _ => {
                self.unresolved(callee, args, at);
                (None, None)
            }
        }
    }

    /// `getattr(base, name)`, for a name that is known.
    pub(super) fn attribute(&mut self, base: Value, name: Value, at: Span) -> Option<Value> {
        let spelled = self.text(name)?;
        let made = matches!(name, Value::Made(_));
        let of_builtin = match base {
            Value::Text(_) | Value::Made(_) => Some("str"),
            Value::Bytes { .. } => Some("bytes"),
            Value::Int(_) | Value::Scalar => Some("int"),
            Value::Node(_) => match self.arena.get(base) {
                Some(Node::Tuple { .. }) => Some("tuple"),
                Some(Node::List { .. }) => Some("list"),
                Some(Node::Object { made: None, .. }) => Some("dict"),
                _ => None,
            },
            _ => None,
        };
        let (module, path) = match (base, of_builtin) {
            (_, Some(kind)) => ("builtins".to_owned(), format!("{kind}.{spelled}")),
            (Value::Global(id) | Value::Result(id), _) => self.inside(id, &spelled),
            (Value::Node(_), _) => {
                let id = match self.arena.get(base) {
                    Some(Node::Attribute { path, .. }) => Some(*path),
                    _ => self.arena.maker(base).map(|(id, _)| id),
                };
                self.inside(id?, &spelled)
            }
            _ => return None,
        };
        let id = self.uses.global(&module, &path, at);
        self.uses.note(id, CallableUse::Named);
        if made {
            let what = self.uses.shown(id);
            self.uses.act(LoadAct::ComputesName, &what, what.clone(), at);
        }
        if matches!(base, Value::Global(_)) {
            return Some(Value::Global(id));
        }
        let attribute = self.arena.add(Node::Attribute { base, path: id });
        Some(match attribute {
            Value::Other => Value::Result(id),
            kept => kept,
        })
    }

    fn inside(&self, id: GlobalId, name: &str) -> (String, String) {
        let (module, path) = self.uses.names(id);
        let path = match path {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        };
        (module.to_owned(), path)
    }

    /// The module that an import returns.
    fn module(&mut self, name: Value, at: Span) -> Option<Value> {
        let module = self.text(name)?;
        self.push_global(&module, "", at);
        Some(self.pop())
    }

    /// `module:name` or `module.name`.
    fn path(&mut self, name: Value, at: Span) -> Option<Value> {
        let path = self.text(name)?;
        let (module, name) = path.split_once(':').or_else(|| path.rsplit_once('.'))?;
        self.push_global(module, name, at);
        Some(self.pop())
    }

    /// Something calls `value`, with arguments nobody looks at.
    pub(super) fn called(&mut self, value: Value, at: Span) {
        match value {
            Value::Global(id) => self.note(id, CallableUse::Called, Value::Plain, at),
            // What reviewed constructors return is data, unless they say that they keep something to call.
            Value::Node(_) if self.is_data_object(value) => {}
            Value::Node(_) => match self.arena.get(value) {
                Some(Node::Object { made: Some(_), .. } | Node::Attribute { .. }) => {
                    let (_, next) = self.call_node(value, Value::Plain, at);
                    if let Some((callee, _)) = next
                        && callee != value
                        && let Value::Global(id) = callee
                    {
                        self.note(id, CallableUse::Called, Value::Plain, at);
                    }
                }
                // A dictionary that becomes an object's own (`__dict__`) brings its hooks with it.
                Some(Node::Object { made: None, items, .. }) => {
                    let hooks = items.iter().filter(|(key, value)| is_hook(*key, *value));
                    let globals: Vec<GlobalId> = hooks
                        .filter_map(|(_, value)| match value {
                            Value::Global(id) => Some(*id),
                            _ => None,
                        })
                        .collect();
                    for id in globals {
                        self.note(id, CallableUse::Called, Value::Plain, at);
                    }
                }
                _ => {}
            },
            Value::Other | Value::Result(_) => self.unresolved(value, Value::Plain, at),
            _ => {}
        }
    }

    fn is_data_object(&self, value: Value) -> bool {
        let inert = self.arena.maker(value).and_then(|(id, _)| self.uses.inert(id));
        inert.is_some_and(|inert| inert.keeps.is_empty() && inert.calls.is_empty() && inert.max_arguments.is_none())
    }

    /// Something is kept for a later call: what is dangerous then is dangerous now.
    fn kept(&mut self, value: Value, at: Span) {
        let mut value = value;
        for _ in 0..HANDED_ON {
            let inner = match self.arena.get(value) {
                Some(Node::Attribute { path, .. }) => Value::Global(*path),
                Some(Node::Object {
                    made: Some((id, args)), ..
                }) if is_partial(self.uses.names(*id)) => {
                    let args = *args;
                    Arguments::of(self, args).item(0)
                }
                _ => break,
            };
            value = inner;
        }
        if let Value::Global(id) = value
            && self.uses.is_dangerous(id)
        {
            self.note(id, CallableUse::Called, Value::Plain, at);
        }
    }

    /// Something without a name of its own is called.
    fn unresolved(&mut self, value: Value, args: Value, at: Span) {
        let term = format!("{}{}", self.show(value), self.show_arguments(args));
        let act = match value {
            Value::Result(_) => LoadAct::CallsResult,
            Value::Node(_) if !matches!(self.arena.get(value), Some(Node::Tuple { .. } | Node::List { .. })) => {
                LoadAct::CallsResult
            }
            _ => LoadAct::CallsUnknown,
        };
        let from = match (value, self.arena.get(value)) {
            (Value::Result(id), _) => Some(id),
            (
                _,
                Some(
                    Node::Object {
                        made: Some((id, _)), ..
                    }
                    | Node::Attribute { path: id, .. },
                ),
            ) => Some(*id),
            _ => None,
        };
        let subject = from.map_or_else(
            || "a value made while loading".to_owned(),
            |id| format!("result of {}", self.uses.shown(id)),
        );
        self.uses.act(act, &subject, term, at);
    }

    pub(super) fn new_object(&mut self, class: Value, args: Value, at: Span) {
        self.construct(class, args, at);
        self.push_made(class, args);
    }

    /// `cls.__new__(cls, *args)`. `args` are `Plain` where nothing but the class comes from the stream.
    fn construct(&mut self, class: Value, args: Value, at: Span) {
        match class {
            Value::Global(id) => {
                self.note(id, CallableUse::Constructed, args, at);
                let most = self.uses.inert(id).and_then(|inert| inert.max_arguments);
                let given = Arguments::of(self, args).length.unwrap_or(0);
                if most.is_some_and(|most| given > most) {
                    let (subject, term) = (format!("{} constructed", self.uses.shown(id)), self.show_call(id, args));
                    self.uses.act(LoadAct::CallsUnknown, &subject, term, at);
                }
            }
            other => self.unresolved(other, args, at),
        }
    }

    fn push_made(&mut self, callee: Value, args: Value) {
        let id = match callee {
            Value::Global(id) | Value::Result(id) => Some(id),
            _ => match self.arena.get(callee) {
                Some(Node::Attribute { path, .. }) => Some(*path),
                Some(Node::Object {
                    made: Some((id, _)), ..
                }) => Some(*id),
                _ => None,
            },
        };
        let made = match id {
            Some(id) => {
                let node = Node::Object {
                    made: Some((id, args)),
                    state: Value::None,
                    items: Vec::new(),
                };
                match self.arena.add(node) {
                    Value::Other => Value::Result(id),
                    kept => kept,
                }
            }
            None => Value::Other,
        };
        self.push(made);
    }

    /// An imported object is not a value of the stream: changing it changes the interpreter.
    pub(super) fn changes(&mut self, target: Value, how: &str, at: Span) {
        let id = match target {
            Value::Global(id) => id,
            Value::Node(_) => match self.arena.get(target) {
                Some(Node::Attribute { path, .. }) => *path,
                _ => return,
            },
            _ => return,
        };
        let name = self.uses.shown(id);
        let term = format!("{how} {name}");
        self.uses.act(LoadAct::Overwrites, &name, term, at);
    }

    /// `BUILD`.
    pub(super) fn build(&mut self, target: Value, state: Value, at: Span) -> Step {
        self.changes(target, "state set on", at);
        let (mut hooks, mut hidden) = (Vec::new(), false);
        let halves = Arguments::of(self, state);
        let parts = if halves.length == Some(2) {
            halves.items.clone()
        } else {
            vec![state]
        };
        for part in parts {
            let Some(Node::Object { made, items, .. }) = self.arena.get(part) else {
                continue;
            };
            hooks.extend(
                items
                    .iter()
                    .filter(|(key, value)| is_hook(*key, *value))
                    .map(|(_, value)| *value),
            );
            // A mapping made from arguments holds what they say, under any key.
            let empty = made.is_none_or(|(_, args)| self.arena.as_tuple(args).is_some_and(|(_, n)| n == 0));
            hidden |= !empty
                && made.is_some_and(|(id, _)| matches!(self.uses.names(id).1, "OrderedDict" | "defaultdict" | "dict"));
        }
        for hook in hooks {
            self.called(hook, at);
        }
        if hidden {
            let term = "state made while loading".to_owned();
            self.uses
                .act(LoadAct::CallsUnknown, "state made while loading", term, at);
        }
        let partial = self
            .arena
            .maker(target)
            .filter(|(id, _)| is_partial(self.uses.names(*id)));
        if partial.is_some() {
            // `partial.__setstate__((function, args, keywords, attributes))` replaces what it wraps.
            self.kept(halves.item(0), at);
            let inner = Arguments::of(self, halves.item(1));
            let all: Vec<Value> = std::iter::once(halves.item(0)).chain(inner.items).collect();
            let all = self.arena.tuple(&all);
            if let Some(Node::Object {
                made: Some((_, args)), ..
            }) = self.arena.get_mut(target)
            {
                *args = all;
            }
        }
        let Some(Node::Object {
            made: Some((id, _)),
            state: kept,
            ..
        }) = self.arena.get_mut(target)
        else {
            return Step::Next;
        };
        *kept = state;
        let (module, name) = self.uses.names(*id);
        let joblib = module.ends_with("numpy_pickle") || module.ends_with("numpy_pickle_compat");
        match name {
            "NumpyArrayWrapper" if joblib => Step::Array(target),
            "NDArrayWrapper" | "ZNDArrayWrapper" if joblib => {
                self.neighbour(state, at);
                Step::Next
            }
            _ => Step::Next,
        }
    }

    /// Old joblib keeps an array in a file of its own, which the wrapper names: next to the pickle, or it is elsewhere.
    fn neighbour(&mut self, state: Value, at: Span) {
        let Some(Node::Object { items, .. }) = self.arena.get(state) else {
            return;
        };
        for (key, value) in items.clone() {
            if self.text(key).as_deref() == Some("filename") {
                let name = self.text(value).unwrap_or_default();
                if name.is_empty() || name.contains(['/', '\\', ':']) || name.starts_with("..") {
                    let subject = "a file elsewhere, loaded as a pickle";
                    self.uses.act(
                        LoadAct::CallsUnknown,
                        subject,
                        format!("joblib array file {name:?}"),
                        at,
                    );
                }
            }
        }
    }
}

/// Making a partial object calls nothing; calling it does.
fn is_partial(names: (&str, &str)) -> bool {
    matches!(names, ("functools" | "_functools", "partial"))
}

/// The arguments of a call, as far as they are known.
pub(super) struct Arguments {
    pub(super) items: Vec<Value>,
    /// How many there are, when that is known.
    length: Option<usize>,
    rest: Value,
}

impl Arguments {
    fn of(machine: &Machine<'_, '_, '_>, args: Value) -> Self {
        match machine.arena.as_tuple(args) {
            Some((items, length)) => Self {
                items: items.to_vec(),
                length: Some(usize::try_from(length).unwrap_or(usize::MAX)),
                rest: Value::Other,
            },
            None => Self {
                items: Vec::new(),
                length: None,
                rest: if args.is_data() { Value::Plain } else { Value::Other },
            },
        }
    }

    fn item(&self, at: usize) -> Value {
        self.items.get(at).copied().unwrap_or(self.rest)
    }
}
