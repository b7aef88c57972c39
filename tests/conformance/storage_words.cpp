// Storage conformance: postings of words, and ids selected by a filter.
#include "storage_model.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <src/json.h>

#include <algorithm>
#include <fstream>
#include <set>

namespace fractal::conformance {
namespace {

const Space here{"tenant", "words"}, other{"tenant", "other"};

struct Words {
  std::shared_ptr<Storage> storage = make_empty_storage();
  Model model;

  void write(const std::function<void(Writer&)>& run) { commit(*storage, model, here, run); }
  std::unique_ptr<ReadView> view() { return storage->read(here).value(); }
  SpaceModel& space() { return model.spaces[here]; }
};

bool same_postings(const Postings& left, const Postings& right) {
  return left.counts == right.counts &&
         std::ranges::equal(left.entries, right.entries,
                            [](const auto& a, const auto& b) { return a.id == b.id && a.words == b.words; });
}

// A line of tests/data/filter_vectors.jsonl; its README says what is in it.
struct FilterCase {
  std::string text;
  Filter filter;
  bool matches = false;
  Memory memory;
};

std::string text_of(std::string_view object, std::string_view member) {
  const auto raw = json::raw_member(object, member);
  REQUIRE(raw);
  return std::string(raw->starts_with('"') ? raw->substr(1, raw->size() - 2) : *raw);
}

Memory read_memory(std::string_view object) {
  const auto has = [&](std::string_view name) { return json::raw_member(object, name).has_value(); };
  Memory memory;
  memory.coordinate = Coordinate::parse(text_of(object, "coordinate")).value();
  memory.payload = text_of(object, "payload");
  if (has("metadata")) memory.metadata = text_of(object, "metadata");
  if (has("type")) memory.type = parse_memory_type(text_of(object, "type")).value();
  if (has("importance")) memory.importance = std::stod(text_of(object, "importance"));
  if (has("version")) memory.version = std::stoull(text_of(object, "version"));
  if (has("id")) memory.id = Uuid::parse(text_of(object, "id")).value();
  if (has("created_at")) memory.created_at = parse_time(text_of(object, "created_at")).value();
  if (has("updated_at")) memory.updated_at = parse_time(text_of(object, "updated_at")).value();
  if (has("expires_at")) memory.expires_at = parse_time(text_of(object, "expires_at")).value();
  return memory;
}

const std::vector<FilterCase>& filter_cases() {
  static const std::vector<FilterCase> cases = [] {
    std::ifstream file(FRACTAL_TEST_DATA "/filter_vectors.jsonl");
    REQUIRE(file.is_open());
    std::vector<FilterCase> out;
    for (std::string line; std::getline(file, line);) {
      const std::string filter = text_of(line, "filter");
      out.push_back({filter, Filter::parse(filter).value(), text_of(line, "matches") == "true",
                     read_memory(text_of(line, "memory"))});
    }
    return out;
  }();
  return cases;
}

// Paths into the payload that the filters use.
void collect_paths(const Filter& filter, std::set<std::string>& paths) {
  const FilterNode* node = filter.node();
  if (!node) return;
  if (node->children.empty() && node->field == FilterField::payload) paths.insert(node->path);
  for (const Filter& child : node->children) collect_paths(child, paths);
}

struct Selecting : Words {
  Selecting() { REQUIRE(filter_cases().size() > 2000); }

  void store_memories(const Space& space) {
    commit(*storage, model, space, [&](Writer& writer) {
      for (const FilterCase& each : filter_cases()) {
        if (!writer.model().find(each.memory.coordinate.key())) writer.store(each.memory);
      }
    });
  }

  void create_indexes() {
    std::set<std::string> paths;
    for (const FilterCase& each : filter_cases()) collect_paths(each.filter, paths);
    REQUIRE(paths.size() > 3);
    while (paths.size() > limits::indexed_fields) paths.erase(std::prev(paths.end()));
    for (const std::string& path : paths) {
      storage->create_index(path, {}).value();
      storage->create_index(path, {}).value();
    }
    const auto found = storage->indexed_fields().value();
    CHECK(std::set<std::string>(found.begin(), found.end()) == paths);
    CHECK(found.size() == paths.size());
  }

  // Nothing that passes is missing; what claims to be exact is.
  static void check_selection(const Selection& selection, const std::vector<MemoryId>& wanted,
                              const std::string& text) {
    CAPTURE(text);
    CHECK(selection.complete);
    CHECK(std::is_sorted(selection.ids.begin(), selection.ids.end()));
    CHECK(std::adjacent_find(selection.ids.begin(), selection.ids.end()) == selection.ids.end());
    CHECK(std::includes(selection.ids.begin(), selection.ids.end(), wanted.begin(), wanted.end()));
    if (selection.exact) CHECK(selection.ids == wanted);
  }

