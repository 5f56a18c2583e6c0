//! The declared sets of the table, held against what strace sees: the declared form stays within its set, and the
//! undeclared form leaves it, wherever paths decide.
//!
//! strace cannot see io_uring, maps, or which inode a hard link names; those rows are for the watcher itself to prove.

mod run;

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};
use probity_acts::context::Form;
use probity_acts::outside::Outside;
use probity_acts::table;
use run::{Ran, acts, run};

/// The groups in which every act is made of calls with paths.
const GROUPS: &[&str] = &["open", "process", "exec", "path", "tree", "attribute"];

/// Members whose act strace does not show as a path: by a handle, without one, a call it may not know, a map, an inode,
/// a memfd.
const INVISIBLE: &[&str] = &[
    "open-by-handle",
    "path-deep-over",
    "fchmodat2",
    "exec-ld-so",
    "map-exec",
    "open-hard-link",
    "exec-memfd",
];

#[test]
fn declared_acts_stay_within_their_set_and_undeclared_ones_leave_it() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("probity-skip: the acts need root");
        return;
    }
    if std::process::Command::new("strace").arg("-V").output().is_err() {
        eprintln!("probity-skip: there is no strace");
        return;
    }
    let outside = Outside::start(acts()).unwrap();
    let logs = tempfile::tempdir().unwrap();
    // A file per process (-ff): no call is split into "unfinished" and "resumed".
    let mut before: Vec<OsString> = ["strace", "-ff", "-y", "-qq", "-s", "5000", "-o"]
        .map(OsString::from)
        .to_vec();
    before.push(logs.path().join("log").into());
    let mut judged = 0;
    for act in table::all().filter(|act| GROUPS.contains(&act.group) && !act.takes.contains(&"fd")) {
        outside.setup().unwrap();
        for form in Form::BOTH {
            match run(&outside, act, form, &before) {
                Ran::Done(told) => assert_eq!(told["form"], form.word()),
                Ran::Skipped(reason) => {
                    eprintln!("probity-skip: {}: {reason}", act.name);
                    continue;
                }
                Ran::Failed(line) => panic!("{line}"),
            }
            let rules = Rules::of(&outside.declared_set(act, form));
            let seen = drained(logs.path());
            let outside_set: Vec<Need> = seen.lines().flat_map(needs).filter(|need| !rules.allow(need)).collect();
            match form {
                Form::Declared => assert!(outside_set.is_empty(), "{}: {outside_set:?}", act.name),
                Form::Undeclared if INVISIBLE.contains(&act.name) => {}
                Form::Undeclared => assert!(!outside_set.is_empty(), "{} stays within its set", act.name),
            }
            judged += 1;
        }
    }
    assert!(judged > 60, "only {judged} runs were judged");
}

/// Every process's log, which are removed.
fn drained(logs: &Path) -> String {
    let mut seen = Vec::new();
    for log in fs::read_dir(logs).unwrap() {
        let path = log.unwrap().path();
        seen.extend(fs::read(&path).unwrap());
        fs::remove_file(path).unwrap();
    }
    String::from_utf8_lossy(&seen).into_owned()
}

/// One access word, or `exec`, and the path it is needed on.
#[derive(Debug)]
struct Need {
    word: &'static str,
    path: String,
}

/// What one line of strace needs. A failed call needs nothing; a descriptor's path (`-y`) beats the one in the call.
fn needs(line: &str) -> Vec<Need> {
    let (Some((name, rest)), Some((_, result))) = (line.split_once('('), line.rsplit_once(" = ")) else {
        return Vec::new();
    };
    if result.starts_with('-') {
        return Vec::new();
    }
    let quoted: Vec<&str> = rest.split('"').skip(1).step_by(2).collect();
    let at = |index: usize, word| {
        quoted.get(index).map(|path| Need {
            word,
            path: String::from(*path),
        })
    };
    match name {
        "open" | "openat" | "openat2" | "creat" => {
            let Some((_, path)) = result.split_once('<') else {
                return Vec::new();
            };
            let path = path.trim_end_matches('>').trim_end_matches("(deleted)");
            let need = |word| Need {
                word,
                path: String::from(path),
            };
            opening(name, rest).into_iter().map(need).collect()
        }
        "execve" => at(0, "exec").into_iter().collect(),
        "execveat" => {
            let path = rest.split(['<', '>']).nth(1).unwrap_or_default();
            vec![Need {
                word: "exec",
                path: String::from(path),
            }]
        }
        "unlink" | "unlinkat" | "rmdir" => at(0, "delete").into_iter().collect(),
        "rename" | "renameat" | "renameat2" => at(0, "delete").into_iter().chain(at(1, "create")).collect(),
        "link" | "linkat" | "symlink" | "symlinkat" => at(1, "create").into_iter().collect(),
        "mkdir" | "mkdirat" | "mknod" | "mknodat" => at(0, "create").into_iter().collect(),
        "truncate" => at(0, "write").into_iter().collect(),
        "chmod" | "fchmodat" | "chown" | "fchownat" | "utimensat" | "setxattr" | "removexattr" => {
            at(0, "metadata").into_iter().collect()
        }
        _ => Vec::new(),
    }
}

fn opening(name: &str, arguments: &str) -> Vec<&'static str> {
    let has = |flag: &str| arguments.contains(flag);
    let mut words = Vec::new();
    if has("O_PATH") {
        return words;
    }
    if has("O_RDONLY") || has("O_RDWR") {
        words.push("read");
    }
    if has("O_WRONLY") || has("O_RDWR") || name == "creat" {
        words.push("write");
    }
    if has("O_CREAT") || has("O_TMPFILE") || name == "creat" {
        words.push("create");
    }
    words
}

/// The file and exec rules of a set, as far as paths go.
struct Rules(Vec<(Vec<String>, Vec<GlobMatcher>)>);

impl Rules {
    fn of(set: &str) -> Rules {
        let set: toml::Table = toml::from_str(set).unwrap();
        let section = |name: &str| {
            set.get(name)
                .and_then(|rules| rules.as_array())
                .cloned()
                .unwrap_or_default()
        };
        let strings = |rule: &toml::Value, key: &str| -> Vec<String> {
            let array = rule
                .get(key)
                .and_then(|value| value.as_array())
                .cloned()
                .unwrap_or_default();
            array.iter().map(|value| value.as_str().unwrap().to_owned()).collect()
        };
        let globs = |rule: &toml::Value| {
            let glob = |path: &String| GlobBuilder::new(path).literal_separator(true).build().unwrap();
            strings(rule, "paths")
                .iter()
                .map(|path| glob(path).compile_matcher())
                .collect()
        };
        let files = section("file")
            .into_iter()
            .map(|rule| (strings(&rule, "access"), globs(&rule)));
        let execs = section("exec")
            .into_iter()
            .map(|rule| (vec![String::from("exec")], globs(&rule)));
        Rules(files.chain(execs).collect())
    }

    fn allow(&self, need: &Need) -> bool {
        let allows = |(words, globs): &(Vec<String>, Vec<GlobMatcher>)| {
            words.iter().any(|word| word == need.word) && globs.iter().any(|glob| glob.is_match(&need.path))
        };
        self.0.iter().any(allows)
    }
}
