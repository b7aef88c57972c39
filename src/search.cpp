// Search: one snapshot, the eligible set, the two sides, fusion, association, diversity, rows.
// Invariant: exactly min(top_k, matched - offset) hits, the best there are, in an order that depends on
// nothing but the state of this space and the question.
#include <fractal/fractal_memory.h>

#include "src/activate.h"
#include "src/bm25.h"
#include "src/candidates.h"
#include "src/database.h"
#include "src/embedding.h"
#include "src/error.h"
#include "src/keywords.h"
#include "src/likeness.h"
#include "src/ranking.h"
#include "src/validate.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

namespace fractal {
namespace {

// Diversity reorders the best so many.
constexpr std::size_t diversity_pool = 256;
// For vectors of the caller: those of a sentence encoder, most likely.
constexpr double default_alpha = 0.8;
constexpr int most_moves = 8;

// A query, and what its text means to the space's embedder.
struct Question {
  Query query{};
  EmbedderPtr embedder{};       // of the space; null: none, or not needed
  std::vector<float> vector{};  // of the text
  std::string note{};           // why the text is not searched by meaning
};

bool is_embedded(const Query& query, const SearchOptions& options) {
  return query.vector.empty() && !query.text.empty() && options.mode != SearchMode::keyword;
}

Result<Question> ask(const Query& query, const SearchOptions& options, EmbedderPtr embedder) {
  Question question{.query = query, .embedder = std::move(embedder)};
  if (!is_embedded(query, options)) return question;
  if (!question.embedder) {
    if (options.mode != SearchMode::automatic) {
      return make_error(Errc::invalid_argument, "mode {} needs a query vector: texts are not embedded in this space",
                        to_string(options.mode));
    }
    question.note = "texts are not embedded in this space";
    return question;
  }
  FRACTAL_TRY_INTO(auto vectors, embed_texts(*question.embedder, {&query.text, 1}, options.control));
  question.vector = std::move(vectors.front());
  question.query.vector = question.vector;
  if (question.vector.empty()) question.note = "the embedder knows no word of the text";
  return question;
}

class SearchRun {
 public:
  SearchRun(const Database& database, const Look& look, const Question& question, const SearchOptions& options)
      : database_(database),
        look_(look),
        question_(question),
        query_(question.query),
        options_(options),
        space_(look.space()),
        prefix_(options.within.empty() ? std::string() : options.within.key()),
        alpha_(options.alpha.value_or(question.embedder ? question.embedder->alpha() : default_alpha)),
        fusion_(options.fusion) {}

  Result<SearchResult> run() {
    FRACTAL_TRY(choose_mode());
    FRACTAL_TRY_INTO(allowed_, candidates(database_, look_, options_.filter, options_.within, options_.control));
    result_.sequence = space_.sequence;
    if (result_.mode != SearchMode::vector) FRACTAL_TRY(score_keywords());
    FRACTAL_TRY(find_associated());
    FRACTAL_TRY(collect());
    if (options_.diversity > 0) FRACTAL_TRY(spread());
    FRACTAL_TRY(fill_page());
    describe_plan();
    return std::move(result_);
  }

 private:
  struct KeywordHit {
    MemoryId id;
    double score;
    double coverage;
    std::size_t entry;  // in bm25_.entries
  };

  std::size_t wanted() const { return options_.offset + options_.top_k; }
  std::size_t pool() const { return options_.diversity > 0 ? std::max(wanted(), diversity_pool) : wanted(); }

