"""Writes and reads safetensors files with numpy alone, for the make-*.py scripts that run where only PyTorch is at hand."""

import json
import struct

import numpy as np

NAMES = {"float64": "F64", "float32": "F32", "float16": "F16", "int64": "I64", "int32": "I32", "uint8": "U8"}
TYPES = {name: dtype for dtype, name in NAMES.items()}


def write(path, arrays, metadata):
    header, offset, parts = {"__metadata__": metadata}, 0, []
    for name, array in arrays.items():
        shape = list(np.shape(array))
        data = np.ascontiguousarray(array)
        end = offset + data.nbytes
        header[name] = {"dtype": NAMES[str(data.dtype)], "shape": shape, "data_offsets": [offset, end]}
        parts.append(data.tobytes())
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))


def read(path):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__", {})
    arrays = {}
    for name, entry in header.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        arrays[name] = np.frombuffer(data[begin:end], TYPES[entry["dtype"]]).reshape(entry["shape"])
    return arrays, metadata
