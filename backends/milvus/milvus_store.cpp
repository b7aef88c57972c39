// Invariant: a row's key says its whole content, so that who writes it again changes nothing.
#include "backends/milvus/milvus_store.h"

#include "backends/milvus/condition.h"
#include "backends/milvus/expression.h"
#include "src/error.h"
#include "src/validate.h"
#include "src/version_text.h"

#include <algorithm>
#include <array>
#include <chrono>

namespace fractal::milvus {
namespace {

constexpr std::int64_t kind_mark = 3, kind_cleaned = 4;
constexpr int most_makings = 5;            // of a collection that others drop
constexpr std::size_t most_rows = 16'384;  // of a reply, by Milvus' own limit
constexpr std::size_t ids_of_call = 8'000, keys_of_call = 1'000;
constexpr std::size_t bytes_of_call = 4u << 20;
constexpr unsigned timestamp_shift = 18;  // Milvus' timestamps: milliseconds, and a counter
constexpr std::chrono::milliseconds bounded{5'000};

constexpr std::array<std::string_view, 3> version_fields{"id", "born", "kind"};
constexpr std::array<std::string_view, 4> vector_fields{"id", "born", "kind", "vector"};
constexpr std::array<std::string_view, 4> mark_fields{"epoch", "born", "kind", "note"};

// Of what plain() has written, or we: without line breaks.
std::string quoted(std::string_view text) { return literal(text).value_or("\"\""); }

std::string key_of(MemoryId id, std::uint64_t born, std::uint64_t epoch) {
  return fmt::format("v.{}.{}.{}", id, born, epoch);
}

std::string mark_key(const VersionPlace& place, std::uint64_t epoch) {
  return fmt::format("m.{}.{}", place.number, epoch);
}

// Milvus takes no vector of one component: such a one has a zero behind it.
std::size_t stored_dimension(const VersionPlace& place) { return std::max<std::size_t>(place.dimension, 2); }

std::vector<float> unit(const VersionPlace& place) {
  std::vector<float> vector(stored_dimension(place));
  vector[0] = 1;
  return vector;
}

std::vector<StoredVersion> versions_of(const VersionPlace& place, std::vector<Row> rows) {
  std::vector<StoredVersion> versions;
  versions.reserve(rows.size());
  for (Row& row : rows) {
    StoredVersion version{.id = static_cast<MemoryId>(row.id),
                          .born = static_cast<std::uint64_t>(row.born),
                          .kind = static_cast<VersionKind>(row.kind),
                          .vector = std::move(row.vector)};
    if (version.kind == VersionKind::removed) version.vector.clear();
    if (version.vector.size() == stored_dimension(place)) version.vector.resize(place.dimension);
    versions.push_back(std::move(version));
  }
  return versions;
}

std::int64_t as_signed(std::uint64_t number) { return static_cast<std::int64_t>(number); }

}  // namespace

MilvusStore::MilvusStore(std::unique_ptr<Client> client, std::string prefix, const MilvusOptions& options)
    : client_(std::move(client)),
      prefix_(std::move(prefix)),
      consistency_(options.consistency),
      index_(options.index),
      partition_(options.partition_by_tenant) {}

MilvusStore::~MilvusStore() = default;
std::size_t MilvusStore::most_k() const { return most_rows; }
std::size_t MilvusStore::most_ids() const { return ids_of_call; }

// ---- Collections -------------------------------------------------------------------------------------------------

CollectionPlan MilvusStore::plan_of(const VersionPlace& place, bool partitioned) const {
  const std::string_view metric = metric_name(place.metric);
  return {.name = fmt::format("{}_{}_{}{}", prefix_, place.dimension, metric, partitioned ? "_by_tenant" : ""),
          .dimension = stored_dimension(place),
          .metric = metric,
          .index = index_,
          .partitioned = partitioned};
}

// not_found: it has not been made. One that is there is made ready: a server that was started again may need that.
Result<MilvusStore::Collection> MilvusStore::find(const VersionPlace& place, bool make_it, const Control* control) {
  const std::pair key(place.dimension, place.metric);
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = collections_.find(key); found != collections_.end()) return found->second;
  }
  Collection collection;
  for (const bool partitioned : {true, false}) {
    const CollectionPlan plan = plan_of(place, partitioned);
    FRACTAL_TRY_INTO(const bool there, client_->has(plan.name, control));
    if (!there) continue;
    FRACTAL_TRY_INTO(const Kept found, kept(plan, client_->make_ready(plan, control), control));
    if (found != Kept::yes) continue;  // a make() may have broken off
    collection = {.name = plan.name, .partitioned = partitioned};
    break;
  }
  if (collection.name.empty() && !make_it) {
    return make_error(Errc::not_found, "{}: there is no collection {}", name(), plan_of(place, false).name);
  }
  if (collection.name.empty()) { FRACTAL_TRY_INTO(collection, make(place, control)); }
  const std::lock_guard lock(mutex_);
  return collections_[key] = collection;
}