  Result<void> choose_mode() {
    const auto size = query_.vector.size();
    if (size != 0 && space_.dimension != 0 && size != space_.dimension) {
      return make_error(Errc::invalid_argument, "query vector has {} components, the space has {}", size,
                        space_.dimension);
    }
    SearchMode mode = options_.mode;
    if (mode == SearchMode::automatic) {
      mode = query_.vector.empty() ? SearchMode::keyword
             : query_.text.empty() ? SearchMode::vector
                                   : SearchMode::hybrid;
    }
    if (mode == SearchMode::hybrid && (space_.vectors == 0 || query_.vector.empty())) mode = SearchMode::keyword;
    if (mode == SearchMode::hybrid && fusion_ == Fusion::convex && space_.metric == Metric::dot) {
      if (question_.vector.empty()) {
        return make_error(Errc::unsupported, "convex fusion: a dot product has no bound; use Fusion::rrf");
      }
      fusion_ = Fusion::rrf;
    }
    if (associates() && mode == SearchMode::vector && space_.metric == Metric::dot) {
      return make_error(Errc::unsupported, "association: a dot product has no bound");
    }
    result_.mode = mode;
    return {};
  }

  bool associates() const { return !options_.association.seeds.empty() && options_.association.weight > 0; }

  Result<void> find_associated() {
    if (!associates()) return {};
    FRACTAL_TRY_INTO(const auto active,
                     most_active(database_, look_, options_.association.seeds, options_.association.spread));
    for (const ActiveKey& entry : active) {
      FRACTAL_TRY_INTO(const auto row, look_.view().get(entry.key, Columns::header));
      if (row && eligible(row->id)) associated_.emplace_back(row->id, entry.amount / active.front().amount);
    }
    std::sort(associated_.begin(), associated_.end());
    return {};
  }

  // Those that are not candidates yet.
  std::vector<MemoryId> missing(std::vector<MemoryId> ids) const {
    std::vector<MemoryId> known;
    for (const Candidate& candidate : candidates_) known.push_back(candidate.id);
    std::sort(known.begin(), known.end());
    std::erase_if(ids, [&](MemoryId id) { return std::binary_search(known.begin(), known.end(), id); });
    return ids;
  }

  // With them the candidates hold all the best: whoever is not associated keeps the order of the mode among its like.
  std::vector<MemoryId> associated_ids() const {
    std::vector<MemoryId> ids;
    for (const auto& [id, share] : associated_) ids.push_back(id);
    return ids;
  }

  // The candidates are all that may be among the best.
  void finish_candidates() {
    if (associates()) {
      for (Candidate& candidate : candidates_) associate(candidate);
    }
    keep_best(candidates_, pool());
  }

  void associate(Candidate& candidate) const {
    const auto found = std::lower_bound(associated_.begin(), associated_.end(), std::pair(candidate.id, -1.0));
    if (found != associated_.end() && found->first == candidate.id) candidate.association = found->second;
    const double weight = options_.association.weight;
    candidate.score = (1 - weight) * unit_score(candidate.score) + weight * candidate.association;
  }

  // 0..1 from a score of the mode.
  double unit_score(double score) const {
    switch (result_.mode) {
      case SearchMode::keyword: return unit_keyword_score(score, bm25_.bound);
      case SearchMode::vector: return unit_vector_score(space_.metric, score);
      default: return fusion_ == Fusion::rrf ? unit_rank_score(score) : score;
    }
  }

  bool eligible(MemoryId id) const {
    if (look_.hidden_id(id)) return false;
    return !allowed_ || std::binary_search(allowed_->begin(), allowed_->end(), id);
  }

  Result<void> score_keywords() {
    terms_ = query_terms(query_.text);
    if (terms_.empty() || space_.number == 0) return {};
    FRACTAL_TRY_INTO(const Postings postings, look_.view().postings(terms_));
    bm25_ = bm25(postings, terms_.size(), space_, database_.text_fields().weights());
    for (std::size_t i = 0; i < bm25_.entries.size(); ++i) {
      const auto& entry = bm25_.entries[i];
      if (eligible(entry.id)) keyword_hits_.push_back({entry.id, entry.score, entry.coverage, i});
    }
    return {};
  }

