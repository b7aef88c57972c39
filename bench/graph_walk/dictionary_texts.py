#!/usr/bin/env python3
"""Some 300,000 short English texts that differ: a line each, in an order from a fixed seed.

  dictionary_texts.py >FILE     needs Debian's wordnet-base and dict-gcide

WordNet's glosses (definition and examples apart), and the senses of the GNU Collaborative International Dictionary of
English, each with the word that it belongs to. Both are read where their packages put them; nothing is kept here."""
import gzip
import pathlib
import random
import re
import sys

MOST_WORDS = 40


def wordnet(folder):
    for part in ("noun", "verb", "adj", "adv"):
        for line in (folder / f"data.{part}").read_text().splitlines():
            if line.startswith("  "):
                continue
            fields, gloss = line.split(" | ", 1)
            word = fields.split()[4].replace("_", " ")
            yield f"{word}: {gloss.split(chr(34))[0].strip('; ')}"
            yield from re.findall(r'"([^"]+)"', gloss)


def gcide(file):
    word = ""
    for sense in re.split(r"\n\s*\[[^\]]*\]\s*\n|\n\s*\n", gzip.open(file, "rt", errors="replace").read()):
        head = re.match(r"([^\s\\][^\\\n]*?) \\.*", sense)
        if head:
            word, sense = head.group(1), sense.split("\n", 1)[1] if "\n" in sense else ""
            sense = re.sub(r"\A\s*(\[[^\]]*\])?[^\n]*\]\.?\n", "", sense)
        text = re.sub(r"\[[^\]]*\]|--[A-Z][\w. ]*|\A\s*(\d+|\([a-z]\))\.?\s|[{}]", " ", sense)
        if len(text.split()) >= 4:
            yield f"{word}: {text}"


texts = set()
for text in [*wordnet(pathlib.Path("/usr/share/wordnet")), *gcide("/usr/share/dictd/gcide.dict.dz")]:
    texts.add(" ".join(text.split()[:MOST_WORDS]))
texts = sorted(texts)
random.Random(1).shuffle(texts)
sys.stdout.writelines(text + "\n" for text in texts)
