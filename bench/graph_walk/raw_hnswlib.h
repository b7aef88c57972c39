// hnswlib as it comes: float32, InnerProductSpace, addPoint and searchKnn. The floor of the graph index.
#ifndef FRACTAL_BENCH_RAW_HNSWLIB_H
#define FRACTAL_BENCH_RAW_HNSWLIB_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace fractal::bench {

class RawHnswlib {
 public:
  virtual ~RawHnswlib() = default;
  virtual void build(const float* rows, std::size_t count, std::size_t threads) = 0;
  virtual void save(const std::string& file) = 0;
  virtual void load(const std::string& file, std::size_t count) = 0;
  // The `k` nearest, best first.
  virtual void search(const float* query, std::size_t ef, std::size_t k, std::uint32_t* out) = 0;
  // The `k` nearest of these rows, compared one by one with its float32 kernel: no index.
  virtual void scan(const float* query, const float* rows, const std::uint32_t* allowed, std::size_t count,
                    std::size_t k, std::uint32_t* out) = 0;
  // Through its filter functor, among rows whose byte is not 0. False: this hnswlib has none (before 0.7).
  virtual bool search_allowed(const float* query, std::size_t ef, std::size_t k, const std::uint8_t* allowed,
                              std::uint32_t* out) = 0;
};

constexpr std::size_t raw_m = 16, raw_ef_construction = 200;

// The same source, compiled with -O3 -march=native and with -O2.
std::unique_ptr<RawHnswlib> raw_hnswlib_native(std::size_t dimension);
std::unique_ptr<RawHnswlib> raw_hnswlib_plain(std::size_t dimension);

}  // namespace fractal::bench

#endif
