//! Archives with one thing wrong.

use super::{Case, HIDDEN};
use crate::build::zip::{Entry, Zip};
use crate::build::{gzip, pickle, quine, tar, zip};

pub(super) fn zips() -> Vec<Case> {
    let edit = |change: fn(&mut Entry)| {
        let mut zip = zip::sample();
        change(&mut zip.entries[1]);
        zip.build()
    };
    let one = |entry: Entry| Zip::of(vec![entry]).build();
    let mut twice = zip::sample();
    twice.entries.push(Entry::stored("readme.txt", b"another readme\n"));
    let whole = || zip::sample();
    vec![
        (
            "zip-prefix",
            "unclaimed-bytes",
            Zip {
                prefix: HIDDEN.into(),
                ..whole()
            }
            .build(),
        ),
        (
            "zip-prefix-relative",
            "unclaimed-bytes",
            Zip {
                prefix: HIDDEN.into(),
                relative_offsets: true,
                ..whole()
            }
            .build(),
        ),
        ("zip-gap", "unclaimed-bytes", edit(|e| e.gap = HIDDEN.into())),
        (
            "zip-gap-before-directory",
            "unclaimed-bytes",
            Zip {
                gap: HIDDEN.into(),
                ..whole()
            }
            .build(),
        ),
        ("zip-hidden-member", "unclaimed-bytes", edit(|e| e.hidden = true)),
        (
            "zip-trailing",
            "trailing-bytes",
            Zip {
                trailing: HIDDEN.into(),
                ..whole()
            }
            .build(),
        ),
        (
            "zip-count",
            "malformed",
            Zip {
                count: Some(40),
                ..whole()
            }
            .build(),
        ),
        (
            "zip-name-lie",
            "header-mismatch",
            edit(|e| e.local_name = Some(b"src/other.py".to_vec())),
        ),
        ("zip-method-lie", "header-mismatch", edit(|e| e.local_method = Some(0))),
        ("zip-size-lie", "header-mismatch", edit(|e| e.local_size = Some(3))),
        (
            "zip-central-size-lie",
            "header-mismatch",
            edit(|e| e.central_size = Some(3)),
        ),
        ("zip-flags-lie", "header-mismatch", edit(|e| e.local_flags = Some(1))),
        ("zip-crc-lie", "header-mismatch", edit(|e| e.crc = Some(0x0bad_c0de))),
        ("zip-duplicate", "duplicate-entry", twice.build()),
        ("zip-encrypted", "encrypted-entry", edit(|e| e.encrypted = true)),
        ("zip-method-unknown", "unsupported", edit(|e| e.method = 97)),
        ("zip-overlapping", "overlapping-regions", zip::overlapping(50, 1)),
        (
            "zip-parent-path",
            "path-traversal",
            one(Entry::stored("../../etc/cron.d/x", b"true\n")),
        ),
        (
            "zip-backslash-path",
            "path-traversal",
            one(Entry::stored("..\\..\\startup\\x.txt", b"true\n")),
        ),
        (
            "zip-absolute-path",
            "path-traversal",
            one(Entry::stored("/etc/cron.d/x", b"true\n")),
        ),
        (
            "zip-drive-path",
            "path-traversal",
            one(Entry::stored("C:\\Windows\\x.txt", b"true\n")),
        ),
        (
            "zip-symlink-escape",
            "symlink-escape",
            one(Entry::symlink("lib/link", "../../../etc/passwd")),
        ),
        (
            "zip-escape-name",
            "escape-sequence-name",
            one(Entry::stored("\u{1b}[2Jreadme.txt", b"x")),
        ),
        (
            "zip-bomb",
            "archive-bomb",
            one(Entry::deflated("zeros.bin", &vec![0; 64 << 20])),
        ),
        ("zip-bomb-nested", "archive-bomb", zip::bomb_nested(5, 16, 16)),
        (
            "torch-zip-system",
            "unsafe-callable",
            zip::torch_like(&pickle::os_system(2)).bytes,
        ),
    ]
}

