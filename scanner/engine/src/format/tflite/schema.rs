//! `schema.fbs` of TensorFlow Lite, version 3c.

use crate::walk::flatbuffer::{Field, Item, Kind, Table};
use Kind::{Scalar, String, Union, Vector};

const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind }
}

const BYTES: Kind = Vector(Item::Scalar(1));
const INTS: Kind = Vector(Item::Scalar(4));
const LONGS: Kind = Vector(Item::Scalar(8));

pub(super) static MODEL: Table = Table {
    name: "Model",
    fields: &[
        field("version", Scalar(4)),
        field("operator_codes", Vector(Item::Table(&OPERATOR_CODE))),
        field("subgraphs", Vector(Item::Table(&SUBGRAPH))),
        field("description", String),
        field("buffers", Vector(Item::Table(&BUFFER))),
        field("metadata_buffer", INTS),
        field("metadata", Vector(Item::Table(&METADATA))),
        field("signature_defs", Vector(Item::Table(&SIGNATURE))),
    ],
};

static OPERATOR_CODE: Table = Table {
    name: "OperatorCode",
    fields: &[
        field("deprecated_builtin_code", Scalar(1)),
        field("custom_code", String),
        field("version", Scalar(4)),
        field("builtin_code", Scalar(4)),
    ],
};

static SUBGRAPH: Table = Table {
    name: "SubGraph",
    fields: &[
        field("tensors", Vector(Item::Table(&TENSOR))),
        field("inputs", INTS),
        field("outputs", INTS),
        field("operators", Vector(Item::Table(&OPERATOR))),
        field("name", String),
        field("debug_metadata_index", Scalar(4)),
    ],
};

static BUFFER: Table = Table {
    name: "Buffer",
    fields: &[
        field("data", Vector(Item::Bulk)),
        field("offset", Scalar(8)),
        field("size", Scalar(8)),
    ],
};

static METADATA: Table = Table {
    name: "Metadata",
    fields: &[field("name", String), field("buffer", Scalar(4))],
};

static SIGNATURE: Table = Table {
    name: "SignatureDef",
    fields: &[
        field("inputs", Vector(Item::Table(&TENSOR_MAP))),
        field("outputs", Vector(Item::Table(&TENSOR_MAP))),
        field("signature_key", String),
        field("deprecated_tag", String),
        field("subgraph_index", Scalar(4)),
    ],
};

static TENSOR_MAP: Table = Table {
    name: "TensorMap",
    fields: &[field("name", String), field("tensor_index", Scalar(4))],
};

static TENSOR: Table = Table {
    name: "Tensor",
    fields: &[
        field("shape", INTS),
        field("type", Scalar(1)),
        field("buffer", Scalar(4)),
        field("name", String),
        field("quantization", Kind::Table(&QUANTIZATION)),
        field("is_variable", Scalar(1)),
        field("sparsity", Kind::Table(&SPARSITY)),
        field("shape_signature", INTS),
        field("has_rank", Scalar(1)),
        field("variant_tensors", Vector(Item::Table(&VARIANT))),
    ],
};

static VARIANT: Table = Table {
    name: "VariantSubType",
    fields: &[
        field("shape", INTS),
        field("type", Scalar(1)),
        field("has_rank", Scalar(1)),
    ],
};

static QUANTIZATION: Table = Table {
    name: "QuantizationParameters",
    fields: &[
        field("min", INTS),
        field("max", INTS),
        field("scale", INTS),
        field("zero_point", LONGS),
        field("details_type", Scalar(1)),
        field("details", Union(&[(1, &CUSTOM_QUANTIZATION)])),
        field("quantized_dimension", Scalar(4)),
    ],
};

static CUSTOM_QUANTIZATION: Table = Table {
    name: "CustomQuantization",
    fields: &[field("custom", Vector(Item::Bulk))],
};

