//! Standard input and inherited descriptors pass through; none of the watcher's does.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use crate::Test;
use crate::watcher::{Scene, text};

pub(crate) const TESTS: &[Test] = &[
    ("standard_input_passes_through", stdin),
    ("the_command_has_the_descriptors_it_would_have_without_us", no_leak),
    ("inherited_files_are_kept_and_listed", files),
    ("an_inherited_socket_is_listed_with_its_peer", socket),
];

fn stdin() {
    let scene = Scene::new();
    let mut child = scene
        .contain(&[], &["cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let data = vec![b'x'; 300_000];
    let mut input = child.stdin.take().expect("piped");
    let writer = std::thread::spawn(move || input.write_all(&data));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("no panic").expect("all was read");
    assert_eq!(output.stdout.len(), 300_000);
    scene.assert_clean();
}

fn no_leak() {
    let scene = Scene::new();
    let (out, kept) = (scene.path("out"), scene.path("kept"));
    let list = |front: &str| {
        let script = format!(
            "exec 7>>{} 8</dev/null; exec {front} ls -l /proc/self/fd",
            kept.display()
        );
        let file = std::fs::File::create(&out).expect("a file");
        let status = Command::new("sh")
            .args(["-c", &script])
            .stdin(Stdio::null())
            .stdout(file)
            .status()
            .expect("sh runs");
        assert!(status.success(), "{script}");
        let listing = std::fs::read_to_string(&out).expect("the listing");
        let links = listing.lines().filter_map(|line| {
            line.split_once(" -> ").map(|(left, target)| {
                (
                    left.rsplit(' ').next().unwrap_or_default().to_owned(),
                    target.to_owned(),
                )
            })
        });
        // The directory that ls itself has open.
        links
            .filter(|(_, target)| !target.starts_with("/proc/"))
            .collect::<Vec<_>>()
    };
    let direct = list("");
    assert!(
        direct
            .iter()
            .any(|(fd, target)| fd == "7" && *target == kept.display().to_string()),
        "{direct:?}"
    );
    assert_eq!(list(&format!("{} --", scene.contain_line())), direct);
    scene.assert_clean();
}

fn files() {
    let scene = Scene::new();
    let kept = scene.path("kept");
    let script = format!(
        "exec 7>>{} 8</etc/passwd; exec {} -- sh -c 'echo x >&7'",
        kept.display(),
        scene.contain_line()
    );
    let status = Command::new("sh")
        .args(["-c", &script])
        .stdin(Stdio::null())
        .status()
        .expect("sh runs");
    assert!(status.success());
    assert_eq!(std::fs::read_to_string(&kept).expect("written"), "x\n");
    let prepared = scene.report("prepared");
    let entry = |fd: i32| {
        prepared["inherited"]
            .as_array()
            .and_then(|all| all.iter().find(|e| e["fd"] == fd))
            .cloned()
    };
    let writable = entry(7).expect("7 is listed");
    assert_eq!(
        (&writable["kind"], &writable["access"], &writable["hole"]),
        (&"file".into(), &"write".into(), &true.into()),
    );
    assert_eq!(writable["target"], kept.to_str().expect("UTF-8"));
    let readable = entry(8).expect("8 is listed");
    assert_eq!(
        (&readable["access"], &readable["hole"]),
        (&"read".into(), &false.into())
    );
    assert_eq!(entry(0).expect("0 is listed")["kind"], "device");
}

fn socket() {
    let scene = Scene::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("bound");
    let theirs = TcpStream::connect(address).expect("loopback");
    let local = theirs.local_addr().expect("connected");
    let (mut ours, _) = listener.accept().expect("loopback");
    let output = scene
        .contain(&[], &["sh", "-c", "echo through >&0"])
        .stdin(OwnedFd::from(theirs))
        .output();
    let output = output.expect("it runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let mut got = String::new();
    // The end comes at once: neither the watcher nor its guardian holds the socket any more.
    ours.read_to_string(&mut got).expect("loopback");
    assert_eq!(got, "through\n");
    let entry = &scene.report("prepared")["inherited"][0];
    let kind = &entry["kind"];
    assert_eq!(
        (&kind["family"], &kind["type"], &kind["protocol"]),
        (&"inet".into(), &"stream".into(), &6.into())
    );
    assert_eq!(
        (&kind["local"], &kind["peer"]),
        (&local.to_string().into(), &address.to_string().into())
    );
    assert_eq!((&entry["fd"], &entry["hole"]), (&0.into(), &true.into()));
}
