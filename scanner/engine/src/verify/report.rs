//! What a report says of one signature.

/// Whether the bytes are those that were signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// They are.
    Yes,
    /// They are not, or the signature is none of its signer's.
    No,
    /// It could not be found out.
    Unknown,
}

impl Answer {
    /// The name shown to people and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }
}

/// Whether somebody who is trusted beforehand vouches for the signer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainAnswer {
    /// The signer's certificate leads to a root that is known.
    Anchored,
    /// It does not.
    Unanchored,
    /// It could not be found out.
    Unknown,
}

impl ChainAnswer {
    /// The name shown to people and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Anchored => "anchored",
            Self::Unanchored => "unanchored",
            Self::Unknown => "unknown",
        }
    }
}

/// When a signature was made, by somebody other than its signer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Time {
    /// RFC 3339, in UTC.
    pub at: String,
    /// Who says so.
    pub authority: String,
    /// Whether that authority leads to a root that is known.
    pub chain: ChainAnswer,
}

/// One countersignature.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Countersignature {
    /// `rfc3161` or `pkcs9`.
    pub kind: &'static str,
    /// What it proves, when it is good.
    pub time: Option<Time>,
    /// Why it is not good.
    pub fault: Option<String>,
}

/// What an Apple code signature says of the code, beyond the four answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CodeIdentity {
    /// Who made it: `certificate`, `ad-hoc`, `linker-signed`, or `none` where a signer should be and is not.
    pub kind: &'static str,
    /// The identifier.
    pub identifier: String,
    /// The team, by the CodeDirectory.
    pub team: Option<String>,
    /// The flags by the names that `codesign` uses; unknown ones in hexadecimal.
    pub flags: Vec<String>,
    /// The digest of the CodeDirectory that systems prefer, 20 bytes of it: the code's name in the kernel.
    pub cdhash: Vec<u8>,
    /// The digest of each CodeDirectory, the first slot's first.
    pub digests: Vec<&'static str>,
    /// Bytes of a page; 0 for one page.
    pub page: u64,
    /// The platform that it belongs to; 0 for none.
    pub platform: u8,
    /// The version of the hardened runtime.
    pub runtime: Option<String>,
    /// The designated requirement, as `codesign` spells it.
    pub requirement: Option<String>,
    /// The entitlements, by name; with `=false` where one is withheld.
    pub entitlements: Vec<String>,
    /// Whether a notarization ticket is attached; it is not verified.
    pub ticket: bool,
}

/// One signature, and the answers about it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Signature {
    /// The scheme: `authenticode` ...
    pub scheme: &'static str,
    /// Whether the bytes are those that were signed.
    pub intact: Answer,
    /// Why not, or why nobody knows.
    pub reason: Option<String>,
    /// The subject of the signer's certificate, most specific first; `None` when there is none.
    pub signer: Option<String>,
    /// The names by which it can be pinned: `authenticode:CN=...`, `authenticode:O=...`.
    pub pins: Vec<String>,
    /// SHA-256 of the signer's certificate.
    pub certificate: Option<Vec<u8>>,
    /// The publisher whose pin the signer meets.
    pub publisher: Option<String>,
    /// Whether somebody who is trusted beforehand vouches for the signer.
    pub chain: ChainAnswer,
    /// The root, or why there is none.
    pub anchor: Option<String>,
    /// When, by the best of the countersignatures; `None` when there is no good one.
    pub time: Option<Time>,
    /// All countersignatures.
    pub countersignatures: Vec<Countersignature>,
    /// The digest that it is over: `sha256` ...
    pub digest: Option<&'static str>,
    /// Whether it stands inside another signature.
    pub nested: bool,
    /// Bytes that it covers.
    pub covered: u64,
    /// What it says of the code, in an Apple code signature.
    pub code: Option<Box<CodeIdentity>>,
}

impl Signature {
    /// Whether it is a signature of the one whom `pin` names: intact, vouched for by a known root, and by that name. A name
    /// alone is nothing, since anybody can write one.
    pub fn meets(&self, pin: &str) -> bool {
        self.intact == Answer::Yes && self.chain == ChainAnswer::Anchored && self.pins.iter().any(|own| own == pin)
    }

    /// A signature of `scheme` of which nothing is known.
    pub(crate) fn new(scheme: &'static str) -> Self {
        Self {
            scheme,
            intact: Answer::Unknown,
            reason: None,
            signer: None,
            pins: Vec::new(),
            certificate: None,
            publisher: None,
            chain: ChainAnswer::Unknown,
            anchor: None,
            time: None,
            countersignatures: Vec::new(),
            digest: None,
            nested: false,
            covered: 0,
            code: None,
        }
    }
}
