//! Small models of the other protobuf formats: Core ML, SentencePiece, Caffe, PaddlePaddle.

use super::protobuf::Proto;
use super::safetensors::weights;

/// A Core ML model whose kind is `field`, with the content `model`.
pub fn coreml(field: u32, model: &Proto) -> Proto {
    let kind = Proto::new().message(5, &Proto::new().packed(1, &[4]));
    let feature = |name: &str| Proto::new().text(1, name).message(3, &kind);
    let description = Proto::new()
        .message(1, &feature("image"))
        .message(10, &feature("label"));
    Proto::new().number(1, 4).message(2, &description).message(field, model)
}

/// A Core ML neural network with an inner product of twelve weights, and `more` layers.
pub fn coreml_network(more: &[Proto]) -> Proto {
    let product = Proto::new()
        .number(1, 3)
        .message(20, &Proto::new().bytes(1, &weights(12)));
    let layer = Proto::new()
        .text(1, "dense")
        .text(2, "x")
        .text(3, "y")
        .message(140, &product);
    let network = Proto::new().message(1, &layer);
    coreml(
        500,
        &more.iter().fold(network, |network, layer| network.message(1, layer)),
    )
}

/// A Core ML layer that a class of the application implements.
pub fn coreml_custom_layer(class: &str) -> Proto {
    Proto::new().text(1, "own").message(500, &Proto::new().text(10, class))
}

/// A Core ML program of one operation whose weights lie in `file`.
pub fn coreml_program(operator: &str, file: &str) -> Proto {
    let blob = Proto::new().message(5, &Proto::new().text(1, file).number(2, 64));
    let argument = Proto::new().message(1, &Proto::new().message(2, &blob));
    let operation = Proto::new()
        .text(1, operator)
        .message(2, &Proto::new().text(1, "val").message(2, &argument))
        .message(3, &Proto::new().text(1, "out"));
    let block = Proto::new().text(2, "out").message(3, &operation);
    let function = Proto::new()
        .text(2, "CoreML5")
        .message(3, &Proto::new().text(1, "CoreML5").message(2, &block));
    let program = Proto::new()
        .number(1, 1)
        .message(2, &Proto::new().text(1, "main").message(2, &function));
    coreml(502, &program)
}

/// A SentencePiece model of these pieces.
pub fn sentencepiece(pieces: &[&str]) -> Proto {
    let model = pieces.iter().enumerate().fold(Proto::new(), |model, (at, piece)| {
        let entry = Proto::new().text(1, piece).fixed32(2, (-(at as f32)).to_bits());
        model.message(1, &if at < 3 { entry.number(3, 3) } else { entry })
    });
    let trainer = Proto::new().number(3, 1).number(4, pieces.len() as u64);
    let normalizer = Proto::new().text(1, "nmt_nfkc").bytes(2, &[7; 40]);
    model.message(2, &trainer).message(3, &normalizer)
}

/// A Caffe network of one layer with weights, and `more` layers as (name, type).
pub fn caffe(more: &[(&str, &str)]) -> Proto {
    let blob = Proto::new()
        .message(7, &Proto::new().packed(1, &[4, 3]))
        .bytes(5, &weights(12));
    let layer = Proto::new()
        .text(1, "dense")
        .text(2, "InnerProduct")
        .text(3, "data")
        .text(4, "out")
        .message(7, &blob);
    let net = Proto::new().text(1, "net").message(100, &layer);
    more.iter().fold(net, |net, (name, kind)| {
        let layer = Proto::new().text(1, name).text(2, kind).text(3, "out").text(4, "end");
        let python = Proto::new().text(1, "layers").text(2, "Layer");
        net.message(
            100,
            &if *kind == "Python" {
                layer.message(130, &python)
            } else {
                layer
            },
        )
    })
}

/// A PaddlePaddle program with these operators.
pub fn paddle(operators: &[&str]) -> Proto {
    let variable = Proto::new()
        .text(1, "w")
        .message(2, &Proto::new().number(1, 7))
        .number(3, 1);
    let block = Proto::new().number(1, 0).number(2, u64::MAX).message(3, &variable);
    let block = operators.iter().fold(block, |block, operator| {
        let input = Proto::new().text(1, "X").text(2, "w");
        block.message(4, &Proto::new().message(1, &input).text(3, operator))
    });
    Proto::new().message(1, &block).message(4, &Proto::new().number(1, 0))
}

/// PaddlePaddle parameters: one tensor of f32 for each shape.
pub fn paddle_params(shapes: &[&[u64]]) -> Vec<u8> {
    let mut out = Vec::new();
    for shape in shapes {
        let description = shape
            .iter()
            .fold(Proto::new().number(1, 5), |d, dim| d.number(2, *dim))
            .0;
        out.extend([0; 16]);
        out.extend((description.len() as u32).to_le_bytes());
        out.extend(&description);
        out.extend(weights(shape.iter().product::<u64>() as usize));
    }
    out
}

/// A checkpoint's index: for each tensor of f32 its name, shape, and place in the shard.
pub fn checkpoint(tensors: &[(&str, &[u64], u64)]) -> Vec<u8> {
    let header = Proto::new().number(1, 1).message(3, &Proto::new().number(1, 1));
    let mut data = block(&[(String::new(), header.0)]);
    if !tensors.is_empty() {
        let mut entries = vec![(
            String::new(),
            Proto::new().number(1, 1).message(3, &Proto::new().number(1, 1)).0,
        )];
        for (name, shape, offset) in tensors {
            let dims = shape
                .iter()
                .fold(Proto::new(), |dims, dim| dims.message(2, &Proto::new().number(1, *dim)));
            let size = shape.iter().fold(4u64, |n, dim| n.wrapping_mul(*dim));
            let entry = Proto::new()
                .number(1, 1)
                .message(2, &dims)
                .number(4, *offset)
                .number(5, size)
                .fixed32(6, 7);
            entries.push(((*name).to_owned(), entry.0));
        }
        data = block(&entries);
    }
    let mut out = Vec::new();
    let mut place = |block: &[u8]| {
        let handle = [
            super::protobuf::varint(out.len() as u64),
            super::protobuf::varint(block.len() as u64),
        ]
        .concat();
        out.extend_from_slice(block);
        out.extend([0, 1, 2, 3, 4]);
        handle
    };
    let data = place(&data);
    let meta = place(&block(&[]));
    let index = place(&block(&[("~".to_owned(), data)]));
    let mut footer = [meta, index].concat();
    footer.resize(40, 0);
    footer.extend([0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb]);
    out.extend(footer);
    out
}

/// A block of a LevelDB table, without the trailer behind it.
fn block(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (key, value) in entries {
        out.push(0);
        out.extend(super::protobuf::varint(key.len() as u64));
        out.extend(super::protobuf::varint(value.len() as u64));
        out.extend(key.as_bytes());
        out.extend(value);
    }
    out.extend(0u32.to_le_bytes());
    out.extend(1u32.to_le_bytes());
    out
}
