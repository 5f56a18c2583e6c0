//! `Model.proto`, `NeuralNetwork.proto` and `MIL.proto`, as of specification version 9.

use crate::format::proto::{Kind, Message, many, one, others};
use Kind::{Bulk, Number, Skip, Text, Unit};

pub(super) static MODEL: Message = Message {
    name: "Model",
    fields: &[
        one(1, "specificationVersion", Number),
        one(2, "description", Kind::Message(&DESCRIPTION)),
        one(10, "isUpdatable", Number),
        one(200, "pipelineClassifier", Kind::Message(&PIPELINE_OF)),
        one(201, "pipelineRegressor", Kind::Message(&PIPELINE_OF)),
        one(202, "pipeline", Kind::Message(&PIPELINE)),
        one(303, "neuralNetworkRegressor", Kind::Message(&NETWORK)),
        one(403, "neuralNetworkClassifier", Kind::Message(&NETWORK)),
        one(500, "neuralNetwork", Kind::Message(&NETWORK)),
        one(502, "mlProgram", Kind::Message(&PROGRAM)),
        one(555, "customModel", Kind::Message(&CUSTOM_MODEL)),
        one(556, "linkedModel", Kind::Message(&LINKED_MODEL)),
        one(3000, "serializedModel", Kind::Message(&SERIALIZED)),
        others(Bulk),
    ],
};

static DESCRIPTION: Message = Message {
    name: "ModelDescription",
    fields: &[
        many(1, "input", Kind::Message(&FEATURE)),
        many(10, "output", Kind::Message(&FEATURE)),
        one(11, "predictedFeatureName", Text),
        one(12, "predictedProbabilitiesName", Text),
        many(13, "state", Kind::Message(&FEATURE)),
        many(20, "functions", Skip),
        one(21, "defaultFunctionName", Text),
        many(50, "trainingInput", Kind::Message(&FEATURE)),
        one(100, "metadata", Kind::Message(&METADATA)),
    ],
};

static FEATURE: Message = Message {
    name: "FeatureDescription",
    fields: &[
        one(1, "name", Text),
        one(2, "shortDescription", Text),
        one(3, "type", Kind::Message(&FEATURE_TYPE)),
    ],
};

static FEATURE_TYPE: Message = Message {
    name: "FeatureType",
    fields: &[others(Skip)],
};

static METADATA: Message = Message {
    name: "Metadata",
    fields: &[
        one(1, "shortDescription", Text),
        one(2, "versionString", Text),
        one(3, "author", Text),
        one(4, "license", Text),
        many(100, "userDefined", Kind::Message(&TEXT_ENTRY)),
    ],
};

static TEXT_ENTRY: Message = Message {
    name: "TextEntry",
    fields: &[one(1, "key", Text), one(2, "value", Text)],
};

static PIPELINE_OF: Message = Message {
    name: "PipelineClassifier",
    fields: &[one(1, "pipeline", Kind::Message(&PIPELINE))],
};

static PIPELINE: Message = Message {
    name: "Pipeline",
    fields: &[many(1, "models", Unit(&MODEL)), many(2, "names", Text)],
};

static NETWORK: Message = Message {
    name: "NeuralNetwork",
    fields: &[
        many(1, "layers", Unit(&LAYER)),
        many(2, "preprocessing", Skip),
        one(5, "arrayInputShapeMapping", Number),
        one(6, "imageInputShapeMapping", Number),
        one(10, "updateParams", Skip),
        one(100, "stringClassLabels", Skip),
        one(101, "int64ClassLabels", Skip),
        one(200, "labelProbabilityLayerName", Text),
    ],
};

static LAYER: Message = Message {
    name: "NeuralNetworkLayer",
    fields: &[
        one(1, "name", Text),
        many(2, "input", Skip),
        many(3, "output", Skip),
        many(4, "inputTensor", Skip),
        many(5, "outputTensor", Skip),
        one(10, "isUpdatable", Number),
        one(100, "convolution", Kind::Message(&CONVOLUTION)),
        one(140, "innerProduct", Kind::Message(&INNER_PRODUCT)),
        one(150, "embedding", Kind::Message(&INNER_PRODUCT)),
        one(160, "batchnorm", Kind::Message(&BATCHNORM)),
        one(500, "custom", Kind::Message(&CUSTOM_LAYER)),
        others(Bulk),
    ],
};

static CONVOLUTION: Message = Message {
    name: "ConvolutionLayerParams",
    fields: &[
        one(90, "weights", Kind::Message(&WEIGHTS)),
        one(91, "bias", Kind::Message(&WEIGHTS)),
        others(Skip),
    ],
};

static INNER_PRODUCT: Message = Message {
    name: "InnerProductLayerParams",
    fields: &[
        one(20, "weights", Kind::Message(&WEIGHTS)),
        one(21, "bias", Kind::Message(&WEIGHTS)),
        others(Skip),
    ],
};

