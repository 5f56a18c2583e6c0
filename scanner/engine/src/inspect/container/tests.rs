use super::*;

fn container<'a>(paths: &[&'a str], excluded: &'a GlobSet) -> Container<'a> {
    let around = Around {
        name: b"here",
        format: "directory",
        excluded,
        whole: true,
    };
    let members = paths.iter().map(|path| {
        let (path, kind) = match path.split_once(" -> ") {
            Some((path, target)) => (
                path,
                Kind::Link(Cow::Owned(join(split(path.as_bytes()).0, target.as_bytes()))),
            ),
            None => (*path, Kind::File),
        };
        Member {
            path: Cow::Borrowed(clean(path.as_bytes())),
            kind,
            span: Span::new(0, 0),
            artifacts: &[],
        }
    });
    Container::of_directory(around, members.collect())
}

fn names<'c>(members: impl Iterator<Item = &'c Member<'c>>) -> Vec<String> {
    members.map(|m| String::from_utf8_lossy(&m.path).into_owned()).collect()
}

#[test]
fn paths_are_joined_without_leaving() {
    for (folder, path, expected) in [
        ("a", "b", "a/b"),
        ("a/b", "../c", "a/c"),
        ("", "./a//b/", "a/b"),
        ("a", "../../b", "/"),
        ("a", "/b", "/"),
        ("", "", ""),
    ] {
        let found = join(folder.as_bytes(), path.as_bytes());
        assert_eq!(String::from_utf8_lossy(&found), expected, "{folder} {path}");
    }
    for (path, expected) in [
        ("a/../b", false),
        ("a/../../b", true),
        ("/a", true),
        ("C:\\a", true),
        ("c:a", true),
        ("..\\a", true),
        ("..a", false),
        ("", false),
    ] {
        assert_eq!(leaves(path), expected, "{path}");
    }
}

#[test]
fn a_folder_is_told_from_its_neighbours_and_from_what_lies_deeper() {
    let none = GlobSet::empty();
    let found = container(
        &[
            "./a",
            "b/x",
            "b/c/d",
            "b/c/e",
            "b/y",
            "b-c/z",
            "b.c",
            "b0/x",
            "b/z -> c/d",
            "b/l -> l",
        ],
        &none,
    );
    assert_eq!(names(found.directly_in(b"")), ["a", "b.c"]);
    assert_eq!(names(found.directly_in(b"b")), ["b/l", "b/x", "b/y", "b/z"]);
    assert_eq!(names(found.directly_in(b"b/c")), ["b/c/d", "b/c/e"]);
    assert_eq!(names(found.directly_in(b"nothing")), [""; 0]);
    assert!(found.has(b"b/c") && found.has(b"b/x") && !found.has(b"b/c/x"));
    assert_eq!(found.file(b"b/z").map(|m| m.path.to_vec()), Some(b"b/c/d".to_vec()));
    assert!(found.file(b"b/l").is_none(), "a link to itself leads nowhere");
}

#[test]
fn what_the_user_left_out_is_not_missing() {
    let mut globs = globset::GlobSetBuilder::new();
    globs.add(globset::Glob::new("*.bin").unwrap());
    globs.add(globset::Glob::new("old").unwrap());
    let globs = globs.build().unwrap();
    let found = container(&[], &globs);
    for (path, expected) in [("a/b.bin", true), ("old/x/y", true), ("a/b.py", false)] {
        assert_eq!(found.is_excluded(path.as_bytes()), expected, "{path}");
    }
}

/// The table and the folder agree: nothing written is left out.
#[test]
fn every_inspection_is_in_the_table() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/inspect/container");
    let module = std::fs::read_to_string(folder.join("mod.rs")).unwrap();
    let mut found = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        for name in text
            .split("impl Inspection for ")
            .skip(1)
            .filter_map(|rest| rest.split(' ').next())
        {
            if path.ends_with("tests.rs") {
                continue;
            }
            found += 1;
            assert!(module.contains(&format!("::{name},\n")), "{name} is not in INSPECTIONS");
        }
    }
    assert_eq!(found, INSPECTIONS.len());
}
