// Invariant: who asks for a cache by a URL gets that one, or an error.
#include <fractal/cache.h>

#include "src/error.h"
#include "src/schemes.h"

namespace fractal {
namespace {

Schemes<CacheOpener>& caches() {
  static Schemes<CacheOpener> all;
  return all;
}

}  // namespace

bool add_cache_scheme(std::string_view scheme, CacheOpener open) { return caches().add(scheme, open); }
std::vector<std::string> cache_schemes() { return caches().names(); }

Result<std::shared_ptr<Cache>> open_cache(const std::string& url) {
  if (!is_url(url)) return make_error(Errc::invalid_argument, "cache: what is given is no URL");
  return caches().open(url, url);
}

}  // namespace fractal
