// The steps of one commit.
#ifndef FRACTAL_BACKENDS_POSTGRES_WRITE_TRANSACTION_H
#define FRACTAL_BACKENDS_POSTGRES_WRITE_TRANSACTION_H

#include <fractal/backend.h>

#include "backends/postgres/commit_mark.h"
#include "backends/postgres/connection.h"

#include <chrono>
#include <optional>
#include <span>

namespace fractal::postgres_backend {

// How a transaction ended that is not known to be committed.
struct Attempt {
  Result<void> outcome{};                  // as of Storage::apply
  bool may_repeat = false;                 // it failed, nothing was committed, and another attempt may do
  std::optional<CommitMark> unanswered{};  // the connection went while the server committed, or had not begun to
};

struct TransactionOptions {
  std::chrono::milliseconds idle_timeout;  // then the server undoes what it hears nothing more of
  bool row_security;                       // the tables have it
};

// As Storage::apply.
Attempt run_steps(Connection& writer, std::span<WriteStep> steps, const TransactionOptions& options);

}  // namespace fractal::postgres_backend

#endif
