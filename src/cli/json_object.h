// An object of JSON on one line, member by member.
#ifndef FRACTAL_SRC_CLI_JSON_OBJECT_H
#define FRACTAL_SRC_CLI_JSON_OBJECT_H

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fractal::cli {

std::string json_text(std::string_view text);
std::string json_texts(const std::vector<std::string>& texts);

class JsonObject {
 public:
  JsonObject& text(std::string_view name, std::string_view value) { return raw(name, json_text(value)); }
  JsonObject& number(std::string_view name, double value);
  JsonObject& count(std::string_view name, std::uint64_t value) { return raw(name, std::to_string(value)); }
  JsonObject& flag(std::string_view name, bool value) { return raw(name, value ? "true" : "false"); }
  // `json` is a value already.
  JsonObject& raw(std::string_view name, std::string_view json);
  std::string str() const { return text_ + "}"; }

 private:
  std::string text_ = "{";
};

}  // namespace fractal::cli

#endif
