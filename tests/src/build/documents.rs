//! PDF, XML and YAML documents.

/// A PDF document of the given objects, with `updates` sections.
pub fn pdf(objects: &[&str], updates: usize) -> Vec<u8> {
    let mut out = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n".to_vec();
    for number in 0..updates {
        for object in objects {
            out.extend_from_slice(format!("{} 0 obj\n{object}\nendobj\n", number + 1).as_bytes());
        }
        let at = out.len();
        out.extend_from_slice(format!("xref\n0 0\ntrailer << /Size 0 >>\nstartxref\n{at}\n%%EOF\n").as_bytes());
    }
    out
}

/// An XML document with `subset` in its document type declaration.
pub fn xml(subset: &str, root: &str) -> Vec<u8> {
    let doctype = if subset.is_empty() {
        String::new()
    } else {
        format!("<!DOCTYPE {root} [\n{subset}\n]>\n")
    };
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- a > b -->\n{doctype}<{root}>text</{root}>\n").into_bytes()
}

/// Entities of which each refers ten times to the one before, `levels` deep.
pub fn laughs(levels: usize) -> String {
    let mut out = String::from("<!ENTITY e0 \"lol\">");
    for level in 1..=levels {
        let inner = format!("&e{};", level - 1).repeat(10);
        out.push_str(&format!("\n<!ENTITY e{level} \"{inner}\">"));
    }
    out
}

/// The bytes of `text` in UTF-16LE with a byte order mark.
pub fn utf16(text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    [0xff, 0xfe]
        .into_iter()
        .chain(text.encode_utf16().flat_map(u16::to_le_bytes))
        .collect()
}
