//! Findings and errors: what the bytes say, and what Probity could not do.
//!
//! A [`Finding`] carries its code, the case that decided, the place and the evidence; its severity comes from the rule
//! (`signatures/rules/<code>.toml`) through `policy/`. A [`ScanError`] has no severity: it makes the artifact
//! incomplete.

use crate::span::Span;
use std::collections::HashMap;

/// The codes of findings. Kebab-case, never renamed or reused; each has a file in `signatures/rules/`.
pub mod code {
    macro_rules! codes {
        ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
            $($(#[$doc])* pub const $name: &str = $text;)*
            /// Every code, in the order of declaration.
            pub const ALL: &[&str] = &[$($text),*];
        };
    }
    codes! {
        /// Bytes that no parsed region accounts for.
        UNCLAIMED_BYTES = "unclaimed-bytes";
        /// Two regions of one format share bytes.
        OVERLAPPING_REGIONS = "overlapping-regions";
        /// Padding that is not the fill the format prescribes.
        NONZERO_PADDING = "nonzero-padding";
        /// Bytes after the end of the format.
        TRAILING_BYTES = "trailing-bytes";
        /// The same bytes are a second format.
        POLYGLOT = "polyglot";
        /// A rule of the format is broken.
        MALFORMED = "malformed";
        /// The file ends before its format does.
        TRUNCATED = "truncated";
        /// A member's name leads outside the place it is extracted to.
        PATH_TRAVERSAL = "path-traversal";
        /// A link member leads outside the place it is extracted to.
        SYMLINK_ESCAPE = "symlink-escape";
        /// Two places that describe the same bytes disagree.
        HEADER_MISMATCH = "header-mismatch";
        /// Two members have one name.
        DUPLICATE_ENTRY = "duplicate-entry";
        /// A key stands twice in one object.
        DUPLICATE_KEY = "duplicate-key";
        /// An archive that expands beyond reason.
        ARCHIVE_BOMB = "archive-bomb";
        /// A member is encrypted.
        ENCRYPTED_ENTRY = "encrypted-entry";
        /// An executable inside another artifact.
        EMBEDDED_EXECUTABLE = "embedded-executable";
        /// Memory that is mapped writable and executable.
        WRITABLE_EXECUTABLE = "writable-executable";
        /// Execution starts, or is mapped, in an unusual place.
        SUSPICIOUS_ENTRY = "suspicious-entry";
        /// A callable that runs code when the artifact is loaded.
        UNSAFE_CALLABLE = "unsafe-callable";
        /// A callable that nobody has reviewed.
        UNKNOWN_CALLABLE = "unknown-callable";
        /// An operator of a computation graph that reaches outside of the graph.
        UNSAFE_OPERATOR = "unsafe-operator";
        /// An operator of a computation graph that is not the framework's own, or that is worth an entry.
        CUSTOM_OPERATOR = "custom-operator";
        /// A field that the format's schema does not have.
        UNKNOWN_FIELD = "unknown-field";
        /// A model's configuration names an object outside Keras.
        CONFIG_OBJECT = "config-object";
        /// A layer that calls a function of its own.
        CONFIG_LAMBDA = "config-lambda";
        /// A file or address that a configuration makes its loader read.
        CONFIG_RESOURCE = "config-resource";
        /// Data of the artifact is in other files.
        EXTERNAL_STORAGE = "external-storage";
        /// Compiled Python code in a model.
        MARSHALLED_CODE = "marshalled-code";
        /// A URL whose host is an address.
        IP_LITERAL_URL = "ip-literal-url";
        /// A URL that is written so that nobody finds it.
        ENCODED_HOST = "encoded-host";
        /// A host that reads like another.
        DISGUISED_HOST = "disguised-host";
        /// A key or token that opens something.
        EMBEDDED_SECRET = "embedded-secret";
        /// The name says one format, the bytes another.
        NAME_MISMATCH = "name-mismatch";
        /// Two readers of the same bytes see different things.
        READER_DISAGREEMENT = "reader-disagreement";
        /// A name with control characters, terminal escapes or bidirectional overrides.
        ESCAPE_SEQUENCE_NAME = "escape-sequence-name";
        /// A device, FIFO or socket inside an archive.
        SPECIAL_FILE = "special-file";
        /// A document that acts when it is opened.
        ACTIVE_CONTENT = "active-content";
        /// An entity of an XML document that is read from elsewhere, or that expands without end.
        XML_ENTITY = "xml-entity";
        /// A single-file agent that loads more than itself.
        BUNDLE_AUTOLOAD = "bundle-autoload";
        /// What a single-file program carries.
        BUNDLE_INVENTORY = "bundle-inventory";
        /// How a program was built.
        BUILD_INVENTORY = "build-inventory";
        /// Protections that a program was built without.
        HARDENING = "hardening";
        /// A library is taken from where others can put one.
        LIBRARY_PATH = "library-path";
        /// A program whose code is compressed.
        PACKED = "packed";
        /// The structure of a program is not that of what compilers write.
        UNUSUAL_STRUCTURE = "unusual-structure";
        /// A template that leads out of its engine.
        TEMPLATE_INJECTION = "template-injection";
        /// A prompt that a template adds only under a condition.
        CONDITIONAL_PROMPT = "conditional-prompt";
        /// A configuration names a callable that its loader calls.
        CONFIGURED_CALLABLE = "configured-callable";
        /// A model archive carries code that its loader runs.
        BUNDLED_CODE = "bundled-code";
        /// A serialised object runs code of its own when it is read.
        EMBEDDED_CODE = "embedded-code";
        /// Tokenizer or vocabulary entries that contradict each other.
        TOKENIZER_ODDITY = "tokenizer-oddity";
        /// The subject is not the file that the declared set names.
        DECLARED_DIGEST = "declared-digest";
        /// A package's list of its files is not what is there.
        RECORD_MISMATCH = "record-mismatch";
        /// A file of a package runs without being asked for.
        STARTUP_CODE = "startup-code";
        /// A program that runs when a package is installed.
        INSTALL_SCRIPT = "install-script";
        /// A package's manifest says of its files what is not so.
        PACKAGE_MANIFEST = "package-manifest";
        /// What a package brings.
        PACKAGE_INVENTORY = "package-inventory";
        /// A model's index of its files is not what is there.
        SHARD_INDEX = "shard-index";
        /// A model's configuration names code.
        REMOTE_CODE = "remote-code";
        /// A model's source acts as soon as it is imported.
        IMPORT_CODE = "import-code";
        /// Copies of a chat template differ.
        TEMPLATE_DRIFT = "template-drift";
        /// Text that nobody sees.
        HIDDEN_TEXT = "hidden-text";
        /// Texts of a model that are commands, source or instructions.
        PLANTED_TEXT = "planted-text";
        /// An image is not made of what it says.
        IMAGE_MISMATCH = "image-mismatch";
        /// What an image brings.
        IMAGE_INVENTORY = "image-inventory";
        /// A tensor with values that are no numbers, or infinite.
        TENSOR_NONFINITE = "tensor-nonfinite";
        /// A tensor with values that no weight has.
        TENSOR_MAGNITUDE = "tensor-magnitude";
        /// A program, script or archive in the bytes, low bytes or low bits of a tensor's elements.
        TENSOR_PAYLOAD = "tensor-payload";
        /// Text among the elements of a tensor.
        TENSOR_TEXT = "tensor-text";
        /// A tensor's shape is not what the model's configuration says.
        TENSOR_SHAPE = "tensor-shape";
        /// Scales of quantised blocks that no weight has.
        TENSOR_QUANT_SCALE = "tensor-quant-scale";
        /// A tensor of integers that is a program.
        TENSOR_INTEGER_EXECUTABLE = "tensor-integer-executable";
        /// A tensor whose elements are all equal.
        TENSOR_CONSTANT = "tensor-constant";
        /// Tensors with the same bytes.
        TENSOR_DUPLICATE = "tensor-duplicate";
        /// A tensor unlike those of the same role in other layers.
        TENSOR_SIBLING = "tensor-sibling";
        /// A tensor whose lowest bytes are unlike those of its siblings.
        TENSOR_LOW_BITS = "tensor-low-bits";
        /// A tensor is not the one that a manifest describes.
        TENSOR_CHANGED = "tensor-changed";
        /// The subject is not signed by whom the declared set names.
        DECLARED_SIGNER = "declared-signer";
        /// A file is not what was signed.
        SIGNED_FILE_CHANGED = "signed-file-changed";
        /// A file was signed and is not there.
        SIGNED_FILE_MISSING = "signed-file-missing";
        /// A file stands among signed ones, and nobody signed it.
        UNSIGNED_FILE = "unsigned-file";
        /// A model differs from another by a change of few directions in few places.
        TENSOR_LOW_RANK_EDIT = "tensor-low-rank-edit";
        /// A tensor differs from another in its lowest bits only.
        TENSOR_LOW_BITS_CHANGE = "tensor-low-bits-change";
        /// The tensors of a model changed.
        DIFF_TENSOR = "diff-tensor";
        /// A version names other hosts.
        DIFF_HOST = "diff-host";
        /// A version asks the loader for other libraries, or offers other symbols.
        DIFF_IMPORT = "diff-import";
        /// Loading a version uses other callables.
        DIFF_CALLABLE = "diff-callable";
        /// A version of a package runs or asks for something else.
        DIFF_SCRIPT = "diff-script";
        /// A signature came, went or is another's.
        DIFF_SIGNER = "diff-signer";
        /// A version may do what another could not.
        DIFF_ENTITLEMENT = "diff-entitlement";
        /// Something was added, removed, moved or changed.
        DIFF_CONTENT = "diff-content";
        /// A host that the declared set does not name.
        UNDECLARED_HOST = "undeclared-host";
        /// A declared host that nothing names.
        DECLARED_UNUSED = "declared-unused";
        /// A signature that is not good, or not of these bytes.
        SIGNATURE_INVALID = "signature-invalid";
        /// Nobody who is known vouches for a signer.
        SIGNATURE_UNANCHORED = "signature-unanchored";
        /// A signature rests on a digest or a key that is too weak.
        SIGNATURE_WEAK = "signature-weak";
        /// Nobody says when a signature was made, or somebody does so wrongly.
        SIGNATURE_TIME = "signature-time";
        /// Two readings of what a signature is over disagree.
        SIGNATURE_ORDER = "signature-order";
        /// The images of one universal file have different signers.
        MIXED_SIGNERS = "mixed-signers";
        /// A signed artifact holds bytes that no signature is over.
        UNCOVERED_BYTES = "uncovered-bytes";
        /// The checksum of a PE image is not that of its bytes.
        IMAGE_CHECKSUM = "image-checksum";
        /// A YARA rule of the user matches.
        YARA_MATCH = "yara-match";
    }
}

/// A value of a finding's evidence.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text; control characters are escaped on output.
    Text(String),
    /// An unsigned number.
    Number(u64),
    /// A real number.
    Real(f64),
    /// A list of texts.
    List(Vec<String>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}
impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}
impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

