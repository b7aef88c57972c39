// Invariant: a mark is written after all that it speaks of, and raised only by who delivered everything between the mark
// that was read and the new one. `raw` and `again` of a mark may be true without need, never false.
#include "src/remote_index.h"

#include "src/error.h"
#include "src/guarded.h"
#include "src/kernels.h"
#include "src/validate.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>
#include <unordered_set>

namespace fractal {
namespace {

constexpr std::string_view name = "vector index";
constexpr unsigned epoch_shift = 20;  // above: when it was begun, in milliseconds; below: who did
constexpr std::size_t most_touched = 1u << 20;
// A store may keep tokens of the last writes alone: the mark that counts gets a new one now and then.
constexpr std::size_t most_unmarked_rows = 50'000, most_unmarked_sends = 4'000;
constexpr int most_distrusted = 3;  // times in a grace that a space is loaded anew, whatever the server says of it

}  // namespace

std::chrono::system_clock::time_point begun_at(std::uint64_t epoch) {
  return std::chrono::system_clock::time_point(std::chrono::milliseconds(epoch >> epoch_shift));
}

namespace {

// Later than what anybody began before, also if that broke off or is gone: its rows and writers do not count any more.
std::uint64_t epoch_after(std::uint64_t epoch) {
  std::random_device random;
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  const auto now = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(since).count());
  return (std::max((epoch >> epoch_shift) + 1, now) << epoch_shift) | (random() & ((1u << epoch_shift) - 1));
}

// Makes versions of changes, and notes what the mark has to say about them.
class Versions {
 public:
  Versions(const SpaceRecord& to, const VersionMark& mark, bool anew, bool gaps)
      : to_(to), before_(mark), mark_(mark), anew_(anew), gaps_(gaps) {}

  Result<void> add(const VectorChange& change) {
    const bool had = !had_.insert(change.id).second;
    if (change.vector.empty() && anew_ && !had) return {};  // nothing to end
    const std::uint64_t counter = change.id - first_id(to_.number);
    FRACTAL_TRY_INTO(Version version, version_of(to_, change));
    const bool again = had || gaps_ || version.kind == VersionKind::removed || (!anew_ && counter <= before_.last_id);
    mark_.raw = mark_.raw || version.kind == VersionKind::raw;
    mark_.again = mark_.again || again;
    mark_.last_id = std::max(mark_.last_id, counter);
    if (again && touched_.size() < most_touched) touched_.push_back(change.id);
    versions_.push_back(std::move(version));
    return {};
  }

  std::span<const Version> batch() const { return versions_; }
  void clear() { versions_.clear(); }
  // Once all of them are sent. `token`: the last that the store gave.
  VersionMark mark(const SpaceRecord& to, std::uint64_t token) const {
    VersionMark mark = mark_;
    mark.applied = to.sequence;
    mark.vectors = to.vectors;
    mark.last_id = std::max(mark.last_id, to.last_id);
    mark.token = std::max(mark.token, token);
    return mark;
  }
  // Before that: what was applied, and what has come since.
  VersionMark mark_so_far(std::uint64_t token) const {
    VersionMark mark = mark_;
    mark.token = std::max(mark.token, token);
    return mark;
  }
  std::span<const MemoryId> touched() const { return touched_; }

 private:
  const SpaceRecord& to_;
  const VersionMark& before_;
  VersionMark mark_;
  const bool anew_, gaps_;
  std::vector<Version> versions_{};
  std::unordered_set<MemoryId> had_{};
  std::vector<MemoryId> touched_{};
};

}  // namespace

Result<Version> version_of(const SpaceRecord& space, const VectorChange& change) {
  Version version{.id = change.id, .born = change.sequence, .kind = VersionKind::removed};
  if (change.vector.empty()) return version;
  if (change.vector.size() != space.dimension) {
    return make_error(Errc::corruption, "{}: memory {} has {} components, its space {}", name, change.id,
                      change.vector.size(), space.dimension);
  }
  const double square = kernels::dot(change.vector.data(), change.vector.data(), change.vector.size());
  if (!std::isfinite(square) || (space.metric == Metric::cosine && square == 0)) {
    return make_error(Errc::corruption, "{}: the vector of memory {} is not finite, or zero where cosines count", name,
                      change.id);
  }
  version.kind = is_comparable(square) ? VersionKind::living : VersionKind::raw;
  version.vector = change.vector;
  version.fields = change.fields;
  return version;
}

