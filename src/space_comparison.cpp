// Invariant: a difference is told only after both sides were asked again: what expired, or was changed at the source
// after the moment, is none.
#include "src/space_comparison.h"

#include "src/error.h"
#include "src/link_rows.h"
#include "src/space_pages.h"

#include <fractal/format.h>

#include <fmt/ranges.h>

#include <array>
#include <bit>
#include <optional>
#include <string_view>

namespace fractal {
namespace {

constexpr std::size_t most_sentences = 100;

// Numbers as eight bytes, the highest first; texts behind their length. The same bytes on every machine.
class Canonical {
 public:
  explicit Canonical(std::string& out) : out_(out) { out_.clear(); }

  Canonical& number(std::uint64_t value) {
    for (int shift = 56; shift >= 0; shift -= 8) out_.push_back(static_cast<char>(value >> shift));
    return *this;
  }
  Canonical& real(double value) { return number(std::bit_cast<std::uint64_t>(value)); }
  Canonical& time(Time value) { return number(static_cast<std::uint64_t>(value.time_since_epoch().count())); }
  Canonical& text(std::string_view value) {
    number(value.size());
    out_ += value;
    return *this;
  }

 private:
  std::string& out_;
};

// Not `accesses`: reads change it, without a sequence number.
void write(const Row& row, std::string& out) {
  const Memory& memory = row.memory;
  Canonical canonical(out);
  canonical.text(memory.coordinate.key()).text(memory.payload).text(memory.metadata);
  canonical.number(static_cast<std::uint64_t>(memory.type)).real(memory.importance).number(memory.version);
  canonical.text({reinterpret_cast<const char*>(memory.id.bytes.data()), memory.id.bytes.size()});
  canonical.time(memory.created_at).time(memory.updated_at).number(memory.expires_at ? 1 : 0);
  canonical.time(memory.expires_at.value_or(Time{})).number(memory.embedding.size());
  for (const float component : memory.embedding) canonical.number(std::bit_cast<std::uint32_t>(component));
}

void write(const LinkRow& row, std::string& out) {
  Canonical canonical(out);
  canonical.text(row.from).text(row.type).text(row.to).real(row.strength).text(row.metadata).time(row.created_at);
}

bool same(const std::vector<float>& left, const std::vector<float>& right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(), [](float a, float b) {
    return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
  });
}

bool same(double left, double right) {
  return std::bit_cast<std::uint64_t>(left) == std::bit_cast<std::uint64_t>(right);
}

// What is not the same, by the names of the members.
std::string different_members(const Row& source, const Row& target) {
  const Memory &a = source.memory, &b = target.memory;
  std::vector<std::string_view> names;
  if (a.payload != b.payload) names.emplace_back("payload");
  if (a.metadata != b.metadata) names.emplace_back("metadata");
  if (a.type != b.type) names.emplace_back("type");
  if (!same(a.importance, b.importance)) names.emplace_back("importance");
  if (!same(a.embedding, b.embedding)) names.emplace_back("embedding");
  if (a.id != b.id) names.emplace_back("id");
  if (a.version != b.version) names.emplace_back("version");
  if (a.created_at != b.created_at) names.emplace_back("created_at");
  if (a.updated_at != b.updated_at) names.emplace_back("updated_at");
  if (a.expires_at != b.expires_at) names.emplace_back("expires_at");
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string different_members(const LinkRow& source, const LinkRow& target) {
  std::vector<std::string_view> names;
  if (!same(source.strength, target.strength)) names.emplace_back("strength");
  if (source.metadata != target.metadata) names.emplace_back("metadata");
  if (source.created_at != target.created_at) names.emplace_back("created_at");
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string name_of(const Row& row) { return fmt::format("memory {}", row.memory.coordinate); }

std::string name_of(const LinkRow& row) {
  const auto link = graph_link(row);
  return link ? fmt::format("link {}", *link) : "a link with a damaged key";
}

// The visible state now.
Result<std::optional<Row>> again(const CopySide& side, const Row& row, const Control& control) {
  FRACTAL_TRY_INTO(const Look look, side.database.look(side.space, nullptr, control));
  FRACTAL_TRY_INTO(auto found, look.view().get(row.memory.coordinate.key(), Columns::all));
  if (found && look.hidden(found->memory)) found.reset();
  return found;
}

Result<std::optional<LinkRow>> again(const CopySide& side, const LinkRow& row, const Control& control) {
  FRACTAL_TRY_INTO(const Look look, side.database.look(side.space, nullptr, control));
  FRACTAL_TRY_INTO(auto found, look.view().get_link(row.from, row.to, row.type));
  if (found && hidden(look, *found)) found.reset();
  return found;
}

void count(const Row*, CopyReport& report) { ++report.memories; }
void count(const LinkRow*, CopyReport& report) { ++report.links; }

void tell(CopyReport& report, std::string sentence) {
  ++report.different;
  if (report.differences.size() < most_sentences) report.differences.push_back(std::move(sentence));
}

std::string maker(const std::string& embedder) { return embedder.empty() ? "the caller" : '"' + embedder + '"'; }

}  // namespace

Result<void> SpaceComparison::run(CopyReport& report) {
  FRACTAL_TRY(memories(report));
  FRACTAL_TRY(links(report));
  FRACTAL_TRY(vectors(report));
  report.digest = to_hex(digest_.digest());
  return {};
}

Result<void> SpaceComparison::memories(CopyReport& report) {
  MemoryPages source(from_.database, from_.space, control_), target(to_.database, to_.space, control_);
  return side_by_side(source, target, [&](Row* left, Row* right) { return compare<Row>(left, right, report); });
}

Result<void> SpaceComparison::links(CopyReport& report) {
  LinkPages source(from_.database, from_.space, control_), target(to_.database, to_.space, control_);
  return side_by_side(source, target,
                      [&](LinkRow* left, LinkRow* right) { return compare<LinkRow>(left, right, report); });
}

template <class Item>
Result<void> SpaceComparison::compare(const Item* source, const Item* target, CopyReport& report) {
  FRACTAL_TRY(step_());
  if (source == nullptr) {
    ++report.kept;
    return {};
  }
  if (source->sequence > moment_.sequence) return {};
  write(*source, canonical_);
  if (target != nullptr) {
    write(*target, other_);
    if (canonical_ == other_) {
      count(source, report);
      digest_.add({reinterpret_cast<const std::uint8_t*>(canonical_.data()), canonical_.size()});
      return {};
    }
  }
  FRACTAL_TRY_INTO(const auto now, again(from_, *source, control_));
  if (!now || now->sequence > moment_.sequence) return {};
  FRACTAL_TRY_INTO(const auto there, again(to_, *source, control_));
  if (!there) {
    tell(report, name_of(*source) + " is not in the target");
    return {};
  }
  const std::string members = different_members(*now, *there);
  if (!members.empty()) tell(report, fmt::format("{}: {} differ", name_of(*source), members));
  return {};
}

// What belongs to all vectors of a space, not to one of its rows.
Result<void> SpaceComparison::vectors(CopyReport& report) {
  FRACTAL_TRY_INTO(const Look look, to_.database.look(to_.space, nullptr, control_));
  const SpaceRecord& target = look.space();
  if (moment_.vectors == 0 || target.vectors == 0) return {};
  if (target.embedder != moment_.embedder) {
    tell(report, fmt::format("the vectors were made by {}, in the target by {}", maker(moment_.embedder),
                             maker(target.embedder)));
  }
  if (target.metric != moment_.metric) tell(report, "the vectors are compared by another metric in the target");
  return {};
}

}  // namespace fractal
