// Bad input: an error that names the field, and the limit where there is one; nothing is written.
#include "engine.h"

#include <cmath>
#include <functional>
#include <limits>
#include <sstream>

using namespace engine;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr float float_nan = std::numeric_limits<float>::quiet_NaN();
constexpr float float_infinity = std::numeric_limits<float>::infinity();

const std::string bad_utf8[] = {"\xFF",        "a\x80", "\xC3", "\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80",
                                "\xE2\x28\xA1"};

// A space with something in it, and the proof that nothing in the database changed.
class Unchanged {
 public:
  Unchanged() : memory(open_fresh()) {
    memory.store({.coordinate = {1}, .payload = R"({"text": "tea"})", .embedding = {1, 2, 3}}).value();
    memory.link({.from = {1}, .to = {2}}).value();
    before_ = exported(memory);
    sequence_ = memory.stats().value().sequence;
  }
  void check() const {
    CHECK(exported(memory) == before_);
    CHECK(memory.stats().value().sequence == sequence_);
    CHECK(memory.spaces().value().size() == 1);
    CHECK(memory.audit().value().size() == 2);
  }

  template <class T> void refuses(const Result<T>& result, std::initializer_list<std::string_view> words) const {
    INFO(std::string(*words.begin()));
    REQUIRE_FALSE(result.has_value());
    const std::string message = result.error().message;
    CAPTURE(message);
    CHECK(result.error().code == Errc::invalid_argument);
    CHECK(message.size() < 1000);
    for (const std::string_view word : words) {
      const std::string wanted(word);
      CAPTURE(wanted);
      CHECK(mentions(result.error(), word));
    }
    check();
  }

  const FractalMemory memory;

 private:
  std::string before_;
  std::uint64_t sequence_;
};

}  // namespace

TEST_CASE("payload and metadata must be JSON objects within the limits") {
  const Unchanged space;
  struct Case {
    std::string text;
    std::string_view word;
  };
  std::vector<Case> cases{{"", ""},
                          {"[]", "object"},
                          {"null", "object"},
                          {"1", "object"},
                          {"\"text\"", "object"},
                          {"{", ""},
                          {"{}x", ""},
                          {"{} {}", ""},
                          {"{\"a\":}", ""},
                          {"{\"a\":1,}", ""},
                          {"{a:1}", ""},
                          {"{'a':1}", ""},
                          {"{\"a\":NaN}", ""},
                          {"{\"a\":Infinity}", ""},
                          {"{\"a\":01}", ""},
                          {"{\"a\":1e999}", ""},
                          {"{\"a\":\"\n\"}", ""},
                          {"{\"a\":\"\\u0000\"}", "NUL"},
                          {"{\"\\u0000\":1}", "NUL"},
                          {std::string("{\"a\":\"\0\"}", 9), ""},
                          {"{\"a\":\"\\ud800\"}", ""},
                          {"{\"a\":\"\\udc00\\ud800\"}", ""},
                          {"\xEF\xBB\xBF{}", ""},
                          {std::string(600, '[').insert(0, "{\"a\":") + std::string(600, ']') + "}", "512"}};
  for (const std::string& bytes : bad_utf8) {
    cases.push_back({"{\"a\":\"" + bytes + "\"}", "UTF-8"});
    cases.push_back({"{\"" + bytes + "\":1}", "UTF-8"});
  }
  for (const Case& bad : cases) {
    CAPTURE(bad.text);
    const Memory payload{.coordinate = {5}, .payload = bad.text}, metadata{.coordinate = {5}, .metadata = bad.text};
    space.refuses(space.memory.store(payload), {"payload", bad.word});
    space.refuses(space.memory.store(metadata), {"metadata", bad.word});
    space.refuses(space.memory.update({1}, {.payload = bad.text}), {"payload", bad.word});
    space.refuses(space.memory.update({1}, {.metadata = bad.text}), {"metadata", bad.word});
    space.refuses(space.memory.link({.from = {1}, .to = {3}, .metadata = bad.text}), {"metadata", bad.word});
    Batch batch;
    batch.store({.coordinate = {6}}).restore(payload);
    space.refuses(space.memory.apply(batch), {"entry 1", "payload", bad.word});
  }
  const std::string large = "{\"a\":\"" + std::string(limits::payload, 'x') + "\"}";
  space.refuses(space.memory.store({.coordinate = {5}, .payload = large}),
                {"payload", std::to_string(limits::payload)});
  space.refuses(space.memory.update({1}, {.payload = large}), {"payload", std::to_string(limits::payload)});
  space.refuses(space.memory.store({.coordinate = {5}, .metadata = large}),
                {"metadata", std::to_string(limits::metadata)});
  space.refuses(space.memory.link({.from = {1}, .to = {3}, .metadata = large}),
                {"metadata", std::to_string(limits::metadata)});
}

