"""fractal copy to a real server and back: FRACTAL_TEST_POSTGRES is its URL."""

import os
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
import copy_test

SERVER = os.environ["FRACTAL_TEST_POSTGRES"]


class CopyToServer(copy_test.Copying):
    def setUp(self):
        super().setUp()
        self.schema = f"copy_{os.getpid()}_{id(self)}"
        self.sql(f"CREATE SCHEMA {self.schema}")
        self.addCleanup(self.sql, f"SET client_min_messages = error; DROP SCHEMA {self.schema} CASCADE")
        self.server = f"{SERVER}{'&' if '?' in SERVER else '?'}options=-csearch_path%3D{self.schema}"

    def sql(self, text):
        subprocess.run(["psql", "-q", "-v", "ON_ERROR_STOP=1", "-c", text, SERVER], check=True, stdout=subprocess.DEVNULL)

    def test_there_and_back(self):
        self.household()
        self.good("store", "1,4", "--text", "for an hour", "--expires", "1h", "--type", "semantic", "--metadata", '{"a" : 1.50}')
        self.good("update", "1,2", '{"room": null}')
        self.many(1500, tenant="bob")
        there = self.lines("fractal.db", self.server)
        back = self.lines(self.server, "back.db")
        self.assertEqual([line["sha256"] for line in there], [line["sha256"] for line in back])
        self.assertEqual([line["memories"] for line in there], [1500, 4])
        for tenant in ("bob", "default"):
            self.assertEqual(self.export(self.server, tenant), self.export("fractal.db", tenant))
            self.assertEqual(self.export("back.db", tenant), self.export("fractal.db", tenant))
        self.assertEqual(self.good("--db", "back.db", "search", "a cold kitchen"), self.good("search", "a cold kitchen"))
        self.assertEqual(self.good("--db", self.server, "verify"), self.good("verify"))

    def test_changes_on_the_server_come_back(self):
        self.household()
        self.good("copy", "fractal.db", self.server)
        self.good("copy", self.server, "back.db")
        self.good("--db", self.server, "update", "1,1", '{"sugar": true}')
        self.good("--db", self.server, "delete", "1,3")
        line = self.lines(self.server, "back.db")[0]
        self.assertEqual((line["written"], line["removed"], line["resumed"]), (1, 2, True))
        self.assertEqual(self.export("back.db"), self.export(self.server))
        # By another name it is the same database.
        done = self.run_it("copy", self.server, self.server + "&application_name=another")
        self.assertEqual(done.code, 3)
        self.assertIn("into itself", done.err)
        self.assertEqual(self.export("back.db"), self.export(self.server))

    def test_stopped_and_killed_it_goes_on(self):
        self.check_goes_on(self.server)

    def test_killed_connections_lose_nothing(self):
        self.many(3000)
        process = self.running("fractal.db", f"{self.server}&application_name={self.schema}")
        while process.poll() is None:
            self.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{self.schema}'")
        told = process.stderr.read()
        self.assertIn((process.returncode, "; the same command goes on from there" in told), [(0, False), (4, True)], told)
        line = self.lines("fractal.db", self.server)[0]
        self.assertEqual((line["ok"], line["resumed"], line["memories"], line["links"]), (True, True, 3000, 3000))
        self.assertEqual(self.export(self.server), self.export("fractal.db"))

    def test_passwords_are_never_printed(self):
        self.household()
        nowhere = "postgres://postgres:q7-secret@127.0.0.1:1/none?connect_timeout=1&sslpassword=q7-secret"
        for words, code in ((("fractal.db", nowhere), 4), ((nowhere, "other.db"), 4), ((nowhere, nowhere), 2)):
            done = self.run_it("copy", *words)
            self.assertEqual(done.code, code, done.err)
            self.assertIn("127.0.0.1", done.err)
            self.assertNotIn("q7-secret", done.out + done.err)


if __name__ == "__main__":
    unittest.main()
