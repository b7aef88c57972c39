// From one space to another.
// Invariant: the mark in the target never says more than the target holds: it is written in the transaction of the batch
// that it covers.
#include <fractal/copy.h>

#include "src/error.h"
#include "src/link_rows.h"
#include "src/space_comparison.h"
#include "src/space_pages.h"
#include "src/uuid.h"
#include "src/validate.h"

#include <fractal/format.h>

#include <algorithm>
#include <utility>

namespace fractal {
namespace {

constexpr std::size_t batch_bytes = 8u << 20;
constexpr std::size_t changes_per_page = 1000;
// Changes that are followed before the pages go on: the source forgets old ones.
constexpr std::uint64_t far_behind = 10'000;
// So few are read in one moment, which is the one that the copy shows.
constexpr std::uint64_t almost_there = 1000;
constexpr int most_passes = 4;

class SpaceCopier {
 public:
  SpaceCopier(CopySide from, CopySide to, const CopyOptions& options) : from_(from), to_(to), options_(options) {}

  Result<CopyReport> run() {
    FRACTAL_TRY(begin());
    FRACTAL_TRY(copy_memories());
    FRACTAL_TRY(copy_links());
    FRACTAL_TRY(follow_to_the_end());
    report_.sequence = moment_.sequence;
    if (options_.mirror) FRACTAL_TRY(remove_what_is_beyond());
    FRACTAL_TRY(compare());
    return std::move(report_);
  }

 private:
  using Stage = CopyMark::Stage;

  static Result<SpaceRecord> record_of(const CopySide& side, const Control& control) {
    FRACTAL_TRY_INTO(const Look look, side.database.look(side.space, nullptr, control));
    return look.space();
  }

  Result<void> begin() {
    FRACTAL_TRY_INTO(moment_, record_of(from_, options_.control));
    if (moment_.number == 0) return make_error(Errc::not_found, "copy: there is no space {}", from_.space);
    FRACTAL_TRY_INTO(const std::string identity, from_.database.identity());
    mark_ = {.source = fmt::format("{} {}", identity, moment_.number), .followed = moment_.sequence};
    total_ = (options_.mirror ? 3 : 2) * (moment_.memories + moment_.links);
    FRACTAL_TRY_INTO(const SpaceRecord target, record_of(to_, options_.control));
    if (target.number == 0) return write();
    FRACTAL_TRY(check_vectors_agree(target));
    FRACTAL_TRY(check_not_the_same(identity, target.number));
    FRACTAL_TRY_INTO(const auto stored, to_.database.storage().setting(copy_mark_setting(target.number)));
    const auto stood = CopyMark::parse(stored.value_or(""));
    if (identity.empty() || !stood || stood->source != mark_.source || stood->followed > moment_.sequence)
      return write();
    mark_ = *stood;
    written_mark_ = *stored;
    report_.resumed = true;
    return {};
  }

  // Vectors of two makers cannot stand beside each other.
  Result<void> check_vectors_agree(const SpaceRecord& target) const {
    if (moment_.vectors == 0 || target.vectors == 0) return {};
    if (target.embedder == moment_.embedder && target.dimension == moment_.dimension &&
        target.metric == moment_.metric) {
      return {};
    }
    return make_error(
        Errc::conflict,
        "copy: the vectors of the target's space {} are of another embedder, dimension or metric (\"{}\", "
        "{}) than the source's (\"{}\", {}): erase or reembed it, or copy into another",
        to_.space, target.embedder, target.dimension, moment_.embedder, moment_.dimension);
  }

  // The same identity may be that of a file and its copy. What is written through one handle and read through the other
  // is in one database.
  Result<void> check_not_the_same(const std::string& identity, std::uint64_t number) {
    if (from_.space != to_.space || number != moment_.number) return {};
    FRACTAL_TRY_INTO(const std::string other, to_.database.identity());
    if (identity != other) return {};
    const std::string setting = copy_mark_setting(number);
    FRACTAL_TRY_INTO(const auto before, to_.database.storage().setting(setting));
    const std::string sign = make_uuid(to_.database.now()).to_string();
    FRACTAL_TRY(write_mark(sign));
    FRACTAL_TRY_INTO(const auto seen, from_.database.storage().setting(setting));
    FRACTAL_TRY(write_mark(before.value_or("")));
    if (seen != sign) return {};
    return make_error(Errc::invalid_argument, "copy: {} would be copied into itself", from_.space);
  }

