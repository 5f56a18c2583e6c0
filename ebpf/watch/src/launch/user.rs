//! Which user the command runs as, and that user's groups and home.
//!
//! The user database is asked through `getent`, so that LDAP and sssd users are found without loading name service
//! modules into a privileged (and possibly static) process; without `getent`, `/etc/passwd` and `/etc/group` are read.
//! Changing to the user is the child's part.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};

use super::{LaunchError, Result};

/// The user asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RunAs {
    /// The user who started us through sudo, doas or pkexec; ourselves when we are not root.
    #[default]
    Invoking,
    /// A name, `UID` or `UID:GID`.
    User(String),
}

/// What the child becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Credentials {
    /// Real, effective and saved user id.
    pub uid: u32,
    /// Real, effective and saved group id.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// The login name, or the number where the user database has none.
    pub name: String,
    /// The home directory, `/` where the user database has none.
    pub home: PathBuf,
}

/// The answer of [`RunAs::resolve`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    /// `None`: stay as we are.
    pub(super) credentials: Option<Credentials>,
    /// Whether the command is not root.
    pub(super) contained: bool,
}

impl RunAs {
    /// The home directory of whom the command would become; `None` when it stays who we are, or cannot be told: starting
    /// it then says why.
    pub fn home(&self) -> Option<PathBuf> {
        let env: Vec<_> = std::env::vars_os().collect();
        let identity = self.resolve(rustix::process::geteuid().as_raw(), true, &env).ok()?;
        identity.credentials.map(|user| user.home)
    }

    /// Decides what the child becomes, for a process with effective user `euid` and the environment `env`.
    ///
    /// `allow_root` permits root, it does not ask for it: under sudo the invoking user is still taken.
    pub(super) fn resolve(&self, euid: u32, allow_root: bool, env: &[(OsString, OsString)]) -> Result<Identity> {
        let credentials = match self {
            Self::Invoking if euid != 0 => None,
            Self::Invoking => invoking(env)?,
            Self::User(user) => {
                let wanted = by_spec(user)?;
                if euid != 0 && wanted.uid != euid {
                    return Err(LaunchError::NotRoot { user: user.clone() });
                }
                (euid == 0).then_some(wanted)
            }
        };
        let uid = credentials.as_ref().map_or(euid, |c| c.uid);
        if uid == 0 && !allow_root {
            return Err(LaunchError::NeedsAllowRoot);
        }
        Ok(Identity {
            credentials,
            contained: uid != 0,
        })
    }
}

/// The user behind sudo (`SUDO_UID`, `SUDO_GID`), pkexec (`PKEXEC_UID`) or doas (`DOAS_USER`). Only root asks, and root
/// set these variables or was given them by these programs.
fn invoking(env: &[(OsString, OsString)]) -> Result<Option<Credentials>> {
    let value = |key: &str| env.iter().find(|(k, _)| k == key).and_then(|(_, v)| v.to_str());
    let wanted = match (value("SUDO_UID"), value("PKEXEC_UID"), value("DOAS_USER")) {
        (Some(uid), _, _) => match value("SUDO_GID") {
            Some(gid) => format!("{uid}:{gid}"),
            None => uid.to_owned(),
        },
        (None, Some(uid), _) => uid.to_owned(),
        (None, None, Some(name)) => name.to_owned(),
        (None, None, None) => return Ok(None),
    };
    by_spec(&wanted).map(Some)
}

/// `NAME`, `UID` or `UID:GID`.
fn by_spec(spec: &str) -> Result<Credentials> {
    let unknown = || LaunchError::UnknownUser { user: spec.to_owned() };
    let (user, gid) = match spec.split_once(':') {
        Some((user, gid)) => (user, Some(gid.parse::<u32>().map_err(|_| unknown())?)),
        None => (spec, None),
    };
    // The number that setresuid takes for "unchanged" is nobody's.
    let uid = user.parse::<u32>().ok();
    if user.is_empty() || uid == Some(u32::MAX) || gid == Some(u32::MAX) || user.contains(['\n', '/', '\0']) {
        return Err(unknown());
    }
    match (entry_of(user, uid), uid, gid) {
        (Some(entry), _, gid) => {
            let gid = gid.unwrap_or(entry.gid);
            let groups = groups_of(&entry.name, gid);
            Ok(Credentials {
                uid: entry.uid,
                gid,
                groups,
                name: entry.name,
                home: entry.home,
            })
        }
        (None, Some(uid), Some(gid)) => Ok(Credentials {
            uid,
            gid,
            groups: vec![gid],
            name: uid.to_string(),
            home: PathBuf::from("/"),
        }),
        (None, Some(uid), None) => Err(LaunchError::GroupNeeded { uid }),
        (None, None, _) => Err(unknown()),
    }
}

/// One line of passwd(5): `name:password:UID:GID:GECOS:home:shell`.
struct Entry {
    name: String,
    uid: u32,
    gid: u32,
    home: PathBuf,
}

impl Entry {
    fn parse(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.split(':').collect();
        Some(Self {
            name: (*fields.first()?).to_owned(),
            uid: fields.get(2)?.parse().ok()?,
            gid: fields.get(3)?.parse().ok()?,
            home: PathBuf::from(fields.get(5).copied().filter(|home| !home.is_empty()).unwrap_or("/")),
        })
    }
}

