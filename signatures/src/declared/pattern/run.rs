//! The reference matcher: simple, iterative, in time bounded by the product of the lengths.

use super::{Component, Space, Token};

/// The components of a path or name; `None` when it is none.
pub(super) fn split(space: Space, path: &[u8]) -> Option<Vec<&[u8]>> {
    match (space, path.split_first()?) {
        (Space::Path, (b'/', [])) => Some(Vec::new()),
        (Space::Path, (b'/', rest)) => {
            let parts: Vec<&[u8]> = rest.split(|byte| *byte == b'/').collect();
            let named = |part: &&[u8]| !matches!(*part, b"" | b"." | b"..");
            parts.iter().all(named).then_some(parts)
        }
        (Space::Abstract, (b'@', rest)) => Some(rest.split(|byte| *byte == b'/').collect()),
        _ => None,
    }
}

/// Runs the components as a nondeterministic automaton: which of them may come next, part by part.
pub(super) fn run(components: &[Component], parts: &[&[u8]]) -> bool {
    let end = components.len();
    let mut now = vec![false; end + 1];
    now[0] = true;
    skip(components, &mut now);
    for part in parts {
        let mut next = vec![false; end + 1];
        for (at, component) in components.iter().enumerate().filter(|(at, _)| now[*at]) {
            match component {
                Component::AnyDepth => {
                    next[at] = true;
                    next[at + 1] |= at + 1 == end;
                }
                Component::Name(tokens) => next[at + 1] |= name(tokens, part),
            }
        }
        skip(components, &mut next);
        now = next;
    }
    now[end]
}

/// `**` may stand for no component, except at the end.
fn skip(components: &[Component], states: &mut [bool]) {
    for (at, component) in components.iter().enumerate() {
        if *component == Component::AnyDepth && at + 1 < components.len() {
            states[at + 1] |= states[at];
        }
    }
}

/// Matches one name. Only the last `*` is ever tried again, so that the time is the product of the lengths.
fn name(tokens: &[Token], bytes: &[u8]) -> bool {
    let (mut token, mut byte) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(current) = bytes.get(byte) {
        let fits = match tokens.get(token) {
            Some(Token::AnyRun) => {
                star = Some((token + 1, byte));
                token += 1;
                continue;
            }
            Some(Token::Byte(expected)) => expected == current,
            Some(Token::AnyByte) => true,
            Some(Token::OneOf(set)) => set.contains(*current),
            None => false,
        };
        if fits {
            token += 1;
            byte += 1;
        } else if let Some((after, from)) = star {
            star = Some((after, from + 1));
            token = after;
            byte = from + 1;
        } else {
            return false;
        }
    }
    tokens.iter().skip(token).all(|rest| *rest == Token::AnyRun)
}