  Result<void> copy_memories() {
    if (mark_.stage != Stage::memories) return {};
    MemoryPages pages(from_.database, from_.space, options_.control);
    if (!mark_.from.empty()) pages.begin_after(mark_.from);
    for (;;) {
      FRACTAL_TRY_INTO(Row* const row, pages.peek());
      if (row == nullptr) break;
      mark_.from = row->memory.coordinate;
      batch_.restore(std::move(row->memory), pages.space().embedder);
      pages.pop();
      FRACTAL_TRY(after_copied(pages.space()));
    }
    return begin_stage(Stage::links);
  }

  Result<void> copy_links() {
    if (mark_.stage != Stage::links) return {};
    LinkPages pages(from_.database, from_.space, options_.control);
    if (!mark_.from.empty()) pages.begin_after({.from = mark_.from.key(), .to = mark_.to.key(), .type = mark_.type});
    for (;;) {
      FRACTAL_TRY_INTO(const LinkRow* const row, pages.peek());
      if (row == nullptr) break;
      FRACTAL_TRY_INTO(auto link, graph_link(*row));
      mark_.from = link.from, mark_.to = link.to, mark_.type = link.type;
      batch_.restore_link(std::move(link));
      pages.pop();
      FRACTAL_TRY(after_copied(pages.space()));
    }
    return begin_stage(Stage::changes);
  }

  Result<void> after_copied(const SpaceRecord& source) {
    ++mark_.done;
    if (source.vectors != 0) metric_ = source.metric;
    FRACTAL_TRY_INTO(const bool written, after_added());
    if (!written) return {};
    FRACTAL_TRY_INTO(const std::uint64_t behind, changes_behind(source));
    if (behind < far_behind) return {};
    return follow_to(source.sequence);
  }

  Result<void> begin_stage(Stage stage) {
    mark_.stage = stage;
    mark_.from = mark_.to = {};
    mark_.type.clear();
    return write();
  }

  // The source as it was read, against where the copy stands in its changes.
  Result<std::uint64_t> changes_behind(const SpaceRecord& source) {
    if (source.number != moment_.number) {
      return make_error(Errc::conflict, "copy: the space {} was erased while it was copied", from_.space);
    }
    if (mark_.followed >= source.horizon) return source.sequence - mark_.followed;
    FRACTAL_TRY(write_mark(""));
    return make_error(
        Errc::conflict,
        "copy: of {}, what was removed before change {} is forgotten, and the copy stands at {}; the next "
        "copy begins anew, and may be told to remove what the source no longer has",
        from_.space, source.horizon, mark_.followed);
  }

  // Each page of changes has a moment of its own.
  Result<void> follow_to(std::uint64_t sequence) {
    while (mark_.followed < sequence) {
      FRACTAL_TRY_INTO(const Look look, from_.database.look(from_.space, nullptr, options_.control));
      FRACTAL_TRY(changes_behind(look.space()));
      FRACTAL_TRY(follow_page(look));
    }
    return {};
  }

  Result<void> follow_to_the_end() {
    for (int pass = 0;; ++pass) {
      FRACTAL_TRY_INTO(const Look look, from_.database.look(from_.space, nullptr, options_.control));
      FRACTAL_TRY_INTO(const std::uint64_t behind, changes_behind(look.space()));
      if (behind > almost_there && pass < most_passes) {
        FRACTAL_TRY(follow_to(look.space().sequence));
        continue;
      }
      moment_ = look.space();
      for (bool more = true; more;) { FRACTAL_TRY_INTO(more, follow_page(look)); }
      return {};
    }
  }

  // Whether there may be more. What a change was does not count, but how things stand at the look's moment: the changes
  // that led there from it come later.
  Result<bool> follow_page(const Look& look) {
    if (look.space().vectors != 0) metric_ = look.space().metric;
    FRACTAL_TRY_INTO(const auto changes, look.view().changes(mark_.followed, changes_per_page));
    for (const ChangeRow& change : changes) {
      FRACTAL_TRY(change.to.empty() ? take_memory(look, change) : take_link(look, change));
      mark_.followed = change.sequence;
      FRACTAL_TRY(after_added());
    }
    const bool more = changes.size() == changes_per_page;
    if (!more) mark_.followed = look.space().sequence;
    FRACTAL_TRY(write());
    return more;
  }

  Result<void> take_memory(const Look& look, const ChangeRow& change) {
    FRACTAL_TRY_INTO(auto row, look.view().get(change.key, Columns::all));
    if (row && !look.hidden(row->memory)) {
      batch_.restore(std::move(row->memory), look.space().embedder);
    } else {
      FRACTAL_TRY_INTO(auto coordinate, Coordinate::from_key(change.key));
      batch_.remove(std::move(coordinate));
    }
    return {};
  }

