// The committed filter vectors through the public API: lists and searches, before and after an index is made.
#include "engine.h"

#include "src/json.h"

#include <fractal/format.h>

#include <fstream>
#include <map>
#include <set>

using namespace engine;

namespace {

struct Expectation {
  std::set<std::string> pass, fail;  // coordinates
};

struct Vectors {
  std::map<std::string, Memory> memories;      // by coordinate
  std::map<std::string, Expectation> filters;  // by JSON form
};

std::string member(std::string_view object, std::string_view key, std::string_view otherwise) {
  const auto raw = json::raw_member(object, key);
  if (!raw) return std::string(otherwise);
  if (!raw->starts_with('"')) return std::string(*raw);
  const auto document = json::Document::parse(*raw).value();
  return std::string(document.root().text());
}

const Vectors& vectors() {
  static const Vectors all = [] {
    Vectors read;
    std::ifstream in(FRACTAL_TEST_DATA "/filter_vectors.jsonl");
    for (std::string line; std::getline(in, line);) {
      const std::string memory = member(line, "memory", "");
      const std::string at = member(memory, "coordinate", "");
      Memory& one = read.memories[at];
      one.coordinate = Coordinate::parse(at).value();
      one.payload = member(memory, "payload", "{}");
      one.metadata = member(memory, "metadata", "{}");
      one.type = parse_memory_type(member(memory, "type", "episodic")).value();
      one.importance = std::stod(member(memory, "importance", "0"));
      one.id = Uuid::parse(member(memory, "id", "018f3a2b-0000-7000-8000-000000000000")).value();
      one.created_at = parse_time(member(memory, "created_at", "2024-05-01T10:00:00Z")).value();
      one.updated_at = parse_time(member(memory, "updated_at", "2024-05-02T10:00:00Z")).value();
      one.version = std::stoull(member(memory, "version", "1"));
      if (const std::string text = member(memory, "expires_at", ""); !text.empty())
        one.expires_at = parse_time(text).value();
      one.embedding = {1, static_cast<float>(read.memories.size())};
      Expectation& filter = read.filters[member(line, "filter", "")];
      (member(line, "matches", "") == "true" ? filter.pass : filter.fail).insert(at);
    }
    // A time of zero means "not given" to restore(): that memory cannot be written from outside.
    for (auto& [filter, expected] : read.filters) {
      std::erase_if(expected.pass, [&](const std::string& at) { return read.memories.at(at).created_at == Time{}; });
      std::erase_if(expected.fail, [&](const std::string& at) { return read.memories.at(at).created_at == Time{}; });
    }
    std::erase_if(read.memories, [](const auto& one) { return one.second.created_at == Time{}; });
    return read;
  }();
  return all;
}

FractalMemory filled(const Options& options) {
  const auto memory = FractalMemory::open(options).value();
  Batch batch;
  for (const auto& [at, one] : vectors().memories) batch.restore(one);
  memory.apply(batch).value();
  return memory;
}

template <class Items, class Of> std::set<std::string> names(const Items& items, const Of& of) {
  std::set<std::string> result;
  for (const auto& item : items) result.insert(of(item).coordinate.to_string());
  return result;
}

// What a filter lets pass is as the vectors say, and the same in a list, a search and near.
void check_filters(const FractalMemory& memory) {
  const std::vector<float> query{1, 1};
  for (const auto& [text, expected] : vectors().filters) {
    CAPTURE(text);
    const Filter filter = Filter::parse(text).value();
    const auto listed =
        names(memory.list({.limit = 10'000, .filter = filter}).value().memories, [](const Memory& m) { return m; });
    for (const std::string& at : expected.pass) CHECK_MESSAGE(listed.contains(at), at);
    for (const std::string& at : expected.fail) CHECK_MESSAGE(!listed.contains(at), at);
    const auto found = memory.search(query, {.top_k = 10'000, .filter = filter}).value();
    CHECK(names(found.hits, [](const Hit& hit) { return hit.memory; }) == listed);
    CHECK(found.matched == listed.size());
  }
}

}  // namespace

TEST_CASE("filters mean what the vectors say, in lists and searches") {
  REQUIRE(vectors().filters.size() > 100);
  REQUIRE(vectors().memories.size() > 20);
  check_filters(filled(fresh_options()));
}

TEST_CASE("filters mean the same with indexed fields") {
  Options options = fresh_options();
  options.indexed_fields = {"v", "a.b", "user.name", "year"};
  const auto memory = filled(options);
  CHECK(memory.stats().value().indexed_fields.size() == 4);
  check_filters(memory);
}

TEST_CASE("filters mean the same after create_index on what is there, and for what comes later") {
  const auto memory = filled(fresh_options());
  for (const char* path : {"v", "user.name", "user.age", "a\\.b", "topic"}) {
    memory.create_index(path).value();
    memory.create_index(path).value();  // a second time does nothing
  }
  CHECK(memory.stats().value().indexed_fields.size() == 5);
  check_filters(memory);
  const auto other = memory.in({.tenant = "later"});
  Batch batch;
  for (const auto& [at, one] : vectors().memories) batch.restore(one);
  other.apply(batch).value();
  check_filters(other);
  CHECK(memory.verify().value().ok());
}

TEST_CASE("an index follows updates and removals") {
  const auto memory = open_fresh();
  memory.create_index("n").value();
  for (double i = 0; i < 50; ++i)
    memory.store({.coordinate = {i}, .payload = "{\"n\": " + std::to_string(static_cast<int>(i)) + "}"}).value();
  for (double i = 0; i < 50; i += 2) memory.update({i}, {.payload = R"({"n": "text"})"}).value();
  for (double i = 1; i < 50; i += 4) memory.remove({i}).value();
  const auto count = [&](const Filter& filter) {
    return memory.list({.limit = 1000, .filter = filter}).value().memories.size();
  };
  CHECK(count(Filter::ge("n", 0)) == 12);
  CHECK(count(Filter::eq("n", "text")) == 25);
  CHECK(count(Filter::prefix("n", "te")) == 25);
  CHECK(count(Filter::eq("n", 3)) == 1);
  CHECK(count(Filter::eq("n", 1)) == 0);
  CHECK(count(Filter::ne("n", 3)) == 36);
  CHECK(count(!Filter::exists("n")) == 0);
}

TEST_CASE("no more than so many fields can be indexed") {
  const auto memory = open_fresh();
  for (std::size_t i = 0; i < limits::indexed_fields; ++i) memory.create_index("f" + std::to_string(i)).value();
  const Error error = error_of(memory.create_index("one_more"));
  CHECK(error.code == Errc::invalid_argument);
  CHECK(mentions(error, std::to_string(limits::indexed_fields)));
  CHECK(memory.create_index("f1").has_value());
}

TEST_CASE("hostile paths are names like any other") {
  const auto memory = open_fresh();
  const std::string_view keys[] = {"x') OR 1=1 --", "\\\"quoted\\\"", "a\\\\b", "[0]", "#", "*", "' '", "\xE2\x98\x95"};
  for (const std::string_view key : keys) {
    std::string path;  // what is written \" or \\ in JSON is one character, and a backslash is escaped in a path
    for (std::size_t i = 0; i < key.size(); ++i) {
      if (key[i] == '\\') ++i;
      if (key[i] == '\\') path += '\\';
      path += key[i];
    }
    CAPTURE(path);
    memory.store({.coordinate = {1}, .payload = "{\"" + std::string(key) + "\": 1}"}).value();
    memory.store({.coordinate = {2}, .payload = R"({"x": 1})"}).value();
    for (int round = 0; round < 2; ++round) {
      CHECK(coordinates(memory.list({.filter = Filter::eq(path, 1)}).value().memories) == "1.0");
      CHECK(coordinates(memory.list({.filter = Filter::ne(path, 1)}).value().memories) == "2.0");
      memory.create_index(path).value();
    }
  }
  CHECK(memory.verify().value().ok());
}

TEST_CASE("a list of values may be as long as the limit says, for every field") {
  const auto memory = open_fresh();
  memory.store({.coordinate = {1}, .payload = R"({"n": 7})"}).value();
  for (const std::string_view path :
       {"n", "$metadata.n", "$type", "$importance", "$version", "$created_at", "$id", "$coordinate"}) {
    CAPTURE(path);
    std::vector<Value> none(9'999, Value(-5)), numbers;
    for (int i = 0; i < 9'999; ++i) numbers.emplace_back(1'000'000 + i);
    for (std::vector<Value> values : {none, numbers}) {
      CHECK(memory.list({.filter = Filter::in(path, values)}).value().memories.empty());
      values.emplace_back(path == "n" ? 7 : 1);
      const bool passes = path == "n" || path == "$version";
      CHECK(memory.list({.filter = Filter::in(path, values)}).value().memories.size() == (passes ? 1 : 0));
    }
  }
}

TEST_CASE("a filter asked again sees what was written, and what expired, in between") {
  TestClock clock;
  const FractalMemory memory = FractalMemory::open(clock.on(fresh_options())).value();
  const FractalMemory other = memory.in({.tenant = "other"});
  const auto count = [](const Reads& reads) {
    const std::vector<float> question{1, 0};
    const auto found = reads.search(question, {.filter = Filter::eq("room", "hall")}).value();
    CHECK(found.hits.size() == found.matched);
    return found.matched;
  };
  const auto put = [&](double at, std::string_view room, std::optional<Time> expires_at = {}) {
    memory
        .store({.coordinate = {at},
                .payload = fmt::format(R"({{"room": "{}"}})", room),
                .embedding = {1, 1},
                .expires_at = expires_at})
        .value();
  };
  put(1, "hall");
  put(2, "attic");
  CHECK(count(memory) == 1);
  CHECK(count(memory) == 1);
  CHECK(count(other) == 0);
  const Snapshot before = memory.snapshot().value();
  put(2, "hall");
  put(3, "hall", clock.now() + std::chrono::hours(1));
  CHECK(count(memory) == 3);
  CHECK(count(before) == 1);
  CHECK(count(memory) == 3);
  clock.advance(std::chrono::hours(2));
  CHECK(count(memory) == 2);
  memory.remove({1}).value();
  CHECK(count(memory) == 1);
  CHECK(count(other) == 0);
}
