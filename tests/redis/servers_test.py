"""Two `fractal serve` on one PostgreSQL, sharing one Redis: what they share, and what is left when it is taken away."""

import hashlib
import http.client
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "server"))
import serving
from fault_proxy import FaultProxy

SECONDS = int(os.environ.get("FRACTAL_FAULT_SECONDS", "8"))
COUNTERS = ("fractal_kept_answers_total", "fractal_cache_failures_total")


class Redis:
    """On a socket of the folder; what it has is gone when it is killed."""

    def __init__(self, folder):
        self.folder, self.socket = folder, os.path.join(folder, "redis")
        self.start()

    def start(self):
        with open(os.path.join(self.folder, "redis_log"), "ab") as log:
            self.process = subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", self.socket, "--save", "", "--appendonly", "no",
                                             "--dir", self.folder], stdout=log, stderr=log)
        while self.ask("ping") != "PONG":
            time.sleep(0.02)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def freeze(self, seconds):
        self.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.process.send_signal(signal.SIGCONT)

    def ask(self, *words):
        return subprocess.run(["redis-cli", "-s", self.socket, *words], capture_output=True, text=True).stdout.strip()


class Servers(unittest.TestCase):
    words = ()
    cache_settings = "?call_timeout=10000"  # a busy machine does not keep 250 ms each time

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.redis = Redis(self.folder)
        self.addCleanup(self.redis.kill)
        self.database = serving.fresh_database()
        self.tokens([("all", "all-token", ["admin"], ["*"]), ("ada", "ada-token", ["read", "write"], ["ada"])])
        self.running = []
        self.addCleanup(self.stop)
        self.servers = [self.serve(), self.serve()]

    def serve(self, socket=None, words=(), environment=None):
        self.running.append(serving.Server(self.folder, "--token-file", "tokens.json", "--cache", f"redis+unix://{socket or self.redis.socket}{self.cache_settings}",
                                           *self.words, *words, token=None, db=self.database, environment=environment))
        return self.running[-1]

    def stop(self):
        running, self.running = self.running, []
        codes = [server.stop(timeout=120) for server in running]  # it takes five seconds, on a machine with time
        self.assertEqual(codes, [0] * len(codes), pathlib.Path(self.folder, "stderr").read_text(encoding="utf-8", errors="replace"))

    def tokens(self, tokens):
        entries = [{"name": name, "sha256": hashlib.sha256(secret.encode()).hexdigest(), "tenants": tenants, "permissions": permissions}
                   for name, secret, permissions, tenants in tokens]
        pathlib.Path(self.folder, "tokens.json").write_text(json.dumps({"tokens": entries}), encoding="utf-8")

    def ask(self, server, method, path, body=None, token="all-token", tenant=None):
        client = server.client()
        headers = {"Authorization": f"Bearer {token}", **({"X-Soma-Tenant": tenant} if tenant else {})}
        client.request(method, path, json.dumps(body) if body is not None else None, headers)
        response = client.getresponse()
        answer = serving.Answer(response, response.read())
        client.close()
        return answer

    def good(self, *arguments, **options):
        answer = self.ask(*arguments, **options)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json()

    def count(self, server, name):
        text = self.ask(server, "GET", "/metrics").body.decode()
        return int(next(line for line in text.splitlines() if line.startswith(name + " ")).split()[1])


