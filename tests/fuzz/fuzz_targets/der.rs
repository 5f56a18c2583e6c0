//! The DER walker: it always advances, its elements nest, and a sound element accounts for each of its octets once.
#![no_main]

use probity_engine::walk::der::DerWalker;

const BASE: u64 = 1 << 40;
const MAX_DEPTH: usize = 64;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let end = BASE + data.len() as u64;
    let mut walker = DerWalker::new(data, BASE, MAX_DEPTH);
    let (mut elements, mut next, mut fault) = (0, BASE, None);
    while let Some(step) = walker.next() {
        let tlv = match step {
            Ok(tlv) => tlv,
            Err(found) => {
                assert!((BASE..=end).contains(&found.offset), "a fault lies in the input");
                assert_eq!(fault.replace(found), None, "a walk has one fault");
                continue;
            }
        };
        assert!(fault.is_none(), "nothing follows a fault");
        elements += 1;
        assert!(tlv.depth <= MAX_DEPTH);
        assert_eq!(
            tlv.header.start(),
            next,
            "headers and primitive values follow each other"
        );
        assert_eq!(
            (tlv.header.end(), tlv.value.len()),
            (tlv.value.start(), tlv.bytes.len() as u64)
        );
        assert!(tlv.header.len() >= 2 && tlv.value.end() <= end);
        next = if tlv.tag.constructed {
            tlv.value.start()
        } else {
            tlv.value.end()
        };
        for child in tlv.children().flatten() {
            assert!(tlv.value.encloses(child.span()) && child.depth == tlv.depth + 1);
        }
        if tlv.oid_dotted().is_ok() {
            assert!(tlv.oid().is_ok(), "a dotted identifier is a sound one");
        }
        let contents = [
            tlv.integer(),
            tlv.string(),
            tlv.oid(),
            tlv.bit_string().map(|(octets, _)| octets),
        ];
        assert!(
            contents
                .into_iter()
                .flatten()
                .all(|octets| octets.len() <= tlv.bytes.len())
        );
        assert!(tlv.boolean().is_err() || tlv.bytes.len() == 1);
    }
    assert!(elements * 2 <= data.len(), "an element takes two octets");
    if fault.is_none() {
        assert_eq!(next, walker.rest().start(), "the outermost element is accounted for");
        assert_eq!(walker.rest().end(), end);
    }
});
