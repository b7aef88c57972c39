"""HTTP as it comes: pipelined, malformed, smuggled, oversized, slow; TLS, unix sockets, many connections, a clean end."""

import http.client
import json
import os
import pathlib
import resource
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest
import warnings

from serving import TOKEN, Server, ServerTest

HEAD = f"Host: x\r\nAuthorization: Bearer {TOKEN}\r\n".encode()


def read_all(connection):
    data = b""
    while True:
        try:
            piece = connection.recv(65536)
        except ConnectionResetError:
            return data
        if not piece:
            return data
        data += piece


class Http(ServerTest):
    words = ("--max-body", "200000", "--max-header", "8192", "--header-timeout", "1500", "--body-timeout", "3000",
             "--idle-timeout", "4000")

    def raw(self, data, half_close=True):
        with self.server.connect() as connection:
            connection.sendall(data)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            return read_all(connection)

    def statuses(self, data):
        return [int(part[:3]) for part in self.raw(data).split(b"HTTP/1.1 ")[1:]]

    def tearDown(self):
        self.good("GET", "/ping")  # whatever happened, it serves

    def test_keep_alive_and_pipelining(self):
        body = b'{"coord": "1", "payload": {"n": 1}}'
        store = b"POST /memories HTTP/1.1\r\n" + HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
        get = b"GET /memories/1 HTTP/1.1\r\n" + HEAD + b"\r\n"
        missing = b"GET /memories/404404 HTTP/1.1\r\n" + HEAD + b"\r\n"
        self.assertEqual(self.statuses(store + get + missing + get + b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"), [200, 200, 404, 200, 200])
        self.assertEqual(self.statuses((b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n") * 200), [200] * 200)

    def test_connection_close_and_http_1_0(self):
        answer = self.raw(b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", half_close=False)
        self.assertIn(b"Connection: close", answer)
        self.assertTrue(answer.endswith(b'{"ping": "pong"}'))
        self.assertTrue(self.raw(b"GET /ping HTTP/1.0\r\n\r\n", half_close=False).startswith(b"HTTP/1.0 200"))
        listed = self.raw(b"GET /memories HTTP/1.0\r\n" + HEAD + b"\r\n", half_close=False)
        json.loads(listed.partition(b"\r\n\r\n")[2])  # no chunks

    def test_malformed_requests(self):
        for data in (b"nonsense\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /ping HTTP/1.1\r\n\r\n",
                     b"GET /ping HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
                     b"GET / HTTP/1.1\r\nA: \x00\r\n\r\n", b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00",
                     b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: 1x\r\n\r\n"):
            answer = self.raw(data)
            self.assertTrue(answer.startswith(b"HTTP/1.1 400") or not answer, (data, answer))

    def test_smuggled_requests(self):
        hidden = b"GET /memories/1 HTTP/1.1\r\n" + HEAD + b"\r\n"
        for headers in (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
                        b"Content-Length: 5\r\nContent-Length: 6\r\n", b"Transfer-Encoding: xchunked\r\n",
                        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", b"Content-Length : 5\r\n",
                        b"Transfer-Encoding: identity, chunked, x\r\n"):
            answer = self.raw(b"POST /memories HTTP/1.1\r\n" + HEAD + headers + b"\r\n0\r\n\r\n" + hidden)
            self.assertEqual(answer.count(b"HTTP/1.1 "), 1, (headers, answer))
            self.assertTrue(answer.startswith(b"HTTP/1.1 4"), (headers, answer))

    def test_chunked_bodies(self):
        rest = b'ord": "2", "payload": {"a": 22}}'
        chunks = b'Transfer-Encoding: chunked\r\n\r\n4\r\n{"co\r\n%x\r\n%s\r\n0\r\n\r\n' % (len(rest), rest)
        self.assertEqual(self.statuses(b"POST /memories HTTP/1.1\r\n" + HEAD + chunks), [200])
        endless = b"POST /memories HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + (b"8000\r\n" + b"x" * 0x8000 + b"\r\n") * 10
        self.assertEqual(self.statuses(endless), [413])

    def test_oversized_bodies_and_headers(self):
        answer = self.ask("POST", "/memories", b"x" * 200_001)
        self.assertEqual((answer.status, answer.json()), (413, {"detail": "Request body is larger than 200000 bytes"}))
        self.assertEqual(self.statuses(b"POST /memories HTTP/1.1\r\n" + HEAD + b"Content-Length: 99999999999\r\n\r\n"), [413])
        self.assertEqual(self.ask("POST", "/memories", b"x" * 150_000, token="wrong").status, 401)
        self.assertEqual(self.ask("GET", "/ping", X_Long="x" * 9_000).status, 431)
        self.assertEqual(self.ask("GET", "/memories/search?query=" + "x" * 9_000).status, 431)
        for path in ("/ping", "/stats", "/openapi.json", "/memories/1"):  # that want no body
            self.assertEqual(self.ask("GET", path, b"x" * 9_000).status, 413)
            self.assertEqual(self.ask("GET", path, b"{}").status == 413, False)
        for extension in (b";" + b"a" * 200_000, b""):
            chunked = b"GET /ping HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1" + extension
            self.assertEqual(self.statuses(chunked), [413])
        self.assertIn(self.statuses(b"POST /memories HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"a" * 400_000), ([431], [400]))
        self.assertEqual(self.ask("POST", "/memories", {"coord": "3", "payload": {"t": "x" * 199_000}}).status, 200)

    def test_expect_continue(self):
        body = b'{"coord": "4", "payload": {}}'
        with self.server.connect() as connection:
            connection.sendall(b"POST /memories HTTP/1.1\r\n" + HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
            self.assertTrue(connection.recv(1000).startswith(b"HTTP/1.1 100"))
            connection.sendall(body)
            self.assertTrue(connection.recv(1000).startswith(b"HTTP/1.1 200"))

    def test_slow_clients_are_let_go(self):
        for data, longest in ((b"GET /pi", 3), (b"", 6), (b"POST /memories HTTP/1.1\r\n" + HEAD + b"Content-Length: 100\r\n\r\n{", 5)):
            begin = time.monotonic()
            with self.server.connect() as connection:
                connection.sendall(data)
                self.assertEqual(read_all(connection), b"")
            self.assertLess(time.monotonic() - begin, longest + 5)

    def test_a_client_that_trickles_headers_is_let_go(self):
        with self.server.connect() as connection:
            begin = time.monotonic()
            with self.assertRaises(OSError):
                while time.monotonic() - begin < 20:
                    connection.sendall(b"X")
                    time.sleep(0.1)
            self.assertLess(time.monotonic() - begin, 15)

    def test_slow_clients_cost_no_thread(self):
        slow = [self.server.connect() for _ in range(50)]
        for connection in slow:
            connection.sendall(b"POST /memories HTTP/1.1\r\n" + HEAD + b"Content-Length: 100\r\n\r\n{")
        for _ in range(20):
            self.good("GET", "/memories")
        for connection in slow:
            connection.close()

    def test_a_large_answer_that_nobody_takes_costs_no_thread(self):
        entries = [{"coord": f"7,{i}", "payload": {"t": "x" * 1500}} for i in range(100)]
        for part in range(20):
            self.good("POST", "/memories/batch", {"entries": [{**entry, "coord": f"7,{part},{i}"} for i, entry in enumerate(entries)]})
        stuck = [self.server.connect() for _ in range(12)]
        for connection in stuck:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(b"GET /memories?limit=10000&within=7 HTTP/1.1\r\n" + HEAD + b"\r\n")
        time.sleep(0.3)
        begin = time.monotonic()
        self.good("GET", "/memories/7,0,0")
        self.assertLess(time.monotonic() - begin, 2.5)  # less than it takes to give up on one of them
        for connection in stuck:
            connection.close()
        self.assertEqual(len(self.good("GET", "/memories?limit=10000&within=7")["memories"]), 2000)

    def test_depth_bombs(self):
        for body in (b"[" * 150_000, b'{"a":' * 30_000, b'{"coord":"1","payload":' + b'{"a":' * 20_000 + b"1" + b"}" * 20_001):
            self.assertIn(self.ask("POST", "/memories", body).status, (400, 422))


class Sockets(unittest.TestCase):
    def setUp(self):
        self.folder_object = tempfile.TemporaryDirectory()
        self.folder = self.folder_object.name
        self.addCleanup(self.folder_object.cleanup)

    def test_tls(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                        "-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "cert.pem"], cwd=self.folder, check=True, capture_output=True)
        server = Server(self.folder, "--tls-cert", "cert.pem", "--tls-key", "key.pem")
        self.assertTrue(server.where["url"].startswith("https://"))
        trusting = ssl.create_default_context(cafile=os.path.join(self.folder, "cert.pem"))
        trusting.check_hostname = False
        client = http.client.HTTPSConnection("127.0.0.1", server.port, context=trusting, timeout=30)
        for _ in range(3):
            client.request("GET", "/memories", headers={"Authorization": f"Bearer {TOKEN}"})
            response = client.getresponse()
            self.assertEqual((response.status, json.loads(response.read())), (200, {"memories": [], "next": None}))
        client.close()
        with server.connect() as plain:
            plain.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertNotIn(b"pong", read_all(plain))
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that is what is tried
            old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        with server.connect() as connection, self.assertRaises(OSError):
            old.wrap_socket(connection)
        self.assertEqual(server.stop(), 0)

    def test_a_unix_socket(self):
        path = os.path.join(self.folder, "api.sock")
        for _ in range(2):  # the second finds what the first left when it was killed
            server = Server(self.folder, "--address", "", "--unix-socket", path)
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(path)
                connection.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                self.assertIn(b"pong", read_all(connection))
            with self.assertRaises(RuntimeError):
                Server(self.folder, "--address", "", "--unix-socket", path, db="other.db")
            server.kill()
        self.assertTrue(os.path.exists(path))
        server = Server(self.folder, "--address", "", "--unix-socket", path)
        self.assertEqual(server.stop(), 0)
        self.assertFalse(os.path.exists(path))

    def test_it_ends_within_five_seconds_and_answers_what_it_has(self):
        server = Server(self.folder)
        idle = [server.connect() for _ in range(20)]
        busy = server.connect()
        body = json.dumps({"coord": "1", "payload": {}}).encode()
        busy.sendall(b"POST /memories HTTP/1.1\r\n" + HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body[:5])
        time.sleep(0.2)
        ender = threading.Timer(0.5, lambda: busy.sendall(body[5:]))
        ender.start()
        begin = time.monotonic()
        self.assertEqual(server.stop(), 0)
        self.assertLess(time.monotonic() - begin, 15)
        answer = read_all(busy)
        self.assertTrue(answer.startswith(b"HTTP/1.1 200"), answer)
        self.assertIn(b"Connection: close", answer)
        for connection in [*idle, busy]:
            connection.close()

    def test_ten_thousand_idle_connections_and_500_active_ones(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        count = min(10_000, hard - 1_000)
        self.assertEqual(count, 10_000, "the limit of open files is too low here")
        server = Server(self.folder)
        before = memory_of(server)
        idle = [server.connect() for _ in range(count)]
        for connection in idle:
            connection.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertTrue(all(connection.recv(4096).endswith(b'"pong"}') for connection in idle))
        active = [server.connect() for _ in range(500)]
        for _ in range(5):
            for connection in active:
                connection.sendall(b"GET /memories HTTP/1.1\r\n" + HEAD + b"\r\n")
            for connection in active:
                self.assertTrue(connection.recv(4096).startswith(b"HTTP/1.1 200"))
        each = (memory_of(server) - before) / count
        print(f"{each:.1f} KiB a connection")
        self.assertLess(each, 64)
        for connection in idle[::2]:
            connection.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertTrue(all(connection.recv(4096).endswith(b'"pong"}') for connection in idle[::2]))
        for connection in idle + active:
            connection.close()
        self.assertEqual(server.stop(), 0)


def memory_of(server):
    for line in pathlib.Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    raise RuntimeError("no RssAnon")


if __name__ == "__main__":
    unittest.main()
