// Invariant: what read_answer() lets through has one finite vector a text, of one dimension, whatever bytes came; and
// no text that leaves this file contains the secret.
#include "messages.h"

#include "src/error.h"

// A program that links us may use another RapidJSON with other settings, and so may the core.
#define RAPIDJSON_NAMESPACE fractal_http_rapidjson
#define RAPIDJSON_NAMESPACE_BEGIN namespace fractal_http_rapidjson {
#define RAPIDJSON_NAMESPACE_END }
#include <rapidjson/document.h>
#include <rapidjson/error/en.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <optional>
#include <utility>

namespace rj = fractal_http_rapidjson;

namespace fractal::http {
namespace {

// Iterative, since how deep an answer is nested is the server's choice.
constexpr unsigned parse_flags = rj::kParseIterativeFlag | rj::kParseValidateEncodingFlag | rj::kParseFullPrecisionFlag;

using Writer = rj::Writer<rj::StringBuffer, rj::UTF8<>, rj::UTF8<>, rj::CrtAllocator, rj::kWriteValidateEncodingFlag>;

bool write_text(Writer& writer, std::string_view text) {
  return writer.String(text.data(), static_cast<rj::SizeType>(text.size()));
}

std::string_view text_of(const rj::Value& value) { return {value.GetString(), value.GetStringLength()}; }

const rj::Value* member(const rj::Value& object, const char* name) {
  if (!object.IsObject()) return nullptr;
  const auto found = object.FindMember(name);
  return found == object.MemberEnd() ? nullptr : &found->value;
}

template <class... Args> Error wrong_answer(fmt::format_string<Args...> format, Args&&... args) {
  return make_error(Errc::corruption, "the server's answer: {}", fmt::format(format, std::forward<Args>(args)...));
}

constexpr std::uint32_t no_digit = 64;
constexpr std::array<std::uint8_t, 256> base64_digits = [] {
  std::array<std::uint8_t, 256> digits{};
  digits.fill(no_digit);
  const std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::size_t i = 0; i < alphabet.size(); ++i)
    digits[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
  return digits;
}();

std::optional<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  for (int padding = 0; padding < 2 && text.ends_with('='); ++padding) text.remove_suffix(1);
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 2);
  std::uint32_t bits = 0;
  int count = 0;
  for (const char letter : text) {
    const std::uint32_t digit = base64_digits[static_cast<unsigned char>(letter)];
    if (digit == no_digit) return std::nullopt;
    bits = bits << 6 | digit;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes.push_back(static_cast<char>(bits >> count & 0xff));
  }
  return bytes;
}

// Four bytes a number, the lowest first.
std::optional<std::vector<float>> read_packed(std::string_view text) {
  const auto bytes = decode_base64(text);
  if (!bytes || bytes->size() % 4 != 0) return std::nullopt;
  std::vector<float> vector(bytes->size() / 4);
  for (std::size_t i = 0; i < vector.size(); ++i) {
    std::uint32_t word = 0;
    for (std::size_t byte = 4; byte-- > 0;) word = word << 8 | static_cast<unsigned char>((*bytes)[i * 4 + byte]);
    vector[i] = std::bit_cast<float>(word);
  }
  return vector;
}

std::optional<std::vector<float>> read_numbers(const rj::Value& array) {
  std::vector<float> vector;
  vector.reserve(array.Size());
  for (const rj::Value& number : array.GetArray()) {
    if (!number.IsNumber()) return std::nullopt;
    vector.push_back(static_cast<float>(number.GetDouble()));
  }
  return vector;
}

Result<std::vector<float>> read_vector(const rj::Value& value, std::size_t dimension) {
  std::optional<std::vector<float>> vector;
  if (value.IsArray()) vector = read_numbers(value);
  if (value.IsString()) vector = read_packed(text_of(value));
  if (!vector) return wrong_answer("an embedding is neither a list of numbers nor float32 in base64");
  if (vector->empty() || (dimension != 0 && vector->size() != dimension))
    return wrong_answer("a vector of {} components where {} were expected", vector->size(),
                        dimension == 0 ? "some" : std::to_string(dimension));
  if (!std::all_of(vector->begin(), vector->end(), [](float x) { return std::isfinite(x); }))
    return wrong_answer("a component that is not finite in float32");
  return std::move(*vector);
}

