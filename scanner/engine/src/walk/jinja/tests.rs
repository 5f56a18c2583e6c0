//! The tree of small templates, the rules that broken ones break, and bounds.

use super::*;
use proptest::prelude::*;

/// An expression in prefix notation.
fn shown(t: &Template, id: NodeId) -> String {
    let all = |ids: &[NodeId]| ids.iter().map(|id| format!(" {}", shown(t, *id))).collect::<String>();
    match &t.nodes[id].kind {
        NodeKind::Name(name) => name.to_string(),
        NodeKind::Text(text) => format!("{text:?}"),
        NodeKind::Number(number) => number.to_string(),
        NodeKind::Constant => "const".into(),
        NodeKind::Missing => "_".into(),
        NodeKind::List(items) => format!("[{}]", all(items).trim()),
        NodeKind::Dict(items) => format!("{{{}}}", all(items).trim()),
        NodeKind::Attribute(value, name) => format!("{}.{name}", shown(t, *value)),
        NodeKind::Item(value, key) => format!("{}[{}]", shown(t, *value), shown(t, *key)),
        NodeKind::Slice(value, parts) => format!("{}[:{}]", shown(t, *value), all(parts)),
        NodeKind::Call(value, arguments) => format!("(call {}{})", shown(t, *value), all(arguments)),
        NodeKind::Keyword(name, value) => format!("{name}={}", shown(t, *value)),
        NodeKind::Filter(value, name, arguments) => format!("(|{name} {}{})", shown(t, *value), all(arguments)),
        NodeKind::Test(value, name, arguments) => format!("(is-{name} {}{})", shown(t, *value), all(arguments)),
        NodeKind::Unary(operator, value) => format!("({operator} {})", shown(t, *value)),
        NodeKind::Binary(operator, a, b) => format!("({operator} {} {})", shown(t, *a), shown(t, *b)),
        NodeKind::Choice(value, condition, other) => {
            let other = other.map(|o| format!(" {}", shown(t, o))).unwrap_or_default();
            format!("(if {} {}{other})", shown(t, *condition), shown(t, *value))
        }
    }
}

fn value(expression: &str) -> String {
    let template = Template::read(&format!("{{{{ {expression} }}}}"));
    match (template.pieces.as_slice(), template.faults.as_slice()) {
        (
            [
                Piece {
                    kind: PieceKind::Output(node),
                    ..
                },
            ],
            [],
        ) => shown(&template, *node),
        (_, faults) => faults.iter().map(|f| format!("! {}", f.rule)).collect(),
    }
}

#[test]
fn expressions_bind_as_the_reference_binds_them() {
    for (expression, expected) in [
        ("a", "a"),
        ("'a' \"b\" 'c'", "\"abc\""),
        (r"'\x5f\137\u005f\'\q'", "\"___'\\\\q\""),
        ("a.b['c'][0].d(1, x=2)", "(call a.b[\"c\"][0].d 1 x=2)"),
        ("a + b * c ~ d - e", "(- (+ a (~ (* b c) d)) e)"),
        ("not a in b and c or d", "(or (and (not (in a b)) c) d)"),
        ("a not in b", "(not in a b)"),
        ("-a|abs + 1", "(+ (- (|abs a)) 1)"),
        ("a|join(', ')|upper == 'X'", "(== (|upper (|join a \", \")) \"X\")"),
        (
            "a is defined and b is not none",
            "(and (is-defined a) (not (is-none b)))",
        ),
        ("a is divisibleby 3 or b", "(or (is-divisibleby a 3) b)"),
        ("a is sameas(b.c)", "(is-sameas a b.c)"),
        ("x if a else y if b else z", "(if a x (if b y z))"),
        ("x if a if b else c else y", "(if (if b a c) x y)"),
        ("x if a", "(if a x)"),
        ("a[::-1]", "a[: _ _ (- 1)]"),
        ("a[1:]", "a[: 1 _]"),
        ("a[:n - 1]", "a[: _ (- n 1)]"),
        ("{'a': [1, 2,], 'b': {}, 'c': ()}", "{\"a\" [1 2] \"b\" {} \"c\" []}"),
        ("(a, b), (c)", "[[a b] c]"),
        ("f()()[g()]", "(call (call f))[(call g)]"),
        ("a.0.b", "a[0].b"),
        ("1.5 + 2", "(+ 1.5 2)"),
        ("[x if y else z, w]", "[(if y x z) w]"),
        ("f(*args, **kw)", "(call f (* args) (** kw))"),
        ("{'a': {'b': 1}}", "{\"a\" {\"b\" 1}}"),
        ("a <= b != c", "(!= (<= a b) c)"),
        ("a if not b[-1].c else 'd' ~ e", "(if (not b[(- 1)].c) a (~ \"d\" e))"),
    ] {
        assert_eq!(value(expression), expected, "{expression}");
    }
}

