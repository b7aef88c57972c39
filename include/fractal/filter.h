// Filters: which memories a search or a list may return. Their meaning is defined here, once, and
// is the same on every backend.
//
//   auto filter = Filter::eq("topic", "tea") && Filter::ge("year", 2024) && !Filter::exists("draft");
//   auto same   = Filter::parse(R"({"topic": "tea", "year": {"$gte": 2024}, "$not": {"draft": {"$exists": true}}})");
//
// Paths. "user.name" is member `name` of member `user` of the payload. A dot inside a key is written
// `\.`, a backslash `\\`, and a `$` at the start of a path `\$`. Arrays are not entered by a path.
// If an object has a key twice, the last one counts.
// A path that begins with `$` is a built-in field: $type ("episodic", "semantic"), $importance, $version,
// $created_at, $updated_at, $expires_at (microseconds since 1970-01-01 UTC; compare with a Time, an integer, or a
// text as 2024-05-01T10:00:00Z), $id (the UUID), $coordinate (the text form), and $metadata.<path> for a path in the
// metadata. A memory that never expires has no $expires_at.
//
// Comparison. Numbers compare with numbers (integers exactly to 64 bits, also against doubles),
// text with text (by bytes), bools with bools (false < true), null equals null. Values of different
// kinds are not equal and match no ordering. Objects and arrays equal nothing.
//   eq        the value is there and equal           ne        not eq: true also where it is missing
//   lt le gt ge  the value is there, is of the same kind and lies on that side
//   in        eq to one of the list                  exists    the path is there, be it null
//   contains  an element of the array is equal, or the text is a substring of the text
//   prefix    the text begins with these bytes
//   && || !   as in logic: every test above is true or false, never unknown
//
// JSON form (Filter::parse). An object is the conjunction of its members. "path": scalar means eq;
// "path": {"$gte": 1, "$lt": 5} means both. Operators: $eq $ne $lt $lte $gt $gte $in (array)
// $contains $exists (true or false) $prefix. Logic: "$and": [..], "$or": [..], "$not": {..}.
//
// Limits: 256 tests, nesting of 32, lists of 10,000 values, texts of 65,536 bytes, paths of 512 bytes. A filter
// beyond them, with a bad path, or with a value that is no JSON (NaN, invalid UTF-8) is refused by the call that
// uses it (invalid_argument), and by parse(). A text compared with a time must be one; prefix and contains do not
// apply to times.
#ifndef FRACTAL_FILTER_H
#define FRACTAL_FILTER_H

#include <fractal/result.h>

#include <chrono>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace fractal {

// Microseconds since 1970-01-01T00:00:00 UTC.
using Time = std::chrono::sys_time<std::chrono::microseconds>;

// One JSON scalar: null, bool, integer, number or text.
class FRACTAL_API Value {
 public:
  using Variant = std::variant<std::nullptr_t, bool, std::int64_t, std::uint64_t, double, std::string>;

  Value() noexcept : value_(nullptr) {}
  Value(std::nullptr_t) noexcept : value_(nullptr) {}
  Value(bool value) noexcept : value_(value) {}
  template <std::signed_integral T> Value(T value) noexcept : value_(static_cast<std::int64_t>(value)) {}
  template <std::unsigned_integral T>
  requires(!std::same_as<T, bool>) Value(T value)
  noexcept : value_(canonical(static_cast<std::uint64_t>(value))) {}
  template <std::floating_point T> Value(T value) noexcept : value_(static_cast<double>(value)) {}
  Value(Time value) noexcept : value_(static_cast<std::int64_t>(value.time_since_epoch().count())) {}
  Value(const char* value) : value_(std::string(value)) {}
  Value(std::string_view value) : value_(std::string(value)) {}
  Value(std::string value) noexcept : value_(std::move(value)) {}

  // An unsigned integer that fits is held as std::int64_t, so each number has one form.
  const Variant& variant() const noexcept { return value_; }

 private:
  static Variant canonical(std::uint64_t value) noexcept {
    if (value <= static_cast<std::uint64_t>(INT64_MAX)) return static_cast<std::int64_t>(value);
    return value;
  }
  Variant value_;
};

struct FilterNode;

// An immutable tree of tests; copying it is cheap. The default filter lets everything pass.
// Any thread may use it.
class FRACTAL_API Filter {
 public:
  Filter() noexcept = default;

  static Filter eq(std::string_view path, Value value);
  static Filter ne(std::string_view path, Value value);
  static Filter lt(std::string_view path, Value value);
  static Filter le(std::string_view path, Value value);
  static Filter gt(std::string_view path, Value value);
  static Filter ge(std::string_view path, Value value);
  static Filter in(std::string_view path, std::vector<Value> values);
  static Filter contains(std::string_view path, Value value);
  static Filter prefix(std::string_view path, std::string_view text);
  static Filter exists(std::string_view path);

  friend FRACTAL_API Filter operator&&(const Filter& left, const Filter& right);
  friend FRACTAL_API Filter operator||(const Filter& left, const Filter& right);
  friend FRACTAL_API Filter operator!(const Filter& filter);

  // The JSON form, see above. invalid_argument names the member that is wrong.
  static Result<Filter> parse(std::string_view json);
  std::string to_json() const;

  // Nothing to test: everything passes.
  bool empty() const noexcept { return node_ == nullptr; }
  // The tree, for backends that turn a part of it into a query. Null when empty().
  const FilterNode* node() const noexcept { return node_.get(); }
  // invalid_argument if a path, a value or the size breaks a rule above.
  Result<void> check() const;

 private:
  explicit Filter(std::shared_ptr<const FilterNode> node) noexcept : node_(std::move(node)) {}
  static Filter test(int op, std::string_view path, std::vector<Value> values);
  std::shared_ptr<const FilterNode> node_;
};

enum class FilterOp { eq, ne, lt, le, gt, ge, in, contains, prefix, exists, all_of, any_of, none_of };

// What a path points at.
// clang-format off
enum class FilterField { payload, metadata, type, importance, version, created_at, updated_at, expires_at, id,
                         coordinate };
// clang-format on

struct FilterNode {
  FilterOp op = FilterOp::eq;
  FilterField field = FilterField::payload;
  std::string path;               // as written
  std::vector<std::string> keys;  // payload and metadata: the members to follow; unescaped
  std::vector<Value> values;      // one; for `in` any number; for `exists` none
  std::vector<Filter> children;   // all_of, any_of: any number; none_of: one
  std::string problem;            // why check() refuses this node; empty if it does not
};

}  // namespace fractal

#endif
