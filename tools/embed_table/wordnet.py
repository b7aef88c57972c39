"""The corpus of the fit: WordNet's synsets with their embeddings (its README describes the files). Texts are read to
be counted; none of them is written anywhere.
"""
import gzip
import json
import pathlib

import numpy as np


class WordNet:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        with gzip.open(self.folder / "memories.jsonl.gz", "rt", encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        self.texts = [row["text"] for row in rows]
        self.words = [row["words"] for row in rows]
        self.base = np.fromfile(self.folder / "base.i32", "<i4")

    def embeddings(self):
        def plane(name):
            return np.fromfile(self.folder / name, np.int8).reshape(-1, 384).astype(np.float32)
        rows = plane("minilm_hi_i8.bin") + plane("minilm_lo_i8.bin") / 254
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def queries(self):
        """Sentences that are held out, the synset each illustrates, and the true ten nearest of the base set."""
        lines = (self.folder / "queries.tsv").read_text(encoding="utf-8").splitlines()
        own, texts = zip(*(line.split("\t", 1) for line in lines))
        truth = np.fromfile(self.folder / "truth_all.i32", "<i4").reshape(-1, 10)
        return list(texts), np.array(own, int), truth

    def definitions(self):
        """(words, definition without examples) of each synset."""
        for text, words in zip(self.texts, self.words):
            definition = text[text.index(": ") + 2:].split('; "')[0] if ": " in text else text
            yield ", ".join(words).replace("_", " "), definition
