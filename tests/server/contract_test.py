"""Every route of the service's contract: status, body, headers, in the cases that it names."""

import json
import os
import unittest
import urllib.parse

from serving import ServerTest

STRING = "Input should be a valid string"

BACKEND = "postgres" if os.environ.get("FRACTAL_TEST_POSTGRES") else "sqlite"


class Contract(ServerTest):
    def store(self, coord, payload=None, **more):
        return self.good("POST", "/memories", {"coord": coord, "payload": payload or {}, **more})

    # ---- General ----

    def test_headers(self):
        for answer in (self.ask("GET", "/ping"), self.ask("GET", "/nope"), self.ask("GET", "/memories/9,9")):
            self.assertEqual(answer.headers["Content-Type"], "application/json; charset=utf-8")
            self.assertEqual(answer.headers["X-Content-Type-Options"], "nosniff")
            self.assertEqual(answer.headers["Referrer-Policy"], "same-origin")
            self.assertEqual(answer.headers["Cross-Origin-Opener-Policy"], "same-origin")
            self.assertEqual(int(answer.headers["Content-Length"]), len(answer.body))

    def test_request_ids_are_kept_or_made(self):
        self.assertEqual(self.ask("GET", "/ping", X_Request_Id="abc-1.2_3").headers["X-Request-Id"], "abc-1.2_3")
        made = {self.ask("GET", "/ping", X_Request_Id=bad).headers["X-Request-Id"] for bad in ("", "a b", "x" * 65, "é")}
        self.assertEqual(len(made), 4)
        self.assertTrue(all(len(each) == 16 for each in made))

    def test_content_type_of_a_request_is_not_looked_at(self):
        for kind in ("text/plain", "application/xml"):
            self.good("POST", "/memories", '{"coord": "70", "payload": {}}', Content_Type=kind)

    def test_unknown_paths_and_wrong_methods(self):
        for path in ("/nope", "/ping/", "/memories/", "/memories/1.0/", "/memories/1/2", "//", "/PING"):
            self.refused(404, "Not found", "GET", path)
        for method, path, allow in (("PUT", "/memories", "POST, GET, HEAD"), ("DELETE", "/memories/search", "GET, HEAD, POST"),
                                    ("GET", "/graph/link", "POST, DELETE"), ("POST", "/ping", "GET, HEAD"),
                                    ("OPTIONS", "/memories/1", "GET, HEAD, PATCH, DELETE")):
            answer = self.refused(405, "Method not allowed", method, path)
            self.assertEqual(answer.headers["Allow"], allow)

    def test_head_is_get_without_a_body(self):
        self.store("71", {"a": 1})
        for path in ("/memories/71", "/ping", "/openapi.json", "/memories/404404"):
            head, get = self.ask("HEAD", path), self.ask("GET", path)
            self.assertEqual((head.status, head.body), (get.status, b""))
            self.assertEqual(head.headers["Content-Length"], get.headers["Content-Length"])

    # ---- Errors ----

    def test_unauthorized(self):
        for method, path in (("POST", "/memories"), ("GET", "/memories/1"), ("GET", "/memories/search"), ("POST", "/graph/link"),
                             ("GET", "/graph/neighbors"), ("GET", "/graph/path"), ("DELETE", "/spaces"), ("GET", "/memories")):
            for header in (None, "Bearer wrong", "Basic dGVzdA==", "test-token", "Bearer ", "Bearer"):
                answer = self.refused(401, "Unauthorized", method, path, body="{", token=None,
                                      **({"Authorization": header} if header else {}))
                self.assertEqual(answer.headers["WWW-Authenticate"], "Bearer")
        self.good("GET", "/memories", token=None, Authorization="bEaReR test-token")

    def test_health_wants_exactly_bearer(self):
        for path in ("/health", "/test-stats"):
            self.refused(401, "Missing Authorization header", "GET", path, token=None)
            self.refused(401, "Missing Authorization header", "GET", path, token=None, Authorization="bearer test-token")
            self.refused(401, "Invalid API token", "GET", path, token="wrong")
            self.refused(401, "Invalid API token", "GET", path, token="tøken".encode("utf-8").decode("latin-1"))
            self.good("GET", path)

    def test_malformed_bodies(self):
        for body in ("{", "nope", '{"coord": "1", "payload": {}', b"\xff\xfe{}", b'{"coord": "\xff"}', "{}{}", "{}\0", "[1,]"):
            self.refused(400, "Cannot parse request body", "POST", "/memories", body)
        place = ["body", "req"]
        model = "Input should be a valid dictionary or instance of MemoryStoreRequest"
        for body in ("null", "[]", "1", '"x"', " true "):
            self.flawed([("model_type", place, model, {"class_name": "MemoryStoreRequest"})], "POST", "/memories", body)
        self.flawed([("missing", place, "Field required")], "POST", "/memories", "")
        self.flawed([("missing", [*place, "coord"], "Field required"), ("missing", [*place, "payload"], "Field required")],
                    "POST", "/memories", "{}")

    def test_field_errors_come_together_in_the_order_of_the_schema(self):
        place = ["body", "req"]
        self.flawed([("string_type", [*place, "coord"], STRING),
                     ("dict_type", [*place, "payload"], "Input should be a valid dictionary"),
                     ("literal_error", [*place, "memory_type"], "Input should be 'episodic' or 'semantic'",
                      {"expected": "'episodic' or 'semantic'"})],
                    "POST", "/memories", {"memory_type": "x", "payload": [], "coord": 1})
        self.flawed([("string_type", [*place, "memory_type"], STRING)],
                    "POST", "/memories", {"coord": "1", "payload": {}, "memory_type": None})

    def test_numbers_are_read_as_the_service_reads_them(self):
        for value in (3, "3", 3.0, True, " 3 ", "1_0"):
            self.good("POST", "/memories/search", {"query": "x", "top_k": value})
        place = ["body", "req", "top_k"]
        integer = "Input should be a valid integer"
        for value, item in (("x", ("int_parsing", place, integer + ", unable to parse string as an integer")),
                            (2.5, ("int_from_float", place, integer + ", got a number with a fractional part")),
                            (None, ("int_type", place, integer)), ([], ("int_type", place, integer)),
                            (-1, ("greater_than_equal", place, "Input should be greater than or equal to 0", {"ge": 0})),
                            (10**30, ("less_than_equal", place, "Input should be less than or equal to 100000", {"le": 100000})),
                            (10**6, ("less_than_equal", place, "Input should be less than or equal to 100000", {"le": 100000}))):
            self.flawed([item], "POST", "/memories/search", {"query": "x", "top_k": value})
        self.good("GET", "/memories/search?query=&top_k=1.0&offset=0")
        self.flawed([("int_parsing", ["query", "top_k"], integer + ", unable to parse string as an integer")],
                    "GET", "/memories/search?query=x&top_k=two")
        self.flawed([("missing", ["query", "query"], "Field required")], "GET", "/memories/search")
        link = {"from_coord": "80", "to_coord": "81"}
        for value in (1, "0.5", True, -2):
            self.good("POST", "/graph/link", {**link, "strength": value})
        place = ["body", "req", "strength"]
        number = "Input should be a valid number"
        self.flawed([("float_parsing", place, number + ", unable to parse string as a number")],
                    "POST", "/graph/link", {**link, "strength": "x"})
        self.flawed([("float_type", place, number)], "POST", "/graph/link", {**link, "strength": None})
        self.flawed([("finite_number", place, "Input should be a finite number")], "POST", "/graph/link", {**link, "strength": "inf"})

    def test_what_cannot_be_stored(self):
        place = ["body", "req", "payload"]
        for number in ("NaN", "Infinity", "-Infinity", "1e400"):
            self.flawed([("finite_number", place, "Input should be a finite number")],
                        "POST", "/memories", f'{{"coord": "1", "payload": {{"n": [{number}]}}}}')
        text = "Input should be a valid string, unable to parse raw data as a unicode string"
        for escape in (r"\u0000", r"\ud800", r"\udc00x"):
            self.flawed([("string_unicode", place, text)], "POST", "/memories", f'{{"coord": "1", "payload": {{"t": "{escape}"}}}}')
        self.flawed([("string_unicode", ["body", "req", "coord"], text)], "POST", "/memories", r'{"coord": "\u0000", "payload": {}}')
        deep = '{"coord": "1", "payload": ' + '{"a":' * 600 + "1" + "}" * 600 + "}"
        self.flawed([("too_deep", place, "Input should be nested at most 512 levels deep", {"max_depth": 512})],
                    "POST", "/memories", deep)
        self.good("POST", "/memories", '{"coord": "1", "payload": ' + '{"a":' * 500 + "1" + "}" * 500 + "}")

    def test_coordinates(self):
        for text in ("", " , ,", ","):
            self.refused(400, "Coordinate cannot be empty", "POST", "/memories", {"coord": text, "payload": {}})
        for text in ("x", "1;2", "0x10", "1,two", "nan", "inf", "-Infinity", "1e400", "1,,x"):
            self.refused(400, f"Invalid coordinate format: {text}", "POST", "/memories", {"coord": text, "payload": {}})
        self.flawed([("string_too_long", ["body", "req", "coord"], "String should have at most 512 characters", {"max_length": 512})],
                    "POST", "/memories", {"coord": ",".join(["1"] * 300), "payload": {}})
        for text, numbers in ((" 7 ,, 8 ", [7, 8]), ("+5", [5]), (".5", [0.5]), ("5.", [5]), ("1_000", [1000]), ("007", [7]),
                              ("1e3", [1000]), ("-0", [0]), ("７", [7])):
            stored = self.store(text)
            self.assertEqual(stored["coord"], text)
            found = self.good("GET", "/memories/" + urllib.parse.quote(text))
            self.assertEqual(found["memory"]["coordinate"], numbers)
        self.refused(400, "Invalid coordinate format: x", "GET", "/memories/x")
        self.refused(400, "Invalid coordinate format: \ufffd", "GET", "/memories/%FF")
        self.refused(400, "Coordinate cannot be empty", "DELETE", "/memories/%20")

    def test_messages_in_spanish(self):
        for header, detail in (("es", "Memoria no encontrada"), ("es-MX,en;q=0.5", "Memoria no encontrada"),
                               ("en, es;q=0.9", "Memory not found"), ("de, fr", "Memory not found"), ("", "Memory not found"),
                               ("de, es;q=0.1", "Memoria no encontrada"), ("es;q=0, en;q=0.1", "Memory not found")):
            answer = self.refused(404, detail, "GET", "/memories/404,404", Accept_Language=header)
            self.assertEqual(answer.headers["Content-Language"], "es" if detail.startswith("Memoria") else "en")
        self.flawed([("missing", ["query", "query"], "Campo obligatorio")], "GET", "/memories/search", Accept_Language="es")

    # ---- Memories ----

    def test_a_memory_comes_back_as_it_was_sent(self):
        raw = '{"coord": "1, 2,3", "payload": {"b": 1, "aa": 1e20, "c": 1.0, "big": 123456789012345678901234567890, "u": "\\u00e9\\ud83d\\ude00é"}}'
        stored = self.good("POST", "/memories", raw)
        self.assertEqual((stored["coord"], stored["memory_type"]), ("1, 2,3", "episodic"))
        answer = self.ask("GET", "/memories/1,2,3")
        memory = answer.json()["memory"]
        self.assertEqual(list(memory)[:7],
                         ["coordinate", "payload", "memory_type", "metadata", "importance", "created_at", "updated_at"])
        self.assertIn(raw[raw.index('"payload": ') + 11:-1].encode("utf-8"), answer.body)
        self.assertEqual(memory["coordinate"], [1.0, 2.0, 3.0])
        self.assertIn(b'"coordinate": [1.0, 2.0, 3.0]', answer.body)
        self.assertEqual((memory["metadata"], memory["importance"]), ({}, 0.0))
        self.assertRegex(memory["created_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?\+00:00$")
        for path in ("/memories/1.0,2.0,3.0", "/memories/1%2C2%2C3", "/memories/1,%202,3"):
            self.assertEqual(self.good("GET", path)["memory"]["payload"], memory["payload"])
        again = self.good("GET", "/memories/1,2,3")["memory"]
        self.assertEqual(again["updated_at"], memory["updated_at"])  # reads do not write

    def test_storing_again_replaces(self):
        self.assertTrue(self.store("20", {"a": 1})["created"])
        second = self.store("20", {"b": 2}, memory_type="semantic", importance="2.5", metadata={"m": 1})
        self.assertEqual((second["created"], second["version"], second["memory_type"]), (False, 2, "semantic"))
        memory = self.good("GET", "/memories/20")["memory"]
        self.assertEqual((memory["payload"], memory["importance"], memory["metadata"]), ({"b": 2}, 2.5, {"m": 1}))
        self.assertEqual(self.store("20.0", {"b": 3, "x": 1}, unknown="ignored")["version"], 3)

    def test_versions(self):
        self.store("21", if_version=0)
        answer = self.ask("POST", "/memories", {"coord": "21", "payload": {}, "if_version": 0})
        self.assertEqual(answer.status, 409)
        self.assertIn("version is 1", answer.json()["detail"])

    def test_expiry(self):
        self.store("22", expires_at="2001-01-01T00:00:00Z")
        self.refused(404, "Memory not found", "GET", "/memories/22")
        self.store("22", expires_at="2101-01-01T00:00:00Z")
        self.assertEqual(self.good("GET", "/memories/22")["memory"]["expires_at"], "2101-01-01T00:00:00+00:00")
        answer = self.ask("POST", "/memories", {"coord": "22", "payload": {}, "expires_at": "tomorrow"})
        self.assertEqual((answer.status, answer.json()["detail"][0]["loc"]), (422, ["body", "req", "expires_at"]))

    def test_delete_is_idempotent_and_takes_links_along(self):
        self.store("23")
        self.good("POST", "/graph/link", {"from_coord": "23", "to_coord": "24"})
        self.assertEqual(self.good("DELETE", "/memories/23"), {"coord": "23", "deleted": True})
        self.assertEqual(self.good("DELETE", "/memories/23"), {"coord": "23", "deleted": False})
        self.assertEqual(self.good("GET", "/graph/neighbors?coord=23")["neighbors"], [])

    def test_patch(self):
        self.store("25", {"a": 1, "b": {"c": 2, "d": 3}}, expires_at="2101-01-01T00:00:00Z", memory_type="semantic")
        self.assertEqual(self.good("PATCH", "/memories/25", {"payload": {"b": {"c": None}, "e": 5}, "importance": 1}),
                         {"coord": "25", "version": 2})
        memory = self.good("GET", "/memories/25")["memory"]
        self.assertEqual((memory["payload"], memory["importance"]), ({"a": 1, "b": {"d": 3}, "e": 5}, 1.0))
        self.assertEqual(memory["memory_type"], "semantic")
        self.good("PATCH", "/memories/25", {"expires_at": None})
        self.assertNotIn("expires_at", self.good("GET", "/memories/25")["memory"])
        self.assertEqual(self.ask("PATCH", "/memories/25", {"if_version": 1}).status, 409)
        self.refused(404, "Memory not found", "PATCH", "/memories/404404", {"importance": 1})

    def test_batch_is_all_or_nothing(self):
        entries = [{"coord": "30", "payload": {"n": 1}}, {"op": "store", "coord": "31", "payload": {"n": 2}},
                   {"op": "link", "from_coord": "30", "to_coord": "31", "link_type": "next", "strength": 0.5},
                   {"op": "patch", "coord": "30", "payload": {"m": 3}}, {"op": "delete", "coord": "31"},
                   {"op": "unlink", "from_coord": "30", "to_coord": "99"}]
        done = self.good("POST", "/memories/batch", {"entries": entries})
        self.assertEqual([each["created"] for each in done["written"]], [True, True, True, False, False, False])
        self.assertEqual([each["removed"] for each in done["written"]], [False] * 4 + [True, False])
        self.assertEqual(self.good("GET", "/memories/30")["memory"]["payload"], {"n": 1, "m": 3})
        failing = [{"coord": "32", "payload": {}}, {"op": "patch", "coord": "404404", "payload": {}}]
        self.assertEqual(self.ask("POST", "/memories/batch", {"entries": failing}).status, 404)
        self.refused(404, "Memory not found", "GET", "/memories/32")
        place = ["body", "req", "entries"]
        self.flawed([("string_type", [*place, 0, "coord"], STRING),
                     ("dict_type", [*place, 1], "Input should be a valid dictionary")],
                    "POST", "/memories/batch", {"entries": [{"coord": 5, "payload": {}}, 7, {"coord": "1", "payload": {}}]})

    def test_list_by_pages(self):
        space = {"X_Soma_Namespace": "pages"}
        self.good("POST", "/memories/batch", {"entries": [{"coord": f"5,{i}", "payload": {"i": i}} for i in range(350)]}, **space)
        found, after, pages = [], "", 0
        while after is not None:
            page = self.good("GET", f"/memories?limit=120&after={urllib.parse.quote(after)}", **space)
            found += [memory["payload"]["i"] for memory in page["memories"]]
            after, pages = page["next"], pages + 1
        self.assertEqual((found, pages), (list(range(350)), 3))
        whole = self.good("GET", "/memories?limit=10000&descending=true", **space)
        self.assertEqual([memory["payload"]["i"] for memory in whole["memories"]], list(range(349, -1, -1)))
        self.assertIsNone(whole["next"])
        some = self.good("GET", "/memories?filters=" + urllib.parse.quote('{"i__gte": 348}'), **space)
        self.assertEqual([memory["payload"]["i"] for memory in some["memories"]], [348, 349])
        self.assertEqual(self.good("GET", "/memories?within=6", **space), {"memories": [], "next": None})
        self.assertEqual(self.ask("GET", "/memories?after=nonsense", **space).status, 422)

    def test_erase_space(self):
        space = {"X_Soma_Namespace": "erased"}
        self.good("POST", "/memories", {"coord": "1", "payload": {"text": "unforgettable"}}, **space)
        self.assertEqual(self.good("DELETE", "/spaces?purge=true", **space)["erased"], 1)
        self.assertEqual(self.good("GET", "/memories", **space)["memories"], [])
        self.assertEqual(self.good("GET", "/memories/search?query=unforgettable", **space)["memories"], [])

    # ---- Search ----

    def test_search(self):
        space = {"X_Soma_Namespace": "search"}
        texts = ["Ada likes green tea", "Bob drinks coffee at noon", "The tea house is closed", "Rain over the harbour"]
        for i, text in enumerate(texts):
            self.good("POST", "/memories", {"coord": f"{i}", "payload": {"text": text, "i": i, "nested": {"even": i % 2 == 0}},
                                            "memory_type": "semantic" if i == 2 else "episodic"}, **space)

        def search(**body):
            return self.good("POST", "/memories/search", body, **space)["memories"]

        hits = search(query="green tea")
        self.assertEqual(hits[0]["payload"]["text"], texts[0])
        self.assertEqual(set(hits[0]), {"coordinate", "payload", "memory_type", "importance", "score"})
        self.assertEqual([hit["score"] for hit in hits], sorted((hit["score"] for hit in hits), reverse=True))
        self.assertEqual(search(query="green tea", top_k=0), [])
        self.assertEqual(search(query="green tea", top_k=2), hits[:2])
        self.assertEqual(search(query="green tea", top_k=2, offset=1), hits[1:3])
        self.assertEqual(search(query="green tea", top_k=1000), hits)
        self.assertEqual([hit["coordinate"] for hit in search(query="tea", memory_type="semantic")], [[2.0]])
        self.assertEqual([hit["coordinate"] for hit in search(query="tea", memory_type=None, mode="keyword")], [[0.0], [2.0]])

        def found(filters, name="filters"):
            return sorted(hit["payload"]["i"] for hit in search(query="tea", **{name: filters}))

        self.assertEqual(found({"i": 1}), [1])
        self.assertEqual(found({"i": 1.0}), [1])
        self.assertEqual(found({"i__gte": 1, "i__lt": 3}), [1, 2])
        self.assertEqual(found({"i__in": [0, 3, 9]}), [0, 3])
        self.assertEqual(found({"nested__even": True}), [0, 2])
        self.assertEqual(found({"nested": {"even": False}}), [1, 3])
        self.assertEqual(found({"text__startswith": "Ada"}), [0])
        self.assertEqual(found({"text__contains": "tea"}), [0, 2])
        self.assertEqual(found({"missing": None}), [])
        self.assertEqual(found({"missing__isnull": True}), [0, 1, 2, 3])
        self.assertEqual(found({"nested__has_key": "even"}), [0, 1, 2, 3])
        self.assertEqual(found({"$or": [{"i": 0}, {"i": {"$gt": 2}}]}, "filter"), [0, 3])
        query = urllib.parse.urlencode({"query": "tea", "filters": json.dumps({"i": 2})})
        self.assertEqual([hit["payload"]["i"] for hit in self.good("GET", "/memories/search?" + query, **space)["memories"]], [2])
        explained = search(query="green tea", explain=True)[0]
        self.assertAlmostEqual(sum(part["contribution"] for part in explained["explain"]), explained["score"])

    def test_search_refuses_what_it_does_not_understand(self):
        for filters in ({"t__regex": "("}, {"t__icontains": "x"}, {"i": [1]}, {"i__in": 3}, {"i__gt": {}}):
            answer = self.ask("POST", "/memories/search", {"query": "x", "filters": filters})
            self.assertEqual((answer.status, answer.json()["detail"][0]["loc"]), (422, ["body", "req", "filters"]), filters)
        self.flawed([("json_invalid", ["query", "filters"], "Invalid JSON")], "GET", "/memories/search?query=x&filters=%7B")
        self.flawed([("dict_type", ["query", "filters"], "Input should be a valid dictionary")],
                    "GET", "/memories/search?query=x&filters=3")
        answer = self.ask("POST", "/memories/search", {"query": "x", "filter": {"$nope": 1}})
        self.assertEqual((answer.status, answer.json()["detail"][0]["loc"]), (422, ["body", "req", "filter"]))
        self.flawed([("string_type", ["body", "req", "query"], STRING)], "POST", "/memories/search", {"query": 5})

    def test_filters_that_are_made_to_hurt(self):
        beyond = "17976931348623159" + "0" * 292  # hardly beyond a double
        self.flawed([("finite_number", ["body", "req", "filters"], "Input should be a finite number")],
                    "POST", "/memories/search", f'{{"query": "x", "filters": {{"a": {beyond}}}}}')
        self.flawed([("finite_number", ["body", "req", "importance"], "Input should be a finite number")],
                    "POST", "/memories", f'{{"coord": "1", "payload": {{}}, "importance": {beyond}}}')
        for filters in ({"a__" * 500_000 + "a": 1}, {"a" * 100_000: {str(i): i for i in range(200)}},
                        {str(i): i for i in range(300)}, {"a": {str(i): i for i in range(300)}}):
            answer = self.ask("POST", "/memories/search", {"query": "x", "filters": filters})
            self.assertEqual((answer.status, answer.json()["detail"][0]["loc"]), (422, ["body", "req", "filters"]))

    def test_a_name_between_underscores_has_no_lookup(self):
        space = {"X_Soma_Namespace": "underscores"}
        self.good("POST", "/memories", {"coord": "1", "payload": {"__main__": 1, "a": {"__b__": 2}}}, **space)
        for filters, hits in (({"__main__": 1}, 1), ({"__main__": 2}, 0), ({"a____b__": 2}, 1)):
            found = self.good("GET", "/memories?filters=" + urllib.parse.quote(json.dumps(filters)), **space)
            self.assertEqual(len(found["memories"]), hits, filters)

    def test_names_of_members_in_422(self):
        answer = self.ask("POST", "/memories", '{"coord": "1", "payload": {}, "01": NaN}')
        self.assertEqual(answer.json()["detail"][0]["loc"], ["body", "req", "01"])
        answer = self.ask("POST", "/memories", r'{"coord": "1", "payload": {}, "\udc00": 1}')
        self.assertEqual(answer.status, 422)
        answer.body.decode("utf-8")

    def test_search_by_vector_and_with_context(self):
        space = {"X_Soma_Namespace": "vectors"}
        for i, vector in enumerate(([1, 0], [0, 1], [0.6, 0.8])):
            self.good("POST", "/memories", {"coord": str(i), "payload": {}, "embedding": vector}, **space)
        hits = self.good("POST", "/memories/search", {"query": "", "vector": [1, 0], "mode": "vector"}, **space)["memories"]
        self.assertEqual([hit["coordinate"] for hit in hits], [[0.0], [2.0], [1.0]])
        self.good("POST", "/graph/link", {"from_coord": "2", "to_coord": "1"}, **space)
        hits = self.good("POST", "/memories/search", {"query": "", "vector": [0.7, 0.7], "mode": "vector", "context": ["2"],
                                                      "explain": True}, **space)["memories"]
        self.assertIn("association", [part["name"] for part in hits[0]["explain"]])
        answer = self.ask("POST", "/memories/search", {"query": "", "vector": [1, 0, 0]}, **space)
        self.assertEqual(answer.status, 422)

    # ---- Graph ----

    def test_links_and_neighbors(self):
        for i in range(3):
            linked = self.good("POST", "/graph/link", {"from_coord": "40", "to_coord": f" 4{i + 1} ", "metadata": {"link_type": "evil", "_tenant": "evil"}})
            self.assertEqual(linked, {"from_coord": "40", "to_coord": f" 4{i + 1} ", "link_type": "related", "ok": True})
        self.good("POST", "/graph/link", {"from_coord": "41", "to_coord": "44", "link_type": "far", "strength": 2})
        near = self.good("GET", "/graph/neighbors?coord=40")
        self.assertEqual([each["coordinate"] for each in near["neighbors"]], [[43.0], [42.0], [41.0]])  # the newest first
        self.assertEqual({key: near["neighbors"][0][key] for key in ("link_type", "strength")}, {"link_type": "related", "strength": 1.0})
        self.assertEqual(self.good("GET", "/graph/neighbors?coord=40&limit=1&offset=1")["neighbors"], near["neighbors"][1:2])
        self.assertEqual(self.good("GET", "/graph/neighbors?coord=40&limit=0")["neighbors"], [])
        self.assertEqual(len(self.good("GET", "/graph/neighbors?coord=40&k_hop=2")["neighbors"]), 4)
        self.assertEqual([each["coordinate"] for each in self.good("GET", "/graph/neighbors?coord=44&direction=incoming")["neighbors"]], [[41.0]])
        self.assertEqual(self.good("GET", "/graph/neighbors?coord=41&link_type=none")["neighbors"], [])
        self.assertEqual(self.good("GET", "/graph/neighbors?coord=404404")["neighbors"], [])
        for link_type in (None, ""):
            self.assertEqual(self.good("POST", "/graph/link", {"from_coord": "1", "to_coord": "2", "link_type": link_type})["link_type"], "related")
        self.flawed([("string_too_long", ["body", "req", "link_type"], "String should have at most 100 characters", {"max_length": 100})],
                    "POST", "/graph/link", {"from_coord": "1", "to_coord": "2", "link_type": "x" * 101})
        removed = self.good("DELETE", "/graph/link?from_coord=40&to_coord=41")
        self.assertEqual(removed, {"from_coord": "40", "to_coord": "41", "link_type": "related", "deleted": True})
        self.assertFalse(self.good("DELETE", "/graph/link?from_coord=40&to_coord=41")["deleted"])

    def test_path(self):
        for i in range(4):
            self.good("POST", "/graph/link", {"from_coord": f"5{i}", "to_coord": f"5{i + 1}", "link_type": f"step{i}"})

        def path(**query):
            return self.good("GET", "/graph/path?" + urllib.parse.urlencode(query))

        found = path(from_coord="50", to_coord="53")
        self.assertEqual(found, {"from_coord": "50", "to_coord": "53", "path": ["50.0", "51.0", "52.0", "53.0"],
                                 "link_types": ["step0", "step1", "step2"], "found": True})
        self.assertTrue(path(from_coord="50", to_coord="53", max_length=4)["found"])
        self.assertEqual(path(from_coord="50", to_coord="53", max_length=3),
                         {"from_coord": "50", "to_coord": "53", "path": [], "link_types": [], "found": False})
        self.assertEqual(path(from_coord="999", to_coord="999")["path"], ["999.0"])
        self.assertFalse(path(from_coord="999", to_coord="999", max_length=0)["found"])
        self.assertFalse(path(from_coord="50", to_coord="53", link_type="step0")["found"])
        self.assertEqual(path(from_coord="53", to_coord="52", direction="both")["link_types"], ["step2"])
        self.flawed([("missing", ["query", "from_coord"], "Field required"), ("missing", ["query", "to_coord"], "Field required")],
                    "GET", "/graph/path")

    # ---- State ----

    def test_state(self):
        flags = {"kv_store": True, "vector_store": True, "graph_store": True}
        for path in ("/healthz", "/readyz", "/health/basic"):
            self.assertEqual(self.good("GET", path, token=None), flags)
        self.assertEqual(self.good("GET", "/ping", token=None), {"ping": "pong"})
        self.assertEqual(self.good("GET", "/", token=None),
                         {"status": "online", "message": "FractalMemory API is running", "metrics": "/metrics"})
        tenant = {"X_Soma_Tenant": "counted"}
        self.good("POST", "/memories", {"coord": "1", "payload": {}, "memory_type": "semantic"}, **tenant)
        counted = {"total_memories": 1, "episodic": 0, "semantic": 1, "namespace": "default"}
        self.assertEqual(self.good("GET", "/stats", **tenant), counted)
        self.assertEqual(self.good("GET", "/test-stats", **tenant), counted)
        self.assertNotEqual(self.good("GET", "/stats", token=None, **tenant), counted)  # that of the default tenant
        self.refused(401, "Unauthorized", "GET", "/stats", token="wrong")
        health = self.good("GET", "/health")
        self.assertEqual(list(health), ["healthy", "status", "version", "uptime_seconds", "timestamp", "services", "database",
                                        "tenants", "system"])
        self.assertEqual((health["healthy"], health["status"], health["services"][0]["name"]), (True, "healthy", BACKEND))
        self.assertIn("counted", [each["tenant"] for each in health["tenants"]])

    def test_metrics(self):
        self.ask("GET", "/ping")
        answer = self.ask("GET", "/metrics", token=None)
        self.assertTrue(answer.headers["Content-Type"].startswith("text/plain"))
        text = answer.body.decode()
        self.assertRegex(text, r'fractal_http_requests_total\{route="/ping",status="200"\} \d+')
        self.assertRegex(text, r'fractal_http_request_seconds_bucket\{method="GET",route="/ping",le="\+Inf"\} \d+')
        self.assertIn("fractal_file_bytes ", text)

    def test_docs_load_nothing(self):
        answer = self.ask("GET", "/docs", token=None)
        self.assertTrue(answer.headers["Content-Type"].startswith("text/html"))
        page = answer.body.decode()
        self.assertIn("POST /memories/search", page)
        for loading in ("src=", "@import", "url(", "<link", "http://", "https://"):
            self.assertNotIn(loading, page)


if __name__ == "__main__":
    unittest.main()
