// Invariant: hits come in the order and with the scores of the library; large answers are read and sent in pieces, of
// one moment.
#include "src/server/operations.h"

#include "src/json_scan.h"
#include "src/server/records.h"

#include <algorithm>
#include <memory>

namespace fractal::server {
namespace {

// Payloads of so many hits are held at once.
constexpr std::size_t piece = 64;

std::vector<Coordinate> context_of(const Fields& fields) {
  std::vector<Coordinate> seeds;
  json::MemberReader elements(fields.raw("context"));
  for (json::Member element; elements.next(element);) {
    std::string buffer;
    seeds.push_back(coordinate_of(json::decode(json::unquote(element.value), buffer), {"body", "req", "context"}));
  }
  return seeds;
}

SearchMode mode_of(const Fields& fields) {
  const std::string mode = fields.text("mode").value_or("automatic");
  for (const auto known : {SearchMode::vector, SearchMode::keyword, SearchMode::hybrid}) {
    if (mode == to_string(known)) return known;
  }
  return SearchMode::automatic;
}

std::string hit_of(const Hit& hit) {
  Object object;
  object.raw("coordinate", numbers_of(hit.memory.coordinate))
      .raw("payload", hit.memory.payload)
      .text("memory_type", to_string(hit.memory.type))
      .number("importance", hit.memory.importance)
      .number("score", hit.score);
  if (hit.explain.empty()) return object.str();
  std::vector<std::string> parts;
  for (const ScorePart& part : hit.explain) {
    parts.push_back(
        Object().text("name", part.name).number("value", part.value).number("contribution", part.contribution).str());
  }
  return object.raw("explain", array_of(parts)).str();
}

std::string end_of(const SearchResult& found) {
  return Object()
      .count("matched", found.matched)
      .flag("exact", found.exact)
      .count("sequence", found.sequence)
      .text("mode", to_string(found.mode))
      .str()
      .substr(1);
}

// The hits from `begin` on, with their payloads.
std::string hits_text(const Reads& moment, SearchResult& found, std::size_t begin, std::size_t end) {
  std::vector<Coordinate> coordinates;
  for (std::size_t i = begin; i < end; ++i) coordinates.push_back(found.hits[i].memory.coordinate);
  auto memories = moment.retrieve_many(coordinates).value();
  std::string text;
  for (std::size_t i = begin; i < end; ++i) {
    if (memories[i - begin]) found.hits[i].memory.payload = std::move(memories[i - begin]->payload);
    text += (i > 0 ? ", " : "") + hit_of(found.hits[i]);
    found.hits[i] = {};
  }
  return text;
}

Reply answer(Call& call, const Fields& fields, const std::string& where) {
  const std::vector<float> vector = fields.vector("vector").value_or(std::vector<float>());
  const std::string text = fields.text("query").value_or("");
  SearchOptions options{.top_k = static_cast<std::size_t>(fields.integer("top_k").value_or(5)),
                        .offset = static_cast<std::size_t>(fields.integer("offset").value_or(0))};
  options.filter = filter_of(fields, where);
  options.mode = mode_of(fields);
  options.association.seeds = context_of(fields);
  options.exact = fields.flag("exact").value_or(false);
  options.explain = fields.flag("explain").value_or(false);
  options.control = call.control;
  if (const auto within = fields.text("within")) options.within = coordinate_of(*within, {where, "within"});

  const bool large = options.top_k > piece;
  options.payloads = !large;
  auto moment = large ? std::optional(call.memory.snapshot().value()) : std::nullopt;
  const Query query{.text = text, .vector = vector};
  std::vector<std::string> place{where};
  if (where == "body") place.emplace_back("req");
  auto found = std::make_shared<SearchResult>(
      accepted(moment ? moment->search(query, options) : call.memory.search(query, options), place));
  if (!large) {
    std::vector<std::string> hits;
    for (const Hit& hit : found->hits) hits.push_back(hit_of(hit));
    return {.body = "{\"memories\": " + array_of(hits) + ", " + end_of(*found)};
  }
  const auto next = [moment = std::move(*moment), found, begin = std::size_t{0}]() mutable -> std::string {
    const std::size_t size = found->hits.size(), end = std::min(begin + piece, size);
    if (begin == size && begin > 0) return {};
    std::string hits = hits_text(moment, *found, begin, end);
    begin = end;
    return end == size ? hits + "], " + end_of(*found) : hits;
  };
  Reply reply{.body = "{\"memories\": [", .more = next};
  reply.body += reply.more();
  if (found->hits.size() <= piece) reply.more = nullptr;
  return reply;
}

}  // namespace

Reply search_by_query(Call& call) { return answer(call, call.query, "query"); }
Reply search_by_body(Call& call) { return answer(call, call.body, "body"); }

}  // namespace fractal::server
