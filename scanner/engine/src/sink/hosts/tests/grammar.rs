//! What is a host and what only looks like one.

use super::*;

/// Checks each `(input, hosts)` pair as ASCII and, re-encoded, as UTF-16 in both byte orders.
fn check(table: &[(&str, &str)]) {
    for &(input, expect) in table {
        assert_eq!(hosts(&scan(input.as_bytes())), expect, "ASCII {input:?}");
        let schemed: Vec<&str> = expect.split(' ').collect();
        if input.contains("://") {
            for (encoding, unit) in [
                (Encoding::Utf16Le, u16::to_le_bytes as fn(u16) -> [u8; 2]),
                (Encoding::Utf16Be, u16::to_be_bytes as fn(u16) -> [u8; 2]),
            ] {
                let bytes: Vec<u8> = format!("\n{input}\n").encode_utf16().flat_map(unit).collect();
                let scan = scan(&bytes);
                assert_eq!(
                    hosts(&scan).split(' ').collect::<Vec<_>>(),
                    schemed,
                    "{encoding:?} {input:?}"
                );
                assert!(
                    scan.hits.iter().all(|hit| hit.encoding == encoding),
                    "{encoding:?} {input:?}"
                );
            }
        }
    }
}

#[test]
fn urls_with_a_host_give_it() {
    check(&[
        ("https://api.example.com/v1", "api.example.com"),
        ("HTTPS://API.Example.COM/", "api.example.com"),
        ("https://example.com", "example.com"),
        ("see https://example.com.", "example.com"),
        (
            "see https://example.com, or (http://example.org)",
            "example.com example.org",
        ),
        ("<a href=\"http://example.net\">", "example.net"),
        ("'wss://ws.example.io?x'", "ws.example.io"),
        ("`ftp://ftp.example.org#f`", "ftp.example.org"),
        ("https://user:pa:ss@db.example.com:5432/x", "db.example.com"),
        ("https://google.com!x@evil.example.org/", "evil.example.org"),
        ("https://google.com@evil.example.org/", "evil.example.org"),
        ("https://a@b@c.example.org/", "c.example.org"),
        ("postgres://%s:%s@db.example.com/x", "db.example.com"),
        ("https://x-access-token:${TOKEN}@github.com/o/r", "github.com"),
        ("https://{key}@o1.ingest.sentry.io/1", "o1.ingest.sentry.io"),
        ("git+ssh://git@github.com:22/o/r", "github.com"),
        (
            "mongodb+srv://u:p@cluster0.abc.mongodb.net/db",
            "cluster0.abc.mongodb.net",
        ),
        ("jdbc:postgresql://db.example.com/x", "db.example.com"),
        (
            "https://web.archive.org/web/https://example.com",
            "web.archive.org example.com",
        ),
        ("https://foo.github.io/", "foo.github.io"),
        ("https://github.io/", "github.io"),
        ("https://raw.githubusercontent.com/", "raw.githubusercontent.com"),
        ("https://www.bbc.co.uk/news", "www.bbc.co.uk"),
        ("https://_dmarc.example.com/", "_dmarc.example.com"),
        ("https://xn--bcher-kva.example.com/", "xn--bcher-kva.example.com"),
        ("https://xn--e1afmkfd.xn--p1ai/", "xn--e1afmkfd.xn--p1ai"),
        ("https://b\u{fc}cher.de/", "b\u{fc}cher.de"),
        (
            "https://\u{44f}\u{43d}\u{434}\u{435}\u{43a}\u{441}.\u{440}\u{444}/",
            "\u{44f}\u{43d}\u{434}\u{435}\u{43a}\u{441}.\u{440}\u{444}",
        ),
        ("https://api.example.com/${x}", "api.example.com"),
        ("https://api.example.com:${port}/", "api.example.com"),
        ("https://api.example.com{/path}", "api.example.com"),
        ("https://api.example.com{?q}", "api.example.com"),
        ("http://example.com</a>", "example.com"),
        ("http://example.com<br>text", "example.com"),
        ("**https://example.com**", "example.com"),
        ("next=https://example.com%2Fpath", "example.com"),
        ("^https://example.com$", "example.com"),
        (
            "a,https://a.example.com,https://b.example.com",
            "a.example.com b.example.com",
        ),
        ("xhttps://api.example.com", "api.example.com"),
        ("URLhttp://api.example.com", "api.example.com"),
        ("http://127.0.0.1.nip.io/", "127.0.0.1.nip.io"),
    ]);
}

