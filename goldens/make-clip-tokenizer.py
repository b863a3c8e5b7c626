"""Makes clip-tokenizer.json: what transformers' CLIPTokenizer gives for a tiny vocabulary in CLIP's format.

python3 make-clip-tokenizer.py, with transformers 5.17.0 and tokenizers 0.23.2. The vocabulary is made as OpenAI made
CLIP's: the 256 letters for bytes, the same at a word's end, then what byte-pair encoding learns from WORDS, the two special
tokens last. `tokenizer` is the library's own tokenizer.json.
"""

import json
import pathlib
from collections import Counter

from transformers import CLIPTokenizer

WORDS = """a photo of a cat a photo of the cat sitting on a mat the photograph of an astronaut riding a horse on mars in the
style of a painting it's the artist's cats they're paintings of photographs of mountains at sunset highly detailed flower
flowers lower lowest newer newest caf\u00e9 caf\u00e9s na\u00efve \u0441\u043b\u043e\u043d \u0441\u043b\u043e\u043d\u044b \u732b \u732b""".split()
MERGES = 150

TEXTS = [
    "a photo of a cat",
    "A  Photo\tof\n a CAT!! ",
    "",
    "   ",
    "the artist's cats, they're 12 paintings... isn't it? WE'LL I'd I'm you've",
    "unseenword xyzzy astronauts",
    "caf\u00e9 cafe\u0301 CAF\u00c9 na\u00efve",
    "\u0421\u043b\u043e\u043d \u0421\u041b\u041e\u041d\u042b",
    "\u732b\u306f\u732b \U0001f408\u200d\u2b1b cat \u2728\u2728",
    "\u039f\u0394\u039f\u03a3 \u03a3\u03b1\u03a3 \u0130stanbul stra\u00dfe STRASSE \u01c5",
    "x\u00a0y\u2003z\u3000w \u0085v \ufeffu \u200bt",
    "1234 \u00bd \u0662\u0663 \u2167 3rd",
    "<|startoftext|>a cat<|endoftext|> of<|endoftext|>",
    "<|ENDOFTEXT|> <|endoftext|",
    "</w> it's 's 'S IT'S",
    "flowers flower lowest newest newer " * 6,
    "\x00\x01 \x7f \u00ad \ud7ff",
]


def letters():
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    table = {byte: chr(byte) for byte in printable}
    table.update({byte: chr(256 + i) for i, byte in enumerate(others)})
    return table, [table[byte] for byte in printable + others]


def learn(table):
    words = Counter()
    for word in WORDS:
        for part in word.replace("'", " '").split():
            symbols = [table[byte] for byte in part.encode()]
            symbols[-1] += "</w>"
            words[tuple(symbols)] += 1
    merges = []
    for _ in range(MERGES):
        pairs = Counter()
        for word, count in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += count
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        merged = Counter()
        for word, count in words.items():
            out, i = [], 0
            while i < len(word):
                if word[i : i + 2] == best:
                    out.append(best[0] + best[1])
                    i += 2
                else:
                    out.append(word[i])
                    i += 1
            merged[tuple(out)] += count
        words = merged
    return merges


table, alphabet = letters()
merges = learn(table)
tokens = alphabet + [letter + "</w>" for letter in alphabet] + [a + b for a, b in merges]
tokens += ["<|startoftext|>", "<|endoftext|>"]
vocab = {token: i for i, token in enumerate(tokens)}
assert len(vocab) == len(tokens)


def cases(tokenizer):
    for text in TEXTS:
        full = tokenizer(text)["input_ids"]
        cut = tokenizer(text, truncation=True, max_length=12, padding="max_length")["input_ids"]
        yield {"text": text, "ids": full, "padded": cut, "decoded": tokenizer.decode(full, skip_special_tokens=True)}


tokenizer = CLIPTokenizer(vocab=vocab, merges=merges)
# Letters that are missing: CLIP's own vocabulary has all, a cut one does not
few = {token: i for i, token in enumerate(t for t in tokens if t not in ("q", "q</w>", "z</w>"))}
partial = CLIPTokenizer(vocab=few, merges=merges, pad_token="!</w>")
gone = ["quiz", "a q z", "quartz"]
# As Stable Diffusion 2 has it: what fills up is a letter, and a special token wherever it is
exclaiming = CLIPTokenizer(vocab=vocab, merges=merges, pad_token="!")
exclamations = ["cat! a!!b", "! !", "it's!<|endoftext|>!"]


def padded(tokenizer, texts):
    options = dict(truncation=True, max_length=12, padding="max_length")
    return [{"text": text, "padded": tokenizer(text, **options)["input_ids"]} for text in texts]


result = {
    "tokenizer": json.loads(tokenizer.backend_tokenizer.to_str()),
    "cases": list(cases(tokenizer)),
    "partial": {"without": ["q", "q</w>", "z</w>"], "cases": padded(partial, gone)},
    "exclaiming": padded(exclaiming, exclamations),
}
path = pathlib.Path(__file__).parent / "clip-tokenizer.json"
path.write_text(json.dumps(result, ensure_ascii=True, separators=(",", ":")) + "\n")