/// A second place that belongs to a finding.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Related {
    /// The region's name.
    pub region: String,
    /// Its bytes in the artifact that holds it.
    pub span: Span,
    /// The artifact that holds it, when it is another one.
    pub elsewhere: Option<Elsewhere>,
}

/// An artifact other than the one a finding is about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Elsewhere {
    /// The root's path, escaped.
    pub path: String,
    /// The nested path, escaped.
    pub nested: Option<String>,
}

/// What the bytes say.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Finding {
    /// The code, one of [`code::ALL`] or the id of a rule of the user.
    pub code: &'static str,
    /// The case of the rule that applies, which may change the severity.
    pub case: Option<&'static str>,
    /// One sentence, lower case, no full stop. May hold artifact text: escaped on output.
    pub message: String,
    /// The region's name; filled at close from the ledger when empty.
    pub region: String,
    /// The bytes it is about, in the artifact.
    pub span: Span,
    /// What made it fire.
    pub evidence: Vec<(&'static str, Value)>,
    /// What identifies the finding across versions of the artifact (a callable, a member name); no offsets.
    pub key: String,
    /// Other places that belong to it.
    pub related: Vec<Related>,
    /// Up to 64 bytes of the artifact from the start of `span`, for a person to look at; filled at close.
    pub excerpt: Vec<u8>,
}

