// The values of a request, read by its schema.
#ifndef FRACTAL_SRC_SERVER_FIELDS_H
#define FRACTAL_SRC_SERVER_FIELDS_H

#include "src/server/messages.h"
#include "src/server/schema.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fractal::server {

// One thing that is wrong with a request: an item of a 422.
struct Flaw {
  std::string type;                // "missing", "string_type", ... as pydantic names them
  std::vector<std::string> place;  // "body", "req", "coord"
  Say message;
  std::string value{};    // for the message
  std::string context{};  // JSON of "ctx"; empty: none
};
std::string to_json(const std::vector<Flaw>& flaws, Language language);

// Fields that were given, by name. Numbers and texts were checked by the schema. Views into the request.
class Fields {
 public:
  bool has(std::string_view name) const { return find(name) != nullptr; }
  std::optional<std::string> text(std::string_view name) const;
  std::optional<std::int64_t> integer(std::string_view name) const;
  std::optional<double> number(std::string_view name) const;
  std::optional<bool> flag(std::string_view name) const;
  std::string_view raw(std::string_view name) const;  // JSON; empty: not given
  std::optional<std::vector<float>> vector(std::string_view name) const;

 private:
  friend class FieldReader;
  struct Value {
    std::string_view name;
    std::string_view raw{};
    std::string text{};
    std::int64_t integer = 0;
    double number = 0;
    bool flag = false;
    std::vector<float> vector{};
  };
  const Value* find(std::string_view name) const;
  std::vector<Value> values_;
};

using Parameters = std::vector<std::pair<std::string, std::string>>;

// A JSON object that check_json() has found good. Extra members are ignored; null counts as missing where it is
// allowed. All flaws are collected, in the order of the schema.
Fields read_object(const Schema& schema, std::string_view object, const std::vector<std::string>& place,
                   std::vector<Flaw>& flaws);
// The body of a request: also what is wrong with it as a whole. False: it is no JSON at all.
bool read_body(const Schema& schema, std::string_view body, Fields& fields, std::vector<Flaw>& flaws);
Fields read_query(const Schema& schema, const Parameters& parameters, std::vector<Flaw>& flaws);

}  // namespace fractal::server

#endif
