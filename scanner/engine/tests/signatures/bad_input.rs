//! Signatures that lie about themselves: bounded, never a panic, and never good.

use crate::common::{said, scan};
use probity_engine::verify::Answer;
use probity_tests::build::pe::{Pe, security_directory};
use probity_tests::build::signed::der::{element, explicit, integer, oid, sequence, set};

fn with(certificate: Vec<u8>) -> Vec<u8> {
    Pe {
        certificate: Some(certificate),
        ..Pe::new(true)
    }
    .build()
}

fn message(signers: &[Vec<u8>], certificates: &[Vec<u8>]) -> Vec<u8> {
    let content = sequence(&[oid("1.3.6.1.4.1.311.2.1.4"), explicit(0, &[sequence(&[])])]);
    let signed = sequence(&[
        integer(&[1]),
        set(&[]),
        content,
        explicit(0, certificates),
        set(signers),
    ]);
    sequence(&[oid("1.2.840.113549.1.7.2"), explicit(0, &[signed])])
}

#[test]
fn thousands_of_signers_or_certificates_are_a_bound_that_is_told() {
    let nothing = sequence(&[]);
    for bytes in [
        message(&vec![nothing.clone(); 5000], &[]),
        message(&[], &vec![nothing; 5000]),
    ] {
        let found = scan(with(bytes), true);
        assert_ne!(found.signatures[0].intact, Answer::Yes);
        let told = !found.complete || said(&found).iter().any(|f| f.starts_with("signature-invalid"));
        assert!(told, "{:?}", said(&found));
    }
}

#[test]
fn a_message_without_signers_signs_nothing() {
    let found = scan(with(message(&[], &[])), true);
    assert_eq!(found.signatures[0].intact, Answer::No);
    assert!(said(&found).contains(&"signature-invalid malformed".to_owned()));
}

#[test]
fn nesting_without_end_is_a_broken_rule() {
    let mut bomb = vec![0x30, 0x00];
    for _ in 0..20_000 {
        bomb = element(0x30, &bomb);
        if bomb.len() > 60_000 {
            break;
        }
    }
    let found = scan(with(bomb), true);
    assert_ne!(found.signatures[0].intact, Answer::Yes);
    assert!(!found.findings.is_empty() || !found.errors.is_empty());
}

#[test]
fn no_change_of_a_byte_of_the_table_makes_a_panic_or_hides_itself() {
    let image = Pe::signed(true).build();
    let (table, size) = security_directory(&image);
    let (table, end) = (table as usize, table as usize + size as usize);
    let quiet = |found: &probity_engine::artifact::Artifact| found.findings.is_empty() && found.errors.is_empty();
    let mut silent = Vec::new();
    // Every byte of the entry's header and of the message's frame, then some of the rest.
    let places = (table..table + 120).chain((table + 120..end).step_by(97));
    for at in places {
        for change in [0x01u8, 0x80, 0xff] {
            let mut bytes = image.clone();
            bytes[at] ^= change;
            let found = scan(bytes, true);
            if quiet(&found) {
                silent.push((at - table, change));
            }
        }
    }
    // The checksum is over the table too: whatever else a change does, it is told.
    assert!(silent.is_empty(), "{silent:?}");
}

#[test]
fn a_file_cut_anywhere_in_its_table_is_not_intact() {
    let image = Pe::signed(true).build();
    let (table, _) = security_directory(&image);
    for end in (table as usize..image.len()).step_by(61) {
        let found = scan(image[..end].to_vec(), true);
        assert!(
            !found
                .signatures
                .iter()
                .any(|s| s.intact == Answer::Yes && end < image.len() - 7),
            "{end}"
        );
        assert!(!found.findings.is_empty(), "{end}");
    }
}
