// Each call of the storage fails in turn, on both storages: every public call then returns the error or the right
// answer, a write that failed changed nothing and can be made again, and the vector index agrees with the rows.
#include "tests/engine/model_compare.h"
#include "tests/fault_storage.h"
#include "tests/faults/fault_vfs.h"
#include "tests/faults/picture.h"
#include "tests/temporary_folder.h"

#include "src/error.h"

#include <fractal/format.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace fractal::testing {
namespace {

using model::show;

constexpr std::int64_t begin_of_time = 1'700'000'000'000'000;

// A public call and its answer as text. The answer tells nothing that may differ when the call is made twice.
struct Call {
  std::string name;
  std::function<Result<std::string>(const FractalMemory&, const std::string& scratch)> run;
  bool writes = false;
};

template <class T> Result<std::string> shown(const Result<T>& result) {
  if (!result) return result.error();
  return show(*result);
}

Result<std::string> shown(const Result<void>& result) {
  if (!result) return result.error();
  return std::string("done");
}

class Calls {
 public:
  Calls() {
    add_writes();
    add_reads();
    add_upkeep();
  }
  const std::vector<Call>& all() const { return calls_; }

 private:
  template <class Run> void write(std::string name, Run run) {
    calls_.push_back(
        {std::move(name), [run](const FractalMemory& m, const std::string&) { return shown(run(m)); }, true});
  }
  template <class Run> void read(std::string name, Run run) {
    calls_.push_back(
        {std::move(name), [run](const FractalMemory& m, const std::string&) { return shown(run(m)); }, false});
  }

  static Coordinate at(int number) { return numbered_memory(number).coordinate; }
  static GraphLink between(int from, int to) { return {.from = at(from), .to = at(to), .type = "next"}; }

  void add_writes() {
    write("store", [](const FractalMemory& m) { return m.store(numbered_memory(1)); });
    write("store_if_absent", [](const FractalMemory& m) { return m.store_if_absent(numbered_memory(2)); });
    write("store what expires", [](const FractalMemory& m) {
      Memory memory = numbered_memory(3);
      memory.expires_at = Time(std::chrono::microseconds(begin_of_time + 6));
      return m.store(memory);
    });
    write("apply", [](const FractalMemory& m) {
      Batch batch;
      for (int i = 4; i < 12; ++i) batch.store(numbered_memory(i));
      for (int i = 4; i < 11; ++i) batch.link(between(i, i + 1));
      batch.update(at(5), {.payload = R"({"text":"common thing"})"});
      batch.remove(at(11));
      return m.apply(batch);
    });
    write("store again", [](const FractalMemory& m) { return m.store(numbered_memory(2)); });
    write("update a vector", [](const FractalMemory& m) {
      return m.update(at(4), {.payload = R"({"more":1})", .embedding = numbered_vector(77)});
    });
    write("link", [](const FractalMemory& m) { return m.link(between(1, 4)); });
    write("unlink", [](const FractalMemory& m) { return m.unlink(at(8), at(9), "next"); });
    write("remove", [](const FractalMemory& m) { return m.remove(at(6)); });
    write("write in another space", [](const FractalMemory& m) {
      return m.in({"other", "one"}).store(numbered_memory(5));
    });
    write("import", [](const FractalMemory& m) -> Result<std::string> {
      std::istringstream lines(R"({"coordinate":[70,1],"payload":{"text":"common import"}})"
                               "\n"
                               R"({"from":[70,1],"to":[1,1],"type":"next"})");
      return shown(m.import_memories(lines));
    });
  }

