"""schemathesis makes requests out of /openapi.json, good ones and bad ones: every answer has to be as described there.

FRACTAL_SCHEMA_EXAMPLES: so many per operation (200). The seed is fixed."""

import collections
import concurrent.futures
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

from serving import TOKEN, Description, Server

SCHEMATHESIS = os.path.join(os.environ["FRACTAL_TEST_TOOLS"], "schemathesis")
HERE = pathlib.Path(__file__).resolve().parent
EXAMPLES = int(os.environ.get("FRACTAL_SCHEMA_EXAMPLES", "200"))
SEED = os.environ.get("FRACTAL_SCHEMA_SEED", "20261123")
# In the place of these stand checks of our own in schemathesis_hooks.py, which say where they differ.
REPLACED = "positive_data_acceptance,negative_data_rejection"


def fill(server):
    """Some memories, with vectors and links, for requests to find."""
    entries = [{"coord": f"{n},{n % 7}", "importance": n % 5, "memory_type": ("episodic", "semantic")[n % 2],
                "payload": {"text": f"green tea and memory {n}", "n": n}, "metadata": {"source": "test"},
                "embedding": [n + 1, 1, n % 3]} for n in range(100)]
    entries += [{"op": "link", "from_coord": f"{n},{n % 7}", "to_coord": f"{n + 1},{(n + 1) % 7}"} for n in range(99)]
    client = server.client()
    client.request("POST", "/memories/batch", json.dumps({"entries": entries}), {"Authorization": f"Bearer {TOKEN}"})
    response = client.getresponse()
    assert response.status == 200, response.read()
    client.close()


class Run:
    """One run of schemathesis, with a server of its own."""

    def __init__(self, name, *words, environment=None):
        self.name, self.words, self.environment = name, words, environment or {}
        self.counts, self.failed, self.printed = collections.Counter(), [], ""

    def __call__(self):
        with tempfile.TemporaryDirectory() as folder:
            log = pathlib.Path(folder, "access")
            server = Server(folder, "--access-log", str(log))
            try:
                fill(server)
                client = server.client()
                client.request("GET", "/openapi.json")
                described = Description(client.getresponse().read())
                client.close()
                self.code = self.schemathesis(server.port, folder)
            finally:
                self.ended = server.stop(60)
            for line in log.read_text(encoding="utf-8").splitlines():
                self.count(json.loads(line), described)
            self.errors = pathlib.Path(folder, "stderr").read_text(encoding="utf-8", errors="replace")
        return self

    def schemathesis(self, port, folder):
        # A NUL in a text is refused, at any depth of a payload: no schema can say that.
        command = [SCHEMATHESIS, "run", f"http://127.0.0.1:{port}/openapi.json", "--header", f"Authorization: Bearer {TOKEN}",
                   "--seed", SEED, "--checks", "all", "--exclude-checks", REPLACED, "--generation-allow-x00", "false",
                   "--generation-database", "none", "--request-timeout", "120", "--suppress-health-check", "all", "--warnings",
                   "off", "--no-color", *self.words]
        environment = {**os.environ, "SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(HERE), **self.environment}
        ran = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             check=False)
        self.printed = ran.stdout
        return ran.returncode

    def count(self, entry, described):
        path, method = entry["path"], entry["method"]
        names = [template for template in described.document["paths"] if template == path] or [
            template for template, (pattern, _) in zip(described.document["paths"], described.routes) if pattern.fullmatch(path)]
        if entry["status"] >= 500:
            self.failed.append(entry)
        if names and method.lower() in described.document["paths"][names[0]]:
            self.counts[f"{method} {names[0]}"] += 1


class Schemathesis(unittest.TestCase):
    def test_every_answer_is_as_described(self):
        with tempfile.TemporaryDirectory() as folder:
            server = Server(folder)
            client = server.client()
            client.request("GET", "/openapi.json")
            document = json.loads(client.getresponse().read())
            client.close()
            server.stop()
        tags = collections.Counter(tag for operations in document["paths"].values() for operation in operations.values()
                                   for tag in operation["tags"] if not self.streams(operation))
        # Sequences by the links in the document. Who erases the space in between takes away what was stored.
        runs = [Run("sequences", "--phases", "stateful", "--max-examples", str(max(EXAMPLES // 5, 1)), "--exclude-operation-id",
                    "erase_space", environment={"FRACTAL_ONE_SPACE": "1"})]
        fuzzing = "--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES)
        runs += [Run(tag, *fuzzing, "--include-tag", tag) for tag, _ in tags.most_common()]
        counts = self.all_of(runs)
        # Where schemathesis knows a value from the answers of another operation it draws few others: again, by itself.
        few = [(f"{method.upper()} {path}", operation["operationId"]) for path, operations in document["paths"].items()
               for method, operation in operations.items()
               # Without a parameter there are not many different requests.
               if operation["parameters"] and not self.streams(operation) and counts[f"{method.upper()} {path}"] < EXAMPLES]
        counts += self.all_of([Run(one, *fuzzing, "--include-operation-id", one) for _, one in few])
        print(f"\nseed {SEED}; requests by operation:")
        for name, count in sorted(counts.items()):
            print(f"{count:8} {name}")
        for name, _ in few:
            self.assertGreaterEqual(counts[name], EXAMPLES, name)

    def all_of(self, runs):
        """Two at a time; how many requests there were of each operation."""
        counts = collections.Counter()
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda run: run(), runs))
        for run in runs:
            counts += run.counts
            with self.subTest(run=run.name):
                self.assertEqual(run.code, 0, run.printed + run.errors)
                self.assertEqual(run.failed, [])
                self.assertEqual(run.ended, 0, run.errors)
        return counts

    @staticmethod
    def streams(operation):
        return any("text/event-stream" in answer.get("content", {}) for answer in operation["responses"].values())


if __name__ == "__main__":
    unittest.main()
