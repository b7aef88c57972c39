// Invariant: every random choice comes from the one seeded generator, so a seed brings a run back.
#include "tests/engine/model_values.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <iterator>
#include <limits>

namespace fractal::model {
namespace {

constexpr std::array<double, 6> components{-2.5, 0, 1, 2, 3, 1e300};
constexpr std::array<const char*, 24> vocabulary{
    "tea",  "green", "Ada",  "drinks", "drinking", "river", "bank",  "money", "the",   "what", "does", "naïve",
    "café", "日本",  "über", "it's",   "42",       "x1",    "likes", "liked", "stone", "moon", "sun",  "tea"};
constexpr std::array<const char*, 4> tags{"a", "b", "ab", "ü"};
constexpr std::array<const char*, 3> types{"related", "part_of", "ähnlich"};
constexpr std::array<double, 8> importances{0, -0.0, 1, 1, 2.5, -3, 1e-9, 1e9};
constexpr std::array<const char*, 10> numbers{"2020", "2024", "2024.0", "2024.5",           "-7",
                                              "0",    "-0.0", "1e3",    "9007199254740993", "18446744073709551615"};
constexpr std::array<const char*, 18> paths{
    "year",        "tag",         "tags",        "user.name",   "draft",       "a\\.b",
    "missing",     "text",        "user",        "$type",       "$importance", "$version",
    "$created_at", "$updated_at", "$expires_at", "$coordinate", "$metadata.k", "$metadata.deep.k"};

}  // namespace

Coordinate Values::coordinate() {
  std::vector<double> numbers_chosen;
  const std::size_t size = 1 + random_.below(3);
  for (std::size_t i = 0; i < size; ++i) {
    numbers_chosen.push_back(components[i == 0 ? random_.below(components.size()) : 1 + random_.below(3)]);
  }
  return Coordinate(std::span<const double>(numbers_chosen));
}

Coordinate Values::ancestor() {
  const Coordinate below = coordinate();
  return Coordinate(below.components().first(1 + random_.below(below.size())));
}

// Few different components: equal scores are common, and so is their order by id.
std::vector<float> Values::vector() {
  std::vector<float> made(dimension);
  for (float& component : made) component = static_cast<float>(static_cast<int>(random_.below(5)) - 2);
  made[random_.below(dimension)] = 3;
  if (random_.one_in(3)) {
    for (float& component : made) component *= 0.01F * static_cast<float>(1 + random_.below(1000));
  }
  return made;
}

std::string Values::words(std::size_t most) {
  std::string text;
  for (std::size_t left = random_.below(most + 1); left > 0; --left) {
    if (!text.empty()) text += random_.one_in(5) ? ", " : " ";
    text += random_.pick(vocabulary);
  }
  return text;
}

std::string Values::scalar() {
  switch (random_.below(6)) {
    case 0: return "null";
    case 1: return random_.coin() ? "true" : "false";
    case 2: return fmt::format("\"{}\"", random_.pick(tags));
    default: return random_.pick(numbers);
  }
}

std::string Values::payload() {
  std::string members;
  const auto add = [&](const std::string& member) {
    if (!members.empty()) members += random_.one_in(8) ? " ,\n " : ",";
    members += member;
  };
  if (!random_.one_in(4)) add(fmt::format("\"text\":\"{}\"", words(12)));
  if (random_.one_in(4)) add(fmt::format("\"title\":\"{}\"", words(3)));
  if (random_.one_in(6)) add(fmt::format("\"context\":[\"{}\",\"{}\"]", words(3), words(2)));
  if (random_.one_in(6)) add(fmt::format("\"note\":\"{}\"", words(4)));
  if (random_.coin()) add(fmt::format("\"year\":{}", scalar()));
  if (random_.one_in(20)) add(fmt::format("\"year\":{}", random_.pick(numbers)));  // the last one counts
  if (random_.coin()) add(fmt::format("\"tag\":\"{}\"", random_.pick(tags)));
  if (random_.one_in(4)) add(fmt::format("\"tags\":[{},\"{}\"]", scalar(), random_.pick(tags)));
  if (random_.one_in(4)) add(fmt::format("\"user\":{{\"name\":{}}}", scalar()));
  if (random_.one_in(5)) add(fmt::format("\"draft\":{}", scalar()));
  if (random_.one_in(8)) add(fmt::format("\"a.b\":{}", scalar()));
  if (random_.one_in(10)) add(R"("long":"caf\u00e9 \ud83d\ude00 \n")");
  return "{" + members + "}";
}

std::string Values::metadata() {
  switch (random_.below(4)) {
    case 0: return fmt::format("{{\"k\":{}}}", scalar());
    case 1: return fmt::format("{{\"deep\":{{\"k\":\"{}\"}} }}", random_.pick(tags));
    default: return "{}";
  }
}

Uuid Values::uuid() {
  Uuid made;
  for (auto& byte : made.bytes) byte = static_cast<std::uint8_t>(random_.next());
  return made;
}

std::string Values::link_type() { return random_.pick(types); }

Memory Values::memory(const Surroundings& around) {
  Memory made{.coordinate = coordinate(), .payload = payload()};
  if (random_.one_in(3)) made.type = MemoryType::semantic;
  if (!random_.one_in(3)) made.embedding = vector();
  made.importance = random_.pick(importances);
  made.metadata = metadata();
  if (random_.one_in(6)) made.expires_at = around.now + std::chrono::microseconds(random_.below(3000));
  if (!around.may_break || !random_.one_in(40)) return made;
  switch (random_.below(7)) {
    case 0: made.payload = "[1]"; break;
    case 1: made.embedding.assign(dimension + 1, 1.0F); break;
    case 2: made.embedding.assign(dimension, 0.0F); break;
    case 3: made.embedding.assign(dimension, std::numeric_limits<float>::quiet_NaN()); break;
    case 4: made.importance = std::numeric_limits<double>::infinity(); break;
    case 5: made.coordinate = Coordinate(); break;
    default: made.metadata = "{\"k\":\"\xff\"}"; break;
  }
  return made;
}

GraphLink Values::link(const Surroundings& around) {
  GraphLink made{.from = coordinate(), .to = coordinate(), .type = link_type()};
  made.strength = static_cast<double>(static_cast<int>(random_.below(6)) - 1) / 2;
  made.metadata = metadata();
  if (!around.may_break || !random_.one_in(40)) return made;
  switch (random_.below(3)) {
    case 0: made.type.clear(); break;
    case 1: made.type.assign(limits::link_type + 1, 'x'); break;
    default: made.strength = std::numeric_limits<double>::quiet_NaN(); break;
  }
  return made;
}

Patch Values::patch(const Surroundings& around) {
  Patch made;
  if (random_.coin()) made.payload = random_.one_in(5) ? R"({"year":null,"user":{"name":null}})" : payload();
  if (random_.one_in(4)) made.metadata = metadata();
  if (random_.one_in(4)) made.type = random_.coin() ? MemoryType::semantic : MemoryType::episodic;
  if (random_.one_in(3)) made.importance = random_.pick(importances);
  if (random_.one_in(3)) made.embedding = random_.one_in(4) ? std::vector<float>() : vector();
  if (random_.one_in(6)) made.expires_at = around.now + std::chrono::microseconds(random_.below(3000));
  if (random_.one_in(6)) made.never_expires = true;
  if (around.may_break && random_.one_in(40)) made.payload = "{\"year\":}";
  return made;
}

WriteOptions Values::condition() {
  if (!random_.one_in(4)) return {};
  return {.if_version = random_.below(4)};
}

Batch Values::batch(const Surroundings& around) {
  Batch made;
  for (std::size_t left = 1 + random_.below(8); left > 0; --left) {
    switch (random_.below(10)) {
      case 0:
      case 1:
      case 2: made.store(memory(around), random_.one_in(6) ? condition() : WriteOptions{}); break;
      case 3:
      case 4: made.update(coordinate(), patch(around)); break;
      case 5: made.remove(coordinate()); break;
      case 6: made.link(link(around)); break;
      case 7: made.unlink(coordinate(), coordinate(), link_type()); break;
      case 8: {
        Memory restored = memory(around);
        restored.id = uuid();
        restored.created_at = around.now - std::chrono::microseconds(random_.below(5000));
        restored.version = random_.below(4);
        restored.accesses = random_.below(3);
        made.restore(std::move(restored));
        break;
      }
      default: {
        GraphLink restored = link(around);
        restored.created_at = around.now - std::chrono::microseconds(random_.below(5000));
        made.restore_link(std::move(restored));
      }
    }
  }
  return made;
}

Value Values::value(const Surroundings& around) {
  switch (random_.below(9)) {
    case 0: return nullptr;
    case 1: return random_.coin();
    case 2: return random_.pick(std::array<std::int64_t, 5>{2020, 2024, 0, -7, 9007199254740993});
    case 3: return std::numeric_limits<std::uint64_t>::max();
    case 4: return random_.pick(std::array<double, 5>{2024.0, 2024.5, -0.0, 1000.0, 9007199254740992.0});
    case 5: return random_.pick(tags);
    case 6: return around.now - std::chrono::microseconds(random_.below(2000));
    case 7: return random_.coin() ? "episodic" : "1.0,2.0";
    default: return random_.pick(vocabulary);
  }
}

Filter Values::single_test(const Surroundings& around) {
  const std::string_view path = random_.pick(paths);
  switch (random_.below(10)) {
    case 0: return Filter::eq(path, value(around));
    case 1: return Filter::ne(path, value(around));
    case 2: return Filter::lt(path, value(around));
    case 3: return Filter::le(path, value(around));
    case 4: return Filter::gt(path, value(around));
    case 5: return Filter::ge(path, value(around));
    case 6: return Filter::in(path, {value(around), value(around), value(around)});
    case 7: return Filter::contains(path, value(around));
    case 8: return Filter::prefix(path, random_.coin() ? "a" : "");
    default: return Filter::exists(path);
  }
}

Filter Values::filter(const Surroundings& around, int depth) {
  if (depth > 0 && random_.one_in(3)) {
    switch (random_.below(3)) {
      case 0: return filter(around, depth - 1) && filter(around, depth - 1);
      case 1: return filter(around, depth - 1) || filter(around, depth - 1);
      default: return !filter(around, depth - 1);
    }
  }
  return single_test(around);
}

SearchOptions Values::search_options(const Surroundings& around) {
  SearchOptions options;
  options.top_k = random_.pick(std::array<std::size_t, 6>{0, 1, 3, 10, 10, 100});
  if (random_.one_in(3)) options.offset = random_.below(12);
  if (random_.coin()) options.filter = filter(around);
  if (random_.one_in(4)) options.within = ancestor();
  options.mode = static_cast<SearchMode>(random_.below(4));
  options.alpha = random_.pick(std::array<double, 4>{0, 0.3, 0.6, 1});
  if (random_.one_in(3)) options.fusion = Fusion::rrf;
  if (random_.one_in(5)) options.diversity = random_.pick(std::array<double, 3>{0.3, 0.7, 1});
  options.explain = random_.coin();
  options.embeddings = random_.one_in(4);
  return options;
}

ListOptions Values::list_options(const Surroundings& around) {
  ListOptions options;
  options.order = static_cast<ListOrder>(random_.below(3));
  options.descending = random_.coin();
  options.limit = random_.pick(std::array<std::size_t, 5>{0, 1, 3, 7, 100});
  if (random_.one_in(4)) options.within = ancestor();
  if (random_.one_in(3)) options.filter = filter(around);
  options.embeddings = random_.one_in(3);
  return options;
}

NearOptions Values::near_options(const Surroundings& around) {
  NearOptions options;
  if (random_.coin()) options.radius = random_.pick(std::array<double, 5>{0, 1, 1.5, 4, 1e301});
  options.limit = random_.below(8);
  if (random_.one_in(4)) options.filter = filter(around);
  return options;
}

NeighborOptions Values::neighbor_options() {
  NeighborOptions options;
  options.hops = 1 + random_.below(4);
  options.direction = static_cast<Direction>(random_.below(3));
  if (random_.one_in(3)) options.type = link_type();
  if (random_.coin()) options.limit = random_.below(10);
  if (random_.one_in(3)) options.offset = random_.below(6);
  return options;
}

PathOptions Values::path_options() {
  PathOptions options;
  options.max_hops = random_.below(7);
  options.direction = static_cast<Direction>(random_.below(3));
  if (random_.one_in(4)) options.type = link_type();
  options.weighted = random_.one_in(3);
  return options;
}

ExportOptions Values::export_options(const Surroundings& around) {
  ExportOptions options;
  if (random_.one_in(3)) options.within = ancestor();
  if (random_.one_in(4)) options.filter = filter(around);
  options.embeddings = random_.coin();
  options.links = !random_.one_in(4);
  options.consistent = random_.coin();
  return options;
}

}  // namespace fractal::model
