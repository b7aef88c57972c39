// Invariant: a setting that is not known is an error wherever it stands, and so is a value that does not suit it.
#include "src/cli/serve_settings.h"

#include "src/cli/arguments.h"
#include "src/cli/failure.h"
#include "src/cli/json_object.h"
#include "src/cli/place.h"

#include <fmt/format.h>
#include <rapidjson/document.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <limits>

namespace fractal::cli {
namespace {

std::uint64_t number_of(const std::string& value, std::uint64_t least, std::uint64_t most) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (value.empty() || error != std::errc() || end != value.data() + value.size() || number < least || number > most) {
    throw usage_error(fmt::format("\"{}\" is not a whole number from {} to {}", value, least, most));
  }
  return number;
}

bool flag_of(const std::string& value) {
  if (value == "true" || value == "1") return true;
  if (value == "false" || value == "0") return false;
  throw usage_error(fmt::format("\"{}\" is neither true nor false", value));
}

constexpr std::uint64_t any = std::numeric_limits<std::uint32_t>::max();

template <auto member> void set_text(ServeSettings& s, const std::string& value) { s.server.*member = value; }
template <auto member> std::string get_text(const ServeSettings& s) { return json_text(s.server.*member); }
template <auto member> void set_flag(ServeSettings& s, const std::string& value) { s.server.*member = flag_of(value); }
template <auto member> std::string get_flag(const ServeSettings& s) { return s.server.*member ? "true" : "false"; }
template <auto member> void set_count(ServeSettings& s, const std::string& value) {
  s.server.*member = number_of(value, 1, any);
}
template <auto member> std::string get_count(const ServeSettings& s) { return fmt::to_string(s.server.*member); }
template <auto member> void set_time(ServeSettings& s, const std::string& value) {
  s.server.*member = std::chrono::milliseconds(number_of(value, 1, any));
}
template <auto member> std::string get_time(const ServeSettings& s) {
  return fmt::to_string((s.server.*member).count());
}

template <auto member> void set_rate(ServeSettings& s, const std::string& value) {
  double rate = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), rate);
  if (error != std::errc() || end != value.data() + value.size() || !(rate >= 0) || rate > 1e9) {
    throw usage_error(fmt::format("\"{}\" is not a number from 0 on", value));
  }
  s.server.*member = rate;
}
template <auto member> std::string get_rate(const ServeSettings& s) { return fmt::to_string(s.server.*member); }

using O = ServerOptions;

