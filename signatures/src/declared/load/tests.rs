use super::sections::{EMBEDDED, EXEC, FILE, MODE, NET, POLICY, SUBJECT, TOP, UNIX};
use crate::declared::{
    Access, Decision, Declared, Diagnostics, KernelAct, LARGEST, Level, Mode, OnMismatch, load, load_all, schema,
};
use serde_json::Value;
use std::collections::BTreeMap;

/// The example of the format's reference.
pub(crate) const EXAMPLE: &str = r#"version = 1
name = "claude-code in CI"

[subject]
exec   = "/usr/local/bin/claude"
sha256 = ["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"]
signer = "apple:Q6L2SF6YDW"
on_mismatch = "refuse"

[mode]
default = "report"
on_unsupported = "error"
on_event_loss  = "incomplete"
watcher_exit   = "kill-tree"

[vars]
work = "${WORKSPACE}"

[[file]]
access = ["read", "map"]
paths  = ["/usr/**", "/lib/**", "/etc/{passwd,group,hosts,resolv.conf}"]
[[file]]
deny   = ["read", "write"]
paths  = ["${HOME}/.ssh/**", "/proc/*/{environ,mem}"]
label  = "credential"

[[exec]]
paths = ["/usr/bin/{git,node,rg,bash,sh}"]
memfd = "deny"

[[net]]
hosts = ["api.anthropic.com", "*.github.com"]
ports = [443]
proto = ["tcp"]
require_name = "dns"
[[net]]
cidr  = ["127.0.0.0/8", "::1/128"]
ports = ["*"]
[net.policy]
families = ["inet", "inet6", "unix", "netlink-route"]
deny     = ["mptcp", "tcp-fastopen", "raw", "packet", "vsock", "quic"]
listen   = ["127.0.0.1:*"]

[[unix]]
paths = ["/run/nscd/socket"]
deny  = ["/var/run/docker.sock", "/run/dbus/system_bus_socket"]

[kernel]
io_uring = "deny"
userns = "deny"
mount = "deny"
ptrace = "tree-only"
bpf = "deny"
perf = "deny"
userfaultfd = "deny"
int80 = "deny"

[embedded]
hosts = ["*.anthropic.com", "github.com"]
"#;

fn environment(name: &str) -> Option<String> {
    match name {
        "HOME" => Some("/home/dev".to_owned()),
        "WORKSPACE" => Some("/data/space".to_owned()),
        _ => None,
    }
}

pub(crate) fn read(text: &str) -> Result<Declared, Diagnostics> {
    load("a.declared.toml", text, &environment, &BTreeMap::new())
}

#[test]
fn the_example_loads_with_the_line_of_each_rule() {
    let set = read(EXAMPLE).unwrap();
    assert_eq!(set.warnings, []);
    assert_eq!(set.name, "claude-code in CI");
    assert_eq!(set.vars["work"], "/data/space");
    assert_eq!(set.files.len(), 2);
    assert_eq!(set.files[0].at.to_string(), "a.declared.toml:19");
    assert_eq!(set.files[0].paths.len(), 6);
    assert_eq!(set.files[1].at.line, 22);
    assert_eq!(set.files[1].deny, Access::READ | Access::WRITE);
    assert_eq!(set.files[1].label.as_deref(), Some("credential"));
    assert_eq!(set.nets.len(), 2);
    assert_eq!(set.nets[1].at.line, 36);
    assert_eq!(set.net_policy.listen[0].1.line, 42);
    assert_eq!(set.kernel.answers.len(), 8);
    assert_eq!(set.kernel.answers[3].2.line, 52);
    assert_eq!(set.mode.default, Mode::Report);
    let denied = set.decide_file(b"/home/dev/.ssh/id", Access::READ);
    assert!(matches!(denied, Decision::Denied(at) if at.line == 22));
    assert!(
        set.decide_file(b"/usr/lib/x.so", Access::READ | Access::MAP)
            .is_declared()
    );
}