  Result<VectorHits> vectors(std::size_t k, const IdSet& allowed) {
    const bool filtered = allowed && allowed == allowed_;
    FRACTAL_TRY_INTO(auto hits, database_.search_vectors(look_, {.vector = query_.vector,
                                                                 .k = k,
                                                                 .as_of = space_.sequence,
                                                                 .allowed = allowed,
                                                                 .filter = filtered ? &options_.filter : nullptr,
                                                                 .prefix = filtered ? std::string_view(prefix_) : "",
                                                                 .excluded = look_.expired_ids(),
                                                                 .recall = options_.recall,
                                                                 .exact = options_.exact,
                                                                 .control = &options_.control}));
    result_.visited += hits.visited;
    result_.exact = result_.exact && hits.exact;
    if (result_.plan.empty() || !hits.exact) result_.plan = hits.plan;
    return hits;
  }

  Result<void> collect() {
    switch (result_.mode) {
      case SearchMode::keyword: return collect_keywords();
      case SearchMode::vector: return collect_vectors();
      default: return fusion_ == Fusion::rrf ? fuse_ranks() : fuse_scores();
    }
  }

  Result<void> collect_keywords() {
    for (const auto& hit : keyword_hits_)
      candidates_.push_back({.id = hit.id, .score = hit.score, .keyword = hit.score});
    result_.matched = candidates_.size();
    finish_candidates();
    return {};
  }

  Result<void> collect_vectors() {
    if (query_.vector.empty()) return {};  // a text that says nothing to the embedder
    FRACTAL_TRY_INTO(const VectorHits hits, associates() ? best_vectors() : vectors(pool(), allowed_));
    result_.matched = hits.matched;
    const auto add = [this](const VectorHits::Entry& hit) {
      candidates_.push_back({.id = hit.id, .score = hit.score, .vector = hit.score});
    };
    for (const auto& hit : hits.entries) add(hit);
    if (const auto rest = missing(associated_ids()); !rest.empty()) {
      FRACTAL_TRY_INTO(const VectorHits more, vectors(rest.size(), borrowed(rest)));
      for (const auto& hit : more.entries) add(hit);
    }
    finish_candidates();
    return {};
  }

  const KeywordHit* keyword_hit(MemoryId id) const {
    const auto found = std::lower_bound(keyword_hits_.begin(), keyword_hits_.end(), id,
                                        [](const KeywordHit& hit, MemoryId wanted) { return hit.id < wanted; });
    return found != keyword_hits_.end() && found->id == id ? &*found : nullptr;
  }

  double fused(const Candidate& candidate) const { return vector_part(candidate) + keyword_part(candidate); }
  double vector_part(const Candidate& candidate) const {
    if (fusion_ == Fusion::rrf) return reciprocal_rank(candidate.vector_rank);
    return candidate.vector ? alpha_ * unit_vector_score(space_.metric, *candidate.vector) : 0;
  }
  double keyword_part(const Candidate& candidate) const {
    if (fusion_ == Fusion::rrf) return reciprocal_rank(candidate.keyword_rank);
    return (1 - alpha_) * unit_coverage_score(candidate.coverage);
  }

  // Convex fusion, exactly: without a word a memory ranks by its vector, so the best by vector hold all of
  // those; a memory with words is left out only if even the best vector could not bring it in.
  Result<void> fuse_scores() {
    FRACTAL_TRY_INTO(const VectorHits by_vector, best_vectors());
    for (const auto& hit : by_vector.entries) {
      Candidate candidate{.id = hit.id, .vector = hit.score};
      if (const auto* words = keyword_hit(hit.id)) candidate.coverage = words->coverage;
      candidate.score = fused(candidate);
      candidates_.push_back(candidate);
    }
    const double best_vector = by_vector.entries.empty() ? 0 : by_vector.entries.front().score;
    const double bar = bar_to_enter();
    std::vector<MemoryId> rest, words;
    for (const auto& hit : keyword_hits_) {
      words.push_back(hit.id);
      const Candidate most{.id = hit.id, .vector = best_vector, .coverage = hit.coverage};
      if (fused(most) >= bar) rest.push_back(hit.id);
    }
    std::vector<MemoryId> ids;
    const auto associated = associated_ids();
    std::set_union(rest.begin(), rest.end(), associated.begin(), associated.end(), std::back_inserter(ids));
    FRACTAL_TRY(add_scored(missing(std::move(ids))));
    FRACTAL_TRY_INTO(const VectorHits both, vectors(0, borrowed(words)));
    result_.matched = by_vector.matched + words.size() - both.matched;
    finish_candidates();
    return {};
  }

