//! What is said of images that are signed by a key of our own, and of those that were tampered with.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::panic,
    reason = "tests compute with small numbers, and stop where one is not what they expect"
)]

use super::super::{Answer, ChainAnswer, Signature, TrustStore};
use crate::artifact::Artifact;
use crate::pipeline::{Options, Scanner};
use probity_tests::build::macho::{Cpu, Fat, MachO};
use probity_tests::build::signed::codesign::{CodeSigning, TEAM, blob, strange_attribute, super_blob};
use probity_tests::build::signed::tamper_code::TAMPERS;
use probity_tests::build::signed::{Certificate, Hash, Message, Stamp};
use proptest::prelude::*;
use std::sync::Arc;

/// Scans an image; the root of the fixtures is known. The root's artifact comes first.
fn scan_all(bytes: Vec<u8>) -> Vec<Artifact> {
    let mut trust = (*TrustStore::built_in()).clone();
    trust.add(&Certificate::root().build()).unwrap();
    let options = Options {
        jobs: 1,
        trust: Arc::new(trust),
        ..Options::default()
    };
    let report = Scanner::new(options).unwrap().scan_bytes("image", bytes);
    for artifact in &report.artifacts {
        if let Some(coverage) = &artifact.coverage {
            let (covered, excluded, uncovered) = coverage.counts();
            assert_eq!(covered + excluded + uncovered, artifact.size, "the law of coverage");
        }
    }
    report.artifacts
}

fn scan(bytes: Vec<u8>) -> Artifact {
    scan_all(bytes).remove(0)
}

fn said(artifact: &Artifact) -> Vec<String> {
    let findings = artifact.findings.iter().map(|j| &j.finding);
    let found = findings.map(|f| {
        f.case
            .map_or_else(|| f.code.to_owned(), |case| format!("{} {case}", f.code))
    });
    found.collect()
}

fn image() -> Vec<u8> {
    MachO {
        // Room for another load command, and several pages.
        text: vec![0x1f; 40_000],
        padding: vec![0; 64],
        ..MachO::new(Cpu::Arm64)
    }
    .build()
}

fn signed(change: impl FnOnce(&mut CodeSigning)) -> Vec<u8> {
    let mut signing = CodeSigning::default();
    change(&mut signing);
    signing.sign(&image())
}

fn only(artifact: &Artifact) -> &Signature {
    let [signature] = artifact.signatures.as_slice() else {
        panic!("one signature: {:?}", artifact.signatures);
    };
    signature
}

fn sound(bytes: Vec<u8>) -> Artifact {
    let found = scan(bytes);
    assert_eq!(said(&found), [""; 0]);
    assert_eq!(only(&found).intact, Answer::Yes, "{:?}", only(&found).reason);
    assert_eq!(found.bytes.uncovered, Some(0));
    assert!(found.errors.is_empty(), "{:?}", found.errors);
    found
}

#[test]
fn a_signature_by_a_certificate_gets_four_answers_and_covers_all_but_its_own_frame() {
    let found = sound(signed(|s| {
        s.entitlements = b"<plist><dict><key>com.a</key><true/></dict></plist>"
    }));
    let signature = only(&found);
    assert_eq!(signature.scheme, "codesign");
    assert_eq!(signature.chain, ChainAnswer::Anchored);
    assert_eq!(
        signature.signer.as_deref(),
        Some("CN=Probity Test Publisher, OU=PROBITY001, O=Probity\\, Tests")
    );
    assert_eq!(signature.time.as_ref().unwrap().at, "2025-06-01T12:00:00Z");
    // A root that is not Apple's assigns no teams.
    assert_eq!(signature.publisher, None);
    let code = signature.code.as_ref().unwrap();
    assert_eq!(
        (code.kind, code.identifier.as_str()),
        ("certificate", "com.example.fixture")
    );
    assert_eq!(
        (code.team.as_deref(), code.runtime.as_deref()),
        (Some(TEAM), Some("14.0.0"))
    );
    assert_eq!((code.flags.as_slice(), code.page), (&["runtime".to_owned()][..], 4096));
    assert_eq!(
        (code.entitlements.as_slice(), code.cdhash.len()),
        (&["com.a".to_owned()][..], 20)
    );
    let reasons: Vec<_> = found
        .coverage
        .as_ref()
        .unwrap()
        .excluded()
        .iter()
        .map(|(_, why)| *why)
        .collect();
    let expected = [
        "index of the SuperBlob",
        "CMS wrapper",
        "CMS message",
        "room for the signature",
    ];
    assert_eq!(reasons, expected);
}

