// Whether a request's body is JSON, and JSON that can be kept.
#ifndef FRACTAL_SRC_SERVER_JSON_CHECK_H
#define FRACTAL_SRC_SERVER_JSON_CHECK_H

#include <string>
#include <string_view>

namespace fractal::server {

enum class JsonFlaw {
  none,
  malformed,     // no JSON, or not in UTF-8
  not_a_number,  // JSON but for NaN, Infinity, or a number beyond a double
  no_text,       // JSON but for a NUL or half a surrogate pair in a text
  too_deep,      // more than limits::json_depth levels
};

struct JsonCheck {
  JsonFlaw flaw = JsonFlaw::none;
  std::string member{};  // of the outermost object, in which the flaw is; empty: in none
};

JsonCheck check_json(std::string_view text);

}  // namespace fractal::server

#endif
