// Reading JSON text that is known to be valid, without building anything: values stay views into it.
// Much faster than a tree when a few members are wanted. On text that is not valid the readers end
// early or give nonsense, but never read outside the text.
#ifndef FRACTAL_SRC_JSON_SCAN_H
#define FRACTAL_SRC_JSON_SCAN_H

#include "json.h"

#include <fractal/filter.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace fractal::json {

struct Member {
  std::string_view key;    // between the quotes, as written
  std::string_view value;  // as written, without the blanks around it
  bool escaped = false;    // the key has escapes

  bool is(std::string_view name) const;
};

// Members of an object, or elements of an array (whose keys are empty), in order.
class MemberReader {
 public:
  explicit MemberReader(std::string_view container) noexcept;
  bool next(Member& member) noexcept;

 private:
  const char* at_;
  const char* end_;
  bool keyed_ = false;
};

// What a value is, by its first byte.
Kind kind_of(std::string_view value) noexcept;
// The value at the end of a path of member names; the last one of a name counts. An empty view: missing.
std::string_view find(std::string_view object, std::span<const std::string> keys);

// `text`: between the quotes, as written. decode() uses `buffer` only if there are escapes.
void append_decoded(std::string_view text, std::string& out);
std::string_view decode(std::string_view text, std::string& buffer);
// A text value without its quotes.
std::string_view unquote(std::string_view value) noexcept;

// Exact to 64 bits, beyond that a double; nullopt if it is beyond a double.
std::optional<Value> number_value(std::string_view number) noexcept;
// Of a decimal number that is out of the range of double: too great, not too small.
bool beyond_double(std::string_view number) noexcept;
// nullopt for an object or array.
std::optional<Value> scalar_value(std::string_view value);

}  // namespace fractal::json

#endif
