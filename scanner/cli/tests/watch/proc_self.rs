//! `/proc/self`: the kernel's path has a number where the rule says `self`.

use super::place::Place;

#[test]
fn a_process_reads_its_own_status_as_self() {
    let Some(place) = Place::new() else { return };
    let rules = "[[file]]\naccess = [\"read\"]\npaths = [\"/proc/self/status\", \"/proc/self/task/*/comm\"]\n";
    place
        .watch(rules)
        .sh("read x < /proc/self/status; read x < /proc/$$/status; read x < /proc/thread-self/comm")
        .declared();
    let seen = place
        .watch(rules)
        .sh("read x < /proc/self/stat; read x < /proc/1/status; echo $$");
    let own = String::from_utf8_lossy(&seen.stdout).trim().to_owned();
    seen.violates(&[
        format!("undeclared file.open /proc/{own}/stat"),
        "undeclared file.open /proc/1/status".to_owned(),
    ]);
}

#[test]
fn the_status_of_a_parent_is_not_self() {
    let Some(place) = Place::new() else { return };
    let rules = "[[file]]\naccess = [\"read\"]\npaths = [\"/proc/self/status\"]\n";
    let seen = place.watch(rules).sh("echo $$; (read x < /proc/$$/status)");
    let own = String::from_utf8_lossy(&seen.stdout).trim().to_owned();
    seen.violates(&[format!("undeclared file.open /proc/{own}/status")]);
}

#[test]
fn what_is_denied_for_every_process_is_denied_for_oneself() {
    let Some(place) = Place::new() else { return };
    for denied in [
        "/proc/*/environ",
        "/proc/self/environ",
        "/proc/[0-9]*/environ",
        "/proc/**/environ",
    ] {
        let rules = format!(
            "[[file]]\naccess = [\"read\"]\npaths = [\"/proc/**\"]\n[[file]]\ndeny = [\"read\"]\npaths = [\"{denied}\"]\n"
        );
        let seen = place
            .watch(&rules)
            .sh("read x < /proc/self/status; read x < /proc/self/environ; echo $$");
        let own = String::from_utf8_lossy(&seen.stdout).trim().to_owned();
        seen.violates(&[format!("denied file.open /proc/{own}/environ")]);
    }
}
