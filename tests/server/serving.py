"""A real server in a folder of its own, for tests that speak HTTP to it."""

import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import time
import types
import unittest

import jsonschema

PROGRAM = os.environ["FRACTAL_PROGRAM"]
SOURCE = pathlib.Path(__file__).resolve().parents[2]
TOKEN = "test-token"


class Answer:
    def __init__(self, response, body):
        self.status, self.headers, self.body = response.status, response.headers, body

    def json(self):
        return json.loads(self.body)


class Description:
    """The server's own /openapi.json, which every reply of every test has to fit."""

    def __init__(self, text):
        self.document = json.loads(text)
        self.routes = [(re.compile(re.sub(r"{\w+}", "[^/]+", path)), operations) for path, operations in self.document["paths"].items()]

    def check(self, method, path, answer):
        path = path.partition("?")[0]
        # A fixed path goes before one with a variable.
        found = [(len(route.pattern), operations) for route, operations in self.routes if route.fullmatch(path)]
        exact = self.document["paths"].get(path) or (found[0][1] if found else {})
        operation = exact.get("get" if method == "HEAD" else method.lower())
        if operation is None or answer.status in (413, 431) and str(answer.status) not in operation["responses"]:
            return
        described = operation["responses"].get(str(answer.status))
        assert described, f"{method} {path}: {answer.status} is not described"
        schema = described["content"].get("application/json", {}).get("schema")
        if schema and method != "HEAD":
            jsonschema.Draft202012Validator({**schema, "components": self.document["components"]}).validate(answer.json())


def fresh_database(variable="FRACTAL_TEST_POSTGRES"):
    """A file of the folder; a new schema on the server that the variable names, if it is set."""
    server = os.environ.get(variable)
    if not server:
        return "memory.db"
    schema = f"http_{os.getpid()}_{time.monotonic_ns()}"
    subprocess.run(["psql", "-qX", server, "-c", f"CREATE SCHEMA {schema}"], check=True)
    return f"{server}{'&' if '?' in server else '?'}options=-csearch_path%3D{schema}"


class Server:
    """`fractal serve` until stop(); its database stays in the folder."""

    def __init__(self, folder, *words, token=TOKEN, db="memory.db", environment=None, program=PROGRAM, user=None):
        settings = {key: value for key, value in os.environ.items() if not key.startswith(("FRACTAL_", "SOMA_"))}
        settings.update(environment or {})
        if token:
            settings["FRACTAL_API_TOKEN"] = token
        self.errors = open(os.path.join(folder, "stderr"), "ab")
        self.process = subprocess.Popen([program, "--json", "--db", db if "://" in db else os.path.join(folder, db), "serve", "--port", "0", *words],
                                        cwd=folder, env=settings, user=user, stdout=subprocess.PIPE, stderr=self.errors)
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.close()
            raise RuntimeError(pathlib.Path(folder, "stderr").read_text(encoding="utf-8", errors="replace"))
        self.where = json.loads(line)
        self.port = int(self.where["url"].rsplit(":", 1)[1]) if self.where["url"] else None

    def connect(self, timeout=30):
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def client(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.close()

    def stop(self, timeout=120):  # of a busy machine
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout)
        self.close()
        return code

    def close(self):
        self.process.stdout.close()
        self.errors.close()


class ServerTest(unittest.TestCase):
    """One server for all tests of a class; `words` are its flags."""

    words = ()
    token = TOKEN
    environment = None

    @classmethod
    def setUpClass(cls):
        cls.folder_object = tempfile.TemporaryDirectory()
        cls.folder = cls.folder_object.name
        cls.prepare()
        cls.server = Server(cls.folder, *cls.words, token=cls.token, db=fresh_database(), environment=cls.environment)

    @classmethod
    def prepare(cls):
        pass

    @classmethod
    def tearDownClass(cls):
        code = cls.server.stop()
        errors = pathlib.Path(cls.folder, "stderr").read_text(encoding="utf-8", errors="replace")
        cls.folder_object.cleanup()
        assert code == 0, f"exit code {code}: {errors}"
        assert "ERROR: " not in errors, errors

    def ask(self, method, path, body=None, token=TOKEN, **headers):
        """`body`: bytes, text and generators as they are, else JSON. Underscores of header names become dashes."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent.setdefault("Authorization", f"Bearer {token}")
        if body is not None and not isinstance(body, (bytes, str, types.GeneratorType)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode("utf-8", "surrogatepass")
        client = self.server.client()
        try:
            client.request(method, path, body=body, headers=sent)
            response = client.getresponse()
            answer = Answer(response, response.read())
        finally:
            client.close()
        if path != "/openapi.json":
            self.description().check(method, path, answer)
        return answer

    @classmethod
    def description(cls):
        if "described" not in cls.__dict__:
            client = cls.server.client()
            client.request("GET", "/openapi.json")
            cls.described = Description(client.getresponse().read())
            client.close()
        return cls.described

    def good(self, *arguments, **options):
        answer = self.ask(*arguments, **options)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json()

    def refused(self, status, detail, *arguments, **options):
        answer = self.ask(*arguments, **options)
        self.assertEqual(answer.status, status, answer.body)
        self.assertEqual(answer.json(), {"detail": detail})
        return answer

    def flawed(self, items, *arguments, **options):
        """422 with exactly these (type, loc, msg) or (type, loc, msg, ctx)."""
        answer = self.ask(*arguments, **options)
        self.assertEqual(answer.status, 422, answer.body)
        found = []
        for item in answer.json()["detail"]:
            self.assertLessEqual(set(item), {"type", "loc", "msg", "ctx"})
            found.append((item["type"], item["loc"], item["msg"]) + ((item["ctx"],) if "ctx" in item else ()))
        self.assertEqual(found, items)
