//! Names that are awkward to write down.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use super::place::Place;
use super::watched::acts;

fn act(place: &Place, name: &str, form: &str) -> super::watched::Seen {
    let dir = place.text("a");
    let mut setup = Command::new(acts());
    setup.args(["setup", "--dir", &dir]);
    assert!(setup.status().unwrap().success());
    let rules = format!(
        "[[file]]\naccess = [\"read\", \"write\", \"create\", \"delete\"]\npaths = [\"{dir}/allowed\", \"{dir}/allowed/**\"]\n"
    );
    place.watch(&rules).act(&["run", name, "--dir", &dir, "--form", form])
}

#[test]
fn awkward_names_are_judged_and_told() {
    let Some(place) = Place::new() else { return };
    place.directory("a");
    for name in ["name-not-utf8", "name-newline", "name-deleted"] {
        act(&place, name, "declared").declared();
        let seen = act(&place, name, "undeclared");
        assert_eq!(seen.code(), 120, "{}", seen.said());
        let told: Vec<String> = seen.acts();
        assert_eq!(told.len(), 1, "{}", seen.said());
        match name {
            "name-not-utf8" => {
                let objects = seen.events.iter().map(|event| &event["object"]);
                let odd: Vec<_> = objects.filter(|object| object["path_b64"].is_string()).collect();
                assert!(odd.len() == 1 && odd[0]["path"].is_null(), "{odd:?}");
            }
            "name-newline" => assert!(told[0].contains('\n'), "{told:?}"),
            _ => assert!(told[0].contains("(deleted)"), "{told:?}"),
        }
    }
}

#[test]
fn a_rule_may_name_what_is_not_utf8_only_by_wildcard() {
    let Some(place) = Place::new() else { return };
    let dir = place.directory("n");
    let odd = dir.join(OsStr::from_bytes(b"odd\xff\xfename"));
    std::fs::write(odd, "x\n").unwrap();
    let rules = format!(
        "[[file]]\naccess = [\"read\"]\npaths = [\"{0}\", \"{0}/odd*\"]\n",
        place.text("n")
    );
    let script = format!("for f in {}/odd*; do read x < \"$f\"; done", place.text("n"));
    place.watch(&rules).sh(&script).declared();
}

#[test]
fn a_path_near_the_limit_is_judged_and_one_beyond_is_not_silent() {
    let Some(place) = Place::new() else { return };
    place.directory("a");
    act(&place, "path-deep-near", "declared").declared();
    for name in ["path-deep-near", "path-deep-over"] {
        let seen = act(&place, name, "undeclared");
        assert!([120, 121].contains(&seen.code()), "{name}: {}", seen.said());
        assert!(!seen.acts().is_empty(), "{name}: {}", seen.said());
    }
}
