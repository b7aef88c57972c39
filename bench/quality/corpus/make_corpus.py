#!/usr/bin/env python3
"""Makes memories.jsonl and questions.jsonl from the sentences in source/.

The same seed gives the same bytes. Invariant: the evidence of a question is every memory that states what is asked,
and no other: values that a later change, a doubt or another question would make ambiguous are not asked for.
"""
import datetime
import json
import pathlib
import random
import re
import sys

SEED = 20240229
HERE = pathlib.Path(__file__).resolve().parent
FIRST_DAY, BORDER, LAST_DAY = (datetime.date(2023, 1, 9), datetime.date(2024, 4, 1), datetime.date(2025, 6, 20))
MONTHS = ("January February March April May June July August September October November December").split()
FAMILY_KEYS = ("v", "pattern", "words", "fact", "say", "ask", "change", "about", "who", "exact", "code", "list", "noise", "form",
               "natural")


class Statement:
    """One value of one family for one person, and every memory that says so."""

    def __init__(self, family, person, value):
        self.family, self.person, self.value = family, person, value
        self.memories, self.templates = [], []
        self.changed_to = None   # the value that followed
        self.change = None       # the memory that tells of the change
        self.doubt = None        # the memory that contradicts, with doubt_value
        self.doubt_value = None


# ---- Reading the sentences ------------------------------------------------------------------------------------


def read_families():
    families = []
    for file in sorted((HERE / "source").glob("families_*.txt")):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            if not line or line.startswith("#"):
                continue
            head = re.fullmatch(r"\[(\w+)\] (\w+)", line)
            if head:
                families.append({key: [] for key in FAMILY_KEYS} | {"name": head[1], "topic": head[2]})
                continue
            key, _, text = line.partition(": ")
            if key not in FAMILY_KEYS or not text:
                sys.exit(f"{file}:{number}: cannot be read")
            families[-1][key].append(text)
    for family in families:
        family["hints"] = {}
        values = [part.strip() for part in "".join(family["v"]).split(";") if part.strip()]
        family["values"] = [value.split(" ~ ")[0] for value in values]
        family["hints"] = dict(value.split(" ~ ") for value in values if " ~ " in value)
    return families


