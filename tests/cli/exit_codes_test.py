"""The promise to scripts: exit codes, what goes to which stream, broken pipes, Ctrl-C."""

import json
import os
import signal
import subprocess
import time
import unittest

from running import PROGRAM, CommandTest, environment


class ExitCodes(CommandTest):
    def check(self, code, *words, text=None, says=""):
        done = self.run_it(*words, text=text)
        self.assertEqual(done.code, code, f"{words}: {done.out}{done.err}")
        self.assertIn(says, done.err)
        self.assertEqual(done.err.count("\n"), 1, done.err)
        as_json = self.run_it("--json", *words, text=text)
        self.assertEqual(as_json.code, code)
        error = json.loads(as_json.err)["error"]
        self.assertEqual(set(error), {"code", "message"})
        return error["code"]

    def test_not_found(self):
        self.household()
        self.assertEqual(self.check(1, "get", "7,7", says="there is no memory at 7.0,7.0"), "not_found")
        self.check(1, "delete", "7,7")
        self.check(1, "update", "7,7", "{}")
        self.check(1, "unlink", "1,3", "1,1")
        self.check(1, "path", "1,3", "1,1")
        self.assertIn("green tea", self.run_it("get", "1,1", "7,7").out)

    def test_usage(self):
        self.household()
        self.assertEqual(self.check(2, "serch", "tea", says="did you mean search?"), "usage")
        self.check(2, "search", "tea", "--explian", says="did you mean --explain?")
        self.check(2, "get", says="fractal get --help")
        self.check(2, "get", "one,two", says="'one,two' is no coordinate")
        self.check(2, "list", "--where", "year", says="is no test")
        self.check(2, "list", "--limit", "many")
        self.check(2, "store", "1", "{}", "--text", "x", says="one of")
        self.check(2, "search", says="wants words")
        self.check(2, "import", "--delimiter", "xy")
        self.check(2, "--db", "mysql://server/x", "stats", says="no backend for mysql")
        self.check(2, "search", "--vector", "[1, two]", says="no list of numbers")
        self.check(2, "erase", text="", says="--yes")
        self.check(2, "search", "tea", "--recall", "5")
        self.check(2, "neighbors", "1", "--hops", "0")
        self.check(2, "--db", "nowhere.db", "neighbors", "abc")
        self.check(2, "update", "1,1", text='{"a": 1}', says="nothing to change")
        self.check(2, "store", "--if-absent", text='{"coordinate": [1], "payload": {}}\n', says="want a coordinate")
        self.check(2, "import", "--from-line", "3", "--format", "text", text="x", says="JSON lines")
        self.check(2, "import", "--under", "3", text="{}", says="for documents")
        self.check(2, "import", "--under", "abc", "--format", "text", text="x")
        self.check(2, "store", "1", "--text", "x", "--expires", "soon", says="is no time")

    def test_refused(self):
        self.household()
        self.assertEqual(self.check(3, "store", "2", "not JSON"), "invalid_argument")
        self.check(3, "store", "2", text='{"open": ')
        self.assertEqual(self.check(3, "store", "1,1", "{}", "--if-version", "9"), "conflict")
        self.check(3, "store", "1,1", "{}", "--if-absent")
        self.check(3, "init", says="is there already")
        self.check(3, "import", text='{"coordinate": [1], "pay": {}}\n', says="to go on: fractal import --from-line 1")
        self.check(3, "store", text='{"coordinate": [5], "payload": {}}\n\n{"coordinate": []}\n',
                   says="0 memories are stored, those up to line 0")

    def test_backend(self):
        self.assertEqual(self.check(4, "stats", says="there is no database fractal.db"), "backend")
        (self.folder / "other.db").write_text("this is no database, but long enough to be one" * 100)
        self.assertEqual(self.check(4, "--db", "other.db", "stats"), "corruption")
        self.check(4, "import", "nowhere", says="there is no file nowhere")
        self.check(4, "import", "--format", "text", "/proc/self/mem", says="cannot read /proc/self/mem")
        self.household()
        self.check(4, "store", "2", "--file", "nowhere", says="cannot read nowhere")
        self.check(4, "store", "2", "--file", ".", says="cannot read .")
        self.check(4, "reembed", "--table", "nowhere")
        self.check(4, "export", "no/such/folder")
        done = subprocess.run(f"{PROGRAM} list >/dev/full", shell=True, cwd=self.folder, env=environment(),
                              capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (4, "fractal: cannot write the output: No space left on device\n"))

    def test_brackets_are_one_coordinate(self):
        self.good("store", "1", "{}")
        self.good("store", "2", "{}")
        self.check(1, "delete", "[1,2]", says="1.0,2.0")
        self.good("store", "1,2", "{}")
        self.assertEqual(json.loads(self.good("--json", "get", "[1.0,2.0]"))["coordinate"], [1, 2])

    def test_no_standard_error(self):
        done = subprocess.run(f"{PROGRAM} get 99 2>&-; echo $?; {PROGRAM} get 99 2>/dev/full; echo $?", shell=True, cwd=self.folder,
                              env=environment(), capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout, "4\n4\n")

    def test_exports_leave_pipes_and_links(self):
        self.household()
        (self.folder / "real.jsonl").write_text("old")
        (self.folder / "link.jsonl").symlink_to("real.jsonl")
        self.good("export", "link.jsonl")
        self.assertTrue((self.folder / "link.jsonl").is_symlink())
        self.assertEqual((self.folder / "real.jsonl").read_text(), self.good("export"))
        self.good("export", "/dev/null")
        self.assertFalse(os.path.isfile("/dev/null"))

    def test_broken_pipe_is_quiet(self):
        lines = "".join(f'{{"coordinate": [{i}], "payload": {{"n": {i}}}}}\n' for i in range(5000))
        self.good("import", text=lines)
        done = subprocess.run(["bash", "-c", f"{PROGRAM} export --no-vectors | head -n 2"], cwd=self.folder,
                              env=environment(), capture_output=True, text=True, check=True)
        self.assertEqual(done.stderr, "")
        self.assertEqual(len(done.stdout.splitlines()), 2)

    def start(self, *words):
        return subprocess.Popen([PROGRAM, *words], cwd=self.folder, env=environment(), text=True,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def wait_for(self, memories):
        for _ in range(600):
            if (self.folder / "fractal.db").exists():
                found = self.run_it("--json", "stats")
                if found.code == 0 and json.loads(found.out)["memories"] >= memories:
                    return
            time.sleep(0.1)
        self.fail("nothing is imported")

    def test_interrupted_import_goes_on(self):
        lines = [f'{{"coordinate": [{i}], "payload": {{"n": {i}}}}}\n' for i in range(1, 3001)]
        process = self.start("import", "--batch", "400", "-")
        process.stdin.write("".join(lines[:1100]))
        process.stdin.flush()
        self.wait_for(800)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
        self.assertEqual((process.returncode, out), (130, ""))
        self.assertIn("all before line 801 is in; to go on: fractal import --from-line 801", err)
        self.assertEqual(json.loads(self.good("--json", "stats"))["memories"], 800)
        self.good("import", "--from-line", "801", text="".join(lines))
        self.assertEqual(json.loads(self.good("--json", "stats"))["memories"], 3000)
        self.good("verify")

    def test_interrupted_store(self):
        process = self.start("store")
        process.stdin.write('{"coordinate": [1], "payload": {}}\n')
        process.stdin.flush()
        while not (self.folder / "fractal.db").exists():  # it reads when that is open
            time.sleep(0.1)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130)
        self.assertIn("0 memories are stored", err)

    def test_interrupted_follow(self):
        self.household()
        process = self.start("--json", "changes", "--follow")
        self.addCleanup(process.kill)
        first = [json.loads(process.stdout.readline()) for _ in range(5)]
        self.assertEqual([change["sequence"] for change in first], [1, 2, 3, 4, 5])
        self.good("delete", "1,3")
        self.assertEqual({json.loads(process.stdout.readline())["kind"] for _ in range(2)}, {"removed", "unlinked"})
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        self.assertEqual((process.returncode, err), (130, ""))


if __name__ == "__main__":
    unittest.main()
