//! `probity sign` and `probity verify` over a model's directory, alone and against the package `model-signing`.

use crate::common::{Run, findings, run_in, scan, skip, temp};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A key made for these tests (P-256), which signs nothing else.
const KEY: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgKfYdxZHLN46wGPI1
ppKQzKfeqUvSWTcOf/JnnlZOVcKhRANCAAShf9OWG6pGQTlXdpm7S5coIlQx+kIR
Gc8hDKhQtB4SfJdmfo2HkaDjfraUQLyXu+AVgm8SjPgx+fzlD0uaoc6b
-----END PRIVATE KEY-----
";
/// Its public half.
const PUBLIC: &str = "\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEoX/TlhuqRkE5V3aZu0uXKCJUMfpC
ERnPIQyoULQeEnyXZn6Nh5Gg4362lEC8l7vgFYJvEoz4Mfn85Q9LmqHOmw==
-----END PUBLIC KEY-----
";
/// Its certificate, by [`ROOT`].
const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----
MIIBqjCCAU+gAwIBAgIUM0AHCy1JQG0rLU4XqfNw/ge1xREwCgYIKoZIzj0EAwIw
FzEVMBMGA1UEAwwMRml4dHVyZSBSb290MCAXDTI2MTEyMDE2MzQyOVoYDzIxMjYx
MDI3MTYzNDI5WjAZMRcwFQYDVQQDDA5GaXh0dXJlIFNpZ25lcjBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABKF/05YbqkZBOVd2mbtLlygiVDH6QhEZzyEMqFC0HhJ8
l2Z+jYeRoON+tpRAvJe74BWCbxKM+DH5/OUPS5qhzpujdTBzMAwGA1UdEwEB/wQC
MAAwDgYDVR0PAQH/BAQDAgeAMBMGA1UdJQQMMAoGCCsGAQUFBwMDMB0GA1UdDgQW
BBStp8kLFhEe5khkxK3sasKtJiK1YzAfBgNVHSMEGDAWgBQ8m+l4owIjFZVPshzk
wqOMIPsBbzAKBggqhkjOPQQDAgNJADBGAiEAsXH+ZG/eaDVMaeLi25tOZurFHfVg
rYjzAD5kEGEXQyoCIQD6qZFnZru6fs5yBn3hTIfPjbihb6UjBPzSI81ZgUI8lg==
-----END CERTIFICATE-----
";
/// The issuer of [`CERTIFICATE`].
const ROOT: &str = "\
-----BEGIN CERTIFICATE-----
MIIBlTCCATugAwIBAgIUAs9Rbn7ITRIxZ7wXZyL34X1Aa70wCgYIKoZIzj0EAwIw
FzEVMBMGA1UEAwwMRml4dHVyZSBSb290MCAXDTI2MTEyMDE2MzQyOFoYDzIxMjYx
MDI3MTYzNDI4WjAXMRUwEwYDVQQDDAxGaXh0dXJlIFJvb3QwWTATBgcqhkjOPQIB
BggqhkjOPQMBBwNCAATEe4MhcX/8NvtURl7zhJ+zlEyNYCWCeU1lk4FWNrDickZn
ZY3KpJ9vVBsUL/Z4MdnNzOwQ99LfomSQbx0Q5Fumo2MwYTAdBgNVHQ4EFgQUPJvp
eKMCIxWVT7Ic5MKjjCD7AW8wHwYDVR0jBBgwFoAUPJvpeKMCIxWVT7Ic5MKjjCD7
AW8wDwYDVR0TAQH/BAUwAwEB/zAOBgNVHQ8BAf8EBAMCAQYwCgYIKoZIzj0EAwID
SAAwRQIgO2KMpTKrrH6fzMkvQ6IEBGZWO3v/udEEhOrX41QV9JICIQDxaUPrs/4F
HOQd1+YdhT/CDrYt6PAIUQ+tBCH4/zABIw==
-----END CERTIFICATE-----
";
/// The public half of another key.
const OTHER_PUBLIC: &str = "\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEbNyZWWZsv8JEVJl/u5YotGDDbqSL
NV09RiuLYWgl299FFapvMrwvgWTelXY0CUXI0rGwrzlGHGDYwpjj0AJHsA==
-----END PUBLIC KEY-----
";
/// Another root.
const OTHER_ROOT: &str = "\
-----BEGIN CERTIFICATE-----
MIIBkjCCATegAwIBAgIUOg08zELKf+k+45GmJiCPEK0e1cEwCgYIKoZIzj0EAwIw
FTETMBEGA1UEAwwKT3RoZXIgUm9vdDAgFw0yNjExMjAxNjM0MjlaGA8yMTI2MTAy
NzE2MzQyOVowFTETMBEGA1UEAwwKT3RoZXIgUm9vdDBZMBMGByqGSM49AgEGCCqG
SM49AwEHA0IABGzcmVlmbL/CRFSZf7uWKLRgw26kizVdPUYri2FoJdvfRRWqbzK8
L4Fk3pV2NAlFyNKxsK85Rhxg2MKY49ACR7CjYzBhMB0GA1UdDgQWBBS+LC+ydzaI
FPCaU4CdkuUR/nDZYjAfBgNVHSMEGDAWgBS+LC+ydzaIFPCaU4CdkuUR/nDZYjAP
BgNVHRMBAf8EBTADAQH/MA4GA1UdDwEB/wQEAwICBDAKBggqhkjOPQQDAgNJADBG
AiEAxhq89EDZ2uh9iBESj0qLtK3WB7loEAOdezhpk6iq+6YCIQDpl/DntC2GXGfx
Hci3AT/Op0eZ2hQrt82FzWeUKIW9JA==
-----END CERTIFICATE-----
";

