// Invariant: what comes out is valid JSON if raw() got valid JSON; a text that is no UTF-8 has its bad bytes replaced.
#include "src/cli/json_object.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <cmath>

namespace fractal::cli {

std::string json_text(std::string_view text) {
  std::string json = "\"";
  while (!text.empty()) {
    utf8proc_int32_t point = 0;
    const auto length = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                         static_cast<utf8proc_ssize_t>(text.size()), &point);
    if (length <= 0) {
      json += "\xEF\xBF\xBD";  // U+FFFD
      text.remove_prefix(1);
      continue;
    }
    if (point == '"' || point == '\\') {
      json += {'\\', static_cast<char>(point)};
    } else if (point < 0x20) {
      json += fmt::format("\\u{:04x}", point);
    } else {
      json += text.substr(0, static_cast<std::size_t>(length));
    }
    text.remove_prefix(static_cast<std::size_t>(length));
  }
  return json + "\"";
}

std::string json_texts(const std::vector<std::string>& texts) {
  std::string json = "[";
  for (const std::string& each : texts) json += (json.size() > 1 ? "," : "") + json_text(each);
  return json + "]";
}

JsonObject& JsonObject::number(std::string_view name, double value) {
  return raw(name, std::isfinite(value) ? fmt::format("{}", value) : "null");
}

JsonObject& JsonObject::raw(std::string_view name, std::string_view json) {
  if (text_.size() > 1) text_ += ',';
  text_.append(json_text(name)).append(":").append(json);
  return *this;
}

}  // namespace fractal::cli
