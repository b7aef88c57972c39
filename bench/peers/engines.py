"""The engines of the peers' table, each by its Python package, behind one set of calls:

    add(ids, vectors, u)   rows in bulk, each with a number `u` and a short text, where the engine keeps such things
    finish()               whatever makes the rows searchable at full speed
    store(id, vector, u)   one row, durable where the engine has a way to make it so
    delete(id)
    search(question, effort, share)   the ids of the ten nearest among rows with u < share (1000: all)
    close()

An engine is made over a folder: empty, or with what it left there. `efforts` are its settings of care in searching, from
careless to careful; [None] if every search is exact. `durable` says whether store() survives a power cut, as documented.
M is 16 and ef_construction 200 wherever there are such things."""

import contextlib
import os

import numpy

K = 10
M, EF_CONSTRUCTION = 16, 200
EFS = [16, 32, 64, 96, 128, 192, 256, 384, 768]
DIMENSION = 384


def text_of(number):
    return f"memory number {number}"


def batches(count, size):
    for begin in range(0, count, size):
        yield range(begin, min(begin + size, count))


class Faiss:
    """An index in memory; save and load are its durability."""
    name, package, durable, efforts, filters = "faiss HNSWFlat", "faiss-cpu", False, EFS, True

    def __init__(self, folder):
        import faiss
        self.faiss, self.file = faiss, f"{folder}/faiss.index"
        faiss.omp_set_num_threads(1)
        self.index, self.u = None, numpy.zeros(0, numpy.int32)
        if os.path.exists(self.file):
            self.index = faiss.read_index(self.file)
            self.u = numpy.load(self.file + ".npy")
        self.selectors = {}

    def add(self, ids, vectors, u):
        if self.index is None:
            self.index = self.faiss.IndexHNSWFlat(DIMENSION, M, self.faiss.METRIC_INNER_PRODUCT)
            self.index.hnsw.efConstruction = EF_CONSTRUCTION
        self.faiss.omp_set_num_threads(os.cpu_count())
        self.index.add(vectors)
        self.faiss.omp_set_num_threads(1)
        self.u = numpy.concatenate([self.u, u])

    def finish(self):
        self.faiss.write_index(self.index, self.file)
        numpy.save(self.file + ".npy", self.u)

    def store(self, _id, vector, u):
        self.index.add(vector.reshape(1, -1))
        self.u = numpy.append(self.u, numpy.int32(u))

    delete = None

    def search(self, question, effort, share):
        extra = {}
        if share < 1000:
            if share not in self.selectors:
                bits = numpy.packbits(self.u < share, bitorder="little")
                self.selectors[share] = (bits, self.faiss.IDSelectorBitmap(bits))
            extra["sel"] = self.selectors[share][1]
        parameters = self.faiss.SearchParametersHNSW(efSearch=effort, **extra)
        return self.index.search(question.reshape(1, -1), K, params=parameters)[1][0].tolist()

    def close(self):
        pass


class Hnswlib:
    """An index in memory; save and load are its durability."""
    name, package, durable, efforts, filters = "hnswlib", "hnswlib", False, EFS, True

    def __init__(self, folder):
        import hnswlib
        self.hnswlib, self.file = hnswlib, f"{folder}/hnswlib.bin"
        self.index = hnswlib.Index("ip", DIMENSION)
        self.u = {}
        if os.path.exists(self.file):
            self.index.load_index(self.file, max_elements=200_000)
            self.u = numpy.load(self.file + ".npy", allow_pickle=True).item()
        else:
            self.index.init_index(200_000, ef_construction=EF_CONSTRUCTION, M=M)
        self.index.set_num_threads(1)

    def add(self, ids, vectors, u):
        self.index.add_items(vectors, ids, num_threads=os.cpu_count())
        self.u.update(zip(ids.tolist(), u.tolist()))

    def finish(self):
        self.index.save_index(self.file)
        numpy.save(self.file + ".npy", self.u)

    def store(self, id_, vector, u):
        self.index.add_items(vector.reshape(1, -1), [id_])
        self.u[id_] = u

    def delete(self, id_):
        self.index.mark_deleted(id_)

    def search(self, question, effort, share):
        self.index.set_ef(effort)
        chosen = (lambda id_: self.u[id_] < share) if share < 1000 else None
        k = min(K, self.index.element_count)
        try:
            return self.index.knn_query(question, k, num_threads=1, filter=chosen)[0][0].tolist()
        except RuntimeError:  # it found fewer than asked for, and gives none
            return []

    def close(self):
        pass


