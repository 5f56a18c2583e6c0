//! What is done to signed programs, and what signatures hide.

use super::Fixture::{Benign, Built};
use super::{Row, row};
use crate::build::macho::{Cpu, Fat, MachO};
use crate::build::pe::Pe;
use crate::build::signed::authenticode::Signing;
use crate::build::signed::codesign::{CodeSigning, TEAM, strange_attribute};
use crate::build::signed::{Hash, Message, Stamp, TIME_STAMPING, der, tamper_code};
use crate::build::tamper::TAMPERS;

const PE: &str = "signed PE image";
const MACHO: &str = "signed Mach-O image";

#[rustfmt::skip]
pub(super) static ROWS: &[Row] = &[
    row("code changed after signing", PE, ("signature-invalid", "digest"), Built("a byte of .text changed", || tampered("a byte of code changed")), Benign("pe-64-signed")),
    row("header changed after signing", PE, ("signature-invalid", "digest"), Built("another time in the COFF header", || tampered("the time in the header changed")), Benign("pe-64-signed")),
    row("bytes inserted before the certificate table", PE, ("signature-invalid", "digest"), Built("512 bytes and a moved table", || tampered("bytes inserted before the table")), Benign("pe-64-signed-overlay")),
    row("bytes behind the certificate table", PE, ("uncovered-bytes", ""), Built("512 bytes appended", || tampered("bytes appended to the file")), Benign("pe-64-signed")),
    row("table grown around appended bytes", PE, ("uncovered-bytes", ""), Built("64 bytes as another entry", || tampered("the table grown around appended bytes")), Benign("pe-64-signed")),
    row("certificate stuffing (CVE-2013-3900)", PE, ("uncovered-bytes", ""), Built("512 bytes behind the DER value", || tampered("512 bytes stuffed in the certificate's entry (CVE-2013-3900)")), Benign("pe-32-signed")),
    row("certificate stuffing (CVE-2013-3900)", PE, ("uncovered-bytes", "zeros"), Built("4096 zeros behind the DER value", || tampered("zeros stuffed in the certificate's entry")), Benign("pe-64-signed")),
    row("checksum changed after signing", PE, ("image-checksum", "signed"), Built("a bit of CheckSum changed", || tampered("the checksum changed")), Benign("pe-64-signed")),
    row("signature taken off", "PE image", ("image-checksum", ""), Built("no table, and the old CheckSum", || tampered("the signature taken off")), Benign("pe-64")),
    row("bytes hidden in the signature", PE, ("uncovered-bytes", ""), Built("an element after the signers that names a host", || signed(|m| m.stray = der::octets(b"https://stage-two.example.com/next"))), Benign("pe-64-signed")),
    row("bytes hidden in the signature", PE, ("uncovered-bytes", "message"), Built("an unsigned attribute that nobody knows", || signed(|m| m.unsigned.push(note()))), Benign("pe-64-signed")),
    row("signature by another key", PE, ("signature-invalid", "signer"), Built("a bit of the signature changed", || signed(|m| m.broken = true)), Benign("pe-64-signed")),
    row("time stamp of another signature", PE, ("signature-time", "broken"), Built("a token over other bytes", || signed(|m| m.stamp = Stamp::Foreign("20250601120000Z"))), Benign("pe-64-signed")),
    row("certificate for another purpose", PE, ("signature-unanchored", "purpose"), Built("a certificate for time stamps", || signed(|m| m.signer.purpose = TIME_STAMPING)), Benign("pe-64-signed")),
    row("page hashes of other pages", PE, ("signature-invalid", "page-hashes"), Built("the digest of the last page changed", || pages(true)), Built("page hashes", || pages(false))),
    row("code changed after signing", MACHO, ("signature-invalid", "digest"), Built("a byte of __text changed", || changed("a byte of code changed")), Built("the image as it was signed", sound)),
    row("code changed and digested anew", MACHO, ("signature-invalid", "code-directory"), Built("a byte of __text and the digest of its page", || changed("a byte of code changed, and its page digested anew")), Built("the image as it was signed", sound)),
    row("library added to the load commands", MACHO, ("signature-invalid", "digest"), Built("LC_LOAD_DYLIB behind the last load command", || changed("a library added to the load commands")), Built("the image as it was signed", sound)),
    row("library added and digested anew", MACHO, ("signature-invalid", "code-directory"), Built("LC_LOAD_DYLIB and the digest of the first page", || changed("a library added, and the first page digested anew")), Built("the image as it was signed", sound)),
    row("bytes hidden in the room for the signature", MACHO, ("uncovered-bytes", ""), Built("512 bytes behind the SuperBlob", || changed("512 bytes hidden behind the SuperBlob")), Built("the image as it was signed", sound)),
    row("bytes behind the signature", MACHO, ("uncovered-bytes", ""), Built("512 bytes appended", || changed("bytes appended to the file")), Built("the image as it was signed", sound)),
    row("another team", MACHO, ("signature-invalid", "team"), Built("a letter of the team changed", || changed("another team in the CodeDirectory")), Built("the image as it was signed", sound)),
    row("signer taken out", MACHO, ("signature-invalid", "emptied"), Built("an empty CMS message", || changed("the message emptied")), Built("the image as it was signed", sound)),
    row("signer taken out and ad-hoc claimed", MACHO, ("signature-invalid", "team"), Built("an empty CMS message and the flag adhoc", || changed("the message emptied, and the code said to be ad-hoc")), Built("the image as it was signed", sound)),
    row("signature by another key", MACHO, ("signature-invalid", "signer"), Built("a bit of the signature changed", || changed("a bit of the signer's signature flipped")), Built("the image as it was signed", sound)),
    row("requirements changed after signing", MACHO, ("signature-invalid", "special-slot"), Built("the last byte of the requirements", || changed("the requirements changed")), Built("the image as it was signed", sound)),
    row("counts and lengths that lie", MACHO, ("signature-invalid", "malformed"), Built("a SuperBlob longer than its room", || changed("the length of the SuperBlob said to be more than there is room for")), Built("the image as it was signed", sound)),
    row("code changed after signing", "ad-hoc signed Mach-O image", ("signature-invalid", "ad-hoc"), Built("a byte of the second page changed", patched), Benign("macho-arm64")),
    row("alternate CodeDirectory that nobody signed", MACHO, ("signature-invalid", "cdhashes"), Built("a CodeDirectory over SHA-256 that the message does not list", || alternates(false)), Built("two CodeDirectories, both listed", || alternates(true))),
    row("bytes hidden in the signature", MACHO, ("uncovered-bytes", ""), Built("an unsigned attribute that names a host", hidden), Built("the image as it was signed", sound)),
    row("team of a known publisher by another root", MACHO, ("signature-unanchored", "claimed"), Built("a certificate of our own that bears Anthropic's team", || by("Q6L2SF6YDW", Cpu::Arm64)), Built("the image as it was signed", sound)),
    row("images by different signers", "universal file", ("mixed-signers", ""), Built("an image of another team", || universal("OTHERTEAM1")), Built("two images of one team", || universal(TEAM))),
    row("images by different signers", "universal file", ("mixed-signers", "unsigned"), Built("an image that nobody signed", || universal("")), Built("two images of one team", || universal(TEAM))),
];

