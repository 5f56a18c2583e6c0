//! What servers of models are told beside the weights: MLflow's `MLmodel`, TorchServe's and Core ML's manifests, and requirements that
//! are installed before the model is loaded.
//!
//! YAML and requirements are read line by line. Whether a package is a good one, nobody here knows; where it is fetched
//! from, the line says.

use crate::finding::code;
use crate::inspect::container::{Container, Member, Outcome, join, json, leaves};
use crate::policy::shown;
use probity_signatures::callables;
use serde_json::Value;
use std::collections::BTreeSet;

/// Files of requirements, beside a model or in the folders that servers look into.
const REQUIREMENTS: [&[u8]; 8] = [
    b"requirements.txt",
    b"code/requirements.txt",
    b"custom_generate/requirements.txt",
    b"conda.yaml",
    b"conda.yml",
    b"python_env.yaml",
    b"cog.yaml",
    b"meta.json",
];
/// Items of one manifest that are looked at.
const MOST: usize = 1024;
/// Hosts of packages that installers are usually pointed to.
const HOSTS: &[&str] = &[
    concat!("pypi", ".org"),
    "pythonhosted.org",
    "pytorch.org",
    "pyg.org",
    "nvidia.com",
    "github.com",
    "githubusercontent.com",
    "github.io",
    "googleapis.com",
    "huggingface.co",
    "tsinghua.edu.cn",
    "aliyun.com",
    "localhost",
];

/// Tells what the files in `folder` have run and installed; the sources among it that are there.
pub(super) fn inspect(container: &Container<'_>, folder: &[u8], named: &mut BTreeSet<Vec<u8>>, out: &mut Outcome<'_>) {
    if let Some(file) = container.file(&join(folder, b"MLmodel"))
        && let Some(text) = out.text(file)
    {
        mlflow(container, folder, file, &String::from_utf8_lossy(text), named, out);
    }
    if let Some(file) = container.file(&join(folder, b"MAR-INF/MANIFEST.json"))
        && let Some(text) = out.text(file)
        && let Some(value) = json::value(text)
        && let Some(handler) = json::text(&value, &["model", "handler"])
    {
        for path in [Some(handler), json::text(&value, &["model", "serializedFile"])]
            .into_iter()
            .flatten()
        {
            if leaves(path) {
                let path = shown(path.as_bytes());
                let message = format!("{} names {path}, outside of the archive", shown(&file.path));
                out.push(container.finding(code::PATH_TRAVERSAL, file, message).key(path));
            }
        }
        let module = handler.split(':').next().unwrap_or_default();
        let module = module.strip_suffix(".py").unwrap_or(module);
        named.insert(join(folder, format!("{module}.py").as_bytes()));
    }
    if let Some(file) = container.file(&join(folder, b"Manifest.json"))
        && let Some(text) = out.text(file)
        && let Some(value) = json::value(text)
    {
        package(container, file, &value, out);
    }
    for name in REQUIREMENTS {
        if let Some(file) = container.file(&join(folder, name))
            && let Some(text) = out.text(file)
        {
            requirements(container, file, &String::from_utf8_lossy(text), out);
        }
    }
}

/// The manifest of a Core ML package: the paths of its items lie in its folder `Data`.
fn package(container: &Container<'_>, file: &Member<'_>, value: &Value, out: &mut Outcome<'_>) {
    let items = value.get("itemInfoEntries").and_then(Value::as_object);
    for item in items.into_iter().flat_map(|items| items.values()).take(MOST) {
        if let Some(path) = json::text(item, &["path"]).filter(|path| leaves(path)) {
            let path = shown(path.as_bytes());
            let message = format!("{} names {path}, outside of the package", shown(&file.path));
            out.push(container.finding(code::PATH_TRAVERSAL, file, message).key(path));
        }
    }
}

