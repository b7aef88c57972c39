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
}

Result<VectorHits> RemoteIndex::search(const SpaceRecord& record, const VectorQuery& query) {
  FRACTAL_TRY(check_query(record.dimension, record.metric, query));
  if (query.as_of == record.sequence && record.vectors == 0) return VectorHits{};
  const auto space = space_of(record);
  if (!space) return make_error(Errc::unavailable, "{}: the vectors of that moment are not in it", name);
  const auto began = Clock::now();
  auto hits = guarded(name, [&]() -> Result<VectorHits> {
    bool known = false;
    {
      const std::lock_guard lock(space->mutex);
      known = space->known;
    }
    if (known) FRACTAL_TRY(read_mark(*space, record, false));
    SearchedRemote searched;
    {
      const std::lock_guard lock(space->mutex);
      const bool knows = space->known && query.as_of <= space->applied && query.as_of >= space->mark.cleaned &&
                         (query.as_of == space->applied || space->moments.knows(query.as_of));
      std::optional<std::uint64_t> living;
      if (query.as_of == record.sequence) {
        living = record.vectors;
      } else if (query.as_of == space->applied) {
        living = space->vectors;
      } else {
        living = space->moments.vectors(query.as_of);
      }
      if (!knows || !living) {
        return make_error(Errc::unavailable, "{}: it knows nothing of space {} as of {}", name, record.number,
                          query.as_of);
      }
      searched = {.place = space->place, .mark = space->mark, .living = *living};
    }
    return search_remote(*store_, searched, record, query);
  });
  if (!hits) {
    if (hits.error().code == Errc::invalid_argument) return hits;
    if (hits.error().code == Errc::not_found || hits.error().code == Errc::corruption ||
        hits.error().code == Errc::io || hits.error().code == Errc::unsupported) {
      note_failure(*space, hits.error());
    }
    return Error{Errc::unavailable, hits.error().message};
  }
  // What was superseded by then may have been cleaned away meanwhile.
  if (Clock::now() - began > setting_.grace / 4) {
    return make_error(Errc::unavailable, "{}: the search took too long to be trusted", name);
  }
  return hits;
}

Error RemoteIndex::note_lost(RemoteSpace& space, Error error) {
  if (error.code == Errc::not_found) note_failure(space, error);
  return error;
}

// With `feeding` held: what is there as of the record, once it is.
Result<SearchedRemote> RemoteIndex::brought_up_to(RemoteSpace& space, const SpaceRecord& record, const Pull& pull) {
  FRACTAL_TRY(read_mark(space, record, true));
  std::uint64_t applied = 0;
  {
    const std::lock_guard lock(space.mutex);
    applied = space.applied;
  }
  if (applied < record.sequence) FRACTAL_TRY(pull_into(space, record, pull, applied < record.horizon));
  const std::lock_guard lock(space.mutex);
  return SearchedRemote{.place = space.place, .mark = space.mark, .living = record.vectors};
}

Result<std::vector<std::string>> RemoteIndex::verify(const SpaceRecord& record, const Pull& pull,
                                                     const Control& control) {
  return guarded(name, [&]() -> Result<std::vector<std::string>> {
    const auto space = space_of(record);
    if (!space || record.dimension == 0) return std::vector<std::string>{};
    const std::lock_guard turn(space->feeding);
    FRACTAL_TRY_INTO(const SearchedRemote searched, brought_up_to(*space, record, pull));
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
    FRACTAL_TRY_INTO(SearchedRemote searched, brought_up_to(*space, record, pull));
    if (searched.mark.epoch == 0) return ReconcileReport{};
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
      VersionMark mark = searched.mark;
      {
        const std::lock_guard lock(space->mutex);
        mark.applied = std::max(record.sequence, space->mark.applied);
        if (mark.applied == record.sequence) mark.vectors = record.vectors;
      }
      mark.again = true;
      FRACTAL_TRY(publish(*space, mark, {}, false));
    }
    return ReconcileReport{
        .vectors = found.vectors, .missing = found.missing, .stale = found.stale, .orphans = found.orphans};
  });
}

Result<ReconcileReport> RemoteIndex::reconcile(std::uint64_t number, const Control& control) {
  const auto space = spaces_.find(number);
  ReconcileReport report;
  if (!space) return report;
  Space of;
  {
    const std::lock_guard lock(space->mutex);
    of = space->place.space;
  }
  FRACTAL_TRY(source_.read(of, columns(), [&](const SpaceRecord& record, const Pull& pull) -> Result<void> {
    if (record.number != number) return {};
    FRACTAL_TRY_INTO(report, reconcile(record, pull, control));
    return {};
  }));
  return report;
}

// Anew: in a new epoch. The old ones go once every reader has seen that, or given up.
Result<void> RemoteIndex::build(std::uint64_t number, bool anew, const Control& control) {
  return guarded(name, [&]() -> Result<void> {
    if (!anew) {
      FRACTAL_TRY(reconcile(number, control));
      return {};
    }
    const auto space = spaces_.find(number);
    if (!space) return {};
    Space of;
    {
      const std::lock_guard lock(space->mutex);
      of = space->place.space;
    }
    return source_.read(of, columns(), [&](const SpaceRecord& record, const Pull& pull) -> Result<void> {
      const auto now = space_of(record);
      if (record.number != number || now != space || record.dimension == 0) return {};
      const std::lock_guard turn(space->feeding);
      FRACTAL_TRY(read_mark(*space, record, true));
      FRACTAL_TRY(pull_into(*space, record, pull, true));
      VersionPlace place;
      std::uint64_t epoch = 0;
      {
        const std::lock_guard lock(space->mutex);
        place = space->place;
        epoch = space->mark.epoch;
        space->old_epochs = false;
      }
      if (epoch == 0) return {};
      const auto unread = Clock::now() + setting_.grace / 2;
      while (Clock::now() < unread && !stopping_) {
        FRACTAL_TRY(check_control(control, "maintain"));
        std::this_thread::sleep_for(std::min<Clock::duration>(unread - Clock::now(), std::chrono::milliseconds(20)));
      }
      return store_->erase_epochs_before(place, epoch);
    });
  });
}

}  // namespace fractal
