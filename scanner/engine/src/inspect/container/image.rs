//! Container images: OCI image layouts (OCI Image Layout 1.1) and the archives of `docker save`.
//!
//! Every descriptor that can be reached from `index.json` or `manifest.json` is held against the blob it names. Media
//! types are not judged: what a blob is, its bytes say. Signatures of images are not verified.

use super::{Container, Export, Inspection, Member, Outcome, is_hexadecimal, join, json, leaves};
use crate::finding::{Finding, Value as Evidence, code};
use crate::policy::shown;
use serde_json::Value;
use std::collections::BTreeSet;

/// `image-mismatch`, `image-inventory`, `path-traversal`.
pub(super) struct Image;

/// Descriptors that are followed in one image; a real index names a few dozen.
const MOST: usize = 65_536;

impl Inspection for Image {
    fn inspect(&self, container: &Container<'_>, out: &mut Outcome<'_>) {
        for member in &container.members {
            match member.name() {
                b"oci-layout" => Layout::new(container, member.folder()).index(out),
                b"manifest.json" => docker(container, member, out),
                _ => {}
            }
        }
    }
}

/// One OCI image layout.
struct Layout<'c, 'a> {
    container: &'c Container<'a>,
    folder: &'c [u8],
    /// Digests of blobs that were followed.
    seen: BTreeSet<String>,
    missing: u64,
}

impl<'c, 'a> Layout<'c, 'a> {
    fn new(container: &'c Container<'a>, folder: &'c [u8]) -> Self {
        Self {
            container,
            folder,
            seen: BTreeSet::new(),
            missing: 0,
        }
    }

