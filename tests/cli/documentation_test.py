"""docs/command.md's tour, and the example of each command's help, as they stand."""

import re
import subprocess
import unittest

from running import COMMANDS, SOURCE, CommandTest, environment, masked

TOUR = (SOURCE / "docs/command.md").read_text(encoding="utf-8").split("## A tour")[1].split("\n## Where")[0]


class Documentation(CommandTest):
    maxDiff = None

    def shell(self, script):
        done = subprocess.run(["bash", "-eu", "-o", "pipefail", "-c", script], cwd=self.folder, env=environment(), text=True,
                              capture_output=True, check=False, input="")
        self.assertEqual(done.returncode, 0, f"{script}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def run_tour(self):
        """Each block of sh, and where a block of text follows, what it printed."""
        blocks = re.findall(r"```sh\n(.*?)```\n+(?:```text\n(.*?)```)?", TOUR, re.S)
        for script, expected in blocks:
            printed = self.shell(script)
            if expected:
                self.assertEqual(masked(printed), masked(expected), script)
        return len(blocks)

    def test_tour_and_examples(self):
        self.assertGreater(self.run_tour(), 8)
        last = ["unlink", "delete", "erase"]
        for name in [name for name in COMMANDS if name not in last] + last:
            with self.subTest(name):
                self.shell(self.good(name, "--help").split("Example:\n")[1].strip())


if __name__ == "__main__":
    unittest.main()
