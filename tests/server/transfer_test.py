"""Exports, imports and the stream of changes."""

import http.client
import json
import subprocess
import threading
import time
import unittest
import xml.etree.ElementTree

from serving import TOKEN, ServerTest


def lines_of(answer):
    return [json.loads(line) for line in answer.body.splitlines()]


class Events:
    """One GET /changes, read event by event."""

    def __init__(self, test, path="/changes", **headers):
        self.connection = http.client.HTTPConnection("127.0.0.1", test.server.port, timeout=30)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request("GET", path, headers={"Authorization": f"Bearer {TOKEN}", **sent})
        self.response = self.connection.getresponse()

    def next(self):
        """(id, event, data); None: the end."""
        found = {}
        while True:
            line = self.response.readline()
            if not line:
                return None
            text = line.decode().rstrip("\n")
            if not text and "event" in found:
                return found.get("id"), found["event"], json.loads(found["data"])
            name, _, value = text.partition(": ")
            found[name] = value

    def close(self):
        self.connection.close()


class Transfer(ServerTest):
    def fill(self, tenant, count=30):
        entries = [{"coord": f"{i},1", "payload": {"text": f"memory {i} \u00e9", "n": i}, "importance": i / 10,
                    "memory_type": "semantic" if i % 2 else "episodic"} for i in range(count)]
        entries += [{"op": "link", "from_coord": "0,1", "to_coord": f"{i},1", "link_type": "next"} for i in range(1, 4)]
        self.good("POST", "/memories/batch", {"entries": entries}, X_Soma_Tenant=tenant)

    def test_an_export_imported_elsewhere_is_the_same(self):
        self.fill("source")
        first = self.ask("GET", "/memories/export", X_Soma_Tenant="source")
        self.assertEqual(first.headers["Content-Type"], "application/x-ndjson")
        self.assertEqual(len(lines_of(first)), 1 + 30 + 3)
        report = self.good("POST", "/memories/import", first.body, X_Soma_Tenant="copy")
        self.assertEqual(report, {"lines": 34, "memories": 30, "links": 3})
        again = self.ask("GET", "/memories/export", X_Soma_Tenant="copy")
        self.assertEqual(again.body, first.body)
        self.assertEqual(self.good("GET", "/graph/neighbors?coord=0,1", X_Soma_Tenant="copy")["neighbors"][0]["link_type"], "next")
        self.assertEqual(len(lines_of(self.ask("GET", "/memories/export", X_Soma_Tenant="nobody"))), 1)

    def test_parts_of_an_export(self):
        self.fill("parts")
        def export(query):
            return lines_of(self.ask("GET", "/memories/export?" + query, X_Soma_Tenant="parts"))[1:]
        self.assertEqual(len(export("links=false")), 30)
        self.assertEqual(len(export("links=false&memory_type=semantic")), 15)
        self.assertEqual([line["payload"]["n"] for line in export("links=false&filters=%7B%22n__gte%22%3A28%7D")], [28, 29])
        self.assertEqual(len(export("within=7")), 1)
        # The server's own embedder makes the vectors.
        self.assertIn("embedding", export("within=7&embeddings=true")[0])
        self.assertNotIn("embedding", export("within=7&embeddings=false")[0])
        self.flawed([("bool_parsing", ["query", "links"], "Input should be a valid boolean, unable to interpret input")],
                    "GET", "/memories/export?links=perhaps", X_Soma_Tenant="parts")

    def test_a_graph_for_other_tools(self):
        self.fill("graph", 5)
        answer = self.ask("GET", "/graph/export", X_Soma_Tenant="graph")
        graph = answer.json()
        self.assertEqual((len(graph["nodes"]), len(graph["links"])), (5, 3))
        answer = self.ask("GET", "/graph/export?format=graphml", X_Soma_Tenant="graph")
        self.assertEqual(answer.headers["Content-Type"], "application/graphml+xml")
        root = xml.etree.ElementTree.fromstring(answer.body)
        self.assertEqual(len(root.findall(".//{*}edge")), 3)
        answer = self.ask("GET", "/graph/export?format=dot", X_Soma_Tenant="graph")
        self.assertEqual(answer.headers["Content-Type"], "text/vnd.graphviz")
        drawn = subprocess.run(["dot", "-Tplain"], input=answer.body, capture_output=True, check=True).stdout.decode()
        self.assertEqual(drawn.count("\nedge "), 3)

    def test_what_is_wrong_with_a_line(self):
        good = '{"coordinate": [1], "payload": {"a": 1}}\n'
        answer = self.ask("POST", "/memories/import", good + '{"coordinate": [2], "payload": 7}\n', X_Soma_Tenant="wrong")
        self.assertEqual(answer.status, 422)
        self.assertIn("line 2", answer.json()["detail"][0]["msg"])
        self.assertEqual(answer.json()["detail"][0]["loc"], ["body"])
        for text in ("nonsense", '{"coordinate": [1]', '{"payload": {}}', b'{"coordinate": [1], "payload": {"a": "\xff"}}', "[" * 5000):
            self.assertEqual(self.ask("POST", "/memories/import", text, X_Soma_Tenant="wrong").status, 422, text)
        self.assertEqual(self.good("POST", "/memories/import", "", X_Soma_Tenant="wrong"), {"lines": 0, "memories": 0, "links": 0})
        self.assertEqual(self.good("POST", "/memories/import?from_line=3", good + "nonsense\n" + good, X_Soma_Tenant="wrong")["memories"], 1)

    def test_half_an_import_leaves_nothing(self):
        with self.server.connect() as client:
            head = f"POST /memories/import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nX-Soma-Tenant: half\r\nContent-Length: 100000\r\n\r\n"
            client.sendall(head.encode() + b'{"coordinate": [1], "payload": {}}\n' * 100)
        time.sleep(0.3)
        self.assertEqual(self.good("GET", "/memories", X_Soma_Tenant="half")["memories"], [])

    def test_changes_come_while_they_are_made(self):
        events = Events(self, X_Soma_Tenant="live")
        self.assertEqual(events.response.status, 200)
        self.assertEqual(events.response.headers["Content-Type"], "text/event-stream")
        self.good("POST", "/memories", {"coord": "1,2", "payload": {}}, X_Soma_Tenant="live")
        first = events.next()
        self.assertEqual(first[1:], ("stored", {"sequence": 1, "coord": "1.0,2.0"}))
        self.good("POST", "/graph/link", {"from_coord": "1,2", "to_coord": "3"}, X_Soma_Tenant="live")
        self.assertEqual(events.next()[1:], ("linked", {"sequence": 2, "from_coord": "1.0,2.0", "to_coord": "3.0", "link_type": "related"}))
        self.good("DELETE", "/memories/1,2", X_Soma_Tenant="live")
        self.assertIn(events.next()[1], ("removed", "unlinked"))
        events.close()
        self.good("POST", "/memories", {"coord": "5", "payload": {}}, X_Soma_Tenant="other")

        # Whoever goes on with the last id misses nothing.
        resumed = Events(self, "/changes?follow=false", X_Soma_Tenant="live", Last_Event_ID=first[0])
        self.assertNotEqual(resumed.next()[1], "stored")
        while resumed.next():
            pass
        resumed.close()

    def test_all_changes_since_the_beginning(self):
        self.fill("history", 1200)
        answer = self.ask("GET", "/changes?after=0&follow=false", X_Soma_Tenant="history")
        self.assertEqual(answer.body.count(b"event: stored\n"), 1200)
        self.assertEqual(answer.body.count(b"event: linked\n"), 3)
        ids = [line[4:].decode() for line in answer.body.splitlines() if line.startswith(b"id: ")]
        numbers = [int(one.split("-")[1]) for one in ids]
        self.assertEqual(numbers, sorted(numbers))
        for after in (ids[-2], numbers[-2]):
            tail = self.ask("GET", f"/changes?after={after}&follow=false", X_Soma_Tenant="history")
            self.assertEqual(tail.body.count(b"event: "), 1)

    def test_changes_that_are_forgotten(self):
        self.fill("forgotten", 3)
        self.assertEqual(self.ask("GET", "/changes?after=1000", X_Soma_Tenant="forgotten").status, 410)
        events = Events(self, X_Soma_Tenant="forgotten")
        last = self.ask("GET", "/changes?after=0&follow=false", X_Soma_Tenant="forgotten").body.decode().split("id: ")[-1].split("\n")[0]
        self.good("DELETE", "/spaces", X_Soma_Tenant="forgotten")
        self.good("POST", "/memories", {"coord": "5", "payload": {}}, X_Soma_Tenant="forgotten")
        self.assertEqual(events.next()[1], "forgotten")
        self.assertIsNone(events.next())
        events.close()
        # A space of the same name that is as far as the client was is another one.
        self.fill("forgotten", 10)
        self.refused(410, f"Changes after {last} are forgotten: read everything again", "GET", "/changes", X_Soma_Tenant="forgotten", Last_Event_ID=last)
        # Nothing else than all of it, or none: removals before a purge are not known.
        self.good("DELETE", "/memories/1,1", X_Soma_Tenant="forgotten")
        self.good("DELETE", "/spaces?purge=true", X_Soma_Tenant="elsewhere")
        self.assertEqual(self.ask("GET", "/changes?after=0&follow=false", X_Soma_Tenant="forgotten").status, 410)
        for wrong in ("x", "-", "1-", "-1", "1-2-3", "1.5", "99999999999999999999"):
            self.assertEqual(self.ask("GET", "/changes?after=" + wrong).status, 422, wrong)
            self.assertEqual(self.ask("GET", "/changes", Last_Event_ID=wrong).status, 422, wrong)

    def test_many_who_wait_for_changes_cost_no_thread(self):
        watchers = [Events(self, X_Soma_Tenant="many") for _ in range(50)]
        began = time.monotonic()
        self.good("POST", "/memories", {"coord": "1", "payload": {}}, X_Soma_Tenant="many")
        for watcher in watchers:
            self.assertEqual(watcher.next()[1], "stored")
            watcher.close()
        print(f"50 streams had it after {time.monotonic() - began:.2f} s")


