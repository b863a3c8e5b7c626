"""Makes metrics.safetensors: oracles for @sd/metrics from torch, scipy and numpy.

Python 3, torch 1.13, scipy 1.10, numpy 1.24; python goldens/make-metrics.py
The networks are written anew here on torch.nn.functional, by the architecture of torchvision's squeezenet1_0,
squeezenet1_1 and vgg16 and of lpips 0.1's LPIPS; their weights are filled by formula, so that none are shipped.
"""

import pathlib

import numpy as np
import scipy.linalg
import scipy.ndimage
import torch
import torch.nn.functional as F
from safetensors_file import write

HERE = pathlib.Path(__file__).parent
OUT = {}


def put(name, value):
    array = value.detach().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
    OUT[name] = np.ascontiguousarray(array).reshape(array.shape)


def filled(name_index, shape, kind):
    """The formula of fid.safetensors: s = frac(|sin(12.9898 (i + 1) + 78.233 (idx mod 97)) 43758.5453|) - 0.5."""
    i = np.arange(1, int(np.prod(shape)) + 1, dtype=np.float64)
    s = np.abs(np.sin(12.9898 * i + 78.233 * (name_index % 97)) * 43758.5453) % 1.0 - 0.5
    if kind == "weight":
        s = s * np.sqrt(24.0 / np.prod(shape[1:]))
    elif kind == "head":
        s = s + 0.5
    else:
        s = 0.2 * s
    return torch.tensor(s.reshape(shape), dtype=torch.float32)


def fill(shapes):
    """Weights for names -> shapes; idx is the place of a name in the sorted names."""
    names = sorted(shapes)
    return {n: filled(i, shapes[n], "weight" if n.endswith("weight") else "bias") for i, n in enumerate(names)}


# Set distances