/// The diagnostics of a text, as `E line:column title | help` and `W ...`.
#[track_caller]
fn told(text: &str) -> Vec<String> {
    let all = match read(text) {
        Ok(set) => set.warnings,
        Err(Diagnostics(all)) => all,
    };
    let shown = all.iter().map(|d| {
        let level = if d.level == Level::Error { 'E' } else { 'W' };
        assert_eq!(text.lines().nth(d.line as usize - 1).unwrap_or_default(), d.quoted);
        format!("{level} {}:{} {} | {}", d.line, d.column, d.title, d.help)
    });
    shown.collect()
}

/// `text` behind `version = 1` gives one diagnostic that begins with `title` (after its level and line) and whose help
/// holds `help`.
#[track_caller]
fn check(text: &str, title: &str, help: &str) {
    let told = told(&format!("version = 1\n{text}"));
    assert_eq!(told.len(), 1, "{text}: {told:#?}");
    let (place, rest) = told[0].split_at(2);
    let (line, rest) = rest.split_once(':').unwrap();
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
    let head = format!("{place}{line} {rest}");
    assert!(head.starts_with(title), "{text}: {head}");
    assert!(rest.contains(help), "{text}: {rest}");
}

#[test]
fn every_mistake_has_its_line_and_a_way_out() {
    let cases: &[(&str, &str, &str)] = &[
        ("nmae = 'x'", "E 2 unknown key `nmae`", "did you mean `name`?"),
        ("name = 1", "E 2 `name` is a text, not a number", "name = \"...\""),
        (
            "[[file]]\npaths = ['/a']",
            "E 2 a [[file]] entry without `access` or `deny`",
            "access = ",
        ),
        (
            "[[file]]\naccess = ['read']",
            "E 2 a [[file]] entry without `paths`",
            "write paths",
        ),
        (
            "[[file]]\naccess = ['raed']\npaths = ['/a']",
            "E 3 unknown word \"raed\"",
            "did you mean \"read\"?",
        ),
        (
            "[[file]]\naccess = ['exec']\npaths = ['/a']",
            "E 3 `exec` is no access to a file",
            "[[exec]]",
        ),
        (
            "[[file]]\naccess = 'read'\npaths = ['/a']",
            "E 3 `access` is a list, not a text",
            "access = ['read']",
        ),
        (
            "[[file]]\naccess = []\npaths = ['/a']",
            "E 3 `access` names nothing",
            "take the key out",
        ),
        (
            "[[file]]\naccess = ['read']\npaths = []",
            "E 4 `paths` names nothing",
            "take the entry out",
        ),
        (
            "[[file]]\naccess = ['read']\npaths = ['src']",
            "E 4 `src` is not an absolute path",
            "\"/src\"",
        ),
        (
            "[[file]]\naccess = ['read']\npaths = ['${NO}/x']",
            "E 4 the variable `NO` is not set",
            "--var NO=VALUE",
        ),
        (
            "[[file]]\naccess = ['read']\npaths = ['@x']",
            "E 4 `@x` is an abstract socket",
            "[[unix]]",
        ),
        (
            "[[file]]\naccess = ['read']\npaths = ['/a', 7]",
            "E 4 an entry of `paths` is a text",
            "paths = ",
        ),
        (
            "[[file]]\naccess = ['read']\npath = ['/a']\npaths = ['/a']",
            "E 4 unknown key `path`",
            "`paths`",
        ),
        (
            "[file]\naccess = ['read']",
            "E 2 `file` is a list of entries, not a table",
            "[[file]]",
        ),
        (
            "[vars]\nw = '${NO}'",
            "E 3 the variable `NO` is not set",
            "--var w=VALUE",
        ),
        ("[vars]\nw = 3", "E 3 the variable `w` is a text, not a number", "w = "),
        ("[mode]\ndefault = 'blok'", "E 3 unknown word \"blok\"", "\"block\""),
        (
            "[mode]\non_event_loss = 'ignore'",
            "E 3 unknown word \"ignore\"",
            "is \"incomplete\"",
        ),
        (
            "[subject]\non_mismatch = 'report'",
            "E 2 a subject that names nothing",
            "sha256",
        ),
        ("[subject]\nsha256 = 'abc'", "E 3 not a SHA-256 digest", "sha256sum"),
        (
            "[subject]\nsigner = 'gpg:me'",
            "E 3 `gpg:me` names no signer",
            "apple:TEAM",
        ),
        (
            "[subject]\nexec = '/usr/bin/*'",
            "E 3 `/usr/bin/*` is a pattern",
            "one absolute path",
        ),
        ("[subject]\nexec = 'claude'", "E 3 `claude` is not an absolute path", ""),
        (
            "[[net]]\nports = [443]",
            "E 2 a [[net]] entry without `hosts` or `cidr`",
            "hosts = ",
        ),
        (
            "[[net]]\nhosts = ['a']\ncidr = ['::1/128']\nports = [1]",
            "E 2 a [[net]] entry with both",
            "two [[net]]",
        ),
        (
            "[[net]]\nhosts = ['a']\nports = [0]",
            "E 4 there is no port 0",
            "1 to 65535",
        ),
        (
            "[[net]]\nhosts = ['a']\nports = [65536]",
            "E 4 there is no port 65536",
            "1 to 65535",
        ),
        (
            "[[net]]\nhosts = ['a']\nports = ['9-8']",
            "E 4 the port range 9-8 is empty",
            "8-9",
        ),
        (
            "[[net]]\nhosts = ['a']\nports = ['http']",
            "E 4 `http` is not a port",
            "443",
        ),
        (
            "[[net]]\nhosts = ['https://a.example/x']\nports = [1]",
            "E 3 `https://a.example/x` is a URL",
            "\"a.example\"",
        ),
        (
            "[[net]]\nhosts = ['a.example:443']\nports = [1]",
            "E 3 `a.example:443` holds a port",
            "ports = [443]",
        ),
        (
            "[[net]]\nhosts = ['10.0.0.1']\nports = [1]",
            "E 3 `10.0.0.1` is an address",
            "10.0.0.1/32",
        ),
        (
            "[[net]]\nhosts = ['a.*.b']\nports = [1]",
            "E 3 `*` inside the host",
            "front",
        ),
        (
            "[[net]]\ncidr = ['10.0.0.0/33']\nports = [1]",
            "E 3 the length of `10.0.0.0/33`",
            "10.0.0.0/8",
        ),
        (
            "[[net]]\ncidr = ['10.0.0.1/8']\nports = [1]",
            "E 3 `10.0.0.1/8` sets bits",
            "\"10.0.0.0/8\"",
        ),
        (
            "[[net]]\ncidr = ['10.0.0.1']\nports = [1]",
            "E 3 `10.0.0.1` has no length",
            "10.0.0.1/32",
        ),
        (
            "[[net]]\ncidr = ['10.0/8']\nports = [1]",
            "E 3 `10.0/8` is not a network",
            "10.0.0.0/8",
        ),
        (
            "[[net]]\ncidr = ['::ffff:10.0.0.0/104']\nports = [1]",
            "E 3 `::ffff:10.0.0.0/104` is an IPv4",
            "10.0.0.0/8",
        ),
        (
            "[[net]]\nhosts = ['a']\nports = [1]\nproto = ['quic']",
            "E 5 unknown word \"quic\"",
            "\"tcp\"",
        ),
        (
            "[[net]]\nhosts = ['a']\nports = [1]\nrequire_name = 'ip-only'",
            "E 5 a name cannot be known from the address alone",
            "\"sni\"",
        ),
        (
            "[[net]]\nhosts = ['a']",
            "W 2 this entry names no port and allows nothing",
            "ports = [443]",
        ),
        (
            "[[net]]\ncidr = ['::1/128']\nports = [1]\nrequire_name = 'dns'",
            "W 5 `require_name` says nothing about networks",
            "take it out",
        ),
        (
            "[net.policy]\nfamilies = ['ipv4']",
            "E 3 unknown word \"ipv4\"",
            "\"inet\"",
        ),
        (
            "[net.policy]\nlisten = ['127.0.0.1']",
            "E 3 `127.0.0.1` is not an address with a port",
            "127.0.0.1:*",
        ),
        (
            "[net.policy]\nfamilies = ['vsock']\ndeny = ['vsock']",
            "W 3 `vsock` sockets are allowed here",
            "take it out",
        ),
        ("[net]\nhosts = ['a']", "E 2 `net` is a list of entries", "[[net]]"),
        (
            "[kernel]\nuserns = 'tree-only'",
            "E 3 unknown word \"tree-only\"",
            "\"deny\"",
        ),
        ("[kernel]\niouring = 'deny'", "E 3 unknown key `iouring`", "`io_uring`"),
        ("[embedded]", "E 2 an [embedded] section without `hosts`", "hosts = []"),
        ("hardlinks = 'deny'", "E 2 unknown word \"deny\"", "\"allow\""),
        (
            "[[file]]\naccess = ['read']\ndeny = ['read']\npaths = ['/a']",
            "W 3 read both allowed and denied",
            "deny wins",
        ),
        (
            "[[file]]\naccess = ['read']\nmode = 'block'\npaths = ['/a']",
            "W 4 this entry denies nothing",
            "below [mode]",
        ),
        (
            "[[file]]\naccess = ['read']\npaths = ['/a/b']\n[[file]]\ndeny = ['read']\npaths = ['/a/**']",
            "W 4 `/a/b` can never be allowed: `/a/**` is denied at a.declared.toml:5",
            "one of the two",
        ),
        (
            "[[file]]\naccess = ['read', 'map']\npaths = ['/a']\n[[file]]\ndeny = ['read']\npaths = ['/a']",
            "W 4 `/a` is allowed here and denied at a.declared.toml:5 (read)",
            "one of the two",
        ),
        (
            "[[unix]]\npaths = ['/s']\ndeny = ['/s']",
            "W 3 `/s` is allowed here and denied",
            "",
        ),
        (
            "[[exec]]\npaths = ['/s/x']\ndeny = ['/s/**']",
            "W 3 `/s/x` can never be allowed",
            "",
        ),
    ];
    for (text, title, help) in cases {
        check(text, title, help);
    }
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_the_file() {
    let told = told("[[file]]\naccess = ['raed']\npaths = ['x', '${Q}']\n[[net]]\nports = [0]\n");
    let lines: Vec<&str> = told.iter().map(|line| line.split('|').next().unwrap().trim()).collect();
    assert_eq!(
        lines,
        [
            "E 1:1 the set does not say its version",
            "E 2:11 unknown word \"raed\"",
            "E 3:10 `x` is not an absolute path",
            "E 3:15 the variable `Q` is not set",
            "E 4:1 a [[net]] entry without `hosts` or `cidr`",
            "E 5:10 there is no port 0",
        ]
    );
}

#[test]
fn broken_toml_is_told_with_what_else_is_wrong() {
    let told = told("version = 1\nname = \n[[file]]\naccess = ['raed']\npaths = ['/a']\n");
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[0].starts_with("E 2:"), "{told:#?}");
    assert!(told[1].starts_with("E 4:"), "{told:#?}");
}

