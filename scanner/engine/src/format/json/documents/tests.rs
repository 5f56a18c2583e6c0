//! Each kind of document: what is read of it, and what looks like it and is not.

use crate::fact::Fact;
use crate::finding::code;
use crate::format::Parse;

fn parse(document: &str) -> Parse {
    Parse::of_bytes(&super::super::Json, document.as_bytes())
}

fn templates(document: &str) -> Vec<(String, String, String)> {
    let found = parse(document);
    let each = |fact: &Fact| match fact {
        Fact::Template { name, text, span } => {
            let at = usize::try_from(span.start()).unwrap()..usize::try_from(span.end()).unwrap();
            Some((name.to_string(), text.to_string(), document[at].to_owned()))
        }
        _ => None,
    };
    found.facts().iter().filter_map(each).collect()
}

#[test]
fn templates_are_handed_over_in_every_form() {
    for (document, expected) in [
        (
            r#"{"chat_template": "a\nb"}"#,
            vec![("chat_template", "a\nb", r#""a\nb""#)],
        ),
        (r#"{"chat_template": null, "template": "x", "name": "y"}"#, vec![]),
        (
            r#"{"chat_template": [{"name": "default", "template": "a"}, {"template": "b", "name": "rag"}, {"template": "c"}]}"#,
            vec![
                ("chat_template default", "a", r#""a""#),
                ("chat_template rag", "b", r#""b""#),
                ("chat_template without a name", "c", r#""c""#),
            ],
        ),
        (
            r#"{"chat_template": {"tool_use": "a"}, "x": {"chat_template": "b"}}"#,
            vec![
                ("chat_template tool_use", "a", r#""a""#),
                ("chat_template", "b", r#""b""#),
            ],
        ),
        (
            "{\"\\u0063hat_template\": \"a\"}",
            vec![("chat_template", "a", r#""a""#)],
        ),
        (
            r#"{"chat_template": "a", "chat_template": "b"}"#,
            vec![("chat_template", "a", r#""a""#), ("chat_template", "b", r#""b""#)],
        ),
        (r#"{"text": "chat_template"}"#, vec![]),
    ] {
        let found = templates(document);
        let found: Vec<_> = found
            .iter()
            .map(|(a, b, c)| (a.as_str(), b.as_str(), c.as_str()))
            .collect();
        assert_eq!(found, expected, "{document}");
    }
    let many = format!(
        "{{{}\"chat_template\": \"a\"}}",
        "\"chat_template\": \"a\",".repeat(300)
    );
    let found = parse(&many);
    assert_eq!(found.errors().len(), 1);
}

#[test]
fn configured_callables_are_facts() {
    let found = parse(r#"{"model": {"_target_": "nemo.A", "x": [{"_target_": "os.system"}]}, "target": "_target_"}"#);
    let names: Vec<_> = found
        .facts()
        .iter()
        .filter_map(|f| match f {
            Fact::Configured { name, .. } => Some(&**name),
            _ => None,
        })
        .collect();
    assert_eq!(names, ["nemo.A", "os.system"]);
}

#[test]
fn skops_nodes_name_what_their_loader_makes() {
    let node = |module: &str, class: &str, loader: &str| {
        format!(r#"{{"__class__": "{class}", "__module__": "{module}", "__loader__": "{loader}", "content": {{}}}}"#)
    };
    for (module, class, loader, expected) in [
        ("sklearn.svm", "SVC", "ObjectNode", None),
        ("builtins", "dict", "DictNode", None),
        ("numpy", "ndarray", "NdArrayNode", None),
        ("functools", "partial", "PartialNode", None),
        ("my.models", "Net", "ObjectNode", Some("Called")),
        ("posix", "system", "FunctionNode", Some("Named")),
        ("operator", "methodcaller", "OperatorFuncNode", Some("Called")),
        ("builtins", "eval", "FunctionNode", Some("Named")),
    ] {
        let found = parse(&node(module, class, loader));
        let uses: Vec<String> = found
            .facts()
            .iter()
            .filter_map(|f| match f {
                Fact::Callable { usage, .. } => Some(format!("{usage:?}")),
                _ => None,
            })
            .collect();
        assert_eq!(uses.first().map(String::as_str), expected, "{module}.{class}");
    }
    let nested = format!(
        r#"{{"protocol": 2, "content": [{}], "__loader__": "X"}}"#,
        node("a", "b", "ObjectNode")
    );
    assert_eq!(parse(&nested).facts().len(), 1);
}

#[test]
fn added_tokens_that_contradict_each_other_are_told() {
    let cases = |document: &str| -> Vec<&'static str> {
        let found = parse(document);
        let own = found.findings().iter().filter(|f| f.code == code::TOKENIZER_ODDITY);
        own.map(|f| f.case.unwrap_or("-")).collect()
    };
    let document = |tokens: &str| format!(r#"{{"version": "1.0", "added_tokens": [{tokens}], "model": {{}}}}"#);
    let token = |id: u32, content: &str| format!(r#"{{"id": {id}, "content": "{content}", "special": true}}"#);
    let pair = |a: String, b: String| document(&format!("{a},{b}"));
    assert_eq!(cases(&pair(token(1, "<s>"), token(2, "</s>"))), [""; 0]);
    assert_eq!(cases(&pair(token(1, "<s>"), token(1, "</s>"))), ["duplicate-id"]);
    assert_eq!(cases(&pair(token(1, "<s>"), token(2, "<s>"))), ["duplicate-token"]);
    assert_eq!(cases(&document(&token(1, "see https://example.com/a"))), ["url"]);
    assert_eq!(cases(&document(&token(1, &"word ".repeat(60)))), ["long"]);
    assert_eq!(
        cases(r#"{"added_tokens": ["a", "a"], "x": {"added_tokens": [{"id": 1, "content": "://"}]}}"#),
        [""; 0]
    );
}

#[test]
fn a_serving_archive_with_a_handler_of_its_own_is_told() {
    let manifest = |handler: &str| {
        format!(
            r#"{{"createdOn": "", "runtime": "python", "model": {{"modelName": "m", "handler": "{handler}"}}, "archiverVersion": "0.9.0"}}"#
        )
    };
    let told = |document: &str| parse(document).findings().iter().any(|f| f.code == code::BUNDLED_CODE);
    assert!(told(&manifest("handler.py")) && told(&manifest("service:handle")));
    assert!(!told(&manifest("image_classifier")));
    assert!(!told(r#"{"model": {"handler": "a.py"}, "x": "archiverVersion"}"#));
}
