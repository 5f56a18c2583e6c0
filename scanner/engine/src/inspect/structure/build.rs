//! How a program was built: its toolchain and modules, and which of the usual protections it lacks.

use crate::fact::{Build, Fact};
use crate::finding::{Finding, Findings, Value, code};
use crate::inspect::{Closing, Inspector};

/// `build-inventory`, `hardening`.
pub(in crate::inspect) struct Builds;

/// The most modules that are listed.
const LISTED: usize = 512;

impl Inspector for Builds {
    fn inspect(&self, artifact: &Closing<'_>, out: &mut Findings) {
        for fact in artifact.facts {
            let Fact::Build(build) = fact else { continue };
            if !build.version.is_empty() || !build.modules.is_empty() {
                out.push(inventory(build));
            }
            if !build.missing.is_empty() {
                let message = format!("the program is built without {}", build.missing.join(", "));
                let missing = Value::List(build.missing.iter().map(|m| (*m).to_owned()).collect());
                let finding = Finding::new(code::HARDENING, build.span, message)
                    .evidence("missing", missing)
                    .evidence("toolchain", build.toolchain);
                out.push(finding.key("hardening"));
            }
        }
    }
}

fn inventory(build: &Build) -> Finding {
    let mut message = format!("built with {}", build.toolchain);
    if !build.version.is_empty() {
        message = format!("{message} {}", build.version);
    }
    if !build.modules.is_empty() {
        message = format!("{message} from {} modules", build.modules.len());
    }
    let modules: Vec<String> = build.modules.iter().take(LISTED).map(ToString::to_string).collect();
    Finding::new(code::BUILD_INVENTORY, build.span, message)
        .case(if build.toolchain == "go" { "go" } else { "rust" })
        .evidence("toolchain", build.toolchain)
        .evidence("version", build.version.to_string())
        .evidence("modules", Value::List(modules))
        .key("build")
}
