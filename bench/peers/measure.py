"""What one engine costs over a program's life, a line of JSON a phase.

measure.py PACKAGE PHASE CORPUS FOLDER

CORPUS is what peers_bench --write made. Phases, each in a process of its own:
  build    all rows in bulk, and what makes them searchable at full speed
  insert   single rows into what build left, durable where the engine has a way; then deletes
  open     open to first answer; what is imported has been imported before
  query    private memory, recall and queries a second at each setting of care
  binding  a search among one row: what a call through Python costs at least"""

import importlib.metadata
import json
import statistics
import sys
import tempfile
import time

import numpy

import engines

SHARES = [1000, 500, 200, 100, 10, 1]
ENOUGH = 0.9975
INSERTS, DELETES, QUESTIONS, ROUNDS = 200, 200, 300, 3
SLOW_QUESTIONS, SLOW_SECONDS = 30, 0.6
FIRST_NEW = 150_000


def private_mb():
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("RssAnon")) / 1024


def seconds(work):
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


class Corpus:
    def __init__(self, folder):
        self.folder = folder
        self.questions = numpy.fromfile(f"{folder}/questions.f32", numpy.float32).reshape(-1, engines.DIMENSION)[:QUESTIONS]

    def rows(self):
        vectors = numpy.fromfile(f"{self.folder}/rows.f32", numpy.float32).reshape(-1, engines.DIMENSION)
        return numpy.arange(len(vectors)), vectors, numpy.fromfile(f"{self.folder}/u.i32", numpy.int32)

    def truth(self, share):
        return numpy.fromfile(f"{self.folder}/truth_{share}.i32", numpy.uint32).reshape(-1, engines.K)


def build(kind, corpus, folder):
    ids, vectors, u = corpus.rows()
    engine = kind(folder)
    bulk = seconds(lambda: engine.add(ids, vectors, u))
    finish = seconds(engine.finish)
    engine.close()
    return {"bulk_s": bulk, "finish_s": finish, "rows": len(ids)}


def insert(kind, corpus, folder, count=INSERTS):
    engine = kind(folder)
    inserts = [seconds(lambda i=i: engine.store(FIRST_NEW + i, corpus.questions[i % QUESTIONS], i % 1000))
               for i in range(count)]
    deletes = [seconds(lambda i=i: engine.delete(FIRST_NEW + i)) for i in range(count)] if engine.delete else []
    engine.close()
    return {"insert_ms": 1e3 * statistics.median(inserts), "durable": kind.durable,
            "delete_ms": 1e3 * statistics.median(deletes) if deletes else None, "inserts": count}


def recall_of(found, truth):
    wanted = {int(row) for row in truth if row != 0xFFFFFFFF}
    return len(wanted.intersection(found)) / len(wanted)


def point_of(engine, corpus, effort, share, truth):
    """Recall and rate at one setting; of fewer questions and one round where each takes long."""
    found = []

    def ask(count):
        return seconds(lambda: found.extend(engine.search(question, effort, share)
                                            for question in corpus.questions[len(found):count]))

    first = ask(SLOW_QUESTIONS)
    slow = first > SLOW_SECONDS
    times = [first] if slow else []
    if not slow:
        ask(QUESTIONS)
        times = [seconds(lambda: [engine.search(question, effort, share) for question in corpus.questions])
                 for _ in range(ROUNDS)]
    recall = statistics.mean(recall_of(answer, truth[i]) for i, answer in enumerate(found))
    return {"setting": str(effort), "recall": recall, "qps": len(found) / statistics.median(times)}


def opening(kind, corpus, folder):
    effort = kind.efforts[len(kind.efforts) // 2]
    with tempfile.TemporaryDirectory() as empty:
        kind(empty).close()
    begin = time.perf_counter()
    engine = kind(folder)
    engine.search(corpus.questions[0], effort, 1000)
    taken = time.perf_counter() - begin
    engine.close()
    return {"open_ms": 1e3 * taken}


def query(kind, corpus, folder):
    effort = kind.efforts[len(kind.efforts) // 2]
    before = private_mb()
    engine = kind(folder)
    for question in corpus.questions[:SLOW_QUESTIONS]:
        engine.search(question, effort, 1000)
    result = {"private_mb": private_mb() - before, "curves": {}}
    for share in SHARES if kind.filters else SHARES[:1]:
        truth = corpus.truth(share)
        points = result["curves"][share] = []
        for effort in kind.efforts:
            points.append(point_of(engine, corpus, effort, share, truth))
            if points[-1]["recall"] >= ENOUGH:
                break
    engine.close()
    return result


def binding(kind, corpus, folder):
    engine = kind(folder)
    engine.add(numpy.arange(1), corpus.questions[:1], numpy.zeros(1, numpy.int32))
    effort = kind.efforts[0]
    times = [seconds(lambda: engine.search(corpus.questions[1], effort, 1000)) for _ in range(500)]
    return {"call_us": 1e6 * statistics.median(times)}


def main():
    package, phase, corpus, folder = sys.argv[1:5]
    kind = engines.ALL[package]
    work = {"build": build, "open": opening, "insert": insert, "query": query, "binding": binding,
            "syncs": lambda *with_these: insert(*with_these, count=20)}[phase]
    result = work(kind, Corpus(corpus), folder)
    print(json.dumps({"engine": kind.name, "version": importlib.metadata.version(package), "phase": phase, **result}))


if __name__ == "__main__":
    main()
