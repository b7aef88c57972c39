// Invariant: a write is answered only when it is durable; a batch is one transaction.
#include "src/server/operations.h"

#include "src/json_scan.h"
#include "src/server/lookups.h"
#include "src/server/metrics.h"
#include "src/server/records.h"
#include "src/server/schemas.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

namespace fractal::server {
namespace {

using Place = std::vector<std::string>;

Place below(Place place, std::string_view name) {
  place.emplace_back(name);
  return place;
}

std::optional<Time> time_at(const Fields& fields, const Place& place) {
  const auto text = fields.text("expires_at");
  if (!text) return std::nullopt;
  auto time = parse_time(*text);
  if (!time) refuse_value(below(place, "expires_at"), time.error().message);
  return *time;
}

WriteOptions version_at(const Fields& fields) {
  const auto version = fields.integer("if_version");
  if (!version) return {};
  return {.if_version = static_cast<std::uint64_t>(*version)};
}

MemoryType type_at(const Fields& fields) {
  return parse_memory_type(fields.text("memory_type").value_or("episodic")).value();
}

Memory memory_of(const Fields& fields, const Place& place) {
  if (!fields.has("payload")) throw Invalid{{{"missing", below(place, "payload"), Say::field_required}}};
  Memory memory{.coordinate = coordinate_at(fields, "coord", place), .payload = std::string(fields.raw("payload"))};
  memory.type = type_at(fields);
  memory.importance = fields.number("importance").value_or(0);
  if (fields.has("metadata")) memory.metadata = fields.raw("metadata");
  memory.embedding = fields.vector("embedding").value_or(std::vector<float>());
  memory.expires_at = time_at(fields, place);
  return memory;
}

// `object`: of the fields; a null of expires_at means never.
Patch patch_of(const Fields& fields, std::string_view object, const Place& place) {
  Patch patch;
  if (fields.has("payload")) patch.payload = fields.raw("payload");
  if (fields.has("metadata")) patch.metadata = fields.raw("metadata");
  if (fields.has("memory_type")) patch.type = type_at(fields);
  patch.importance = fields.number("importance");
  patch.embedding = fields.vector("embedding");
  patch.expires_at = time_at(fields, place);
  const std::string key = "expires_at";
  patch.never_expires = json::find(object, {&key, 1}) == "null";
  return patch;
}

std::string stored(std::string_view coord, MemoryType type, const Written& written) {
  return Object()
      .text("coord", coord)
      .text("memory_type", to_string(type))
      .count("version", written.version)
      .flag("created", written.created)
      .str();
}

const Place body_place{"body", "req"};

// A list as JSON, piece by piece.
class Pages {
 public:
  Pages(FractalMemory memory, ListOptions options, std::size_t limit, std::chrono::milliseconds patience)
      : memory_(std::move(memory)), options_(std::move(options)), left_(limit), patience_(patience) {}

  std::optional<std::string> next() {
    if (done_) return std::nullopt;
    options_.limit = std::min(left_, piece_.size());
    options_.control.deadline = std::chrono::steady_clock::now() + patience_;
    const Page page = accepted(memory_.list(options_), {"query"});
    std::string text = begun_ ? "" : "{\"memories\": [";
    bool first = !begun_ || empty_;
    for (const Memory& memory : page.memories) {
      text += (first ? "" : ", ") + record_of(memory);
      first = empty_ = false;
    }
    begun_ = true;
    left_ -= std::min(left_, page.memories.size());
    options_.after = page.next;
    done_ = left_ == 0 || page.next.empty();
    if (done_) text += "], \"next\": " + (page.next.empty() ? "null" : quoted(page.next)) + "}";
    piece_.held(page.memories.size(), text.size());
    return text;
  }