impl Finding {
    /// A finding about the bytes of `span`.
    pub(crate) fn new(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            case: None,
            message: message.into(),
            region: String::new(),
            span,
            evidence: Vec::new(),
            key: String::new(),
            related: Vec::new(),
            excerpt: Vec::new(),
        }
    }

    /// Names the case of the rule.
    #[must_use]
    pub(crate) fn case(mut self, case: &'static str) -> Self {
        self.case = Some(case);
        self
    }

    /// Names the region.
    #[must_use]
    pub(crate) fn region(mut self, region: impl Into<String>) -> Self {
        self.region = region.into();
        self
    }

    /// Adds evidence.
    #[must_use]
    pub(crate) fn evidence(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.evidence.push((key, value.into()));
        self
    }

    /// Sets what identifies the finding across versions.
    #[must_use]
    pub(crate) fn key(mut self, key: impl Into<String>) -> Self {
        self.key = key.into();
        self
    }

    /// Adds a related place.
    #[must_use]
    pub(crate) fn related(mut self, region: impl Into<String>, span: Span) -> Self {
        self.related.push(Related {
            region: region.into(),
            span,
            elsewhere: None,
        });
        self
    }

    /// Adds a place in another artifact.
    #[must_use]
    pub(crate) fn related_in(mut self, region: impl Into<String>, span: Span, elsewhere: Elsewhere) -> Self {
        self.related.push(Related {
            region: region.into(),
            span,
            elsewhere: Some(elsewhere),
        });
        self
    }
}

