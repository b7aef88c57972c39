// Invariant: what the server may compare stays so far inside the range of float32 that its distances are off by no more
// than the rounding that pgvector_search.cpp reckons with.
#include "backends/postgres/pgvector_space.h"

#include "backends/postgres/rows.h"
#include "src/error.h"

namespace fractal::postgres_backend {
namespace {

constexpr std::size_t most_vector_dimension = 16'000;  // of the type vector
constexpr double shortest_square = 1e-12, longest_square = 1e12;

std::uint64_t read_uint(std::string_view bytes, std::size_t at) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

// A bigint[] without nulls, as array_send() writes it.
std::optional<std::vector<std::uint64_t>> numbers_of(std::string_view bytes) {
  constexpr std::size_t header = 20, size = 12;
  if (bytes.size() < header || (bytes.size() - header) % size != 0) return std::nullopt;
  std::vector<std::uint64_t> numbers;
  for (std::size_t at = header; at < bytes.size(); at += size) { numbers.push_back(read_uint(bytes, at + 4)); }
  return numbers;
}

}  // namespace

bool IndexedSpace::knows(std::uint64_t as_of) const {
  for (std::size_t i = 0; i + 1 < moments.size(); i += 2) {
    if (moments[i] <= as_of && as_of <= moments[i + 1]) return true;
  }
  return false;
}

Result<IndexedSpace> read_indexed(const Connection& connection, const Rows& rows, std::uint64_t number, int column) {
  auto moments = numbers_of(rows.bytes(0, column + 1));
  if (!moments || moments->size() < 2 || moments->size() % 2 != 0 || moments->back() != rows.natural(0, column)) {
    return make_error(Errc::corruption, "{}: sfm_pgvector_spaces: space {} has moments that are none",
                      connection.server(), number);
  }
  return IndexedSpace{.number = number,
                      .applied = rows.natural(0, column),
                      .moments = std::move(*moments),
                      .changed = rows.natural(0, column + 2),
                      .dimension = rows.natural(0, column + 3),
                      .metric = static_cast<Metric>(rows.integer(0, column + 4)),
                      .vectors = rows.natural(0, column + 5),
                      .raw = rows.natural(0, column + 6),
                      .longest = rows.real(0, column + 7)};
}

bool is_comparable(std::size_t dimension, double square) {
  if (dimension > most_vector_dimension) return false;
  return square == 0 || (shortest_square <= square && square <= longest_square);
}

void read_vector(const Rows& rows, int row, int embedding_column, int raw_column, std::vector<float>& vector) {
  if (rows.null(row, embedding_column)) {
    read_embedding(rows.bytes(row, raw_column), vector);
    return;
  }
  constexpr std::size_t header = 4;
  const std::string_view bytes = rows.bytes(row, embedding_column);
  vector.resize(bytes.size() < header ? 0 : (bytes.size() - header) / sizeof(float));
  if (!vector.empty()) copy_components(bytes.data() + header, vector.data(), vector.size());
}

std::string graph_name(std::uint64_t space, std::size_t dimension, Metric metric) {
  return fmt::format("sfm_pgvector_graph_{}_{}_{}", space, dimension, static_cast<int>(metric));
}

const char* distance_operator(Metric metric) {
  switch (metric) {
    case Metric::dot: return "<#>";
    case Metric::l2: return "<->";
    case Metric::cosine: break;
  }
  return "<=>";
}

const char* operator_class(Metric metric) {
  switch (metric) {
    case Metric::dot: return "vector_ip_ops";
    case Metric::l2: return "vector_l2_ops";
    case Metric::cosine: break;
  }
  return "vector_cosine_ops";
}

}  // namespace fractal::postgres_backend
