//! `doctor --format json`: schema `probity.doctor/1`, and what the exit code is made of.

use serde::Serialize;

use super::backends::Backend;
use super::host::Host;
use super::observe::Found;
use super::obstacle::Obstacle;

/// The schema's name.
pub const SCHEMA: &str = "probity.doctor/1";

/// How it stands with an act.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Debug)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It was done, and no event of it arrived.
    Blind,
    /// It could not be done here for another reason, so that nothing is known.
    Untried,
    /// This host cannot do it.
    Absent,
    /// Its event arrived.
    Observed,
}

/// One act.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
pub struct Act {
    /// What it is called.
    pub act: &'static str,
    /// What it belongs to.
    pub group: &'static str,
    /// The kind of its event.
    pub kind: &'static str,
    /// Without it the watcher is not worth running.
    pub core: bool,
    /// How it stands.
    pub standing: Standing,
    /// What saw it.
    pub backend: Option<&'static str>,
    /// Whether this version can stop it here.
    pub blockable: bool,
    /// What could stop it; null where nothing could.
    pub blockable_with: Option<&'static str>,
    /// Why it is not observed.
    pub reason: Option<String>,
    /// What that costs, for an act that is blind.
    pub cost: Option<&'static str>,
}

/// What became of a program.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Debug)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The verifier takes it.
    Loaded,
    /// It does not.
    Refused,
    /// The kernel has no such tracepoint; another program may stand in.
    Absent,
}

/// One program.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// What it attaches to.
    pub target: &'static str,
    /// What it makes visible.
    pub sees: &'static str,
    /// What became of it.
    pub state: State,
    /// What the kernel said.
    pub why: Option<String>,
    /// Instructions that the verifier walked.
    pub verified: Option<u32>,
}

/// Where the tree's own cgroup is made.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
pub struct Place {
    /// The caller's cgroup, below which a child could be made and removed.
    pub path: String,
    /// Whether systemd leaves it alone.
    pub delegated: bool,
}

/// The whole.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
pub struct Document {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// Its version.
    pub version: &'static str,
    /// 0: the core acts are observed and nothing is blind; 1: something is blind; 3: the watcher cannot run.
    pub exit_code: u8,
    /// Why the watcher cannot run.
    pub refused: Option<String>,
    /// Facts of the host.
    pub host: Host,
    /// Where the tree's cgroup goes; null where none can be made.
    pub cgroup: Option<Place>,
    /// The backends that were tried.
    pub backends: Vec<Backend>,
    /// The acts, in the order of groups.
    pub acts: Vec<Act>,
    /// The programs.
    pub programs: Vec<Program>,
    /// Events of the probe that were lost: an act may be called blind for that.
    pub lost: Vec<String>,
}

impl Document {
    /// Of a host where the watcher runs.
    pub(super) fn new(host: Host, cgroup: Option<Place>, found: Found) -> Self {
        let blind = |act: &Act| act.standing == Standing::Blind;
        let unproved = |act: &Act| act.core && act.standing != Standing::Observed;
        let wanting = found.acts.iter().any(|act| blind(act) || unproved(act));
        Self {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            exit_code: u8::from(wanting),
            refused: None,
            host,
            cgroup,
            backends: found.backends,
            acts: found.acts,
            programs: found.programs,
            lost: found.lost,
        }
    }

    /// Of a host where it does not.
    pub(super) fn refused(host: Host, cgroup: Option<Place>, obstacle: &Obstacle) -> Self {
        Self {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            exit_code: 3,
            refused: Some(obstacle.to_string()),
            host,
            cgroup,
            backends: Vec::new(),
            acts: Vec::new(),
            programs: Vec::new(),
            lost: Vec::new(),
        }
    }

    /// As text, with a line feed at its end.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Plain values only: there is nothing that JSON cannot hold.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
}