/// A model of three files, and the keys.
fn fixture() -> tempfile::TempDir {
    let dir = temp();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir_all(at("model/sub")).unwrap();
    fs::write(at("model/weights.bin"), vec![1u8; 100_000]).unwrap();
    fs::write(at("model/sub/config.json"), b"{}").unwrap();
    fs::write(at("model/empty"), b"").unwrap();
    for (name, text) in [
        ("key.pem", KEY),
        ("key.pub", PUBLIC),
        ("leaf.pem", CERTIFICATE),
        ("root.pem", ROOT),
        ("other.pub", OTHER_PUBLIC),
        ("other.pem", OTHER_ROOT),
    ] {
        fs::write(at(name), text).unwrap();
    }
    dir
}

fn sign(dir: &Path, more: &[&str]) {
    let run = run_in(dir, &[&["sign", "model", "--key", "key.pem"], more].concat());
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert!(
        run.stdout.contains("3 files, 100002 bytes, signed by key:sha256:"),
        "{}",
        run.stdout
    );
}

fn verify(dir: &Path, more: &[&str]) -> Run {
    run_in(dir, &[&["verify", "model", "--format", "json"], more].concat())
}

const BY_KEY: &[&str] = &["--key", "key.pub"];
const BY_ROOT: &[&str] = &["--certificate-chain", "root.pem"];

/// Intact, chain and the findings as `code region`.
fn told(run: &Run) -> (String, String, Vec<String>) {
    let report = run.json();
    let artifact = &report["artifacts"][0];
    let signature = &artifact["signatures"][0];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    assert_eq!(signature["scheme"], "oms", "{report:#}");
    let findings = artifact["findings"].as_array().unwrap().iter();
    let findings = findings.filter(|f| f["severity"] != "info");
    (
        text(&signature["intact"]),
        text(&signature["chain"]),
        findings
            .map(|f| format!("{} {}", text(&f["code"]), text(&f["region"])))
            .collect(),
    )
}

#[track_caller]
fn expect(run: &Run, code: i32, intact: &str, chain: &str, findings: &[&str]) {
    assert_eq!(run.code, code, "{}{}", run.stdout, run.stderr);
    let (found_intact, found_chain, found) = told(run);
    assert_eq!(
        (found_intact.as_str(), found_chain.as_str()),
        (intact, chain),
        "{}",
        run.stdout
    );
    assert_eq!(found, findings);
}

/// Changes one byte, adds a file, removes a file.
fn tamper(dir: &Path) {
    let weights = dir.join("model/weights.bin");
    let mut bytes = fs::read(&weights).unwrap();
    bytes[50_000] ^= 1;
    fs::write(weights, bytes).unwrap();
    fs::write(dir.join("model/sub/modeling.py"), b"pass\n").unwrap();
    fs::remove_file(dir.join("model/empty")).unwrap();
}

const TAMPERED: &[&str] = &[
    "signed-file-changed weights.bin",
    "unsigned-file sub/modeling.py",
    "signed-file-missing empty",
];

#[test]
fn what_we_sign_by_key_or_certificate_verifies_until_it_is_changed() {
    let by_certificate = ["--certificate", "leaf.pem"];
    for (signing, trust) in [(&[][..], BY_KEY), (&by_certificate, BY_ROOT)] {
        for hash in ["sha256", "blake2b", "blake3"] {
            let dir = fixture();
            sign(dir.path(), &[signing, &["--hash", hash]].concat());
            expect(&verify(dir.path(), trust), 0, "yes", "anchored", &[]);
            tamper(dir.path());
            expect(&verify(dir.path(), trust), 1, "no", "anchored", TAMPERED);
        }
    }
}

