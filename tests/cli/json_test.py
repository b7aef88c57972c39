"""Every line of --json against docs/command.schema.json."""

import json
import unittest

import jsonschema
from running import SOURCE, CommandTest

SCHEMA = json.loads((SOURCE / "docs/command.schema.json").read_text(encoding="utf-8"))


class JsonLines(CommandTest):
    checked = set()

    def lines(self, *words, text=None, kinds=None, code=0):
        done = self.run_it("--json", *words, text=text)
        self.assertEqual(done.code, code, f"{words}: {done.err}")
        objects = [json.loads(line) for line in done.out.splitlines()]
        name = next(word for word in words if not word.startswith("-") and word != "second")
        for found, kind in zip(objects, kinds or [name] * len(objects), strict=True):
            jsonschema.Draft202012Validator({"$ref": f"#/$defs/{kind}", "$defs": SCHEMA["$defs"]}).validate(found)
        self.checked.add(name)
        return objects

    def test_all_commands(self):
        self.assertTrue(self.lines("init", "--index", "year")[0]["created"])
        self.assertTrue(self.lines("store", "1,1", "--text", "Ada likes green tea", "--expires", "7d")[0]["created"])
        many = self.lines("store", text="".join(
            f'{{"coordinate": [1, {i}], "payload": {{"text": "tea number {i}", "year": {2000 + i}}}}}\n' for i in range(2, 9)))
        self.assertEqual([line["coordinate"] for line in many], [[1, i] for i in range(2, 9)])
        self.assertEqual(self.lines("update", "1,2", '{"more": "é \\n \\" 1e2"}')[0]["version"], 2)
        found = self.lines("get", "1,1", "1,2", kinds=["memory"] * 2)
        self.assertEqual(found[1]["payload"]["more"], 'é \n " 1e2')
        self.assertIn("expires_at", found[0])
        self.assertEqual(len(self.lines("get", "1,1", "--vectors", kinds=["memory"])[0]["embedding"]), 256)
        hits = self.lines("search", "green tea", "--limit", "3", kinds=["hit"] * 3)
        self.assertEqual(hits[0]["memory"]["coordinate"], [1, 1])
        explained = self.lines("search", "tea", "--limit", "2", "--explain", kinds=["hit", "hit", "search"])
        for hit in explained[:2]:
            self.assertAlmostEqual(sum(part["contribution"] for part in hit["explain"]), hit["score"])
        page = self.lines("list", "--where", "year>=2003", "--limit", "2", kinds=["memory", "memory", "next"])
        rest = self.lines("list", "--where", "year>=2003", "--after", page[2]["next"], kinds=["memory"] * 4)
        self.assertEqual([line["payload"]["year"] for line in page[:2] + rest], list(range(2003, 2009)))
        self.lines("link", "1,1", "1,2", "--type", "near")
        self.lines("link", "1,2", "1,3")
        self.assertEqual([line["hops"] for line in self.lines("neighbors", "1,1", "--hops", "2")], [1, 2])
        self.assertEqual([line["to"] for line in self.lines("path", "1,1", "1,3", kinds=["link_line"] * 2)], [[1, 2], [1, 3]])
        self.assertTrue(self.lines("unlink", "1,2", "1,3")[0]["removed"])
        self.assertTrue(self.lines("delete", "1,8")[0]["removed"])
        self.assertEqual(self.lines("export", "all.jsonl")[0]["lines"], 8)
        self.assertEqual(self.lines("graph", "--format", "svg", "all.svg")[0]["file"], "all.svg")
        self.assertIn("</svg>", (self.folder / "all.svg").read_text())
        self.assertEqual(self.lines("--namespace", "second", "import", "all.jsonl", kinds=["import"])[0]["links"], 1)
        kinds = [line["kind"] for line in self.lines("changes", "--limit", "100")]
        self.assertEqual({kind: kinds.count(kind) for kind in kinds}, {"stored": 7, "removed": 1, "linked": 1, "unlinked": 1})
        self.assertEqual(self.lines("stats")[0]["memories"], 7)
        self.assertTrue(self.lines("health")[0]["ok"])
        self.assertEqual(self.lines("verify")[0]["problems"], [])
        self.lines("repair")
        self.lines("maintain")
        self.assertEqual(self.lines("reembed")[0]["vectors"], 7)
        copied = self.lines("copy", "fractal.db", "other.db", kinds=["copy"] * 2)
        self.assertEqual([(line["namespace"], line["memories"]) for line in copied], [("default", 7), ("second", 7)])
        self.assertGreater(self.lines("backup", "copy.db")[0]["bytes"], 1000)
        self.assertEqual(self.lines("erase", "--yes")[0]["memories"], 7)
        self.lines("version")
        self.lines("bench", "--memories", "1000")
        self.assertEqual(set(SCHEMA["$defs"]) - self.checked, {"memory", "hit", "next", "link_line", "error", "adopt"})

    def test_export_and_import_are_inverse(self):
        self.household()
        first = self.good("export")
        self.good("--db", "other.db", "import", text=first)
        self.assertEqual(self.good("--db", "other.db", "export"), first)

    def test_a_problem_is_told_and_counts(self):
        self.household()
        with open(self.folder / "fractal.db", "r+b") as file:
            file.seek(4096 * 3)
            file.write(b"\0" * 4096)
        done = self.run_it("--json", "verify")
        self.assertIn(done.code, (3, 4))
        if done.code == 3:
            self.assertFalse(json.loads(done.out)["ok"])


if __name__ == "__main__":
    unittest.main()
