use super::*;

const GOOD: &str = r#"code = "sample"
severity = "high"
confidence = "certain"
summary = "a sample"
what = """
First.
Second."""
why = "Because."
action = "read it"
references = ["RFC 0"]
since = "0.1.0"

[cases.odd-day]
severity = "info"
when = "on odd days"
"#;

/// Every code with its default severity, then its cases: a new or changed one is a visible diff.
const CODES: &[(&str, &str)] = &[
    (
        "active-content",
        "info embedded-file=info javascript=low launch=low open-action=info",
    ),
    (
        "archive-bomb",
        "high nested=high overlap=high quine=high ratio=high references=medium",
    ),
    ("build-inventory", "info go=info rust=info"),
    (
        "bundle-autoload",
        "low autoload=info debugger=medium environment=info exec-argv=low preload=high tuning=info",
    ),
    (
        "bundle-inventory",
        "info asar=info bun=info deno=info dotnet=info eszip=info nexe=info node-sea=info pkg=info pyinstaller=info",
    ),
    (
        "bundled-code",
        "low acts=medium files=medium foreign=medium handler=low imports=high package=low",
    ),
    ("conditional-prompt", "medium content=medium date=medium"),
    ("config-lambda", "medium code=medium named=low"),
    (
        "config-object",
        "critical dangerous=critical foreign=low loader=critical nested=medium registered=info stdlib=critical unknown=medium unlisted=low",
    ),
    (
        "config-resource",
        "medium download=medium escape=high saved-model=medium vocabulary=medium",
    ),
    ("configured-callable", "low foreign=info stdlib=low unsafe=critical"),
    (
        "custom-operator",
        "info application=medium custom=info foreign=medium inventory=info",
    ),
    ("declared-digest", "high absent=medium"),
    ("declared-signer", "high"),
    ("declared-unused", "info"),
    ("diff-callable", "low added=low inert=info operator=low removed=info"),
    (
        "diff-content",
        "info added=info changed=info code-region=info executable=low executable-signed=info format=low moved=info removed=info version=info",
    ),
    ("diff-entitlement", "low added=low removed=info strong=medium"),
    ("diff-host", "low added=low address=medium possible=info removed=info"),
    (
        "diff-import",
        "info added=low export=info export-removed=info removed=info",
    ),
    (
        "diff-script",
        "medium added=medium changed=medium command=info dependency=low dependency-range=info dependency-removed=info removed=info",
    ),
    ("diff-signer", "high changed=high gained=info lost=high"),
    ("diff-tensor", "info changed=info nonfinite=medium outlier=medium"),
    (
        "disguised-host",
        "medium alike=medium bidi=medium invisible=low mixed=medium styled=low userinfo=medium",
    ),
    (
        "duplicate-entry",
        "high case-insensitive=low identical=low normal-form=low",
    ),
    ("duplicate-key", "medium document=low same-value=info"),
    (
        "embedded-code",
        "high bytecode=info captured=low closure=info lua=high promise=critical source=medium",
    ),
    ("embedded-executable", "high bundled=info hidden=high"),
    (
        "embedded-secret",
        "medium api-key=low checked=high jwt=info private-key=medium test=info token=medium",
    ),
    (
        "encoded-host",
        "low base64=low command=medium escaped=low hex=low joined=medium xor=high",
    ),
    ("encrypted-entry", "medium"),
    ("escape-sequence-name", "medium bidi=medium control=medium long=low"),
    (
        "external-storage",
        "medium escape=high link=low storage=medium virtual=info",
    ),
    ("hardening", "info"),
    (
        "header-mismatch",
        "high crc=high digest=high extra=info method=high name=high size=high timestamp=info",
    ),
    ("hidden-text", "medium bidi=medium tag=medium zero-width=medium"),
    ("image-checksum", "low signed=medium zero=low"),
    (
        "image-inventory",
        "info history=info privileged=info startup=medium whiteouts=info",
    ),
    (
        "image-mismatch",
        "high cycle=medium digest=high layers=medium missing=low size=high whiteout=medium",
    ),
    (
        "import-code",
        "high automatic=medium decoded=high deferred=medium dynamic=medium network=medium process=high unreferenced=low",
    ),
    (
        "install-script",
        "info conda=info dangerous=high download=medium implicit=info lifecycle=info missing=medium",
    ),
    (
        "ip-literal-url",
        "low obfuscated=medium private=info public=low short=info",
    ),
    (
        "library-path",
        "medium home=info loader=high relative=medium searched=medium searched-relative=low writable=high",
    ),
    ("malformed", "medium crash=high lenient=low"),
    (
        "marshalled-code",
        "critical bare=info carried=high executes=critical inert=info kept=medium reaches=high unreadable=high",
    ),
    ("mixed-signers", "high unsigned=medium"),
    ("name-mismatch", "low benign=info extension=low unreadable=medium"),
    (
        "nonzero-padding",
        "high alignment=medium earlier-signature=low filler=info script=low short=low",
    ),
    (
        "overlapping-regions",
        "high entries=high modules=info notes=info tensors=high",
    ),
    (
        "package-inventory",
        "info commands=info entry-points=info record-signed=info",
    ),
    (
        "package-manifest",
        "low bin-escape=high bin-inside=low bin-missing=low bundled-missing=low two-manifests=high",
    ),
    ("packed", "medium structure=medium upx=low"),
    (
        "path-traversal",
        "high absolute=high extracted-by-none=medium remote=high",
    ),
    (
        "planted-text",
        "medium command=medium expression=medium instruction=medium payload=medium place=medium",
    ),
    ("polyglot", "high"),
    (
        "reader-disagreement",
        "medium accepts=high extent=medium name=medium rejects=info",
    ),
    (
        "record-mismatch",
        "medium absent=medium control=low digest=high digest-installed=medium distribution=low encoding=info md5sums=high md5sums-missing=medium md5sums-unlisted=low missing=low missing-installed=info name=medium no-digest=medium not-compared=info size=low unlisted=high unlisted-metadata=low version=low",
    ),
    (
        "remote-code",
        "low absent=low dependency=medium foreign=medium library=info local-base=info native=medium own=low trusted=medium",
    ),
    (
        "shard-index",
        "low extra=low missing=low tensor-missing=medium tensor-twice=medium tensor-unlisted=low total-size=low",
    ),
    (
        "signature-invalid",
        "high ad-hoc=high broken=high case=low cdhashes=high chain=high code-directory=high digest=high duplicate=high emptied=high identity=high info-plist=info key=high log=high malformed=high manifest=high name=high page-hashes=medium signer=high special-slot=high team=high unsupported=medium usage=medium",
    ),
    ("signature-order", "low sections=medium"),
    ("signature-time", "info broken=medium none=info"),
    (
        "signature-unanchored",
        "info broken=medium claimed=high expired=low purpose=medium self-signed=low",
    ),
    ("signature-weak", "low beside=info"),
    ("signed-file-changed", "high link=high"),
    ("signed-file-missing", "medium"),
    ("special-file", "low"),
    (
        "startup-code",
        "medium acts=medium backport=info customize=high elsewhere=low known=info own-module=low pth=high standard-module=medium",
    ),
    (
        "suspicious-entry",
        "high entry-outside-sections=high initialiser=high note-load=high",
    ),
    ("symlink-escape", "high hardlink=high"),
    ("template-drift", "low files=low gguf=info"),
    (
        "template-injection",
        "critical assembled=high class=medium dynamic=medium escape=critical exhausts=medium format=high introspection=low module=high other-template=medium unread=high",
    ),
    (
        "tensor-changed",
        "medium added=medium low-bits=high missing=medium shape=medium values=medium",
    ),
    ("tensor-constant", "info"),
    ("tensor-duplicate", "info"),
    ("tensor-integer-executable", "high"),
    ("tensor-low-bits", "info"),
    ("tensor-low-bits-change", "high everywhere=low few=low some=high"),
    ("tensor-low-rank-edit", "medium elsewhere=low mlp=medium"),
    ("tensor-magnitude", "low large=low other=info outlier=medium"),
    (
        "tensor-nonfinite",
        "medium infinite=medium mask=info measured=low nan=medium",
    ),
    (
        "tensor-payload",
        "high bits=high bytes=high integer-archive=low raw=high",
    ),
    ("tensor-quant-scale", "medium large=medium nonfinite=medium"),
    ("tensor-shape", "low hidden-size=low layers=low vocabulary=low"),
    ("tensor-sibling", "info"),
    ("tensor-text", "medium long=medium short=low"),
    (
        "tokenizer-oddity",
        "low duplicate-id=low duplicate-token=info expression=medium hidden=medium lengths=low long=info range=medium rewrites=medium url=low",
    ),
    (
        "trailing-bytes",
        "high appendix=low archive=low binary=medium encoded=low newline=info note=low objects=low overlay=info packed=low picture=info self-extracting=low text=low zeros=info",
    ),
    ("truncated", "medium end-marker=low media=low module=low"),
    (
        "unclaimed-bytes",
        "high freed=low freed-large=medium freed-model=medium gap=high small=low zero=info",
    ),
    ("uncovered-bytes", "high message=medium small=medium zeros=medium"),
    ("undeclared-host", "medium possible=low"),
    (
        "unknown-callable",
        "medium called=medium computed-name=high constructed=low extension=medium hidden-program=medium named=info result-called=medium stdlib-called=high stdlib-constructed=medium untracked=medium",
    ),
    ("unknown-field", "medium small=info"),
    (
        "unsafe-callable",
        "critical called=critical code=medium constructed=critical named=medium overwrites=high",
    ),
    (
        "unsafe-operator",
        "high code=high named=medium network=high read=medium write=high",
    ),
    ("unsigned-file", "high empty=low ignored=info link=high special=medium"),
    (
        "unusual-structure",
        "low debug-link=low fat-differs=medium no-sections=low",
    ),
    ("writable-executable", "medium section=medium segment=medium stack=low"),
    (
        "xml-entity",
        "low expansion=high external=low file=medium relative=info",
    ),
    (
        "yara-match",
        "medium critical=critical high=high info=info low=low medium=medium",
    ),
];

