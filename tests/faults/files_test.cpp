// Damaged files, and files that are not ours: cut at each page, with bytes flipped, garbage, other databases. Opening,
// reading, searching, writing and verify() return an error or the right answer; a file that open() refuses is left as
// it was. The log has checksums, so damage there can only take the last writes away. The database file has none: what
// a flip can change unseen is a value in a row, never which memories and links there are.
#include "tests/faults/picture.h"
#include "tests/seeded_random.h"
#include "tests/temporary_folder.h"

#include <fractal/format.h>

#include <doctest/doctest.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace fractal::testing {
namespace {

constexpr std::size_t page_size = 4096;
constexpr std::size_t log_header = 32, frame_header = 24;
// A variant that takes so long hangs: the process is ended by a signal. The variants take milliseconds.
constexpr unsigned seconds_to_hang = 300;

std::string bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void put_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

// The database file and its log.
struct Image {
  std::string file, log;
};

Options options_for(const std::string& path) { return standing_clock({.path = path, .durability = Durability::off}); }

// Which memories and links there are, whatever is in them.
Result<std::string> outline(const FractalMemory& memory) {
  std::ostringstream out;
  auto done = memory.export_graph(out, GraphFormat::dot);
  if (!done) return done.error();
  auto page = memory.list({.limit = 1000});
  if (!page) return page.error();
  std::string text;
  for (const Memory& one : page->memories) text += one.coordinate.to_string() + "\n";
  for (const Memory& one : page->memories) {
    auto near = memory.neighbors(one.coordinate, {.limit = 1000});
    if (!near) return near.error();
    for (const Neighbor& neighbor : *near) text += fmt::format("{} {}\n", one.coordinate, neighbor.coordinate);
  }
  return text;
}

Batch entries(int first, int count) {
  Batch batch;
  for (int i = first; i < first + count; ++i) batch.store(numbered_memory(i));
  for (int i = first; i + 1 < first + count; ++i) {
    batch.link({.from = numbered_memory(i).coordinate, .to = numbered_memory(i + 1).coordinate, .type = "next"});
  }
  return batch;
}

// A database with something in each table, and its states from the last checkpoint on.
struct Original {
  Original() {
    const std::string path = folder.file("original.db");
    {
      Options options = options_for(path);
      options.indexed_fields = {"year"};
      const FractalMemory memory = FractalMemory::open(options).value();
      memory.apply(entries(1, 20)).value();
      memory.in({"other", "one"}).apply(entries(1, 3)).value();
      memory.remove(numbered_memory(4).coordinate).value();
    }
    closed.file = bytes_of(path);
    const FractalMemory memory = FractalMemory::open(options_for(path)).value();
    states.push_back(picture(memory).value());
    for (int i = 30; i < 36; ++i) {
      memory.store(numbered_memory(i)).value();
      states.push_back(picture(memory).value());
    }
    logged = {bytes_of(path), bytes_of(path + "-wal")};
    outlined = outline(memory).value();
  }
  TemporaryFolder folder;
  Image closed;  // without a log: states[0]
  Image logged;  // with a log: states.back()
  std::vector<std::string> states;
  std::string outlined;  // of states.back()
};

const Original& original() {
  static const Original only;
  return only;
}

struct Outcome {
  bool refused = false;   // by open()
  bool error = false;     // of a read
  bool reported = false;  // by verify()
  std::string seen{};     // picture; empty: it could not be made
  std::string outlined{};
  bool written = false;
};

class Patient {
 public:
  explicit Patient(Random& random) : random_(random) {}

  Outcome examine(const Image& image) {
    ::alarm(seconds_to_hang);
    folder_.empty();
    put_bytes(path(), image.file);
    if (!image.log.empty()) put_bytes(path() + "-wal", image.log);
    Outcome outcome;
    Options options = options_for(path());
    options.read_only = random_.one_in(8);
    {
      const auto memory = FractalMemory::open(options);
      outcome.refused = !memory;
      if (memory) {
        read(*memory, outcome);
        write(*memory, options.read_only, outcome);
      } else {
        CHECK_FALSE(memory.error().message.empty());
        CHECK(memory.error().code != Errc::invalid_argument);
        CHECK(memory.error().code != Errc::conflict);
      }
    }
    if (outcome.refused || options.read_only) {
      CHECK(bytes_of(path()) == image.file);
      CHECK(bytes_of(path() + "-wal") == image.log);
    }
    ::alarm(0);
    return outcome;
  }

