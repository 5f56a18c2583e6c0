//! Roots that are trusted beforehand: those under `signatures/trust/`, and those that the user adds.
//!
//! Nothing that an artifact brings ever gets in here.

use super::cms::certificate::Certificate;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::sync::{Arc, LazyLock};

/// Certificates of roots.
#[derive(Clone, Debug, Default)]
pub struct TrustStore {
    roots: Vec<Root>,
}

#[derive(Clone, Debug)]
struct Root {
    subject: Vec<u8>,
    der: Arc<[u8]>,
}

/// Why a file of roots was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// It holds no certificate.
    #[error("no certificate in PEM or DER")]
    Empty,
    /// One of its certificates breaks a rule.
    #[error("certificate {number}: {rule}")]
    Certificate {
        /// Which, from 1 on.
        number: usize,
        /// The rule, in a few words.
        rule: String,
    },
}

impl TrustStore {
    /// The roots that come with Probity.
    pub fn built_in() -> Arc<Self> {
        static BUILT_IN: LazyLock<Arc<TrustStore>> = LazyLock::new(|| {
            let mut store = TrustStore::default();
            for root in probity_signatures::trust::roots() {
                // A test reads every one of them.
                let _ = store.push(root.der);
            }
            Arc::new(store)
        });
        Arc::clone(&BUILT_IN)
    }

    /// A store of these certificates, in DER; those that cannot be read are left out.
    pub(crate) fn of(certificates: &[Vec<u8>]) -> Self {
        let mut store = Self::default();
        for der in certificates {
            let _ = store.push(der);
        }
        store
    }

    /// Adds the certificates of a file: PEM, or one in DER. Returns how many there were.
    ///
    /// # Errors
    /// [`TrustError`]; then nothing is added.
    pub fn add(&mut self, file: &[u8]) -> Result<usize, TrustError> {
        let certificates = if file.first() == Some(&0x30) {
            vec![file.to_vec()]
        } else {
            pem(file)
        };
        if certificates.is_empty() {
            return Err(TrustError::Empty);
        }
        let mut more = self.clone();
        for (index, der) in certificates.iter().enumerate() {
            more.push(der).map_err(|rule| TrustError::Certificate {
                number: index.saturating_add(1),
                rule,
            })?;
        }
        *self = more;
        Ok(certificates.len())
    }

    /// How many roots there are.
    pub fn len(&self) -> usize {
        self.roots.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

    fn push(&mut self, der: &[u8]) -> Result<(), String> {
        let certificate = Certificate::from_der(der).map_err(|fault| fault.rule.to_owned())?;
        let subject = certificate.subject.to_vec();
        if !self.roots.iter().any(|root| *root.der == *der) {
            self.roots.push(Root {
                subject,
                der: der.into(),
            });
        }
        Ok(())
    }

    /// Whether `certificate` is a root.
    pub(crate) fn holds(&self, certificate: &Certificate<'_>) -> bool {
        let mut named = self.roots.iter().filter(|root| root.subject == certificate.subject);
        named.any(|root| *root.der == *certificate.der.encoding)
    }

    /// The roots that could have issued `certificate`.
    pub(crate) fn issuers_of<'s>(&'s self, certificate: &Certificate<'_>) -> Vec<Certificate<'s>> {
        let named = self.roots.iter().filter(|root| root.subject == certificate.issuer);
        let read = named.filter_map(|root| Certificate::from_der(&root.der).ok());
        read.filter(|root| certificate.names_issuer(root)).collect()
    }
}

/// The blocks between `BEGIN CERTIFICATE` and `END CERTIFICATE`; what is no base64 is an empty block, which no certificate is.
fn pem(file: &[u8]) -> Vec<Vec<u8>> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let text = String::from_utf8_lossy(file);
    let blocks = text.split(BEGIN).skip(1);
    blocks
        .map(|block| {
            let body = block.split(END).next().unwrap_or_default();
            let plain: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
            STANDARD.decode(plain).unwrap_or_default()
        })
        .collect()
}