#[test]
fn the_version_is_required_and_is_one() {
    for (text, title) in [
        ("", "the set does not say its version"),
        ("version = 2", "a version that this build does not read"),
        ("version = '1'", "`version` is a number, not a text"),
    ] {
        let told = told(text);
        assert_eq!(told.len(), 1, "{text}");
        assert!(told[0].contains(title) && told[0].contains("version = 1"), "{told:?}");
    }
    assert!(read("version = 1").is_ok());
    let large = format!("version = 1\n#{}", "x".repeat(LARGEST));
    assert!(read(&large).unwrap_err().to_string().contains("larger than 1 MiB"));
}

#[test]
fn values_of_variables_are_no_patterns() {
    let overrides = BTreeMap::from([("dir".to_owned(), "/w/*".to_owned())]);
    let text = "version = 1\n[[file]]\naccess = ['read']\npaths = ['${dir}/*']";
    let set = load("x", text, &environment, &overrides).unwrap();
    assert!(set.decide_file(b"/w/*/f", Access::READ).is_declared());
    assert!(!set.decide_file(b"/w/a/f", Access::READ).is_declared());
    assert_eq!(set.files[0].paths[0].original(), "${dir}/*");
    assert_eq!(set.files[0].paths[0].as_str(), "/w/\\*/*");
}

