"""Conversational sentences for the fit, made from carriers of our own and the vocabulary's words: what WordNet's glosses
lack is I, you, questions, names and numbers. They need not make sense: the encoder tells what it makes of them.
"""
import random

CARRIERS = """
I really like {w} and {w}.|My {w} is called {n}.|What is the {w} of {n}?|Where did {n} put the {w}?
{n} told me about the {w} in {n}.|When does the {w} begin?|Who is responsible for the {w}?|Do you remember my {w}?
We went to {n} with {n} in {y}.|I think the {w} was too {w}.|Can you help me with my {w} {w}?
The {w} costs {d} dollars.|How much is the {w}?|{n} wants to {w} the {w} tomorrow.|Why was the {w} {w}?
I don't want to {w} any more.|Please remind me to {w} on {t}.|{n} works at {n} as a {w}.|She said she would {w} the {w}.
Did {n} ever {w} a {w}?|The meeting about {w} is on {t} at {d}.|My favourite {w} is {w}.|What does {n} think of {w}?
Our {w} broke last {t}, so we bought a new one.|I prefer {w} to {w}.|{n} lives in {n} near the {w}.
There are {d} {w} in the {w}.|How do I {w} my {w}?|Which {w} did we choose for the {w}?|Tell me more about {w}.
We decided to use {w} instead of {w}.|I was born in {n} in {y}.|Is {n} still {w}?|{n}'s {w} is {w} and {w}.
You should never {w} a {w}.|I feel {w} when I {w}.|It is all about {w}.|Thanks, the {w} was very {w}!|{w} {w} {w}|{w} {w}
{n} and {n} argued about the {w}.|I have been {w} for {d} years.|The {w} failed because of the {w}.|Who gave {n} the {w}?
What happened to the {w} after {n} left?|My {w} has a problem with {w}.|He can't {w} because of his {w}.
""".replace("\n", "|").split("|")
CARRIERS = [each for each in CARRIERS if each]
TIMES = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday January March June September December".split()


def phrases(vocabulary, count, seed=11):
    random_ = random.Random(seed)
    words = [word for word in vocabulary[1996:] if word.isascii() and word.isalpha() and len(word) > 2]
    def word():  # from common to rare, the common ones more often
        return words[int(len(words) * random_.random() ** 1.5)]
    fill = {"w": word, "n": lambda: word().capitalize(), "d": lambda: str(random_.randint(2, 999)),
            "y": lambda: str(random_.randint(1900, 2025)), "t": lambda: random_.choice(TIMES)}
    out = []
    for _ in range(count):
        text = random_.choice(CARRIERS)
        while "{" in text:
            at = text.index("{")
            text = text[:at] + fill[text[at + 1]]() + text[at + 3:]
        out.append(text)
    return out