  // At least pool() of the best by vector, and all that are no worse than the last of those once they are
  // weighted: rounding, and a weight of 0 wholly, make equal what then goes by first storing.
  Result<VectorHits> best_vectors() {
    const double rest = associates() ? 1 - options_.association.weight : 1;
    const auto weighted = [&](const VectorHits::Entry& hit) {
      return rest * (result_.mode == SearchMode::vector ? unit_score(hit.score) : vector_part({.vector = hit.score}));
    };
    for (std::size_t k = pool() + 1;; k *= 2) {
      FRACTAL_TRY_INTO(VectorHits hits, vectors(k, allowed_));
      if (pool() == 0 || hits.entries.size() < k) return hits;
      if (weighted(hits.entries.back()) < weighted(hits.entries[pool() - 1])) return hits;
    }
  }

  double bar_to_enter() {
    if (pool() == 0 || candidates_.size() < pool()) return -std::numeric_limits<double>::infinity();
    auto sorted = candidates_;
    keep_best(sorted, pool());
    return sorted.back().score;
  }

  // Memories that are not among the best by vector; their vector score is computed exactly. Without a vector and
  // without a word they do not match.
  Result<void> add_scored(const std::vector<MemoryId>& ids) {
    FRACTAL_TRY_INTO(VectorHits scores, vectors(ids.size(), borrowed(ids)));
    std::sort(scores.entries.begin(), scores.entries.end(),
              [](const auto& left, const auto& right) { return left.id < right.id; });
    auto score = scores.entries.begin();
    for (const MemoryId id : ids) {
      Candidate candidate{.id = id};
      const KeywordHit* const words = keyword_hit(id);
      if (words != nullptr) candidate.coverage = words->coverage;
      if (score != scores.entries.end() && score->id == id) candidate.vector = (score++)->score;
      if (words == nullptr && !candidate.vector) continue;
      candidate.score = fused(candidate);
      candidates_.push_back(candidate);
    }
    return {};
  }

  // Reciprocal rank fusion over the full rankings of both sides, so that pages agree with each other.
  Result<void> fuse_ranks() {
    FRACTAL_TRY_INTO(const VectorHits by_vector, vectors(space_.vectors, allowed_));
    std::vector<KeywordHit> by_words = keyword_hits_;
    std::sort(by_words.begin(), by_words.end(), [](const KeywordHit& left, const KeywordHit& right) {
      return left.score != right.score ? left.score > right.score : left.id < right.id;
    });
    for (std::size_t i = 0; i < by_vector.entries.size(); ++i) {
      candidates_.push_back(
          {.id = by_vector.entries[i].id, .vector = by_vector.entries[i].score, .vector_rank = i + 1});
    }
    std::sort(candidates_.begin(), candidates_.end(),
              [](const Candidate& left, const Candidate& right) { return left.id < right.id; });
    const std::size_t with_vector = candidates_.size();
    for (std::size_t i = 0; i < by_words.size(); ++i) {
      const auto end = candidates_.begin() + static_cast<std::ptrdiff_t>(with_vector);
      auto found = std::lower_bound(candidates_.begin(), end, by_words[i].id,
                                    [](const Candidate& candidate, MemoryId id) { return candidate.id < id; });
      if (found == end || found->id != by_words[i].id) {
        candidates_.push_back({.id = by_words[i].id});
        found = candidates_.end() - 1;
      }
      found->keyword = by_words[i].score;
      found->keyword_rank = i + 1;
    }
    for (Candidate& candidate : candidates_) candidate.score = fused(candidate);
    result_.matched = candidates_.size();
    finish_candidates();
    return {};
  }