fn tampered(name: &str) -> Vec<u8> {
    let tamper = TAMPERS.iter().find(|t| t.name == name).expect("a tamper");
    (tamper.apply)(&Pe::signed(true).build()).expect("a built image has a place for it")
}

fn signed(change: fn(&mut Message)) -> Vec<u8> {
    Pe {
        signing: Some(Signing {
            change,
            ..Signing::default()
        }),
        ..Pe::new(true)
    }
    .build()
}

fn note() -> Vec<u8> {
    let text = der::octets(b"a note that nobody signed, of more than sixteen bytes");
    der::sequence(&[der::oid("1.2.3.4.5"), der::set(&[text])])
}

fn pages(wrong_page: bool) -> Vec<u8> {
    Pe {
        signing: Some(Signing {
            page_hashes: true,
            wrong_page,
            ..Signing::default()
        }),
        ..Pe::new(true)
    }
    .build()
}

fn image(cpu: Cpu) -> Vec<u8> {
    MachO {
        // Room for another load command.
        padding: vec![0; 64],
        ..MachO::new(cpu)
    }
    .build()
}

fn sound() -> Vec<u8> {
    CodeSigning::default().sign(&image(Cpu::Arm64))
}

fn changed(name: &str) -> Vec<u8> {
    let tamper = tamper_code::TAMPERS.iter().find(|t| t.name == name).expect("a tamper");
    (tamper.apply)(&sound()).expect("a built image has a place for it")
}

fn by(team: &'static str, cpu: Cpu) -> Vec<u8> {
    let signing = CodeSigning {
        team,
        unit: team,
        ..CodeSigning::default()
    };
    signing.sign(&image(cpu))
}

fn patched() -> Vec<u8> {
    let mut bytes = image(Cpu::Arm64);
    bytes[0x1000] ^= 1;
    bytes
}

fn alternates(listed: bool) -> Vec<u8> {
    let signing = CodeSigning {
        hashes: vec![Hash::Sha1, Hash::Sha256],
        listed,
        ..CodeSigning::default()
    };
    signing.sign(&image(Cpu::Arm64))
}

fn hidden() -> Vec<u8> {
    let signing = CodeSigning {
        change: |message| {
            message
                .unsigned
                .push(strange_attribute(b"https://stage-two.example.com/next"))
        },
        ..CodeSigning::default()
    };
    signing.sign(&image(Cpu::Arm64))
}

/// An image for x86-64 by `team`, or by nobody, beside one by the team of the fixtures.
fn universal(team: &'static str) -> Vec<u8> {
    let other = if team.is_empty() {
        image(Cpu::X86_64)
    } else {
        by(team, Cpu::X86_64)
    };
    Fat {
        slices: vec![(Cpu::X86_64, 12, other), (Cpu::Arm64, 14, sound())],
        ..Fat::new(false)
    }
    .build()
}
