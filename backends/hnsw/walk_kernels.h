// What the walk does with rows, for one instruction set by Highway. graph_walk.cpp includes this once for each, in a
// namespace of its own, so there is no guard.

// Steps that look at no row.
struct Steps {
  static HWY_INLINE std::size_t not_visited(const Node* links, std::size_t length, std::uint32_t* visited, Node* out) {
    std::size_t found = 0;
    for (std::size_t i = 0; i < length && links[i] != no_node; ++i) {
      std::uint32_t& word = visited[links[i] / 32];
      const std::uint32_t bit = std::uint32_t{1} << (links[i] % 32);
      out[found] = links[i];
      found += (word & bit) == 0;
      word |= bit;
    }
    return found;
  }

  static HWY_INLINE std::size_t place(const float* likeness, std::size_t size, float x) {
    std::size_t first = 0;
    for (std::size_t step = std::bit_floor(size); step > 0; step /= 2) {
      if (first + step <= size && likeness[first + step - 1] >= x) first += step;
    }
    return first;
  }

  // Makes room at a place in arrays of `size` numbers, of which the last goes.
  static HWY_INLINE void shift(float* likeness, Node* nodes, std::size_t at, std::size_t size) {
    std::memmove(likeness + at + 1, likeness + at, (size - 1 - at) * sizeof *likeness);
    std::memmove(nodes + at + 1, nodes + at, (size - 1 - at) * sizeof *nodes);
  }
};

class Int8Kernel : public Steps {
 public:
  Int8Kernel(const CodeRows& rows, const WalkQuery& query, std::int16_t* widened)
      : query_(widened), stride_(rows.stride), offset_(query.codes.offset), factor_(2 * query.scale) {
    std::copy(query.codes.codes, query.codes.codes + stride_, widened);
  }

  HWY_INLINE void likenesses(const CodeRows& rows, const std::uint8_t* const* addresses, const Node* nodes,
                             std::size_t count, float* out) const {
    for (std::size_t i = 0; i < count; ++i) {
      out[i] = likeness_of(rows, nodes[i], factor_, static_cast<float>(dot(addresses[i]) - offset_));
    }
  }

 private:
  // Products of 255 * 127 need 16 bits, and their sums 32.
  HWY_INLINE std::int32_t dot(const std::uint8_t* row) const {
#if HWY_TARGET == HWY_SCALAR
    std::int32_t sum = 0;
    for (std::size_t j = 0; j < stride_; ++j) sum += std::int32_t{query_[j]} * row[j];
    return sum;
#else
    const hn::CappedTag<std::int16_t, kernels::code_block / 2> d16;
    const hn::Rebind<std::uint8_t, decltype(d16)> u8;
    const hn::RepartitionToWide<decltype(d16)> d32;
    const std::size_t lanes = hn::Lanes(d16);
    auto sum0 = hn::Zero(d32), sum1 = sum0, sum2 = sum0, sum3 = sum0;
    for (std::size_t j = 0; j < stride_; j += 2 * lanes) {
      const auto even = hn::PromoteTo(d16, hn::LoadU(u8, row + j));
      const auto odd = hn::PromoteTo(d16, hn::LoadU(u8, row + j + lanes));
      sum0 = hn::ReorderWidenMulAccumulate(d32, hn::Load(d16, query_ + j), even, sum0, sum1);
      sum2 = hn::ReorderWidenMulAccumulate(d32, hn::Load(d16, query_ + j + lanes), odd, sum2, sum3);
    }
    return hn::GetLane(hn::SumOfLanes(d32, hn::Add(hn::Add(sum0, sum1), hn::Add(sum2, sum3))));
#endif
  }

  const std::int16_t* query_;
  std::size_t stride_;
  std::int32_t offset_;
  float factor_;
};

class Float32Kernel : public Steps {
 public:
  Float32Kernel(const CodeRows& rows, const WalkQuery& query, const std::int16_t*)
      : query_(query.vector), dimension_(rows.stride / sizeof(float)), factor_(2 * query.scale) {}

  HWY_INLINE void likenesses(const CodeRows& rows, const std::uint8_t* const* addresses, const Node* nodes,
                             std::size_t count, float* out) const {
    for (std::size_t i = 0; i < count; ++i) {
      out[i] = likeness_of(rows, nodes[i], factor_, dot(reinterpret_cast<const float*>(addresses[i])));
    }
  }

 private:
  HWY_INLINE float dot(const float* row) const {
    const hn::ScalableTag<float> d;
    const std::size_t lanes = hn::Lanes(d);
    auto even = hn::Zero(d), odd = even;
    std::size_t j = 0;
    for (; j + 2 * lanes <= dimension_; j += 2 * lanes) {
      even = hn::MulAdd(hn::LoadU(d, query_ + j), hn::LoadU(d, row + j), even);
      odd = hn::MulAdd(hn::LoadU(d, query_ + j + lanes), hn::LoadU(d, row + j + lanes), odd);
    }
    float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(even, odd)));
    for (; j < dimension_; ++j) sum += query_[j] * row[j];
    return sum;
  }

  const float* query_;
  std::size_t dimension_;
  float factor_;
};

// With s the row's signs, 1 and -1: q.s = 2 * (sum of the q[j] with s[j] = 1) - (sum of all).
class BitKernel : public Steps {
 public:
  BitKernel(const CodeRows&, const WalkQuery& query, std::int16_t* room)
      : query_(reinterpret_cast<std::uint8_t*>(room)), stride_(query.codes.stride), factor_(2 * query.scale) {
    for (std::size_t j = 0; j < stride_; ++j) query_[j] = static_cast<std::uint8_t>(query.codes.codes[j] + 128);
    sum_ = query.codes.offset / 128;
  }

  HWY_INLINE void likenesses(const CodeRows& rows, const std::uint8_t* const* addresses, const Node* nodes,
                             std::size_t count, float* out) const {
    for (std::size_t i = 0; i < count; ++i) {
      out[i] = likeness_of(rows, nodes[i], factor_, static_cast<float>(2 * sum_where_set(addresses[i]) - sum_));
    }
  }

 private:
  HWY_INLINE std::int32_t sum_where_set(const std::uint8_t* row) const {
#if HWY_TARGET == HWY_SCALAR
    std::int32_t sum = 0;
    for (std::size_t j = 0; j < stride_; ++j) {
      if ((row[j / 8] >> (j % 8) & 1) != 0) sum += std::int32_t{query_[j]} - 128;
    }
    return sum;
#else
    const hn::CappedTag<std::uint8_t, kernels::code_block> d8;
    const hn::Repartition<std::uint64_t, decltype(d8)> d64;
    const auto zero_point = hn::Set(d8, 128);
    auto sum = hn::Zero(d64), zeros = sum;
    for (std::size_t j = 0; j < stride_; j += hn::Lanes(d8)) {
      const auto set = hn::LoadMaskBits(d8, row + j / 8);
      sum = hn::Add(sum, hn::SumsOf8(hn::IfThenElseZero(set, hn::LoadU(d8, query_ + j))));
      zeros = hn::Add(zeros, hn::SumsOf8(hn::IfThenElseZero(set, zero_point)));
    }
    return static_cast<std::int32_t>(hn::GetLane(hn::SumOfLanes(d64, hn::Sub(sum, zeros))));
#endif
  }

  std::uint8_t* query_;  // codes + 128
  std::size_t stride_;
  float factor_;
  std::int32_t sum_ = 0;
};