class Usearch:
    """An index in memory; save, load and view are its durability."""
    name, package, durable, efforts, filters = "usearch", "usearch", False, EFS, False

    def __init__(self, folder):
        from usearch.index import Index
        self.file = f"{folder}/usearch.bin"
        self.index = Index(ndim=DIMENSION, metric="ip", dtype="f32", connectivity=M, expansion_add=EF_CONSTRUCTION)
        self.viewed = os.path.exists(self.file)
        if self.viewed:
            self.index.view(self.file)

    def add(self, ids, vectors, _u):
        self.index.add(ids, vectors, threads=os.cpu_count())

    def finish(self):
        self.index.save(self.file)

    def store(self, id_, vector, _u):
        if self.viewed:
            self.index.load(self.file)
            self.viewed = False
        self.index.add(id_, vector)

    def delete(self, id_):
        self.index.remove(id_)

    def search(self, question, effort, _share):
        self.index.expansion_search = effort
        return self.index.search(question, K, threads=1).keys.tolist()

    def close(self):
        pass


class InSqlite:
    """What the two extensions of SQLite have in common; pysqlite3 brings a SQLite that loads them."""

    def __init__(self, file, extension):
        import pysqlite3
        self.connection = pysqlite3.connect(file, isolation_level=None)
        self.connection.enable_load_extension(True)
        self.connection.load_extension(extension)

    def add(self, ids, vectors, u):
        for batch in batches(len(ids), 10_000):
            self.connection.execute("BEGIN")
            for i in batch:
                self.store(ids[i], vectors[i], u[i])
            self.connection.execute("COMMIT")

    def finish(self):
        pass

    def close(self):
        self.connection.close()


class SqliteVec(InSqlite):
    """Exact, in SQLite, synchronous=FULL."""
    name, package, durable, efforts, filters = "sqlite-vec", "sqlite-vec", True, [None], True

    def __init__(self, folder):
        import sqlite_vec
        super().__init__(f"{folder}/vec.db", sqlite_vec.loadable_path())
        self.connection.execute("PRAGMA journal_mode=WAL")
        self.connection.execute("PRAGMA synchronous=FULL")
        self.connection.execute("CREATE VIRTUAL TABLE IF NOT EXISTS rows USING vec0(v float[384] distance_metric=cosine, "
                                "u integer, +text text)")

    def store(self, id_, vector, u):
        self.connection.execute("INSERT INTO rows(rowid, v, u, text) VALUES (?, ?, ?, ?)",
                                (int(id_), vector.tobytes(), int(u), text_of(id_)))

    def delete(self, id_):
        self.connection.execute("DELETE FROM rows WHERE rowid = ?", (int(id_),))

    def search(self, question, _effort, share):
        condition = f" AND u < {share}" if share < 1000 else ""
        return [row[0] for row in self.connection.execute(
            f"SELECT rowid FROM rows WHERE v MATCH ? AND k = {K}{condition}", (question.tobytes(),))]