def read_talk():
    sections, name = {}, None
    for line in (HERE / "source" / "talk.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("[") and line.endswith("]"):
            name = line[1:-1]
        elif line and not line.startswith("#"):
            sections[name] = [part if name in ("openers", "fact_tails") else part.strip() for part in line.split(";")]
    sections["openers"] = [part.strip() + " " for part in sections["openers"] if part.strip()]
    sections["fact_tails"] = ["," + part.rstrip().partition(",")[2] for part in sections["fact_tails"]]
    return sections


def read_abstract():
    rows = []
    for line in (HERE / "source" / "abstract.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            question, *statements = [part.strip() for part in line.split(" | ")]
            rows.append((question, statements))
    return rows


# ---- Sentences ------------------------------------------------------------------------------------------------


def with_article(value):
    vowel = value[0].lower() in "aeiou" and not value.startswith("ukulele")
    return ("an " if vowel else "a ") + value


def capital(text):
    return text[:1].upper() + text[1:]


class Corpus:
    def __init__(self):
        self.random = random.Random(SEED)
        self.families = read_families()
        self.talk = read_talk()
        self.people = [tuple(entry.split()) for entry in self.talk["people"]]
        self.memories, self.questions, self.statements = [], [], []
        self.turns = {}      # (person, early) -> what the person will say: (ask, text, statement, topic)
        self.sessions = 0
        self.facts = {}      # person -> number of facts
        self.asked = set()

    def pick(self, options):
        return options[self.random.randrange(len(options))]

    def chance(self, probability):
        return self.random.random() < probability

    def day(self, first, last):
        return first + datetime.timedelta(days=self.random.randrange((last - first).days))

    def other(self, *not_these):
        while True:
            person = self.pick(self.people)
            if person not in not_these:
                return person

    def fill(self, template, person, value="", hint="", old="", when=None):
        he = person[1] == "he"
        values = {"P": person[0], "he": "he" if he else "she", "He": "He" if he else "She",
                  "his": "his" if he else "her", "him": "him" if he else "her", "v": value, "h": hint, "old": old,
                  "av": with_article(value) if value else "", "av_old": with_article(old) if old else "",
                  "year": str(2009 + self.random.randrange(13)), "n": str(self.pick([*range(5, 20), 24, 25, 26, 27])),
                  "month": MONTHS[when.month - 1] if when else ""}
        return capital(re.sub(r"\{(\w+)\}", lambda match: values[match[1]], template))

    # ---- Memories ---------------------------------------------------------------------------------------------

    def remember(self, coordinate, kind, text, when, **more):
        payload = {"text": text} | {key: value for key, value in more.items() if value} | {"when": when.isoformat()}
        memory = {"coordinate": coordinate, "type": kind, "payload": payload}
        self.memories.append(memory)
        return memory

    def fact(self, person, text, when, topic, tail=True):
        if tail and text.endswith(".") and self.chance(0.2):
            text = text[:-1] + self.pick(self.talk["fact_tails"]) + "."
        number = self.facts[person] = self.facts.get(person, 0) + 1
        return self.remember([2, self.people.index(person) + 1, number], "semantic", text, when, about=person[0],
                             topic=topic)

    def new_value(self, family, used=()):
        while True:
            if family["values"]:
                value = self.pick(family["values"])
            elif family["words"]:
                words = family["words"][0].split()
                value = self.pick(words)
                value = f"{value} {1 + self.random.randrange(28)}" if value in MONTHS else \
                    f"{value}-{self.pick(words)}-{10 + self.random.randrange(90)}"
            else:
                value = self.from_pattern(family["pattern"][0])
            if value not in used:
                return value

    def from_pattern(self, pattern):
        out, digits = "", 0
        for c in pattern:
            if c == "@":
                out += self.pick("ABCDEFGHJKLMNPRSTVWXYZ")
            elif c == "9":
                first, tens = digits == 0 and ":" not in out, out.endswith(":")
                out += str(self.random.randrange(1, 10) if first else self.random.randrange(6 if tens else 10))
                digits += 1
            else:
                out += c
        return out

    def state(self, statement, early):
        """Says it once: as a fact, or as a turn that waits for its session."""
        family, person = statement.family, statement.person
        def unused(templates):
            template = self.pick([t for t in templates if t not in statement.templates] or templates)
            statement.templates.append(template)
            return template

        if family["say"] and self.chance(0.5):
            template = unused(family["say"])
            text = self.fill(template, person, statement.value)
            if self.chance(0.3):
                lower = template[0].isalpha() and not template.startswith("I ")
                text = self.pick(self.talk["openers"]) + (text[0].lower() + text[1:] if lower else text)
            if self.chance(0.35):
                text += " " + self.pick(self.talk["tails"])
            self.turns.setdefault((person, early), []).append((self.pick(family["ask"]), text, statement))
            return
        when = self.day(FIRST_DAY, BORDER if early else LAST_DAY)
        text = self.fill(unused(family["fact"]), person, statement.value)
        statement.memories.append(self.fact(person, text, when, family["topic"]))

    def make_statements(self):
        for family in self.families:
            used = set()
            count = 14 if family["topic"] == "numbers" or not family["values"] else 21
            for person in self.random.sample(self.people, count):
                value = self.new_value(family, used if not family["values"] else ())
                used.add(value)
                statement = Statement(family, person, value)
                self.statements.append(statement)
                changes = bool(family["change"]) and self.chance(0.38)
                self.state(statement, early=changes)
                if changes:
                    self.add_change(statement)
                elif self.chance(0.13):
                    self.state(statement, early=False)
                elif family["values"] and family["fact"] and self.chance(0.05):
                    self.add_doubt(statement)

    def add_change(self, statement):
        family, person = statement.family, statement.person
        statement.changed_to = self.new_value(family, {statement.value})
        when = self.day(BORDER + datetime.timedelta(days=30), LAST_DAY)
        text = self.fill(self.pick(family["change"]), person, statement.changed_to, old=statement.value, when=when)
        statement.change = self.fact(person, text, when, family["topic"], tail=False)

    def add_doubt(self, statement):
        family, person = statement.family, statement.person
        claimed = self.new_value(family, {statement.value})
        claim = self.fill(family["fact"][0], person, claimed)
        text = self.pick(self.talk["hearsay"]).replace("{Q}", self.other(person)[0]).replace("{claim}", claim)
        when = self.day(BORDER, LAST_DAY)
        statement.doubt = self.fact(person, text, when, family["topic"], tail=False)
        statement.doubt_value = claimed

    def make_noise(self):
        for family in self.families:
            for template in family["noise"] * 5 if len(family["noise"]) == 1 else family["noise"] * 3:
                person = self.pick(self.people)
                value = self.new_value(family) if family["values"] else \
                    self.pick([s.value for s in self.statements if s.family is family])
                text = self.fill(template, person, value)
                self.fact(person, text, self.day(FIRST_DAY, LAST_DAY), family["topic"], tail=False)

    def make_abstract(self):
        people = [*self.people] * 4
        self.random.shuffle(people)
        for question, statements in read_abstract():
            evidence, taken = [], []
            for template in statements:
                person = people.pop()
                while person in taken:
                    people.insert(0, person)
                    person = people.pop()
                taken.append(person)
                if "{P}" in template:
                    text = self.fill(template, person)
                    evidence.append(self.fact(person, text, self.day(FIRST_DAY, LAST_DAY), "character", tail=False))
                else:
                    statement = Statement({"topic": "character"}, person, "")
                    statement.memories = evidence
                    self.turns.setdefault((person, False), []).append((None, template, statement))
            self.ask_later("abstract", question, evidence)

    def make_sessions(self):
        for (person, early), waiting in sorted(self.turns.items(), key=lambda entry: (entry[0][0], entry[0][1])):
            self.random.shuffle(waiting)
            while waiting:
                size = 2 + self.random.randrange(4)
                part, waiting = waiting[:size], waiting[size:]
                self.make_session(person, part, self.day(FIRST_DAY, BORDER if early else LAST_DAY))

    def make_session(self, person, part, when):
        self.sessions += 1
        partner = self.other(person)
        turn, context = 0, ""

        def say(speaker, text, **more):
            nonlocal turn, context
            turn += 1
            said = f"{speaker[0]}: {text}"
            memory = self.remember([1, self.sessions, turn], "episodic", said, when, context=context,
                                   speaker=speaker[0], **more)
            context = said
            return memory

        if self.chance(0.7):
            say(self.pick([person, partner]), self.pick(self.talk["small_talk"]))
        for ask, text, statement in part:
            if ask and self.chance(0.65):
                say(partner, ask if self.chance(0.6) else f"{person[0]}, {ask[0].lower() + ask[1:]}")
            memory = say(person, text, about=person[0], topic=statement.family["topic"])
            statement.memories.append(memory)
            if self.chance(0.36):
                say(partner, self.pick(self.talk["reactions"]))

    # ---- Questions --------------------------------------------------------------------------------------------

    def ask_later(self, kind, question, evidence, where=None):
        if question not in self.asked:
            self.asked.add(question)
            self.questions.append({"family": kind, "question": question, "filter": where, "evidence": evidence})

    def settled(self):
        return [s for s in self.statements if not s.change and not s.doubt]

    def sayers(self, family, value):
        """Statements of this value, or nothing if a change or a doubt touches it."""
        ours = [s for s in self.statements if s.family is family]
        for s in ours:
            if value in (s.changed_to, s.doubt_value) or (s.value == value and (s.change or s.doubt)):
                return []
        return [s for s in ours if s.value == value]

    def about_question(self, statement):
        return self.fill(self.pick(statement.family["about"]), statement.person)

    def value_questions(self, key, kind, count, most, least=1, only=lambda family: True, mixed=False):
        choices = [(f, v) for f in self.families if f[key] and only(f)
                   for v in dict.fromkeys(s.value for s in self.statements if s.family is f)]
        self.random.shuffle(choices)
        for family, value in choices:
            said = self.sayers(family, value)
            evidence = [m for s in said for m in s.memories]
            if not least <= len(evidence) <= most or len({s.person for s in said}) < min(least, 2):
                continue
            template = self.pick(family[key])
            if mixed:
                article = any("{av}" in line for line in family["exact"])
                template = template.replace("{h}", "{av}" if article else "{v}")
            elif "{h}" in template and value not in family["hints"]:
                continue
            question = self.fill(template, said[0].person, value, hint=family["hints"].get(value, ""))
            if question not in self.asked:
                self.ask_later(kind, question, evidence)
                count -= 1
            if count == 0:
                return
        sys.exit(f"{kind}: {count} questions by {key} are missing")

    def person_questions(self, kind, count, make, fits=lambda s: True):
        choices = [s for s in self.settled() if fits(s)]
        self.random.shuffle(choices)
        for statement in choices[:count]:
            self.ask_later(kind, make(statement), statement.memories)

    def make_plain_questions(self):
        self.person_questions("paraphrase", 120, self.about_question)
        self.value_questions("who", "paraphrase", 80, most=3)
        self.value_questions("exact", "exact", 60, most=3, only=lambda f: f["values"])
        self.value_questions("code", "exact", 40, most=3)
        self.person_questions("exact", 40, lambda s: self.fill(self.pick(s.family["exact"]), s.person),
                              lambda s: not s.family["values"])
        self.person_questions("exact", 30, lambda s: f"{s.person[0]} {re.sub('^(an?|the) ', '', s.value)}",
                              lambda s: s.family["values"])

        def hinted(s):
            hint = s.family["hints"][s.value]
            return self.pick([f"{self.about_question(s)} Something with {hint}?",
                              f"{s.person[0]}: {hint}",
                              f"What was that about {s.person[0]} and {hint}?"])

        nominal = [f for f in self.families if f["who"] and not re.search(r"\bwho \{h\}", f["who"][0], re.I)]
        self.person_questions("mixed", 70, hinted, lambda s: s.family in nominal and s.value in s.family["hints"])
        self.value_questions("who", "mixed", 50, most=3, only=lambda f: f in nominal and not f["form"], mixed=True)

    def make_filtered_questions(self):
        changed = [s for s in self.statements if s.change]
        self.random.shuffle(changed)
        for statement in changed[:70]:
            question = self.about_question(statement)
            first = statement.change["payload"]["when"][:7]
            if self.chance(0.5):
                self.ask_later("filtered", question, [statement.change], {"when": {"$gte": first}})
            else:
                self.ask_later("filtered", question, statement.memories, {"when": {"$lt": first}})
        spoken = [s for s in self.settled() if s.family["ask"] and any("speaker" in m["payload"] for m in s.memories)]
        self.random.shuffle(spoken)
        for s in spoken[:45]:
            turns = [m for m in s.memories if "speaker" in m["payload"]]
            self.ask_later("filtered", self.pick(s.family["ask"]), turns, {"speaker": s.person[0]})
        noted = [s for s in self.settled() if s.family["ask"] and any("speaker" not in m["payload"] for m in s.memories)]
        self.random.shuffle(noted)
        for s in noted[:25]:
            facts = [m for m in s.memories if "speaker" not in m["payload"]]
            self.ask_later("filtered", self.pick(s.family["ask"]), facts, {"about": s.person[0], "$type": "semantic"})

    def make_multi_questions(self):
        self.value_questions("list", "multi", 70, least=2, most=8)
        changed = [s for s in self.statements if s.change]
        self.random.shuffle(changed)
        for s in changed[:45]:
            self.ask_later("multi", re.sub(r"[?.]$", ", now and before?", self.about_question(s)),
                           [*s.memories, s.change])
        for s in [s for s in self.statements if s.doubt][:35]:
            self.ask_later("multi", self.about_question(s) + " Do accounts differ?", [*s.memories, s.doubt])

    def make_natural_questions(self):
        """Two of each kind: one question a kind would be few, and three would repeat the sentences."""
        for family in self.families:
            choices = [s for s in self.settled() if s.family is family]
            for s in self.random.sample(choices, 2):
                self.ask_later("natural", self.fill(family["natural"][0], s.person), s.memories)

    # ---- All ----------------------------------------------------------------------------------------------------

    def make(self):
        self.make_statements()
        self.make_noise()
        self.make_abstract()
        self.make_sessions()
        self.make_plain_questions()
        self.make_filtered_questions()
        self.make_multi_questions()
        self.make_natural_questions()
        self.memories.sort(key=lambda m: (m["payload"]["when"], m["coordinate"]))

    def write(self, folder):
        def lines(name, rows):
            text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            (folder / name).write_text(text, encoding="utf-8")

        lines("memories.jsonl", self.memories)
        rows = []
        for question in sorted(self.questions, key=lambda q: q["family"]):
            row = {"id": f"q{len(rows) + 1:03}", "family": question["family"], "question": question["question"]}
            if question["filter"]:
                row["filter"] = question["filter"]
            evidence = sorted(memory["coordinate"] for memory in question["evidence"])
            if not evidence:
                sys.exit(f"{row}: no evidence")
            rows.append(row | {"evidence": evidence})
        lines("questions.jsonl", rows)


if __name__ == "__main__":
    corpus = Corpus()
    corpus.make()
    corpus.write(HERE)
