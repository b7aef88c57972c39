// Several processes on one file: what one acknowledged is in the next search of the others, writers wait for each other
// and never fail, a killed one harms nobody, and the index's pages are there once for all.
#include "tests/seeded_random.h"
#include "tests/temporary_folder.h"

#include <fractal/format.h>
#include <fractal/fractal_memory.h>

#include <doctest/doctest.h>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <new>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using fractal::Coordinate;
using fractal::FractalMemory;

constexpr std::size_t dimension = 24, most_processes = 4;
constexpr std::uint64_t places = 3000;

// What the processes share.
struct Board {
  std::atomic<bool> stop{false};
  std::atomic<std::uint32_t> ready{0};
  std::array<std::atomic<std::uint64_t>, most_processes> acknowledged{}, asked{}, missed{};
  std::array<std::array<char, 400>, most_processes> faults{};

  void report(std::size_t process, const std::string& fault) {
    std::strncpy(faults[process].data(), fault.c_str(), faults[process].size() - 1);
  }
};

class SharedBoard {
 public:
  SharedBoard() : memory_(::mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
    REQUIRE(memory_ != MAP_FAILED);
    board_ = new (memory_) Board;
  }
  SharedBoard(const SharedBoard&) = delete;
  SharedBoard& operator=(const SharedBoard&) = delete;
  ~SharedBoard() { ::munmap(memory_, sizeof(Board)); }
  Board& operator*() const { return *board_; }
  Board* operator->() const { return board_; }

 private:
  void* memory_;
  Board* board_;
};

// Does its work in a process of its own, which opens what it needs itself.
class Process {
 public:
  explicit Process(const std::function<void()>& work) : id_(::fork()) {
    REQUIRE(id_ >= 0);
    if (id_ != 0) return;
    work();
    std::_Exit(0);
  }
  Process(Process&& other) noexcept : id_(std::exchange(other.id_, -1)) {}
  Process& operator=(Process&&) = delete;
  ~Process() { kill(); }

  // Whether it came to its end by itself.
  bool ended_well() {
    int status = -1;
    const bool waited = ::waitpid(std::exchange(id_, -1), &status, 0) > 0;
    return waited && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }
  void kill() {
    if (id_ <= 0) return;
    ::kill(id_, SIGKILL);
    ::waitpid(std::exchange(id_, -1), nullptr, 0);
  }

 private:
  pid_t id_;
};

fractal::Options options_for(const std::string& path) {
  fractal::Options options{.path = path, .durability = fractal::Durability::normal};
  options.embedder = nullptr;
  options.index.graph_from = 500;
  options.index.m = 8;
  options.index.ef_construction = 60;
  options.busy_timeout = std::chrono::seconds(60);
  return options;
}

std::vector<float> vector_of(std::uint64_t number) {
  std::mt19937_64 random(number);
  std::normal_distribution<float> normal;
  std::vector<float> vector(dimension);
  for (float& x : vector) x = normal(random);
  return vector;
}

fractal::Memory memory_of(std::uint64_t number, const Coordinate& place) {
  return {.coordinate = place, .payload = fmt::format(R"({{"n":{}}})", number), .embedding = vector_of(number)};
}

std::uint64_t number_in(const fractal::Memory& memory) { return std::stoull(memory.payload.substr(5)); }

Coordinate place_of(std::uint64_t number) { return {static_cast<double>(number % places)}; }

void write_on(const std::string& path, Board& board) {
  const auto memory = FractalMemory::open(options_for(path)).value();
  for (std::uint64_t number = 1; !board.stop; ++number) {
    if (const auto stored = memory.store(memory_of(number, place_of(number))); !stored) {
      return board.report(0, stored.error().message);
    }
    board.acknowledged[0] = number;
  }
}

// "" or what was wrong.
std::string look_for(const FractalMemory& memory, std::uint64_t number, bool exact,
                     std::atomic<std::uint64_t>& missed) {
  const auto found = memory.search(vector_of(number), {.top_k = 1, .exact = exact});
  if (!found) return found.error().message;
  const auto row = memory.retrieve(place_of(number));
  if (!row) return row.error().message;
  if (number_in(*row) < number) return fmt::format("row {} where {} was acknowledged", row->payload, number);
  if (number_in(*row) > number) return {};  // overwritten meanwhile
  if (found->matched < std::min(number, places)) return fmt::format("{} of {} matched", found->matched, number);
  const bool first = found->hits.size() == 1 && found->hits[0].memory.coordinate == place_of(number);
  if (!first && exact) return fmt::format("{} was acknowledged and is not found", number);
  missed += first ? 0 : 1;
  return {};
}