// ---- What this process knows -------------------------------------------------------------------------------------

// Null: the record is of a moment when the vectors were of another kind.
RemoteIndex::SpacePtr RemoteIndex::space_of(const SpaceRecord& record) {
  auto space = spaces_.find_or_add(record.number, [] { return std::make_shared<RemoteSpace>(); });
  const VersionPlace place{
      .space = record.space, .number = record.number, .dimension = record.dimension, .metric = record.metric};
  const std::lock_guard lock(space->mutex);
  const bool fits = space->place.number != 0 && space->place.same_rows(place);
  if (!fits && record.sequence < space->seen) return nullptr;
  space->seen = std::max(space->seen, record.sequence);
  if (fits) return space;
  space->place = place;
  space->known = false;
  space->mark = {};
  space->applied = space->vectors = space->epoch_floor = 0;
  ++space->losses;
  space->moments.clear();
  space->queue = {};
  space->touched.clear();
  space->cleaning.reset();
  ++space->published;
  return space;
}

// Without `always`, one that was read a moment ago will do.
Result<void> RemoteIndex::read_mark(RemoteSpace& space, const SpaceRecord& to, bool always, const Control* control) {
  VersionPlace place;
  std::uint64_t published = 0;
  {
    const std::lock_guard lock(space.mutex);
    if (space.place.dimension == 0) {
      space.known = true;
      return {};
    }
    if (!always && space.known && is_fresh(space)) return {};
    place = space.place;
    published = space.published;
  }
  const auto began = Clock::now();
  auto read = store_->mark(place, control);
  if (!read && read.error().code != Errc::not_found) return read.error();
  VersionMark mark = read ? *read : VersionMark{};
  FRACTAL_TRY_INTO(const bool lost, has_lost(source_.newest, to, mark.applied));
  const std::lock_guard lock(space.mutex);
  if (!space.place.same_rows(place)) return make_error(Errc::unavailable, "{}: the space has changed", name);
  if (lost) space.epoch_floor = std::max(space.epoch_floor, mark.epoch);
  if (mark.epoch <= space.epoch_floor) mark = {};
  if (space.published != published && space.known && mark.epoch <= space.mark.epoch) {
    // This process has written meanwhile: what it knows is newer, but for what others say of the same epoch.
    if (mark.epoch != space.mark.epoch) return {};
    space.read_at = began;
    space.mark.cleaned = std::max(space.mark.cleaned, mark.cleaned);
    space.mark.raw = space.mark.raw || mark.raw;
    space.mark.again = space.mark.again || mark.again;
    return {};
  }
  space.read_at = began;
  adopt(space, mark);
  // Whoever delivered it: nothing is wrong any more.
  if (space.applied >= space.seen) space.problem.clear();
  return {};
}

// Under the space's lock. What is read is believed, also if it is less than this process knew: the server may have lost
// the last writes.
void RemoteIndex::adopt(RemoteSpace& space, const VersionMark& mark) {
  const bool same = space.known && mark.epoch == space.mark.epoch;
  space.known = true;
  if (same && mark.epoch == 0) return;
  if (same && mark.applied >= space.mark.applied) {
    space.mark.cleaned = std::max(space.mark.cleaned, mark.cleaned);
    space.mark.raw = space.mark.raw || mark.raw;
    space.mark.again = space.mark.again || mark.again;
    space.mark.token = std::max(space.mark.token, mark.token);
    space.mark.last_id = std::max(space.mark.last_id, mark.last_id);
    space.mark.applied = mark.applied;
    space.mark.vectors = mark.vectors;
    if (mark.applied <= space.applied) return;
    space.applied = mark.applied;
    space.vectors = mark.vectors;
    space.moments.note(mark.applied, mark.vectors, false);
    return;
  }
  const bool raw = same && space.mark.raw, again = same && space.mark.again;
  space.mark = mark;
  space.mark.raw = mark.raw || raw;
  space.mark.again = mark.again || again;
  space.applied = mark.applied;
  space.vectors = mark.vectors;
  space.moments.clear();
  if (mark.epoch != 0) space.moments.note(mark.applied, mark.vectors, false);
  if (!space.queue.empty() && space.queue.from() > space.applied) space.behind = true;
  ++space.published;
}

