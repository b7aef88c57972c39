// A storage whose n-th call fails: of Storage, of a ReadView it gave, or of a WriteTransaction in a step,
// counted together. Only calls that return a Result count.
#ifndef FRACTAL_TESTS_FAULT_STORAGE_H
#define FRACTAL_TESTS_FAULT_STORAGE_H

#include <fractal/backend.h>

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fractal::testing {

enum class Fault { once, for_ever };

// Shared by a storage and its views, which may outlive it. Any thread.
class Faults {
 public:
  // Counts from 1 again; the n-th call fails, or it and all later ones. 0: none.
  void plan(std::uint64_t n, Fault fault) {
    first_ = n == 0 ? never : n;
    last_ = fault == Fault::once ? first_.load() : never;
    calls_ = failures_ = 0;
  }
  std::uint64_t calls() const { return calls_; }
  std::uint64_t failures() const { return failures_; }

  // The call itself, or the injected error instead of it.
  template <class Call> auto run(const Call& call) -> decltype(call()) {
    const std::uint64_t number = ++calls_;
    if (number < first_ || number > last_) return call();
    ++failures_;
    return injected();
  }

  static Error injected() { return {Errc::io, "injected"}; }

 private:
  static constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();
  std::atomic<std::uint64_t> first_ = never, last_ = never, calls_ = 0, failures_ = 0;
};

class FaultView final : public ReadView {
 public:
  FaultView(std::unique_ptr<ReadView> inner, std::shared_ptr<Faults> faults)
      : inner_(std::move(inner)), faults_(std::move(faults)) {}

  const SpaceRecord& space() const override { return inner_->space(); }
  void obey(const Control* control) override { inner_->obey(control); }
  Result<std::optional<Row>> get(std::string_view key, Columns columns) override {
    return faults_->run([&] { return inner_->get(key, columns); });
  }
  Result<std::vector<Row>> fetch(std::span<const MemoryId> ids, Columns columns) override {
    return faults_->run([&] { return inner_->fetch(ids, columns); });
  }
  Result<std::vector<Row>> list(const Scan& scan) override {
    return faults_->run([&] { return inner_->list(scan); });
  }
  Result<Selection> select(const Filter& filter, std::string_view prefix, std::size_t limit) override {
    return faults_->run([&] { return inner_->select(filter, prefix, limit); });
  }
  Result<void> keys(std::string_view first, std::string_view last, const KeyVisitor& visit) override {
    return faults_->run([&] { return inner_->keys(first, last, visit); });
  }
  Result<void> links(std::span<const std::string> frontier, Direction direction, std::string_view type,
                     const LinkVisitor& visit) override {
    return faults_->run([&] { return inner_->links(frontier, direction, type, visit); });
  }
  Result<std::optional<LinkRow>> get_link(std::string_view from, std::string_view to, std::string_view type) override {
    return faults_->run([&] { return inner_->get_link(from, to, type); });
  }
  Result<std::vector<LinkRow>> list_links(const LinkRow* after, std::size_t limit) override {
    return faults_->run([&] { return inner_->list_links(after, limit); });
  }
  Result<Postings> postings(std::span<const std::string> terms) override {
    return faults_->run([&] { return inner_->postings(terms); });
  }
  Result<std::vector<ChangeRow>> changes(std::uint64_t after, std::size_t limit) override {
    return faults_->run([&] { return inner_->changes(after, limit); });
  }
  Result<void> vectors(std::uint64_t after, VectorColumns columns, const VectorVisitor& visit) override {
    return faults_->run([&] { return inner_->vectors(after, columns, visit); });
  }
  Result<std::vector<Row>> expired(Time now) override {
    return faults_->run([&] { return inner_->expired(now); });
  }
  Result<std::vector<AuditRecord>> audit(std::size_t limit, std::uint64_t before) override {
    return faults_->run([&] { return inner_->audit(limit, before); });
  }

 private:
  std::unique_ptr<ReadView> inner_;
  std::shared_ptr<Faults> faults_;
};

class FaultTransaction final : public WriteTransaction {
 public:
  FaultTransaction(WriteTransaction& inner, Faults& faults) : inner_(inner), faults_(faults) {}

  Result<SpaceRecord*> space(const Space& space) override {
    return faults_.run([&] { return inner_.space(space); });
  }
  Result<std::optional<Row>> find(std::uint64_t space, std::string_view key, Columns columns) override {
    return faults_.run([&] { return inner_.find(space, key, columns); });
  }
  Result<std::vector<Row>> scan(std::uint64_t space, MemoryId after, std::size_t limit, Columns columns) override {
    return faults_.run([&] { return inner_.scan(space, after, limit, columns); });
  }
  Result<void> put(std::uint64_t space, const Row& row, const Put& put) override {
    return faults_.run([&] { return inner_.put(space, row, put); });
  }
  Result<void> erase(std::uint64_t space, const Row& row) override {
    return faults_.run([&] { return inner_.erase(space, row); });
  }
  Result<std::optional<LinkRow>> find_link(std::uint64_t space, std::string_view from, std::string_view to,
                                           std::string_view type) override {
    return faults_.run([&] { return inner_.find_link(space, from, to, type); });
  }
  Result<void> put_link(std::uint64_t space, const LinkRow& link) override {
    return faults_.run([&] { return inner_.put_link(space, link); });
  }
  Result<void> erase_link(std::uint64_t space, const LinkRow& link) override {
    return faults_.run([&] { return inner_.erase_link(space, link); });
  }
  Result<std::vector<LinkRow>> links_of(std::uint64_t space, std::string_view key) override {
    return faults_.run([&] { return inner_.links_of(space, key); });
  }
  Result<std::vector<Row>> expired(std::uint64_t space, Time now, std::size_t limit) override {
    return faults_.run([&] { return inner_.expired(space, now, limit); });
  }
  Result<void> note_removal(std::uint64_t space, const Removal& removal) override {
    return faults_.run([&] { return inner_.note_removal(space, removal); });
  }
  Result<void> prune_removals(std::uint64_t space, std::uint64_t up_to_sequence) override {
    return faults_.run([&] { return inner_.prune_removals(space, up_to_sequence); });
  }
  Result<void> audit(std::uint64_t space, const AuditRecord& record) override {
    return faults_.run([&] { return inner_.audit(space, record); });
  }
  Result<std::uint64_t> prune_audit(std::uint64_t space, std::uint64_t keep, Time before) override {
    return faults_.run([&] { return inner_.prune_audit(space, keep, before); });
  }
  Result<void> add_accesses(std::uint64_t space, std::string_view key, std::uint64_t count) override {
    return faults_.run([&] { return inner_.add_accesses(space, key, count); });
  }
  Result<void> erase_space(std::uint64_t space) override {
    return faults_.run([&] { return inner_.erase_space(space); });
  }
  Result<void> set_setting(std::string_view name, std::string_view value) override {
    return faults_.run([&] { return inner_.set_setting(name, value); });
  }

 private:
  WriteTransaction& inner_;
  Faults& faults_;
};

class FaultStorage final : public StorageWrapper {
 public:
  using StorageWrapper::StorageWrapper;

  // See Faults::plan. A call to apply() that fails so runs no step.
  void fail_at(std::uint64_t n, Fault fault = Fault::once) { faults_->plan(n, fault); }
  // The next apply() runs its steps and then fails as a commit does: an error, and nothing is kept.
  void fail_next_commit() { fail_commit_ = true; }
  std::uint64_t calls() const { return faults_->calls(); }        // since fail_at()
  std::uint64_t failures() const { return faults_->failures(); }  // likewise

  Result<void> apply(std::span<WriteStep> steps) override {
    return faults_->run([&]() -> Result<void> {
      const bool drop = fail_commit_.exchange(false);
      std::vector<WriteStep> watched(steps.size());
      for (std::size_t i = 0; i < steps.size(); ++i) {
        watched[i].run = [this, drop, &step = steps[i]](WriteTransaction& inner) -> Result<void> {
          FaultTransaction transaction(inner, *faults_);
          auto done = step.run(transaction);
          return drop && done ? Result<void>(Faults::injected()) : std::move(done);
        };
      }
      auto committed = inner_->apply(watched);
      for (std::size_t i = 0; i < steps.size(); ++i) steps[i].outcome = std::move(watched[i].outcome);
      return drop && committed ? Result<void>(Faults::injected()) : std::move(committed);
    });
  }
  Result<std::unique_ptr<ReadView>> read(const Space& space) override {
    return faults_->run([&]() -> Result<std::unique_ptr<ReadView>> {
      auto view = inner_->read(space);
      if (!view) return view;
      return std::unique_ptr<ReadView>(std::make_unique<FaultView>(std::move(*view), faults_));
    });
  }
  Result<std::optional<Row>> get(const Space& space, std::string_view key, Columns columns) override {
    return faults_->run([&] { return inner_->get(space, key, columns); });
  }
  Result<std::vector<Space>> spaces() override {
    return faults_->run([&] { return inner_->spaces(); });
  }
  Result<std::optional<std::string>> setting(std::string_view name) override {
    return faults_->run([&] { return inner_->setting(name); });
  }
  Result<std::vector<std::string>> indexed_fields() override {
    return faults_->run([&] { return inner_->indexed_fields(); });
  }
  Result<void> create_index(std::string_view path, const Control& control) override {
    return faults_->run([&] { return inner_->create_index(path, control); });
  }
  Result<std::vector<UnindexedRow>> unindexed(MemoryId after, std::size_t limit) override {
    return faults_->run([&] { return inner_->unindexed(after, limit); });
  }
  Result<std::uint64_t> count_unindexed() override {
    return faults_->run([&] { return inner_->count_unindexed(); });
  }
  Result<std::vector<std::string>> verify(const Control& control) override {
    return faults_->run([&] { return inner_->verify(control); });
  }
  Result<std::vector<std::string>> repair(const Control& control) override {
    return faults_->run([&] { return inner_->repair(control); });
  }
  Result<std::uint64_t> maintain(bool purge, const Control& control) override {
    return faults_->run([&] { return inner_->maintain(purge, control); });
  }
  Result<void> backup(const std::string& path, const Control& control) override {
    return faults_->run([&] { return inner_->backup(path, control); });
  }

 private:
  std::shared_ptr<Faults> faults_ = std::make_shared<Faults>();
  std::atomic<bool> fail_commit_ = false;
};

}  // namespace fractal::testing

#endif
