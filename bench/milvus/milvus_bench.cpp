// What the index on Milvus costs beside the same calls by gRPC alone: batches of vectors written, searches answered.
//   milvus_bench --url milvus://... [--vectors N] [--dimension N] [--searches N]
// The two sides take turns, each in a collection of its own with the same rows. The bare side sends and asks for what a
// program must that keeps vectors by id there: no marks, no versions, no vectors in the reply. And what an index holds in memory
// of writes that wait to be delivered.
#include "bench/arguments.h"
#include "bench/timing.h"

#include "backends/milvus/milvus_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
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
    client_->create(plan_, nullptr).value();
  }
  ~Bare() { (void)client_->drop(plan_.name, nullptr); }
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
  std::vector<MemoryId> search(std::span<const float> vector) {
    constexpr std::array<std::string_view, 1> fields{"id"};
    const milvus::Client::Nearest nearest{.vector = vector, .k = k, .metric = "COSINE", .fields = fields};
    std::vector<MemoryId> ids;
    for (const milvus::Row& row :
         client_->search(plan_.name, "space == 1", nearest, {.timestamp = timestamp_}, nullptr).value()) {
      ids.push_back(static_cast<MemoryId>(row.id));
    }
    return ids;
  }

 private:
  std::unique_ptr<milvus::Client> client_;
  milvus::CollectionPlan plan_{};
  std::uint64_t timestamp_ = 0;
};

class Run {
 public:
  Run(MilvusOptions options, std::size_t vectors, std::size_t dimension, std::size_t searches)
      : options_(std::move(options)), vectors_(vectors), dimension_(dimension), searches_(searches) {
    record_.number = 1;
    record_.dimension = static_cast<std::uint32_t>(dimension);
    for (auto& centre : centres_) {
      std::normal_distribution<float> normal;
      for (float& x : centre) x = normal(random_);
    }
  }
  ~Run() {
    const auto read = milvus::read_url(options_).value();
    (void)milvus::MilvusStore(milvus::Client::open(read.second, read.first).value(), "fractal_" + identity_, read.first)
        .drop_all();
  }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  void write() {
    Sides wrote;
    for (std::size_t begin = 0; begin < vectors_; begin += batch) {
      const auto changes = next_batch();
      for (const bool ours : {(begin / batch) % 2 == 0, (begin / batch) % 2 != 0}) {
        (ours ? wrote.ours : wrote.bare) += bench::seconds([&] {
          if (ours) {
            index_->apply(record_, record_.sequence - batch, changes).value();
          } else {
            bare_.write(changes);
          }
        });
      }
    }
    const auto rows = static_cast<double>(vectors_);
    fmt::print("{} vectors of {} components, batches of {}\n", vectors_, dimension_, batch);
    fmt::print("write   bare {:8.0f} rows/s   index {:8.0f} rows/s   {:.2f}\n", rows / wrote.bare, rows / wrote.ours,
               wrote.bare / wrote.ours);
  }

  // One in a hundred has a second version from now on: each search looks them up.
  void replace() {
    std::vector<VectorChange> changes;
    const std::uint64_t from = record_.sequence;
    for (std::size_t i = 0; i < vectors_; i += 100) {
      all_[i] = vector_of(random_, dimension_, centres_);
      changes.push_back(change_of(i, ++record_.sequence));
    }
    index_->apply(record_, from, changes).value();
    bare_.write(changes);
  }

  void search(const char* what) {
    std::vector<double> ours, plain;
    Sides found;
    for (std::size_t i = 0; i < searches_; ++i) {
      const auto vector = vector_of(random_, dimension_, centres_);
      const auto wanted = nearest(vector);
      for (const bool by_index : {i % 2 == 0, i % 2 != 0}) {
        std::vector<MemoryId> ids;
        const double time = bench::seconds([&] { ids = by_index ? search_index(vector) : bare_.search(vector); });
        if (ids.size() != k) throw std::runtime_error("a short answer");
        (by_index ? ours : plain).push_back(1e3 * time);
        const auto among = [&](MemoryId id) { return std::find(wanted.begin(), wanted.end(), id) != wanted.end(); };
        (by_index ? found.ours : found.bare) += static_cast<double>(std::count_if(ids.begin(), ids.end(), among));
      }
    }
    const auto most = static_cast<double>(searches_ * k);
    fmt::print("search  bare {:8.2f} ms       index {:8.2f} ms       {:.2f}   recall@{} {:.3f} and {:.3f}{}\n",
               bench::median(plain), bench::median(ours), bench::median(plain) / bench::median(ours), k,
               found.bare / most, found.ours / most, what);
  }