/// The findings about one artifact, bounded: of each (code, case) the first 64 are kept and the rest counted.
///
/// The bound is per case, so that a flood of harmless findings cannot push out a grave one. What comes back from a scan is
/// closed: plain lists.
#[doc(hidden)]
#[derive(Clone, Debug, Default)]
pub struct Findings {
    kept: Vec<Finding>,
    counts: HashMap<(&'static str, Option<&'static str>), u64>,
}

impl Findings {
    /// The most findings of one code and case.
    pub const MOST: u64 = 64;

    /// Adds a finding.
    pub fn push(&mut self, finding: Finding) {
        let n = self.counts.entry((finding.code, finding.case)).or_default();
        *n = n.saturating_add(1);
        if *n <= Self::MOST {
            self.kept.push(finding);
        }
    }

    /// Adds all of `other`, with what it counted.
    pub fn append(&mut self, other: Self) {
        for (kind, more) in other.counts.into_iter().filter(|(_, n)| *n > Self::MOST) {
            let n = self.counts.entry(kind).or_default();
            *n = n.saturating_add(more.saturating_sub(Self::MOST));
        }
        for finding in other.kept {
            self.push(finding);
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// The findings kept so far, in the order in which they came.
    pub fn iter(&self) -> std::slice::Iter<'_, Finding> {
        self.kept.iter()
    }

    /// The findings kept so far.
    pub fn as_slice(&self) -> &[Finding] {
        &self.kept
    }

    /// The findings, and for each (code, case) with more than are kept one that says how many.
    pub fn close(self) -> Vec<Finding> {
        let mut all = self.kept;
        let mut more: Vec<_> = self.counts.into_iter().filter(|(_, n)| *n > Self::MOST).collect();
        more.sort_unstable();
        for ((code, case), n) in more {
            let message = format!(
                "and {} more of this kind in this artifact",
                n.saturating_sub(Self::MOST)
            );
            let mut finding = Finding::new(code, Span::new(0, 0), message).key("more");
            finding.case = case;
            all.push(finding);
        }
        all
    }
}

/// What kind of thing Probity could not do. Kebab-case names appear in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ErrorCode {
    /// Bytes could not be read.
    Unreadable,
    /// The file was not the same when it was read twice.
    ChangedDuringScan,
    /// A limit was reached.
    LimitExceeded,
    /// Content is encrypted.
    Encrypted,
    /// A codec, version or kind of file that this build does not read.
    Unsupported,
    /// A link that was not followed.
    NotFollowed,
    /// A defect of Probity itself, caught at the edge of one artifact.
    Internal,
}

impl ErrorCode {
    /// Every code.
    pub const ALL: &[Self] = &[
        Self::Unreadable,
        Self::ChangedDuringScan,
        Self::LimitExceeded,
        Self::Encrypted,
        Self::Unsupported,
        Self::NotFollowed,
        Self::Internal,
    ];

    /// The name shown to people and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::ChangedDuringScan => "changed-during-scan",
            Self::LimitExceeded => "limit-exceeded",
            Self::Encrypted => "encrypted",
            Self::Unsupported => "unsupported",
            Self::NotFollowed => "not-followed",
            Self::Internal => "internal",
        }
    }
}

/// What Probity could not do. Makes the artifact, and all that hold it, incomplete.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScanError {
    /// What kind.
    pub code: ErrorCode,
    /// One sentence, lower case, no full stop.
    pub message: String,
    /// Where in the artifact, when it has a place.
    pub offset: Option<u64>,
}

impl ScanError {
    /// An error without a place.
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            offset: None,
        }
    }

    /// Adds the place.
    #[must_use]
    pub(crate) fn at(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_one_case_is_counted_and_hides_nothing_of_another() {
        let mut findings = Findings::default();
        for n in 0..1000 {
            findings.push(Finding::new(code::UNCLAIMED_BYTES, Span::new(n, n + 1), "small").case("small"));
        }
        findings.push(Finding::new(code::UNCLAIMED_BYTES, Span::new(5000, 6000), "grave").case("gap"));
        let closed = findings.close();
        assert_eq!(closed.iter().filter(|f| f.case == Some("small")).count(), 65);
        assert!(
            closed
                .iter()
                .any(|f| f.message == "and 936 more of this kind in this artifact")
        );
        assert!(closed.iter().any(|f| f.message == "grave"));
    }
}