def set_distances():
    rng = np.random.default_rng(5)
    # More dimensions than samples, correlated: both covariances are singular. The trace of the root by the singular
    # values of the centered samples themselves, without a covariance.
    mixing = rng.standard_normal((24, 24)) / 5
    a = rng.standard_normal((9, 24)) @ mixing + 0.1
    b = rng.standard_normal((7, 24)) @ mixing * 1.3
    ca, cb = (a - a.mean(0)) / np.sqrt(len(a) - 1), (b - b.mean(0)) / np.sqrt(len(b) - 1)
    trace = np.linalg.svd(ca @ cb.T, compute_uv=False).sum()
    put("frechet/deficient_a", a)
    put("frechet/deficient_b", b)
    put("frechet/deficient", [((a.mean(0) - b.mean(0)) ** 2).sum() + (ca**2).sum() + (cb**2).sum() - 2 * trace])

    a = rng.standard_normal((60, 6)) @ rng.standard_normal((6, 6)) + 1
    b = rng.gamma(2.0, 1.0, (50, 6))
    sa, sb = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(sa @ sb)
    put("frechet/full_a", a)
    put("frechet/full_b", b)
    put("frechet/full_mean_a", a.mean(0))
    put("frechet/full_covariance_a", sa)
    put("frechet/full", [((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(sa + sb - 2 * root).real])

    def kid(x, y):
        kernel = lambda p, q: (p @ q.T / p.shape[1] + 1) ** 3
        kx, ky, kxy = kernel(x, x), kernel(y, y), kernel(x, y)
        m, n = len(x), len(y)
        return (kx.sum() - np.trace(kx)) / (m * (m - 1)) + (ky.sum() - np.trace(ky)) / (n * (n - 1)) - 2 * kxy.mean()

    put("kernel/full", [kid(a, b)])

    real = rng.standard_normal((50, 5))
    generated = 0.8 * rng.standard_normal((61, 5)) + 0.5
    put("manifold/real", real)
    put("manifold/generated", generated)
    for k in (1, 3, 5):

        def inside(samples, manifold):
            own = np.sqrt(((manifold[:, None] - manifold[None]) ** 2).sum(-1))
            radii = np.sort(own, axis=1)[:, k]  # the first is the sample itself
            cross = np.sqrt(((samples[:, None] - manifold[None]) ** 2).sum(-1))
            return (cross <= radii[None]).any(1).mean()

        put(f"manifold/k{k}", [inside(generated, real), inside(real, generated)])


# Image distances


def image_distances():
    rng = np.random.default_rng(6)
    smooth = scipy.ndimage.gaussian_filter(rng.random((2, 19, 26, 3)), (0, 2, 2, 0))
    x = (smooth - smooth.min()) / (smooth.max() - smooth.min())
    y = np.clip(x + 0.1 * rng.standard_normal(x.shape), 0, 1)
    x, y = x.astype(np.float32), y.astype(np.float32)
    put("image/x", x)
    put("image/y", y)
    x, y = x.astype(np.float64), y.astype(np.float64)
    put("image/psnr", 10 * np.log10(1 / ((x - y) ** 2).mean((1, 2, 3))))
    # As scikit-image does it: filtered with reflection, then cut by half the window.
    blur = lambda v: scipy.ndimage.gaussian_filter(v, (0, 1.5, 1.5, 0), truncate=3.5)
    mx, my = blur(x), blur(y)
    vx, vy, vxy = blur(x * x) - mx * mx, blur(y * y) - my * my, blur(x * y) - mx * my
    c1, c2 = 0.01**2, 0.03**2
    s = (2 * mx * my + c1) * (2 * vxy + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    put("image/ssim", s[:, 5:-5, 5:-5].mean((1, 2, 3)))


# Pooling


def pooling():
    torch.manual_seed(1)
    for height, width in ((7, 8), (8, 9), (11, 6)):
        x = torch.randn(2, 3, height, width, requires_grad=True)
        put(f"pool/{height}x{width}/x", x)
        for name, pool in (
            ("max3s2", lambda v: F.max_pool2d(v, 3, 2)),
            ("max3s2ceil", lambda v: F.max_pool2d(v, 3, 2, ceil_mode=True)),
            ("max3s1p1", lambda v: F.max_pool2d(v, 3, 1, 1)),
            ("max2s2", lambda v: F.max_pool2d(v, 2, 2)),
            ("avg3s1p1", lambda v: F.avg_pool2d(v, 3, 1, 1, count_include_pad=False)),
        ):
            y = pool(x)
            dy = torch.randn_like(y)
            (dx,) = torch.autograd.grad(y, x, dy)
            put(f"pool/{height}x{width}/{name}/y", y)
            put(f"pool/{height}x{width}/{name}/dy", dy)
            put(f"pool/{height}x{width}/{name}/dx", dx)


# Networks

FIRES = {
    "1_0": {3: (96, 16, 64), 4: (128, 16, 64), 5: (128, 32, 128), 7: (256, 32, 128), 8: (256, 48, 192), 9: (384, 48, 192), 10: (384, 64, 256), 12: (512, 64, 256)},
    "1_1": {3: (64, 16, 64), 4: (128, 16, 64), 6: (128, 32, 128), 7: (256, 32, 128), 9: (256, 48, 192), 10: (384, 48, 192), 11: (384, 64, 256), 12: (512, 64, 256)},
}
POOLS = {"1_0": (2, 6, 11), "1_1": (2, 5, 8)}
TAPS = {"1_0": (1, 5, 7, 8, 9, 10, 12), "1_1": (1, 4, 7, 9, 10, 11, 12)}


def squeezenet_shapes(version):
    first = (96, 3, 7, 7) if version == "1_0" else (64, 3, 3, 3)
    shapes = {"features.0.weight": first, "features.0.bias": first[:1]}
    for index, (inputs, squeeze, expand) in FIRES[version].items():
        for name, shape in (("squeeze", (squeeze, inputs, 1, 1)), ("expand1x1", (expand, squeeze, 1, 1)), ("expand3x3", (expand, squeeze, 3, 3))):
            shapes[f"features.{index}.{name}.weight"] = shape
            shapes[f"features.{index}.{name}.bias"] = shape[:1]
    shapes["classifier.1.weight"], shapes["classifier.1.bias"] = (1000, 512, 1, 1), (1000,)
    return shapes


def squeezenet(version, weights, x):
    """[N, 3, H, W], normalised -> maps at TAPS, logits."""
    conv = lambda v, name, **kw: F.relu(F.conv2d(v, weights[f"{name}.weight"], weights[f"{name}.bias"], **kw))
    maps = []
    for index in range(13):
        if index == 0:
            x = conv(x, "features.0", stride=2)
        elif index in POOLS[version]:
            x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        elif index in FIRES[version]:
            s = conv(x, f"features.{index}.squeeze")
            x = torch.cat([conv(s, f"features.{index}.expand1x1"), conv(s, f"features.{index}.expand3x3", padding=1)], 1)
        if index in TAPS[version]:
            maps.append(x)
    return maps, conv(x, "classifier.1").mean((2, 3))


VGG = {0: (3, 64), 2: (64, 64), 5: (64, 128), 7: (128, 128), 10: (128, 256), 12: (256, 256), 14: (256, 256), 17: (256, 512), 19: (512, 512), 21: (512, 512), 24: (512, 512), 26: (512, 512), 28: (512, 512)}


def vgg_shapes():
    shapes = {}
    for index, (inputs, outputs) in VGG.items():
        shapes[f"features.{index}.weight"], shapes[f"features.{index}.bias"] = (outputs, inputs, 3, 3), (outputs,)
    return shapes


def vgg16(weights, x):
    maps = []
    for index in range(30):
        if index in VGG:
            x = F.relu(F.conv2d(x, weights[f"features.{index}.weight"], weights[f"features.{index}.bias"], padding=1))
        elif index in (4, 9, 16, 23):
            x = F.max_pool2d(x, 2, 2)
        if index in (3, 8, 15, 22, 29):
            maps.append(x)
    return maps


def imagenet(x):
    """x in [0, 1], normalised as lpips does it: from [-1, 1] by its ScalingLayer."""
    shift = torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1)
    scale = torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1)
    return (2 * x - 1 - shift) / scale


def lpips(maps_x, maps_y, heads):
    total = 0
    for k, (a, b) in enumerate(zip(maps_x, maps_y)):
        unit = lambda v: v / (v.pow(2).sum(1, keepdim=True).sqrt() + 1e-10)
        difference = (unit(a) - unit(b)) ** 2
        if heads is not None:
            difference = difference * heads[k].view(1, -1, 1, 1)
        total = total + difference.sum(1).mean((1, 2))
    return total


def networks():
    rng = np.random.default_rng(7)
    smooth = scipy.ndimage.gaussian_filter(rng.random((4, 3, 65, 68)), (0, 0, 1, 1))
    images = torch.tensor((smooth - smooth.min()) / (smooth.max() - smooth.min()), dtype=torch.float32)
    put("network/x", images[:2])
    put("network/y", images[2:])
    for version in ("1_0", "1_1"):
        weights = fill(squeezenet_shapes(version))
        maps, logits = squeezenet(version, weights, imagenet(images[:2]))
        for k, value in enumerate(maps):
            put(f"squeezenet{version}/map{k}", value.mean((2, 3)))
        put(f"squeezenet{version}/logits", logits)
        put(f"squeezenet{version}/corner", maps[-1][:, :, -1, -1])
    weights = fill(vgg_shapes())
    small = images[:, :, :33, :40]
    for k, value in enumerate(vgg16(weights, imagenet(small[:2]))):
        put(f"vgg16/map{k}", value.mean((2, 3)))
    put("vgg16/corner", vgg16(weights, imagenet(small[:2]))[-1][:, :, -1, -1])

    for name, network, crop in (
        ("squeezenet1_1", lambda v, w=fill(squeezenet_shapes("1_1")): squeezenet("1_1", w, imagenet(v))[0], images),
        ("vgg16", lambda v: vgg16(weights, imagenet(v)), small),
    ):
        x, y = crop[:2].clone().requires_grad_(), crop[2:]
        widths = [value.shape[1] for value in network(crop[:1])]
        heads = [filled(k, (width,), "head") for k, width in enumerate(widths)]
        for kind, chosen in (("uniform", None), ("heads", heads)):
            value = lpips(network(x), network(y), chosen)
            (gradient,) = torch.autograd.grad(value.sum(), x)
            put(f"lpips/{name}/{kind}", value)
            put(f"lpips/{name}/{kind}/gradient", gradient[:, :, ::4, ::4])
            put(f"lpips/{name}/{kind}/gradient_mean", gradient.abs().mean((2, 3)))


set_distances()
image_distances()
pooling()
networks()
write(
    HERE / "metrics.safetensors",
    dict(sorted(OUT.items(), key=lambda item: -item[1].itemsize)),  # wide elements first, so that all are aligned
    {"source": "goldens/make-metrics.py; torch 1.13, scipy 1.10, numpy 1.24; NCHW, image/ NHWC"},
)
