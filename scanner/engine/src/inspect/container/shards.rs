//! Models in several files: the index that says which tensor lies in which, held against the files.
//!
//! The names of tensors are compared where the shards are safetensors; of other formats only that the files are there.

use super::{Container, Export, Inspection, Member, Outcome, export, join, json, leaves, split};
use crate::finding::{Finding, Value as Evidence, code};
use crate::policy::shown;
use crate::walk::json::{TokenKind, as_u64};
use std::collections::{BTreeMap, BTreeSet};

/// `shard-index`, `path-traversal`.
pub(super) struct Shards;

/// An index names no more files than this: the largest published ones name a few hundred.
const MOST_SHARDS: usize = 16_384;
/// Names of tensors or files that a finding lists.
const EXAMPLES: usize = 8;

impl Inspection for Shards {
    fn inspect(&self, container: &Container<'_>, out: &mut Outcome<'_>) {
        let mut named: BTreeMap<&[u8], BTreeSet<Vec<u8>>> = BTreeMap::new();
        let mut indexes: Vec<&Member<'_>> = Vec::new();
        for member in &container.members {
            let name = member.name();
            if !name.ends_with(b".json") || memchr::memmem::find(name, b".index.").is_none() {
                continue;
            }
            let Some(text) = container.file(&member.path).and_then(|file| out.text(file)) else {
                continue;
            };
            if let Some(shards) = index(container, member, text, out) {
                named.entry(member.folder()).or_default().extend(shards);
                indexes.push(member);
            }
        }
        for index in indexes {
            if let Some(named) = named.remove(index.folder()) {
                extra(container, index, &named, out);
            }
        }
    }
}

/// One file that an index names.
struct Shard<'c> {
    tensors: Option<(&'c [u64], u64)>,
    found: u64,
}

#[derive(Default)]
struct Account {
    absent: u64,
    examples: Vec<String>,
    total_size: Option<u64>,
}

/// Reads one index; the paths it names, or `None` when it is none.
fn index(
    container: &Container<'_>,
    member: &Member<'_>,
    text: &[u8],
    out: &mut Outcome<'_>,
) -> Option<BTreeSet<Vec<u8>>> {
    let mut shards: BTreeMap<String, Shard<'_>> = BTreeMap::new();
    let mut account = Account::default();
    let (mut depth, mut within, mut key) = (0usize, String::new(), String::new());
    let mut is_index = false;
    for token in json::walker(text) {
        let Ok(token) = token else { break };
        match token.kind {
            TokenKind::ObjectStart | TokenKind::ArrayStart => {
                depth = depth.saturating_add(1);
                if depth == 2 {
                    within.clone_from(&key);
                    is_index |= key == "weight_map";
                }
            }
            TokenKind::ObjectEnd | TokenKind::ArrayEnd => depth = depth.saturating_sub(1),
            TokenKind::Key(name) => {
                key.clear();
                key.push_str(&name);
            }
            TokenKind::Number(number) if depth == 2 && within == "metadata" && key == "total_size" => {
                account.total_size = as_u64(number);
            }
            TokenKind::String(shard) if depth == 2 && within == "weight_map" => {
                if !shards.contains_key(&*shard) {
                    if shards.len() >= MOST_SHARDS {
                        out.not_held(member, &format!("it names more than {MOST_SHARDS} files"));
                        break;
                    }
                    let file = container.file(&join(member.folder(), shard.as_bytes()));
                    let tensors = match file.and_then(Member::export) {
                        Some(Export::Tensors(names, bytes, _)) => Some((&**names, *bytes)),
                        _ => None,
                    };
                    shards.insert(shard.clone().into_owned(), Shard { tensors, found: 0 });
                }
                if let Some(shard) = shards.get_mut(&*shard)
                    && let Some((names, _)) = shard.tensors
                {
                    if names.binary_search(&export::tensor_hash(&key)).is_ok() {
                        shard.found = shard.found.saturating_add(1);
                    } else {
                        account.absent = account.absent.saturating_add(1);
                        if account.examples.len() < EXAMPLES {
                            account.examples.push(key.chars().take(200).collect());
                        }
                    }
                }
            }
            _ => {}
        }
    }
    is_index.then(|| {
        files(container, member, &shards, out);
        tensors(container, member, &shards, &account, out);
        shards
            .keys()
            .filter(|s| !leaves(s))
            .map(|s| join(member.folder(), s.as_bytes()))
            .collect()
    })
}

