#!/usr/bin/env python3
"""Writes tests/data/word_piece.jsonl: nasty texts and the tokens that the reference cuts them into.

    tools/embed_table/make_word_piece_vectors.py > tests/data/word_piece.jsonl

Deterministic. A line is [text, [number of each token]], -1 for a word that the vocabulary cannot spell. Only characters
that the reference's Unicode tables (version 8) know are used: for later ones the two may differ.
"""
import functools
import json
import random
import sys
import unicodedata

from encoder import plain_tokenizer, vocabulary

UNKNOWN = 100

BY_HAND = [
    "", " ", "\t\n\r", "hello", "Hello, World!", "don't", "it's Ada\u2019s", "na\u00efve caf\u00e9 r\u00e9sum\u00e9", "e\u0301\u0327a", "\u0130stanbul I\u0131",
    "STRASSE stra\u00dfe", "\u039f\u0394\u039f\u03a3 \u03bf\u03b4\u03cc\u03c2", "[CLS] a [SEP] [PAD] [UNK] [MASK]", "##ing", "# #ing a##b", "\ufb01ne \ufb02ow",
    "\u4f60\u597d world \u4e16\u754c", "\u3053\u3093\u306b\u3061\u306f\u30ab\u30bf\u30ab\u30ca", "\ud55c\uad6d\uc5b4 \uae00", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", "\u0928\u092e\u0938\u094d\u0924\u0947",
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645", "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd", "a\u200bb a\u200db a\ufeffb a\u00adb", "a\u0000b\u0001c\u007fd\u0085e",
    "a\u00a0b\u2003c\u3000d\u2028e\u2029f", "a\u000bb\u000cc\u001cd", "\ufffd a\ufffdb", "\U0001f600 ok \U0001f44d\U0001f3fd", "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "100,000.50 $5 \u20ac7 \u00a39 50% #tag @you", "C++ a_b a-b a--b a...b \u2026 \u2014 \u2013", "http://x.org/a?b=c&d=[e]", "x" * 99, "x" * 100, "x" * 101,
    "\u00e9" * 100, "\u00e9" * 101, "e\u0301" * 100, "\u4e2d" * 101, "a" * 300 + " b", "antidisestablishmentarianism", "\uf900\ufa0e \U0002f800",
    "\u212b \u2126 \u212a", "\u01c4 \u01c5 \u1e9e \u0149 \u01f0", "\u1fb3 \u1fbc \u0345\u03b1", "\u00bd \u00b2 \u2460 \u2163", "~`^|<>=+$", "\u00ac\u00a6\u00a7\u00b6", "\u2018q\u2019 \u201cq\u201d \u00abq\u00bb", "\ue000 private \U000f0000",
]

SCRIPTS = [(0x21, 0x7E), (0x61, 0x7A), (0x61, 0x7A), (0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x52F),
           (0x531, 0x587), (0x591, 0x5F4), (0x600, 0x6FF), (0x900, 0x97F), (0xE00, 0xE5B), (0x10A0, 0x10FF),
           (0x1100, 0x11FF), (0x1E00, 0x1FFF), (0x2000, 0x206F), (0x2070, 0x218F), (0x2190, 0x23FF), (0x2E80, 0x303F),
           (0x3040, 0x30FF), (0x3400, 0x3450), (0x4E00, 0x9FA5), (0xAC00, 0xD7A3), (0xF900, 0xFAD9), (0xFB00, 0xFB4F),
           (0xFE20, 0xFFEF), (0x10400, 0x10425), (0x1D400, 0x1D454), (0x1F300, 0x1F31F), (0x20000, 0x20050), (0, 0x1F)]


@functools.cache
def characters(bounds):
    # What Unicode 3.2 had, the reference has: later, the two sides may know different characters.
    return [c for c in map(chr, range(bounds[0], bounds[1] + 1))
            if unicodedata.ucd_3_2_0.category(c) not in ("Cn", "Cs") or 0x1F300 <= ord(c) <= 0x1F31F]


def character(random_, bounds):
    return random_.choice(characters(bounds))


def generated(random_, words):
    kind = random_.randrange(6)
    if kind == 0:  # one script, some blanks
        bounds = random_.choice(SCRIPTS)
        return "".join(random_.choice(" \t") if random_.random() < .15 else character(random_, bounds)
                       for _ in range(random_.randint(1, 40)))
    if kind == 1:  # all scripts mixed
        return "".join(character(random_, random_.choice(SCRIPTS)) for _ in range(random_.randint(1, 30)))
    if kind == 2:  # known words run together and wrongly cased
        text = "".join(random_.choice(words).replace("##", "") for _ in range(random_.randint(1, 6)))
        return "".join(c.upper() if random_.random() < .3 else c for c in text)
    if kind == 3:  # a sentence of sorts with something odd in it
        parts = [random_.choice(words) for _ in range(random_.randint(2, 12))]
        parts.insert(random_.randrange(len(parts)), character(random_, random_.choice(SCRIPTS)))
        return random_.choice([" ", "  ", ", ", "-", "\u00a0", "' "]).join(parts)
    if kind == 4:  # accents on everything
        text = " ".join(random_.choice(words) for _ in range(random_.randint(1, 5)))
        marked = "".join(c + (chr(random_.randint(0x300, 0x362)) if random_.random() < .4 else "") for c in text)
        return unicodedata.normalize(random_.choice(["NFC", "NFD", "NFKC"]), marked)
    return character(random_, random_.choice(SCRIPTS)) * random_.randint(90, 110)  # about the longest word


def main():
    random_ = random.Random(20240)
    words = vocabulary()[1996:]
    texts = dict.fromkeys(BY_HAND)
    while len(texts) < 2000:
        texts[generated(random_, words)] = None
    tokenizer = plain_tokenizer()
    for text in texts:
        ids = [-1 if i == UNKNOWN else i for i in tokenizer.encode(text, add_special_tokens=False).ids]
        sys.stdout.write(json.dumps([text, ids], separators=(",", ":")) + "\n")


main()