// A server may make a collection with a partition key and then take no expression for it, as Milvus Lite 2.5: that shows at
// once, and such a one is dropped; maybe by another program that saw it first.
Result<MilvusStore::Kept> MilvusStore::kept(const CollectionPlan& plan, const Result<void>& ready,
                                            const Control* control) {
  if (!ready && ready.error().code == Errc::not_found) return Kept::gone;
  if (!ready) return ready.error();
  if (!plan.partitioned) return Kept::yes;
  const auto tried = client_->query(plan.name, "tenant == \"a\" && space == 0", version_fields, 1, {}, control);
  if (tried) return Kept::yes;
  if (tried.error().code == Errc::not_found) return Kept::gone;
  if (!refuses_expression(tried.error())) return tried.error();
  FRACTAL_TRY(client_->drop(plan.name, control));
  return Kept::refused;
}

// Without a partition key only where this program has seen that the server cannot have one: so all come to the same.
Result<MilvusStore::Collection> MilvusStore::make(const VersionPlace& place, const Control* control) {
  const CollectionPlan by_tenant = plan_of(place, true), plain_one = plan_of(place, false);
  Kept made = partition_ ? Kept::gone : Kept::refused;
  for (int tries = 0; made == Kept::gone && tries < most_makings; ++tries) {
    FRACTAL_TRY_INTO(made, kept(by_tenant, client_->create(by_tenant, control), control));
  }
  if (made == Kept::yes) return Collection{.name = by_tenant.name, .partitioned = true};
  if (made == Kept::gone) {
    return make_error(Errc::unavailable, "{}: collection {} is dropped again and again", name(), by_tenant.name);
  }
  FRACTAL_TRY(client_->create(plain_one, control));
  return Collection{.name = plain_one.name, .partitioned = false};
}

void MilvusStore::forget(const VersionPlace& place) {
  const std::lock_guard lock(mutex_);
  collections_.erase({place.dimension, place.metric});
}

// What a server refuses may be because it forgot something: the collection is looked for again.
template <class T> Result<T> MilvusStore::noted(const VersionPlace& place, Result<T> done) {
  if (!done && done.error().code != Errc::unavailable) forget(place);
  return done;
}

void MilvusStore::note_write(std::uint64_t timestamp) {
  const std::lock_guard lock(mutex_);
  last_write_ = std::max(last_write_, timestamp);
}

Consistency MilvusStore::of_marks() {
  std::uint64_t timestamp = 0;
  {
    const std::lock_guard lock(mutex_);
    timestamp = last_write_;
  }
  if (consistency_ == MilvusConsistency::bounded) {
    const auto since = std::chrono::system_clock::now().time_since_epoch() - bounded;
    const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
    timestamp = std::max(timestamp, static_cast<std::uint64_t>(milliseconds) << timestamp_shift);
  }
  return {.level = consistency_, .timestamp = timestamp};
}

// ---- Writing -----------------------------------------------------------------------------------------------------

// Rows without tenant and space: those are the place's.
Result<std::uint64_t> MilvusStore::upsert(const VersionPlace& place, std::span<WrittenRow> rows, bool make,
                                          const Control* control) {
  FRACTAL_TRY_INTO(const Collection collection, find(place, make, control));
  const std::string tenant = plain(place.space.tenant);
  for (WrittenRow& row : rows) {
    row.tenant = tenant;
    row.space = as_signed(place.number);
  }
  FRACTAL_TRY_INTO(const std::uint64_t timestamp, noted(place, client_->upsert(collection.name, rows, control)));
  note_write(timestamp);
  return timestamp;
}

