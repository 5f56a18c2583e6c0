//! Checkpoints, arrays that contradict themselves, and other MessagePack.

use super::*;
use crate::format::law;
use probity_tests::build::flax;
use proptest::prelude::*;

#[test]
fn a_checkpoint_is_walked_to_its_end() {
    let bytes = flax::sample();
    law::check(&Flax, &bytes);
    let (_, lines) = law::map(&Flax, &bytes);
    assert_eq!(
        lines,
        [
            "0..42 metadata map",
            "42..58 tensor params.Dense_0.kernel",
            "58..79 metadata map",
            "79..87 tensor params.Dense_0.bias",
            "87..93 metadata map",
        ]
    );
    assert_eq!(law::identified(&bytes), "flax");
}

#[test]
fn arrays_that_contradict_themselves_and_unknown_extensions_are_told() {
    let good = flax::array(&[2], "float32", &[0; 8]);
    let short = flax::array(&[3], "float32", &[0; 8]);
    let other = flax::extension(9, &[2], "float32", &[0; 8]);
    let named = flax::array(&[2], "float8_e4m3fn", &[0; 2]);
    for (bias, expected) in [
        (short, vec![("malformed", None)]),
        (other, vec![("malformed", Some("lenient"))]),
        (named, vec![]),
    ] {
        let (parse, _) = law::map(&Flax, &flax::checkpoint(&good, &bias));
        assert_eq!(law::told(&parse), expected);
    }
    let (parse, _) = law::map(&Flax, &flax::checkpoint(&good, b"\xc1"));
    assert!(parse.findings()[0].message.contains("0xc1"));
}

#[test]
fn other_messagepack_is_data() {
    for bytes in [
        &b"\x82\xa1a\x01\xa1b\x02"[..],
        b"\x81\xa1a\xc4\x04\0\0\0\0",
        b"\x81\x01\x02",
        b"\x93\x01\x02\x03",
    ] {
        assert_ne!(law::identified(bytes), "flax");
    }
}

proptest! {
    #[test]
    fn any_bytes_behind_a_key_keep_the_law(bytes in proptest::collection::vec(prop_oneof![0x80u8..0xe0, any::<u8>()], 0..200)) {
        crate::format::fuzz("flax", &[b"\x82\xa6params\xc7\x05\x01", &bytes[..]].concat());
    }
}
