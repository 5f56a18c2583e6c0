//! What one act is told: where its fixtures are, which form to take, and what the harness prepared for it.

use std::ffi::CString;
use std::os::fd::RawFd;

use crate::setup;
use crate::sys::{Acted, Stop};

/// Whether the act touches what the declared set allows, or the same thing beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// On `DIR/allowed`, an allowed port, or a member of its own tree.
    Declared,
    /// On `DIR/forbidden`, another port, or an outsider.
    Undeclared,
}

impl Form {
    /// Both, in the order a harness runs them.
    pub const BOTH: [Form; 2] = [Form::Declared, Form::Undeclared];

    /// The fixture folder of this form, which is also its key in what `acts serve` prints.
    pub fn folder(self) -> &'static str {
        match self {
            Form::Declared => "allowed",
            Form::Undeclared => "forbidden",
        }
    }

    /// The word on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Form::Declared => "declared",
            Form::Undeclared => "undeclared",
        }
    }
}

/// The arguments of `acts run`.
#[derive(Clone, Debug)]
pub struct Context {
    /// The fixture tree, absolute, without a final slash.
    pub dir: String,
    /// Which form to take.
    pub form: Form,
    /// The port of the service that the act's row names.
    pub port: Option<u16>,
    /// A descriptor left open by the harness.
    pub fd: Option<RawFd>,
    /// A process outside the tree (`acts victim`).
    pub pid: Option<i32>,
    /// A descriptor that the victim holds open.
    pub victim_fd: Option<RawFd>,
    /// The address of a buffer of 16 bytes in the victim.
    pub addr: Option<usize>,
    /// A cgroup v2 directory to move into.
    pub cgroup: Option<String>,
    /// How long an act that races goes on, in seconds.
    pub seconds: u64,
    /// How often an act that floods repeats itself.
    pub count: u64,
    /// Whether a flood touches another object every time.
    pub distinct: bool,
}

impl Context {
    /// Replaces `${DIR}`, `${FORM}`, `${PORT}`, `${PID}`, `${CGROUP}`, `${NEAR}` and `${OVER}` by this run's values.
    pub fn resolve(&self, template: &str) -> String {
        let over = setup::over();
        let root = format!("{}/{}", self.dir, self.form.folder());
        let number = |value: Option<i64>| value.map_or_else(|| String::from("-"), |value| value.to_string());
        template
            .replace("${DIR}", &self.dir)
            .replace("${FORM}", self.form.folder())
            .replace("${PORT}", &number(self.port.map(i64::from)))
            .replace("${PID}", &number(self.pid.map(i64::from)))
            .replace("${CGROUP}", self.cgroup.as_deref().unwrap_or("-"))
            .replace("${NEAR}", &setup::near(&root))
            .replace("${OVER}", &format!("{}/secret", format!("/{}", over.0).repeat(over.1)))
    }

    /// `DIR/allowed/NAME` or `DIR/forbidden/NAME`.
    pub(crate) fn own(&self, name: &str) -> Acted<CString> {
        self.path(&format!("${{DIR}}/${{FORM}}/{name}"))
    }

    /// A path from a template.
    pub(crate) fn path(&self, template: &str) -> Acted<CString> {
        CString::new(self.resolve(template)).map_err(|_| Stop::Wrong(String::from("a NUL in a path")))
    }

    /// The port, or the fault of the caller who gave none.
    pub(crate) fn port(&self) -> Acted<u16> {
        self.port
            .ok_or_else(|| Stop::Wrong(String::from("this act needs --port")))
    }

    /// The inherited descriptor, or the fault of the caller who gave none.
    pub(crate) fn fd(&self) -> Acted<RawFd> {
        self.fd.ok_or_else(|| Stop::Wrong(String::from("this act needs --fd")))
    }

    /// Whether the act keeps to what is declared.
    pub(crate) fn declared(&self) -> bool {
        self.form == Form::Declared
    }
}
