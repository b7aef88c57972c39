// Invariant: a path with a scheme never becomes a file, whether the scheme is known or not.
#include "src/schemes.h"

#include <cctype>

namespace fractal {
namespace {

// Made by the first who asks: that may be another file's initialisation.
Schemes<StorageOpener>& storages() {
  static Schemes<StorageOpener> all;
  return all;
}

Schemes<VectorIndexOpener>& vector_indexes() {
  static Schemes<VectorIndexOpener> all;
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

bool add_storage_scheme(std::string_view scheme, StorageOpener open) { return storages().add(scheme, open); }
std::vector<std::string> storage_schemes() { return storages().names(); }
bool add_vector_index_scheme(std::string_view scheme, VectorIndexOpener open) {
  return vector_indexes().add(scheme, open);
}
std::vector<std::string> vector_index_schemes() { return vector_indexes().names(); }

Result<std::shared_ptr<Storage>> open_storage_url(const Options& options) {
  return storages().open(options.path, options);
}

Result<std::shared_ptr<VectorIndex>> open_vector_index_url(const Options& options,
                                                           const std::shared_ptr<Storage>& storage) {
  const std::string& url = options.vector_index.url();
  if (!is_url(url)) return make_error(Errc::invalid_argument, "open: vector_index is no URL");
  return vector_indexes().open(url, url, options, storage);
}

}  // namespace fractal
