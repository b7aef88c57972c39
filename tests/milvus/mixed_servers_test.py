"""Two `fractal serve` under load, with everything on servers of its own: rows on PostgreSQL, vectors on Milvus, cache on Redis."""

import itertools
import json
import os
import pathlib
import random
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "redis"))
import servers_test
import serving

MILVUS = os.environ["FRACTAL_TEST_MILVUS"]
SECONDS = int(os.environ.get("FRACTAL_FAULT_SECONDS", "20"))
RATE, BURST = 1, 40
CLIENTS = 16
# Each text is four of them, and no other text the same four: then by vector and by words it is nearest to itself.
WORDS = ("tea river mountain bread winter doctor engine garden music letter bridge ocean horse silver teacher window forest coffee "
         "planet island pencil candle market castle").split()
TEXTS = [" ".join(words) for words in itertools.combinations(WORDS, 4)]
random.Random(1).shuffle(TEXTS)
COMMON, TEXTS = TEXTS[:1500], TEXTS[1500:]  # so many that Milvus proposes, instead of all being fetched


def most_accepted(since):
    """Of one token's requests about one tenant, by all servers together."""
    return BURST + RATE * (time.monotonic() - since) + 1


class LimitedClient(servers_test.Client):
    def __init__(self, number, servers, over, tenant, token):
        super().__init__(number, servers, over, tenant)
        self.token, self.accepted, self.refused = token, 0, 0

    def ask(self, method, path, body=None):
        status, answer = super().ask(method, path, body, self.token)
        if status == 429:
            self.refused += 1
        else:
            self.accepted += 1
        return status, answer


class Hasty(LimitedClient):
    """Asks one server, as often as it can."""

    def step(self):
        status, answer = self.ask("GET", "/memories?limit=1")
        self.expect(status in (200, 429), f"list: {status} {answer}")


class Keeper(LimitedClient):
    """Memories of its own, in a tenant of its own or below a coordinate of a common one: it knows which there are."""

    def __init__(self, number, servers, over):
        self.shares = number >= CLIENTS // 2
        super().__init__(number, servers, over, "common" if self.shares else f"tenant {number}", f"token {number}")
        self.place, self.texts = f"{number + 1}", iter(TEXTS[number::CLIENTS])
        self.known, self.gone, self.searches = {}, [], 0

    def good(self, method, path, body=None):
        while True:
            status, answer = self.ask(method, path, body)
            if status != 429:
                self.expect(status == 200, f"{method} {path}: {status} {answer}")
                return answer
            time.sleep(0.2)

    def step(self):
        choice = self.random.random()
        if choice < 0.3 or not self.known:
            self.store()
        elif choice < 0.45:
            self.remove()
        elif choice < 0.75:
            self.look_for(self.random.choice(list(self.known)))
        elif self.gone:
            self.look_for_what_is_gone(self.random.choice(self.gone))

    def store(self):
        coord, text = f"{self.place},{self.random.randrange(40)}", next(self.texts)
        self.good("POST", "/memories", {"coord": coord, "payload": {"text": text}})
        if coord in self.known:
            self.gone.append(self.known[coord])
        self.known[coord] = text
        self.look_for(coord)

    def remove(self):
        coord = self.random.choice(list(self.known))
        self.good("DELETE", f"/memories/{coord}")
        self.gone.append(self.known.pop(coord))
        self.look_for_what_is_gone(self.gone[-1])

    def search(self, text, mode, k, own):
        """The texts that are found, by coordinate; own: among its own memories only."""
        self.searches += 1
        question = {"query": text, "mode": mode, "top_k": k, **({"within": self.place} if own and self.shares else {})}
        answer = self.good("POST", "/memories/search", question)
        found = {",".join(f"{number:g}" for number in hit["coordinate"]): hit["payload"]["text"] for hit in answer["memories"]}
        self.expect(len(found) == len(answer["memories"]) == min(k, answer["matched"]), f"{question}: {len(found)} of {answer['matched']}")
        if own or not self.shares:
            words = set(text.split())
            matching = [one for one in self.known.values() if mode == "vector" or words & set(one.split())]
            self.expect(answer["matched"] == len(matching), f"{question}: matched {answer['matched']}, not {len(matching)}")
            self.expect(found.items() <= self.known.items(), f"{question}: {found}, there is {self.known}")
        return found

    def look_for(self, coord):
        for mode in ("vector", "keyword"):
            found = self.search(self.known[coord], mode, self.random.choice((1, 3, 60)), self.random.random() < 0.5)
            self.expect(next(iter(found), None) == coord, f"by {mode}: {coord} {self.known[coord]} is not before {found}")

    def look_for_what_is_gone(self, text):
        for mode in ("vector", "keyword"):
            found = self.search(text, mode, self.random.choice((1, 3, 60)), self.random.random() < 0.5)
            self.expect(text not in found.values(), f"by {mode}: {text} is gone, and found: {found}")


