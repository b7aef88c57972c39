// sfm_field_values as a whole: made for a new field, compared with the payloads, made anew.
#ifndef FRACTAL_BACKENDS_SQLITE_FIELD_VALUES_H
#define FRACTAL_BACKENDS_SQLITE_FIELD_VALUES_H

#include "backends/sqlite/rows.h"

#include <span>

namespace fractal::sqlite_backend {

// Writes the values of these fields for every memory. Inside a transaction.
Result<void> fill_field_values(Connection& connection, std::span<const Field> fields, const Control& control);

// How many values are missing, and how many are there that no payload has.
struct FieldValueFaults {
  std::uint64_t missing = 0, surplus = 0;
};
Result<FieldValueFaults> compare_field_values(Connection& connection, std::span<const Field> fields);

}  // namespace fractal::sqlite_backend

#endif
