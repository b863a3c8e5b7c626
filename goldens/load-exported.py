"""Loads what `sd export` wrote (scripts/write-references.ts, folder `export`) in latent-diffusion and diffusers, and compares.

python3 goldens/load-exported.py FOLDER/export, with torch, pyyaml, einops, and on PYTHONPATH the sources of latent-diffusion (a506df5)
and of diffusers (with its requirements); what is not on it is passed over, and said. The whole LatentDiffusion is built of
config.yaml; every name of the file must be one of its own, and of its own only what a schedule makes again may be missing. Errors are max|a - b| / max|b|.
"""

import importlib.util
import pathlib
import sys
import types

import torch
import yaml
from safetensors.torch import load_file
from torch import nn

written = pathlib.Path(sys.argv[1])
torch.set_grad_enabled(False)
worst, loaded = 0.0, 0


def compare(name, values, eps, image):
    global worst, loaded
    pairs = [(eps, values["eps"]), (image, values["image"])]
    errors = [float((theirs - ours).abs().max() / ours.abs().max()) for theirs, ours in pairs]
    worst, loaded = max(worst, *errors), loaded + 1
    print(f"{name:40} prediction {errors[0]:.1e}, image {errors[1]:.1e}")


class Quantizer(nn.Module):
    """In place of taming-transformers' VectorQuantizer2: the state, and the nearest entry of the codebook."""

    def __init__(self, count, width, **_):
        super().__init__()
        self.embedding = nn.Embedding(count, width)

    def forward(self, z):
        rows = z.permute(0, 2, 3, 1)
        nearest = torch.cdist(rows.reshape(1, -1, rows.shape[-1]), self.embedding.weight[None]).argmin(-1)
        return self.embedding(nearest).view(rows.shape).permute(0, 3, 1, 2), None, None


class Stub(types.ModuleType):
    """A package that latent-diffusion imports, and that building and running a model does not need."""

    __path__ = ()

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def stub(name, **content):
    parts = name.split(".")
    for i in range(1, len(parts) + 1):
        sys.modules.setdefault(".".join(parts[:i]), Stub(".".join(parts[:i])))
    sys.modules[name].__dict__.update(content)


def in_latent_diffusion():
    stub("pytorch_lightning", LightningModule=type("LightningModule", (nn.Module,), {"device": torch.device("cpu")}))
    stub("pytorch_lightning.utilities.distributed", rank_zero_only=lambda f: f)
    stub("torchvision.utils")
    stub("taming.modules.vqvae.quantize", VectorQuantizer2=Quantizer)
    stub("omegaconf.listconfig", ListConfig=list)
    for name in ["clip", "kornia"]:
        stub(name)
    from ldm.util import instantiate_from_config

    for folder in sorted((written / "ldm").iterdir()):
        values = load_file(written / f"{folder.name}.safetensors")
        config = yaml.safe_load((folder / "config.yaml").read_text())
        model = instantiate_from_config(config["model"]).eval()
        missing, unexpected = model.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
        made = {name for name, _ in model.named_buffers()} - {"scale_factor"}
        assert not unexpected, unexpected
        assert all(name in made or name.startswith(("model_ema.", "logvar")) for name in missing), missing
        assert abs(float(model.scale_factor) - 0.75) < 1e-7
        if "context" in values:  # which encoder made it, the user says to latent-diffusion
            eps = model.model.diffusion_model(values["x"], values["t"].long(), context=values["context"])
        elif "labels" in values:
            tokens = model.cond_stage_model({"class_label": values["labels"].long()})
            eps = model.model(values["x"], values["t"].long(), c_crossattn=[tokens])
        else:
            eps = model.model(values["x"], values["t"].long())
        image = model.first_stage_model.decode(values["latent"] / model.scale_factor)
        compare(f"latent-diffusion {folder.name}", values, eps, image)


def in_diffusers():
    from diffusers import AutoencoderKL, DDIMScheduler, LDMPipeline, UNet2DConditionModel, UNet2DModel

    for folder in sorted((written / "diffusers").iterdir()):
        values = load_file(written / f"{folder.name}.safetensors")
        conditional = "context" in values

        def strictly(cls, part):
            model, about = cls.from_pretrained(folder, subfolder=part, output_loading_info=True)
            assert not any(about.values()), about
            return model.eval()

        unet = strictly(UNet2DConditionModel if conditional else UNet2DModel, "unet")
        vae = strictly(AutoencoderKL, "vae" if conditional else "vqvae")
        assert abs(vae.config.scaling_factor - 0.75) < 1e-7
        scheduler = DDIMScheduler.from_pretrained(folder, subfolder="scheduler")
        assert (scheduler.config.beta_schedule, scheduler.config.set_alpha_to_one) == ("scaled_linear", False)
        extra = {"encoder_hidden_states": values["context"]} if conditional else {}
        eps = unet(values["x"], values["t"].long(), **extra).sample
        compare(f"diffusers {folder.name}", values, eps, vae.decode(values["latent"] / 0.75).sample)
        if not conditional:  # the folder as a whole: it samples
            images = LDMPipeline.from_pretrained(folder)(batch_size=1, num_inference_steps=2, output_type="np").images
            assert images.shape == (1, 16, 16, 3), images.shape


# in this order: what the other does not need is replaced by stubs
for project, run in {"diffusers": in_diffusers, "ldm": in_latent_diffusion}.items():
    if importlib.util.find_spec(project) is None:
        print(f"{project}: not on the path")
    else:
        run()
print(f"{loaded} models, largest {worst:.1e}")
sys.exit(worst > 1e-4 or loaded == 0)
