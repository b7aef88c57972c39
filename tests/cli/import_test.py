"""Documents as memories; imports that are done again, changed, stopped."""

import json
import unittest

from running import CommandTest

NOTES = """# Robot notes

Charges beside the *kitchen* door.

## Wheels

The left wheel slips
on wet tiles.

- front: rubber
- back: [felt](http://example.com)
  - spare in the drawer

## Wheels > Care

| part | every |
|---|---|
| felt | month |

    grease(axle);

<p>not text</p>
"""


class Documents(CommandTest):
    def report(self, *words, text=None):
        return json.loads(self.good("--json", "import", *words, text=text))

    def memories(self, *words):
        return [json.loads(line) for line in self.good("--json", "list", "--limit", "1000", *words).splitlines()]

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def test_folder(self):
        self.write("notes/robot.md", NOTES)
        self.write("notes/deep/tea.txt", "Ada likes green tea.\nNever coffee.\n\n\nBob takes milk.\n")
        self.write("notes/.hidden/secret.md", "nothing")
        self.write("notes/picture.png", "nothing")
        report = self.report("notes")
        self.assertEqual(report, {"memories": 9, "links": 0, "documents": 2, "unchanged": 0, "other_files": 1})
        found = {tuple(one["coordinate"]): one["payload"] for one in self.memories()}
        self.assertEqual(found[(1,)]["source"], "notes/deep/tea.txt")
        self.assertEqual(found[(1, 0, 2)], {"text": "Bob takes milk.", "context": "Ada likes green tea.\nNever coffee.",
                                            "document": "notes/deep/tea.txt"})
        self.assertEqual(found[(2,)]["title"], "Robot notes")
        self.assertEqual([(at, found[at]["section"], found[at]["text"]) for at in sorted(found) if at[0] == 2 and len(at) == 3], [
            ((2, 1, 1), "Robot notes", "Charges beside the kitchen door."),
            ((2, 2, 1), "Robot notes > Wheels", "The left wheel slips on wet tiles."),
            ((2, 2, 2), "Robot notes > Wheels", "- front: rubber\n- back: felt\n  - spare in the drawer"),
            ((2, 3, 1), "Robot notes > Wheels > Care", "part | every\nfelt | month"),
            ((2, 3, 2), "Robot notes > Wheels > Care", "grease(axle);")])
        hit = json.loads(self.good("--json", "search", "slippery floor", "--limit", "1"))
        self.assertEqual(hit["memory"]["coordinate"], [2, 2, 1])

    def test_again(self):
        self.write("notes/a.txt", "one\n\ntwo\n\nthree\n")
        self.write("notes/b.txt", "four\n")
        self.report("notes")
        before = self.good("export")
        self.assertEqual(self.report("notes")["unchanged"], 2)
        self.assertEqual(self.good("export"), before)
        self.write("notes/a.txt", "one\n\nother\n")
        self.write("notes/c.txt", "five\n")
        self.assertEqual(self.report("notes"), {"memories": 4, "links": 0, "documents": 2, "unchanged": 1, "other_files": 0})
        texts = [(one["coordinate"], one["payload"].get("text")) for one in self.memories()]
        self.assertEqual([text for text in texts if len(text[0]) == 3],
                         [([1, 0, 1], "one"), ([1, 0, 2], "other"), ([2, 0, 1], "four"), ([3, 0, 1], "five")])

    def test_unfinished_documents_are_done_again(self):
        self.write("notes/a.txt", "one\n\ntwo\n")
        self.report("notes")
        self.good("update", "1", '{"digest": ""}')
        self.good("delete", "1,0,2")
        self.assertEqual(self.report("notes")["documents"], 1)
        self.assertEqual(len(self.memories()), 3)

    def test_only_its_own_pieces(self):
        self.write("a.txt", "one\n\ntwo\n")
        self.write("b.txt", "three\n")
        self.report("a.txt")
        self.good("store", "1,9", "--text", "mine")
        self.good("update", "1,0,1", "--importance", "5")
        self.report("b.txt", "--under", "1")
        self.write("a.txt", "one\n\nother\n\nlast\n")
        self.assertEqual(self.report("./a.txt")["memories"], 3)  # the document, and what is new
        found = {tuple(one["coordinate"]): one for one in self.memories()}
        self.assertEqual(found[(1, 9)]["payload"]["text"], "mine")
        self.assertEqual(found[(1, 0, 1)]["importance"], 5)
        self.assertEqual([one["payload"]["text"] for at, one in sorted(found.items()) if len(at) > 2], ["one", "other", "last", "three"])
        self.good("store", "1,0,4", "--text", "mine, too")
        self.write("a.txt", "one\n\nother\n\nlast\n\nmore\n")
        done = self.run_it("import", "a.txt")
        self.assertEqual(done.code, 3)
        self.assertIn("1.0,0.0,4.0 is taken", done.err)
        self.good("store", "9007199254740993", "--text", "far")
        self.assertEqual(self.run_it("import", "--format", "text", text="x").code, 3)

    def test_one_refused_document_does_not_keep_others_out(self):
        self.write("notes/a.csv", "a,b\n1\n")
        self.write("notes/b.txt", "fine\n")
        done = self.run_it("import", "notes")
        self.assertEqual(done.code, 3)
        self.assertIn("notes/a.csv: line 2", done.err)
        self.assertIn("fine", self.good("list"))

    def test_under(self):
        self.write("a.txt", "one\n")
        self.good("store", "9,4", "{}")
        self.report("a.txt", "--under", "9")
        self.assertEqual([one["coordinate"] for one in self.memories()], [[9, 4], [9, 5], [9, 5, 0, 1]])

    def test_csv(self):
        self.write("parts.csv", '\ufeffname,price,note\r\n"wheel, left",12.50,"slips, he said ""often"""\r\naxle,007,\r\n\r\nbolt,1e3,"two\nlines"\r\n')
        self.assertEqual(self.report("parts.csv")["memories"], 4)
        self.assertEqual([one["payload"] for one in self.memories()][1:], [
            {"name": "wheel, left", "price": 12.5, "note": 'slips, he said "often"'}, {"name": "axle", "price": "007"},
            {"name": "bolt", "price": 1000.0, "note": "two\nlines"}])
        self.write("quoted.csv", '\ufeff"a b",c\n1,2\n')
        self.report("quoted.csv")
        self.assertEqual(self.memories("--where", 'c=2')[0]["payload"], {"a b": 1, "c": 2})
        self.write("rows.csv", "coordinate,n\n\"7,1\",1\n\"7,2\",2\n")
        self.report("rows.csv")
        self.write("rows.csv", "coordinate,n\n\"7,2\",3\n")
        self.report("rows.csv")
        self.assertEqual([(one["coordinate"], one["payload"]) for one in self.memories("--within", "7")], [([7, 2], {"n": 3})])
        self.write("places.tsv", "room\tplace\tsays\n4\t1\tdoor\n4\t2\twindow\n")
        self.report("--coordinate", "room,place", "places.tsv")
        self.assertEqual([(one["coordinate"], one["payload"]) for one in self.memories("--within", "4")],
                         [([4, 1], {"says": "door"}), ([4, 2], {"says": "window"})])
        for broken, line in (('a,b\n1\n', 2), ('a\n"x\ny\n', 2), ('a\n1"2\n', 2)):
            self.write("broken.csv", broken)
            done = self.run_it("import", "broken.csv")
            self.assertEqual(done.code, 3)
            self.assertIn("broken.csv", done.err)

    def test_not_utf8(self):
        (self.folder / "latin.txt").write_bytes(b"caf\xe9\n")
        self.good("import", "latin.txt")
        self.assertEqual(self.memories()[1]["payload"]["text"], "caf\ufffd")

    def test_standard_input(self):
        self.report("--format", "markdown", "-", text="\ufeff# One &amp; two\n\nfirst\n\n- # item\n")
        self.assertEqual([one["payload"]["text"] for one in self.memories()[1:]], ["first", "- item"])
        self.assertEqual(self.memories()[1]["payload"]["section"], "One & two")
        self.report("--format", "text", text="second\n")
        self.assertEqual(len(self.memories()), 5)
        self.assertEqual(self.report(text='{"coordinate": [8], "payload": {}}\n')["memories"], 1)


if __name__ == "__main__":
    unittest.main()
