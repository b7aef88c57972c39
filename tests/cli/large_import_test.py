"""A million lines in the memory that a tenth of them takes. FRACTAL_LINES: another number."""

import os
import subprocess
import unittest

from running import PROGRAM, CommandTest, environment

LINES = int(os.environ.get("FRACTAL_LINES", "1000000"))


class LargeImport(CommandTest):
    def import_lines(self, count, db):
        """The most memory that the program had, in kB."""
        process = subprocess.Popen([PROGRAM, "--db", db, "import"], cwd=self.folder, env=environment(), text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        # One in ten has words, and so a vector.
        for i in range(count):
            text = f', "text": "item {i} of a long list"' if i % 10 == 0 else ""
            process.stdin.write(f'{{"coordinate": [{i // 1000}, {i}], "payload": {{"n": {i}{text}}}}}\n')
        process.stdin.close()
        self.assertEqual(process.stdout.read(), f"{count} memories\n")
        process.stdout.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(process.returncode, 0)
        return usage.ru_maxrss

    def test_constant_memory(self):
        tenth, all_of_them = self.import_lines(LINES // 10, "tenth.db"), self.import_lines(LINES, "all.db")
        print(f"{LINES // 10} lines: {tenth} kB, {LINES} lines: {all_of_them} kB")
        self.assertLess(all_of_them, 1.25 * tenth)
        self.assertIn(f"memories     {LINES} ", self.good("--db", "all.db", "stats"))


if __name__ == "__main__":
    unittest.main()
