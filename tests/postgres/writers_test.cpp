// Eight writers in three processes: who reads the changes of a space meanwhile sees each once, in order, without a gap and
// none late; and processes that lock the same spaces in another order do not fail each other.
#include "tests/postgres/own_schema.h"
#include "tests/seeded_random.h"

#include <fractal/format.h>
#include <fractal/postgres.h>

#include <doctest/doctest.h>

#include <sys/wait.h>
#include <unistd.h>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace fractal;

constexpr std::size_t spaces = 3, writes_each = 60;
constexpr const char* const url_variable = "FRACTAL_WRITERS_URL";
constexpr const char* const number_variable = "FRACTAL_WRITERS_FIRST";
constexpr const char* const threads_variable = "FRACTAL_WRITERS_THREADS";

Space space_of(std::size_t number) { return {.tenant = "shared", .name = fmt::format("space {}", number)}; }

std::shared_ptr<Storage> storage_at(const std::string& url) {
  return open_postgres_storage({.url = url, .durability = Durability::off}).value();
}

FractalMemory open(const std::string& url) {
  Options options;
  options.storage = storage_at(url);
  options.embedder = nullptr;
  return FractalMemory::open(options).value();
}

// Nothing is written twice: so each change stays the last one of its row.
Batch new_changes(testing::Random& random, std::size_t writer, std::size_t number) {
  Batch batch;
  const double w = static_cast<double>(writer), n = static_cast<double>(number);
  const std::size_t entries = 1 + random.below(4);
  for (std::size_t i = 0; i < entries; ++i) {
    const double k = static_cast<double>(i);
    if (random.one_in(4)) {
      batch.link({.from = {w, n}, .to = {w, n, k}, .type = "next"});
    } else {
      batch.store({.coordinate = {w, n, k}, .payload = fmt::format(R"({{"text":"tea {} {}"}})", writer, number)});
    }
  }
  return batch;
}

// "" or what went wrong.
std::string write_all(const FractalMemory& memory, std::size_t writer) {
  testing::Random random(writer);
  std::array<std::uint64_t, spaces> last{};
  for (std::size_t number = 0; number < writes_each; ++number) {
    const std::size_t space = random.below(spaces);
    const Batch batch = new_changes(random, writer, number);
    const auto applied = memory.in(space_of(space)).apply(batch);
    if (!applied) return applied.error().message;
    if (applied->written.front().sequence <= last[space]) return "a sequence number was given twice";
    last[space] = applied->sequence;
  }
  return {};
}

// The test program as another process: handles do not outlive a fork.
class Process {
 public:
  Process(const std::string& url, std::size_t first, std::size_t threads) {
    std::vector<std::string> words;
    for (char** word = environ; *word != nullptr; ++word) words.emplace_back(*word);
    words.push_back(fmt::format("{}={}", url_variable, url));
    words.push_back(fmt::format("{}={}", number_variable, first));
    words.push_back(fmt::format("{}={}", threads_variable, threads));
    std::vector<char*> environment;
    for (std::string& word : words) environment.push_back(word.data());
    environment.push_back(nullptr);
    std::array<const char*, 5> arguments{"writers", "--no-skip", "--minimal", "--test-case=writers of one process",
                                         nullptr};
    id_ = ::fork();
    REQUIRE(id_ >= 0);
    if (id_ != 0) return;
    ::execve("/proc/self/exe", const_cast<char**>(arguments.data()), environment.data());
    ::_exit(127);
  }
  Process(Process&& other) noexcept : id_(std::exchange(other.id_, -1)) {}
  Process& operator=(Process&&) = delete;
  ~Process() {
    if (id_ <= 0) return;
    ::kill(id_, SIGKILL);
    ::waitpid(id_, nullptr, 0);
  }

  // Whether all its checks held.
  bool ended_well() {
    int status = -1;
    const bool waited = ::waitpid(std::exchange(id_, -1), &status, 0) > 0;
    return waited && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }

 private:
  pid_t id_ = -1;
};

// Follows changes() of all spaces.
class Reader {
 public:
  explicit Reader(const std::string& url) : memory_(open(url)) {}

