"""How good a table is: several tasks, none of whose texts it was fitted on (but for the base set of `queries`, when the
table was made of all of WordNet)."""
import pathlib

import numpy as np
import scipy.sparse

from encoder import token_ids
from table import count_matrix, unit

HERE = pathlib.Path(__file__).parent


def nearest(queries, documents, k, but=None):
    scores = queries @ documents.T
    if but is not None:
        scores[np.arange(len(queries)), but] = -9
    return np.argpartition(-scores, k, axis=1)[:, :k], scores


def overlap(found, truth):
    return float(np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found, truth)]))


def ranks(scores, own):
    return (scores > scores[np.arange(len(own)), own][:, None]).sum(1)


class Tasks:
    """queries: recall@10 of the encoder's ten nearest of 100,000 synsets, for 1,000 sentences.
    definitions: a held-out definition finds the words it defines among the held-out ones: share in the first ten.
    held: recall@10 of the encoder's neighbours among held-out glosses.
    chat: recall@10 of the encoder's neighbours among sentences of conversations; chat_r: correlation of the scores.
    pairs: a question finds its fact (pairs.tsv) among them and the chat sentences: first, and mean reciprocal rank.
    """

    def __init__(self, corpus, embeddings, held, tokens, chat, encoder):
        self.corpus, self.held, self.target = corpus, held, embeddings
        def counts(texts):
            return count_matrix(token_ids(texts), tokens)
        self.counts = counts(corpus.texts)
        texts, _, self.truth = corpus.queries()
        self.queries = counts(texts)
        words, definitions = zip(*corpus.definitions())
        self.own = np.arange(0, len(held), 6)
        self.words = counts([words[i] for i in held])
        self.definitions = counts([definitions[i] for i in held[self.own]])
        pairs = [line.split("\t") for line in (HERE / "pairs.tsv").read_text(encoding="utf-8").splitlines()]
        facts, questions = zip(*pairs)
        self.chat, self.facts, self.questions = counts(chat), counts(facts), counts(questions)
        self.chat_target = encoder.encode(chat)
        self.couples = np.random.default_rng(3).integers(0, len(chat), (20000, 2))

    def figures(self, vectors):
        """vectors [tokens][dimension], weights included."""
        def embed(counts):
            return unit(counts @ vectors)
        result = {}
        base = self.corpus.base
        found, _ = nearest(embed(self.queries), embed(self.counts[base]), 10)
        result["queries"] = overlap(base[found], self.truth)
        _, scores = nearest(embed(self.definitions), embed(self.words), 10)
        result["definitions"] = float((ranks(scores, self.own) < 10).mean())
        some = np.arange(0, len(self.held), 12)
        glosses, target = embed(self.counts[self.held]), self.target[self.held]
        result["held"] = overlap(nearest(glosses[some], glosses, 10, some)[0],
                                 nearest(target[some], target, 10, some)[0])
        some = np.arange(0, len(self.chat_target), 3)
        chat = embed(self.chat)
        result["chat"] = overlap(nearest(chat[some], chat, 10, some)[0],
                                 nearest(self.chat_target[some], self.chat_target, 10, some)[0])
        left, right = self.couples.T
        result["chat_r"] = float(np.corrcoef((chat[left] * chat[right]).sum(1),
                                             (self.chat_target[left] * self.chat_target[right]).sum(1))[0, 1])
        _, scores = nearest(embed(self.questions), embed(scipy.sparse.vstack([self.facts, self.chat])), 10)
        rank = ranks(scores, np.arange(self.facts.shape[0]))
        result["pairs@1"], result["pairs@10"] = float((rank < 1).mean()), float((rank < 10).mean())
        result["pairs_mrr"] = float((1 / (1 + rank)).mean())
        return result
