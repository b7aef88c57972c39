// Walks: neighbors and paths against plain breadth-first and Bellman-Ford loops over all links.
#include "engine.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <tuple>

using namespace engine;

namespace {

struct Edge {
  int from, to;
  std::string type;
  double strength;
};

Coordinate place(int node) { return {static_cast<double>(node), 0.5}; }
int node_of(const Coordinate& coordinate) { return static_cast<int>(coordinate[0]); }

struct Graph {
  std::map<std::tuple<int, int, std::string>, Edge> edges;
  int nodes = 0;

  static Graph random(std::mt19937_64& random, int nodes, std::size_t links) {
    Graph graph;
    graph.nodes = nodes;
    const double strengths[] = {-1, 0, 0.25, 0.5, 1, 1, 2, 1e-3};
    for (std::size_t i = 0; i < links; ++i) {
      const Edge edge{static_cast<int>(below(random, static_cast<std::size_t>(nodes))),
                      static_cast<int>(below(random, static_cast<std::size_t>(nodes))),
                      below(random, 3) == 0 ? "b" : "a", strengths[below(random, 8)]};
      graph.edges[{edge.from, edge.to, edge.type}] = edge;
    }
    return graph;
  }

  FractalMemory stored(std::mt19937_64& random) const {
    const auto memory = open_fresh();
    Batch batch;
    for (const auto& [identity, edge] : edges) {
      batch.link({.from = place(edge.from), .to = place(edge.to), .type = edge.type, .strength = edge.strength});
    }
    for (int node = 0; node < nodes; ++node) {  // some ends hold a memory, others do not
      if (below(random, 2) == 0) batch.store({.coordinate = place(node)});
    }
    memory.apply(batch).value();
    return memory;
  }

  // Steps that a walk may take from a node: the next one, and by which link.
  std::vector<std::pair<int, Edge>> steps(int node, Direction direction, const std::string& type) const {
    std::vector<std::pair<int, Edge>> result;
    for (const auto& [identity, edge] : edges) {
      if (!type.empty() && edge.type != type) continue;
      if (direction != Direction::incoming && edge.from == node) result.emplace_back(edge.to, edge);
      if (direction != Direction::outgoing && edge.to == node) result.emplace_back(edge.from, edge);
    }
    return result;
  }

  // Fewest hops to each node that can be reached.
  std::map<int, std::size_t> hops(int start, Direction direction, const std::string& type, std::size_t most) const {
    std::map<int, std::size_t> reached{{start, 0}};
    for (std::size_t hop = 1; hop <= most; ++hop) {
      const auto before = reached;
      for (const auto& [node, at] : before) {
        if (at != hop - 1) continue;
        for (const auto& [next, edge] : steps(node, direction, type)) reached.try_emplace(next, hop);
      }
    }
    return reached;
  }

  // Least sum of 1/strength over ways of at most so many hops; infinity if there is none.
  double least_weight(int start, int end, const PathOptions& options) const {
    std::vector<double> cost(static_cast<std::size_t>(nodes), std::numeric_limits<double>::infinity());
    cost[static_cast<std::size_t>(start)] = 0;
    for (std::size_t hop = 0; hop < options.max_hops; ++hop) {
      auto next_cost = cost;
      for (int node = 0; node < nodes; ++node) {
        for (const auto& [next, edge] : steps(node, options.direction, options.type)) {
          if (!(edge.strength > 0)) continue;
          double& best = next_cost[static_cast<std::size_t>(next)];
          best = std::min(best, cost[static_cast<std::size_t>(node)] + 1 / edge.strength);
        }
      }
      cost = next_cost;
    }
    return cost[static_cast<std::size_t>(end)];
  }
};

bool same(const GraphLink& link, const Edge& edge) {
  return link.from == place(edge.from) && link.to == place(edge.to) && link.type == edge.type &&
         link.strength == edge.strength;
}

// The links exist, join and lead from one end to the other. Returns the sum of 1/strength.
double check_way(const Graph& graph, const std::vector<GraphLink>& way, int from, int to, const PathOptions& options) {
  double sum = 0;
  int at = from;
  for (const GraphLink& link : way) {
    const auto edge = graph.edges.find({node_of(link.from), node_of(link.to), link.type});
    REQUIRE(edge != graph.edges.end());
    CHECK(same(link, edge->second));
    if (!options.type.empty()) CHECK(link.type == options.type);
    const bool forward = node_of(link.from) == at && options.direction != Direction::incoming;
    const bool backward = node_of(link.to) == at && options.direction != Direction::outgoing;
    REQUIRE((forward || backward));
    at = forward ? node_of(link.to) : node_of(link.from);
    if (options.weighted) CHECK(link.strength > 0);
    sum += 1 / link.strength;
  }
  CHECK(at == to);
  CHECK(way.size() <= options.max_hops);
  return sum;
}

constexpr Direction directions[] = {Direction::outgoing, Direction::incoming, Direction::both};

}  // namespace

