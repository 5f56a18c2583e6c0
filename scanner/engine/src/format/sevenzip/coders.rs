//! The coders of a folder, put together as readers (7zFormat.txt and Methods.txt).
//!
//! | id | coder |
//! | --- | --- |
//! | `00`, `03` | copy, delta |
//! | `04`..`0b`, `030301..` | branch filters of x86, PowerPC, IA-64, ARM, Thumb, SPARC, ARM64, RISC-V |
//! | `0303011b` | BCJ2: four inputs |
//! | `21`, `030101` | LZMA2, LZMA |
//! | `040108`, `040202` | deflate, bzip2 |
//! | `06f10701` | AES-256: not decoded |

use super::header::{Coder, Folder};
use crate::finding::{ErrorCode, ScanError};
use crate::format::Parse;
use crate::span::Span;
use lzma_rust2::filter::bcj::BcjReader;
use lzma_rust2::filter::bcj2::Bcj2Reader;
use lzma_rust2::filter::delta::DeltaReader;
use lzma_rust2::{Lzma2Reader, LzmaReader};
use std::io::{self, Cursor, Read, Write};

/// The largest dictionary that is held, in bytes: 7-Zip's strongest level asks for 64 MiB, its ultra for 256.
const MOST_DICTIONARY: u64 = 256 << 20;
/// Folders of several packed streams are read in an order of their own: the most bytes of them that are held.
const MOST_HELD: u64 = 128 << 20;
/// Bytes decoded at a time.
const BUFFER: usize = 256 << 10;

const AES: u64 = 0x06f1_0701;
const BCJ2: u64 = 0x0303_011b;

/// Why a folder was not decoded to its end.
pub(super) enum Stop {
    /// The output refused: a limit.
    Output(io::Error),
    /// The streams are broken, or end too early.
    Broken(String),
    /// This build does not decode it.
    Refused(ErrorCode, String),
}

impl Stop {
    /// Says in the archive's account what happened.
    pub(super) fn tell(&self, out: &mut Parse, span: Span, what: &str) {
        match self {
            Self::Output(_) => {}
            Self::Broken(why) => {
                out.malformed(span, "7z: a packed stream does not decode");
                let message = format!("{what} could not be decoded to its end: {why}");
                out.error(ScanError::new(ErrorCode::Unreadable, message).at(span.start()));
            }
            Self::Refused(code, why) => {
                out.error(ScanError::new(*code, format!("{what}: {why}")).at(span.start()));
            }
        }
    }
}

impl Folder {
    /// Whether one of its coders encrypts.
    pub(super) fn encrypted(&self) -> bool {
        self.coders.iter().any(|coder| coder.method == AES)
    }

    /// The first coder that this build does not have.
    pub(super) fn unsupported(&self) -> Option<String> {
        self.coders
            .iter()
            .map(|coder| coder.method)
            .find(|method| !is_known(*method))
            .map(|method| {
                let name = match method {
                    0x03_0401 => "PPMd",
                    0x04_0109 => "Deflate64",
                    0x04f7_1101 => "Zstandard",
                    0x04f7_1102 => "Brotli",
                    0x04f7_1104 => "LZ4",
                    _ => return format!("coder {method:x}"),
                };
                name.to_owned()
            })
    }
}

fn is_known(method: u64) -> bool {
    filter(method).is_some() || matches!(method, 0 | 3 | 0x21 | 0x03_0101 | 0x04_0108 | 0x04_0202 | BCJ2)
}

type Boxed<'r> = Box<dyn Read + 'r>;
/// A filter of what it is given, from a position in the program on.
type Filter = for<'r> fn(Boxed<'r>, usize) -> Boxed<'r>;

fn filter(method: u64) -> Option<Filter> {
    Some(match method {
        0x04 | 0x0303_0103 => |inner, from| Box::new(BcjReader::new_x86(inner, from)),
        0x05 | 0x0303_0205 => |inner, from| Box::new(BcjReader::new_ppc(inner, from)),
        0x06 | 0x0303_0401 => |inner, from| Box::new(BcjReader::new_ia64(inner, from)),
        0x07 | 0x0303_0501 => |inner, from| Box::new(BcjReader::new_arm(inner, from)),
        0x08 | 0x0303_0701 => |inner, from| Box::new(BcjReader::new_arm_thumb(inner, from)),
        0x09 | 0x0303_0805 => |inner, from| Box::new(BcjReader::new_sparc(inner, from)),
        0x0a => |inner, from| Box::new(BcjReader::new_arm64(inner, from)),
        0x0b => |inner, from| Box::new(BcjReader::new_riscv(inner, from)),
        _ => return None,
    })
}

/// Decodes the packed streams of `folder`, which `input` gives one after the other, into `output`: exactly as many
/// bytes as the folder says.
pub(super) fn unpack(folder: &Folder, input: &mut dyn Read, output: &mut dyn Write) -> Result<(), Stop> {
    let mut packed: Vec<Option<Boxed<'_>>> = Vec::new();
    if let [_] = folder.packed.as_slice() {
        packed.push(Some(Box::new(input)));
    } else {
        if folder.packed_size() > MOST_HELD {
            let why = format!("several packed streams of more than {MOST_HELD} bytes in all are not held");
            return Err(Stop::Refused(ErrorCode::LimitExceeded, why));
        }
        for span in &folder.packed {
            let mut held = Vec::new();
            let read = input.take(span.len()).read_to_end(&mut held);
            read.map_err(|error| Stop::Broken(error.to_string()))?;
            packed.push(Some(Box::new(Cursor::new(held))));
        }
    }
    let Some(main) = folder.main() else {
        return Err(Stop::Broken("no coder gives the folder's output".to_owned()));
    };
    let reader = assembled(folder, main, &mut packed, 0)?;
    copy(reader, folder.size(), output)
}

