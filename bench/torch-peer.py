"""The rows of bench/gpu.ts in PyTorch on the same GPU, in milliseconds and TFLOP/s. `--rows` as there; `--small` for sizes
that a CPU can do, which it then does where there is no GPU."""

import argparse
import copy
import inspect
import time

import torch
from torch_models import UNet

parser = argparse.ArgumentParser()
parser.add_argument("--small", action="store_true")
parser.add_argument("--rows", default="conv,filter,matmul,forward,step,ratio")
options = parser.parse_args()
rows, small = set(options.rows.split(",")), options.small
on_gpu = torch.cuda.is_available()
if not on_gpu and not small:
    parser.exit(1, "torch finds no GPU\n")
device = "cuda" if on_gpu else "cpu"
wanted = 0.01 if small else 0.2
print(f"torch {torch.__version__}, {torch.cuda.get_device_name() if on_gpu else 'cpu'}", flush=True)
torch.backends.cudnn.benchmark = True
PRECISIONS = {"fp32": (False, torch.float32), "TF32": (True, torch.float32), "bf16": (False, torch.bfloat16)}


def now():
    if on_gpu:
        torch.cuda.synchronize()
    return time.perf_counter()


def milliseconds(run, seconds=wanted):
    run()
    repeats = 1
    while True:
        start = now()
        for _ in range(repeats):
            run()
        elapsed = now() - start
        if elapsed > seconds or repeats > 5000:
            return 1000 * elapsed / repeats
        repeats *= 3


def report(name, ms, flops=None):
    rate = f", {flops / ms / 1e9:.1f} TFLOP/s" if flops else ""
    print(f"torch {name}: {ms:.3f} ms{rate}", flush=True)


def choose(precision):
    tf32, dtype = PRECISIONS[precision]
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    return dtype


def operations():
    batch, size, width, square = (1, 8, 8, 64) if small else (64, 64, 64, 4096)
    x = torch.randn(batch, width, size, size, device=device).to(memory_format=torch.channels_last)
    w = torch.randn(width, width, 3, 3, device=device).to(memory_format=torch.channels_last)
    dy = torch.randn_like(x)
    a, b = torch.randn(square, square, device=device), torch.randn(square, square, device=device)
    convolution, product = 2 * batch * size * size * 9 * width * width, 2 * square**3
    milliseconds(lambda: a @ b, 5 * wanted)  # the clocks
    for precision in PRECISIONS:
        X, W, DY, A, B = (t.to(choose(precision)) for t in (x, w, dy, a, b))
        runs = {
            "conv": (convolution, lambda: torch.nn.functional.conv2d(X, W, padding=1)),
            "filter": (convolution, lambda: torch.nn.grad.conv2d_weight(X, W.shape, DY, padding=1)),
            "matmul": (product, lambda: A @ B),
        }
        for name, (flops, run) in runs.items():
            if name in rows:
                report(f"{precision} {name}", milliseconds(run), flops)


def inputs(images, layout):
    size = 16 if small else 64
    x = torch.randn(images, 3, size, size, device=device).to(memory_format=layout)
    return x, torch.full((images,), 500.0, device=device)


LAYOUTS = {"NCHW": torch.contiguous_format, "NHWC": torch.channels_last}


def quickest(name, run_in):
    """Of both layouts of images: which is quicker differs between versions and cards."""
    times = {layout: run_in(LAYOUTS[layout]) for layout in LAYOUTS}
    layout = min(times, key=times.get)
    report(f"{name} ({layout})", times[layout])


@torch.no_grad()
def forward(name, unet, images):
    for precision in PRECISIONS if on_gpu else ("fp32",):
        dtype = choose(precision)

        def run_in(layout):
            model, (x, t) = unet.to(memory_format=layout), inputs(images, layout)
            with torch.autocast(device, torch.bfloat16, enabled=dtype != torch.float32):
                return milliseconds(lambda: model(x, t))

        quickest(f"{precision} {name} forward, batch {images}", run_in)


def step(unet, images):
    """Forward, backward, clipping, AdamW and the moving average, in TF32."""
    choose("TF32")
    kinds = inspect.signature(torch.optim.AdamW).parameters
    kind = {"fused": True} if on_gpu and "fused" in kinds else {"foreach": True}
    memory = {}

    def run_in(layout):
        model = copy.deepcopy(unet).to(memory_format=layout)
        x, t = inputs(images, layout)
        weights = list(model.parameters())
        average = [weight.detach().clone() for weight in weights]
        optimizer = torch.optim.AdamW(weights, lr=1e-4, **kind)

        def run():
            optimizer.zero_grad(set_to_none=True)
            model(x, t).square().mean().backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            with torch.no_grad():
                torch._foreach_mul_(average, 0.999)
                torch._foreach_add_(average, weights, alpha=0.001)

        if on_gpu:
            torch.cuda.empty_cache()
            run()
            torch.cuda.reset_peak_memory_stats()
        ms = milliseconds(run)
        memory[layout] = torch.cuda.max_memory_allocated() if on_gpu else 0
        return ms

    quickest(f"TF32 SD training step ({next(iter(kind))} AdamW), batch {images}", run_in)
    if on_gpu:
        peaks = ", ".join(f"{name} {memory[LAYOUTS[name]] / 1e9:.2f} GB" for name in LAYOUTS)
        print(f"torch peak memory of the step: {peaks}", flush=True)


few, many, trained = (1, 2, 1) if small else (1, 64, 32)
if rows & {"conv", "filter", "matmul"}:
    operations()
if rows & {"forward", "step"}:
    sd = UNet(32 if small else 64, gated=True).to(device)
    if "step" in rows:  # first: its memory is then its own
        step(sd, trained)
    if "forward" in rows:
        forward("SD", sd, many)
        forward("SD", sd, few)
    del sd
if "ratio" in rows:
    forward("LDM", UNet(32 if small else 224, gated=False).to(device), many)
