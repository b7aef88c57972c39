"""The lines of peers_bench as a table: queries a second at recall .98 and .99.

table.py FILE...

Between two settings of an engine the logarithm of its rate is taken to be linear in that of what it misses. An engine
whose least careful setting is better than asked for has that one's rate, marked with >; one that does not get there
has none."""

import collections
import math
import sys

FLOOR = "hnswlib -O3 -march=native"
LEAST_MISSED = 1e-4


def rate_at(points, recall):
    points = sorted(points)
    if points[0][0] >= recall:
        return max(rate for _, rate in points), ">"
    for (low, slow_less), (high, slow_more) in zip(points, points[1:]):
        if low <= recall <= high:
            x0, x1, x = (math.log(max(1 - value, LEAST_MISSED)) for value in (low, high, recall))
            part = 0 if x0 == x1 else (x - x0) / (x1 - x0)
            return math.exp(math.log(slow_less) + part * (math.log(slow_more) - math.log(slow_less))), ""
    return None, ""


def main():
    curves = collections.defaultdict(list)
    for name in sys.argv[1:]:
        with open(name, encoding="utf-8") as file:
            for line in file:
                engine, share, _, recall, rate = line.rstrip("\n").split("\t")
                curves[int(share), engine].append((float(recall), float(rate)))
    print("| filter | engine | at recall .98 | × hnswlib | at .99 | × hnswlib | settings |")
    print("|---|---|---|---|---|---|---|")
    for share, engine in sorted(curves, key=lambda key: (-key[0], key[1])):
        cells = []
        for recall in (0.98, 0.99):
            rate, mark = rate_at(curves[share, engine], recall)
            floor, _ = rate_at(curves[share, FLOOR], recall) if (share, FLOOR) in curves else (None, "")
            cells.append(f"{mark}{rate:,.0f}" if rate else "not reached")
            cells.append(f"{rate / floor:.2f}" if rate and floor else "")
        name = "none" if share == 1000 else f"{share / 10:g} %"
        print(f"| {name} | {engine} | {' | '.join(cells)} | {len(curves[share, engine])} |")


if __name__ == "__main__":
    main()