class Shared(Servers):
    def test_a_session_of_one_is_known_to_the_other_and_ends_for_both(self):
        one, two = self.servers
        session = self.good(one, "POST", "/sessions", {"expires_in": 600}, token="ada-token")
        for server in self.servers:
            self.good(server, "POST", "/memories", {"coord": "1", "payload": {}}, token=session["token"])
            self.assertEqual(self.ask(server, "DELETE", "/memories/1", token=session["token"]).status, 403)
            self.assertEqual(self.ask(server, "GET", "/memories", token=session["token"], tenant="bob").status, 403)
        self.assertTrue(self.good(two, "DELETE", f"/sessions/{session['id']}", token="ada-token")["revoked"])
        for server in self.servers:
            self.assertEqual(self.ask(server, "GET", "/memories", token=session["token"]).status, 401)
        self.assertFalse(self.good(one, "DELETE", f"/sessions/{session['id']}", token="ada-token")["revoked"])
        short = self.good(two, "POST", "/sessions", {"expires_in": 5}, token="ada-token")
        over = time.monotonic() + 5.2
        self.good(one, "GET", "/memories", token=short["token"])
        time.sleep(max(0, over - time.monotonic()))
        self.assertEqual([self.ask(server, "GET", "/memories", token=short["token"]).status for server in self.servers], [401, 401])
        keys = self.redis.ask("keys", "*")
        for secret in ("ada-token", "all-token", session["token"], short["token"]):
            self.assertNotIn(secret, keys)
        dump = "".join(self.redis.ask("get", key) for key in keys.splitlines() if "value:session" in key)
        self.assertNotIn("-token", dump)

    def test_answers_are_shared_and_never_stale(self):
        one, two = self.servers
        question = {"query": "green tea", "top_k": 50}

        def kept():
            return sum(self.count(server, "fractal_kept_answers_total") for server in self.servers)

        for number in range(12):
            writer, reader = self.servers[number % 2], self.servers[1 - number % 2]
            self.good(writer, "POST", "/memories", {"coord": f"1,{number}", "payload": {"text": f"green tea number {number}"}})
            before = kept()
            first = self.good(reader, "POST", "/memories/search", question)
            self.assertEqual(len(first["memories"]), number + 1)
            self.assertEqual(kept(), before)
            self.assertEqual(self.good(writer, "POST", "/memories/search", question), first)  # found by the other
            self.assertEqual(kept(), before + 1)
            self.assertEqual(self.good(reader, "POST", "/memories/search", question, tenant="bob")["memories"], [])
        self.good(one, "DELETE", "/memories/1,3")
        self.assertEqual([len(self.good(server, "POST", "/memories/search", question)["memories"]) for server in (two, one)], [11, 11])
        # A writer beside the servers, and one beside the library.
        subprocess.run([serving.PROGRAM, "--db", self.database, "store", "9", '{"text": "green tea leaves"}'], check=True, capture_output=True)
        self.assertEqual(len(self.good(one, "POST", "/memories/search", question)["memories"]), 12)
        self.good(one, "DELETE", "/spaces")
        self.assertEqual([self.good(server, "POST", "/memories/search", question)["memories"] for server in (two, one)], [[], []])

    def test_a_database_that_was_set_back_has_other_answers(self):
        """As a backup that is restored: the same numbers again, for other commits."""
        question = {"query": "drink", "top_k": 5}

        def run(*words, **more):
            return subprocess.run([words[0], os.environ["FRACTAL_TEST_POSTGRES"], *words[1:]], check=True, capture_output=True, text=True, **more).stdout

        schema = self.database.rsplit("%3D", 1)[1]
        self.good(self.servers[0], "POST", "/memories", {"coord": "1", "payload": {"text": "drink water"}})
        dump = run("pg_dump", "-n", schema)
        answers = []
        for text in ("drink black coffee", "drink green tea"):
            stored = self.good(self.servers[0], "POST", "/memories", {"coord": "2", "payload": {"text": text}})
            self.assertTrue(stored["created"])
            answers.append(self.good(self.servers[0], "POST", "/memories/search", question))
            self.assertIn(text, [hit["payload"]["text"] for hit in answers[-1]["memories"]])
            self.stop()
            run("psql", "-qX", "-v", "ON_ERROR_STOP=1", "-c", f"DROP SCHEMA {schema} CASCADE")
            run("psql", "-qX", "-v", "ON_ERROR_STOP=1", input=dump)
            self.servers = [self.serve(), self.serve()]
        self.assertEqual(answers[0]["sequence"], answers[1]["sequence"])

    def test_names_that_a_protocol_is_made_of(self):
        for tenant in ("a}b{c", "*3 $3 SET", "'; FLUSHALL --", "%0d%0aDEL%20x", "x" * 255):
            for server in self.servers:
                stored = self.good(server, "POST", "/memories", {"coord": "1", "payload": {"text": f"tea of {tenant}"}}, tenant=tenant)
                found = self.good(server, "POST", "/memories/search", {"query": "tea\r\n*1\r\n$8\r\nFLUSHALL\r\n"}, tenant=tenant)
                self.assertEqual([hit["payload"]["text"] for hit in found["memories"]], [f"tea of {tenant}"], stored)

    def test_without_redis(self):
        session = self.good(self.servers[0], "POST", "/sessions", {}, token="ada-token")["token"]
        self.redis.kill()
        for server in (*self.servers, self.serve()):  # also one that begins now
            self.good(server, "POST", "/memories", {"coord": "1", "payload": {"text": "tea"}})
            for _ in range(3):
                self.assertEqual(len(self.good(server, "POST", "/memories/search", {"query": "tea"})["memories"]), 1)
            for method, path, token in (("GET", "/memories", session), ("POST", "/sessions", "ada-token"), ("GET", "/memories", "fms_unknown"),
                                        ("DELETE", "/sessions/abc", "ada-token")):
                answer = self.ask(server, method, path, {} if method == "POST" else None, token=token)
                self.assertEqual((answer.status, list(answer.json())), (503, ["detail"]), (method, path))
            self.assertEqual(self.ask(server, "GET", "/memories", token="unknown").status, 401)
            health = self.good(server, "GET", "/health")
            cache = next(service for service in health["services"] if service["name"] == "cache")
            self.assertEqual((health["healthy"], cache["healthy"], len(cache["details"]["problems"])), (True, False, 1))
            self.assertEqual(self.ask(server, "GET", "/healthz").status, 200)
            self.assertGreater(self.count(server, "fractal_cache_failures_total"), 0)
        self.redis.start()
        end = time.monotonic() + 10
        while self.ask(self.servers[0], "POST", "/sessions", {}, token="ada-token").status != 200:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.05)