#[test]
fn the_signer_must_be_the_one_given() {
    let dir = fixture();
    sign(dir.path(), &[]);
    let run = verify(dir.path(), &["--key", "other.pub"]);
    expect(&run, 1, "no", "unanchored", &["signature-invalid model.sig"]);
    expect(&verify(dir.path(), &[]), 3, "unknown", "unknown", &[]);
    sign(dir.path(), &["--certificate", "leaf.pem", "--chain", "root.pem"]);
    let run = verify(dir.path(), &["--certificate-chain", "other.pem"]);
    expect(&run, 1, "yes", "unanchored", &["signature-invalid model.sig"]);
    // The signature brings its own root: that one proves nothing.
    expect(&verify(dir.path(), &[]), 3, "yes", "unanchored", &[]);
    let run = verify(dir.path(), BY_ROOT);
    expect(&run, 0, "yes", "anchored", &[]);
    assert_eq!(
        run.json()["artifacts"][0]["signatures"][0]["signer"],
        "CN=Fixture Signer"
    );
}

#[test]
fn what_is_left_unsigned_is_told() {
    let dir = fixture();
    fs::create_dir(dir.path().join("model/notes")).unwrap();
    fs::write(dir.path().join("model/notes/a"), b"x").unwrap();
    sign(dir.path(), &["--ignore", "notes"]);
    fs::write(dir.path().join("model/notes/b.py"), b"x").unwrap();
    let run = verify(dir.path(), BY_KEY);
    expect(&run, 0, "yes", "anchored", &[]);
    let report = run.json();
    let finding = &report["artifacts"][0]["findings"][0];
    assert_eq!(
        (&finding["code"], &finding["case"]),
        (&"unsigned-file".into(), &"ignored".into())
    );
    let text = run_in(dir.path(), &["verify", "model", "--key", "key.pub"]).stdout;
    let line = "explicitly unsigned: .git, .gitattributes, .github, .gitignore, model.sig, notes (2 files)";
    assert!(text.contains(line), "{text}");
}

#[test]
fn a_scan_tells_what_is_not_what_the_signature_lists() {
    let dir = fixture();
    sign(dir.path(), &[]);
    let sound = scan(dir.path(), &["model"]).json();
    assert!(!findings(&sound).contains(&"signed-file-changed"), "{sound:#}");
    tamper(dir.path());
    let changed = scan(dir.path(), &["model"]).json();
    let found = findings(&changed);
    assert_eq!(
        found.iter().filter(|code| **code == "signed-file-changed").count(),
        1,
        "{changed:#}"
    );
    assert!(!found.contains(&"unsigned-file") && !found.contains(&"signed-file-missing"));
}

#[test]
fn a_signature_may_lie_elsewhere_and_a_model_may_be_one_file() {
    let dir = fixture();
    sign(dir.path(), &["--output", "elsewhere.sig"]);
    assert!(!dir.path().join("model/model.sig").exists());
    let run = verify(dir.path(), &["--signature", "elsewhere.sig", "--key", "key.pub"]);
    expect(&run, 0, "yes", "anchored", &[]);
    let one = ["sign", "model/weights.bin", "--key", "key.pem", "--output", "one.sig"];
    assert_eq!(run_in(dir.path(), &one).code, 0);
    let check = [
        "verify",
        "model/weights.bin",
        "--signature",
        "one.sig",
        "--key",
        "key.pub",
        "--format",
        "json",
    ];
    assert_eq!(run_in(dir.path(), &check).code, 0);
    tamper(dir.path());
    assert_eq!(run_in(dir.path(), &check).code, 1);
}

#[test]
fn mistakes_are_said_before_anything_is_written() {
    let dir = fixture();
    let weights = fs::read(dir.path().join("model/weights.bin")).unwrap();
    for (args, expected) in [
        (&["sign", "model", "--key", "nowhere.pem"][..], "nowhere.pem"),
        (&["sign", "model", "--key", "key.pub"], "no private key"),
        (&["sign", "nowhere", "--key", "key.pem"], "nowhere"),
        (
            &["sign", "model", "--key", "key.pem", "--certificate", "root.pem"],
            "not one of the key",
        ),
        (
            &["sign", "model", "--key", "key.pem", "--output", "model/weights.bin"],
            "is no signature",
        ),
        (
            &["sign", "model", "--key", "key.pem", "--output", "key.pem"],
            "is no signature",
        ),
        (
            &["sign", "model", "--key", "key.pem", "--ignore", "../other.pub"],
            "is not below",
        ),
        (&["verify", "nowhere"], "nowhere"),
        (&["verify", "model", "--key", "key.pem"], "no public key"),
        (&["verify", "model", "--certificate-chain", "key.pub"], "no certificate"),
    ] {
        let run = run_in(dir.path(), args);
        assert_eq!(run.code, 2, "{args:?}: {}{}", run.stdout, run.stderr);
        assert!(run.stderr.contains(expected), "{args:?}: {}", run.stderr);
    }
    assert_eq!(fs::read(dir.path().join("model/weights.bin")).unwrap(), weights);
    let run = verify(dir.path(), BY_KEY);
    assert_eq!(run.code, 3, "{}", run.stdout);
}

