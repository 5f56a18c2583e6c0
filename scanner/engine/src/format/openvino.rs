//! OpenVINO's intermediate representation: the `.xml` of a model, versions 10 and 11, and descriptions of custom kernels.
//!
//! The document is read tag by tag for what matters here: `<layer>` names an operator and the operator set it is from,
//! `<Source>` a file with the source of a kernel. It is no validation of XML. The weights beside it, a `.bin`, have no
//! structure of their own: constants in the document say where in it their elements lie.

use super::{Format, Input, Parse, proto};
use crate::fact::Fact;
use crate::identify::{Match, Probe};
use crate::ledger::Role;
use crate::span::Span;

/// A model's or a custom layer's description.
pub(super) struct OpenVino;

/// Bytes read at a time, and the longest tag.
const PART: u64 = 1 << 20;
const TAG: usize = 16 << 10;

impl Format for OpenVino {
    fn id(&self) -> &'static str {
        "openvino"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let head = probe
            .head
            .strip_prefix(b"\xef\xbb\xbf")
            .unwrap_or(probe.head)
            .trim_ascii_start();
        let body = match head.strip_prefix(b"<?xml") {
            Some(rest) => rest
                .get(memchr::memmem::find(rest, b"?>")?.saturating_add(2)..)?
                .trim_ascii_start(),
            None => head,
        };
        let net = body.starts_with(b"<net ") && memchr::memmem::find(body, b"<layer").is_some();
        (net || body.starts_with(b"<CustomLayer ")).then_some(Match::LIKELY)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.leaf(input.whole(), Role::Text, "document");
        let (mut at, mut carried) = (0, Vec::new());
        while at < input.len() {
            let part = match input.read_up_to(at, PART) {
                Ok(part) => part,
                Err(fault) => return out.fault(&fault, "the document"),
            };
            let base = at.saturating_sub(u64::try_from(carried.len()).unwrap_or(0));
            at = at.saturating_add(PART);
            carried.extend_from_slice(&part);
            let done = tags(&carried, base, out);
            let rest = carried.split_off(done.min(carried.len()));
            carried = if rest.len() > TAG { Vec::new() } else { rest };
        }
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["xml"]
    }
}

/// Tells of the tags in `bytes`, whose first byte stands at `base`. Returns where the last one begins that is not whole.
fn tags(bytes: &[u8], base: u64, out: &mut Parse) -> usize {
    let mut from = 0usize;
    while let Some(start) = memchr::memchr(b'<', bytes.get(from..).unwrap_or_default()).map(|n| n.saturating_add(from))
    {
        let Some(length) = memchr::memchr(b'>', bytes.get(start..).unwrap_or_default()) else {
            return start;
        };
        let end = start.saturating_add(length).saturating_add(1);
        let tag = bytes.get(start..end).unwrap_or_default();
        let place = base.saturating_add(u64::try_from(start).unwrap_or(0));
        let span = Span::saturating_at(place, u64::try_from(tag.len()).unwrap_or(0));
        if tag.starts_with(b"<layer ") {
            let text = |key| String::from_utf8_lossy(attribute(tag, key).unwrap_or_default()).into_owned();
            proto::fact(
                Fact::Operator {
                    framework: "openvino",
                    domain: text(" version=\"").into(),
                    name: text(" type=\"").into(),
                    node: text(" name=\"").into(),
                    span,
                },
                out,
            );
        } else if tag.starts_with(b"<Source ")
            && let Some(path) = attribute(tag, " filename=\"")
        {
            proto::fact(
                Fact::Reference {
                    what: "kernel source",
                    path: path.into(),
                    span,
                    advisories: "",
                },
                out,
            );
        }
        from = end;
    }
    bytes.len()
}

/// The value of an attribute; `key` includes the space before and the quote behind.
fn attribute<'a>(tag: &'a [u8], key: &str) -> Option<&'a [u8]> {
    let at = memchr::memmem::find(tag, key.as_bytes())?;
    let value = tag.get(at.checked_add(key.len())?..)?;
    value.get(..memchr::memchr(b'"', value)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::fuzz;
    use crate::format::proto::tests::{check_clean, identified, scan};

    fn model(layers: &[(&str, &str)]) -> Vec<u8> {
        let mut out = "<?xml version=\"1.0\"?>\n<net name=\"model\" version=\"11\">\n<layers>\n".to_owned();
        for (at, (kind, set)) in layers.iter().enumerate() {
            out.push_str(&format!(
                "<layer id=\"{at}\" name=\"n{at}\" type=\"{kind}\" version=\"{set}\">\n</layer>\n"
            ));
        }
        out.push_str("</layers>\n</net>\n");
        out.into_bytes()
    }

    #[test]
    fn layers_are_told_and_custom_ones_are_inventory() {
        let out = check_clean(&OpenVino, &model(&[("Parameter", "opset1"), ("Convolution", "opset1")]));
        assert_eq!(out.facts().len(), 2);
        assert_eq!(
            scan(&model(&[("RegexSplit", "extension")])).2,
            ["custom-operator custom"]
        );
        assert_eq!(scan(&model(&[("Blur", "extension")])).2, ["custom-operator foreign"]);
        let kernel = |file: &str| {
            scan(
                format!("<CustomLayer name=\"x\" type=\"SimpleGPU\"><Source filename=\"{file}\"/></CustomLayer>")
                    .as_bytes(),
            )
            .2
        };
        assert_eq!(kernel("blur.cl"), [""; 0]);
        assert_eq!(kernel("/data/blur.cl"), ["path-traversal absolute"]);
        assert_eq!(identified(&OpenVino, b"<net>prose</net>"), None);
        assert_eq!(identified(&OpenVino, b"<?xml version=\"1.0\"?><html></html>"), None);
    }

    #[test]
    fn a_tag_that_two_reads_share_is_read_once_and_binary_content_is_told() {
        let many: Vec<(&str, &str)> = vec![("Add", "opset1"); 40_000];
        let bytes = model(&many);
        assert!(bytes.len() > 2 << 20);
        assert_eq!(Parse::of_bytes(&OpenVino, &bytes).facts().len(), 40_000);
        let hidden = [model(&many), vec![0; 64]].concat();
        assert_eq!(scan(&hidden).2, ["trailing-bytes binary"]);
        for end in 0..200 {
            fuzz("openvino", &bytes[..end]);
        }
    }
}
