// Invariant: no password of a URL is ever printed.
#include "src/cli/place.h"

#include "src/cli/failure.h"

#include <fractal/backend.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

namespace fractal::cli {

bool is_url(std::string_view db) { return db.find("://") != db.npos; }

void check_place(const std::string& db) {
  if (!is_url(db)) return;
  const auto schemes = storage_schemes();
  const std::string scheme = db.substr(0, db.find("://"));
  if (std::find(schemes.begin(), schemes.end(), scheme) != schemes.end()) return;
  throw usage_error(schemes.empty() ? fmt::format("this program has no backend for {}://; give a file", scheme)
                                    : fmt::format("this program has no backend for {}://; give a file, or a URL of {}",
                                                  scheme, fmt::join(schemes, ", ")));
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