TEST_CASE("neighbors: fewest hops, then the strongest link, once each, page by page") {
  std::mt19937_64 random(testing::announced_seed("engine"));
  for (int round = 0; round < 6; ++round) {
    const Graph graph = Graph::random(random, 40, 30 + below(random, 90));
    const auto memory = graph.stored(random);
    for (const Direction direction : directions) {
      for (const std::string type : {"", "a", "none"}) {
        for (const std::size_t hops : {1u, 2u, 3u, 64u}) {
          const int start = static_cast<int>(below(random, 40));
          const auto found =
              memory.neighbors(place(start), {.hops = hops, .direction = direction, .type = type}).value();
          auto reached = graph.hops(start, direction, type, hops);
          reached.erase(start);
          REQUIRE(found.size() == reached.size());
          std::set<int> seen;
          for (std::size_t i = 0; i < found.size(); ++i) {
            const int node = node_of(found[i].coordinate);
            CHECK(seen.insert(node).second);
            REQUIRE(reached.contains(node));
            CHECK(found[i].hops == reached[node]);
            // The strongest link that leads here from a node one hop nearer.
            double strongest = -std::numeric_limits<double>::infinity();
            bool real = false;
            for (const auto& [before, at] : graph.hops(start, direction, type, found[i].hops - 1)) {
              if (at + 1 != found[i].hops) continue;
              for (const auto& [next, edge] : graph.steps(before, direction, type)) {
                if (next != node) continue;
                strongest = std::max(strongest, edge.strength);
                real = real || same(found[i].link, edge);
              }
            }
            CHECK(real);
            CHECK(found[i].link.strength == strongest);
            if (i == 0) continue;
            const auto key = [](const Neighbor& n) {
              return std::tuple(n.hops, -n.link.strength, node_of(n.coordinate));
            };
            CHECK(key(found[i - 1]) < key(found[i]));
          }
          std::vector<Neighbor> pages;
          const std::size_t limit = 1 + below(random, 10);
          for (std::size_t offset = 0; offset <= found.size(); offset += limit) {
            const auto page =
                memory
                    .neighbors(place(start),
                               {.hops = hops, .direction = direction, .type = type, .limit = limit, .offset = offset})
                    .value();
            CHECK(page.size() == std::min(limit, found.size() - offset));
            pages.insert(pages.end(), page.begin(), page.end());
          }
          CHECK(coordinates(pages) == coordinates(found));
        }
      }
    }
  }
}

TEST_CASE("path: no allowed way is shorter, and none is said to be missing that exists") {
  std::mt19937_64 random(testing::announced_seed("engine"));
  for (int round = 0; round < 6; ++round) {
    const Graph graph = Graph::random(random, 40, 40 + below(random, 60));
    const auto memory = graph.stored(random);
    for (int trial = 0; trial < 120; ++trial) {
      const int from = static_cast<int>(below(random, 40)), to = static_cast<int>(below(random, 40));
      PathOptions options{.max_hops = below(random, 3) == 0 ? below(random, 5) : 16,
                          .direction = directions[below(random, 3)],
                          .type = below(random, 3) == 0 ? "a" : ""};
      CAPTURE(from);
      CAPTURE(to);
      CAPTURE(options.max_hops);
      const auto way = memory.path(place(from), place(to), options);
      const auto reached = graph.hops(from, options.direction, options.type, options.max_hops);
      if (reached.contains(to)) {
        REQUIRE(way.has_value());
        CHECK(way->size() == reached.at(to));
        check_way(graph, *way, from, to, options);
      } else {
        CHECK(error_of(way).code == Errc::not_found);
      }
      options.weighted = true;
      const auto light = memory.path(place(from), place(to), options);
      const double least = graph.least_weight(from, to, options);
      if (std::isfinite(least)) {
        REQUIRE(light.has_value());
        CHECK(check_way(graph, *light, from, to, options) == doctest::Approx(least));
      } else {
        CHECK(error_of(light).code == Errc::not_found);
      }
    }
  }
}

