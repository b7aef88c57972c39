// Invariant: the model and the storage get the same writes; every answer of the model is a full scan.
#include "storage_model.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <sstream>

namespace fractal::conformance {
namespace {

bool same_bits(double left, double right) {
  return std::bit_cast<std::uint64_t>(left) == std::bit_cast<std::uint64_t>(right);
}

LinkName name_of(const LinkRow& link) { return {link.from, link.type, link.to}; }

std::array<std::uint32_t, weight_classes> count_word(const Keywords& keywords, const std::string& word) {
  std::array<std::uint32_t, weight_classes> counts{};
  for (std::size_t column = 0; column < weight_classes; ++column) {
    std::istringstream text(keywords.text[column]);
    for (std::string other; text >> other;) counts[column] += other == word;
  }
  return counts;
}

std::vector<MemoryId> ids_of(const std::vector<Row>& rows) {
  std::vector<MemoryId> ids;
  for (const Row& row : rows) ids.push_back(row.id);
  return ids;
}

}  // namespace

const ModelRow* SpaceModel::find(std::string_view key) const {
  for (const auto& [id, row] : rows) {
    if (row.key == key) return &row;
  }
  return nullptr;
}

std::vector<Row> SpaceModel::list(const Scan& scan) const {
  const auto position = [&](double importance, std::int64_t created, MemoryId id, const std::string& key) {
    switch (scan.order) {
      case ListOrder::coordinate: return std::tuple(0.0, std::int64_t{0}, MemoryId{0}, key);
      case ListOrder::created_at: return std::tuple(0.0, created, id, std::string());
      default: return std::tuple(importance, std::int64_t{0}, id, std::string());
    }
  };
  std::map<std::tuple<double, std::int64_t, MemoryId, std::string>, const ModelRow*> sorted;
  for (const auto& [id, row] : rows) {
    const Memory& memory = row.row.memory;
    if (!row.key.starts_with(scan.prefix)) continue;
    sorted.emplace(position(memory.importance, memory.created_at.time_since_epoch().count(), id, row.key), &row);
  }
  std::vector<Row> out;
  const auto take = [&](const auto& entry) {
    if (scan.after) {
      const auto last = position(scan.after->importance, scan.after->created_at, scan.after->id, scan.after->key);
      if (scan.descending ? entry.first >= last : entry.first <= last) return;
    }
    if (out.size() < scan.limit) out.push_back(entry.second->row);
  };
  if (scan.descending) {
    std::for_each(sorted.rbegin(), sorted.rend(), take);
  } else {
    std::for_each(sorted.begin(), sorted.end(), take);
  }
  return out;
}

std::vector<MemoryId> SpaceModel::select(const Filter& filter, std::string_view prefix) const {
  std::vector<MemoryId> ids;
  for (const auto& [id, row] : rows) {
    if (row.key.starts_with(prefix) && matches(filter, row.row)) ids.push_back(id);
  }
  return ids;
}

std::vector<LinkRow> SpaceModel::links_from_or_to(const std::vector<std::string>& frontier, Direction direction,
                                                  std::string_view type) const {
  const auto in_frontier = [&](const std::string& key) {
    return std::find(frontier.begin(), frontier.end(), key) != frontier.end();
  };
  std::vector<LinkRow> out;
  for (const auto& [name, link] : links) {
    if (!type.empty() && link.type != type) continue;
    const bool goes_out = direction != Direction::incoming && in_frontier(link.from);
    const bool comes_in = direction != Direction::outgoing && in_frontier(link.to);
    if (goes_out || comes_in) out.push_back(link);
  }
  return out;
}

Postings SpaceModel::postings(const std::vector<std::string>& terms) const {
  Postings out;
  for (const auto& [id, row] : rows) {
    std::vector<std::array<std::uint32_t, weight_classes>> counts;
    bool any = false;
    for (const std::string& term : terms) {
      counts.push_back(count_word(row.keywords, term));
      for (const std::uint32_t count : counts.back()) any = any || count != 0;
    }
    if (!any) continue;
    out.entries.push_back({id, row.row.words});
    out.counts.insert(out.counts.end(), counts.begin(), counts.end());
  }
  return out;
}

std::vector<ChangeRow> SpaceModel::changes(std::uint64_t after) const {
  std::vector<ChangeRow> out;
  for (const auto& [id, row] : rows) out.push_back({row.row.sequence, ChangeKind::stored, row.key});
  for (const auto& [name, link] : links) {
    out.push_back({link.sequence, ChangeKind::linked, link.from, link.to, link.type});
  }
  for (const Removal& gone : removals) out.push_back({gone.sequence, gone.kind, gone.key, gone.to, gone.type});
  std::erase_if(out, [&](const ChangeRow& change) { return change.sequence <= after; });
  std::sort(out.begin(), out.end(), [](auto& left, auto& right) { return left.sequence < right.sequence; });
  return out;
}

std::vector<MemoryId> SpaceModel::expired(Time now) const {
  std::vector<MemoryId> ids;
  for (const auto& [id, row] : rows) {
    if (row.row.memory.expires_at && *row.row.memory.expires_at <= now) ids.push_back(id);
  }
  return ids;
}

// ---- Writer ----------------------------------------------------------------------------------

Writer::Writer(WriteTransaction& transaction, Model& model, const Space& space)
    : transaction_(transaction),
      model_(model),
      name_(space),
      space_(model.spaces[space]),
      record_(transaction.space(space).value()) {
  if (space_.record.number == 0) {  // created just now: nothing but the number is given
    CHECK(record_->number > 0);
    for (const auto& [other, data] : model.spaces) CHECK(data.record.number != record_->number);
    space_.record = {.number = record_->number, .space = space};
  }
  CHECK(*record_ == space_.record);
}

void Writer::put(ModelRow next, bool created, bool vector, bool keywords) {
  SpaceRecord& record = space_.record;
  const auto count = [&](const Row& row, std::uint64_t one) {
    record.memories += one;
    if (row.memory.type == MemoryType::semantic) record.semantic += one;
    if (row.has_vector) record.vectors += one;
    for (std::size_t i = 0; i < weight_classes; ++i) record.words[i] += one * row.words[i];
  };
  next.row.sequence = ++record.sequence;
  if (vector) {
    next.row.vector_sequence = record.sequence;
    next.row.has_vector = !next.row.memory.embedding.empty();
  }
  if (!created) count(space_.rows[next.row.id].row, ~std::uint64_t{0});
  count(next.row, 1);
  save();
  Row given = next.row;
  if (!vector) given.memory.embedding = {-1, -2, -3, -4, -5};  // must not be read
  transaction_
      .put(record.number, given,
           {.created = created, .vector = vector, .keywords = keywords ? &next.keywords : nullptr})
      .value();
  space_.rows[next.row.id] = std::move(next);
}

MemoryId Writer::store(const Memory& memory, const Keywords& keywords) {
  const std::string key = memory.coordinate.key();
  const ModelRow* before = space_.find(key);
  const auto found = transaction_.find(number(), key, Columns::header).value();
  REQUIRE(found.has_value() == (before != nullptr));
  ModelRow next{.row = {}, .key = key, .keywords = keywords};
  next.row.memory = memory;
  next.row.words = keywords.words;
  next.row.id = found ? found->id : first_id(number()) | ++space_.record.last_id;
  if (before) next.row.vector_sequence = before->row.vector_sequence;
  if (!memory.embedding.empty()) space_.record.dimension = static_cast<std::uint32_t>(memory.embedding.size());
  const MemoryId id = next.row.id;
  put(std::move(next), !found, !memory.embedding.empty() || (before && before->row.has_vector), true);
  return id;
}

void Writer::patch(const std::string& key, const std::function<void(Memory&)>& change, const Keywords* keywords) {
  const ModelRow* before = space_.find(key);
  REQUIRE(before != nullptr);
  ModelRow next = *before;
  change(next.row.memory);
  if (keywords) {
    next.keywords = *keywords;
    next.row.words = keywords->words;
  }
  put(std::move(next), false, false, keywords != nullptr);
}

void Writer::set_vector(const std::string& key, const std::vector<float>& vector) {
  const ModelRow* before = space_.find(key);
  REQUIRE(before != nullptr);
  ModelRow next = *before;
  next.row.memory.embedding = vector;
  put(std::move(next), false, true, false);
}

bool Writer::remove(const std::string& key) {
  const auto found = transaction_.find(number(), key, Columns::header).value();
  const ModelRow* before = space_.find(key);
  REQUIRE(found.has_value() == (before != nullptr));
  if (!found) return false;
  const auto links = transaction_.links_of(number(), key).value();
  for (const LinkRow& link : links) unlink(link.from, link.to, link.type);
  SpaceRecord& record = space_.record;
  const Row row = before->row;
  --record.memories;
  record.semantic -= row.memory.type == MemoryType::semantic;
  record.vectors -= row.has_vector;
  for (std::size_t i = 0; i < weight_classes; ++i) record.words[i] -= row.words[i];
  const Removal removal{.sequence = ++record.sequence, .kind = ChangeKind::removed, .id = row.id, .key = key};
  save();
  transaction_.erase(number(), *found).value();
  transaction_.note_removal(number(), removal).value();
  space_.removals.push_back(removal);
  if (row.vector_sequence == 0) space_.never_had_vector.insert(row.id);
  space_.rows.erase(row.id);
  return true;
}

void Writer::link(LinkRow link) {
  const bool there = transaction_.find_link(number(), link.from, link.to, link.type).value().has_value();
  CHECK(there == space_.links.contains(name_of(link)));
  link.sequence = ++space_.record.sequence;
  space_.record.links += !there;
  save();
  transaction_.put_link(number(), link).value();
  space_.links[name_of(link)] = link;
}

bool Writer::unlink(const std::string& from, const std::string& to, const std::string& type) {
  const auto link = transaction_.find_link(number(), from, to, type).value();
  CHECK(link.has_value() == space_.links.contains({from, type, to}));
  if (!link) return false;
  const Removal removal{
      .sequence = ++space_.record.sequence, .kind = ChangeKind::unlinked, .key = from, .to = to, .type = type};
  --space_.record.links;
  save();
  transaction_.erase_link(number(), *link).value();
  transaction_.note_removal(number(), removal).value();
  space_.removals.push_back(removal);
  space_.links.erase(name_of(*link));
  return true;
}

void Writer::audit(const AuditRecord& record) {
  transaction_.audit(number(), record).value();
  space_.audit.push_back(record);
}

void Writer::prune_audit(std::uint64_t keep, Time before) {
  const std::size_t had = space_.audit.size();
  std::erase_if(space_.audit, [&](const AuditRecord& record) { return record.at < before; });
  if (space_.audit.size() > keep)
    space_.audit.erase(space_.audit.begin(), space_.audit.end() - static_cast<long>(keep));
  CHECK(transaction_.prune_audit(number(), keep, before).value() == had - space_.audit.size());
}

void Writer::prune_removals(std::uint64_t up_to) {
  space_.record.horizon = up_to;
  save();
  transaction_.prune_removals(number(), up_to).value();
  std::erase_if(space_.removals, [&](const Removal& removal) { return removal.sequence <= up_to; });
}

void Writer::add_accesses(const std::string& key, std::uint64_t count) {
  transaction_.add_accesses(number(), key, count).value();
  if (const ModelRow* row = space_.find(key)) space_.rows[row->row.id].row.memory.accesses += count;
}

void Writer::setting(const std::string& name, const std::string& value) {
  transaction_.set_setting(name, value).value();
  model_.settings[name] = value;
}

void Writer::erase_space() {
  transaction_.erase_space(number()).value();
  model_.spaces.erase(name_);
}

void Writer::check_reads() {
  std::vector<Row> rows;
  std::set<std::string> ends;
  for (const auto& [id, row] : space_.rows) {
    rows.push_back(row.row);
    ends.insert(row.key);
    const auto found = transaction_.find(number(), row.key, Columns::all).value();
    REQUIRE(found);
    CHECK(difference(*found, row.row, Columns::all) == "");
  }
  CHECK(difference(transaction_.scan(number(), 0, no_limit, Columns::all).value(), rows, Columns::all) == "");
  for (const auto& [name, link] : space_.links) {
    ends.insert({link.from, link.to});
    const auto found = transaction_.find_link(number(), link.from, link.to, link.type).value();
    REQUIRE(found);
    CHECK(same(*found, link));
  }
  for (const std::string& key : ends) {
    const auto found = transaction_.links_of(number(), key).value();
    CHECK(std::ranges::equal(found, space_.links_from_or_to({key}, Direction::both, ""), same));
  }
  for (const std::int64_t now : {-1, 0, 500, 1'000'000}) {
    CHECK(ids_of(transaction_.expired(number(), at(now), no_limit).value()) == space_.expired(at(now)));
  }
}

// ---- Steps -----------------------------------------------------------------------------------

WriteStep make_step(std::function<void(WriteTransaction&)> run) {
  return {[run = std::move(run)](WriteTransaction& transaction) -> Result<void> {
            run(transaction);
            return {};
          },
          {}};
}

void commit(Storage& storage, const std::function<void(WriteTransaction&)>& run) {
  WriteStep step = make_step(run);
  storage.apply({&step, 1}).value();
  step.outcome.value();
}

void commit(Storage& storage, Model& model, const Space& space, const std::function<void(Writer&)>& run) {
  commit(storage, [&](WriteTransaction& transaction) {
    Writer writer(transaction, model, space);
    run(writer);
  });
}

// ---- Comparing -------------------------------------------------------------------------------

std::string difference(const Row& found, const Row& expected, Columns columns) {
  Row wanted = expected;
  if (columns != Columns::all) wanted.memory.embedding.clear();
  if (columns == Columns::header) wanted.memory.payload = wanted.memory.metadata = "{}";
  const auto row_of = [](const Row& row) {
    return std::tuple(row.id, row.sequence, row.vector_sequence, row.has_vector, row.words);
  };
  if (row_of(found) != row_of(wanted)) return fmt::format("row {}: numbers differ", wanted.id);
  const auto& [left, right] = std::tie(found.memory, wanted.memory);
  if (left.payload != right.payload) return fmt::format("row {}: payload differs", wanted.id);
  if (left.metadata != right.metadata) return fmt::format("row {}: metadata differs", wanted.id);
  const auto& [a, b] = std::tie(left.embedding, right.embedding);
  if (a.size() != b.size() || (!a.empty() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) != 0)) {
    return fmt::format("row {}: embedding differs", wanted.id);
  }
  if (!same_bits(left.importance, right.importance)) return fmt::format("row {}: importance differs", wanted.id);
  if (left != right) return fmt::format("row {}: memory differs", wanted.id);
  return {};
}

