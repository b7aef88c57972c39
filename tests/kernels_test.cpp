// Every instruction set of this machine against plain loops.
#include "kernels.h"
#include "tests/seeded_random.h"
#include "vector_chunk.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <new>
#include <random>
#include <vector>

namespace kernels = fractal::kernels;

namespace {

// Runs the check once with each instruction set.
template <class Check> void with_each_set(const Check& check) {
  const auto names = kernels::instruction_sets();
  REQUIRE_FALSE(names.empty());
  for (const auto& name : names) {
    CAPTURE(name);
    REQUIRE(kernels::use_instruction_set(name));
    CHECK(kernels::instruction_set().find(name) != std::string::npos);
    check();
  }
  REQUIRE(kernels::use_instruction_set(""));
}

struct Aligned {
  explicit Aligned(std::size_t bytes)
      : data(static_cast<std::uint8_t*>(::operator new (bytes, std::align_val_t{64}))) {}
  ~Aligned() { ::operator delete (data, std::align_val_t{64}); }
  Aligned(const Aligned&) = delete;
  Aligned& operator=(const Aligned&) = delete;
  std::uint8_t* data;
};

}  // namespace

TEST_CASE("an unknown instruction set is refused") {
  CHECK_FALSE(kernels::use_instruction_set("abacus"));
  CHECK(kernels::use_instruction_set(""));
}

TEST_CASE("float sums are right, and the same wherever the vectors lie") {
  std::mt19937_64 random(fractal::testing::announced_seed("kernels"));
  std::normal_distribution<float> normal;
  with_each_set([&] {
    for (std::size_t n = 0; n < 300; n = n < 70 ? n + 1 : n + 37) {
      CAPTURE(n);
      std::vector<float> left(n + 16), right(n + 16);
      std::vector<float> a(n), b(n);
      double product = 0, distance = 0, size = 0;
      for (std::size_t i = 0; i < n; ++i) {
        a[i] = normal(random);
        b[i] = normal(random);
        product += static_cast<double>(a[i]) * b[i];
        distance += (static_cast<double>(a[i]) - b[i]) * (static_cast<double>(a[i]) - b[i]);
        size += std::fabs(static_cast<double>(a[i]) * b[i]);
      }
      const double dot = kernels::dot(a.data(), b.data(), n), l2 = kernels::squared_l2(a.data(), b.data(), n);
      CHECK(std::fabs(dot - product) <= 1e-13 * size);
      CHECK(std::fabs(l2 - distance) <= 1e-13 * distance);
      CHECK(kernels::dot(b.data(), a.data(), n) == dot);
      for (const std::size_t shift : {1, 3, 8, 15}) {
        std::copy(a.begin(), a.end(), left.begin() + static_cast<std::ptrdiff_t>(shift));
        std::copy(b.begin(), b.end(), right.begin() + static_cast<std::ptrdiff_t>(16 - shift));
        CHECK(kernels::dot(left.data() + shift, right.data() + 16 - shift, n) == dot);
        CHECK(kernels::squared_l2(left.data() + shift, right.data() + 16 - shift, n) == l2);
      }
    }
  });
}