#[test]
fn broken_expressions_name_the_rule() {
    for (expression, rule) in [
        ("", "an expression that is empty"),
        ("a +", "an operator without its operand"),
        ("a b", "a token where a tag should end"),
        ("(a", "brackets that do not match"),
        ("a)", "brackets that do not match"),
        ("(a]", "brackets that do not match"),
        ("'a", "a string without an end"),
        ("a | ", "a filter without a name"),
        ("a.", "a point without a name behind it"),
        ("a ? b", "a character that begins no token"),
        ("a else b", "an else without its if"),
        ("f(,)", "a token where a value should stand"),
        ("a is", "a test without a name"),
    ] {
        let template = Template::read(&format!("{{{{ {expression} }}}}"));
        let rules: Vec<_> = template.faults.iter().map(|f| f.rule).collect();
        assert_eq!(rules, [rule], "{expression}");
    }
}

fn at(offset: u64) -> usize {
    usize::try_from(offset).unwrap()
}

/// The pieces, one a line, with the block they stand in.
fn pieces(text: &str) -> Vec<String> {
    let t = Template::read(text);
    assert_eq!(t.faults, [], "{text}");
    t.pieces
        .iter()
        .map(|p| {
            let what = match &p.kind {
                PieceKind::Text => format!("{:?}", &text[at(p.span.start())..at(p.span.end())]),
                PieceKind::Output(node) => format!("out {}", shown(&t, *node)),
                PieceKind::Set(targets, node) => format!("set {} {}", targets.join(","), shown(&t, *node)),
                PieceKind::Value(node) => format!("do {}", shown(&t, *node)),
                PieceKind::Other(tag, node) => format!("{tag} {}", shown(&t, *node)),
                PieceKind::Open(block) => match &t.blocks[*block].kind {
                    BlockKind::Branch(Some(node), before) => format!("if {} {}", shown(&t, *node), before.is_some()),
                    BlockKind::Branch(None, _) => "else".into(),
                    BlockKind::Loop(names, items, test) => {
                        let test = test.map(|n| format!(" if {}", shown(&t, n))).unwrap_or_default();
                        format!("for {} {}{test}", names.join(","), shown(&t, *items))
                    }
                    BlockKind::Macro(name, parameters) => format!("macro {name} {}", parameters.join(",")),
                    BlockKind::Capture(name) => format!("capture {name}"),
                    BlockKind::Tag(tag) => tag.to_string(),
                    BlockKind::Root => "root".into(),
                },
            };
            format!("{}: {what}", p.block)
        })
        .collect()
}

#[test]
fn tags_become_pieces_and_blocks() {
    assert_eq!(
        pieces(
            "{# c {{ x }} #}a{%- for k, v in m.items() if v recursive +%}{{- k -}}{% else %}n{% endfor %}{% if a %}1{% elif \
             b %}2{% else %}3{% endif %}"
        ),
        [
            "0: \"a\"",
            "0: for k,v (call m.items) if v",
            "1: out k",
            "0: for",
            "2: \"n\"",
            "0: if a false",
            "3: \"1\"",
            "0: if b true",
            "4: \"2\"",
            "0: else",
            "5: \"3\"",
        ]
    );
    assert_eq!(
        pieces(
            "{% set ns.a = 1 %}{% set x, y = 1, 2 %}{% set z %}t{{ x }}{% endset %}{% macro m(a, b='c') %}{% endmacro %}{% \
             generation %}{% raw %}{{ x }}{%- endraw %}{% endgeneration %}{% do l.append(1) %}{% include 'a' ignore \
             missing %}{% from 'b' import c %}{% call(u) m(1) %}{% endcall %}{% with a = 1, b = 2 %}{% break %}{% endwith \
             %}{% filter upper %}{% endfilter %}"
        ),
        [
            "0: set ns.a 1",
            "0: set x,y [1 2]",
            "0: capture z",
            "1: \"t\"",
            "1: out x",
            "0: set b \"c\"",
            "0: macro m a,b",
            "0: generation",
            "3: \"{{ x }}\"",
            "0: do (call l.append 1)",
            "0: include \"a\"",
            "0: from \"b\"",
            "0: out (call m 1)",
            "0: call",
            "0: set a 1",
            "0: set b 2",
            "0: with",
            "0: do upper",
            "0: filter",
        ]
    );
}

