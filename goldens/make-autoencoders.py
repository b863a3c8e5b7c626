"""Makes autoencoders.safetensors: TAESD's networks, FLUX.2's with its pool branch, LDM's first-stage training with
PatchGAN, written from their descriptions in PyTorch, on small weights by formula.

pip install torch==1.13.0 numpy; python goldens/make-autoencoders.py

Weights, so that none need be stored: with the names of a state dict sorted, element i = 0.. of tensor k = 0.. is
s = frac(|sin(12.9898 (i + 1) + 78.233 (k mod 97)) 43758.5453|) - 0.5 in float64, times sqrt(24 / fan_in) for rank >= 2,
1 + 0.4 s for a vector named weight, 1 + 0.5 s for running_var, 0.2 s for other vectors and scalars, num_batches_tracked 0.
"""

import json
import pathlib

import numpy as np
import safetensors_file
import torch
import torch.nn.functional as F
from torch import nn

HERE = pathlib.Path(__file__).parent
arrays = {}
metadata = {"source": f"torch {torch.__version__}, make-autoencoders.py"}


def keep(name, tensor):
    arrays[name] = tensor.detach().numpy().astype(np.float32).copy()


def formula(count, k):
    i = np.arange(1, count + 1, dtype=np.float64)
    u = np.abs(np.sin(12.9898 * i + 78.233 * (k % 97)) * 43758.5453)
    return u - np.floor(u) - 0.5


def fill(module):
    state = module.state_dict()
    for k, name in enumerate(sorted(state)):
        tensor = state[name]
        if name.endswith("num_batches_tracked"):
            continue
        s = formula(tensor.numel(), k)
        if tensor.dim() >= 2:
            s = s * np.sqrt(24 / (tensor.numel() / tensor.shape[0]))
        elif name.endswith("running_var"):
            s = 1 + 0.5 * s
        elif name.endswith("weight"):
            s = 1 + 0.4 * s
        else:
            s = 0.2 * s
        tensor.copy_(torch.from_numpy(s.reshape(tuple(tensor.shape)).astype(np.float32)))
    return module


def image(shape, k):
    return torch.from_numpy((2 * formula(int(np.prod(shape)), k)).reshape(shape).astype(np.float32))


# --- TAESD -----------------------------------------------------------------------------------------------------------


def conv3(a, b, **options):
    return nn.Conv2d(a, b, 3, padding=1, **options)


class Block(nn.Module):
    def __init__(self, c, pool):
        super().__init__()
        self.conv = nn.Sequential(conv3(c, c), nn.ReLU(), conv3(c, c), nn.ReLU(), conv3(c, c))
        if pool:
            self.pool = nn.Sequential(
                nn.Conv2d(c, 4 * c, 1, bias=False), nn.GroupNorm(4, 4 * c), nn.ReLU(), nn.Conv2d(4 * c, c, 1, bias=False)
            )
        self.has_pool = pool

    def forward(self, x):
        if self.has_pool:
            x = x + self.pool(x)
        return F.relu(self.conv(x) + x)


class Clamp(nn.Module):
    def forward(self, z):
        return torch.tanh(z / 3) * 3


def tiny_encoder(c, latent, pool):
    layers = [conv3(3, c), Block(c, False)]
    for level in range(3):
        layers += [conv3(c, c, stride=2, bias=False)] + [Block(c, pool and level == 2) for _ in range(3)]
    return nn.Sequential(*layers, conv3(c, latent))


def tiny_decoder(c, latent, pool):
    layers = [Clamp(), conv3(latent, c), nn.ReLU()]
    for level in range(3):
        layers += [Block(c, pool and level == 0) for _ in range(3)]
        layers += [nn.Upsample(scale_factor=2), conv3(c, c, bias=False)]
    return nn.Sequential(*layers, Block(c, False), conv3(c, 3))


def tiny(name, c, latent, pool):
    encoder, decoder = fill(tiny_encoder(c, latent, pool)), fill(tiny_decoder(c, latent, pool))
    with torch.no_grad():  # the formula's residual branches would blow the signal up
        for network in (encoder, decoder):
            for layer in network:
                if isinstance(layer, Block):
                    layer.conv[4].weight.mul_(0.25)
    x = (image((1, 3, 32, 40), 3) + 1) / 2
    x.requires_grad_(True)
    z = encoder(x)
    grad_z = image(tuple(z.shape), 4)
    (grad_x,) = torch.autograd.grad(z, x, grad_z, retain_graph=True)
    w = encoder[10].weight
    (grad_w,) = torch.autograd.grad(z, w, grad_z)
    latents = image(tuple(z.shape), 5) * 5  # beyond the clamp
    latents.requires_grad_(True)
    y = decoder(latents)
    grad_y = image(tuple(y.shape), 6)
    (grad_latents,) = torch.autograd.grad(y, latents, grad_y)
    for key, tensor in dict(z=z, grad_x=grad_x, grad_w=grad_w, y=y, grad_latents=grad_latents).items():
        keep(f"{name}/{key}", tensor)


