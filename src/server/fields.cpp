// Invariant: a field that Fields has was of its type and within its bounds; everything else became a flaw, or was null
// or missing where the schema allows that.
#include "src/server/fields.h"

#include "src/json_scan.h"
#include "src/server/json_check.h"
#include "src/server/reply.h"
#include "src/utf8.h"

#include <fractal/types.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace fractal::server {
namespace {

using json::Kind;

// As Python reads numbers in texts: blanks around, "_" between digits, a "+".
std::string plain_number(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\n\r\f\v");
  if (begin == std::string_view::npos) return {};
  text = text.substr(begin, text.find_last_not_of(" \t\n\r\f\v") - begin + 1);
  if (text.starts_with('+')) text.remove_prefix(1);
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto digit = [&](std::size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '9'; };
    if (text[i] == '_' && i > 0 && digit(i - 1) && digit(i + 1)) continue;
    plain += text[i];
  }
  return plain;
}

std::optional<double> double_of(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<std::int64_t> whole(double number) {
  if (std::trunc(number) != number || std::abs(number) >= 9.2e18) return std::nullopt;
  return static_cast<std::int64_t>(number);
}

// "3", "3.0": also as pydantic takes them in texts.
std::optional<std::int64_t> integer_of(std::string_view text) {
  std::int64_t integer = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), integer);
  if (!text.empty() && error == std::errc() && end == text.data() + text.size()) return integer;
  const auto number = double_of(text);
  return number ? whole(*number) : std::nullopt;
}

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string choices_text(const Field& field) {
  std::string text;
  for (std::size_t i = 0; i < field.choices.size(); ++i) {
    if (i > 0) text += i + 1 == field.choices.size() ? " or " : ", ";
    text += fmt::format("'{}'", field.choices[i]);
  }
  return text;
}

// Of JSON without escapes.
std::string context_of(std::string_view name, std::string_view value) {
  return fmt::format("{{{}: {}}}", json::quote(name), value);
}

// Of an entry in a list.
bool is_index(const std::string& step) {
  const bool digits = !step.empty() && step.size() < 9 && step.find_first_not_of("0123456789") == std::string::npos;
  return digits && (step == "0" || step[0] != '0');
}

}  // namespace

class FieldReader {
 public:
  FieldReader(const Schema& schema, const std::vector<std::string>& place, std::vector<Flaw>& flaws)
      : schema_(schema), place_(place), flaws_(flaws) {}

  // `value_of` tells a field's JSON; empty: not given. `loose`: it is the bare text of a query.
  template <class ValueOf> Fields read(const ValueOf& value_of, bool loose) {
    for (const Field& field : schema_.fields) {
      field_ = &field;
      const std::optional<std::string_view> given = value_of(field.name);
      if (!given) {
        if (field.required) flaw("missing", Say::field_required);
        continue;
      }
      Fields::Value value{.name = field.name, .raw = *given};
      if (loose ? read_loose(value) : read_json(value)) out_.values_.push_back(std::move(value));
    }
    return std::move(out_);
  }

 private:
  bool flaw(std::string type, Say message, std::string value = {}, std::string context = {}) {
    std::vector<std::string> place = place_;
    place.emplace_back(field_->name);
    flaws_.push_back({std::move(type), std::move(place), message, std::move(value), std::move(context)});
    return false;
  }

  // False: not given, or flawed.
  bool read_json(Fields::Value& value) {
    const Kind kind = json::kind_of(value.raw);
    if (kind == Kind::null && field_->nullable) return false;
    switch (field_->type) {
      case FieldType::text:
        if (kind != Kind::text) return flaw("string_type", Say::valid_string);
        json::append_decoded(json::unquote(value.raw), value.text);
        return check_text(value);
      case FieldType::integer: return read_integer(value, kind);
      case FieldType::number: return read_number(value, kind);
      case FieldType::flag: return read_flag(value, kind);
      case FieldType::object: return kind == Kind::object || flaw("dict_type", Say::valid_dictionary);
      case FieldType::vector:
      case FieldType::list: return read_list(value, kind);
      case FieldType::schema:
        return kind == Kind::object || flaw("model_type", Say::valid_model, std::string(field_->of->name),
                                            context_of("class_name", json::quote(field_->of->name)));
      case FieldType::any: return true;
    }
    return false;
  }

  bool read_loose(Fields::Value& value) {
    switch (field_->type) {
      case FieldType::integer: return parse_integer(value, value.raw);
      case FieldType::number: return parse_number(value, value.raw);
      case FieldType::flag: return parse_flag(value, value.raw);
      case FieldType::text: value.text = value.raw; return check_text(value);
      default: break;  // JSON in a query
    }
    const auto begin = value.raw.find_first_not_of(" \t\r\n");
    value.raw.remove_prefix(std::min(begin, value.raw.size()));
    const JsonCheck check = check_json(value.raw);
    if (check.flaw != JsonFlaw::none) return flaw("json_invalid", Say::invalid_json);
    return read_json(value);
  }

