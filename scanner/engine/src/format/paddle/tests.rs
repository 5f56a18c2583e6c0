//! PaddlePaddle: programs and parameters.

use super::{Paddle, Params};
use crate::fact::Fact;
use crate::finding::code;
use crate::format::proto::tests::{check_clean, check_laws, found, identified, map, scan};
use crate::format::{Parse, fuzz};
use probity_tests::build::graphs::{paddle, paddle_params};
use probity_tests::build::protobuf::Proto;
use proptest::prelude::*;

#[test]
fn a_program_claims_every_byte() {
    let out = check_clean(&Paddle, &paddle(&["feed", "matmul_v2"]).0);
    assert_eq!(
        map(&out),
        "0 26 table block\n26 16 table operator feed\n42 21 table operator matmul_v2\n63 4 table program\n"
    );
}

#[test]
fn operators_that_reach_outside_are_told() {
    let check = |operator: &str, expected: &[&str]| {
        assert_eq!(scan(&paddle(&["feed", operator]).0).2, expected, "{operator}");
    };
    check("softmax", &[]);
    check("py_func", &["unsafe-operator code"]);
    check("load_combine", &["unsafe-operator read"]);
    check("save", &["unsafe-operator write"]);
    check("listen_and_serv", &["unsafe-operator network"]);
}

#[test]
fn parameters_claim_every_byte() {
    let bytes = paddle_params(&[&[4, 3], &[3]]);
    let out = check_clean(&Params, &bytes);
    assert_eq!(
        map(&out),
        "0 26 header tensor 0\n26 48 tensor elements of tensor 0\n74 24 header tensor 1\n98 12 tensor elements of tensor 1\n"
    );
    assert_eq!(
        out.facts().iter().filter(|f| matches!(f, Fact::Tensor { .. })).count(),
        2
    );
    let code = |bytes: &[u8]| found(&Parse::of_bytes(&Params, bytes));
    let mut version = bytes.clone();
    version[74] = 1;
    assert_eq!(code(&version), [(code::MALFORMED, "-")]);
    let mut huge = paddle_params(&[&[4, 3]]);
    let description = Proto::new().number(1, 5).number(2, 1 << 62).number(2, 1 << 62).0;
    huge.extend([0; 16]);
    huge.extend(u32::try_from(description.len()).unwrap().to_le_bytes());
    huge.extend(&description);
    assert_eq!(code(&huge), [(code::MALFORMED, "crash")]);
    assert_eq!(code(&bytes[..100]), [(code::TRUNCATED, "-")]);
    assert_eq!(identified(&Params, &[0; 64]), None);
}

#[test]
fn no_cut_is_silent_and_no_change_panics() {
    check_laws(&Params, &paddle_params(&[&[4, 3], &[3]]), |end| [0, 74].contains(&end));
    let bytes = paddle(&["feed", "softmax"]).0;
    let whole = bytes.len() - 4;
    check_laws(&Paddle, &bytes, |end| [0, whole].contains(&end));
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        fuzz("paddle", &bytes);
        fuzz("paddle-params", &[&[0; 16][..], &bytes].concat());
        prop_assert!(identified(&Paddle, &bytes).is_none());
    }
}
