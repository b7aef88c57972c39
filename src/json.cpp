// Invariant: a text that passes check_object() or Document::parse() is valid JSON in valid UTF-8, has no
// NUL and no lone surrogate in any text, no number beyond a double, and at most limits::json_depth levels.
#include "json.h"

#include "json_scan.h"
#include "utf8.h"

#include <fractal/types.h>

#include <fmt/format.h>

// A program that links us may use another RapidJSON with other settings.
#define RAPIDJSON_NAMESPACE fractal_rapidjson
#define RAPIDJSON_NAMESPACE_BEGIN namespace fractal_rapidjson {
#define RAPIDJSON_NAMESPACE_END }
#include <rapidjson/document.h>
#include <rapidjson/error/en.h>
#include <rapidjson/reader.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

namespace rj = fractal_rapidjson;

namespace fractal::json {
namespace {

// RapidJSON's stream over a text that does not end with NUL.
struct Input {
  using Ch = char;
  const char* at;
  const char* end;
  const char* begin;

  char Peek() const noexcept { return at != end ? *at : '\0'; }
  char Take() noexcept { return at != end ? *at++ : '\0'; }
  std::size_t Tell() const noexcept { return static_cast<std::size_t>(at - begin); }
  char* PutBegin() { return nullptr; }  // of in-situ parsing, which is not used
  void Put(char) {}
  void Flush() {}
  std::size_t PutEnd(char*) { return 0; }
};

}  // namespace
}  // namespace fractal::json

namespace fractal_rapidjson {
template <> struct StreamTraits<fractal::json::Input> {
  enum { copyOptimization = 1 };
};
}  // namespace fractal_rapidjson