std::string difference(const std::vector<Row>& found, const std::vector<Row>& expected, Columns columns) {
  for (std::size_t i = 0; i < std::min(found.size(), expected.size()); ++i) {
    if (auto text = difference(found[i], expected[i], columns); !text.empty()) return fmt::format("at {}: {}", i, text);
  }
  return found.size() == expected.size() ? "" : fmt::format("{} rows, not {}", found.size(), expected.size());
}

bool same(const LinkRow& left, const LinkRow& right) {
  return name_of(left) == name_of(right) && left.sequence == right.sequence &&
         same_bits(left.strength, right.strength) && left.metadata == right.metadata &&
         left.created_at == right.created_at;
}

namespace {

void compare_rows(ReadView& view, const SpaceModel& model) {
  for (const auto order : {ListOrder::coordinate, ListOrder::created_at, ListOrder::importance}) {
    for (const bool descending : {false, true}) {
      const Scan scan{.order = order, .descending = descending, .limit = no_limit, .columns = Columns::all};
      CHECK(difference(view.list(scan).value(), model.list(scan), Columns::all) == "");
    }
  }
  std::vector<MemoryId> ids;
  std::vector<Row> rows;
  for (const auto& [id, row] : model.rows) {
    ids.push_back(id);
    rows.push_back(row.row);
  }
  CHECK(difference(view.fetch(ids, Columns::all).value(), rows, Columns::all) == "");
  std::map<std::string, MemoryId> keys;
  view.keys("", "", [&](const KeyRow& row) { return keys.emplace(row.key, row.id), true; }).value();
  CHECK(keys.size() == model.rows.size());
  for (const auto& [id, row] : model.rows) {
    CHECK(keys[row.key] == id);
    const auto found = view.get(row.key, Columns::payload).value();
    REQUIRE(found);
    CHECK(difference(*found, row.row, Columns::payload) == "");
  }
}

void compare_vectors(ReadView& view, const SpaceModel& model, std::uint64_t after, VectorColumns columns) {
  using Change = std::tuple<MemoryId, std::uint64_t, std::vector<float>, std::string, MemoryType, Time>;
  std::set<Change> found, wanted;
  const auto add = [](std::set<Change>& to, const VectorChange& change) {
    to.emplace(change.id, change.sequence, std::vector<float>(change.vector.begin(), change.vector.end()),
               change.fields.key, change.fields.type, change.fields.created_at);
  };
  const auto visit = [&](const VectorChange& change) {
    if (!change.vector.empty() || !model.never_had_vector.contains(change.id)) add(found, change);
    return true;
  };
  view.vectors(after, columns, visit).value();
  for (const auto& [id, row] : model.rows) {
    if (row.row.vector_sequence <= after) continue;
    VectorChange change{.id = id, .sequence = row.row.vector_sequence, .vector = row.row.memory.embedding};
    if (columns == VectorColumns::fields && row.row.has_vector) change.fields = VectorFields::of(row.row.memory);
    add(wanted, change);
  }
  for (const Removal& gone : model.removals) {
    if (gone.kind == ChangeKind::removed && gone.sequence > after && !model.never_had_vector.contains(gone.id)) {
      add(wanted, {.id = gone.id, .sequence = gone.sequence});
    }
  }
  CHECK(found == wanted);
}

}  // namespace

