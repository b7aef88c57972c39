// What every vector index on a server of its own is made of: the storage that it follows, a name for what is there of that
// storage, and the rules of src/remote_index.h behind the component's own interface.
#ifndef FRACTAL_SRC_REMOTE_OPEN_H
#define FRACTAL_SRC_REMOTE_OPEN_H

#include "src/remote_index.h"

#include <fmt/format.h>

#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fractal {

// columns: those of the store.
inline RemoteSource source_of(const std::shared_ptr<Storage>& storage, VectorColumns columns) {
  RemoteSource source{.newest = newest_of(storage), .read = {}};
  source.read = [storage, columns](const Space& space, const RemoteSource::Read& read) -> Result<void> {
    FRACTAL_TRY_INTO(const auto view, storage->read(space));
    return read(view->space(),
                [&](std::uint64_t after, const VectorVisitor& visit) { return view->vectors(after, columns, visit); });
  };
  return source;
}

// Tells what is on a server of one storage from another's: a setting of the storage, made once, by whoever opens first.
inline Result<std::string> remote_identity(Storage& storage, std::string_view backend) {
  const std::string setting = fmt::format("{}/identity", backend);
  FRACTAL_TRY_INTO(auto identity, storage.setting(setting));
  if (identity && !identity->empty()) return *identity;
  if (storage.read_only()) {
    return make_error(Errc::unsupported, "{}: the storage is read-only and has never had an index there", backend);
  }
  std::random_device random;
  const std::string made = fmt::format("{:08x}{:08x}", random(), random());
  FRACTAL_TRY(write_setting(storage, setting, made));
  FRACTAL_TRY_INTO(identity, storage.setting(setting));
  return identity.value_or(made);
}

// Interface: a VectorIndex with reconcile() and flush(); Report: what the former gives. Store::stop(): calls under way end
// soon, and no new ones begin.
template <class Interface, class Report, class Store> class OpenedRemoteIndex final : public Interface {
 public:
  using Pull = VectorIndex::Pull;

  OpenedRemoteIndex(std::shared_ptr<Store> store, RemoteSource source, const RemoteSetting& setting,
                    std::uint64_t most_scanned)
      : store_(std::move(store)), most_scanned_(most_scanned), remote_(store_, std::move(source), setting) {}
  // The worker may be in a call.
  ~OpenedRemoteIndex() override { store_->stop(); }

  Result<void> apply(const SpaceRecord& to, std::uint64_t from, std::span<const VectorChange> changes) override {
    return remote_.apply(to, from, changes);
  }
  Result<void> catch_up(const SpaceRecord& to, const Pull& pull) override { return remote_.catch_up(to, pull); }
  Result<VectorHits> search(const SpaceRecord& space, const VectorQuery& query) override {
    return remote_.search(space, query);
  }
  VectorColumns columns() const override { return remote_.columns(); }
  void drop(std::uint64_t space) override { remote_.drop(space); }
  VectorIndex::Stats stats(std::uint64_t space) override { return remote_.stats(space); }
  std::uint64_t applied(std::uint64_t space) override { return remote_.applied(space); }
  std::uint64_t bytes(std::uint64_t space) override { return remote_.bytes(space); }
  Result<void> build(std::uint64_t space, bool anew, const Control& control) override {
    return remote_.build(space, anew, control);
  }
  void erase(std::uint64_t space) override { remote_.erase(space); }
  Result<std::vector<std::string>> verify(const SpaceRecord& space, const Pull& pull, const Control& control) override {
    return remote_.verify(space, pull, control);
  }
  std::vector<std::string> problems() override { return remote_.problems(); }
  std::uint64_t most_scanned() const override { return most_scanned_; }
  Result<Report> reconcile(const SpaceRecord& space, const Pull& pull, const Control& control) override {
    FRACTAL_TRY_INTO(const auto found, remote_.reconcile(space, pull, control));
    return Report{.vectors = found.vectors, .missing = found.missing, .stale = found.stale, .orphans = found.orphans};
  }
  bool flush(std::uint64_t space, const Control& control) override { return remote_.flush(space, control); }

 private:
  const std::shared_ptr<Store> store_;
  const std::uint64_t most_scanned_;
  RemoteIndex remote_;
};

}  // namespace fractal

#endif
