//! What an Authenticode signature is over (Windows Authenticode Portable Executable Signature Format, 2008).
//!
//! ```text
//! SpcIndirectDataContent  SEQUENCE { SEQUENCE { OBJECT IDENTIFIER type, ANY value OPTIONAL }, DigestInfo }
//! SpcPeImageData          SEQUENCE { BIT STRING flags, [0] SpcLink file }
//! SpcSerializedObject     [1] { OCTET STRING class, OCTET STRING data }: page hashes, when there are any
//! DigestInfo              SEQUENCE { AlgorithmIdentifier, OCTET STRING digest }
//! ```

use crate::verify::algorithm::{Algorithm, Identifier};
use crate::verify::cms::element::{Elements, fault};
use crate::verify::cms::oid;
use crate::walk::der::{DerFault, Tlv};
use std::collections::BTreeMap;

/// The class of a serialised object that holds page hashes.
const PAGE_HASHES: [u8; 16] = [
    0xa6, 0xb5, 0x86, 0xd5, 0xb4, 0xa1, 0x24, 0x66, 0xae, 0x05, 0xa2, 0x17, 0xda, 0x8e, 0x60, 0xd6,
];

/// What a signature is over.
#[derive(Debug)]
pub(super) struct Indirect<'a> {
    /// By what digest; `None` for one that is not computed.
    pub(super) algorithm: Option<Algorithm>,
    /// The digest.
    pub(super) digest: &'a [u8],
    /// Whether it is the digest of a PE image, rather than of a script, a catalogue or a package.
    pub(super) of_image: bool,
    /// The page hashes.
    pub(super) pages: Option<PageHashes>,
}

/// Digests of pages, by where in the file a page begins.
#[derive(Debug)]
pub(super) struct PageHashes {
    /// By what.
    pub(super) algorithm: Algorithm,
    /// The digests. The last one marks the end and is all zeros.
    pub(super) by_offset: BTreeMap<u64, Vec<u8>>,
}

impl<'a> Indirect<'a> {
    /// Reads the content of a message.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub(super) fn parse(content: Tlv<'a>) -> Result<Self, DerFault> {
        let mut parts = Elements::of(content);
        let mut what = Elements::of(parts.universal(16)?);
        let kind = what.universal(6)?.oid()?;
        let value = what.next_element()?;
        what.finish()?;
        let mut info = Elements::of(parts.universal(16)?);
        let algorithm = Identifier::parse(info.universal(16)?)?;
        let digest = info.universal(4)?.string()?;
        info.finish()?;
        parts.finish()?;
        let of_image = kind == oid::SPC_PE_IMAGE_DATA;
        let pages = match value.filter(|_| of_image) {
            Some(value) => page_hashes(value)?,
            None => None,
        };
        Ok(Self {
            algorithm: Algorithm::from_oid(algorithm.oid),
            digest,
            of_image,
            pages,
        })
    }
}

fn page_hashes(value: Tlv<'_>) -> Result<Option<PageHashes>, DerFault> {
    let mut image = Elements::of(value);
    image.optional(3)?;
    let Some(link) = image.context(0)? else {
        return Ok(None);
    };
    let mut link = Elements::of(link);
    let Some(moniker) = link.context(1)? else {
        return Ok(None);
    };
    let mut parts = Elements::of(moniker);
    if parts.universal(4)?.string()? != PAGE_HASHES {
        return Ok(None);
    }
    let data = parts.universal(4)?;
    let set = Elements::one(data.bytes, data.value.start())?;
    let mut attribute = Elements::of(Elements::of(set).universal(16)?);
    let algorithm = match attribute.universal(6)?.oid()? {
        oid::SPC_PAGE_HASHES_V1 => Algorithm::Sha1,
        oid::SPC_PAGE_HASHES_V2 => Algorithm::Sha256,
        _ => return Ok(None),
    };
    let table = Elements::of(attribute.universal(17)?).universal(4)?;
    let bytes = table.string()?;
    let entry = algorithm.length().saturating_add(4);
    if bytes.is_empty() || !bytes.len().is_multiple_of(entry) {
        return Err(fault(
            table.value.start(),
            "page hashes that are not a whole number of entries",
        ));
    }
    let mut by_offset = BTreeMap::new();
    for one in bytes.chunks_exact(entry) {
        let (offset, digest) = one.split_at(4);
        let offset = offset.first_chunk().map_or(0, |b| u64::from(u32::from_le_bytes(*b)));
        by_offset.insert(offset, digest.to_vec());
    }
    Ok(Some(PageHashes { algorithm, by_offset }))
}
