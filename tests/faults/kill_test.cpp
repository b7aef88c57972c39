// A process that writes is killed at random moments. What it acknowledged is there, and the write after that is there
// as a whole or not at all. FRACTAL_KILLS sets how often, FRACTAL_SEED brings the moments back (roughly).
#include "tests/faults/picture.h"
#include "tests/seeded_random.h"
#include "tests/temporary_folder.h"

#include <fractal/format.h>

#include <doctest/doctest.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace fractal::testing {
namespace {

constexpr std::uint64_t kills_by_default = 120;
constexpr int kills_a_file = 12;
constexpr const char* path_variable = "FRACTAL_KILL_PATH";
constexpr const char* pipe_variable = "FRACTAL_KILL_PIPE";
const Coordinate marker_at{-1};

// Write number b: rows, vectors, words and links, an update, a removal, and the marker that says b.
Batch write_number(int b) {
  Batch batch;
  const int first = 10 * b;
  for (int i = first; i < first + 4; ++i) batch.store(numbered_memory(i));
  for (int i = first; i < first + 3; ++i) {
    batch.link({.from = numbered_memory(i).coordinate, .to = numbered_memory(i + 1).coordinate, .type = "next"});
  }
  batch.store({.coordinate = marker_at, .payload = fmt::format(R"({{"written":{}}})", b)});
  if (b < 3) return batch;
  batch.update(numbered_memory(first - 10).coordinate,
               {.payload = R"({"text":"common update"})", .embedding = numbered_vector(b)});
  batch.remove(numbered_memory(first - 17).coordinate);  // with its link
  return batch;
}

// Its effect is the same whenever a process is killed in it.
void do_upkeep(const FractalMemory& memory, int b) {
  if (b % 7 == 0) memory.maintain({.purge = b % 14 == 0}).value();
  if (b % 11 == 0) memory.create_index("year").value();
}

int last_written(const FractalMemory& memory) {
  const auto marker = memory.retrieve(marker_at);
  if (!marker) {
    REQUIRE(marker.error().code == Errc::not_found);
    return 0;
  }
  return std::atoi(marker->payload.c_str() + std::strlen(R"({"written":)"));
}

// With graphs from the first rows on, built and published by a thread behind the writes and by maintain().
Options options_for(const std::string& path) {
  Options options = standing_clock({.path = path});
  options.index = {.graph_from = 40, .m = 4, .ef_construction = 20};
  return options;
}

// Runs in the process that is killed.
TEST_CASE("the writer" * doctest::skip()) {
  const char* const path = std::getenv(path_variable);
  const char* const pipe = std::getenv(pipe_variable);
  if (path == nullptr || pipe == nullptr) return;
  const int out = std::atoi(pipe);
  const FractalMemory memory = FractalMemory::open(options_for(path)).value();
  for (int b = last_written(memory) + 1;; ++b) {
    memory.apply(write_number(b)).value();
    if (::write(out, &b, sizeof b) != sizeof b) std::_Exit(1);
    do_upkeep(memory, b);
  }
}

// The writer as a new program: handles do not outlive a fork.
class Writer {
 public:
  explicit Writer(const std::string& path) {
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    std::vector<std::string> words;
    for (char** word = environ; *word != nullptr; ++word) words.emplace_back(*word);
    words.push_back(fmt::format("{}={}", path_variable, path));
    words.push_back(fmt::format("{}={}", pipe_variable, ends[1]));
    std::vector<char*> environment;
    for (std::string& word : words) environment.push_back(word.data());
    environment.push_back(nullptr);
    std::array<const char*, 4> arguments{"writer", "--no-skip", "--test-case=the writer", nullptr};
    child_ = ::fork();
    REQUIRE(child_ >= 0);
    if (child_ == 0) {
      ::fcntl(ends[1], F_SETFD, 0);
      const int nowhere = ::open("/dev/null", O_WRONLY);
      ::dup2(nowhere, STDOUT_FILENO);
      ::execve("/proc/self/exe", const_cast<char**>(arguments.data()), environment.data());
      ::_exit(127);
    }
    ::close(ends[1]);
    in_ = ends[0];
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer() {
    if (child_ > 0) kill_it();
    ::close(in_);
  }

  // Waits for the next acknowledgement; false: the writer ended by itself.
  bool await() {
    int b = 0;
    const bool there = ::read(in_, &b, sizeof b) == sizeof b;
    if (there) acknowledged_ = b;
    return there;
  }
  // Kills it and reads what it had acknowledged.
  void kill_it() {
    ::kill(child_, SIGKILL);
    int status = 0;
    ::waitpid(child_, &status, 0);
    killed_ = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    child_ = -1;
    while (await()) {}
  }
  bool killed() const { return killed_; }
  int acknowledged() const { return acknowledged_; }

 private:
  pid_t child_ = -1;
  int in_ = -1;
  int acknowledged_ = 0;
  bool killed_ = false;
};

// The same writes in memory, as far as the file has come.
class Model {
 public:
  Model() : memory_(FractalMemory::open(standing_clock({})).value()) {}
  std::string picture_after(int b, bool indexed) {
    while (written_ < b) memory_.apply(write_number(++written_)).value();
    if (indexed) memory_.create_index("year").value();
    return picture(memory_).value();
  }

