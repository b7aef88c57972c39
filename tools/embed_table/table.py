"""A static embedder as arrays: a text's vector is the sum over its tokens of weight * vector, made length one."""
import numpy as np
import scipy.sparse

FREQUENT = 0.07  # share of the commonest word; the k-th has FREQUENT / k^0.9 or so: Zipf's law
FIRST_WORD = 1996  # number of "the", the commonest: behind it the vocabulary goes from common to rare


def count_matrix(ids, tokens):
    """Sparse [texts][tokens]: how often each token stands in each text."""
    lengths = np.fromiter((len(each) for each in ids), int, len(ids))
    columns = np.fromiter((i for each in ids for i in each), np.int32, lengths.sum())
    rows = np.repeat(np.arange(len(ids)), lengths)
    data = np.ones(len(columns), np.float32)
    return scipy.sparse.csr_matrix((data, (rows, columns)), (len(ids), tokens))


def speaking_tokens(vocabulary):
    """False for [PAD], [unused7] and their like, which no text has."""
    return np.array([not (word.startswith("[") and word.endswith("]") and len(word) > 2) for word in vocabulary])


def mean_matrix(counts, weights):
    """Rows that sum to one: the weighted mean of a text's tokens."""
    weighted = counts.multiply(weights.astype(np.float32)).tocsr()
    total = np.asarray(weighted.sum(1)).ravel()
    return scipy.sparse.diags(1 / np.maximum(total, 1e-12)).dot(weighted).astype(np.float32).tocsr()


def unit(rows):
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def conjugate_gradient(x, target, prior, ridge, steps):
    """argmin |x t - target|^2 + ridge |t - prior|^2, all columns at once, beginning at the prior."""
    transposed = x.T.tocsr()
    change = np.zeros_like(prior)
    rest = transposed @ (target - x @ prior)
    direction = rest.copy()
    square = (rest * rest).sum(0)
    for _ in range(steps):
        image = transposed @ (x @ direction) + ridge * direction
        step = square / np.maximum((direction * image).sum(0), 1e-30)
        change += step * direction
        rest -= step * image
        new_square = (rest * rest).sum(0)
        direction = rest + new_square / np.maximum(square, 1e-30) * direction
        square = new_square
    return prior + change
