//! Arrays that joblib writes between the opcodes of a pickle (`joblib.numpy_pickle.NumpyArrayWrapper`).
//!
//! After the `BUILD` of a wrapper the unpickler reads, from the same file: for plain element types, when the wrapper
//! has `numpy_array_alignment_bytes`, one byte n and n bytes 0xff, then the elements; for objects, a whole pickle.

use super::machine::Machine;
use super::term::{ITEMS, Node, Value};

/// What stands after a wrapper.
pub(super) enum Content {
    /// So many bytes of elements.
    Elements(u64),
    /// A pickle.
    Pickle,
}

/// An array in a stream.
pub(super) struct Layout {
    pub(super) content: Content,
    pub(super) aligned: bool,
    pub(super) dtype: String,
    pub(super) shape: Vec<u64>,
}

/// Reads the wrapper's state; `None` when it is not what joblib writes.
pub(super) fn layout(machine: &mut Machine<'_, '_, '_>, wrapper: Value) -> Option<Layout> {
    let Some(Node::Object { state, .. }) = machine.arena.get(wrapper) else {
        return None;
    };
    let Some(Node::Object { items, .. }) = machine.arena.get(*state) else {
        return None;
    };
    // What was left out could say something else.
    if items.len() >= ITEMS || items.iter().any(|(key, _)| !matches!(key, Value::Text(_))) {
        return None;
    }
    let items = items.clone();
    let (mut shape, mut dtype, mut aligned) = (None, None, false);
    for (key, value) in items {
        match machine.text(key).as_deref() {
            Some("shape") => shape = machine.arena.as_tuple(value).map(|(items, n)| (items.to_vec(), n)),
            Some("dtype") => dtype = Some(value),
            Some("numpy_array_alignment_bytes") => aligned = value != Value::None,
            _ => {}
        }
    }
    let (shape, length) = shape?;
    if u64::try_from(shape.len()).ok() != Some(length) {
        return None;
    }
    let dimension = |value: &Value| match value {
        Value::Int(n) => u64::try_from(*n).ok(),
        _ => None,
    };
    let shape: Vec<u64> = shape.iter().map(dimension).collect::<Option<_>>()?;
    let (dtype, size, objects) = element(machine, dtype?)?;
    let content = if objects {
        Content::Pickle
    } else {
        Content::Elements(shape.iter().try_fold(size, |n, d| n.checked_mul(*d))?)
    };
    Some(Layout {
        content,
        aligned,
        dtype,
        shape,
    })
}

/// The element type: its name, its size in bytes, whether it holds objects. `numpy.dtype('f8', False, True)` and its
/// state `(3, '<', subarray, names, fields, itemsize, alignment, flags)`.
fn element(machine: &mut Machine<'_, '_, '_>, dtype: Value) -> Option<(String, u64, bool)> {
    let Some(Node::Object {
        made: Some((class, args)),
        state,
        ..
    }) = machine.arena.get(dtype)
    else {
        return None;
    };
    let (args, state) = (*args, *state);
    if machine.uses.names(*class) != ("numpy", "dtype") {
        return None;
    }
    let name = *machine.arena.as_tuple(args)?.0.first()?;
    let name = machine.text(name)?;
    let state = machine
        .arena
        .as_tuple(state)
        .map(|(items, _)| items.to_vec())
        .unwrap_or_default();
    let order = state
        .get(1)
        .copied()
        .and_then(|order| machine.text(order))
        .unwrap_or_default();
    // NPY_ITEM_HASOBJECT.
    let flags = matches!(state.get(7), Some(Value::Int(flags)) if flags & 1 != 0);
    let kind = name.chars().next()?;
    let number: u64 = name.get(kind.len_utf8()..)?.parse().ok()?;
    let size = if kind == 'U' { number.checked_mul(4)? } else { number };
    // Types of any size have theirs in the state, where NumPy takes it from.
    if let (true, Some(Value::Int(stated))) = (matches!(kind, 'S' | 'U' | 'V'), state.get(5))
        && *stated >= 0
        && u64::try_from(*stated).ok() != Some(size)
    {
        return None;
    }
    Some((format!("{order}{name}"), size, flags || kind == 'O'))
}
