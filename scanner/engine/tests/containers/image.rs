//! Container images.

use crate::common::{check, errors, found, scan, scan_files};
use probity_tests::build::files::{Files, Image, hex};
use probity_tests::build::tar::{Entry, Tar};

const HISTORY: &str = "info image-inventory history";

fn layer_path(image: &Image) -> String {
    let files = image.files();
    let layer = files.0.iter().find(|(_, data)| data.starts_with(&[0x1f, 0x8b]));
    layer.unwrap().0.clone()
}

#[test]
fn a_sound_image_is_inventory_and_its_links_lead_nowhere_else() {
    check(&Image::default().files(), &[HISTORY]);
    check(&Image::default().files().below("image"), &[HISTORY]);
    check(&Image::default().files().without("manifest.json"), &[HISTORY]);
    check(
        &Image::default().files().without("oci-layout").without("index.json"),
        &[HISTORY],
    );
}

#[test]
fn blobs_are_held_against_their_descriptors() {
    let image = Image::default();
    let layer = layer_path(&image);
    let other = Image {
        layer: Tar::of(vec![Entry::file("bin/program", b"#!/bin/sh\nother\n")]).build(),
        ..Image::default()
    };
    let swapped = image.files().with(&layer, other.files().get(&layer_path(&other)));
    let report = scan_files(&swapped);
    assert!(
        found(&report).contains("high image-mismatch digest"),
        "{:?}",
        found(&report)
    );
    check(&image.files().without(&layer), &[HISTORY, "low image-mismatch missing"]);
    let index = String::from_utf8(image.files().get("index.json")).unwrap();
    let lies = image
        .files()
        .with("index.json", index.replace("\"size\": ", "\"size\": 1"));
    check(&lies, &["high image-mismatch size", HISTORY]);
    let leaves = image
        .files()
        .with("index.json", index.replace("sha256:", "sha256:../../"));
    check(&leaves, &["high path-traversal -"]);
    let text = String::from_utf8(image.files().get("manifest.json")).unwrap();
    let two = text.replace(&format!("[\"{layer}\"]"), &format!("[\"{layer}\", \"{layer}\"]"));
    check(
        &image.files().with("manifest.json", two),
        &[HISTORY, "medium image-mismatch layers"],
    );
    let outside = text.replace(&layer, "../../layer.tar");
    check(
        &image.files().with("manifest.json", outside),
        &["high path-traversal -", HISTORY],
    );
}

#[test]
fn an_index_that_leads_back_ends() {
    // A digest that names itself cannot be made: the second blob has another content than its name says.
    let digest = |c: char| c.to_string().repeat(64);
    let index = |c: char| {
        format!(
            r#"{{"manifests": [{{"mediaType": "index", "digest": "sha256:{}", "size": 1}}]}}"#,
            digest(c)
        )
    };
    let files = Files::of(&[("oci-layout", b"{}")])
        .with("index.json", index('a'))
        .with(&format!("blobs/sha256/{}", digest('a')), index('b'))
        .with(&format!("blobs/sha256/{}", digest('b')), index('a'));
    let report = scan_files(&files);
    assert!(
        found(&report).contains("medium image-mismatch cycle"),
        "{:?}",
        found(&report)
    );
    assert_eq!(errors(&report), [""; 0]);
}

#[test]
fn layers_say_what_they_delete_and_who_runs_as_root() {
    let layer = |entries: Vec<Entry>| Image {
        layer: Tar::of(entries).build(),
        ..Image::default()
    };
    let whiteouts = layer(vec![
        Entry::file("etc/.wh.passwd", b""),
        Entry::file("var/.wh..wh..opq", b""),
    ]);
    check(&whiteouts.files(), &[HISTORY, "info image-inventory whiteouts"]);
    let both = layer(vec![
        Entry::file("etc/.wh.passwd", b""),
        Entry::file("etc/passwd", b"x"),
    ]);
    check(
        &both.files(),
        &[
            HISTORY,
            "info image-inventory whiteouts",
            "medium image-mismatch whiteout",
        ],
    );
    let nameless = layer(vec![Entry::file("etc/.wh...", b"")]);
    check(
        &nameless.files(),
        &[
            HISTORY,
            "info image-inventory whiteouts",
            "medium image-mismatch whiteout",
        ],
    );
    let program = Entry {
        mode: 0o4755,
        ..Entry::file("bin/su", b"x")
    };
    check(
        &layer(vec![program]).files(),
        &[HISTORY, "info image-inventory privileged"],
    );
    let escapes = layer(vec![Entry::file("../../etc/passwd", b"x")]);
    check(&escapes.files(), &["high path-traversal -", HISTORY]);
    let link = layer(vec![Entry::special(b'2', "a", "../../etc/passwd")]);
    check(&link.files(), &["high symlink-escape -", HISTORY]);
}

#[test]
fn a_docker_archive_of_the_old_kind_is_read() {
    let layer = Tar::of(vec![Entry::file("a", b"x")]).build();
    let config = format!(
        r#"{{"rootfs": {{"diff_ids": ["sha256:{}"]}}, "history": []}}"#,
        hex(&layer)
    );
    let (id, name) = ("0123456789abcdef".repeat(4), format!("{}.json", hex(config.as_bytes())));
    let manifest = format!(r#"[{{"Config": "{name}", "Layers": ["{id}/layer.tar"]}}]"#);
    let files = Files::of(&[])
        .with(&name, config)
        .with("manifest.json", manifest)
        .with(&format!("{id}/layer.tar"), layer);
    check(&files, &[HISTORY]);
    let report = scan(
        "image.tar",
        files
            .with(
                &format!("{id}/layer.tar"),
                Tar::of(vec![Entry::file("b", b"x")]).build(),
            )
            .tar(),
    );
    assert!(
        found(&report).contains("high image-mismatch digest"),
        "{:?}",
        found(&report)
    );
}