#[test]
fn several_files_are_held_together() {
    let a = "version = 1\nname = 'a'\n[subject]\nexec = '/x'\non_mismatch = 'report'\n[[file]]\naccess = ['read']\n\
             paths = ['/d/**']\n[kernel]\nbpf = 'allow'\n[mode]\ndefault = 'block'";
    let b = "version = 1\n[subject]\nexec = '/x'\n[[file]]\ndeny = ['read']\npaths = ['/d/s']\n[kernel]\nbpf = 'deny'\n\
             [embedded]\nhosts = []";
    let none = BTreeMap::new();
    let set = load_all(&[("a.toml", a), ("d/b.declared.toml", b)], &environment, &none).unwrap();
    assert_eq!(set.name, "a + b");
    assert_eq!(set.mode.default, Mode::Block);
    assert_eq!(set.subject.as_ref().unwrap().on_mismatch, OnMismatch::Refuse);
    assert!(set.embedded.is_some());
    assert!(
        matches!(set.decide_file(b"/d/s", Access::READ), Decision::Denied(at) if at.to_string() == "d/b.declared.toml:4")
    );
    assert!(matches!(set.decide_kernel(KernelAct::Bpf, true), Decision::Denied(at) if at.file == "d/b.declared.toml"));
    let other = b.replace("'/x'", "'/y'");
    let error = load_all(&[("a.toml", a), ("b.toml", &other)], &environment, &none).unwrap_err();
    assert_eq!(error.to_string(), "b.toml:2:1: another subject than at a.toml:3");
}

