"""Writes pictures.mdb as LSUN's databases are: webp or png bytes under SHA-1 keys, by py-lmdb (LMDB 0.9).

usage: python3 make-lmdb.py, which writes the file beside itself
needs: lmdb 1.4.0 (LMDB 0.9.24)
"""

import hashlib
import os
import struct
import tempfile
import zlib

import lmdb


def png(i, size):
    """A PNG of `size` x `size` pixels of the color (i, 255 - i, 7 i mod 256); `size` >= 40 is not compressed."""
    row = b"\0" + bytes([i, 255 - i, 7 * i % 256]) * size
    data = zlib.compress(row * size, 0 if size >= 40 else 9)
    chunk = lambda kind, body: struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def key(i):
    return hashlib.sha1(b"picture %d" % i).hexdigest().encode()


with tempfile.TemporaryDirectory() as folder:
    with lmdb.open(folder, map_size=1 << 24) as database:
        with database.begin(write=True) as transaction:  # removed by the next one, which leaves free pages
            for i in range(200, 230):
                transaction.put(key(i), png(i % 256, 16))
        with database.begin(write=True) as transaction:
            for i in range(200, 230):
                transaction.delete(key(i))
            for i in range(90):
                transaction.put(key(i), png(i, 48 if i % 30 == 7 else 16))
    with open(os.path.join(folder, "data.mdb"), "rb") as file:
        data = file.read()
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "pictures.mdb"), "wb") as file:
    file.write(data)
