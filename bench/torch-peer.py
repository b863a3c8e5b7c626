"""The operations of bench/gpu.ts in PyTorch on the same GPU, in milliseconds and TFLOP/s, and two ceilings."""
import sys
import torch

if not torch.cuda.is_available():
    sys.exit("torch finds no GPU")

small = "--small" in sys.argv
batch, size, width, square = (1, 8, 8, 64) if small else (64, 64, 64, 4096)


def milliseconds(run, wanted=200.0):
    run()
    repeats = 3
    while True:
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        for _ in range(repeats):
            run()
        end.record()
        torch.cuda.synchronize()
        elapsed = start.elapsed_time(end)
        if elapsed > wanted or repeats > 5000:
            return elapsed / repeats
        repeats *= 3


x = torch.randn(batch, width, size, size, device="cuda").to(memory_format=torch.channels_last)
w = torch.randn(width, width, 3, 3, device="cuda").to(memory_format=torch.channels_last)
dy = torch.randn_like(x)
a, b = torch.randn(square, square, device="cuda"), torch.randn(square, square, device="cuda")
convolution, product = 2 * batch * size * size * 9 * width * width, 2 * square**3


def row(name, flops, run):
    ms = milliseconds(run)
    print(f"torch {name}: {ms:.3f} ms, {flops / ms / 1e9:.1f} TFLOP/s")


milliseconds(lambda: a @ b, 1000.0)  # the clocks
for tf32, dtype, name in ((False, torch.float32, "fp32"), (True, torch.float32, "TF32"), (False, torch.bfloat16, "bf16")):
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    X, W, DY, A, B = (t.to(dtype) for t in (x, w, dy, a, b))
    row(f"{name} conv", convolution, lambda: torch.nn.functional.conv2d(X, W, padding=1))
    row(f"{name} filter", convolution, lambda: torch.nn.grad.conv2d_weight(X, W.shape, DY, padding=1))
    row(f"{name} matmul", product, lambda: A @ B)
copy = torch.empty(2**20 if small else 2**28, device="cuda")
target = torch.empty_like(copy)
ms = milliseconds(lambda: target.copy_(copy))
print(f"floor: copy {2 * copy.numel() * 4 / ms / 1e9:.2f} TB/s; the rates of matmul above are those of the units")
