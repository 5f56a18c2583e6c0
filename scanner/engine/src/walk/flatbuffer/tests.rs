//! The walker: every reachable byte once, shared objects, cycles, references that lead outside.

#![expect(
    clippy::as_conversions,
    clippy::arithmetic_side_effects,
    reason = "lengths of buffers in memory"
)]

use super::*;
use probity_tests::build::flatbuffer::{Value, build, byte, ints, number, text};
use proptest::prelude::*;

struct Bytes<'a>(&'a [u8]);

impl Source for Bytes<'_> {
    type Fault = ();

    fn length(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&mut self, span: Span) -> Result<Vec<u8>, ()> {
        let range = span.start() as usize..span.end() as usize;
        self.0.get(range).map(<[u8]>::to_vec).ok_or(())
    }
}

static NODE: Table = Table {
    name: "Node",
    fields: &[
        Field {
            name: "id",
            kind: Kind::Scalar(4),
        },
        Field {
            name: "name",
            kind: Kind::String,
        },
        Field {
            name: "shape",
            kind: Kind::Vector(Item::Scalar(4)),
        },
        Field {
            name: "data",
            kind: Kind::Vector(Item::Bulk),
        },
        Field {
            name: "children",
            kind: Kind::Vector(Item::Table(&NODE)),
        },
        Field {
            name: "kind",
            kind: Kind::Scalar(1),
        },
        Field {
            name: "options",
            kind: Kind::Union(&[(1, &NODE)]),
        },
        Field {
            name: "next",
            kind: Kind::Table(&NODE),
        },
    ],
};

fn sample() -> Vec<u8> {
    let leaf = vec![number(2), text("leaf")];
    build(
        b"TEST",
        &[
            number(1),
            text("root"),
            ints(&[1, 2, 3]),
            Value::Bulk(vec![9; 5]),
            Value::Tables(vec![leaf.clone(), leaf]),
            byte(7),
            Value::Table(vec![number(3)]),
        ],
    )
}

fn walked(bytes: &[u8]) -> Walked<()> {
    let mut walked = walk(Bytes(bytes), &NODE, 1000);
    walked.claims.sort_unstable();
    walked
}

/// Bytes claimed by two claims, and bytes that none claims and that are not zero.
fn account(bytes: &[u8], walked: &Walked<()>) -> (usize, usize) {
    let mut count = vec![0u32; bytes.len()];
    for claim in walked.claims.iter().filter(|claim| claim.what != What::Hole) {
        for at in claim.span.start()..claim.span.end() {
            count[at as usize] += 1;
        }
    }
    let twice = count.iter().filter(|n| **n > 1).count();
    let lost = count
        .iter()
        .zip(bytes)
        .filter(|(n, byte)| **n == 0 && **byte != 0)
        .count();
    (twice, lost)
}

#[test]
fn every_reachable_byte_is_claimed_once() {
    let bytes = sample();
    let walked = walked(&bytes);
    assert_eq!(walked.faults, []);
    assert!(walked.stopped.is_none());
    assert_eq!(account(&bytes, &walked), (0, 0));
    let bulk: Vec<_> = walked.claims.iter().filter(|c| c.what == What::Bulk).collect();
    assert_eq!((bulk.len(), bulk[0].span.len(), bulk[0].name), (1, 5, "data"));
    let names: Vec<_> = walked
        .claims
        .iter()
        .filter(|c| c.what == What::String)
        .map(|c| c.name)
        .collect();
    assert_eq!(names, ["name"; 3]);
}

#[test]
fn what_nothing_refers_to_is_not_claimed() {
    let mut bytes = sample();
    bytes.extend(b"hidden");
    assert_eq!(account(&bytes, &walked(&bytes)), (0, 6));
}

