"""Values of huggingface diffusers' UNets for what diffusers_unet.safetensors leaves at its defaults.

python3 make-diffusers-variants.py, with torch and diffusers (2026-08). No weights are shipped: for the idx-th name of the
sorted state dict, element i = 0.. of the flattened tensor, s = frac(|sin(12.9898 (i + 1) + 78.233 idx) 43758.5453|) - 0.5;
rank >= 2: s sqrt(12 / fan_in), fan_in = elements of one output row; names that end in norm, norm1.. or norm_out and
".weight": 1 + 0.4 s; all else: 0.2 s. Other tensors: 2 s with idx = 1000, 1001, .. in the order below.
"""
import json
import math
import struct

import numpy as np
import torch
from diffusers.models.unets.unet_2d import UNet2DModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

PLAIN = dict(sample_size=8, in_channels=3, out_channels=2, layers_per_block=1, block_out_channels=[8, 16],
             norm_num_groups=4, down_block_types=["DownBlock2D", "AttnDownBlock2D"],
             up_block_types=["AttnUpBlock2D", "UpBlock2D"], attention_head_dim=4)
CROSS = dict(sample_size=8, in_channels=3, out_channels=2, layers_per_block=1, block_out_channels=[8, 16],
             norm_num_groups=4, down_block_types=["CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
             up_block_types=["CrossAttnUpBlock2D", "CrossAttnUpBlock2D"], attention_head_dim=2, cross_attention_dim=6)

VARIANTS = {
    "ddpm": (UNet2DModel, dict(PLAIN, attention_head_dim=None, flip_sin_to_cos=False, freq_shift=1,
                               downsample_padding=0, norm_eps=1e-3, center_input_sample=True)),
    "resnet": (UNet2DModel, dict(PLAIN, block_out_channels=[8, 12, 16], resnet_time_scale_shift="scale_shift",
                                 down_block_types=["ResnetDownsampleBlock2D", "AttnDownBlock2D", "DownBlock2D"],
                                 up_block_types=["UpBlock2D", "AttnUpBlock2D", "ResnetUpsampleBlock2D"],
                                 downsample_type="resnet", upsample_type="resnet", mid_block_scale_factor=1.5,
                                 num_class_embeds=5, time_embedding_dim=24)),
    "plain": (UNet2DModel, dict(PLAIN, add_attention=False, class_embed_type="timestep")),
    "groups": (UNet2DModel, dict(PLAIN, attn_norm_num_groups=2, class_embed_type="identity", mid_block_scale_factor=2)),
    "linear": (UNet2DConditionModel, dict(CROSS, attention_head_dim=[2, 4], use_linear_projection=True,
                                          only_cross_attention=[True, True], transformer_layers_per_block=[2, 1],
                                          layers_per_block=[1, 2], time_cond_proj_dim=5, class_embed_type="projection",
                                          projection_class_embeddings_input_dim=7, mid_block_scale_factor=2)),
    "xl": (UNet2DConditionModel, dict(CROSS, down_block_types=["DownBlock2D", "CrossAttnDownBlock2D"],
                                      up_block_types=["CrossAttnUpBlock2D", "UpBlock2D"],
                                      transformer_layers_per_block=[1, 3], addition_embed_type="text_time",
                                      addition_time_embed_dim=4, projection_class_embeddings_input_dim=29)),
    "headless": (UNet2DConditionModel, dict(CROSS, mid_block_type=None, num_class_embeds=4)),
}


def formula(shape, idx):
    i = np.arange(1, int(np.prod(shape)) + 1, dtype=np.float64)
    x = np.abs(np.sin(12.9898 * i + 78.233 * idx) * 43758.5453)
    return (x - np.floor(x) - 0.5).reshape(shape)


def weight(name, shape, idx):
    s = formula(shape, idx)
    if len(shape) >= 2:
        return s * math.sqrt(12 / np.prod(shape[1:]))
    stem, kind = name.rsplit(".", 1)
    is_norm = stem.rstrip("123").endswith("norm") or stem.endswith("norm_out")
    return 1 + 0.4 * s if kind == "weight" and is_norm else 0.2 * s


def other(shape, k):
    return torch.tensor(2 * formula(shape, 1000 + k), dtype=torch.float32)


tensors, configs = {}, {}
for name, (model_class, config) in VARIANTS.items():
    model = model_class(**config).eval()
    state = {key: torch.tensor(weight(key, tuple(value.shape), idx), dtype=torch.float32)
             for idx, (key, value) in enumerate(sorted(model.state_dict().items()))}
    model.load_state_dict(state)
    x, grad_out = other((2, 3, 8, 8), 0).requires_grad_(), other((2, 2, 8, 8), 1)
    kwargs = {}
    if model_class is UNet2DConditionModel:
        kwargs["encoder_hidden_states"] = other((2, 5, 6), 2)
    labels = {"resnet": torch.tensor([3, 1]), "headless": torch.tensor([0, 3]), "plain": torch.tensor([4, 250]),
              "groups": other((2, 32), 3), "linear": other((2, 7), 3)}
    if name in labels:
        kwargs["class_labels"] = labels[name]
    if name == "linear":
        kwargs["timestep_cond"] = other((2, 5), 4)
    if name == "xl":
        kwargs["added_cond_kwargs"] = {"text_embeds": other((2, 5), 5),
                                       "time_ids": torch.tensor([[8, 8, 0, 0, 8, 8], [4, 8, 1, 2, 8, 6]])}
    y = model(x, torch.tensor([10, 900]), return_dict=False, **kwargs)[0]
    (y * grad_out).sum().backward()
    tensors[f"{name}/y"] = y.detach()
    tensors[f"{name}/grad_x"] = x.grad
    for key, parameter in model.named_parameters():
        if parameter.grad is not None and (key.endswith("time_emb_proj.bias") or key.endswith("to_q.weight")
                                           or key.startswith(("time_embedding.", "class_embedding.", "add_embedding."))):
            tensors[f"{name}/grads/{key}"] = parameter.grad
    configs[name] = {"_class_name": model_class.__name__, **config}

header = {"__metadata__": {"source": "huggingface diffusers (2026-08), make-diffusers-variants.py",
                           "configs": json.dumps(configs)}}
data = b""
for key, value in sorted(tensors.items()):
    raw = value.contiguous().numpy().astype("<f4").tobytes()
    header[key] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [len(data), len(data) + len(raw)]}
    data += raw
head = json.dumps(header, separators=(",", ":")).encode()
head += b" " * (-len(head) % 8)
with open("diffusers_variants.safetensors", "wb") as file:
    file.write(struct.pack("<Q", len(head)) + head + data)
