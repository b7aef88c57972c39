"""The prompt: history, completion, JSON over more lines, Ctrl-C; and scripts."""

import unittest

from running import CommandTest


class Shell(CommandTest):
    def typed(self, *keys, **more):
        return self.on_terminal("shell", keys=list(keys), until_prompt=(b"fractal> ", b"     ... "), NO_COLOR="1", XDG_STATE_HOME=str(self.folder), **more)

    def test_script(self):
        done = self.run_it("shell", text="""# a comment
store 1,1 --text "Ada likes green tea"
store 1,2 {"text": "two words",
  "list": ["}", 2]}
link 1,1 1,2
path 1,1 1,2
""")
        self.assertEqual((done.code, done.err), (0, ""))
        self.assertIn("-related->  1.0,2.0     two words", done.out)
        self.assertIn('"}"', self.good("get", "1,2"))

    def test_a_failure_does_not_end_it(self):
        done = self.run_it("shell", text="get 5\nstore 5 --text five\nget 6\n")
        self.assertEqual(done.code, 1)
        self.assertIn("stored 5.0", done.out)
        self.assertEqual(self.run_it("shell", text="get 5\nversion\n").code, 0)
        self.assertEqual(self.run_it("shell", text="store 1 '{").code, 2)

    def test_other_database_for_one_line(self):
        self.good("shell", text="store 1 --text here\n--db other.db store 2 --text there\n--tenant bob store 3 {}\nstore 4 {}\n")
        self.assertEqual([self.good(*words, "--json", "list").count("\n") for words in
                          ([], ["--db", "other.db"], ["--tenant", "bob"])], [2, 1, 1])

    def test_prompt(self):
        done = self.typed(b"store 1,1 {\n", b'"text": "tea"}\n', b"get 1,1\n", b"exit\n")
        self.assertEqual(done.code, 0, done.out)
        self.assertIn("     ... ", done.out)
        self.assertIn("stored 1.0,1.0", done.out)

    def test_completion(self):
        done = self.typed(b"sea\t tea --expl\t\n", b"exit\n")
        self.assertIn("nothing found", done.out)

    def test_history(self):
        self.typed(b"store 1,1 --text remembered\n", b"exit\n")
        done = self.typed(b"\x1b[A\x1b[A\n", b"exit\n")
        self.assertIn("changed 1.0,1.0, version 2", done.out)
        self.assertTrue((self.folder / "fractal/history").exists())

    def test_interrupt_clears_the_line(self):
        done = self.typed(b"nonsense\x03", b"store 3 {\n", b"\x03", b"version\n", b"exit\n")
        self.assertEqual(done.code, 0, done.out)
        self.assertNotIn("unknown command", done.out)
        self.assertRegex(done.out, r"version\r\nfractal 0\.")

    def test_characters_beyond_ascii(self):
        self.typed("store 1 --text 'Käse €'\n".encode(), b"exit\n")
        self.assertIn("Käse €", self.good("get", "1"))

    def test_variables_do_not_lead_elsewhere(self):
        self.good("--db", "scratch.db", "shell", text="store 1 --text here\n", FRACTAL_DB="prod.db")
        self.good("demo", FRACTAL_DB="prod.db")
        self.assertFalse((self.folder / "prod.db").exists())
        self.assertIn("here", self.good("list", FRACTAL_DB="scratch.db"))

    def test_memory_is_not_thrown_away(self):
        done = self.run_it("--db", ":memory:", "shell", text="store 1 {}\n--db x.db stats\nget 1\n")
        self.assertIn("would lose", done.err)
        self.assertEqual(done.code, 0)

    def test_a_comment_may_have_an_apostrophe(self):
        self.assertIn("stored 1.0", self.good("shell", text="# Ada's notes\nstore 1 --text tea\n# Bob's\n"))

    def test_end_of_input(self):
        self.assertEqual(self.typed(b"\x04").code, 0)


if __name__ == "__main__":
    unittest.main()
