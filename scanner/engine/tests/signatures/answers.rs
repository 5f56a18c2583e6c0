//! What is said of sound signatures, and of those whose signer, chain or time is not.

use crate::common::{answers, said, scan};
use probity_engine::verify::{Answer, ChainAnswer};
use probity_tests::build::pe::Pe;
use probity_tests::build::signed::authenticode::Signing;
use probity_tests::build::signed::{CODE_SIGNING, Certificate, Hash, Message, Stamp, TIME_STAMPING, der};

type Change = fn(&mut Message);

fn image(signing: Signing) -> Vec<u8> {
    Pe {
        signing: Some(signing),
        ..Pe::new(true)
    }
    .build()
}

fn changed(change: Change) -> Vec<u8> {
    image(Signing {
        change,
        ..Signing::default()
    })
}

#[test]
fn a_sound_signature_gets_four_answers_and_covers_all_but_what_its_scheme_leaves_out() {
    for plus in [true, false] {
        let bytes = Pe::signed(plus).build();
        let (table, size) = probity_tests::build::pe::security_directory(&bytes);
        assert_eq!(table as usize + size as usize, bytes.len());
        let found = scan(bytes, true);
        assert_eq!(
            answers(&found, 0),
            (Answer::Yes, ChainAnswer::Anchored, Some("2025-06-01T12:00:00Z"))
        );
        let signature = &found.signatures[0];
        assert_eq!(signature.scheme, "authenticode");
        assert_eq!(
            signature.signer.as_deref(),
            Some("CN=Probity Test Publisher, O=Probity\\, Tests")
        );
        assert_eq!(signature.anchor.as_deref(), Some("Probity Test Root"));
        assert_eq!(signature.time.as_ref().unwrap().authority, "Probity Test Clock");
        assert_eq!(signature.covered, u64::from(table) - 12);
        assert_eq!(found.bytes.covered, Some(u64::from(table) - 12));
        assert_eq!(found.bytes.excluded, Some(u64::from(size) + 12));
        assert_eq!(found.bytes.uncovered, Some(0));
        assert_eq!(said(&found), Vec::<String>::new());
    }
}

#[test]
fn an_unsigned_image_is_neither_covered_nor_uncovered() {
    let found = scan(Pe::new(true).build(), true);
    assert!(found.signatures.is_empty());
    assert_eq!((found.bytes.covered, found.bytes.uncovered), (None, None));
    assert_eq!(said(&found), Vec::<String>::new());
}

#[test]
fn an_overlay_before_the_table_is_covered() {
    let bytes = Pe {
        overlay: b"an overlay the signature covers\n".to_vec(),
        ..Pe::signed(true)
    }
    .build();
    let found = scan(bytes, true);
    assert_eq!(found.bytes.uncovered, Some(0));
    assert_eq!(said(&found), ["trailing-bytes overlay"]);
}

#[test]
fn a_root_that_nobody_knows_leaves_the_signature_intact_and_unanchored() {
    let found = scan(Pe::signed(true).build(), false);
    assert_eq!(
        answers(&found, 0),
        (Answer::Yes, ChainAnswer::Unanchored, Some("2025-06-01T12:00:00Z"))
    );
    assert_eq!(said(&found), ["signature-unanchored"]);
}

#[test]
fn every_digest_is_computed() {
    for (hash, expected) in [
        (Hash::Sha1, vec!["signature-weak", "signature-weak"]),
        (Hash::Sha256, vec![]),
        (Hash::Sha384, vec![]),
        (Hash::Sha512, vec![]),
    ] {
        let found = scan(
            image(Signing {
                hash,
                ..Signing::default()
            }),
            true,
        );
        assert_eq!(found.signatures[0].intact, Answer::Yes, "{hash:?}");
        assert_eq!(said(&found), expected, "{hash:?}");
    }
}

#[test]
fn a_nested_signature_is_verified_by_itself_and_softens_a_weak_one() {
    let found = scan(
        image(Signing {
            hash: Hash::Sha1,
            nested: Some(Hash::Sha256),
            ..Signing::default()
        }),
        true,
    );
    let seen: Vec<_> = found
        .signatures
        .iter()
        .map(|s| (s.nested, s.digest, s.intact))
        .collect();
    assert_eq!(
        seen,
        [(false, Some("sha1"), Answer::Yes), (true, Some("sha256"), Answer::Yes)]
    );
    assert_eq!(said(&found), ["signature-weak beside", "signature-weak beside"]);
    assert_eq!(found.bytes.uncovered, Some(0));
}

#[test]
fn page_hashes_are_held_against_the_pages() {
    let signing = |wrong_page| Signing {
        page_hashes: true,
        wrong_page,
        ..Signing::default()
    };
    let large = |signing| Pe {
        text: vec![0xcc; 9000],
        signing: Some(signing),
        ..Pe::new(true)
    };
    assert_eq!(said(&scan(large(signing(false)).build(), true)), Vec::<String>::new());
    let found = scan(large(signing(true)).build(), true);
    assert_eq!(said(&found), ["signature-invalid page-hashes"]);
}

