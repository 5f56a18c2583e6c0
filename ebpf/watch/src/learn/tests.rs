use super::*;
use probity_abi::access::{CREATE, DELETE, MAP, READ, WRITE};
use probity_signatures::declared::{Access, Declared, Evidence, Family, KernelAct, Proto, load};
use proptest::prelude::*;
use std::collections::BTreeMap;

const HOME: &str = "/home/u";
const WORK: &str = "/home/u/src/app";

fn place() -> Place {
    Place {
        variables: vec![
            ("work".to_owned(), WORK.to_owned()),
            ("HOME".to_owned(), HOME.to_owned()),
        ],
        home: Some(HOME.to_owned()),
        temporary: Vec::new(),
        ephemeral: (32_768, 60_999),
    }
}

/// Where there is a file already, whose variables are its own.
fn place_of_file() -> Place {
    Place {
        variables: vec![("HOME".to_owned(), HOME.to_owned())],
        ..place()
    }
}

fn about() -> About {
    About {
        command: vec!["/usr/bin/tool".to_owned(), "a\nb".to_owned()],
        date: "2026-11-20".to_owned(),
        subject: None,
        incomplete: Vec::new(),
    }
}

fn files(paths: &[(&str, u8)]) -> Observations {
    let mut all = Observations::default();
    for (path, access) in paths {
        let seen = Seen {
            access: *access,
            count: 1,
            ..Seen::default()
        };
        all.files.entry(path.as_bytes().to_vec()).or_default().join(&seen);
    }
    all
}

