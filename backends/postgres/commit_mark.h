// Whether a commit happened whose answer was lost with the connection.
#ifndef FRACTAL_BACKENDS_POSTGRES_COMMIT_MARK_H
#define FRACTAL_BACKENDS_POSTGRES_COMMIT_MARK_H

#include "backends/postgres/pool.h"

#include <cstdint>
#include <string>

namespace fractal::postgres_backend {

// Each commit leaves its token in the row of every space that it changed: the last tokens, the newest first, and how many
// commits there were. Unlike a transaction's number it is still right on another server that took over.
struct CommitMark {
  std::uint64_t space = 0;    // its number; 0: the commit changed no space
  std::uint64_t commits = 0;  // of the space before
  std::string token{};
};

inline constexpr std::size_t token_bytes = 8;  // save_space keeps 32 of them

std::string make_token();

// Waits until the server has ended that transaction, one way or the other: its row was locked. `unavailable`: it cannot be
// known.
Result<bool> was_committed(Pool& pool, const CommitMark& mark);

}  // namespace fractal::postgres_backend

#endif