  void poll(testing::Random& random) {
    for (std::size_t space = 0; space < spaces; ++space) {
      const auto page = memory_.in(space_of(space)).changes(last_[space], 1 + random.below(50));
      if (!page) {
        wrong_.push_back(page.error().message);
        continue;
      }
      for (const Change& change : *page) {
        if (change.sequence != last_[space] + 1) {
          wrong_.push_back(fmt::format("space {}: {} after {}", space, change.sequence, last_[space]));
        }
        last_[space] = change.sequence;
        seen_[space].push_back(fmt::format("{} {} {}", to_string(change.kind), change.coordinate, change.to));
      }
    }
  }
  bool caught_up() const {
    for (std::size_t space = 0; space < spaces; ++space) {
      if (memory_.in(space_of(space)).stats().value().sequence != last_[space]) return false;
    }
    return true;
  }
  const std::array<std::vector<std::string>, spaces>& seen() const { return seen_; }
  const std::vector<std::string>& wrong() const { return wrong_; }

 private:
  FractalMemory memory_;
  std::array<std::uint64_t, spaces> last_{};
  std::array<std::vector<std::string>, spaces> seen_{};
  std::vector<std::string> wrong_{};
};

}  // namespace

// Not a test by itself: see Process.
TEST_CASE("writers of one process" * doctest::skip()) {
  const char* const url = std::getenv(url_variable);
  if (url == nullptr) return;
  const std::size_t first = testing::number_from_environment(number_variable, 0);
  const FractalMemory memory = open(url);
  std::vector<std::string> faults(testing::number_from_environment(threads_variable, 1));
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < faults.size(); ++i) {
    threads.emplace_back([&, i] { faults[i] = write_all(memory, first + i); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& fault : faults) CHECK(fault == "");
}

TEST_CASE("changes() of three spaces, to which eight writers in three processes write") {
  const testing::OwnSchema schema;
  std::vector<Reader> readers;
  for (int i = 0; i < 2; ++i) readers.emplace_back(schema.url());
  std::atomic<bool> writing = true;
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < readers.size(); ++i) {
    threads.emplace_back([&, i] {
      testing::Random random(i);
      do { readers[i].poll(random); } while (writing || !readers[i].caught_up());
    });
  }
  {
    std::vector<Process> processes;
    processes.emplace_back(schema.url(), 0, 3);
    processes.emplace_back(schema.url(), 3, 3);
    processes.emplace_back(schema.url(), 6, 2);
    for (Process& process : processes) CHECK(process.ended_well());
  }
  writing = false;
  for (std::thread& thread : threads) thread.join();

  const FractalMemory memory = open(schema.url());
  std::size_t written = 0;
  for (const Reader& reader : readers) {
    for (const std::string& wrong : reader.wrong()) CHECK(wrong == "");
    CHECK(reader.seen() == readers.front().seen());
  }
  for (std::size_t space = 0; space < spaces; ++space) {
    const auto stats = memory.in(space_of(space)).stats().value();
    CHECK(stats.sequence == stats.memories + stats.links);
    CHECK(readers.front().seen()[space].size() == stats.sequence);
    written += stats.sequence;
  }
  CHECK(written >= 8 * writes_each);
  CHECK(memory.verify().value().problems == std::vector<std::string>{});
}

TEST_CASE("programs that open an empty database at the same moment make its tables once") {
  for (const bool row_security : {false, true}) {
    for (int round = 0; round < 10; ++round) {
      const testing::OwnSchema schema;
      std::vector<std::string> wrong(6);
      std::vector<std::thread> threads;
      for (std::size_t i = 0; i < wrong.size(); ++i) {
        threads.emplace_back([&, i] {
          const auto storage = open_postgres_storage({.url = schema.url(), .row_security = row_security});
          const auto memory = storage ? FractalMemory::open({.embedder = nullptr, .storage = *storage})
                                      : Result<FractalMemory>(storage.error());
          const auto stored = memory ? memory->store({.coordinate = {static_cast<double>(i)}, .payload = "{}"})
                                     : Result<Written>(memory.error());
          if (!stored) wrong[i] = stored.error().message;
        });
      }
      for (std::thread& thread : threads) thread.join();
      for (const std::string& text : wrong) CHECK(text == "");
      CHECK(open(schema.url()).stats().value().memories == wrong.size());
    }
  }
}