std::string one_line(std::string_view text) {
  constexpr std::size_t longest = 300;
  std::string line;
  for (const char c : text.substr(0, longest)) line += static_cast<unsigned char>(c) < 32 || c == 127 ? ' ' : c;
  if (text.size() <= longest) return line;
  while (!line.empty() && (static_cast<unsigned char>(line.back()) & 0xc0) == 0x80) line.pop_back();
  if (!line.empty() && static_cast<unsigned char>(line.back()) >= 0xc0) line.pop_back();
  return line + "...";
}

std::string without(std::string text, std::string_view secret) {
  if (secret.empty()) return text;
  for (std::size_t at = 0; (at = text.find(secret, at)) != std::string::npos; at += 3)
    text.replace(at, secret.size(), "***");
  return text;
}

}  // namespace

Result<std::string> write_question(const Question& question, std::span<const std::string_view> texts) {
  rj::StringBuffer buffer;
  Writer writer(buffer);
  writer.StartObject();
  writer.Key("model");
  if (!write_text(writer, question.model)) return make_error(Errc::invalid_argument, "model: not valid UTF-8");
  writer.Key("encoding_format");
  writer.String(question.base64 ? "base64" : "float");
  if (question.send_dimension != 0) {
    writer.Key("dimensions");
    writer.Uint64(question.send_dimension);
  }
  writer.Key("input");
  writer.StartArray();
  for (const std::string_view text : texts)
    if (!write_text(writer, text)) return make_error(Errc::invalid_argument, "a text is not valid UTF-8");
  writer.EndArray();
  writer.EndObject();
  return std::string(buffer.GetString(), buffer.GetSize());
}

Result<Vectors> read_answer(std::string_view body, std::size_t count, std::size_t dimension) {
  rj::Document document;
  document.Parse<parse_flags>(body.data(), body.size());
  if (document.HasParseError())
    return wrong_answer("not valid JSON at byte {}: {}", document.GetErrorOffset(),
                        rj::GetParseError_En(document.GetParseError()));
  const rj::Value* data = member(document, "data");
  if (data == nullptr || !data->IsArray()) return wrong_answer("no list \"data\"");
  if (data->Size() != count) return wrong_answer("{} vectors for {} texts", data->Size(), count);
  Vectors vectors(count);
  for (const rj::Value& entry : data->GetArray()) {
    const rj::Value* index = member(entry, "index");
    const rj::Value* embedding = member(entry, "embedding");
    if (index == nullptr || !index->IsUint64() || index->GetUint64() >= count)
      return wrong_answer("an entry without an \"index\" below {}", count);
    std::vector<float>& vector = vectors[index->GetUint64()];
    if (!vector.empty()) return wrong_answer("index {} twice", index->GetUint64());
    if (embedding == nullptr) return wrong_answer("index {} has no \"embedding\"", index->GetUint64());
    FRACTAL_TRY_INTO(vector, read_vector(*embedding, dimension));
    dimension = vector.size();
  }
  for (auto& vector : vectors)
    if (std::all_of(vector.begin(), vector.end(), [](float x) { return x == 0; })) vector.clear();
  return vectors;
}

std::string read_complaint(std::string_view body, std::string_view secret) {
  rj::Document document;
  document.Parse<parse_flags>(body.data(), body.size());
  if (!document.HasParseError()) {
    const rj::Value* words = member(document, "error");
    if (words != nullptr && words->IsObject()) words = member(*words, "message");
    for (const char* name : {"message", "detail"})
      if (words == nullptr || !words->IsString()) words = member(document, name);
    if (words != nullptr && words->IsString()) return one_line(without(std::string(text_of(*words)), secret));
  }
  std::string raw(body);  // of any encoding
  std::replace_if(
      raw.begin(), raw.end(), [](char c) { return static_cast<unsigned char>(c) >= 128; }, '?');
  return one_line(without(std::move(raw), secret));
}

}  // namespace fractal::http