#[test]
fn countersignatures_of_both_kinds_say_when() {
    let found = scan(changed(|m| m.stamp = Stamp::Counter("250301000000Z")), true);
    assert_eq!(
        answers(&found, 0),
        (Answer::Yes, ChainAnswer::Anchored, Some("2025-03-01T00:00:00Z"))
    );
    assert_eq!(found.signatures[0].countersignatures[0].kind, "pkcs9");
    assert_eq!(said(&found), Vec::<String>::new());
    let found = scan(changed(|m| m.stamp = Stamp::None), true);
    assert_eq!(answers(&found, 0), (Answer::Yes, ChainAnswer::Anchored, None));
    assert_eq!(said(&found), ["signature-time none"]);
    // A token that is about another signature says nothing of this one.
    let found = scan(changed(|m| m.stamp = Stamp::Foreign("20250601120000Z")), true);
    assert_eq!(answers(&found, 0), (Answer::Yes, ChainAnswer::Anchored, None));
    assert_eq!(said(&found), ["signature-time broken", "signature-time none"]);
}

#[test]
fn a_chain_is_judged_at_the_time_of_the_countersignature() {
    let found = scan(changed(|m| m.stamp = Stamp::Token("20300101000000Z")), true);
    assert_eq!(found.signatures[0].chain, ChainAnswer::Unanchored);
    assert!(said(&found).contains(&"signature-unanchored expired".to_owned()));
}

#[test]
fn certificates_are_judged_by_what_they_are_for_and_who_made_them() {
    let cases: [(&str, Change, &str); 6] = [
        (
            "for time stamps",
            |m| m.signer.purpose = TIME_STAMPING,
            "signature-unanchored purpose",
        ),
        ("forged", |m| m.signer.forged = true, "signature-unanchored broken"),
        (
            "with a critical extension that nobody knows",
            |m| m.signer.unknown_critical = true,
            "signature-unanchored broken",
        ),
        (
            "signed by itself",
            |m| {
                m.signer = Certificate {
                    purpose: CODE_SIGNING,
                    subject: "Probity Test Publisher",
                    issuer: "Probity Test Publisher",
                    ..Certificate::leaf()
                }
            },
            "signature-unanchored self-signed",
        ),
        (
            "issued by a publisher",
            |m| {
                m.certificates.push(Certificate::leaf().build());
                m.signer = Certificate {
                    subject: "Probity Test Impostor",
                    issuer: "Probity Test Publisher",
                    serial: 9,
                    ..Certificate::leaf()
                }
            },
            "signature-unanchored broken",
        ),
        (
            "of an issuer that is not there",
            |m| m.signer.issuer = "Nobody",
            "signature-unanchored",
        ),
    ];
    for (what, change, expected) in cases {
        let found = scan(changed(change), true);
        assert_eq!(found.signatures[0].intact, Answer::Yes, "{what}");
        assert_eq!(found.signatures[0].chain, ChainAnswer::Unanchored, "{what}");
        assert!(
            said(&found).contains(&expected.to_owned()),
            "{what}: {:?}",
            said(&found)
        );
    }
}

#[test]
fn a_root_of_the_same_name_by_another_hand_is_not_the_root() {
    // The signature brings a root of its own: it is never trusted for it.
    let found = scan(Pe::signed(true).build(), false);
    assert_eq!(found.signatures[0].chain, ChainAnswer::Unanchored);
    let anchor = found.signatures[0].anchor.clone().unwrap();
    assert!(anchor.contains("Probity Test"), "{anchor}");
}

#[test]
fn what_the_signer_did_not_sign_is_told() {
    let cases: [(Change, &str); 3] = [
        (|m| m.wrong_digest = true, "signature-invalid signer"),
        (|m| m.broken = true, "signature-invalid signer"),
        (|m| m.signers = 2, "signature-invalid malformed"),
    ];
    for (change, expected) in cases {
        let found = scan(changed(change), true);
        assert_eq!(found.signatures[0].intact, Answer::No);
        assert!(said(&found).contains(&expected.to_owned()), "{:?}", said(&found));
        assert_eq!(found.bytes.covered, Some(0));
    }
}

#[test]
fn what_hides_inside_the_message_is_covered_by_nothing() {
    let attribute = |m: &mut Message| {
        let hidden = der::octets(b"a note that nobody signed, of more than sixteen bytes");
        m.unsigned
            .push(der::sequence(&[der::oid("1.2.3.4.5"), der::set(&[hidden])]));
    };
    let found = scan(changed(attribute), true);
    assert_eq!(found.signatures[0].intact, Answer::Yes);
    assert_eq!(said(&found), ["uncovered-bytes message"]);
    let stray = |m: &mut Message| m.stray = der::octets(b"get it from https://stage-two.example.com/next");
    let found = scan(changed(stray), true);
    assert_eq!(said(&found), ["uncovered-bytes"]);
    let stranger = |m: &mut Message| {
        m.certificates.push(
            Certificate {
                subject: "A stranger",
                issuer: "Another",
                ..Certificate::leaf()
            }
            .build(),
        );
    };
    let found = scan(changed(stranger), true);
    assert_eq!(said(&found), ["uncovered-bytes message"]);
}
