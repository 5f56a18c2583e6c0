//! Hosts, networks, ports and listening addresses as rules write them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use thiserror::Error;

/// Why a host, network, port or listening address is refused, with what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what}")]
#[non_exhaustive]
pub struct NetError {
    /// What is wrong: one sentence, lower case, no full stop.
    pub what: String,
    /// What to write instead.
    pub help: String,
}

impl NetError {
    fn new(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            help: help.into(),
        }
    }
}

/// A host name, `*.name` for every name below it, or `*` for every name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPattern {
    below: bool,
    name: String,
}

impl HostPattern {
    /// Whether it stands for the names below [`Self::name`], and not for that name.
    pub fn is_below(&self) -> bool {
        self.below
    }

    /// The name in lower case without a final dot; empty for `*`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it holds a host. Case and a final dot do not count; `*.x` holds `a.x` and `a.b.x`, not `x`.
    pub fn matches(&self, host: &str) -> bool {
        let host = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(host);
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        if host.is_empty() {
            return false;
        }
        match (self.below, self.name.as_str()) {
            (true, "") => true,
            (true, name) => host
                .strip_suffix(name)
                .is_some_and(|head| head.len() > 1 && head.ends_with('.')),
            (false, name) => host == name,
        }
    }

    /// Whether every host that `other` holds is held here too.
    pub fn includes(&self, other: &Self) -> bool {
        self == other || (self.below && (self.name.is_empty() || self.matches(&other.name)))
    }
}

impl FromStr for HostPattern {
    type Err = NetError;

    fn from_str(text: &str) -> Result<Self, NetError> {
        if text.trim() != text || text.is_empty() {
            return Err(NetError::new(
                "a host without a name",
                "write \"api.example.com\" or \"*.example.com\"",
            ));
        }
        if let Some((_, rest)) = text.split_once("://") {
            let host = rest.split(['/', ':', '?']).next().unwrap_or(rest);
            return Err(NetError::new(
                format!("`{text}` is a URL"),
                format!("write the host alone: \"{host}\""),
            ));
        }
        if let Ok(address) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
            let length = if address.is_ipv4() { 32 } else { 128 };
            let help = format!("write cidr = [\"{address}/{length}\"] in a [[net]] entry of its own");
            return Err(NetError::new(format!("`{text}` is an address, not a name"), help));
        }
        if let Some((host, port)) = text.rsplit_once(':') {
            let help = format!("write \"{host}\", and ports = [{port}]");
            return Err(NetError::new(format!("`{text}` holds a port"), help));
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if name == "*" {
            return Ok(Self {
                below: true,
                name: String::new(),
            });
        }
        let (below, name) = match name.strip_prefix("*.") {
            Some(rest) => (true, rest.to_owned()),
            None => (false, name),
        };
        if name.contains('*') {
            let help = "`*.` stands alone at the front: \"*.example.com\"; name other hosts one by one";
            return Err(NetError::new(format!("`*` inside the host `{text}`"), help));
        }
        if !name.is_ascii() {
            let help = "write it as DNS has it, in its xn-- form";
            return Err(NetError::new(format!("`{text}` is not ASCII"), help));
        }
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };
        if name.len() > 253 || !name.split('.').all(label) {
            let help = "write a name such as \"api.example.com\": labels of letters, digits, - and _";
            return Err(NetError::new(format!("`{text}` is not a host name"), help));
        }
        Ok(Self { below, name })
    }
}

/// A host inside an artifact, where an address stands for itself: nothing there says to which name it belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EmbeddedHost(pub(crate) HostPattern);

impl FromStr for EmbeddedHost {
    type Err = NetError;

    fn from_str(text: &str) -> Result<Self, NetError> {
        let address = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(text);
        if let Ok(address) = address.parse::<IpAddr>() {
            return Ok(Self(HostPattern {
                below: false,
                name: address.to_string(),
            }));
        }
        text.parse().map(Self)
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.below, self.name.as_str()) {
            (true, "") => f.pad("*"),
            (true, name) => f.pad(&format!("*.{name}")),
            (false, name) => f.pad(name),
        }
    }
}

/// A network: an address and how many of its leading bits count. No other bit is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    address: IpAddr,
    length: u8,
}

impl Cidr {
    /// The first address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Leading bits that count: at most 32 or 128.
    pub fn length(&self) -> u8 {
        self.length
    }

    /// Whether it holds an address. An IPv4 address written as IPv6 (`::ffff:a.b.c.d`) is that IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.address.is_ipv4() == address.is_ipv4() && masked(address, self.length) == self.address
    }

    /// Whether it holds all of another network.
    pub fn includes(&self, other: &Self) -> bool {
        self.length <= other.length && self.contains(other.address)
    }
}

fn masked(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32u32.saturating_sub(length.into())).unwrap_or(0);
            Ipv4Addr::from_bits(v4.to_bits() & mask).into()
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128u32.saturating_sub(length.into())).unwrap_or(0);
            Ipv6Addr::from_bits(v6.to_bits() & mask).into()
        }
    }
}

impl FromStr for Cidr {
    type Err = NetError;

