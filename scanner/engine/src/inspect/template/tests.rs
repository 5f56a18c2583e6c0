//! Every hostile template is told with its case; every published one is quiet.

use super::*;
use probity_tests::build::template::{CONDITIONAL, HOSTILE, PUBLISHED};

fn found(text: &str, chat: bool) -> Vec<(&'static str, Option<&'static str>, String)> {
    let subject = Subject {
        name: Cow::Borrowed("chat_template"),
        text,
        place: Place::Whole,
        chat,
    };
    let mut out = Findings::default();
    judge(&subject, &mut out);
    out.close().into_iter().map(|f| (f.code, f.case, f.message)).collect()
}

#[test]
fn templates_in_the_manner_of_published_ones_are_quiet() {
    for (name, text) in PUBLISHED {
        let grave: Vec<_> = found(text, true)
            .into_iter()
            .filter(|(_, case, _)| *case != Some("introspection"))
            .collect();
        assert_eq!(grave, [], "{name}");
    }
}

#[test]
fn what_leads_out_of_the_engine_is_told_however_it_is_spelt() {
    for (name, text, case) in HOSTILE {
        let all = found(text, true);
        let own: Vec<_> = all
            .iter()
            .filter(|(code, ..)| *code == code::TEMPLATE_INJECTION)
            .map(|(_, case, _)| case.unwrap_or("-"))
            .collect();
        assert_eq!(own, [*case], "{name}: {all:?}");
        let inside = format!("{{% for m in messages %}}{{{{ m.content }}}}\n{text}{{% endfor %}}");
        let again = found(&inside, true);
        let told = again.iter().find(|(_, found, _)| *found == Some(case));
        assert!(
            told.is_some_and(|(.., message)| message.contains("line 2")),
            "{name}: {again:?}"
        );
    }
}

#[test]
fn other_jinja_files_are_held_to_the_grave_cases_only() {
    for (name, text, case) in HOSTILE {
        let grave = matches!(*case, "escape" | "assembled" | "unread");
        assert_eq!(found(text, false).is_empty(), !grave, "{name}");
    }
    for (name, text, _) in CONDITIONAL {
        assert_eq!(found(text, false), [], "{name}");
    }
}

#[test]
fn a_prompt_that_waits_is_told_with_what_it_waits_for() {
    for (name, text, case) in CONDITIONAL {
        let own: Vec<_> = found(text, true)
            .into_iter()
            .map(|(code, case, _)| (code, case))
            .collect();
        assert_eq!(own, [(code::CONDITIONAL_PROMPT, Some(*case))], "{name}");
        // The same prompt for everyone is a system prompt.
        let always = text.replace("'password' in messages[-1].content", "true");
        if always != *text {
            assert_eq!(found(&always, true), [], "{name}");
        }
    }
}

#[test]
fn a_broken_or_endless_template_is_told_once() {
    let broken = found("{% if a %}{{ b ? }}{% endfor %}", true);
    assert_eq!(broken.len(), 1, "{broken:?}");
    assert_eq!((broken[0].0, broken[0].1), (code::MALFORMED, Some("lenient")));
    assert!(broken[0].2.contains("and 2 more"), "{broken:?}");
    let long = found(&"{{ a }}".repeat(jinja::LONGEST / 7 + 1), true);
    assert_eq!(
        long.iter().map(|f| (f.0, f.1)).collect::<Vec<_>>(),
        [(code::MALFORMED, None)]
    );
}

#[test]
fn evaluation_of_hostile_sizes_is_bounded() {
    let doubling = format!(
        "{{% set a = '__x' %}}{}{{{{ x[a] }}}}",
        "{% set a = a ~ a %}".repeat(2_000)
    );
    let wide = format!("{{{{ {} }}}}", "'a' ~ ".repeat(20_000) + "'b'");
    let alternatives: String = (0..2_000)
        .map(|n| format!("{{% set a = '{n}' %}}{{% set b = a ~ b %}}"))
        .collect();
    let deep = "{% if 'word' in message.content %}".repeat(20_000) + "a b c d e f";
    for text in [doubling, wide, alternatives, deep] {
        assert!(found(&text, true).len() < 200);
    }
}