class Vectorlite(InSqlite):
    """hnswlib as a virtual table of SQLite, in memory, saved to a file when the connection closes."""
    name, package, durable, efforts, filters = "vectorlite", "vectorlite-py", False, EFS, False

    def __init__(self, folder):
        import vectorlite_py
        super().__init__(f"{folder}/vectorlite.db", vectorlite_py.vectorlite_path())
        self.connection.execute("CREATE TABLE IF NOT EXISTS rows(id INTEGER PRIMARY KEY, u INTEGER, text TEXT)")
        self.connection.execute(
            f"CREATE VIRTUAL TABLE IF NOT EXISTS vectors USING vectorlite(v float32[{DIMENSION}] cosine, "
            f"hnsw(max_elements=200000, M={M}, ef_construction={EF_CONSTRUCTION}), '{folder}/vectorlite.index')")

    def store(self, id_, vector, u):
        self.connection.execute("INSERT INTO vectors(rowid, v) VALUES (?, ?)", (int(id_), vector.tobytes()))
        self.connection.execute("INSERT INTO rows VALUES (?, ?, ?)", (int(id_), int(u), text_of(id_)))

    def delete(self, id_):
        self.connection.execute("DELETE FROM vectors WHERE rowid = ?", (int(id_),))
        self.connection.execute("DELETE FROM rows WHERE id = ?", (int(id_),))

    def search(self, question, effort, _share):
        return [row[0] for row in self.connection.execute(
            f"SELECT rowid FROM vectors WHERE knn_search(v, knn_param(?, {K}, {effort}))", (question.tobytes(),))]


class Zvec:
    name, package, durable, efforts, filters = "zvec HNSW", "zvec", True, EFS, True

    def __init__(self, folder):
        import zvec
        self.zvec = zvec
        with contextlib.suppress(RuntimeError):  # once a process
            zvec.init(log_level=zvec.LogLevel.ERROR, query_threads=1)
        path = f"{folder}/zvec"
        if os.path.exists(path):
            self.collection = zvec.open(path)
            return
        schema = zvec.CollectionSchema(
            name="peers",
            fields=[zvec.FieldSchema("u", zvec.DataType.INT32, index_param=zvec.InvertIndexParam(True)),
                    zvec.FieldSchema("text", zvec.DataType.STRING)],
            vectors=[zvec.VectorSchema("v", zvec.DataType.VECTOR_FP32, DIMENSION, index_param=zvec.HnswIndexParam(
                metric_type=zvec.MetricType.IP, m=M, ef_construction=EF_CONSTRUCTION))])
        self.collection = zvec.create_and_open(path, schema)

    def document(self, id_, vector, u):
        return self.zvec.Doc(id=str(id_), vectors={"v": vector.tolist()}, fields={"u": int(u), "text": text_of(id_)})

    def add(self, ids, vectors, u):
        for batch in batches(len(ids), 1000):
            self.collection.insert([self.document(ids[i], vectors[i], u[i]) for i in batch])

    def finish(self):
        self.collection.optimize()

    def store(self, id_, vector, u):
        self.collection.insert([self.document(id_, vector, u)])
        self.collection.flush()

    def delete(self, id_):
        self.collection.delete([str(id_)])
        self.collection.flush()

    def search(self, question, effort, share):
        query = self.zvec.Query("v", vector=question.tolist(), param=self.zvec.HnswQueryParam(ef=effort))
        found = self.collection.query(query, topk=K, filter=f"u < {share}" if share < 1000 else None, output_fields=[])
        return [int(document.id) for document in found]

    def close(self):
        del self.collection


class Qdrant:
    name, package, durable, efforts, filters = "qdrant-edge HNSW", "qdrant-edge-py", True, EFS, True

    def __init__(self, folder):
        import qdrant_edge as edge
        self.edge = edge
        path = f"{folder}/qdrant"
        if os.path.exists(path):
            self.shard = edge.EdgeShard.load(path, None)
            return
        os.makedirs(path)
        config = edge.EdgeConfig(
            vectors=edge.EdgeVectorParams(size=DIMENSION, distance=edge.Distance.Dot),
            hnsw_config=edge.HnswIndexConfig(M, EF_CONSTRUCTION, 10_000),
            optimizers=edge.EdgeOptimizersConfig(indexing_threshold=1000), max_search_threads=1)
        self.shard = edge.EdgeShard.create(path, config)
        self.shard.update(edge.UpdateOperation.create_field_index("u", edge.PayloadSchemaType.Integer))

    def point(self, id_, vector, u):
        return self.edge.Point(int(id_), vector.tolist(), {"u": int(u), "text": text_of(id_)})

    def add(self, ids, vectors, u):
        for batch in batches(len(ids), 1000):
            self.shard.update(self.edge.UpdateOperation.upsert_points(
                [self.point(ids[i], vectors[i], u[i]) for i in batch]))

    def finish(self):
        while self.shard.optimize():
            pass
        self.shard.flush()

    def store(self, id_, vector, u):
        self.shard.update(self.edge.UpdateOperation.upsert_points([self.point(id_, vector, u)]))
        self.shard.flush()

    def delete(self, id_):
        self.shard.update(self.edge.UpdateOperation.delete_points([int(id_)]))
        self.shard.flush()

    def search(self, question, effort, share):
        edge = self.edge
        condition = edge.Filter(must=[edge.FieldCondition("u", range=edge.RangeFloat(lt=share))])
        found = self.shard.search(edge.SearchRequest(
            edge.Query.Nearest(question.tolist()), K, filter=condition if share < 1000 else None,
            params=edge.SearchParams(hnsw_ef=effort)))
        return [point.id for point in found]

    def close(self):
        self.shard.close()