  bool check_text(const Fields::Value& value) {
    if (!valid_text(value.text)) return flaw("string_unicode", Say::unicode_string);
    if (!field_->choices.empty() &&
        std::find(field_->choices.begin(), field_->choices.end(), value.text) == field_->choices.end()) {
      const std::string expected = choices_text(*field_);
      return flaw("literal_error", Say::valid_choice, expected, context_of("expected", json::quote(expected)));
    }
    if (field_->longest != 0 && characters(value.text) > field_->longest) {
      const std::string most = fmt::to_string(field_->longest);
      return flaw("string_too_long", Say::string_too_long, most, context_of("max_length", most));
    }
    return true;
  }

  bool read_integer(Fields::Value& value, Kind kind) {
    if (kind == Kind::boolean) {
      value.integer = value.raw == "true" ? 1 : 0;
      return check_bounds(static_cast<double>(value.integer));
    }
    if (kind == Kind::text) {
      std::string buffer;
      return parse_integer(value, json::decode(json::unquote(value.raw), buffer));
    }
    if (kind != Kind::number) return flaw("int_type", Say::valid_integer);
    const auto integer = integer_of(value.raw);
    if (!integer) {
      const double number = double_of(value.raw).value_or(0);
      if (std::trunc(number) == number) return out_of_range(number);
      return flaw("int_from_float", Say::integer_from_float);
    }
    value.integer = *integer;
    return check_bounds(static_cast<double>(value.integer));
  }

  bool parse_integer(Fields::Value& value, std::string_view text) {
    const std::string plain = plain_number(text);
    const auto integer = integer_of(plain);
    if (!integer) {
      const auto number = double_of(plain);
      if (number && std::isfinite(*number) && std::trunc(*number) == *number) return out_of_range(*number);
      return flaw("int_parsing", Say::integer_parsing);
    }
    value.integer = *integer;
    return check_bounds(static_cast<double>(value.integer));
  }

  bool read_number(Fields::Value& value, Kind kind) {
    if (kind == Kind::boolean) {
      value.number = value.raw == "true" ? 1 : 0;
      return check_bounds(value.number);
    }
    if (kind == Kind::text) {
      std::string buffer;
      return parse_number(value, json::decode(json::unquote(value.raw), buffer));
    }
    if (kind != Kind::number) return flaw("float_type", Say::valid_number);
    value.number = double_of(value.raw).value_or(0);  // too small for a double: 0
    return check_bounds(value.number);
  }

  bool parse_number(Fields::Value& value, std::string_view text) {
    const auto number = double_of(plain_number(text));
    if (!number) return flaw("float_parsing", Say::number_parsing);
    if (!std::isfinite(*number)) return flaw("finite_number", Say::finite_number);
    value.number = *number;
    return check_bounds(value.number);
  }

  bool out_of_range(double number) { return check_bounds(number) && flaw("int_parsing_size", Say::valid_integer); }

  bool check_bounds(double number) {
    if (field_->least && number < static_cast<double>(*field_->least)) {
      const std::string least = fmt::to_string(*field_->least);
      return flaw("greater_than_equal", Say::greater_equal, least, context_of("ge", least));
    }
    if (field_->most && number > static_cast<double>(*field_->most)) {
      const std::string most = fmt::to_string(*field_->most);
      return flaw("less_than_equal", Say::less_equal, most, context_of("le", most));
    }
    return true;
  }

  bool read_flag(Fields::Value& value, Kind kind) {
    if (kind == Kind::boolean || kind == Kind::number) return parse_flag(value, value.raw);
    if (kind != Kind::text) return flaw("bool_type", Say::valid_boolean);
    return parse_flag(value, json::unquote(value.raw));
  }

  bool parse_flag(Fields::Value& value, std::string_view text) {
    if (text == "true" || text == "1") {
      value.flag = true;
    } else if (text != "false" && text != "0") {
      return flaw("bool_parsing", Say::boolean_parsing);
    }
    return true;
  }

  bool read_list(Fields::Value& value, Kind kind) {
    if (kind != Kind::array) return flaw("list_type", Say::valid_list);
    std::size_t count = 0;
    json::MemberReader elements(value.raw);
    for (json::Member element; elements.next(element); ++count) {
      if (field_->longest != 0 && count == field_->longest) {
        const std::string most = fmt::to_string(field_->longest);
        return flaw("too_long", Say::list_too_long, most, context_of("max_length", most));
      }
      const Kind of = json::kind_of(element.value);
      if (field_->type == FieldType::vector) {
        if (of != Kind::number) return flaw("float_type", Say::valid_number);
        const auto component = static_cast<float>(double_of(element.value).value_or(0));
        if (!std::isfinite(component)) return flaw("finite_number", Say::finite_number);
        value.vector.push_back(component);
      } else if (field_->of == nullptr && field_->element == FieldType::text && of != Kind::text) {
        return flaw("string_type", Say::valid_string);
      }
    }
    return true;
  }

