"""Sessions, rate limits, and answers that are kept."""

import hashlib
import json
import os
import signal
import subprocess
import time
import unittest

from serving import PROGRAM, TOKEN, ServerTest


def entry(name, secret, permissions, tenants=("*",)):
    digest = hashlib.sha256(secret.encode()).hexdigest()
    return {"name": name, "sha256": digest, "tenants": list(tenants), "permissions": permissions}


def wait_until(moment):
    time.sleep(max(0, moment - time.monotonic()))


class Sessions(ServerTest):
    words = ("--token-file", "tokens.json")
    token = None

    @classmethod
    def prepare(cls):
        cls.write_tokens([entry("all", "all-token", ["admin"]), entry("alice", "alice-token", ["read", "write"], ["alice", "ann"])])

    @classmethod
    def write_tokens(cls, tokens):
        with open(os.path.join(cls.folder, "tokens.json"), "w", encoding="utf-8") as file:
            json.dump({"tokens": tokens}, file)

    def opened(self, token, **body):
        return self.good("POST", "/sessions", body, token=token)

    def test_a_session_has_the_rights_of_its_token(self):
        session = self.opened("alice-token")
        self.assertEqual(set(session), {"token", "id", "expires_at", "tenants", "namespaces", "permissions"})
        self.assertEqual((session["tenants"], session["namespaces"], session["permissions"]), (["alice", "ann"], ["*"], ["read", "write"]))
        self.good("POST", "/memories", {"coord": "1", "payload": {}}, token=session["token"], X_Soma_Tenant="alice")
        self.refused(403, "Permission denied", "DELETE", "/memories/1", token=session["token"], X_Soma_Tenant="alice")
        self.refused(403, "Permission denied", "GET", "/memories/1", token=session["token"], X_Soma_Tenant="bob")
        self.refused(403, "Permission denied", "POST", "/sessions", {}, token=session["token"], X_Soma_Tenant="alice")

    def test_fewer_rights(self):
        session = self.opened("all-token", tenants=["x"], permissions=["read"], namespaces=["n"])
        # Of one tenant and namespace: no header needed.
        self.refused(404, "Memory not found", "GET", "/memories/1", token=session["token"])
        self.refused(403, "Permission denied", "GET", "/memories/1", token=session["token"], X_Soma_Tenant="y")
        self.refused(403, "Permission denied", "GET", "/memories/1", token=session["token"], X_Soma_Namespace="y")
        self.refused(403, "Permission denied", "POST", "/memories", {"coord": "1", "payload": {}}, token=session["token"])

    def test_never_more_rights(self):
        for more in ({"permissions": ["read", "delete"]}, {"permissions": ["admin"]}, {"tenants": ["bob"]}, {"tenants": ["*"]},
                     {"tenants": ["alice", "bob"]}):
            self.refused(403, "Permission denied", "POST", "/sessions", more, token="alice-token", X_Soma_Tenant="alice")
        for wrong in ({"permissions": ["fly"]}, {"permissions": []}, {"tenants": [1]}, {"tenants": 1}, {"namespaces": ["n" * 3000]}, {"expires_in": 0}, {"expires_in": 86401}):
            self.assertEqual(self.ask("POST", "/sessions", wrong, token="alice-token", X_Soma_Tenant="alice").status, 422, wrong)
        self.refused(401, "Unauthorized", "POST", "/sessions", {}, token=None)

    def test_it_ends_when_it_is_revoked(self):
        session = self.opened("alice-token")
        other = self.opened("all-token")
        self.good("GET", "/memories", token=session["token"], X_Soma_Tenant="alice")
        closed = self.good("DELETE", f"/sessions/{session['id']}", token="alice-token", X_Soma_Tenant="alice")
        self.assertEqual(closed, {"id": session["id"], "revoked": True})
        self.refused(401, "Unauthorized", "GET", "/memories", token=session["token"], X_Soma_Tenant="alice")
        again = self.good("DELETE", f"/sessions/{session['id']}", token="alice-token", X_Soma_Tenant="alice")
        self.assertFalse(again["revoked"])
        # Another token's session is none of its business; one with all rights may end each.
        self.assertFalse(self.good("DELETE", f"/sessions/{other['id']}", token="alice-token", X_Soma_Tenant="alice")["revoked"])
        self.good("GET", "/memories", token=other["token"])
        mine = self.opened("alice-token")
        self.assertTrue(self.good("DELETE", f"/sessions/{mine['id']}", token="all-token")["revoked"])
        sibling, own = self.opened("alice-token"), self.opened("alice-token")
        self.assertFalse(self.good("DELETE", f"/sessions/{sibling['id']}", token=own["token"], X_Soma_Tenant="alice")["revoked"])
        self.assertTrue(self.good("DELETE", f"/sessions/{own['id']}", token=own["token"], X_Soma_Tenant="alice")["revoked"])

    def brief(self):
        """A session that a slow machine can use, too, and the moment at which it is over."""
        session = self.opened("all-token", expires_in=5)
        return session, time.monotonic() + 5.2

    def test_an_import_ends_with_its_session(self):
        session, over = self.brief()
        with self.server.connect() as client:
            line = b'{"coordinate": [77], "payload": {}}\n'
            client.sendall(f"POST /memories/import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {session['token']}\r\nContent-Length: {len(line)}\r\n\r\n".encode() + line[:9])
            wait_until(over)
            client.sendall(line[9:])
            self.assertIn(b" 401 ", client.recv(4096).splitlines()[0])
        self.refused(404, "Memory not found", "GET", "/memories/77", token="all-token")

    def test_a_stream_ends_with_its_session(self):
        session, _ = self.brief()
        client = self.server.client()
        client.request("GET", "/changes", headers={"Authorization": f"Bearer {session['token']}"})
        self.assertTrue(client.getresponse().read().startswith(b"retry: "))  # to its end
        client.close()

    def test_no_token_takes_all_sessions(self):
        self.write_tokens([entry("all", "all-token", ["admin"]), entry("greedy", "greedy-token", ["read"]),
                           entry("alice", "alice-token", ["read", "write"], ["alice", "ann"])])
        self.server.process.send_signal(signal.SIGHUP)
        self.until(lambda: self.ask("GET", "/memories", token="greedy-token").status == 200)
        statuses = [self.ask("POST", "/sessions", {"expires_in": 2}, token="greedy-token").status for _ in range(1010)]
        self.assertEqual(statuses[:1000], [200] * 1000)
        self.assertIn(429, statuses)
        self.opened("all-token")

    def test_it_ends_by_itself(self):
        session, over = self.brief()
        self.good("GET", "/memories", token=session["token"])
        wait_until(over)
        self.refused(401, "Unauthorized", "GET", "/memories", token=session["token"])

    def test_it_ends_with_its_token(self):
        self.write_tokens([entry("all", "all-token", ["admin"]), entry("alice", "alice-token", ["read", "write"], ["alice", "ann"]),
                           entry("short", "short-token", ["read", "write"])])
        self.server.process.send_signal(signal.SIGHUP)
        self.until(lambda: self.ask("GET", "/memories", token="short-token").status == 200)
        session = self.opened("short-token")
        self.good("POST", "/memories", {"coord": "1", "payload": {}}, token=session["token"])
        self.write_tokens([entry("all", "all-token", ["admin"]), entry("alice", "alice-token", ["read", "write"], ["alice", "ann"]),
                           entry("short", "short-token", ["read"])])
        self.server.process.send_signal(signal.SIGHUP)
        self.until(lambda: self.ask("POST", "/memories", {"coord": "1", "payload": {}}, token=session["token"]).status == 403)
        self.prepare()
        self.server.process.send_signal(signal.SIGHUP)
        self.until(lambda: self.ask("GET", "/memories", token=session["token"]).status == 401)

    def until(self, true):
        end = time.monotonic() + 10
        while not true():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.05)

    def test_no_token_is_in_the_database_or_its_folder(self):
        session = self.opened("all-token")
        self.good("GET", "/memories", token=session["token"])
        for name in os.listdir(self.folder):
            with open(os.path.join(self.folder, name), "rb") as file:
                text = file.read()
            self.assertNotIn(session["token"].encode(), text)
            self.assertNotIn(b"all-token", text)


