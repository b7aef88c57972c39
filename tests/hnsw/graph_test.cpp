// The graph against a comparison of all rows, in every way that it is built, opened, extended and walked.
#include "backends/hnsw/graph.h"
#include "backends/hnsw/graph_image.h"
#include "src/vector_chunk.h"
#include "tests/seeded_random.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <memory>
#include <numeric>
#include <set>
#include <vector>

using fractal::hnsw::CodeRows;
using fractal::hnsw::Graph;
using fractal::hnsw::Node;
using fractal::hnsw::Walked;
using fractal::hnsw::WalkQuery;

namespace {

// Rows around a few centres, coded as an index codes them, in blocks with something between them.
class Rows {
 public:
  Rows(std::size_t count, std::size_t dimension, fractal::Metric metric, std::uint64_t seed)
      : dimension_(dimension), metric_(metric), random_(seed), centres_(32 * dimension) {
    for (float& x : centres_) x = normal();
    const fractal::ChunkLayout layout(block_rows, dimension);
    const std::size_t blocks = count / block_rows + 1;
    memory_.resize(blocks * layout.bytes + 64);
    void* begin = memory_.data();
    std::size_t room = memory_.size();
    image_ = static_cast<std::byte*>(std::align(64, blocks * layout.bytes, begin, room));
    for (std::size_t row = 0; row < count; ++row) {
      const std::vector<float> vector = around(random_.below(32));
      std::vector<std::int8_t> codes;
      const auto [terms, square] = encode(vector, codes);
      auto* const out = reinterpret_cast<std::uint8_t*>(image_) + row / block_rows * layout.bytes +
                        row % block_rows * fractal::code_stride(dimension);
      for (std::size_t j = 0; j < codes.size(); ++j) out[j] = static_cast<std::uint8_t>(codes[j] + 128);
      scales_.push_back(terms.scale);
      squares_.push_back(square);
    }
    codes_ = {reinterpret_cast<const std::uint8_t*>(image_),
              layout.bytes,
              6,
              fractal::code_stride(dimension),
              count,
              scales_.data(),
              metric == fractal::Metric::l2 ? squares_.data() : nullptr};
  }

  CodeRows first(std::size_t count) const {
    CodeRows rows = codes_;
    rows.count = count;
    return rows;
  }
  CodeRows all() const { return codes_; }

  // A query near the rows; the codes lie in `memory`.
  WalkQuery query(std::vector<std::int8_t>& memory) {
    std::vector<std::int8_t> codes;
    const auto [terms, square] = encode(around(random_.below(32)), codes);
    memory.resize(codes.size() + 64);
    void* begin = memory.data();
    std::size_t room = memory.size();
    auto* const aligned = static_cast<std::int8_t*>(std::align(64, codes.size(), begin, room));
    std::copy(codes.begin(), codes.end(), aligned);
    WalkQuery query;
    query.codes = {aligned, codes.size(), 128 * std::accumulate(codes.begin(), codes.end(), 0)};
    query.scale = terms.scale;
    return query;
  }

  // The answer of a comparison of all rows.
  std::vector<Walked::Entry> nearest(const WalkQuery& query, std::size_t count) const {
    std::vector<Walked::Entry> entries;
    for (Node node = 0; node < codes_.count; ++node) {
      if (query.allowed != nullptr && (query.allowed[node / 64] >> (node % 64) & 1) == 0) continue;
      std::int32_t dot = 0;
      const std::uint8_t* const row = codes_.row(node);
      for (std::size_t j = 0; j < codes_.stride; ++j) dot += query.codes.codes[j] * (row[j] - 128);
      const float product = static_cast<float>(dot) * (2 * query.scale) * scales_[node];
      entries.push_back({metric_ == fractal::Metric::l2 ? product - squares_[node] : product, node});
    }
    std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
      return a.likeness > b.likeness || (a.likeness == b.likeness && a.node < b.node);
    });
    entries.resize(std::min(count, entries.size()));
    return entries;
  }

 private:
  static constexpr std::size_t block_rows = 64;

  float normal() {  // nearly: the sum of uniform numbers
    float sum = -6;
    for (int i = 0; i < 12; ++i) sum += static_cast<float>(random_.next() >> 40) / (1 << 24);
    return sum;
  }
  std::vector<float> around(std::size_t centre) {
    std::vector<float> vector(centres_.begin() + static_cast<std::ptrdiff_t>(centre * dimension_),
                              centres_.begin() + static_cast<std::ptrdiff_t>((centre + 1) * dimension_));
    for (float& x : vector) x += 0.7F * normal();
    return vector;
  }
  std::pair<fractal::CodeTerms, float> encode(const std::vector<float>& vector, std::vector<std::int8_t>& codes) const {
    double square = 0;
    for (const float x : vector) square += static_cast<double>(x) * x;
    const double factor = metric_ == fractal::Metric::cosine ? 1 / std::sqrt(square) : 1;
    codes.resize(fractal::code_stride(dimension_));
    const auto terms = fractal::encode(vector, factor, std::sqrt(square) * factor, codes.data());
    return {terms, terms.norm * terms.norm};
  }

  std::size_t dimension_;
  fractal::Metric metric_;
  fractal::testing::Random random_;
  std::vector<float> centres_, scales_, squares_;
  std::vector<std::byte> memory_;
  std::byte* image_ = nullptr;
  CodeRows codes_;
};

