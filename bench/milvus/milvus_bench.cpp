// What the index on Milvus costs beside the same calls by gRPC alone: batches of vectors written, searches answered.
//   milvus_bench --url milvus://... [--vectors N] [--dimension N] [--searches N]
// The two sides take turns, each in a collection of its own with the same rows. The bare side sends and asks for what a
// program must that keeps vectors by id there: no marks, no versions, no vectors in the reply.
#include "bench/arguments.h"
#include "bench/timing.h"

#include "backends/milvus/milvus_index.h"

#include <fmt/format.h>

#include <array>
#include <memory>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace fractal;
constexpr std::size_t batch = 1'000, k = 10, topics = 200;

std::vector<float> vector_of(std::mt19937_64& random, std::size_t dimension,
                             const std::vector<std::vector<float>>& centres) {
  std::normal_distribution<float> normal;
  std::vector<float> vector = centres[random() % centres.size()];
  for (std::size_t i = 0; i < dimension; ++i) vector[i] += 0.5F * normal(random);
  return vector;
}

struct Sides {
  double ours = 0, bare = 0;
};

// The same rows without what is ours.
class Bare {
 public:
  Bare(const MilvusOptions& options, std::string prefix, std::size_t dimension) {
    const auto read = milvus::read_url(options).value();
    client_ = milvus::Client::open(read.second, read.first).value();
    plan_ = {.name = std::move(prefix), .dimension = dimension, .metric = "COSINE", .partitioned = false};
    client_->create(plan_).value();
  }
  ~Bare() { (void)client_->drop(plan_.name); }
  Bare(const Bare&) = delete;
  Bare& operator=(const Bare&) = delete;

  void write(std::span<const VectorChange> changes) {
    std::vector<milvus::WrittenRow> rows;
    for (const VectorChange& change : changes) {
      const auto id = static_cast<std::int64_t>(change.id);
      rows.push_back(
          {.key = std::to_string(change.id), .tenant = "a", .space = 1, .id = id, .note = {}, .vector = change.vector});
    }
    timestamp_ = client_->upsert(plan_.name, rows, nullptr).value();
  }
  std::size_t search(std::span<const float> vector) {
    constexpr std::array<std::string_view, 1> fields{"id"};
    const milvus::Client::Nearest nearest{.vector = vector, .k = k, .metric = "COSINE", .fields = fields};
    return client_->search(plan_.name, "space == 1", nearest, {.timestamp = timestamp_}, nullptr).value().size();
  }

 private:
  std::unique_ptr<milvus::Client> client_;
  milvus::CollectionPlan plan_{};
  std::uint64_t timestamp_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const auto given = bench::options_of(argc, argv);
  const std::size_t vectors = bench::number_of(given, "--vectors", 50'000),
                    dimension = bench::number_of(given, "--dimension", 384),
                    searches = bench::number_of(given, "--searches", 400);
  const MilvusOptions options{.url = given.at("--url"), .wait = true};
  const std::string identity = fmt::format("bench{:08x}", std::random_device{}());
  SpaceRecord record;
  record.number = 1;
  record.dimension = static_cast<std::uint32_t>(dimension);
  const RemoteSource source{.newest = [&](const SpaceRecord&) -> Result<SpaceRecord> { return record; },
                            .read = [](const Space&, const RemoteSource::Read&) -> Result<void> { return {}; }};
  const auto index = milvus::make_milvus_index(options, identity, source).value();
  Bare bare(options, "fractal_" + identity + "_bare", dimension);

  std::mt19937_64 random(7);
  std::vector<std::vector<float>> centres(topics, std::vector<float>(dimension));
  std::normal_distribution<float> normal;
  for (auto& centre : centres) {
    for (float& x : centre) x = normal(random);
  }
  Sides wrote;
  std::vector<std::vector<float>> batch_vectors(batch);
  for (std::size_t begin = 0; begin < vectors; begin += batch) {
    std::vector<VectorChange> changes;
    for (std::size_t i = 0; i < batch; ++i) {
      batch_vectors[i] = vector_of(random, dimension, centres);
      changes.push_back({first_id(1) + begin + i + 1, begin + i + 1, batch_vectors[i]});
    }
    const std::uint64_t from = record.sequence;
    record.sequence = record.last_id = record.vectors = begin + batch;
    for (const bool ours : {(begin / batch) % 2 == 0, (begin / batch) % 2 != 0}) {
      (ours ? wrote.ours : wrote.bare) += bench::seconds([&] {
        if (ours) {
          index->apply(record, from, changes).value();
        } else {
          bare.write(changes);
        }
      });
    }
  }
  const auto rows = static_cast<double>(vectors);
  fmt::print("{} vectors of {} components, batches of {}\n", vectors, dimension, batch);
  fmt::print("write   bare {:8.0f} rows/s   index {:8.0f} rows/s   {:.2f}\n", rows / wrote.bare, rows / wrote.ours,
             wrote.bare / wrote.ours);

  for (const bool replaced : {false, true}) {
    if (replaced) {
      // One in a hundred has a second version from now on: each search looks them up.
      std::vector<VectorChange> changes;
      std::vector<std::vector<float>> kept;
      for (std::size_t i = 0; i < vectors; i += 100) kept.push_back(vector_of(random, dimension, centres));
      const std::uint64_t from = record.sequence;
      for (std::size_t i = 0; i < kept.size(); ++i)
        changes.push_back({first_id(1) + i * 100 + 1, ++record.sequence, kept[i]});
      index->apply(record, from, changes).value();
      bare.write(changes);
    }
    std::vector<double> ours, plain;
    for (std::size_t i = 0; i < searches; ++i) {
      const auto vector = vector_of(random, dimension, centres);
      for (const bool first : {i % 2 == 0, i % 2 != 0}) {
        std::size_t found = 0;
        const double time = bench::seconds([&] {
          const VectorQuery query{.vector = vector, .k = k, .as_of = record.sequence};
          found = first ? index->search(record, query).value().entries.size() : bare.search(vector);
        });
        if (found != k) throw std::runtime_error("a short answer");
        (first ? ours : plain).push_back(1e3 * time);
      }
    }
    fmt::print("search  bare {:8.2f} ms       index {:8.2f} ms       {:.2f}{}\n", bench::median(plain),
               bench::median(ours), bench::median(plain) / bench::median(ours),
               replaced ? "   (with versions to look up)" : "");
  }
  const auto read = milvus::read_url(options).value();
  milvus::MilvusStore(milvus::Client::open(read.second, read.first).value(), "fractal_" + identity, read.first)
      .drop_all()
      .value();
}
