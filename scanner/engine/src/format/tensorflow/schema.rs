//! `saved_model.proto`, `meta_graph.proto`, `graph.proto` and what they use, as of TensorFlow 2.20.

use crate::format::proto::{Kind, Message, many, one, others};
use Kind::{Bulk, Fixed32, Number, Skip, Text, Unit};

pub(super) static SAVED_MODEL: Message = Message {
    name: "SavedModel",
    fields: &[
        one(1, "saved_model_schema_version", Number),
        many(2, "meta_graphs", Unit(&META_GRAPH)),
    ],
};

pub(super) static META_GRAPH: Message = Message {
    name: "MetaGraphDef",
    fields: &[
        one(1, "meta_info_def", Kind::Message(&META_INFO)),
        one(2, "graph_def", Unit(&GRAPH)),
        one(3, "saver_def", Kind::Message(&SAVER)),
        many(4, "collection_def", Kind::Message(&COLLECTION_ENTRY)),
        many(5, "signature_def", Kind::Message(&SIGNATURE_ENTRY)),
        many(6, "asset_file_def", Kind::Message(&ASSET)),
        one(7, "object_graph_def", Unit(&OBJECT_GRAPH)),
    ],
};

static META_INFO: Message = Message {
    name: "MetaInfoDef",
    fields: &[
        one(1, "meta_graph_version", Text),
        one(2, "stripped_op_list", Kind::Message(&OP_LIST)),
        one(3, "any_info", Kind::Message(&ANY)),
        many(4, "tags", Text),
        one(5, "tensorflow_version", Text),
        one(6, "tensorflow_git_version", Text),
        one(7, "stripped_default_attrs", Number),
        many(8, "function_aliases", Kind::Message(&TEXT_ENTRY)),
    ],
};

static ANY: Message = Message {
    name: "Any",
    fields: &[one(1, "type_url", Text), one(2, "value", Bulk)],
};

static TEXT_ENTRY: Message = Message {
    name: "TextEntry",
    fields: &[one(1, "key", Text), one(2, "value", Text)],
};

static OP_LIST: Message = Message {
    name: "OpList",
    fields: &[many(1, "op", Kind::Message(&OP))],
};

static OP: Message = Message {
    name: "OpDef",
    fields: &[
        one(1, "name", Text),
        many(2, "input_arg", Kind::Message(&ARG)),
        many(3, "output_arg", Kind::Message(&ARG)),
        many(4, "attr", Kind::Message(&OP_ATTR)),
        one(5, "summary", Skip),
        one(6, "description", Skip),
        one(8, "deprecation", Skip),
        one(16, "is_aggregate", Number),
        one(17, "is_stateful", Number),
        one(18, "is_commutative", Number),
        one(19, "allows_uninitialized_input", Number),
        many(20, "control_output", Skip),
        one(21, "is_distributed_communication", Number),
    ],
};

static ARG: Message = Message {
    name: "ArgDef",
    fields: &[
        one(1, "name", Text),
        one(2, "description", Skip),
        one(3, "type", Number),
        one(4, "type_attr", Skip),
        one(5, "number_attr", Skip),
        one(6, "type_list_attr", Skip),
        many(7, "handle_data", Skip),
        one(16, "is_ref", Number),
        one(17, "experimental_full_type", Skip),
    ],
};

static OP_ATTR: Message = Message {
    name: "AttrDef",
    fields: &[
        one(1, "name", Text),
        one(2, "type", Text),
        one(3, "default_value", Kind::Message(&VALUE)),
        one(4, "description", Skip),
        one(5, "has_minimum", Number),
        one(6, "minimum", Number),
        one(7, "allowed_values", Kind::Message(&VALUE)),
    ],
};

pub(super) static GRAPH: Message = Message {
    name: "GraphDef",
    fields: &[
        many(1, "node", Unit(&NODE)),
        one(2, "library", Unit(&LIBRARY)),
        one(3, "version", Number),
        one(4, "versions", Kind::Message(&VERSIONS)),
        one(5, "debug_info", Kind::Message(&DEBUG_INFO)),
    ],
};

static DEBUG_INFO: Message = Message {
    name: "GraphDebugInfo",
    fields: &[others(Skip)],
};

static VERSIONS: Message = Message {
    name: "VersionDef",
    fields: &[
        one(1, "producer", Number),
        one(2, "min_consumer", Number),
        many(3, "bad_consumers", Number),
    ],
};