/// The reader of the output of coder `at`. Depth is bounded by the number of coders, eight at most.
fn assembled<'r>(
    folder: &Folder,
    at: usize,
    packed: &mut [Option<Boxed<'r>>],
    depth: usize,
) -> Result<Boxed<'r>, Stop> {
    let broken = |why: &str| Stop::Broken(why.to_owned());
    let coder = folder
        .coders
        .get(at)
        .ok_or_else(|| broken("a bond leads to no coder"))?;
    if depth > folder.coders.len() {
        return Err(broken("the coders feed each other in a circle"));
    }
    let before = folder.coders.get(..at).unwrap_or_default();
    let first = before
        .iter()
        .fold(0usize, |sum, coder| sum.saturating_add(coder.inputs));
    let mut inputs = Vec::new();
    for input in first..first.saturating_add(coder.inputs) {
        let bond = folder.bonds.iter().find(|(to, _)| *to == input);
        inputs.push(match bond {
            Some((_, from)) => assembled(folder, *from, packed, depth.saturating_add(1))?,
            None => {
                let stream = folder.feeds.iter().position(|feed| *feed == input);
                let reader = stream.and_then(|stream| packed.get_mut(stream)).and_then(Option::take);
                reader.ok_or_else(|| broken("no packed stream feeds a coder"))?
            }
        });
    }
    decoder(coder, inputs)
}

fn decoder<'r>(coder: &Coder, mut inputs: Vec<Boxed<'r>>) -> Result<Boxed<'r>, Stop> {
    let broken = |why: &str| Stop::Broken(why.to_owned());
    if coder.method == BCJ2 {
        if inputs.len() != 4 {
            return Err(broken("BCJ2 has four inputs"));
        }
        return Ok(Box::new(Bcj2Reader::new(inputs, coder.size)));
    }
    let (Some(inner), true) = (inputs.pop(), inputs.is_empty()) else {
        return Err(broken("a coder has not one input"));
    };
    if let Some(filter) = filter(coder.method) {
        let from = coder
            .properties
            .first_chunk::<4>()
            .map_or(0, |bytes| u32::from_le_bytes(*bytes));
        let from = usize::try_from(from).unwrap_or(0);
        return Ok(filter(inner, from));
    }
    Ok(match coder.method {
        0 => inner,
        3 => {
            let distance = coder.properties.first().copied().unwrap_or(0);
            Box::new(DeltaReader::new(inner, usize::from(distance).saturating_add(1)))
        }
        0x21 => {
            let size = lzma2_dictionary(coder).ok_or_else(|| broken("LZMA2 has no dictionary size"))?;
            Box::new(Lzma2Reader::new(inner, dictionary(size, coder.size)?, None))
        }
        0x03_0101 => {
            let [properties, a, b, c, d] = *coder.properties.as_slice() else {
                return Err(broken("LZMA has no five bytes of properties"));
            };
            let size = dictionary(u64::from(u32::from_le_bytes([a, b, c, d])), coder.size)?;
            let reader = LzmaReader::new_with_props(inner, coder.size, properties, size, None);
            Box::new(reader.map_err(|error| Stop::Broken(error.to_string()))?)
        }
        0x04_0108 => Box::new(flate2::read::DeflateDecoder::new(inner)),
        0x04_0202 => Box::new(bzip2::read::MultiBzDecoder::new(inner)),
        method => {
            let why = format!("coder {method:x} is not decoded by this build");
            return Err(Stop::Refused(ErrorCode::Unsupported, why));
        }
    })
}

/// The dictionary size of LZMA2: 2 or 3, shifted.
fn lzma2_dictionary(coder: &Coder) -> Option<u64> {
    match *coder.properties.first()? {
        bits @ 0..=39 => Some((2 | u64::from(bits & 1)) << (u32::from(bits) / 2).checked_add(11)?),
        40 => Some(u64::from(u32::MAX)),
        _ => None,
    }
}

/// A dictionary need not be larger than what comes out.
fn dictionary(stated: u64, size: u64) -> Result<u32, Stop> {
    let needed = stated.min(size.max(4096));
    if needed > MOST_DICTIONARY {
        let why = format!("a dictionary of {stated} bytes is wanted, {MOST_DICTIONARY} is the most that is held");
        return Err(Stop::Refused(ErrorCode::LimitExceeded, why));
    }
    u32::try_from(needed).map_err(|_| Stop::Broken("a dictionary without end".to_owned()))
}

fn copy(mut reader: Boxed<'_>, size: u64, output: &mut dyn Write) -> Result<(), Stop> {
    let mut buffer = vec![0u8; BUFFER];
    let mut left = size;
    while left > 0 {
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let n = match reader.read(buffer.get_mut(..wanted).unwrap_or_default()) {
            Ok(0) => return Err(Stop::Broken(format!("{left} bytes of {size} are missing"))),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Stop::Broken(error.to_string())),
        };
        output
            .write_all(buffer.get(..n).unwrap_or_default())
            .map_err(Stop::Output)?;
        left = left.saturating_sub(u64::try_from(n).unwrap_or(left));
    }
    // Decoders read their end marks only when they are asked for more.
    match reader.read(buffer.get_mut(..1).unwrap_or_default()) {
        Ok(1..) => Err(Stop::Broken(format!(
            "more than the {size} bytes come out that are stated"
        ))),
        _ => Ok(()),
    }
}
