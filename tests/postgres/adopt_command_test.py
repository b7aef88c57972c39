"""fractal adopt, by the real binary, on tables of the service."""

import json
import pathlib
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "server"))
import serving

import jsonschema

TABLES = (HERE.parent / "data/service_tables.sql").read_text(encoding="utf-8")
SCHEMA = json.loads((HERE.parents[1] / "docs/command.schema.json").read_text(encoding="utf-8"))
SECRET = "q7-secret"


def row(coordinate, payload, tenant="alice", namespace="notes"):
    return ("INSERT INTO sfm_memories VALUES (gen_random_uuid(), '%s', '{%s}', '%s', 'episodic', '%s', '{}', '%s', 0, 0, NULL, "
            "now(), now());" % (namespace, coordinate, ",".join(f"{float(c)}" for c in coordinate.split(",")), payload, tenant))


class AdoptTest(unittest.TestCase):
    def setUp(self):
        self.url = serving.fresh_database()

    def sql(self, text):
        done = subprocess.run(["psql", self.url, "-qAtX", "-v", "ON_ERROR_STOP=1"], input=text, capture_output=True, text=True,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def run_command(self, *words, code=0):
        done = subprocess.run([serving.PROGRAM, *words], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertNotIn(SECRET, done.stdout + done.stderr)
        return done

    def as_json(self, *words):
        found = json.loads(self.run_command("--json", *words).stdout)
        jsonschema.Draft202012Validator({"$ref": "#/$defs/adopt", "$defs": SCHEMA["$defs"]}).validate(found)
        return found

    def test_dry_run_then_done_then_again(self):
        self.sql(TABLES + row("1", '{"text": "Ada likes green tea"}') + row("2", '{"text": "The refrigerator hums"}') +
                 row("3", "[]"))
        self.assertIn("adopt", self.run_command("--db", self.url, "stats", code=4).stderr)
        shown = self.run_command("adopt", self.url.replace("postgres@", f"postgres:{SECRET}@")).stdout
        self.assertIn("2 memories and 0 links would be taken over; there are 1 spaces of 1 tenants", shown)
        self.assertIn("- drops the unique constraint unique_namespace_coordinate (namespace, coordinate_key) of sfm_memories", shown)
        self.assertIn("- 1 of sfm_memories left alone: its payload is no JSON object (alice/notes 3.0)", shown)
        self.assertIn("nothing was changed; to do it: fractal adopt postgres://", shown)
        self.assertEqual(self.sql("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgrelid = 'sfm_memories'::regclass"), "0")
        dry = self.as_json("adopt", self.url)
        self.assertEqual((dry["adopted"], dry["memories"], dry["refused"][0]["rows"], dry["indexed"]), (False, 2, 1, 0))

        shown = self.run_command("adopt", self.url, "--yes").stdout
        self.assertIn("2 memories and 0 links are taken over", shown)
        self.assertIn("2 memories are indexed", shown)
        space = ("--db", self.url, "--tenant", "alice", "--namespace", "notes")
        self.assertIn("refrigerator", self.run_command(*space, "search", "something cold", "--limit", "1").stdout)
        self.run_command(*space, "verify")
        self.assertIn("1 rows of sfm_memories are no memories", self.run_command(*space, "health", code=3).stdout)

        self.sql(row("4", '{"text": "written by the service afterwards"}') +
                 "UPDATE sfm_memories SET payload = '{\"text\": \"mended\"}' WHERE coordinate_key = '3.0';")
        self.assertIn("afterwards", self.run_command(*space, "search", "afterwards", "--mode", "keyword").stdout)
        again = self.as_json("adopt", self.url, "--yes")
        self.assertEqual((again["adopted_before"], again["memories"], again["changes"], again["refused"]), (True, 0, [], []))
        self.run_command(*space, "health")

    def test_exit_codes(self):
        self.assertIn("there is no table sfm_memories", self.run_command("adopt", self.url, code=1).stderr)
        self.run_command("adopt", code=2)
        self.run_command("adopt", "mysql://h/d", code=2)
        self.run_command("adopt", "fractal.db", code=3)
        self.run_command("adopt", "postgres://postgres@127.0.0.1:1/none?connect_timeout=1", code=4)
        self.sql(TABLES + "ALTER TABLE sfm_memories DROP importance;")
        self.assertIn("no column sfm_memories.importance", self.run_command("adopt", self.url, "--yes", code=4).stderr)


if __name__ == "__main__":
    unittest.main()
