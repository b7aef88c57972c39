#!/usr/bin/env python3
"""Makes examples/wordnet/vectors.bin: one int8 vector for each of the 10,000 best known nouns of WordNet 3.0.

    tools/make_demo_vectors.py DATA [--wordnet DIR] [--count N] [--out FILE]

DATA holds embeddings of all synsets, in the order of memories.jsonl.gz (one JSON object a line, with
"key" = part of speech + offset): minilm_hi_i8.bin and minilm_lo_i8.bin, int8 [rows][384], and
minilm_scale.f32, float32 [rows]; embedding = (hi + lo / 254) * scale. DIR is WordNet's own folder
(data.noun, cntlist.rev). The same input gives the same bytes. Needs Python alone.
"""
import argparse
import array
import gzip
import json
import pathlib
import struct
import sys

DIMENSION = 384
MAGIC = b"FMDEMOV1"


def tag_counts(wordnet):
    """How often each noun sense was met in WordNet's tagged texts, by sense key."""
    counts = {}
    with open(wordnet / "cntlist.rev", encoding="ascii") as lines:
        for line in lines:
            key, _, count = line.split()
            if "%1:" in key:
                counts[key.lower()] = int(count)
    return counts


def rank_nouns(wordnet):
    """Offsets of all nouns, best known first: met in tagged texts, then number of links, then offset."""
    counts = tag_counts(wordnet)
    ranked = []
    with open(wordnet / "data.noun", encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("  "):
                continue  # the licence
            field = line.split(" | ")[0].split()
            words = int(field[3], 16)
            met = 0
            for i in range(words):
                word, sense = field[4 + 2 * i].lower(), int(field[5 + 2 * i], 16)
                met += counts.get(f"{word}%1:{int(field[1]):02d}:{sense:02d}::", 0)
            links = int(field[4 + 2 * words])
            ranked.append((-met, -links, int(field[0])))
    return [offset for _, _, offset in sorted(ranked)]


def rows_of_nouns(data):
    """Row number by synset offset."""
    rows = {}
    with gzip.open(data / "memories.jsonl.gz", "rt", encoding="utf-8") as lines:
        for row, line in enumerate(lines):
            key = json.loads(line)["key"]
            if key.startswith("n"):
                rows[int(key[1:])] = row
    return rows


def read_array(path, kind):
    values = array.array(kind)
    values.frombytes(path.read_bytes())
    if sys.byteorder == "big":
        values.byteswap()
    return values


def codes_of(high, low, row):
    """The row's direction in int8: its largest component becomes 127 or -127. The scale does not matter."""
    start = row * DIMENSION
    values = [high[i] + low[i] / 254 for i in range(start, start + DIMENSION)]
    largest = max(abs(value) for value in values)
    return array.array("b", (round(value * 127 / largest) for value in values))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--wordnet", type=pathlib.Path, default=pathlib.Path("/usr/share/wordnet"))
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--out", type=pathlib.Path,
                        default=pathlib.Path(__file__).parent.parent / "examples/wordnet/vectors.bin")
    arguments = parser.parse_args()

    rows = rows_of_nouns(arguments.data)
    high = read_array(arguments.data / "minilm_hi_i8.bin", "b")
    low = read_array(arguments.data / "minilm_lo_i8.bin", "b")
    if len(high) != len(low) or len(high) % DIMENSION != 0:
        sys.exit(f"the planes have {len(high)} and {len(low)} bytes, not the same multiple of {DIMENSION}")
    chosen = sorted(rank_nouns(arguments.wordnet)[: arguments.count])
    missing = [offset for offset in chosen if offset not in rows]
    if missing:
        sys.exit(f"{len(missing)} nouns have no embedding, the first is {missing[0]}: another WordNet?")

    with open(arguments.out, "wb") as out:
        out.write(MAGIC + struct.pack("<II", len(chosen), DIMENSION))
        out.write(struct.pack(f"<{len(chosen)}I", *chosen))
        for offset in chosen:
            out.write(codes_of(high, low, rows[offset]).tobytes())
    print(f"{arguments.out}: {len(chosen)} vectors, {arguments.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