#[test]
fn ad_hoc_and_linker_signed_are_told_apart_and_prove_no_identity() {
    let cases = [
        (CodeSigning::ad_hoc(), "ad-hoc", "ad-hoc"),
        (CodeSigning::linker(), "linker-signed", "ad-hoc, linker-signed"),
    ];
    for (signing, kind, signer) in cases {
        let found = sound(signing.sign(&image()));
        let signature = only(&found);
        assert_eq!(signature.signer.as_deref(), Some(signer));
        assert_eq!(signature.code.as_ref().unwrap().kind, kind);
        assert_eq!((signature.chain, &signature.time), (ChainAnswer::Unknown, &None));
    }
}

#[test]
fn digests_page_sizes_and_alternates_that_systems_know_are_verified() {
    let hashes: &[&[Hash]] = &[
        &[Hash::Sha256],
        &[Hash::Sha384],
        &[Hash::Sha1, Hash::Sha256],
        &[Hash::Sha1, Hash::Sha256, Hash::Sha384],
    ];
    for hashes in hashes {
        for page in [0, 12, 14] {
            for indefinite in [false, true] {
                let found = scan(signed(|s| {
                    s.hashes = hashes.to_vec();
                    s.page = page;
                    s.indefinite = indefinite;
                }));
                assert_eq!(said(&found), [""; 0], "{hashes:?} {page}");
                assert_eq!(only(&found).intact, Answer::Yes);
                assert_eq!(found.bytes.uncovered, Some(0));
            }
        }
    }
    let weak = scan(signed(|s| s.hashes = vec![Hash::Sha1]));
    assert_eq!(said(&weak), ["signature-weak"]);
}

#[test]
fn every_way_of_tampering_is_named() {
    let original = signed(|_| {});
    sound(original.clone());
    for tamper in TAMPERS {
        let bytes = (tamper.apply)(&original).unwrap_or_else(|| panic!("{}: no place", tamper.name));
        assert_ne!(bytes, original, "{}", tamper.name);
        let found = scan(bytes);
        let (code, case) = tamper.told;
        let told = format!("{code} {case}");
        assert!(
            said(&found).contains(&told.trim_end().to_owned()),
            "{}: {:?}",
            tamper.name,
            said(&found)
        );
        assert_eq!(only(&found).intact == Answer::Yes, tamper.intact, "{}", tamper.name);
        assert!(!tamper.intact || found.bytes.uncovered > Some(0), "{}", tamper.name);
    }
}

#[test]
fn an_added_library_is_told_with_its_page_and_what_it_hit() {
    let inject = TAMPERS
        .iter()
        .find(|t| t.name == "a library added to the load commands")
        .unwrap();
    let found = scan((inject.apply)(&signed(|_| {})).unwrap());
    let finding = found
        .findings
        .iter()
        .map(|j| &j.finding)
        .find(|f| f.case == Some("digest"))
        .unwrap();
    assert!(
        finding
            .message
            .starts_with("1 of 13 pages of 4096 bytes are not those that were signed, by sha256: 0; ")
    );
    assert!(finding.message.ends_with(
        "the first holds the header and the load commands, of which LC_LOAD_DYLIB /data/added.dylib stands behind LC_CODE_SIGNATURE"
    ));
    assert_eq!((finding.span.start(), finding.span.len()), (0, 4096));
}

#[test]
fn changes_without_a_certificate_are_told_too() {
    let mut bytes = CodeSigning::ad_hoc().sign(&image());
    bytes[0x1000] ^= 1;
    assert_eq!(said(&scan(bytes)), ["signature-invalid ad-hoc"]);
    let team = CodeSigning {
        team: TEAM,
        ..CodeSigning::ad_hoc()
    };
    assert_eq!(said(&scan(team.sign(&image()))), ["signature-invalid team"]);
}

#[test]
fn a_codedirectory_that_the_signer_did_not_list_is_nobodys() {
    let two = vec![Hash::Sha1, Hash::Sha256];
    let unlisted = scan(signed(|s| (s.hashes, s.listed) = (two, false)));
    assert_eq!(said(&unlisted), ["signature-invalid cdhashes"]);
    // Of one CodeDirectory nothing had to be listed before 2016.
    sound(signed(|s| s.listed = false));
}

