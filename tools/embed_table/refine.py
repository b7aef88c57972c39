"""Second half of the fit: from least squares to what a search asks for, the direction of a text's vector and its order
among others.
"""
import numpy as np

TEMPERATURE = 0.05


def soft_neighbours(similarities):
    """Rows of probabilities: how likely each other text is the neighbour of this one."""
    np.fill_diagonal(similarities, -1)
    likely = np.exp((similarities - 1) / TEMPERATURE)
    return likely / likely.sum(1, keepdims=True)


def slope(vectors, target, order_share):
    """Of the loss by the unit vectors: 1 - cosine to the encoder's vector, and the cross entropy between the neighbours
    in the batch by the table and by the encoder.
    """
    cosine = -(1 - order_share) / len(vectors) * target
    off = soft_neighbours(vectors @ vectors.T) - soft_neighbours(target @ target.T)
    np.fill_diagonal(off, 0)
    return cosine + order_share / len(vectors) * (off @ vectors + off.T @ vectors)


def refine(table, x, target, epochs, rate, order_share, batch=2048, seed=5):
    """Adam, the rate falling to zero. x: mean_matrix(); target: rows of length one."""
    random_ = np.random.default_rng(seed)
    table = table.copy()
    mean, square = np.zeros_like(table), np.zeros_like(table)
    steps, step = epochs * (x.shape[0] // batch), 0
    rate *= table.std()
    for _ in range(epochs):
        order = random_.permutation(x.shape[0])
        for begin in range(0, len(order) - batch + 1, batch):
            some = order[begin:begin + batch]
            rows = x[some]
            sums = rows @ table
            length = np.linalg.norm(sums, axis=1, keepdims=True) + 1e-9
            vectors = sums / length
            by_vector = slope(vectors, target[some], order_share)
            by_sum = (by_vector - (by_vector * vectors).sum(1, keepdims=True) * vectors) / length
            gradient = rows.T @ by_sum
            step += 1
            mean *= 0.9
            mean += 0.1 * gradient
            square *= 0.99
            square += 0.01 * gradient * gradient
            falling = rate * (1 - (step - 1) / steps) / (1 - 0.9 ** step)
            table -= falling * mean / (np.sqrt(square / (1 - 0.99 ** step)) + 1e-8)
    return table
