"""Makes dtypes.safetensors and safetensors-verdicts.json with the official implementation.

pip install safetensors==0.8.0 numpy ml_dtypes; python goldens/make-safetensors.py
"""

import base64
import json
import pathlib
import struct

import ml_dtypes
import numpy as np
import safetensors

HERE = pathlib.Path(__file__).parent


def dtypes():
    rng = np.random.default_rng(1)
    f32 = np.float32
    halves = np.arange(0, 0x7C00, 331, dtype=np.uint16).view(np.float16).astype(f32)
    next_halves = (np.arange(0, 0x7C00, 331, dtype=np.uint16) + 1).view(np.float16).astype(np.float64)
    ties = ((halves.astype(np.float64) + next_halves) / 2)[:-1].astype(f32)
    brain = rng.integers(0, 0x7F80, 40).astype(np.uint32) << 16
    brain_ties = (brain | 0x8000).astype(np.uint32).view(f32)
    around = [np.nextafter(v, f32(d)) for v in (ties, brain_ties) for d in (-np.inf, np.inf)]
    edges = [65504, 65519.996, 65520, 65536, 2.0**-14, 2.0**-24, 2.0**-25, 1.5 * 2.0**-24, 3.4e38, 3.3961e38, 1e-45, 0]
    special = np.array(edges + [np.inf, np.nan], f32)
    wide = (rng.standard_normal(60) * 10.0 ** rng.uniform(-9, 6, 60)).astype(f32)
    x = np.concatenate([ties, brain_ties, *around, special, wide])
    x = np.concatenate([x, -x])
    f64 = rng.standard_normal(30) * 10.0 ** rng.uniform(-50, 40, 30)
    f8 = np.arange(256, dtype=np.uint8)
    with np.errstate(over="ignore"):
        arrays = {
            "x": x,
            "x/f16": x.astype(np.float16),
            "x/bf16": x.astype(ml_dtypes.bfloat16),
            "f8_e4m3": f8.view(ml_dtypes.float8_e4m3fn),
            "f8_e4m3/f32": f8.view(ml_dtypes.float8_e4m3fn).astype(f32),
            "f8_e5m2": f8.view(ml_dtypes.float8_e5m2),
            "f8_e5m2/f32": f8.view(ml_dtypes.float8_e5m2).astype(f32),
            "f64": f64.reshape(5, 6),
            "f64/f32": f64.astype(f32).reshape(5, 6),
            "bool": np.array([[True, False, True]]),
            "empty": np.zeros((0, 3), f32),
            "scalar": np.array(2.5, f32),
        }
    for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"):
        info = np.iinfo(name)
        arrays[name] = np.array([info.min, info.max // 3, info.max - 1, info.max, 0, 1], name)
    arrays = {name: np.ascontiguousarray(array).reshape(array.shape) for name, array in arrays.items()}
    tensors = {
        name: safetensors.TensorSpec(
            dtype=str(array.dtype), shape=list(array.shape), data_ptr=array.ctypes.data, data_len=array.nbytes
        )
        for name, array in arrays.items()
    }
    metadata = {"source": "safetensors 0.8.0, numpy, ml_dtypes", "unicode": "Größe \U0001f30a \"\\\n"}
    (HERE / "dtypes.safetensors").write_bytes(safetensors.serialize(tensors, metadata))


def file(header, data=b"", length=None):
    header = header if isinstance(header, bytes) else header.encode()
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def entry(dtype='"U8"', shape="[2]", offsets="[0,2]", more=""):
    return f'{{"dtype":{dtype},"shape":{shape},"data_offsets":{offsets}{more}}}'


def one(*args, data=b"\1\2", **kwargs):
    return file(f'{{"w":{entry(*args, **kwargs)}}}', data)


def two(a, b, data):
    return file(f'{{"a":{entry(shape=a[0], offsets=a[1])},"b":{entry(shape=b[0], offsets=b[1])}}}', data)


def cases():
    yield "no bytes", b""
    yield "7 bytes", b"\0" * 7
    yield "header of 0 bytes", file("")
    yield "no tensors", file("{}")
    yield "no tensors, but data", file("{}", b"\0")
    yield "one tensor", one()
    yield "trailing spaces", file(f'{{"w":{entry()}}}     ', b"\1\2")
    yield "trailing line feed", file(f'{{"w":{entry()}}}\n', b"\1\2")
    yield "trailing zero", file(f'{{"w":{entry()}}}\0', b"\1\2")
    yield "leading space", file(f' {{"w":{entry()}}}', b"\1\2")
    yield "byte order mark", file(b"\xef\xbb\xbf{}")
    yield "white space inside", file('{ "w" :\t{"dtype": "U8",\r\n"shape": [ 2 ], "data_offsets": [0, 2 ] } }', b"\1\2")
    yield "header length 1 too long", file("{}", length=3)
    yield "header length 1 too short", file("{} ", length=2)
    yield "header length of gigabytes", file("{}", length=2**31)
    yield "header length 100000001", file("{}", length=100_000_001)
    yield "header length 100000000", file("{}", length=100_000_000)
    yield "header length 2^64 - 1", file("{}", length=2**64 - 1)
    yield "header an array", file("[]")
    yield "header a string", file('"w"')
    yield "header null", file("null")
    yield "header not JSON", file("w=1")
    yield "header cut", file('{"w":{"dtype":"U8"', b"\1\2")
    yield "trailing comma", file(f'{{"w":{entry()},}}', b"\1\2")
    yield "single quotes", file("{'w':1}")
    yield "text after the object", file("{}{}")
    yield "not UTF-8", file(b'{"\xff":' + entry().encode() + b"}", b"\1\2")
    yield "overlong UTF-8", file(b'{"\xc0\xaf":' + entry().encode() + b"}", b"\1\2")
    yield "surrogate in UTF-8", file(b'{"\xed\xa0\x80":' + entry().encode() + b"}", b"\1\2")
    yield "lone surrogate escape", file(f'{{"\\ud800":{entry()}}}', b"\1\2")
    yield "surrogate pair escape", file(f'{{"\\ud83c\\udf0a":{entry()}}}', b"\1\2")
    yield "bad escape", file(f'{{"\\x41":{entry()}}}', b"\1\2")
    yield "escapes", file(f'{{"\\u0041\\n\\"\\/\\\\":{entry()}}}', b"\1\2")
    yield "raw line feed in a name", file(f'{{"a\nb":{entry()}}}', b"\1\2")
    yield "empty name", file(f'{{"":{entry()}}}', b"\1\2")
    yield "name __proto__", file(f'{{"__proto__":{entry()}}}', b"\1\2")
    yield "name constructor", file(f'{{"constructor":{entry()}}}', b"\1\2")
    yield "duplicate name", file(f'{{"w":{entry()},"w":{entry()}}}', b"\1\2")
    yield "duplicate field", one(more=',"dtype":"U8"')
    yield "unknown field", one(more=',"note":[{"a":null},true,-1.5e3]')
    yield "no dtype", file('{"w":{"shape":[2],"data_offsets":[0,2]}}', b"\1\2")
    yield "no shape", file('{"w":{"dtype":"U8","data_offsets":[0,2]}}', b"\1\2")
    yield "no offsets", file('{"w":{"dtype":"U8","shape":[2]}}', b"\1\2")
    yield "tensor null", file('{"w":null}')
    yield "tensor as an array", file('{"w":["U8",[2],[0,2]]}', b"\1\2")
    yield "tensor too deep", one(more=',"note":' + "[" * 200 + "]" * 200)
    yield "metadata", file('{"__metadata__":{"a":"1","":"\\u0000"}}')
    yield "metadata __proto__", file('{"__metadata__":{"__proto__":"1"}}')
    yield "metadata null", file('{"__metadata__":null}')
    yield "metadata number", file('{"__metadata__":{"a":1}}')
    yield "metadata array", file('{"__metadata__":[]}')
    yield "metadata twice", file('{"__metadata__":{},"__metadata__":{}}')
    yield "metadata key twice", file('{"__metadata__":{"a":"1","a":"2"}}')
    yield "metadata as a tensor", file(f'{{"__metadata__":{entry()}}}', b"\1\2")
    for dtype in ("u8", "U9", "", "F128", "__proto__"):
        yield f"dtype {dtype}", one(f'"{dtype}"')
    yield "dtype number", one("8")
    yield "dtype C64", one('"C64"', "[1]", "[0,8]", data=b"\0" * 8)
    yield "dtype F4", one('"F4"', "[4]", "[0,2]")
    yield "scalar", one(shape="[]", offsets="[0,1]", data=b"\1")
    yield "empty tensor", one(shape="[0]", offsets="[0,0]", data=b"")
    yield "two empty tensors and one", file(
        f'{{"a":{entry(shape="[0]", offsets="[2,2]")},"b":{entry()},"c":{entry(shape="[0,9]", offsets="[0,0]")}}}', b"\1\2"
    )
    yield "shape too small", one(shape="[1]")
    yield "shape too large", one(shape="[3]")
    yield "dtype too wide", one('"F32"')
    yield "shape negative", one(shape="[-2]")
    yield "shape both negative", one(shape="[-1,-2]")
    yield "shape 2.0", one(shape="[2.0]")
    yield "shape 2e0", one(shape="[2e0]")
    yield "shape 02", one(shape="[02]")
    yield "shape +2", one(shape="[+2]")
    yield "shape string", one(shape='["2"]')
    yield "shape null", one(shape="[null]")
    yield "shape number", one(shape="2")
    yield "shape nested", one(shape="[[2]]")
    yield "shape 2^53 + 1", one(shape="[9007199254740993]")
    yield "shape 2^64 + 2", one(shape="[18446744073709551618]")
    yield "shape product 2^64 + 2 by wrapping", one(shape="[2,9223372036854775809]")
    yield "shape product 2^64", one(shape="[4294967296,4294967296]", offsets="[0,0]", data=b"")
    yield "bytes 2^64", one('"F64"', "[2305843009213693952]", "[0,0]", data=b"")
    yield "shape product overflowing before a 0", one(shape="[4294967296,4294967296,0]", offsets="[0,0]", data=b"")
    yield "shape 2^60 by 0", one(shape="[1152921504606846976,0]", offsets="[0,0]", data=b"")
    yield "shape of 65 ones", one(shape="[" + ",".join(["1"] * 65) + "]", offsets="[0,1]", data=b"\1")
    yield "shape of 64 ones", one(shape="[" + ",".join(["1"] * 64) + "]", offsets="[0,1]", data=b"\1")
    for offsets in ("[0]", "[]", "[0,2,2]", "[2,0]", "[0,3]", "[1,3]", "[-1,1]", "[0.0,2]", "[-0,2]", '["0",2]', "0"):
        yield f"offsets {offsets}", one(offsets=offsets)
    yield "offsets 2^63", one(offsets="[9223372036854775808,9223372036854775810]")
    yield "offsets 2^64", one(offsets="[0,18446744073709551618]")
    yield "data 1 short", one(data=b"\1")
    yield "data 1 long", one(data=b"\1\2\3")
    yield "two tensors", two(("[2]", "[0,2]"), ("[1]", "[2,3]"), b"\1\2\3")
    yield "two tensors, listed in reverse", two(("[1]", "[2,3]"), ("[2]", "[0,2]"), b"\1\2\3")
    yield "overlap", two(("[2]", "[0,2]"), ("[2]", "[1,3]"), b"\1\2\3")
    yield "same range", two(("[2]", "[0,2]"), ("[2]", "[0,2]"), b"\1\2")
    yield "range inside", two(("[4]", "[0,4]"), ("[1]", "[1,2]"), b"\1\2\3\4")
    yield "hole", two(("[2]", "[0,2]"), ("[1]", "[3,4]"), b"\1\2\3\4")
    yield "hole at the start", one(offsets="[1,3]", data=b"\0\1\2")
    yield "hole at the end", two(("[2]", "[0,2]"), ("[1]", "[2,3]"), b"\1\2\3\4")
    yield "empty tensor inside another", two(("[2]", "[0,2]"), ("[0]", "[1,1]"), b"\1\2")


def verdict(data):
    try:
        tensors = safetensors.deserialize(data)
    except Exception as error:
        return {"error": str(error).removeprefix("Error while deserializing: ")}
    return {
        "tensors": {
            name: {"dtype": t["dtype"], "shape": list(t["shape"]), "data": t["data"].hex()} for name, t in sorted(tensors)
        }
    }


def verdicts():
    rows = [{"name": name, "file": base64.b64encode(data).decode(), **verdict(data)} for name, data in cases()]
    text = ",\n".join(json.dumps(row) for row in rows)
    (HERE / "safetensors-verdicts.json").write_text(f"[\n{text}\n]\n")


dtypes()
verdicts()
