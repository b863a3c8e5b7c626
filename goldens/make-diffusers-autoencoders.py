"""Makes diffusers_autoencoders_formula.safetensors: AutoencoderKL and VQModel of huggingface diffusers on weights by formula.

PYTHONPATH=diffusers/src python3 make-diffusers-autoencoders.py, with torch 2.13.0 and diffusers 58eb52c0 (2026-08). The
configurations are those of diffusers_autoencoders.safetensors, whose own weights (2.7 MB) are not in the repository. Weights
are by make-autoencoders.py's formula; x is its image 50, the gradients are those of sum(y image 51), for the VQ model plus the
commitment loss. AutoencoderKL: mean, logvar, and y of the mean; VQModel: z before quantization, quantized, indices, loss, y.
"""

import json
import pathlib

import numpy as np
import safetensors_file
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.autoencoders.vq_model import VQModel

HERE = pathlib.Path(__file__).parent
GRADS = ["encoder.conv_in.weight", "quant_conv.bias", "encoder.mid_block.attentions.0.to_q.weight",
         "decoder.mid_block.attentions.0.to_out.0.weight", "decoder.conv_norm_out.weight", "decoder.conv_out.bias"]
arrays = {}


def formula(count, k):
    i = np.arange(1, count + 1, dtype=np.float64)
    u = np.abs(np.sin(12.9898 * i + 78.233 * (k % 97)) * 43758.5453)
    return u - np.floor(u) - 0.5


def fill(module):
    state = module.state_dict()
    for k, name in enumerate(sorted(state)):
        tensor = state[name]
        s = formula(tensor.numel(), k)
        if tensor.dim() >= 2:
            s = s * np.sqrt(24 / (tensor.numel() / tensor.shape[0]))
        else:
            s = 1 + 0.4 * s if name.endswith("weight") else 0.2 * s
        tensor.copy_(torch.from_numpy(s.reshape(tuple(tensor.shape)).astype(np.float32)))
    return module.eval()


def image(shape, k):
    return torch.from_numpy((2 * formula(int(np.prod(shape)), k)).reshape(shape).astype(np.float32))


def keep(name, tensor):
    value = tensor.detach().numpy()
    arrays[name] = value.astype(np.int32 if value.dtype == np.int64 else np.float32).copy()


_, metadata = safetensors_file.read(HERE / "diffusers_autoencoders.safetensors")
configs = json.loads(metadata["configs"])
for name, cls in {"autoencoder_kl": AutoencoderKL, "vq_model": VQModel}.items():
    model = cls(**configs[name]["config"])
    with torch.no_grad():
        fill(model)
    x = image((1, 3, 16, 16), 50).requires_grad_()
    if cls is AutoencoderKL:
        posterior = model.encode(x).latent_dist
        keep(f"{name}/mean", posterior.mean)
        keep(f"{name}/logvar", posterior.logvar)
        keep(f"{name}/kl", posterior.kl())
        y = model.decode(posterior.mode()).sample
        loss = 0
    else:
        z = model.encode(x).latents
        quantized, loss, (_, _, indices) = model.quantize(z)
        keep(f"{name}/z", z)
        keep(f"{name}/quantized", quantized)
        keep(f"{name}/indices", indices)
        keep(f"{name}/loss", loss)
        y = model.decode(z).sample
        distances = torch.cdist(z.movedim(1, 3).reshape(-1, z.shape[1]), model.quantize.embedding.weight)
        nearest = distances.sort(dim=1).values
        print(name, "codes in use:", indices.unique().numel(), "least margin:", (nearest[:, 1] - nearest[:, 0]).min().item())
    keep(f"{name}/y", y)
    ((y * image(tuple(y.shape), 51)).sum() + loss).backward()
    keep(f"{name}/grad_x", x.grad)
    parameters = dict(model.named_parameters())
    for key in GRADS + (["quantize.embedding.weight"] if cls is VQModel else []):
        keep(f"{name}/grads/{key}", parameters[key].grad)
source = f"huggingface diffusers 58eb52c0, torch {torch.__version__}, make-diffusers-autoencoders.py"
safetensors_file.write(HERE / "diffusers_autoencoders_formula.safetensors", arrays, {"source": source})
