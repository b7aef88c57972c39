"""curl and requests as clients; the library's own numbers beside theirs."""

import json
import subprocess
import unittest

import requests
from serving import TOKEN, ServerTest


class Clients(ServerTest):
    def setUp(self):
        self.url = f"http://127.0.0.1:{self.server.port}"

    def test_requests(self):
        with requests.Session() as session:
            session.headers.update({"Authorization": f"Bearer {TOKEN}", "X-Soma-Tenant": "requests"})
            for i in range(50):
                answer = session.post(f"{self.url}/memories", json={"coord": f"1,{i}", "payload": {"text": f"note é {i}"}}, timeout=30)
                self.assertEqual(answer.json()["coord"], f"1,{i}")
            found = session.get(f"{self.url}/memories/search", params={"query": "note", "filters": json.dumps({"text": "note é 7"})}, timeout=30)
            self.assertEqual([hit["payload"]["text"] for hit in found.json()["memories"]], ["note é 7"])
            self.assertEqual(found.headers["Content-Type"], "application/json; charset=utf-8")
            listed = session.get(f"{self.url}/memories", params={"limit": 1000}, timeout=30).json()
            self.assertEqual(len(listed["memories"]), 50)
            self.assertEqual(session.delete(f"{self.url}/memories/1,7", timeout=30).json(), {"coord": "1,7", "deleted": True})
            self.assertEqual(session.get(f"{self.url}/memories/1,7", timeout=30).status_code, 404)

    def curl(self, *words):
        done = subprocess.run(["curl", "-sS", "--fail-with-body", "-m", "30", "-H", f"Authorization: Bearer {TOKEN}", *words],
                              capture_output=True, check=True)
        return done.stdout

    def test_curl(self):
        body = json.dumps({"coord": "9", "payload": {"text": "by curl"}})
        self.assertEqual(json.loads(self.curl(f"{self.url}/memories", "-d", body))["version"], 1)
        one, other = self.curl(f"{self.url}/memories/9", f"{self.url}/memories/9").decode().split('}}', 1)[0], "by curl"
        self.assertIn(other, one)
        large = json.dumps({"coord": "10", "payload": {"text": "x" * 100_000}})  # curl asks with Expect: 100-continue
        self.assertEqual(json.loads(self.curl(f"{self.url}/memories", "-d", large, "-H", "Expect: 100-continue"))["version"], 1)
        chunked = self.curl(f"{self.url}/memories", "-H", "Transfer-Encoding: chunked", "-d", body)
        self.assertEqual(json.loads(chunked)["version"], 2)
        self.assertIn(b"200 OK", self.curl("-I", f"{self.url}/memories/9"))


if __name__ == "__main__":
    unittest.main()
