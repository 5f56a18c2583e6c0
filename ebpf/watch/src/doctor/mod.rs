//! What this host can observe, proved by doing each act in a watched tree and seeing its event arrive.
//!
//! A program that loads and attaches may never run, so nothing here is concluded from a program that loads. The acts are
//! done by this same executable, started again under the watcher with [`PERFORM`]; another instance of it ([`VICTIM`]) stays
//! outside as the process that is reached into. Nothing here prints, and nothing of the host is changed: what is made is
//! a directory, one on a tmpfs, and a cgroup, all removed at the end.

mod acts;
mod backends;
pub mod coverage;
mod document;
pub mod host;
mod observe;
pub mod obstacle;
mod scene;
pub mod text;

pub use backends::Backend;
pub use document::{Act, Document, Place, Program, SCHEMA, Standing, State};
pub use host::Host;
pub use obstacle::Obstacle;

use crate::launch::Cgroup;
use std::ffi::OsStr;
use std::io;
use std::path::Path;

/// First hidden argument of the instance that does the acts; the second says on what.
pub const PERFORM: &str = "perform";
/// First hidden argument of the instance that is reached into; the second names a file.
pub const VICTIM: &str = "victim";

/// Examines the host with `executable`, this program, which must call [`serve`] with what follows `arguments`.
#[must_use]
pub fn examine(executable: &Path, arguments: &[&str]) -> Document {
    let host = Host::read();
    let cgroup = Cgroup::create_under_own().map(|cgroup| Place {
        path: cgroup.path().parent().unwrap_or(cgroup.path()).display().to_string(),
        delegated: cgroup.delegated(),
    });
    let (cgroup, hidden) = match cgroup {
        Ok(place) => (Some(place), None),
        Err(error) => (None, Some(Obstacle::Cgroup(error))),
    };
    let obstacle = Obstacle::of(&host).or(hidden);
    match obstacle.map_or_else(|| observe::observe(executable, arguments), Err) {
        Ok(found) => Document::new(host, cgroup, found),
        Err(obstacle) => Document::refused(host, cgroup, &obstacle),
    }
}

/// What an instance does that was started by [`examine`].
///
/// # Errors
///
/// When it was not started by it, or what it was given does not work.
pub fn serve(words: &[impl AsRef<OsStr>]) -> io::Result<()> {
    match words {
        [act, scene] if act.as_ref() == PERFORM => {
            acts::perform(&serde_json::from_slice(scene.as_ref().as_encoded_bytes())?)
        }
        [act, file] if act.as_ref() == VICTIM => acts::be_victim(Path::new(file.as_ref())),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "these arguments are doctor's own",
        )),
    }
}
