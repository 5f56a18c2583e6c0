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

/// The injections told of a file called `name`, with the nested path of the artifact and what stands at their place.
fn scanned(name: &str, bytes: &[u8]) -> Vec<(Option<String>, &'static str, String)> {
    let scanner = crate::pipeline::Scanner::new(crate::pipeline::Options {
        jobs: 1,
        ..crate::pipeline::Options::default()
    })
    .unwrap();
    let report = scanner.scan_bytes(name, bytes.to_vec());
    let mut found = Vec::new();
    for artifact in &report.artifacts {
        for finding in artifact.findings.iter().map(|j| &j.finding) {
            if finding.code == code::TEMPLATE_INJECTION {
                let at = usize::try_from(finding.span.start()).unwrap()..usize::try_from(finding.span.end()).unwrap();
                let place = if artifact.nested.is_none() {
                    String::from_utf8_lossy(&bytes[at]).into_owned()
                } else {
                    String::new()
                };
                found.push((artifact.nested.clone(), finding.case.unwrap_or("-"), place));
            }
        }
    }
    found
}

#[test]
fn templates_are_found_where_models_keep_them() {
    use probity_tests::build::gguf::{Gguf, Value};
    let evil = "{% for m in messages %}{{ m.__globals__ }}{% endfor %}";
    let mut model = Gguf::new(3, false);
    model.kv.push(("tokenizer.chat_template.rag".into(), Value::text(evil)));
    let nested = Some("tokenizer.chat_template.rag".to_owned());
    assert_eq!(scanned("m.gguf", &model.build()), [(nested, "escape", String::new())]);

    let place = "m.__globals__".to_owned();
    assert_eq!(
        scanned("chat_template.jinja", evil.as_bytes()),
        [(None, "escape", place.clone())]
    );
    assert_eq!(scanned("page.html.j2", evil.as_bytes()), [(None, "escape", place)]);
    assert_eq!(scanned("notes.txt", evil.as_bytes()), []);

    let string = format!("\"{evil}\"");
    for (name, document) in [
        (
            "tokenizer_config.json",
            format!("{{\"chat_template\": {string}, \"a\": 1}}"),
        ),
        (
            "tokenizer_config.json",
            format!("{{\"a\": NaN, \"chat_template\": {string}}}"),
        ),
        (
            "x.json",
            format!("{{\"chat_template\": [{{\"name\": \"n\", \"template\": {string}}}]}}"),
        ),
        (
            "x.json",
            format!("{{\"a\": Infinity, \"chat_template\" : [{{\"name\": \"n\", \"template\":{string}}}]}}"),
        ),
    ] {
        let found = scanned(name, document.as_bytes());
        assert_eq!(found, [(None, "escape", string.clone())], "{document}");
    }
}
