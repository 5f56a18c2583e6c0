//! `program.fbs` of ExecuTorch, as of version 1.0.

use crate::walk::flatbuffer::{Field, Item, Kind, Table};
use Kind::{Scalar, String, Union, Vector};

const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind }
}

const BYTES: Kind = Vector(Item::Scalar(1));
const INTS: Kind = Vector(Item::Scalar(4));
const LONGS: Kind = Vector(Item::Scalar(8));

pub(super) static PROGRAM: Table = Table {
    name: "Program",
    fields: &[
        field("version", Scalar(4)),
        field("execution_plan", Vector(Item::Table(&PLAN))),
        field("constant_buffer", Vector(Item::Table(&BUFFER))),
        field("backend_delegate_data", Vector(Item::Table(&BUFFER))),
        field("segments", Vector(Item::Table(&SEGMENT))),
        field("constant_segment", Kind::Table(&OFFSETS)),
        field("mutable_data_segments", Vector(Item::Table(&OFFSETS))),
        field("named_data", Vector(Item::Table(&NAMED_DATA))),
    ],
};

static NAMED_DATA: Table = Table {
    name: "NamedData",
    fields: &[field("key", String), field("segment_index", Scalar(4))],
};

static BUFFER: Table = Table {
    name: "Buffer",
    fields: &[field("storage", Vector(Item::Bulk))],
};

static SEGMENT: Table = Table {
    name: "DataSegment",
    fields: &[field("offset", Scalar(8)), field("size", Scalar(8))],
};

static OFFSETS: Table = Table {
    name: "SubsegmentOffsets",
    fields: &[field("segment_index", Scalar(4)), field("offsets", LONGS)],
};

static PLAN: Table = Table {
    name: "ExecutionPlan",
    fields: &[
        field("name", String),
        field("container_meta_type", Kind::Table(&CONTAINER)),
        field("values", Vector(Item::Table(&VALUE))),
        field("inputs", INTS),
        field("outputs", INTS),
        field("chains", Vector(Item::Table(&CHAIN))),
        field("operators", Vector(Item::Table(&OPERATOR))),
        field("delegates", Vector(Item::Table(&DELEGATE))),
        field("non_const_buffer_sizes", LONGS),
    ],
};

static CONTAINER: Table = Table {
    name: "ContainerMetadata",
    fields: &[field("encoded_inp_str", String), field("encoded_out_str", String)],
};

static VALUE: Table = Table {
    name: "EValue",
    fields: &[
        field("val_type", Scalar(1)),
        field(
            "val",
            Union(&[
                (2, &NUMBER),
                (3, &NUMBER),
                (4, &NUMBER),
                (5, &TENSOR),
                (6, &TEXT),
                (7, &LONG_LIST),
                (8, &LONG_LIST),
                (9, &BOOL_LIST),
                (10, &INT_LIST),
                (11, &INT_LIST),
            ]),
        ),
    ],
};

static NUMBER: Table = Table {
    name: "Number",
    fields: &[field("value", Scalar(8))],
};

static TEXT: Table = Table {
    name: "String",
    fields: &[field("string_val", String)],
};

static LONG_LIST: Table = Table {
    name: "IntList",
    fields: &[field("items", LONGS)],
};

static BOOL_LIST: Table = Table {
    name: "BoolList",
    fields: &[field("items", BYTES)],
};

static INT_LIST: Table = Table {
    name: "TensorList",
    fields: &[field("items", INTS)],
};

static TENSOR: Table = Table {
    name: "Tensor",
    fields: &[
        field("scalar_type", Scalar(1)),
        field("storage_offset", Scalar(4)),
        field("sizes", INTS),
        field("dim_order", BYTES),
        field("requires_grad", Scalar(1)),
        field("data_buffer_idx", Scalar(4)),
        field("allocation_info", Kind::Table(&ALLOCATION)),
        field("layout", Scalar(1)),
        field("shape_dynamism", Scalar(1)),
        field("extra_tensor_info", Kind::Table(&EXTRA)),
    ],
};

static ALLOCATION: Table = Table {
    name: "AllocationDetails",
    fields: &[
        field("memory_id", Scalar(4)),
        field("memory_offset_low", Scalar(4)),
        field("memory_offset_high", Scalar(4)),
    ],
};

static EXTRA: Table = Table {
    name: "ExtraTensorInfo",
    fields: &[
        field("mutable_data_segments_idx", Scalar(8)),
        field("fully_qualified_name", String),
        field("location", Scalar(1)),
    ],
};

static OPERATOR: Table = Table {
    name: "Operator",
    fields: &[field("name", String), field("overload", String)],
};

static DELEGATE: Table = Table {
    name: "BackendDelegate",
    fields: &[
        field("id", String),
        field("processed", Kind::Table(&REFERENCE)),
        field("compile_specs", Vector(Item::Table(&SPEC))),
    ],
};

static REFERENCE: Table = Table {
    name: "BackendDelegateDataReference",
    fields: &[field("location", Scalar(1)), field("index", Scalar(4))],
};

static SPEC: Table = Table {
    name: "CompileSpec",
    fields: &[field("key", String), field("value", Vector(Item::Bulk))],
};

static CHAIN: Table = Table {
    name: "Chain",
    fields: &[
        field("inputs", INTS),
        field("outputs", INTS),
        field("instructions", Vector(Item::Table(&INSTRUCTION))),
        field("stacktrace", Vector(Item::Table(&FRAMES))),
    ],
};

static INSTRUCTION: Table = Table {
    name: "Instruction",
    fields: &[
        field("instr_args_type", Scalar(1)),
        field(
            "instr_args",
            Union(&[(1, &CALL), (2, &CALL), (3, &MOVE), (4, &MOVE), (5, &MOVE)]),
        ),
    ],
};

static CALL: Table = Table {
    name: "KernelCall",
    fields: &[field("op_index", Scalar(4)), field("args", INTS)],
};

static MOVE: Table = Table {
    name: "MoveCall",
    fields: &[field("move_from", Scalar(4)), field("move_to", Scalar(4))],
};

static FRAMES: Table = Table {
    name: "FrameList",
    fields: &[field("items", Vector(Item::Table(&FRAME)))],
};

static FRAME: Table = Table {
    name: "Frame",
    fields: &[
        field("filename", String),
        field("lineno", Scalar(4)),
        field("name", String),
        field("context", String),
    ],
};