  const Schema& schema_;
  const std::vector<std::string>& place_;
  std::vector<Flaw>& flaws_;
  const Field* field_ = nullptr;
  Fields out_;
};

std::string to_json(const std::vector<Flaw>& flaws, Language language) {
  std::string text = "[";
  for (const Flaw& flaw : flaws) {
    std::string place;
    for (const std::string& step : flaw.place) {
      place += (place.empty() ? "" : ", ") + (is_index(step) ? step : quoted(step));
    }
    text += fmt::format(R"({}{{"type": {}, "loc": [{}], "msg": {})", text.size() > 1 ? ", " : "",
                        json::quote(flaw.type), place, json::quote(say(flaw.message, language, flaw.value)));
    if (!flaw.context.empty()) text += ", \"ctx\": " + flaw.context;
    text += "}";
  }
  return text + "]";
}

const Fields::Value* Fields::find(std::string_view name) const {
  const auto at = std::find_if(values_.begin(), values_.end(), [&](const Value& value) { return value.name == name; });
  return at == values_.end() ? nullptr : &*at;
}

std::optional<std::string> Fields::text(std::string_view name) const {
  const Value* value = find(name);
  return value ? std::optional(value->text) : std::nullopt;
}

std::optional<std::int64_t> Fields::integer(std::string_view name) const {
  const Value* value = find(name);
  return value ? std::optional(value->integer) : std::nullopt;
}

std::optional<double> Fields::number(std::string_view name) const {
  const Value* value = find(name);
  return value ? std::optional(value->number) : std::nullopt;
}

std::optional<bool> Fields::flag(std::string_view name) const {
  const Value* value = find(name);
  return value ? std::optional(value->flag) : std::nullopt;
}

std::string_view Fields::raw(std::string_view name) const {
  const Value* value = find(name);
  return value ? value->raw : std::string_view();
}

std::optional<std::vector<float>> Fields::vector(std::string_view name) const {
  const Value* value = find(name);
  return value ? std::optional(value->vector) : std::nullopt;
}

Fields read_object(const Schema& schema, std::string_view object, const std::vector<std::string>& place,
                   std::vector<Flaw>& flaws) {
  const auto value_of = [&](std::string_view name) -> std::optional<std::string_view> {
    const std::string key(name);
    const std::string_view value = json::find(object, {&key, 1});
    return value.empty() ? std::nullopt : std::optional(value);
  };
  return FieldReader(schema, place, flaws).read(value_of, false);
}

bool read_body(const Schema& schema, std::string_view body, Fields& fields, std::vector<Flaw>& flaws) {
  const std::vector<std::string> place{"body", "req"};
  const auto within = [&](const std::string& member) {
    std::vector<std::string> at = place;
    if (!member.empty()) at.push_back(member);
    return at;
  };
  if (body.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    flaws.push_back({"missing", place, Say::field_required});
    return true;
  }
  const JsonCheck check = check_json(body);
  switch (check.flaw) {
    case JsonFlaw::malformed: return false;
    case JsonFlaw::not_a_number:
      flaws.push_back({"finite_number", within(check.member), Say::finite_number});
      return true;
    case JsonFlaw::no_text: flaws.push_back({"string_unicode", within(check.member), Say::unicode_string}); return true;
    case JsonFlaw::too_deep: {
      const std::string most = fmt::to_string(limits::json_depth);
      flaws.push_back({"too_deep", within(check.member), Say::too_deep, most, context_of("max_depth", most)});
      return true;
    }
    case JsonFlaw::none: break;
  }
  const std::string_view object = body.substr(body.find_first_not_of(" \t\r\n"));
  if (json::kind_of(object) != Kind::object) {
    flaws.push_back({"model_type", place, Say::valid_model, std::string(schema.name),
                     context_of("class_name", json::quote(schema.name))});
    return true;
  }
  fields = read_object(schema, object, place, flaws);
  return true;
}

Fields read_query(const Schema& schema, const Parameters& parameters, std::vector<Flaw>& flaws) {
  const auto value_of = [&](std::string_view name) -> std::optional<std::string_view> {
    const auto at =
        std::find_if(parameters.rbegin(), parameters.rend(), [&](const auto& p) { return p.first == name; });
    return at == parameters.rend() ? std::nullopt : std::optional<std::string_view>(at->second);
  };
  const std::vector<std::string> place{"query"};
  return FieldReader(schema, place, flaws).read(value_of, true);
}

}  // namespace fractal::server