 private:
  std::string path() const { return folder_.file("patient.db"); }

  template <class T> void note(const Result<T>& result, Outcome& outcome) {
    if (result) return;
    outcome.error = true;
    CHECK_FALSE(result.error().message.empty());
  }

  void read(const FractalMemory& memory, Outcome& outcome) {
    const auto seen = picture(memory);
    note(seen, outcome);
    if (seen) outcome.seen = *seen;
    const auto outlined = outline(memory);
    note(outlined, outcome);
    if (outlined) outcome.outlined = *outlined;
    for (int i = 1; i < 40; ++i) {
      const auto one = memory.retrieve(numbered_memory(i).coordinate);
      if (!one && one.error().code != Errc::not_found) note(one, outcome);
    }
    for (const ListOrder order : {ListOrder::created_at, ListOrder::importance}) {
      note(memory.list({.order = order, .descending = random_.coin(), .limit = 7, .embeddings = true}), outcome);
    }
    note(memory.list({.filter = Filter::ge("year", 2007) && Filter::lt("$importance", 4)}), outcome);
    note(memory.search("common word2", {.filter = Filter::eq("$type", "semantic"), .explain = true}), outcome);
    note(memory.near({5, 2}, {.radius = 4}), outcome);
    const auto path_found =
        memory.path(numbered_memory(5).coordinate, numbered_memory(9).coordinate, {.weighted = true});
    if (!path_found && path_found.error().code != Errc::not_found) note(path_found, outcome);
    note(memory.changes(0), outcome);
    note(memory.audit(), outcome);
    note(memory.health(), outcome);
    const auto report = memory.verify();
    note(report, outcome);
    outcome.reported = report && !report->ok();
  }

  // Writes to a damaged file may fail; what is acknowledged can be read.
  void write(const FractalMemory& memory, bool read_only, Outcome& outcome) {
    const Memory probe = numbered_memory(901);
    const auto stored = memory.store(probe);
    if (read_only) {
      CHECK_FALSE(stored.has_value());
      return;
    }
    outcome.written = stored.has_value();
    if (stored) {
      const auto again = memory.retrieve(probe.coordinate);
      if (again) CHECK(again->payload == probe.payload);
    }
    (void)memory.update(numbered_memory(7).coordinate, {.payload = R"({"text":"common change"})"}).has_value();
    (void)memory.remove(numbered_memory(8).coordinate).has_value();
    (void)memory.apply(entries(50, 3)).has_value();
    if (random_.one_in(4)) (void)memory.repair().has_value();
    if (random_.one_in(4)) (void)memory.maintain({.purge = random_.coin()}).has_value();
    (void)memory.verify().has_value();
  }