  Result<void> take_link(const Look& look, const ChangeRow& change) {
    FRACTAL_TRY_INTO(const auto row, look.view().get_link(change.key, change.to, change.type));
    FRACTAL_TRY_INTO(auto link, graph_link({.from = change.key, .to = change.to, .type = change.type}));
    if (row && !hidden(look, *row)) {
      FRACTAL_TRY_INTO(link, graph_link(*row));
      batch_.restore_link(std::move(link));
    } else {
      batch_.unlink(std::move(link.from), std::move(link.to), std::move(link.type));
    }
    return {};
  }

  // A memory that goes takes links along, also such as the source has: it may link what is not there. So memories first.
  Result<void> remove_what_is_beyond() {
    MemoryPages memories(from_.database, from_.space, options_.control),
        more(to_.database, to_.space, options_.control);
    FRACTAL_TRY(side_by_side(memories, more, [&](const Row* source, const Row* target) -> Result<void> {
      FRACTAL_TRY(step());
      if (source != nullptr) return {};
      batch_.remove(target->memory.coordinate);
      FRACTAL_TRY(after_added());
      return {};
    }));
    FRACTAL_TRY(write());
    LinkPages links(from_.database, from_.space, options_.control), others(to_.database, to_.space, options_.control);
    FRACTAL_TRY(side_by_side(links, others, [&](const LinkRow* source, const LinkRow* target) -> Result<void> {
      FRACTAL_TRY(step());
      if (source != nullptr && (target != nullptr || source->sequence > moment_.sequence)) return {};
      FRACTAL_TRY_INTO(auto link, graph_link(source != nullptr ? *source : *target));
      if (source != nullptr) {
        batch_.restore_link(std::move(link));
      } else {
        batch_.unlink(std::move(link.from), std::move(link.to), std::move(link.type));
      }
      FRACTAL_TRY(after_added());
      return {};
    }));
    return write();
  }

  Result<void> compare() {
    SpaceComparison comparison(from_, to_, moment_, options_.control, [this] { return step(); });
    FRACTAL_TRY(comparison.run(report_));
    if (options_.control.progress) options_.control.progress(total_, total_);
    if (report_.ok()) return {};
    return write_mark("");
  }

  // Whether the batch was full, and is written.
  Result<bool> after_added() {
    bytes_ += bytes_of(batch_.entries().back());
    if (batch_.size() < options_.batch && bytes_ < batch_bytes) return false;
    FRACTAL_TRY(write());
    return true;
  }

  // The batch and the mark, if either is new.
  Result<void> write() {
    std::string mark = mark_.text();
    if (batch_.empty() && mark == written_mark_) return {};
    FRACTAL_TRY(check_control(options_.control, "copy"));
    FRACTAL_TRY(write_mark(std::move(mark)));
    tell_progress();
    return {};
  }

  Result<void> write_mark(std::string mark) {
    const CopiedBatch copied{.metric = metric_, .mark = std::move(mark)};
    const auto applied = to_.database.apply(to_.space, batch_, &copied);
    if (!applied) return within(applied.error(), "copy to {}", to_.space);
    for (const Written& each : applied->written) {
      if (each.removed) ++report_.removed;
      if (!each.removed && each.sequence != 0) ++report_.written;
    }
    written_mark_ = copied.mark;
    batch_.clear();
    bytes_ = 0;
    return {};
  }

  // Of looking through both sides.
  Result<void> step() {
    if (++looked_at_ % 1000 == 0) tell_progress();
    return {};
  }

  void tell_progress() const {
    if (options_.control.progress) options_.control.progress(std::min(mark_.done + looked_at_, total_), total_);
  }

  const CopySide from_, to_;
  const CopyOptions& options_;
  CopyReport report_;
  SpaceRecord moment_;              // of the source: at the beginning, then the one that the target shows
  Metric metric_ = Metric::cosine;  // of its vectors
  CopyMark mark_;
  std::string written_mark_;
  Batch batch_;
  std::size_t bytes_ = 0;
  std::uint64_t looked_at_ = 0, total_ = 0;
};

}  // namespace

Result<CopyReport> copy_space(const FractalMemory& from, const FractalMemory& to, const CopyOptions& options) {
  if (options.batch == 0 || options.batch > limits::batch_entries) {
    return make_error(Errc::invalid_argument, "batch {} is not in 1..{}", options.batch, limits::batch_entries);
  }
  if (from.database_ == to.database_ && from.space_ == to.space_) {
    return make_error(Errc::invalid_argument, "copy: {} would be copied into itself", from.space_);
  }
  return SpaceCopier({*from.database_, from.space_}, {*to.database_, to.space_}, options).run();
}

}  // namespace fractal