#[test]
fn what_the_message_carries_besides_is_uncovered() {
    const ATTRIBUTE: &[u8] = b"https://hidden.example.com/payload";
    for indefinite in [false, true] {
        let found = scan(signed(|s| {
            s.indefinite = indefinite;
            s.change = |message| message.unsigned.push(strange_attribute(ATTRIBUTE));
        }));
        assert_eq!(
            said(&found),
            ["uncovered-bytes"],
            "a host in the signature is a host in uncovered bytes"
        );
        assert_eq!(found.bytes.uncovered, Some(strange_attribute(ATTRIBUTE).len() as u64));
    }
    let ticket = scan(signed(|s| s.ticket = b"s8ch\x01\0\0\0"));
    assert_eq!((said(&ticket).len(), ticket.bytes.uncovered), (0, Some(0)));
    assert!(only(&ticket).code.as_ref().unwrap().ticket);
    let other = scan(signed(|s| s.ticket = b"a ticket that nobody knows"));
    assert_eq!(other.bytes.uncovered, Some(34));
}

#[test]
fn signers_that_do_not_hold_are_told() {
    type Case = (fn(&mut Message), &'static [&'static str]);
    let cases: &[Case] = &[
        (|m| m.broken = true, &["signature-invalid signer"]),
        (|m| m.wrong_digest = true, &["signature-invalid code-directory"]),
        (|m| m.signers = 2, &["signature-invalid malformed"]),
        (|m| m.stamp = Stamp::None, &["signature-time none"]),
        (|m| m.signer.forged = true, &["signature-unanchored broken"]),
        (|m| m.signer.unit = "OTHER", &["signature-invalid team"]),
    ];
    for (change, expected) in cases {
        let found = scan(signed(|s| s.change = *change));
        assert_eq!(said(&found), *expected);
    }
}

#[test]
fn a_known_team_by_a_root_that_is_not_apples_is_a_claim() {
    // The root of the fixtures is known: it vouches for a publisher, and assigns no teams.
    let found = scan(signed(|s| (s.team, s.unit) = ("Q6L2SF6YDW", "Q6L2SF6YDW")));
    assert_eq!(said(&found), ["signature-unanchored claimed"]);
    assert_eq!((only(&found).intact, &only(&found).publisher), (Answer::Yes, &None));
    assert!(!only(&found).meets("apple:Q6L2SF6YDW"));
}