TEST_CASE("a merge that outgrows the limit is refused") {
  const auto memory = open_fresh();
  const std::string half = "\"" + std::string(limits::metadata * 2 / 3, 'x') + "\"";
  memory.store({.coordinate = {1}, .metadata = "{\"a\":" + half + "}"}).value();
  const std::string before = exported(memory);
  const Error error = error_of(memory.update({1}, {.metadata = "{\"b\":" + half + "}"}));
  CHECK(error.code == Errc::invalid_argument);
  CHECK(mentions(error, "metadata"));
  CHECK(mentions(error, std::to_string(limits::metadata)));
  CHECK(exported(memory) == before);
  CHECK(memory.update({1}, {.metadata = "{\"a\":null,\"b\":" + half + "}"}).has_value());
}

TEST_CASE("coordinates: empty, not finite, too long") {
  const Unchanged space;
  const auto& memory = space.memory;
  std::vector<double> wide(129, 1.5), long_text(60, 0.1234567890123456);
  const Coordinate bad[] = {Coordinate{},
                            Coordinate{not_a_number},
                            Coordinate{1, infinity},
                            Coordinate{-infinity},
                            Coordinate(std::span<const double>(wide)),
                            Coordinate(std::span<const double>(long_text))};
  for (const Coordinate& at : bad) {
    const std::string_view word = at.size() > 2 ? "512" : "oordinate";
    space.refuses(memory.store({.coordinate = at}), {word});
    space.refuses(memory.store_if_absent({.coordinate = at}), {word});
    space.refuses(memory.update(at, {}), {word});
    space.refuses(memory.remove(at), {word});
    space.refuses(memory.link({.from = at, .to = {1}}), {word});
    space.refuses(memory.link({.from = {1}, .to = at}), {word});
    space.refuses(memory.unlink(at, {1}), {word});
    space.refuses(memory.unlink({1}, at), {word});
    space.refuses(memory.retrieve(at), {word});
    space.refuses(memory.retrieve_many(std::vector<Coordinate>{{1}, at}), {word});
    space.refuses(memory.near(at), {word});
    space.refuses(memory.within(at), {word});
    space.refuses(memory.neighbors(at), {word});
    space.refuses(memory.path(at, {1}), {word});
    space.refuses(memory.path({1}, at), {word});
    if (at.empty()) continue;
    std::ostringstream out;
    space.refuses(memory.list({.within = at}), {word});
    space.refuses(memory.search("tea", {.within = at}), {word});
    space.refuses(memory.export_memories(out, {.within = at}), {word});
    space.refuses(memory.export_graph(out, GraphFormat::json, {.within = at}), {word});
  }
}

