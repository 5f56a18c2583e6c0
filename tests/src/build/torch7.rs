//! Torch7 objects, binary and text.

use super::bytes::Out;

fn string(out: &mut Out, text: &[u8]) {
    out.u32(text.len() as u32).bytes(text);
}

fn class(out: &mut Out, index: u32, name: &str) {
    out.mark().u32(4).u32(index);
    string(out, b"V 1");
    string(out, name.as_bytes());
}

/// `nn.Linear` with one weight of 2 x 2 floats, a number, a boolean and a table seen twice.
pub fn linear() -> Vec<u8> {
    let mut out = Out::le();
    class(&mut out, 1, "nn.Linear");
    out.u32(3).u32(2).u32(4);
    out.u32(2);
    string(&mut out, b"weight");
    class(&mut out, 3, "torch.FloatTensor");
    out.u32(2).u64(2).u64(2).u64(2).u64(1).u64(1);
    class(&mut out, 4, "torch.FloatStorage");
    out.u64(4).fill(16, 0x3f);
    out.u32(2);
    string(&mut out, b"bias");
    out.u32(1).u64(1f64.to_bits());
    out.u32(2);
    string(&mut out, b"train");
    out.u32(5).u32(0);
    out.u32(2);
    string(&mut out, b"self");
    out.u32(3).u32(2);
    out.into_bytes()
}

/// A table that holds a function: bytecode that is no bytecode, and no upvalues.
pub fn function() -> Vec<u8> {
    let mut out = Out::le();
    class(&mut out, 1, "nn.Lambda");
    out.u32(3).u32(2).u32(1);
    out.u32(2);
    string(&mut out, b"forward");
    out.u32(8).u32(3);
    string(&mut out, b"\x1bLJ\x02 not bytecode");
    out.u32(0);
    out.into_bytes()
}

/// `nn.Scale` in text, with a tensor of two doubles.
pub fn text() -> Vec<u8> {
    b"4\n1\n3\nV 1\n8\nnn.Scale\n3\n2\n1\n2\n6\nweight\n4\n3\n3\nV 1\n18\ntorch.DoubleTensor\n1\n2\n1\n1\n4\n4\n3\nV \
      1\n19\ntorch.DoubleStorage\n2\n0.5 -1.25\n"
        .to_vec()
}
