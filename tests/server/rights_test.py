"""Tokens, tenants, namespaces, permissions; how the server starts, reloads and ends."""

import hashlib
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

from serving import PROGRAM, Server, ServerTest


def entry(token, tenants, permissions, **more):
    return {"name": token, "sha256": hashlib.sha256(token.encode()).hexdigest(), "tenants": tenants,
            "permissions": permissions, **more}


class Rights(ServerTest):
    token = None
    words = ("--token-file", "tokens.json", "--access-log", "access.log")
    tokens = [entry("alice", ["alice"], ["read", "write", "delete"]), entry("bob", ["bob"], ["read", "write", "delete"]),
              entry("reader", ["alice"], ["read"]), entry("writer", ["alice"], ["write"]),
              entry("narrow", ["alice"], ["read", "write"], namespaces=["notes", "plans"]), entry("root", ["*"], ["admin"]), entry("owner", ["owner"], ["admin"])]

    @classmethod
    def prepare(cls):
        cls.write(cls.tokens)

    @classmethod
    def write(cls, tokens):
        pathlib.Path(cls.folder, "tokens.json").write_text(json.dumps({"tokens": tokens}), encoding="utf-8")

    def test_two_tenants_cannot_see_each_other_by_any_route(self):
        secret = "only alice knows the word xylophone"
        before = self.good("GET", "/stats", token="bob")
        self.good("POST", "/memories", {"coord": "1", "payload": {"text": secret}}, token="alice")
        self.good("POST", "/graph/link", {"from_coord": "1", "to_coord": "2", "link_type": "secret"}, token="alice")
        for method, path, body in (("GET", "/memories/1", None), ("GET", "/memories", None), ("GET", "/memories/search?query=xylophone", None),
                                   ("POST", "/memories/search", {"query": "xylophone", "top_k": 1000}), ("GET", "/stats", None),
                                   ("GET", "/graph/neighbors?coord=1", None), ("GET", "/graph/path?from_coord=1&to_coord=2", None),
                                   ("GET", "/health", None), ("GET", "/test-stats", None), ("DELETE", "/memories/1", None),
                                   ("DELETE", "/graph/link?from_coord=1&to_coord=2&link_type=secret", None),
                                   ("PATCH", "/memories/1", {"importance": 5})):
            answer = self.ask(method, path, body, token="bob")
            self.assertNotIn(b"xylophone", answer.body)
            self.assertNotIn(b"alice", answer.body, path)
            self.assertNotIn(b'"secret"}', answer.body)
            self.assertIn(answer.status, (200, 404), path)
            self.refused(403, "Permission denied", method, path, body, token="bob", X_Soma_Tenant="alice")
        self.assertEqual(self.good("GET", "/stats", token="bob"), before)
        self.assertEqual(self.good("GET", "/memories/1", token="alice")["memory"]["payload"], {"text": secret})
        self.assertEqual(len(self.good("GET", "/graph/neighbors?coord=1", token="alice")["neighbors"]), 1)

    def test_permissions(self):
        self.good("POST", "/memories", {"coord": "2", "payload": {}}, token="writer")
        self.good("GET", "/memories/2", token="reader")
        for token, calls in (("reader", (("POST", "/memories", {}), ("DELETE", "/memories/2", None), ("PATCH", "/memories/2", {}),
                                         ("POST", "/memories/batch", {}), ("POST", "/graph/link", {}), ("DELETE", "/spaces", None))),
                             ("writer", (("GET", "/memories/2", None), ("DELETE", "/memories/2", None), ("GET", "/memories", None))),
                             ("alice", (("DELETE", "/spaces", None),))):
            for method, path, body in calls:
                self.refused(403, "Permission denied", method, path, body, token=token)
        for entry in ({"op": "delete", "coord": "2"}, {"op": "unlink", "from_coord": "1", "to_coord": "2"}):
            self.refused(403, "Permission denied", "POST", "/memories/batch", {"entries": [entry]}, token="writer")
        self.good("DELETE", "/memories/2", token="root", X_Soma_Tenant="alice")

    def test_a_purge_is_not_for_one_tenant(self):
        self.refused(403, "Permission denied", "DELETE", "/spaces?purge=true", token="owner")
        self.good("DELETE", "/spaces", token="owner")
        self.good("DELETE", "/spaces?purge=true", token="root", X_Soma_Tenant="owner")

    def test_namespaces(self):
        self.good("POST", "/memories", {"coord": "3", "payload": {}}, token="narrow", X_Soma_Namespace=" notes ")
        self.refused(403, "Permission denied", "GET", "/memories/3", token="narrow")  # "default" is not one of its two
        self.refused(404, "Memory not found", "GET", "/memories/3", token="narrow", X_Soma_Namespace="plans")
        self.good("GET", "/memories/3", token="alice", X_Soma_Namespace="notes")

    def test_names_that_cannot_be(self):
        answer = self.ask("GET", "/memories", token="root", X_Soma_Tenant="x" * 256)
        self.assertEqual((answer.status, answer.json()["detail"][0]["loc"]), (422, ["header", "X-Soma-Tenant"]))
        answer = self.ask("GET", "/memories", token="root", X_Soma_Namespace="\xff")
        self.assertEqual((answer.status, answer.json()["detail"][0]["type"]), (422, "string_unicode"))

    def test_health_shows_a_token_its_tenants_alone(self):
        self.good("POST", "/memories", {"coord": "4", "payload": {}}, token="bob")
        self.good("POST", "/memories", {"coord": "4", "payload": {}}, token="alice")
        self.assertEqual([each["tenant"] for each in self.good("GET", "/health", token="bob")["tenants"]], ["bob"])
        self.assertLessEqual({"alice", "bob"}, {each["tenant"] for each in self.good("GET", "/health", token="root")["tenants"]})

    def test_hangup_reloads_the_tokens(self):
        self.refused(401, "Unauthorized", "GET", "/memories", token="late")
        self.write([*self.tokens, entry("late", ["late"], ["read"])])
        self.server.process.send_signal(signal.SIGHUP)
        self.eventually(lambda: self.ask("GET", "/memories", token="late").status == 200)
        pathlib.Path(self.folder, "tokens.json").write_text('{"tokens": [{"sha256": "short"}]}', encoding="utf-8")
        self.server.process.send_signal(signal.SIGHUP)
        self.eventually(lambda: "stay as they were" in pathlib.Path(self.folder, "stderr").read_text(encoding="utf-8"))
        self.good("GET", "/memories", token="late")
        self.write(self.tokens)
        self.server.process.send_signal(signal.SIGHUP)
        self.eventually(lambda: self.ask("GET", "/memories", token="late").status == 401)

    def eventually(self, holds):
        for _ in range(200):
            if holds():
                return
            time.sleep(0.05)
        self.fail("never")

    def test_the_access_log_has_no_secrets(self):
        self.good("POST", "/memories", {"coord": "5", "payload": {"text": "a private payload"}}, token="alice", X_Request_Id="seen-1")
        self.ask("GET", "/memories/search?query=a+private+question", token="alice")
        log = pathlib.Path(self.folder, "access.log")
        self.eventually(lambda: "memories/search" in log.read_text(encoding="utf-8"))
        lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        line = next(line for line in lines if line["id"] == "seen-1")
        self.assertEqual({key: line[key] for key in ("method", "path", "status", "tenant", "namespace", "token")},
                         {"method": "POST", "path": "/memories", "status": 200, "tenant": "alice", "namespace": "default", "token": "alice"})
        text = log.read_text(encoding="utf-8")
        for secret in ("private", "Bearer", hashlib.sha256(b"alice").hexdigest()):
            self.assertNotIn(secret, text)