// Whatever of the links is in memory, and however far behind, a walk sees those of its moment.
TEST_CASE("walks between changes, in snapshots too") {
  std::mt19937_64 random(testing::announced_seed("engine"));
  constexpr int nodes = 30;
  Graph graph = Graph::random(random, nodes, 60);
  const auto memory = graph.stored(random);
  struct Past {
    Snapshot snapshot;
    Graph graph;
  };
  std::vector<Past> past;
  std::size_t in_memory = 0;
  const auto change = [&] {
    const int from = static_cast<int>(below(random, nodes)), to = static_cast<int>(below(random, nodes));
    const std::string type = below(random, 4) == 0 ? "b" : "a";
    if (below(random, 8) == 0) {  // a memory that goes takes its links along
      memory.store({.coordinate = place(from)}).value();
      memory.remove(place(from)).value();
      std::erase_if(graph.edges,
                    [&](const auto& entry) { return entry.second.from == from || entry.second.to == from; });
    } else if (below(random, 2) == 0 && graph.edges.contains({from, to, type})) {
      memory.unlink(place(from), place(to), type).value();
      graph.edges.erase({from, to, type});
    } else {
      const double strength = 0.25 * static_cast<double>(below(random, 9));
      const std::string metadata = below(random, 3) == 0 ? R"({"some":1})" : "{}";
      memory.link({.from = place(from), .to = place(to), .type = type, .strength = strength, .metadata = metadata})
          .value();
      graph.edges[{from, to, type}] = {from, to, type, strength};
    }
  };
  const auto check = [&](const auto& reads, const Graph& truth) {
    const int start = static_cast<int>(below(random, nodes));
    const Direction direction = directions[below(random, 3)];
    const std::string type = below(random, 3) == 0 ? "a" : "";
    auto reached = truth.hops(start, direction, type, 3);
    reached.erase(start);
    const auto found = reads.neighbors(place(start), {.hops = 3, .direction = direction, .type = type}).value();
    REQUIRE(found.size() == reached.size());
    std::vector<std::uint64_t> counts;
    for (const auto& neighbor : found) {
      REQUIRE(reached.at(node_of(neighbor.coordinate)) == neighbor.hops);
      counts.resize(std::max(counts.size(), neighbor.hops));
      ++counts[neighbor.hops - 1];
      const auto edge = truth.edges.find({node_of(neighbor.link.from), node_of(neighbor.link.to), neighbor.link.type});
      REQUIRE(edge != truth.edges.end());
      CHECK(same(neighbor.link, edge->second));
    }
    CHECK(reads.reach(place(start), {.hops = 3, .direction = direction, .type = type}).value() == counts);
    const int end = static_cast<int>(below(random, nodes));
    PathOptions options{.direction = direction, .type = type};
    const auto way = reads.path(place(start), place(end), options);
    const auto all = truth.hops(start, direction, type, options.max_hops);
    REQUIRE(way.has_value() == all.contains(end));
    if (way) CHECK(way->size() == all.at(end));
    options.weighted = true;
    const double least = truth.least_weight(start, end, options);
    const auto light = reads.path(place(start), place(end), options);
    REQUIRE(light.has_value() == std::isfinite(least));
    if (light) CHECK(check_way(truth, *light, start, end, options) == doctest::Approx(least));
  };
  for (int round = 0; round < 400; ++round) {
    for (std::size_t i = below(random, 4); i > 0; --i) change();
    if (below(random, 20) == 0) past.push_back({memory.snapshot().value(), graph});
    if (past.size() > 3) past.erase(past.begin());
    check(memory, graph);
    if (!past.empty()) {
      const Past& one = past[below(random, past.size())];
      check(one.snapshot, one.graph);
    }
    in_memory += memory.stats().value().links_in_memory > 0 ? 1 : 0;
  }
  CHECK(in_memory > 200);
  memory.repair().value();
  CHECK(memory.stats().value().links_in_memory == 0);
  check(memory, graph);
}

