// The settings of `fractal serve`: flags go before the environment, that before a file, and that before defaults.
#ifndef FRACTAL_SRC_CLI_SERVE_SETTINGS_H
#define FRACTAL_SRC_CLI_SERVE_SETTINGS_H

#include <fractal/server.h>

#include <map>
#include <span>
#include <string>
#include <string_view>

namespace fractal::cli {

struct ServeSettings {
  std::string db{};            // empty: as --db or FRACTAL_DB say
  std::string vector_index{};  // a URL; empty: as --vector-index or FRACTAL_VECTOR_INDEX say, or in this process
  std::string cache{};         // a URL; empty: in this process
  std::uint64_t memory_budget = 0;
  std::string durability = "full";
  ServerOptions server{};
};

// One place for each setting: its flag is --max-body, its variable FRACTAL_MAX_BODY, its member in a file "max_body".
struct ServeSetting {
  std::string_view name;  // "max_body"
  std::string_view type;  // for help
  std::string_view about;
  void (*set)(ServeSettings& settings, const std::string& value);  // throws Failure
  std::string (*get)(const ServeSettings& settings);               // JSON
  std::string flag() const;
  std::string variable() const;
};
std::span<const ServeSetting> serve_settings();

// Those that every command has, as flags and variables.
inline bool is_common(const ServeSetting& setting) { return setting.name == "db" || setting.name == "vector_index"; }

// `flags`: by name, as they were given. FRACTAL_API_TOKEN (or SOMA_API_TOKEN) is the token: no flag shows it to others.
ServeSettings serve_settings_of(const std::map<std::string, std::string>& flags, const std::string& file);
// JSON that a settings file may have; a token is left out.
std::string to_json(const ServeSettings& settings);

}  // namespace fractal::cli

#endif