class Rates(Servers):
    words = ("--rate-limit", "0.5", "--rate-burst", "20")

    def check_bucket(self, servers, tenant):
        """One bucket of all these: the burst is let in, at least; how many more than with what flows in meanwhile, and the last refusal."""
        began, statuses = time.monotonic(), []
        while statuses.count(429) < 10:
            answer = self.ask(servers[len(statuses) % len(servers)], "GET", "/memories", tenant=tenant)
            statuses.append(answer.status)
            self.assertLess(time.monotonic(), began + 120)
        self.assertEqual(set(statuses), {200, 429})
        self.assertGreaterEqual(statuses.count(200), 20)
        return statuses.count(200) - (20 + 0.5 * (time.monotonic() - began)), answer

    def test_requests_are_counted_together(self):
        too_many, refused = self.check_bucket(self.servers, "a")
        self.assertLess(too_many, 1)
        self.assertEqual((refused.status, refused.headers["X-RateLimit-Limit"]), (429, "20"))
        self.assertGreaterEqual(int(refused.headers["Retry-After"]), 1)
        self.assertEqual(self.ask(self.servers[0], "GET", "/memories", tenant="b").status, 200)

    def test_each_counts_by_itself_without_redis(self):
        self.redis.kill()
        for server in self.servers:
            too_many, _ = self.check_bucket([server], "a")
            self.assertLess(too_many, 1)


class Client(threading.Thread):
    """Does its step() until it is over; each request goes to one of the servers."""

    def __init__(self, number, servers, over, tenant):
        super().__init__()
        self.over, self.tenant, self.wrong = over, tenant, None
        self.random = random.Random(number)
        self.connections = [http.client.HTTPConnection("127.0.0.1", server.port, timeout=60) for server in servers]

    def ask(self, method, path, body=None, token="all-token"):
        client = self.random.choice(self.connections)
        headers = {"Authorization": f"Bearer {token}", "X-Soma-Tenant": self.tenant}
        client.request(method, path, json.dumps(body) if body is not None else None, headers)
        response = client.getresponse()
        return response.status, json.loads(response.read())

    def expect(self, true, what):
        if not true:
            raise AssertionError(what)

    def run(self):
        try:
            while not self.over.is_set():
                self.step()
        except Exception as wrong:  # the test says it
            self.wrong = repr(wrong)
        for connection in self.connections:
            connection.close()