fn files(container: &Container<'_>, member: &Member<'_>, shards: &BTreeMap<String, Shard<'_>>, out: &mut Outcome<'_>) {
    let mut missing: Vec<String> = Vec::new();
    let mut count = 0u64;
    for name in shards.keys() {
        let path = join(member.folder(), name.as_bytes());
        if leaves(name) {
            let name = shown(name.as_bytes());
            let message = format!("{} names {name}, outside of the model", shown(&member.path));
            out.push(container.finding(code::PATH_TRAVERSAL, member, message).key(name));
        } else if !container.has(&path) && container.around.whole && !container.is_excluded(&path) {
            count = count.saturating_add(1);
            if missing.len() < EXAMPLES {
                missing.push(shown(name.as_bytes()));
            }
        }
    }
    if count > 0 {
        let message = format!(
            "{} names {} files, {count} of them are not there",
            shown(&member.path),
            shards.len()
        );
        out.push(listing(container, member, message, missing).case("missing"));
    }
}

fn listing(container: &Container<'_>, member: &Member<'_>, message: String, names: Vec<String>) -> Finding {
    container
        .finding(code::SHARD_INDEX, member, message)
        .evidence("names", Evidence::List(names))
}

fn tensors(
    container: &Container<'_>,
    member: &Member<'_>,
    shards: &BTreeMap<String, Shard<'_>>,
    account: &Account,
    out: &mut Outcome<'_>,
) {
    let path = shown(&member.path);
    if account.absent > 0 {
        let message = format!(
            "{path} places {} tensors in files that do not hold them",
            account.absent
        );
        out.push(listing(container, member, message, account.examples.clone()).case("tensor-missing"));
    }
    let known = || shards.values().filter_map(|s| s.tensors);
    let mut names: Vec<u64> = known().flat_map(|(names, _)| names.iter().copied()).collect();
    names.sort_unstable();
    let twice = names.windows(2).filter(|pair| pair.first() == pair.get(1)).count();
    if twice > 0 {
        let message = format!(
            "{twice} tensors stand in two of the files that {path} names: which one counts is the reader's choice"
        );
        out.push(
            container
                .finding(code::SHARD_INDEX, member, message)
                .case("tensor-twice"),
        );
    }
    let unlisted = shards.values().filter_map(|s| {
        let held = u64::try_from(s.tensors?.0.len()).ok()?;
        Some(held.saturating_sub(s.found))
    });
    let unlisted = unlisted
        .fold(0u64, u64::saturating_add)
        .saturating_sub(u64::try_from(twice).unwrap_or(0));
    if unlisted > 0 {
        let message = format!("the files that {path} names hold {unlisted} tensors more than it lists");
        out.push(
            container
                .finding(code::SHARD_INDEX, member, message)
                .case("tensor-unlisted"),
        );
    }
    let whole = !shards.is_empty() && shards.values().all(|s| s.tensors.is_some());
    let sum = known().fold(0u64, |n, (_, bytes)| n.saturating_add(bytes));
    if let Some(stated) = account.total_size.filter(|stated| whole && *stated != sum) {
        let message = format!("{path} says that the tensors take {stated} bytes, they take {sum}");
        out.push(container.finding(code::SHARD_INDEX, member, message).case("total-size"));
    }
}

/// Files beside an index that are called like its shards, and that no index there names.
fn extra(container: &Container<'_>, index: &Member<'_>, named: &BTreeSet<Vec<u8>>, out: &mut Outcome<'_>) {
    let endings: BTreeSet<&[u8]> = named.iter().filter_map(|path| ending(path)).collect();
    let beside = container.directly_in(index.folder()).filter(|m| {
        let like =
            memchr::memmem::find(m.name(), b"-of-").is_some() && ending(&m.path).is_some_and(|e| endings.contains(e));
        like && !named.contains(&*m.path)
    });
    let extra: Vec<String> = beside.map(|m| shown(m.name())).collect();
    if !extra.is_empty() {
        let message = format!(
            "{} files beside {} are called like its parts, and are none",
            extra.len(),
            shown(&index.path)
        );
        out.push(listing(container, index, message, extra.into_iter().take(EXAMPLES).collect()).case("extra"));
    }
}

fn ending(path: &[u8]) -> Option<&[u8]> {
    let name = split(path).1;
    name.get(memchr::memrchr(b'.', name)?..)
}
