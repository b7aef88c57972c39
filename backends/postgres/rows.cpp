// Invariant: what is read back is what was written, bit by bit; a row that cannot be one of ours is `corruption`, never a
// wrong value.
#include "backends/postgres/rows.h"

#include "backends/postgres/statements.h"
#include "src/error.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace fractal::postgres_backend {
namespace {

Error damaged(const Connection& connection, const Rows& rows, int at, std::string_view what) {
  return make_error(Errc::corruption, "{}: memory {} has {}", connection.server(), rows.integer(at, 0), what);
}

[[maybe_unused]] void swap_bytes(char* bytes, std::size_t size) {
  for (std::size_t i = 0; i + 4 <= size; i += 4) std::reverse(bytes + i, bytes + i + 4);
}

Result<MemoryType> read_type(const Connection& connection, const Rows& rows, int at, int column) {
  const std::int64_t type = rows.integer(at, column);
  if (type != 0 && type != 1) return damaged(connection, rows, at, "an unknown type");
  return static_cast<MemoryType>(type);
}

}  // namespace

Result<void> read_row(const Connection& connection, const Rows& rows, int at, Columns columns, Row& row) {
  row.id = rows.natural(at, 0);
  row.sequence = rows.natural(at, 1);
  row.vector_sequence = rows.natural(at, 2);
  row.has_vector = rows.integer(at, 3) != 0;
  for (int i = 0; i < static_cast<int>(weight_classes); ++i) {
    row.words[static_cast<std::size_t>(i)] = static_cast<std::uint32_t>(rows.integer(at, 4 + i));
  }
  Memory& memory = row.memory;
  auto coordinate = Coordinate::from_key(rows.bytes(at, 8));
  if (!coordinate) return damaged(connection, rows, at, "a damaged coordinate");
  memory.coordinate = std::move(*coordinate);
  const std::string_view uuid = rows.bytes(at, 9);
  if (uuid.size() != memory.id.bytes.size()) return damaged(connection, rows, at, "a damaged uuid");
  std::memcpy(memory.id.bytes.data(), uuid.data(), uuid.size());
  FRACTAL_TRY_INTO(memory.type, read_type(connection, rows, at, 10));
  memory.importance = rows.real(at, 11);
  memory.created_at = rows.time(at, 12);
  memory.updated_at = rows.time(at, 13);
  memory.expires_at = rows.null(at, 14) ? std::nullopt : std::optional(rows.time(at, 14));
  memory.version = rows.natural(at, 15);
  memory.accesses = rows.natural(at, 16);
  row.unindexed = rows.integer(at, 17) != 0;
  if (columns == Columns::header) return {};
  memory.metadata = rows.bytes(at, 18);
  memory.payload = rows.bytes(at, 19);
  if (columns == Columns::all) read_embedding(rows.bytes(at, 20), memory.embedding);
  return {};
}

Result<VectorFields> read_vector_fields(const Connection& connection, const Rows& rows, int at, int column) {
  VectorFields fields{.key = std::string(rows.bytes(at, column)), .created_at = rows.time(at, column + 2)};
  FRACTAL_TRY_INTO(fields.type, read_type(connection, rows, at, column + 1));
  return fields;
}

Result<std::vector<Row>> read_rows(const Connection& connection, const Rows& rows, Columns columns) {
  std::vector<Row> out(static_cast<std::size_t>(rows.count()));
  for (int at = 0; at < rows.count(); ++at) {
    FRACTAL_TRY(read_row(connection, rows, at, columns, out[static_cast<std::size_t>(at)]));
  }
  return out;
}

Result<std::optional<Row>> read_one(const Connection& connection, const Rows& rows, Columns columns) {
  Result<std::optional<Row>> result{std::optional<Row>{}};
  if (rows.count() > 0) FRACTAL_TRY(read_row(connection, rows, 0, columns, (*result).emplace()));
  return result;
}

void read_link(const Rows& rows, int at, bool whole, LinkRow& link) {
  link.from = rows.bytes(at, 0);
  link.to = rows.bytes(at, 1);
  link.type = rows.bytes(at, 2);
  link.strength = rows.real(at, 3);
  if (!whole) return;
  link.sequence = rows.natural(at, 4);
  link.metadata = rows.bytes(at, 5);
  link.created_at = rows.time(at, 6);
}

