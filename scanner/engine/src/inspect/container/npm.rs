//! npm packages: what runs when one is installed, and what its manifest says about its files.
//!
//! A package is a folder with a `package.json` that npm would install: the container itself, the one folder of a
//! tarball, and what lies directly in a `node_modules`. A `package.json` elsewhere is data. Scripts are not read as
//! programs; a command is judged by its own words.

mod command;

use super::{Container, Inspection, Member, Outcome, clean, join, json, leaves, split};
use crate::finding::{Value as Evidence, code};
use crate::policy::shown;
use command::Judgement;
use serde_json::Value;
use std::collections::BTreeMap;

/// `install-script`, `package-manifest`, `package-inventory`.
pub(super) struct Npm;

impl Inspection for Npm {
    fn inspect(&self, container: &Container<'_>, out: &mut Outcome<'_>) {
        let manifests = container.members.iter().filter(|m| m.name() == b"package.json");
        for manifest in manifests.filter(|m| is_package(container, m.folder())) {
            let Some(manifest) = container.file(&manifest.path).map(|file| Member {
                path: manifest.path.clone(),
                ..file.clone()
            }) else {
                continue;
            };
            let Some(text) = out.text(&manifest) else { continue };
            let Some(value) = json::value(text).filter(Value::is_object) else {
                continue;
            };
            let package = Package {
                container,
                manifest: &manifest,
                value: &value,
            };
            package.scripts(out);
            package.binding(out);
            package.bin(out);
            package.bundled(out);
        }
        tops(container, out);
    }
}

/// Whether npm would take the `package.json` in `folder` for that of a package.
fn is_package(container: &Container<'_>, folder: &[u8]) -> bool {
    let (above, name) = split(folder);
    let scoped = split(above);
    folder.is_empty()
        // A tarball's first level is stripped, whatever it is called.
        || (above.is_empty() && container.around.format == "tar")
        || (above.is_empty() && name == b"package")
        || (split(above).1 == b"node_modules" || above == b"node_modules")
        || (scoped.1.first() == Some(&b'@') && split(scoped.0).1 == b"node_modules")
}

/// npm drops the first level of every name in a tarball: two manifests under two of them are one file, and the last one
/// wins.
fn tops(container: &Container<'_>, out: &mut Outcome<'_>) {
    if container.around.format != "tar" {
        return;
    }
    let mut tops = container
        .members
        .iter()
        .filter(|m| m.name() == b"package.json" && !m.folder().is_empty() && split(m.folder()).0.is_empty());
    let Some(first) = tops.next() else { return };
    for other in tops.filter(|m| m.sha256().is_none() || m.sha256() != first.sha256()) {
        let (a, b) = (shown(&first.path), shown(&other.path));
        let message = format!("{a} and {b} are one file when the package is installed, and differ");
        let finding = container
            .finding(code::PACKAGE_MANIFEST, other, message)
            .case("two-manifests");
        out.push(container.pointing(finding, first));
    }
}

struct Package<'c, 'a> {
    container: &'c Container<'a>,
    manifest: &'c Member<'a>,
    value: &'c Value,
}

impl Package<'_, '_> {
    fn name(&self) -> String {
        let name = json::text(self.value, &["name"]).unwrap_or("a package without a name");
        name.chars().take(214).collect()
    }

    fn scripts(&self, out: &mut Outcome<'_>) {
        for stage in ["preinstall", "install", "postinstall"] {
            let Some(command) = json::text(self.value, &["scripts", stage]).filter(|c| !c.trim().is_empty()) else {
                continue;
            };
            let brief: String = command.chars().take(200).collect();
            let (case, why) = match command::judge(command) {
                Judgement::Dangerous(why) => ("dangerous", format!(", which {why}")),
                Judgement::Downloads(why) => ("download", format!(", which {why}")),
                Judgement::Plain => match self.missing_script(command) {
                    Some(file) => ("missing", format!(", and {} is not there", shown(file.as_bytes()))),
                    None => ("lifecycle", String::new()),
                },
            };
            let message = format!("{} runs at {stage}: {brief}{why}", self.name());
            let finding = self
                .container
                .finding(code::INSTALL_SCRIPT, self.manifest, message)
                .case(case);
            let key = format!("{} {stage}", shown(&self.manifest.path));
            out.push(finding.evidence("stage", stage).evidence("command", brief).key(key));
        }
    }

    /// The file that a command runs, when it is not there. Commands that say what to do without it are left alone.
    fn missing_script(&self, command: &str) -> Option<String> {
        if !self.container.around.whole
            || command.contains("||")
            || command.contains("exists")
            || command.contains("[ ")
        {
            return None;
        }
        let file = command::script(command)?;
        if leaves(&file) {
            return None;
        }
        let path = join(self.manifest.folder(), file.as_bytes());
        let found = [
            "",
            ".js",
            ".cjs",
            ".mjs",
            ".json",
            ".node",
            "/index.js",
            "/package.json",
        ]
        .iter()
        .any(|suffix| self.container.has(&[&path[..], suffix.as_bytes()].concat()));
        (!found && !self.container.is_excluded(&path)).then_some(file)
    }