  void add_reads() {
    read("retrieve", [](const FractalMemory& m) { return m.retrieve(at(1)); });
    read("retrieve_many", [](const FractalMemory& m) {
      return m.retrieve_many(std::vector<Coordinate>{at(1), at(99), at(4)});
    });
    read("search words", [](const FractalMemory& m) { return m.search("common word4", {.explain = true}); });
    read("search a vector", [](const FractalMemory& m) { return m.search(numbered_vector(2), {.explain = true}); });
    read("search both, filtered", [](const FractalMemory& m) {
      const std::vector<float> vector = numbered_vector(3);
      return m.search(
          Query{.text = "common", .vector = vector},
          {.filter = Filter::ge("year", 2002) && !Filter::exists("none"), .diversity = 0.4, .embeddings = true});
    });
    read("search by ranks", [](const FractalMemory& m) {
      const std::vector<float> vector = numbered_vector(3);
      return m.search(Query{.text = "common", .vector = vector}, {.within = {5}, .fusion = Fusion::rrf});
    });
    read("list", [](const FractalMemory& m) { return m.list({.order = ListOrder::importance, .limit = 4}); });
    read("within", [](const FractalMemory& m) { return m.within({4}, {.filter = Filter::exists("text")}); });
    read("near", [](const FractalMemory& m) { return m.near({5, 2}, {.radius = 3}); });
    read("neighbors",
         [](const FractalMemory& m) { return m.neighbors(at(1), {.hops = 3, .direction = Direction::both}); });
    read("path", [](const FractalMemory& m) { return m.path(at(1), at(5)); });
    read("weighted path", [](const FractalMemory& m) { return m.path(at(1), at(5), {.weighted = true}); });
    read("changes", [](const FractalMemory& m) { return m.changes(0); });
    read("audit", [](const FractalMemory& m) { return m.audit(); });
    read("stats", [](const FractalMemory& m) { return m.stats(); });
    read("export_memories", [](const FractalMemory& m) -> Result<std::string> {
      std::ostringstream out;
      FRACTAL_TRY(m.export_memories(out, {.consistent = true}));
      return model::without_ids(out.str());
    });
    for (const GraphFormat format : {GraphFormat::json, GraphFormat::graphml, GraphFormat::dot}) {
      read("export_graph", [format](const FractalMemory& m) -> Result<std::string> {
        std::ostringstream out;
        FRACTAL_TRY(m.export_graph(out, format));
        return out.str();
      });
    }
    read("snapshot", [](const FractalMemory& m) -> Result<std::string> {
      FRACTAL_TRY_INTO(const Snapshot snapshot, m.snapshot());
      FRACTAL_TRY_INTO(const auto found, snapshot.search(numbered_vector(1)));
      FRACTAL_TRY_INTO(const auto one, snapshot.retrieve(at(1)));
      return show(found) + show(one);
    });
    read("spaces", [](const FractalMemory& m) -> Result<std::string> {
      FRACTAL_TRY_INTO(auto spaces, m.spaces());
      std::sort(spaces.begin(), spaces.end());
      return show(spaces);
    });
  }

  void add_upkeep() {
    write("create_index", [](const FractalMemory& m) { return m.create_index("year"); });
    read("search with the index",
         [](const FractalMemory& m) { return m.search("common", {.filter = Filter::ge("year", 2003)}); });
    read("verify", [](const FractalMemory& m) -> Result<std::string> {
      FRACTAL_TRY_INTO(const auto report, m.verify());
      return show(report.problems);
    });
    write("repair", [](const FractalMemory& m) -> Result<std::string> {
      FRACTAL_TRY(m.repair());
      return std::string("done");
    });
    for (const bool purge : {false, true}) {
      write("maintain", [purge](const FractalMemory& m) -> Result<std::string> {
        FRACTAL_TRY(m.maintain({.purge = purge}));
        return std::string("done");
      });
    }
    calls_.push_back({"backup",
                      [](const FractalMemory& m, const std::string& scratch) -> Result<std::string> {
                        FRACTAL_TRY(m.backup(scratch));
                        FRACTAL_TRY_INTO(const auto copy, FractalMemory::open(standing_clock({.path = scratch})));
                        return picture(copy);
                      },
                      false});
    write("erase_space", [](const FractalMemory& m) { return m.in({"other", "one"}).erase_space(); });
  }

  std::vector<Call> calls_;
};

using MakeStorage = std::function<std::shared_ptr<Storage>(const std::string& path)>;

std::shared_ptr<Storage> on_memory(const std::string&) { return make_memory_storage(); }
std::shared_ptr<Storage> on_sqlite(const std::string& path) {
  return open_sqlite_storage({.path = path, .durability = Durability::off}).value();
}

class StorageTrials {
 public:
  explicit StorageTrials(MakeStorage make) : make_(std::move(make)) { learn(); }

  std::uint64_t calls() const { return total_; }
  std::uint64_t errors() const { return errors_; }

  // Call n of the storage fails once: the public call returns the error, and can be made again.
  void fail_once(std::uint64_t n) {
    INFO(fmt::format("storage call {} fails once", n));
    start();
    faults_->fail_at(n);
    open(true);
    for (std::size_t i = 0; i < calls_.all().size(); ++i) make_call(i);
    faults_->fail_at(0);
    check_state(calls_.all().size());
  }

  // From call n on all fail: nothing is written any more.
  void fail_for_ever(std::uint64_t n) {
    INFO(fmt::format("storage calls fail from {} on", n));
    start();
    faults_->fail_at(n, Fault::for_ever);
    std::size_t first = 0;
    bool failing = false;
    if (!open(false)) {
      faults_->fail_at(0);
      open(true);
      return check_state(0);
    }
    for (std::size_t i = 0; i < calls_.all().size(); ++i) {
      set_clock(i);
      const Call& call = calls_.all()[i];
      const auto result = call.run(*memory_, folder_.file("copy.db"));
      std::filesystem::remove(folder_.file("copy.db"));
      if (!result) check_injected(call, result.error());
      if (result && !failing) CHECK(*result == answers_[i]);
      if (!result && !failing) {
        failing = true;
        first = i;
      }
      if (failing && call.writes) CHECK_FALSE(result.has_value());
    }
    faults_->fail_at(0);
    if (failing) check_state(first);
  }

