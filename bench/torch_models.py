"""LDM's UNet and its wavelet-gated kin in PyTorch, under the names of their state dicts: the peers of @sd/unet."""

import math

import torch
import torch.nn.functional as F
from torch import nn

HEAD = 32
GROUPS = 32


class Res(nn.Module):
    def __init__(self, channels, out, width):
        super().__init__()
        self.in_layers = nn.Sequential(nn.GroupNorm(GROUPS, channels), nn.SiLU(), nn.Conv2d(channels, out, 3, padding=1))
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(width, out))
        self.out_layers = nn.Sequential(
            nn.GroupNorm(GROUPS, out), nn.SiLU(), nn.Identity(), nn.Conv2d(out, out, 3, padding=1)
        )
        self.skip_connection = nn.Identity() if channels == out else nn.Conv2d(channels, out, 1)

    def forward(self, x, e):
        h = self.in_layers(x) + self.emb_layers(e)[:, :, None, None]
        return self.skip_connection(x) + self.out_layers(h)


class Attention(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.proj_out = nn.Conv1d(channels, channels, 1)

    def forward(self, x, _e):
        n, c, height, width = x.shape
        qkv = self.qkv(self.norm(x).reshape(n, c, height * width))
        heads = qkv.reshape(n, c // HEAD, 3, HEAD, height * width).transpose(3, 4)
        y = attend(*heads.unbind(2)).transpose(2, 3).reshape(n, c, height * width)
        return x + self.proj_out(y).reshape(x.shape)


def attend(q, k, v):
    """Heads of `[N, heads, T, HEAD]`, by PyTorch's fused kernel where it has one."""
    if hasattr(F, "scaled_dot_product_attention"):
        return F.scaled_dot_product_attention(q, k, v)
    return torch.softmax(q @ k.transpose(2, 3) / math.sqrt(HEAD), dim=-1) @ v


def haar(a, b, c, d):
    """LL, LH, HL, HH of blocks [a b; c d]; its own inverse."""
    return (a + b + c + d) / 2, (a + b - c - d) / 2, (a - b + c - d) / 2, (a - b - c + d) / 2


class Gated(nn.Module):
    """Gates of the means over the pixels, and the 1x1 convolution."""

    def __init__(self, channels, gated, fused, hidden=4):
        super().__init__()
        ends = nn.Linear(channels, hidden, bias=False), nn.Linear(hidden, gated, bias=False)
        self.gate = nn.Sequential(ends[0], nn.SiLU(), ends[1])
        self.fuse = nn.Conv2d(fused, channels, 1)

    def gates(self, x):
        return torch.sigmoid(self.gate(x.mean((2, 3))))[:, :, None, None]


class WGDown(Gated):
    def __init__(self, channels):
        super().__init__(channels, 4 * channels, 4 * channels)

    def forward(self, x, _e):
        bands = haar(x[:, :, ::2, ::2], x[:, :, ::2, 1::2], x[:, :, 1::2, ::2], x[:, :, 1::2, 1::2])
        return self.fuse(torch.cat(bands, 1) * self.gates(x))


class WGUp(Gated):
    def __init__(self, channels):
        super().__init__(channels, channels, channels // 4)

    def forward(self, x, _e):
        n, c, h, w = x.shape
        a, b, p, q = haar(*(x * self.gates(x)).chunk(4, 1))
        pixels = torch.stack([torch.stack([a, b], -1), torch.stack([p, q], -1)], 3)  # [N, C/4, H, 2, W, 2]
        return self.fuse(pixels.reshape(n, c // 4, 2 * h, 2 * w))


class Down(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.op = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x, _e):
        return self.op(x)


class Up(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x, _e):
        return self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))


class First(nn.Conv2d):
    def forward(self, x, _e):
        return super().forward(x)


class UNet(nn.Module):
    """The FFHQ layout; 224 channels are LDM's, 64 with `gated` are SD's."""

    def __init__(self, channels, gated, images=3, mult=(1, 2, 3, 4), blocks=2, attended=(2, 4, 8)):
        super().__init__()
        self.channels = channels
        width = 4 * channels
        down, up = (WGDown, WGUp) if gated else (Down, Up)
        self.time_embed = nn.Sequential(nn.Linear(channels, width), nn.SiLU(), nn.Linear(width, width))
        self.input_blocks = nn.ModuleList([nn.ModuleList([First(images, channels, 3, padding=1)])])
        c, skips = channels, [channels]
        for level, m in enumerate(mult):
            for _ in range(blocks):
                layers = [Res(c, m * channels, width)]
                c = m * channels
                self.input_blocks.append(nn.ModuleList(layers + ([Attention(c)] if 2**level in attended else [])))
                skips.append(c)
            if level < len(mult) - 1:
                self.input_blocks.append(nn.ModuleList([down(c)]))
                skips.append(c)
        self.middle_block = nn.ModuleList([Res(c, c, width), Attention(c), Res(c, c, width)])
        self.output_blocks = nn.ModuleList()
        for level, m in reversed(list(enumerate(mult))):
            for i in range(blocks + 1):
                layers = [Res(c + skips.pop(), m * channels, width)]
                c = m * channels
                layers += [Attention(c)] if 2**level in attended else []
                layers += [up(c)] if level > 0 and i == blocks else []
                self.output_blocks.append(nn.ModuleList(layers))
        self.out = nn.Sequential(nn.GroupNorm(GROUPS, c), nn.SiLU(), nn.Conv2d(c, images, 3, padding=1))

    def forward(self, x, t):
        half = self.channels // 2
        frequencies = torch.exp(-math.log(10000) * torch.arange(half, device=x.device) / half)
        angles = t[:, None].float() * frequencies
        e = self.time_embed(torch.cat([angles.cos(), angles.sin()], 1))
        skips, h = [], x
        for block in self.input_blocks:
            for layer in block:
                h = layer(h, e)
            skips.append(h)
        for layer in self.middle_block:
            h = layer(h, e)
        for block in self.output_blocks:
            h = torch.cat([h, skips.pop()], 1)
            for layer in block:
                h = layer(h, e)
        return self.out(h)