    /// npm runs node-gyp where there is a `binding.gyp` and neither `install` nor `preinstall` says otherwise.
    fn binding(&self, out: &mut Outcome<'_>) {
        let path = join(self.manifest.folder(), b"binding.gyp");
        let Some(binding) = self.container.file(&path) else {
            return;
        };
        let said = ["install", "preinstall"]
            .iter()
            .any(|s| json::text(self.value, &["scripts", s]).is_some());
        if !said && self.value.get("gypfile") != Some(&Value::Bool(false)) {
            let message = format!("{} is compiled when it is installed, by its binding.gyp", self.name());
            out.push(
                self.container
                    .finding(code::INSTALL_SCRIPT, binding, message)
                    .case("implicit"),
            );
        }
    }

    fn bin(&self, out: &mut Outcome<'_>) {
        let mut commands: BTreeMap<String, &str> = BTreeMap::new();
        match self.value.get("bin") {
            Some(Value::String(target)) => {
                let name = self.name();
                commands.insert(name.rsplit('/').next().unwrap_or_default().to_owned(), target);
            }
            Some(Value::Object(map)) => {
                const MOST: usize = 1024;
                for (name, target) in map.iter().take(MOST) {
                    if let Some(target) = target.as_str() {
                        commands.insert(name.clone(), target);
                    }
                }
            }
            _ => {}
        }
        for (name, target) in &commands {
            let shown_target = shown(target.as_bytes());
            let key = format!("{} bin {}", shown(&self.manifest.path), shown(name.as_bytes()));
            // npm makes a target relative to the package before it links it; that it tries to leave says enough.
            if target.split(['/', '\\']).any(|level| level == "..") && leaves(target) {
                let inside = join(self.manifest.folder(), target.trim_start_matches("../").as_bytes());
                let case = if self.container.has(&inside) {
                    "bin-inside"
                } else {
                    "bin-escape"
                };
                let message = format!(
                    "the command {} of {} is {shown_target}, outside of it",
                    shown(name.as_bytes()),
                    self.name()
                );
                let finding = self.container.finding(code::PACKAGE_MANIFEST, self.manifest, message);
                out.push(finding.case(case).key(key));
                continue;
            }
            if name.contains(['/', '\\']) && !name.starts_with('@') {
                let message = format!(
                    "a command of {} is called {}, a path",
                    self.name(),
                    shown(name.as_bytes())
                );
                let finding = self.container.finding(code::PACKAGE_MANIFEST, self.manifest, message);
                out.push(finding.case("bin-escape").key(key));
                continue;
            }
            let relative = target.trim_start_matches('/');
            let path = join(self.manifest.folder(), clean(relative.as_bytes()));
            let found = ["", ".js"]
                .iter()
                .any(|s| self.container.has(&[&path[..], s.as_bytes()].concat()));
            if self.container.around.whole && !found && !self.container.is_excluded(&path) {
                let message = format!(
                    "the command {} of {} is {shown_target}, which is not there",
                    shown(name.as_bytes()),
                    self.name()
                );
                let finding = self.container.finding(code::PACKAGE_MANIFEST, self.manifest, message);
                out.push(finding.case("bin-missing").key(key));
            }
        }
        if !commands.is_empty() && !self.manifest.folder().windows(12).any(|w| w == b"node_modules") {
            let names: Vec<String> = commands.keys().take(32).cloned().collect();
            let message = format!(
                "{} installs {} commands: {}",
                self.name(),
                commands.len(),
                names.join(", ")
            );
            let finding = self.container.finding(code::PACKAGE_INVENTORY, self.manifest, message);
            out.push(finding.case("commands").evidence("commands", Evidence::List(names)));
        }
    }

    fn bundled(&self, out: &mut Outcome<'_>) {
        let list = ["bundleDependencies", "bundledDependencies"]
            .iter()
            .find_map(|key| self.value.get(*key)?.as_array());
        const MOST: usize = 4096;
        for name in list.into_iter().flatten().take(MOST).filter_map(Value::as_str) {
            let path = join(self.manifest.folder(), &[b"node_modules/", name.as_bytes()].concat());
            if self.container.around.whole && !self.container.has(&path) && !self.container.is_excluded(&path) {
                let message = format!(
                    "{} says that it holds {}, which is not there",
                    self.name(),
                    shown(name.as_bytes())
                );
                let finding = self.container.finding(code::PACKAGE_MANIFEST, self.manifest, message);
                let key = format!("{} bundled {}", shown(&self.manifest.path), shown(name.as_bytes()));
                out.push(finding.case("bundled-missing").key(key));
            }
        }
    }
}
