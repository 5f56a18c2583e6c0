//! Names that are read as other names: letters of several scripts in one label, and letters that look like ASCII.
//!
//! Labels in punycode (RFC 3492) are decoded first. The table holds letters that fonts draw alike, not all that Unicode
//! lists as confusable: a word of another script is no disguise.

/// Cyrillic letters that are drawn like small Latin ones.
const CYRILLIC: &str =
    "\u{430}\u{435}\u{43e}\u{440}\u{441}\u{443}\u{445}\u{455}\u{456}\u{458}\u{4bb}\u{4cf}\u{501}\u{51b}\u{51d}";

/// What is odd about a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Oddity {
    /// Latin letters beside Cyrillic, Greek or Armenian ones in one label.
    Mixed,
    /// All letters of a label are of another script, and drawn like Latin ones, under a Latin top-level domain.
    Alike,
    /// Letters that are other letters in another style: full width, mathematical, enclosed.
    Styled,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Script {
    Latin,
    /// Cyrillic, Greek and Armenian, which have letters like Latin ones.
    Near,
    Other,
}

/// What is odd about `host`, and the label that is, decoded.
pub(crate) fn oddity(host: &str) -> Option<(Oddity, String)> {
    if host.is_ascii() && !host.contains("xn--") {
        return None;
    }
    let latin_domain = host
        .rsplit('.')
        .next()
        .is_some_and(|last| last.is_ascii() && !last.starts_with("xn--"));
    host.split('.').find_map(|label| {
        let text = match label.strip_prefix("xn--") {
            Some(code) => decode(code)?,
            None => label.to_owned(),
        };
        of_label(&text, latin_domain).map(|oddity| (oddity, text))
    })
}

fn of_label(label: &str, latin_domain: bool) -> Option<Oddity> {
    if label.is_ascii() {
        return None;
    }
    if label.chars().any(is_styled) {
        return Some(Oddity::Styled);
    }
    let has = |script: Script| label.chars().any(|c| c.is_alphabetic() && self::script(c) == script);
    if has(Script::Latin) && has(Script::Near) {
        return Some(Oddity::Mixed);
    }
    let mut letters = label.chars().filter(|c| c.is_alphabetic()).peekable();
    (latin_domain && letters.peek().is_some() && letters.all(|c| CYRILLIC.contains(c))).then_some(Oddity::Alike)
}

fn script(c: char) -> Script {
    match c {
        'a'..='z' | 'A'..='Z' | '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' => Script::Latin,
        '\u{370}'..='\u{58f}' | '\u{1c80}'..='\u{1c8f}' | '\u{1f00}'..='\u{1fff}' | '\u{2de0}'..='\u{2dff}' => {
            Script::Near
        }
        _ => Script::Other,
    }
}

fn is_styled(c: char) -> bool {
    matches!(c, '\u{ff10}'..='\u{ff5a}' | '\u{1d400}'..='\u{1d7ff}' | '\u{24b6}'..='\u{24e9}' | '\u{2100}'..='\u{214f}')
}

/// Decodes the part of a label behind `xn--` (RFC 3492, section 6.2); at most 63 characters, as DNS allows.
fn decode(code: &str) -> Option<String> {
    const BASE: u32 = 36;
    let (plain, digits) = code.rsplit_once('-').unwrap_or(("", code));
    let mut out: Vec<char> = plain.chars().collect();
    if code.len() > 63 || !code.is_ascii() || digits.is_empty() {
        return None;
    }
    let (mut n, mut i, mut bias) = (128_u32, 0_u32, 72_u32);
    let mut digits = digits.bytes().peekable();
    while digits.peek().is_some() {
        let before = i;
        let (mut weight, mut k) = (1_u32, BASE);
        loop {
            let digit = match digits.next()? {
                byte @ b'a'..=b'z' => byte.wrapping_sub(b'a'),
                byte @ b'A'..=b'Z' => byte.wrapping_sub(b'A'),
                byte @ b'0'..=b'9' => byte.wrapping_sub(b'0').wrapping_add(26),
                _ => return None,
            };
            let digit = u32::from(digit);
            i = i.checked_add(digit.checked_mul(weight)?)?;
            let threshold = k.saturating_sub(bias).clamp(1, 26);
            if digit < threshold {
                break;
            }
            weight = weight.checked_mul(BASE.checked_sub(threshold)?)?;
            k = k.checked_add(BASE)?;
        }
        let length = u32::try_from(out.len()).ok()?.checked_add(1)?;
        bias = adapt(i.checked_sub(before)?, length, before == 0)?;
        n = n.checked_add(i.checked_div(length)?)?;
        i = i.checked_rem(length)?;
        out.insert(usize::try_from(i).ok()?, char::from_u32(n)?);
        i = i.checked_add(1)?;
    }
    Some(out.into_iter().collect())
}

/// The bias for the next number (RFC 3492, section 6.1).
fn adapt(delta: u32, length: u32, first: bool) -> Option<u32> {
    let mut delta = if first { delta / 700 } else { delta / 2 };
    delta = delta.checked_add(delta.checked_div(length)?)?;
    let mut k = 0_u32;
    while delta > 455 {
        delta /= 35;
        k = k.checked_add(36)?;
    }
    k.checked_add(delta.checked_mul(36)?.checked_div(delta.checked_add(38)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_read_as_others_are_told_from_names_of_other_languages() {
        for (host, expect) in [
            ("example.com", None),
            ("b\u{fc}cher.de", None),
            ("xn--bcher-kva.example.com", None),
            ("xn--e1afmkfd.xn--p1ai", None),
            ("\u{43f}\u{440}\u{438}\u{43c}\u{435}\u{440}.com", None),
            ("\u{4f8b}\u{5b50}abc.cn", None),
            ("g\u{456}thub.com", Some(Oddity::Mixed)),
            ("xn--gthub-n2e.com", Some(Oddity::Mixed)),
            ("p\u{3b1}ypal.com", Some(Oddity::Mixed)),
            ("\u{430}\u{440}\u{440}\u{4cf}\u{435}.com", Some(Oddity::Alike)),
            ("xn--80ak6aa92e.com", Some(Oddity::Alike)),
            ("\u{ff45}xample.com", Some(Oddity::Styled)),
            ("xn--\u{e9}.com", None),
            ("xn--99999999999.com", None),
        ] {
            assert_eq!(oddity(host).map(|(oddity, _)| oddity), expect, "{host}");
        }
    }
}