  // The commit of each writing call fails after all its steps ran.
  void fail_commits() {
    start();
    open(true);
    for (std::size_t i = 0; i < calls_.all().size(); ++i) {
      const Call& call = calls_.all()[i];
      INFO(call.name);
      set_clock(i);
      // What does not write through steps would leave the failure to a later call.
      const bool steps = call.writes && call.name != "create_index";
      if (steps) {
        faults_->fail_next_commit();
        const auto failed = call.run(*memory_, "");
        REQUIRE_FALSE(failed.has_value());
        check_injected(call, failed.error());
        check_state(i);
      }
      make_call(i);
    }
    check_state(calls_.all().size());
  }

 private:
  void start() {
    memory_.reset();
    faults_.reset();
    inner_.reset();
    folder_.empty();
    *clock_ = begin_of_time;
    inner_ = make_(folder_.file("trial.db"));
    faults_ = std::make_shared<FaultStorage>(inner_);
  }

  Options options(std::shared_ptr<Storage> storage) const {
    Options made;
    made.storage = std::move(storage);
    made.clock = [clock = clock_] { return Time(std::chrono::microseconds(*clock)); };
    return made;
  }

  bool open(bool again) {
    auto opened = FractalMemory::open(options(faults_));
    if (!opened) {
      check_injected({"open", {}, true}, opened.error());
      if (!again) return false;
      opened = FractalMemory::open(options(faults_));
      if (!opened) FAIL("open again: " << opened.error().message);
    }
    memory_ = std::make_unique<FractalMemory>(*opened);
    return true;
  }

  void set_clock(std::size_t i) { *clock_ = begin_of_time + static_cast<std::int64_t>(i); }

  // Answers and states without a fault.
  void learn() {
    start();
    faults_->fail_at(0);
    open(true);
    for (std::size_t i = 0; i < calls_.all().size(); ++i) {
      set_clock(i);
      states_.push_back(picture(*FractalMemory::open(options(inner_))).value());
      const auto answer = calls_.all()[i].run(*memory_, folder_.file("copy.db"));
      if (!answer) FAIL(calls_.all()[i].name << ": " << answer.error().message);
      answers_.push_back(*answer);
    }
    states_.push_back(picture(*FractalMemory::open(options(inner_))).value());
    total_ = faults_->calls();
  }

  void check_injected(const Call& call, const Error& error) {
    ++errors_;
    INFO(call.name << ": " << error.message);
    CHECK(error.code == Errc::io);
    CHECK(error.message.find("injected") != std::string::npos);
  }

  // The state before call i, seen by this handle and by a new one.
  void check_state(std::size_t i) {
    set_clock(std::min(i, calls_.all().size() - 1));
    const auto fresh = FractalMemory::open(options(inner_));
    REQUIRE(fresh.has_value());
    const std::string seen = picture(*memory_).value(), stored = picture(*fresh).value();
    CHECK(seen == stored);
    CHECK(stored == states_[i]);
    const auto clean = verified(*fresh);
    if (!clean) FAIL(clean.error().message);
  }

  void make_call(std::size_t i) {
    const Call& call = calls_.all()[i];
    INFO(call.name);
    set_clock(i);
    auto answer = call.run(*memory_, folder_.file("copy.db"));
    if (!answer) {
      check_injected(call, answer.error());
      check_state(i);
      answer = call.run(*memory_, folder_.file("copy.db"));
      if (!answer) FAIL(call.name << " again: " << answer.error().message);
    }
    CHECK(*answer == answers_[i]);
  }

  MakeStorage make_;
  TemporaryFolder folder_;
  Calls calls_;
  std::shared_ptr<std::int64_t> clock_ = std::make_shared<std::int64_t>(begin_of_time);
  std::vector<std::string> answers_, states_;
  std::uint64_t total_ = 0, errors_ = 0;
  std::shared_ptr<Storage> inner_;
  std::shared_ptr<FaultStorage> faults_;
  std::unique_ptr<FractalMemory> memory_;
};

void fail_each(MakeStorage make, const char* name) {
  StorageTrials trials(std::move(make));
  MESSAGE(fmt::format("{}: {} storage calls", name, trials.calls()));
  CHECK(trials.calls() > 150);
  for (std::uint64_t n = 1; n <= trials.calls(); ++n) trials.fail_once(n);
  // Few calls have an answer of the core's own when the storage has none.
  CHECK(trials.errors() > trials.calls() * 9 / 10);
  for (std::uint64_t n = 1; n <= trials.calls(); n += 5) trials.fail_for_ever(n);
  trials.fail_commits();
}

TEST_CASE("each call of the memory storage fails") { fail_each(on_memory, "memory"); }
TEST_CASE("each call of the SQLite storage fails") {
  const FaultVfs no_syncs;
  fail_each(on_sqlite, "sqlite");
}

}  // namespace
}  // namespace fractal::testing
