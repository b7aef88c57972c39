"""The result of run_all.py as a table, and as pictures in a folder.

report.py RESULT FOLDER

Between two settings of an engine the logarithm of its rate is taken to be linear in that of what it misses. `>`: the least
careful setting is better than asked for."""

import json
import math
import sys

from table import rate_at

RECALLS = (0.95, 0.98, 0.99)
COLOURS = ["#d62728", "#1f77b4", "#2ca02c", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf", "#ff7f0e",
           "#393b79", "#637939"]


def curve(engine, share):
    points = engine.get("query", {}).get("curves", {}).get(str(share), [])
    return [(point["recall"], point["qps"]) for point in points]


def rates(engine, share, recalls):
    points = curve(engine, share)
    for recall in recalls:
        rate, mark = rate_at(points, recall) if points else (None, "")
        yield f"{mark}{rate:,.0f}" if rate else "–"


def name_of(engine):
    for phase in ("build", "query", "insert"):
        if "engine" in engine.get(phase, {}):
            return f"{engine[phase]['engine']} {engine[phase]['version']}"
    return "?"


def number(value, digits=0):
    return "–" if value is None else f"{value:,.{digits}f}"


def tables(engines):
    print("| engine | .95 | .98 | .99 | 50 % | 10 % | 1 % | 0.1 % | a call, µs |")
    print("|---|---|---|---|---|---|---|---|---|")
    for engine in engines:
        filtered = [next(rates(engine, share, (0.98,))) for share in (500, 100, 10, 1)]
        cells = [*rates(engine, 1000, RECALLS), *filtered, number(engine.get("binding", {}).get("call_us"))]
        print(f"| {name_of(engine)} | {' | '.join(cells)} |")
    print()
    print("| engine | bulk, rows/s | searchable, s | one insert, ms | syncs | one delete, ms | disk, MB | private, MB | open, ms "
          "| from disk, ms |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for engine in engines:
        build, insert, query = (engine.get(phase, {}) for phase in ("build", "insert", "query"))
        bulk = build["rows"] / build["bulk_s"] if "rows" in build else None
        ready = build["bulk_s"] + build["finish_s"] if "rows" in build else None
        mark = "" if insert.get("durable") else " (memory)"
        syncs = engine.get("syncs_a_write")
        cells = [number(bulk), number(ready, 1), number(insert.get("insert_ms"), 2) + mark, number(syncs, 1),
                 number(insert.get("delete_ms"), 2), number(engine.get("disk_bytes", 0) / 1e6),
                 number(query.get("private_mb")), number(engine.get("open", {}).get("open_ms")),
                 number(engine.get("open_uncached", {}).get("open_ms"))]
        print(f"| {name_of(engine)} | {' | '.join(cells)} |")
    for engine in engines:
        if "raw_ms" in engine.get("commit", {}):
            commit = engine["commit"]
            print(f"\n{name_of(engine)}: one insert {commit['insert_ms']:.3f} ms, the same row by SQLite's own calls "
                  f"{commit['raw_ms']:.3f} ms: {commit['rate_to_raw']:.2f} of its rate")
        for phase, result in engine.items():
            if isinstance(result, dict) and "error" in result:
                print(f"\n{name_of(engine)}, {phase}: {result['error']}")


def graph_table(graph):
    print("\n| engine | three hops counted, a second | shortest paths, a second |")
    print("|---|---|---|")
    for engine in graph:
        print(f"| {engine['engine']} {engine.get('version', '')} | {engine['three_hops_a_second']:,.0f} "
              f"| {engine['paths_a_second']:,.0f} |")


class Picture:
    WIDTH, HEIGHT, LEFT, TOP = 620, 360, 60, 20

    def __init__(self, wide=200):
        self.parts = []
        self.total = (self.LEFT + self.WIDTH + wide, self.TOP + self.HEIGHT + 50)

    def add(self, part):
        self.parts.append(part)

    def text(self, x, y, words, colour="#333", anchor="start"):
        self.add(f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}">{words}</text>')

    def line(self, x1, y1, x2, y2, colour="#ddd"):
        self.add(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>')

    def save(self, file):
        width, height = self.total
        body = "\n".join(self.parts)
        with open(file, "w", encoding="utf-8") as out:
            out.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
                      f'font-size="12">\n<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n')


def draw_recall(engines, file):
    picture = Picture()
    least, most = math.log10(50), math.log10(50_000)
    misses = (0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002)

    def x_of(recall):
        part = math.log(misses[0] / max(1 - recall, misses[-1])) / math.log(misses[0] / misses[-1])
        return picture.LEFT + picture.WIDTH * min(max(part, 0), 1)

    def y_of(rate):
        return picture.TOP + picture.HEIGHT * (most - math.log10(min(max(rate, 50), 50_000))) / (most - least)

    for rate in (50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000):
        picture.line(picture.LEFT, y_of(rate), picture.LEFT + picture.WIDTH, y_of(rate))
        picture.text(picture.LEFT - 6, y_of(rate) + 4, f"{rate:,}", anchor="end")
    for miss in misses:
        picture.text(x_of(1 - miss), picture.TOP + picture.HEIGHT + 18, f"{1 - miss:g}", anchor="middle")
    picture.text(picture.LEFT + picture.WIDTH / 2, picture.TOP + picture.HEIGHT + 38,
                 "recall@10 (1 at the right end, too); queries a second upwards", anchor="middle")
    for i, engine in enumerate(engines):
        points = sorted(curve(engine, 1000))
        if not points:
            continue
        colour = COLOURS[i % len(COLOURS)]
        path = " ".join(f"{x_of(recall):.1f},{y_of(rate):.1f}" for recall, rate in points)
        picture.add(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for recall, rate in points:
            picture.add(f'<circle cx="{x_of(recall):.1f}" cy="{y_of(rate):.1f}" r="3" fill="{colour}"/>')
        picture.text(picture.LEFT + picture.WIDTH + 12, picture.TOP + 12 + 18 * i, name_of(engine), colour)
    picture.save(file)


def draw_bars(engines, value, unit, file):
    """Bars over the logarithm, the shortest first."""
    picture = Picture(wide=120)
    bars = sorted((value(engine), name_of(engine)) for engine in engines if value(engine))
    picture.LEFT = 220
    least = 10 ** math.floor(math.log10(bars[0][0]))
    most = 10 ** math.ceil(math.log10(bars[-1][0]))
    width = picture.WIDTH - 160
    for i, (length, name) in enumerate(bars):
        y = picture.TOP + 26 * i
        part = math.log(length / least) / math.log(most / least)
        colour = COLOURS[0] if name.startswith("FractalMemory") else "#9ab"
        picture.add(f'<rect x="{picture.LEFT}" y="{y}" width="{max(width * part, 2):.1f}" height="18" fill="{colour}"/>')
        picture.text(picture.LEFT - 8, y + 13, name, anchor="end")
        picture.text(picture.LEFT + width * part + 6, y + 13, f"{length:,.3g} {unit}")
    picture.total = (picture.LEFT + picture.WIDTH - 40, picture.TOP + 26 * len(bars) + 10)
    picture.save(file)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        result = json.load(file)
    engines = result["engines"]
    tables(engines)
    graph_table(result.get("graph", []))
    folder = sys.argv[2]
    draw_recall(engines, f"{folder}/peers_recall.svg")
    draw_bars([engine for engine in engines if engine.get("insert", {}).get("durable")],
              lambda engine: engine["insert"].get("insert_ms"), "ms", f"{folder}/peers_insert.svg")
    draw_bars(engines, lambda engine: engine.get("open", {}).get("open_ms"), "ms", f"{folder}/peers_open.svg")


if __name__ == "__main__":
    main()
