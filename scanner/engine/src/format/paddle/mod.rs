//! PaddlePaddle programs (`framework.proto`): `__model__`, `.pdmodel`; and their parameters, `.pdiparams` ([`params`]).
//!
//! Every operator of every block is told; the variables' types and the operators' attributes are stepped over where they
//! hold numbers, and looked into where they are long.

mod params;
#[cfg(test)]
mod tests;

pub(super) use params::Params;

use super::proto::{
    self, At, Claim, Kind, Message, MessageFormat, Seen, View, Visitor, is_identifier, is_text, many, name_fact, one,
    others,
};
use super::{Format, Input, Parse};
use crate::fact::Fact;
use crate::identify::{Match, Probe};
use crate::ledger::Gaps;
use crate::name::printable;

static PROGRAM: Message = Message {
    name: "ProgramDesc",
    fields: &[
        many(1, "blocks", Kind::Unit(&BLOCK)),
        one(4, "version", Kind::Message(&VERSION)),
        one(5, "op_version_map", Kind::Skip),
    ],
};

static VERSION: Message = Message {
    name: "Version",
    fields: &[one(1, "version", Kind::Number)],
};

static BLOCK: Message = Message {
    name: "BlockDesc",
    fields: &[
        one(1, "idx", Kind::Number),
        one(2, "parent_idx", Kind::Number),
        many(3, "vars", Kind::Message(&VAR)),
        many(4, "ops", Kind::Unit(&OP)),
        one(5, "forward_block_idx", Kind::Number),
    ],
};

static VAR: Message = Message {
    name: "VarDesc",
    fields: &[
        one(1, "name", Kind::Text),
        one(2, "type", Kind::Message(&VAR_TYPE)),
        one(3, "persistable", Kind::Number),
        one(4, "need_check_feed", Kind::Number),
        one(5, "is_parameter", Kind::Number),
        one(6, "stop_gradient", Kind::Number),
        many(7, "attrs", Kind::Message(&ATTR)),
    ],
};

static VAR_TYPE: Message = Message {
    name: "VarType",
    fields: &[one(1, "type", Kind::Number), others(Kind::Skip)],
};

static OP: Message = Message {
    name: "OpDesc",
    fields: &[
        many(1, "inputs", Kind::Message(&OP_VAR)),
        many(2, "outputs", Kind::Message(&OP_VAR)),
        one(3, "type", Kind::Text),
        many(4, "attrs", Kind::Message(&ATTR)),
        one(5, "is_target", Kind::Number),
    ],
};

static OP_VAR: Message = Message {
    name: "OpDesc.Var",
    fields: &[one(1, "parameter", Kind::Text), many(2, "arguments", Kind::Skip)],
};

static ATTR: Message = Message {
    name: "OpDesc.Attr",
    fields: &[
        one(1, "name", Kind::Text),
        one(2, "type", Kind::Number),
        one(3, "i", Kind::Number),
        one(4, "f", Kind::Fixed32),
        one(5, "s", Kind::Text),
        many(6, "ints", Kind::Skip),
        many(7, "floats", Kind::Skip),
        many(8, "strings", Kind::Text),
        one(10, "b", Kind::Number),
        many(11, "bools", Kind::Skip),
        one(12, "block_idx", Kind::Number),
        one(13, "l", Kind::Number),
        many(14, "blocks_idx", Kind::Skip),
        many(15, "longs", Kind::Skip),
        many(16, "float64s", Kind::Skip),
        one(17, "var_name", Kind::Text),
        many(18, "vars_name", Kind::Text),
        one(19, "float64", Kind::Fixed64),
        one(20, "scalar", Kind::Skip),
        many(21, "scalars", Kind::Skip),
    ],
};

/// A PaddlePaddle program.
pub(super) struct Paddle;

impl MessageFormat for Paddle {
    fn recognise(&self, view: &View<'_, '_, '_>) -> bool {
        let (mut blocks, mut variables, mut operators, mut odd) = (0u32, 0u32, 0u32, 0u32);
        let look = proto::look(
            view,
            &PROGRAM,
            &mut |message, field, seen| match (message, field, seen) {
                ("BlockDesc", "idx", Seen::Number(0..=65_535)) => blocks = blocks.saturating_add(1),
                ("VarType", "type", Seen::Number(0..=64)) => variables = variables.saturating_add(1),
                ("OpDesc", "type", Seen::Text(text, _)) if is_identifier(text) => {
                    operators = operators.saturating_add(1)
                }
                (_, _, Seen::Text(text, _)) if !is_text(text) => odd = odd.saturating_add(1),
                _ => {}
            },
        );
        let content = variables > 0 || operators > 0;
        blocks > 0 && content && odd == 0 && look.agrees()
    }
}

impl Format for Paddle {
    fn id(&self) -> &'static str {
        "paddle"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        self.likely(probe)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.gaps(Gaps::Never);
        proto::walk("paddle", input, &PROGRAM, &mut Program::default(), out);
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["pdmodel", "pdprogram", "bin"]
    }
}

/// A program that is being read.
#[derive(Default)]
struct Program {
    operator: String,
    attribute: String,
}

impl Visitor for Program {
    fn end(&mut self, at: &At, out: &mut Parse) -> Option<String> {
        match at.field {
            "ops" => {
                let name = std::mem::take(&mut self.operator);
                let shown = format!("operator {}", printable(name.as_bytes()));
                proto::fact(
                    Fact::Operator {
                        framework: "paddle",
                        domain: "".into(),
                        name: name.into(),
                        node: "".into(),
                        span: at.span,
                    },
                    out,
                );
                Some(shown)
            }
            "blocks" => Some("block".to_owned()),
            "" => Some("program".to_owned()),
            _ => None,
        }
    }

    fn text(&mut self, at: &At, raw: &[u8], out: &mut Parse) {
        match (at.message, at.field) {
            ("VarDesc", "name") => name_fact("variable", raw, at.span, out),
            ("OpDesc", "type") => {
                name_fact("operator", raw, at.span, out);
                self.operator = String::from_utf8_lossy(raw).into_owned();
            }
            ("OpDesc.Attr", "name") => self.attribute = String::from_utf8_lossy(raw).into_owned(),
            _ => {}
        }
    }

    fn bulk(&mut self, _at: &At, _out: &mut Parse) -> Claim {
        Claim::Child(format!("attribute {}", printable(self.attribute.as_bytes())), false)
    }
}
