// Invariant: what is read back is what was written, bit by bit; a row that cannot be one of ours is
// `corruption`, never a wrong value.
#include "backends/sqlite/rows.h"

#include "src/error.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace fractal::sqlite_backend {
namespace {

constexpr bool little_endian = std::endian::native == std::endian::little;

// Of groups of four bytes.
[[maybe_unused]] void swap_bytes(char* bytes, std::size_t size) {
  for (std::size_t i = 0; i + 4 <= size; i += 4) std::reverse(bytes + i, bytes + i + 4);
}

Error damaged(const Connection& connection, const Query& query, std::string_view what) {
  return make_error(Errc::corruption, "{}: memory {} has {}", connection.path(), query.integer(0), what);
}

Result<MemoryType> read_type(const Connection& connection, const Query& query, int column) {
  const std::int64_t type = query.integer(column);
  if (type != 0 && type != 1) return damaged(connection, query, "an unknown type");
  return static_cast<MemoryType>(type);
}

}  // namespace

Result<void> read_row(Connection& connection, const Query& query, Columns columns, Row& row) {
  row.id = query.natural(0);
  row.sequence = query.natural(1);
  row.vector_sequence = query.natural(2);
  row.has_vector = query.integer(3) != 0;
  for (int i = 0; i < static_cast<int>(weight_classes); ++i) {
    row.words[static_cast<std::size_t>(i)] = static_cast<std::uint32_t>(query.integer(4 + i));
  }
  Memory& memory = row.memory;
  auto coordinate = Coordinate::from_key(query.bytes(8));
  if (!coordinate) return damaged(connection, query, "a damaged coordinate");
  memory.coordinate = std::move(*coordinate);
  const std::string_view uuid = query.bytes(9);
  if (uuid.size() != memory.id.bytes.size()) return damaged(connection, query, "a damaged uuid");
  std::memcpy(memory.id.bytes.data(), uuid.data(), uuid.size());
  FRACTAL_TRY_INTO(memory.type, read_type(connection, query, 10));
  memory.importance = query.real(11);
  memory.created_at = query.time(12);
  memory.updated_at = query.time(13);
  memory.expires_at = query.null(14) ? std::nullopt : std::optional(query.time(14));
  memory.version = query.natural(15);
  memory.accesses = query.natural(16);
  if (columns == Columns::header) return {};
  memory.metadata = query.bytes(17);
  memory.payload = query.bytes(18);
  if (columns == Columns::all) read_embedding(query.bytes(19), memory.embedding);
  return {};
}

Result<VectorFields> read_vector_fields(const Connection& connection, const Query& query, int column) {
  VectorFields fields{.key = std::string(query.bytes(column)), .created_at = query.time(column + 2)};
  FRACTAL_TRY_INTO(fields.type, read_type(connection, query, column + 1));
  return fields;
}

Result<void> read_rows(Connection& connection, Query& query, Columns columns, std::vector<Row>& rows) {
  for (;;) {
    FRACTAL_TRY_INTO(const bool row, query.step());
    if (!row) return {};
    FRACTAL_TRY(read_row(connection, query, columns, rows.emplace_back()));
  }
}

Result<std::optional<Row>> read_one(Connection& connection, Query& query, Columns columns) {
  Result<std::optional<Row>> result{std::optional<Row>{}};
  FRACTAL_TRY_INTO(const bool there, query.step());
  if (there) FRACTAL_TRY(read_row(connection, query, columns, (*result).emplace()));
  return result;
}

void read_link(const Query& query, bool whole, LinkRow& link) {
  link.from = query.bytes(0);
  link.to = query.bytes(1);
  link.type = query.bytes(2);
  link.strength = query.real(3);
  if (!whole) return;
  link.sequence = query.natural(4);
  link.metadata = query.bytes(5);
  link.created_at = query.time(6);
}

void read_space(const Query& query, SpaceRow& space) {
  SpaceRecord& record = space.record;
  record.number = query.natural(0);
  record.space.tenant = query.bytes(1);
  record.space.name = query.bytes(2);
  record.sequence = query.natural(3);
  record.last_id = query.natural(4);
  record.horizon = query.natural(5);
  record.memories = query.natural(6);
  record.semantic = query.natural(7);
  record.links = query.natural(8);
  record.vectors = query.natural(9);
  record.dimension = static_cast<std::uint32_t>(query.integer(10));
  record.metric = static_cast<Metric>(std::clamp<std::int64_t>(query.integer(11), 0, 2));
  for (int i = 0; i < static_cast<int>(weight_classes); ++i) {
    record.words[static_cast<std::size_t>(i)] = query.natural(12 + i);
  }
  space.audit_records = query.natural(16);
  space.audit_oldest = query.integer(17);
  record.embedder = query.bytes(18);
}

EmbeddingBytes::EmbeddingBytes(std::span<const float> vector)
    : bytes_(reinterpret_cast<const char*>(vector.data()), vector.size_bytes()) {
  if constexpr (!little_endian) {
    swapped_ = bytes_;
    swap_bytes(swapped_.data(), swapped_.size());
    bytes_ = swapped_;
  }
}

void read_embedding(std::string_view bytes, std::vector<float>& vector) {
  vector.resize(bytes.size() / sizeof(float));
  if (vector.empty()) return;
  auto* const out = reinterpret_cast<char*>(vector.data());
  std::memcpy(out, bytes.data(), vector.size() * sizeof(float));
  if constexpr (!little_endian) swap_bytes(out, vector.size() * sizeof(float));
}

Result<std::vector<Field>> read_fields(Connection& connection) {
  std::vector<Field> fields;
  Query query(connection, Sql::fields);
  for (;;) {
    FRACTAL_TRY_INTO(const bool row, query.step());
    if (!row) return fields;
    fields.push_back({query.integer(0), std::string(query.bytes(1))});
  }
}

void bind_field_value(Query& query, int index, const Value& value) {
  struct Bind {
    Query& query;
    int index;
    void operator()(std::nullptr_t) const { query.bind(index, BlobValue{{}}); }
    void operator()(bool truth) const {
      query.bind(index, BlobValue{truth ? std::string_view("\1", 1) : std::string_view("\0", 1)});
    }
    void operator()(std::int64_t number) const { query.bind(index, number); }
    void operator()(std::uint64_t number) const { query.bind(index, static_cast<double>(number)); }
    void operator()(double number) const { query.bind(index, number); }
    void operator()(const std::string& text) const {
      query.bind(index, TextValue{std::string_view(text).substr(0, field_text_bytes)});
    }
  };
  std::visit(Bind{query, index}, value.variant());
}

}  // namespace fractal::sqlite_backend