void compare(ReadView& view, const SpaceModel& model) {
  CHECK(view.space() == model.record);
  compare_rows(view, model);
  std::vector<LinkRow> links;
  for (const auto& [name, link] : model.links) {
    links.push_back(link);
    const auto found = view.get_link(link.from, link.to, link.type).value();
    REQUIRE(found);
    CHECK(same(*found, link));
  }
  CHECK(std::ranges::equal(view.list_links(nullptr, no_limit).value(), links, same));
  for (const std::uint64_t after : {std::uint64_t{0}, model.record.sequence / 2, model.record.sequence}) {
    const auto same_change = [](const ChangeRow& left, const ChangeRow& right) {
      return std::tie(left.sequence, left.kind, left.key, left.to, left.type) ==
             std::tie(right.sequence, right.kind, right.key, right.to, right.type);
    };
    CHECK(std::ranges::equal(view.changes(after, no_limit).value(), model.changes(after), same_change));
    for (const VectorColumns columns : {VectorColumns::vector, VectorColumns::fields}) {
      compare_vectors(view, model, after, columns);
    }
  }
  for (const std::int64_t now : {-1, 0, 500, 1'000'000}) {
    auto ids = ids_of(view.expired(at(now)).value());
    std::sort(ids.begin(), ids.end());
    CHECK(ids == model.expired(at(now)));
  }
  const auto same_record = [](const AuditRecord& left, const AuditRecord& right) {
    return std::tie(left.at, left.action, left.subject, left.version, left.payload) ==
           std::tie(right.at, right.action, right.subject, right.version, right.payload);
  };
  const auto records = view.audit(no_limit, 0).value();
  CHECK(std::equal(records.begin(), records.end(), model.audit.rbegin(), model.audit.rend(), same_record));
  const std::vector<std::string> terms{"w0", "w1", "nowhere", "w7"};
  const Postings found = view.postings(terms).value(), wanted = model.postings(terms);
  CHECK(found.counts == wanted.counts);
  CHECK(std::ranges::equal(found.entries, wanted.entries, [](const auto& left, const auto& right) {
    return left.id == right.id && left.words == right.words;
  }));
}