#[test]
fn broken_tags_name_the_rule_and_reading_goes_on() {
    for (text, rule) in [
        ("{% if a %}", "a block without an end"),
        ("{% endif %}", "an end tag that closes nothing"),
        (
            "{% for a in b %}{% endif %}{% endfor %}",
            "an end tag that closes nothing",
        ),
        ("{% else %}", "an else or elif without its if"),
        ("{% for a b %}", "a loop without `in`"),
        ("{% unknown %}", "a tag that no engine for chat templates knows"),
        ("{% %}", "a tag without a name"),
        ("{# x", "a comment without an end"),
        ("{% raw %}x", "a raw block without an end"),
        ("{% set = 1 %}", "an assignment without a name"),
        ("{% macro m %}", "a macro without its parameters"),
        ("{{ a", "a tag without an end"),
        ("{{ '}}", "a string without an end"),
    ] {
        let template = Template::read(&format!("{text}\n"));
        assert_eq!(template.faults.first().map(|f| f.rule), Some(rule), "{text}");
    }
    let template = Template::read("{{ a ? }}{{ b }}");
    assert_eq!((template.faults.len(), template.pieces.len()), (1, 1));
}

#[test]
fn runs_of_any_length_are_bounded_in_depth_and_number() {
    for text in [
        format!("{{{{ {}a }}}}", "-".repeat(90_000)),
        format!("{{{{ {}a }}}}", "not ".repeat(90_000)),
        format!("{{{{ {}a{} }}}}", "(".repeat(40_000), ")".repeat(40_000)),
        format!("{{{{ a{} }}}}", "[0]".repeat(30_000)),
        format!("{{{{ {}a }}}}", "a if b else ".repeat(20_000)),
        format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(40_000)),
        "{% if a %}".repeat(60_000),
        "{#".repeat(400_000),
        "{##}".repeat(200_000),
        "{{".repeat(20_000),
        "{% raw %}".repeat(50_000),
        "{{ a }}".repeat(140_000),
    ] {
        let template = Template::read(&text);
        assert!(template.nodes.len().max(template.blocks.len()) <= MOST);
        assert!(template.faults.len() <= Template::FAULTS);
    }
    assert!(Template::read(&"a".repeat(LONGEST + 1)).cut);
    assert!(!Template::read(&"a".repeat(LONGEST)).cut);
    assert_eq!(line("a\nb\nc", 4), 3);
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in "([{}%#'\"|.,:=()\\[\\]+ -]|if|else|for|in|is|not|set|end|raw|a|1|\\\\x5f){0,60}") {
        let template = Template::read(&text);
        for node in &template.nodes {
            prop_assert!(at(node.span.end()) <= text.len());
        }
        for (id, node) in template.nodes.iter().enumerate() {
            let operands: Vec<NodeId> = match &node.kind {
                NodeKind::Attribute(v, _) | NodeKind::Keyword(_, v) | NodeKind::Unary(_, v) => vec![*v],
                NodeKind::Item(v, k) | NodeKind::Binary(_, v, k) => vec![*v, *k],
                NodeKind::Call(v, a) | NodeKind::Filter(v, _, a) | NodeKind::Test(v, _, a) | NodeKind::Slice(v, a) => {
                    a.iter().copied().chain([*v]).collect()
                }
                NodeKind::Choice(a, b, c) => [*a, *b].into_iter().chain(*c).collect(),
                NodeKind::List(a) | NodeKind::Dict(a) => a.clone(),
                _ => Vec::new(),
            };
            prop_assert!(operands.iter().all(|o| *o < id), "an operand stands behind its node");
        }
    }
}