    fn index(mut self, out: &mut Outcome<'_>) {
        let Some(index) = self.container.file(&join(self.folder, b"index.json")) else {
            return;
        };
        let Some(text) = out.text(index) else { return };
        let Some(value) = json::value(text) else { return };
        // Each step is a document and the digests of those it was reached through.
        let mut open: Vec<(Value, &Member<'a>, Vec<String>)> = vec![(value, index, Vec::new())];
        while let Some((value, holder, above)) = open.pop() {
            for descriptor in descriptors(&value) {
                if self.seen.len() >= MOST {
                    return out.not_held(holder, &format!("more than {MOST} blobs are named"));
                }
                let Some((digest, blob)) = self.descriptor(descriptor, holder, out) else {
                    continue;
                };
                if above.contains(&digest) {
                    let message = format!("{} leads back to {digest}, which leads to it", shown(&holder.path));
                    let finding = self.container.finding(code::IMAGE_MISMATCH, holder, message);
                    out.push(finding.case("cycle").key(digest));
                    continue;
                }
                if !self.seen.insert(digest.clone()) {
                    continue;
                }
                if matches!(blob.export(), Some(Export::TooLong(_))) {
                    out.not_held(blob, "it is too long");
                }
                let media = json::text(descriptor, &["mediaType"]).unwrap_or_default();
                if let Some(value) = blob.text().and_then(json::value) {
                    history(self.container, blob, &value, out);
                    /// An index of indexes of manifests is what tools write; deeper ones are abuse.
                    const DEPTH: usize = 8;
                    let document = media.contains("index")
                        || media.contains("manifest")
                        || value.get("manifests").is_some()
                        || value.get("layers").is_some();
                    if document && above.len() < DEPTH {
                        let mut above = above.clone();
                        above.push(digest);
                        open.push((value, blob, above));
                    } else if document {
                        out.not_held(blob, "it is nested too deep");
                    }
                }
            }
        }
        if self.missing > 0 {
            let message = format!("{} blobs that the image is made of are not in it", self.missing);
            let finding = self.container.finding(code::IMAGE_MISMATCH, index, message);
            out.push(finding.case("missing").key("missing blobs"));
        }
    }

    /// The blob that a descriptor names, held against what it says.
    fn descriptor(
        &mut self,
        descriptor: &Value,
        holder: &Member<'_>,
        out: &mut Outcome<'_>,
    ) -> Option<(String, &'c Member<'a>)> {
        let digest = json::text(descriptor, &["digest"])?;
        let (algorithm, hexadecimal) = digest.split_once(':')?;
        let sound =
            |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+._-=".contains(&b));
        if !sound(algorithm) || !sound(hexadecimal) || algorithm.starts_with('.') || hexadecimal.starts_with('.') {
            let message = format!(
                "{} names a blob by {}, which is no digest",
                shown(&holder.path),
                shown(digest.as_bytes())
            );
            let finding = self.container.finding(code::PATH_TRAVERSAL, holder, message);
            out.push(finding.key(shown(digest.as_bytes())));
            return None;
        }
        let path = join(self.folder, format!("blobs/{algorithm}/{hexadecimal}").as_bytes());
        let Some(blob) = self.container.file(&path) else {
            // Layers may be fetched from elsewhere, and an image of one platform keeps the index of all.
            let foreign = descriptor.get("urls").is_some() || descriptor.get("platform").is_some();
            if !foreign && self.container.around.whole && !self.container.is_excluded(&path) {
                self.missing = self.missing.saturating_add(1);
            }
            return None;
        };
        compare(self.container, blob, algorithm, hexadecimal, out);
        if let (Some(stated), Some(found)) = (descriptor.get("size").and_then(Value::as_u64), blob.size())
            && stated != found
        {
            let message = format!(
                "{} says that {} is {stated} bytes long, it is {found}",
                shown(&holder.path),
                shown(&blob.path)
            );
            out.push(self.container.finding(code::IMAGE_MISMATCH, blob, message).case("size"));
        }
        Some((digest.to_owned(), blob))
    }
}

fn descriptors(document: &Value) -> impl Iterator<Item = &Value> {
    let list = |key: &str| document.get(key).and_then(Value::as_array).into_iter().flatten();
    let one = |key: &str| document.get(key).into_iter().filter(|v| v.is_object());
    list("manifests")
        .chain(one("config"))
        .chain(list("layers"))
        .chain(one("subject"))
}

/// Whether a blob has the digest it is called by.
fn compare(container: &Container<'_>, blob: &Member<'_>, algorithm: &str, stated: &str, out: &mut Outcome<'_>) {
    let Some(found) = blob.sha256().filter(|_| algorithm == "sha256" && blob.is_examined()) else {
        return;
    };
    let found: String = found.iter().map(|b| format!("{b:02x}")).collect();
    if !stated.eq_ignore_ascii_case(&found) {
        let message = format!("{} does not have the digest it is named by", shown(&blob.path));
        out.push(
            container
                .finding(code::IMAGE_MISMATCH, blob, message)
                .case("digest")
                .evidence("found", found),
        );
    }
}

/// The commands that an image was made by, and the one it runs.
fn history(container: &Container<'_>, blob: &Member<'_>, config: &Value, out: &mut Outcome<'_>) {
    let steps = config.get("history").and_then(Value::as_array);
    let settings = config.get("config").or_else(|| config.get("Config"));
    let named = ["Entrypoint", "Cmd", "OnBuild"].into_iter();
    let lists = named.filter_map(|key| settings?.get(key)?.as_array());
    let startup: Vec<&str> = lists.flatten().take(64).filter_map(Value::as_str).collect();
    if let Some(command) = startup
        .iter()
        .find(|c| crate::inspect::planted::is_command(c.as_bytes()))
    {
        let command = shown(command.get(..200).unwrap_or(command).as_bytes());
        let message = format!("the image fetches and runs something when it starts or is built upon: {command}");
        let finding = container.finding(code::IMAGE_INVENTORY, blob, message).case("startup");
        out.push(finding.key(format!("startup {command}")));
    }
    let (Some(steps), true) = (steps, config.get("rootfs").is_some()) else {
        return;
    };
    let made: Vec<String> = steps
        .iter()
        .filter_map(|step| json::text(step, &["created_by"]))
        .take(32)
        .map(|step| step.chars().take(200).collect())
        .collect();
    let words = |key: &str| -> Vec<String> {
        let list = settings.and_then(|s| s.get(key)).and_then(Value::as_array);
        let words = list.into_iter().flatten().take(32).filter_map(Value::as_str);
        words.map(|w| w.chars().take(200).collect()).collect()
    };
    let runs = [words("Entrypoint"), words("Cmd")].concat().join(" ");
    let user = settings
        .and_then(|s| json::text(s, &["User"]))
        .filter(|u| !u.is_empty())
        .unwrap_or("root");
    let message = format!("an image of {} steps runs, as {user}: {runs}", steps.len());
    let finding = container.finding(code::IMAGE_INVENTORY, blob, message).case("history");
    out.push(finding.evidence("history", Evidence::List(made)));
}

/// The `manifest.json` of `docker save`: a list of images with the paths of their parts.
fn docker(container: &Container<'_>, manifest: &Member<'_>, out: &mut Outcome<'_>) {
    let Some(value) = manifest.text().and_then(json::value) else {
        return;
    };
    let images = value.as_array().map_or(&[][..], Vec::as_slice);
    if !images
        .iter()
        .any(|image| image.get("Config").is_some() && image.get("Layers").is_some())
    {
        return;
    }
    let mut missing = 0u64;
    let mut taken = 0usize;
    for image in images {
        let config = json::text(image, &["Config"]);
        let layers = image.get("Layers").and_then(Value::as_array).into_iter().flatten();
        let layers: Vec<&str> = layers.filter_map(Value::as_str).collect();
        for path in config.into_iter().chain(layers.iter().copied()) {
            taken = taken.saturating_add(1);
            if taken > MOST {
                return out.not_held(manifest, &format!("more than {MOST} parts are named"));
            }
            if leaves(path) {
                let path = shown(path.as_bytes());
                let message = format!("{} names {path}, outside of the image", shown(&manifest.path));
                out.push(container.finding(code::PATH_TRAVERSAL, manifest, message).key(path));
                continue;
            }
            let full = join(manifest.folder(), path.as_bytes());
            match container.file(&full) {
                Some(part) => named_by_digest(container, part, path, out),
                None if container.around.whole && !container.is_excluded(&full) => missing = missing.saturating_add(1),
                None => {}
            }
        }
        let config = config.and_then(|path| container.file(&join(manifest.folder(), path.as_bytes())));
        if let Some((config, value)) = config.and_then(|c| Some((c, json::value(c.text()?)?))) {
            if !container.has(&join(manifest.folder(), b"oci-layout")) {
                history(container, config, &value, out);
            }
            diff_ids(container, manifest, &value, &layers, out);
        }
    }
    if missing > 0 {
        let message = format!("{missing} parts that the image is made of are not in it");
        let finding = container.finding(code::IMAGE_MISMATCH, manifest, message);
        out.push(finding.case("missing").key("missing parts"));
    }
}

/// A part whose name is a digest has that digest: `DIGEST.json` and `blobs/sha256/DIGEST`. Old layers are called by an
/// identifier that is none.
fn named_by_digest(container: &Container<'_>, part: &Member<'_>, path: &str, out: &mut Outcome<'_>) {
    let last = path.rsplit('/').next().unwrap_or_default();
    let name = last
        .strip_suffix(".json")
        .or(path.contains("blobs/sha256/").then_some(last));
    if let Some(name) = name.filter(|n| n.len() == 64 && is_hexadecimal(n.as_bytes())) {
        compare(container, part, "sha256", name, out);
    }
}

/// The configuration names each layer by the digest of its tar, unpacked.
fn diff_ids(container: &Container<'_>, manifest: &Member<'_>, config: &Value, layers: &[&str], out: &mut Outcome<'_>) {
    let ids = config
        .get("rootfs")
        .and_then(|r| r.get("diff_ids"))
        .and_then(Value::as_array);
    let Some(ids) = ids else { return };
    if ids.len() != layers.len() {
        let message = format!(
            "the image is made of {} layers, its configuration says {}",
            layers.len(),
            ids.len()
        );
        let finding = container.finding(code::IMAGE_MISMATCH, manifest, message);
        out.push(finding.case("layers").key("layers"));
    }
    for (id, path) in ids.iter().zip(layers) {
        let Some(stated) = id.as_str().and_then(|id| id.strip_prefix("sha256:")) else {
            continue;
        };
        let Some(layer) = container.file(&join(manifest.folder(), path.as_bytes())) else {
            continue;
        };
        if !layer.artifacts.iter().all(|a| a.complete) {
            continue;
        }
        // The layer itself, or what it was compressed from.
        let mut digests = layer.artifacts.iter().take(2).filter_map(|a| a.sha256).peekable();
        let same = |digest: [u8; 32]| {
            digest
                .iter()
                .map(|b| format!("{b:02x}"))
                .collect::<String>()
                .eq_ignore_ascii_case(stated)
        };
        if digests.peek().is_some() && !digests.any(same) {
            let message = format!("{} is not the layer that the configuration names", shown(&layer.path));
            let finding: Finding = container.finding(code::IMAGE_MISMATCH, layer, message).case("digest");
            out.push(finding.evidence("stated", stated.chars().take(128).collect::<String>()));
        }
    }
}