TEST_CASE("the longest vectors do not overflow") {
  const float most = std::numeric_limits<float>::max();
  const std::vector<float> up(16'384, most), down(16'384, -most);
  with_each_set([&] {
    CHECK(kernels::dot(up.data(), up.data(), up.size()) == doctest::Approx(16'384.0 * most * most));
    CHECK(kernels::squared_l2(up.data(), down.data(), up.size()) == doctest::Approx(4 * 16'384.0 * most * most));
  });
}

TEST_CASE("sums of codes are exact on every instruction set") {
  std::mt19937_64 random(fractal::testing::announced_seed("kernels"));
  for (const std::size_t stride : {64, 128, 192, 384, 1024, 16'384}) {
    constexpr std::size_t rows = 37;
    const Aligned codes(rows * stride), query(stride);
    auto* const q = reinterpret_cast<std::int8_t*>(query.data);
    for (const bool extreme : {false, true}) {
      const auto value = [&] {
        return extreme ? (random() % 2 == 0 ? 127 : -127) : static_cast<int>(random() % 255) - 127;
      };
      std::int32_t sum = 0;
      for (std::size_t j = 0; j < stride; ++j) sum += q[j] = static_cast<std::int8_t>(value());
      for (std::size_t i = 0; i < rows * stride; ++i) codes.data[i] = static_cast<std::uint8_t>(value() + 128);
      if (extreme) {  // the largest sum there is
        for (std::size_t j = 0; j < stride; ++j) codes.data[j] = static_cast<std::uint8_t>(q[j] + 128);
      }
      const kernels::CodeQuery code_query{q, stride, 128 * sum};
      const std::vector<std::uint32_t> slots{5, 0, 36, 36, 7, 1, 2, 3, 30};
      with_each_set([&] {
        for (const std::size_t count : {0, 1, 3, 4, 5, 37}) {
          std::vector<std::int32_t> out(rows + 1, -1);
          kernels::dot_codes(code_query, codes.data, nullptr, count, out.data());
          CHECK(out[count] == -1);
          for (std::size_t i = 0; i < count; ++i) {
            std::int32_t expected = 0;
            for (std::size_t j = 0; j < stride; ++j) expected += q[j] * (codes.data[i * stride + j] - 128);
            CHECK(out[i] == expected);
          }
        }
        std::vector<std::int32_t> all(rows), chosen(slots.size());
        kernels::dot_codes(code_query, codes.data, nullptr, rows, all.data());
        kernels::dot_codes(code_query, codes.data, slots.data(), slots.size(), chosen.data());
        for (std::size_t i = 0; i < slots.size(); ++i) CHECK(chosen[i] == all[slots[i]]);
      });
    }
  }
}

TEST_CASE("bounds hold the formula of the header, and choose by the threshold") {
  std::mt19937_64 random(fractal::testing::announced_seed("kernels"));
  std::uniform_real_distribution<float> uniform(0.001F, 2.0F);
  std::vector<float> scales(512), norms(512), errors(512);
  std::vector<std::int32_t> dots(512);
  for (std::size_t i = 0; i < 512; ++i) {
    scales[i] = uniform(random) / 100;
    norms[i] = uniform(random);
    errors[i] = uniform(random) / 100;
    dots[i] = static_cast<std::int32_t>(random() % 20'000) - 10'000;
  }
  errors[77] = std::numeric_limits<float>::infinity();
  scales[77] = norms[77] = 0;
  for (const bool distance : {false, true}) {
    const kernels::QueryTerms query{distance, 0.01F, 1.5F, 2.25F, 0.03F, 1.0F, 1e-6F};
    with_each_set([&] {
      for (const std::size_t count : {1, 15, 16, 17, 100, 512}) {
        for (const float threshold : {-std::numeric_limits<float>::infinity(), -0.5F, 0.0F, 0.3F}) {
          std::vector<float> upper(512), lower(512);
          std::vector<std::uint32_t> kept(512 + 16), expected;
          const std::size_t found =
              kernels::bound_scores(query, {scales.data(), norms.data(), errors.data()}, dots.data(), count, threshold,
                                    upper.data(), lower.data(), kept.data());
          for (std::uint32_t i = 0; i < count; ++i) {
            const double product = dots[i] * 0.01 * scales[i];
            double high = product, low = product, slack = errors[i] + 1e-6;
            if (distance) {
              const double e = (1.5 + norms[i]) * (1.5 + norms[i]) / (1 << 20);
              const double d2 = 2.25 + static_cast<double>(norms[i]) * norms[i] - 2 * product;
              high = -std::sqrt(std::max(d2 - e, 0.0));
              low = -std::sqrt(std::max(d2 + e, 0.0));
            } else {
              slack += 0.03 * norms[i];
            }
            if (i == 77) {
              CHECK(upper[i] == std::numeric_limits<float>::infinity());
              CHECK(lower[i] == -std::numeric_limits<float>::infinity());
            } else {
              CHECK(upper[i] == doctest::Approx(high + slack).epsilon(1e-4));
              CHECK(lower[i] == doctest::Approx(low - slack).epsilon(1e-4));
            }
            if (upper[i] >= threshold) expected.push_back(i);
          }
          kept.resize(found);
          CHECK(kept == expected);
        }
      }
    });
  }
}

TEST_CASE("a code says how far it is off, and never too little") {
  std::mt19937_64 random(fractal::testing::announced_seed("kernels"));
  std::normal_distribution<float> normal;
  for (const std::size_t n : {1, 3, 64, 100, 384}) {
    for (int round = 0; round < 50; ++round) {
      std::vector<float> vector(n);
      for (float& x : vector) x = normal(random) * (round % 7 == 0 ? 1e-42F : 1.0F);
      if (round % 5 == 0) vector[0] = 1e6F;
      double length = 0;
      for (const float x : vector) length += static_cast<double>(x) * x;
      length = std::sqrt(length);
      const double factor = round % 2 == 0 && length > 0 ? 1 / length : 1;
      std::vector<std::int8_t> codes(fractal::code_stride(n), 99);
      const auto terms = fractal::encode(vector, factor, length * factor, codes.data());
      long double error = 0, norm = 0;
      for (std::size_t j = 0; j < codes.size(); ++j) {
        CHECK(codes[j] >= -127);
        const long double coded = static_cast<long double>(codes[j]) * terms.scale;
        const long double off = (j < n ? static_cast<long double>(vector[j]) * factor : 0) - coded;
        error += off * off;
        norm += coded * coded;
      }
      CHECK(static_cast<long double>(terms.error) >= std::sqrt(error));
      CHECK(static_cast<long double>(terms.norm) >= std::sqrt(norm));
      if (factor != 1) CHECK(terms.error < 0.1);
    }
  }
}