#[test]
fn the_schema_knows_the_keys_of_the_loader() {
    let schema: Value = serde_json::from_str(&schema::json_schema()).unwrap();
    let keys = |place: &Value| -> Vec<String> {
        let mut keys: Vec<String> = place["properties"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(place["additionalProperties"], false);
        keys.sort();
        keys
    };
    let sorted = |keys: &[&str]| {
        let mut keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        keys.sort();
        keys
    };
    assert_eq!(keys(&schema), sorted(TOP));
    let net: Vec<&str> = NET.iter().copied().chain(["policy"]).collect();
    let kernel: Vec<&str> = KernelAct::ALL.iter().map(|act| act.as_str()).chain(["mode"]).collect();
    for (name, table) in [
        ("SubjectTable", SUBJECT),
        ("ModeTable", MODE),
        ("FileEntry", FILE),
        ("ExecEntry", EXEC),
        ("NetEntry", &net),
        ("PolicyTable", POLICY),
        ("UnixEntry", UNIX),
        ("KernelTable", &kernel),
        ("EmbeddedTable", EMBEDDED),
    ] {
        assert_eq!(keys(&schema["$defs"][name]), sorted(table), "{name}");
    }
    let text = schema.to_string();
    for (word, _) in Access::WORDS {
        assert!(text.contains(&format!("\"{word}\"")), "{word}");
    }
}

#[test]
fn the_page_shows_a_set_that_loads_and_the_words_of_one_that_does_not() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/declared.md")).unwrap();
    let block = |fence: &str| {
        let rest = page.split_once(fence).unwrap().1;
        rest.split_once("```").unwrap().0.to_owned()
    };
    let example = block("```toml\n").replace("GITHUB_WORKSPACE", "WORKSPACE");
    assert_eq!(read(&example).unwrap().warnings, []);
    let Diagnostics(refused) = read(&block("```toml refused\n")).unwrap_err();
    assert_eq!(refused.len(), 3);
    for found in refused {
        assert!(page.contains(&format!("error: {}\n", found.title)), "{}", found.title);
        assert!(page.contains(&format!("= help: {}\n", found.help)), "{}", found.help);
    }
}
