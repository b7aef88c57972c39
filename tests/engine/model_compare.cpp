// Invariant: nothing is left out of a comparison but the ids made at random and what describes the process (index
// and file sizes, plan).
#include "tests/engine/model_compare.h"

#include <fractal/format.h>

#include <bit>

namespace fractal::model {

bool Comparison::same(double left, double right) {
  return std::bit_cast<std::uint64_t>(left) == std::bit_cast<std::uint64_t>(right);
}

bool Comparison::same(const Uuid& left, const Uuid& right) {
  if (left == right) return true;
  return twins_.try_emplace(left, right).first->second == right;
}

bool Comparison::same(const Written& left, const Written& right) {
  return same(left.id, right.id) && left.version == right.version && left.sequence == right.sequence &&
         left.created == right.created && left.removed == right.removed;
}

bool Comparison::same(const Applied& left, const Applied& right) {
  return left.sequence == right.sequence && same(left.written, right.written);
}

bool Comparison::same(const Memory& left, const Memory& right) {
  return left.coordinate == right.coordinate && left.payload == right.payload && left.type == right.type &&
         left.embedding == right.embedding && same(left.importance, right.importance) &&
         left.metadata == right.metadata && left.expires_at == right.expires_at && same(left.id, right.id) &&
         left.created_at == right.created_at && left.updated_at == right.updated_at && left.version == right.version &&
         left.accesses == right.accesses;
}

bool Comparison::same(const GraphLink& left, const GraphLink& right) {
  return left == right && same(left.strength, right.strength);
}

bool Comparison::same(const Hit& left, const Hit& right) {
  const auto same_part = [this](const ScorePart& a, const ScorePart& b) {
    return a.name == b.name && same(a.value, b.value) && same(a.contribution, b.contribution);
  };
  return same(left.memory, right.memory) && same(left.score, right.score) &&
         std::equal(left.explain.begin(), left.explain.end(), right.explain.begin(), right.explain.end(), same_part);
}

bool Comparison::same(const SearchResult& left, const SearchResult& right) {
  return same(left.hits, right.hits) && left.exact == right.exact && left.matched == right.matched &&
         left.sequence == right.sequence && left.mode == right.mode;
}

bool Comparison::same(const Page& left, const Page& right) {
  const bool same_place = dense_numbers_ ? left.next == right.next : left.next.empty() == right.next.empty();
  return same(left.memories, right.memories) && same_place;
}

bool Comparison::same(const NearHit& left, const NearHit& right) {
  return same(left.memory, right.memory) && same(left.distance, right.distance);
}

bool Comparison::same(const Neighbor& left, const Neighbor& right) {
  return left.coordinate == right.coordinate && same(left.link, right.link) && left.hops == right.hops;
}

bool Comparison::same(const Change& left, const Change& right) {
  return left.sequence == right.sequence && left.kind == right.kind && left.coordinate == right.coordinate &&
         left.to == right.to && left.type == right.type;
}

bool Comparison::same(const AuditRecord& left, const AuditRecord& right) {
  return (left.number == right.number || !dense_numbers_) && left.at == right.at && left.action == right.action &&
         left.subject == right.subject && left.version == right.version && left.payload == right.payload;
}

bool Comparison::same(const Stats& left, const Stats& right) {
  const auto sorted = [](std::vector<std::string> paths) {
    std::sort(paths.begin(), paths.end());
    return paths;
  };
  return left.memories == right.memories && left.episodic == right.episodic && left.semantic == right.semantic &&
         left.links == right.links && left.vectors == right.vectors && left.dimension == right.dimension &&
         left.sequence == right.sequence && sorted(left.indexed_fields) == sorted(right.indexed_fields);
}

bool Comparison::same(const ImportReport& left, const ImportReport& right) {
  return left.lines == right.lines && left.memories == right.memories && left.links == right.links;
}

bool Comparison::same(const MaintainReport& left, const MaintainReport& right) {
  return left.expired_removed == right.expired_removed && left.audit_removed == right.audit_removed;
}

std::string show(std::uint64_t value) { return fmt::to_string(value); }
std::string show(bool value) { return value ? "true" : "false"; }
std::string show(const std::string& value) { return value; }

std::string show(const Written& value) {
  return fmt::format("version {} sequence {}{}{}", value.version, value.sequence, value.created ? " created" : "",
                     value.removed ? " removed" : "");
}

std::string show(const Applied& value) { return fmt::format("sequence {} {}", value.sequence, show(value.written)); }

std::string show(const Memory& value) {
  const auto micros = [](Time time) { return time.time_since_epoch().count(); };
  return fmt::format("{} v{} {} {} {} importance {} dim {} created {} updated {} expires {} accesses {}",
                     value.coordinate, value.version, value.type, value.payload, value.metadata, value.importance,
                     value.embedding.size(), micros(value.created_at), micros(value.updated_at),
                     value.expires_at ? fmt::to_string(micros(*value.expires_at)) : "never", value.accesses);
}

std::string show(const GraphLink& value) {
  return fmt::format("{} {} {} at {}", value, value.strength, value.metadata,
                     value.created_at.time_since_epoch().count());
}

std::string show(const SearchResult& value) {
  std::string text = fmt::format("{} matched {} exact {} sequence {} plan {}", value.mode, value.matched, value.exact,
                                 value.sequence, value.plan);
  for (const Hit& hit : value.hits) {
    text += fmt::format("\n    {:a} {:.17g}: {}", hit.score, hit.score, show(hit.memory));
    for (const ScorePart& part : hit.explain)
      text += fmt::format("; {} {} {}", part.name, part.value, part.contribution);
  }
  return text;
}

std::string show(const Page& value) { return fmt::format("{} next {}", show(value.memories), value.next); }
std::string show(const NearHit& value) { return fmt::format("{:a} {}", value.distance, show(value.memory)); }

std::string show(const Neighbor& value) {
  return fmt::format("{} hops {} by {}", value.coordinate, value.hops, show(value.link));
}

std::string show(const Change& value) {
  return fmt::format("{} {} {} {} {}", value.sequence, to_string(value.kind), value.coordinate, value.to, value.type);
}

std::string show(const AuditRecord& value) {
  return fmt::format("{} at {} {} {} v{} {}", value.number, value.at.time_since_epoch().count(), value.action,
                     value.subject, value.version, value.payload);
}

std::string show(const Stats& value) {
  return fmt::format("memories {} episodic {} semantic {} links {} vectors {} dimension {} sequence {} fields {}",
                     value.memories, value.episodic, value.semantic, value.links, value.vectors, value.dimension,
                     value.sequence, show(value.indexed_fields));
}

std::string show(const ImportReport& value) {
  return fmt::format("lines {} memories {} links {}", value.lines, value.memories, value.links);
}

std::string show(const MaintainReport& value) {
  return fmt::format("expired {} audit {}", value.expired_removed, value.audit_removed);
}

std::string show(const Space& value) { return fmt::format("{}", value); }

std::string without_ids(std::string text) {
  constexpr std::string_view member = "\"id\":\"";
  constexpr std::size_t uuid_characters = 36;
  for (std::size_t at = text.find(member); at != text.npos; at = text.find(member, at + 1)) {
    const std::size_t begin = at + member.size();
    if (begin + uuid_characters < text.size() && text[begin + uuid_characters] == '"') {
      text.replace(begin, uuid_characters, uuid_characters, '0');
    }
  }
  return text;
}

}  // namespace fractal::model
