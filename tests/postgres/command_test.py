"""The command and the server on a PostgreSQL server, by the real binary."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "server"))
import serving

SECRET = "q7-secret"


def with_password(url):
    return url.replace("postgres@", f"postgres:{SECRET}@") + f"&sslpassword={SECRET}"


class CommandTest(unittest.TestCase):
    def setUp(self):
        self.url = serving.fresh_database()

    def run_command(self, *words, url=None, code=0):
        done = subprocess.run([serving.PROGRAM, "--db", url or self.url, *words], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertNotIn(SECRET, done.stdout + done.stderr)
        return done

    def test_memories(self):
        self.assertIn("there is no database", self.run_command("get", "1", code=4).stderr)
        self.run_command("init", "--index", "year")
        self.run_command("store", "1,2", '{"text": "Ada likes green tea", "year": 2026}')
        self.run_command("--tenant", "bob", "store", "1,2", '{"text": "of bob"}')
        self.run_command("link", "1,2", "7", "--type", "knows")
        self.assertIn("green tea", self.run_command("search", "what does Ada drink?").stdout)
        found = json.loads(self.run_command("--json", "get", "1,2").stdout)
        self.assertEqual(found["payload"], {"text": "Ada likes green tea", "year": 2026})
        self.assertIn("knows", self.run_command("neighbors", "1,2").stdout)
        self.run_command("verify")

    def test_vectors_on_a_server_with_pgvector(self):
        index = serving.fresh_database("FRACTAL_TEST_PGVECTOR").replace("postgres://", "pgvector://")
        self.run_command("--vector-index", index, "init")
        self.run_command("--vector-index", index, "store", "1", '{"text": "Ada likes green tea"}')
        found = json.loads(self.run_command("--vector-index", index, "--json", "search", "--explain", "what does Ada drink?").stdout.split("\n")[0])
        self.assertEqual(found["memory"]["coordinate"], [1.0])
        stats = json.loads(self.run_command("--vector-index", index, "--json", "stats").stdout)
        self.assertEqual(stats["vectors"], 1)
        done = self.run_command("--vector-index", "mysql://u:x@h/d", "stats", code=2)
        self.assertIn("no backend for mysql://; give a URL of ", done.stderr)
        self.assertIn("is not a URL", self.run_command("--vector-index", "vectors", "stats", code=2).stderr)

    def test_passwords_are_never_printed(self):
        url = with_password(self.url)
        self.run_command("init", url=url)
        self.run_command("stats", url=url)
        self.run_command("serve", "--print-config", url=url)
        nowhere = with_password("postgres://postgres@127.0.0.1:1/none?connect_timeout=1")
        self.assertIn("postgres://", self.run_command("stats", url=nowhere, code=4).stderr)
        self.assertIn("no backend for mysql", self.run_command("stats", url="mysql://postgres:x@h/d", code=2).stderr)

    def test_two_servers_share_one_memory(self):
        with tempfile.TemporaryDirectory() as folder:
            servers = [serving.Server(folder, db=self.url) for _ in range(2)]
            try:
                def ask(server, method, path, body=None):
                    client = server.client()
                    client.request(method, path, json.dumps(body) if body else None, {"Authorization": f"Bearer {serving.TOKEN}"})
                    response = client.getresponse()
                    answer = json.loads(response.read())
                    client.close()
                    return answer

                for number in range(20):
                    body = {"coord": f"1,{number}", "payload": {"text": f"tea number {number}"}}
                    ask(servers[number % 2], "POST", "/memories", body)
                    for server in servers:
                        self.assertIn("memory", ask(server, "GET", f"/memories/1,{number}"))
                        found = ask(server, "POST", "/memories/search", {"query": "tea", "top_k": 50})
                        self.assertEqual(len(found["memories"]), number + 1)
                self.assertEqual([ask(server, "GET", "/healthz")["kv_store"] for server in servers], [True, True])
                self.assertTrue(any("postgres" in service["name"] for service in ask(servers[0], "GET", "/health")["services"]))
            finally:
                self.assertEqual([server.stop() for server in servers], [0, 0])


if __name__ == "__main__":
    unittest.main()
