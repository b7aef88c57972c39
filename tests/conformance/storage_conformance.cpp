// Storage conformance: what a commit promises, spaces, views of one moment, controls, upkeep, threads.
#include "storage_model.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <atomic>
#include <latch>
#include <new>
#include <stdexcept>
#include <thread>

namespace fractal::conformance {
namespace {

const Space here{"tenant", "here"}, other{"tenant", "other"}, third{"other tenant", "here"};

// The code of a result, or `fine`.
constexpr Errc fine{-1};
Errc code(const auto& result) { return result ? fine : result.error().code; }

struct Commits {
  std::shared_ptr<Storage> storage = make_empty_storage();
  Model model;

  void write(const std::function<void(Writer&)>& run) { commit(*storage, model, here, run); }
  std::unique_ptr<ReadView> view(const Space& space = here) { return storage->read(space).value(); }

  void store(double x, const Space& space = here) {
    commit(*storage, model, space, [&](Writer& writer) { writer.store(full_memory(x), words("w0 w1", "w7")); });
  }
  static Memory full_memory(double x) {
    Memory memory = make_memory({x, 1}, fmt::format(R"({{"n": {}}})", x));
    memory.embedding = {static_cast<float>(x), 1};
    memory.importance = x;
    memory.expires_at = at(500);
    return memory;
  }
  // A step of everything there is, with the model kept as it was.
  void write_everything(WriteTransaction& transaction) {
    Model scratch = model;
    Writer writer(transaction, scratch, here);
    writer.store(full_memory(1), words("w3"));
    writer.store(full_memory(100), words("w4"));
    writer.remove(full_memory(2).coordinate.key());
    writer.link({.from = "a", .to = "b", .type = "c", .metadata = "{}"});
    writer.unlink("x", "y", "z");
    writer.audit({.at = at(1), .action = "create", .subject = "s", .payload = {}});
    writer.prune_audit(1, at(0));
    writer.prune_removals(2);
    writer.add_accesses(full_memory(1).coordinate.key(), 9);
    writer.setting("setting", "undone");
    writer.check_reads();
    Writer fresh(transaction, scratch, {"made", "and undone"});
    fresh.store(full_memory(3));
    Writer gone(transaction, scratch, other);
    gone.erase_space();
  }
  // Something for each call of write_everything to change.
  void prepare() {
    for (const double x : {1, 2, 3}) store(x);
    store(1, other);
    write([](Writer& writer) {
      writer.remove(full_memory(3).coordinate.key());
      writer.link({.from = "x", .to = "y", .type = "z", .metadata = "{}"});
      for (int i = 0; i < 3; ++i) writer.audit({.at = at(i), .action = "create", .subject = "s", .payload = {}});
      writer.setting("setting", "kept");
    });
    compare(*storage, model);
  }
};

}  // namespace

// ---- Commits ---------------------------------------------------------------------------------

TEST_CASE_FIXTURE(Commits, "apply: no steps, and steps that do nothing") {
  CHECK(storage->apply({}).has_value());
  std::vector<WriteStep> steps(3, make_step([](WriteTransaction&) {}));
  CHECK(storage->apply(steps).has_value());
  for (const WriteStep& step : steps) CHECK(step.outcome.has_value());
  CHECK(storage->spaces().value().empty());
}

TEST_CASE_FIXTURE(Commits, "apply: steps run once, in order, each seeing those before it") {
  std::vector<int> order;
  std::vector<WriteStep> steps;
  for (int i = 0; i < 5; ++i) {
    steps.push_back(make_step([&, i](WriteTransaction& transaction) {
      order.push_back(i);
      Writer writer(transaction, model, here);
      writer.check_reads();
      writer.store(full_memory(i), words("w1"));
      writer.check_reads();
    }));
  }
  REQUIRE(storage->apply(steps).has_value());
  CHECK(order == std::vector<int>{0, 1, 2, 3, 4});
  for (const WriteStep& step : steps) CHECK(step.outcome.has_value());
  compare(*storage, model);
}

TEST_CASE_FIXTURE(Commits, "apply: a step that fails is undone alone, whatever it did") {
  prepare();
  const std::vector<std::function<Result<void>()>> failures{
      [] {
        return Result<void>(Error{Errc::conflict, "not this one"});
      },
      []() -> Result<void> { throw std::runtime_error("a step throws"); },
      []() -> Result<void> { throw std::bad_alloc(); }};
  for (std::size_t i = 0; i < failures.size(); ++i) {
    CAPTURE(i);
    const auto good = [&](double x) {
      return make_step([this, x](WriteTransaction& transaction) {
        Writer writer(transaction, model, here);
        writer.store(full_memory(x), words("w5"));
      });
    };
    const double x = 1000.0 * static_cast<double>(i + 1);
    std::vector<WriteStep> steps{good(x), {}, good(x + 1), {}, good(x + 2)};
    steps[1].run = steps[3].run = [&](WriteTransaction& transaction) {
      write_everything(transaction);
      return failures[i]();
    };
    REQUIRE(storage->apply(steps).has_value());
    for (const std::size_t fine : {0, 2, 4}) CHECK(steps[fine].outcome.has_value());
    for (const std::size_t failed : {1, 3}) REQUIRE_FALSE(steps[failed].outcome.has_value());
    if (i == 0) CHECK(steps[1].outcome.error() == Error{Errc::conflict, "not this one"});
    if (i == 1) CHECK(steps[1].outcome.error().message.find("a step throws") != std::string::npos);
    compare(*storage, model);
  }
  CHECK(storage->setting("setting").value() == "kept");
  CHECK(view()->postings(std::vector<std::string>{"w3", "w4"}).value().entries.empty());
  CHECK(storage->verify({}).value().empty());
}

TEST_CASE_FIXTURE(Commits, "apply: steps that all fail leave nothing") {
  prepare();
  std::vector<WriteStep> steps(2);
  for (WriteStep& step : steps) {
    step.run = [&](WriteTransaction& transaction) -> Result<void> {
      write_everything(transaction);
      return Error{Errc::conflict, "no"};
    };
  }
  REQUIRE(storage->apply(steps).has_value());
  compare(*storage, model);
  store(5);
  compare(*storage, model);
}

TEST_CASE_FIXTURE(Commits, "apply: the outcome of an earlier use is overwritten") {
  WriteStep step = make_step([](WriteTransaction&) {});
  step.outcome = Error{Errc::io, "old"};
  REQUIRE(storage->apply({&step, 1}).has_value());
  CHECK(step.outcome.has_value());
}

// ---- Spaces ----------------------------------------------------------------------------------

TEST_CASE_FIXTURE(Commits, "spaces: none until the first write; reading one that is not there") {
  const std::string key = Coordinate{1}.key();
  store(1);
  const auto reading = view(other);
  CHECK(reading->space().number == 0);
  CHECK(reading->space().sequence == 0);
  CHECK_FALSE(reading->get(key, Columns::all).value().has_value());
  CHECK(reading->fetch(std::vector<MemoryId>{first_id(1) | 1, 1}, Columns::all).value().empty());
  for (const auto order : {ListOrder::coordinate, ListOrder::created_at, ListOrder::importance}) {
    CHECK(reading->list({.order = order}).value().empty());
  }
  const auto selection = reading->select(Filter(), "", no_limit).value();
  CHECK(selection.ids.empty());
  CHECK(selection.complete);
  std::size_t visits = 0;
  reading->keys("", "", [&](const KeyRow&) { return ++visits, true; }).value();
  reading->links(std::vector{key}, Direction::both, "", [&](const LinkRow&) { return ++visits, true; }).value();
  reading->vectors(0, VectorColumns::vector, [&](const VectorChange&) { return ++visits, true; }).value();
  CHECK(visits == 0);
  CHECK_FALSE(reading->get_link(key, key, "x").value().has_value());
  CHECK(reading->list_links(nullptr, 10).value().empty());
  CHECK(reading->postings(std::vector<std::string>{"w1"}).value().entries.empty());
  CHECK(reading->changes(0, 10).value().empty());
  CHECK(reading->expired(at(1'000'000)).value().empty());
  CHECK(reading->audit(10, 0).value().empty());
  CHECK_FALSE(storage->get(other, key, Columns::all).value().has_value());
  CHECK(storage->spaces().value() == std::vector{here});
}

TEST_CASE_FIXTURE(Commits, "spaces: created empty, kept apart, names of any bytes") {
  const std::vector<Space> names{here,
                                 other,
                                 third,
                                 {"", ""},
                                 {"A", "a"},
                                 {"a", "A"},
                                 {"a", "a "},
                                 {"\xc3\xa9", "e\xcc\x81"},
                                 {"a'b", "a\"b"},
                                 {"tenant/here", ""},
                                 {std::string(255, 'x'), std::string(255, 'y')}};
  for (std::size_t i = 0; i < names.size(); ++i) store(static_cast<double>(i % 3), names[i]);
  compare(*storage, model);
  REQUIRE(model.spaces.size() == names.size());
  commit(*storage, model, {"empty", "space"}, [](Writer&) {});
  CHECK(view({"empty", "space"})->space().number > 0);
  compare(*storage, model);
}

TEST_CASE_FIXTURE(Commits, "spaces: counters are kept to 64 bits, and saved without any other write") {
  store(1);
  write([](Writer& writer) {
    SpaceRecord& record = writer.model().record;
    record.sequence = (std::uint64_t{1} << 62) + 3;
    record.last_id = (std::uint64_t{1} << 40) - 1;
    record.horizon = (std::uint64_t{1} << 61) + 1;
    record.dimension = 16384;
    record.metric = Metric::l2;
    record.words = {1, std::uint64_t{1} << 60, 3, 4};
    *writer.transaction().space(here).value() = record;
  });
  CHECK(view()->space() == model.spaces[here].record);
  write([](Writer& writer) { writer.model().record.metric = Metric::dot, writer.setting("a", "b"); });
  CHECK(view()->space().metric == Metric::l2);  // not through the pointer: not saved
}

TEST_CASE_FIXTURE(Commits, "spaces: two in one step, and one asked for twice") {
  commit(*storage, [&](WriteTransaction& transaction) {
    Writer first(transaction, model, here), second(transaction, model, other);
    CHECK(transaction.space(here).value() == transaction.space(here).value());
    for (int i = 0; i < 40; ++i) {
      first.store(full_memory(i));
      second.store(full_memory(i + 0.5));
      if (i % 10 == 0) Writer(transaction, model, {"more", fmt::format("{}", i)}).store(full_memory(i));
    }
    first.check_reads();
    second.check_reads();
  });
  compare(*storage, model);
}

TEST_CASE_FIXTURE(Commits, "erase_space: everything with its number goes, and the number is not used again") {
  prepare();
  const std::uint64_t number = model.spaces[here].record.number;
  const auto before = view();
  const SpaceModel then = model.spaces[here];
  write([](Writer& writer) { writer.erase_space(); });
  CHECK(view()->space().number == 0);
  CHECK_FALSE(storage->get(here, full_memory(1).coordinate.key(), Columns::all).value().has_value());
  compare(*storage, model);
  compare(*before, then);
  CHECK(storage->verify({}).value().empty());

  store(9);
  CHECK(model.spaces[here].record.number > number);
  CHECK(view()->space().memories == 1);
  compare(*storage, model);
  compare(*before, then);
}

TEST_CASE_FIXTURE(Commits, "erase_space: nothing is left under the number; the record lives until the step ends") {
  prepare();
  const SpaceRecord record = model.spaces[here].record;
  commit(*storage, [&](WriteTransaction& transaction) {
    SpaceRecord* const erased = transaction.space(here).value();
    transaction.erase_space(erased->number).value();
    CHECK(erased->memories == record.memories);
    erased->memories = 0;
  });
  model.spaces.erase(here);
  WriteStep look = make_step([&](WriteTransaction& transaction) {
    CHECK_FALSE(transaction.find(record.number, full_memory(1).coordinate.key(), Columns::all).value().has_value());
    CHECK(transaction.scan(record.number, 0, no_limit, Columns::header).value().empty());
    CHECK(transaction.links_of(record.number, "x").value().empty());
    CHECK(transaction.expired(record.number, at(1'000'000), no_limit).value().empty());
  });
  REQUIRE(storage->apply({&look, 1}).has_value());  // a storage may refuse a step that asks for a space that is gone
  compare(*storage, model);
}

TEST_CASE_FIXTURE(Commits,
                  "erase_space: the newest number is not used again either; erased and made anew in one step") {
  std::set<std::uint64_t> numbers;
  for (int i = 0; i < 4; ++i) {
    store(1);
    CHECK(numbers.insert(model.spaces[here].record.number).second);
    if (i % 2 == 0) {
      write([](Writer& writer) { writer.erase_space(); });
    } else {
      commit(*storage, [&](WriteTransaction& transaction) {
        Writer(transaction, model, here).erase_space();
        Writer again(transaction, model, here);
        CHECK(numbers.insert(again.number()).second);
        again.check_reads();
        again.store(full_memory(2), words("w7"));
        again.check_reads();
      });
      compare(*storage, model);
      write([](Writer& writer) { writer.erase_space(); });
    }
    CHECK(storage->spaces().value().empty());
  }
}

// ---- Views -----------------------------------------------------------------------------------

TEST_CASE_FIXTURE(Commits, "views: one moment each, while writes go on") {
  const std::uint64_t seed = 31;
  CAPTURE(seed);
  Random random(seed);
  std::vector<std::pair<std::unique_ptr<ReadView>, SpaceModel>> moments;
  moments.emplace_back(view(), SpaceModel{.record = {.space = here}});
  for (int i = 0; i < 60; ++i) {
    write([&](Writer& writer) {
      for (int j = 0; j < 4; ++j) writer.store(random.memory(2), random.keywords());
      writer.remove(random.key());
      writer.link(random.link());
      if (i % 9 == 0) writer.prune_removals(writer.model().record.sequence - 5);
    });
    if (i % 20 == 5) moments.emplace_back(view(), model.spaces[here]);
  }
  for (std::size_t i = 1; i < moments.size(); ++i) compare(*moments[i].first, moments[i].second);
  CHECK(moments[0].first->space().number == 0);  // it was opened before the space was made
  CHECK(moments[0].first->list({}).value().empty());
  compare(*storage, model);
  moments.erase(moments.begin() + 1);  // one goes, the others stay
  store(1);
  for (std::size_t i = 1; i < moments.size(); ++i) compare(*moments[i].first, moments[i].second);
  storage->maintain(false, {}).value();
  for (std::size_t i = 1; i < moments.size(); ++i) compare(*moments[i].first, moments[i].second);
}

TEST_CASE_FIXTURE(Commits, "views: outlive the caller's pointer to the storage") {
  store(1);
  const auto reading = view();
  storage.reset();
  compare(*reading, model.spaces[here]);
}

TEST_CASE_FIXTURE(Commits, "obey: long reads stop with unavailable, and go on when told otherwise") {
  write([](Writer& writer) {
    Memory memory = make_memory({0}, R"({"n": 1})");
    memory.embedding = {1};
    memory.expires_at = at(5);
    for (int i = 0; i < 12'000; ++i) {
      memory.coordinate = {1, static_cast<double>(i)};
      const std::string key = memory.coordinate.key();
      const Keywords keywords = words("w1");
      const MemoryId id = first_id(writer.number()) | static_cast<MemoryId>(i + 1);
      const auto sequence = static_cast<std::uint64_t>(i + 1);
      writer.transaction()
          .put(writer.number(), {id, sequence, sequence, true, keywords.words, memory}, {.keywords = &keywords})
          .value();
      writer.transaction()
          .put_link(writer.number(), {.sequence = sequence + 20'000, .from = "a", .to = key, .type = "t"})
          .value();
    }
  });
  const auto reading = view();
  const std::vector<std::function<Errc()>> reads{
      [&] { return code(reading->list({.order = ListOrder::importance, .limit = no_limit})); },
      [&] { return code(reading->list({.order = ListOrder::coordinate, .limit = no_limit})); },
      [&] { return code(reading->select(Filter::contains("n", 7), "", no_limit)); },
      [&] { return code(reading->keys("", "", [](const KeyRow&) { return true; })); },
      [&] {
        return code(reading->links(std::vector<std::string>{"a"}, Direction::outgoing, "", [](auto&) { return true; }));
      },
      [&] { return code(reading->list_links(nullptr, no_limit)); },
      [&] { return code(reading->postings(std::vector<std::string>{"w1"})); },
      [&] { return code(reading->changes(0, no_limit)); },
      [&] { return code(reading->vectors(0, VectorColumns::vector, [](auto&) { return true; })); }};
  std::atomic<bool> cancel = true;
  const Control cancelled{.cancel = &cancel},
      late{.deadline = std::chrono::steady_clock::now() - std::chrono::hours(1)};
  for (std::size_t i = 0; i < reads.size(); ++i) {
    CAPTURE(i);
    cancel = true;
    reading->obey(&cancelled);
    CHECK(reads[i]() == Errc::unavailable);
    cancel = false;
    CHECK(reads[i]() == fine);
    reading->obey(&late);
    CHECK(reads[i]() == Errc::unavailable);
    reading->obey(nullptr);
    CHECK(reads[i]() == fine);
  }
}

// ---- Upkeep ----------------------------------------------------------------------------------

TEST_CASE_FIXTURE(Commits, "verify and repair: counters that disagree with the rows") {
  prepare();
  CHECK(storage->verify({}).value().empty());
  CHECK(storage->repair({}).has_value());  // of a sound storage: it may say what it rebuilt all the same
  compare(*storage, model);
  const SpaceRecord right = model.spaces[here].record;
  const std::vector<std::function<void(SpaceRecord&)>> wrongs{
      [](SpaceRecord& record) { record.memories += 5; }, [](SpaceRecord& record) { ++record.semantic; },
      [](SpaceRecord& record) { ++record.links; }, [](SpaceRecord& record) { --record.vectors; },
      [](SpaceRecord& record) { ++record.words[0]; }};
  for (std::size_t i = 0; i < wrongs.size(); ++i) {
    CAPTURE(i);
    commit(*storage, [&](WriteTransaction& transaction) { wrongs[i](*transaction.space(here).value()); });
    CHECK_FALSE(storage->verify({}).value().empty());
    CHECK_FALSE(storage->verify({}).value().empty());  // it only looks
    CHECK_FALSE(storage->repair({}).value().empty());
    CHECK(storage->verify({}).value().empty());
    CHECK(view()->space() == right);
  }
  compare(*storage, model);
}

TEST_CASE_FIXTURE(Commits, "maintain: changes no answer, purging or not") {
  prepare();
  write([](Writer& writer) { writer.remove(full_memory(1).coordinate.key()); });
  for (const bool purge : {false, true}) {
    CHECK(storage->maintain(purge, {}).has_value());
    compare(*storage, model);
  }
}

TEST_CASE_FIXTURE(Commits, "wrapper: forwards every call") {
  struct Plain : StorageWrapper {
    using StorageWrapper::StorageWrapper;
  } wrapper(storage);
  commit(wrapper, model, here, [](Writer& writer) { writer.store(full_memory(1)), writer.setting("a", "b"); });
  compare(wrapper, model);
  CHECK(wrapper.get(here, full_memory(1).coordinate.key(), Columns::all).value().has_value());
  wrapper.create_index("n", {}).value();
  CHECK(wrapper.indexed_fields().value() == std::vector<std::string>{"n"});
  CHECK(wrapper.verify({}).value().empty());
  CHECK(wrapper.repair({}).has_value());
  CHECK(wrapper.maintain(false, {}).has_value());
  CHECK(wrapper.describe() == storage->describe());
  CHECK(wrapper.problems() == storage->problems());
  CHECK(wrapper.bytes() == storage->bytes());
  CHECK(wrapper.read_only() == storage->read_only());
}

// ---- Threads ---------------------------------------------------------------------------------

TEST_CASE_FIXTURE(Commits, "threads: four write, four read; what one step writes is seen as a whole") {
  constexpr int rounds = 60, pairs = 5;
  std::atomic<int> torn = 0, failed = 0, running = 4;
  const auto key = [](int pair, double side) { return Coordinate{1.0 * pair, side}; };
  const auto store = [&](WriteTransaction& transaction, int pair, double value) {
    SpaceRecord* record = transaction.space(here).value();
    std::this_thread::yield();  // whoever does not wait for his turn comes between
    for (const double side : {0.0, 1.0}) {
      const auto before = transaction.find(record->number, key(pair, side).key(), Columns::header).value();
      Row row = before.value_or(Row{});
      row.memory.coordinate = key(pair, side);
      row.memory.importance = value;
      row.memory.payload = fmt::format(R"({{"v": {}}})", value);
      row.sequence = ++record->sequence;
      if (!before) row.id = first_id(record->number) | ++record->last_id, ++record->memories;
      transaction.put(record->number, row, {.created = !before}).value();
    }
  };
  const auto writer = [&](int thread) {
    for (int round = 0; round < rounds; ++round) {
      std::vector<WriteStep> steps;
      for (int pair = 0; pair < pairs; ++pair) {
        const double value = thread * 1000 + round;
        steps.push_back(
            make_step([&, pair, value](WriteTransaction& transaction) { store(transaction, pair, value); }));
      }
      steps.push_back(make_step([&](WriteTransaction& transaction) {
        store(transaction, 0, -1);  // never to be seen
        throw std::runtime_error("undone");
      }));
      if (!storage->apply(steps)) ++failed;
      for (int pair = 0; pair < pairs; ++pair) failed += !steps[static_cast<std::size_t>(pair)].outcome.has_value();
    }
    --running;
  };
  const auto reader = [&] {
    std::uint64_t last = 0;
    do {
      const auto reading = storage->read(here).value();
      const auto first = reading->list({.limit = 100}).value();
      const auto second = reading->list({.order = ListOrder::created_at, .limit = 100}).value();
      torn += reading->space().sequence < last || first.size() != second.size() ||
              reading->space().memories != first.size() || first.size() % 2 != 0;
      last = reading->space().sequence;
      for (std::size_t i = 0; i + 1 < first.size(); i += 2) {
        torn += first[i].memory.importance != first[i + 1].memory.importance || first[i].memory.importance < 0 ||
                first[i].memory.payload != first[i + 1].memory.payload;
      }
      const auto again = reading->list({.limit = 100}).value();
      torn += !difference(again, first, Columns::payload).empty();
      const auto one = storage->get(here, key(0, 0).key(), Columns::header).value();
      torn += one && one->memory.importance < 0;
    } while (running > 0);
  };
  std::latch start(8);  // all at once
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] { start.arrive_and_wait(), writer(i); });
    threads.emplace_back([&] { start.arrive_and_wait(), reader(); });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(failed == 0);
  CHECK(torn == 0);
  const auto record = view()->space();
  CHECK(record.sequence == 4 * rounds * pairs * 2);
  CHECK(record.memories == 2 * pairs);
  CHECK(storage->verify({}).value().empty());
}

}  // namespace fractal::conformance