#[test]
fn addresses_and_localhost_are_hosts() {
    check(&[
        ("http://127.0.0.1:8080/", "127.0.0.1"),
        ("http://169.254.169.254/latest", "169.254.169.254"),
        ("http://10.0.0.1.", "10.0.0.1"),
        ("http://10.0.0.1:${port}", "10.0.0.1"),
        ("redis://localhost:6379", "localhost"),
        ("http://LOCALHOST/", "localhost"),
        ("http://app.localhost:3000", "app.localhost"),
        ("http://[::1]:80/", "::1"),
        ("http://[2001:DB8:0::1]/", "2001:db8::1"),
        ("http://[fe80::1%25eth0]/", "fe80::1"),
        ("http://u:p@[fd00:ec2::254]/", "fd00:ec2::254"),
        ("http://[::ffff:10.0.0.1]/", "10.0.0.1"),
        ("http://3232235777/", "192.168.1.1"),
        ("http://0xC0A80101/", "192.168.1.1"),
        ("http://0x7f.1/", "127.0.0.1"),
        ("http://0177.0.0.01/", "127.0.0.1"),
        ("http://127.1/", "127.0.0.1?"),
        ("http://1.2.3", "1.2.0.3?"),
        ("foo://10.0.0.1/", "10.0.0.1?"),
        ("http://169.254.169.254http", "169.254.169.254?"),
        ("http://localhostGET", "localhost?"),
        ("http://localhost${port}", "localhost?"),
    ]);
}

#[test]
fn text_that_runs_on_is_cut_and_only_possible() {
    check(&[
        ("https://api.github.comgithub", "api.github.com?"),
        ("https://api.github.comGITHUB_API_URLinternal", "api.github.com?"),
        ("https://example.comThe", "example.com?"),
        ("https://github.comPany", "github.com?"),
        ("https://example.com2024", "example.com?"),
        ("https://packages.example.orghttp_proxy", "packages.example.org?"),
        (
            "https://packages.example.orghttps://files.example.org",
            "packages.example.org? files.example.org",
        ),
        ("http://ocsp.accv.es0", "ocsp.accv.es?"),
        ("http://ocsp.digicert.com0A\u{6}", "ocsp.digicert.com?"),
        ("http://ocsp.digicert.com0.\u{6}", "ocsp.digicert.com?"),
        (
            "https://codex.api.example.commasque-credentialsMASQUE",
            "codex.api.example.com?",
        ),
        ("https://gov.example.comevent", "gov.example.com?"),
        ("https://example.comevent", "example.com?"),
        ("https://crates.iohttps://docs.rs/", "crates.io? docs.rs"),
        ("valkey://localhost:6379Invalid", "localhost"),
        ("http://r.pki.goog1\u{b}", "r.pki.goog?"),
        ("https://example.org.Then it", "example.org?"),
        ("https://api.example.com${path}", "api.example.com?"),
        ("https://example.com%s", "example.com?"),
        ("https://example.com\u{83b7}\u{53d6}", "example.com?"),
        ("https://example.com\u{e9}", "example.com?"),
        ("https://example.com...", "example.com?"),
        ("myproto://api.example.com/", "api.example.com?"),
        ("http://www.com/", "www.com?"),
    ]);
}

#[test]
fn what_only_looks_like_a_url_gives_no_host() {
    check(&[
        ("https://${host}/x", ""),
        ("https://${a}.example.com/", ""),
        ("https://api.${region}.example.com/", ""),
        ("https://api{n}.example.com/", ""),
        ("https://api.example.com${x}.evil.org/", ""),
        ("https://%s/x", ""),
        ("https://%s.example.com/", ""),
        ("https://$HOST.example.com", ""),
        ("https://$(hostname).example.com", ""),
        ("https://<host>/x", ""),
        ("https://<your host>.example.com", ""),
        ("https://*.example.com/*", ""),
        ("https://example.*", ""),
        ("https://[host]/", ""),
        ("https://[::g]/", ""),
        ("https://ex%61mple.com/", ""),
        ("https://host:80/path", ""),
        ("https://com/", ""),
        ("https://co.uk/", ""),
        ("https://.example.com/", ""),
        ("https://-a.example/", ""),
        ("https:///example.com", ""),
        ("https://...", ""),
        ("https://example.invalid/", ""),
        ("https://foo.com.invalid/", ""),
        ("https://metadata.corp.internal/", ""),
        ("http://www.interpretation ofrel", ""),
        ("http://www.icon\" href", ""),
        ("http://www.information", ""),
        ("http://www.style=\"float", ""),
        ("https://www.World War II", ""),
        ("http://www.wencodeURIComponent(", ""),
        ("http://interpretedas", ""),
        ("http://lib.common", ""),
        ("http://lib.component", ""),
        ("http://my.network", "my.network"),
        ("http://sys.device", ""),
        ("http://999.1.1.1/", ""),
        ("http://1.2.3.4.5/", ""),
        ("http://8080/", ""),
        ("docker://1.2.3", ""),
        ("lodash://4.17", ""),
        ("file://server.example.com/x", ""),
        ("node://fs.promises.dev", ""),
        ("chrome-extension://abc.example.com/", ""),
        ("profile://x.example.com/", ""),
        ("app://com.example.dev/", ""),
        ("://example.com", ""),
        ("x://example.com", ""),
        ("s3://bucket/key", ""),
        ("abcdefghijklmnopqrstu://example.com", ""),
        ("myproto://api.example.comgithub", ""),
        ("https:/example.com", ""),
    ]);
}

