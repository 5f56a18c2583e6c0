//! The detection matrix: which way of attacking a model is told in which format, by which finding, and which near miss
//! stays quiet.
//!
//! It is data. The engine's tests scan each fixture, and `cargo xtask codegen` renders the table as `docs/detections.md`,
//! so nothing is listed there that was not seen to work. Classes without a detection are listed with the reason.

mod archives;
mod graphs;
mod keras;
mod models;
mod pickles;
mod programs;
mod repositories;
mod signatures;
mod tensors;
mod texts;
mod unseen;

pub use unseen::{UNSEEN, Unseen};

use crate::build::pickle::{QUIET, TECHNIQUES};
use crate::build::{files, template};
use crate::samples::{self, Hostile, Sample};
use std::sync::LazyLock;

static HOSTILE: LazyLock<Vec<Hostile>> = LazyLock::new(samples::hostile);
static BENIGN: LazyLock<Vec<Sample>> = LazyLock::new(samples::all);

/// A file, by the table that it comes from.
#[derive(Clone, Copy, Debug)]
pub enum Fixture {
    /// A row of the pickle techniques.
    Technique(&'static str),
    /// A row of the pickles that must stay quiet.
    Quiet(&'static str),
    /// A hostile sample.
    Sample(&'static str),
    /// A benign sample.
    Benign(&'static str),
    /// A hostile chat template, inside a GGUF file.
    Template(&'static str),
    /// A template that adds a prompt under a condition, inside a GGUF file.
    Conditional(&'static str),
    /// A chat template in the manner of a published family, inside a GGUF file.
    Published(&'static str),
    /// What it is, in words, and who makes it.
    Built(&'static str, fn() -> Vec<u8>),
}

/// A class of attack in one format.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The class.
    pub class: &'static str,
    /// The format or container.
    pub format: &'static str,
    /// The finding's code, or that of an error.
    pub code: &'static str,
    /// Its case; empty for none.
    pub case: &'static str,
    /// The file that gives it.
    pub fires: Fixture,
    /// The file next to it that gives nothing of medium or above.
    pub quiet: Fixture,
}

/// A part of the matrix.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// Its heading.
    pub title: &'static str,
    /// Its rows, those of one class together.
    pub rows: &'static [Row],
}

/// The matrix.
pub static SECTIONS: &[Section] = &[
    Section {
        title: "Pickles",
        rows: pickles::ROWS,
    },
    Section {
        title: "Streams and archives around pickles",
        rows: archives::ROWS,
    },
    Section {
        title: "Keras and HDF5",
        rows: keras::ROWS,
    },
    Section {
        title: "Graphs",
        rows: graphs::ROWS,
    },
    Section {
        title: "Weights and other model files",
        rows: models::ROWS,
    },
    Section {
        title: "Values, bytes and planes of tensors",
        rows: tensors::ROWS,
    },
    Section {
        title: "Programs",
        rows: programs::ROWS,
    },
    Section {
        title: "Repositories and configurations",
        rows: repositories::ROWS,
    },
    Section {
        title: "Hosts and secrets",
        rows: texts::ROWS,
    },
    Section {
        title: "Signatures",
        rows: signatures::ROWS,
    },
];

const fn row(
    class: &'static str,
    format: &'static str,
    finding: (&'static str, &'static str),
    fires: Fixture,
    quiet: Fixture,
) -> Row {
    Row {
        class,
        format,
        code: finding.0,
        case: finding.1,
        fires,
        quiet,
    }
}

impl Fixture {
    /// The file.
    ///
    /// # Panics
    ///
    /// When no table has a row of the name.
    pub fn bytes(self) -> Vec<u8> {
        match self {
            Self::Technique(name) => TECHNIQUES.iter().find(|t| t.name == name).expect("a technique").bytes(),
            Self::Quiet(name) => QUIET.iter().find(|q| q.name == name).expect("a quiet pickle").bytes(),
            Self::Sample(name) => HOSTILE
                .iter()
                .find(|h| h.name == name)
                .expect("a hostile sample")
                .bytes
                .clone(),
            Self::Benign(name) => BENIGN
                .iter()
                .find(|s| s.name == name)
                .expect("a benign sample")
                .bytes
                .clone(),
            Self::Template(name) => with_template(template::HOSTILE.iter().map(|t| (t.0, t.1)), name),
            Self::Conditional(name) => with_template(template::CONDITIONAL.iter().map(|t| (t.0, t.1)), name),
            Self::Published(name) => with_template(template::PUBLISHED.iter().copied(), name),
            Self::Built(_, build) => build(),
        }
    }

    /// Which file it is, in words.
    pub fn name(self) -> String {
        match self {
            Self::Technique(name) => format!("technique \"{name}\""),
            Self::Quiet(name) => format!("pickle \"{name}\""),
            Self::Sample(name) | Self::Benign(name) => format!("sample `{name}`"),
            Self::Template(name) => format!("template \"{name}\""),
            Self::Conditional(name) => format!("conditional template \"{name}\""),
            Self::Published(name) => format!("template of {name}"),
            Self::Built(words, _) => words.to_owned(),
        }
    }
}

fn with_template(mut all: impl Iterator<Item = (&'static str, &'static str)>, name: &str) -> Vec<u8> {
    files::gguf_with_template(all.find(|t| t.0 == name).expect("a template").1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_row_is_one_of_its_kind_and_its_fixtures_differ() {
        let mut seen = BTreeSet::new();
        for row in SECTIONS.iter().flat_map(|s| s.rows) {
            let (fires, quiet) = (row.fires.bytes(), row.quiet.bytes());
            assert_ne!(fires, quiet, "{} in {}", row.class, row.format);
            let key = (row.class, row.format, row.code, row.case);
            assert!(seen.insert(key), "{key:?} twice");
        }
        assert!(UNSEEN.iter().all(|u| !u.why.is_empty()));
    }
}
