//! From a signer's certificate to a root that is trusted beforehand (RFC 5280, 6.1, without policies and revocation).
//!
//! The search is depth first over the certificates that came with the signature and the roots of the store, and bounded:
//! ten certificates deep, and so many signatures for one artifact. A root that comes with the signature is not trusted for it.

use super::certificate::Certificate;
use super::time::Moment;
use crate::verify::TrustStore;
use crate::verify::algorithm::{Algorithm, Refusal};

/// The longest path, the signer and the root among it.
const DEEPEST: usize = 10;

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
    /// The extended key usage of the signer.
    pub(crate) purpose: &'p [u8],
    /// When each certificate must have been valid.
    pub(crate) moment: Moment,
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
        if last.extensions.unknown_critical {
            self.fail(Unanchored::Critical(name), path);
            return None;
        }
        if !is_leaf && !last.may_issue(path.len().saturating_sub(2)) {
            self.fail(Unanchored::NotAuthority(name), path);
            return None;
        }
        if !last.allows(self.need.purpose) || (is_leaf && last.extensions.signs == Some(false)) {
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
            match last.verify_by(issuer) {
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
            match last.verify_by(&root) {
                Ok(()) => return Some(root.subject_name().short()),
                Err(Refusal::Wrong) => self.fail(Unanchored::Forged(name.to_owned()), path),
                Err(Refusal::Unsupported) => self.fail(Unanchored::Unsupported(name.to_owned()), path),
            }
        }
        None
    }
}

/// Digests of which collisions can be made, and keys that are too short, below the root.
fn weak(pool: &[Certificate<'_>], path: &[usize]) -> Vec<String> {
    /// The shortest RSA key of the baseline requirements of code signing before 2021.
    const SHORTEST: usize = 2048;
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