void read_space(const Rows& rows, int at, SpaceRow& space) {
  SpaceRecord& record = space.record;
  record.number = rows.natural(at, 0);
  record.space.tenant = rows.bytes(at, 1);
  record.space.name = rows.bytes(at, 2);
  record.sequence = rows.natural(at, 3);
  record.last_id = rows.natural(at, 4);
  record.horizon = rows.natural(at, 5);
  record.memories = rows.natural(at, 6);
  record.semantic = rows.natural(at, 7);
  record.links = rows.natural(at, 8);
  record.vectors = rows.natural(at, 9);
  record.dimension = static_cast<std::uint32_t>(rows.integer(at, 10));
  record.metric = static_cast<Metric>(rows.integer(at, 11));
  for (std::size_t i = 0; i < weight_classes; ++i) record.words[i] = rows.natural(at, 12 + static_cast<int>(i));
  space.audit_records = rows.natural(at, 16);
  space.audit_oldest = rows.integer(at, 17);
  record.embedder = rows.bytes(at, 18);
  space.mark = rows.bytes(at, 19);
}

std::string embedding_bytes(std::span<const float> vector) {
  std::string bytes(reinterpret_cast<const char*>(vector.data()), vector.size_bytes());
  if constexpr (std::endian::native == std::endian::big) swap_bytes(bytes.data(), bytes.size());
  return bytes;
}

void read_embedding(std::string_view bytes, std::vector<float>& vector) {
  vector.resize(bytes.size() / sizeof(float));
  if (vector.empty()) return;
  std::memcpy(vector.data(), bytes.data(), vector.size() * sizeof(float));
  if constexpr (std::endian::native == std::endian::big) {
    swap_bytes(reinterpret_cast<char*>(vector.data()), vector.size() * sizeof(float));
  }
}

Result<std::vector<Field>> read_fields(Connection& connection) {
  FRACTAL_TRY_INTO(const Rows rows, connection.run(sql::fields));
  return fields_of(rows);
}

std::vector<Field> fields_of(const Rows& rows) {
  std::vector<Field> fields;
  fields.reserve(static_cast<std::size_t>(rows.count()));
  for (int at = 0; at < rows.count(); ++at) fields.push_back({rows.integer(at, 0), std::string(rows.bytes(at, 1))});
  return fields;
}

Result<void> put_field_value(Connection& connection, std::uint64_t space, const Field& field, const Value& value,
                             MemoryId id) {
  Values values(space, field.number);
  const auto add = [&](FieldKind kind, std::optional<double> number, std::optional<std::string_view> text) {
    values.add(static_cast<std::int64_t>(kind));
    number ? values.add(*number) : values.add(nullptr);
    text ? values.add(Bytes{text->substr(0, field_text_bytes)}) : values.add(nullptr);
  };
  struct Add {
    const decltype(add)& to;
    void operator()(std::nullptr_t) const { to(FieldKind::null, 0.0, std::nullopt); }
    void operator()(bool truth) const { to(FieldKind::truth, truth ? 1.0 : 0.0, std::nullopt); }
    void operator()(std::int64_t number) const { to(FieldKind::number, static_cast<double>(number), std::nullopt); }
    void operator()(std::uint64_t number) const { to(FieldKind::number, static_cast<double>(number), std::nullopt); }
    void operator()(double number) const { to(FieldKind::number, number, std::nullopt); }
    void operator()(const std::string& text) const { to(FieldKind::text, std::nullopt, text); }
  };
  std::visit(Add{add}, value.variant());
  values.add(id);
  return connection.queue(sql::put_field_value, values);
}

std::int64_t bounded(std::size_t limit) {
  return static_cast<std::int64_t>(std::min<std::size_t>(limit, INT64_MAX - 1));
}

std::string without_nul(std::string_view text) {
  std::string clean(text);
  for (std::size_t at = 0; (at = clean.find('\0', at)) != clean.npos;) clean.replace(at, 1, "\xEF\xBF\xBD");
  return clean;
}

}  // namespace fractal::postgres_backend