const std::array settings_table{
    ServeSetting{"db", "FILE|URL", "The database", [](ServeSettings& s, const std::string& v) { s.db = v; },
                 [](const ServeSettings& s) { return json_text(shown(s.db)); }},
    ServeSetting{"vector_index", "URL", "A server that keeps the vectors, too; else this process does",
                 [](ServeSettings& s, const std::string& v) { s.vector_index = v; },
                 [](const ServeSettings& s) { return json_text(shown(s.vector_index)); }},
    ServeSetting{"memory_budget", "BYTES", "For vectors, links and pages in memory; 0: no limit",
                 [](ServeSettings& s, const std::string& v) { s.memory_budget = number_of(v, 0, UINT64_MAX); },
                 [](const ServeSettings& s) { return fmt::to_string(s.memory_budget); }},
    ServeSetting{"durability", "full|normal", "full: a write that was answered survives a power cut",
                 [](ServeSettings& s, const std::string& v) {
                   if (v != "full" && v != "normal") throw usage_error("durability is full or normal");
                   s.durability = v;
                 },
                 [](const ServeSettings& s) { return json_text(s.durability); }},
    ServeSetting{"address", "IP", "Where to listen; empty: no TCP", set_text<&O::address>, get_text<&O::address>},
    ServeSetting{"port", "N", "Of TCP; 0: any that is free",
                 [](ServeSettings& s, const std::string& v) {
                   s.server.port = static_cast<std::uint16_t>(number_of(v, 0, 65'535));
                 },
                 [](const ServeSettings& s) { return fmt::to_string(s.server.port); }},
    ServeSetting{"unix_socket", "PATH", "Listen on a socket in the file system, too", set_text<&O::unix_socket>,
                 get_text<&O::unix_socket>},
    ServeSetting{"tls_cert", "FILE", "PEM: speak TLS", set_text<&O::tls_certificate>, get_text<&O::tls_certificate>},
    ServeSetting{"tls_key", "FILE", "PEM: of the certificate", set_text<&O::tls_key>, get_text<&O::tls_key>},
    ServeSetting{"token_file", "FILE", "Who may do what (docs/server.md); SIGHUP reads it again",
                 set_text<&O::token_file>, get_text<&O::token_file>},
    ServeSetting{"open", "", "No token needed: everybody on this machine may do everything", set_flag<&O::open>,
                 get_flag<&O::open>},
    ServeSetting{"private_stats", "", "GET /stats needs a token", set_flag<&O::private_stats>,
                 get_flag<&O::private_stats>},
    ServeSetting{"rate_limit", "N", "Requests a second for each token and tenant; 0: any; beyond: 429",
                 set_rate<&O::rate_limit>, get_rate<&O::rate_limit>},
    ServeSetting{"rate_burst", "N", "Of them at once, if there were few before", set_rate<&O::rate_burst>,
                 get_rate<&O::rate_burst>},
    ServeSetting{"keep_answers", "true|false", "Of searches, as long as nothing changes", set_flag<&O::keep_answers>,
                 get_flag<&O::keep_answers>},
    ServeSetting{"cache", "URL", "A server for answers, sessions and rate limits, which others may share",
                 [](ServeSettings& s, const std::string& v) { s.cache = v; },
                 [](const ServeSettings& s) { return json_text(shown(s.cache)); }},
    ServeSetting{"cache_bytes", "BYTES", "For these in this process, without --cache", set_count<&O::cache_bytes>,
                 get_count<&O::cache_bytes>},
    ServeSetting{"access_log", "FILE", "A line of JSON for each request; -: standard error", set_text<&O::access_log>,
                 get_text<&O::access_log>},
    ServeSetting{"max_connections", "N", "Further ones wait", set_count<&O::most_connections>,
                 get_count<&O::most_connections>},
    ServeSetting{"max_body", "BYTES", "Of a request; beyond: 413", set_count<&O::most_body>, get_count<&O::most_body>},
    ServeSetting{"max_bodies", "BYTES", "Of all requests at once; beyond: 503", set_count<&O::most_bodies>,
                 get_count<&O::most_bodies>},
    ServeSetting{"max_import", "BYTES", "Of an import; beyond: 413",
                 [](ServeSettings& s, const std::string& v) { s.server.most_import = number_of(v, 1, UINT64_MAX); },
                 [](const ServeSettings& s) { return fmt::to_string(s.server.most_import); }},
    ServeSetting{"max_spooled", "BYTES", "Of all exports and imports at once; beyond: 503",
                 [](ServeSettings& s, const std::string& v) { s.server.most_spooled = number_of(v, 1, UINT64_MAX); },
                 [](const ServeSettings& s) { return fmt::to_string(s.server.most_spooled); }},
    ServeSetting{"spool_folder", "PATH", "For exports and imports under way; empty: /var/tmp",
                 set_text<&O::spool_folder>, get_text<&O::spool_folder>},
    ServeSetting{"max_header", "BYTES", "Of a request; beyond: 431", set_count<&O::most_header>,
                 get_count<&O::most_header>},
    ServeSetting{"max_streams", "N", "Of changes; beyond: 503", set_count<&O::most_streams>,
                 get_count<&O::most_streams>},
    ServeSetting{"max_waiting", "N", "Requests at once; beyond: 503", set_count<&O::most_waiting>,
                 get_count<&O::most_waiting>},
    ServeSetting{"idle_timeout", "MS", "Between two requests", set_time<&O::idle_timeout>, get_time<&O::idle_timeout>},
    ServeSetting{"header_timeout", "MS", "For a request's headers", set_time<&O::header_timeout>,
                 get_time<&O::header_timeout>},
    ServeSetting{"body_timeout", "MS", "For a body, and for taking an answer", set_time<&O::body_timeout>,
                 get_time<&O::body_timeout>},
    ServeSetting{"call_timeout", "MS", "For the memory to answer; beyond: 503", set_time<&O::call_timeout>,
                 get_time<&O::call_timeout>},
    ServeSetting{"io_threads", "N", "They wait for no more than a row of the memory", set_count<&O::io_threads>,
                 get_count<&O::io_threads>},
    ServeSetting{"work_threads", "N", "That do", set_count<&O::work_threads>, get_count<&O::work_threads>},
};

const ServeSetting& setting_of(std::string_view name, const std::string& where) {
  const auto at = std::find_if(settings_table.begin(), settings_table.end(),
                               [&](const ServeSetting& setting) { return setting.name == name; });
  if (at == settings_table.end()) throw usage_error(fmt::format("{}: there is no setting \"{}\"", where, name));
  return *at;
}

void take(ServeSettings& settings, const ServeSetting& setting, const std::string& value, const std::string& where) {
  try {
    setting.set(settings, value);
  } catch (const Failure& failure) { throw usage_error(fmt::format("{}: {}", where, failure.what())); }
}

void take_file(ServeSettings& settings, const std::string& file) {
  if (file.empty()) return;
  const std::string text = contents_of(file);
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag | rapidjson::kParseNumbersAsStringsFlag>(text.data(), text.size());
  if (document.HasParseError() || !document.IsObject()) throw usage_error(file + ": not an object of JSON");
  for (std::size_t i = 0; i < document.MemberCount(); ++i) {
    const auto& [key, value] = *(document.MemberBegin() + static_cast<std::ptrdiff_t>(i));
    const std::string name(key.GetString(), key.GetStringLength());
    const ServeSetting& setting = setting_of(name, file);
    if (!value.IsString() && !value.IsBool()) throw usage_error(fmt::format("{}: {}: no such value", file, name));
    const std::string as_text =
        value.IsBool() ? (value.GetBool() ? "true" : "false") : std::string(value.GetString(), value.GetStringLength());
    take(settings, setting, as_text, fmt::format("{}: {}", file, name));
  }
}

const char* variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value != nullptr && *value != '\0' ? value : nullptr;
}

void take_environment(ServeSettings& settings) {
  for (const ServeSetting& setting : settings_table) {
    if (is_common(setting)) continue;
    if (const char* value = variable(setting.variable())) take(settings, setting, value, setting.variable());
  }
  for (const char* name : {"SOMA_API_TOKEN", "FRACTAL_API_TOKEN"}) {
    if (const char* token = variable(name)) settings.server.token = token;
  }
}

}  // namespace

std::string ServeSetting::flag() const {
  std::string text = "--" + std::string(name);
  std::replace(text.begin(), text.end(), '_', '-');
  return text;
}

std::string ServeSetting::variable() const {
  std::string text = "FRACTAL_" + std::string(name);
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::toupper(c); });
  return text;
}

std::span<const ServeSetting> serve_settings() { return settings_table; }

ServeSettings serve_settings_of(const std::map<std::string, std::string>& flags, const std::string& file) {
  ServeSettings settings;
  take_file(settings, file);
  take_environment(settings);
  for (const auto& [name, value] : flags) {
    const ServeSetting& setting = setting_of(name, "command line");
    take(settings, setting, value, setting.flag());
  }
  // A file of tokens, or being open, that was asked for on purpose goes before a token that is lying about.
  if (!settings.server.token_file.empty() || settings.server.open) settings.server.token.clear();
  return settings;
}

std::string to_json(const ServeSettings& settings) {
  std::string text = "{\n";
  for (const ServeSetting& setting : settings_table) {
    text += fmt::format("  \"{}\": {}{}\n", setting.name, setting.get(settings),
                        &setting == &settings_table.back() ? "" : ",");
  }
  return text + "}";
}

}  // namespace fractal::cli
