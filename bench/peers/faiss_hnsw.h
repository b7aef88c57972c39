// faiss's HNSW over float32 vectors, as it comes.
#ifndef FRACTAL_BENCH_FAISS_HNSW_H
#define FRACTAL_BENCH_FAISS_HNSW_H

#include <cstddef>
#include <cstdint>
#include <memory>

namespace fractal::bench {

class FaissHnsw {
 public:
  virtual ~FaissHnsw() = default;
  virtual void build(const float* rows, std::size_t count) = 0;
  // `allowed`: a bit for each row; null: all.
  virtual void search(const float* query, std::size_t ef, std::size_t k, const std::uint8_t* allowed,
                      std::uint32_t* out) = 0;
};

std::unique_ptr<FaissHnsw> faiss_hnsw(std::size_t dimension);

}  // namespace fractal::bench

#endif