static BATCHNORM: Message = Message {
    name: "BatchnormLayerParams",
    fields: &[
        one(15, "gamma", Kind::Message(&WEIGHTS)),
        one(16, "beta", Kind::Message(&WEIGHTS)),
        one(17, "mean", Kind::Message(&WEIGHTS)),
        one(18, "variance", Kind::Message(&WEIGHTS)),
        others(Skip),
    ],
};

static CUSTOM_LAYER: Message = Message {
    name: "CustomLayerParams",
    fields: &[
        one(10, "className", Text),
        many(20, "weights", Kind::Message(&WEIGHTS)),
        many(30, "parameters", Skip),
        one(40, "description", Skip),
    ],
};

static WEIGHTS: Message = Message {
    name: "WeightParams",
    fields: &[
        many(1, "floatValue", Bulk),
        one(2, "float16Value", Bulk),
        one(30, "rawValue", Bulk),
        one(31, "int8RawValue", Bulk),
        one(40, "quantization", Skip),
        one(50, "isUpdatable", Number),
    ],
};

static CUSTOM_MODEL: Message = Message {
    name: "CustomModel",
    fields: &[
        one(10, "className", Text),
        many(30, "parameters", Skip),
        one(40, "description", Skip),
    ],
};

static LINKED_MODEL: Message = Message {
    name: "LinkedModel",
    fields: &[one(1, "linkedModelFile", Kind::Message(&LINKED_FILE))],
};

static LINKED_FILE: Message = Message {
    name: "LinkedModelFile",
    fields: &[
        one(1, "linkedModelFileName", Kind::Message(&PARAMETER)),
        one(2, "linkedModelSearchPath", Kind::Message(&PARAMETER)),
    ],
};

static PARAMETER: Message = Message {
    name: "StringParameter",
    fields: &[one(1, "defaultValue", Text)],
};

static SERIALIZED: Message = Message {
    name: "SerializedModel",
    fields: &[one(1, "identifier", Text), one(2, "model", Bulk)],
};

static PROGRAM: Message = Message {
    name: "Program",
    fields: &[
        one(1, "version", Number),
        many(2, "functions", Kind::Message(&FUNCTION_ENTRY)),
        one(3, "docString", Skip),
        many(4, "attributes", Kind::Message(&VALUE_ENTRY)),
    ],
};

static FUNCTION_ENTRY: Message = Message {
    name: "FunctionEntry",
    fields: &[one(1, "key", Text), one(2, "value", Unit(&FUNCTION))],
};

static FUNCTION: Message = Message {
    name: "Function",
    fields: &[
        many(1, "inputs", Skip),
        one(2, "opset", Text),
        many(3, "block_specializations", Kind::Message(&BLOCK_ENTRY)),
        many(4, "attributes", Kind::Message(&VALUE_ENTRY)),
    ],
};

static BLOCK_ENTRY: Message = Message {
    name: "BlockEntry",
    fields: &[one(1, "key", Text), one(2, "value", Kind::Message(&BLOCK))],
};

static BLOCK: Message = Message {
    name: "Block",
    fields: &[
        many(1, "inputs", Skip),
        many(2, "outputs", Skip),
        many(3, "operations", Unit(&OPERATION)),
        many(4, "attributes", Kind::Message(&VALUE_ENTRY)),
    ],
};

static OPERATION: Message = Message {
    name: "Operation",
    fields: &[
        one(1, "type", Text),
        many(2, "inputs", Kind::Message(&ARGUMENT_ENTRY)),
        many(3, "outputs", Kind::Message(&NAMED_TYPE)),
        many(4, "blocks", Kind::Message(&BLOCK)),
        many(5, "attributes", Kind::Message(&VALUE_ENTRY)),
    ],
};

static NAMED_TYPE: Message = Message {
    name: "NamedValueType",
    fields: &[one(1, "name", Text), one(2, "type", Skip)],
};

static ARGUMENT_ENTRY: Message = Message {
    name: "ArgumentEntry",
    fields: &[one(1, "key", Text), one(2, "value", Kind::Message(&ARGUMENT))],
};

static ARGUMENT: Message = Message {
    name: "Argument",
    fields: &[many(1, "arguments", Kind::Message(&BINDING))],
};

static BINDING: Message = Message {
    name: "Argument.Binding",
    fields: &[one(1, "name", Skip), one(2, "value", Kind::Message(&VALUE))],
};

static VALUE_ENTRY: Message = Message {
    name: "ValueEntry",
    fields: &[one(1, "key", Text), one(2, "value", Kind::Message(&VALUE))],
};

static VALUE: Message = Message {
    name: "Value",
    fields: &[
        one(1, "docString", Skip),
        one(2, "type", Skip),
        one(3, "immediateValue", Bulk),
        one(5, "blobFileValue", Kind::Message(&BLOB_FILE)),
    ],
};

static BLOB_FILE: Message = Message {
    name: "Value.BlobFileValue",
    fields: &[one(1, "fileName", Text), one(2, "offset", Number)],
};
