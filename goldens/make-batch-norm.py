"""Makes batch_norm.safetensors: torch.nn.BatchNorm2d, two training steps and an evaluation.

pip install torch==1.13.0 numpy; python goldens/make-batch-norm.py
"""

import pathlib

import numpy as np
import safetensors_file
import torch

HERE = pathlib.Path(__file__).parent
torch.manual_seed(1)
layer = torch.nn.BatchNorm2d(6)
with torch.no_grad():
    layer.weight.uniform_(0.5, 1.5)
    layer.bias.uniform_(-0.5, 0.5)
    layer.running_mean.uniform_(-0.3, 0.3)
    layer.running_var.uniform_(0.5, 2.0)
layer.num_batches_tracked.fill_(41)

arrays = {}


def keep(name, tensor):
    arrays[name] = tensor.detach().numpy().copy()


def state(prefix):
    for name, tensor in layer.state_dict().items():
        keep(f"{prefix}/{name}", tensor)


def step(prefix, x):
    x.requires_grad_(True)
    y = layer(x)
    grad_y = torch.randn_like(y)
    layer.zero_grad()
    y.backward(grad_y)
    for name, tensor in {
        "x": x, "y": y, "grad_y": grad_y, "grad_x": x.grad, "grad_weight": layer.weight.grad, "grad_bias": layer.bias.grad
    }.items():
        keep(f"{prefix}/{name}", tensor)


state("before")
layer.train()
step("train1", torch.randn(3, 6, 5, 4) * torch.linspace(0.5, 2, 6)[:, None, None] + torch.linspace(-3, 3, 6)[:, None, None])
state("after1")
step("train2", torch.randn(2, 6, 3, 3) + 1)
state("after2")
layer.eval()
step("eval", torch.randn(2, 6, 3, 3) + 1)
safetensors_file.write(HERE / "batch_norm.safetensors", arrays, {"source": f"torch {torch.__version__} BatchNorm2d(6)"})