static NODE: Message = Message {
    name: "NodeDef",
    fields: &[
        one(1, "name", Text),
        one(2, "op", Text),
        many(3, "input", Skip),
        one(4, "device", Skip),
        many(5, "attr", Kind::Message(&ATTR)),
        one(6, "experimental_debug_info", Kind::Message(&NODE_DEBUG)),
        one(7, "experimental_type", Kind::Message(&FULL_TYPE)),
    ],
};

static NODE_DEBUG: Message = Message {
    name: "NodeDef.ExperimentalDebugInfo",
    fields: &[
        many(1, "original_node_names", Skip),
        many(2, "original_func_names", Skip),
    ],
};

static FULL_TYPE: Message = Message {
    name: "FullTypeDef",
    fields: &[
        one(1, "type_id", Number),
        many(2, "args", Kind::Message(&FULL_TYPE)),
        one(3, "s", Skip),
        one(4, "i", Number),
    ],
};

static ATTR: Message = Message {
    name: "AttrEntry",
    fields: &[one(1, "key", Text), one(2, "value", Kind::Message(&VALUE))],
};

static VALUE: Message = Message {
    name: "AttrValue",
    fields: &[
        one(1, "list", Kind::Message(&LIST)),
        one(2, "s", Text),
        one(3, "i", Number),
        one(4, "f", Fixed32),
        one(5, "b", Number),
        one(6, "type", Number),
        one(7, "shape", Kind::Message(&SHAPE)),
        one(8, "tensor", Kind::Message(&TENSOR)),
        one(9, "placeholder", Skip),
        one(10, "func", Kind::Message(&NAME_ATTRS)),
    ],
};

static LIST: Message = Message {
    name: "AttrValue.ListValue",
    fields: &[
        many(2, "s", Text),
        many(3, "i", Skip),
        many(4, "f", Skip),
        many(5, "b", Skip),
        many(6, "type", Skip),
        many(7, "shape", Kind::Message(&SHAPE)),
        many(8, "tensor", Kind::Message(&TENSOR)),
        many(9, "func", Kind::Message(&NAME_ATTRS)),
    ],
};

static NAME_ATTRS: Message = Message {
    name: "NameAttrList",
    fields: &[one(1, "name", Text), many(2, "attr", Kind::Message(&ATTR))],
};

static SHAPE: Message = Message {
    name: "TensorShapeProto",
    fields: &[many(2, "dim", Kind::Message(&DIM)), one(3, "unknown_rank", Number)],
};

static DIM: Message = Message {
    name: "TensorShapeProto.Dim",
    fields: &[one(1, "size", Number), one(2, "name", Skip)],
};

static TENSOR: Message = Message {
    name: "TensorProto",
    fields: &[
        one(1, "dtype", Number),
        one(2, "tensor_shape", Kind::Message(&SHAPE)),
        one(3, "version_number", Number),
        one(4, "tensor_content", Bulk),
        many(5, "float_val", Bulk),
        many(6, "double_val", Bulk),
        many(7, "int_val", Bulk),
        many(8, "string_val", Text),
        many(9, "scomplex_val", Bulk),
        many(10, "int64_val", Bulk),
        many(11, "bool_val", Bulk),
        many(12, "dcomplex_val", Bulk),
        many(13, "half_val", Bulk),
        many(14, "resource_handle_val", Skip),
        many(15, "variant_val", Skip),
        many(16, "uint32_val", Bulk),
        many(17, "uint64_val", Bulk),
        one(18, "float8_val", Bulk),
    ],
};

static LIBRARY: Message = Message {
    name: "FunctionDefLibrary",
    fields: &[
        many(1, "function", Unit(&FUNCTION)),
        many(2, "gradient", Kind::Message(&TEXT_ENTRY)),
        many(3, "registered_gradients", Kind::Message(&TEXT_ENTRY)),
    ],
};

static FUNCTION: Message = Message {
    name: "FunctionDef",
    fields: &[
        one(1, "signature", Kind::Message(&OP)),
        many(3, "node_def", Unit(&NODE)),
        many(4, "ret", Kind::Message(&TEXT_ENTRY)),
        many(5, "attr", Kind::Message(&ATTR)),
        many(6, "control_ret", Kind::Message(&TEXT_ENTRY)),
        many(7, "arg_attr", Kind::Message(&ARG_ATTR)),
        many(8, "resource_arg_unique_id", Skip),
    ],
};

static ARG_ATTR: Message = Message {
    name: "ArgAttrEntry",
    fields: &[one(1, "key", Number), one(2, "value", Kind::Message(&ARG_ATTRS))],
};

static ARG_ATTRS: Message = Message {
    name: "ArgAttrs",
    fields: &[many(1, "attr", Kind::Message(&ATTR))],
};

