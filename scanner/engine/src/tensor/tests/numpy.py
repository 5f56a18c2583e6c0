"""Statistics of arrays by numpy in float64: one line `dtype order hex` in, one line of numbers out."""
import sys
import numpy as np
import ml_dtypes as ml

PLAIN = {
    "F64": "f8", "F32": "f4", "F16": "f2", "I64": "i8", "I32": "i4", "I16": "i2", "I8": "i1",
    "U64": "u8", "U32": "u4", "U16": "u2", "U8": "u1", "BOOL": "u1", "C64": "f4", "C128": "f8",
}
OTHER = {
    "BF16": ml.bfloat16, "F8_E4M3": ml.float8_e4m3fn, "F8_E5M2": ml.float8_e5m2,
    "F8_E4M3FNUZ": ml.float8_e4m3fnuz, "F8_E5M2FNUZ": ml.float8_e5m2fnuz, "F8_E8M0": ml.float8_e8m0fnu,
    "F6_E2M3": ml.float6_e2m3fn, "F6_E3M2": ml.float6_e3m2fn, "F4": ml.float4_e2m1fn, "I4": ml.int4, "U4": ml.uint4,
}
# Bytes of a block, the numpy type and place of its scale, the place of its minimum (ggml-common.h).
BLOCKS = {
    "Q4_0": (18, "<f2", 0, None), "Q4_1": (20, "<f2", 0, 2), "Q5_0": (22, "<f2", 0, None), "Q5_1": (24, "<f2", 0, 2),
    "Q8_0": (34, "<f2", 0, None), "Q8_1": (36, "<f2", 0, 2), "Q2_K": (84, "<f2", 80, 82), "Q3_K": (110, "<f2", 108, None),
    "Q4_K": (144, "<f2", 0, 2), "Q5_K": (176, "<f2", 0, 2), "Q6_K": (210, "<f2", 208, None), "Q8_K": (292, "<f4", 0, None),
    "IQ2_XXS": (66, "<f2", 0, None), "IQ2_XS": (74, "<f2", 0, None), "IQ2_S": (82, "<f2", 0, None),
    "IQ3_XXS": (98, "<f2", 0, None), "IQ3_S": (110, "<f2", 0, None), "IQ1_S": (50, "<f2", 0, None),
    "IQ4_NL": (18, "<f2", 0, None), "IQ4_XS": (136, "<f2", 0, None), "TQ1_0": (54, "<f2", 52, None),
    "TQ2_0": (66, "<f2", 64, None), "MXFP4": (17, ml.float8_e8m0fnu, 0, None), "Q1_0": (18, "<f2", 0, None),
}
# Bytes of interleaved blocks or of those with several scales, the type and number of their scales.
SEVERAL = {
    "NVFP4": (36, ml.float8_e4m3fn, 4), "Q4_0_4_4": (72, "<f2", 4), "Q4_0_4_8": (72, "<f2", 4), "Q4_0_8_8": (144, "<f2", 8),
    "IQ4_NL_4_4": (72, "<f2", 4), "IQ4_NL_4_8": (72, "<f2", 4), "IQ4_NL_8_8": (144, "<f2", 8),
}


