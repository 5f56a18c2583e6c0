use crate::format::laws::{cases, holds, map, parse, survives, unclaimed};
use probity_tests::build::documents;

#[test]
fn a_document_is_claimed_section_by_section() {
    let file = documents::pdf(&["<< /Type /Catalog >>"], 1);
    assert_eq!(
        map(&parse("pdf", &file)),
        ["0 8 header header", &format!("8 {} data section 1", file.len() - 8)]
    );
    holds("pdf", &file[..file.len() - 1], true);
    let updated = documents::pdf(&["<< /Type /Catalog >>"], 3);
    assert_eq!(map(&parse("pdf", &updated)).len(), 4);
    let behind = [&updated[..], b"MZ\x90\0 and more"].concat();
    assert_eq!(unclaimed(parse("pdf", &behind), behind.len()), 13);
    assert_eq!(cases(&parse("pdf", b"%PDF-1.4\n1 0 obj")), ["truncated media"]);
    survives("pdf", b"%PDF-1.4\n/");
}

#[test]
fn what_acts_is_named_however_it_is_spelled() {
    for (object, expected) in [
        ("<< /OpenAction 3 0 R >>", &["active-content open-action"][..]),
        ("<< /S /JavaScript /JS (app.alert) >>", &["active-content javascript"]),
        ("<< /S /J#61vaScrip#74 >>", &["active-content javascript"]),
        ("<< /#4Aav#61Script 1 >>", &["active-content javascript"]),
        ("<< /S/Launch/F(calc) >>", &["active-content launch"]),
        ("<< /Type /EmbeddedFile>>", &["active-content embedded-file"]),
        ("<< /EmbeddedFiles 4 0 R >>", &[]),
        ("<< /JavaScripts 1 /Launcher 2 /Open 3 >>", &[]),
        ("(JavaScript is a language)", &[]),
        ("<< /J#zzavaScript 1 >>", &[]),
    ] {
        assert_eq!(
            cases(&parse("pdf", &documents::pdf(&[object], 1))),
            expected,
            "{object}"
        );
    }
}

#[test]
fn a_word_is_found_wherever_reads_are_cut() {
    for shift in 0..24usize {
        let filler = "x".repeat((256 << 10) - 40 + shift);
        let file = documents::pdf(&[&format!("({filler})<< /S /JavaScript >>")], 1);
        assert_eq!(cases(&parse("pdf", &file)), ["active-content javascript"], "{shift}");
        let mut cut = b"%PDF-1.4\n".to_vec();
        cut.resize((256 << 10) - 12 + shift, b' ');
        cut.extend_from_slice(b"%%EOF\n");
        let parsed = parse("pdf", &cut);
        assert!(parsed.findings().is_empty());
        assert_eq!(map(&parsed).len(), 2, "{shift}");
    }
}