#[test]
fn the_list_of_codes_is_reviewed() {
    let listed: Vec<(String, String)> = rules()
        .iter()
        .map(|rule| {
            let cases = rule
                .cases
                .iter()
                .map(|(name, case)| format!(" {name}={}", case.severity))
                .collect::<String>();
            (rule.code.clone(), format!("{}{cases}", rule.severity))
        })
        .collect();
    let expected: Vec<(String, String)> = CODES
        .iter()
        .map(|(code, severities)| ((*code).to_owned(), (*severities).to_owned()))
        .collect();
    assert_eq!(listed, expected);
}

#[test]
fn every_embedded_file_is_a_complete_rule() {
    for (name, text) in RULE_FILES {
        let rule = Rules::parse(name, text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(format!("{}.toml", rule.code), *name);
        let sentences = |text: &str| text.matches(['.', ';']).count();
        assert!(sentences(&rule.what) >= 2, "{name}: `what` is two sentences or more");
        assert!(rule.why.split_whitespace().count() >= 20, "{name}: `why` explains");
        assert!(rule.action.len() <= 160, "{name}: `action` fits under a finding");
        assert!(rule.summary.len() <= 80, "{name}: `summary` fits a line");
        assert!(
            !rule.references.iter().any(|reference| reference.trim().is_empty()),
            "{name}"
        );
    }
}

#[test]
fn a_rule_parses_with_its_texts_trimmed() {
    let rule = Rules::parse("some/where/sample.toml", GOOD).unwrap();
    assert_eq!(rule.what, "First.\nSecond.");
    assert_eq!(rule.severity_in(None), Some(Severity::High));
    assert_eq!(rule.severity_in(Some("odd-day")), Some(Severity::Info));
    assert_eq!(rule.severity_in(Some("even-day")), None);
}

#[test]
fn a_threshold_is_a_finite_number_with_a_meaning() {
    let with = |table: &str| Rules::parse("sample.toml", &format!("{GOOD}\n[thresholds.most]\n{table}\n"));
    let rule = with("value = 3\nmeaning = 'elements'").unwrap();
    assert_eq!(
        (rule.thresholds["most"].value, rule.thresholds["most"].meaning.as_str()),
        (3.0, "elements")
    );
    let kind = |table: &str| with(table).unwrap_err().kind;
    assert_eq!(
        kind("value = nan\nmeaning = 'elements'"),
        RuleErrorKind::NotFinite("most".to_owned())
    );
    assert_eq!(kind("value = 3\nmeaning = ' '"), RuleErrorKind::Empty("meaning"));
    assert!(matches!(kind("value = 3"), RuleErrorKind::Syntax(_)));
}

#[test]
fn a_broken_rule_is_refused_with_file_and_line() {
    let cases: &[(&str, &str, &str)] = &[
        (
            "severity = \"high\"",
            "severity = \"high\"\nseverty = \"low\"",
            "sample.toml:3: unknown field `severty`",
        ),
        (
            "severity = \"high\"",
            "severity = \"awful\"",
            "sample.toml:2: unknown variant `awful`",
        ),
        (
            "severity = \"high\"",
            "severity = \"High\"",
            "sample.toml:2: unknown variant `High`",
        ),
        ("severity = \"high\"", "severity = ", "sample.toml:2: "),
        (
            "severity = \"high\"",
            "severity = \"high\"\nseverity = \"low\"",
            "sample.toml:3: duplicate key",
        ),
        ("action = \"read it\"\n", "", "sample.toml:1: missing field `action`"),
        (
            "action = \"read it\"",
            "action = \" \"",
            "sample.toml:9: action is empty",
        ),
        (
            "action = \"read it\"",
            "action = \"a\\nb\"",
            "sample.toml:9: action is not a single line",
        ),
        ("why = \"Because.\"", "why = \"\"", "sample.toml:8: why is empty"),
        (
            "code = \"sample\"",
            "code = \"other\"",
            "sample.toml:1: code \"other\" differs from the file name \"sample\"",
        ),
        (
            "summary = \"a sample\"",
            "summary = \"a sample.\"",
            "sample.toml:4: summary is not lower case",
        ),
        (
            "summary = \"a sample\"",
            "summary = \"A sample\"",
            "sample.toml:4: summary is not lower case",
        ),
        (
            "[cases.odd-day]",
            "[cases.OddDay]",
            "sample.toml:13: \"OddDay\" is not kebab-case",
        ),
        ("when = \"on odd days\"", "when = \"\"", "sample.toml:13: when is empty"),
        (
            "when = \"on odd days\"",
            "when = \"x\"\nif = \"y\"",
            "sample.toml:16: unknown field `if`",
        ),
    ];
    for (from, to, expected) in cases {
        assert!(GOOD.contains(from), "{from}");
        let error = Rules::parse("sample.toml", &GOOD.replacen(from, to, 1))
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(expected), "{to:?} gave {error:?}");
        assert!(!error.contains('\n'), "{error:?}");
    }
    let error = Rules::parse("Sample.toml", &GOOD.replacen("sample", "Sample", 1)).unwrap_err();
    assert_eq!(error.kind, RuleErrorKind::NotKebabCase("Sample".to_owned()));
}