TEST_CASE("numbers that are not finite, and times outside the calendar") {
  const Unchanged space;
  const auto& memory = space.memory;
  for (const double bad : {not_a_number, infinity, -infinity}) {
    space.refuses(memory.store({.coordinate = {5}, .importance = bad}), {"importance", "finite"});
    space.refuses(memory.update({1}, {.importance = bad}), {"importance", "finite"});
    space.refuses(memory.link({.from = {1}, .to = {5}, .strength = bad}), {"strength", "finite"});
  }
  for (const float bad : {float_nan, float_infinity, -float_infinity}) {
    space.refuses(memory.store({.coordinate = {5}, .embedding = {1, bad, 1}}), {"embedding component 1", "finite"});
    space.refuses(memory.update({1}, {.embedding = std::vector<float>{bad, 0, 0}}),
                  {"embedding component 0", "finite"});
    space.refuses(memory.search(std::vector<float>{1, 1, bad}), {"query vector component 2", "finite"});
  }
  space.refuses(memory.store({.coordinate = {5}, .embedding = {0, 0, 0}}), {"embedding", "length 0"});
  space.refuses(memory.search(std::vector<float>{0, 0, 0}), {"query vector", "length 0"});
  const std::vector<float> wide(limits::dimension + 1, 1.0f);
  space.refuses(memory.store({.coordinate = {5}, .embedding = wide}), {"embedding", std::to_string(limits::dimension)});
  space.refuses(memory.search(wide), {"query vector", std::to_string(limits::dimension)});
  space.refuses(memory.store({.coordinate = {5}, .embedding = {1, 2}}), {"embedding", "2 components", "3"});
  space.refuses(memory.search(std::vector<float>{1}), {"query vector has 1 components", "3"});
}

