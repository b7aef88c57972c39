"""What people see, under a terminal: golden/*.txt. `golden_test.py --update` writes them anew: then read the difference."""

import pathlib
import sys
import unittest

from running import CommandTest, masked

GOLDEN = pathlib.Path(__file__).parent / "golden"
UPDATE = "--update" in sys.argv


def visible(text):
    return text.replace("\x1b", "<esc>")


class Golden(CommandTest):
    maxDiff = None

    def compare(self, name, text):
        file = GOLDEN / f"{name}.txt"
        if UPDATE:
            file.write_text(text, encoding="utf-8")
        self.assertEqual(text, file.read_text(encoding="utf-8"))

    def show(self, *commands, **more):
        text = ""
        for words in commands:
            done = self.on_terminal(*words, **more)
            text += f"$ fractal {' '.join(words)}\n{masked(done.out)}" + (f"[{done.code}]\n" if done.code else "")
        return visible(text)

    def test_front_page(self):
        text = self.show(["--help"])
        self.assertLessEqual(text.count("\n"), 24)
        self.assertLessEqual(max(map(len, text.splitlines())), 80)
        self.compare("front_page", text)

    def test_tables(self):
        self.household()
        self.compare("tables", self.show(
            ["get", "1,2"], ["list"], ["search", "refrigerators humming"], ["search", "cold drink", "--explain"],
            ["search", "zzz", "--mode", "keyword"], ["neighbors", "1,1", "--hops", "2"], ["path", "1,1", "1,3"],
            ["path", "1,3", "1,1", "--direction", "incoming"], ["stats"], ["health"], ["verify"], ["changes"], ["get", "7,7"],
            ["serch"]))

    def test_narrow(self):
        self.household()
        self.good("store", "1,4", "--text", "猫がキッチンで寝ている。" * 5)
        text = self.show(["list"], ["search", "green tea"], columns=44, NO_COLOR="1")
        self.compare("narrow", text)
        self.assertNotIn("<esc>", text)

    def test_no_colour(self):
        self.household()
        self.assertNotIn("\x1b", self.on_terminal("search", "tea", NO_COLOR="1").out)
        self.assertNotIn("\x1b", self.on_terminal("search", "tea", TERM="dumb").out)
        self.assertIn("\x1b[1;33mtea\x1b[0m", self.on_terminal("search", "tea").out)
        piped = self.good("search", "tea")
        self.assertNotIn("\x1b", piped)
        self.assertIn("Ada likes green tea", piped)

    def test_control_characters_do_not_reach_the_terminal(self):
        self.good("store", "1", '{"text": "red \\u001b[31m bell \\u0007 end"}')
        shown = self.on_terminal("list", NO_COLOR="1").out
        self.assertIn("red [31m bell end", shown)
        self.assertNotIn("\x1b", shown)

    def test_progress(self):
        lines = "".join(f'{{"coordinate": [{i}], "payload": {{"text": "item {i} of a long list of items"}}}}\n' for i in range(120_000))
        (self.folder / "many.jsonl").write_text(lines, encoding="utf-8")
        shown = self.on_terminal("import", "many.jsonl").out
        self.assertRegex(shown, r"importing \[=* +\] +\d+ % \d+ memories, \d+/s, \d+:\d\d left")
        self.assertIn("\r\x1b[K120000 memories\r\n", shown)
        self.assertTrue(shown.endswith("fractal maintain\r\n"), shown[-200:])

    def test_erase_asks(self):
        self.household()
        refused = self.on_terminal("erase", keys=[b"no\n"], until_prompt=(b"to go on: ",))
        self.assertEqual(refused.code, 3)
        self.assertIn("nothing was erased", refused.out)
        done = self.on_terminal("erase", keys=[b"default/default\n"], until_prompt=(b"to go on: ",))
        self.assertEqual(done.code, 0, done.out)
        self.assertIn("3 memories of default/default erased", done.out)


if __name__ == "__main__":
    unittest.main(argv=[each for each in sys.argv if each != "--update"])