TEST_CASE("activate: the sum of what stays at each hop") {
  std::mt19937_64 random(testing::announced_seed("engine"));
  constexpr int nodes = 25;
  int in_memory = 0;
  for (int round = 0; round < 40; ++round) {
    const Graph graph = Graph::random(random, nodes, 20 + below(random, 80));
    const auto memory = graph.stored(random);
    const ActivateOptions options{.decay = 0.1 * static_cast<double>(below(random, 10)),
                                  .hops = 1 + below(random, 5),
                                  .direction = directions[below(random, 3)],
                                  .type = below(random, 3) == 0 ? "a" : ""};
    std::vector<double> share(nodes + 1), kept(nodes + 1);  // the last: a coordinate without links
    std::set<int> seeds{nodes};
    for (std::size_t i = 1 + below(random, 3); i > 0; --i) seeds.insert(static_cast<int>(below(random, nodes)));
    std::vector<Coordinate> coordinates;
    for (const int seed : seeds) {
      share[static_cast<std::size_t>(seed)] = 1.0 / static_cast<double>(seeds.size());
      coordinates.push_back(place(seed));
    }
    for (std::size_t hop = 0; hop <= options.hops; ++hop) {
      std::vector<double> next(nodes + 1);
      for (int node = 0; node <= nodes; ++node) {
        const double here = share[static_cast<std::size_t>(node)];
        kept[static_cast<std::size_t>(node)] += (1 - options.decay) * here;
        double sum = 0;
        const auto steps = graph.steps(node, options.direction, options.type);
        for (const auto& [to, edge] : steps) sum += std::max(edge.strength, 0.0);
        for (const auto& [to, edge] : steps) {
          if (edge.strength > 0) next[static_cast<std::size_t>(to)] += options.decay * here * edge.strength / sum;
        }
      }
      share = next;
    }
    for (int again = 0; again < 30; ++again) {  // from the storage, and then from memory: bit by bit the same
      const auto active = memory.activate(coordinates, options).value();
      std::vector<double> found(nodes + 1);
      double last = 2;
      for (const Activation& one : active) {
        CHECK(one.amount <= last);
        last = one.amount;
        found[static_cast<std::size_t>(node_of(one.coordinate))] = one.amount;
      }
      for (std::size_t i = 0; i < kept.size(); ++i) CHECK(found[i] == doctest::Approx(kept[i]).epsilon(1e-9));
      static std::vector<Activation> first;
      if (again == 0) first = active;
      REQUIRE(active.size() == first.size());
      for (std::size_t i = 0; i < active.size(); ++i) {
        CHECK(active[i].coordinate == first[i].coordinate);
        CHECK(active[i].amount == first[i].amount);
      }
    }
    in_memory += memory.stats().value().links_in_memory > 0 ? 1 : 0;
    CHECK(memory.activate(coordinates, {.limit = 1}).value().size() == 1);
  }
  CHECK(in_memory > 20);
  const auto memory = open_fresh();
  CHECK(memory.activate({}).value().empty());
  const Coordinate alone[] = {{7}};
  CHECK(memory.activate(alone).value().at(0).amount == doctest::Approx(0.5));
  CHECK(error_of(memory.activate(alone, {.decay = 1})).code == Errc::invalid_argument);
  CHECK(error_of(memory.activate(alone, {.hops = 0})).code == Errc::invalid_argument);
}

