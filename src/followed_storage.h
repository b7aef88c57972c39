// What an index elsewhere asks of the storage that it follows.
#ifndef FRACTAL_SRC_FOLLOWED_STORAGE_H
#define FRACTAL_SRC_FOLLOWED_STORAGE_H

#include <fractal/backend.h>

#include "src/error.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
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

namespace followed {
inline Result<void> commit(Storage& storage, std::function<Result<void>(WriteTransaction&)> run) {
  WriteStep step;
  step.run = std::move(run);
  FRACTAL_TRY(storage.apply({&step, 1}));
  storage.tidy();
  return std::move(step.outcome);
}
}  // namespace followed

// By a commit of its own.
inline Result<void> write_setting(Storage& storage, std::string_view name, std::string_view value) {
  return followed::commit(storage, [&](WriteTransaction& transaction) { return transaction.set_setting(name, value); });
}

// What is there is read once nobody else is changing it: a row of its own is written before, and waited for.
inline Result<void> change_setting(WriteTransaction& transaction, Storage& storage, std::string_view name,
                                   const std::function<std::string(const std::string& before)>& change) {
  FRACTAL_TRY(transaction.set_setting(std::string(name) + "/turn", ""));
  FRACTAL_TRY(transaction.scan(0, 0, 1, Columns::header));
  FRACTAL_TRY_INTO(const auto before, storage.setting(name));
  return transaction.set_setting(name, change(before.value_or("")));
}

// By a commit of its own.
inline Result<void> change_setting(Storage& storage, std::string_view name,
                                   const std::function<std::string(const std::string& before)>& change) {
  return followed::commit(
      storage, [&](WriteTransaction& transaction) { return change_setting(transaction, storage, name, change); });
}

}  // namespace fractal

#endif
