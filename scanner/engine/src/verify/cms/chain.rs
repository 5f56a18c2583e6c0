//! From a signer's certificate to a root that is trusted beforehand (RFC 5280, 6.1, without policies and revocation).
//!
//! The search is depth first over the certificates that came with the signature and the roots of the store, and bounded:
//! ten certificates deep, and so many signatures for one artifact. A root that comes with the signature is not trusted for it.
//!
//! Two kinds of signature ask. Code is judged by the roots that systems know, which are trusted as they are, and by what
//! its certificates are for; weak digests on the way are told apart. Files beside a signature are judged by the
//! certificates that the user gives for it ([`Need::strict`]): there nothing weak counts, no critical extension is passed
//! over, and what the user gave has to be a valid authority like any other.

use super::certificate::Certificate;
use super::time::Moment;
use crate::verify::TrustStore;
use crate::verify::algorithm::{Algorithm, Refusal};

/// The longest path, the signer and the root among it.
const DEEPEST: usize = 10;

/// The shortest RSA key of the baseline requirements of code signing before 2021.
const SHORTEST: usize = 2048;

/// How many signatures of certificates may still be computed for one artifact.
#[derive(Debug)]
pub(crate) struct Budget(u32);

impl Default for Budget {
    /// A dual signature with its time stamps takes about fifteen.
    fn default() -> Self {
        Self(512)
    }
}

impl Budget {
    /// So many.
    pub(crate) const fn of(most: u32) -> Self {
        Self(most)
    }

    /// Takes one; `false` when there is none left.
    pub(crate) fn take(&mut self) -> bool {
        let left = self.0;
        self.0 = left.saturating_sub(1);
        left > 0
    }
}

/// What became of the search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// The path ends at this root of the store.
    Root(String),
    /// It does not, and why.
    None(Unanchored),
}

/// Why a signer's certificate leads to no root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unanchored {
    /// It is signed by itself, and not in the store.
    SelfSigned,
    /// The path ends at an issuer that neither the signature brings nor the store has.
    Unknown(String),
    /// A certificate of the path was not valid at that moment.
    Expired(String),
    /// The key is not for this purpose.
    Purpose(String),
    /// A certificate of the path is not an authority's.
    NotAuthority(String),
    /// A critical extension is not understood.
    Critical(String),
    /// A certificate is not signed by the issuer that it names.
    Forged(String),
    /// An algorithm that this build does not compute.
    Unsupported(String),
    /// A bound was met.
    Bound,
}

impl Unanchored {
    /// How much of the path was sound, so that the best reason is told.
    fn rank(&self) -> u8 {
        match self {
            Self::Bound => 9,
            Self::Unsupported(_) => 8,
            Self::Purpose(_) => 7,
            Self::Expired(_) => 6,
            Self::Critical(_) => 5,
            Self::NotAuthority(_) => 4,
            Self::Forged(_) => 3,
            Self::Unknown(_) => 2,
            Self::SelfSigned => 1,
        }
    }

    /// For people: one clause.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::SelfSigned => "the certificate is signed by itself and is no known root".to_owned(),
            Self::Unknown(name) => format!("the issuer {name} is no known root"),
            Self::Expired(name) => format!("the certificate of {name} was not valid then"),
            Self::Purpose(name) => format!("the certificate of {name} is not for this purpose"),
            Self::NotAuthority(name) => format!("the certificate of {name} is not an authority's"),
            Self::Critical(name) => {
                format!("the certificate of {name} has a critical extension that is not understood")
            }
            Self::Forged(name) => format!("the certificate of {name} is not signed by the issuer that it names"),
            Self::Unsupported(name) => {
                format!("the certificate of {name} is signed by an algorithm that is not computed")
            }
            Self::Bound => "the search met its bound".to_owned(),
        }
    }
}

/// The result of a search.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    /// Whether it ended at a root.
    pub(crate) anchor: Anchor,
    /// Weak digests and keys on the path below the root.
    pub(crate) weak: Vec<String>,
}

/// What a path must satisfy.
#[derive(Clone, Copy)]
pub(crate) struct Need<'p> {
    /// The extended key usage of the signer; `None` where whoever asks looks at the usage by itself.
    purpose: Option<&'p [u8]>,
    /// When each certificate must have been valid.
    moment: Moment,
    /// Whether nothing weak and nothing that is passed over may stand on the path, the root among it.
    strict: bool,
}

impl<'p> Need<'p> {
    /// Keys for `purpose`, valid at `moment`, up to a root that systems know.
    pub(crate) const fn of(purpose: &'p [u8], moment: Moment) -> Self {
        Self {
            purpose: Some(purpose),
            moment,
            strict: false,
        }
    }

    /// Whatever the keys are for, valid at `moment`, up to a certificate that the user gave.
    pub(crate) const fn strict(moment: Moment) -> Self {
        Self {
            purpose: None,
            moment,
            strict: true,
        }
    }
}