class Open(ServerTest):
    words = ("--open",)
    token = None

    def test_there_is_nothing_to_exchange(self):
        self.refused(403, "Permission denied", "POST", "/sessions", {}, token=None)

    def test_pages_of_other_sites_are_refused(self):
        self.good("GET", "/memories", token=None)
        for headers in ({"Origin": "http://localhost:3000"}, {"Host": "localhost"}, {"Host": "127.0.0.1:1"}, {"Host": "[::1]:80"}):
            self.good("GET", "/memories", token=None, **headers)
        for headers in ({"Origin": "https://evil.example"}, {"Host": "[::1].evil"}, {"Host": "evil://localhost"}, {"Sec_Fetch_Site": "cross-site"}, {"Origin": "null"}, {"Host": "evil.example"}, {"Host": "127.0.0.1.evil.example"}):
            self.refused(403, "Permission denied", "GET", "/memories", token=None, **headers)


class Rates(ServerTest):
    words = ("--rate-limit", "2", "--rate-burst", "5")

    def until_refused(self, ask, began, used=0):
        """Answers of ask(0), ask(1), ... up to a 429. With those `used` no more are let in than the burst and what has flowed in since `began`."""
        answers = []
        while not answers or answers[-1].status == 200:
            answers.append(ask(len(answers)))
            self.assertLess(time.monotonic(), began + 60)
        self.assertEqual(answers[-1].status, 429)
        self.assertLessEqual(used + len(answers) - 1, 5 + 2 * (time.monotonic() - began))
        return answers

    def test_a_bucket_for_each_tenant(self):
        began = time.monotonic()
        for left in range(4, -1, -1):
            answer = self.ask("GET", "/memories", X_Soma_Tenant="a")
            self.assertEqual(answer.status, 200)
            self.assertEqual(answer.headers["X-RateLimit-Limit"], "5")
            self.assertLessEqual(int(answer.headers["X-RateLimit-Remaining"]), left + 2 * (time.monotonic() - began))
        answers = self.until_refused(lambda _: self.ask("GET", "/memories", X_Soma_Tenant="a"), began, used=5)
        refused = answers[-1]
        self.assertEqual(refused.json(), {"detail": "Rate limit exceeded"})
        self.assertEqual(refused.headers["X-RateLimit-Remaining"], "0")
        self.assertGreaterEqual(int(refused.headers["Retry-After"]), 1)
        used = 5 + len(answers) - 1
        spanish = self.until_refused(lambda _: self.ask("GET", "/memories", X_Soma_Tenant="a", Accept_Language="es"), began, used)[-1]
        self.assertEqual(spanish.json(), {"detail": "Se ha superado el límite de peticiones"})
        self.good("GET", "/memories", X_Soma_Tenant="b")
        for _ in range(20):
            self.assertNotIn("X-RateLimit-Limit", self.ask("GET", "/ping").headers)
        self.assertIn(b"fractal_rate_limited_total ", self.ask("GET", "/metrics").body)
        time.sleep(int(spanish.headers["Retry-After"]))
        self.good("GET", "/memories", X_Soma_Tenant="a")

    def test_a_session_shares_the_bucket_of_its_token(self):
        began = time.monotonic()
        session = self.good("POST", "/sessions", {}, X_Soma_Tenant="shared")["token"]
        tokens = (TOKEN, session)
        self.until_refused(lambda n: self.ask("GET", "/memories", token=tokens[n % 2], X_Soma_Tenant="shared"), began)

    def test_a_refused_request_changes_nothing(self):
        began = time.monotonic()
        statuses = []
        for _ in range(3):
            statuses += [answer.status for answer in self.until_refused(
                lambda n: self.ask("POST", "/memories", {"coord": str(len(statuses) + n), "payload": {}}, X_Soma_Tenant="writer"),
                began, statuses.count(200))]
        time.sleep(1)
        there = [memory["coordinate"] for memory in self.good("GET", "/memories", X_Soma_Tenant="writer")["memories"]]
        self.assertEqual(there, [[float(i)] for i, status in enumerate(statuses) if status == 200])


