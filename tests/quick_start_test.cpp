// The calls that the documentation begins with compile as they are written there, and do what it says.
#include "tests/temporary_folder.h"

#include <fractal/fractal_memory.h>

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace {

// The working folder of the test is one of its own, so that "agent.db" is nobody else's.
class OwnFolder {
 public:
  OwnFolder() : before_(std::filesystem::current_path()) { std::filesystem::current_path(own_.path()); }
  ~OwnFolder() {
    std::error_code ignored;
    std::filesystem::current_path(before_, ignored);
  }
  OwnFolder(const OwnFolder&) = delete;
  OwnFolder& operator=(const OwnFolder&) = delete;

 private:
  const fractal::testing::TemporaryFolder own_;
  const std::filesystem::path before_;
};

std::string text_of(const char* file) {
  std::ifstream in(std::string(FRACTAL_SOURCE) + "/" + file);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> used;
void use(const std::string& payload, double score) {
  CHECK(score > 0);
  used.push_back(payload);
}

}  // namespace

TEST_CASE("quick start") {
  const OwnFolder folder;
  used.clear();
  {
    auto memory = fractal::FractalMemory::open("agent.db").value();
    memory.store({.coordinate = {1, 2, 3}, .payload = R"({"text": "Ada likes green tea"})"}).value();
    memory.store({.coordinate = {7}, .payload = R"({"text": "Ada drinks coffee at noon", "year": 2025})"}).value();
    memory.store({.coordinate = {8}, .payload = R"({"text": "Ada drinks nothing else", "year": 1999})"}).value();
    memory.link({.from = {1, 2, 3}, .to = {1, 2}, .type = "part_of", .strength = 0.8}).value();
    memory.link({.from = {1, 2}, .to = {7}}).value();
    auto found =
        memory.search("what does Ada drink?", {.top_k = 3, .filter = fractal::Filter::ge("year", 2024)}).value();
    for (auto& hit : found.hits) use(hit.memory.payload, hit.score);
    CHECK(used == std::vector<std::string>{R"({"text": "Ada drinks coffee at noon", "year": 2025})"});
    CHECK(found.exact);
    CHECK(found.matched == 1);
    CHECK(found.sequence == 5);

    auto one = memory.retrieve({1, 2, 3});
    CHECK(one->payload == R"({"text": "Ada likes green tea"})");
    auto none = memory.retrieve({4, 5, 6});
    CHECK(!none);
    CHECK(none.error().code == fractal::Errc::not_found);

    auto near = memory.neighbors({1, 2, 3}, {.hops = 2}).value();
    REQUIRE(near.size() == 2);
    CHECK(near[0].link.type == "part_of");
    CHECK(near[0].hops == 1);
    CHECK(near[1].coordinate == fractal::Coordinate{7});
    CHECK(near[1].hops == 2);

    auto way = memory.path({1, 2, 3}, {7}).value();
    REQUIRE(way.size() == 2);
    CHECK(way[0].to == fractal::Coordinate{1, 2});
    CHECK(way[1].from == fractal::Coordinate{1, 2});
    CHECK(way[1].to == fractal::Coordinate{7});

    auto alice = memory.in({.tenant = "alice", .name = "notes"});
    CHECK(alice.search("Ada").value().hits.empty());
    alice.store({.coordinate = {1}, .payload = R"({"text": "mine"})"}).value();
    CHECK_THROWS_AS(memory.retrieve({1}).value(), fractal::Exception);
  }
  auto again = fractal::FractalMemory::open("agent.db").value();
  CHECK(again.search("tea").value().hits.front().memory.payload == R"({"text": "Ada likes green tea"})");
  CHECK(again.in({.tenant = "alice", .name = "notes"}).retrieve({1}).has_value());
}

TEST_CASE("the README shows the example that is built and run") {
  const std::string readme = text_of("README.md");
  const std::string fence = "```cpp\n";
  const auto begin = readme.find(fence);
  REQUIRE(begin != std::string::npos);
  const auto code = begin + fence.size();
  CHECK(readme.substr(code, readme.find("```", code) - code) == text_of("examples/quickstart.cpp"));
}

TEST_CASE("the default is a database in memory") {
  auto memory = fractal::FractalMemory::open(":memory:").value();
  memory.store({.coordinate = {1}, .payload = R"({"text": "tea"})"}).value();
  CHECK(memory.search("a hot drink").value().hits.size() == 1);
  CHECK_FALSE(fractal::FractalMemory::open(":memory:").value().retrieve({1}).has_value());
  CHECK(fractal::FractalMemory::open(fractal::Options{}).has_value());
}
