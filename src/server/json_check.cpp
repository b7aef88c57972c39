// Invariant: the parser's recursion is never deeper than limits::json_depth, whatever comes in.
#include "src/server/json_check.h"

#include "src/json_scan.h"
#include "src/utf8.h"

#include <fractal/types.h>

// A program that links us may use another RapidJSON with other settings.
#define RAPIDJSON_NAMESPACE fractal_rapidjson
#define RAPIDJSON_NAMESPACE_BEGIN namespace fractal_rapidjson {
#define RAPIDJSON_NAMESPACE_END }
#include <rapidjson/encodedstream.h>
#include <rapidjson/error/error.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

namespace fractal::server {
namespace {

class Watcher : public fractal_rapidjson::BaseReaderHandler<fractal_rapidjson::UTF8<>, Watcher> {
 public:
  bool Default() { return true; }
  // As written; of NaN and the like there is nothing.
  bool RawNumber(const char* text, fractal_rapidjson::SizeType size, bool) {
    const std::string_view number(text, size);
    const std::string_view digits = number.substr(number.starts_with('-') ? 1 : 0);
    const bool good = !digits.empty() && digits[0] >= '0' && digits[0] <= '9' && json::number_value(number).has_value();
    return good || flawed(JsonFlaw::not_a_number);
  }
  bool String(const char* text, fractal_rapidjson::SizeType size, bool) { return keepable({text, size}); }
  bool Key(const char* text, fractal_rapidjson::SizeType size, bool) {
    if (depth_ == 1) member_.assign(text, size);
    return keepable({text, size});
  }
  bool StartObject() { return enter(); }
  bool StartArray() { return enter(); }
  bool EndObject(fractal_rapidjson::SizeType) { return leave(); }
  bool EndArray(fractal_rapidjson::SizeType) { return leave(); }

  JsonCheck result(JsonFlaw otherwise) const { return {flaw_ == JsonFlaw::none ? otherwise : flaw_, member_}; }

 private:
  bool flawed(JsonFlaw flaw) {
    flaw_ = flaw;
    return false;
  }
  bool keepable(std::string_view text) {
    return valid_text(text) || flawed(JsonFlaw::no_text);  // half a surrogate pair is no UTF-8
  }
  bool enter() { return ++depth_ <= limits::json_depth || flawed(JsonFlaw::too_deep); }
  bool leave() {
    if (--depth_ == 0) member_.clear();
    return true;
  }

  JsonFlaw flaw_ = JsonFlaw::none;
  std::size_t depth_ = 0;
  std::string member_;
};

}  // namespace

JsonCheck check_json(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) return {.flaw = JsonFlaw::malformed};  // ends a text for the parser
  constexpr unsigned flags = fractal_rapidjson::kParseValidateEncodingFlag | fractal_rapidjson::kParseNanAndInfFlag |
                             fractal_rapidjson::kParseNumbersAsStringsFlag;
  fractal_rapidjson::MemoryStream bytes(text.data(), text.size());
  fractal_rapidjson::EncodedInputStream<fractal_rapidjson::UTF8<>, fractal_rapidjson::MemoryStream> stream(bytes);
  fractal_rapidjson::GenericReader<fractal_rapidjson::UTF8<>, fractal_rapidjson::UTF8<>> reader;
  Watcher watcher;
  const fractal_rapidjson::ParseResult parsed = reader.Parse<flags>(stream, watcher);
  if (!parsed.IsError()) return {};
  switch (parsed.Code()) {
    case fractal_rapidjson::kParseErrorNumberTooBig: return watcher.result(JsonFlaw::not_a_number);
    case fractal_rapidjson::kParseErrorStringUnicodeSurrogateInvalid: return watcher.result(JsonFlaw::no_text);
    default: return watcher.result(JsonFlaw::malformed);
  }
}

}  // namespace fractal::server
