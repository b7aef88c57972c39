// Lists, subtrees and places near by, against loops over what was stored.
#include "engine.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <optional>

using namespace engine;

namespace {

// What was stored, in the order of first storing.
using Rows = std::vector<Memory>;

bool comes_before(ListOrder order, const std::vector<std::size_t>& first_stored, const Rows& rows, std::size_t a,
                  std::size_t b) {
  const auto numeric = [](const Memory& m) {
    return std::vector<double>(m.coordinate.components().begin(), m.coordinate.components().end());
  };
  switch (order) {
    case ListOrder::coordinate: return numeric(rows[a]) < numeric(rows[b]);
    case ListOrder::created_at:
      if (rows[a].created_at != rows[b].created_at) return rows[a].created_at < rows[b].created_at;
      break;
    case ListOrder::importance:
      if (rows[a].importance != rows[b].importance) return rows[a].importance < rows[b].importance;
      break;
  }
  return first_stored[a] < first_stored[b];
}

bool begins_with(const Coordinate& coordinate, const Coordinate& ancestor) {
  if (coordinate.size() < ancestor.size()) return false;
  return std::equal(ancestor.components().begin(), ancestor.components().end(), coordinate.components().begin());
}

std::vector<Coordinate> expected(const Rows& rows, const ListOptions& options,
                                 const std::function<bool(const Memory&)>& passes) {
  std::vector<std::size_t> order, first_stored;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    first_stored.push_back(i);
    if (begins_with(rows[i].coordinate, options.within) && passes(rows[i])) order.push_back(i);
  }
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return options.descending ? comes_before(options.order, first_stored, rows, b, a)
                              : comes_before(options.order, first_stored, rows, a, b);
  });
  std::vector<Coordinate> result;
  for (const std::size_t i : order) result.push_back(rows[i].coordinate);
  return result;
}

std::vector<Coordinate> all_pages(const Reads& reads, ListOptions options) {
  std::vector<Coordinate> result;
  for (;;) {
    const Page page = reads.list(options).value();
    for (const Memory& memory : page.memories) result.push_back(memory.coordinate);
    CHECK(page.memories.size() <= options.limit);
    if (page.next.empty()) return result;
    CHECK(page.memories.size() == options.limit);  // only the last page is short
    options.after = page.next;
  }
}

constexpr ListOrder orders[] = {ListOrder::coordinate, ListOrder::created_at, ListOrder::importance};

// Coordinates of 1 to 3 components, negative ones too; many equal times and importances.
FractalMemory tree(TestClock& clock, std::mt19937_64& random, Rows& rows, std::size_t n) {
  const auto memory = FractalMemory::open(clock.on(fresh_options())).value();
  const double steps[] = {-1e300, -2, -0.5, 0, 5e-324, 1, 2.25, 7, 1e16};
  while (rows.size() < n) {
    std::vector<double> at(1 + below(random, 3));
    for (double& component : at) component = steps[below(random, std::size(steps))];
    const Coordinate coordinate{std::span<const double>(at)};
    const double importances[] = {-1.5, -0.0, 0.0, 0.25, 1e9};
    if (below(random, 3) == 0) clock.advance(std::chrono::microseconds(below(random, 2)));
    const Memory given{.coordinate = coordinate,
                       .payload = "{\"n\": " + std::to_string(below(random, 10)) + "}",
                       .importance = importances[below(random, 5)]};
    if (!memory.store_if_absent(given).has_value()) continue;
    rows.push_back(memory.retrieve(coordinate).value());
  }
  return memory;
}

}  // namespace