constexpr std::size_t row_count = 3'000;

std::shared_ptr<const Graph> build(const CodeRows& rows, std::size_t threads = 1, const Graph* previous = nullptr) {
  return Graph::build(rows, {.parameters = {.m = 8, .ef_construction = 64}, .threads = threads, .previous = previous})
      .value();
}

// The share of the true nearest 10 that walks find.
double recall(Rows& rows, const Graph& graph, std::size_t ef) {
  constexpr int queries = 40;
  std::size_t found = 0, wanted = 0;
  std::vector<std::int8_t> memory;
  Walked walked;
  for (int i = 0; i < queries; ++i) {
    WalkQuery query = rows.query(memory);
    query.ef = ef;
    query.keep = 10;
    graph.walk(rows.all(), query, walked);
    const auto truth = rows.nearest(query, 10);
    for (const auto& entry : truth) {
      found += static_cast<std::size_t>(std::count_if(walked.entries.begin(), walked.entries.end(),
                                                      [&](const auto& other) { return other.node == entry.node; }));
    }
    wanted += truth.size();
  }
  return static_cast<double>(found) / static_cast<double>(wanted);
}

std::vector<std::byte> copy_of(const Graph& graph) { return {graph.image().begin(), graph.image().end()}; }

// An image at an address that open() takes.
class Image {
 public:
  explicit Image(std::span<const std::byte> bytes)
      : size_(bytes.size()),
        memory_(static_cast<std::byte*>(::operator new (bytes.size() + 1, std::align_val_t{64})),
                [](std::byte* memory) { ::operator delete (memory, std::align_val_t{64}); }) {
    std::copy(bytes.begin(), bytes.end(), memory_.get());
  }
  std::byte* data() { return memory_.get(); }
  std::size_t size() const { return size_; }
  fractal::Result<std::shared_ptr<const Graph>> open(std::size_t rows) const {
    return Graph::open({memory_.get(), size_}, rows, memory_);
  }

 private:
  std::size_t size_;
  std::shared_ptr<std::byte> memory_;
};

bool same(const Walked& left, const Walked& right) {
  return left.visited == right.visited &&
         std::equal(left.entries.begin(), left.entries.end(), right.entries.begin(), right.entries.end(),
                    [](const auto& a, const auto& b) { return a.node == b.node && a.likeness == b.likeness; });
}

}  // namespace

TEST_CASE("a walk finds nearly all of the nearest, for every metric") {
  const std::uint64_t seed = fractal::testing::announced_seed("graph");
  for (const auto metric : {fractal::Metric::cosine, fractal::Metric::l2, fractal::Metric::dot}) {
    CAPTURE(static_cast<int>(metric));
    Rows rows(row_count, 40, metric, seed);
    const auto graph = build(rows.all());
    CHECK(graph->rows() == row_count);
    CHECK(graph->parameters().m == 8);
    CHECK(recall(rows, *graph, 100) >= (metric == fractal::Metric::dot ? 0.8 : 0.95));
    if (graph->unreachable().empty()) CHECK(recall(rows, *graph, row_count) == 1);
  }
}

TEST_CASE("with room for all, a walk finds every row, in order; unreachable rows too") {
  Rows rows(700, 16, fractal::Metric::cosine, fractal::testing::announced_seed("graph"));
  const auto graph = Graph::build(rows.all(), {.parameters = {.m = 2, .ef_construction = 2}}).value();
  MESSAGE("unreachable: ", graph->unreachable().size());
  std::vector<std::int8_t> memory;
  WalkQuery query = rows.query(memory);
  query.ef = query.keep = 700;
  Walked walked;
  graph->walk(rows.all(), query, walked);
  Walked truth;
  truth.entries = rows.nearest(query, 700);
  truth.visited = walked.visited;
  CHECK(walked.entries.size() == 700);
  CHECK(same(walked, truth));
}

