// What an index elsewhere asks of the storage that it follows.
#ifndef FRACTAL_SRC_FOLLOWED_STORAGE_H
#define FRACTAL_SRC_FOLLOWED_STORAGE_H

#include <fractal/backend.h>

#include "src/error.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>

namespace fractal {

// What the storage holds now of the space that a record describes: number 0 or another, if that is gone.
using NewestRecord = std::function<Result<SpaceRecord>(const SpaceRecord& of)>;

inline NewestRecord newest_of(std::shared_ptr<Storage> storage) {
  return [storage = std::move(storage)](const SpaceRecord& of) -> Result<SpaceRecord> {
    FRACTAL_TRY_INTO(const auto view, storage->read(of.space));
    return view->space();
  };
}

// The index knows of commits that the storage has not: that was set back, by a backup or a crash that took the last
// ones.
inline Result<bool> has_lost(const NewestRecord& newest_record, const SpaceRecord& to, std::uint64_t applied) {
  if (applied <= to.sequence) return false;
  FRACTAL_TRY_INTO(const SpaceRecord newest, newest_record(to));
  return newest.number == to.number && newest.sequence < applied;
}

// A reader of an old moment must not load a space that is erased: nobody would erase it again.
inline Result<void> check_still_there(const NewestRecord& newest_record, const SpaceRecord& to) {
  FRACTAL_TRY_INTO(const SpaceRecord newest, newest_record(to));
  if (newest.number == to.number) return {};
  return make_error(Errc::unavailable, "vector index: space {} is erased", to.number);
}

// By a commit of its own.
inline Result<void> write_setting(Storage& storage, std::string_view name, std::string_view value) {
  WriteStep step;
  step.run = [&](WriteTransaction& transaction) { return transaction.set_setting(name, value); };
  FRACTAL_TRY(storage.apply({&step, 1}));
  storage.tidy();
  return std::move(step.outcome);
}

}  // namespace fractal

#endif
