// Invariant: the index never decides what is true. A moment that it does not know for sure, a server that does not answer
// and an answer that would be short are `unavailable`, and the core compares the rows.
#include "src/remote_index.h"

#include "src/error.h"
#include "src/guarded.h"
#include "src/validate.h"
#include "src/vector_query.h"

#include <algorithm>

namespace fractal {
namespace {
constexpr std::string_view name = "vector index";
constexpr int most_mark_reads = 3;
// An epoch that was begun within it may have got its mark just now.
constexpr std::chrono::hours longest_load{24};

bool is_recent(std::uint64_t epoch) { return std::chrono::system_clock::now() - begun_at(epoch) < longest_load; }
}  // namespace

// The space as of the moment that is asked for, if that is known for sure.
Result<SearchedRemote> RemoteIndex::searched(RemoteSpace& space, const SpaceRecord& record, const VectorQuery& query) {
  bool known = false, fresh = false;
  {
    const std::lock_guard lock(space.mutex);
    known = space.known;
    fresh = is_fresh(space);
  }
  // Others' marks are read while this process writes its own: what is older than both says nothing.
  for (int tries = 0; known && !fresh && tries < most_mark_reads; ++tries) {
    FRACTAL_TRY(read_mark(space, record, false, query.control));
    const std::lock_guard lock(space.mutex);
    fresh = is_fresh(space);
  }
  const std::lock_guard lock(space.mutex);
  const bool knows = space.known && fresh && query.as_of <= space.applied && query.as_of >= space.mark.cleaned &&
                     (query.as_of == space.applied || space.moments.knows(query.as_of));
  std::optional<std::uint64_t> living;
  if (query.as_of == record.sequence) {
    living = record.vectors;
  } else if (query.as_of == space.applied) {
    living = space.vectors;
  } else {
    living = space.moments.vectors(query.as_of);
  }
  if (knows && living) return SearchedRemote{.place = space.place, .mark = space.mark, .living = *living};
  return make_error(Errc::unavailable, "{}: it knows nothing of space {} as of {}", name, record.number, query.as_of);
}

Result<VectorHits> RemoteIndex::search(const SpaceRecord& record, const VectorQuery& query) {
  FRACTAL_TRY(check_query(record.dimension, record.metric, query));
  if (query.as_of == record.sequence && record.vectors == 0) return VectorHits{};
  const auto space = space_of(record);
  if (!space) return make_error(Errc::unavailable, "{}: the vectors of that moment are not in it", name);
  const auto began = Clock::now();
  auto hits = guarded(name, [&]() -> Result<VectorHits> {
    FRACTAL_TRY_INTO(const SearchedRemote as_of, searched(*space, record, query));
    return search_remote(*store_, as_of, record, query);
  });
  // What was superseded by then may have been cleaned away meanwhile: neither an answer nor a gap says anything.
  if (Clock::now() - began > setting_.grace / 4) {
    return make_error(Errc::unavailable, "{}: the search took too long to be trusted", name);
  }
  if (hits || hits.error().code == Errc::invalid_argument) return hits;
  if (hits.error().code == Errc::not_found || hits.error().code == Errc::corruption || hits.error().code == Errc::io ||
      hits.error().code == Errc::unsupported) {
    note_failure(*space, hits.error());
  }
  return Error{Errc::unavailable, hits.error().message};
}

Error RemoteIndex::note_lost(RemoteSpace& space, Error error) {
  if (error.code == Errc::not_found) note_failure(space, error);
  return error;
}

// With `feeding` held: what is there as of the record, once it is.
Result<SearchedRemote> RemoteIndex::brought_up_to(RemoteSpace& space, const SpaceRecord& record, const Pull& pull,
                                                  const Control& control) {
  FRACTAL_TRY(read_mark(space, record, true, &control));
  std::uint64_t applied = 0;
  {
    const std::lock_guard lock(space.mutex);
    applied = space.applied;
  }
  if (applied < record.sequence) FRACTAL_TRY(pull_into(space, record, pull, false));
  const std::lock_guard lock(space.mutex);
  return SearchedRemote{.place = space.place, .mark = space.mark, .living = record.vectors};
}

Result<std::vector<std::string>> RemoteIndex::verify(const SpaceRecord& record, const Pull& pull,
                                                     const Control& control) {
  return guarded(name, [&]() -> Result<std::vector<std::string>> {
    const auto space = space_of(record);
    if (!space || record.dimension == 0) return std::vector<std::string>{};
    const std::lock_guard turn(space->feeding);
    FRACTAL_TRY_INTO(const SearchedRemote searched, brought_up_to(*space, record, pull, control));
    // Nothing is to be said of a moment whose versions may be gone.
    if (searched.mark.cleaned > record.sequence) return std::vector<std::string>{};
    auto found = compare_remote(*store_, searched, record, pull, nullptr, control);
    if (!found) return note_lost(*space, std::move(found).error());
    return std::move(found->sentences);
  });
}

Result<ReconcileReport> RemoteIndex::reconcile(const SpaceRecord& record, const Pull& pull, const Control& control) {
  return guarded(name, [&]() -> Result<ReconcileReport> {
    const auto space = space_of(record);
    if (!space || record.dimension == 0) return ReconcileReport{};
    const std::lock_guard turn(space->feeding);
    FRACTAL_TRY_INTO(SearchedRemote searched, brought_up_to(*space, record, pull, control));
    if (searched.mark.epoch == 0) return ReconcileReport{};
    Begun begun{.epoch = searched.mark.epoch};
    {
      const std::lock_guard lock(space->mutex);
      begun.losses = space->losses;
    }
    VectorChanges changes;
    const auto write = [&]() -> Result<void> {
      std::vector<Version> versions;
      for (const VectorChange& change : changes.views()) {
        FRACTAL_TRY_INTO(Version version, version_of(record, change));
        searched.mark.raw = searched.mark.raw || version.kind == VersionKind::raw;
        versions.push_back(std::move(version));
      }
      FRACTAL_TRY_INTO(const std::uint64_t token, send(searched.place, searched.mark.epoch, versions));
      searched.mark.token = std::max(searched.mark.token, token);
      changes.clear();
      return {};
    };
    const RemoteMend mend{.write = [&](std::span<const VectorChange> some) -> Result<void> {
                            for (const VectorChange& change : some) changes.add(change);
                            if (changes.empty() || (!some.empty() && changes.size() < 100)) return {};
                            return write();
                          },
                          .erase =
                              [&](std::span<const VersionStore::Name> names) {
                                return store_->erase(searched.place, searched.mark.epoch, names);
                              }};
    const auto compared = compare_remote(*store_, searched, record, pull, &mend, control);
    if (!compared) return note_lost(*space, compared.error());
    const RemoteDifferences& found = *compared;
    if (found.missing + found.stale + found.orphans != 0) {
      VersionMark mark;
      {
        // What others delivered meanwhile counts on.
        const std::lock_guard lock(space->mutex);
        mark = space->mark;
        mark.raw = mark.raw || searched.mark.raw;
        mark.token = std::max(mark.token, searched.mark.token);
        if (mark.applied <= record.sequence) {
          mark.applied = record.sequence;
          mark.vectors = record.vectors;
          mark.last_id = std::max(mark.last_id, record.last_id);
        }
      }
      mark.again = true;
      FRACTAL_TRY(publish(*space, mark, begun, {}, false));
    }
    return ReconcileReport{
        .vectors = found.vectors, .missing = found.missing, .stale = found.stale, .orphans = found.orphans};
  });
}

// In a new epoch, if something of what is there is dead, or may be. Returns the mark that counts now.
Result<std::optional<VersionMark>> RemoteIndex::load_anew(std::uint64_t number, const Control& control) {
  std::optional<Space> of;
  if (const auto space = spaces_.find(number)) {
    const std::lock_guard lock(space->mutex);
    of = space->place.space;
  } else if (source_.space) {
    FRACTAL_TRY_INTO(of, source_.space(number));
  }
  std::optional<VersionMark> now;
  if (!of) return now;
  FRACTAL_TRY(source_.read(*of, columns(), [&](const SpaceRecord& record, const Pull& pull) -> Result<void> {
    const auto space = record.number == number ? space_of(record) : nullptr;
    if (!space || record.dimension == 0) return {};
    const std::lock_guard turn(space->feeding);
    FRACTAL_TRY(read_mark(*space, record, true, &control));
    bool dead = false;
    {
      const std::lock_guard lock(space->mutex);
      dead = space->mark.again || space->mark.applied < record.sequence;
      if (space->mark.epoch == 0) return {};
    }
    if (dead) FRACTAL_TRY(pull_into(*space, record, pull, true));
    const std::lock_guard lock(space->mutex);
    now = space->mark;
    if (space->mark.epoch == 0) now.reset();
    return {};
  }));
  return now;
}

// The old epochs go once every reader has seen that there is a new one, or given up.
Result<void> RemoteIndex::build(std::uint64_t number, bool anew, const Control& control) {
  if (!anew) return {};
  return guarded(name, [&]() -> Result<void> {
    FRACTAL_TRY_INTO(const auto mark, load_anew(number, control));
    const auto space = spaces_.find(number);
    if (!mark || !space) return {};
    VersionPlace place;
    Clock::time_point unread;
    {
      const std::lock_guard lock(space->mutex);
      place = space->place;
      const bool own = space->epoch_since != Clock::time_point();
      const auto since = own ? space->epoch_since : is_recent(mark->epoch) ? Clock::now() : Clock::time_point();
      unread = since + setting_.grace / 2;
    }
    while (Clock::now() < unread && !stopping_) {
      FRACTAL_TRY(check_control(control, "maintain"));
      std::this_thread::sleep_for(std::min<Clock::duration>(unread - Clock::now(), std::chrono::milliseconds(20)));
    }
    FRACTAL_TRY(store_->erase_epochs_before(place, mark->epoch));
    const std::lock_guard lock(space->mutex);
    if (space->mark.epoch == mark->epoch) space->old_epochs = false;
    return {};
  });
}

}  // namespace fractal