# --- PatchGAN and the training of a first stage -----------------------------------------------------------------------


def patch_gan(n_layers, ndf, in_channels=3):
    layers = [nn.Conv2d(in_channels, ndf, 4, 2, 1), nn.LeakyReLU(0.2)]
    c = ndf
    for n in range(1, n_layers + 1):
        out = ndf * min(2**n, 8)
        layers += [nn.Conv2d(c, out, 4, 2 if n < n_layers else 1, 1, bias=False), nn.BatchNorm2d(out), nn.LeakyReLU(0.2)]
        c = out
    main = nn.Sequential(*layers, nn.Conv2d(c, 1, 4, 1, 1))
    return nn.ModuleDict({"main": main})


def discriminators():
    for name, n_layers, ndf, size in (("disc2", 2, 4, 24), ("disc3", 3, 4, 32)):
        network = fill(patch_gan(n_layers, ndf))
        x = image((2, 3, size, size), 7).requires_grad_(True)
        for mode in ("eval", "train"):
            network.train(mode == "train")
            logits = network["main"](x)
            grad = image(tuple(logits.shape), 8)
            network.zero_grad()
            x.grad = None
            logits.backward(grad)
            keep(f"{name}/{mode}/logits", logits)
            keep(f"{name}/{mode}/grad_x", x.grad)
            if mode == "train":
                for key, parameter in network.named_parameters():
                    keep(f"{name}/grads/{key}", parameter.grad)
        for key, buffer in network.named_buffers():
            keep(f"{name}/after/{key}", buffer)


def norm(c):
    return nn.GroupNorm(2, c, eps=1e-6)


