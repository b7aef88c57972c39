"""Walks over a graph by other libraries: coordinates within three hops counted, shortest paths; a line of JSON each.

graph_peers.py LINKS OURS RESULT

LINKS: a line a link: from, to, type, parted by tabs. OURS: what links_bench printed of them. All of it goes into RESULT, the
JSON of run_all.py, as "graph".

Links are directed. Starts and ends are random, from a fixed seed. An engine that keeps its
graph in a database has it there."""

import importlib.metadata
import json
import pathlib
import random
import re
import statistics
import sys
import tempfile
import time

ROUNDS = 3


class Igraph:
    package, walks = "igraph", 2000

    def __init__(self, nodes, links, _folder):
        import igraph
        self.graph = igraph.Graph(nodes, [(link[0], link[1]) for link in links], directed=True)

    def within(self, start):
        return self.graph.neighborhood_size(start, order=3, mode="out") - 1

    def path(self, start, end):
        return len(self.graph.get_shortest_path(start, end, mode="out")) - 1


class Networkx:
    package, walks = "networkx", 500

    def __init__(self, nodes, links, _folder):
        import networkx
        self.networkx = networkx
        self.graph = networkx.DiGraph()
        self.graph.add_nodes_from(range(nodes))
        self.graph.add_edges_from((link[0], link[1]) for link in links)

    def within(self, start):
        seen, frontier = {start}, [start]
        for _ in range(3):
            frontier = {other for node in frontier for other in self.graph.adj[node]} - seen
            seen |= frontier
        return len(seen) - 1

    def path(self, start, end):
        try:
            return len(self.networkx.bidirectional_shortest_path(self.graph, start, end)) - 1
        except self.networkx.NetworkXNoPath:
            return -1


class Ladybug:
    """Kuzu's successor."""
    package, walks = "ladybug", 60

    def __init__(self, nodes, links, folder):
        import ladybug
        with open(f"{folder}/nodes.csv", "w", encoding="ascii") as file:
            file.writelines(f"{node}\n" for node in range(nodes))
        with open(f"{folder}/links.csv", "w", encoding="ascii") as file:
            file.writelines(f"{start},{end}\n" for start, end, _ in links)
        self.connection = ladybug.Connection(ladybug.Database(f"{folder}/graph"))
        self.connection.execute("CREATE NODE TABLE Place(id INT64, PRIMARY KEY(id))")
        self.connection.execute("CREATE REL TABLE Link(FROM Place TO Place)")
        self.connection.execute(f"COPY Place FROM '{folder}/nodes.csv'")
        self.connection.execute(f"COPY Link FROM '{folder}/links.csv'")

    def ask(self, query, **values):
        rows = self.connection.execute(query, values)
        return rows.get_next()[0] if rows.has_next() else -1

    def within(self, start):
        return self.ask("MATCH (a:Place {id: $start})-[:Link* SHORTEST 1..3]->(b:Place) WHERE b.id <> $start "
                        "RETURN count(DISTINCT b.id)", start=start)

    def path(self, start, end):
        # 30 links are the most that it looks for.
        return self.ask("MATCH p = (a:Place {id: $start})-[:Link* SHORTEST 1..30]->(b:Place {id: $goal}) "
                        "RETURN length(p)", start=start, goal=end)


def rate(work, arguments):
    times, answers = [], []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        answers = [work(*each) for each in arguments]
        times.append(time.perf_counter() - begin)
    return len(arguments) / statistics.median(times), statistics.mean(answers)


def ours(file):
    """Rates and means of links_bench's lines, by the names that the others have."""
    found = {"engine": "FractalMemory"}
    with open(file, encoding="utf-8") as lines:
        for line in lines:
            match = re.match(r"(.*?)\s+(\d+)/s, bare arrays\s+(\d+)/s.*\(([\d.]+) ", line)
            rate_of = {"three hops counted": "three_hops_a_second", "shortest path, 32 hops at most": "paths_a_second"}
            if match and match[1] in rate_of:
                found[rate_of[match[1]]] = float(match[2])
                found[rate_of[match[1]] + "_bare_arrays"] = float(match[3])
    return found


def main():
    results = [ours(sys.argv[2])]
    with open(sys.argv[1], encoding="utf-8") as file:
        links = [(int(start), int(end), kind) for start, end, kind in (line.rstrip("\n").split("\t") for line in file)]
    nodes = max(max(link[0], link[1]) for link in links) + 1
    for kind in (Igraph, Networkx, Ladybug):
        choice = random.Random(5)
        with tempfile.TemporaryDirectory() as folder:
            engine = kind(nodes, links, folder)
            starts = [(choice.randrange(nodes),) for _ in range(kind.walks)]
            pairs = [(choice.randrange(nodes), choice.randrange(nodes)) for _ in range(max(kind.walks // 5, 20))]
            walks, mean = rate(engine.within, starts)
            paths, length = rate(engine.path, pairs)
            results.append({"engine": kind.package, "version": importlib.metadata.version(kind.package),
                            "three_hops_a_second": walks, "mean_count": mean, "paths_a_second": paths,
                            "mean_length": length})
            print(json.dumps(results[-1]), flush=True)
    file = pathlib.Path(sys.argv[3])
    file.write_text(json.dumps({**json.loads(file.read_text()), "graph": results}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
