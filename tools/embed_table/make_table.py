#!/usr/bin/env python3
"""Makes data/embed_table.bin. README.md beside this file says what it needs.

    make_table.py --wordnet FOLDER --fortunes FOLDER --chat FOLDER --out data/embed_table.bin [--recipe NAME]

Prints the figures of each step; --recipe tries another one of RECIPES.
"""
import argparse
import glob
import os
import pathlib
import re

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy is loaded: the order of sums depends on the threads

import numpy as np
import scipy.sparse

import table_file
from encoder import Encoder, token_ids, vocabulary
from evaluate import Tasks
from phrases import phrases
from refine import refine
from table import conjugate_gradient, count_matrix, mean_matrix, speaking_tokens, unit
from wordnet import WordNet

COMPONENTS = 256
# a: of the weights a / (a + p). ridge: pull towards the encoder's own token vectors. rate 0: no refinement.
BEST = dict(a=3e-4, ridge=1.0, texts=("wordnet", "fortunes", "phrases"), rate=0.1, order_share=0.5, epochs=4)
PLAIN = dict(a=3e-5, ridge=1.0, texts=("wordnet",), rate=0)
RECIPES = {
    "best": BEST,
    "plain": PLAIN,
    "plain_fortunes": PLAIN | dict(texts=("wordnet", "fortunes")),
    "plain_a": PLAIN | dict(texts=("wordnet", "fortunes"), a=3e-4),
    "plain_ridge3": PLAIN | dict(texts=("wordnet", "fortunes"), ridge=3.0),
    "plain_ridge.3": PLAIN | dict(texts=("wordnet", "fortunes"), ridge=0.3),
    "no_phrases": BEST | dict(texts=("wordnet", "fortunes")),
    "no_fortunes": BEST | dict(texts=("wordnet", "phrases")),
    "slow": BEST | dict(texts=("wordnet", "fortunes"), rate=0.03),
    "cosine": BEST | dict(texts=("wordnet", "fortunes"), rate=0.03, order_share=0.0),
}


def zipf(tokens):
    """How frequent each token is: the vocabulary goes from common to rare behind its first words, numbers by hand."""
    share = np.full(tokens, 1e-3)
    rank = np.arange(1, tokens - 1995)
    share[1996:] = 1 / (rank * (np.log(tokens - 1996) + 0.577))
    share[999:1037] = 0.02  # punctuation and digits
    share[1037] = 0.023  # "a"
    share[[1045, 1055, 1056]] = 0.008  # "i", "s", "t"
    return share


def fortune_sentences(folder, count=20000):
    found = set()
    for path in sorted(glob.glob(f"{folder}/*.u8")):
        if pathlib.Path(path).stem in ("ascii-art", "translate-me", "perl"):
            continue
        for saying in pathlib.Path(path).read_text(encoding="utf-8", errors="replace").split("\n%\n"):
            saying = re.sub(r"\s+", " ", re.sub(r"\n\s*--.*", "", saying, flags=re.S))
            found.update(each for each in re.split(r"(?<=[.!?]) +", saying) if 4 <= len(each.split()) <= 30)
    sentences = sorted(found)
    np.random.default_rng(1).shuffle(sentences)
    return sentences[:count]


def chat_sentences(folder):
    found = set()
    for path in sorted(glob.glob(f"{folder}/*.yml")):
        if pathlib.Path(path).stem in ("tech_support", "coding"):
            continue
        for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines():
            if told := re.match(r"^-? *- +(?:- +)?(.*)$", line):
                sentence = told.group(1).strip().strip("'\"").replace("''", "'")
                if len(sentence.split()) >= 4:
                    found.add(sentence)
    return sorted(found)


def show(step, figures):
    print(step, " ".join(f"{name}={value:.4f}" for name, value in figures.items()), flush=True)


class Fit:
    def __init__(self, arguments):
        self.words, self.encoder = vocabulary(), Encoder()
        corpus = WordNet(arguments.wordnet)
        embeddings = corpus.embeddings()
        order = np.random.default_rng(7).permutation(len(embeddings))
        held, kept = np.sort(order[:11766]), np.sort(order[11766:])
        chat = chat_sentences(arguments.chat)
        self.tasks = Tasks(corpus, embeddings, held, len(self.words), chat, self.encoder)
        self.centre = embeddings[kept].mean(0)
        centred = embeddings[kept] - self.centre
        # The directions in which meanings differ most.
        self.axes = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :COMPONENTS].astype(np.float32)
        tokens = self.encoder.encode_ids([[i] for i in range(len(self.words))])
        self.prior = ((tokens - tokens.mean(0)) @ self.axes).astype(np.float32)
        self.sets = {"wordnet": (self.tasks.counts[kept], (centred @ self.axes).astype(np.float32))}
        self.add("fortunes", fortune_sentences(arguments.fortunes))
        self.add("phrases", phrases(self.words, 30000))

    def add(self, name, texts):
        target = ((self.encoder.encode(texts) - self.centre) @ self.axes).astype(np.float32)
        self.sets[name] = count_matrix(token_ids(texts), len(self.words)), target

    def table(self, recipe):
        share = zipf(len(self.words))
        weights = (recipe["a"] / (recipe["a"] + share)).astype(np.float32)
        x = scipy.sparse.vstack([mean_matrix(self.sets[name][0], weights) for name in recipe["texts"]])
        target = np.vstack([self.sets[name][1] for name in recipe["texts"]])
        x = x.tocsr().astype(np.float32)
        table = conjugate_gradient(x, target, self.prior, recipe["ridge"], 15)
        show("least squares:", self.tasks.figures(weights[:, None] * table))
        if recipe["rate"]:
            table = refine(table, x, unit(target), recipe["epochs"], recipe["rate"], recipe["order_share"])
            show("refined:", self.tasks.figures(weights[:, None] * table))
        return weights[:, None] * table * speaking_tokens(self.words)[:, None]


def main():
    parser = argparse.ArgumentParser()
    for name in ("wordnet", "fortunes", "chat", "out"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--recipe", choices=RECIPES, default="best")
    arguments = parser.parse_args()
    fit = Fit(arguments)
    vectors = fit.table(RECIPES[arguments.recipe])
    print("digest:", table_file.write(arguments.out, "fractal-table-en", fit.words, vectors))
    show("as the file has it:", fit.tasks.figures(table_file.read_vectors(arguments.out).astype(np.float32)))


if __name__ == "__main__":
    main()