static SPARSITY: Table = Table {
    name: "SparsityParameters",
    fields: &[
        field("traversal_order", INTS),
        field("block_map", INTS),
        field("dim_metadata", Vector(Item::Table(&DIMENSION))),
    ],
};

static DIMENSION: Table = Table {
    name: "DimensionMetadata",
    fields: &[
        field("format", Scalar(1)),
        field("dense_size", Scalar(4)),
        field("array_segments_type", Scalar(1)),
        field("array_segments", SPARSE_INDEX),
        field("array_indices_type", Scalar(1)),
        field("array_indices", SPARSE_INDEX),
    ],
};

const SPARSE_INDEX: Kind = Union(&[(1, &INT32_VECTOR), (2, &UINT16_VECTOR), (3, &UINT8_VECTOR)]);

static INT32_VECTOR: Table = Table {
    name: "Int32Vector",
    fields: &[field("values", INTS)],
};

static UINT16_VECTOR: Table = Table {
    name: "Uint16Vector",
    fields: &[field("values", Vector(Item::Scalar(2)))],
};

static UINT8_VECTOR: Table = Table {
    name: "Uint8Vector",
    fields: &[field("values", BYTES)],
};

static OPERATOR: Table = Table {
    name: "Operator",
    fields: &[
        field("opcode_index", Scalar(4)),
        field("inputs", INTS),
        field("outputs", INTS),
        field("builtin_options_type", Scalar(1)),
        field("builtin_options", Union(OPTIONS)),
        field("custom_options", Vector(Item::Bulk)),
        field("custom_options_format", Scalar(1)),
        field("mutating_variable_inputs", BYTES),
        field("intermediates", INTS),
        field("large_custom_options_offset", Scalar(8)),
        field("large_custom_options_size", Scalar(8)),
        field("builtin_options_2_type", Scalar(1)),
        field("builtin_options_2", Union(OPTIONS_2)),
        field("debug_metadata_index", Scalar(4)),
    ],
};

/// The members of `BuiltinOptions` that refer to something.
const OPTIONS: &[(u8, &Table)] = &[
    (3, &CONCAT_EMBEDDINGS),
    (17, &RESHAPE),
    (30, &SQUEEZE),
    (111, &VAR_HANDLE),
    (115, &BUCKETIZE),
];

static CONCAT_EMBEDDINGS: Table = Table {
    name: "ConcatEmbeddingsOptions",
    fields: &[
        field("num_channels", Scalar(4)),
        field("num_columns_per_channel", INTS),
        field("embedding_dim_per_channel", INTS),
    ],
};

static RESHAPE: Table = Table {
    name: "ReshapeOptions",
    fields: &[field("new_shape", INTS)],
};

static SQUEEZE: Table = Table {
    name: "SqueezeOptions",
    fields: &[field("squeeze_dims", INTS)],
};

static VAR_HANDLE: Table = Table {
    name: "VarHandleOptions",
    fields: &[field("container", String), field("shared_name", String)],
};

static BUCKETIZE: Table = Table {
    name: "BucketizeOptions",
    fields: &[field("boundaries", INTS)],
};

/// The members of `BuiltinOptions2` that refer to something.
const OPTIONS_2: &[(u8, &Table)] = &[
    (2, &BROADCAST_IN_DIM),
    (3, &SLICE),
    (4, &CONVOLUTION),
    (5, &CUSTOM_CALL),
    (6, &REDUCE),
    (7, &SCATTER),
    (9, &DYNAMIC_SLICE),
    (10, &PAD),
    (12, &DOT_GENERAL),
    (13, &REDUCE_WINDOW),
    (16, &GATHER),
    (17, &TRANSPOSE),
    (21, &COMPOSITE),
];

static BROADCAST_IN_DIM: Table = Table {
    name: "StablehloBroadcastInDimOptions",
    fields: &[field("broadcast_dimensions", LONGS)],
};

static SLICE: Table = Table {
    name: "StablehloSliceOptions",
    fields: &[
        field("start_indices", LONGS),
        field("limit_indices", LONGS),
        field("strides", LONGS),
    ],
};

