//! Payloads written into every plane, and found again however the bytes are cut.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "tests compute places in buffers of their own"
)]

use super::*;
use proptest::prelude::*;

const ELF: &[u8] = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0 and what follows";
const GZIP: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\x4c\x4a\x06\0\xc2\x41\x24\x35\x03\0\0\0";

/// Weights as no model has them: a step of a counter, mixed.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x1234_5678_9abc_def0u64;
    let mut out = Vec::with_capacity(length);
    while out.len() < length {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        out.extend_from_slice(&(state >> 33).to_le_bytes()[..4]);
    }
    out.truncate(length);
    out
}

/// Writes `payload` into the plane of `carrier`, from `element` on.
fn plant(bytes: &mut [u8], width: usize, big: bool, element: usize, carrier: Carrier, payload: &[u8]) {
    let place = |element: usize, significance: usize| {
        element * width + if big { width - 1 - significance } else { significance }
    };
    match carrier {
        Carrier::Raw => bytes[element * width..][..payload.len()].copy_from_slice(payload),
        Carrier::Bytes { low, high_first } => {
            let low = usize::from(low);
            for (at, byte) in payload.iter().enumerate() {
                let nth = if high_first { low - 1 - at % low } else { at % low };
                bytes[place(element + at / low, nth)] = *byte;
            }
        }
        Carrier::Bits { low, high_first } => {
            let per = 8 / usize::from(low);
            let mask = (1u16 << low) as u8 - 1;
            for (at, byte) in payload.iter().enumerate() {
                for part in 0..per {
                    let shift = usize::from(low) * if high_first { per - 1 - part } else { part };
                    let slot = &mut bytes[place(element + at * per + part, 0)];
                    *slot = *slot & !mask | (byte >> shift) & mask;
                }
            }
        }
    }
}

fn hits(bytes: &[u8], width: usize, big: bool, tile: usize) -> Vec<PayloadHit> {
    let mut search = PayloadSearch::new(width, big);
    for piece in bytes.chunks(tile) {
        search.feed(piece);
    }
    search.finish().0
}

fn carriers(width: usize) -> Vec<Carrier> {
    let mut all = vec![Carrier::Raw];
    if width > 1 {
        all.push(Carrier::Bytes {
            low: 1,
            high_first: false,
        });
    }
    for low in 2..=width {
        for high_first in [false, true] {
            if low < width {
                all.push(Carrier::Bytes {
                    low: low as u8,
                    high_first,
                });
            }
        }
    }
    for low in [1, 2, 4] {
        for high_first in [false, true] {
            all.push(Carrier::Bits { low, high_first });
        }
    }
    all
}

#[test]
fn a_payload_is_found_in_every_plane_at_any_element() {
    for (width, big) in [
        (1, false),
        (2, false),
        (4, false),
        (8, false),
        (2, true),
        (4, true),
        (8, true),
    ] {
        for carrier in carriers(width) {
            for (payload, kind) in [(ELF, PayloadKind::Elf), (GZIP, PayloadKind::Gzip)] {
                for element in [0, 1, 63, 64, 517, 2200] {
                    let mut bytes = noise(4096 * width);
                    plant(&mut bytes, width, big, element, carrier, payload);
                    let expected = PayloadHit {
                        offset: (element * width) as u64,
                        carrier,
                        kind,
                    };
                    for tile in [7, 4096, bytes.len()] {
                        let found = hits(&bytes, width, big, tile);
                        // Three bytes of a gzip header may be enough of one for another plane, as far as a candidate goes.
                        let told = found.contains(&expected) && found.len() <= 8;
                        assert!(told, "{width} {big} {carrier:?} {kind:?} {element} {tile}: {found:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn the_whole_element_backwards_is_a_plane_too() {
    let mut bytes = noise(4096 * 4);
    let carrier = Carrier::Bytes {
        low: 4,
        high_first: true,
    };
    plant(&mut bytes, 4, false, 100, carrier, ELF);
    let found = hits(&bytes, 4, false, 1000);
    assert_eq!(
        found.iter().map(|hit| (hit.offset, hit.carrier)).collect::<Vec<_>>(),
        [(400, carrier)]
    );
}

#[test]
fn quantised_blocks_have_no_planes() {
    let mut bytes = noise(40_000);
    plant(&mut bytes, 1, false, 12_345, Carrier::Raw, ELF);
    assert_eq!(hits(&bytes, 0, false, 4096).len(), 1);
    let mut bytes = noise(40_000);
    plant(
        &mut bytes,
        1,
        false,
        12_345,
        Carrier::Bits {
            low: 1,
            high_first: false,
        },
        ELF,
    );
    assert_eq!(hits(&bytes, 0, false, 4096), []);
}

#[test]
fn candidates_beyond_those_kept_are_counted() {
    let bytes = ELF.repeat(100);
    let mut search = PayloadSearch::new(0, false);
    search.feed(&bytes);
    let (kept, dropped, _) = search.finish();
    assert_eq!((kept.len(), dropped), (MOST, 36));
}

proptest! {
    #[test]
    fn cuts_do_not_show(
        length in 0usize..30_000,
        width in prop_oneof![Just(0usize), Just(1), Just(2), Just(4), Just(8)],
        at in 0usize..30_000,
        seed in 0usize..12,
        tile in prop_oneof![Just(1usize), Just(7), Just(4096), 1usize..9000],
    ) {
        let mut bytes = noise(length);
        let all = carriers(width.max(1));
        let element = at / width.max(1) / 8;
        let carrier = all[seed % all.len()];
        if (element + 8 * (ELF.len() + 1)) * width.max(1) < length {
            plant(&mut bytes, width.max(1), false, element, carrier, ELF);
        }
        let finish = |tile: usize| {
            let mut search = PayloadSearch::new(width, false);
            for piece in bytes.chunks(tile) {
                search.feed(piece);
            }
            search.finish()
        };
        prop_assert_eq!(finish(length.max(1)), finish(tile));
    }
}