TEST_CASE("the hop limit forces a heavier way") {
  const auto memory = open_fresh();
  for (double i = 0; i < 5; ++i) memory.link({.from = {i}, .to = {i + 1}, .strength = 100}).value();
  memory.link({.from = {0}, .to = {5}, .strength = 0.5}).value();
  CHECK(memory.path({0}, {5}).value().size() == 1);
  CHECK(memory.path({0}, {5}, {.weighted = true}).value().size() == 5);
  CHECK(memory.path({0}, {5}, {.max_hops = 4, .weighted = true}).value().size() == 1);
  CHECK(memory.path({0}, {4}, {.max_hops = 4}).value().size() == 4);
  CHECK(error_of(memory.path({0}, {4}, {.max_hops = 3})).code == Errc::not_found);
  CHECK(memory.path({0}, {0}).value().empty());
  CHECK(memory.path({77}, {77}, {.weighted = true}).value().empty());
  CHECK(error_of(memory.path({5}, {0})).code == Errc::not_found);
  CHECK(memory.path({5}, {0}, {.direction = Direction::incoming}).value().size() == 1);
  const Error error = error_of(memory.path({0}, {99}));
  CHECK(mentions(error, "0.0"));
  CHECK(mentions(error, "99.0"));
}

TEST_CASE("a link to itself leads nowhere new") {
  const auto memory = open_fresh();
  memory.link({.from = {1}, .to = {1}, .type = "self"}).value();
  for (const Direction direction : directions)
    CHECK(memory.neighbors({1}, {.hops = 3, .direction = direction}).value().empty());
  memory.link({.from = {1}, .to = {2}}).value();
  CHECK(coordinates(memory.neighbors({1}, {.hops = 3, .direction = Direction::both}).value()) == "2.0");
  CHECK(coordinates(memory.neighbors({2}, {.hops = 3, .direction = Direction::both}).value()) == "1.0");
}

TEST_CASE("links hold their metadata, strength and time in both directions") {
  TestClock clock;
  const auto memory = FractalMemory::open(clock.on(fresh_options())).value();
  const GraphLink link{.from = {1},
                       .to = {2, 2},
                       .type = "a b/\xC3\xA9",
                       .strength = -5e-324,
                       .metadata = R"({ "k": [1, 2.50] })",
                       .created_at = clock.now()};
  memory.link(link).value();
  CHECK(memory.neighbors({1}).value().at(0).link == link);
  CHECK(memory.neighbors({2, 2}, {.direction = Direction::incoming}).value().at(0).link == link);
  CHECK(memory.path({1}, {2, 2}).value().at(0) == link);
  CHECK(memory.neighbors({2, 2}).value().empty());
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int clique = 300;  // sanitizers make each link about ten times as dear
#else
constexpr int clique = 1000;
#endif

TEST_CASE("a clique of 1,000: each coordinate is visited once") {
  Options options = fresh_options();
  options.audit.writes = false;
  const auto memory = FractalMemory::open(options).value();
  constexpr int nodes = clique;
  Batch batch;
  for (int i = 0; i < nodes; ++i) {
    for (int j = 0; j < i; ++j) {
      batch.link({.from = place(i), .to = place(j), .strength = 1.0 + (i * 31 + j * 17) % 100});
      if (batch.size() < 50'000) continue;
      memory.apply(batch).value();
      batch = {};
    }
  }
  memory.apply(batch).value();
  CHECK(memory.stats().value().links == nodes * (nodes - 1) / 2);
  for (const std::size_t hops : {1u, 2u, 64u}) {
    const auto all =
        memory.neighbors(place(nodes / 2), {.hops = hops, .direction = Direction::both, .limit = 5000}).value();
    CHECK(all.size() == nodes - 1);
    CHECK(std::all_of(all.begin(), all.end(), [](const Neighbor& n) { return n.hops == 1; }));
    const auto page =
        memory.neighbors(place(nodes / 2), {.hops = hops, .direction = Direction::both, .limit = 10, .offset = 5})
            .value();
    CHECK(page.size() == 10);
    CHECK(page.at(0).link == all.at(5).link);
  }
  CHECK(memory.neighbors(place(1), {.hops = 2, .limit = 5000}).value().size() == 1);
  CHECK(memory.path(place(nodes - 1), place(0)).value().size() == 1);
  CHECK(memory.path(place(0), place(nodes - 1), {.direction = Direction::both, .weighted = true}).has_value());
  CHECK(error_of(memory.path(place(0), place(nodes - 1))).code == Errc::not_found);
}