// Under the space's lock.
bool RemoteIndex::is_fresh(const RemoteSpace& space) const { return Clock::now() - space.read_at < setting_.grace / 4; }

// Under the space's lock. What was there is lost, or not to be trusted: it is read again, and for good: loaded anew, whatever
// the server says of it.
void RemoteIndex::forget(RemoteSpace& space, bool for_good) {
  if (for_good) space.epoch_floor = std::max(space.epoch_floor, space.mark.epoch);
  space.known = false;
  space.mark = {};
  space.applied = space.vectors = 0;
  space.moments.clear();
  ++space.losses;
  ++space.published;
}

void RemoteIndex::note_failure(RemoteSpace& space, const Error& error) {
  const std::lock_guard lock(space.mutex);
  space.problem = error.message;
  if (error.code != Errc::not_found) return;
  // A server that loses again and again what it is given is not given it all the time.
  if (Clock::now() - space.distrusted_at >= setting_.grace) {
    space.distrusted_at = Clock::now();
    space.distrusted = 0;
  }
  forget(space, space.distrusted++ < most_distrusted);
}

// A commit that is not newer than what is applied: the storage was set back, by a backup or a failover that lost commits, or
// somebody else has delivered it.
Result<bool> RemoteIndex::was_set_back(RemoteSpace& space, const SpaceRecord& to) {
  std::uint64_t applied = 0;
  {
    const std::lock_guard lock(space.mutex);
    applied = space.applied;
  }
  FRACTAL_TRY_INTO(const bool lost, has_lost(source_.newest, to, applied));
  if (!lost) return false;
  const std::lock_guard lock(space.mutex);
  forget(space, true);
  return true;
}

// ---- Delivering --------------------------------------------------------------------------------------------------

Result<std::uint64_t> RemoteIndex::send(const VersionPlace& place, std::uint64_t epoch,
                                        std::span<const Version> versions) {
  std::uint64_t token = 0;
  std::size_t begin = 0;
  while (begin < versions.size()) {
    std::size_t end = begin, bytes = 0;
    while (end < versions.size() && end - begin < setting_.batch_rows && bytes < setting_.batch_bytes) {
      // A tombstone may have to have a vector there, too.
      bytes += place.dimension * sizeof(float) + versions[end].fields.key.size() + sizeof(Version);
      ++end;
    }
    FRACTAL_TRY_INTO(const std::uint64_t sent,
                     store_->insert(place, epoch, versions.subspan(begin, end - begin), &own_control_));
    token = std::max(token, sent);
    begin = end;
  }
  return token;
}

// What was delivered to is there, as far as this process knows, and nobody has begun anew since.
Result<void> RemoteIndex::check_begun(RemoteSpace& space, Begun begun) {
  if (space.mark.epoch == begun.epoch && space.losses == begun.losses) return {};
  space.behind = true;
  return make_error(Errc::unavailable, "{}: space {} was loaded anew, or lost, meanwhile", name, space.place.number);
}

// `touched`: memories that may have superseded versions now.
Result<void> RemoteIndex::publish(RemoteSpace& space, const VersionMark& mark, Begun begun,
                                  std::span<const MemoryId> touched, bool contiguous) {
  VersionPlace place;
  const bool new_epoch = mark.epoch != begun.epoch;
  {
    const std::lock_guard lock(space.mutex);
    FRACTAL_TRY(check_begun(space, begun));
    place = space.place;
  }
  FRACTAL_TRY(store_->put_mark(place, mark, new_epoch));
  const std::lock_guard lock(space.mutex);
  FRACTAL_TRY(check_begun(space, begun));
  if (new_epoch) {
    space.moments.clear();
    space.cleaning.reset();
    space.epoch_since = Clock::now();
    space.old_epochs = true;
  }
  const std::uint64_t cleaned = new_epoch ? 0 : space.mark.cleaned;
  space.mark = mark;
  space.mark.cleaned = std::max(mark.cleaned, cleaned);
  space.known = true;
  space.applied = mark.applied;
  space.vectors = mark.vectors;
  space.moments.note(mark.applied, mark.vectors, contiguous && !new_epoch);
  space.problem.clear();
  ++space.published;
  if (space.touched.size() < most_touched) space.touched.insert(space.touched.end(), touched.begin(), touched.end());
  return {};
}