  // Writes come faster than they are delivered.
  void lag() {
    MilvusOptions options{.url = options_.url, .queue_bytes = 8u << 20};
    const auto index = milvus::make_milvus_index(options, identity_ + "_lag", source_);
    std::uint64_t most = 0, written = 0;
    record_.sequence = record_.last_id = record_.vectors = 0;
    all_.clear();
    (*index)->catch_up(record_, [](std::uint64_t, const VectorVisitor&) { return Result<void>(); }).value();
    for (std::size_t begin = 0; begin < vectors_; begin += batch) {
      const auto changes = next_batch();
      (*index)->apply(record_, record_.sequence - batch, changes).value();
      for (const VectorChange& change : changes) written += change.vector.size_bytes();
      most = std::max(most, (*index)->bytes(1));
    }
    const auto megabytes = [](std::uint64_t bytes) { return static_cast<double>(bytes) / 1e6; };
    fmt::print("lagging by {:.0f} MB of vectors: at most {:.1f} MB in memory, of {:.1f} allowed\n", megabytes(written),
               megabytes(most), megabytes(options.queue_bytes));
  }

 private:
  VectorChange change_of(std::size_t place, std::uint64_t sequence) const {
    return {.id = first_id(1) + place + 1,
            .sequence = sequence,
            .vector = all_[place],
            .fields = {.key = Coordinate{1, static_cast<double>(place)}.key()}};
  }
  std::vector<VectorChange> next_batch() {
    std::vector<VectorChange> changes;
    for (std::size_t i = 0; i < batch; ++i) {
      all_.push_back(vector_of(random_, dimension_, centres_));
      changes.push_back(change_of(all_.size() - 1, ++record_.sequence));
    }
    record_.last_id = record_.vectors = all_.size();
    return changes;
  }
  std::vector<MemoryId> search_index(std::span<const float> vector) {
    std::vector<MemoryId> ids;
    const VectorQuery query{.vector = vector, .k = k, .as_of = record_.sequence};
    for (const auto& entry : index_->search(record_, query).value().entries) ids.push_back(entry.id);
    return ids;
  }
  // By cosine, compared one by one.
  std::vector<MemoryId> nearest(std::span<const float> vector) const {
    std::vector<std::pair<double, MemoryId>> all;
    for (std::size_t i = 0; i < all_.size(); ++i) {
      double product = 0, square = 0;
      for (std::size_t d = 0; d < dimension_; ++d) {
        product += double{vector[d]} * all_[i][d];
        square += double{all_[i][d]} * all_[i][d];
      }
      all.emplace_back(-product / std::sqrt(square), first_id(1) + i + 1);
    }
    std::partial_sort(all.begin(), all.begin() + k, all.end());
    std::vector<MemoryId> ids;
    for (std::size_t i = 0; i < k; ++i) ids.push_back(all[i].second);
    return ids;
  }

  const MilvusOptions options_;
  const std::size_t vectors_, dimension_, searches_;
  const std::string identity_ = fmt::format("bench{:08x}", std::random_device{}());
  SpaceRecord record_;
  const RemoteSource source_{
      .newest = [this](const SpaceRecord&) -> Result<SpaceRecord> { return record_; },
      .read = [](const Space&, VectorColumns, const RemoteSource::Read&) -> Result<void> { return {}; }};
  const std::shared_ptr<RemoteVectorIndex> index_ = milvus::make_milvus_index(options_, identity_, source_).value();
  Bare bare_{options_, "fractal_" + identity_ + "_bare", dimension_};
  std::mt19937_64 random_{7};
  std::vector<std::vector<float>> centres_{topics, std::vector<float>(dimension_)};
  std::vector<std::vector<float>> all_{};  // as they are now
};

}  // namespace

int main(int argc, char** argv) {
  const auto given = bench::options_of(argc, argv);
  Run run({.url = given.at("--url"), .wait = true}, bench::number_of(given, "--vectors", 50'000) / batch * batch,
          bench::number_of(given, "--dimension", 384), bench::number_of(given, "--searches", 400));
  run.write();
  run.search("");
  run.replace();
  run.search("   (with versions to look up)");
  run.lag();
}
