"""What an import and an export of 240 MB add to the server's memory. For a program without sanitizers, which keep what was
freed."""

import json
import os
import unittest

from serving import TOKEN, ServerTest


class LargeTransfers(ServerTest):
    words = ("--spool-folder", ".")

    def memory(self):
        with open(f"/proc/{self.server.process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))

    def test_they_take_less_than_half_of_what_they_move(self):
        count = 15_000
        line = json.dumps({"coordinate": [0], "payload": {"text": "x" * 16_000}})
        lines = ((line.replace("[0]", f"[{i}]") + "\n").encode() for i in range(count))
        before = self.memory()
        report = self.good("POST", "/memories/import", lines)
        self.assertEqual(report["memories"], count)
        client = self.server.client()
        client.request("GET", "/memories/export?embeddings=false", headers={"Authorization": f"Bearer {TOKEN}"})
        response, size = client.getresponse(), 0
        while piece := response.read(1 << 20):
            size += len(piece)
        client.close()
        grown = (self.memory() - before) >> 10
        print(f"{size >> 20} MiB in and out: {grown} MiB more memory")
        self.assertGreater(size, 240_000_000)
        self.assertLess(grown, 120)
        self.assertEqual([name for name in os.listdir(self.folder) if "fractal" in name], [])  # the files have no names


if __name__ == "__main__":
    unittest.main()