pub(super) fn tars() -> Vec<Case> {
    use tar::{Entry, Tar};
    let edit = |change: fn(&mut Entry)| {
        let mut tar = tar::sample();
        change(&mut tar.entries[1]);
        tar.build()
    };
    let add = |entry: Entry| {
        let mut tar = tar::sample();
        tar.entries.push(entry);
        tar.build()
    };
    let pax_path = vec![
        Entry::pax(b'x', &[("path", "../../etc/cron.d/x")]),
        Entry::file("safe.txt", b"true\n"),
    ];
    vec![
        ("tar-checksum", "malformed", edit(|e| e.checksum_error = 1)),
        (
            "tar-size-lie",
            "truncated",
            add(Entry {
                size: Some(1 << 30),
                ..Entry::file("package/z", b"z")
            }),
        ),
        (
            "tar-no-end",
            "truncated",
            Tar {
                end_blocks: 0,
                ..tar::sample()
            }
            .build(),
        ),
        (
            "tar-trailing",
            "trailing-bytes",
            Tar {
                trailing: HIDDEN.repeat(20),
                ..tar::sample()
            }
            .build(),
        ),
        ("tar-block-padding", "nonzero-padding", edit(|e| e.padding = 0x41)),
        (
            "tar-parent-path",
            "path-traversal",
            add(Entry::file("package/../../etc/cron.d/x", b"true\n")),
        ),
        (
            "tar-absolute-path",
            "path-traversal",
            add(Entry::file("/etc/cron.d/x", b"true\n")),
        ),
        ("tar-pax-path", "path-traversal", Tar::of(pax_path).build()),
        (
            "tar-symlink-escape",
            "symlink-escape",
            add(Entry::special(b'2', "package/l", "../../../etc/passwd")),
        ),
        (
            "tar-symlink-absolute",
            "symlink-escape",
            add(Entry::special(b'2', "package/l", "/etc/passwd")),
        ),
        (
            "tar-hardlink-escape",
            "symlink-escape",
            add(Entry::special(b'1', "package/l", "../../etc/passwd")),
        ),
        (
            "tar-device",
            "special-file",
            add(Entry::special(b'4', "package/disk", "")),
        ),
        (
            "tar-fifo",
            "special-file",
            add(Entry::special(b'6', "package/pipe", "")),
        ),
        (
            "tar-duplicate",
            "duplicate-entry",
            add(Entry::file("package/index.js", b"// another\n")),
        ),
        (
            "tar-escape-name",
            "escape-sequence-name",
            add(Entry::file("package/\u{1b}]0;title\u{7}.js", b"x")),
        ),
    ]
}

pub(super) fn gzips() -> Vec<Case> {
    use gzip::Member;
    let one = |member: Member| gzip::members(&[member], b"").bytes;
    let whole = gzip::gzip(b"a line of text\n");
    vec![
        (
            "gzip-crc",
            "header-mismatch",
            one(Member {
                crc: Some(1),
                ..Member::of(b"text\n")
            }),
        ),
        (
            "gzip-isize",
            "header-mismatch",
            one(Member {
                isize: Some(1),
                ..Member::of(b"text\n")
            }),
        ),
        (
            "gzip-broken-stream",
            "malformed",
            one(Member {
                raw: Some(vec![0xff; 40]),
                ..Member::of(b"text\n")
            }),
        ),
        ("gzip-truncated", "truncated", whole[..whole.len() - 10].to_vec()),
        ("gzip-trailing", "trailing-bytes", [&whole, HIDDEN].concat()),
        ("gzip-bomb", "archive-bomb", gzip::bomb(1 << 30, usize::MAX)),
        ("gzip-bomb-members", "archive-bomb", gzip::bomb_members(64, 16)),
        ("gzip-nested", "limit-exceeded", gzip::nested(1_000)),
        ("gzip-quine", "limit-exceeded", quine::gzip_quine()),
    ]
}
