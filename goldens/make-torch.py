"""Makes the torch-*.pth and .ckpt files with PyTorch, and torch.safetensors with what they hold.

Needs PyTorch 1.13 and NumPy; python3 goldens/make-torch.py. Modules of Lightning and OmegaConf are stand-ins with the
same names: a pickle holds names only. Nothing here calls what `torch-evil.pth` names.
"""

import collections
import enum
import json
import os
import pathlib
import struct
import sys
import types
import typing

import numpy as np
import torch

HERE = pathlib.Path(__file__).parent
DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
EXPECTED = {}


def raw(tensor):
    tensor = tensor.detach().contiguous()
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.view(torch.int16)
    return tensor.numpy().tobytes()


def expect(file, tensors):
    for name, tensor in tensors.items():
        EXPECTED[f"{file}/{name}"] = (DTYPES[tensor.dtype], list(tensor.shape), raw(tensor))


def write_expected():
    header, data = {}, b""
    for name, (dtype, shape, contents) in EXPECTED.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(contents)]}
        data += contents
    text = json.dumps(header, separators=(",", ":")).encode()
    (HERE / "torch.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)


def save(name, value, **options):
    torch.save(value, HERE / name, **options)


def legacy(name, value):
    save(name, value, _use_new_zipfile_serialization=False)


def random(*shape, dtype=torch.float32):
    return (torch.randn(*shape) * 10).to(dtype)


def tensors():
    matrix = random(4, 6)
    cube = random(2, 3, 4)
    long = torch.arange(40, dtype=torch.int64) * 12345678901
    half = random(3, 5, dtype=torch.float16)
    shared = random(30)
    state = {f"dtype.{name}": random(2, 3, dtype=dtype) for dtype, name in DTYPES.items()}
    state.update(
        {
            "scalar": torch.tensor(2.5),
            "empty": torch.zeros(0, 3),
            "parameter": torch.nn.Parameter(random(3)),
            "strided.transposed": matrix.t(),
            "strided.column": matrix[:, 2],
            "strided.step": matrix[1::2, ::3],
            "strided.expanded": random(3, 1).expand(3, 5),
            "strided.permuted": cube.permute(2, 0, 1),
            "strided.long": long.reshape(5, 8).t()[2:6],
            "strided.half": half.t(),
            "strided.bool": (matrix > 0).t(),
            "strided.bfloat16": random(4, 3, dtype=torch.bfloat16).t(),
            "strided.double": random(3, 4, dtype=torch.float64).t(),
            "strided.channels_last": random(2, 3, 4, 5).to(memory_format=torch.channels_last),
            "shared.whole": shared,
            "shared.part": shared[7:19].reshape(3, 4),
            "shared.reversed_axes": shared.reshape(5, 6).t(),
            "shared.again": shared,
        }
    )
    return state


class NumpyBacked:
    """What torch.save makes of a tensor of a device without storages of its own."""

    def __init__(self, array, dtype):
        self.array, self.dtype = array, dtype

    def __reduce__(self):
        return torch._utils._rebuild_device_tensor_from_numpy, (self.array, self.dtype, "cpu", False)


class Evil:
    def __reduce__(self):
        return os.system, ("echo executed",)


def publish(module, name, cls):
    parts = module.split(".")
    for i in range(len(parts)):
        path = ".".join(parts[: i + 1])
        sys.modules.setdefault(path, types.ModuleType(path))
    setattr(sys.modules[module], name, cls)
    return cls


def stand_in(module, name, bases=()):
    return publish(module, name, type(name, bases, {"__module__": module, "__qualname__": name}))


ModelCheckpoint = stand_in("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint")
AttributeDict = stand_in("pytorch_lightning.utilities.parsing", "AttributeDict", (dict,))
DictConfig = stand_in("omegaconf.dictconfig", "DictConfig")
ContainerMetadata = stand_in("omegaconf.base", "ContainerMetadata")
AnyNode = stand_in("omegaconf.nodes", "AnyNode")
Settings = stand_in("a_project.settings", "Settings")
STATES = "pytorch_lightning.trainer.states"
RunningStage = publish(STATES, "RunningStage", enum.Enum("RunningStage", {"FIT": "fit"}, module=STATES))


def config(contents):
    node = DictConfig()
    metadata = ContainerMetadata()
    metadata.ref_type = typing.Any
    metadata.resolver_cache = collections.defaultdict(dict)
    children = {}
    for key, value in contents.items():
        child = AnyNode()
        child.__dict__.update(_parent=node, _val=value)
        children[key] = child
    node.__dict__.update(_metadata=metadata, _parent=None, _content=children)
    return node


def lightning():
    state = collections.OrderedDict(
        {
            "model.diffusion_model.time_embed.0.weight": random(4, 3),
            "model.diffusion_model.input_blocks.0.0.weight": random(4, 3, 3, 3, dtype=torch.float16),
            "model_ema.decay": torch.tensor(0.9999),
            "first_stage_model.quant_conv.bias": random(3, dtype=torch.bfloat16),
        }
    )
    parameter = torch.nn.Parameter(random(2, 2))
    optimizer = torch.optim.AdamW([parameter], lr=2e-6)
    parameter.grad = random(2, 2)
    optimizer.step()
    return state, {
        "epoch": 3,
        "global_step": 12345678901234,
        "pytorch-lightning_version": "1.4.2",
        "state_dict": state,
        "callbacks": {
            ModelCheckpoint: {
                "best_model_score": torch.tensor(0.25),
                "best_model_path": "epoch=3.ckpt",
                "current_score": np.float64(0.125),
                "dirpath": pathlib.PosixPath("logs"),
            }
        },
        "optimizer_states": [optimizer.state_dict()],
        "lr_schedulers": [{"base_lrs": [2e-6], "last_epoch": np.int64(12), "lr_lambdas": [None]}],
        "hparams_name": "kwargs",
        "hyper_parameters": AttributeDict(
            unet_config=config({"image_size": 64}),
            settings=Settings(),
            stage=RunningStage.FIT,
            base_learning_rate=2e-6,
            scale_by_std=True,
            device=torch.device("cuda:0"),
            dtype=torch.float16,
            size=torch.Size([3, 64, 64]),
            names={"a"},
        ),
    }


def numpy_backed():
    array = (np.arange(12, dtype=np.float32) - 5.5).reshape(3, 4)
    state = {
        "rows": array,
        "columns": np.asfortranarray(array),
        "halves": array.astype(np.float16),
        "flags": array > 0,
        "device": NumpyBacked(array, torch.float32),
        "beside": torch.from_numpy(array) * 2,
    }
    expected = {name: torch.from_numpy(np.ascontiguousarray(state[name])) for name in ("rows", "columns", "halves", "flags")}
    expected["device"] = expected["rows"]
    expected["beside"] = state["beside"]
    return state, expected


def main():
    torch.manual_seed(1)
    state = tensors()
    for name, write in (("torch-tensors.pth", save), ("torch-tensors-legacy.pth", legacy)):
        write(name, state)
    save("torch-tensors-protocol4.pth", state, pickle_protocol=4)
    expect("tensors", state)

    state, checkpoint = lightning()
    save("torch-lightning.ckpt", checkpoint)
    legacy("torch-lightning-legacy.ckpt", checkpoint)
    expect("lightning", state)
    moments = checkpoint["optimizer_states"][0]["state"][0]
    expect("lightning-optimizer", {name: moments[name] for name in ("exp_avg", "exp_avg_sq")})

    state, expected = numpy_backed()
    save("torch-numpy.pth", state)
    expect("numpy", expected)

    # A decoder of half precision in an nn.Sequential, as the tiny autoencoders are published.
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3),
        torch.nn.ReLU(),
        torch.nn.Sequential(torch.nn.Conv2d(4, 4, 1, bias=False), torch.nn.GroupNorm(4, 4)),
    ).half()
    save("torch-module.pth", module.state_dict())
    expect("module", module.state_dict())
    save("torch-whole-module.pth", module)

    inner = {"encoder": {"conv": {"weight": random(2, 2)}}, "heads": [random(2), {"bias": random(1)}]}
    save("torch-nested.pth", {"model": {"weight": random(2)}, "ema": {"weight": random(2)}, "extra": inner, "step": 7})
    save("torch-evil.pth", {"weight": random(2), "evil": Evil()})
    save("torch-sparse.pth", {"weight": random(2).to_sparse()})
    save("torch-complex.pth", {"weight": torch.zeros(2, dtype=torch.complex64)})
    write_expected()


main()
