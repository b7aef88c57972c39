// Rows between SQLite and the core, and the values of indexed fields.
#ifndef FRACTAL_BACKENDS_SQLITE_ROWS_H
#define FRACTAL_BACKENDS_SQLITE_ROWS_H

#include <fractal/backend.h>

#include "backends/sqlite/connection.h"
#include "src/space_cache.h"

#include <string>
#include <string_view>
#include <vector>

namespace fractal::sqlite_backend {

// The columns of a get_, find_, fetch_, scan_ or list statement.
Result<void> read_row(Connection& connection, const Query& query, Columns columns, Row& row);
// From this column on: coordinate_key, memory_type, created_at.
Result<VectorFields> read_vector_fields(const Connection& connection, const Query& query, int column);
// Appends all rows that a query delivers.
Result<void> read_rows(Connection& connection, Query& query, Columns columns, std::vector<Row>& rows);
// The only row, if there is one.
Result<std::optional<Row>> read_one(Connection& connection, Query& query, Columns columns);
// `whole`: with sequence, metadata and time.
void read_link(const Query& query, bool whole, LinkRow& link);

// The columns of space_by_name and space_by_number.
void read_space(const Query& query, SpaceRow& space);

// A vector as the file has it: little-endian float32.
class EmbeddingBytes {
 public:
  explicit EmbeddingBytes(std::span<const float> vector);
  BlobValue value() const noexcept { return {bytes_}; }

 private:
  std::string swapped_;
  std::string_view bytes_;
};
void read_embedding(std::string_view bytes, std::vector<float>& vector);

// An indexed payload path.
struct Field {
  std::int64_t number = 0;
  std::string path{};
};
Result<std::vector<Field>> read_fields(Connection& connection);

// Longer texts are cut to this in sfm_field_values.
inline constexpr std::size_t field_text_bytes = 256;
// Binds a scalar as sfm_field_values holds it.
void bind_field_value(Query& query, int index, const Value& value);

}  // namespace fractal::sqlite_backend

#endif