void read_on(const std::string& path, std::size_t process, bool read_only, Board& board) {
  auto options = options_for(path);
  options.read_only = read_only;
  const auto memory = FractalMemory::open(options).value();
  while (!board.stop) {
    const std::uint64_t number = board.acknowledged[0];
    if (number == 0) continue;
    const std::string fault = look_for(memory, number, board.asked[process]++ % 2 == 0, board.missed[process]);
    if (!fault.empty()) return board.report(process, fault);
  }
}

void check_no_faults(const Board& board) {
  for (const auto& fault : board.faults) CHECK(std::string(fault.data()) == "");
}

// Kilobytes of this process's mappings of the index's files, by their state in /proc/self/smaps.
struct Pages {
  std::uint64_t resident = 0, shared = 0, written = 0;
};
Pages index_pages() {
  std::ifstream in("/proc/self/smaps");
  Pages pages;
  bool ours = false;
  for (std::string line; std::getline(in, line);) {
    const auto value = [&](std::string_view name) -> std::uint64_t {
      return ours && line.starts_with(name) ? std::stoull(line.substr(name.size())) : 0;
    };
    if (line.find('-') < line.find(' ') && line.find(':') > line.find(' ')) {
      ours = line.find("-index/") != std::string::npos;
    }
    pages.resident += value("Rss:");
    pages.shared += value("Shared_Clean:");
    pages.written += value("Private_Dirty:") + value("Shared_Dirty:");
  }
  return pages;
}

}  // namespace

TEST_CASE("what one process acknowledged is in the next search of the others") {
  const fractal::testing::TemporaryFolder folder;
  const std::string path = folder.file("agent.db");
  FractalMemory::open(options_for(path)).value().store(memory_of(0, {-1.0})).value();
  const SharedBoard board;
  const auto seconds = fractal::testing::number_from_environment("FRACTAL_PROCESS_SECONDS", 30);
  std::vector<Process> processes;
  processes.emplace_back([&] { write_on(path, *board); });
  for (const std::size_t reader : {1, 2, 3}) {
    processes.emplace_back([&, reader] { read_on(path, reader, reader == 3, *board); });
  }
  std::this_thread::sleep_for(std::chrono::seconds(seconds));
  board->stop = true;
  for (Process& process : processes) CHECK(process.ended_well());
  check_no_faults(*board);
  MESSAGE(fmt::format("{} writes; {} + {} + {} searches", board->acknowledged[0].load(), board->asked[1].load(),
                      board->asked[2].load(), board->asked[3].load()));
  for (const std::size_t reader : {1, 2, 3}) {
    CHECK(board->asked[reader] > 0);
    CHECK(board->missed[reader] * 20 <= board->asked[reader]);  // by graphs
  }
  const auto memory = FractalMemory::open(options_for(path)).value();
  CHECK(memory.stats().value().memories == std::min(board->acknowledged[0].load(), places) + 1);
  CHECK(memory.verify().value().ok());
}

TEST_CASE("two processes that write wait for each other, and nothing fails") {
  const fractal::testing::TemporaryFolder folder;
  const std::string path = folder.file("agent.db");
  const SharedBoard board;
  std::vector<Process> processes;
  for (const std::size_t writer : {0, 1}) {
    processes.emplace_back([&, writer] {
      // They make the file, too.
      const auto memory = FractalMemory::open(options_for(path)).value();
      for (std::uint64_t number = 1; !board->stop; ++number) {
        const Coordinate place{static_cast<double>(writer), static_cast<double>(number)};
        if (const auto stored = memory.store(memory_of(number, place)); !stored) {
          return board->report(writer, stored.error().message);
        }
        board->acknowledged[writer] = number;
      }
    });
  }
  std::this_thread::sleep_for(std::chrono::seconds(4));
  board->stop = true;
  for (Process& process : processes) CHECK(process.ended_well());
  check_no_faults(*board);
  const std::uint64_t first = board->acknowledged[0], second = board->acknowledged[1];
  MESSAGE(fmt::format("{} and {} writes", first, second));
  CHECK(first > 0);
  CHECK(second > 0);
  const auto memory = FractalMemory::open(options_for(path)).value();
  CHECK(memory.stats().value().memories == first + second);
  CHECK(memory.verify().value().ok());
}