class Stop(ServerTest):
    def test_a_stop_ends_streams_and_says_so_by_an_orderly_end(self):
        events = Events(self)
        ended = []
        waiting = threading.Thread(target=lambda: ended.append(events.response.read()))  # IncompleteRead if it is cut off
        waiting.start()
        began = time.monotonic()
        self.assertEqual(self.server.stop(), 0)
        waiting.join(60)
        took = time.monotonic() - began
        events.close()
        self.assertEqual(ended, [b"retry: 1000\nid: 0-0\n\n"])
        self.assertLess(took, 15)
        type(self).server = type("Ended", (), {"stop": staticmethod(lambda: 0)})


class Limits(ServerTest):
    words = ("--max-import", "1000", "--max-spooled", "100000", "--max-streams", "2")

    def test_there_is_only_so_much_room_for_exports(self):
        for i in range(4):
            self.good("POST", "/memories", {"coord": str(i), "payload": {"text": "x" * 40_000}}, X_Soma_Tenant="room")
        self.refused(503, "The memory is busy, try again", "GET", "/memories/export", X_Soma_Tenant="room")
        self.assertEqual(self.ask("HEAD", "/memories/export", X_Soma_Tenant="room").status, 200)
        for _ in range(5):  # what one took comes back
            self.assertEqual(len(lines_of(self.ask("GET", "/memories/export?within=1", X_Soma_Tenant="room"))), 2)

    def test_streams_are_counted(self):
        first, second, third = (Events(self) for _ in range(3))
        self.assertEqual([one.response.status for one in (first, second, third)], [200, 200, 503])
        for one in (first, second, third):
            one.close()

    def test_a_body_that_is_only_announced_costs_nothing(self):
        announced = []
        for _ in range(40):  # 640 MB
            client = self.server.connect()
            client.sendall(f"POST /memories/search HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 16000000\r\n\r\n".encode())
            announced.append(client)
        time.sleep(0.2)
        self.good("POST", "/memories", {"coord": "1", "payload": {}}, X_Soma_Tenant="announced")
        for client in announced:
            client.close()

    def test_an_import_that_is_too_large(self):
        line = '{"coordinate": [1], "payload": {}}\n'
        self.refused(413, "Request body is larger than 1000 bytes", "POST", "/memories/import", line * 50)
        with self.server.connect() as client:  # chunked: its size shows only as it comes
            client.sendall(f"POST /memories/import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
            for _ in range(50):
                client.sendall(b"%x\r\n%s\r\n" % (len(line), line.encode()))
            self.assertIn(b" 413 ", client.recv(4096).splitlines()[0])
        self.assertEqual(self.good("POST", "/memories/import", line * 20)["memories"], 20)


if __name__ == "__main__":
    unittest.main()