/// Searches a path from the certificate at `leaf` of `pool`.
pub(crate) fn build(
    pool: &[Certificate<'_>],
    leaf: usize,
    trust: &TrustStore,
    need: Need<'_>,
    budget: &mut Budget,
) -> Chain {
    let mut search = Search {
        pool,
        trust,
        need,
        budget,
        best: None,
    };
    let (anchor, path) = search.run(leaf);
    let weak = weak(pool, &path);
    Chain { anchor, weak }
}

struct Search<'s, 'a> {
    pool: &'s [Certificate<'a>],
    trust: &'s TrustStore,
    need: Need<'s>,
    budget: &'s mut Budget,
    best: Option<(Unanchored, Vec<usize>)>,
}

impl Search<'_, '_> {
    /// Depth first with a stack of its own: each entry is a path.
    fn run(&mut self, leaf: usize) -> (Anchor, Vec<usize>) {
        let mut open = vec![vec![leaf]];
        while let Some(path) = open.pop() {
            match self.step(&path, &mut open) {
                Some(root) => return (Anchor::Root(root), path),
                None if self.budget.0 == 0 => self.fail(Unanchored::Bound, &path),
                None => {}
            }
        }
        match self.best.take() {
            Some((why, path)) => (Anchor::None(why), path),
            None => (
                Anchor::None(Unanchored::Unknown("of an unreadable certificate".to_owned())),
                vec![leaf],
            ),
        }
    }

    fn fail(&mut self, why: Unanchored, path: &[usize]) {
        let better = match &self.best {
            Some((other, _)) => why.rank() > other.rank(),
            None => true,
        };
        if better {
            self.best = Some((why, path.to_vec()));
        }
    }

    /// Looks at the end of `path`: the name of the root above it, or the paths that go on.
    fn step(&mut self, path: &[usize], open: &mut Vec<Vec<usize>>) -> Option<String> {
        let last = path.last().and_then(|at| self.pool.get(*at))?;
        let name = last.subject_name().short();
        let is_leaf = path.len() == 1;
        if self.is_critical(last) {
            self.fail(Unanchored::Critical(name), path);
            return None;
        }
        if !is_leaf && !last.may_issue(path.len().saturating_sub(2)) {
            self.fail(Unanchored::NotAuthority(name), path);
            return None;
        }
        let fits = |purpose| last.allows(purpose) && !(is_leaf && last.extensions.signs == Some(false));
        if !self.need.purpose.is_none_or(fits) {
            self.fail(Unanchored::Purpose(name), path);
            return None;
        }
        // Being valid is looked at after the search for a root, so that an expired path is told from an unknown one.
        let expired = path
            .iter()
            .filter_map(|at| self.pool.get(*at))
            .find(|c| !c.is_valid_at(self.need.moment))
            .map(|c| c.subject_name().short());
        if let Some(root) = self.root_above(last, path, &name) {
            match expired {
                Some(name) => self.fail(Unanchored::Expired(name), path),
                None => return Some(root),
            }
            return None;
        }
        if last.is_self_issued() && last.verify_by(last).is_ok() {
            self.fail(
                if is_leaf {
                    Unanchored::SelfSigned
                } else {
                    Unanchored::Unknown(name)
                },
                path,
            );
            return None;
        }
        if path.len() >= DEEPEST {
            self.fail(Unanchored::Bound, path);
            return None;
        }
        let mut any = false;
        for (at, issuer) in self.pool.iter().enumerate() {
            if path.contains(&at) || !last.names_issuer(issuer) {
                continue;
            }
            if !self.budget.take() {
                return None;
            }
            match self.is_signed_by(last, issuer) {
                Ok(()) => {
                    any = true;
                    let mut longer = path.to_vec();
                    longer.push(at);
                    open.push(longer);
                }
                Err(Refusal::Wrong) => self.fail(Unanchored::Forged(name.clone()), path),
                Err(Refusal::Unsupported) => self.fail(Unanchored::Unsupported(name.clone()), path),
            }
        }
        if !any {
            self.fail(Unanchored::Unknown(last.issuer_name().short()), path);
        }
        None
    }

    /// The name of the root of the store that issued `last`, or that it is.
    fn root_above(&mut self, last: &Certificate<'_>, path: &[usize], name: &str) -> Option<String> {
        if self.trust.holds(last) {
            return Some(last.subject_name().short());
        }
        for root in self.trust.issuers_of(last) {
            if !self.budget.take() {
                return None;
            }
            match self.is_signed_by(last, &root) {
                Ok(()) => match self.unfit(&root, path) {
                    Some(why) => self.fail(why, path),
                    None => return Some(root.subject_name().short()),
                },
                Err(Refusal::Wrong) => self.fail(Unanchored::Forged(name.to_owned()), path),
                Err(Refusal::Unsupported) => self.fail(Unanchored::Unsupported(name.to_owned()), path),
            }
        }
        None
    }

    /// Whether a critical extension stands in the way.
    fn is_critical(&self, certificate: &Certificate<'_>) -> bool {
        let extensions = &certificate.extensions;
        extensions.unknown_critical || (self.need.strict && extensions.passed_over)
    }

