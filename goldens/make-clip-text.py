"""Makes clip_text_variants.safetensors: transformers' CLIPTextModel where clip_text.safetensors has its defaults.

python3 make-clip-text.py, with torch 2.13.0 and transformers 5.17.0. No weights are shipped: for the idx-th name of the
sorted parameters (with `text_model.`), element i = 0.. of the flattened tensor, s = frac(|sin(12.9898 (i + 1) + 78.233 idx)
43758.5453|) - 0.5; layer norm weights 1 + 0.4 s; rank 2: s sqrt(12 / columns); all else 0.2 s. The gradients are those of
sum(last_hidden_state a) + sum(pooler_output b), a and b by 2 s with idx = 1000 and 1001. `golden` is clip_text.safetensors
itself, of which there are gradients only.
"""

import json
import math
import pathlib

import numpy as np
import torch
from safetensors_file import read, write
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

folder = pathlib.Path(__file__).parent
SMALL = dict(vocab_size=40, hidden_size=12, intermediate_size=20, num_hidden_layers=2, num_attention_heads=3,
             max_position_embeddings=9, projection_dim=5, bos_token_id=38)
IDS = [[38, 4, 17, 39, 39, 39, 39], [38, 3, 39, 5, 39, 1, 2], [38, 0, 1, 2, 3, 4, 5]]
VARIANTS = {
    "gelu": (CLIPTextModel, dict(SMALL, hidden_act="gelu", eos_token_id=39)),
    "legacy": (CLIPTextModel, dict(SMALL, hidden_act="quick_gelu", eos_token_id=2, layer_norm_eps=1e-3)),
    "projection": (CLIPTextModelWithProjection, dict(SMALL, hidden_act="gelu", eos_token_id=2)),
}
GRADS = ["embeddings.token_embedding.weight", "embeddings.position_embedding.weight",
         "encoder.layers.0.self_attn.q_proj.weight", "encoder.layers.1.self_attn.v_proj.bias",
         "encoder.layers.0.layer_norm1.weight", "encoder.layers.1.mlp.fc1.weight", "final_layer_norm.bias"]


def formula(shape, idx):
    i = np.arange(1, int(np.prod(shape)) + 1, dtype=np.float64)
    x = np.abs(np.sin(12.9898 * i + 78.233 * idx) * 43758.5453)
    return (x - np.floor(x) - 0.5).reshape(shape)


def weight(name, shape, idx):
    s = formula(shape, idx)
    if len(shape) == 2:
        return s * math.sqrt(12 / shape[1])
    return 1 + 0.4 * s if "layer_norm" in name and name.endswith("weight") else 0.2 * s


def prefixed(name):
    return name if name.startswith("text_") else f"text_model.{name}"


def gradients(model, ids, arrays, name):
    text = getattr(model, "text_model", model)
    out = text(torch.tensor(ids), output_hidden_states=True)
    last, pooled = out.last_hidden_state, out.pooler_output
    a = torch.tensor(2 * formula(last.shape, 1000), dtype=torch.float32)
    b = torch.tensor(2 * formula(pooled.shape, 1001), dtype=torch.float32)
    ((last * a).sum() + (pooled * b).sum()).backward()
    parameters = dict(text.named_parameters())
    for key in GRADS:
        arrays[f"{name}/grads/text_model.{key}"] = parameters[key].grad.numpy()
    return out


arrays, metadata = {}, {"source": "transformers 5.17.0 CLIPTextModel, torch 2.13.0"}
for name, (cls, config) in VARIANTS.items():
    model = cls(CLIPTextConfig(**config)).eval()
    parameters = sorted((prefixed(key), value) for key, value in model.named_parameters())
    with torch.no_grad():
        for idx, (key, value) in enumerate(parameters):
            value.copy_(torch.tensor(weight(key, tuple(value.shape), idx), dtype=torch.float32))
    out = gradients(model, IDS, arrays, name)
    arrays[f"{name}/ids"] = np.array(IDS, dtype=np.int32)
    arrays[f"{name}/last_hidden_state"] = out.last_hidden_state.detach().numpy()
    arrays[f"{name}/pooler_output"] = out.pooler_output.detach().numpy()
    for i, state in enumerate(out.hidden_states):
        arrays[f"{name}/hidden_states/{i}"] = state.detach().numpy()
    if cls is CLIPTextModelWithProjection:
        with torch.no_grad():
            arrays[f"{name}/text_embeds"] = model(torch.tensor(IDS)).text_embeds.numpy()
    saved = model.config.to_dict()
    saved["architectures"] = [cls.__name__]
    metadata[f"{name}/config"] = json.dumps(saved)

golden, header = read(folder / "clip_text.safetensors")
model = CLIPTextModel(CLIPTextConfig(**json.loads(header["config"]))).eval()
model.load_state_dict({key[8:]: torch.tensor(value.copy()) for key, value in golden.items() if key.startswith("weights/")})
out = gradients(model, golden["ids"].astype(np.int64).tolist(), arrays, "golden")
error = np.abs(out.last_hidden_state.detach().numpy() - golden["last_hidden_state"]).max()
print("the golden's own values are reproduced to", error)
write(folder / "clip_text_variants.safetensors", arrays, metadata)