 private:
  PieceSize piece_;
  FractalMemory memory_;
  ListOptions options_;
  std::size_t left_;
  std::chrono::milliseconds patience_;  // with the memory, for each piece
  bool begun_ = false, empty_ = true, done_ = false;
};

void add_entry(Batch& batch, const Rights& rights, std::string_view object, const Place& place,
               std::vector<Flaw>& flaws) {
  const std::size_t before = flaws.size();
  const Fields fields = read_object(schemas::batch_entry, object, place, flaws);
  if (flaws.size() != before) return;
  const std::string op = fields.text("op").value_or("store");
  if ((op == "delete" || op == "unlink") && !rights.may(Permission::remove)) throw Refused{403, Say::permission_denied};
  if (op == "store") {
    batch.store(memory_of(fields, place), version_at(fields));
  } else if (op == "patch") {
    batch.update(coordinate_at(fields, "coord", place), patch_of(fields, object, place), version_at(fields));
  } else if (op == "delete") {
    batch.remove(coordinate_at(fields, "coord", place), version_at(fields));
  } else if (op == "link") {
    batch.link(link_of(fields, place));
  } else {
    batch.unlink(coordinate_at(fields, "from_coord", place), coordinate_at(fields, "to_coord", place),
                 link_type_of(fields, "related"));
  }
}

}  // namespace

Reply store_memory(Call& call) {
  Memory memory = memory_of(call.body, body_place);
  const MemoryType type = memory.type;
  const Written written = accepted(call.memory.store(std::move(memory), version_at(call.body)), body_place);
  call.service.metrics.wrote("store");
  return {.body = stored(*call.body.text("coord"), type, written)};
}

Reply get_memory(Call& call) {
  const Coordinate coordinate = coordinate_of(call.segment, {"path", "coord"});
  const Memory memory = call.memory.retrieve(coordinate, {.embeddings = false}).value();
  return {.body = Object().raw("memory", record_of(memory)).str()};
}

Reply patch_memory(Call& call) {
  const Coordinate coordinate = coordinate_of(call.segment, {"path", "coord"});
  const Patch patch = patch_of(call.body, call.body_text, body_place);
  const Written written = accepted(call.memory.update(coordinate, patch, version_at(call.body)), body_place);
  call.service.metrics.wrote("patch");
  return {.body = Object().text("coord", call.segment).count("version", written.version).str()};
}

Reply delete_memory(Call& call) {
  const bool deleted = call.memory.remove(coordinate_of(call.segment, {"path", "coord"})).value();
  if (deleted) call.service.metrics.wrote("delete");
  return {.body = Object().text("coord", call.segment).flag("deleted", deleted).str()};
}

Reply batch_memories(Call& call) {
  Batch batch;
  std::vector<Flaw> flaws;
  json::MemberReader entries(call.body.raw("entries"));
  std::size_t number = 0;
  for (json::Member entry; entries.next(entry); ++number) {
    const Place place = below(below(body_place, "entries"), fmt::to_string(number));
    if (json::kind_of(entry.value) != json::Kind::object) {
      flaws.push_back({"dict_type", place, Say::valid_dictionary});
    } else {
      add_entry(batch, call.rights, entry.value, place, flaws);
    }
    if (flaws.size() >= 100) break;
  }
  if (!flaws.empty()) throw Invalid{std::move(flaws)};
  const Applied applied = accepted(call.memory.apply(batch), below(body_place, "entries"));
  call.service.metrics.wrote("batch", batch.size());
  std::vector<std::string> written;
  for (const Written& one : applied.written) {
    written.push_back(
        Object().count("version", one.version).flag("created", one.created).flag("removed", one.removed).str());
  }
  return {.body =
              Object().flag("ok", true).count("sequence", applied.sequence).raw("written", array_of(written)).str()};
}

Reply list_memories(Call& call) {
  ListOptions options{.limit = 0, .control = call.control};
  auto left = static_cast<std::size_t>(call.query.integer("limit").value_or(100));
  const std::string order = call.query.text("order").value_or("coordinate");
  if (order == "created_at") options.order = ListOrder::created_at;
  if (order == "importance") options.order = ListOrder::importance;
  options.descending = call.query.flag("descending").value_or(false);
  options.after = call.query.text("after").value_or("");
  options.filter = filter_of(call.query, "query");
  if (const auto within = call.query.text("within")) options.within = coordinate_of(*within, {"query", "within"});

  const auto pages = std::make_shared<Pages>(call.memory, std::move(options), left, call.service.options.call_timeout);
  return in_pieces([pages] { return pages->next(); });
}

Reply erase_space(Call& call) {
  // A purge empties the audit logs of all spaces, and rewrites the whole file.
  const bool purge = call.query.flag("purge").value_or(false);
  if (purge && !(call.rights.tenants.empty() && call.rights.namespaces.empty())) {
    throw Refused{403, Say::permission_denied};
  }
  const std::uint64_t erased = call.memory.erase_space().value();
  std::uint64_t bytes = 0;
  if (purge) { bytes = call.memory.maintain({.purge = true, .control = call.control}).value().bytes_rewritten; }
  return {.body = Object().count("erased", erased).count("bytes_rewritten", bytes).str()};
}

}  // namespace fractal::server