void compare(Storage& storage, const Model& model) {
  std::vector<Space> spaces;
  for (const auto& [space, data] : model.spaces) {
    spaces.push_back(space);
    compare(*storage.read(space).value(), data);
  }
  auto found = storage.spaces().value();
  std::sort(found.begin(), found.end());
  CHECK(found == spaces);
  for (const auto& [name, value] : model.settings) CHECK(storage.setting(name).value() == value);
}

// ---- Values ----------------------------------------------------------------------------------

Keywords words(std::string first, std::string second, std::string third, std::string fourth) {
  Keywords keywords{.text = {std::move(first), std::move(second), std::move(third), std::move(fourth)}};
  for (std::size_t i = 0; i < weight_classes; ++i) {
    std::istringstream text(keywords.text[i]);
    for (std::string word; text >> word;) ++keywords.words[i];
  }
  return keywords;
}

Time at(std::int64_t microseconds) { return Time(std::chrono::microseconds(microseconds)); }

Memory make_memory(const Coordinate& coordinate, std::string payload) {
  return {.coordinate = coordinate,
          .payload = std::move(payload),
          .created_at = at(1000),
          .updated_at = at(1000),
          .version = 1};
}

Coordinate Random::coordinate() {
  static const std::vector<double> components{
      0, 1, 2, -1, 0.5, -1e300, std::numeric_limits<double>::max(), std::numeric_limits<double>::denorm_min(), 3};
  std::vector<double> parts(1 + below(3));
  for (double& part : parts) part = components[below(components.size())];
  return Coordinate(parts);
}

