"""The UNet of bench/wasm-unet.ts in PyTorch on the CPU: checks its prediction, then times it.

python3 bench/torch-unet.py FILE.safetensors THREADS RUNS
"""

import math
import pathlib
import sys
import time

import torch
from torch_models import UNet

sys.path.append(str(pathlib.Path(__file__).parent.parent / "goldens"))
import safetensors_file

file, threads, runs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(threads)
arrays, _ = safetensors_file.read(pathlib.Path(file))
tensors = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
image, expected = tensors.pop("image"), tensors.pop("expected")
unet = UNet(64, gated=True)
unet.load_state_dict(tensors)


def milliseconds(run, count=runs):
    least = math.inf
    for i in range(count + 1):
        begin = time.perf_counter()
        run()
        if i > 0:
            least = min(least, time.perf_counter() - begin)
    return 1000 * least


def forward(x):
    return unet(x, torch.full((x.shape[0],), 500.0))


with torch.no_grad():
    error = (forward(image) - expected).abs().max() / expected.abs().max()
    print(f"torch {torch.__version__}, {threads} threads; its prediction differs by {error:.1e} of the largest value")
    print(f"torch forward, batch 1: {milliseconds(lambda: forward(image), 5 * runs):.0f} ms")
optimizer = torch.optim.AdamW(unet.parameters(), lr=1e-6)
two = torch.randn(2, *image.shape[1:])


def step():
    optimizer.zero_grad()
    forward(two).square().mean().backward()
    torch.nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
    optimizer.step()


print(f"torch training step, batch 2: {milliseconds(step):.0f} ms")
