"""The UNet of bench/wasm-unet.ts in PyTorch on the CPU: checks its prediction, then times it.

python3 bench/torch-unet.py FILE.safetensors THREADS RUNS
"""

import math
import pathlib
import sys
import time

import torch
import torch.nn.functional as F

sys.path.append(str(pathlib.Path(__file__).parent.parent / "goldens"))
import safetensors_file

file, threads, runs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(threads)
arrays, _ = safetensors_file.read(pathlib.Path(file))
tensors = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
image, expected = tensors.pop("image"), tensors.pop("expected")
weights = {name: tensor.requires_grad_() for name, tensor in tensors.items()}
HEAD = 32


def norm(x, name, act=True):
    y = F.group_norm(x, 32, weights[name + ".weight"], weights[name + ".bias"], 1e-5)
    return F.silu(y) if act else y


def conv(x, name, **options):
    return F.conv2d(x, weights[name + ".weight"], weights.get(name + ".bias"), **options)


def linear(x, name):
    return F.linear(x, weights[name + ".weight"], weights.get(name + ".bias"))


def res(x, e, name):
    h = conv(norm(x, name + ".in_layers.0"), name + ".in_layers.2", padding=1)
    h = h + linear(e, name + ".emb_layers.1")[:, :, None, None]
    h = conv(norm(h, name + ".out_layers.0"), name + ".out_layers.3", padding=1)
    skip = name + ".skip_connection"
    return h + (conv(x, skip) if skip + ".weight" in weights else x)


def attention(x, name):
    n, c, height, width = x.shape
    rows = norm(x, name + ".norm", act=False).reshape(n, c, -1)
    qkv = F.conv1d(rows, weights[name + ".qkv.weight"], weights[name + ".qkv.bias"])
    q, k, v = qkv.reshape(n * c // HEAD, 3 * HEAD, -1).split(HEAD, dim=1)
    share = torch.softmax(torch.einsum("bct,bcs->bts", q * HEAD**-0.25, k * HEAD**-0.25), dim=-1)
    y = torch.einsum("bts,bcs->bct", share, v).reshape(n, c, -1)
    y = F.conv1d(y, weights[name + ".proj_out.weight"], weights[name + ".proj_out.bias"])
    return x + y.reshape(x.shape)


def gates(x, name):
    return torch.sigmoid(linear(F.silu(linear(x.mean((2, 3)), name + ".gate.0")), name + ".gate.2"))


def haar(a, b, c, d):
    """LL, LH, HL, HH of blocks [a b; c d]; its own inverse."""
    return (a + b + c + d) / 2, (a + b - c - d) / 2, (a - b + c - d) / 2, (a - b - c + d) / 2


def down(x, name):
    bands = haar(x[:, :, ::2, ::2], x[:, :, ::2, 1::2], x[:, :, 1::2, ::2], x[:, :, 1::2, 1::2])
    return conv(torch.cat(bands, 1) * gates(x, name)[:, :, None, None], name + ".fuse")


def up(x, name):
    n, c, h, w = x.shape
    a, b, p, q = haar(*(x * gates(x, name)[:, :, None, None]).chunk(4, 1))
    pixels = torch.stack([torch.stack([a, b], -1), torch.stack([p, q], -1)], 3)  # [N, C/4, H, 2, W, 2]
    return conv(pixels.reshape(n, c // 4, 2 * h, 2 * w), name + ".fuse")


def block(x, e, name, resample):
    i = 0
    while any(key.startswith(f"{name}.{i}.") for key in weights):
        layer = f"{name}.{i}"
        if layer + ".in_layers.0.weight" in weights:
            x = res(x, e, layer)
        elif layer + ".qkv.weight" in weights:
            x = attention(x, layer)
        elif layer + ".gate.0.weight" in weights:
            x = resample(x, layer)
        else:
            x = conv(x, layer, padding=1)
        i += 1
    return x


def unet(x, t):
    half = 32
    frequencies = torch.exp(-math.log(10000) * torch.arange(half) / half)
    angles = torch.full((x.shape[0], 1), float(t)) * frequencies
    e = linear(torch.cat([angles.cos(), angles.sin()], 1), "time_embed.0")
    e = F.silu(linear(F.silu(e), "time_embed.2"))
    skips, h, i = [], x, 0
    while any(key.startswith(f"input_blocks.{i}.") for key in weights):
        h = block(h, e, f"input_blocks.{i}", down)
        skips.append(h)
        i += 1
    h = block(h, e, "middle_block", down)
    for j in range(i):
        h = block(torch.cat([h, skips.pop()], 1), e, f"output_blocks.{j}", up)
    return conv(norm(h, "out.0"), "out.2", padding=1)


def milliseconds(run):
    least = math.inf
    for i in range(runs + 1):
        begin = time.perf_counter()
        run()
        if i > 0:
            least = min(least, time.perf_counter() - begin)
    return 1000 * least


with torch.no_grad():
    error = (unet(image, 500) - expected).abs().max() / expected.abs().max()
    print(f"torch {torch.__version__}, {threads} threads; its prediction differs by {error:.1e} of the largest value")
    print(f"torch forward, batch 1: {milliseconds(lambda: unet(image, 500)):.0f} ms")
optimizer = torch.optim.AdamW(weights.values(), lr=1e-6)
two = torch.randn(2, *image.shape[1:])


def step():
    optimizer.zero_grad()
    unet(two, 500).square().mean().backward()
    torch.nn.utils.clip_grad_norm_(weights.values(), 1.0)
    optimizer.step()


print(f"torch training step, batch 2: {milliseconds(step):.0f} ms")