double Random::importance() {
  static const std::vector<double> values{
      0, 1, -1, 0.5, 0.1, 5e-324, -5e-324, 1.7976931348623157e308, 2.2250738585072014e-308};
  return values[below(values.size())];
}

std::string Random::payload() {
  return fmt::format(R"({{"n": {}, "topic": "{}", "deep": {{"x": {}}}, "tags": ["{}"]}})", below(10), word(),
                     one_in(3) ? "null" : "true", word());
}

Keywords Random::keywords() {
  std::array<std::string, weight_classes> columns;
  for (std::string& column : columns) {
    for (std::uint64_t n = below(4); n > 0; --n) column += (column.empty() ? "" : " ") + word();
  }
  return words(columns[0], columns[1], columns[2], columns[3]);
}

std::vector<float> Random::vector(std::size_t dimension) {
  std::vector<float> out(dimension);
  for (float& x : out) x = static_cast<float>(below(1000)) / 500.0F - 1.0F;
  return out;
}

Memory Random::memory(std::size_t dimension) {
  Memory out = make_memory(coordinate(), payload());
  out.embedding = vector(dimension);
  out.type = one_in(2) ? MemoryType::semantic : MemoryType::episodic;
  out.importance = importance();
  out.metadata = fmt::format(R"({{"m": {}}})", below(5));
  if (one_in(4)) out.expires_at = at(static_cast<std::int64_t>(below(1000)));
  for (auto& byte : out.id.bytes) byte = static_cast<std::uint8_t>(below(256));
  out.created_at = at(static_cast<std::int64_t>(below(50)));
  out.updated_at = at(static_cast<std::int64_t>(below(1'000'000)));
  out.version = 1 + below(100);
  out.accesses = below(5);
  return out;
}

LinkRow Random::link() {
  return {.from = key(),
          .to = key(),
          .type = link_type(),
          .strength = importance(),
          .metadata = fmt::format(R"({{"l": {}}})", below(9)),
          .created_at = at(static_cast<std::int64_t>(below(100)))};
}

}  // namespace fractal::conformance