  // Among candidates from `best` to `worst`. A dot product has no bound: only its place between these counts.
  double relevance(const Candidate& candidate, double best, double worst) const {
    if (associates()) return candidate.score;
    if (result_.mode == SearchMode::hybrid) return candidate.score;
    if (result_.mode == SearchMode::keyword || space_.metric != Metric::dot) return unit_score(candidate.score);
    return best > worst ? (candidate.score - worst) / (best - worst) : 1;
  }

  Result<void> spread() {
    const std::size_t size = std::min(candidates_.size(), diversity_pool);
    const auto middle = candidates_.begin() + static_cast<std::ptrdiff_t>(size);
    std::vector<Candidate> best(candidates_.begin(), middle);
    std::vector<MemoryId> ids;
    ids.reserve(best.size());
    for (const Candidate& candidate : best) ids.push_back(candidate.id);
    FRACTAL_TRY_INTO(const Likeness likeness, Likeness::make(look_.view(), database_.text_fields(), ids));
    diversify(
        best, options_.diversity,
        [&, original = best](std::size_t i) {
          return relevance(original[i], original.front().score, original.back().score);
        },
        [&](std::size_t i, std::size_t j) { return likeness.between(i, j); });
    std::copy(best.begin(), best.end(), candidates_.begin());
    return {};
  }

  Columns columns() const {
    if (options_.embeddings) return Columns::all;
    return options_.payloads ? Columns::payload : Columns::header;
  }

  Result<void> fill_page() {
    const std::size_t begin = std::min(options_.offset, candidates_.size());
    const std::size_t size = std::min(options_.top_k, candidates_.size() - begin);
    std::vector<std::pair<MemoryId, std::size_t>> places;
    for (std::size_t i = 0; i < size; ++i) places.emplace_back(candidates_[begin + i].id, i);
    std::sort(places.begin(), places.end());
    std::vector<MemoryId> ids;
    ids.reserve(places.size());
    for (const auto& [id, place] : places) ids.push_back(id);
    FRACTAL_TRY_INTO(auto rows, look_.view().fetch(ids, columns()));
    if (rows.size() != size) {
      return make_error(Errc::corruption, "search: {} of {} hits have no row; run verify()", size - rows.size(), size);
    }
    result_.hits.resize(size);
    for (std::size_t i = 0; i < size; ++i) {
      Hit& hit = result_.hits[places[i].second];
      const Candidate& candidate = candidates_[begin + places[i].second];
      hit.memory = std::move(rows[i].memory);
      hit.score = candidate.score;
      if (options_.explain) hit.explain = explain(candidate);
    }
    return {};
  }

  std::vector<ScorePart> explain(const Candidate& candidate) const {
    auto parts = explain_mode(candidate);
    if (!associates()) return parts;
    const double weight = options_.association.weight;
    for (ScorePart& part : parts) {
      // In the other modes unit_score() is a factor.
      const double unit =
          result_.mode == SearchMode::vector ? unit_score(part.value) : unit_score(1) * part.contribution;
      part.contribution = (1 - weight) * unit;
    }
    parts.push_back({"association", candidate.association, weight * candidate.association});
    return parts;
  }

  // The parts of the mode's score.
  std::vector<ScorePart> explain_mode(const Candidate& candidate) const {
    switch (result_.mode) {
      case SearchMode::vector: return {{"vector", *candidate.vector, *candidate.vector}};
      case SearchMode::keyword: return explain_terms(candidate);
      default: break;
    }
    if (fusion_ == Fusion::rrf) {
      return {{"rrf vector", static_cast<double>(candidate.vector_rank), vector_part(candidate)},
              {"rrf keyword", static_cast<double>(candidate.keyword_rank), keyword_part(candidate)}};
    }
    return {{"vector", candidate.vector.value_or(0), vector_part(candidate)},
            {"keyword", candidate.coverage, keyword_part(candidate)}};
  }