def unpack(raw, bits):
    """Codes of so many bits, from the lowest bit of the first byte on."""
    each = np.unpackbits(raw, bitorder="little")
    each = each[: len(each) // bits * bits].reshape(-1, bits)
    return (each << np.arange(bits, dtype=np.uint8)).sum(axis=1).astype(np.uint8)


def signed(codes):
    return ((codes ^ 8).astype(np.int64) - 8).astype(np.float64)


def elements(name, order, raw):
    if name in PLAIN:
        dtype = np.dtype((">" if order == "big" else "<") + PLAIN[name])
        whole = dtype.itemsize * (2 if name in ("C64", "C128") else 1)
        return raw[: len(raw) // whole * whole].view(dtype).astype(np.float64)
    if name == "BF16":
        return raw[: len(raw) // 2 * 2].view(">u2" if order == "big" else "<u2").astype(np.uint16).view(ml.bfloat16).astype(np.float64)
    if name in ("F6_E2M3", "F6_E3M2"):
        return unpack(raw, 6).view(OTHER[name]).astype(np.float64)
    if name == "I4":
        return signed(unpack(raw, 4))
    if name == "U4":
        return unpack(raw, 4).astype(np.float64)
    if name == "F4":
        return unpack(raw, 4).view(OTHER[name]).astype(np.float64)
    return raw.view(OTHER[name]).astype(np.float64)


def blocks(name, raw):
    if name == "IQ1_M":
        rows = raw[: len(raw) // 56 * 56].reshape(-1, 56)
        words = np.ascontiguousarray(rows[:, 48:56]).view("<u2").astype(np.uint32)
        bits = (words[:, 0] >> 12) | ((words[:, 1] >> 8) & 0xF0) | ((words[:, 2] >> 4) & 0xF00) | (words[:, 3] & 0xF000)
        return bits.astype(np.uint16).view(np.float16).astype(np.float64), np.zeros(0)
    if name in SEVERAL:
        size, dtype, count = SEVERAL[name]
        rows = raw[: len(raw) // size * size].reshape(-1, size)[:, : count * np.dtype(dtype).itemsize]
        rows = rows & 0x7F if name == "NVFP4" else rows
        return np.ascontiguousarray(rows).view(dtype).reshape(-1).astype(np.float64), np.zeros(0)
    size, dtype, at, least = BLOCKS[name]
    rows = raw[: len(raw) // size * size].reshape(-1, size)
    take = lambda place, kind: np.ascontiguousarray(rows[:, place : place + np.dtype(kind).itemsize]).view(kind).reshape(-1)
    minima = take(least, "<f2").astype(np.float64) if least is not None else np.zeros(0)
    return take(at, dtype).astype(np.float64), minima


def describe(x):
    finite = x[np.isfinite(x)]
    n = len(finite)
    out = [len(x), np.isnan(x).sum(), np.isposinf(x).sum(), np.isneginf(x).sum(), (x == 0).sum()]
    out.append((np.abs(finite) >= 1024).sum())
    magnitude = np.abs(finite).max() if n else 0.0
    out += [finite.min() if n else 0.0, finite.max() if n else 0.0, magnitude]
    # A power of two keeps squares and fourth powers in range, and changes no bit of the quotients.
    power = int(np.frexp(magnitude)[1])
    y = np.ldexp(finite, -power)
    square = np.mean(y * y) if n else 0.0
    fourth = np.mean(y**4) if n else 0.0
    out.append(np.ldexp(np.mean(y), power) if n else 0.0)
    out.append(np.ldexp(np.mean(np.abs(y)), power) if n else 0.0)
    out.append(np.ldexp(np.sqrt(square), power))
    out.append(np.ldexp(fourth, 4 * power))
    out.append(fourth / square**2 if square else 0.0)
    bad, = np.nonzero(~np.isfinite(x))
    first, = np.nonzero(np.isfinite(x) & (np.abs(x) == magnitude))
    out += [bad[0] if len(bad) else -1, first[0] if len(first) else -1]
    return out


def exponents(x, every):
    index = np.arange(len(x))
    x = x if every else x[(index < 1024) | (index % 256 == 0)]
    x = x[np.isfinite(x) & (x != 0)]
    bins = np.clip(np.frexp(x)[1] - 1 + 48, 0, 63)
    return np.bincount(bins, minlength=64)


np.seterr(all="ignore")
for line in sys.stdin:
    name, order, text = line.rstrip("\n").split(" ")
    raw = np.frombuffer(bytes.fromhex(text), dtype=np.uint8)
    minima = np.zeros(0)
    if name in BLOCKS or name in SEVERAL or name == "IQ1_M":
        x, minima = blocks(name, raw)
    else:
        x = elements(name, order, raw)
    out = describe(x)
    known = minima[np.isfinite(minima)]
    out += [len(minima), len(minima) - len(known), np.abs(known).max() if len(known) else 0.0]
    narrow = name in OTHER and name != "BF16" or name in ("I8", "U8", "BOOL")
    out += list(exponents(x, narrow))
    print(" ".join(repr(v.item() if hasattr(v, "item") else v) for v in out))
