// Invariant: no password of a URL is ever printed, also of one that is written wrong.
#include "src/cli/place.h"

#include "src/cli/failure.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

namespace fractal::cli {

void check_place(const std::string& db) {
  if (is_url(db)) check_url(db, storage_schemes(), "a file");
}

void check_url(const std::string& url, const std::vector<std::string>& schemes, std::string_view otherwise) {
  const std::string_view scheme = scheme_of(url);
  if (std::find(schemes.begin(), schemes.end(), scheme) != schemes.end()) return;
  if (!is_url(url)) throw usage_error("what is given is not a URL, scheme://...");
  std::vector<std::string> choices;
  if (!otherwise.empty()) choices.emplace_back(otherwise);
  if (!schemes.empty()) choices.push_back(fmt::format("a URL of {}", fmt::join(schemes, ", ")));
  throw usage_error(fmt::format("this program has no backend for {}://{}{}", scheme, choices.empty() ? "" : "; give ",
                                fmt::join(choices, ", or ")));
}

std::string shown(const std::string& db) {
  if (!is_url(db)) return db;
  std::string url = db.substr(0, db.find('?'));
  const std::size_t begin = url.find("://") + 3, at = url.rfind('@', std::min(url.find('/', begin), url.size()));
  const std::size_t colon = url.find(':', begin);
  if (at != url.npos && colon < at) url.erase(colon, at - colon);
  char separator = '?';
  for (std::size_t from = db.find('?'); from != db.npos;) {
    const std::size_t to = db.find('&', from + 1);
    const std::string parameter = db.substr(from + 1, to == db.npos ? to : to - from - 1);
    if (parameter.find("password") == parameter.npos) url += std::exchange(separator, '&') + parameter;
    from = to;
  }
  return url;
}

}  // namespace fractal::cli