Result<std::uint64_t> MilvusStore::insert(const VersionPlace& place, std::uint64_t epoch,
                                          std::span<const Version> versions, const Control* control) {
  if (versions.empty()) return std::uint64_t{0};
  const std::vector<float> none = unit(place);
  std::vector<std::array<float, 2>> padded;
  padded.reserve(versions.size());
  std::vector<WrittenRow> rows;
  rows.reserve(versions.size());
  for (const Version& version : versions) {
    std::span<const float> vector =
        version.kind == VersionKind::removed ? std::span<const float>(none) : version.vector;
    if (vector.size() == 1) vector = padded.emplace_back(std::array{vector[0], 0.0F});
    rows.push_back({.key = key_of(version.id, version.born, epoch),
                    .epoch = as_signed(epoch),
                    .id = as_signed(version.id),
                    .born = as_signed(version.born),
                    .kind = static_cast<std::int64_t>(version.kind),
                    .place = place_of(version.fields.key),
                    .type = static_cast<std::int64_t>(version.fields.type),
                    .created_at = version.fields.created_at.time_since_epoch().count(),
                    .vector = vector});
  }
  return upsert(place, rows, true, control);
}

// The one before goes with the rows that it speaks of, whoever erases them.
Result<void> MilvusStore::put_mark(const VersionPlace& place, const VersionMark& given, bool first) {
  VersionMark mark = given;
  const std::string key = mark_key(place, mark.epoch);
  if (!first) {
    FRACTAL_TRY_INTO(const Collection collection, find(place, false, nullptr));
    // What somebody else wrote may not show at once: one that seems to be gone is looked for among all that is written.
    std::vector<Row> rows;
    for (const Consistency& level : {of_marks(), Consistency{.level = MilvusConsistency::strong}}) {
      FRACTAL_TRY_INTO(
          rows, noted(place, client_->query(collection.name, "pk == " + quoted(key), mark_fields, 1, level, nullptr)));
      if (!rows.empty()) break;
    }
    VersionMark before;
    if (rows.empty() || !read_mark_text(rows.front().note, before)) {
      return make_error(Errc::not_found, "{}: vectors of space {} that were there are lost", name(), place.number);
    }
    mark.raw = mark.raw || before.raw;
    mark.again = mark.again || before.again;
  }
  const std::string note = mark_text(mark);
  const std::vector<float> none = unit(place);
  WrittenRow row{.key = key,
                 .epoch = as_signed(mark.epoch),
                 .born = as_signed(mark.applied),
                 .kind = kind_mark,
                 .note = note,
                 .vector = none};
  FRACTAL_TRY(upsert(place, {&row, 1}, false, nullptr));
  return {};
}

Result<void> MilvusStore::put_cleaned(const VersionPlace& place, std::uint64_t epoch, std::uint64_t cleaned) {
  const std::vector<float> none = unit(place);
  WrittenRow row{.key = fmt::format("c.{}.{}.{}", place.number, epoch, cleaned),
                 .epoch = as_signed(epoch),
                 .born = as_signed(cleaned),
                 .kind = kind_cleaned,
                 .vector = none};
  FRACTAL_TRY(upsert(place, {&row, 1}, false, nullptr));
  // Those before say nothing more.
  FRACTAL_TRY_INTO(const Collection collection, find(place, false, nullptr));
  FRACTAL_TRY(noted(
      place, client_->erase(collection.name, fmt::format("{} && kind == {} && epoch == {} && born < {}",
                                                         of_space(collection, place), kind_cleaned, epoch, cleaned))));
  return {};
}

Result<void> MilvusStore::erase(const VersionPlace& place, std::uint64_t epoch, std::span<const Name> versions) {
  FRACTAL_TRY_INTO(const Collection collection, find(place, false, nullptr));
  for (std::size_t begin = 0; begin < versions.size(); begin += keys_of_call) {
    std::string keys;
    for (const auto& [id, born] : versions.subspan(begin, std::min(keys_of_call, versions.size() - begin))) {
      if (!keys.empty()) keys += ',';
      keys += quoted(key_of(id, born, epoch));
    }
    FRACTAL_TRY_INTO(const std::uint64_t timestamp,
                     noted(place, client_->erase(collection.name, fmt::format("pk in [{}]", keys))));
    note_write(timestamp);
  }
  return {};
}