#[test]
fn thousands_of_signers_are_a_limit_with_a_place() {
    // Each with its own time stamp they are more than is read at all.
    type Case = (fn(&mut Message), &'static str);
    let cases: [Case; 2] = [
        (|m| (m.signers, m.stamp) = (3000, Stamp::None), "more than 16 signers"),
        (|m| m.signers = 3000, "more than 4 MiB"),
    ];
    for (change, expected) in cases {
        let found = scan(signed(|s| s.change = change));
        assert_eq!(only(&found).intact, Answer::Unknown);
        let [error] = found.errors.as_slice() else {
            panic!("one error: {:?}", found.errors);
        };
        assert!(
            error.message.contains(expected) && error.offset.is_some(),
            "{}",
            error.message
        );
    }
}

#[test]
fn values_that_nest_without_end_are_a_broken_message() {
    for bomb in [
        [0x30, 0x80].repeat(100_000),
        vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
        vec![0x1f; 64],
    ] {
        let mut bytes = signed(|_| {});
        let at = probity_tests::build::bytes::find(&bytes, &[0xfa, 0xde, 0x0c, 0xc0]).unwrap();
        let old = super::SuperBlob::parse(bytes[at..].to_vec(), 0);
        assert!(old.is_ok(), "the fixture is sound");
        let blobs: Vec<(u32, Vec<u8>)> = old
            .as_ref()
            .map(|old| {
                let all = old.blobs.iter();
                all.map(|b| {
                    let content = if b.slot == super::blob::CMS {
                        bomb.clone()
                    } else {
                        old.content(b).to_vec()
                    };
                    (b.slot, blob(b.magic, &content))
                })
                .collect()
            })
            .unwrap_or_default();
        bytes.truncate(at);
        bytes.extend(super_blob(&blobs));
        super::fuzz(&bytes[at..]);
    }
}

#[test]
fn what_is_sealed_outside_the_blobs_is_looked_at_where_it_is_there() {
    // The list of a bundle lies in another file.
    sound(signed(|s| s.info_plist = b"<plist/>".to_vec()));
    // One inside the image can be another than the bundle's.
    let mut base = image();
    let at = probity_tests::build::bytes::find(&base, b"__text\0\0\0\0\0\0\0\0\0\0__TEXT\0").unwrap();
    base[at..at + 16].copy_from_slice(b"__info_plist\0\0\0\0");
    base[at + 64..at + 68].fill(0);
    let same = CodeSigning {
        info_plist: vec![0x1f; 40_000],
        ..CodeSigning::default()
    };
    let about = |found: &Artifact| {
        said(found)
            .into_iter()
            .filter(|s| s.starts_with("signature"))
            .collect::<Vec<_>>()
    };
    assert_eq!(about(&scan(same.sign(&base))), [""; 0]);
    let other = CodeSigning {
        info_plist: b"<plist/>".to_vec(),
        ..CodeSigning::default()
    };
    let found = scan(other.sign(&base));
    assert_eq!(about(&found), ["signature-invalid info-plist"]);
    assert_eq!(only(&found).intact, Answer::Yes);
}

#[test]
fn each_image_of_a_universal_file_has_its_own_signature() {
    let arm = signed(|_| {});
    let intel = CodeSigning::ad_hoc().sign(&MachO::new(Cpu::X86_64).build());
    let fat = Fat {
        slices: vec![(Cpu::X86_64, 12, intel), (Cpu::Arm64, 14, arm)],
        ..Fat::new(false)
    };
    let all = scan_all(fat.build());
    assert_eq!(said(&all[0]), ["mixed-signers unsigned"]);
    let kinds: Vec<_> = all
        .iter()
        .flat_map(|a| &a.signatures)
        .map(|s| (s.intact, s.code.as_ref().unwrap().kind))
        .collect();
    assert_eq!(kinds, [(Answer::Yes, "ad-hoc"), (Answer::Yes, "certificate")]);
}

#[test]
fn images_of_one_universal_file_that_differ_in_their_signer_are_told() {
    let by = |team: &'static str, identifier: &'static str| CodeSigning {
        team,
        unit: team,
        identifier,
        ..CodeSigning::default()
    };
    let intel = MachO::new(Cpu::X86_64).build();
    let fat = |first: Vec<u8>, second: Vec<u8>| {
        let slices = vec![(Cpu::X86_64, 12, first), (Cpu::Arm64, 14, second)];
        let whole = Fat {
            slices,
            ..Fat::new(false)
        };
        let mut found = said(&scan(whole.build()));
        // The images differ in more than their signers.
        found.retain(|f| !f.starts_with("unusual-structure"));
        found
    };
    let arm = by(TEAM, "a").sign(&image());
    assert_eq!(fat(by(TEAM, "another").sign(&intel), arm.clone()), [""; 0]);
    assert_eq!(fat(by("OTHERTEAM1", "a").sign(&intel), arm), ["mixed-signers"]);
    let linked = CodeSigning::linker().sign(&image());
    let bare = MachO {
        signed: false,
        ..MachO::new(Cpu::X86_64)
    };
    assert_eq!(fat(bare.build(), linked), [""; 0]);
}

#[test]
fn a_signature_cut_or_changed_at_any_byte_is_survived() {
    let whole = CodeSigning {
        hashes: vec![Hash::Sha1, Hash::Sha256],
        ..CodeSigning::default()
    }
    .sign(&MachO::new(Cpu::Arm64).build());
    let at = probity_tests::build::bytes::find(&whole, &[0xfa, 0xde, 0x0c, 0xc0]).unwrap();
    let signature = &whole[at..];
    for end in 0..signature.len() {
        super::fuzz(&signature[..end]);
    }
    for place in 0..signature.len().min(1200) {
        for change in [0x00, 0xff] {
            let mut changed = signature.to_vec();
            changed[place] = change;
            super::fuzz(&changed);
        }
    }
}

proptest! {
    #[test]
    fn random_bytes_behind_the_magic_number_are_survived(rest in prop::collection::vec(any::<u8>(), 0..400)) {
        super::fuzz(&[&[0xfa, 0xde, 0x0c, 0xc0][..], &rest].concat());
    }
}