TEST_CASE("lists: every order, direction, page size, subtree and filter") {
  std::mt19937_64 random(testing::announced_seed("engine"));
  TestClock clock;
  Rows rows;
  const auto memory = tree(clock, random, rows, 300);
  struct Test {
    Filter filter;
    std::function<bool(const Memory&)> passes;
  };
  const Test tests[] = {{Filter{}, [](const Memory&) { return true; }},
                        {Filter::lt("n", 3), [](const Memory& m) { return m.payload < "{\"n\": 3"; }},
                        {Filter::eq("n", 11), [](const Memory&) { return false; }}};
  for (const ListOrder order : orders) {
    for (const bool descending : {false, true}) {
      for (const Coordinate& within :
           {Coordinate{}, Coordinate{0}, Coordinate{-0.5}, Coordinate{7, 1}, Coordinate{3}}) {
        for (const Test& test : tests) {
          for (const std::size_t limit : {1u, 7u, 100u, 1000u}) {
            if (limit == 1 && (descending || !test.filter.empty())) continue;
            const ListOptions options{
                .order = order, .descending = descending, .limit = limit, .within = within, .filter = test.filter};
            CAPTURE(static_cast<int>(order));
            CAPTURE(descending);
            CAPTURE(limit);
            CHECK(all_pages(memory, options) == expected(rows, options, test.passes));
          }
        }
      }
    }
  }
  CHECK(memory.list({.limit = 0}).value().memories.empty());
  const Memory whole = memory.list({.limit = 1}).value().memories.at(0);
  CHECK(whole == memory.retrieve(whole.coordinate).value());
}

TEST_CASE("embeddings are listed when asked for") {
  const auto memory = open_fresh();
  memory.store({.coordinate = {1}, .embedding = {1, 2}}).value();
  CHECK(memory.list().value().memories.at(0).embedding.empty());
  CHECK(memory.list({.embeddings = true}).value().memories.at(0).embedding == std::vector<float>{1, 2});
}

TEST_CASE("pages stay valid while memories come and go") {
  std::mt19937_64 random(testing::announced_seed("engine"));
  for (const ListOrder order : orders) {
    for (const bool descending : {false, true}) {
      TestClock clock;
      const auto memory = FractalMemory::open(clock.on(fresh_options())).value();
      std::map<Coordinate, bool> seen;
      for (double i = 0; i < 120; ++i) {
        if (below(random, 2) == 0) clock.advance(std::chrono::seconds(1));
        memory.store({.coordinate = {i, 1}, .importance = static_cast<double>(below(random, 7))}).value();
        seen[{i, 1}] = false;
      }
      ListOptions options{.order = order, .descending = descending, .limit = 7};
      double fresh = 0;
      for (;;) {
        const Page page = memory.list(options).value();
        for (const Memory& one : page.memories) {
          if (const auto known = seen.find(one.coordinate); known != seen.end()) {
            CHECK_FALSE(known->second);
            known->second = true;
          }
        }
        if (page.next.empty()) break;
        options.after = page.next;
        // The row that the cursor stands on goes, and others come on all sides.
        memory.remove(page.memories.back().coordinate).value();
        clock.advance(std::chrono::seconds(1));
        memory.store({.coordinate = {static_cast<double>(below(random, 130)), 2 + fresh++}, .importance = 3}).value();
        memory.update(page.memories.front().coordinate, {.payload = R"({"touched": true})"}).value();
      }
      for (const auto& [coordinate, listed] : seen) {
        CAPTURE(coordinate.to_string());
        CHECK(listed);
      }
    }
  }
}

TEST_CASE("a cursor belongs to its order and direction") {
  const auto memory = open_fresh();
  for (double i = 0; i < 3; ++i) memory.store({.coordinate = {i}}).value();
  const std::string next = memory.list({.limit = 1}).value().next;
  CHECK(error_of(memory.list({.order = ListOrder::importance, .after = next})).code == Errc::invalid_argument);
  CHECK(error_of(memory.list({.descending = true, .after = next})).code == Errc::invalid_argument);
  CHECK(coordinates(memory.list({.after = next}).value().memories) == "1.0 2.0");
}

TEST_CASE("within: the coordinate and its subtree, no neighbour of its text") {
  const auto memory = open_fresh();
  for (const Coordinate& at : std::vector<Coordinate>{
           {1}, {1, 2}, {1, 2, 3}, {1, 20}, {1, 2.5}, {1, -2}, {2}, {1, 2, -1}, {1, 2, 3, 4}, {-1}}) {
    memory.store({.coordinate = at}).value();
  }
  CHECK(coordinates(memory.within({1, 2}).value().memories) == "1.0,2.0 1.0,2.0,-1.0 1.0,2.0,3.0 1.0,2.0,3.0,4.0");
  CHECK(coordinates(memory.within({1}, {.limit = 2}).value().memories) == "1.0 1.0,-2.0");
  CHECK(memory.within({9}).value().memories.empty());
  CHECK(coordinates(memory.within({1, 2}, {.order = ListOrder::created_at, .descending = true}).value().memories) ==
        "1.0,2.0,3.0,4.0 1.0,2.0,-1.0 1.0,2.0,3.0 1.0,2.0");
}

