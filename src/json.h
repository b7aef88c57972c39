// JSON for the core: a strict parser, a borrowed tree, merge patches and escaping.
// json.cpp is the only file that knows the JSON library.
#ifndef FRACTAL_SRC_JSON_H
#define FRACTAL_SRC_JSON_H

#include <fractal/filter.h>
#include <fractal/result.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace fractal::json {

enum class Kind { null, boolean, number, text, array, object };

// A place in a Document; valid as long as the document is.
class Node {
 public:
  Kind kind() const noexcept;
  bool is_scalar() const noexcept { return kind() != Kind::array && kind() != Kind::object; }
  // null, boolean, number or text alone. Integers beyond 64 bits are doubles.
  Value scalar() const;
  std::string_view text() const noexcept;  // kind text
  std::size_t size() const noexcept;       // elements or members
  Node at(std::size_t i) const noexcept;   // kind array
  // kind object: the last member of that name.
  std::optional<Node> member(std::string_view key) const noexcept;
  void for_each_member(const std::function<void(std::string_view key, Node value)>& visit) const;

 private:
  friend class Document;
  explicit Node(const void* value) noexcept : value_(value) {}
  const void* value_;
};

// Strict RFC 8259 in valid UTF-8; also refused: NUL in a text or key (also as \u0000), lone surrogates,
// numbers beyond a double (for this an exponent above 308 counts, also of 0), more than limits::json_depth levels.
class Document {
 public:
  static Result<Document> parse(std::string_view text);
  Document(Document&&) noexcept;
  Document& operator=(Document&&) noexcept;
  ~Document();
  Node root() const noexcept;

 private:
  struct Impl;
  explicit Document(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

// invalid_argument, beginning with `what` ("payload"), unless text is an object by the rules above.
Result<void> check_object(std::string_view text, std::string_view what);

// RFC 7396. Members that the patch does not touch keep their text, numbers and order; new ones follow.
// Both must be objects.
Result<std::string> merge_patch(std::string_view target, std::string_view patch);

// The exact bytes of a top-level member's value (the last of that name), for a valid object.
std::optional<std::string_view> raw_member(std::string_view object, std::string_view key);

// A JSON text in double quotes; UTF-8 stays as it is.
std::string quote(std::string_view text);
// The shortest number that reads back as the same double (Python's repr: "1.0", "1e-07").
std::string number(double value);
// Any value as JSON.
std::string to_json(const Value& value);

}  // namespace fractal::json

#endif
