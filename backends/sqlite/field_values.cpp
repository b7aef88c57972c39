// Invariant: a memory has a value under a field exactly if value_at() finds a scalar in its payload.
#include "backends/sqlite/field_values.h"

#include "src/error.h"

namespace fractal::sqlite_backend {
namespace {

constexpr std::uint64_t rows_per_report = 1000;
constexpr const char* payloads = "SELECT id, space, payload FROM sfm_memories ORDER BY id";

}  // namespace

Result<void> fill_field_values(Connection& connection, std::span<const Field> fields, const Control& control) {
  if (fields.empty()) return {};
  FRACTAL_TRY_INTO(const auto total, connection.integer("SELECT total(memories) FROM sfm_namespaces", "index a field"));
  Query query(connection, std::string_view(payloads), "index a field");
  for (std::uint64_t done = 0;; ++done) {
    FRACTAL_TRY_INTO(const bool row, query.step());
    if (control.progress && (!row || done % rows_per_report == 0)) {
      control.progress(done, static_cast<std::uint64_t>(total.value_or(0)));
    }
    if (!row) return {};
    for (const Field& field : fields) {
      const auto value = value_at(query.bytes(2), field.path);
      if (!value) continue;
      Query insert(connection, Sql::insert_field_value, query.integer(1), field.number);
      bind_field_value(insert, 3, *value);
      insert.bind(4, query.integer(0));
      FRACTAL_TRY(insert.run());
    }
  }
}

Result<FieldValueFaults> compare_field_values(Connection& connection, std::span<const Field> fields) {
  FieldValueFaults faults;
  std::uint64_t wanted = 0;
  if (!fields.empty()) {
    Query query(connection, std::string_view(payloads), "verify indexed fields");
    Query find(connection, "SELECT 1 FROM sfm_field_values WHERE space = ?1 AND field = ?2 AND value = ?3 AND id = ?4",
               "verify indexed fields");
    for (;;) {
      FRACTAL_TRY_INTO(const bool row, query.step());
      if (!row) break;
      for (const Field& field : fields) {
        const auto value = value_at(query.bytes(2), field.path);
        if (!value) continue;
        find.again(query.integer(1), field.number);
        bind_field_value(find, 3, *value);
        find.bind(4, query.integer(0));
        FRACTAL_TRY_INTO(const bool there, find.step());
        ++(there ? wanted : faults.missing);
      }
    }
  }
  FRACTAL_TRY_INTO(const auto present,
                   connection.integer("SELECT count(*) FROM sfm_field_values", "verify indexed fields"));
  faults.surplus = static_cast<std::uint64_t>(present.value_or(0)) - wanted;
  return faults;
}

}  // namespace fractal::sqlite_backend
