//! `onnx.proto3`, as of ONNX 1.20 (IR version 13), with the fields that older versions had.

use crate::format::proto::{Kind, Message, many, one};
use Kind::{Bulk, Fixed32, Number, Skip, Text, Unit};

pub(super) static MODEL: Message = Message {
    name: "ModelProto",
    fields: &[
        one(1, "ir_version", Number),
        one(2, "producer_name", Text),
        one(3, "producer_version", Text),
        one(4, "domain", Text),
        one(5, "model_version", Number),
        one(6, "doc_string", Skip),
        one(7, "graph", Unit(&GRAPH)),
        many(8, "opset_import", Kind::Message(&OPERATOR_SET)),
        many(14, "metadata_props", Kind::Message(&ENTRY)),
        many(20, "training_info", Unit(&TRAINING)),
        many(25, "functions", Unit(&FUNCTION)),
        many(26, "configuration", Kind::Message(&DEVICES)),
    ],
};

static OPERATOR_SET: Message = Message {
    name: "OperatorSetIdProto",
    fields: &[one(1, "domain", Text), one(2, "version", Number)],
};

static ENTRY: Message = Message {
    name: "StringStringEntryProto",
    fields: &[one(1, "key", Text), one(2, "value", Text)],
};

static GRAPH: Message = Message {
    name: "GraphProto",
    fields: &[
        many(1, "node", Unit(&NODE)),
        one(2, "name", Text),
        many(5, "initializer", Unit(&TENSOR)),
        one(10, "doc_string", Skip),
        many(11, "input", Kind::Message(&VALUE_INFO)),
        many(12, "output", Kind::Message(&VALUE_INFO)),
        many(13, "value_info", Kind::Message(&VALUE_INFO)),
        many(14, "quantization_annotation", Kind::Message(&ANNOTATION)),
        many(15, "sparse_initializer", Kind::Message(&SPARSE_TENSOR)),
        many(16, "metadata_props", Kind::Message(&ENTRY)),
    ],
};

static NODE: Message = Message {
    name: "NodeProto",
    fields: &[
        many(1, "input", Skip),
        many(2, "output", Skip),
        one(3, "name", Text),
        one(4, "op_type", Text),
        many(5, "attribute", Kind::Message(&ATTRIBUTE)),
        one(6, "doc_string", Skip),
        one(7, "domain", Text),
        one(8, "overload", Text),
        many(9, "metadata_props", Kind::Message(&ENTRY)),
        many(10, "device_configurations", Kind::Message(&NODE_DEVICES)),
    ],
};

static ATTRIBUTE: Message = Message {
    name: "AttributeProto",
    fields: &[
        one(1, "name", Text),
        one(2, "f", Fixed32),
        one(3, "i", Number),
        one(4, "s", Text),
        one(5, "t", Kind::Message(&TENSOR)),
        one(6, "g", Kind::Message(&GRAPH)),
        many(7, "floats", Skip),
        many(8, "ints", Skip),
        many(9, "strings", Text),
        many(10, "tensors", Kind::Message(&TENSOR)),
        many(11, "graphs", Kind::Message(&GRAPH)),
        one(13, "doc_string", Skip),
        one(14, "tp", Kind::Message(&TYPE)),
        many(15, "type_protos", Kind::Message(&TYPE)),
        one(20, "type", Number),
        one(21, "ref_attr_name", Text),
        one(22, "sparse_tensor", Kind::Message(&SPARSE_TENSOR)),
        many(23, "sparse_tensors", Kind::Message(&SPARSE_TENSOR)),
    ],
};

pub(super) static TENSOR: Message = Message {
    name: "TensorProto",
    fields: &[
        many(1, "dims", Number),
        one(2, "data_type", Number),
        one(3, "segment", Kind::Message(&SEGMENT)),
        many(4, "float_data", Bulk),
        many(5, "int32_data", Bulk),
        many(6, "string_data", Bulk),
        many(7, "int64_data", Bulk),
        one(8, "name", Text),
        one(9, "raw_data", Bulk),
        many(10, "double_data", Bulk),
        many(11, "uint64_data", Bulk),
        one(12, "doc_string", Skip),
        many(13, "external_data", Kind::Message(&ENTRY)),
        one(14, "data_location", Number),
        many(16, "metadata_props", Kind::Message(&ENTRY)),
    ],
};

static SEGMENT: Message = Message {
    name: "TensorProto.Segment",
    fields: &[one(1, "begin", Number), one(2, "end", Number)],
};