Result<void> MilvusStore::erase_epochs_before(const VersionPlace& place, std::uint64_t epoch) {
  FRACTAL_TRY_INTO(const Collection collection, find(place, false, nullptr));
  FRACTAL_TRY(noted(
      place, client_->erase(collection.name, fmt::format("{} && epoch < {}", of_space(collection, place), epoch))));
  return {};
}

Result<void> MilvusStore::erase_space(std::uint64_t number) {
  FRACTAL_TRY_INTO(const auto names, client_->collections());
  for (const std::string& one : names) {
    if (!one.starts_with(prefix_ + "_")) continue;
    const auto erased = client_->erase(one, fmt::format("space == {}", number));
    if (!erased && erased.error().code != Errc::not_found) return erased.error();
  }
  return {};
}

Result<void> MilvusStore::drop_all() {
  FRACTAL_TRY_INTO(const auto names, client_->collections());
  for (const std::string& one : names) {
    if (one.starts_with(prefix_ + "_")) FRACTAL_TRY(client_->drop(one, nullptr));
  }
  const std::lock_guard lock(mutex_);
  collections_.clear();
  return {};
}

// ---- Reading -----------------------------------------------------------------------------------------------------

std::string MilvusStore::of_space(const Collection& collection, const VersionPlace& place) const {
  std::string condition = fmt::format("space == {}", place.number);
  if (!collection.partitioned) return condition;
  return fmt::format("tenant == {} && {}", quoted(plain(place.space.tenant)), condition);
}

std::string MilvusStore::of_moment(const Collection& collection, const VersionPlace& place,
                                   const VersionMoment& moment) const {
  return fmt::format("{} && epoch == {} && born <= {}", of_space(collection, place), moment.epoch, moment.as_of);
}

Result<VersionMark> MilvusStore::mark(const VersionPlace& place, const Control* control) {
  FRACTAL_TRY_INTO(const Collection collection, find(place, false, control));
  FRACTAL_TRY_INTO(const auto rows,
                   noted(place, client_->query(collection.name,
                                               fmt::format("{} && kind >= {}", of_space(collection, place), kind_mark),
                                               mark_fields, most_rows, of_marks(), control)));
  VersionMark mark;
  for (const Row& row : rows) {
    if (row.kind != kind_mark || static_cast<std::uint64_t>(row.epoch) <= mark.epoch) continue;
    mark = {.epoch = static_cast<std::uint64_t>(row.epoch)};
    if (!read_mark_text(row.note, mark)) {
      return make_error(Errc::io, "{}: a mark of space {} cannot be read", name(), place.number);
    }
  }
  for (const Row& row : rows) {
    if (row.kind != kind_cleaned || static_cast<std::uint64_t>(row.epoch) != mark.epoch) continue;
    mark.cleaned = std::max(mark.cleaned, static_cast<std::uint64_t>(row.born));
  }
  return mark;
}

Result<std::vector<StoredVersion>> MilvusStore::read(const VersionPlace& place, const VersionMoment& moment,
                                                     const std::string& condition, bool with_vectors, std::size_t limit,
                                                     const Control* control) {
  FRACTAL_TRY_INTO(const Collection collection, find(place, false, control));
  const std::span<const std::string_view> fields = with_vectors ? std::span<const std::string_view>(vector_fields)
                                                                : std::span<const std::string_view>(version_fields);
  FRACTAL_TRY_INTO(
      auto rows, noted(place, client_->query(collection.name, of_moment(collection, place, moment) + " && " + condition,
                                             fields, limit, {.timestamp = moment.token}, control)));
  return versions_of(place, std::move(rows));
}

VersionCondition MilvusStore::condition(const Filter& filter, std::string_view prefix) const {
  return condition_of(filter, prefix);
}