TEST_CASE("a process that is killed while it writes or builds leaves the others working") {
  const fractal::testing::TemporaryFolder folder;
  const std::string path = folder.file("agent.db");
  FractalMemory::open(options_for(path)).value().store(memory_of(0, {-1.0})).value();
  const SharedBoard board;
  std::mt19937_64 random(fractal::testing::announced_seed("processes"));
  std::vector<Process> processes;
  processes.emplace_back([&] { write_on(path, *board); });
  processes.emplace_back([&] { read_on(path, 1, false, *board); });
  constexpr std::uint64_t apart = std::uint64_t{1} << 40;  // other vectors than the writer's
  // Its writes go on where those of the one before ended.
  const auto be_killed = [&] {
    const auto memory = FractalMemory::open(options_for(path)).value();
    for (std::uint64_t number = board->acknowledged[2] + 1;; ++number) {
      const Coordinate place{7, static_cast<double>(number)};
      if (const auto stored = memory.store(memory_of(apart + number, place)); !stored) {
        return board->report(2, stored.error().message);
      }
      board->acknowledged[2] = number;
      if (number % 60 == 0) memory.maintain().value();
    }
  };
  constexpr int kills = 60;
  for (int i = 0; i < kills; ++i) {
    Process victim(be_killed);
    std::this_thread::sleep_for(std::chrono::milliseconds(20 + random() % 200));
    victim.kill();
  }
  board->stop = true;
  for (Process& process : processes) CHECK(process.ended_well());
  check_no_faults(*board);
  MESSAGE(fmt::format("{} kills; {} writes of the one, {} of those killed; {} searches", kills,
                      board->acknowledged[0].load(), board->acknowledged[2].load(), board->asked[1].load()));
  const auto memory = FractalMemory::open(options_for(path)).value();
  const std::uint64_t theirs = board->acknowledged[2];
  CHECK(theirs > 0);
  for (std::uint64_t number = 1; number <= theirs; ++number) {
    const auto row = memory.retrieve({7, static_cast<double>(number)});
    REQUIRE(row);
    CHECK(number_in(*row) == apart + number);
  }
  CHECK(memory.verify().value().ok());
}

TEST_CASE("processes share the pages of the index's files") {
  const fractal::testing::TemporaryFolder folder;
  const std::string path = folder.file("agent.db");
  {
    const auto memory = FractalMemory::open(options_for(path)).value();
    fractal::Batch batch;
    for (std::uint64_t number = 0; number < 20'000; ++number) {
      batch.store(memory_of(number, {static_cast<double>(number)}));
    }
    memory.apply(batch).value();
    memory.maintain().value();
    REQUIRE(memory.stats().value().graph_vectors == 20'000);
  }
  const SharedBoard board;
  std::vector<Process> processes;
  for (const std::size_t process : {0, 1}) {
    processes.emplace_back([&, process] {
      const auto memory = FractalMemory::open(options_for(path)).value();
      for (std::uint64_t number = 0; number < 50; ++number) (void)memory.search(vector_of(number)).value();
      for (++board->ready; board->ready < 2;) std::this_thread::yield();
      const Pages pages = index_pages();
      board->asked[process] = pages.resident;
      board->missed[process] = pages.resident - pages.shared;
      if (pages.written != 0) board->report(process, fmt::format("{} kB were written to", pages.written));
      for (++board->ready; board->ready < 4;) std::this_thread::yield();
    });
  }
  for (Process& process : processes) CHECK(process.ended_well());
  check_no_faults(*board);
  for (const std::size_t process : {0, 1}) {
    MESSAGE(fmt::format("{} kB of the index's files in memory, {} kB of them not shared", board->asked[process].load(),
                        board->missed[process].load()));
    CHECK(board->asked[process] > 2000);
    CHECK(board->missed[process] * 10 < board->asked[process]);
  }
}
