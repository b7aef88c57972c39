"""fractal copy: from one database to another, stopped and resumed, compared, and what it refuses."""

import json
import os
import signal
import subprocess
import time
import unittest

from running import PROGRAM, CommandTest, environment


class Copying(CommandTest):
    """Without tests: tests/postgres has more."""

    def export(self, db, tenant="default"):
        return self.good("--db", db, "--tenant", tenant, "export")

    def lines(self, *words, code=0):
        done = self.run_it("--json", "copy", *words)
        self.assertEqual(done.code, code, done.out + done.err)
        return [json.loads(line) for line in done.out.splitlines()]

    def many(self, count, tenant="default"):
        lines = "".join(f'{{"coordinate": [{i}], "payload": {{"n": {i}}}}}\n{{"from": [{i}], "to": [{i + 1}]}}\n' for i in range(count))
        self.good("--tenant", tenant, "import", text=lines)

    def running(self, *words):
        """A copy of which something is in the target."""
        process = subprocess.Popen([PROGRAM, "copy", "--batch", "10", *words], cwd=self.folder, env=environment(), text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        for _ in range(2000):
            time.sleep(0.01)
            found = self.run_it("--json", "--db", words[-1], "stats")
            if found.code == 0 and json.loads(found.out)["memories"] > 0:
                return process
        self.fail("nothing is copied")

    def stopped(self, stop, *words):
        process = self.running(*words)
        process.send_signal(stop)
        process.wait()
        return process

    def check_goes_on(self, target):
        self.many(6000)
        process = self.stopped(signal.SIGINT, "fractal.db", target)
        self.assertEqual(process.returncode, 130, "it was done before it was stopped")
        self.assertEqual(process.stderr.read(), "fractal: stopped in default/default; the same command goes on from there\n")
        self.assertEqual(json.loads(self.good("--json", "--db", target, "verify"))["problems"], [])
        process = self.stopped(signal.SIGKILL, "fractal.db", target)
        self.assertEqual(process.returncode, -signal.SIGKILL)
        written = json.loads(self.good("--json", "--db", target, "stats"))["sequence"]
        line = self.lines("fractal.db", target)[0]
        self.assertEqual((line["ok"], line["resumed"], line["memories"], line["links"]), (True, True, 6000, 6000))
        self.assertEqual(line["written"], 12000 - written)
        self.assertEqual(self.export(target), self.export("fractal.db"))


class Copy(Copying):
    def test_all_spaces_or_one(self):
        self.household()
        self.many(20, tenant="bob")
        self.assertEqual(self.good("--tenant", "bob", "copy", "fractal.db", "one.db"),
                         "bob/default: 20 memories and 20 links are the same; 40 written\n")
        self.assertEqual([line["tenant"] for line in self.lines("fractal.db", "all.db")], ["bob", "default"])
        for db, tenant in (("one.db", "bob"), ("all.db", "bob"), ("all.db", "default")):
            self.assertEqual(self.export(db, tenant), self.export("fractal.db", tenant))
        self.assertEqual(json.loads(self.good("--json", "--db", "one.db", "stats"))["memories"], 0)
        self.assertEqual(json.loads(self.good("--json", "--db", "all.db", "stats"))["embedder"],
                         json.loads(self.good("--json", "stats"))["embedder"])
        self.assertEqual(self.run_it("--tenant", "carol", "copy", "fractal.db", "all.db").code, 1)
        self.assertEqual(self.run_it("copy", "fractal.db", "all.db", FRACTAL_TENANT="carol").code, 1)

    def test_again_only_what_changed(self):
        self.household()
        first = self.lines("fractal.db", "other.db")[0]
        self.assertEqual((first["written"], first["resumed"]), (5, False))
        self.good("update", "1,1", '{"sugar": true}')
        self.good("delete", "1,3")
        self.good("--db", "other.db", "store", "9", "{}")
        again = self.lines("fractal.db", "other.db")[0]
        self.assertEqual((again["written"], again["removed"], again["kept"], again["resumed"]), (1, 2, 1, True))
        self.assertNotEqual(first["sha256"], again["sha256"])
        self.assertEqual(self.good("copy", "--mirror", "fractal.db", "other.db"),
                         "default/default: 2 memories and 1 links are the same; 0 written, 1 removed\n")
        self.assertEqual(self.export("other.db"), self.export("fractal.db"))

    def test_differences_fail_and_the_next_copy_mends_them(self):
        self.household()
        self.good("copy", "fractal.db", "other.db")
        self.good("--db", "other.db", "update", "1,1", '{"sugar": true}')
        self.good("--db", "other.db", "unlink", "1,2", "1,3")
        done = self.run_it("copy", "fractal.db", "other.db")
        self.assertEqual(done.code, 4)
        self.assertIn("- memory 1.0,1.0: payload, version, updated_at differ\n", done.out)
        self.assertIn("- link 1.0,2.0 -related-> 1.0,3.0 is not in the target\n", done.out)
        self.assertEqual(done.err, "fractal: 2 differences; the same command copies anew where they are\n")
        self.assertTrue(self.lines("fractal.db", "other.db")[0]["ok"])
        self.assertEqual(self.export("other.db"), self.export("fractal.db"))

    def test_a_new_target_searches_by_the_same_fields(self):
        self.good("init", "--index", "year", "--text-field", "story=2")
        self.good("store", "1", '{"story": "a boat on the lake", "text": "not searched", "year": 2026}')
        self.good("copy", "fractal.db", "other.db")
        self.assertEqual(json.loads(self.good("--json", "--db", "other.db", "stats"))["indexed_fields"], ["year"])
        for words, found in (("boat", 1), ("searched", 0)):
            self.assertEqual(len(self.good("--json", "--db", "other.db", "search", words, "--mode", "keyword").splitlines()), found)

    def test_what_is_refused(self):
        self.household()
        for words, code, says in (
                (("copy", "fractal.db", "./fractal.db"), 2, "FROM and TO are both fractal.db"),
                (("copy", "fractal.db"), 2, "fractal copy --help"),
                (("--db", "x.db", "copy", "fractal.db", "other.db"), 2, "no --db"),
                (("copy", "--batch", "0", "fractal.db", "other.db"), 2, "--batch is 1 to"),
                (("copy", "milvus://server/x", "other.db"), 2, "no backend for milvus"),
                (("copy", "fractal.db", "milvus://server/x"), 2, "no backend for milvus"),
                (("copy", "nowhere.db", "other.db"), 4, "there is no database nowhere.db"),
                (("copy", "fractal.db", "no/such/folder/other.db"), 4, "")):
            done = self.run_it(*words)
            self.assertEqual(done.code, code, f"{words}: {done.out}{done.err}")
            self.assertIn(says, done.err)
        self.assertFalse((self.folder / "other.db").exists())
        os.link(self.folder / "fractal.db", self.folder / "same.db")
        self.assertEqual(self.run_it("copy", "fractal.db", "same.db").code, 2)

    def test_in_a_shell_memory_can_be_kept(self):
        self.good("--db", ":memory:", "shell", text='store 1 {"n": 1}\ncopy :memory: kept.db\n')
        self.assertIn('"n": 1', self.good("--db", "kept.db", "get", "1"))

    def test_stopped_and_killed_it_goes_on(self):
        self.check_goes_on("other.db")


if __name__ == "__main__":
    unittest.main()
