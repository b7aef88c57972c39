// What the steps of a commit said they expect, locked and read at its beginning in one round trip.
#ifndef FRACTAL_BACKENDS_POSTGRES_FORESIGHT_H
#define FRACTAL_BACKENDS_POSTGRES_FORESIGHT_H

#include <fractal/backend.h>

#include "backends/postgres/rows.h"
#include "backends/postgres/spaces.h"

#include <map>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace fractal::postgres_backend {

class Foresight {
 public:
  Foresight(Connection& connection, bool row_security) : connection_(connection), row_security_(row_security) {}

  // The locks of the spaces go to `spaces`. Those of several are taken in one order by everybody, so that two commits of
  // the same spaces do not wait for each other.
  Result<void> look(std::span<const WriteStep> steps, Spaces& spaces);

  // What is known of it; null: ask.
  const std::optional<Row>* memory(std::uint64_t space, std::string_view key, Columns columns) const;
  const std::optional<LinkRow>* link(std::uint64_t space, std::string_view from, std::string_view to,
                                     std::string_view type) const;
  bool nothing_expires(std::uint64_t space, Time now) const;
  const std::optional<std::vector<Field>>& fields() const noexcept { return fields_; }

  // It has just been made, so it has nothing.
  void made(const Space& space, std::uint64_t number);
  // What is written from now on.
  void changes_memory(std::uint64_t space, std::string_view key, std::optional<Time> expires_at);
  void changes_link(std::uint64_t space, std::string_view from, std::string_view to, std::string_view type);
  void forget_all() noexcept;

 private:
  static std::string name_of(std::uint64_t space, std::string_view key);
  static std::string name_of(std::uint64_t space, std::string_view from, std::string_view to, std::string_view type);
  Result<void> take_memories(const Rows& rows);
  void take_links(const Rows& rows);
  void take_expiries(const Rows& rows);

  Connection& connection_;
  bool row_security_;
  std::map<Space, std::vector<const Expected*>> expected_{};
  Columns columns_ = Columns::header;
  std::unordered_map<std::string, std::optional<Row>> memories_{};
  std::unordered_map<std::string, std::optional<LinkRow>> links_{};
  std::unordered_map<std::uint64_t, std::optional<Time>> expiries_{};  // the first of each space
  std::optional<std::vector<Field>> fields_{};
};

}  // namespace fractal::postgres_backend

#endif