/// `loader_module` is imported when the model is loaded, with the folder at `code` on the path.
fn mlflow(
    container: &Container<'_>,
    folder: &[u8],
    file: &Member<'_>,
    text: &str,
    named: &mut BTreeSet<Vec<u8>>,
    out: &mut Outcome<'_>,
) {
    let value = |key: &str| {
        let line = text.lines().map(str::trim).find_map(|line| {
            let rest = line.strip_prefix(key)?.trim_start().strip_prefix(':')?;
            Some(rest.trim().trim_matches(['"', '\'']))
        });
        line.filter(|value| !value.is_empty())
    };
    let path = shown(&file.path);
    let away = value("model_code_path").filter(|path| leaves(path));
    let home = away.or_else(|| value("code")).unwrap_or_default();
    if leaves(home) {
        let message = format!(
            "{path} takes code from {}, outside of the model",
            shown(home.as_bytes())
        );
        out.push(
            container
                .finding(code::PATH_TRAVERSAL, file, message)
                .key(shown(home.as_bytes())),
        );
        return;
    }
    let code_folder = join(folder, home.as_bytes());
    if !home.is_empty() {
        let sources = container.below(&code_folder).iter();
        named.extend(sources.filter(|m| m.name().ends_with(b".py")).map(|m| m.path.to_vec()));
    }
    let Some(module) = value("loader_module") else { return };
    let root = module.split('.').next().unwrap_or_default();
    if root == "mlflow" {
        return;
    }
    let own = [&code_folder[..], folder].into_iter().find_map(|home| {
        let source = join(home, format!("{}.py", module.replace('.', "/")).as_bytes());
        let package = join(home, format!("{}/__init__.py", module.replace('.', "/")).as_bytes());
        [source, package].into_iter().find(|path| container.has(path))
    });
    let shown_module = shown(module.as_bytes());
    let (case, message) = match own {
        Some(source) => {
            named.insert(source);
            ("own", format!("{path} has code of this model run: {shown_module}"))
        }
        None if callables().is_stdlib(root) => (
            "foreign",
            format!("{path} has a module of the standard library load the model: {shown_module}"),
        ),
        None => ("library", format!("{path} has {shown_module} load the model")),
    };
    let finding = container.finding(code::REMOTE_CODE, file, message).case(case);
    out.push(finding.key(format!("{path} {shown_module}")));
}

/// Packages from an address, or over plain HTTP: whoever is in between says what is installed.
fn requirements(container: &Container<'_>, file: &Member<'_>, text: &str, out: &mut Outcome<'_>) {
    const SHOWN: usize = 200;
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        let Some((scheme, host)) = source(line) else { continue };
        let address = host.parse::<std::net::Ipv4Addr>().is_ok() || host.starts_with('[');
        let usual = HOSTS.iter().any(|known| {
            host.strip_suffix(known)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        });
        if usual || !(address || scheme.ends_with("http")) {
            continue;
        }
        let mut end = line.len().min(SHOWN);
        while !line.is_char_boundary(end) {
            end = end.saturating_sub(1);
        }
        let line = shown(line.get(..end).unwrap_or_default().as_bytes());
        let message = format!("{} has packages installed from {host}: {line}", shown(&file.path));
        let finding = container.finding(code::REMOTE_CODE, file, message).case("dependency");
        out.push(finding.key(format!("{} {host}", shown(&file.path))));
        return;
    }
}

/// The scheme and the host that a requirement, or an option of the installer, names.
fn source(line: &str) -> Option<(&str, &str)> {
    let (before, behind) = line.split_once("://")?;
    let scheme = before
        .rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '+'))
        .next()?;
    let rest = behind.split(['/', ' ', '"', '\'', ',', '?', '#']).next()?;
    let rest = rest.rsplit('@').next()?;
    let host = if rest.starts_with('[') {
        rest
    } else {
        rest.split(':').next()?
    };
    let option = [
        "index-url",
        "find-links",
        "-i ",
        "-f ",
        "trusted-host",
        "curl ",
        "wget ",
    ]
    .iter()
    .any(|option| before.contains(option));
    let archive = [".whl", ".tar.gz", ".zip", ".git", ".tar.bz2"]
        .iter()
        .any(|end| behind.contains(end));
    let direct =
        before.contains('@') || before.trim_start_matches(['-', ' ', '"', '\'']) == scheme || scheme.contains('+');
    (option || archive || direct).then_some((scheme, host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_requirement_is_read() {
        for (line, expected) in [
            ("--index-url http://203.0.113.5/simple", Some(("http", "203.0.113.5"))),
            (
                "- --extra-index-url=https://a.example:8080/x",
                Some(("https", "a.example")),
            ),
            ("x @ http://u:p@a.example/x.whl", Some(("http", "a.example"))),
            ("git+http://a.example/x.git@main", Some(("git+http", "a.example"))),
            ("http://a.example/x", Some(("http", "a.example"))),
            ("\"url\":\"http://spacy.example\",", None),
            ("see http://a.example for more", None),
            ("torch==2.1", None),
        ] {
            assert_eq!(source(line), expected, "{line}");
        }
    }
}