fn loaded(text: &str) -> Declared {
    let environment = |name: &str| (name == "HOME").then(|| HOME.to_owned());
    load("x", text, &environment, &BTreeMap::new()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn taught(seen: &Observations) -> (Lesson, Declared) {
    let lesson = learn(seen, &place(), &about(), None);
    let set = loaded(&lesson.text);
    assert!(set.warnings.is_empty(), "{:?}\n{}", set.warnings, lesson.text);
    assert_eq!(
        not_allowed(seen, &set, &lesson.text),
        Vec::<String>::new(),
        "{}",
        lesson.text
    );
    (lesson, set)
}

/// What a set is written with, without its denials.
fn written(set: &Declared) -> Vec<String> {
    let allowed = set.files.iter().filter(|rule| !rule.allow.is_empty());
    let mut all: Vec<String> = allowed
        .flat_map(|rule| &rule.paths)
        .map(|p| p.original().to_owned())
        .collect();
    all.sort();
    all.dedup();
    all
}

fn many(directory: &str, names: impl Iterator<Item = String>, access: u8) -> Observations {
    let paths: Vec<String> = names.map(|name| format!("{directory}/{name}")).collect();
    files(&paths.iter().map(|path| (path.as_str(), access)).collect::<Vec<_>>())
}

#[test]
fn many_siblings_become_one_pattern_and_few_stay() {
    let numbered = |n: usize, suffix: &'static str| (0..n).map(move |i| format!("f{i}{suffix}"));
    for (directory, names, expect) in [
        (WORK, numbered(8, ".rs").collect::<Vec<_>>(), vec!["${work}/*.rs"]),
        (WORK, numbered(8, "").collect(), vec!["${work}/*"]),
        (
            WORK,
            numbered(2, ".rs").collect(),
            vec!["${work}/f0.rs", "${work}/f1.rs"],
        ),
        (
            "/home/u/.cache/x",
            numbered(9, "/a").collect(),
            vec!["${HOME}/.cache/x/**"],
        ),
        ("/usr/lib", numbered(8, "/a.so").collect(), vec!["/usr/lib/**"]),
        (
            "/etc/ssl/certs",
            numbered(8, ".pem").collect(),
            vec!["/etc/ssl/certs/**"],
        ),
    ] {
        let (_, set) = taught(&many(directory, names.into_iter(), READ));
        assert_eq!(written(&set), expect, "{directory}");
    }
}

#[test]
fn a_home_the_root_and_shared_directories_are_never_covered_whole() {
    for directory in [
        "/home/u",
        "/home",
        "/etc",
        "/tmp",
        "",
        "/home/u/src",
        "/run/x",
        "/dev/pts",
        "/var/tmp",
    ] {
        for deeper in ["", "/x"] {
            let (_, set) = taught(&many(directory, (0..20).map(|i| format!("f{i}{deeper}")), READ));
            for other in ["other", "other/x", "other.rs"] {
                let path = format!("{directory}/{other}");
                assert!(!set.decide_file(path.as_bytes(), Access::READ).is_declared(), "{path}");
            }
        }
    }
}

#[test]
fn each_access_is_folded_by_itself() {
    let mut seen = many(WORK, (0..9).map(|i| format!("f{i}.c")), READ);
    seen.files
        .extend(files(&[("/home/u/src/app/f1.c", READ | WRITE)]).files);
    let (_, set) = taught(&seen);
    assert!(set.decide_file(b"/home/u/src/app/f1.c", Access::WRITE).is_declared());
    assert!(!set.decide_file(b"/home/u/src/app/f2.c", Access::WRITE).is_declared());
}

#[test]
fn secrets_stay_literal_and_are_marked() {
    let mut paths: Vec<(String, u8)> = (0..20).map(|i| (format!("{HOME}/.ssh/id_{i}"), READ)).collect();
    paths.extend((0..20).map(|i| (format!("{WORK}/keys/{i}.pem"), READ)));
    let borrowed: Vec<(&str, u8)> = paths.iter().map(|(path, access)| (path.as_str(), *access)).collect();
    let (lesson, set) = taught(&files(&borrowed));
    assert_eq!(written(&set).len(), 40);
    assert_eq!(lesson.text.matches("# look at this: 1x").count(), 40, "{}", lesson.text);
    for path in ["/home/u/.ssh/id_x", "/home/u/src/app/keys/x.pem"] {
        assert!(!set.decide_file(path.as_bytes(), Access::READ).is_declared(), "{path}");
    }
}

#[test]
fn a_file_of_several_links_keeps_its_own_line_or_asks_for_a_person() {
    let mut seen = many("/usr/lib", (0..9).map(|i| format!("f{i}")), READ);
    seen.files
        .get_mut(b"/usr/lib/f3".as_slice())
        .expect("it is there")
        .linked = true;
    let (lesson, set) = taught(&seen);
    assert_eq!(written(&set), ["/usr/lib/**", "/usr/lib/f3"]);
    assert!(!lesson.text.contains("hardlinks"));
    let mut seen = files(&[("/home/u/src/app/x-0123456789abcdef", READ)]);
    seen.files.values_mut().for_each(|seen| seen.linked = true);
    assert!(taught(&seen).0.text.contains("\nhardlinks = \"allow\" # look at this"));
}

/// One of everything that is no file.
fn others() -> Observations {
    let seen = Seen {
        count: 2,
        by: b"/usr/bin/tool".to_vec(),
        ..Seen::default()
    };
    let mut all = Observations::default();
    let peer = |host: Option<&str>, ip: &str, port, accepted| Peer {
        host: host.map(str::to_owned),
        ip: ip.parse().expect("an address"),
        port,
        proto: Proto::Tcp,
        accepted,
    };
    for peer in [
        peer(Some("api.example.com"), "192.0.2.1", 443, false),
        peer(None, "2001:db8::1", 22, false),
        peer(None, "127.0.0.1", 40_000, true),
    ] {
        all.peers.insert(peer, seen.clone());
    }
    all.listens
        .insert(("127.0.0.1".parse().expect("an address"), 0), seen.clone());
    all.listens
        .insert(("::1".parse().expect("an address"), 8080), seen.clone());
    all.families.insert(Family::NetlinkRoute, seen.clone());
    all.kernel.insert(KernelAct::Ptrace, (seen.clone(), false));
    all.kernel.insert(KernelAct::IoUring, (seen.clone(), false));
    all.execs.insert(b"/usr/bin/tool".to_vec(), seen.clone());
    all.unixes.insert(b"/run/nscd/socket".to_vec(), seen.clone());
    all.unixes.insert(b"@abs{tract".to_vec(), seen.clone());
    all.memfd = Some(seen);
    all
}

#[test]
fn what_is_no_file_is_declared_as_narrowly_as_it_was_seen() {
    let (lesson, set) = taught(&others());
    let net = |ip: &str, port, host| {
        let address: std::net::IpAddr = ip.parse().expect("an address");
        set.decide_net(Proto::Tcp, address, port, host, Evidence::Dns)
            .is_declared()
    };
    assert!(net("192.0.2.9", 443, Some("api.example.com")));
    assert!(
        !net("192.0.2.1", 443, None),
        "the name was known, so the address does not do"
    );
    assert!(net("2001:db8::1", 22, None) && !net("2001:db8::1", 23, None) && !net("2001:db8::2", 22, None));
    assert!(net("127.0.0.1", 50_000, None) && !net("127.0.0.1", 8080, None));
    assert!(!set.decide_kernel(KernelAct::Ptrace, false).is_declared());
    assert!(
        lesson.text.contains("io_uring = \"allow\" # look at this"),
        "{}",
        lesson.text
    );
    assert!(set.decide_memfd().is_declared() && set.decide_family(Family::Unix).is_declared());
}

#[test]
fn what_is_there_is_kept_and_a_second_time_adds_nothing() {
    let heads = [
        "version = 1 # mine\n",
        "# mine\nversion = 1\n[net.policy]\nlisten = ['*:9000'] # mine\nfamilies = [\n'unix', # mine\n]\n[kernel]\nbpf = 'deny' # mine\n",
        "version = 1\n[[net]] # mine\ncidr = ['10.0.0.0/8']\nports = [1]\n[net.policy]\ndeny = ['raw'] # mine\n",
        "version = 1\n[[net]]\nhosts = ['x.example'] # mine\nports = [1]\n",
    ];
    for head in heads {
        let set = loaded(head);
        let mut seen = others();
        seen.files = many(WORK, (0..9).map(|i| format!("f{i}.c")), READ | WRITE | CREATE).files;
        let existing = Existing { text: head, set: &set };
        let first = learn(&seen, &place_of_file(), &about(), Some(&existing));
        let set = loaded(&first.text);
        assert_eq!(
            not_allowed(&seen, &set, &first.text),
            Vec::<String>::new(),
            "{}",
            first.text
        );
        for line in head.lines().filter(|line| line.contains("# mine")) {
            let kept = line.trim_start_matches("listen = [").trim_start_matches("families = [");
            assert!(first.text.contains(kept), "{line}\n{}", first.text);
        }
        let existing = Existing {
            text: &first.text,
            set: &set,
        };
        let second = learn(&seen, &place_of_file(), &about(), Some(&existing));
        assert_eq!((second.added, second.text.as_str()), (0, first.text.as_str()));
    }
}

#[test]
fn what_a_person_denies_is_told_and_never_added() {
    let head =
        "version = 1\n[[file]]\ndeny = ['read']\npaths = ['/home/u/src/**']\n[[exec]]\ndeny = ['/usr/bin/tool']\n";
    let set = loaded(head);
    let mut seen = files(&[("/home/u/src/app/a", READ | WRITE)]);
    seen.execs = others().execs;
    let lesson = learn(
        &seen,
        &place_of_file(),
        &about(),
        Some(&Existing { text: head, set: &set }),
    );
    assert_eq!(
        lesson.warnings,
        [
            "exec of `/usr/bin/tool` is denied at x:5: not added",
            "read of `/home/u/src/app/a` is denied at x:2: not added",
        ]
    );
    assert_eq!(lesson.added, 1);
    let set = loaded(&lesson.text);
    assert!(set.decide_file(b"/home/u/src/app/a", Access::WRITE).is_declared());
    assert!(!set.decide_exec(b"/usr/bin/tool").is_declared());
}

#[test]
fn an_incomplete_run_says_so_on_top() {
    let mut seen = files(&[("/a", READ)]);
    seen.beyond.insert("12 acts\nwere lost".to_owned());
    let (lesson, _) = {
        let lesson = learn(&seen, &place(), &about(), None);
        let set = loaded(&lesson.text);
        (lesson, set)
    };
    assert!(
        lesson.text.contains("# INCOMPLETE") && lesson.text.contains("#   12 acts\\nwere lost\n"),
        "{}",
        lesson.text
    );
    assert_eq!(lesson.incomplete, ["12 acts\nwere lost"]);
}

fn path() -> impl Strategy<Value = String> {
    let root = prop::sample::select(vec![
        "",
        "/home",
        "/home/u",
        "/home/u/src/app",
        "/home/u/.config",
        "/home/u/.ssh",
        "/etc",
        "/usr/lib",
        "/tmp",
        "/opt/x/y",
        "/home/u/.docker",
        "/proc/77",
        "/var/lib/z",
    ]);
    let name = prop_oneof![
        6 => "[a-d][0-9]{0,2}(\\.(rs|pem|key|sock))?",
        1 => "id_[a-z]{1,3}",
        1 => "tmp[a-z0-9_]{8}",
        1 => "[0-9a-f]{16,20}",
        1 => prop::sample::select(vec![".netrc", ".npmrc", ".ssh", "config.json", ".docker", "docker.sock", "environ", "maps", "s-abcde0-fghij1-working"]).prop_map(str::to_owned),
        1 => "[\\[\\]{}*?\\\\$é ,#\"']{1,4}",
    ];
    (root, prop::collection::vec(name, 1..4)).prop_map(|(root, names)| format!("{root}/{}", names.join("/")))
}

/// Places of secrets around the paths of a run.
fn secrets_near(paths: &[(String, u8)]) -> Vec<String> {
    let names = [
        ".netrc",
        ".npmrc",
        ".env",
        ".git-credentials",
        "x.pem",
        "x.key",
        "tmpabcd.pem",
        "id_rsa",
        "id_work",
        "docker.sock",
        ".ssh/id_rsa",
        ".aws/credentials",
        ".docker/config.json",
        "config.json",
        "deep/er/.kube/config",
        ".config/gh/hosts.yml",
        "keyrings/a",
        "environ",
        "mem",
        "maps",
        "0123456789abcdef.pem",
        "s-abcde-fghij.key",
    ];
    let mut all: Vec<String> = [
        "/etc/shadow",
        "/etc/sudoers.d/x",
        "/proc/1/environ",
        "/etc/ssl/private/k",
    ]
    .map(str::to_owned)
    .into();
    for (path, _) in paths {
        let mut at = path.as_str();
        while let Some((above, _)) = at.rsplit_once('/') {
            all.extend(names.iter().map(|name| format!("{above}/{name}")));
            at = above;
        }
    }
    all.retain(|path| sensitive::is_sensitive(path.as_bytes()));
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn all_that_was_seen_is_allowed_and_no_secret_besides(
        paths in prop::collection::vec((path(), 1u8..64), 1..60),
        crowd in (path(), 0usize..20, 1u8..64),
    ) {
        let mut paths = paths;
        let (directory, number, access) = crowd;
        paths.extend((0..number).map(|i| (format!("{directory}/n{i}"), access)));
        let borrowed: Vec<(&str, u8)> = paths.iter().map(|(path, access)| (path.as_str(), *access)).collect();
        let seen = files(&borrowed);
        let (lesson, set) = taught(&seen);
        for path in secrets_near(&paths) {
            let done = seen.files.get(path.as_bytes()).map_or(0, |seen| seen.access);
            for bit in (Access::FILE - Access::from_bits(done)).singles() {
                prop_assert!(!set.decide_file(path.as_bytes(), bit).is_declared(), "{} {}\n{}", bit, path, lesson.text);
            }
        }
    }

    #[test]
    fn patterns_that_share_a_path_intersect(path in path(), one in 0usize..4, other in 0usize..4) {
        let general = |how: usize| {
            let names: Vec<String> = path.split('/').skip(1).map(|name| super::names::literal(name.as_bytes())).collect();
            let (_, above) = names.split_last().expect("a name");
            match how {
                0 => names.clone(),
                1 => [above, &["*".to_owned()]].concat(),
                2 => vec!["**".to_owned()],
                _ => [&names[..names.len() / 2], &["**".to_owned()]].concat(),
            }
        };
        let read = |how| {
            let text = super::shape::absolute(&general(how));
            probity_signatures::declared::Pattern::parse(&text).expect("a pattern").pop().expect("one")
        };
        prop_assert!(sensitive::intersect(&read(one), &read(other)));
    }
}

#[test]
fn patterns_without_a_common_path_do_not_intersect() {
    let read = |text: &str| {
        probity_signatures::declared::Pattern::parse(text)
            .expect("a pattern")
            .pop()
            .expect("one")
    };
    for (one, other, expect) in [
        ("/a/*.rs", "/**/*.pem", false),
        ("/a/[!.][!.]", "/**/.x", false),
        ("/a/**", "/**/.ssh/**", true),
        ("/a", "/a/**", false),
        ("/a/*", "/a/**", true),
        ("/x[0-9]", "/x[a-f]", false),
        ("/tmp/tmp[!._-][!._-][!._-]", "/**/id_*", false),
    ] {
        assert_eq!(sensitive::intersect(&read(one), &read(other)), expect, "{one} {other}");
    }
}

#[test]
fn a_temporary_file_of_the_run_is_a_pattern() {
    let all = READ | WRITE | CREATE | DELETE;
    let (_, set) = taught(&files(&[("/tmp/tmpa1b2c3d4", all), ("/tmp/kept", READ | MAP)]));
    assert!(set.decide_file(b"/tmp/tmpzzzzzzzz", Access::WRITE).is_declared());
    assert!(!set.decide_file(b"/tmp/tmpzz.pem", Access::READ).is_declared());
    assert!(!set.decide_file(b"/tmp/other", Access::READ).is_declared());
}