/// `model_signing` in a virtual environment of its own: `cargo xtask test` puts it there.
fn model_signing() -> Option<PathBuf> {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/model-signing");
    let program = tools.join("bin/model_signing");
    let works = Command::new(&program)
        .arg("--version")
        .output()
        .is_ok_and(|o| o.status.success());
    if !works {
        skip("target/tools has no model-signing");
    }
    works.then_some(program)
}

fn theirs(program: &Path, dir: &Path, args: &[&str]) -> Output {
    Command::new(program).current_dir(dir).args(args).output().unwrap()
}

#[test]
fn model_signing_takes_our_signatures_and_names_what_changed() {
    let Some(program) = model_signing() else { return };
    let by_key = [
        "verify",
        "key",
        "model",
        "--signature",
        "model/model.sig",
        "--public_key",
        "key.pub",
    ];
    let by_root = [
        "verify",
        "certificate",
        "model",
        "--signature",
        "model/model.sig",
        "--certificate_chain",
        "root.pem",
    ];
    for (signing, check) in [(&[][..], &by_key), (&["--certificate", "leaf.pem"], &by_root)] {
        let dir = fixture();
        sign(dir.path(), signing);
        let output = theirs(&program, dir.path(), check);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        tamper(dir.path());
        let output = theirs(&program, dir.path(), check);
        assert!(!output.status.success());
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        for name in ["weights.bin", "modeling.py", "empty"] {
            assert!(text.contains(name), "{text}");
        }
    }
}

#[test]
fn we_take_signatures_of_model_signing_and_name_what_changed() {
    let Some(program) = model_signing() else { return };
    let place = ["--signature", "model/model.sig", "--private_key", "key.pem"];
    let by_key = [&["sign", "key", "model"][..], &place].concat();
    let certificate = ["--signing_certificate", "leaf.pem", "--certificate_chain", "root.pem"];
    let by_certificate = [&["sign", "certificate", "model"][..], &place, &certificate].concat();
    for (signing, trust) in [(by_key, BY_KEY), (by_certificate, BY_ROOT)] {
        let dir = fixture();
        let output = theirs(&program, dir.path(), &signing);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        expect(&verify(dir.path(), trust), 0, "yes", "anchored", &[]);
        tamper(dir.path());
        expect(&verify(dir.path(), trust), 1, "no", "anchored", TAMPERED);
    }
}

/// What only its library makes: other digests, and parts of files.
#[test]
fn we_take_every_serialization_of_model_signing() {
    let Some(program) = model_signing() else { return };
    let python = program.with_file_name("python");
    let script = "import sys, pathlib, model_signing as m\n\
        hashing = m.hashing.Config()\n\
        kind, algorithm = sys.argv[1:3]\n\
        if kind == 'files': hashing.use_file_serialization(hashing_algorithm=algorithm)\n\
        else: hashing.use_shard_serialization(hashing_algorithm=algorithm, shard_size=4096)\n\
        hashing.set_ignored_paths(paths=['model.sig'])\n\
        m.signing.Config().use_elliptic_key_signer(private_key='key.pem').set_hashing_config(hashing)\
        .sign(pathlib.Path('model'), pathlib.Path('model/model.sig'))\n";
    for (kind, algorithm) in [
        ("files", "sha256"),
        ("files", "blake2"),
        ("files", "blake3"),
        ("shards", "sha256"),
        ("shards", "blake2"),
    ] {
        let dir = fixture();
        // A manifest of parts has no entry for a file without bytes.
        fs::write(dir.path().join("model/empty"), b"x").unwrap();
        let output = theirs(&python, dir.path(), &["-c", script, kind, algorithm]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        expect(&verify(dir.path(), BY_KEY), 0, "yes", "anchored", &[]);
        tamper(dir.path());
        expect(&verify(dir.path(), BY_KEY), 1, "no", "anchored", TAMPERED);
    }
}
