// What every vector index on a server of its own is opened with: the storage that it follows, and a name for what is there of
// that storage.
#ifndef FRACTAL_SRC_REMOTE_OPEN_H
#define FRACTAL_SRC_REMOTE_OPEN_H

#include "src/remote_index.h"

#include <fmt/format.h>

#include <memory>
#include <random>
#include <string>
#include <string_view>

namespace fractal {

inline RemoteSource source_of(const std::shared_ptr<Storage>& storage) {
  RemoteSource source{.newest = newest_of(storage), .read = {}};
  source.read = [storage](const Space& space, VectorColumns columns, const RemoteSource::Read& read) -> Result<void> {
    FRACTAL_TRY_INTO(const auto view, storage->read(space));
    return read(view->space(),
                [&](std::uint64_t after, const VectorVisitor& visit) { return view->vectors(after, columns, visit); });
  };
  source.space = [storage](std::uint64_t number) -> Result<std::optional<Space>> {
    FRACTAL_TRY_INTO(const auto spaces, storage->spaces());
    for (const Space& space : spaces) {
      FRACTAL_TRY_INTO(const auto view, storage->read(space));
      if (view->space().number == number) return std::optional(space);
    }
    return std::optional<Space>();
  };
  source.erased = [storage] { return erased_spaces(*storage); };
  if (!storage->read_only()) {
    source.forget_erased = [storage](std::uint64_t number) { return forget_erased_space(*storage, number); };
  }
  return source;
}

// Tells what is on a server of one storage from another's: a setting of the storage, made once, by whoever is first of those
// that open it at the same time.
inline Result<std::string> remote_identity(Storage& storage, std::string_view backend) {
  const std::string setting = fmt::format("{}/identity", backend);
  FRACTAL_TRY_INTO(auto identity, storage.setting(setting));
  if (identity && !identity->empty()) return *identity;
  if (storage.read_only()) {
    return make_error(Errc::unsupported, "{}: the storage is read-only and has never had an index there", backend);
  }
  std::random_device random;
  const std::string made = fmt::format("{:08x}{:08x}", random(), random());
  FRACTAL_TRY(change_setting(storage, setting, [&](const std::string& known) { return known.empty() ? made : known; }));
  FRACTAL_TRY_INTO(identity, storage.setting(setting));
  return identity.value_or(made);
}

}  // namespace fractal

#endif
