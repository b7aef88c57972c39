// A file copied to a server and back is the same file, by every byte of its export.
#include "fresh_schema.h"

#include <fractal/copy.h>
#include <fractal/postgres.h>

#include "tests/seeded_random.h"
#include "tests/temporary_folder.h"

#include <doctest/doctest.h>

#include <atomic>
#include <bit>
#include <cmath>
#include <sstream>

using namespace fractal;

namespace {

FractalMemory on_server() {
  return FractalMemory::open(
             {.path = fractal::testing::fresh_postgres_url(), .durability = Durability::off, .embedder = nullptr})
      .value();
}

FractalMemory in_file(const fractal::testing::TemporaryFolder& folder, const std::string& name) {
  return FractalMemory::open(
             {.path = (folder.path() / name).string(), .durability = Durability::off, .embedder = nullptr})
      .value();
}

std::string exported(const Reads& reads) {
  std::ostringstream out;
  reads.export_memories(out).value();
  return out.str();
}

// What a server's own types would change: the order of members, numbers, texts with NUL, signs of zero.
Batch difficult(fractal::testing::Random& random) {
  const char* payloads[] = {R"({"b": 1, "a": 1.50, "a": 2})", R"({"nul": "a\\u0000b", "pair": "\ud83c\udf75"})",
                            "{\r\n \"n\": 1e300,\t\"m\": 18446744073709551616 }",
                            "{\"$1\": \"'; DROP TABLE sfm_memories; --\", \"%\": \"\\\\\"}",
                            "{\"\xE2\x98\x95\": \"\xF0\x9F\x8D\xB5\"}"};
  Batch batch;
  double i = 0;
  for (const char* payload : payloads) {
    batch.store({.coordinate = {1, i++}, .payload = payload, .embedding = {1e-45f, -0.0f, 3e38f}, .metadata = payload});
  }
  while (batch.size() < 600) {
    double importance = std::bit_cast<double>(random.next());
    if (!std::isfinite(importance)) importance = -0.0;
    const Coordinate at{std::ldexp(static_cast<double>(random.next()), -40), -static_cast<double>(random.below(100))};
    batch.store({.coordinate = at,
                 .payload = "{\"n\": " + std::to_string(random.next()) + "}",
                 .type = random.coin() ? MemoryType::semantic : MemoryType::episodic,
                 .importance = importance});
    batch.link({.from = at, .to = {1, 1}, .type = "a\n'b' \xE2\x98\x95", .strength = importance});
  }
  return batch;
}

}  // namespace

TEST_CASE("from a file to the server and back: the same bytes") {
  fractal::testing::Random random(fractal::testing::announced_seed("postgres_copy"));
  const fractal::testing::TemporaryFolder folder;
  const auto first = in_file(folder, "first.db"), last = in_file(folder, "last.db");
  const auto server = on_server();
  for (const Space& space : {Space{"alice", "it's"}, Space{"b\xC3\xB6"
                                                           "b",
                                                           "%"}}) {
    first.in(space).apply(difficult(random)).value();
    const auto there = copy_space(first.in(space), server.in(space), {.batch = 77}).value();
    const auto back = copy_space(server.in(space), last.in(space), {.batch = 130}).value();
    CHECK(there.differences == std::vector<std::string>{});
    CHECK(back.differences == std::vector<std::string>{});
    CHECK(there.digest == back.digest);
    CHECK(exported(server.in(space)) == exported(first.in(space)));
    CHECK(exported(last.in(space)) == exported(first.in(space)));
  }
  CHECK(server.verify().value().ok());
  CHECK(last.verify().value().ok());
}

TEST_CASE("between server and file, stopped and written to meanwhile") {
  fractal::testing::Random random(fractal::testing::announced_seed("postgres_copy"));
  const fractal::testing::TemporaryFolder folder;
  const auto file = in_file(folder, "agent.db");
  const auto server = on_server();
  for (const bool to_server : {true, false}) {
    const FractalMemory &from = to_server ? file : server, &to = to_server ? server : file;
    const Space space{to_server ? "there" : "back"};
    const auto source = from.in(space), target = to.in(space);
    source.apply(difficult(random)).value();
    const Coordinate changing{1, 1};
    int stops = 0;
    for (bool whole = false; !whole;) {
      std::atomic<bool> stop{false};
      const Control control{
          .cancel = &stop, .progress = [&](std::uint64_t, std::uint64_t) {
            source.store({.coordinate = changing, .importance = static_cast<double>(random.below(9))}).value();
            source.link({.from = changing, .to = {static_cast<double>(random.below(5))}}).value();
            if (random.one_in(9)) source.remove(changing).value();
            stop = stop || random.one_in(8);
          }};
      const auto copied = copy_space(source, target, {.batch = 40, .control = control});
      whole = copied.has_value();
      if (!whole) CHECK(copied.error().code == Errc::unavailable);
      stops += whole ? 0 : 1;
    }
    const auto report = copy_space(source, target).value();
    CHECK(report.resumed);
    CHECK(report.differences == std::vector<std::string>{});
    CHECK(exported(target) == exported(source));
    MESSAGE("stopped " << stops << " times");
  }
}