  TemporaryFolder folder_;
  Random& random_;
};

struct Tally {
  std::map<std::string, int> counts;
  void add(const Outcome& outcome, bool right) {
    ++counts[outcome.refused    ? "refused"
             : outcome.error    ? "errors"
             : outcome.reported ? "reported by verify()"
             : right            ? "right answers"
                                : "a value changed unseen"];
  }
  std::string text() const {
    std::string shown;
    for (const auto& [what, count] : counts) shown += fmt::format("{}{} {}", shown.empty() ? "" : ", ", count, what);
    return shown;
  }
};

// After damage to the log alone everything works, in one of the states there were.
void check_log_damage(const Outcome& outcome) {
  CHECK_FALSE(outcome.refused);
  CHECK_FALSE(outcome.error);
  CHECK_FALSE(outcome.reported);
  const auto& states = original().states;
  CHECK(std::find(states.begin(), states.end(), outcome.seen) != states.end());
}

void check_file_damage(const Outcome& outcome, const std::string& outlined) {
  if (outcome.refused || outcome.error || outcome.reported) return;
  CHECK(outcome.outlined == outlined);
}

// Each border, and some odd places.
std::vector<std::size_t> cuts(std::size_t size, std::size_t first, std::size_t step) {
  std::vector<std::size_t> places{0, 1, 15, 16, 99, 100, 101, 511, 512, 513, 1024};
  for (std::size_t i = 0, at = first; at < size; at += step, ++i) {
    places.push_back(at);
    if (i % 3 == 0) places.push_back(at + 1);
    if (i % 3 == 1) places.push_back(at + step / 2);
    if (i % 3 == 2) places.push_back(at - 1);
  }
  std::erase_if(places, [size](std::size_t at) { return at >= size; });
  return places;
}

void damage(std::string& bytes, Random& random) {
  // Most of what is looked at first lies at the beginning of a page.
  std::size_t at = random.below(bytes.size());
  if (random.coin()) at = at / page_size * page_size + random.below(random.coin() ? 16 : 128);
  at = std::min(at, bytes.size() - 1);
  switch (random.below(5)) {
    case 0: bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.below(8))); break;
    case 1: bytes[at] = static_cast<char>(random.next()); break;
    case 2: bytes[at] = static_cast<char>(random.coin() ? 0xff : 0); break;
    case 3:
      for (std::size_t i = at; i < std::min(bytes.size(), at + 1 + random.below(64)); ++i) {
        bytes[i] = static_cast<char>(random.next());
      }
      break;
    default: {  // a block of the disk
      const std::size_t block = at / 512 * 512;
      const std::size_t other = random.below(bytes.size() / 512) * 512;
      const std::size_t length = std::min<std::size_t>(512, bytes.size() - block);
      if (random.coin()) {
        bytes.replace(block, length, length, '\0');
      } else {
        bytes.replace(block, length, bytes.substr(other, length));
      }
    }
  }
}

TEST_CASE("the original itself") {
  Random random(1);
  Patient patient(random);
  const Outcome closed = patient.examine(original().closed), logged = patient.examine(original().logged);
  CHECK(closed.seen == original().states.front());
  CHECK(logged.seen == original().states.back());
  CHECK_FALSE(logged.reported);
  CHECK(original().logged.log.size() > log_header + 6 * (frame_header + page_size));
}

TEST_CASE("cut at each page and at odd sizes") {
  Random random(announced_seed("faults_files cut"));
  Patient patient(random);
  Tally files, logs;
  for (const std::size_t size : cuts(original().closed.file.size(), 0, page_size)) {
    INFO("the file is cut to " << size);
    const Outcome outcome = patient.examine({original().closed.file.substr(0, size), {}});
    if (size != 0) CHECK((outcome.refused || outcome.error || outcome.reported));
    if (size == 0 && !outcome.refused) CHECK(outcome.seen.empty());  // a new one
    files.add(outcome, false);
  }
  for (const std::size_t size : cuts(original().logged.log.size(), log_header, frame_header + page_size)) {
    INFO("the log is cut to " << size);
    const Outcome outcome = patient.examine({original().logged.file, original().logged.log.substr(0, size)});
    check_log_damage(outcome);
    logs.add(outcome, true);
  }
  for (const std::size_t size : cuts(original().logged.file.size(), 0, 4 * page_size)) {
    INFO("the file beside a log is cut to " << size);
    const Outcome outcome = patient.examine({original().logged.file.substr(0, size), original().logged.log});
    check_file_damage(outcome, original().outlined);
    files.add(outcome, outcome.seen == original().states.back());
  }
  MESSAGE("files: " << files.text() << "; logs: " << logs.text());
}