Result<std::vector<StoredVersion>> MilvusStore::nearest(const VersionPlace& place, const VersionMoment& moment,
                                                        const NearestQuery& query) {
  FRACTAL_TRY_INTO(const Collection collection, find(place, false, query.control));
  std::string condition = of_moment(collection, place, moment) + " && kind == 0";
  if (!query.only.empty()) condition += " && id in " + milvus::list(query.only);
  if (!query.condition.empty()) condition += fmt::format(" && ({})", query.condition);
  if (!query.except.empty()) condition += " && id not in " + milvus::list(query.except);
  const std::array<float, 2> padded{query.vector[0], 0};
  const Client::Nearest nearest{.vector = query.vector.size() == 1 ? std::span<const float>(padded) : query.vector,
                                .k = query.k,
                                .metric = metric_name(place.metric),
                                .fields = vector_fields};
  FRACTAL_TRY_INTO(auto rows, noted(place, client_->search(collection.name, condition, nearest,
                                                           {.timestamp = moment.token}, query.control)));
  return versions_of(place, std::move(rows));
}

Result<std::vector<StoredVersion>> MilvusStore::versions(const VersionPlace& place, const VersionMoment& moment,
                                                         std::span<const MemoryId> ids, bool with_vectors,
                                                         const Control* control) {
  if (ids.empty()) return std::vector<StoredVersion>{};
  FRACTAL_TRY_INTO(auto found,
                   read(place, moment, "kind <= 2 && id in " + milvus::list(ids), with_vectors, most_rows, control));
  if (found.size() < most_rows) return found;
  if (ids.size() == 1) {
    return make_error(Errc::unavailable, "{}: memory {} has too many versions", name(), ids.front());
  }
  FRACTAL_TRY_INTO(found, versions(place, moment, ids.first(ids.size() / 2), with_vectors, control));
  FRACTAL_TRY_INTO(auto rest, versions(place, moment, ids.subspan(ids.size() / 2), with_vectors, control));
  found.insert(found.end(), std::make_move_iterator(rest.begin()), std::make_move_iterator(rest.end()));
  return found;
}

Result<std::vector<StoredVersion>> MilvusStore::raw_versions(const VersionPlace& place, const VersionMoment& moment,
                                                             const Control* control) {
  FRACTAL_TRY_INTO(auto found, read(place, moment, "kind == 1", true, most_rows, control));
  if (found.size() < most_rows) return found;
  return make_error(Errc::unavailable, "{}: too many vectors that the server cannot compare", name());
}

Result<void> MilvusStore::list(const VersionPlace& place, const VersionMoment& moment, MemoryId last, bool with_vectors,
                               const Visit& visit, const Control* control) {
  const std::size_t by_bytes =
      with_vectors ? std::max<std::size_t>(bytes_of_call / (place.dimension * sizeof(float)), 1) : most_rows / 2;
  const std::size_t widest = std::min({by_bytes, most_rows / 2, ids_of_call});
  // Where there are few, one call says which.
  FRACTAL_TRY_INTO(auto all, read(place, moment, "kind <= 2", false, most_rows, control));
  if (all.size() < most_rows) {
    const std::vector<MemoryId> ids = ids_of(all);
    for (std::size_t begin = 0; begin < ids.size(); begin += widest) {
      const std::span<const MemoryId> some(ids.data() + begin, std::min(widest, ids.size() - begin));
      FRACTAL_TRY_INTO(auto page, versions(place, moment, some, with_vectors, control));
      FRACTAL_TRY(visit(std::move(page)));
    }
    return {};
  }
  all.clear();
  std::size_t width = widest;
  MemoryId begin = first_id(place.number);
  while (begin <= last) {
    const MemoryId end = begin + width;
    FRACTAL_TRY_INTO(auto page, read(place, moment, fmt::format("kind <= 2 && id >= {} && id < {}", begin, end),
                                     with_vectors, most_rows, control));
    if (page.size() >= most_rows && width > 1) {
      width = std::max<std::size_t>(width / 4, 1);
      continue;
    }
    if (page.size() >= most_rows) {
      return make_error(Errc::unavailable, "{}: memory {} has too many versions", name(), begin);
    }
    if (!page.empty()) FRACTAL_TRY(visit(std::move(page)));
    begin = end;
    width = std::min(width * 2, widest);
  }
  FRACTAL_TRY_INTO(auto beyond,
                   read(place, moment, fmt::format("kind <= 2 && id >= {}", begin), with_vectors, most_rows, control));
  return beyond.empty() ? Result<void>() : visit(std::move(beyond));
}

}  // namespace fractal::milvus
