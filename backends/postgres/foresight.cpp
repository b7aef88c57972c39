// Invariant: what is known here is what the transaction would read now: it was read behind the locks, and what a step
// changes is forgotten.
#include "backends/postgres/foresight.h"

#include "backends/postgres/row_security.h"
#include "backends/postgres/statements.h"
#include "src/error.h"

namespace fractal::postgres_backend {
namespace {

// Arrays of the same length, one row of a statement's unnest() for each element.
struct KeysWanted {
  std::vector<Bytes> tenants{}, names{}, keys{};
};
struct LinksWanted {
  std::vector<Bytes> tenants{}, names{}, from{}, types{}, to{};
};

}  // namespace

std::string Foresight::name_of(std::uint64_t space, std::string_view key) {
  std::string name(reinterpret_cast<const char*>(&space), sizeof space);
  return name.append(key);
}

// Sizes go before what they are of, so that no two links share a name.
std::string Foresight::name_of(std::uint64_t space, std::string_view from, std::string_view to, std::string_view type) {
  std::string name = name_of(space, {});
  for (const std::string_view part : {from, type, to}) {
    const std::size_t size = part.size();
    name.append(reinterpret_cast<const char*>(&size), sizeof size).append(part);
  }
  return name;
}

Result<void> Foresight::look(std::span<const WriteStep> steps, Spaces& spaces) {
  KeysWanted keys;
  LinksWanted links;
  for (const WriteStep& step : steps) {
    if (step.expected == nullptr) continue;
    const Expected& expected = *step.expected;
    const Bytes tenant{expected.space.tenant}, name{expected.space.name};
    expected_[expected.space].push_back(&expected);
    if (expected.columns == Columns::payload) columns_ = Columns::payload;
    for (const std::string& key : expected.keys) {
      keys.tenants.push_back(tenant), keys.names.push_back(name), keys.keys.push_back({key});
    }
    for (const LinkRow& link : expected.links) {
      links.tenants.push_back(tenant), links.names.push_back(name), links.from.push_back({link.from});
      links.types.push_back({link.type}), links.to.push_back({link.to});
    }
  }
  if (expected_.empty()) return {};
  std::vector<Bytes> tenants, names;
  for (const auto& [space, all] : expected_) tenants.push_back({space.tenant}), names.push_back({space.name});
  std::vector<Rows> answers;
  for (bool again = true; again;) {
    FRACTAL_TRY(connection_.ask(sql::lock_by_names, Values(tenants, names)));
    if (row_security_) FRACTAL_TRY(connection_.queue(sql::see_spaces, Values(tenants, names)));
    FRACTAL_TRY(connection_.ask(sql::fields));
    FRACTAL_TRY(connection_.ask(sql::first_expiries, Values(tenants, names)));
    if (!keys.keys.empty()) {
      FRACTAL_TRY(connection_.ask(sql::find_many[columns_], Values(keys.tenants, keys.names, keys.keys)));
    }
    if (!links.from.empty()) {
      FRACTAL_TRY(
          connection_.ask(sql::find_links, Values(links.tenants, links.names, links.from, links.types, links.to)));
    }
    FRACTAL_TRY_INTO(answers, connection_.answers());
    // Added since this program opened: it was shown nothing.
    again = !row_security_ && answers[0].count() > 0 && answers[0].integer(0, space_columns) != 0;
    row_security_ = row_security_ || again;
  }
  for (const auto& [space, all] : expected_) spaces.asked_for(space);
  spaces.take(answers[0]);
  for (int at = 0; at < answers[0].count(); ++at) {
    made({std::string(answers[0].bytes(at, 1)), std::string(answers[0].bytes(at, 2))}, answers[0].natural(at, 0));
  }
  fields_ = fields_of(answers[1]);
  take_expiries(answers[2]);
  std::size_t next = 3;
  if (!keys.keys.empty()) FRACTAL_TRY(take_memories(answers[next++]));
  if (!links.from.empty()) take_links(answers[next]);
  return {};
}

// Everything that is asked for and is not among the answers is not there.
void Foresight::made(const Space& space, std::uint64_t number) {
  const auto found = expected_.find(space);
  if (found == expected_.end()) return;
  for (const Expected* expected : found->second) {
    for (const std::string& key : expected->keys) memories_[name_of(number, key)] = std::nullopt;
    for (const LinkRow& link : expected->links) {
      links_[name_of(number, link.from, link.to, link.type)] = std::nullopt;
    }
  }
  expiries_[number] = std::nullopt;
}

Result<void> Foresight::take_memories(const Rows& rows) {
  for (int at = 0; at < rows.count(); ++at) {
    Row row;
    FRACTAL_TRY(read_row(connection_, rows, at, columns_, row));
    memories_[name_of(row.id >> space_shift, row.memory.coordinate.key())] = std::move(row);
  }
  return {};
}

void Foresight::take_links(const Rows& rows) {
  for (int at = 0; at < rows.count(); ++at) {
    LinkRow link;
    read_link(rows, at, true, link);
    links_[name_of(rows.natural(at, whole_link_columns), link.from, link.to, link.type)] = link;
  }
}

void Foresight::take_expiries(const Rows& rows) {
  for (int at = 0; at < rows.count(); ++at) {
    expiries_[rows.natural(at, 0)] = rows.null(at, 1) ? std::nullopt : std::optional(rows.time(at, 1));
  }
}

const std::optional<Row>* Foresight::memory(std::uint64_t space, std::string_view key, Columns columns) const {
  if (columns == Columns::all || (columns == Columns::payload && columns_ == Columns::header)) return nullptr;
  const auto found = memories_.find(name_of(space, key));
  return found == memories_.end() ? nullptr : &found->second;
}

const std::optional<LinkRow>* Foresight::link(std::uint64_t space, std::string_view from, std::string_view to,
                                              std::string_view type) const {
  const auto found = links_.find(name_of(space, from, to, type));
  return found == links_.end() ? nullptr : &found->second;
}

bool Foresight::nothing_expires(std::uint64_t space, Time now) const {
  const auto found = expiries_.find(space);
  return found != expiries_.end() && (!found->second || *found->second > now);
}

void Foresight::changes_memory(std::uint64_t space, std::string_view key, std::optional<Time> expires_at) {
  memories_.erase(name_of(space, key));
  const auto found = expiries_.find(space);
  if (found == expiries_.end() || !expires_at) return;
  if (!found->second || *found->second > *expires_at) found->second = expires_at;
}

void Foresight::changes_link(std::uint64_t space, std::string_view from, std::string_view to, std::string_view type) {
  links_.erase(name_of(space, from, to, type));
}

void Foresight::forget_all() noexcept {
  memories_.clear();
  links_.clear();
  expiries_.clear();
}

}  // namespace fractal::postgres_backend