#[test]
fn bare_names_count_only_as_a_whole_quoted_string() {
    check(&[
        ("[\"api.example.com\"]", "api.example.com?"),
        ("'github.com'", "github.com?"),
        ("`example.io`", "example.io?"),
        (r#"{\"h\":\"files.example.org\"}"#, "files.example.org?"),
        ("\"cdn.example.app\"", "cdn.example.app?"),
        ("\"docs.swift.org\",\"x\"", "docs.swift.org?"),
        ("api.example.com", ""),
        ("\"see api.example.com\"", ""),
        ("\"api.example.com/x\"", ""),
        ("\"api.example.com'", ""),
        ("\"Api.example.com\"", ""),
        ("\".com\"", ""),
        ("\"co.com.\"", ""),
        ("\"foo.name\"", ""),
        ("\"process.env\"", ""),
        ("\"lodash.map\"", ""),
        ("\"node.js\"", ""),
        ("\"readme.md\"", ""),
        ("\"index.ts\"", ""),
        ("\"main.py\"", ""),
        ("\"x.sh\"", ""),
        ("\"a.zip\"", ""),
        ("\"vm.app\"", ""),
        ("\"asp.net\"", ""),
        ("\"socket.io\"", ""),
        ("\"com.example.app\"", ""),
        ("\"1.0.dev\"", ""),
        ("\"-a.com\"", ""),
        ("\"a..com\"", ""),
    ]);
}

#[test]
fn slashes_may_be_escaped_as_json_does() {
    for (input, expect) in [
        (r#""https:\/\/api.example.com\/v1""#, "api.example.com"),
        (r"/^https:\/\/example\.com/", ""),
        (r#""http:\/\/localhost""#, "localhost"),
    ] {
        assert_eq!(hosts(&scan(input.as_bytes())), expect, "{input}");
    }
}

#[test]
fn a_hit_tells_where_how_and_what() {
    let scan = scan(b"..https://u:p@Api.Example.com:8443/ http://[::1]:99999/ http://0x7f.1:80");
    let told: Vec<_> = scan
        .hits
        .iter()
        .map(|h| {
            (
                h.url_offset,
                h.span.start(),
                h.span.end(),
                h.scheme.as_str(),
                h.kind.clone(),
                h.port,
            )
        })
        .collect();
    let written = "0x7f.1".to_owned();
    assert_eq!(
        told,
        [
            (2, 14, 29, "https", HostKind::Name, Some(8443)),
            (36, 44, 47, "http", HostKind::Ipv6, None),
            (56, 63, 69, "http", HostKind::ObfuscatedIpv4 { written }, Some(80)),
        ]
    );
}

#[test]
fn labels_and_names_have_the_lengths_of_dns() {
    let label = "a".repeat(63);
    let name = |labels: usize, end: &str| format!("https://{}{end}/", format!("{label}.").repeat(labels));
    for (input, expect) in [
        (format!("https://{label}.com/"), 1),
        (format!("https://{label}a.com/"), 0),
        (name(3, &format!("{}.com", "b".repeat(57))), 1),
        (name(3, &format!("{}.com", "b".repeat(58))), 0),
        (format!("https://{}@example.com/", "u".repeat(1500)), 1),
        (format!("https://api.example.com{}", "z".repeat(9000)), 1),
    ] {
        assert_eq!(scan(input.as_bytes()).hits.len(), expect, "{input}");
    }
}