// With `feeding` held. Changes of all commits after what was applied when it was begun, or (anew) all that the space has.
Result<void> RemoteIndex::deliver(RemoteSpace& space, const SpaceRecord& to, std::span<const VectorChange> changes,
                                  Begun begun, bool anew) {
  VersionPlace place;
  VersionMark before;
  {
    const std::lock_guard lock(space.mutex);
    FRACTAL_TRY(check_begun(space, begun));
    place = space.place;
    if (place.dimension == 0 || (changes.empty() && (!anew || to.vectors == 0))) {
      space.applied = to.sequence;
      space.vectors = to.vectors;
      space.moments.note(to.sequence, to.vectors, true);
      space.known = true;
      return {};
    }
    before = space.mark;
    if (anew) before = {.epoch = epoch_after(std::max(space.mark.epoch, space.epoch_floor))};
  }
  Versions versions(to, before, anew, false);
  for (const VectorChange& change : changes) FRACTAL_TRY(versions.add(change));
  FRACTAL_TRY_INTO(const std::uint64_t token, send(place, before.epoch, versions.batch()));
  return publish(space, versions.mark(to, token), begun, versions.touched(), true);
}

// With `feeding` held. Batch by batch, whatever there is of it.
Result<void> RemoteIndex::pull_into(RemoteSpace& space, const SpaceRecord& to, const Pull& pull, bool anew) {
  VersionPlace place;
  VersionMark before;
  Begun begun;
  std::uint64_t applied = 0;
  {
    const std::lock_guard lock(space.mutex);
    place = space.place;
    before = space.mark;
    begun = RemoteIndex::begun(space);
    // Removals before the horizon are forgotten.
    anew = anew || before.epoch == 0 || space.applied < to.horizon;
    if (!anew) applied = space.applied;
    if (anew) before = {.epoch = epoch_after(std::max(space.mark.epoch, space.epoch_floor))};
  }
  const bool one_commit = !anew && to.sequence == applied + 1;
  // Of what happened in between another program may have delivered more than the last state.
  Versions versions(to, before, anew, !anew && !one_commit);
  VectorChanges pulled;
  std::uint64_t token = 0;
  std::size_t rows_unmarked = 0, sends_unmarked = 0;
  bool any = false;
  const auto flush = [&]() -> Result<void> {
    for (const VectorChange& change : pulled.views()) FRACTAL_TRY(versions.add(change));
    FRACTAL_TRY_INTO(const std::uint64_t sent, send(place, before.epoch, versions.batch()));
    token = std::max(token, sent);
    rows_unmarked += versions.batch().size();
    versions.clear();
    pulled.clear();
    if (anew || (rows_unmarked < most_unmarked_rows && ++sends_unmarked < most_unmarked_sends)) return {};
    rows_unmarked = sends_unmarked = 0;
    return store_->put_mark(place, versions.mark_so_far(token), false);
  };
  Result<void> sent;
  FRACTAL_TRY(pull(applied, [&](const VectorChange& change) {
    if (change.sequence <= applied || (anew && change.vector.empty())) return true;
    any = true;
    pulled.add(change);
    const bool full =
        pulled.size() >= setting_.batch_rows || pulled.components() * sizeof(float) >= setting_.batch_bytes;
    if (full) sent = flush();
    return sent.has_value() && !stopping_;
  }));
  FRACTAL_TRY(std::move(sent));
  if (stopping_) return make_error(Errc::unavailable, "{}: it is being closed", name);
  FRACTAL_TRY(flush());
  if (!any && (!anew || to.vectors == 0)) {
    const std::lock_guard lock(space.mutex);
    FRACTAL_TRY(check_begun(space, begun));
    if (anew) space.mark = {};
    space.known = true;
    space.applied = to.sequence;
    space.vectors = to.vectors;
    space.moments.note(to.sequence, to.vectors, !anew);
    return {};
  }
  if (anew) FRACTAL_TRY(check_still_there(source_.newest, to));
  return publish(space, versions.mark(to, token), begun, versions.touched(), one_commit);
}