  std::vector<ScorePart> explain_terms(const Candidate& candidate) const {
    const std::size_t entry = keyword_hit(candidate.id)->entry;
    std::vector<ScorePart> parts;
    for (std::size_t i = 0; i < terms_.size(); ++i) {
      const double part = bm25_.term_scores[entry * terms_.size() + i];
      if (part != 0) parts.push_back({"term " + terms_[i], part, part});
    }
    return parts;
  }

  void describe_plan() {
    std::string& plan = result_.plan;
    if (result_.mode != SearchMode::keyword) {
      plan =
          fmt::format("{}: {} of {} vectors compared", plan.empty() ? "scan" : plan, result_.visited, space_.vectors);
    }
    if (result_.mode != SearchMode::vector) {
      plan += fmt::format("{}keywords: {} terms in {} memories", plan.empty() ? "" : "; ", terms_.size(),
                          bm25_.entries.size());
    }
    if (!question_.note.empty()) plan += (plan.empty() ? "" : "; ") + question_.note;
    if (!query_.vector.empty() && result_.mode == SearchMode::keyword && options_.mode != SearchMode::keyword) {
      plan += "; the space has no vectors";
    }
    if (associates()) plan += fmt::format("; {} associated", associated_.size());
    if (allowed_) plan += fmt::format("; filter: {} of {} memories", allowed_->size(), space_.memories);
  }

  const Database& database_;
  const Look& look_;
  const Question& question_;
  const Query& query_;
  const SearchOptions& options_;
  const SpaceRecord& space_;
  const std::string prefix_;  // of the keys of the subtree
  const double alpha_;
  Fusion fusion_;
  IdSet allowed_;
  std::vector<std::string> terms_;
  Bm25Scores bm25_;
  std::vector<KeywordHit> keyword_hits_;                 // eligible, rising ids
  std::vector<std::pair<MemoryId, double>> associated_;  // eligible, rising ids; the most active has 1
  std::vector<Candidate> candidates_;
  SearchResult result_;
};

}  // namespace

Result<SearchResult> Reads::search(std::string_view text, const SearchOptions& options) const {
  return search(Query{.text = text, .vector = {}}, options);
}

Result<SearchResult> Reads::search(std::span<const float> vector, const SearchOptions& options) const {
  FRACTAL_TRY(check_vector(vector, "query vector"));
  return search(Query{.text = {}, .vector = vector}, options);
}

Result<SearchResult> Reads::search(const Query& query, const SearchOptions& options) const {
  FRACTAL_TRY(check_query(query, options));
  FRACTAL_TRY(check_control(options.control, "search"));
  const bool hybrid = !query.text.empty() && options.mode != SearchMode::keyword;
  // The text is embedded before the moment is fixed, so that no moment is held while an embedder works.
  EmbedderPtr embedder;
  if (hybrid) { FRACTAL_TRY_INTO(embedder, database_->embedder_of(space_, pinned_, is_embedded(query, options))); }
  for (int again = 0;; ++again) {
    FRACTAL_TRY_INTO(const Question question, ask(query, options, embedder));
    FRACTAL_TRY_INTO(const Look look, database_->look(space_, pinned_, options.control));
    if (is_embedded(query, options)) {
      FRACTAL_TRY_INTO(embedder, database_->embedders().of(look.space()));
      if (embedder != question.embedder) {
        if (again < most_moves) continue;
        return make_error(Errc::unavailable, "search: the space moves from embedder to embedder");
      }
    }
    return SearchRun(*database_, look, question, options).run();
  }
}

}  // namespace fractal
