// Where a copy into a space stands: kept in the target, as the setting copy_mark_setting(number of the space).
#ifndef FRACTAL_SRC_COPY_MARK_H
#define FRACTAL_SRC_COPY_MARK_H

#include <fractal/backend.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fractal {

std::string copy_mark_setting(std::uint64_t space);

struct CopyMark {
  enum class Stage { memories, links, changes };

  std::string source{};        // the database's identity, and the number of its space
  std::uint64_t followed = 0;  // changes of the source up to here are in the target, as far as the stage has come
  std::uint64_t done = 0;      // memories and links copied, for progress
  Stage stage = Stage::memories;
  // The last one that is in: of memories `from` alone. Empty: none.
  Coordinate from{}, to{};
  std::string type{};

  std::string text() const;
  // nullopt: no mark, or one that another version wrote.
  static std::optional<CopyMark> parse(std::string_view text);
};

}  // namespace fractal

#endif
