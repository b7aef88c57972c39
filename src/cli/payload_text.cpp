// Invariant: what is shown of a payload has no control characters; numbers are shown as they were written.
#include "src/cli/payload_text.h"

#include "src/cli/json_object.h"
#include "src/cli/text_width.h"

#include <rapidjson/document.h>
#include <rapidjson/prettywriter.h>
#include <rapidjson/stringbuffer.h>

namespace fractal::cli {
namespace {

constexpr unsigned as_written = rapidjson::kParseNumbersAsStringsFlag | rapidjson::kParseFullPrecisionFlag;

// Writes numbers, which the reader hands over as texts, without quotes.
class Indented : public rapidjson::PrettyWriter<rapidjson::StringBuffer> {
 public:
  using PrettyWriter::PrettyWriter;
  bool RawNumber(const Ch* number, rapidjson::SizeType length, bool) {
    return RawValue(number, length, rapidjson::kNumberType);
  }
};

std::size_t end_of_text(std::string_view line, std::size_t begin) {
  std::size_t end = begin + 1;
  while (end < line.size() && line[end] != '"') end += line[end] == '\\' ? 2 : 1;
  return end + 1;
}

// The name at the beginning of a line, if there is one.
std::string with_name(std::string_view line, const Terminal& terminal) {
  const std::size_t begin = line.find_first_not_of(' ');
  if (begin == line.npos || line[begin] != '"') return std::string(line);
  const std::size_t end = end_of_text(line, begin);
  if (end >= line.size() || line[end] != ':') return std::string(line);
  return std::string(line.substr(0, begin)) + terminal.paint(Style::name, line.substr(begin, end - begin)) +
         std::string(line.substr(end));
}

}  // namespace

std::string payload_text(const std::string& payload) {
  rapidjson::Document document;
  document.Parse<rapidjson::kParseDefaultFlags>(payload.data(), payload.size());
  if (document.HasParseError() || !document.IsObject()) return payload;
  for (const char* name : {"text", "content", "summary", "title"}) {
    if (document.HasMember(name) && document[name].IsString()) {
      return {document[name].GetString(), document[name].GetStringLength()};
    }
  }
  return payload;
}

std::string indented(const std::string& payload, std::size_t right, const Terminal& terminal) {
  rapidjson::StringBuffer buffer;
  Indented writer(buffer);
  writer.SetIndent(' ', 2);
  rapidjson::Reader reader;
  rapidjson::StringStream stream(payload.c_str());
  if (!reader.Parse<as_written>(stream, writer)) return payload;
  const std::string_view all(buffer.GetString(), buffer.GetSize());
  std::string text;
  for (std::size_t begin = 0; begin <= all.size();) {
    const std::size_t end = std::min(all.find('\n', begin), all.size());
    if (begin > 0) text.append("\n").append(right, ' ');
    text += with_name(printable(all.substr(begin, end - begin)), terminal);
    begin = end + 1;
  }
  return text;
}

std::string text_payload(std::string_view text) { return JsonObject().text("text", text).str(); }

}  // namespace fractal::cli
