"""Engines with a Python package over what peers_bench wrote: the same lines, one thread.

python_peers.py FOLDER [ROUNDS]

Their time includes the call through Python, as a Python program would pay it."""

import statistics
import sys
import tempfile
import time

import numpy

K = 10
EFS = [16, 32, 64, 96, 128, 192, 256, 384, 768]
ENOUGH = 0.9975
SHARES = [1000, 500, 200, 100, 10, 1]
M, EF_CONSTRUCTION = 16, 200


class Corpus:
    def __init__(self, folder):
        self.questions = numpy.fromfile(f"{folder}/questions.f32", numpy.float32).reshape(-1, 384)
        self.rows = numpy.fromfile(f"{folder}/rows.f32", numpy.float32).reshape(-1, 384)
        self.u = numpy.fromfile(f"{folder}/u.i32", numpy.int32)
        self.truth = {s: numpy.fromfile(f"{folder}/truth_{s}.i32", numpy.uint32).reshape(-1, K) for s in SHARES}


class Zvec:
    name = "zvec HNSW"

    def __init__(self, corpus, folder):
        import zvec
        self.zvec = zvec
        zvec.init(log_level=zvec.LogLevel.ERROR, query_threads=1)
        schema = zvec.CollectionSchema(
            name="peers",
            fields=[zvec.FieldSchema("u", zvec.DataType.INT32, index_param=zvec.InvertIndexParam(True))],
            vectors=[zvec.VectorSchema("v", zvec.DataType.VECTOR_FP32, 384, index_param=zvec.HnswIndexParam(
                metric_type=zvec.MetricType.IP, m=M, ef_construction=EF_CONSTRUCTION))])
        self.collection = zvec.create_and_open(f"{folder}/zvec", schema)
        for begin in range(0, len(corpus.rows), 1000):
            self.collection.insert([
                zvec.Doc(id=str(i), vectors={"v": corpus.rows[i].tolist()}, fields={"u": int(corpus.u[i])})
                for i in range(begin, min(begin + 1000, len(corpus.rows)))])
        self.collection.optimize()
        self.questions = [question.tolist() for question in corpus.questions]

    def search(self, question, ef, share):
        query = self.zvec.Query("v", vector=self.questions[question], param=self.zvec.HnswQueryParam(ef=ef))
        found = self.collection.query(query, topk=K, filter=f"u < {share}" if share < 1000 else None,
                                      output_fields=[])
        return [int(document.id) for document in found]


class Faiss:
    name = "faiss HNSWFlat (PyPI)"

    def __init__(self, corpus, _folder):
        import faiss
        self.faiss = faiss
        self.index = faiss.IndexHNSWFlat(384, M, faiss.METRIC_INNER_PRODUCT)
        self.index.hnsw.efConstruction = EF_CONSTRUCTION
        self.index.add(corpus.rows)
        faiss.omp_set_num_threads(1)
        self.questions = corpus.questions.reshape(-1, 1, 384)
        self.allowed = {share: faiss.IDSelectorBitmap(numpy.packbits(corpus.u < share, bitorder="little"))
                        for share in SHARES}

    def search(self, question, ef, share):
        parameters = self.faiss.SearchParametersHNSW(
            efSearch=ef, **({"sel": self.allowed[share]} if share < 1000 else {}))
        return self.index.search(self.questions[question], K, params=parameters)[1][0].tolist()


class Qdrant:
    name = "qdrant-edge HNSW"

    def __init__(self, corpus, folder):
        import os
        import qdrant_edge as edge
        self.edge = edge
        os.makedirs(f"{folder}/qdrant")
        config = edge.EdgeConfig(
            vectors=edge.EdgeVectorParams(size=384, distance=edge.Distance.Dot),
            hnsw_config=edge.HnswIndexConfig(M, EF_CONSTRUCTION, 10_000),
            optimizers=edge.EdgeOptimizersConfig(indexing_threshold=1000), max_search_threads=1)
        self.shard = edge.EdgeShard.create(f"{folder}/qdrant", config)
        self.shard.update(edge.UpdateOperation.create_field_index("u", edge.PayloadSchemaType.Integer))
        for begin in range(0, len(corpus.rows), 1000):
            self.shard.update(edge.UpdateOperation.upsert_points([
                edge.Point(i, corpus.rows[i].tolist(), {"u": int(corpus.u[i])})
                for i in range(begin, min(begin + 1000, len(corpus.rows)))]))
        while self.shard.optimize():
            pass
        self.questions = [question.tolist() for question in corpus.questions]

    def search(self, question, ef, share):
        edge = self.edge
        condition = edge.Filter(must=[edge.FieldCondition("u", range=edge.RangeFloat(lt=share))])
        found = self.shard.search(edge.SearchRequest(
            edge.Query.Nearest(self.questions[question]), K, filter=condition if share < 1000 else None,
            params=edge.SearchParams(hnsw_ef=ef)))
        return [point.id for point in found]


def recall_of(found, truth):
    wanted = [row for row in truth if row != 0xFFFFFFFF]
    return len(set(found) & set(wanted)) / len(wanted)


def measure(engine, corpus, rounds):
    for share in SHARES:
        for ef in EFS:
            questions = range(len(corpus.questions))
            recall = statistics.mean(recall_of(engine.search(q, ef, share), corpus.truth[share][q]) for q in questions)
            times = []
            for _ in range(rounds):
                begin = time.perf_counter()
                for q in questions:
                    engine.search(q, ef, share)
                times.append(time.perf_counter() - begin)
            rate = len(corpus.questions) / statistics.median(times)
            print(f"{engine.name}\t{share}\tef {ef}\t{recall:.4f}\t{rate:.0f}", flush=True)
            if recall >= ENOUGH:
                break


def main():
    corpus = Corpus(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with tempfile.TemporaryDirectory() as folder:
        for kind in (Faiss, Zvec, Qdrant):
            measure(kind(corpus, folder), corpus, rounds)


if __name__ == "__main__":
    main()