class Starting(unittest.TestCase):
    def setUp(self):
        self.folder_object = tempfile.TemporaryDirectory()
        self.folder = self.folder_object.name
        self.addCleanup(self.folder_object.cleanup)

    def run_it(self, *words, **environment):
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("FRACTAL_", "SOMA_"))}
        return subprocess.run([PROGRAM, "--db", "a.db", "serve", *words], cwd=self.folder, env={**clean, **environment},
                              capture_output=True, text=True, timeout=60, check=False)

    def settings(self, *words, **environment):
        done = self.run_it("--print-config", *words, **environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_no_token_no_server(self):
        done = self.run_it("--port", "0")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--open", done.stderr)

    def test_open_is_for_loopback_alone(self):
        done = self.run_it("--port", "0", "--open", "--address", "0.0.0.0")
        self.assertEqual(done.returncode, 2)
        self.assertIn("loopback", done.stderr)
        server = Server(self.folder, "--open", token=None)
        self.assertEqual(server.stop(), 0)

    def test_what_is_wrong_with_tokens_is_said(self):
        for text, words in (("{}", "list"), ('{"tokens": [{"sha256": "00"}]}', "64 hexadecimal"), ("[", "list"),
                            (json.dumps({"tokens": [entry("a", ["a"], ["fly"])]}), "fly"),
                            (json.dumps({"tokens": [entry("a", ["a"], ["read"], colour="red")]}), "colour"),
                            (json.dumps({"tokens": [entry("a", [], ["read"])]}), "empty"),
                            (json.dumps({"tokens": [{"sha256": "0" * 64}]}), "lacks")):
            pathlib.Path(self.folder, "t.json").write_text(text, encoding="utf-8")
            done = self.run_it("--port", "0", "--token-file", "t.json")
            self.assertNotEqual(done.returncode, 0, text)
            self.assertIn(words, done.stderr)
        self.assertEqual(self.run_it("--port", "0", "--token-file", "nowhere").returncode, 4)

    def test_the_tokens_of_the_environment(self):
        for name in ("FRACTAL_API_TOKEN", "SOMA_API_TOKEN"):
            server = Server(self.folder, token=None, environment={name: "from-" + name})
            client = server.client()
            client.request("GET", "/memories", headers={"Authorization": "Bearer from-" + name})
            self.assertEqual(client.getresponse().status, 200)
            client.close()
            self.assertEqual(server.stop(), 0)

    def test_flags_go_before_environment_before_file_before_defaults(self):
        pathlib.Path(self.folder, "s.json").write_text('{"port": 1, "max_body": "2", "open": true, "access_log": "f"}', encoding="utf-8")
        self.assertEqual(self.settings()["port"], 9595)
        found = self.settings("--config", "s.json", "--max-body", "4", FRACTAL_MAX_BODY="3", FRACTAL_PORT="5")
        self.assertEqual({key: found[key] for key in ("port", "max_body", "open", "access_log", "address")},
                         {"port": 5, "max_body": 4, "open": True, "access_log": "f", "address": "127.0.0.1"})
        pathlib.Path(self.folder, "again.json").write_text(json.dumps(found), encoding="utf-8")
        self.assertEqual(self.settings("--config", "again.json"), found)

    def test_what_is_not_known_is_an_error(self):
        for text, words in (('{"prot": 1}', "prot"), ('{"port": "x"}', "whole number"), ('{"port": 65536}', "65535"), ("{", "not an object"),
                            ('{"open": "maybe"}', "neither"), ('{"port": [1]}', "no such value"), ('{"durability": "off"}', "full or normal")):
            pathlib.Path(self.folder, "s.json").write_text(text, encoding="utf-8")
            done = self.run_it("--print-config", "--config", "s.json")
            self.assertEqual(done.returncode, 2, text)
            self.assertIn(words, done.stderr)
        self.assertEqual(self.run_it("--prot", "1").returncode, 2)
        self.assertIn("FRACTAL_PORT", self.run_it("--print-config", FRACTAL_PORT="x").stderr)

    def test_the_database_of_the_command_line_goes_first(self):
        pathlib.Path(self.folder, "s.json").write_text('{"db": "file.db", "open": true}', encoding="utf-8")
        for words, environment, expected in ((("--db", "flag.db"), {"FRACTAL_DB": "variable.db"}, "flag.db"),
                                             ((), {"FRACTAL_DB": "variable.db"}, "variable.db"), ((), {}, "file.db")):
            clean = {key: value for key, value in os.environ.items() if not key.startswith(("FRACTAL_", "SOMA_"))}
            done = subprocess.run([PROGRAM, *words, "serve", "--print-config", "--config", "s.json"], cwd=self.folder,
                                  env={**clean, **environment}, capture_output=True, text=True, timeout=60, check=True)
            self.assertEqual(json.loads(done.stdout)["db"], expected)

    def test_a_port_that_is_taken(self):
        server = Server(self.folder, "--open", token=None)
        done = self.run_it("--open", "--port", str(server.port))
        self.assertEqual(done.returncode, 4)
        self.assertIn(str(server.port), done.stderr)
        self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main()
