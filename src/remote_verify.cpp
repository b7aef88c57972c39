// Invariant: rows and index are compared as of one moment: ids, the sequences of their vectors, and the components (by
// their hashes). Afterwards, if it was to be mended, there is no difference.
#include "src/remote_index.h"

#include "src/error.h"
#include "src/validate.h"

#include <algorithm>
#include <functional>
#include <string_view>

namespace fractal {
namespace {

constexpr std::size_t most_sentences = 100, names_per_call = 1'000, rows_per_check = 1'024;

std::uint64_t hash_of(std::span<const float> vector) {
  return std::hash<std::string_view>()({reinterpret_cast<const char*>(vector.data()), vector.size_bytes()});
}

class Comparison {
 public:
  Comparison(VersionStore& store, const SearchedRemote& space, const SpaceRecord& record, const RemoteMend* mend,
             const Control& control)
      : store_(store), space_(space), record_(record), mend_(mend), control_(control) {}

  Result<RemoteDifferences> run(const VectorIndex::Pull& pull) {
    if (space_.mark.epoch != 0) FRACTAL_TRY(list());
    std::sort(entries_.begin(), entries_.end(), VersionOrder());
    FRACTAL_TRY(compare(pull));
    find_orphans();
    if (mend_ != nullptr) FRACTAL_TRY(erase());
    return std::move(found_);
  }

 private:
  struct Entry {
    MemoryId id;
    std::uint64_t born, hash;
    VersionKind kind;
    bool seen = false;
  };

  template <class... Args> void say(fmt::format_string<Args...> format, Args&&... args) {
    if (found_.sentences.size() < most_sentences) {
      found_.sentences.push_back(fmt::format(format, std::forward<Args>(args)...));
    } else if (found_.sentences.size() == most_sentences) {
      found_.sentences.emplace_back("and so on");
    }
  }

  Result<void> list() {
    const VersionMoment moment{.epoch = space_.mark.epoch, .as_of = record_.sequence, .token = space_.mark.token};
    return store_.list(
        space_.place, moment, first_id(space_.place.number) + space_.mark.last_id, true,
        [&](std::vector<StoredVersion>&& page) -> Result<void> {
          FRACTAL_TRY(check_control(control_, "verify"));
          for (const StoredVersion& version : page) {
            const bool removed = version.kind == VersionKind::removed;
            entries_.push_back({version.id, version.born, removed ? 0 : hash_of(version.vector), version.kind});
          }
          return {};
        },
        &control_);
  }

  // Of a memory, from its first version to the one after the last.
  std::span<Entry> versions_of(MemoryId id) {
    const auto less = [](const Entry& entry, MemoryId of) { return entry.id < of; };
    const auto first = std::lower_bound(entries_.begin(), entries_.end(), id, less);
    auto last = first;
    while (last != entries_.end() && last->id == id) ++last;
    return {entries_.data() + (first - entries_.begin()), static_cast<std::size_t>(last - first)};
  }

  Result<void> compare(const VectorIndex::Pull& pull) {
    std::size_t seen = 0;
    Result<void> ok;
    FRACTAL_TRY(pull(0, [&](const VectorChange& change) {
      if (++seen % rows_per_check == 0) ok = check_control(control_, "verify");
      if (!ok || change.vector.empty()) return ok.has_value();
      ++found_.vectors;
      if (compare(change) && mend_ != nullptr) ok = mend_->write({&change, 1});
      return ok.has_value();
    }));
    if (ok && mend_ != nullptr) ok = mend_->write({});
    return ok;
  }

  // Whether the version has to be written.
  bool compare(const VectorChange& change) {
    auto versions = versions_of(change.id);
    for (Entry& entry : versions) entry.seen = true;
    // What was born later than the row's last change is none of its.
    while (!versions.empty() && versions.back().born > change.sequence) {
      superfluous_.emplace_back(change.id, versions.back().born);
      if (versions.back().kind != VersionKind::removed) {
        ++found_.stale;
        say("memory {} has a vector of {}, the row one of {}", change.id, versions.back().born, change.sequence);
      }
      versions = versions.first(versions.size() - 1);
    }
    if (versions.empty() || versions.back().kind == VersionKind::removed) {
      ++found_.missing;
      say("the vector of memory {} is not in it", change.id);
      return true;
    }
    if (versions.back().born == change.sequence && versions.back().hash == hash_of(change.vector)) return false;
    ++found_.stale;
    say("the vector of memory {} is another than the row's", change.id);
    return true;
  }

  void find_orphans() {
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      const Entry& entry = entries_[i];
      if (entry.seen) continue;
      const bool last = i + 1 == entries_.size() || entries_[i + 1].id != entry.id;
      if (!last || entry.kind == VersionKind::removed) continue;
      ++found_.orphans;
      say("memory {} has no vector, but one is in it", entry.id);
      for (const Entry& version : versions_of(entry.id)) superfluous_.emplace_back(version.id, version.born);
    }
  }

  Result<void> erase() {
    for (std::size_t begin = 0; begin < superfluous_.size(); begin += names_per_call) {
      FRACTAL_TRY(mend_->erase(std::span<const VersionStore::Name>(superfluous_)
                                   .subspan(begin, std::min(names_per_call, superfluous_.size() - begin))));
    }
    return {};
  }

  VersionStore& store_;
  const SearchedRemote& space_;
  const SpaceRecord& record_;
  const RemoteMend* mend_;
  const Control& control_;
  std::vector<Entry> entries_{};
  std::vector<VersionStore::Name> superfluous_{};
  RemoteDifferences found_{};
};

}  // namespace

Result<RemoteDifferences> compare_remote(VersionStore& store, const SearchedRemote& space, const SpaceRecord& record,
                                         const VectorIndex::Pull& pull, const RemoteMend* mend,
                                         const Control& control) {
  return Comparison(store, space, record, mend, control).run(pull);
}

}  // namespace fractal
