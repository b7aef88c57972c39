"""kill -9 while eight clients write: every write that was answered is there after the restart."""

import http.client
import json
import os
import random
import tempfile
import threading
import time
import unittest

from serving import TOKEN, Server

KILLS = int(os.environ.get("FRACTAL_KILLS", "30"))
CLIENTS = 8


class Writer(threading.Thread):
    """Stores 1, 2, 3, ... at its own coordinates until the server is gone."""

    def __init__(self, server, number, first):
        super().__init__()
        self.server, self.number, self.last, self.wrong = server, number, first, None

    def run(self):
        client = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        try:
            while True:
                body = json.dumps({"coord": f"{self.number},{self.last + 1}", "payload": {"n": self.last + 1}})
                client.request("POST", "/memories", body=body, headers=headers)
                response = client.getresponse()
                text = response.read()
                if response.status != 200:
                    self.wrong = (response.status, text)
                    return
                self.last += 1
        except (OSError, http.client.HTTPException):
            pass
        finally:
            client.close()


class Kills(unittest.TestCase):
    def test_every_answered_write_survives(self):
        seed = int(os.environ.get("FRACTAL_SEED", time.time_ns() % 1_000_000))
        print(f"seed {seed}, {KILLS} kills")
        pause = random.Random(seed)
        answered = [0] * CLIENTS
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(KILLS):
                server = Server(folder)
                writers = [Writer(server, number, answered[number]) for number in range(CLIENTS)]
                for writer in writers:
                    writer.start()
                self.await_answers(writers, answered)
                time.sleep(pause.uniform(0.05, 0.4))
                server.kill()
                for writer in writers:
                    writer.join()
                    self.assertIsNone(writer.wrong)
                before = answered
                answered = [writer.last for writer in writers]
                server = Server(folder)
                self.check(server, before, answered)
                server.kill() if pause.random() < 0.5 else server.stop()
        print(f"{sum(answered)} writes answered")
        self.assertGreater(sum(answered), KILLS * CLIENTS)

    def await_answers(self, writers, before):
        """One each, so that every kill meets writes: the threads of a busy machine begin late."""
        end = time.monotonic() + 60
        while time.monotonic() < end and any(writer.last == first and writer.is_alive() for writer, first in zip(writers, before)):
            time.sleep(0.002)

    def check(self, server, before, answered):
        """Those since the restart before, and how many there are in all; one more a client may be there, unanswered."""
        client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        for number in range(CLIENTS):
            for n in range(before[number] + 1, answered[number] + 1):
                client.request("GET", f"/memories/{number},{n}", headers=headers)
                response = client.getresponse()
                self.assertEqual((response.status, json.loads(response.read())["memory"]["payload"]), (200, {"n": n}))
        client.request("GET", "/stats", headers=headers)
        total = json.loads(client.getresponse().read())["total_memories"]
        self.assertLessEqual(sum(answered), total)
        self.assertLessEqual(total, sum(answered) + CLIENTS)
        client.close()


if __name__ == "__main__":
    unittest.main()
