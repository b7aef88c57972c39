// Invariant: a score is VectorScorer's, from the float32 as they were stored. An answer has min(k, matched) entries, each
// of them the version that was living at the moment asked for; what cannot be had so is `unavailable`. It says exact
// only where every vector in question was compared here.
#include "src/remote_index.h"

#include "src/best.h"
#include "src/error.h"
#include "src/kernels.h"
#include "src/validate.h"
#include "src/vector_score.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <unordered_map>

namespace fractal {
namespace {

constexpr std::size_t few_ids = 1'000;             // compared here, one by one
constexpr std::size_t most_counted = 200'000;      // ids whose versions are looked up to count them
constexpr std::uint64_t small_bytes = 256u << 10;  // of a space's vectors: all are fetched, for an exact answer
constexpr std::uint64_t most_bytes_listed = 64u << 20;
constexpr std::size_t bytes_per_call = 4u << 20;

class RemoteSearch {
 public:
  RemoteSearch(VersionStore& store, const SearchedRemote& space, const SpaceRecord& record, const VectorQuery& query)
      : store_(store),
        space_(space),
        record_(record),
        query_(query),
        moment_{.epoch = space.mark.epoch, .as_of = query.as_of, .token = space.mark.token},
        scorer_(space.place.metric, query.vector),
        best_(query.k) {
    // Younger ones have no version there.
    for (const MemoryId id : query.excluded) {
      if (id - first_id(space.place.number) <= space.mark.last_id) excluded_.push_back(id);
    }
  }

  Result<VectorHits> run() {
    if (space_.living == 0) return std::move(hits_);
    if (query_.allowed) {
      std::set_difference(query_.allowed->begin(), query_.allowed->end(), query_.excluded.begin(),
                          query_.excluded.end(), std::back_inserter(wanted_));
      if (wanted_.empty()) return std::move(hits_);
      if (wanted_.size() <= few_ids) return compare_wanted();
    }
    FRACTAL_TRY_INTO(hits_.matched, count());
    const std::uint64_t need = std::min<std::uint64_t>(query_.k, hits_.matched);
    if (need == 0) return std::move(hits_);
    const bool small = bytes_of_all() <= small_bytes;
    choose_condition();
    const bool proposes = choose_asked() && !small && !query_.exact && first_fetch(need) <= store_.most_k();
    if (proposes) {
      FRACTAL_TRY_INTO(const bool enough, propose(need));
      if (enough) return std::move(hits_);
    }
    return compare_all();
  }

 private:
  // ---- Versions ----

  // Of each memory the latest, unless that is a tombstone.
  static std::vector<StoredVersion> living(std::vector<StoredVersion> versions) {
    std::sort(versions.begin(), versions.end(), VersionOrder());
    std::vector<StoredVersion> latest;
    for (std::size_t i = 0; i < versions.size(); ++i) {
      const bool superseded = i + 1 < versions.size() && versions[i + 1].id == versions[i].id;
      if (!superseded && versions[i].kind != VersionKind::removed) latest.push_back(std::move(versions[i]));
    }
    return latest;
  }

  Result<void> check() const {
    return query_.control != nullptr ? check_control(*query_.control, "vector search") : Result<void>();
  }

  Result<std::vector<StoredVersion>> living_of(std::span<const MemoryId> ids, bool with_vectors) {
    std::vector<StoredVersion> all;
    std::size_t step = store_.most_ids();
    if (with_vectors)
      step = std::min(step, std::max<std::size_t>(bytes_per_call / (space_.place.dimension * sizeof(float)), 1));
    for (std::size_t begin = 0; begin < ids.size(); begin += step) {
      FRACTAL_TRY(check());
      const auto some = ids.subspan(begin, std::min(step, ids.size() - begin));
      FRACTAL_TRY_INTO(auto versions, store_.versions(space_.place, moment_, some, with_vectors, query_.control));
      auto latest = living(std::move(versions));
      all.insert(all.end(), std::make_move_iterator(latest.begin()), std::make_move_iterator(latest.end()));
    }
    return all;
  }

