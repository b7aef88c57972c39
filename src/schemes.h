// What a URL's scheme stands for in this program: components add theirs (fractal/backend.h, fractal/cache.h).
#ifndef FRACTAL_SRC_SCHEMES_H
#define FRACTAL_SRC_SCHEMES_H

#include <fractal/backend.h>

#include "src/error.h"

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace fractal {

// How each scheme is opened. Any thread.
template <class Opener> class Schemes {
 public:
  bool add(std::string_view scheme, Opener opener) {
    const std::lock_guard lock(mutex_);
    openers_.insert_or_assign(std::string(scheme), opener);
    return true;
  }
  std::vector<std::string> names() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> names;
    for (const auto& [name, each] : openers_) names.push_back(name);
    return names;
  }
  template <class... Arguments>
  auto open(std::string_view url, const Arguments&... arguments) const -> decltype(Opener{}(arguments...)) {
    const std::string_view scheme = scheme_of(url);
    if (const Opener opener = find(scheme)) return opener(arguments...);
    return make_error(Errc::unsupported, "open: this program has no backend for {}:// (docs/backends.md)", scheme);
  }

 private:
  Opener find(std::string_view scheme) const {
    const std::lock_guard lock(mutex_);
    const auto found = openers_.find(scheme);
    return found != openers_.end() ? found->second : nullptr;
  }

  mutable std::mutex mutex_{};
  std::map<std::string, Opener, std::less<>> openers_{};
};

Result<std::shared_ptr<Storage>> open_storage_url(const Options& options);
Result<std::shared_ptr<VectorIndex>> open_vector_index_url(const Options& options,
                                                           const std::shared_ptr<Storage>& storage);

}  // namespace fractal

#endif
