//! NumPy `.npy` files, versions 1.0, 2.0 and 3.0 (`numpy.lib.format`), and `.npz` (a zip of them).

use super::bytes::{Built, Out};
use super::pickle;
use super::zip::{Entry, Zip};

/// What to build. Start from [`Npy::new`] and change fields.
#[derive(Clone, Debug)]
pub struct Npy {
    /// Major version: 1 (2-byte header length), 2 or 3 (4-byte; 3 is UTF-8).
    pub version: u8,
    /// `descr` as the header writes it, quotes included.
    pub descr: String,
    /// Column-major order.
    pub fortran: bool,
    /// Shape.
    pub shape: Vec<u64>,
    /// Bytes after the header.
    pub data: Vec<u8>,
    /// The header is padded so that data starts at a multiple of this: 64, or 16 in old files.
    pub align: usize,
    /// Replaces the header dictionary.
    pub header: Option<String>,
    /// The stated header length, when not the truth.
    pub header_length: Option<u32>,
    /// Bytes after the data.
    pub trailing: Vec<u8>,
}

impl Npy {
    /// A 3x4 array of little-endian `f4`.
    pub fn new(version: u8) -> Self {
        Self {
            version,
            descr: "'<f4'".into(),
            fortran: false,
            shape: vec![3, 4],
            data: super::safetensors::weights(12),
            align: 64,
            header: None,
            header_length: None,
            trailing: Vec::new(),
        }
    }

    /// An object array of one element whose body is `pickle`.
    pub fn object(pickle: Vec<u8>) -> Self {
        Self {
            descr: "'|O'".into(),
            shape: vec![1],
            data: pickle,
            ..Self::new(1)
        }
    }

    /// The file's bytes.
    pub fn build(&self) -> Vec<u8> {
        self.built().bytes
    }

    /// The file's bytes and structure boundaries.
    pub fn built(&self) -> Built {
        let dims: Vec<_> = self.shape.iter().map(u64::to_string).collect();
        let shape = if dims.len() == 1 {
            format!("({},)", dims[0])
        } else {
            format!("({})", dims.join(", "))
        };
        let fortran = if self.fortran { "True" } else { "False" };
        let mut header = self.header.clone().unwrap_or_else(|| {
            format!(
                "{{'descr': {}, 'fortran_order': {fortran}, 'shape': {shape}, }}",
                self.descr
            )
        });
        let prefix = if self.version == 1 { 10 } else { 12 };
        let total = (prefix + header.len() + 1).next_multiple_of(self.align);
        while prefix + header.len() + 1 < total {
            header.push(' ');
        }
        header.push('\n');
        let length = self.header_length.unwrap_or(header.len() as u32);
        let mut out = Out::le();
        out.bytes(b"\x93NUMPY").u8(self.version).u8(0).mark();
        if self.version == 1 {
            out.u16(length as u16);
        } else {
            out.u32(length);
        }
        out.mark()
            .bytes(header.as_bytes())
            .mark()
            .bytes(&self.data)
            .mark()
            .bytes(&self.trailing);
        out.finish()
    }
}

/// A small version 1.0 file.
pub fn small() -> Vec<u8> {
    Npy::new(1).build()
}

/// An object array that holds the benign dictionary.
pub fn object_benign() -> Vec<u8> {
    Npy::object(pickle::benign(3)).build()
}

/// An object array whose pickle calls `os.system("true")`.
pub fn object_hostile() -> Vec<u8> {
    Npy::object(pickle::os_system(3)).build()
}

/// A `.npz`: stored members `a.npy` and `b.npy`.
pub fn npz() -> Built {
    let int = Npy {
        descr: "'<i8'".into(),
        shape: vec![2],
        data: vec![1; 16],
        fortran: true,
        ..Npy::new(2)
    };
    Zip::of(vec![
        Entry::stored("a.npy", &small()),
        Entry::stored("b.npy", &int.build()),
    ])
    .built()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_starts_aligned_and_is_as_long_as_the_shape_says() {
        for version in 1..=3 {
            let npy = Npy::new(version);
            let file = npy.build();
            assert_eq!((file.len() - npy.data.len()) % 64, 0);
            assert_eq!(npy.data.len(), 3 * 4 * 4);
            assert_eq!(file[file.len() - npy.data.len() - 1], b'\n');
        }
    }
}