// Each commit has both spaces in it, and each storage, a process so to say, asks for them in its own order.
TEST_CASE("commits of two processes over the same spaces in opposite order") {
  const testing::OwnSchema schema;
  constexpr std::size_t rounds = 100;
  const std::array<Expected, 2> both{Expected{.space = space_of(0)}, Expected{.space = space_of(1)}};
  std::array<std::shared_ptr<Storage>, 2> storages{storage_at(schema.url()), storage_at(schema.url())};
  std::array<std::string, 2> faults;
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < storages.size(); ++i) {
    threads.emplace_back([&, i] {
      for (std::size_t round = 0; round < rounds && faults[i].empty(); ++round) {
        std::vector<WriteStep> steps;
        for (std::size_t k = 0; k < both.size(); ++k) {
          const Expected& expected = both[i == 0 ? k : both.size() - 1 - k];
          steps.push_back({.run = [&expected](WriteTransaction& transaction) -> Result<void> {
                             auto record = transaction.space(expected.space);
                             if (!record) return record.error();
                             ++(*record)->sequence;
                             return {};
                           },
                           .expected = &expected});
        }
        const auto applied = storages[i]->apply(steps);
        if (!applied) faults[i] = applied.error().message;
        for (const WriteStep& step : steps) {
          if (!step.outcome && faults[i].empty()) faults[i] = step.outcome.error().message;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& fault : faults) CHECK(fault == "");
  for (const Expected& one : both) CHECK(storages[0]->read(one.space).value()->space().sequence == 2 * rounds);
}

// The server ends a session that is idle in a transaction for too long, and undoes what it did: it may be done again.
TEST_CASE("who takes too long over a commit is told to try again, and nothing is done") {
  const testing::OwnSchema schema;
  const auto storage = storage_at(schema.url());
  const auto slow =
      open_postgres_storage({.url = schema.url(), .call_timeout = std::chrono::milliseconds(200)}).value();
  const auto count_slowly = [](WriteTransaction& transaction) -> Result<void> {
    auto record = transaction.space(space_of(0));
    if (!record) return record.error();
    ++(*record)->sequence;
    std::this_thread::sleep_for(std::chrono::milliseconds(1'000));
    return {};
  };
  std::vector<WriteStep> steps{{.run = count_slowly}};
  const auto applied = slow->apply(steps);
  REQUIRE_FALSE(applied.has_value());
  CHECK_MESSAGE(applied.error().code == Errc::unavailable, applied.error().message);
  CHECK(storage->read(space_of(0)).value()->space().sequence == 0);
}

// What a failed step has locked is free again: the next step must not go by what the failed one has read.
TEST_CASE("a step that failed leaves nothing behind by which a number could be given twice") {
  const testing::OwnSchema schema;
  const auto storage = storage_at(schema.url());
  const auto other =
      open_postgres_storage(
          {.url = schema.url(), .durability = Durability::off, .call_timeout = std::chrono::milliseconds(200)})
          .value();
  const Space space = space_of(0);
  const auto count = [&space](WriteTransaction& transaction) -> Result<void> {
    auto record = transaction.space(space);
    if (!record) return record.error();
    ++(*record)->sequence;
    return {};
  };
  const auto apply = [](Storage& to, std::vector<WriteStep> steps) { return to.apply(steps); };
  apply(*storage, {{.run = count}}).value();
  std::uint64_t counted = 1;
  const auto count_and_fail = [&](WriteTransaction& transaction) -> Result<void> {
    count(transaction).value();
    return Error{Errc::conflict, "not this one"};
  };
  // Either the other one waits in vain, or it is done first. What is asked of the server sends the end of the failed step.
  const std::uint64_t number = storage->read(space).value()->space().number;
  const auto count_after_other = [&](WriteTransaction& transaction) -> Result<void> {
    transaction.find(number, "no key", Columns::header).value();
    if (apply(*other, {{.run = count}})) ++counted;
    return count(transaction);
  };
  std::vector<WriteStep> steps{{.run = count_and_fail}, {.run = count_after_other}};
  REQUIRE(storage->apply(steps));
  CHECK_FALSE(steps[0].outcome);
  REQUIRE(steps[1].outcome);
  ++counted;
  CHECK(storage->read(space).value()->space().sequence == counted);
}
