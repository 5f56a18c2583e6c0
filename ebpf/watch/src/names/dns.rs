//! One DNS answer (RFC 1035, section 4; HTTPS and SVCB records: RFC 9460): the question and the addresses it led to.
//!
//! Own code rather than a DNS crate: six record types are needed, and the laws that matter here (a pointer only goes
//! backwards, names hold nothing but host name characters, records off the question's chain are ignored) would have to be
//! checked on top of any. It does not read the authority and additional sections, DNSSEC, or messages over TCP.
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 2 | identifier |
//! | 2 | 2 | QR (bit 15), opcode (14-11), AA, TC, RD, RA, Z, RCODE (3-0) |
//! | 4 | 2 | questions |
//! | 6 | 2 | answers |
//! | 8 | 4 | authority, additional |
//! | 12 | | question: name, type, class; then records: name, type, class, TTL, length, data |

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Records read from one answer.
const MOST_RECORDS: u16 = 64;
/// Addresses taken from one answer.
const MOST_ADDRESSES: usize = 256;
/// Bytes of a name in its text form.
const LONGEST_NAME: usize = 253;
/// Pointers followed in one name. A sound message needs one or two.
const MOST_POINTERS: usize = 16;

const A: u16 = 1;
const CNAME: u16 = 5;
const AAAA: u16 = 28;
const DNAME: u16 = 39;
const SVCB: u16 = 64;
const HTTPS: u16 = 65;
const CLASS_IN: u16 = 1;
const IPV4HINT: u16 = 4;
const IPV6HINT: u16 = 6;

/// What an answer says about its question.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The name that was asked for, in lower case, without a dot at its end and without `_port._https` labels.
    pub question: String,
    /// Its addresses with their TTL in seconds (the shortest along the chain).
    pub addresses: Vec<(IpAddr, u32)>,
    /// Names whose addresses are to be used for it, with TTL: targets of CNAME, HTTPS and SVCB records.
    pub aliases: Vec<(String, u32)>,
}

/// Why a datagram is not a usable answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DnsError {
    /// It ends too early.
    #[error("the message ends at {at}")]
    Short {
        /// Offset at which bytes were missing.
        at: usize,
    },
    /// A query, another opcode, or an error.
    #[error("no successful answer: flags {flags:#06x}")]
    NotAnswer {
        /// The flags.
        flags: u16,
    },
    /// Not exactly one question.
    #[error("{questions} questions instead of one")]
    Questions {
        /// How many.
        questions: u16,
    },
    /// A name that no host has, or one that is built wrongly.
    #[error("malformed name at {at}")]
    Name {
        /// Offset of the label.
        at: usize,
    },
    /// A pointer that does not go backwards, or one too many.
    #[error("bad compression pointer at {at}")]
    Pointer {
        /// Offset of the pointer.
        at: usize,
    },
    /// Data whose length does not fit its type.
    #[error("malformed data of a record at {at}")]
    Data {
        /// Offset of the data.
        at: usize,
    },
}

/// Reads an answer. A message that is cut off after at least its question gives what it holds up to there.
///
/// # Errors
/// What is not an answer to one question.
pub fn parse(message: &[u8]) -> Result<Answer, DnsError> {
    let mut reader = Reader { message, at: 2 };
    let flags = reader.u16()?;
    if flags & 0xf80f != 0x8000 {
        return Err(DnsError::NotAnswer { flags });
    }
    let questions = reader.u16()?;
    if questions != 1 {
        return Err(DnsError::Questions { questions });
    }
    let records = reader.u16()?.min(MOST_RECORDS);
    reader.take(4)?;
    let question = reader.name()?;
    reader.take(4)?;
    let mut read = Vec::new();
    for _ in 0..records {
        match reader.record() {
            Ok(record) => read.extend(record),
            Err(DnsError::Short { .. }) => break,
            Err(error) => return Err(error),
        }
    }
    let mut answer = follow(&question, &read);
    answer.question = without_service(&question).to_owned();
    Ok(answer)
}

/// What a record of the answer says about its owner.
struct Record {
    owner: String,
    ttl: u32,
    data: Data,
}

enum Data {
    Addresses(Vec<IpAddr>),
    Alias(String),
    /// A service's target, and the addresses that are hinted for it.
    Service(String, Vec<IpAddr>),
}

/// Walks the aliases from the question, whatever the order of the records, and gathers the addresses on the way.
fn follow(question: &str, records: &[Record]) -> Answer {
    let mut chain: Vec<(&str, u32)> = vec![(question, u32::MAX)];
    let mut answer = Answer::default();
    let mut at = 0;
    while let Some(&(name, limit)) = chain.get(at) {
        for record in records.iter().filter(|record| record.owner == name) {
            let ttl = record.ttl.min(limit);
            let (target, addresses) = match &record.data {
                Data::Addresses(addresses) => (None, addresses.as_slice()),
                Data::Alias(target) => (Some(target), &[][..]),
                Data::Service(target, addresses) => (Some(target), addresses.as_slice()),
            };
            for ip in addresses {
                if answer.addresses.len() < MOST_ADDRESSES && !answer.addresses.iter().any(|(known, _)| known == ip) {
                    answer.addresses.push((*ip, ttl));
                }
            }
            if let Some(target) = target.filter(|t| !t.is_empty() && !chain.iter().any(|(n, _)| n == t)) {
                chain.push((target, ttl));
                answer.aliases.push((target.clone(), ttl));
            }
        }
        at = at.saturating_add(1);
    }
    answer
}

