//! The contents of primitive elements as slices, checked against DER (X.690 clauses 8 and 11).
//!
//! Each accessor takes the universal type it names, and any other class too: an implicit tag replaces the universal
//! one, and only the schema knows the type. Numbers are not interpreted and text is not decoded.

use std::fmt::Write as _;

use super::super::absolute;
use super::{Class, DerFault, DerFaultKind, Tlv};

/// The longest object identifier that [`Tlv::oid_dotted`] spells out, in octets.
const MAX_OID_OCTETS: usize = 128;

impl<'a> Tlv<'a> {
    /// The truth value of a BOOLEAN.
    ///
    /// # Errors
    ///
    /// Another type, or contents other than one octet of 0x00 or 0xff.
    pub fn boolean(&self) -> Result<bool, DerFault> {
        match self.primitive(&[1], "not a BOOLEAN")? {
            [0x00] => Ok(false),
            [0xff] => Ok(true),
            [_] => Err(self.fault(0, "BOOLEAN neither 0x00 nor 0xff (11.1)")),
            _ => Err(self.fault(0, "BOOLEAN of other than one octet (8.2.1)")),
        }
    }

    /// The octets of an INTEGER or ENUMERATED: big-endian, two's complement, at least one.
    ///
    /// # Errors
    ///
    /// Another type, no octets, or more octets than needed.
    pub fn integer(&self) -> Result<&'a [u8], DerFault> {
        let octets = self.primitive(&[2, 10], "not an INTEGER or ENUMERATED")?;
        match octets {
            [] => Err(self.fault(0, "INTEGER without octets (8.3.1)")),
            [0x00, 0x00..=0x7f, ..] | [0xff, 0x80..=0xff, ..] => {
                Err(self.fault(0, "INTEGER not in the fewest octets (8.3.2)"))
            }
            _ => Ok(octets),
        }
    }

    /// The contents of an OCTET STRING, a character string or a time; the repertoire is not checked.
    ///
    /// # Errors
    ///
    /// Another type.
    pub fn string(&self) -> Result<&'a [u8], DerFault> {
        const STRINGS: &[u32] = &[4, 7, 12, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 30];
        self.primitive(STRINGS, "not a string")
    }

    /// The octets of a BIT STRING, and the number (0 to 7) of unused low bits in the last.
    ///
    /// # Errors
    ///
    /// Another type, a missing or wrong count of unused bits, or an unused bit that is set.
    pub fn bit_string(&self) -> Result<(&'a [u8], u8), DerFault> {
        let (unused, octets) = self
            .primitive(&[3], "not a BIT STRING")?
            .split_first()
            .ok_or_else(|| self.fault(0, "BIT STRING without its count of unused bits (8.6.2.2)"))?;
        if *unused > 7 || (octets.is_empty() && *unused > 0) {
            return Err(self.fault(0, "BIT STRING with a wrong count of unused bits (8.6.2.2, 8.6.2.3)"));
        }
        let mask = 0xff_u8.checked_shl(u32::from(*unused)).unwrap_or(0);
        if octets.last().is_some_and(|last| last & !mask != 0) {
            return Err(self.fault(
                self.bytes.len().saturating_sub(1),
                "unused bit of a BIT STRING set (11.2.1)",
            ));
        }
        Ok((octets, *unused))
    }

    /// The octets of an OBJECT IDENTIFIER.
    ///
    /// # Errors
    ///
    /// Another type, no octets, or a subidentifier that is unfinished or padded.
    pub fn oid(&self) -> Result<&'a [u8], DerFault> {
        let octets = self.primitive(&[6], "not an OBJECT IDENTIFIER")?;
        let mut starts = true;
        for (index, octet) in octets.iter().enumerate() {
            if starts && *octet == 0x80 {
                return Err(self.fault(index, "subidentifier with a leading zero octet (8.19.2)"));
            }
            starts = octet & 0x80 == 0;
        }
        if octets.is_empty() {
            return Err(self.fault(0, "OBJECT IDENTIFIER without octets (8.19.2)"));
        }
        if !starts {
            return Err(self.fault(octets.len().saturating_sub(1), "unfinished subidentifier (8.19.2)"));
        }
        Ok(octets)
    }

    /// An OBJECT IDENTIFIER in dotted form, such as `1.2.840.113549.1.7.2`.
    ///
    /// # Errors
    ///
    /// Those of [`Tlv::oid`]; a limit when it exceeds 128 octets, or a number 128 bits.
    pub fn oid_dotted(&self) -> Result<String, DerFault> {
        let octets = self.oid()?;
        let limit = |rule| DerFault {
            offset: self.value.start(),
            rule,
            kind: DerFaultKind::Limit,
        };
        if octets.len() > MAX_OID_OCTETS {
            return Err(limit("OBJECT IDENTIFIER over 128 octets"));
        }
        let mut out = String::new();
        let mut arc = 0_u128;
        for octet in octets {
            let shifted = arc
                .checked_mul(128)
                .ok_or_else(|| limit("subidentifier over 128 bits"))?;
            arc = shifted | u128::from(octet & 0x7f);
            if octet & 0x80 != 0 {
                continue;
            }
            if out.is_empty() {
                // The first subidentifier holds two numbers: 40 times the first (0, 1 or 2) plus the second.
                let root = (arc / 40).min(2);
                out.push_str(&root.to_string());
                arc = arc.saturating_sub(root.saturating_mul(40));
            }
            write!(out, ".{arc}").map_err(|_| limit("OBJECT IDENTIFIER does not fit in memory"))?;
            arc = 0;
        }
        Ok(out)
    }

    fn primitive(&self, numbers: &[u32], rule: &'static str) -> Result<&'a [u8], DerFault> {
        let fits = self.tag.class != Class::Universal || numbers.contains(&self.tag.number);
        if fits && !self.tag.constructed {
            return Ok(self.bytes);
        }
        Err(DerFault {
            offset: self.header.start(),
            rule,
            kind: DerFaultKind::Type,
        })
    }

    fn fault(&self, at: usize, rule: &'static str) -> DerFault {
        DerFault {
            offset: absolute(self.value.start(), at),
            rule,
            kind: DerFaultKind::Encoding,
        }
    }
}