static CONVOLUTION: Table = Table {
    name: "StablehloConvolutionOptions",
    fields: &[
        field("window_strides", LONGS),
        field("padding", LONGS),
        field("lhs_dilation", LONGS),
        field("rhs_dilation", LONGS),
        field("window_reversal", BYTES),
        field("input_batch_dimension", Scalar(8)),
        field("input_feature_dimension", Scalar(8)),
        field("input_spatial_dimensions", LONGS),
        field("kernel_input_feature_dimension", Scalar(8)),
        field("kernel_output_feature_dimension", Scalar(8)),
        field("kernel_spatial_dimensions", LONGS),
        field("output_batch_dimension", Scalar(8)),
        field("output_feature_dimension", Scalar(8)),
        field("output_spatial_dimensions", LONGS),
        field("feature_group_count", Scalar(8)),
        field("batch_group_count", Scalar(8)),
        field("precision_config", INTS),
    ],
};

static CUSTOM_CALL: Table = Table {
    name: "StablehloCustomCallOptions",
    fields: &[
        field("call_target_name", String),
        field("has_side_effect", Scalar(1)),
        field("backend_config", String),
        field("api_version", Scalar(4)),
        field("called_computations", INTS),
        field("custom_attributes", Vector(Item::Bulk)),
    ],
};

static REDUCE: Table = Table {
    name: "StablehloReduceOptions",
    fields: &[field("dimensions", LONGS), field("body_subgraph_index", Scalar(4))],
};

static SCATTER: Table = Table {
    name: "StablehloScatterOptions",
    fields: &[
        field("indices_are_sorted", Scalar(1)),
        field("update_window_dims", LONGS),
        field("inserted_window_dims", LONGS),
        field("scatter_dims_to_operand_dims", LONGS),
        field("index_vector_dim", Scalar(8)),
        field("unique_indices", Scalar(1)),
        field("update_computation_subgraph_index", Scalar(4)),
    ],
};

static DYNAMIC_SLICE: Table = Table {
    name: "StablehloDynamicSliceOptions",
    fields: &[field("slice_sizes", LONGS)],
};

static PAD: Table = Table {
    name: "StablehloPadOptions",
    fields: &[
        field("edge_padding_low", LONGS),
        field("edge_padding_high", LONGS),
        field("interior_padding", LONGS),
    ],
};

static DOT_GENERAL: Table = Table {
    name: "StablehloDotGeneralOptions",
    fields: &[
        field("lhs_batching_dimensions", LONGS),
        field("rhs_batching_dimensions", LONGS),
        field("lhs_contracting_dimensions", LONGS),
        field("rhs_contracting_dimensions", LONGS),
        field("precision_config", INTS),
    ],
};

static REDUCE_WINDOW: Table = Table {
    name: "StablehloReduceWindowOptions",
    fields: &[
        field("window_dimensions", LONGS),
        field("window_strides", LONGS),
        field("base_dilations", LONGS),
        field("window_dilations", LONGS),
        field("padding", LONGS),
        field("body_subgraph_index", Scalar(4)),
    ],
};

static GATHER: Table = Table {
    name: "StablehloGatherOptions",
    fields: &[
        field("offset_dims", LONGS),
        field("collapsed_slice_dims", LONGS),
        field("start_index_map", LONGS),
        field("index_vector_dim", Scalar(8)),
        field("slice_sizes", LONGS),
        field("indices_are_sorted", Scalar(1)),
    ],
};

static TRANSPOSE: Table = Table {
    name: "StablehloTransposeOptions",
    fields: &[field("permutation", LONGS)],
};

static COMPOSITE: Table = Table {
    name: "StableHLOCompositeOptions",
    fields: &[
        field("name", String),
        field("decomposition_subgraph_index", Scalar(4)),
        field("composite_attributes", Vector(Item::Bulk)),
        field("composite_attributes_format", Scalar(1)),
        field("version", Scalar(4)),
    ],
};