    /// Whether `certificate` is signed by the key of `issuer`; where the path is strict, by an algorithm that counts.
    fn is_signed_by(&self, certificate: &Certificate<'_>, issuer: &Certificate<'_>) -> Result<(), Refusal> {
        let weak = certificate.digest().is_some_and(Algorithm::is_weak)
            || issuer.key.rsa_bits().is_some_and(|bits| bits < SHORTEST);
        if self.need.strict && weak {
            return Err(Refusal::Unsupported);
        }
        certificate.verify_by(issuer)
    }

    /// Why a root may not stand above `path`: those that systems know may, those that the user gave are looked at.
    fn unfit(&self, root: &Certificate<'_>, path: &[usize]) -> Option<Unanchored> {
        let name = root.subject_name().short();
        if !self.need.strict {
            None
        } else if self.is_critical(root) {
            Some(Unanchored::Critical(name))
        } else if !root.may_issue(path.len().saturating_sub(1)) {
            Some(Unanchored::NotAuthority(name))
        } else if !root.is_valid_at(self.need.moment) {
            Some(Unanchored::Expired(name))
        } else {
            None
        }
    }
}

/// Digests of which collisions can be made, and keys that are too short, below the root.
fn weak(pool: &[Certificate<'_>], path: &[usize]) -> Vec<String> {
    let mut found = Vec::new();
    for certificate in path.iter().filter_map(|at| pool.get(*at)) {
        let name = certificate.subject_name().short();
        if let Some(bits) = certificate.key.rsa_bits().filter(|bits| *bits < SHORTEST) {
            found.push(format!("the RSA key of {name} has {bits} bits"));
        }
        let digest = certificate.digest();
        if !certificate.is_self_issued() && digest.is_some_and(Algorithm::is_weak) {
            found.push(format!("the certificate of {name} is signed over SHA-1"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use probity_tests::build::signed::{CODE_SIGNING, Certificate as Made, TIME_STAMPING};

    /// What becomes of a path from the first of `brought` to `roots`.
    fn found(brought: &[Made], roots: &[Made], need: fn(Moment) -> Need<'static>) -> Anchor {
        let brought: Vec<Vec<u8>> = brought.iter().map(Made::build).collect();
        let pool: Vec<Certificate<'_>> = brought.iter().map(|der| Certificate::from_der(der).unwrap()).collect();
        let roots: Vec<Vec<u8>> = roots.iter().map(Made::build).collect();
        let need = need(pool[0].not_before);
        build(&pool, 0, &TrustStore::of(&roots), need, &mut Budget::of(128)).anchor
    }

    fn code(moment: Moment) -> Need<'static> {
        Need::of(crate::verify::cms::oid::EKU_CODE_SIGNING, moment)
    }

    fn root(change: impl FnOnce(&mut Made)) -> Vec<Made> {
        let mut root = Made::root();
        change(&mut root);
        vec![root]
    }

    #[test]
    fn a_root_that_systems_know_is_trusted_as_it_is_and_one_of_the_user_is_looked_at() {
        let known = Anchor::Root("Probity Test Root".to_owned());
        let name = || "Probity Test Root".to_owned();
        let cases: [(Vec<Made>, Anchor); 4] = [
            (root(|_| {}), known.clone()),
            (
                root(|r| r.authority = false),
                Anchor::None(Unanchored::NotAuthority(name())),
            ),
            (
                root(|r| r.not_after = "230101000000Z"),
                Anchor::None(Unanchored::Expired(name())),
            ),
            (
                root(|r| r.unknown_critical = true),
                Anchor::None(Unanchored::Critical(name())),
            ),
        ];
        for (roots, strict) in cases {
            assert_eq!(found(&[Made::leaf()], &roots, Need::strict), strict);
            assert_eq!(found(&[Made::leaf()], &roots, code), known);
        }
    }

    #[test]
    fn the_purpose_of_a_key_counts_for_code_alone() {
        let signer = |purpose| Made {
            purpose,
            ..Made::leaf()
        };
        for purpose in [CODE_SIGNING, TIME_STAMPING, ""] {
            let anchor = found(&[signer(purpose)], &root(|_| {}), Need::strict);
            assert!(matches!(anchor, Anchor::Root(_)), "{purpose}");
        }
        let refused = found(&[signer(TIME_STAMPING)], &root(|_| {}), code);
        assert!(matches!(refused, Anchor::None(Unanchored::Purpose(_))));
    }

    #[test]
    fn a_path_by_the_users_certificates_is_no_path_by_what_the_signature_brings() {
        let brought = [Made::leaf(), Made::root()];
        let stranger = root(|r| (r.subject, r.issuer) = ("Another Root", "Another Root"));
        let refused = found(&brought, &stranger, Need::strict);
        assert!(matches!(refused, Anchor::None(_)), "{refused:?}");
        let forged = Made {
            forged: true,
            ..Made::leaf()
        };
        let refused = found(&[forged], &root(|_| {}), Need::strict);
        assert!(matches!(refused, Anchor::None(Unanchored::Forged(_))), "{refused:?}");
        // One that the user gave is enough, wherever it stands.
        let itself = found(&[Made::leaf()], &[Made::leaf()], Need::strict);
        assert!(matches!(itself, Anchor::Root(_)), "{itself:?}");
    }
}
