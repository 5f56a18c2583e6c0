//! HDF5, superblock versions 0 to 3 (HDF5 file format specification 3.0): what Keras, PyTables, netCDF-4 and MATLAB
//! write.
//!
//! All objects are reached from the root group, each once, by a list of what is still to be read: a cycle of groups
//! ends by itself. Elements of datasets are claimed as they are stored and not decoded. Attributes that hold
//! documents (`model_config`) or pickles become nested artifacts. What leads out of the file is told
//! ([`Fact::Outside`](crate::fact::Fact::Outside)).
//!
//! Not read: files that are split over several (driver information), filtered fractal heaps, attributes in shared
//! message heaps. Each is said and makes the verdict incomplete.

mod attribute;
mod btree2;
mod checksum;
mod chunk;
mod dataset;
mod datatype;
mod extension;
mod fields;
mod file;
mod filters;
mod fractal;
mod gap;
mod group;
mod heap;
mod object;
mod space;
mod superblock;
#[cfg(test)]
#[expect(
    clippy::as_conversions,
    clippy::arithmetic_side_effects,
    reason = "fixtures are small and built here"
)]
mod tests;

use super::{Format, Input, Parse};
use crate::finding::{Finding, code};
use crate::identify::{Match, Probe, Strength};
use crate::span::Span;
use file::{File, Task};

/// An HDF5 file.
pub(super) struct Hdf5;

impl Format for Hdf5 {
    fn id(&self) -> &'static str {
        "hdf5"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let start = starts().find(|at| {
            let rest = usize::try_from(*at).ok().and_then(|at| probe.head.get(at..));
            rest.is_some_and(superblock::is_at)
        })?;
        Some(Match {
            strength: Strength::Certain,
            start,
        })
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        match find(input) {
            Some(at) => parse_at(at, input, out),
            None => out.malformed(Span::new(0, input.len().min(8)), "hdf5: no superblock (II.A)"),
        }
    }

    fn extensions(&self) -> &'static [&'static str] {
        &[
            "h5", "hdf5", "hdf", "he5", "keras", "nc", "nc4", "mat", "h5ad", "nxs", "loom", "weights", "h5py",
        ]
    }
}

/// Where a superblock may stand: at the start, or behind a user block of 512 bytes doubled any number of times.
fn starts() -> impl Iterator<Item = u64> {
    std::iter::once(0).chain((9..63).map(|bit| 1u64.checked_shl(bit).unwrap_or(u64::MAX)))
}

/// Where the superblock is.
pub(super) fn find(input: &Input<'_>) -> Option<u64> {
    starts()
        .take_while(|at| *at < input.len())
        .find(|at| input.read_up_to(*at, 16).is_ok_and(|bytes| superblock::is_at(&bytes)))
}

/// Reads the file whose superblock is at `at`.
pub(super) fn parse_at(at: u64, input: &Input<'_>, out: &mut Parse) {
    let mut file = File::new(input, out);
    if at > 0 {
        file.nest(Span::new(0, at), "user block");
    }
    let Some(superblock) = superblock::read(&mut file, at) else {
        return;
    };
    if superblock.end > input.len() {
        let have = input.len();
        let message = format!("hdf5: the file says it has {} bytes, {have} are there", superblock.end);
        file.out
            .finding(Finding::new(code::TRUNCATED, Span::new(have, have), message).key("hdf5 end of file"));
    }
    if let Some(extension) = superblock.extension {
        extension::read(&mut file, extension);
    }
    file.object(superblock.root, "/".into());
    while let Some(Task::Object { address, path }) = file.next() {
        object(&mut file, address, &path);
    }
    gap::known(&mut file, superblock.end);
    file.settle();
}

fn object(file: &mut File<'_, '_, '_>, address: u64, path: &str) {
    if !file.first(address) {
        return;
    }
    let messages = object::read(file, address, Some(path));
    group::members(file, &messages, path);
    dataset::read(file, &messages, path);
    for message in &messages {
        match message.kind {
            object::ATTRIBUTE => attribute::message(file, message, path),
            object::ATTRIBUTE_INFO => {
                extension::attributes(file, &message.body, path);
            }
            object::DATATYPE if message.is_shared() => {
                if let Some(address) = object::committed(file, &message.body) {
                    file.object(address, "/a named type".into());
                }
            }
            _ => {}
        }
    }
}
