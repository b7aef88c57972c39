// Versions of vectors in Milvus: a collection for each dimension and metric, a row for each version.
//
//   pk      v.<id>.<born>.<epoch>, of a mark m.<space>.<epoch>, of `cleaned` c.<space>.<epoch>.<sequence>
//   tenant  the space's, plain(); the partition key if the server can have one
//   space, epoch, id, born
//   kind    0 living, 1 raw, 2 removed (these as VersionKind), 3 mark, 4 cleaned
//   note    of a mark: vectors last_id token raw again
//   vector  of a row that has none: a unit vector
#ifndef FRACTAL_BACKENDS_MILVUS_STORE_H
#define FRACTAL_BACKENDS_MILVUS_STORE_H

#include "backends/milvus/client.h"
#include "src/version_store.h"

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace fractal::milvus {

class MilvusStore final : public VersionStore {
 public:
  // The names of all collections begin so.
  MilvusStore(std::unique_ptr<Client> client, std::string prefix, const MilvusOptions& options);
  ~MilvusStore() override;

  std::string name() const override { return client_->name(); }
  std::string problem() override { return client_->problem(); }
  void stop() override { client_->stop(); }
  std::size_t most_k() const override;
  std::size_t most_ids() const override;
  Result<std::uint64_t> insert(const VersionPlace& place, std::uint64_t epoch, std::span<const Version> versions,
                               const Control* control) override;
  Result<VersionMark> mark(const VersionPlace& place, const Control* control) override;
  Result<void> put_mark(const VersionPlace& place, const VersionMark& given, bool first) override;
  Result<void> put_cleaned(const VersionPlace& place, std::uint64_t epoch, std::uint64_t cleaned) override;
  VectorColumns columns() const override { return VectorColumns::fields; }
  VersionCondition condition(const Filter& filter, std::string_view prefix) const override;
  Result<std::vector<StoredVersion>> nearest(const VersionPlace& place, const VersionMoment& moment,
                                             const NearestQuery& query) override;
  Result<std::vector<StoredVersion>> versions(const VersionPlace& place, const VersionMoment& moment,
                                              std::span<const MemoryId> ids, bool with_vectors,
                                              const Control* control) override;
  Result<std::vector<StoredVersion>> raw_versions(const VersionPlace& place, const VersionMoment& moment,
                                                  const Control* control) override;
  Result<void> list(const VersionPlace& place, const VersionMoment& moment, MemoryId last, bool with_vectors,
                    const Visit& visit, const Control* control) override;
  Result<void> erase(const VersionPlace& place, std::uint64_t epoch, std::span<const Name> versions) override;
  Result<void> erase_epochs_before(const VersionPlace& place, std::uint64_t epoch) override;
  Result<void> erase_space(std::uint64_t number) override;

  // Every collection of this prefix goes.
  Result<void> drop_all();

 private:
  struct Collection {
    std::string name{};
    bool partitioned = false;
  };
  CollectionPlan plan_of(const VersionPlace& place, bool partitioned) const;
  Result<Collection> find(const VersionPlace& place, bool make, const Control* control);
  Result<Collection> make(const VersionPlace& place, const Control* control);
  enum class Kept { yes, refused, gone };
  Result<Kept> kept(const CollectionPlan& plan, const Result<void>& ready, const Control* control);
  void forget(const VersionPlace& place);
  template <class T> Result<T> noted(const VersionPlace& place, Result<T> done);
  void note_write(std::uint64_t timestamp);
  Result<std::uint64_t> upsert(const VersionPlace& place, std::span<WrittenRow> rows, bool make,
                               const Control* control);
  Consistency of_marks();
  std::string of_space(const Collection& collection, const VersionPlace& place) const;
  std::string of_moment(const Collection& collection, const VersionPlace& place, const VersionMoment& moment) const;
  Result<std::vector<StoredVersion>> read(const VersionPlace& place, const VersionMoment& moment,
                                          const std::string& condition, bool with_vectors, std::size_t limit,
                                          const Control* control);

  const std::unique_ptr<Client> client_;
  const std::string prefix_;
  const MilvusConsistency consistency_;
  const std::string index_;
  const bool partition_;
  std::mutex mutex_;  // of what follows
  std::map<std::pair<std::uint32_t, Metric>, Collection> collections_{};
  std::uint64_t last_write_ = 0;
};

}  // namespace fractal::milvus

#endif
