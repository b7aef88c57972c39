// Invariant: nothing here but faiss's own calls.
#include "bench/peers/faiss_hnsw.h"

#include "bench/graph_walk/raw_hnswlib.h"

#include <faiss/IndexHNSW.h>
#include <faiss/impl/IDSelector.h>
#include <omp.h>

#include <array>

namespace fractal::bench {
namespace {

using Row = decltype(faiss::IndexHNSWFlat::ntotal);  // faiss names its type in two ways

class Index : public FaissHnsw {
 public:
  explicit Index(std::size_t dimension)
      : index_(static_cast<int>(dimension), static_cast<int>(raw_m), faiss::METRIC_INNER_PRODUCT) {
    index_.hnsw.efConstruction = static_cast<int>(raw_ef_construction);
  }

  void build(const float* rows, std::size_t count) override {
    index_.add(static_cast<Row>(count), rows);
    count_ = count;
    omp_set_num_threads(1);  // a search is one thread's, as with the others
  }

  void search(const float* query, std::size_t ef, std::size_t k, const std::uint8_t* allowed,
              std::uint32_t* out) override {
    std::array<float, 64> scores{};
    std::array<Row, 64> rows{};
    faiss::SearchParametersHNSW parameters;
    parameters.efSearch = index_.hnsw.efSearch = static_cast<int>(ef);  // before 1.7.4 only the latter counts
    faiss::IDSelectorBitmap selector((count_ + 7) / 8, allowed);
    if (allowed != nullptr) parameters.sel = &selector;
    index_.search(1, query, static_cast<Row>(k), scores.data(), rows.data(), &parameters);
    for (std::size_t i = 0; i < k; ++i) out[i] = static_cast<std::uint32_t>(rows[i]);
  }

 private:
  faiss::IndexHNSWFlat index_;
  std::size_t count_ = 0;
};

}  // namespace

std::unique_ptr<FaissHnsw> faiss_hnsw(std::size_t dimension) { return std::make_unique<Index>(dimension); }

}  // namespace fractal::bench