/// `example.com` of `_8443._https.example.com`.
fn without_service(name: &str) -> &str {
    let mut rest = name;
    while let Some((_, behind)) = rest.strip_prefix('_').and_then(|r| r.split_once('.')) {
        rest = behind;
    }
    rest
}

struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], DnsError> {
        let short = DnsError::Short { at: self.message.len() };
        let end = self.at.checked_add(len).ok_or(short)?;
        let bytes = self.message.get(self.at..end).ok_or(short)?;
        self.at = end;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DnsError> {
        let short = DnsError::Short { at: self.message.len() };
        self.take(N)?.first_chunk().copied().ok_or(short)
    }

    fn u16(&mut self) -> Result<u16, DnsError> {
        self.array().map(u16::from_be_bytes)
    }

    /// A record, unless it is of no use here.
    fn record(&mut self) -> Result<Option<Record>, DnsError> {
        let owner = self.name()?;
        let (kind, class) = (self.u16()?, self.u16()?);
        let ttl = u32::from_be_bytes(self.array()?);
        // RFC 2181, section 8: a TTL with its highest bit set is zero.
        let ttl = if ttl >> 31 == 1 { 0 } else { ttl };
        let len = usize::from(self.u16()?);
        let start = self.at;
        let data = self.take(len)?;
        let bad = DnsError::Data { at: start };
        // Names in the data may point back into the message, so they are read from it and must end where the data does.
        let mut inner = Reader {
            message: self.message.get(..self.at).unwrap_or_default(),
            at: start,
        };
        let data = match (class, kind) {
            (CLASS_IN, A) => Data::Addresses(vec![ipv4(data).ok_or(bad)?]),
            (CLASS_IN, AAAA) => Data::Addresses(vec![ipv6(data).ok_or(bad)?]),
            (CLASS_IN, CNAME) => {
                let target = inner.name().map_err(|_| bad)?;
                if inner.at != self.at {
                    return Err(bad);
                }
                Data::Alias(target)
            }
            (CLASS_IN, SVCB | HTTPS) => inner.service(&owner).map_err(|_| bad)?,
            // A DNAME comes with the CNAME it stands for.
            (CLASS_IN, DNAME) => return Ok(None),
            _ => return Ok(None),
        };
        Ok(Some(Record { owner, ttl, data }))
    }

    /// The data of an SVCB or HTTPS record: priority, target, parameters.
    fn service(&mut self, owner: &str) -> Result<Data, DnsError> {
        let priority = self.u16()?;
        let target = self.name()?;
        let mut hints = Vec::new();
        while priority != 0 && self.at < self.message.len() {
            let key = self.u16()?;
            let at = self.at;
            let len = usize::from(self.u16()?);
            let value = self.take(len)?;
            match key {
                IPV4HINT => extend(&mut hints, value, 4, ipv4, at)?,
                IPV6HINT => extend(&mut hints, value, 16, ipv6, at)?,
                _ => {}
            }
        }
        // "." is the owner itself, but for the labels that name its service.
        let target = if target.is_empty() {
            without_service(owner).to_owned()
        } else {
            target
        };
        Ok(Data::Service(target, hints))
    }

    /// A name in lower case; empty for the root. Leaves the position behind it, not behind what a pointer leads to.
    fn name(&mut self) -> Result<String, DnsError> {
        let mut name = String::new();
        let (mut at, mut behind, mut pointers) = (self.at, None, 0usize);
        loop {
            let short = DnsError::Short { at: self.message.len() };
            let label = *self.message.get(at).ok_or(short)?;
            let next = at.saturating_add(1);
            match label {
                0 => {
                    self.at = behind.unwrap_or(next);
                    return Ok(name);
                }
                0xc0.. => {
                    let low = *self.message.get(next).ok_or(short)?;
                    let target = usize::from(u16::from_be_bytes([label & 0x3f, low]));
                    pointers = pointers.saturating_add(1);
                    // Each pointer goes before the place it stands at, so that no chain of them can close.
                    if target >= at || pointers > MOST_POINTERS {
                        return Err(DnsError::Pointer { at });
                    }
                    behind.get_or_insert(next.saturating_add(1));
                    at = target;
                }
                0x40.. => return Err(DnsError::Name { at }),
                _ => {
                    let end = next.saturating_add(usize::from(label));
                    let bytes = self.message.get(next..end).ok_or(short)?;
                    if !name.is_empty() {
                        name.push('.');
                    }
                    for byte in bytes {
                        // A dot, a control character or a letter of another script in a label would read as another host.
                        if !byte.is_ascii_alphanumeric() && !matches!(byte, b'-' | b'_') {
                            return Err(DnsError::Name { at });
                        }
                        name.push(char::from(byte.to_ascii_lowercase()));
                    }
                    if name.len() > LONGEST_NAME {
                        return Err(DnsError::Name { at });
                    }
                    at = end;
                }
            }
        }
    }
}

fn extend(
    hints: &mut Vec<IpAddr>,
    value: &[u8],
    size: usize,
    read: fn(&[u8]) -> Option<IpAddr>,
    at: usize,
) -> Result<(), DnsError> {
    for chunk in value.chunks(size) {
        hints.push(read(chunk).ok_or(DnsError::Data { at })?);
    }
    Ok(())
}

fn ipv4(data: &[u8]) -> Option<IpAddr> {
    Some(IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?)))
}

fn ipv6(data: &[u8]) -> Option<IpAddr> {
    Some(IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(data).ok()?)).to_canonical())
}
