//! Pickles and texts with one thing wrong.

use super::Case;
use crate::build::{documents, json, pickle, text};

pub(super) fn pickles() -> Vec<Case> {
    let mut out: Vec<Case> = (0u8..)
        .zip([
            "pickle-system-p0",
            "pickle-system-p1",
            "pickle-system-p2",
            "pickle-system-p3",
            "pickle-system-p4",
            "pickle-system-p5",
        ])
        .map(|(proto, name)| (name, "unsafe-callable", pickle::os_system(proto)))
        .collect();
    let variants = [
        ("inst", "pickle-inst"),
        ("obj", "pickle-obj"),
        ("newobj", "pickle-newobj"),
        ("newobj-ex", "pickle-newobj-ex"),
        ("memo", "pickle-memo"),
        ("dup", "pickle-dup"),
        ("long-memo", "pickle-long-memo"),
        ("popped", "pickle-popped"),
        ("dotted", "pickle-dotted"),
        ("build", "pickle-build"),
        ("getattr", "pickle-getattr"),
        ("persid-tuple", "pickle-persid-tuple"),
        ("no-stop", "pickle-no-stop"),
        ("before-broken-opcode", "pickle-before-broken-opcode"),
        ("second-stream", "pickle-second-stream"),
        ("leading-garbage", "pickle-leading-garbage"),
        ("frame-lie", "pickle-frame-lie"),
    ];
    for (key, bytes) in pickle::os_system_variants() {
        let name = variants
            .iter()
            .find(|v| v.0 == key)
            .map(|v| v.1)
            .expect("every variant is named");
        out.push((name, "unsafe-callable", bytes));
    }
    out.extend([
        (
            "pickle-unknown-callable",
            "unknown-callable",
            pickle::unknown_callable(),
        ),
        ("pickle-extensions", "unknown-callable", pickle::extensions()),
        ("pickle-long4-lie", "truncated", pickle::long4_lie(0x7fff_ffff)),
        ("pickle-truncated", "truncated", pickle::benign(2)[..40].to_vec()),
    ]);
    out
}

pub(super) fn others() -> Vec<Case> {
    vec![
        ("json-duplicate-key", "duplicate-key", json::duplicate_key()),
        ("json-trailing", "trailing-bytes", json::trailing()),
        ("json-deep", "limit-exceeded", json::nested(100_000)),
        ("text-ip-literal", "ip-literal-url", text::ip_literal_url()),
        (
            "yaml-apply",
            "unsafe-callable",
            b"name: x\nhook: !!python/object/apply:os.system ['true']\n".to_vec(),
        ),
        (
            "yaml-unknown-function",
            "unknown-callable",
            b"name: x\nhook: !!js/function 'x => x'\n".to_vec(),
        ),
        (
            "xml-external-file",
            "xml-entity",
            documents::xml("<!ENTITY a SYSTEM 'file:///data/x'>", "root"),
        ),
        (
            "xml-laughs",
            "xml-entity",
            documents::xml(&documents::laughs(9), "root"),
        ),
        (
            "pdf-launch",
            "active-content",
            documents::pdf(&["<< /S /#4Caunch /F (x) >>"], 1),
        ),
        ("pdf-no-end", "truncated", b"%PDF-1.4\n1 0 obj\n".to_vec()),
    ]
}
