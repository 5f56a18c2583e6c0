//! String literals: Python's rules, as `lexer.py` decodes them (`unicode-escape`).

/// The length of the literal at the start of `rest`, quotes included; `None` without a closing quote.
pub(super) fn length(rest: &str) -> Option<usize> {
    let bytes = rest.as_bytes();
    let quote = *bytes.first()?;
    let mut at = 1usize;
    loop {
        let found = memchr::memchr2(quote, b'\\', bytes.get(at..)?)?;
        at = at.saturating_add(found);
        if bytes.get(at) == Some(&quote) {
            return Some(at.saturating_add(1));
        }
        at = at.saturating_add(2);
    }
}

/// What the inside of a literal stands for. An escape that Python refuses stays as it is written, and so does a
/// character's name, which no one needs to spell an identifier.
pub(super) fn unescaped(inside: &str) -> String {
    let mut out = String::with_capacity(inside.len());
    let mut rest = inside;
    while let Some((plain, behind)) = rest.split_once('\\') {
        out.push_str(plain);
        let (character, used) = escape(behind);
        match character {
            Some(c) => out.push(c),
            None if used == 0 => out.push('\\'),
            None => {}
        }
        rest = behind.get(used..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// The character that the escape behind a backslash stands for, none for a continued line, and the bytes it takes.
fn escape(behind: &str) -> (Option<char>, usize) {
    let Some(first) = behind.chars().next() else {
        return (None, 0);
    };
    let hexadecimal = |digits: usize| {
        let text = behind.get(1..digits.saturating_add(1)).unwrap_or_default();
        let all = text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit());
        let value = u32::from_str_radix(text, 16)
            .ok()
            .filter(|_| all)
            .and_then(char::from_u32);
        value.map_or((None, 0), |c| (Some(c), digits.saturating_add(1)))
    };
    match first {
        '\n' => (None, 1),
        '\\' | '\'' | '"' => (Some(first), 1),
        'a' => (Some('\u{7}'), 1),
        'b' => (Some('\u{8}'), 1),
        'f' => (Some('\u{c}'), 1),
        'n' => (Some('\n'), 1),
        'r' => (Some('\r'), 1),
        't' => (Some('\t'), 1),
        'v' => (Some('\u{b}'), 1),
        'x' => hexadecimal(2),
        'u' => hexadecimal(4),
        'U' => hexadecimal(8),
        '0'..='7' => {
            let digits = behind.bytes().take(3).take_while(|b| matches!(b, b'0'..=b'7')).count();
            let value = u32::from_str_radix(behind.get(..digits).unwrap_or_default(), 8);
            (value.ok().and_then(char::from_u32), digits)
        }
        _ => (None, 0),
    }
}
