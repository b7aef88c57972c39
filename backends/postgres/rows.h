// Rows between the server and the core.
#ifndef FRACTAL_BACKENDS_POSTGRES_ROWS_H
#define FRACTAL_BACKENDS_POSTGRES_ROWS_H

#include <fractal/backend.h>

#include "backends/postgres/connection.h"
#include "src/space_cache.h"

namespace fractal::postgres_backend {

// The columns of header, payload or all in statements.h, at `row`.
Result<void> read_row(const Connection& connection, const Rows& rows, int at, Columns columns, Row& row);
// From this column on: fm_key, fm_type, fm_created_at.
Result<VectorFields> read_vector_fields(const Connection& connection, const Rows& rows, int at, int column);
Result<std::vector<Row>> read_rows(const Connection& connection, const Rows& rows, Columns columns);
// The only row, if there is one.
Result<std::optional<Row>> read_one(const Connection& connection, const Rows& rows, Columns columns);
// `whole`: with sequence, metadata and time.
void read_link(const Rows& rows, int at, bool whole, LinkRow& link);

void read_space(const Rows& rows, int at, SpaceRow& space);

// A vector as the server has it: little-endian float32.
std::string embedding_bytes(std::span<const float> vector);
void read_embedding(std::string_view bytes, std::vector<float>& vector);

// An indexed payload path.
struct Field {
  std::int64_t number = 0;
  std::string path{};
};
std::vector<Field> fields_of(const Rows& rows);  // of sql::fields
Result<std::vector<Field>> read_fields(Connection& connection);

// Longer texts are cut to this in sfm_field_values.
inline constexpr std::size_t field_text_bytes = 256;
enum class FieldKind : std::int64_t { null = 0, truth = 1, number = 2, text = 3 };

// Queued.
Result<void> put_field_value(Connection& connection, std::uint64_t space, const Field& field, const Value& value,
                             MemoryId id);

// LIMIT is a signed number, and select() asks for one more.
std::int64_t bounded(std::size_t limit);

// For the service's columns, which hold no NUL.
std::string without_nul(std::string_view text);

}  // namespace fractal::postgres_backend

#endif
