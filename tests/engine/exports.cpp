// Export and import of memories as lines: lossless, streamed, and clear about what is wrong where.
#include "engine.h"

#include <fractal/json_lines.h>

#include <atomic>
#include <istream>
#include <limits>
#include <ostream>
#include <sstream>
#include <streambuf>

using namespace engine;

namespace {

ImportReport import(const FractalMemory& memory, const std::string& lines, std::size_t batch = 1000) {
  std::istringstream in(lines);
  return memory.import_memories(in, {.batch = batch}).value();
}

// Takes or gives so many bytes, then fails.
class FailingBuffer : public std::streambuf {
 public:
  explicit FailingBuffer(std::size_t bytes, std::string text = {}) : left_(bytes), text_(std::move(text)) {}

 protected:
  int_type overflow(int_type c) override { return left_ == 0 ? traits_type::eof() : (--left_, c); }
  int_type underflow() override {
    if (at_ == std::min(left_, text_.size())) {
      if (left_ < text_.size()) throw std::runtime_error("the disk is gone");
      return traits_type::eof();
    }
    one_ = text_[at_++];
    setg(&one_, &one_, &one_ + 1);
    return traits_type::to_int_type(one_);
  }

 private:
  std::size_t left_, at_ = 0;
  std::string text_;
  char one_ = 0;
};

// One of everything that could get lost on the way.
Batch difficult(const TestClock& clock) {
  Batch batch;
  const char* payloads[] = {R"({"text": "plain"})",
                            "{\n  \"text\": \"lines\",\r\n\t\"n\": 1\n}",
                            "  {\"a\": 1}  ",
                            "\n{}\n",
                            R"({"a": 1, "a": 2, "a": {"a": 3, "a": 4}})",
                            "{\"\xE2\x98\x95\": \"\xF0\x9F\x8D\xB5 \xE2\x80\xA8\"}",
                            R"({"e": "\u00e9\n\t\"\\\/", "n": [1.0, 1e5, -0, -0.0, 18446744073709551615, 0.1e-400]})",
                            R"({"payload": {"payload": 1}, "coordinate": [1], "format": "x"})",
                            "{}",
                            "{ }"};
  double i = 0;
  for (const char* payload : payloads) {
    batch.store({.coordinate = {1, i++}, .payload = payload, .metadata = payload});
  }
  batch.store(
      {.coordinate = {-5e-324, 1.7976931348623157e308, 0.1}, .type = MemoryType::semantic, .importance = -5e-324});
  batch.store({.coordinate = {2},
               .embedding = {1e-45f, -1e-40f, 3.4028235e38f, -0.0f},
               .importance = 0.1,
               .expires_at = clock.now() + std::chrono::microseconds(1)});
  batch.store({.coordinate = {3},
               .embedding = {0.1f, 1.0f / 3, 16777216.0f, 1e10f},
               .importance = -0.0,
               .expires_at = Time(std::chrono::microseconds(253'402'300'799'999'999))});
  batch.link({.from = {1, 0}, .to = {1, 1}, .strength = 0.1});
  batch.link({.from = {1, 0},
              .to = {77, 88},
              .type = "a \"b\" \xE2\x98\x95\\",
              .strength = -5e-324,
              .metadata = "{\n\"m\": 1.50 }"});
  batch.link({.from = {99}, .to = {99}, .type = std::string(100, 'x'), .strength = 1.7976931348623157e308});
  return batch;
}

}  // namespace

TEST_CASE("export, import, export again: the same bytes") {
  TestClock clock;
  const auto memory = FractalMemory::open(clock.on(fresh_options())).value();
  memory.apply(difficult(clock)).value();
  memory.update({1, 0}, {.importance = 3}).value();
  const std::string lines = exported(memory);
  CHECK(std::count(lines.begin(), lines.end(), '\n') == 1 + 13 + 3);

  for (const std::size_t batch : {1u, 3u, 1000u}) {
    const auto copy = FractalMemory::open(clock.on(fresh_options())).value();
    const auto report = import(copy, lines, batch);
    CHECK(report.lines == 17);
    CHECK(report.memories == 13);
    CHECK(report.links == 3);
    CHECK(exported(copy) == lines);
    for (const Memory& one : memory.list().value().memories) {
      CHECK(copy.retrieve(one.coordinate).value() == memory.retrieve(one.coordinate).value());
    }
    CHECK(std::signbit(copy.retrieve({3}).value().importance));
    CHECK(copy.search("plain lines").value().matched == memory.search("plain lines").value().matched);
    import(copy, lines, batch);  // resumed or repeated: nothing changes
    CHECK(exported(copy) == lines);
    CHECK(copy.verify().value().ok());
  }
}

TEST_CASE("random spaces survive the round trip") {
  std::mt19937_64 random(testing::announced_seed("engine"));
  TestClock clock;
  const auto memory = FractalMemory::open(clock.on(fresh_options())).value();
  Batch batch;
  for (int i = 0; i < 2500; ++i) {
    std::vector<double> at(1 + below(random, 4));
    for (double& x : at) x = std::bit_cast<double>(random());
    const Coordinate coordinate{std::span<const double>(at)};
    if (!coordinate.check()) continue;
    std::vector<float> vector(4);
    for (float& x : vector) {
      do x = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
      while (!std::isfinite(x));
    }
    double importance;
    do importance = std::bit_cast<double>(random());
    while (!std::isfinite(importance));
    batch.store({.coordinate = coordinate,
                 .payload = "{\"n\": " + std::to_string(i) + "}",
                 .embedding = vector,
                 .importance = importance});
    batch.link({.from = coordinate, .to = {static_cast<double>(below(random, 50))}, .strength = importance});
  }
  memory.apply(batch).value();
  const std::string lines = exported(memory);
  const auto copy = FractalMemory::open(clock.on(fresh_options())).value();
  import(copy, lines);
  CHECK(exported(copy) == lines);
  std::ostringstream consistent;
  CHECK(memory.export_memories(consistent, {.consistent = true}).value() ==
        static_cast<std::uint64_t>(std::count(lines.begin(), lines.end(), '\n')) - 1);
  CHECK(consistent.str() == lines);
}

TEST_CASE("export of a part: subtree, filter, without vectors, without links") {
  const auto memory = open_fresh();
  for (const Coordinate& at : std::vector<Coordinate>{{1}, {1, 2}, {1, 3}, {2}}) {
    memory.store({.coordinate = at, .payload = R"({"n": )" + std::to_string(at.size()) + "}", .embedding = {1, 2}})
        .value();
  }
  memory.link({.from = {1, 2}, .to = {1, 3}}).value();
  memory.link({.from = {1, 2}, .to = {2}}).value();
  const auto part = [&](const ExportOptions& options) {
    std::ostringstream out;
    const auto count = memory.export_memories(out, options).value();
    const std::string lines = out.str();
    CHECK(count == static_cast<std::uint64_t>(std::count(lines.begin(), lines.end(), '\n')) - 1);
    const auto copy = open_fresh();
    import(copy, lines);
    return std::pair(coordinates(copy.list().value().memories), copy.stats().value());
  };
  const auto [below_1, stats_1] = part({.within = {1}});
  CHECK(below_1 == "1.0 1.0,2.0 1.0,3.0");
  CHECK(stats_1.links == 1);
  CHECK(stats_1.vectors == 3);
  const auto [filtered, stats_2] = part({.filter = Filter::eq("n", 1), .embeddings = false});
  CHECK(filtered == "1.0 2.0");
  CHECK(stats_2.vectors == 0);
  const auto [all, stats_3] = part({.links = false});
  CHECK(all == "1.0 1.0,2.0 1.0,3.0 2.0");
  CHECK(stats_3.links == 0);
}

TEST_CASE("lines that a person writes") {
  TestClock clock;
  const auto memory = FractalMemory::open(clock.on(fresh_options())).value();
  const auto report = import(memory,
                             "\n"
                             "{\"coordinate\": [1, 2], \"payload\": {\"text\": \"tea\"}}\r\n"
                             "   \t\n"
                             " { \"payload\" : { \"a\" : [ 1 , 2 ] } , \"coordinate\" : \"3.5, 4\", \"embedding\" : [ "
                             "1 , -2e0, 0.5 ], \"type\": \"semantic\" }\n"
                             "{\"from\": [1, 2], \"to\": \"3.5,4\", \"strength\": 2}\n"
                             "{\"coordinate\": [9], \"expires_at\": \"2100-01-01T00:00:00+02:00\"}");
  CHECK(report.lines == 6);
  CHECK(report.memories == 3);
  CHECK(report.links == 1);
  const Memory first = memory.retrieve({1, 2}).value();
  CHECK(first.payload == R"({"text": "tea"})");
  CHECK(first.version == 1);
  CHECK(first.created_at == clock.now());
  CHECK_FALSE(first.id.empty());
  const Memory second = memory.retrieve({3.5, 4}).value();
  CHECK(second.payload == R"({ "a" : [ 1 , 2 ] })");
  CHECK(second.embedding == std::vector<float>{1, -2, 0.5});
  CHECK(second.type == MemoryType::semantic);
  CHECK(to_string(*memory.retrieve({9}).value().expires_at) == "2099-12-31T22:00:00.000000Z");
  CHECK(memory.neighbors({1, 2}).value().at(0).link.strength == 2);
  CHECK(memory.search("tea").value().matched == 1);
  CHECK(import(memory, "").lines == 0);
}

TEST_CASE("a bad line is named, and what came before it in its batch is not written") {
  const char* good = "{\"coordinate\": [1], \"payload\": {\"n\": 1}}\n";
  struct Bad {
    const char* line;
    const char* word;
  };
  const Bad bad[] = {{"x", ""},
                     {"[1]", "object"},
                     {"{\"coordinate\": [1]", ""},
                     {"{}", "oordinate"},
                     {"{\"coordinate\": []}", "oordinate"},
                     {"{\"coordinate\": [\"1\"]}", "coordinate"},
                     {"{\"coordinate\": \"nan\"}", ""},
                     {"{\"coordinate\": [1], \"payload\": 5}", "payload"},
                     {"{\"coordinate\": [1], \"payload\": [\"{}\"]}", "payload"},
                     {"{\"coordinate\": [1], \"payload_text\": \"[]\"}", "payload"},
                     {"{\"coordinate\": [1], \"payload_text\": {}}", "payload_text"},
                     {"{\"coordinate\": [1], \"metadata\": null}", "metadata"},
                     {"{\"coordinate\": [1], \"type\": \"other\"}", "type"},
                     {"{\"coordinate\": [1], \"importance\": \"1\"}", "importance"},
                     {"{\"coordinate\": [1], \"importance\": null}", "importance"},
                     {"{\"coordinate\": [1], \"embedding\": [1, null]}", "embedding"},
                     {"{\"coordinate\": [1], \"embedding\": [1e999]}", ""},
                     {"{\"coordinate\": [1], \"embedding\": [1e300]}", "embedding"},
                     {"{\"coordinate\": [1], \"embedding\": [[1]]}", "embedding"},
                     {"{\"coordinate\": [1], \"embedding\": \"1\"}", "embedding"},
                     {"{\"coordinate\": [1], \"embedding\": [0, 0]}", "embedding"},
                     {"{\"coordinate\": [1], \"payloda\": {}}", "payloda"},
                     {"{\"coordinate\": [1], \"version\": -1}", "version"},
                     {"{\"coordinate\": [1], \"version\": 1.5}", "version"},
                     {"{\"coordinate\": [1], \"id\": \"x\"}", ""},
                     {"{\"coordinate\": [1], \"created_at\": \"yesterday\"}", ""},
                     {"{\"coordinate\": [1], \"expires_at\": 5}", "expires_at"},
                     {"{\"from\": [1]}", "to"},
                     {"{\"to\": [1]}", "from"},
                     {"{\"from\": [1], \"to\": [2], \"type\": \"\"}", "link type"},
                     {"{\"from\": [1], \"to\": [2], \"payload\": {}}", "payload"},
                     {"{\"format\": \"other\", \"version\": 1}", "other"},
                     {"{\"format\": \"fractal_memory\", \"version\": 2}", "version 2"},
                     {"{\"coordinate\": [1], \"payload\": {\"a\": \"\xFF\"}}", "UTF-8"}};
  for (const Bad& one : bad) {
    CAPTURE(one.line);
    const auto memory = open_fresh();
    std::istringstream in(std::string(good) + "\n" + one.line + "\n" + good);
    const auto result = memory.import_memories(in);
    const Error error = error_of(result);
    CAPTURE(error.message);
    CHECK((error.code == Errc::invalid_argument || error.code == Errc::unsupported));
    CHECK(mentions(error, "line 3"));
    CHECK(mentions(error, one.word));
    CHECK(memory.spaces().value().empty());
  }
  // Whole batches before the bad line stay: importing again from the start is safe.
  const auto memory = open_fresh();
  std::istringstream in(std::string(good) + "{\"coordinate\": [2], \"embedding\": [1, 2]}\n" +
                        "{\"coordinate\": [3], \"embedding\": [1, 2, 3]}\n");
  const Error error = error_of(memory.import_memories(in, {.batch = 2}));
  CHECK(mentions(error, "3"));
  CHECK(mentions(error, "3 components, the space has 2"));
  CHECK(memory.stats().value().memories == 2);
}

TEST_CASE("an import that stopped goes on from the line after the last batch") {
  const auto open_with_embedder = [] {
    Options options = fresh_options();
    options.embedder = builtin_embedder();
    return FractalMemory::open(options).value();
  };
  const auto source = open_with_embedder();
  for (int i = 0; i < 25; ++i) source.store({.coordinate = {double(i)}, .payload = R"({"text": "tea"})"}).value();
  std::ostringstream exported;
  source.export_memories(exported, {.embeddings = false}).value();

  const auto memory = open_with_embedder();
  std::uint64_t done = 0;
  std::atomic<bool> cancel{false};
  const auto stop_after_two = [&](std::uint64_t lines, std::uint64_t) {
    done = lines;
    cancel = lines >= 20;
  };
  std::istringstream first(exported.str());
  const Error stopped = error_of(
      memory.import_memories(first, {.batch = 10, .control = {.cancel = &cancel, .progress = stop_after_two}}));
  CHECK(stopped.code == Errc::unavailable);
  CHECK(done == 21);  // the header is a line
  CHECK(memory.stats().value().memories == 20);

  std::istringstream second(exported.str());
  const auto report = memory.import_memories(second, {.from_line = done + 1}).value();
  CHECK(report.memories == 5);
  CHECK(report.lines == 26);
  std::ostringstream again;
  memory.export_memories(again, {.embeddings = false}).value();
  CHECK(again.str() == exported.str());
  CHECK(memory.stats().value().vectors == 25);  // the header was read: what has no vector gets one
}

TEST_CASE("what is cancelled while it waits for lines does not pass for an end") {
  const auto memory = open_fresh();
  std::atomic<bool> cancel{false};
  // The stream ends at the moment that the flag is set.
  class Ending : public std::stringbuf {
   public:
    Ending(const std::string& text, std::atomic<bool>& flag) : std::stringbuf(text), flag_(flag) {}

   protected:
    int_type underflow() override {
      const int_type next = std::stringbuf::underflow();
      if (next == traits_type::eof()) flag_ = true;
      return next;
    }

   private:
    std::atomic<bool>& flag_;
  } buffer("{\"coordinate\": [1]}\n", cancel);
  std::istream in(&buffer);
  CHECK(error_of(memory.import_memories(in, {.control = {.cancel = &cancel}})).code == Errc::unavailable);
  CHECK(memory.spaces().value().empty());
}

TEST_CASE("a memory or a link as a line, by itself") {
  const auto memory = open_fresh();
  memory.store({.coordinate = {1, 2}, .payload = "{\"a\":\n1}", .embedding = {0.1F, 3}}).value();
  memory.link({.from = {1, 2}, .to = {3}, .type = "x"}).value();
  const Memory one = memory.retrieve({1, 2}).value();
  const std::string line = to_json(one);
  CHECK(line.find('\n') == line.npos);
  CHECK(std::get<Memory>(parse_json_line(line).value()) == one);
  const GraphLink link = memory.neighbors({1, 2}).value().at(0).link;
  CHECK(std::get<GraphLink>(parse_json_line(to_json(link)).value()) == link);
  CHECK(error_of(parse_json_line("{\"coordinate\": [1], \"payloda\": {}}")).code == Errc::invalid_argument);
  CHECK(error_of(parse_json_line("{\"format\": \"fractal_memory\", \"version\": 1}")).code == Errc::invalid_argument);
}

TEST_CASE("a stream that fails is an io error") {
  const auto memory = open_fresh();
  Batch batch;
  for (double i = 0; i < 50; ++i) batch.store({.coordinate = {i}}).link({.from = {i}, .to = {i + 1}});
  memory.apply(batch).value();
  const std::string lines = exported(memory);
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{10}, lines.size() / 3, lines.size() - 1}) {
    CAPTURE(bytes);
    FailingBuffer sink(bytes);
    std::ostream out(&sink);
    CHECK(error_of(memory.export_memories(out)).code == Errc::io);
    for (const auto format : {GraphFormat::json, GraphFormat::graphml, GraphFormat::dot}) {
      FailingBuffer graph_sink(std::min<std::size_t>(bytes, 1000));
      std::ostream graph_out(&graph_sink);
      CHECK(error_of(memory.export_graph(graph_out, format)).code == Errc::io);
    }
    FailingBuffer source(bytes, lines);
    std::istream in(&source);
    const auto copy = open_fresh();
    const Error error = error_of(copy.import_memories(in, {.batch = 7}));
    CHECK(error.code == Errc::io);
    CHECK((copy.stats().value().memories + copy.stats().value().links) % 7 == 0);
    import(copy, lines);  // from the start again
    CHECK(exported(copy) == lines);
  }
  FailingBuffer enough(lines.size());
  std::ostream out(&enough);
  CHECK(memory.export_memories(out).has_value());
}