static SAVER: Message = Message {
    name: "SaverDef",
    fields: &[
        one(1, "filename_tensor_name", Text),
        one(2, "save_tensor_name", Text),
        one(3, "restore_op_name", Text),
        one(4, "max_to_keep", Number),
        one(5, "sharded", Number),
        one(6, "keep_checkpoint_every_n_hours", Fixed32),
        one(7, "version", Number),
    ],
};

static COLLECTION_ENTRY: Message = Message {
    name: "CollectionEntry",
    fields: &[one(1, "key", Text), one(2, "value", Kind::Message(&COLLECTION))],
};

static COLLECTION: Message = Message {
    name: "CollectionDef",
    fields: &[
        one(1, "node_list", Kind::Message(&VALUES)),
        one(2, "bytes_list", Kind::Message(&VALUES)),
        one(3, "int64_list", Skip),
        one(4, "float_list", Skip),
        one(5, "any_list", Kind::Message(&ANY_LIST)),
    ],
};

static VALUES: Message = Message {
    name: "CollectionDef.BytesList",
    fields: &[many(1, "value", Text)],
};

static ANY_LIST: Message = Message {
    name: "CollectionDef.AnyList",
    fields: &[many(1, "value", Kind::Message(&ANY))],
};

static SIGNATURE_ENTRY: Message = Message {
    name: "SignatureEntry",
    fields: &[one(1, "key", Text), one(2, "value", Kind::Message(&SIGNATURE))],
};

static SIGNATURE: Message = Message {
    name: "SignatureDef",
    fields: &[
        many(1, "inputs", Kind::Message(&TENSOR_INFO_ENTRY)),
        many(2, "outputs", Kind::Message(&TENSOR_INFO_ENTRY)),
        one(3, "method_name", Text),
        many(4, "defaults", Kind::Message(&DEFAULT_ENTRY)),
    ],
};

static DEFAULT_ENTRY: Message = Message {
    name: "DefaultEntry",
    fields: &[one(1, "key", Text), one(2, "value", Kind::Message(&TENSOR))],
};

static TENSOR_INFO_ENTRY: Message = Message {
    name: "TensorInfoEntry",
    fields: &[one(1, "key", Text), one(2, "value", Kind::Message(&TENSOR_INFO))],
};

static TENSOR_INFO: Message = Message {
    name: "TensorInfo",
    fields: &[
        one(1, "name", Text),
        one(2, "dtype", Number),
        one(3, "tensor_shape", Kind::Message(&SHAPE)),
        one(4, "coo_sparse", Skip),
        one(5, "composite_tensor", Skip),
    ],
};

static ASSET: Message = Message {
    name: "AssetFileDef",
    fields: &[
        one(1, "tensor_info", Kind::Message(&TENSOR_INFO)),
        one(2, "filename", Text),
    ],
};

static OBJECT_GRAPH: Message = Message {
    name: "SavedObjectGraph",
    fields: &[
        many(1, "nodes", Kind::Message(&OBJECT)),
        many(2, "concrete_functions", Skip),
    ],
};

static OBJECT: Message = Message {
    name: "SavedObject",
    fields: &[
        many(1, "children", Skip),
        many(3, "slot_variables", Skip),
        one(4, "user_object", Kind::Message(&USER_OBJECT)),
        one(5, "asset", Skip),
        one(6, "function", Skip),
        one(7, "variable", Skip),
        one(8, "bare_concrete_function", Skip),
        one(9, "constant", Skip),
        one(10, "resource", Skip),
        many(11, "saveable_objects", Skip),
        one(12, "captured_tensor", Skip),
        one(13, "registered_name", Text),
        one(14, "serialized_user_proto", Kind::Message(&ANY)),
        many(15, "dependencies", Skip),
        one(16, "registered_saver", Text),
    ],
};

static USER_OBJECT: Message = Message {
    name: "SavedUserObject",
    fields: &[
        one(1, "identifier", Text),
        one(2, "version", Kind::Message(&VERSIONS)),
        one(3, "metadata", Bulk),
    ],
};

/// `saved_metadata.proto` of Keras 2.
pub(super) static KERAS_METADATA: Message = Message {
    name: "SavedMetadata",
    fields: &[many(1, "nodes", Unit(&KERAS_NODE))],
};

static KERAS_NODE: Message = Message {
    name: "keras.SavedObject",
    fields: &[
        one(1, "deprecated", Number),
        one(2, "node_id", Number),
        one(3, "node_path", Text),
        one(4, "identifier", Text),
        one(5, "metadata", Bulk),
        one(6, "version", Kind::Message(&VERSIONS)),
    ],
};
