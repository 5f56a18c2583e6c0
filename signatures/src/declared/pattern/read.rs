//! From a text to components: braces are expanded, then each component is read by itself.

use super::{ByteSet, Component, MOST, PatternError, Token};
use crate::declared::vars::Unit;

/// Reads one component.
pub(super) fn component(units: &[Unit]) -> Result<Component, PatternError> {
    let syntax = |unit: &Unit, byte: u8| !unit.quoted && unit.byte == byte;
    if units.len() == 2 && units.iter().all(|unit| syntax(unit, b'*')) {
        return Ok(Component::AnyDepth);
    }
    let mut tokens = Vec::new();
    let mut rest = units;
    while let Some((unit, tail)) = rest.split_first() {
        rest = tail;
        let token = if syntax(unit, b'*') {
            if tokens.last() == Some(&Token::AnyRun) {
                let text: Vec<u8> = units.iter().map(|unit| unit.byte).collect();
                return Err(PatternError::DoubleStar(String::from_utf8_lossy(&text).into_owned()));
            }
            Token::AnyRun
        } else if syntax(unit, b'?') {
            Token::AnyByte
        } else if syntax(unit, b'[') {
            let (set, tail) = set(rest)?;
            rest = tail;
            Token::OneOf(set)
        } else {
            Token::Byte(unit.byte)
        };
        tokens.push(token);
    }
    Ok(Component::Name(tokens))
}

/// Reads a set behind its `[`.
fn set(units: &[Unit]) -> Result<(ByteSet, &[Unit]), PatternError> {
    let syntax = |unit: &Unit, byte: u8| !unit.quoted && unit.byte == byte;
    let (negated, mut rest) = match units.split_first() {
        Some((unit, tail)) if syntax(unit, b'!') || syntax(unit, b'^') => (true, tail),
        _ => (false, units),
    };
    let mut found = ByteSet::EMPTY;
    let mut first = true;
    loop {
        let (unit, tail) = rest.split_first().ok_or(PatternError::UnclosedSet)?;
        if syntax(unit, b']') && !first {
            rest = tail;
            break;
        }
        first = false;
        let (last, tail) = match tail {
            [dash, last, after @ ..] if syntax(dash, b'-') && !syntax(last, b']') => (last.byte, after),
            _ => (unit.byte, tail),
        };
        if !unit.byte.is_ascii() || !last.is_ascii() {
            return Err(PatternError::WideSet);
        }
        if last < unit.byte {
            return Err(PatternError::Range(char::from(unit.byte), char::from(last)));
        }
        (unit.byte..=last).for_each(|byte| found.insert(byte));
        rest = tail;
    }
    if negated {
        found = ByteSet(found.0.map(|word| !word));
        found.remove(0);
    }
    // A range such as [+-9] runs over the slash; nobody means it.
    found.remove(b'/');
    if found == ByteSet::EMPTY {
        return Err(PatternError::Set);
    }
    Ok((found, rest))
}

/// Expands braces from the left, breadth first, with a bound on what is made.
pub(super) fn expand(units: &[Unit]) -> Result<Vec<Vec<Unit>>, PatternError> {
    let mut done = Vec::new();
    let mut open = vec![units.to_vec()];
    let mut steps = 0usize;
    while let Some(text) = open.pop() {
        steps += 1;
        if steps > MOST * 4 || done.len() + open.len() > MOST {
            return Err(PatternError::Many);
        }
        let Some((start, end, commas)) = brace(&text)? else {
            done.push(text);
            continue;
        };
        let (head, tail) = (&text[..start], &text[end + 1..]);
        let mut from = start + 1;
        let mut choices = Vec::new();
        for to in commas.into_iter().chain([end]) {
            choices.push([head, &text[from..to], tail].concat());
            from = to + 1;
        }
        if choices.len() > MOST {
            return Err(PatternError::Many);
        }
        // The last is taken first: they are pushed backwards to come out in the order of the text.
        open.extend(choices.into_iter().rev());
    }
    if done.len() > MOST {
        return Err(PatternError::Many);
    }
    Ok(done)
}

/// The outermost brace that opens first: where it opens and closes, and its own commas. A set hides braces.
fn brace(units: &[Unit]) -> Result<Option<(usize, usize, Vec<usize>)>, PatternError> {
    let (mut start, mut depth, mut commas) = (None, 0usize, Vec::new());
    let mut at = 0;
    while let Some(unit) = units.get(at) {
        match unit.byte {
            _ if unit.quoted => {}
            b'[' => {
                // The same reading as `set`: a `]` that comes first is a member.
                let mut close = at + 1;
                if units
                    .get(close)
                    .is_some_and(|u| !u.quoted && matches!(u.byte, b'!' | b'^'))
                {
                    close += 1;
                }
                close += 1;
                while units.get(close).is_some_and(|u| u.quoted || u.byte != b']') {
                    close += 1;
                }
                if close >= units.len() {
                    return Err(PatternError::UnclosedSet);
                }
                at = close;
            }
            b'{' => {
                if depth == 0 {
                    start = Some(at);
                }
                depth += 1;
            }
            b',' if depth == 1 => commas.push(at),
            b'}' => match (depth, start) {
                (0, _) | (_, None) => return Err(PatternError::StrayBrace),
                (1, Some(start)) => return Ok(Some((start, at, commas))),
                _ => depth -= 1,
            },
            _ => {}
        }
        at += 1;
    }
    if depth > 0 {
        return Err(PatternError::UnclosedBrace);
    }
    Ok(None)
}