static SPARSE_TENSOR: Message = Message {
    name: "SparseTensorProto",
    fields: &[
        one(1, "values", Unit(&TENSOR)),
        one(2, "indices", Unit(&TENSOR)),
        many(3, "dims", Number),
    ],
};

static VALUE_INFO: Message = Message {
    name: "ValueInfoProto",
    fields: &[
        one(1, "name", Text),
        one(2, "type", Kind::Message(&TYPE)),
        one(3, "doc_string", Skip),
        many(4, "metadata_props", Kind::Message(&ENTRY)),
    ],
};

static TYPE: Message = Message {
    name: "TypeProto",
    fields: &[
        one(1, "tensor_type", Kind::Message(&TENSOR_TYPE)),
        one(4, "sequence_type", Kind::Message(&ELEMENT_TYPE)),
        one(5, "map_type", Kind::Message(&MAP_TYPE)),
        one(6, "denotation", Text),
        one(7, "opaque_type", Kind::Message(&OPAQUE_TYPE)),
        one(8, "sparse_tensor_type", Kind::Message(&TENSOR_TYPE)),
        one(9, "optional_type", Kind::Message(&ELEMENT_TYPE)),
    ],
};

static TENSOR_TYPE: Message = Message {
    name: "TypeProto.Tensor",
    fields: &[one(1, "elem_type", Number), one(2, "shape", Kind::Message(&SHAPE))],
};

static ELEMENT_TYPE: Message = Message {
    name: "TypeProto.Sequence",
    fields: &[one(1, "elem_type", Kind::Message(&TYPE))],
};

static MAP_TYPE: Message = Message {
    name: "TypeProto.Map",
    fields: &[one(1, "key_type", Number), one(2, "value_type", Kind::Message(&TYPE))],
};

static OPAQUE_TYPE: Message = Message {
    name: "TypeProto.Opaque",
    fields: &[one(1, "domain", Text), one(2, "name", Text)],
};

static SHAPE: Message = Message {
    name: "TensorShapeProto",
    fields: &[many(1, "dim", Kind::Message(&DIMENSION))],
};

static DIMENSION: Message = Message {
    name: "TensorShapeProto.Dimension",
    fields: &[
        one(1, "dim_value", Number),
        one(2, "dim_param", Skip),
        one(3, "denotation", Skip),
    ],
};

static ANNOTATION: Message = Message {
    name: "TensorAnnotation",
    fields: &[
        one(1, "tensor_name", Skip),
        many(2, "quant_parameter_tensor_names", Kind::Message(&ENTRY)),
    ],
};

static TRAINING: Message = Message {
    name: "TrainingInfoProto",
    fields: &[
        one(1, "initialization", Kind::Message(&GRAPH)),
        one(2, "algorithm", Kind::Message(&GRAPH)),
        many(3, "initialization_binding", Kind::Message(&ENTRY)),
        many(4, "update_binding", Kind::Message(&ENTRY)),
    ],
};

static FUNCTION: Message = Message {
    name: "FunctionProto",
    fields: &[
        one(1, "name", Text),
        one(2, "since_version", Number),
        one(3, "status", Number),
        many(4, "input", Skip),
        many(5, "output", Skip),
        many(6, "attribute", Skip),
        many(7, "node", Unit(&NODE)),
        one(8, "doc_string", Skip),
        many(9, "opset_import", Kind::Message(&OPERATOR_SET)),
        one(10, "domain", Text),
        many(11, "attribute_proto", Kind::Message(&ATTRIBUTE)),
        many(12, "value_info", Kind::Message(&VALUE_INFO)),
        one(13, "overload", Text),
        many(14, "metadata_props", Kind::Message(&ENTRY)),
    ],
};

static DEVICES: Message = Message {
    name: "DeviceConfigurationProto",
    fields: &[
        one(1, "name", Text),
        one(2, "num_devices", Number),
        many(3, "device", Text),
    ],
};

static NODE_DEVICES: Message = Message {
    name: "NodeDeviceConfigurationProto",
    fields: &[
        one(1, "configuration_id", Text),
        many(2, "sharding_spec", Kind::Message(&SHARDING)),
        one(3, "pipeline_stage", Number),
    ],
};

static SHARDING: Message = Message {
    name: "ShardingSpecProto",
    fields: &[
        one(1, "tensor_name", Skip),
        many(2, "device", Number),
        many(3, "index_to_device_group_map", Skip),
        many(4, "sharded_dim", Skip),
    ],
};