TEST_CASE("bytes flipped") {
  const std::uint64_t seed = announced_seed("faults_files flips");
  Random random(seed);
  Patient patient(random);
  Tally files, logs;
  std::string closed_outline;
  {
    TemporaryFolder folder;
    put_bytes(folder.file("x.db"), original().closed.file);
    closed_outline = outline(FractalMemory::open(options_for(folder.file("x.db"))).value()).value();
  }
  const std::uint64_t variants = number_from_environment("FRACTAL_FLIPS", 2000);
  for (std::uint64_t i = 0; i < variants; ++i) {
    INFO("FRACTAL_SEED=" << seed << " variant " << i);
    Image image = i % 4 == 0 ? original().logged : original().closed;
    if (i % 8 == 0) {
      for (std::size_t times = 1 + random.below(3); times > 0; --times) damage(image.log, random);
      const Outcome outcome = patient.examine(image);
      check_log_damage(outcome);
      logs.add(outcome, true);
      continue;
    }
    for (std::size_t times = 1 + random.below(3); times > 0; --times) damage(image.file, random);
    const Outcome outcome = patient.examine(image);
    check_file_damage(outcome, image.log.empty() ? closed_outline : original().outlined);
    files.add(outcome, outcome.seen == (image.log.empty() ? original().states.front() : original().states.back()));
  }
  MESSAGE("files: " << files.text() << "; logs: " << logs.text());
}

// Makes a SQLite file by these statements.
std::string other_database(const char* sql) {
  TemporaryFolder folder;
  const std::string path = folder.file("other.db");
  sqlite3* handle = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &handle) == SQLITE_OK);
  REQUIRE(sqlite3_exec(handle, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(handle);
  return bytes_of(path);
}

TEST_CASE("files that are not ours are refused and left as they were") {
  Random random(announced_seed("faults_files others"));
  Patient patient(random);
  std::string noise(50'000, '\0');
  for (char& byte : noise) byte = static_cast<char>(random.next());
  std::string header_only = original().closed.file.substr(0, 100);
  std::string noise_behind_header = header_only + noise;
  std::string newer = original().closed.file;
  newer[63] = 99;  // the last byte of user_version
  const std::vector<std::pair<const char*, std::string>> others{
      {"noise", noise},
      {"a text", "This is a letter, not a database.\n"},
      {"one byte", "S"},
      {"SQLite's first words", "SQLite format 3"},
      {"a header alone", header_only},
      {"noise behind a header", noise_behind_header},
      {"zeros", std::string(10 * page_size, '\0')},
      {"a newer schema", newer},
      {"another's database", other_database("CREATE TABLE a(b); INSERT INTO a VALUES (1)")},
      {"another's application", other_database("PRAGMA application_id = 7; CREATE TABLE sfm_memories(id)")},
      {"our mark without our tables",
       other_database(
           fmt::format("PRAGMA application_id = {}; PRAGMA user_version = 1; CREATE TABLE sfm_memories(id)", 0x46724d6d)
               .c_str())}};
  for (const auto& [name, bytes] : others) {
    INFO(std::string(name));
    for (int i = 0; i < 8; ++i) {
      const Outcome outcome = patient.examine({bytes, {}});
      CHECK(outcome.refused);
    }
  }
}

TEST_CASE("an empty file becomes a database, unless a log lies beside it") {
  TemporaryFolder folder;
  const std::string path = folder.file("empty.db");
  put_bytes(path, "");
  {
    const auto memory = FractalMemory::open(options_for(path));
    REQUIRE(memory.has_value());
    CHECK(memory->store(numbered_memory(1)).has_value());
    CHECK(verified(*memory).has_value());
  }
  folder.empty();
  put_bytes(path, "");
  put_bytes(path + "-wal", original().logged.log);
  const auto lost = FractalMemory::open(options_for(path));
  REQUIRE_FALSE(lost.has_value());
  CHECK(lost.error().code == Errc::corruption);
  CHECK(bytes_of(path).empty());
  CHECK(bytes_of(path + "-wal") == original().logged.log);
}

TEST_CASE("what is no file at all") {
  TemporaryFolder folder;
  CHECK(FractalMemory::open(folder.path().string()).error().code == Errc::io);
  const std::string pipe = folder.file("pipe");
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(FractalMemory::open(pipe).error().code == Errc::io);
  CHECK_FALSE(FractalMemory::open(folder.file("no/such/folder.db")).has_value());
  CHECK_FALSE(FractalMemory::open(folder.file("pipe/inside.db")).has_value());
  CHECK_FALSE(FractalMemory::open("").has_value());
}

}  // namespace
}  // namespace fractal::testing