TEST_CASE("equal rows come in the order of their numbers") {
  // One row many times: no heuristic can link them well.
  const std::size_t stride = 64, count = 500;
  std::vector<std::uint8_t> memory((count + 1) * stride, 128);
  void* begin = memory.data();
  std::size_t room = memory.size();
  auto* const codes = static_cast<std::uint8_t*>(std::align(64, count * stride, begin, room));
  for (std::size_t i = 0; i < count; ++i) codes[i * stride] = 200;
  const std::vector<float> scales(count, 0.01F);
  const CodeRows rows{codes, 0, 31, stride, count, scales.data(), nullptr};
  const auto graph = build(rows);
  alignas(64) std::int8_t wanted[64] = {100};
  const WalkQuery query{{wanted, stride, 12'800}, 0.01F, count, count};
  Walked walked;
  graph->walk(rows, query, walked);
  REQUIRE(walked.entries.size() == count);
  for (std::size_t i = 0; i < count; ++i) CHECK(walked.entries[i].node == i);
}

TEST_CASE("only allowed rows are returned, the nearest of those that the walk meets") {
  const std::uint64_t seed = fractal::testing::announced_seed("graph");
  Rows rows(row_count, 40, fractal::Metric::cosine, seed);
  fractal::testing::Random random(seed);
  const auto graph = build(rows.all());
  for (const std::size_t one_in : {2, 10, 3'000}) {
    std::vector<std::uint64_t> allowed(row_count / 64 + 1);
    for (Node node = 0; node < row_count; ++node) {
      if (random.one_in(one_in)) allowed[node / 64] |= std::uint64_t{1} << (node % 64);
    }
    std::size_t found = 0, wanted = 0;
    for (int i = 0; i < 20; ++i) {
      std::vector<std::int8_t> memory;
      WalkQuery query = rows.query(memory);
      query.allowed = allowed.data();
      query.ef = 300;
      query.keep = 10;
      Walked walked;
      graph->walk(rows.all(), query, walked);
      for (const auto& entry : walked.entries) CHECK((allowed[entry.node / 64] >> (entry.node % 64) & 1) == 1);
      const auto truth = rows.nearest(query, 10);
      CHECK(walked.entries.size() <= 10);
      std::set<Node> nodes;
      for (const auto& entry : walked.entries) nodes.insert(entry.node);
      CHECK(nodes.size() == walked.entries.size());
      for (const auto& entry : truth) found += nodes.count(entry.node);
      wanted += truth.size();
      // With room for every row nothing is missed.
      if (!graph->unreachable().empty()) continue;
      query.ef = row_count;
      graph->walk(rows.all(), query, walked);
      Walked all;
      all.entries = truth;
      all.visited = walked.visited;
      CHECK(same(walked, all));
    }
    if (one_in == 2) CHECK(static_cast<double>(found) >= 0.95 * static_cast<double>(wanted));
  }
}

TEST_CASE("a walk stops at the number of visits it is given") {
  Rows rows(row_count, 40, fractal::Metric::cosine, fractal::testing::announced_seed("graph"));
  const auto graph = build(rows.all());
  std::vector<std::int8_t> memory;
  WalkQuery query = rows.query(memory);
  query.ef = 1'000;
  query.most_visited = 300;
  Walked walked;
  graph->walk(rows.all(), query, walked);
  CHECK(walked.visited >= 300);
  CHECK(walked.visited < 400);
  query.most_visited = 0;
  graph->walk(rows.all(), query, walked);
  CHECK(walked.visited < 300);
}

TEST_CASE("threads build a graph as good as one thread's") {
  Rows rows(1'500, 40, fractal::Metric::cosine, fractal::testing::announced_seed("graph"));
  for (const std::size_t threads : {1, 2, 3, 4}) {
    CAPTURE(threads);
    const auto graph = build(rows.all(), threads);
    CHECK(recall(rows, *graph, 100) >= 0.95);
  }
}

TEST_CASE("one thread always builds the same graph") {
  Rows rows(row_count, 40, fractal::Metric::l2, fractal::testing::announced_seed("graph"));
  CHECK(copy_of(*build(rows.all())) == copy_of(*build(rows.all())));
}

TEST_CASE("an extended graph is as good as a new one, and the same when one thread built both") {
  constexpr std::size_t count = 1'500;
  Rows rows(count, 40, fractal::Metric::cosine, fractal::testing::announced_seed("graph"));
  const auto anew = copy_of(*build(rows.all()));
  for (const std::size_t first : {std::size_t{0}, std::size_t{1}, std::size_t{40}, count / 2, count}) {
    CAPTURE(first);
    const auto previous = build(rows.first(first));
    const auto before = copy_of(*previous);
    const auto graph = build(rows.all(), 1, previous.get());
    CHECK(graph->rows() == count);
    CHECK(copy_of(*previous) == before);
    CHECK(copy_of(*graph) == anew);
    CHECK(recall(rows, *build(rows.all(), 3, previous.get()), 100) >= 0.95);
  }
  const auto whole = build(rows.all());
  CHECK(Graph::build(rows.first(10), {.previous = whole.get()}).error().code == fractal::Errc::invalid_argument);
}

TEST_CASE("a build is given up when it is told to") {
  Rows rows(row_count, 40, fractal::Metric::cosine, fractal::testing::announced_seed("graph"));
  for (const std::size_t threads : {1, 3}) {
    std::size_t last = 0;
    const auto stopped = Graph::build(rows.all(), {.threads = threads, .keep_on = [&](std::size_t done) {
                                                     CHECK(done >= last);
                                                     last = done;
                                                     return done < 500;
                                                   }});
    REQUIRE_FALSE(stopped);
    CHECK(stopped.error().code == fractal::Errc::unavailable);
    CHECK(last >= 500);
    CHECK(last < row_count);
  }
}

TEST_CASE("parameters out of range are refused") {
  Rows rows(10, 8, fractal::Metric::cosine, 1);
  for (const std::uint32_t m : {0U, 1U, 257U}) {
    CHECK(Graph::build(rows.all(), {.parameters = {.m = m}}).error().code == fractal::Errc::invalid_argument);
  }
  CHECK(Graph::build(rows.all(), {.parameters = {.ef_construction = 0}}).error().code ==
        fractal::Errc::invalid_argument);
}

TEST_CASE("small graphs") {
  for (const std::size_t count : {0, 1, 2, 5, 33}) {
    CAPTURE(count);
    Rows rows(count, 8, fractal::Metric::cosine, fractal::testing::announced_seed("graph"));
    const auto graph = build(rows.all(), 2);
    std::vector<std::int8_t> memory;
    WalkQuery query = rows.query(memory);
    Walked walked;
    walked.entries.resize(3);
    query.keep = 64;
    graph->walk(rows.all(), query, walked);
    Walked truth;
    truth.entries = rows.nearest(query, 64);
    truth.visited = walked.visited;
    CHECK(same(walked, truth));
    CHECK(Image(copy_of(*graph)).open(count));
    query.keep = 0;
    graph->walk(rows.all(), query, walked);
    CHECK(walked.entries.empty());
  }
}

TEST_CASE("walks are the same on every instruction set") {
  for (const auto metric : {fractal::Metric::cosine, fractal::Metric::l2}) {
    for (const std::size_t dimension : {5, 64, 100, 384}) {
      Rows rows(600, dimension, metric, fractal::testing::announced_seed("graph"));
      const auto graph = build(rows.all());
      std::vector<std::uint64_t> allowed(10, 0x5555'5555'5555'5555);
      for (int i = 0; i < 6; ++i) {
        std::vector<std::int8_t> memory;
        WalkQuery query = rows.query(memory);
        query.ef = i % 2 == 0 ? 17 : 100;
        query.keep = 10;
        query.allowed = i < 3 ? nullptr : allowed.data();
        Walked first;
        graph->walk(rows.all(), query, first);
        for (const auto& name : fractal::kernels::instruction_sets()) {
          CAPTURE(name);
          REQUIRE(fractal::kernels::use_instruction_set(name));
          Walked walked;
          graph->walk(rows.all(), query, walked);
          CHECK(same(walked, first));
          if (i == 0) CHECK(copy_of(*build(rows.all())) == copy_of(*graph));
        }
        REQUIRE(fractal::kernels::use_instruction_set(""));
      }
    }
  }
}

TEST_CASE("a row that nothing leads to any more is told") {
  Rows rows(500, 16, fractal::Metric::cosine, fractal::testing::announced_seed("graph"));
  const auto graph = build(rows.all());
  CHECK(graph->lost().empty());
  Image image(graph->image());
  fractal::hnsw::GraphArrays arrays(image.data());
  const Node victim = arrays.entry == 7 ? 8 : 7;
  if (std::count(arrays.unreachable.begin(), arrays.unreachable.end(), victim) > 0) return;
  auto* const links = const_cast<Node*>(arrays.links);
  for (Node node = 0; node < arrays.rows; ++node) {
    Node* const begin = links + std::size_t{node} * 2 * arrays.m;
    Node* const end = begin + 2 * arrays.m;
    std::fill(std::remove(begin, end, victim), end, fractal::hnsw::no_node);
  }
  const auto opened = image.open(500);
  REQUIRE(opened.has_value());
  const auto lost = (*opened)->lost();
  CHECK(std::count(lost.begin(), lost.end(), victim) == 1);
}

TEST_CASE("an image opens as the graph it was") {
  Rows rows(row_count, 40, fractal::Metric::cosine, fractal::testing::announced_seed("graph"));
  const auto graph = build(rows.all());
  const Image image(graph->image());
  const auto opened = image.open(row_count).value();
  CHECK(opened->rows() == row_count);
  CHECK(opened->parameters().m == graph->parameters().m);
  CHECK(opened->parameters().ef_construction == graph->parameters().ef_construction);
  std::vector<std::int8_t> memory;
  for (int i = 0; i < 20; ++i) {
    const WalkQuery query = rows.query(memory);
    Walked left, right;
    graph->walk(rows.all(), query, left);
    opened->walk(rows.all(), query, right);
    CHECK(same(left, right));
  }
  CHECK(image.open(row_count + 1).error().code == fractal::Errc::corruption);
  const auto extended = Graph::build(rows.all(), {.previous = opened.get()}).value();
  CHECK(copy_of(*extended) == copy_of(*graph));
}

TEST_CASE("a damaged image is refused, or its walks stay within it") {
  const std::uint64_t seed = fractal::testing::announced_seed("graph");
  constexpr std::size_t count = 300;
  Rows rows(count, 16, fractal::Metric::cosine, seed);
  const auto graph = Graph::build(rows.all(), {.parameters = {.m = 4, .ef_construction = 20}}).value();
  fractal::testing::Random random(seed);
  std::vector<std::int8_t> memory;
  WalkQuery query = rows.query(memory);
  Image image(graph->image());
  std::size_t refused = 0, tried = 0;
  Walked walked;
  const auto try_it = [&](std::size_t at, std::byte value) {
    const std::byte was = image.data()[at];
    if (value == was) return;
    image.data()[at] = value;
    const auto opened = image.open(count);
    ++tried;
    if (opened) {
      query.ef = 1 + random.below(count);
      query.keep = 1 + random.below(count);
      (*opened)->walk(rows.all(), query, walked);
      for (const auto& entry : walked.entries) REQUIRE(entry.node < count);
      if (random.one_in(50)) {
        const auto extended = Graph::build(rows.all(), {.previous = opened->get()});
        if (!extended) CHECK(extended.error().code == fractal::Errc::corruption);
      }
    } else {
      CHECK(opened.error().code == fractal::Errc::corruption);
      ++refused;
    }
    image.data()[at] = was;
  };
  for (std::size_t at = 0; at < image.size(); ++at) {
    try_it(at, image.data()[at] ^ static_cast<std::byte>(1U << random.below(8)));
    if (at < 128 || random.one_in(8)) try_it(at, static_cast<std::byte>(random.next()));
  }
  MESSAGE(refused, " of ", tried, " refused");
  CHECK(refused > tried / 2);
  // Every row is named everywhere: more than a walk may remember.
  std::fill(image.data() + 128, image.data() + 128 + count * 8 * 4, std::byte{0});
  const auto opened = image.open(count);
  REQUIRE(opened);
  query.ef = count;
  (*opened)->walk(rows.all(), query, walked);
}

TEST_CASE("a truncated image is refused") {
  Rows rows(200, 16, fractal::Metric::cosine, 7);
  const auto graph = build(rows.all());
  const auto bytes = copy_of(*graph);
  for (std::size_t size = 0; size < bytes.size(); size += size < 200 ? 1 : 37) {
    CHECK(Image({bytes.data(), size}).open(200).error().code == fractal::Errc::corruption);
  }
  const Image image(bytes);
  CHECK(image.open(200));
}
