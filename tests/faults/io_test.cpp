// Every write, sync, truncation and opening of a file that SQLite does for a workload fails once, and for ever.
#include "tests/faults/trial.h"

#include <fractal/format.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <utility>

namespace fractal::testing {
namespace {

constexpr std::uint64_t most_calls = 400;  // of one kind in one workload

// Each n, or each `stride`-th.
void fail_each(Workload work, Io kind, std::uint64_t stride = 1, Failure failure = Failure::error) {
  const std::string name = work.name;
  Trials trials(std::move(work));
  std::uint64_t run = 0, longest = 0;
  for (const Lasting lasting : {Lasting::once, Lasting::for_ever}) {
    std::uint64_t n = 1;
    while (trials.run({kind, n, lasting, failure})) {
      ++run;
      longest = std::max(longest, n);
      n += stride;
    }
  }
  MESSAGE(fmt::format("{}: {} trials, {} calls of {}, {} errors", name, run, longest, name_of(kind), trials.errors()));
  CHECK(longest < most_calls * stride);
  CHECK(run >= 2);
  CHECK(trials.errors() > 0);
}

TEST_CASE("each write fails") {
  fail_each(fill_workload(), Io::write);
  fail_each(change_workload(), Io::write);
  fail_each(upkeep_workload(), Io::write);
}

TEST_CASE("each sync fails") {
  fail_each(fill_workload(), Io::sync);
  fail_each(change_workload(), Io::sync);
  fail_each(upkeep_workload(), Io::sync);
}

TEST_CASE("each truncation fails") { fail_each(upkeep_workload(), Io::truncate); }

TEST_CASE("each opening of a file fails") {
  fail_each(fill_workload(), Io::open);
  fail_each(change_workload(), Io::open);
  fail_each(upkeep_workload(), Io::open);
}

TEST_CASE("reads fail") {
  fail_each(fill_workload(), Io::read);
  fail_each(change_workload(), Io::read, 3);
  fail_each(upkeep_workload(), Io::read, 7);
}

TEST_CASE("locks and the shared index of the log fail") {
  fail_each(fill_workload(), Io::lock, 11);
  fail_each(change_workload(), Io::lock, 11);
  fail_each(fill_workload(), Io::map);
}

TEST_CASE("removing a file fails") { fail_each(upkeep_workload(), Io::remove); }

}  // namespace
}  // namespace fractal::testing
