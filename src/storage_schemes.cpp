// Invariant: a path with a scheme never becomes a file, whether the scheme is known or not.
#include "src/storage_schemes.h"

#include "src/error.h"

#include <cctype>
#include <functional>
#include <map>
#include <mutex>

namespace fractal {
namespace {

struct Schemes {
  std::mutex mutex{};
  std::map<std::string, StorageOpener, std::less<>> openers{};
};

// Made by the first who asks: that may be another file's initialisation.
Schemes& schemes() {
  static Schemes all;
  return all;
}

}  // namespace

std::string_view scheme_of(std::string_view path) noexcept {
  const std::string_view scheme = path.substr(0, path.find("://"));
  if (scheme.size() == path.size()) return {};
  for (const char c : scheme) {
    const auto letter = static_cast<unsigned char>(c);
    if (std::isalnum(letter) == 0 && c != '+' && c != '-' && c != '.') return {};
  }
  return scheme;
}

bool add_storage_scheme(std::string_view scheme, StorageOpener open) {
  Schemes& all = schemes();
  const std::lock_guard lock(all.mutex);
  all.openers.insert_or_assign(std::string(scheme), open);
  return true;
}

std::vector<std::string> storage_schemes() {
  Schemes& all = schemes();
  const std::lock_guard lock(all.mutex);
  std::vector<std::string> names;
  for (const auto& [name, opener] : all.openers) names.push_back(name);
  return names;
}

Result<std::shared_ptr<Storage>> open_url(const Options& options) {
  const std::string_view scheme = scheme_of(options.path);
  StorageOpener opener = nullptr;
  {
    Schemes& all = schemes();
    const std::lock_guard lock(all.mutex);
    const auto found = all.openers.find(scheme);
    if (found != all.openers.end()) opener = found->second;
  }
  if (opener != nullptr) return opener(options);
  return make_error(Errc::unsupported, "open: this program has no backend for {}:// (docs/backends.md)", scheme);
}

}  // namespace fractal
