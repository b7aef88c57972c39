"""Completions and the manual page, by the programs that read them."""

import os
import pathlib
import subprocess
import unittest

from running import COMMANDS, CommandTest, environment


class Pages(CommandTest):
    def read_by(self, *words, text):
        done = subprocess.run(words, input=text, capture_output=True, text=True, env=environment(HOME=str(self.folder)), check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""), words)
        return done.stdout

    def test_all_commands_are_there(self):
        page = self.good("--help")
        for name in COMMANDS:
            self.assertRegex(page, rf"\s{name}\s")
            self.assertIn("Example:", self.good(name, "--help"))

    def test_bash(self):
        script = self.good("completion", "bash")
        asking = script + """
complete_for() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _fractal; echo "${COMPREPLY[*]}"; }
complete_for fractal sea
complete_for fractal --db x.db ne
complete_for fractal search --expl
complete_for fractal --na
"""
        self.assertEqual(self.read_by("bash", "-eu", "-s", text=asking).split("\n")[:4],
                         ["search", "neighbors", "--explain", "--namespace"])

    def test_zsh(self):
        script = self.folder / "_fractal"
        script.write_text("autoload -U compinit; compinit -u -D\n" + self.good("completion", "zsh"))
        self.read_by("zsh", "-f", "-e", str(script), text="")

    def test_fish(self):
        asking = self.good("completion", "fish") + "\ncomplete -C 'fractal sea'\ncomplete -C 'fractal search --expl'\ncomplete -C 'fractal --db x.db neig'\n"
        found = self.read_by("fish", "--no-config", text=asking)
        self.assertIn("search\t", found)
        self.assertIn("neighbors\t", found)
        self.assertIn("--explain\t", found)

    def test_manual(self):
        page = self.read_by("groff", "-man", "-Tutf8", "-ww", "-P-cbou", text=self.good("completion", "man"))
        for name in COMMANDS:
            self.assertRegex(page, rf"(?m)^ +{name}$")
        self.assertIn("--explain", page)
        self.assertIn("EXIT STATUS", page)

    def test_installed(self):
        prefix = os.environ.get("FRACTAL_PREFIX")
        self.assertTrue(prefix, "FRACTAL_PREFIX is where it is installed")
        share = pathlib.Path(prefix, "share")
        for file, page in (("man/man1/fractal.1", "man"), ("bash-completion/completions/fractal", "bash"),
                           ("zsh/site-functions/_fractal", "zsh"), ("fish/vendor_completions.d/fractal.fish", "fish")):
            self.assertEqual((share / file).read_text(), self.good("completion", page))
        self.assertIn("fractal", subprocess.run([pathlib.Path(prefix, "bin/fractal"), "--version"], capture_output=True,
                                                text=True, check=True).stdout)


if __name__ == "__main__":
    unittest.main()