class ResnetBlock(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.norm1, self.conv1, self.norm2, self.conv2 = norm(a), conv3(a, b), norm(b), conv3(b, b)
        if a != b:
            self.nin_shortcut = nn.Conv2d(a, b, 1)

    def forward(self, x):
        h = self.conv2(F.silu(self.norm2(self.conv1(F.silu(self.norm1(x))))))
        return h + (self.nin_shortcut(x) if hasattr(self, "nin_shortcut") else x)


class AttnBlock(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.norm = norm(c)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(c, c, 1) for _ in range(4))

    def forward(self, x):
        h = self.norm(x)
        q, k, v = (layer(h).flatten(2).transpose(1, 2) for layer in (self.q, self.k, self.v))
        weights = torch.softmax(q @ k.transpose(1, 2) / q.shape[2] ** 0.5, 2)
        return x + self.proj_out((weights @ v).transpose(1, 2).reshape(x.shape))


class Mid(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.block_1, self.attn_1, self.block_2 = ResnetBlock(c, c), AttnBlock(c), ResnetBlock(c, c)

    def forward(self, x):
        return self.block_2(self.attn_1(self.block_1(x)))


class Level(nn.Module):
    def __init__(self, a, b, blocks):
        super().__init__()
        self.block = nn.ModuleList([ResnetBlock(a if i == 0 else b, b) for i in range(blocks)])

    def forward(self, h):
        for block in self.block:
            h = block(h)
        return h


class Encoder(nn.Module):
    """LDM's with ch 4, ch_mult [1, 2], one block per level."""

    def __init__(self, out):
        super().__init__()
        self.conv_in = conv3(3, 4)
        self.down = nn.ModuleList([Level(4, 4, 1), Level(4, 8, 1)])
        self.down[0].downsample = nn.ModuleDict({"conv": nn.Conv2d(4, 4, 3, 2)})
        self.mid, self.norm_out, self.conv_out = Mid(8), norm(8), conv3(8, out)

    def forward(self, x):
        h = self.down[0](self.conv_in(x))
        h = self.down[1](self.down[0].downsample["conv"](F.pad(h, (0, 1, 0, 1))))
        return self.conv_out(F.silu(self.norm_out(self.mid(h))))


class Decoder(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv_in, self.mid = conv3(channels, 8), Mid(8)
        self.up = nn.ModuleList([Level(8, 4, 2), Level(8, 8, 2)])
        self.up[1].upsample = nn.ModuleDict({"conv": conv3(8, 8)})
        self.norm_out, self.conv_out = norm(4), conv3(4, 3)

    def forward(self, z):
        h = self.up[1](self.mid(self.conv_in(z)))
        h = self.up[0](self.up[1].upsample["conv"](F.interpolate(h, scale_factor=2)))
        return self.conv_out(F.silu(self.norm_out(h)))


class FirstStage(nn.Module):
    """LDM's AutoencoderKL or VQModel of f2 with z_channels 2, embed_dim 3, n_embed 8."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        double = 2 if kind == "kl" else 1
        self.encoder, self.decoder = Encoder(2 * double), Decoder(2)
        self.quant_conv, self.post_quant_conv = nn.Conv2d(2 * double, 3 * double, 1), nn.Conv2d(3, 2, 1)
        if kind == "vq":
            self.quantize = nn.ModuleDict({"embedding": nn.Embedding(8, 3)})

    def forward(self, x, noise):
        h = self.quant_conv(self.encoder(x))
        if self.kind == "kl":
            mean, logvar = h.chunk(2, 1)
            logvar = logvar.clamp(-30, 20)
            z = mean + torch.exp(0.5 * logvar) * noise
            extra = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).sum((1, 2, 3))
        else:
            rows = h.permute(0, 2, 3, 1)
            table = self.quantize["embedding"].weight
            entries = table[torch.cdist(rows.reshape(-1, 3), table).argmin(1)].view(rows.shape)
            extra = ((entries.detach() - rows) ** 2).mean() + 0.25 * ((entries - rows.detach()) ** 2).mean()
            z = (rows + (entries - rows).detach()).permute(0, 3, 1, 2)
        return self.decoder(self.post_quant_conv(z)), extra


# --- diffusers' names --------------------------------------------------------------------------------------------------


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.group_norm = norm(c)
        self.to_q, self.to_k, self.to_v = (nn.Linear(c, c) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(c, c)])

    def forward(self, x):
        h = self.group_norm(x).flatten(2).transpose(1, 2)
        q, k, v = self.to_q(h), self.to_k(h), self.to_v(h)
        weights = torch.softmax(q @ k.transpose(1, 2) / q.shape[2] ** 0.5, 2)
        return x + self.to_out[0](weights @ v).transpose(1, 2).reshape(x.shape)


class Resnet(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.norm1, self.conv1, self.norm2, self.conv2 = norm(a), conv3(a, b), norm(b), conv3(b, b)
        if a != b:
            self.conv_shortcut = nn.Conv2d(a, b, 1)

    def forward(self, x):
        h = self.conv2(F.silu(self.norm2(self.conv1(F.silu(self.norm1(x))))))
        return h + (self.conv_shortcut(x) if hasattr(self, "conv_shortcut") else x)


class Stage(nn.Module):
    """A down or up block, or the middle: resnets with attentions after them (the middle's last has none)."""

    def __init__(self, widths, attentions, resample=None):
        super().__init__()
        self.resnets = nn.ModuleList([Resnet(a, b) for a, b in zip(widths, widths[1:])])
        if attentions:
            self.attentions = nn.ModuleList([Attention(widths[-1]) for _ in range(attentions)])
        self.count = attentions
        c = widths[-1]
        if resample == "down":
            self.downsamplers = nn.ModuleList([nn.ModuleDict({"conv": nn.Conv2d(c, c, 3, 2)})])
        if resample == "up":
            self.upsamplers = nn.ModuleList([nn.ModuleDict({"conv": conv3(c, c)})])

    def forward(self, h):
        for i, resnet in enumerate(self.resnets):
            h = resnet(h)
            if i < self.count:
                h = self.attentions[i](h)
        if hasattr(self, "downsamplers"):
            h = self.downsamplers[0]["conv"](F.pad(h, (0, 1, 0, 1)))
        if hasattr(self, "upsamplers"):
            h = self.upsamplers[0]["conv"](F.interpolate(h, scale_factor=2))
        return h


class Half(nn.Module):
    """Encoder or decoder of diffusers: block_out_channels [4, 8, 16], one layer per block, attention at the middle level."""

    def __init__(self, down, inputs, outputs):
        super().__init__()
        self.down = down
        self.mid_block = Stage([16, 16, 16], 1)
        if down:
            self.conv_in, self.conv_norm_out, self.conv_out = conv3(inputs, 4), norm(16), conv3(16, outputs)
            self.down_blocks = nn.ModuleList([Stage([4, 4], 0, "down"), Stage([4, 8], 1, "down"), Stage([8, 16], 0)])
        else:
            self.conv_in, self.conv_norm_out, self.conv_out = conv3(inputs, 16), norm(4), conv3(4, outputs)
            self.up_blocks = nn.ModuleList(
                [Stage([16, 16, 16], 0, "up"), Stage([16, 8, 8], 2, "up"), Stage([8, 4, 4], 0)]
            )

    def forward(self, x):
        h = self.conv_in(x)
        for block in [*self.down_blocks, self.mid_block] if self.down else [self.mid_block, *self.up_blocks]:
            h = block(h)
        return self.conv_out(F.silu(self.conv_norm_out(h)))


def diffusers(name, double, quant):
    latent = 4
    parts = {"encoder": Half(True, 3, latent * double), "decoder": Half(False, latent, 3)}
    if quant:
        parts["quant_conv"] = nn.Conv2d(latent * double, latent * double, 1)
        parts["post_quant_conv"] = nn.Conv2d(latent, latent, 1)
    model = fill(nn.ModuleDict(parts))
    x = image((1, 3, 16, 24), 9).requires_grad_(True)
    h = model["encoder"](x)
    h = model["quant_conv"](h) if quant else h
    mean = h[:, :latent]
    y = model["decoder"](model["post_quant_conv"](mean) if quant else mean)
    grad_y = image(tuple(y.shape), 10)
    (grad_x,) = torch.autograd.grad(y, x, grad_y)
    for key, tensor in dict(h=h, y=y, grad_x=grad_x).items():
        keep(f"{name}/{key}", tensor)
    metadata[name] = json.dumps({key: list(tensor.shape) for key, tensor in model.state_dict().items()})


def perceptual(x, y):
    """A stand-in for LPIPS: any differentiable distance will do. [N, 1, 1, 1]."""
    return ((x - y) ** 2 * torch.sigmoid(x + y)).mean((1, 2, 3), keepdim=True)


def training(name, kind, disc_loss, disc_start, disc_weight, rate):
    model, discriminator = fill(FirstStage(kind)), fill(patch_gan(2, 4)).train()
    logvar = nn.Parameter(torch.tensor(0.1))
    generator_side = list(model.parameters()) + ([logvar] if kind == "kl" else [])
    for step in range(2):
        x = image((2, 3, 16, 16), 20 + step)
        noise = image((2, 3, 8, 8), 30 + step)
        out = f"{name}/step{step}"
        factor = 1.0 if step >= disc_start else 0.0
        # the autoencoder's turn
        y, extra = model(x, noise)
        rec = (x - y).abs()
        distance = perceptual(x, y)
        error = rec + distance
        if kind == "kl":
            nll = (error / logvar.exp() + logvar).sum() / len(x)
            regularizer = 1e-6 * extra.sum() / len(x)
        else:
            nll = error.mean()
            regularizer = 1.0 * extra.mean()
        g = -discriminator["main"](y).mean()
        last = model.decoder.conv_out.weight
        (nll_grad,) = torch.autograd.grad(nll, last, retain_graph=True)
        (g_grad,) = torch.autograd.grad(g, last, retain_graph=True)
        adaptive = (nll_grad.norm() / (g_grad.norm() + 1e-4)).clamp(0, 1e4).detach() * disc_weight
        total = nll + adaptive * factor * g + regularizer
        grads = torch.autograd.grad(total, generator_side)
        for key, tensor in dict(rec=rec.mean(), perceptual=distance.mean(), nll=nll, extra=extra.mean(), g=g,
                                adaptive=adaptive, total=total).items():
            keep(f"{out}/{key}", tensor)
        names = [key for key, _ in model.named_parameters()] + (["logvar"] if kind == "kl" else [])
        for key, grad in zip(names, grads):
            keep(f"{out}/grads/{key}", grad)
        with torch.no_grad():
            for parameter, grad in zip(generator_side, grads):
                parameter -= rate * grad
        # the discriminator's, of the images that the autoencoder gives after its step, as two optimizers in turn do
        with torch.no_grad():
            y, _ = model(x, noise)
        real, fake = discriminator["main"](x), discriminator["main"](y)
        if disc_loss == "hinge":
            d = 0.5 * (F.relu(1 - real).mean() + F.relu(1 + fake).mean())
        else:
            d = 0.5 * (F.softplus(-real).mean() + F.softplus(fake).mean())
        d = factor * d
        discriminator.zero_grad()
        d.backward()
        keep(f"{out}/disc", d)
        keep(f"{out}/logits_real", real.mean())
        keep(f"{out}/logits_fake", fake.mean())
        with torch.no_grad():
            for key, parameter in discriminator.named_parameters():
                keep(f"{out}/disc_grads/{key}", parameter.grad)
                parameter -= 0.01 * parameter.grad
        for key, buffer in discriminator.named_buffers():
            keep(f"{out}/buffers/{key}", buffer)


if __name__ == "__main__":
    torch.manual_seed(0)
    tiny("taesd", 8, 4, False)
    tiny("taesd3", 8, 16, False)
    tiny("taef2", 8, 32, True)
    diffusers("diffusers_kl", 2, True)
    diffusers("diffusers_flux", 2, False)
    discriminators()
    training("kl", "kl", "hinge", 1, 0.5, 1e-5)
    training("vq", "vq", "vanilla", 0, 0.75, 1e-2)
    safetensors_file.write(HERE / "autoencoders.safetensors", arrays, metadata)
