"""Writes the file that src/embed/token_table.h describes."""
import hashlib
import struct

import numpy as np


def token_hash(text):
    value = 0xCBF29CE484222325
    for byte in text:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value ^ value >> 32


def hash_slots(tokens):
    count = 1
    while count < 2 * len(tokens):
        count *= 2
    slots = np.zeros(count, "<u4")
    for number, token in enumerate(tokens):
        slot = token_hash(token) % count
        while slots[slot]:
            slot = (slot + 1) % count
        slots[slot] = number + 1
    return slots


def quantised(vectors):
    """factors u16 and rows i8 with vector ~ factor * row * constant. A row too small for a factor of one is silent."""
    scale = np.abs(vectors).max(1) / 127
    factors = np.rint(scale / scale.max() * 32767).astype("<u2")
    rows = np.zeros(vectors.shape, np.int8)
    told = factors > 0
    # Divided by the rounded factor, so that its error does not add to that of the row.
    exact = vectors[told] / (factors[told, None] * (scale.max() / 32767))
    rows[told] = np.clip(np.rint(exact), -127, 127)
    return factors, rows


def write(path, name, vocabulary, vectors):
    """vectors [tokens][dimension], weights included; all zero for a token that says nothing."""
    tokens = [word.encode() for word in vocabulary]
    factors, rows = quantised(vectors)
    text = b"".join(tokens)
    begins = np.cumsum([0] + [len(token) for token in tokens]).astype("<u4")
    sections = [begins, hash_slots(tokens), factors, text, rows]
    head = b"FRACTEMB" + struct.pack("<6I", 1, rows.shape[1], len(tokens), len(sections[1]),
                                     max(len(token) for token in tokens), len(text))
    tail = name.encode().ljust(128, b"\0") + bytes(64)
    for section in sections:
        data = section if isinstance(section, bytes) else section.tobytes()
        tail += data + bytes(-len(data) % 64)
    digest = hashlib.sha256(head + tail).digest()
    with open(path, "wb") as file:
        file.write(head + digest + tail)
    return digest.hex()


def read_vectors(path):
    """What the library computes with: factor * row as float64."""
    data = open(path, "rb").read()
    dimension, tokens, slots, _, text = struct.unpack_from("<5I", data, 12)
    at = 256
    def section(size):
        nonlocal at
        begin, at = at, at + size + (-size % 64)
        return begin
    section(4 * (tokens + 1)), section(4 * slots)
    factors = np.frombuffer(data, "<u2", tokens, section(2 * tokens)).astype(float)
    section(text)
    rows = np.frombuffer(data, np.int8, tokens * dimension, at).reshape(tokens, dimension)
    return factors[:, None] * rows