class KeptAnswers(ServerTest):
    def counts(self):
        text = self.ask("GET", "/metrics").body.decode()
        return [int(next(line for line in text.splitlines() if line.startswith(name + " ")).split()[1])
                for name in ("fractal_kept_answers_total", "fractal_missed_answers_total")]

    def asked(self, **headers):
        return self.good("POST", "/memories/search", {"query": "green tea"}, **headers)

    def test_the_same_question_is_answered_once_for_each_state(self):
        self.good("POST", "/memories", {"coord": "1", "payload": {"text": "green tea"}}, X_Soma_Tenant="kept")
        kept, missed = self.counts()
        first = self.asked(X_Soma_Tenant="kept")
        self.assertEqual(self.asked(X_Soma_Tenant="kept"), first)
        self.assertEqual(self.counts(), [kept + 1, missed + 1])
        # Another tenant, another question, another state.
        self.assertEqual(self.asked(X_Soma_Tenant="nobody")["memories"], [])
        self.good("POST", "/memories/search", {"query": "green"}, X_Soma_Tenant="kept")
        self.good("POST", "/memories", {"coord": "2", "payload": {"text": "green tea, too"}}, X_Soma_Tenant="kept")
        self.assertEqual(len(self.asked(X_Soma_Tenant="kept")["memories"]), 2)
        self.good("DELETE", "/memories/2", X_Soma_Tenant="kept")
        self.assertEqual(len(self.asked(X_Soma_Tenant="kept")["memories"]), 1)
        self.assertEqual(self.counts()[0], kept + 1)

    def test_what_expires_is_in_no_kept_answer(self):
        soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2))
        self.good("POST", "/memories", {"coord": "1", "payload": {"text": "green tea"}, "expires_at": soon}, X_Soma_Tenant="expiry")
        self.assertEqual(len(self.asked(X_Soma_Tenant="expiry")["memories"]), 1)
        time.sleep(2.2)
        self.assertEqual(self.asked(X_Soma_Tenant="expiry")["memories"], [])

    def test_what_is_written_by_another_process_is_seen(self):
        self.good("POST", "/memories", {"coord": "1", "payload": {"text": "green tea"}})
        self.assertEqual(len(self.asked()["memories"]), 1)
        subprocess.run([PROGRAM, "--db", os.path.join(self.folder, "memory.db"), "store", "2", '{"text": "green tea leaves"}'],
                       check=True, capture_output=True)
        self.assertEqual(len(self.asked()["memories"]), 2)

    def test_a_space_made_anew_is_another_one(self):
        for text in ("green tea", "black coffee"):
            self.good("POST", "/memories", {"coord": "1", "payload": {"text": text}}, X_Soma_Tenant="anew")
            found = self.good("POST", "/memories/search", {"query": "drink", "top_k": 1}, X_Soma_Tenant="anew")
            self.assertEqual(found["memories"][0]["payload"]["text"], text)
            self.good("DELETE", "/spaces", X_Soma_Tenant="anew")


class NoKeptAnswers(KeptAnswers):
    words = ("--keep-answers", "false")

    def test_the_same_question_is_answered_once_for_each_state(self):
        self.good("POST", "/memories", {"coord": "1", "payload": {"text": "green tea"}})
        self.assertEqual(self.asked(), self.asked())
        self.assertEqual(self.counts(), [0, 0])


if __name__ == "__main__":
    unittest.main()
