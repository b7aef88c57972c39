// Invariant: hits come in the order and with the scores of the library; large answers are read and sent in pieces, of
// one moment; an answer that was kept is the one that would be found now.
#include "src/server/operations.h"

#include "src/json_scan.h"
#include "src/server/metrics.h"
#include "src/server/records.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

namespace fractal::server {
namespace {

// Answers with more hits are read in pieces.
constexpr std::size_t most_at_once = 64;
// Of a question, and of an answer, that is kept for the next one who asks the same.
constexpr std::size_t most_kept = 64u << 10;
constexpr std::chrono::minutes life{10};

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
  auto memories = moment.retrieve_many(coordinates, {.embeddings = false}).value();
  std::string text;
  for (std::size_t i = begin; i < end; ++i) {
    if (memories[i - begin]) found.hits[i].memory.payload = std::move(memories[i - begin]->payload);
    text += (i > 0 ? ", " : "") + hit_of(found.hits[i]);
    found.hits[i] = {};
  }
  return text;
}

SearchOptions options_of(const Call& call, const Fields& fields, const std::string& where) {
  SearchOptions options{.top_k = static_cast<std::size_t>(fields.integer("top_k").value_or(5)),
                        .offset = static_cast<std::size_t>(fields.integer("offset").value_or(0))};
  options.filter = filter_of(fields, where);
  options.mode = mode_of(fields);
  options.association.seeds = context_of(fields);
  options.exact = fields.flag("exact").value_or(false);
  options.explain = fields.flag("explain").value_or(false);
  options.control = call.control;
  if (const auto within = fields.text("within")) options.within = coordinate_of(*within, {where, "within"});
  return options;
}

Reply of_hits(const SearchResult& found) {
  std::vector<std::string> hits;
  for (const Hit& hit : found.hits) hits.push_back(hit_of(hit));
  return {.body = "{\"memories\": " + array_of(hits) + ", " + end_of(found)};
}

// Payloads are read while the client takes those before them.
Reply of_many_hits(Snapshot moment, SearchResult result) {
  const auto next = [moment = std::move(moment), found = std::make_shared<SearchResult>(std::move(result)),
                     piece = PieceSize(), begin = std::size_t{0},
                     done = false]() mutable -> std::optional<std::string> {
    if (done) return std::nullopt;
    const std::size_t size = found->hits.size(), end = std::min(begin + piece.size(), size);
    std::string text = begin == 0 ? "{\"memories\": [" : "";
    text += hits_text(moment, *found, begin, end);
    piece.held(end - begin, text.size());
    begin = end;
    done = end == size;
    if (done) text += "], " + end_of(*found);
    return text;
  };
  return in_pieces(next);
}

Reply answer(Call& call, const Fields& fields, const std::string& where) {
  const std::vector<float> vector = fields.vector("vector").value_or(std::vector<float>());
  const std::string text = fields.text("query").value_or("");
  SearchOptions options = options_of(call, fields, where);
  const bool many = options.top_k > most_at_once;
  options.payloads = !many;
  auto moment = many ? std::optional(call.memory.snapshot().value()) : std::nullopt;
  const Query query{.text = text, .vector = vector};
  std::vector<std::string> place{where};
  if (where == "body") place.emplace_back("req");
  auto found = accepted(moment ? moment->search(query, options) : call.memory.search(query, options), place);
  call.service.metrics.searched(to_string(found.mode), found.exact, found.visited);
  return many ? of_many_hits(std::move(*moment), std::move(found)) : of_hits(found);
}

// By the commit that was the last one: servers of the same version share it. Without its mark, by this run of the server.
std::string key_of(const Call& call, const SpaceState& state, const std::string& where, std::string_view asked) {
  const Space& space = call.memory.space();
  std::string text = fmt::format("{} {} {} {} {} {} {} ", version(), where, space.tenant.size(), space.tenant,
                                 state.number, state.sequence, state.expired);
  text += state.mark.empty() ? "run " + call.service.id : fmt::format("commit {} {}", state.mark.size(), state.mark);
  return "answer/" + digest_of((text += '\n') += asked);
}

// The same question about the same state of the space has the same answer.
Reply answer_or_kept(Call& call, const Fields& fields, const std::string& where, std::string_view asked) {
  const SpaceState state = call.memory.state().value();
  const std::string key = key_of(call, state, where, asked);
  auto kept = call.service.cache.get(key);
  if (!kept) call.service.metrics.cache_failed();
  const bool hit = kept && *kept;
  call.service.metrics.asked_cache(hit);
  if (hit) return {.body = std::move(**kept)};
  Reply reply = answer(call, fields, where);
  const bool same_state = call.memory.state().value() == state;
  if (same_state && !reply.more && reply.body.size() <= most_kept) {
    (void)call.service.cache.put(key, reply.body, life, Cache::Keep::while_room);  // it is only a help
  }
  return reply;
}

Reply search(Call& call, const Fields& fields, const std::string& where, std::string_view asked) {
  const bool keep = call.service.options.keep_answers && asked.size() <= most_kept;
  return keep ? answer_or_kept(call, fields, where, asked) : answer(call, fields, where);
}

}  // namespace

Reply search_by_query(Call& call) { return search(call, call.query, "query", call.question); }
Reply search_by_body(Call& call) { return search(call, call.body, "body", call.body_text); }

}  // namespace fractal::server
