//! `scanner/engine/public-api.txt`: what a user of `probity-engine` can name, so that a change of it is a visible diff.
//!
//! The sources are read as rustfmt leaves them ([`source`]): an item begins and ends at the indentation of its block, which
//! CI's first step guarantees. From the crate's root every `pub mod` is followed and every `pub use` is resolved; listed are
//! items, public fields, variants, public methods, derived and implemented traits. What is `#[doc(hidden)]` is left out.
//!
//! It is a lister, not a compiler: types are printed as they are written, what a macro makes is not expanded, and an `impl`
//! belongs to the type of that name whose module is nearest.

mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};

use source::{Item, Members};

const OPENING: &str = "\
# What `probity-engine` lets its users name. Written by `cargo xtask codegen`; do not edit.
# Fields and variants in the order of declaration, everything else sorted. `non_exhaustive` types may grow.
";

/// The modules of a crate by their path from its root, which is the empty one.
type Crate = BTreeMap<Vec<String>, Vec<Item>>;

/// The list, for the crate whose root is the file `root`.
pub(super) fn page(root: &Path) -> Result<String> {
    let mut modules = Crate::new();
    source::read(root, &mut Vec::new(), &mut modules)?;
    list(&modules)
}

fn list(modules: &Crate) -> Result<String> {
    let lister = Lister {
        modules,
        impls: impls(modules),
    };
    let mut out = String::from(OPENING);
    lister.module(&[], &mut out)?;
    Ok(out)
}

/// The `impl` blocks of each type, by the type's module and name.
fn impls(modules: &Crate) -> BTreeMap<(Vec<String>, String), Vec<&Item>> {
    let mut found: BTreeMap<_, Vec<&Item>> = BTreeMap::new();
    for (path, items) in modules {
        for item in items.iter().filter(|item| item.kind == "impl") {
            let defines =
                |(_, items): &(&Vec<String>, &Vec<Item>)| items.iter().any(|i| i.name == item.name && i.is_type());
            let shared = |other: &[String]| path.iter().zip(other).take_while(|(a, b)| a == b).count();
            // Of equally near ones the one that is less deep: the module itself before those below it.
            let nearest = modules
                .iter()
                .filter(defines)
                .max_by_key(|(other, _)| (shared(other), std::cmp::Reverse(other.len())));
            if let Some((owner, _)) = nearest {
                found.entry((owner.clone(), item.name.clone())).or_default().push(item);
            }
        }
    }
    found
}

struct Lister<'a> {
    modules: &'a Crate,
    impls: BTreeMap<(Vec<String>, String), Vec<&'a Item>>,
}