  // Those that are living now: a proposal may have a later version that is not among the proposals.
  Result<std::vector<StoredVersion>> without_superseded(std::vector<StoredVersion> proposals) {
    if (!space_.mark.again || proposals.empty()) return proposals;
    FRACTAL_TRY_INTO(const auto latest, living_of(ids_of(proposals), false));
    std::unordered_map<MemoryId, std::uint64_t> born;
    for (const StoredVersion& version : latest) born.emplace(version.id, version.born);
    std::erase_if(proposals, [&](const StoredVersion& version) {
      const auto found = born.find(version.id);
      return found == born.end() || found->second != version.born;
    });
    return proposals;
  }

  bool is_wanted(MemoryId id) const {
    if (query_.allowed) return std::binary_search(wanted_.begin(), wanted_.end(), id);
    return !std::binary_search(excluded_.begin(), excluded_.end(), id);
  }

  // ---- Counting ----

  // Allowed are ids of memories that there are, if the core asks about the newest moment: each of them has a vector then.
  bool all_have() const {
    return record_.sequence == query_.as_of && record_.memories != 0 && record_.vectors == record_.memories;
  }

  Result<std::uint64_t> count() {
    if (query_.allowed) return all_have() ? wanted_.size() : count_living(wanted_);
    FRACTAL_TRY_INTO(const std::uint64_t left_out, count_living(excluded_));
    if (left_out > space_.living) return unsound();
    return space_.living - left_out;
  }

  Result<std::uint64_t> count_living(std::span<const MemoryId> ids) {
    if (ids.size() > most_counted) {
      return make_error(Errc::unavailable, "vector index: {} memories are too many to be looked up", ids.size());
    }
    FRACTAL_TRY_INTO(const auto versions, living_of(ids, false));
    return versions.size();
  }

  Error unsound() const {
    return make_error(Errc::not_found, "vector index: space {}: it has other vectors than the rows",
                      space_.place.number);
  }

  // ---- Comparing ----

  std::uint64_t bytes_of_all() const { return space_.living * space_.place.dimension * sizeof(float); }

  Result<void> offer(const std::vector<StoredVersion>& versions, Best& best) {
    for (const StoredVersion& version : versions) {
      if (version.vector.size() != space_.place.dimension) {
        return make_error(Errc::corruption, "vector index: memory {} has {} components, its space {}", version.id,
                          version.vector.size(), space_.place.dimension);
      }
      best.offer(version.id, scorer_(version.vector));
    }
    hits_.visited += versions.size();
    return {};
  }

  Result<VectorHits> compare_wanted() {
    FRACTAL_TRY_INTO(const auto versions, living_of(wanted_, query_.k != 0));
    if (all_have() && versions.size() != wanted_.size()) return unsound();
    hits_.matched = versions.size();
    if (query_.k != 0) FRACTAL_TRY(offer(versions, best_));
    hits_.entries = best_.take();
    hits_.plan = "compared by id";
    return std::move(hits_);
  }

  // Every vector is fetched.
  Result<VectorHits> compare_all() {
    if (bytes_of_all() > most_bytes_listed) {
      return make_error(Errc::unavailable, "vector index: {} vectors are too many to be fetched", space_.living);
    }
    best_ = Best(query_.k);
    hits_.visited = 0;
    std::uint64_t matched = 0;
    const auto last = first_id(space_.place.number) + space_.mark.last_id;
    FRACTAL_TRY(store_.list(
        space_.place, moment_, last, true,
        [&](std::vector<StoredVersion>&& page) -> Result<void> {
          FRACTAL_TRY(check());
          auto versions = living(std::move(page));
          std::erase_if(versions, [&](const StoredVersion& version) { return !is_wanted(version.id); });
          matched += versions.size();
          return offer(versions, best_);
        },
        query_.control));
    if (matched != hits_.matched) return unsound();
    hits_.entries = best_.take();
    hits_.plan = "all compared";
    return std::move(hits_);
  }