class SessionClient(Client):
    """A tenant of its own, so that it knows what is there."""

    def __init__(self, number, servers, over, sessions_end):
        super().__init__(number, servers, over, f"tenant {number}")
        self.sessions_end, self.texts, self.stored = sessions_end, {}, 0
        self.session = self.revoked = None
        self.statuses = {}

    def ask(self, method, path, body=None, token="all-token"):
        status, answer = super().ask(method, path, body, token)
        kind = "token" if token == "all-token" and not path.startswith("/sessions") else "session"
        self.statuses[kind, status] = self.statuses.get((kind, status), 0) + 1
        return status, answer

    def step(self):
        choice = self.random.random()
        if choice < 0.15:
            self.stored += 1
            coord, text = f"{self.random.randrange(12)}.0", f"tea number {self.stored}"
            status, _ = self.ask("POST", "/memories", {"coord": coord, "payload": {"text": text}})
            self.expect(status == 200, f"store: {status}")
            self.texts[float(coord)] = text
        elif choice < 0.75:
            status, answer = self.ask("POST", "/memories/search", {"query": "tea", "top_k": 50, "mode": "keyword"})
            self.expect(status == 200, f"search: {status}")
            found = {hit["coordinate"][0]: hit["payload"]["text"] for hit in answer["memories"]}
            self.expect(found == self.texts, f"found {found}, there is {self.texts}")
        elif self.session is None:
            status, answer = self.ask("POST", "/sessions", {"expires_in": 3600})
            self.expect(status in (200, 503), f"open a session: {status}")
            if status == 200:
                self.session = answer
        elif choice < 0.95:
            status, _ = self.ask("GET", "/memories?limit=1", token=self.session["token"])
            self.expect(status in (200, 503) or status == 401 and self.sessions_end, f"session: {status}")
            if status == 401:
                self.session = None
        else:
            status, answer = self.ask("DELETE", f"/sessions/{self.session['id']}")
            self.expect(status in (200, 503), f"close a session: {status}")
            if status == 200:
                self.revoked = self.session["token"]
            self.session = None  # or it is not known
        if self.revoked and choice < 0.05:
            status, _ = self.ask("GET", "/memories?limit=1", token=self.revoked)
            self.expect(status in (401, 503), f"a session that was closed: {status}")


class Faults(Servers):
    cache_settings = ""

    def run_clients(self, servers, trouble, enough, sessions_end):
        """For SECONDS, and until `enough` has happened: on a busy machine that takes longer."""
        over, begin = threading.Event(), time.monotonic()
        clients = [SessionClient(number, servers, over, sessions_end) for number in range(4)]
        for client in clients:
            client.start()

        def met():
            return enough() and all(self.count(server, name) for server in servers for name in COUNTERS)

        while (time.monotonic() < begin + SECONDS or not met()) and not any(client.wrong for client in clients):
            if time.monotonic() > begin + SECONDS + 120:
                clients[0].wrong = "too little has happened"
            trouble()
        over.set()
        for client in clients:
            client.join()
        self.assertEqual([client.wrong for client in clients], [None] * len(clients))
        statuses = {}
        for client in clients:
            for status, count in client.statuses.items():
                statuses[status] = statuses.get(status, 0) + count
        print(statuses, [self.count(server, name) for server in servers for name in COUNTERS])
        self.assertEqual([status for kind, status in statuses if kind == "token"], [200])
        self.assertGreater(statuses["session", 200], 0)

    def test_killed_frozen_and_emptied_under_load(self):
        seed = int(os.environ.get("FRACTAL_SEED", random.randrange(1 << 30)))
        print(f"FRACTAL_SEED={seed}")
        chance = random.Random(seed)

        def kill():
            self.redis.kill()
            time.sleep(chance.uniform(0, 1))
            self.redis.start()

        def freeze():
            self.redis.freeze(chance.uniform(0.1, 1))

        kinds = [kill, freeze, lambda: self.redis.ask("flushall"), lambda: self.redis.ask("script", "flush")]
        waiting = list(kinds)  # each once, then any

        def trouble():
            time.sleep(chance.uniform(0.2, 1))
            (waiting.pop(0) if waiting else chance.choice(kinds))()

        self.run_clients(self.servers, trouble, lambda: not waiting, sessions_end=True)

    def test_a_network_that_fails(self):
        proxy = FaultProxy(self.redis.socket, os.path.join(self.folder, "proxy"), one_in=100)
        self.addCleanup(proxy.close)
        servers = [self.serve(proxy.path), self.serve(proxy.path)]
        proxy.breaks = True
        self.run_clients(servers, lambda: time.sleep(0.1), lambda: all(proxy.met.values()), sessions_end=False)


if __name__ == "__main__":
    unittest.main()
