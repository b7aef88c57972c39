// What requests and answers consist of: the one description, from which validation, /openapi.json and /docs come.
#ifndef FRACTAL_SRC_SERVER_SCHEMA_H
#define FRACTAL_SRC_SERVER_SCHEMA_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace fractal::server {

enum class FieldType { text, integer, number, flag, object, vector, any, list, schema };

struct Schema;

struct Field {
  std::string_view name;
  FieldType type = FieldType::text;
  std::string_view about{};
  bool required = false;
  bool nullable = false;
  std::string_view otherwise{};                 // the value of one that is missing, as JSON; for people
  std::optional<std::int64_t> least{}, most{};  // of an integer or number; a list's least elements, for /openapi.json
  std::size_t longest = 0;                      // characters of a text, elements of a list or vector; 0: any
  std::vector<std::string_view> choices{};      // of a text, or of the texts in a list, for /openapi.json
  const Schema* of = nullptr;                   // type schema, and list: of its elements
  FieldType element = FieldType::text;          // list without `of`
  // For /openapi.json; the operation itself, or the library, checks them.
  std::string_view format{}, pattern{};  // of a text, or of the texts in a list
  std::string_view shape{};              // of an object: its name in shapes()
};

struct Schema {
  std::string_view name;
  std::vector<Field> fields;
  std::vector<const Schema*> one_of{};  // for /openapi.json: one of these, in place of all fields
};

}  // namespace fractal::server

#endif