class Chroma:
    name, package, durable, efforts, filters = "chroma", "chromadb", True, EFS, True

    def __init__(self, folder):
        import chromadb
        from chromadb.config import Settings
        self.client = chromadb.PersistentClient(f"{folder}/chroma", settings=Settings(anonymized_telemetry=False))
        self.collection = self.client.get_or_create_collection(
            "peers", embedding_function=None,
            configuration={"hnsw": {"space": "ip", "max_neighbors": M, "ef_construction": EF_CONSTRUCTION,
                                    "ef_search": EFS[0]}})
        self.effort = None

    def add(self, ids, vectors, u):
        for batch in batches(len(ids), 5000):
            self.collection.add(ids=[str(ids[i]) for i in batch], embeddings=vectors[batch.start:batch.stop],
                                documents=[text_of(ids[i]) for i in batch], metadatas=[{"u": int(u[i])} for i in batch])

    def finish(self):
        pass

    def store(self, id_, vector, u):
        self.collection.add(ids=[str(id_)], embeddings=vector.reshape(1, -1), documents=[text_of(id_)],
                            metadatas=[{"u": int(u)}])

    def delete(self, id_):
        self.collection.delete(ids=[str(id_)])

    def search(self, question, effort, share):
        if effort != self.effort:
            self.collection.modify(configuration={"hnsw": {"ef_search": effort}})
            self.effort = effort
        found = self.collection.query(query_embeddings=question.reshape(1, -1), n_results=K, include=[],
                                      where={"u": {"$lt": share}} if share < 1000 else None)
        return [int(id_) for id_ in found["ids"][0]]

    def close(self):
        del self.collection, self.client


class Lance:
    """IVF_HNSW_SQ: it has no HNSW over all rows."""
    name, package, durable, filters = "lancedb IVF_HNSW_SQ", "lancedb", True, True
    efforts = [(1, 64), (2, 64), (4, 64), (8, 96), (16, 128), (16, 256), (16, 768)]  # partitions looked at, ef

    def __init__(self, folder):
        import lancedb
        import pyarrow
        self.pyarrow = pyarrow
        database = lancedb.connect(f"{folder}/lance")
        schema = pyarrow.schema([("id", pyarrow.int64()), ("u", pyarrow.int32()), ("text", pyarrow.string()),
                                 ("v", pyarrow.list_(pyarrow.float32(), DIMENSION))])
        self.table = database.create_table("rows", schema=schema, exist_ok=True)

    def rows(self, ids, vectors, u):
        arrow = self.pyarrow
        values = arrow.FixedSizeListArray.from_arrays(arrow.array(vectors.reshape(-1)), DIMENSION)
        return arrow.table({"id": arrow.array(ids, arrow.int64()), "u": arrow.array(u, arrow.int32()),
                            "text": [text_of(id_) for id_ in ids], "v": values}, schema=self.table.schema)

    def add(self, ids, vectors, u):
        for batch in batches(len(ids), 20_000):
            cut = slice(batch.start, batch.stop)
            self.table.add(self.rows(ids[cut], vectors[cut], u[cut]))

    def finish(self):
        self.table.create_index(metric="dot", vector_column_name="v", index_type="IVF_HNSW_SQ", num_partitions=16, m=M,
                                ef_construction=EF_CONSTRUCTION)
        self.table.create_scalar_index("u")
        self.table.optimize()

    def store(self, id_, vector, u):
        self.table.add(self.rows([id_], vector, [u]))

    def delete(self, id_):
        self.table.delete(f"id = {id_}")

    def search(self, question, effort, share):
        probes, ef = effort
        query = self.table.search(question).metric("dot").limit(K).nprobes(probes).ef(ef).refine_factor(4).select(["id"])
        if share < 1000:
            query = query.where(f"u < {share}", prefilter=True)
        return query.to_arrow()["id"].to_pylist()

    def close(self):
        del self.table


