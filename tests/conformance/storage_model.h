// The model that the Storage suite compares each storage with: plain maps, every answer by a full scan.
#ifndef FRACTAL_TESTS_CONFORMANCE_STORAGE_MODEL_H
#define FRACTAL_TESTS_CONFORMANCE_STORAGE_MODEL_H

#include <fractal/backend.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace fractal {

// Defined once per backend: a new storage with nothing in it.
std::shared_ptr<Storage> make_empty_storage();

}  // namespace fractal

namespace fractal::conformance {

inline constexpr std::size_t no_limit = std::size_t{0} - 1;

using LinkName = std::tuple<std::string, std::string, std::string>;  // from, type, to

struct ModelRow {
  Row row{};
  std::string key{};
  Keywords keywords{};
};

struct SpaceModel {
  SpaceRecord record{};
  std::map<MemoryId, ModelRow> rows{};
  std::map<LinkName, LinkRow> links{};
  std::vector<Removal> removals{};
  std::set<MemoryId> never_had_vector{};  // of those removed: vectors() may tell of them or not
  std::vector<AuditRecord> audit{};       // their numbers are the storage's: not compared

  const ModelRow* find(std::string_view key) const;
  std::vector<Row> list(const Scan& scan) const;
  std::vector<MemoryId> select(const Filter& filter, std::string_view prefix) const;  // rising
  std::vector<LinkRow> links_from_or_to(const std::vector<std::string>& frontier, Direction direction,
                                        std::string_view type) const;  // each once, by name
  Postings postings(const std::vector<std::string>& terms) const;
  std::vector<ChangeRow> changes(std::uint64_t after) const;
  std::vector<MemoryId> expired(Time now) const;  // rising
};

struct Model {
  std::map<Space, SpaceModel> spaces{};
  std::map<std::string, std::string> settings{};
};

// Writes to a storage and to a model alike, as the core does: gives ids and sequence numbers, keeps the
// counters. What the transaction answers is compared with the model. An error of the storage is thrown.
class Writer {
 public:
  Writer(WriteTransaction& transaction, Model& model, const Space& space);

  // Creates or replaces; id, created_at, version and accesses of the memory are as given.
  MemoryId store(const Memory& memory, const Keywords& keywords = {});
  // Replaces the row but neither vector nor, if null, keywords. The coordinate stays.
  void patch(const std::string& key, const std::function<void(Memory&)>& change, const Keywords* keywords = nullptr);
  void set_vector(const std::string& key, const std::vector<float>& vector);
  // With its links. False if there is none.
  bool remove(const std::string& key);
  void link(LinkRow link);
  bool unlink(const std::string& from, const std::string& to, const std::string& type);
  void audit(const AuditRecord& record);
  void prune_audit(std::uint64_t keep, Time before);
  void prune_removals(std::uint64_t up_to);
  void add_accesses(const std::string& key, std::uint64_t count);
  void setting(const std::string& name, const std::string& value);
  void erase_space();  // the last call

  // Compares everything that the transaction reads with the model.
  void check_reads();

  WriteTransaction& transaction() { return transaction_; }
  SpaceModel& model() { return space_; }
  std::uint64_t number() const { return space_.record.number; }

 private:
  void put(ModelRow row, bool created, bool vector, bool keywords);
  void save() { *record_ = space_.record; }

  WriteTransaction& transaction_;
  Model& model_;
  Space name_;
  SpaceModel& space_;
  SpaceRecord* record_;
};

// One step in one apply(); both must succeed.
void commit(Storage& storage, const std::function<void(WriteTransaction&)>& run);
void commit(Storage& storage, Model& model, const Space& space, const std::function<void(Writer&)>& run);
WriteStep make_step(std::function<void(WriteTransaction&)> run);

// Every bit of the columns, with what is not filled in.
std::string difference(const Row& found, const Row& expected, Columns columns);
std::string difference(const std::vector<Row>& found, const std::vector<Row>& expected, Columns columns);
bool same(const LinkRow& left, const LinkRow& right);

// Compares all that a view can say with the model.
void compare(ReadView& view, const SpaceModel& model);
// All spaces and settings as well.
void compare(Storage& storage, const Model& model);

// "tea tea ada" in the first column, and so on.
Keywords words(std::string first, std::string second = {}, std::string third = {}, std::string fourth = {});
Memory make_memory(const Coordinate& coordinate, std::string payload = "{}");
Time at(std::int64_t microseconds);

// Values of every shape, small enough to collide.
class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  std::uint64_t below(std::uint64_t n) { return engine_() % n; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }
  Coordinate coordinate();
  std::string key() { return coordinate().key(); }
  double importance();
  std::string payload();
  Keywords keywords();
  std::string word() { return "w" + std::to_string(below(12)); }
  std::vector<float> vector(std::size_t dimension);
  Memory memory(std::size_t dimension);  // dimension 0: no vector
  LinkRow link();
  std::string link_type() { return below(2) == 0 ? "related" : "part_of"; }

 private:
  std::mt19937_64 engine_;
};

}  // namespace fractal::conformance

#endif