    fn from_str(text: &str) -> Result<Self, NetError> {
        let sample = "write an address and its length, such as \"10.0.0.0/8\" or \"::1/128\"";
        let wrong = || NetError::new(format!("`{text}` is not a network"), sample);
        let Some((address, length)) = text.split_once('/') else {
            return Err(match text.parse::<IpAddr>() {
                Ok(address) => {
                    let length = if address.is_ipv4() { 32 } else { 128 };
                    NetError::new(
                        format!("`{text}` has no length"),
                        format!("write \"{address}/{length}\""),
                    )
                }
                Err(_) => wrong(),
            });
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let plain = !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit());
        let length = length.parse::<u8>().ok().filter(|n| plain && *n <= most);
        let Some(length) = length else {
            let what = format!("the length of `{text}` is not a number up to {most}");
            return Err(NetError::new(what, sample));
        };
        if let (IpAddr::V6(_), v4 @ IpAddr::V4(_)) = (address, address.to_canonical()) {
            let help = format!("write \"{v4}/{}\"", length.saturating_sub(96));
            return Err(NetError::new(
                format!("`{text}` is an IPv4 network written as IPv6"),
                help,
            ));
        }
        let first = masked(address, length);
        if first != address {
            let what = format!("`{text}` sets bits behind its length");
            return Err(NetError::new(
                what,
                format!("write \"{first}/{length}\", or \"{address}/{most}\""),
            ));
        }
        Ok(Self { address, length })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/{}", self.address, self.length))
    }
}

/// Ports from the first to the last, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRange {
    /// The first.
    pub first: u16,
    /// The last, at least the first.
    pub last: u16,
}

impl PortRange {
    /// Every port, 0 among them: a socket bound to it gets a port of the kernel's choice.
    pub const ALL: Self = Self {
        first: 0,
        last: u16::MAX,
    };

    /// Whether a port is in it.
    pub const fn contains(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }

    /// A single port.
    pub(super) fn single(port: i64, text: &str) -> Result<Self, NetError> {
        match u16::try_from(port) {
            Ok(port @ 1..) => Ok(Self {
                first: port,
                last: port,
            }),
            _ => Err(NetError::new(
                format!("there is no port {text}"),
                "ports are 1 to 65535; \"*\" is every port",
            )),
        }
    }
}

impl FromStr for PortRange {
    type Err = NetError;

    fn from_str(text: &str) -> Result<Self, NetError> {
        if text == "*" {
            return Ok(Self::ALL);
        }
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            let number = text.parse::<i64>().ok().filter(|_| digits);
            let number = number
                .ok_or_else(|| NetError::new(format!("`{text}` is not a port"), "write 443, \"8000-8999\" or \"*\""))?;
            Self::single(number, text)
        };
        let Some((first, last)) = text.split_once('-') else {
            return number(text);
        };
        let (first, last) = (number(first)?.first, number(last)?.first);
        if last < first {
            let what = format!("the port range {text} is empty");
            return Err(NetError::new(what, format!("write \"{last}-{first}\"")));
        }
        Ok(Self { first, last })
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.first, self.last) {
            (0, u16::MAX) => f.pad("*"),
            (first, last) if first == last => f.pad(&first.to_string()),
            (first, last) => f.pad(&format!("{first}-{last}")),
        }
    }
}

/// Where the tree may bind and listen: `127.0.0.1:*`, `[::1]:8080`, `*:9000-9010`, `10.0.0.0/8:80`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Listen {
    /// The addresses; every address when absent.
    pub network: Option<Cidr>,
    /// The ports.
    pub ports: PortRange,
}

impl Listen {
    /// Whether it holds an address and port. The unspecified address is held by `*` and by itself alone.
    pub fn matches(&self, address: IpAddr, port: u16) -> bool {
        let unspecified = address.to_canonical().is_unspecified();
        let network = self.network.is_none_or(|network| {
            let single = matches!(
                (network.address, network.length),
                (IpAddr::V4(_), 32) | (IpAddr::V6(_), 128)
            );
            network.contains(address) && (!unspecified || single)
        });
        network && self.ports.contains(port)
    }
}

impl FromStr for Listen {
    type Err = NetError;

    fn from_str(text: &str) -> Result<Self, NetError> {
        let sample = "write \"127.0.0.1:*\", \"[::1]:8080\" or \"*:9000-9010\"";
        let wrong = || NetError::new(format!("`{text}` is not an address with a port"), sample);
        let (address, ports) = text.rsplit_once(':').ok_or_else(wrong)?;
        let ports = ports.parse()?;
        let inside = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let address = match (address, inside) {
            ("*", _) => {
                return Ok(Self { network: None, ports });
            }
            (_, Some(v6)) if v6.contains(':') => v6,
            (v4, None) if !v4.contains(':') => v4,
            _ => return Err(wrong()),
        };
        let network = if address.contains('/') {
            address.parse()?
        } else {
            let address: IpAddr = address.parse().map_err(|_| wrong())?;
            format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 }).parse()?
        };
        Ok(Self {
            network: Some(network),
            ports,
        })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = match self.network {
            None => "*".to_owned(),
            Some(Cidr { address, length }) => {
                let whole = matches!((address, length), (IpAddr::V4(_), 32) | (IpAddr::V6(_), 128));
                let text = if whole {
                    address.to_string()
                } else {
                    format!("{address}/{length}")
                };
                if address.is_ipv6() { format!("[{text}]") } else { text }
            }
        };
        f.pad(&format!("{address}:{}", self.ports))
    }
}