class Milvus:
    """Milvus Lite: FLAT or IVF only at this version; asked exactly."""
    name, package, durable, efforts, filters = "milvus-lite", "milvus-lite", True, [None], True

    def __init__(self, folder):
        from pymilvus import DataType, MilvusClient
        self.client = MilvusClient(f"{folder}/milvus.db")
        if self.client.has_collection("rows"):
            return
        schema = self.client.create_schema(auto_id=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("u", DataType.INT32)
        schema.add_field("text", DataType.VARCHAR, max_length=64)
        schema.add_field("v", DataType.FLOAT_VECTOR, dim=DIMENSION)
        index = self.client.prepare_index_params()
        index.add_index("v", index_type="FLAT", metric_type="IP")
        self.client.create_collection("rows", schema=schema, index_params=index)

    def row(self, id_, vector, u):
        return {"id": int(id_), "u": int(u), "text": text_of(id_), "v": vector.tolist()}

    def add(self, ids, vectors, u):
        for batch in batches(len(ids), 1000):
            self.client.insert("rows", [self.row(ids[i], vectors[i], u[i]) for i in batch])

    def finish(self):
        pass

    def store(self, id_, vector, u):
        self.client.insert("rows", [self.row(id_, vector, u)])

    def delete(self, id_):
        self.client.delete("rows", ids=[int(id_)])

    def search(self, question, _effort, share):
        found = self.client.search("rows", data=[question.tolist()], limit=K, anns_field="v",
                                   filter=f"u < {share}" if share < 1000 else "")
        return [hit["id"] for hit in found[0]]

    def close(self):
        self.client.close()


class ObjectBox:
    name, package, durable, efforts, filters = "objectbox", "objectbox", True, EFS, True

    def __init__(self, folder):
        import objectbox
        from objectbox import Entity, Float32Vector, HnswIndex, Id, Int32, String, VectorDistanceType

        @Entity()
        class Row:
            id = Id()
            number = Int32()
            u = Int32()
            text = String()
            v = Float32Vector(index=HnswIndex(
                dimensions=DIMENSION, distance_type=VectorDistanceType.DOT_PRODUCT_NON_NORMALIZED,
                neighbors_per_node=M, indexing_search_count=EF_CONSTRUCTION))

        self.kind = Row
        model = objectbox.Model()
        model.entity(Row)
        self.database = objectbox.Store(model=model, directory=f"{folder}/objectbox", model_json_file=f"{folder}/model.json",
                                        max_db_size_in_kb=4 << 20)
        self.box = self.database.box(Row)

    def row(self, id_, vector, u):
        return self.kind(number=int(id_), u=int(u), text=text_of(id_), v=vector)

    def add(self, ids, vectors, u):
        for batch in batches(len(ids), 1000):
            self.box.put([self.row(ids[i], vectors[i], u[i]) for i in batch])

    def finish(self):
        pass

    def store(self, id_, vector, u):
        self.box.put(self.row(id_, vector, u))

    def delete(self, id_):
        self.box.query(self.kind.number.equals(int(id_))).build().remove()

    def search(self, question, effort, share):
        condition = self.kind.v.nearest_neighbor(question, effort)
        if share < 1000:
            condition = condition & self.kind.u.less_than(share)
        query = self.box.query(condition).build()
        return [row.number for row, _ in query.find_with_scores()[:K]]

    def close(self):
        self.database.close()


ALL = {kind.package: kind for kind in (Faiss, Hnswlib, Usearch, SqliteVec, Vectorlite, Zvec, Qdrant, Chroma, Lance, Milvus,
                                       ObjectBox)}