TEST_CASE("near: radius, limit and filter against a loop over all") {
  std::mt19937_64 random(testing::announced_seed("engine"));
  const auto memory = open_fresh();
  struct Place {
    std::vector<double> at;
    bool even;
  };
  std::vector<Place> places;
  std::uniform_real_distribution<double> uniform(-10, 10);
  for (int i = 0; i < 400; ++i) {
    std::vector<double> at(1 + below(random, 3));
    for (double& x : at) x = below(random, 2) == 0 ? std::round(uniform(random)) : uniform(random);
    const bool even = i % 2 == 0;
    if (memory.store_if_absent({.coordinate = Coordinate(std::span<const double>(at)),
                                .payload = even ? R"({"even": true})" : R"({"even": false})",
                                .embedding = {1, 1}})) {
      places.push_back({at, even});
    }
  }
  for (int round = 0; round < 150; ++round) {
    std::vector<double> from(1 + below(random, 3));
    for (double& x : from) x = std::round(uniform(random));
    std::optional<double> radius;
    if (below(random, 3) != 0)
      radius = below(random, 2) == 0 ? std::round(std::abs(uniform(random))) : std::abs(uniform(random));
    const std::size_t limit = below(random, 3) == 0 ? 1000 : below(random, 12);
    const bool filtered = below(random, 3) == 0;
    std::vector<std::pair<double, std::vector<double>>> wanted;
    for (const Place& place : places) {
      if (place.at.size() != from.size() || (filtered && !place.even)) continue;
      double square = 0;
      for (std::size_t i = 0; i < from.size(); ++i) square += (place.at[i] - from[i]) * (place.at[i] - from[i]);
      if (!radius || std::sqrt(square) <= *radius) wanted.emplace_back(std::sqrt(square), place.at);
    }
    std::sort(wanted.begin(), wanted.end());
    if (wanted.size() > limit) wanted.resize(limit);
    const auto found =
        memory
            .near(Coordinate(std::span<const double>(from)),
                  {.radius = radius, .limit = limit, .filter = filtered ? Filter::eq("even", true) : Filter{}})
            .value();
    REQUIRE(found.size() == wanted.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      CHECK(found[i].distance == doctest::Approx(wanted[i].first));
      const auto components = found[i].memory.coordinate.components();
      CHECK(std::vector<double>(components.begin(), components.end()) == wanted[i].second);
      CHECK_FALSE(found[i].memory.payload.empty());
    }
  }
}

TEST_CASE("near: on the border, at the place itself, at the ends of the numbers") {
  const auto memory = open_fresh();
  for (const Coordinate& at : std::vector<Coordinate>{
           {0, 0}, {3, 4}, {-3, -4}, {5, 0}, {0, 5.0000000001}, {3}, {1e308, 0}, {-1e308, 0}, {1e-200, 0}}) {
    memory.store({.coordinate = at}).value();
  }
  CHECK(coordinates(memory.near({0, 0}, {.radius = 5}).value()) == "0.0,0.0 1e-200,0.0 -3.0,-4.0 3.0,4.0 5.0,0.0");
  CHECK(coordinates(memory.near({0, 0}, {.radius = 0}).value()) == "0.0,0.0");
  CHECK(memory.near({0, 0}, {.radius = 1e-200}).value().at(1).distance == 1e-200);
  CHECK(memory.near({0, 0}).value().size() == 8);  // all with two components
  CHECK(coordinates(memory.near({1e308, 0}, {.limit = 1}).value()) == "1e+308,0.0");
  CHECK(memory.near({0, 0}, {.radius = std::numeric_limits<double>::infinity()}).value().size() == 8);
  CHECK(memory.near({0, 0}, {.limit = 0}).value().empty());
  CHECK(memory.near({0, 0, 0}).value().empty());
  CHECK(coordinates(memory.near({2.5}, {.radius = 0.5}).value()) == "3.0");
}