class Mixed(servers_test.Servers):
    words = ("--rate-limit", str(RATE), "--rate-burst", str(BURST))

    def serve(self):
        """The first is told of Milvus by a flag, the second by a variable."""
        if not self.running:
            return super().serve(words=("--vector-index", MILVUS))
        return super().serve(environment={"FRACTAL_VECTOR_INDEX": MILVUS})

    def command(self, *words, tenant="default"):
        done = subprocess.run([serving.PROGRAM, "--db", self.database, "--vector-index", MILVUS, "--tenant", tenant, "--json", *words],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return json.loads(done.stdout.splitlines()[-1])

    def run_clients(self, keepers, hasty, over):
        """For SECONDS, and until enough has happened: on a busy machine that takes longer."""
        clients, begin = keepers + hasty, time.monotonic()
        for client in clients:
            client.start()

        # Two servers that counted each by itself would have accepted so many of one token's requests.
        def enough():
            asked = [client.accepted + client.refused for client in hasty]
            return sum(min(one, most_accepted(begin)) for one in asked) > 1.5 * most_accepted(begin) and \
                all(client.searches for client in keepers) and sum(len(client.gone) for client in keepers) > CLIENTS

        met = False
        while not (met and time.monotonic() > begin + SECONDS) and not any(client.wrong for client in clients):
            met = met or enough()
            if time.monotonic() > begin + SECONDS + 300:
                break
            time.sleep(0.1)
        over.set()
        for client in clients:
            client.join()
        most = most_accepted(begin)
        print(f"{time.monotonic() - begin:.1f} s: {sum(client.searches for client in keepers)} searches, {sum(client.accepted for client in keepers)} requests, "
              f"{sum(len(client.gone) for client in keepers)} memories gone; one token on both: {[client.accepted for client in hasty]} "
              f"accepted, {[client.refused for client in hasty]} refused")
        self.assertEqual([client.wrong for client in clients if client.wrong], [])
        self.assertTrue(met, "too little has happened")
        accepted = [client.accepted for client in hasty]
        self.assertTrue(all(accepted))
        self.assertLessEqual(sum(accepted), most)
        self.assertGreaterEqual(sum(accepted), BURST)

    def test_what_is_acknowledged_is_found_on_both_and_nothing_else(self):
        self.tokens([("all", "all-token", ["admin"], ["*"]), ("hasty", "hasty", ["read"], ["hasty"])] +
                    [(f"client {number}", f"token {number}", ["admin"], ["*"]) for number in range(CLIENTS)])
        self.stop()
        self.servers = [self.serve(), self.serve()]
        for begin in range(0, len(COMMON), 500):
            entries = [{"coord": f"100,{begin + i}", "payload": {"text": text}} for i, text in enumerate(COMMON[begin:begin + 500])]
            self.good(self.servers[0], "POST", "/memories/batch", {"entries": entries}, tenant="common")
        over = threading.Event()
        keepers = [Keeper(number, self.servers, over) for number in range(CLIENTS)]
        hasty = [Hasty(number, [server], over, "hasty", "hasty") for number, server in enumerate(self.servers)]
        self.run_clients(keepers, hasty, over)
        self.check_that_nothing_differs(keepers)

    def check_that_nothing_differs(self, keepers):
        self.stop()
        living = len(COMMON) + sum(len(keeper.known) for keeper in keepers)
        report = self.command("verify")
        self.assertEqual((report["vectors"], report["problems"]), (living, []))
        found = self.command("search", COMMON[0], "--mode", "vector", "--explain", tenant="common")
        self.assertIn("proposed", found["plan"])  # by Milvus, not by the rows


if __name__ == "__main__":
    unittest.main()