 private:
  FractalMemory memory_;
  int written_ = 0;
};

// What the file says of the graph, whichever step of its making the kill came in, finds every row with its score.
bool check_graph(const FractalMemory& memory, int written) {
  for (int i = 10 * written; i < 10 * written + 4; ++i) {
    const auto question = numbered_memory(i).embedding;
    const auto found = memory.search(question, {.top_k = 3}).value();
    const auto truth = memory.search(question, {.top_k = 100'000, .exact = true}).value();
    CHECK(found.matched == truth.matched);
    REQUIRE(found.hits.size() == std::min<std::size_t>(3, truth.matched));
    for (const auto& hit : found.hits) {
      const auto same = std::find_if(truth.hits.begin(), truth.hits.end(), [&](const auto& other) {
        return other.memory.coordinate == hit.memory.coordinate;
      });
      REQUIRE(same != truth.hits.end());
      CHECK(same->score == hit.score);
    }
  }
  return memory.stats().value().graph_vectors > 0;
}

// Whether it came with a graph.
bool check_file(const std::string& path, int acknowledged, Model& model) {
  const auto memory = FractalMemory::open(options_for(path));
  if (!memory) FAIL("reopen: " << memory.error().message);
  const int written = last_written(*memory);
  CHECK(written >= acknowledged);
  CHECK(written <= acknowledged + 1);
  const bool indexed = !memory->stats().value().indexed_fields.empty();
  const std::string expected = model.picture_after(written, indexed), seen = picture(*memory).value();
  CHECK(seen == expected);
  const auto clean = verified(*memory);
  if (!clean) FAIL(clean.error().message);
  if (written == 0) return false;
  // Words and vectors find the rows of the last write.
  for (int i = 10 * written; i < 10 * written + 4; ++i) {
    const Memory stored = numbered_memory(i);
    const auto words =
        memory->search(fmt::format("{} {}", numbered_word(i), i), {.top_k = 1, .within = stored.coordinate});
    REQUIRE(words.has_value());
    CHECK(words->hits.size() == 1);
    const auto vectors = memory->search(stored.embedding, {.top_k = 1, .within = stored.coordinate});
    REQUIRE(vectors.has_value());
    CHECK(vectors->hits.size() == 1);
  }
  return check_graph(*memory, written);
}

TEST_CASE("a writer is killed at random moments") {
  const std::uint64_t seed = announced_seed("faults_kill");
  const std::uint64_t kills = number_from_environment("FRACTAL_KILLS", kills_by_default);
  Random random(seed);
  std::optional<TemporaryFolder> folder;
  std::optional<Model> model;
  std::uint64_t writes = 0, during_upkeep = 0, graphs = 0;
  int acknowledged = 0;
  for (std::uint64_t k = 0; k < kills; ++k) {
    INFO("FRACTAL_SEED=" << seed << " kill " << k);
    if (k % kills_a_file == 0) {
      folder.emplace();
      model.emplace();
      acknowledged = 0;
    }
    const std::string path = folder->file("killed.db");
    Writer writer(path);
    // Now and then before its first write, in the making of the file or its recovery.
    bool alive = true;
    if (!random.one_in(8)) {
      for (std::size_t left = 1 + random.below(12); alive && left > 0; --left) alive = writer.await();
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random.below(random.coin() ? 1'000 : 30'000)));
    writer.kill_it();
    REQUIRE(writer.killed());
    if (writer.acknowledged() != 0) {
      writes += static_cast<std::uint64_t>(writer.acknowledged() - acknowledged);
      acknowledged = writer.acknowledged();
    }
    if (acknowledged != 0 && acknowledged % 7 == 0) ++during_upkeep;
    if (check_file(path, acknowledged, *model)) ++graphs;
    // check_file() saw that an unacknowledged write may be there: the next writer goes on after it.
    acknowledged = last_written(FractalMemory::open(options_for(path)).value());
  }
  MESSAGE(fmt::format("{} kills, {} acknowledged writes, {} kills in or near upkeep, {} files with a graph", kills,
                      writes, during_upkeep, graphs));
  CHECK(graphs > kills / 10);
  CHECK(writes > kills);
}

}  // namespace
}  // namespace fractal::testing