fn entry_of(user: &str, uid: Option<u32>) -> Option<Entry> {
    let is_it = |entry: &Entry| uid.map_or(entry.name == user, |uid| entry.uid == uid);
    let text = getent(&["passwd", user]).or_else(|| fs::read_to_string("/etc/passwd").ok())?;
    text.lines().filter_map(Entry::parse).find(is_it)
}

/// The groups a login would give: the primary one and those that list the user.
fn groups_of(name: &str, gid: u32) -> Vec<u32> {
    let mut groups = vec![gid];
    match getent(&["initgroups", name]) {
        // `name  GID GID ...`
        Some(text) => groups.extend(
            text.split_ascii_whitespace()
                .skip(1)
                .filter_map(|g| g.parse::<u32>().ok()),
        ),
        None => {
            let text = fs::read_to_string("/etc/group").unwrap_or_default();
            groups.extend(text.lines().filter_map(|line| {
                let fields: Vec<&str> = line.split(':').collect();
                let member = fields.get(3)?.split(',').any(|m| m == name);
                fields.get(2)?.parse::<u32>().ok().filter(|_| member)
            }));
        }
    }
    groups.sort_unstable();
    groups.dedup();
    groups
}

fn getent(args: &[&str]) -> Option<String> {
    let program = ["/usr/bin/getent", "/bin/getent"]
        .into_iter()
        .find(|p| Path::new(p).exists())?;
    let output = Process::new(program)
        .args(args)
        .env_clear()
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Sets HOME, USER and LOGNAME to the user's; everything else stays.
pub(super) fn adjust_environment(env: &mut Vec<(OsString, OsString)>, credentials: &Credentials) {
    let name = OsStr::new(&credentials.name);
    for (key, value) in [
        ("HOME", credentials.home.as_os_str()),
        ("USER", name),
        ("LOGNAME", name),
    ] {
        env.retain(|(k, _)| k != key);
        env.push((key.into(), value.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        pairs
            .iter()
            .map(|(k, v)| (OsString::from(k), OsString::from(v)))
            .collect()
    }

    fn check(run_as: &RunAs, euid: u32, allow_root: bool, pairs: &[(&str, &str)], expect: &str) {
        let got = match run_as.resolve(euid, allow_root, &env(pairs)) {
            Ok(Identity {
                credentials: None,
                contained,
            }) => format!("stay contained={contained}"),
            Ok(Identity {
                credentials: Some(c),
                contained,
            }) => {
                format!(
                    "{}:{} {} {} contained={contained}",
                    c.uid,
                    c.gid,
                    c.name,
                    c.home.display()
                )
            }
            Err(error) => format!("{} {}", error.exit_code(), error),
        };
        assert!(got.starts_with(expect), "{run_as:?} as {euid}: {got}");
    }

    #[test]
    fn the_invoking_user_is_taken_from_whoever_made_us_root() {
        check(
            &RunAs::Invoking,
            0,
            false,
            &[("SUDO_UID", "54321"), ("SUDO_GID", "54322")],
            "54321:54322 54321 / contained=true",
        );
        check(
            &RunAs::Invoking,
            0,
            true,
            &[("SUDO_UID", "54321"), ("SUDO_GID", "54322")],
            "54321:54322 54321 / contained=true",
        );
        check(
            &RunAs::Invoking,
            1000,
            false,
            &[("SUDO_UID", "54321")],
            "stay contained=true",
        );
    }

    #[test]
    fn root_takes_permission() {
        check(&RunAs::Invoking, 0, false, &[], "2 the command would run as root");
        check(&RunAs::Invoking, 0, true, &[], "stay contained=false");
        check(
            &RunAs::Invoking,
            0,
            false,
            &[("SUDO_UID", "0"), ("SUDO_GID", "0")],
            "2 the command would run as root",
        );
        check(
            &RunAs::User("0:0".into()),
            0,
            false,
            &[],
            "2 the command would run as root",
        );
        check(&RunAs::User("root".into()), 0, true, &[], "0:0 root");
    }

    #[test]
    fn what_names_no_user_is_a_usage_error() {
        check(&RunAs::User("no-such-user-here".into()), 0, false, &[], "2 no user");
        check(&RunAs::User("54321".into()), 0, false, &[], "2 user 54321 has no entry");
        check(&RunAs::User("4294967295:0".into()), 0, false, &[], "2 no user");
        check(&RunAs::User("54321:x".into()), 0, false, &[], "2 no user");
        check(&RunAs::User(String::new()), 0, false, &[], "2 no user");
        check(
            &RunAs::User("54321:54321".into()),
            1000,
            false,
            &[],
            "2 cannot run as 54321:54321: only root",
        );
    }

    #[test]
    fn the_environment_names_the_user_once() {
        let mut vars = env(&[("HOME", "/root"), ("A", "b"), ("USER", "root"), ("HOME", "/second")]);
        let user = Credentials {
            uid: 1,
            gid: 1,
            groups: vec![1],
            name: "daemon".into(),
            home: "/usr/sbin".into(),
        };
        adjust_environment(&mut vars, &user);
        assert_eq!(
            vars,
            env(&[
                ("A", "b"),
                ("HOME", "/usr/sbin"),
                ("USER", "daemon"),
                ("LOGNAME", "daemon")
            ])
        );
    }
}
