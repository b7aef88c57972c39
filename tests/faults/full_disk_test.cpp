// A full disk: a clear `io` error, nothing half-written, and everything works again when there is room.
#include "tests/faults/picture.h"
#include "tests/faults/trial.h"

#include <fractal/format.h>

#include <doctest/doctest.h>

#include <signal.h>
#include <sys/resource.h>

#include <string>
#include <utility>

namespace fractal::testing {
namespace {

void fill_up_at_each_write(Workload work) {
  const std::string name = work.name;
  Trials trials(std::move(work));
  std::uint64_t run = 0;
  for (const Lasting lasting : {Lasting::once, Lasting::for_ever}) {
    // Each second write: that each one can fail is seen in faults_io.
    for (std::uint64_t n = 1; trials.run({Io::write, n, lasting, Failure::disk_full}); n += 2) ++run;
  }
  MESSAGE(fmt::format("{}: {} trials, {} errors", name, run, trials.errors()));
  CHECK(run > 100);
  CHECK(trials.errors() > 0);
}

TEST_CASE("the disk is full at a write") {
  fill_up_at_each_write(change_workload());
  fill_up_at_each_write(upkeep_workload());
}

TEST_CASE("a full disk is told as such") {
  FaultVfs vfs;
  TemporaryFolder folder;
  const FractalMemory memory = FractalMemory::open(standing_clock({.path = folder.file("full.db")})).value();
  memory.store(numbered_memory(1)).value();
  vfs.fail(Io::write, 1, Lasting::for_ever, Failure::disk_full);
  for (int i = 2; i < 6; ++i) {
    const auto stored = memory.store(numbered_memory(i));
    REQUIRE_FALSE(stored.has_value());
    CHECK(stored.error().code == Errc::io);
    CHECK(stored.error().message.find("full") != std::string::npos);
    CHECK(stored.error().message.find("full.db") != std::string::npos);
    CHECK(memory.retrieve(numbered_memory(i).coordinate).error().code == Errc::not_found);
    CHECK(memory.retrieve(numbered_memory(1).coordinate).has_value());
  }
  vfs.heal();
  CHECK(memory.store(numbered_memory(2)).has_value());
  CHECK(verified(memory).has_value());
}

// The limit on the size of a file, as a disk of that size.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &before_) == 0);
    before_handler_ = ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes, before_.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, before_handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
  void (*before_handler_)(int) = SIG_DFL;
};

Batch batch_of(int first) {
  Batch batch;
  for (int i = first; i < first + 10; ++i) batch.store(numbered_memory(i));
  return batch;
}

TEST_CASE("no file may grow: the operating system's own refusal") {
  for (const rlim_t limit : {64 << 10, 200 << 10, 300'001, 512 << 10, 777'777}) {
    INFO("limit " << limit);
    TemporaryFolder folder;
    const std::string path = folder.file("full.db");
    const Options options = standing_clock({.path = path, .durability = Durability::off});
    const FractalMemory model = FractalMemory::open(standing_clock({})).value();
    Result<FractalMemory> memory = Error{};
    int batches = 0;
    {
      const FileSizeLimit full(limit);
      memory = FractalMemory::open(options);
      for (int failures = 0; memory && failures < 3 && batches < 1000;) {
        const auto applied = memory->apply(batch_of(10 * batches));
        if (applied) {
          model.apply(batch_of(10 * batches++)).value();
          continue;
        }
        ++failures;
        CHECK(applied.error().code == Errc::io);
        CHECK(picture(*memory).value() == picture(model).value());
      }
      CHECK(batches < 1000);
      if (!memory) CHECK(memory.error().code == Errc::io);
    }
    // Room again: on the same handle, and on a new one.
    if (!memory) memory = FractalMemory::open(options);
    REQUIRE(memory.has_value());
    for (int more = 0; more < 5; ++more) {
      memory->apply(batch_of(10 * batches)).value();
      model.apply(batch_of(10 * batches++)).value();
    }
    CHECK(picture(*memory).value() == picture(model).value());
    memory = Error{};
    const FractalMemory reopened = FractalMemory::open(options).value();
    CHECK(picture(reopened).value() == picture(model).value());
    const auto clean = verified(reopened);
    if (!clean) FAIL(clean.error().message);
  }
}

}  // namespace
}  // namespace fractal::testing
