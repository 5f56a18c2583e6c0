//! Templates: whatever the text, operands stand before their nodes, pieces lie inside, and nothing panics.
#![no_main]

use probity_engine::walk::jinja::{NodeKind, Template};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let template = Template::read(text);
    for piece in &template.pieces {
        assert!(piece.span.end() <= text.len() as u64 && piece.block < template.blocks.len());
    }
    for (id, node) in template.nodes.iter().enumerate() {
        if let NodeKind::Attribute(value, _) | NodeKind::Unary(_, value) | NodeKind::Item(value, _) = node.kind {
            assert!(value < id);
        }
    }
});
