//! Executables and bundles with one thing wrong.

use super::{Case, HIDDEN};
use crate::build::macho::{Cpu, Fat, MachO};
use crate::build::{bun, elf, pe};

pub(super) fn elves() -> Vec<Case> {
    let e = || elf::Elf::new(true, false);
    vec![
        (
            "elf-gap",
            "unclaimed-bytes",
            elf::Elf {
                gap: HIDDEN.into(),
                ..e()
            }
            .build(),
        ),
        (
            "elf-executable-in-gap",
            "embedded-executable",
            elf::Elf {
                gap: pe::small(),
                ..e()
            }
            .build(),
        ),
        (
            "elf-appended",
            "trailing-bytes",
            elf::Elf {
                appended: HIDDEN.into(),
                ..e()
            }
            .build(),
        ),
        (
            "elf-writable-text",
            "writable-executable",
            elf::Elf {
                writable_text: true,
                ..e()
            }
            .build(),
        ),
        (
            "elf-entry-outside",
            "malformed",
            elf::Elf {
                entry: Some(0xdead_0000),
                ..e()
            }
            .build(),
        ),
        (
            "elf-section-count",
            "truncated",
            elf::Elf {
                shnum: Some(60_000),
                ..e()
            }
            .build(),
        ),
    ]
}

pub(super) fn windows() -> Vec<Case> {
    let p = || pe::Pe::signed(true);
    vec![
        (
            "pe-certificate-stuffing",
            "unclaimed-bytes",
            pe::Pe {
                certificate_stuffing: HIDDEN.into(),
                ..p()
            }
            .build(),
        ),
        (
            "pe-certificate-pad",
            "nonzero-padding",
            pe::Pe {
                certificate_pad: 0x41,
                ..p()
            }
            .build(),
        ),
        (
            "pe-after-certificates",
            "trailing-bytes",
            pe::Pe {
                appended: HIDDEN.into(),
                ..p()
            }
            .build(),
        ),
        (
            "pe-slack",
            "nonzero-padding",
            pe::Pe {
                text_slack: HIDDEN.into(),
                ..p()
            }
            .build(),
        ),
        (
            "pe-executable-in-overlay",
            "embedded-executable",
            pe::Pe {
                overlay: elf::small(),
                ..p()
            }
            .build(),
        ),
        (
            "pe-writable-text",
            "writable-executable",
            pe::Pe {
                writable_text: true,
                ..p()
            }
            .build(),
        ),
        (
            "pe-entry-outside",
            "malformed",
            pe::Pe {
                entry: Some(0x00de_ad00),
                ..p()
            }
            .build(),
        ),
        (
            "pe-section-count",
            "malformed",
            pe::Pe {
                section_count: Some(9_000),
                ..p()
            }
            .build(),
        ),
    ]
}

pub(super) fn mac() -> Vec<Case> {
    let m = || MachO::new(Cpu::Arm64);
    vec![
        (
            "macho-slack",
            "nonzero-padding",
            MachO {
                slack: HIDDEN.into(),
                ..m()
            }
            .build(),
        ),
        (
            "macho-padding",
            "nonzero-padding",
            MachO {
                padding: HIDDEN.into(),
                ..m()
            }
            .build(),
        ),
        (
            "macho-appended",
            "trailing-bytes",
            MachO {
                appended: HIDDEN.into(),
                ..m()
            }
            .build(),
        ),
        (
            "macho-writable-text",
            "writable-executable",
            MachO {
                writable_text: true,
                ..m()
            }
            .build(),
        ),
        (
            "macho-fat-padding",
            "nonzero-padding",
            Fat {
                padding: HIDDEN.into(),
                ..Fat::new(false)
            }
            .build(),
        ),
        (
            "macho-fat-overlap",
            "overlapping-regions",
            Fat {
                overlap: 0x4000,
                ..Fat::new(false)
            }
            .build(),
        ),
        (
            "macho-fat-appended",
            "trailing-bytes",
            Fat {
                appended: HIDDEN.into(),
                ..Fat::new(true)
            }
            .build(),
        ),
    ]
}

pub(super) fn bundles() -> Vec<Case> {
    let g = || bun::Graph::new("/$bunfs/", true);
    let in_elf = |graph: bun::Graph| graph.in_elf().bytes;
    vec![
        (
            "bun-stuffing",
            "unclaimed-bytes",
            in_elf(bun::Graph {
                stuffing: HIDDEN.into(),
                ..g()
            }),
        ),
        (
            "bun-byte-count",
            "malformed",
            in_elf(bun::Graph {
                byte_count: Some(1 << 40),
                ..g()
            }),
        ),
        (
            "bun-modules-length",
            "malformed",
            in_elf(bun::Graph {
                modules_length: Some(101),
                ..g()
            }),
        ),
        (
            "bun-entry-point",
            "malformed",
            in_elf(bun::Graph {
                entry_point_id: 9,
                ..g()
            }),
        ),
    ]
}