#[test]
fn a_code_may_be_declared_once() {
    let error = Rules::from_files([("a/sample.toml", GOOD), ("b/sample.toml", GOOD)]).unwrap_err();
    assert_eq!(error.to_string(), "b/sample.toml:1: code \"sample\" is declared twice");
}

#[test]
fn lookups_know_codes_and_cases() {
    let rules = rules();
    assert_eq!(rules.severity("unsafe-callable", None), Some(Severity::Critical));
    assert_eq!(rules.severity("unsafe-callable", Some("named")), Some(Severity::Medium));
    assert_eq!(rules.severity("unsafe-callable", Some("no-such-case")), None);
    assert_eq!(rules.severity("no-such-code", None), None);
    assert_eq!(rules.get("truncated").map(|rule| rule.code.as_str()), Some("truncated"));
    assert!(rules.iter().is_sorted_by_key(|rule| &rule.code));
}

#[test]
fn the_digest_follows_contents_and_not_order() {
    let other = GOOD.replacen("sample", "second", 1);
    let digest = |files: &[(&str, &str)]| Rules::from_files(files.iter().copied()).unwrap().digest();
    let both = digest(&[("sample.toml", GOOD), ("second.toml", &other)]);
    assert_eq!(both, digest(&[("second.toml", &other), ("dir/sample.toml", GOOD)]));
    assert_ne!(both, digest(&[("sample.toml", GOOD)]));
    assert_ne!(
        both,
        digest(&[("sample.toml", &format!("{GOOD}# x\n")), ("second.toml", &other)])
    );
    let hex = both.strip_prefix("sha256:").unwrap();
    assert!(hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_eq!(rules().digest(), rules().digest());
}

#[test]
fn levels_are_ordered_and_read_back() {
    assert!(Severity::ALL.is_sorted() && Confidence::ALL.is_sorted());
    assert!(Severity::Info < Severity::Low && Severity::High < Severity::Critical);
    for level in Severity::ALL {
        assert_eq!(level.to_string().parse(), Ok(level));
    }
    for level in Confidence::ALL {
        assert_eq!(level.to_string().parse(), Ok(level));
    }
    assert_eq!("HIGH".parse::<Severity>(), Err(UnknownLevel("HIGH".to_owned())));
    assert_eq!(format!("[{:<8}]", Severity::Low), "[low     ]");
}