#[test]
fn a_cycle_ends() {
    // A table whose `next` is itself: the vtable at 8, the table at 32.
    let mut bytes = vec![32, 0, 0, 0];
    bytes.extend(b"TEST");
    let mut vtable: Vec<u16> = vec![20, 8];
    vtable.extend([0; 7]);
    vtable.push(4);
    bytes.extend(vtable.iter().flat_map(|word| word.to_le_bytes()));
    bytes.resize(32, 0);
    bytes.extend(24i32.to_le_bytes());
    bytes.extend((-4i32).to_le_bytes());
    let out = walked(&bytes);
    assert_eq!(
        out.faults.len(),
        1,
        "references lead forward: a distance of 2^32 - 4 is outside"
    );
    assert_eq!(account(&bytes, &out), (0, 0));
}

#[test]
fn objects_that_several_refer_to_are_claimed_once_and_their_number_is_bounded() {
    let one = vec![number(2), text("leaf")];
    let mut bytes = build(
        b"TEST",
        &[
            number(1),
            Value::None,
            Value::None,
            Value::None,
            Value::Tables(vec![one; 3]),
        ],
    );
    // The second and the third reference lead to the first one's table.
    let flat = |bytes: &[u8]| {
        let mut flat = Flat::new(Bytes(bytes));
        let root = flat.root().unwrap().unwrap();
        flat.vector(&root, 4, 4).unwrap().unwrap().1 as usize
    };
    let start = flat(&bytes);
    let target = u32::from_le_bytes(bytes[start..start + 4].try_into().unwrap());
    for n in 1..3u32 {
        let at = start + 4 * n as usize;
        bytes[at..at + 4].copy_from_slice(&(target - 4 * n).to_le_bytes());
    }
    let out = walked(&bytes);
    assert_eq!(out.faults, []);
    assert_eq!(account(&bytes, &out).0, 0);
    assert!(account(&bytes, &out).1 > 0, "the two others are no longer reachable");
    assert!(matches!(walk(Bytes(&sample()), &NODE, 3).stopped, Some(None)));
}

#[test]
fn each_broken_rule_is_named() {
    let rules = |bytes: &[u8]| walked(bytes).faults.iter().map(|f| f.rule).collect::<Vec<_>>();
    let bytes = sample();
    assert_eq!(
        rules(&[255, 255, 255, 0, 0, 0, 0, 0]),
        ["the root offset leads outside"]
    );
    let root = u32::from_le_bytes(bytes[..4].try_into().unwrap()) as usize;
    let broken = |at: usize, value: u32| {
        let mut bytes = bytes.clone();
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        rules(&bytes)
    };
    assert_eq!(
        broken(root, 0x7fff_ffff),
        ["a table or its vtable that lies outside, or fields outside of their table"]
    );
    let mut flat = Flat::new(Bytes(&bytes));
    let table = flat.root().unwrap().unwrap();
    let place = |slot: usize| table.field(slot).unwrap() as usize;
    let target = |slot: usize| place(slot) + u32::from_le_bytes(bytes[place(slot)..][..4].try_into().unwrap()) as usize;
    assert_eq!(broken(place(1), 0x00ff_ffff), ["a reference that leads outside"]);
    assert_eq!(broken(target(1), 0x00ff_ffff), ["a string past the end"]);
    assert_eq!(broken(target(2), 0x7fff_ffff), ["a vector past the end"]);
    assert_eq!(broken(target(1), 3), ["a string without its final zero"]);
    let to_root_string = u32::try_from(target(1) - place(6)).unwrap();
    assert_eq!(
        broken(place(6), to_root_string),
        [
            "a table or its vtable that lies outside, or fields outside of their table",
            "an object that is read as two types"
        ]
    );
}

proptest! {
    #[test]
    fn any_change_is_survived(at in 0usize..400, value in any::<u32>(), bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut sample = sample();
        let at = at % (sample.len() - 4);
        sample[at..at + 4].copy_from_slice(&value.to_le_bytes());
        let out = walked(&sample);
        prop_assert!(out.claims.iter().all(|c| c.span.end() <= sample.len() as u64));
        let out = walked(&bytes);
        prop_assert!(out.claims.iter().all(|c| c.span.end() <= (bytes.len() as u64).max(8)));
    }
}