namespace fractal::json {
namespace {

// Throws every event away.
struct Nothing : rj::BaseReaderHandler<rj::UTF8<>, Nothing> {};

// Passes events on, and adds the rules that RapidJSON does not have. Numbers come as text, so that they are
// read exactly.
template <class Next> class Strict {
 public:
  Strict(Next& next, bool escapes) : next_(next), escapes_(escapes) {}

  const char* problem() const noexcept { return problem_; }

  bool Null() { return next_.Null(); }
  bool Bool(bool value) { return next_.Bool(value); }
  bool RawNumber(const char* text, rj::SizeType length, bool) { return number({text, length}); }
  bool String(const char* text, rj::SizeType length, bool copy) {
    return check({text, length}) && next_.String(text, length, copy);
  }
  bool Key(const char* text, rj::SizeType length, bool copy) {
    return check({text, length}) && next_.Key(text, length, copy);
  }
  bool StartObject() { return enter() && next_.StartObject(); }
  bool StartArray() { return enter() && next_.StartArray(); }
  bool EndObject(rj::SizeType count) { return --depth_, next_.EndObject(count); }
  bool EndArray(rj::SizeType count) { return --depth_, next_.EndArray(count); }
  // Never called with kParseNumbersAsStringsFlag, but the reader's template names them.
  bool Int(int) { return false; }
  bool Uint(unsigned) { return false; }
  bool Int64(std::int64_t) { return false; }
  bool Uint64(std::uint64_t) { return false; }
  bool Double(double) { return false; }

 private:
  bool refuse(const char* problem) {
    problem_ = problem;
    return false;
  }

  bool enter() { return ++depth_ <= limits::json_depth || refuse("nested deeper than 512 levels"); }

  // The raw text is valid UTF-8 without NUL: only an escape can bring in something else.
  bool check(std::string_view text) {
    if (!escapes_) return true;
    if (text.find('\0') != std::string_view::npos) return refuse("NUL (\\u0000) in a text");
    return valid_utf8(text) || refuse("lone surrogate in a text");
  }

  bool number(std::string_view text) {
    // Up to 300 digits without an exponent are below 1e300.
    if constexpr (std::is_same_v<Next, Nothing>) {
      if (text.size() <= 300 && text.find_first_of("eE") == std::string_view::npos) return true;
    }
    const std::optional<Value> value = number_value(text);
    if (!value) return refuse("number beyond a double");
    if (const auto* integer = std::get_if<std::int64_t>(&value->variant())) return next_.Int64(*integer);
    if (const auto* natural = std::get_if<std::uint64_t>(&value->variant())) return next_.Uint64(*natural);
    return next_.Double(std::get<double>(value->variant()));
  }

  Next& next_;
  const bool escapes_;
  std::size_t depth_ = 0;
  const char* problem_ = nullptr;
};

// Empty if the text is valid JSON; else what is wrong with it and where.
template <class Next> std::string parse_problem(std::string_view text, Next& next) {
  if (!valid_utf8(text)) return "not valid UTF-8";
  if (text.find('\0') != std::string_view::npos) return "not valid JSON: it contains a NUL byte";
  Input input{text.data(), text.data() + text.size(), text.data()};
  Strict<Next> strict(next, text.find("\\u") != std::string_view::npos);
  rj::Reader reader;
  const rj::ParseResult result = reader.Parse<rj::kParseIterativeFlag | rj::kParseNumbersAsStringsFlag>(input, strict);
  if (!result.IsError()) return {};
  return fmt::format("not valid JSON at byte {}: {}", result.Offset(),
                     strict.problem() != nullptr ? strict.problem() : rj::GetParseError_En(result.Code()));
}

const rj::Value& as_value(const void* value) { return *static_cast<const rj::Value*>(value); }

std::string_view text_of(const rj::Value& value) { return {value.GetString(), value.GetStringLength()}; }

}  // namespace

struct Document::Impl {
  explicit Impl(std::size_t chunk) : allocator(chunk), document(&allocator) {}
  rj::MemoryPoolAllocator<> allocator;
  rj::Document document;
};

Document::Document(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
Document::Document(Document&&) noexcept = default;
Document& Document::operator=(Document&&) noexcept = default;
Document::~Document() = default;

Result<Document> Document::parse(std::string_view text) {
  auto impl = std::make_unique<Impl>(std::clamp<std::size_t>(text.size() * 4, 1024, 65'536));
  std::string problem;
  auto fill = [&](rj::Document& document) {
    problem = parse_problem(text, document);
    return problem.empty();
  };
  impl->document.Populate(fill);
  if (!problem.empty()) return Error{Errc::invalid_argument, std::move(problem)};
  return Document(std::move(impl));
}

Node Document::root() const noexcept { return Node(static_cast<const rj::Value*>(&impl_->document)); }

Kind Node::kind() const noexcept {
  switch (as_value(value_).GetType()) {
    case rj::kNullType: return Kind::null;
    case rj::kFalseType:
    case rj::kTrueType: return Kind::boolean;
    case rj::kObjectType: return Kind::object;
    case rj::kArrayType: return Kind::array;
    case rj::kStringType: return Kind::text;
    case rj::kNumberType: break;
  }
  return Kind::number;
}

Value Node::scalar() const {
  const rj::Value& value = as_value(value_);
  if (value.IsBool()) return Value(value.GetBool());
  if (value.IsString()) return Value(text_of(value));
  if (value.IsInt64()) return Value(value.GetInt64());
  if (value.IsUint64()) return Value(value.GetUint64());
  if (value.IsNumber()) return Value(value.GetDouble());
  return Value(nullptr);
}

std::string_view Node::text() const noexcept { return text_of(as_value(value_)); }

std::size_t Node::size() const noexcept {
  const rj::Value& value = as_value(value_);
  return value.IsArray() ? value.Size() : value.IsObject() ? value.MemberCount() : 0;
}

Node Node::at(std::size_t i) const noexcept { return Node(&as_value(value_)[static_cast<rj::SizeType>(i)]); }

std::optional<Node> Node::member(std::string_view key) const noexcept {
  const rj::Value& value = as_value(value_);
  for (auto at = value.MemberEnd(); at != value.MemberBegin();) {
    --at;
    if (text_of(at->name) == key) return Node(&at->value);
  }
  return std::nullopt;
}

void Node::for_each_member(const std::function<void(std::string_view key, Node value)>& visit) const {
  const rj::Value& value = as_value(value_);
  for (auto at = value.MemberBegin(); at != value.MemberEnd(); ++at) visit(text_of(at->name), Node(&at->value));
}

Result<void> check_object(std::string_view text, std::string_view what) {
  Nothing nothing;
  const std::string problem = parse_problem(text, nothing);
  if (!problem.empty()) return Error{Errc::invalid_argument, fmt::format("{}: {}", what, problem)};
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (text[first] != '{') return Error{Errc::invalid_argument, fmt::format("{}: not a JSON object", what)};
  return {};
}

}  // namespace fractal::json
