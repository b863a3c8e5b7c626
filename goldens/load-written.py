"""Loads what scripts/write-references.ts wrote in the software of its projects, and compares their outputs with goldens/.

python3 goldens/load-written.py FOLDER, with torch 2.13.0, transformers 5.17.0, einops, and on PYTHONPATH the sources of
diffusers (58eb52c0) and latent-diffusion. Names and shapes must be the module's exactly (strict); errors are max|a - b| / max|b|.
"""

import json
import pathlib
import sys
import types

import torch
from safetensors.torch import load_file
from torch import nn
from transformers import CLIPTextModel

here, written = pathlib.Path(__file__).parent, pathlib.Path(sys.argv[1])
torch.set_grad_enabled(False)
worst = 0.0


def golden(name):
    return {key: value if value.dtype == torch.int64 else value.float() if value.is_floating_point() else value
            for key, value in load_file(here / f"{name}.safetensors").items()}


def compare(name, *pairs):
    global worst
    errors = [float((ours - theirs).abs().max() / theirs.abs().max()) for ours, theirs in pairs]
    worst = max(worst, *errors)
    print(f"{name:32}", *(f"{error:.1e}" for error in errors))


values = golden("clip_text")
out = CLIPTextModel.from_pretrained(written / "clip_text")(values["ids"].long())
compare("transformers CLIPTextModel", (out.last_hidden_state, values["last_hidden_state"]),
        (out.pooler_output, values["pooler_output"]))

from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from diffusers.models.unets.unet_2d import UNet2DModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

values = golden("diffusers_unet")
for name, cls in {"unet2d": UNet2DModel, "unet2d_condition": UNet2DConditionModel}.items():
    model = cls.from_pretrained(written / "diffusers" / name)
    condition = {"encoder_hidden_states": values[f"{name}/context"]} if f"{name}/context" in values else {}
    y = model(values[f"{name}/x"], values[f"{name}/t"].long(), **condition).sample
    compare(f"diffusers {cls.__name__}", (y, values[f"{name}/y"]))
values = golden("diffusers_autoencoders")
model = AutoencoderTiny.from_pretrained(written / "diffusers/autoencoder_tiny")
z, y = values["autoencoder_tiny/z"], values["autoencoder_tiny/y"]
compare("diffusers AutoencoderTiny", (model.encode(values["autoencoder_tiny/x"]).latents, z), (model.decode(z).sample, y))

# latent-diffusion asks for these only to name a type
for name, content in {"omegaconf": {}, "omegaconf.listconfig": {"ListConfig": list}}.items():
    sys.modules.setdefault(name, types.ModuleType(name)).__dict__.update(content, __path__=[])
from ldm.modules.diffusionmodules.model import Decoder, Encoder
from ldm.modules.diffusionmodules.openaimodel import UNetModel

values = golden("ldm_unet")
for name in ["uncond", "updown", "cross", "classlabel"]:
    folder = written / "ldm" / name
    model = UNetModel(**json.loads((folder / "config.json").read_text())).eval()
    model.load_state_dict(load_file(folder / "model.safetensors"), strict=True)
    condition = {"context": values[f"{name}/context"]} if f"{name}/context" in values else {}
    if f"{name}/labels" in values:
        condition["y"] = values[f"{name}/labels"].long()
    y = model(values[f"{name}/x"], values[f"{name}/t"].long(), **condition)
    compare(f"latent-diffusion UNetModel {name}", (y, values[f"{name}/y"]))

values = golden("ldm_autoencoder")
for name in ["vq_f4", "kl_f8"]:
    folder = written / "ldm" / name
    params = json.loads((folder / "config.json").read_text())
    dd, width = params["ddconfig"], params["embed_dim"]
    parts = {"encoder": Encoder(**dd), "decoder": Decoder(**dd)}
    double = 2 if dd["double_z"] else 1
    parts["quant_conv"] = nn.Conv2d(double * dd["z_channels"], double * width, 1)
    parts["post_quant_conv"] = nn.Conv2d(width, dd["z_channels"], 1)
    if name == "vq_f4":
        parts["quantize"] = nn.ModuleDict({"embedding": nn.Embedding(params["n_embed"], width)})
    model = nn.ModuleDict(parts).eval()
    model.load_state_dict(load_file(folder / "model.safetensors"), strict=True)
    h = model["quant_conv"](model["encoder"](values[f"{name}/x"]))
    if name == "vq_f4":
        pairs, z = [(h, values["vq_f4/h"])], values["vq_f4/quantized"]
    else:
        mean, logvar = h.chunk(2, dim=1)
        pairs, z = [(mean, values["kl_f8/mean"]), (logvar.clamp(-30, 20), values["kl_f8/logvar"])], mean
    compare(f"latent-diffusion {name}", *pairs, (model["decoder"](model["post_quant_conv"](z)), values[f"{name}/y"]))

print(f"largest {worst:.1e}")
sys.exit(worst > 1e-4)
