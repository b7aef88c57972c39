"""A million lines in no more memory than a few take. FRACTAL_LINES: another number."""

import os
import re
import resource
import subprocess
import unittest

from running import PROGRAM, CommandTest, environment

LINES = int(os.environ.get("FRACTAL_LINES", "1000000"))
PRIVATE = 64 << 20


class LargeImport(CommandTest):
    def import_lines(self, count, db):
        """The most memory that the program had, in kB, before its last lines; it may have no more than PRIVATE of its own."""
        process = subprocess.Popen([PROGRAM, "--db", db, "import"], cwd=self.folder, env=environment(), text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (PRIVATE, PRIVATE)))
        # One in ten has words, and so a vector.
        for i in range(count):
            text = f', "text": "item {i} of a long list"' if i % 10 == 0 else ""
            process.stdin.write(f'{{"coordinate": [{i // 1000}, {i}], "payload": {{"n": {i}{text}}}}}\n')
        process.stdin.flush()
        with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
            most = int(re.search(r"VmHWM:\s+(\d+)", status.read())[1])
        out, _ = process.communicate()
        self.assertTrue(out.startswith(f"{count} memories\n"), out)
        self.assertEqual(process.returncode, 0)
        return most

    def test_constant_memory(self):
        some, all_of_them = self.import_lines(LINES // 4, "some.db"), self.import_lines(LINES, "all.db")
        print(f"{LINES // 4} lines: {some} kB, {LINES} lines: {all_of_them} kB")
        self.assertLess(all_of_them, 1.25 * some)
        self.assertIn(f"memories     {LINES} ", self.good("--db", "all.db", "stats"))


if __name__ == "__main__":
    unittest.main()
