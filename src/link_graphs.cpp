// Invariant: a lease's graph has just the links of the look's moment. A graph that could not follow is empty.
#include "src/link_graphs.h"

#include "src/database.h"
#include "src/error.h"
#include "src/validate.h"

#include <utility>

namespace fractal {
namespace {
constexpr std::size_t rows_a_page = 1000;
// To follow so many changes is always cheaper than to read the links anew.
constexpr std::uint64_t few_changes = 1000;
constexpr std::uint64_t bytes_a_link = 96;  // somewhat more than most graphs take
}  // namespace

Result<SpaceGraph::Lease> SpaceGraph::as_of(const std::shared_ptr<SpaceGraph>& space, const Look& look) {
  Lease lease;
  // Whoever changes the graph may take long: no walk waits for that.
  std::shared_lock reading(space->mutex_, std::try_to_lock);
  if (!reading) return lease;
  const std::uint64_t wanted = look.space().sequence;
  if (space->sequence_ != wanted) {
    if (space->sequence_ > wanted || !space->is_worth_it(look.space())) return lease;
    reading.unlock();
    FRACTAL_TRY(space->bring_up(look));
    if (!reading.try_lock() || space->sequence_ != wanted) return lease;
  }
  lease.owner_ = space;
  lease.graph_ = &space->graph_;
  lease.lock_ = std::move(reading);
  return lease;
}

bool SpaceGraph::can_follow(const SpaceRecord& to) const {
  return sequence_ != 0 && sequence_ >= to.horizon && to.sequence - sequence_ <= few_changes + to.links / 8;
}

bool SpaceGraph::is_worth_it(const SpaceRecord& to) const {
  if (can_follow(to)) return true;
  const bool has_room = most_bytes_ == 0 || to.links * bytes_a_link <= most_bytes_;
  return has_room && read_.load(std::memory_order_relaxed) >= to.links;
}

std::uint64_t SpaceGraph::bytes_to_load(const Look& look) const {
  const std::shared_lock reading(mutex_, std::try_to_lock);
  if (!reading || sequence_ != 0 || !is_worth_it(look.space())) return 0;
  return look.space().links * bytes_a_link;
}

Result<void> SpaceGraph::bring_up(const Look& look) {
  const std::unique_lock changing(mutex_, std::try_to_lock);
  if (!changing) return {};
  const SpaceRecord& record = look.space();
  if (sequence_ >= record.sequence) return {};
  const bool follows = can_follow(record);
  if (!follows) graph_ = {};
  const std::uint64_t before = std::exchange(sequence_, 0);
  auto done = follows ? follow(graph_, look, before) : load(graph_, look);
  const bool too_large = most_bytes_ != 0 && graph_.bytes() > most_bytes_;
  if (!done || too_large) {
    graph_ = {};
    read_.store(0, std::memory_order_relaxed);
    return done;
  }
  sequence_ = record.sequence;
  read_.store(0, std::memory_order_relaxed);
  return {};
}

Result<void> SpaceGraph::load(LinkGraph& graph, const Look& look) {
  LinkRow last;
  for (bool first = true;; first = false) {
    FRACTAL_TRY_INTO(const auto page, look.view().list_links(first ? nullptr : &last, rows_a_page));
    for (const LinkRow& row : page) graph.add(row, LinkGraph::Ends::both, true);
    if (page.size() < rows_a_page) break;
    last = page.back();
  }
  graph.pack();
  return {};
}

Result<void> SpaceGraph::follow(LinkGraph& graph, const Look& look, std::uint64_t after) {
  for (;;) {
    FRACTAL_TRY_INTO(const auto page, look.view().changes(after, rows_a_page));
    for (const ChangeRow& change : page) {
      if (change.kind == ChangeKind::unlinked) graph.erase(change.key, change.to, change.type);
      if (change.kind == ChangeKind::linked) {
        FRACTAL_TRY_INTO(const auto row, look.view().get_link(change.key, change.to, change.type));
        if (row) graph.put(*row);
      }
      after = change.sequence;
    }
    if (page.size() < rows_a_page) return {};
  }
}

SpaceGraph::Size SpaceGraph::size() const {
  const std::shared_lock reading(mutex_);
  return {graph_.links(), graph_.bytes()};
}

}  // namespace fractal