impl Lister<'_> {
    /// What the module at `path` makes public, then the modules below it.
    fn module(&self, path: &[String], out: &mut String) -> Result<()> {
        let items = self.modules.get(path).context("a module that was read")?;
        let mut blocks = BTreeSet::new();
        for item in items.iter().filter(|item| item.shown()) {
            match item.kind.as_str() {
                "mod" => {}
                "use" => self.reexports(path, item, &mut blocks)?,
                _ => {
                    blocks.insert((item.name.clone(), self.block(path, item, &item.name)));
                }
            }
        }
        let title = if path.is_empty() {
            "crate".to_owned()
        } else {
            path.join("::")
        };
        write!(out, "\n{title}\n")?;
        for (_, block) in blocks {
            out.push_str(&block);
        }
        let mut below: Vec<&Item> = items.iter().filter(|i| i.shown() && i.kind == "mod").collect();
        below.sort_by_key(|item| &item.name);
        for item in below {
            self.module(&[path, std::slice::from_ref(&item.name)].concat(), out)?;
        }
        Ok(())
    }

    fn reexports(&self, path: &[String], item: &Item, blocks: &mut BTreeSet<(String, String)>) -> Result<()> {
        let tree = item.head.strip_prefix("pub use ").unwrap_or(&item.head);
        for (target, name) in source::flatten(tree)? {
            let found = self.resolve(path, &target)?;
            let blocks_of = if found.is_empty() {
                let renamed = target.last() != Some(&name);
                let name = if renamed { format!(" as {name}") } else { String::new() };
                vec![format!("  use {}{name}\n", target.join("::"))]
            } else {
                found
                    .iter()
                    .map(|(owner, target)| self.block(owner, target, &name))
                    .collect()
            };
            for block in blocks_of {
                let block = match &item.cfg {
                    Some(cfg) => format!("  {cfg}\n{block}"),
                    None => block,
                };
                blocks.insert((name.clone(), block));
            }
        }
        Ok(())
    }

    /// The items that `target`, written in the module at `path`, stands for; none when it leads out of the crate.
    fn resolve(&self, path: &[String], target: &[String]) -> Result<Vec<(Vec<String>, &Item)>> {
        let (mut place, mut rest) = (path.to_vec(), target);
        while let [first, more @ ..] = rest {
            match first.as_str() {
                "crate" => place.clear(),
                "self" => {}
                "super" => drop(place.pop()),
                _ => break,
            }
            rest = more;
        }
        let [inner @ .., name] = rest else {
            bail!("a re-export of a module: {}", target.join("::"))
        };
        let local = rest.len() < target.len();
        place.extend_from_slice(inner);
        let Some(items) = self.modules.get(&place) else {
            if local {
                bail!("no module {}", place.join("::"));
            }
            return Ok(Vec::new());
        };
        let found: Vec<_> = items.iter().filter(|i| &i.name == name && i.is_named()).collect();
        if !found.is_empty() {
            return Ok(found.into_iter().map(|item| (place.clone(), item)).collect());
        }
        for item in items.iter().filter(|item| item.kind == "use") {
            let tree = item.head.split_once("use ").map_or("", |(_, tree)| tree);
            if let Some((further, _)) = source::flatten(tree)?.into_iter().find(|(_, as_name)| as_name == name) {
                return self.resolve(&place, &further);
            }
        }
        bail!("{} is not in {}", name, place.join("::"))
    }

    /// One item as it is listed, under the name `shown`.
    fn block(&self, path: &[String], item: &Item, shown: &str) -> String {
        let mut head = item.head.strip_prefix("pub ").unwrap_or(&item.head).to_owned();
        if shown != item.name {
            head = head.replacen(&item.name, shown, 1);
        }
        let mut lines = Vec::new();
        if let Members::Fields(seen) | Members::Variants(seen) | Members::Signatures(seen) = &item.members {
            lines.extend(seen.iter().cloned());
        }
        let mut traits: BTreeSet<String> = item.derives.iter().cloned().collect();
        let mut methods = BTreeSet::new();
        for block in self
            .impls
            .get(&(path.to_vec(), item.name.clone()))
            .into_iter()
            .flatten()
        {
            match (&block.implements, &block.members) {
                (Some(name), _) => drop(traits.insert(name.clone())),
                (None, Members::Signatures(signatures)) => methods.extend(signatures.iter().cloned()),
                (None, _) => {}
            }
        }
        if item.is_type() {
            lines.extend(methods);
            let traits: Vec<String> = traits.into_iter().collect();
            if !traits.is_empty() {
                lines.push(format!("is {}", traits.join(", ")));
            }
        }
        if item.non_exhaustive {
            head.push_str(" (non_exhaustive)");
        }
        let mut block = format!("  {head}\n");
        for line in lines {
            block.push_str("    ");
            block.push_str(&line);
            block.push('\n');
        }
        block
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::root;

    /// The list of a crate made of these files, without its opening.
    fn check(files: &[(&str, &str)], expect: &str) {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let page = page(&dir.path().join("lib.rs")).unwrap();
        assert_eq!(page.strip_prefix(OPENING).unwrap(), expect);
    }

    #[test]
    fn only_what_can_be_named_from_outside_is_listed() {
        check(
            &[
                (
                    "lib.rs",
                    "mod inner;\n#[doc(hidden)]\npub mod hidden;\npub mod open;\n\npub use inner::{Seen, deep::far as near};\npub use elsewhere::{Thing, Thing as Other};\n",
                ),
                (
                    "inner/mod.rs",
                    "pub(crate) mod deep;\npub struct Seen;\npub struct Unseen;\n",
                ),
                ("inner/deep.rs", "pub fn far(a: &str) -> u8 {\n    0\n}\n"),
                ("hidden.rs", "pub fn door() {}\n"),
                (
                    "open.rs",
                    "pub const MOST: u64 = 64;\npub(crate) fn no() {}\nfn neither() {}\n",
                ),
            ],
            "\ncrate\n  use elsewhere::Thing as Other\n  struct Seen\n  use elsewhere::Thing\n  fn near(a: &str) -> u8\n\nopen\n  const MOST: u64\n",
        );
    }

    #[test]
    fn types_have_their_public_members_and_traits() {
        check(
            &[(
                "lib.rs",
                r#"/// pub fn in_a_comment() {}
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Place<'a> {
    /// The offset.
    pub offset: u64,
    secret: &'a str,
}

impl<'a> Place<'a> {
    /// Long.
    pub const fn new(
        offset: u64,
        secret: &'a str,
    ) -> Self {
        let _ = "}\npub fn in_a_text() {}";
        Self { offset, secret }
    }

    fn private(&self) {}
}

impl From<u64> for Place<'_> {
    fn from(offset: u64) -> Self {
        Self::new(offset, "")
    }
}

pub enum Kind {
    Plain,
    Full { at: u64 },
}

pub trait Look: Sync {
    /// Looks.
    fn look(&self, at: u64) -> bool;
    fn blink(&self) {}
}

#[cfg(test)]
mod tests {
    pub fn never() {}
}
"#,
            )],
            "\ncrate\n  enum Kind\n    Plain\n    Full { at: u64 }\n  trait Look: Sync\n    fn look(&self, at: u64) -> bool\n    fn blink(&self) (provided)\n  struct Place<'a> (non_exhaustive)\n    offset: u64\n    const fn new(offset: u64, secret: &'a str) -> Self\n    is Clone, Debug, From<u64>\n",
        );
    }

    #[test]
    fn an_impl_elsewhere_belongs_to_the_nearest_type_of_its_name() {
        check(
            &[
                ("lib.rs", "pub mod a;\npub mod b;\n"),
                ("a/mod.rs", "mod more;\npub struct Same {}\n"),
                (
                    "a/more.rs",
                    "use super::Same;\nimpl Same {\n    pub fn of_a(&self) {}\n}\n",
                ),
                ("b.rs", "pub struct Same {}\n"),
            ],
            "\ncrate\n\na\n  struct Same\n    fn of_a(&self)\n\nb\n  struct Same\n",
        );
    }

    #[test]
    fn the_list_of_the_engine_is_up_to_date() {
        let page = page(&root().join("scanner/engine/src/lib.rs")).unwrap();
        let found = std::fs::read_to_string(root().join("scanner/engine/public-api.txt")).unwrap();
        assert!(
            page == found,
            "run `cargo xtask codegen`, and look at what changes for users\n{}",
            super::super::difference("scanner/engine/public-api.txt", &found, &page)
        );
    }
}
