#!/usr/bin/env python3
"""WordNet's links between its 117,659 synsets, a line each: from, to, type.

wordnet_links.py >FILE     needs Debian's wordnet-base"""
import pathlib

FOLDER = pathlib.Path("/usr/share/wordnet")
numbers, links = {}, set()
for part, letter in (("noun", "n"), ("verb", "v"), ("adj", "a"), ("adv", "r")):
    for line in (FOLDER / f"data.{part}").read_text(encoding="ascii").splitlines():
        if line.startswith("  "):
            continue
        fields = line.split(" | ")[0].split()
        own = (letter, fields[0])
        numbers.setdefault(own, len(numbers))
        at = 4 + 2 * int(fields[3], 16)
        for i in range(int(fields[at])):
            kind, offset, target, _ = fields[at + 1 + 4 * i : at + 5 + 4 * i]
            links.add((own, (target.replace("s", "a"), offset), kind))
for start, end, kind in sorted(links, key=lambda link: (numbers[link[0]], numbers[link[1]], link[2])):
    print(numbers[start], numbers[end], kind, sep="\t")
