//! Files of a Python package that run, or are taken for something else, without being asked for.
//!
//! `site` executes every line of a `.pth` file that starts with `import`, each time an interpreter starts, and imports
//! `sitecustomize` and `usercustomize`. A top-level module called like one of the standard library is taken for it
//! wherever its folder comes first on the path. What the modules do that a `.pth` file imports is not judged here.

mod modules;

use super::{Container, Export, Inspection, Member, Outcome, python, split};
use crate::finding::code;
use crate::policy::shown;
use modules::{BACKPORTED, STANDARD};
use std::collections::BTreeSet;

/// `startup-code`.
pub(super) struct Startup;

impl Inspection for Startup {
    fn inspect(&self, container: &Container<'_>, out: &mut Outcome<'_>) {
        let sites = sites(container);
        for member in &container.members {
            let name = member.name();
            if name.ends_with(b".pth") {
                pth(container, &sites, member, out);
            } else if sites.contains(member.folder()) {
                customize(container, member, out);
                shadow(container, member, out);
            } else if matches!(name, b"__init__.py" | b"__init__.pyc") && sites.contains(split(member.folder()).0) {
                shadow_package(container, member, out);
            }
        }
    }
}

/// The folders whose content is put on the path: those beside a `.dist-info`, those that are called so, and those of a
/// wheel's `.data` that are copied there.
fn sites<'c>(container: &'c Container<'_>) -> BTreeSet<&'c [u8]> {
    let mut sites = BTreeSet::new();
    for member in &container.members {
        let folder = member.folder();
        let (above, name) = split(folder);
        if name.ends_with(b".dist-info") {
            sites.insert(above);
        }
        let copied = matches!(name, b"purelib" | b"platlib") && split(above).1.ends_with(b".data");
        if copied || matches!(name, b"site-packages" | b"dist-packages") {
            sites.insert(folder);
        }
    }
    sites
}

fn pth(container: &Container<'_>, sites: &BTreeSet<&[u8]>, member: &Member<'_>, out: &mut Outcome<'_>) {
    let text = match member.export() {
        Some(Export::Text(text)) => text,
        Some(Export::TooLong(length)) if matches!(member.format(), "text" | "script") => {
            return out.not_held(member, &format!("a path file of {length} bytes"));
        }
        _ => return,
    };
    // Weights are called so, too; `site` reads lines of text, and a line is executed when it starts like this.
    let lines: Vec<&[u8]> = text
        .split(|b| matches!(b, b'\n' | b'\r'))
        .filter(|line| line.starts_with(b"import ") || line.starts_with(b"import\t"))
        .collect();
    let Some(first) = lines.first() else { return };
    if matches!(member.format(), "pickle" | "zip" | "tar") {
        return;
    }
    let case = if lines.iter().all(|line| is_known(line)) {
        "known"
    } else if !sites.contains(member.folder()) {
        let acts = lines
            .iter()
            .any(|line| python::acts(line).iter().any(|act| !act.deferred));
        if acts { "acts" } else { "elsewhere" }
    } else if lines
        .iter()
        .all(|line| imports_own(container, &folders(member, text), line))
    {
        "own-module"
    } else {
        "pth"
    };
    let path = shown(&member.path);
    let line = shown(first.get(..200).unwrap_or(first));
    let message = format!("{path} runs at every start of the interpreter: {line}");
    let finding = container.finding(code::STARTUP_CODE, member, message).case(case);
    out.push(finding.evidence("line", line));
}

/// Lines that setuptools, virtualenv and coverage have written for years, as they write them.
fn is_known(line: &[u8]) -> bool {
    const NAMESPACE: &[u8] = b"import sys, types, os;has_mfs = sys.version_info > (3, 5);p = os.path.join(sys._getframe(1).f_locals['sitedir'], *(";
    const NAMESPACE_OLD: &[u8] = b"import sys,types,os; p = os.path.join(sys._getframe(1).f_locals['sitedir'], *(";
    const WHOLE: [&[u8]; 7] = [
        b"import os; var = 'SETUPTOOLS_USE_DISTUTILS'; enabled = os.environ.get(var, 'local') == 'local'; enabled and __import__('_distutils_hack').add_shim(); ",
        br#"import sys; exec('import os\n\nif os.getenv("COVERAGE_PROCESS_START") or os.getenv("COVERAGE_PROCESS_CONFIG"):\n try:\n  import coverage\n except:\n  pass\n else:\n  coverage.process_startup(slug="pth")')"#,
        b"import os; var = 'SETUPTOOLS_USE_DISTUTILS'; enabled = os.environ.get(var, 'local') == 'local'; enabled and __import__('_distutils_hack');",
        b"import os; var = 'SETUPTOOLS_USE_DISTUTILS'; enabled = os.environ.get(var, 'stdlib') == 'local'; enabled and __import__('_distutils_hack'); ",
        b"import _virtualenv",
        b"import coverage; coverage.process_startup()",
        b"import sys; exec('try: import coverage; coverage.process_startup()\\nexcept ImportError: pass')",
    ];
    let line = line.trim_ascii_end();
    WHOLE.iter().any(|known| known.trim_ascii_end() == line)
        || is_namespace(line, NAMESPACE)
        || is_namespace(line, NAMESPACE_OLD)
}

