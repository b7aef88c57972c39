"""Runs what docs/server.md shows, in its order, in one folder, and compares what it says comes out."""

import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time
import unittest

from serving import PROGRAM, SOURCE


class Documentation(unittest.TestCase):
    def test_the_examples(self):
        text = (SOURCE / "docs/server.md").read_text(encoding="utf-8")
        steps = re.findall(r"```sh\n(.*?)```(?:\n+```json\n(.*?)```)?", text, re.DOTALL)
        self.assertGreater(len(steps), 4)
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("FRACTAL_", "SOMA_"))}
        clean["PATH"] = os.path.dirname(PROGRAM) + os.pathsep + clean["PATH"]
        with tempfile.TemporaryDirectory() as folder:
            # One shell for all of them, as a reader has it; what it starts in the background ends with it.
            shell = subprocess.Popen(["bash", "-eu"], cwd=folder, env=clean, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT, text=True, start_new_session=True)
            try:
                for command, expected in steps:
                    shell.stdin.write(command + "\necho; echo === $?\n")
                    shell.stdin.flush()
                    printed = ""
                    while not printed.endswith("=== 0\n"):
                        line = shell.stdout.readline()
                        self.assertTrue(line, f"{command}\n{printed}")
                        printed += line
                    if "serve" in command:
                        self.wait_for_it(clean)
                    for wanted in expected.splitlines():
                        self.assertRegex(printed, self.pattern(wanted), command)
            finally:
                shell.stdin.close()
                os.killpg(shell.pid, signal.SIGTERM)
                shell.wait()
                shell.stdout.close()

    def wait_for_it(self, environment):
        for _ in range(200):
            if subprocess.run(["curl", "-s", "http://127.0.0.1:9595/ping"], env=environment, capture_output=True, check=False).stdout:
                return
            time.sleep(0.1)
        self.fail("the server does not answer")

    @staticmethod
    def pattern(line):
        """... stands for what differs from run to run."""
        return ".*".join(re.escape(part) for part in line.split("..."))


if __name__ == "__main__":
    unittest.main()