TEST_CASE("times outside the years 1970 to 9999") {
  const Unchanged space;
  for (const auto bad : {Time(std::chrono::microseconds(-1)), Time::max(), Time::min(),
                         Time(std::chrono::microseconds(253'402'300'800'000'000))}) {
    space.refuses(space.memory.store({.coordinate = {5}, .expires_at = bad}), {"expires_at", "1970", "9999"});
    space.refuses(space.memory.update({1}, {.expires_at = bad}), {"expires_at"});
    Batch created, updated, link;
    created.restore({.coordinate = {5}, .created_at = bad});
    updated.restore({.coordinate = {5}, .updated_at = bad});
    link.restore_link({.from = {1}, .to = {5}, .created_at = bad});
    space.refuses(space.memory.apply(created), {"created_at"});
    space.refuses(space.memory.apply(updated), {"updated_at"});
    space.refuses(space.memory.apply(link), {"created_at"});
  }
  space.refuses(space.memory.update({1}, {.expires_at = Time(std::chrono::seconds(1)), .never_expires = true}),
                {"expires_at", "never_expires"});
}

TEST_CASE("link types and names of spaces") {
  const Unchanged space;
  const auto& memory = space.memory;
  std::vector<std::string> bad{"", std::string(limits::link_type + 1, 'x'), std::string("a\0b", 3)};
  bad.insert(bad.end(), std::begin(bad_utf8), std::end(bad_utf8));
  for (const std::string& type : bad) {
    const std::string_view word = type.size() > 100 ? "100" : "link type";
    space.refuses(memory.link({.from = {1}, .to = {2}, .type = type}), {"link type", word});
    space.refuses(memory.unlink({1}, {2}, type), {"link type", word});
    if (type.empty()) continue;
    space.refuses(memory.neighbors({1}, {.type = type}), {"link type", word});
    space.refuses(memory.path({1}, {2}, {.type = type}), {"link type", word});
  }
  bad[1] = std::string(limits::space_name + 1, 'x');
  for (const std::string& name : bad) {
    const std::string_view word = name.size() > 255 ? "255" : "";
    for (const auto& handle : {memory.in({.tenant = name}), memory.in({.name = name})}) {
      const std::string_view field = handle.space().tenant == "default" ? "name" : "tenant";
      std::istringstream in("{\"coordinate\": [1]}\n");
      std::ostringstream out;
      space.refuses(handle.store({.coordinate = {1}}), {field, word});
      space.refuses(handle.remove({1}), {field, word});
      space.refuses(handle.retrieve({1}), {field, word});
      space.refuses(handle.search("tea"), {field, word});
      space.refuses(handle.list(), {field, word});
      space.refuses(handle.near({1}), {field, word});
      space.refuses(handle.neighbors({1}), {field, word});
      space.refuses(handle.path({1}, {2}), {field, word});
      space.refuses(handle.changes(0), {field, word});
      space.refuses(handle.audit(), {field, word});
      space.refuses(handle.stats(), {field, word});
      space.refuses(handle.snapshot(), {field, word});
      space.refuses(handle.erase_space(), {field, word});
      space.refuses(handle.import_memories(in), {field, word});
      space.refuses(handle.export_memories(out), {field, word});
      Options options = fresh_options();
      options.space = handle.space();
      CHECK(error_of(FractalMemory::open(options)).code == Errc::invalid_argument);
    }
  }
}

TEST_CASE("searches beyond the limits") {
  const Unchanged space;
  const auto& memory = space.memory;
  constexpr std::size_t billion = 1'000'000'000, most = std::numeric_limits<std::size_t>::max();
  const std::pair<std::size_t, std::size_t> too_many[] = {
      {billion, 0}, {most, 0}, {1, most}, {limits::top_k, 1}, {most, most}};
  for (const auto& [k, offset] : too_many) {
    space.refuses(memory.search("tea", {.top_k = k, .offset = offset}), {"top_k", std::to_string(limits::top_k)});
    space.refuses(memory.neighbors({1}, {.limit = k, .offset = offset}), {"limit", std::to_string(limits::top_k)});
  }
  CHECK(memory.search("tea", {.top_k = limits::top_k}).value().hits.size() == 1);
  for (const std::size_t limit : {limits::page + 1, billion, most}) {
    space.refuses(memory.list({.limit = limit}), {"limit", std::to_string(limits::page)});
    space.refuses(memory.near({1}, {.limit = limit}), {"limit", std::to_string(limits::page)});
    space.refuses(memory.changes(0, limit), {"limit", std::to_string(limits::page)});
    space.refuses(memory.audit(limit), {"limit", std::to_string(limits::page)});
  }
  CHECK(memory.list({.limit = limits::page}).value().memories.size() == 1);
  for (const double bad : {-0.001, 1.001, not_a_number, infinity}) {
    space.refuses(memory.search("tea", {.alpha = bad}), {"alpha", "0..1"});
    space.refuses(memory.search("tea", {.diversity = bad}), {"diversity", "0..1"});
  }
  for (const std::size_t hops : {std::size_t{0}, limits::hops + 1, most}) {
    space.refuses(memory.neighbors({1}, {.hops = hops}), {"hops", "1..64"});
    if (hops > 0) space.refuses(memory.path({1}, {2}, {.max_hops = hops}), {"max_hops", "64"});
  }
  for (const double bad : {-1.0, not_a_number, -infinity}) space.refuses(memory.near({1}, {.radius = bad}), {"radius"});

  const std::string large(limits::query_text + 1, 'x');
  space.refuses(memory.search(large), {"query text", std::to_string(limits::query_text)});
  for (const std::string& text : bad_utf8) space.refuses(memory.search(text), {"query text", "UTF-8"});
  space.refuses(memory.search(std::string_view("a\0b", 3)), {"query text", "NUL"});
  space.refuses(memory.search("", {.mode = SearchMode::keyword}), {"keyword", "query text"});
  space.refuses(memory.search("tea", {.mode = SearchMode::vector}), {"vector", "query vector"});
  space.refuses(memory.search("tea", {.mode = SearchMode::hybrid}), {"hybrid", "query vector"});
  space.refuses(memory.search(std::span<const float>{}), {"query vector"});
}

TEST_CASE("filters and cursors that are none") {
  const Unchanged space;
  const auto& memory = space.memory;
  const std::string long_path(513, 'p');
  Filter deep = Filter::eq("a", 1), wide = Filter::eq("a", 1);
  for (int i = 0; i < 40; ++i) deep = !(deep || Filter::eq("b", 2));
  for (int i = 0; i < 256; ++i) wide = wide || Filter::eq("a", i);
  const Filter bad[] = {Filter::eq("", 1),
                        Filter::eq("a..b", 1),
                        Filter::eq("$nothing", 1),
                        Filter::eq(long_path, 1),
                        Filter::eq("a\\", 1),
                        Filter::lt("a", not_a_number),
                        deep,
                        wide,
                        Filter::in("a", std::vector<Value>(10'001, 1)),
                        Filter::eq("\xFF", 1),
                        Filter::eq("a", "\xFF")};
  for (const Filter& filter : bad) {
    std::ostringstream out;
    CAPTURE(&filter - bad);
    space.refuses(memory.search("tea", {.filter = filter}), {""});
    space.refuses(memory.search(std::vector<float>{1, 2, 3}, {.filter = filter}), {""});
    space.refuses(memory.list({.filter = filter}), {""});
    space.refuses(memory.near({1}, {.filter = filter}), {""});
    space.refuses(memory.export_memories(out, {.filter = filter}), {""});
    space.refuses(memory.export_graph(out, GraphFormat::dot, {.filter = filter}), {""});
  }
  for (const char* path : {"", "a..b", "$type", "$metadata.x", "a\\"}) space.refuses(memory.create_index(path), {""});
  for (const char* cursor : {"x", "ca", "ca00", "cazz", "cd3ff0000000000000", "ta1.1", "ia7ff0000000000000.1"}) {
    space.refuses(memory.list({.after = cursor}), {"after"});
  }
  space.refuses(memory.list({.order = ListOrder::importance, .after = "ia7ff0000000000000.1"}), {"after"});
  space.refuses(memory.list({.order = ListOrder::created_at, .after = "ta.1"}), {"after"});
  space.refuses(memory.list({.order = ListOrder::created_at, .after = "ta1."}), {"after"});
  space.refuses(memory.list({.order = ListOrder::created_at, .descending = true, .after = "ta1.1"}), {"after"});
}

TEST_CASE("batches beyond the limits") {
  const Unchanged space;
  Batch many;
  for (std::size_t i = 0; i <= limits::batch_entries; ++i) many.unlink({1}, {2});
  space.refuses(space.memory.apply(std::move(many)), {"batch", std::to_string(limits::batch_entries)});
  std::istringstream in("{\"coordinate\": [7]}\n");
  space.refuses(space.memory.import_memories(in, {.batch = 0}), {"batch", "1.."});
  space.refuses(space.memory.import_memories(in, {.batch = limits::batch_entries + 1}),
                {"batch", std::to_string(limits::batch_entries)});
  Batch heavy;
  const std::vector<float> vector(limits::dimension, 1.0f);
  for (std::size_t bytes = 0; bytes <= limits::batch_bytes; bytes += vector.size() * sizeof(float)) {
    heavy.store({.coordinate = {7, static_cast<double>(bytes)}, .embedding = vector});
  }
  space.refuses(space.memory.apply(std::move(heavy)), {"batch", std::to_string(limits::batch_bytes)});
}

TEST_CASE("options that are none") {
  const auto refused = [](const std::function<void(Options&)>& change, std::string_view word) {
    Options options = fresh_options();
    change(options);
    const Error error = error_of(FractalMemory::open(options));
    CAPTURE(error.message);
    CHECK(error.code == Errc::invalid_argument);
    CHECK(mentions(error, word));
  };
  refused([](Options& o) { o.path = ""; }, "path");
  refused([](Options& o) { o.path = std::string("a\0b", 3); }, "path");
  refused([](Options& o) { o.indexed_fields.assign(limits::indexed_fields + 1, "a"); }, "64");
  refused([](Options& o) { o.indexed_fields = {"a..b"}; }, "a..b");
  refused([](Options& o) { o.indexed_fields = {"$type"}; }, "$type");
  refused([](Options& o) { o.text_fields = {{.path = "", .weight = 1}}; }, "text_fields");
  refused([](Options& o) { o.text_fields = {{.path = "a", .weight = 0}}; }, "weight");
  refused([](Options& o) { o.text_fields = {{.path = "a", .weight = not_a_number}}; }, "weight");
  refused([](Options& o) { o.text_fields = {{.path = "a", .weight = 1}, {.path = "a", .weight = 2}}; }, "twice");
  refused([](Options& o) { o.text_fields.assign(33, {.path = "a", .weight = 1}); }, "32");
  refused([](Options& o) { o.busy_timeout = std::chrono::milliseconds(-1); }, "busy_timeout");
  refused([](Options& o) { o.audit.keep_for = std::chrono::hours(-1); }, "keep_for");
}
