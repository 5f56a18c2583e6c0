//! What is done to signed programs, and what signatures hide.

use super::Fixture::{Benign, Built};
use super::{Row, row};
use crate::build::pe::Pe;
use crate::build::signed::authenticode::Signing;
use crate::build::signed::{Message, Stamp, TIME_STAMPING, der};
use crate::build::tamper::TAMPERS;

const PE: &str = "signed PE image";

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