  void check_all() {
    const auto reading = view();
    std::map<std::string, MemoryId> ids;
    for (const auto& [id, row] : space().rows) ids[row.key] = id;
    std::map<std::string, Selection> selections;  // by filter
    for (const FilterCase& each : filter_cases()) {
      auto& selection = selections[each.text];
      if (selection.ids.empty() && !selection.complete) {
        selection = reading->select(each.filter, "", no_limit).value();
        check_selection(selection, space().select(each.filter, ""), each.text);
      }
      const MemoryId id = ids[each.memory.coordinate.key()];
      const bool found = std::binary_search(selection.ids.begin(), selection.ids.end(), id);
      CAPTURE(each.text);
      CAPTURE(each.memory.payload);
      if (each.matches) CHECK(found);
      if (!each.matches && selection.exact) CHECK_FALSE(found);
    }
    check_limits(*reading);
  }

  void check_limits(ReadView& reading) {
    const auto filters = {Filter(),
                          Filter::exists("v"),
                          Filter::ge("year", 2024),
                          !Filter::eq("topic", "tea"),
                          Filter::eq("v", 1) || Filter::prefix("v", "t"),
                          Filter::eq("$type", "semantic")};
    for (const Filter& filter : filters) {
      const std::string text = filter.to_json();
      CAPTURE(text);
      for (const Coordinate& under : {Coordinate{0}, Coordinate{58}, Coordinate{58, 0.5}, Coordinate{-3}}) {
        check_selection(reading.select(filter, under.key(), no_limit).value(), space().select(filter, under.key()),
                        text);
      }
      const Selection all = reading.select(filter, "", no_limit).value();
      REQUIRE_FALSE(all.ids.empty());
      const auto just = reading.select(filter, "", all.ids.size()).value();
      CHECK(just.complete);
      CHECK(just.ids == all.ids);
      for (const std::size_t limit : {all.ids.size() - 1, all.ids.size() / 2, std::size_t{1}, std::size_t{0}}) {
        if (limit >= all.ids.size()) continue;
        const auto some = reading.select(filter, "", limit).value();
        CHECK_FALSE(some.complete);
        CHECK(some.ids.size() <= limit);
        CHECK(std::includes(all.ids.begin(), all.ids.end(), some.ids.begin(), some.ids.end()));
      }
    }
  }
};

}  // namespace

TEST_CASE_FIXTURE(Selecting, "select: the committed filter vectors, first without and then with indexes") {
  store_memories(here);
  store_memories(other);
  check_all();
  create_indexes();
  check_all();
}

TEST_CASE_FIXTURE(Selecting, "select: the committed filter vectors, indexes first") {
  create_indexes();
  store_memories(other);
  store_memories(here);
  check_all();
}

TEST_CASE_FIXTURE(Selecting, "select: indexes follow updates and erasures") {
  create_indexes();
  store_memories(here);
  write([&](Writer& writer) {  // every payload moves to the next memory, every fourth memory goes
    std::vector<std::string> keys, payloads;
    for (const auto& [id, row] : writer.model().rows) {
      keys.push_back(row.key);
      payloads.push_back(row.row.memory.payload);
    }
    for (std::size_t i = 0; i < keys.size(); ++i) {
      writer.patch(keys[i], [&](Memory& memory) { memory.payload = payloads[(i + 1) % payloads.size()]; });
      if (i % 4 == 0) writer.remove(keys[i]);
    }
  });
  const auto reading = view();
  for (const FilterCase& each : filter_cases()) {
    check_selection(reading->select(each.filter, "", no_limit).value(), space().select(each.filter, ""), each.text);
  }
}

TEST_CASE_FIXTURE(Words, "create_index: over many rows; cancelled, it leaves nothing") {
  write([&](Writer& writer) {
    for (int i = 0; i < 3000; ++i) writer.store(make_memory({1.0 * i}, fmt::format(R"({{"n": {}}})", i % 10)));
  });
  const std::atomic<bool> cancel = true;
  const auto refused = storage->create_index("n", {.cancel = &cancel});
  if (refused) {
    CHECK(storage->indexed_fields().value() == std::vector<std::string>{"n"});
  } else {
    CHECK(refused.error().code == Errc::unavailable);
    CHECK(storage->indexed_fields().value().empty());
  }
  storage->create_index("n", {}).value();
  CHECK(storage->indexed_fields().value() == std::vector<std::string>{"n"});
  const Filter filter = Filter::eq("n", 3);
  Selecting::check_selection(view()->select(filter, "", no_limit).value(), space().select(filter, ""), "n = 3");
  CHECK(storage->verify({}).value().empty());
}

TEST_CASE_FIXTURE(Words, "postings: counts of each column, terms in no row, terms given in any order") {
  const auto fill = [&](Writer& writer) {
    writer.store(make_memory({1}), words("tea tea green", "tea", "", "ada tea tea tea"));
    writer.store(make_memory({2}), words("", "", "green", ""));
    writer.store(make_memory({3}), words("teas gree te"));  // none of them is "tea"
    writer.store(make_memory({4}));
    writer.store(make_memory({5}), words("\xe8\x8c\xb6 \xc3\xa9t\xc3\xa9 0x1f AND or NEAR"));
  };
  write(fill);
  const std::vector<std::vector<std::string>> queries{{"tea"},
                                                      {"green", "tea"},
                                                      {"tea", "green"},
                                                      {"nothing"},
                                                      {"nothing", "ada"},
                                                      {},
                                                      {"\xe8\x8c\xb6"},
                                                      {"AND"},
                                                      {"NEAR"},
                                                      {"OR"},
                                                      {"te"},
                                                      {"tea", "nothing", "green", "ada", "or"}};
  for (const auto& query : queries) { CHECK(same_postings(view()->postings(query).value(), space().postings(query))); }
  const auto found = view()->postings(queries[2]).value();
  REQUIRE(found.entries.size() == 2);
  CHECK(found.counts[0] == std::array<std::uint32_t, 4>{2, 1, 0, 3});
  CHECK(found.counts[1] == std::array<std::uint32_t, 4>{1, 0, 0, 0});
  CHECK(found.entries[0].words == std::array<std::uint32_t, 4>{3, 1, 0, 4});
  CHECK(found.counts[3] == std::array<std::uint32_t, 4>{0, 0, 1, 0});

  commit(*storage, model, other, fill);
  commit(*storage, model, other, [](Writer& writer) { writer.store(make_memory({9}), words("nothing tea")); });
  for (const auto& query : queries) { CHECK(same_postings(view()->postings(query).value(), space().postings(query))); }
}

TEST_CASE_FIXTURE(Words, "postings: many rows, then updates and erasures") {
  const std::uint64_t seed = 17;
  CAPTURE(seed);
  Random random(seed);
  const auto check = [&] {
    const auto reading = view();
    for (int i = 0; i < 12; ++i) {
      const std::vector<std::string> query{random.word(), fmt::format("rare{}", i), fmt::format("w{}", i)};
      CHECK(same_postings(reading->postings(query).value(), space().postings(query)));
    }
  };
  std::vector<std::string> keys;
  write([&](Writer& writer) {
    for (int i = 0; i < 1500; ++i) {
      Keywords keywords = random.keywords();
      if (i % 100 == 0) keywords = words(fmt::format("rare{} {}", i / 100, random.word()));
      writer.store(make_memory({1.0 * i}), keywords);
      keys.push_back(Coordinate{1.0 * i}.key());
    }
  });
  check();
  write([&](Writer& writer) {
    for (std::size_t i = 0; i < keys.size(); i += 3) {
      const Keywords keywords = random.keywords();
      writer.patch(
          keys[i], [](Memory&) {}, i % 2 == 0 ? &keywords : nullptr);
    }
    for (std::size_t i = 1; i < keys.size(); i += 3) writer.remove(keys[i]);
  });
  check();
  write([&](Writer& writer) {
    for (std::size_t i = 0; i < 50; ++i) {
      const Keywords first = words("w1 w2"), second = words("w2 w3 w3");  // twice in one step: the second counts
      writer.patch(
          keys[i * 3], [](Memory&) {}, &first);
      writer.patch(
          keys[i * 3], [](Memory&) {}, &second);
    }
  });
  check();
  CHECK(storage->verify({}).value().empty());
}

TEST_CASE_FIXTURE(Words, "postings: a long text") {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += fmt::format("{}w{}", i == 0 ? "" : " ", i % 500);
  write([&](Writer& writer) { writer.store(make_memory({1}), words(text, "w3")); });
  const auto found = view()->postings(std::vector<std::string>{"w3", "w499", "w500"}).value();
  REQUIRE(found.entries.size() == 1);
  CHECK(found.entries[0].words == std::array<std::uint32_t, 4>{20'000, 1, 0, 0});
  CHECK(found.counts[0] == std::array<std::uint32_t, 4>{40, 1, 0, 0});
  CHECK(found.counts[1] == std::array<std::uint32_t, 4>{40, 0, 0, 0});
  CHECK(found.counts[2] == std::array<std::uint32_t, 4>{});
}

}  // namespace fractal::conformance
