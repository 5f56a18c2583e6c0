use crate::format::fuzz;
use crate::format::laws::{cases, identified, map, parse, survives};
use probity_tests::build::documents::{laughs, utf16, xml};

#[test]
fn documents_are_known_by_their_declaration_or_root() {
    let sound = xml("", "root");
    assert_eq!(map(&parse("xml", &sound)), [format!("0 {} text document", sound.len())]);
    assert_eq!(cases(&parse("xml", &sound)), [""; 0]);
    let pmml = xml("", "PMML");
    for (bytes, expected) in [
        (&sound[..], "xml"),
        (&utf16(&sound), "xml"),
        (b"\xef\xbb\xbf<?xml version=\"1.0\"?><a/>", "xml"),
        (b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>", "xml"),
        (&pmml, "pmml"),
        (b"<PMML version=\"4.4\">", "pmml"),
        (b"<p:PMML xmlns:p=\"x\">", "pmml"),
        (b"<html><body>text</body></html>", "text"),
        (b"<!doctype html>\n<title>t</title>", "text"),
        (b"< 3 is less than 4", "text"),
        (b"<?xml version=\"1.0\"?>\0\0\0\x01\x02", "data"),
    ] {
        assert_eq!(identified(bytes), expected, "{}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn entities_are_judged_by_where_they_lead() {
    for (subset, expected) in [
        ("<!ENTITY a 'text'>", &[][..]),
        ("<!ENTITY a SYSTEM 'file:///etc/hostname'>", &["xml-entity file"]),
        ("<!ENTITY a SYSTEM \"/etc/hostname\">", &["xml-entity file"]),
        ("<!ENTITY a SYSTEM '../../x'>", &["xml-entity file"]),
        ("<!ENTITY a SYSTEM 'C:\\x'>", &["xml-entity file"]),
        ("<!ENTITY a SYSTEM 'php://filter/x'>", &["xml-entity file"]),
        (
            "<!ENTITY % a SYSTEM 'http://host.example/a.dtd'> %a;",
            &["xml-entity external"],
        ),
        (
            "<!ENTITY a PUBLIC '-//X//Y' 'https://host.example/a'>",
            &["xml-entity external"],
        ),
        ("<!ENTITY a SYSTEM 'chapter1.xml'>", &["xml-entity relative"]),
        ("<!ENTITY a SYSTEM 'logo.gif' NDATA gif>", &[]),
        ("<!-- <!ENTITY a SYSTEM 'file:///x'> -->", &[]),
        ("<?pi <!ENTITY a SYSTEM 'file:///x'> ?>", &[]),
        ("<!ATTLIST a b CDATA '<!ENTITY > x'>", &[]),
        ("<!ENTITY a '<!ENTITY b SYSTEM \"file:///x\">'>", &[]),
        (
            " <!ELEMENT a ANY>\n%other;\n<!ENTITY a SYSTEM 'file:///x'>",
            &["xml-entity file"],
        ),
    ] {
        for file in [xml(subset, "root"), utf16(&xml(subset, "root"))] {
            assert_eq!(cases(&parse("xml", &file)), expected, "{subset}");
        }
    }
}

#[test]
fn entities_that_expand_without_end_are_told() {
    for (subset, expected) in [
        (laughs(9), &["xml-entity expansion"][..]),
        (laughs(7), &["xml-entity expansion"]),
        (laughs(3), &[]),
        (format!("<!ENTITY a '{}'>", "text ".repeat(1000)), &[]),
    ] {
        assert_eq!(cases(&parse("xml", &xml(&subset, "root"))), expected);
    }
    // Declared in reverse, and in a circle.
    let reversed: Vec<String> = laughs(9).lines().rev().map(str::to_owned).collect();
    assert_eq!(
        cases(&parse("xml", &xml(&reversed.join("\n"), "root"))),
        ["xml-entity expansion"]
    );
    let circle = "<!ENTITY a '&b;&b;x'><!ENTITY b '&a;&a;y'>";
    assert_eq!(cases(&parse("xml", &xml(circle, "root"))), ["xml-entity expansion"]);
}

#[test]
fn cuts_and_changes_are_survived() {
    let file = xml(&laughs(3), "root");
    for cut in 0..file.len() {
        fuzz("xml", &file[..cut]);
        fuzz("pmml", &file[..cut]);
    }
    for at in 0..file.len() {
        for value in [0, 0xff, b'"', b'>', b'['] {
            let mut changed = file.clone();
            changed[at] = value;
            fuzz("xml", &changed);
        }
    }
    survives("xml", b"<!DOCTYPE a [");
    survives("pmml", b"<PMML");
}