  // The query as the server compares it. For cosines and products its length does not change the order.
  bool choose_asked() {
    const double square = scorer_.square();
    if (space_.place.metric == Metric::l2) {
      asked_.assign(query_.vector.begin(), query_.vector.end());
      return is_comparable(square);
    }
    if (square == 0) return false;
    const double length = std::sqrt(square);
    for (const float component : query_.vector) asked_.push_back(static_cast<float>(component / length));
    return true;
  }

  // Many ids are named by what they have in common, if the server can check that.
  void choose_condition() {
    if (query_.allowed && query_.filter != nullptr) condition_ = store_.condition(*query_.filter, query_.prefix);
  }
  bool passes_only() const { return query_.allowed && !condition_.exact && wanted_.size() <= store_.most_ids(); }
  bool passes_except() const { return !query_.allowed && !excluded_.empty() && excluded_.size() <= store_.most_ids(); }

  std::uint64_t first_fetch(std::uint64_t need) const {
    std::uint64_t fetch = need + std::max<std::uint64_t>(need / 4, 16);
    if (query_.allowed && !passes_only() && condition_.text.empty())
      fetch = fetch * space_.living / std::max<std::uint64_t>(hits_.matched, 1) + fetch / 4;
    if (!query_.allowed && !passes_except()) fetch += excluded_.size();
    return fetch;
  }

  // False: it found too few.
  Result<bool> propose(std::uint64_t need) {
    Best raw(query_.k);
    std::uint64_t raw_found = 0;
    if (space_.mark.raw) {
      FRACTAL_TRY_INTO(auto versions, store_.raw_versions(space_.place, moment_, query_.control));
      FRACTAL_TRY_INTO(versions, without_superseded(std::move(versions)));
      std::erase_if(versions, [&](const StoredVersion& version) { return !is_wanted(version.id); });
      FRACTAL_TRY(offer(versions, raw));
      raw_found = versions.size();
    }
    NearestQuery nearest{.vector = asked_, .control = query_.control};
    if (passes_only()) {
      nearest.only = wanted_;
    } else {
      nearest.condition = condition_.text;
    }
    if (passes_except()) nearest.except = excluded_;
    for (std::uint64_t fetch = first_fetch(need);; fetch *= 4) {
      FRACTAL_TRY(check());
      nearest.k = std::min<std::uint64_t>(fetch, store_.most_k());
      FRACTAL_TRY_INTO(auto proposals, store_.nearest(space_.place, moment_, nearest));
      const bool exhausted = proposals.size() < nearest.k;
      FRACTAL_TRY_INTO(proposals, without_superseded(std::move(proposals)));
      std::erase_if(proposals, [&](const StoredVersion& version) { return !is_wanted(version.id); });
      if (proposals.size() + raw_found >= need) {
        best_ = raw;
        FRACTAL_TRY(offer(proposals, best_));
        hits_.entries = best_.take();
        hits_.exact = proposals.size() + raw_found == hits_.matched;
        hits_.plan = fmt::format("proposed {}{}", nearest.k, nearest.condition.empty() ? "" : " by condition");
        return true;
      }
      if (exhausted || nearest.k == store_.most_k()) return false;
    }
  }

  VersionStore& store_;
  const SearchedRemote& space_;
  const SpaceRecord& record_;
  const VectorQuery& query_;
  const VersionMoment moment_;
  const VectorScorer scorer_;
  Best best_;
  std::vector<MemoryId> excluded_{};  // that have a version there
  std::vector<MemoryId> wanted_{};    // allowed and not excluded
  std::vector<float> asked_{};        // see choose_asked()
  VersionCondition condition_{};      // see choose_condition()
  VectorHits hits_{};
};

}  // namespace

Result<VectorHits> search_remote(VersionStore& store, const SearchedRemote& space, const SpaceRecord& record,
                                 const VectorQuery& query) {
  return RemoteSearch(store, space, record, query).run();
}

}  // namespace fractal
