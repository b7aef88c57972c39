// Invariant: fields of equal weight share a column, columns fall in weight, and parse(describe()) gives the same
// fields again.
#include "keywords.h"

#include "field_path.h"
#include "json_scan.h"
#include "utf8.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <functional>
#include <iterator>
#include <utility>

namespace fractal {
namespace {

Error refused(const TextField& field, std::string_view why) {
  return {Errc::invalid_argument, fmt::format("text_fields: \"{}\" {}", excerpt(field.path), why)};
}

// Reads the texts in JSON values, one at a time.
class TextReader {
 public:
  // visit(std::string_view) for a text, or each text in an array; false if there is none.
  template <class Visit> bool field(std::string_view value, const Visit& visit) {
    if (value.empty()) return false;
    if (json::kind_of(value) == json::Kind::text) {
      visit(json::decode(json::unquote(value), buffer_));
      return true;
    }
    if (json::kind_of(value) != json::Kind::array) return false;
    bool any = false;
    json::MemberReader reader(value);
    for (json::Member element; reader.next(element);) {
      if (json::kind_of(element.value) != json::Kind::text) continue;
      visit(json::decode(json::unquote(element.value), buffer_));
      any = true;
    }
    return any;
  }

  // Every text inside; the depth is that of the payload, which is limited.
  template <class Visit> void everything(std::string_view value, const Visit& visit) {
    json::MemberReader reader(value);
    for (json::Member member; reader.next(member);) {
      switch (json::kind_of(member.value)) {
        case json::Kind::text: visit(json::decode(json::unquote(member.value), buffer_)); break;
        case json::Kind::array:
        case json::Kind::object: everything(member.value, visit); break;
        default: break;
      }
    }
  }

 private:
  std::string buffer_;
};

// A path without the characters that separate fields.
std::string escaped(std::string_view path) {
  std::string out;
  for (const char c : path) {
    if (static_cast<unsigned char>(c) <= ' ' || c == '=' || c == '%' || c == 0x7F) {
      fmt::format_to(std::back_inserter(out), "%{:02x}", static_cast<unsigned>(c));
    } else {
      out.push_back(c);
    }
  }
  return out;
}

bool unescape(std::string_view text, std::string& out) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    unsigned byte = 0;
    if (i + 3 > text.size()) return false;
    const auto [end, error] = std::from_chars(text.data() + i + 1, text.data() + i + 3, byte, 16);
    if (error != std::errc() || end != text.data() + i + 3) return false;
    out.push_back(static_cast<char>(byte));
    i += 2;
  }
  return true;
}

}  // namespace

Result<TextFields> TextFields::make(const std::vector<TextField>& fields) {
  if (fields.size() > limits::text_fields) {
    return Error{Errc::invalid_argument, fmt::format("text_fields: more than {}", limits::text_fields)};
  }
  TextFields result;
  std::vector<double> weights;
  for (const TextField& field : fields) {
    if (!(field.weight > 0 && field.weight <= 100)) return refused(field, "has a weight that is not in (0, 100]");
    FieldPath path = parse_field_path(field.path);
    if (path.problem.empty() && path.field != FilterField::payload) path.problem = "is not in the payload";
    if (!path.problem.empty()) return refused(field, path.problem);
    const bool twice = std::any_of(result.fields_.begin(), result.fields_.end(),
                                   [&](const Field& other) { return other.keys == path.keys; });
    if (twice) return refused(field, "is there twice");
    if (std::find(weights.begin(), weights.end(), field.weight) == weights.end()) weights.push_back(field.weight);
    result.fields_.push_back({field.path, std::move(path.keys), field.weight, 0});
  }
  if (weights.empty()) weights.push_back(1);  // all texts alike
  if (weights.size() > weight_classes) {
    return Error{Errc::invalid_argument, fmt::format("text_fields: more than {} different weights", weight_classes)};
  }
  std::sort(weights.begin(), weights.end(), std::greater<>());
  std::copy(weights.begin(), weights.end(), result.weights_.begin());
  for (Field& field : result.fields_) {
    field.column = static_cast<std::size_t>(std::find(weights.begin(), weights.end(), field.weight) - weights.begin());
  }
  return result;
}

TextFields TextFields::standard() {
  return *make({{"text", 1}, {"content", 1}, {"summary", 1}, {"title", 1}, {"context", 0.5}});
}

std::vector<TextField> TextFields::fields() const {
  std::vector<TextField> fields;
  for (const Field& field : fields_) fields.push_back({field.path, field.weight});
  return fields;
}

std::string TextFields::describe() const {
  std::string out;
  for (const Field& field : fields_) {
    fmt::format_to(std::back_inserter(out), "{}{}={}", out.empty() ? "" : " ", escaped(field.path), field.weight);
  }
  return out;
}

Result<TextFields> TextFields::parse(std::string_view description) {
  const Error bad{Errc::corruption, fmt::format("text fields \"{}\" cannot be read", excerpt(description))};
  std::vector<TextField> fields;
  while (!description.empty()) {
    const std::size_t blank = std::min(description.find(' '), description.size());
    const std::string_view one = description.substr(0, blank);
    description.remove_prefix(std::min(blank + 1, description.size()));
    const std::size_t equals = one.find('=');
    if (equals == std::string_view::npos) return bad;
    TextField field;
    const char* const last = one.data() + one.size();
    const auto [end, error] = std::from_chars(one.data() + equals + 1, last, field.weight);
    if (!unescape(one.substr(0, equals), field.path) || error != std::errc() || end != last) return bad;
    fields.push_back(std::move(field));
  }
  Result<TextFields> result = make(fields);
  if (!result) return Error{Errc::corruption, result.error().message};
  return result;
}

// visit(text, field): the field is null for a payload with none of the fields.
template <class Visit> void TextFields::visit_texts(std::string_view payload, const Visit& visit) const {
  TextReader reader;
  bool any = false;
  for (const Field& field : fields_) {
    any = reader.field(json::find(payload, field.keys), [&](std::string_view text) { visit(text, &field); }) || any;
  }
  if (!any) reader.everything(payload, [&](std::string_view text) { visit(text, nullptr); });
}

Keywords TextFields::keywords(std::string_view payload) const {
  Keywords result;
  visit_texts(payload, [&](std::string_view text, const Field* field) {
    const std::size_t column = field != nullptr ? field->column : 0;
    append_words(text, result.text[column], result.words[column]);
  });
  return result;
}

std::vector<FieldText> TextFields::texts(std::string_view payload) const {
  std::vector<FieldText> result;
  const Field* last = nullptr;
  visit_texts(payload, [&](std::string_view text, const Field* field) {
    if (text.find_first_not_of(" \t\r\n") == text.npos) return;
    if (result.empty() || field != last) {
      result.push_back({std::string(text), field != nullptr ? field->weight : 1});
      last = field;
    } else {
      result.back().text.append("\n").append(text);
    }
  });
  return result;
}

}  // namespace fractal
