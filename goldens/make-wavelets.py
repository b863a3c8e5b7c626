"""wavelets-more.json: values of PyWavelets 1.1.1 for what wavelets.json leaves out.

    python3 goldens/make-wavelets.py

`signals`: every wavelet, pywt.dwt of x[i] = sin(1 + 3 i^2 / 7), i = 0..10, in one mode each (the modes in turn).
`images`: a sample of long, dual and odd banks in all modes; x = sin(1 + 0.37 i^1.5) by index i of the flattened
[N, H, W, C]; of each band its shape, its sum and the values at every `stride`-th place of the flattened band.
`levels`: pywt.wavedec2 of [H, W] in every mode, flattened in the order cA, cH, cV, cD, ...; `max_levels`: pywt.dwt_max_level.
"""

import json
from pathlib import Path

import numpy as np
import pywt

MODES = ["periodization", "zero", "symmetric", "reflect"]
SAMPLE = (
    "db2 db5 db11 db20 db38 sym2 sym5 sym9 sym14 sym20 coif2 coif5 coif11 coif17 dmey bior1.1 bior1.5 bior2.8 bior3.1 "
    "bior3.9 bior5.5 bior6.8 rbio1.5 rbio2.2 rbio3.1 rbio3.7 rbio4.4 rbio6.8"
).split()
SHAPES = [(2, 5, 8, 2), (1, 9, 7, 3), (2, 6, 2, 1), (1, 12, 3, 2)]
VALUES = 24


def rounded(values):
    return [float(f"{value:.9g}") for value in np.asarray(values, dtype=float).ravel()]


def picture(shape):
    return np.sin(1 + 0.37 * np.arange(np.prod(shape), dtype=float) ** 1.5).reshape(shape)


def main():
    assert pywt.__version__ == "1.1.1", pywt.__version__
    names = pywt.wavelist(kind="discrete")
    signal = np.sin(1 + 3 * np.arange(11.0) ** 2 / 7)
    signals = []
    for i, name in enumerate(names):
        mode = MODES[i % 4]
        low, high = pywt.dwt(signal, name, mode)
        bank = pywt.Wavelet(name)
        signals.append({"wavelet": name, "mode": mode, "low": rounded(low), "high": rounded(high),
                        "orthogonal": bank.orthogonal, "length": bank.dec_len})
    images = []
    for i, name in enumerate(SAMPLE):
        for j, mode in enumerate(MODES):
            shape = SHAPES[(i + j) % 4]
            ll, (lh, hl, hh) = pywt.dwt2(picture(shape), name, mode, axes=(1, 2))
            case = {"wavelet": name, "mode": mode, "shape": shape, "bands": ll.shape}
            stride = case["stride"] = max(1, ll.size // VALUES)
            for key, band in [("ll", ll), ("lh", lh), ("hl", hl), ("hh", hh)]:
                case[key] = {"sum": float(f"{band.sum():.9g}"), "scale": float(f"{abs(band).max():.9g}"),
                             "values": rounded(band.ravel()[::stride])}
            images.append(case)
    levels = []
    for name, mode, shape in [("db3", "periodization", (21, 14)), ("sym4", "zero", (13, 18)), ("bior4.4", "symmetric", (17, 12)),
                              ("rbio2.2", "reflect", (11, 15)), ("coif1", "zero", (16, 9))]:
        first, *details = pywt.wavedec2(picture(shape), name, mode, level=2)
        bands = [first, *(band for detail in details for band in detail)]
        levels.append({"wavelet": name, "mode": mode, "shape": shape, "level": 2, "shapes": [b.shape for b in bands],
                       "values": rounded(np.concatenate([b.ravel() for b in bands]))})
    max_levels = [[n, name, pywt.dwt_max_level(n, pywt.Wavelet(name).dec_len)]
                  for n in (1, 2, 7, 13, 14, 100, 1024) for name in ("haar", "db2", "db4", "bior4.4", "coif17")]
    text = json.dumps({"signals": signals, "images": images, "levels": levels, "max_levels": max_levels}, separators=(",", ":"))
    (Path(__file__).parent / "wavelets-more.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