// ---- VectorIndex -------------------------------------------------------------------------------------------------

Result<void> RemoteIndex::apply(const SpaceRecord& to, std::uint64_t from, std::span<const VectorChange> changes) {
  const auto space = space_of(to);
  if (!space) return {};
  auto done = guarded(name, [&] {
    return setting_.wait ? apply_now(*space, to, from, changes) : apply_later(*space, to, from, changes);
  });
  if (done) return done;
  note_failure(*space, done.error());
  if (done.error().code == Errc::corruption) return done;
  return Error{Errc::unavailable, done.error().message};
}

Result<void> RemoteIndex::apply_now(RemoteSpace& space, const SpaceRecord& to, std::uint64_t from,
                                    std::span<const VectorChange> changes) {
  const std::lock_guard turn(space.feeding);
  FRACTAL_TRY(read_mark(space, to, false));
  FRACTAL_TRY(was_set_back(space, to));
  std::uint64_t applied = 0;
  Begun begun;
  {
    const std::lock_guard lock(space.mutex);
    applied = space.applied;
    begun = RemoteIndex::begun(space);
  }
  const bool all = are_all(to, changes);
  const bool in_place = applied < to.sequence && (applied == from || (applied == 0 && all));
  if (!in_place) return {};
  return deliver(space, to, changes, begun, begun.epoch == 0);
}

Result<void> RemoteIndex::apply_later(RemoteSpace& space, const SpaceRecord& to, std::uint64_t from,
                                      std::span<const VectorChange> changes) {
  FRACTAL_TRY(was_set_back(space, to));
  bool anything = false;
  {
    const std::lock_guard lock(space.mutex);
    const bool in_place = space.known && !space.behind && (space.sends() ? space.tail : space.applied) == from;
    if (in_place && changes.empty() && !space.sends()) {
      space.applied = to.sequence;
      space.vectors = to.vectors;
      space.moments.note(to.sequence, to.vectors, true);
      return {};
    }
    const bool room = space.bytes() + VectorChanges::bytes_of(changes) <= setting_.queue_bytes;
    if (in_place && room) {
      space.queue.add(to, from, changes);
      space.tail = to.sequence;
    } else if (to.sequence > space.applied) {
      space.queue = {};  // the storage has it
      space.behind = true;
    }
    anything = space.behind || !space.queue.empty();
  }
  if (anything) wake(to.number);
  return {};
}

Result<void> RemoteIndex::catch_up(const SpaceRecord& to, const Pull& pull) {
  const auto space = space_of(to);
  if (!space) return make_error(Errc::unavailable, "{}: the vectors of that moment are not in it", name);
  Result<void> pulled;  // an error of it is the storage's
  const Pull noted_pull = [&](std::uint64_t after, const VectorVisitor& visit) { return pulled = pull(after, visit); };
  auto done = guarded(name, [&]() -> Result<void> {
    std::unique_lock turn(space->feeding, std::defer_lock);
    bool read = true;
    {
      const std::lock_guard lock(space->mutex);
      if (space->known && space->applied >= to.sequence) return {};
      if (!setting_.wait && space->known && Clock::now() < space->not_before) {
        return make_error(Errc::unavailable, "{}: {}", name, space->problem);
      }
      // Another program may have delivered what this one does not.
      read = setting_.wait || !space->known || !space->sends();
    }
    if (setting_.wait) turn.lock();
    if (read) FRACTAL_TRY(read_mark(*space, to, true));
    std::uint64_t applied = 0;
    {
      const std::lock_guard lock(space->mutex);
      applied = space->applied;
      if (applied >= to.sequence) return {};
      if (!space->sends()) space->behind = true;
    }
    if (setting_.wait) {
      FRACTAL_TRY(pull_into(*space, to, noted_pull, false));
      const std::lock_guard lock(space->mutex);
      space->behind = false;
      return {};
    }
    wake(to.number);
    return make_error(Errc::unavailable, "{}: it has what was written up to {}, not yet {}", name, applied,
                      to.sequence);
  });
  if (done || !pulled) return done;
  if (setting_.wait) note_failure(*space, done.error());
  if (done.error().code == Errc::corruption) return done;
  return Error{Errc::unavailable, done.error().message};
}

}  // namespace fractal
