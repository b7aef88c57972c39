// Questions like those that users ask, made of stored vectors: near them, but not among them.
#ifndef FRACTAL_SRC_NOISY_H
#define FRACTAL_SRC_NOISY_H

#include <random>
#include <span>
#include <vector>

namespace fractal {

// The vector and noise of 1.3 times its length, brought back to its length: such questions need about the ef that
// sentences need among the embeddings of others (docs/benchmarks.md).
std::vector<float> noisy(std::span<const float> vector, std::mt19937_64& random);

}  // namespace fractal

#endif