/// The names of a namespace package stand in brackets between texts that never change.
fn is_namespace(line: &[u8], start: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(start) else {
        return false;
    };
    let Some(end) = rest.iter().position(|b| *b == b')') else {
        return false;
    };
    let quoted = |bytes: &[u8]| bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"_.', ".contains(b));
    let tail = rest.get(end..).unwrap_or_default();
    // What follows computes the module from these names; calls beyond those of setuptools' template are not in it.
    let allowed = [
        "importlib.util",
        "importlib.machinery",
        "types.ModuleType",
        "sys.modules",
        "os.path.dirname",
    ];
    let text = String::from_utf8_lossy(tail);
    let calls = [
        "exec",
        "eval",
        "system",
        "popen",
        "subprocess",
        "socket",
        "urlopen",
        "open(",
        "compile",
        "marshal",
        "base64",
        "getattr",
    ];
    quoted(rest.get(..end).unwrap_or_default())
        && text.len() < 1024
        && allowed.iter().any(|name| text.contains(name))
        && !calls.iter().any(|call| text.contains(call))
}

/// The folders that a path file puts on the path before its imports are executed: its own, and those of its other lines.
fn folders(member: &Member<'_>, text: &[u8]) -> Vec<Vec<u8>> {
    const MOST: usize = 64;
    let lines = text.split(|b| matches!(b, b'\n' | b'\r')).map(<[u8]>::trim_ascii);
    let paths = lines.filter(|line| !line.is_empty() && !line.starts_with(b"#") && !line.starts_with(b"import"));
    let mut folders = vec![member.folder().to_vec()];
    for path in paths.take(MOST) {
        let path: Vec<u8> = path.iter().map(|b| if *b == b'\\' { b'/' } else { *b }).collect();
        if !path.split(|b| *b == b'/').any(|level| level == b"..") {
            folders.push(super::join(member.folder(), &path));
        }
    }
    folders
}

/// `import a.b`, perhaps with a call of what it imported behind it, of a module that the container holds in one of the
/// `folders` on the path.
fn imports_own(container: &Container<'_>, folders: &[Vec<u8>], line: &[u8]) -> bool {
    let Ok(line) = std::str::from_utf8(line) else {
        return false;
    };
    let mut statements = line.split(';').map(str::trim).filter(|s| !s.is_empty());
    let Some(module) = statements.next().and_then(|s| s.strip_prefix("import")).map(str::trim) else {
        return false;
    };
    let dotted =
        |text: &str| !text.is_empty() && text.chars().all(|c| c == '_' || c == '.' || c.is_ascii_alphanumeric());
    let calls = statements.all(|s| s.strip_suffix("()").is_some_and(|f| dotted(f) && f.starts_with(module)));
    let Some(first) = module.split('.').next().filter(|_| dotted(module) && calls) else {
        return false;
    };
    folders.iter().any(|folder| {
        let base = super::join(folder, first.as_bytes());
        container.has(&base) || container.has(&[&base[..], b".py"].concat())
    })
}

fn customize(container: &Container<'_>, member: &Member<'_>, out: &mut Outcome<'_>) {
    if matches!(stem(member.name()), Some(b"sitecustomize" | b"usercustomize")) {
        let path = shown(&member.path);
        let message = format!("{path} is imported at every start of the interpreter");
        out.push(container.finding(code::STARTUP_CODE, member, message).case("customize"));
    }
}

fn shadow(container: &Container<'_>, member: &Member<'_>, out: &mut Outcome<'_>) {
    if let Some(module) = stem(member.name()) {
        say_shadow(container, member, module, out);
    }
}

fn shadow_package(container: &Container<'_>, member: &Member<'_>, out: &mut Outcome<'_>) {
    say_shadow(container, member, split(member.folder()).1, out);
}

fn say_shadow(container: &Container<'_>, member: &Member<'_>, module: &[u8], out: &mut Outcome<'_>) {
    let Some(name) = std::str::from_utf8(module)
        .ok()
        .filter(|name| STANDARD.binary_search(name).is_ok())
    else {
        return;
    };
    let case = if BACKPORTED.contains(&name) {
        "backport"
    } else {
        "standard-module"
    };
    let message = format!("{} is called like the standard library's {name}", shown(&member.path));
    out.push(container.finding(code::STARTUP_CODE, member, message).case(case));
}

/// The module that a file is, when it is one.
fn stem(name: &[u8]) -> Option<&[u8]> {
    let at = name.iter().position(|b| *b == b'.')?;
    let (stem, rest) = name.split_at_checked(at)?;
    let module = matches!(rest, b".py" | b".pyc") || rest.ends_with(b".so") || rest.ends_with(b".pyd");
    module.then_some(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_tools_write_are_known_and_no_others() {
        let namespace = b"import sys, types, os;has_mfs = sys.version_info > (3, 5);p = os.path.join(sys._getframe(1).f_locals['sitedir'], *('google', 'cloud'));importlib = has_mfs and __import__('importlib.util');has_mfs and __import__('importlib.machinery');m = has_mfs and sys.modules.setdefault('google', importlib.util.module_from_spec(importlib.machinery.PathFinder.find_spec('google', [os.path.dirname(p)])));m = m or sys.modules.setdefault('google', types.ModuleType('google'));mp = (m or []) and m.__dict__.setdefault('__path__',[]);(p not in mp) and mp.append(p)";
        assert!(is_known(namespace));
        assert!(!is_known(&[&namespace[..], b";exec('pass')"].concat()));
        assert!(is_known(b"import _virtualenv\r"));
        assert!(!is_known(b"import _virtualenv; import os"));
    }
}
