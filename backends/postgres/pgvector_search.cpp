// Invariant: a score is VectorScorer's, from the float32 as they were stored. An answer has min(k, matched) entries,
// whatever the server's plan was; and if it says exact, no vector left out scores more, which is proven like this:
//
// The server orders by distances that it adds up in float32, in an order of its own. With n components and u = 2^-24 a
// sum of products is off by less than 1.001 n u |q||v| (Higham, Accuracy and Stability of Numerical Algorithms, section
// 3.1), a cosine by three times that share, a Euclidean distance by less than its own (n + 8) u share, the differences'
// rounding included; is_comparable() keeps overflow and underflow away. So once the k-th best score found is above what
// the last distance delivered may stand for, nothing behind it can be among the best: else more are fetched, in the end
// all.
#include "backends/postgres/pgvector_search.h"

#include "src/best.h"
#include "src/error.h"
#include "src/kernels.h"
#include "src/vector_query.h"
#include "src/vector_score.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace fractal::postgres_backend {
namespace {

constexpr std::size_t rows_per_page = 1'024;
// What a vector costs that a graph's walk meets, in vectors that a scan compares.
constexpr double walk_cost = 8;
constexpr double least_ef = 40, most_ef = 1'000;                    // of hnsw.ef_search
constexpr double least_tuples = 20'000, most_tuples = 100'000'000;  // of hnsw.max_scan_tuples

constexpr Statement begin_moment{"search the vector index", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"};
constexpr Statement look{
    "search the vector index",
    "SELECT " FRACTAL_INDEXED
    ", coalesce((SELECT i.indisvalid FROM pg_index AS i WHERE i.indexrelid = to_regclass('sfm_pgvector_graph_' || "
    "s.space || '_' || s.dimension || '_' || s.metric)), false) FROM sfm_pgvector_spaces AS s WHERE s.space = $1"};
constexpr Statement steer{
    "search the vector index",
    "SELECT set_config('hnsw.iterative_scan', 'strict_order', true), set_config('hnsw.ef_search', $1, true), "
    "set_config('hnsw.max_scan_tuples', $2, true), set_config('enable_sort', 'off', true), "
    "set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true)"};
constexpr Statement steer_back{"search the vector index", "SELECT set_config('enable_sort', 'on', true)"};

// The wider of two float sums' errors, as a share of the product of the lengths.
double rounding(std::size_t dimension) { return static_cast<double>(dimension + 8) * 0x1p-24 * 1.01; }

// A condition and the values that are bound in it. What is appended to `text` is bound in that order.
struct Where {
  std::string text{};
  Values values{};
  template <class T> std::string bind(const T& value) {
    values.add(value);
    return fmt::format("${}", values.count());
  }
};

class Search {
 public:
  Search(Connection& connection, const SearchedSpace& searched, const VectorQuery& query)
      : connection_(connection),
        space_(searched.space),
        graph_(searched.graph),
        query_(query),
        scorer_(space_.metric, query.vector),
        length_(std::sqrt(scorer_.square())),
        now_(query.as_of >= space_.changed),
        best_(query.k) {}

  Result<VectorHits> run() {
    if (query_.allowed) choose_wanted();
    if (wanted_ && wanted_->empty()) return std::move(hits_);
    FRACTAL_TRY_INTO(comparable_, count());
    hits_.matched = comparable_;
    if (!now_) {
      FRACTAL_TRY_INTO(const std::uint64_t older, compare_all("sfm_pgvector_past", past()));
      hits_.matched += older;
    }
    if (space_.raw > 0) {
      Where raw = living();
      raw.text += " AND raw IS NOT NULL";
      FRACTAL_TRY_INTO(const std::uint64_t incomparable, compare_all("sfm_pgvector", raw));
      comparable_ -= incomparable;
    }
    if (query_.k > 0 && comparable_ > 0) FRACTAL_TRY(compare_comparable());
    hits_.entries = best_.take();
    return std::move(hits_);
  }

 private:
  void choose_wanted() {
    wanted_.emplace();
    std::set_difference(query_.allowed->begin(), query_.allowed->end(), query_.excluded.begin(), query_.excluded.end(),
                        std::back_inserter(*wanted_));
  }

  // ---- Which rows ----

  // The number is a literal: a graph is an index WHERE space = ...
  Where of_moment() const {
    Where where{.text = fmt::format("space = {}", space_.number)};
    if (!now_) where.text += " AND born <= " + where.bind(query_.as_of);
    return where;
  }
  void filter(Where& where) const {
    if (wanted_) {
      where.text += " AND id = ANY(" + where.bind(std::span<const std::uint64_t>(*wanted_)) + ")";
    } else if (!query_.excluded.empty()) {
      where.text += " AND id <> ALL(" + where.bind(query_.excluded) + ")";
    }
  }
  Where living() const {
    Where where = of_moment();
    filter(where);
    return where;
  }
  Where past() const {
    Where where = of_moment();
    where.text += " AND died > " + where.bind(query_.as_of);
    filter(where);
    return where;
  }

  Result<Rows> ask(const std::string& sql, const Values& values) {
    FRACTAL_TRY(connection_.check("search the vector index"));
    return connection_.run("search the vector index", sql, values);
  }

  // How many vectors of sfm_pgvector the query could return.
  Result<std::uint64_t> count() {
    if (wanted_) return count(living());
    std::uint64_t there = space_.vectors;
    if (!now_) {
      Where younger{.text = fmt::format("space = {}", space_.number)};
      younger.text += " AND born > " + younger.bind(query_.as_of);
      FRACTAL_TRY_INTO(const std::uint64_t later, count(younger));
      there -= later;
    }
    if (query_.excluded.empty()) return there;
    Where excluded = of_moment();
    excluded.text += " AND id = ANY(" + excluded.bind(query_.excluded) + ")";
    FRACTAL_TRY_INTO(const std::uint64_t left_out, count(excluded));
    return there - left_out;
  }
  Result<std::uint64_t> count(const Where& where) {
    FRACTAL_TRY_INTO(const Rows rows, ask("SELECT count(*) FROM sfm_pgvector WHERE " + where.text, where.values));
    return rows.natural(0, 0);
  }

  // ---- Comparing, by this program ----

  // Columns: id, embedding, raw.
  Result<void> offer(const Rows& rows) {
    for (int at = 0; at < rows.count(); ++at) {
      read_vector(rows, at, 1, 2, vector_);
      if (vector_.size() != space_.dimension) {
        return make_error(Errc::corruption, "vector index: memory {} has {} components, its space {}",
                          rows.natural(at, 0), vector_.size(), space_.dimension);
      }
      best_.offer(rows.natural(at, 0), scorer_(vector_));
    }
    hits_.visited += static_cast<std::uint64_t>(rows.count());
    return {};
  }

  // Page by page; returns how many rows there are.
  Result<std::uint64_t> compare_all(std::string_view table, const Where& where) {
    std::uint64_t count = 0;
    for (MemoryId last = 0;;) {
      Where page = where;
      page.text += " AND id > " + page.bind(last);
      FRACTAL_TRY_INTO(const Rows rows,
                       ask(fmt::format("SELECT id, embedding, raw FROM {} WHERE {} ORDER BY id LIMIT {}", table,
                                       page.text, rows_per_page),
                           page.values));
      count += static_cast<std::uint64_t>(rows.count());
      if (query_.k > 0) FRACTAL_TRY(offer(rows));
      if (static_cast<std::size_t>(rows.count()) < rows_per_page) return count;
      last = rows.natural(rows.count() - 1, 0);
    }
  }

  Result<void> compare_every() {
    begin_again();
    if (!wanted_) {
      Where where = living();
      where.text += " AND raw IS NULL";
      FRACTAL_TRY(compare_all("sfm_pgvector", where));
      return {};
    }
    for (std::size_t begin = 0; begin < wanted_->size(); begin += rows_per_page) {
      const std::span<const std::uint64_t> all(*wanted_);
      Where where = of_moment();
      where.text += " AND raw IS NULL AND id = ANY(" +
                    where.bind(all.subspan(begin, std::min(rows_per_page, all.size() - begin))) + ")";
      FRACTAL_TRY_INTO(const Rows rows,
                       ask("SELECT id, embedding, raw FROM sfm_pgvector WHERE " + where.text, where.values));
      FRACTAL_TRY(offer(rows));
    }
    return {};
  }

  // What the past and the raw rows gave stays; what a plan that did not do gave goes.
  void begin_again() {
    if (!begun_) begun_ = {best_, hits_.visited};
    best_ = begun_->first;
    hits_.visited = begun_->second;
  }

  Result<void> compare_comparable() {
    if (!choose_asked()) return compare_every();
    const std::size_t fetch = query_.k + std::max<std::size_t>(query_.k / 4, 16);
    if (walk_pays(fetch)) {
      FRACTAL_TRY_INTO(const bool enough, walk(fetch));
      if (enough) return {};
    }
    for (std::size_t more = fetch; 2 * more < comparable_; more *= 4) {
      FRACTAL_TRY_INTO(const bool proven, scan(more));
      if (proven) return {};
    }
    return compare_every();
  }

  // ---- Comparing, by the server ----

  // The query as the server compares it. For cosines and products its length does not change the order.
  bool choose_asked() {
    if (space_.metric == Metric::l2) {
      asked_.assign(query_.vector.begin(), query_.vector.end());
      return is_comparable(space_.dimension, scorer_.square());
    }
    if (length_ == 0) return false;
    for (const float component : query_.vector) asked_.push_back(static_cast<float>(component / length_));
    return true;
  }

  std::string distance(Where& where, std::string_view column) const {
    return fmt::format("{} {} {}", column, distance_operator(space_.metric), where.bind(Components{asked_}));
  }

  // No vector at this distance of the server's, or further, scores more.
  double best_score_at(double distance) const {
    const double share = rounding(space_.dimension);
    switch (space_.metric) {
      case Metric::dot: return (-distance + share * space_.longest * 1.01) * length_;
      case Metric::l2: return VectorScorer::of_distance(std::max(0.0, distance * (1 - share) - 1e-18));
      case Metric::cosine: break;
    }
    return 1 - distance + 3 * share;
  }

  // The server compares all, this program the nearest of them. True: nothing else can be among the best.
  Result<bool> scan(std::size_t fetch) {
    begin_again();
    Where where = living();
    const std::string text = fmt::format(
        "SELECT id, embedding, raw, {} AS distance FROM sfm_pgvector WHERE {} AND raw IS NULL "
        "ORDER BY distance, id LIMIT {}",
        distance(where, "embedding"), where.text, fetch);
    FRACTAL_TRY_INTO(const Rows rows, ask(text, where.values));
    FRACTAL_TRY(offer(rows));
    hits_.visited = begun_->second + comparable_;
    if (static_cast<std::size_t>(rows.count()) < fetch) return true;
    const double last = rows.real(rows.count() - 1, 3);
    return std::isfinite(last) && best_.full() && best_.worst() > best_score_at(last);
  }

  bool walk_pays(std::size_t fetch) {
    if (!graph_ || query_.exact) return false;
    const double share = static_cast<double>(comparable_) / static_cast<double>(space_.vectors);
    ef_ = std::clamp(2 / (1 - std::min(query_.recall, 0.999)), least_ef, most_ef);
    ef_ = std::clamp(static_cast<double>(fetch), ef_, most_ef);
    expected_ = ef_ + static_cast<double>(fetch) / share;
    return walk_cost * expected_ < static_cast<double>(comparable_);
  }

  // False: it found too few, for an iterative scan ends at a limit of tuples.
  Result<bool> walk(std::size_t fetch) {
    begin_again();
    const std::string ef = fmt::format("{:.0f}", ef_);
    const std::string tuples = fmt::format("{:.0f}", std::clamp(8 * expected_, least_tuples, most_tuples));
    FRACTAL_TRY(connection_.queue(steer, Values(Text{ef}, Text{tuples})));
    Where where = living();
    const std::string nearest = distance(where, fmt::format("(embedding::vector({}))", space_.dimension));
    const std::string text = fmt::format(
        "SELECT id, embedding, raw FROM sfm_pgvector WHERE {} AND dimension = {} "
        "ORDER BY {} LIMIT {}",
        where.text, space_.dimension, nearest, fetch);
    FRACTAL_TRY_INTO(const Rows rows, ask(text, where.values));
    FRACTAL_TRY(offer(rows));
    if (static_cast<std::size_t>(rows.count()) < std::min<std::uint64_t>(fetch, comparable_)) {
      FRACTAL_TRY(connection_.queue(steer_back));
      return false;
    }
    hits_.exact = false;
    hits_.plan = fmt::format("graph (pgvector, ef {})", ef);
    return true;
  }

  Connection& connection_;
  const IndexedSpace& space_;
  const bool graph_;
  const VectorQuery& query_;
  const VectorScorer scorer_;
  const double length_;
  const bool now_;  // the vectors of that moment are those of now
  Best best_;
  std::optional<std::pair<Best, std::uint64_t>> begun_{};  // with what was visited
  std::optional<std::vector<MemoryId>> wanted_{};          // allowed and not excluded
  VectorHits hits_{};
  std::uint64_t comparable_ = 0;  // vectors that the server can compare and the query could return
  std::vector<float> vector_{};   // of a row
  std::vector<float> asked_{};    // see choose_asked()
  double ef_ = 0, expected_ = 0;  // of a walk: its width, the vectors it will meet
};

}  // namespace

Result<SearchedSpace> begin_search(Connection& connection, std::uint64_t space) {
  FRACTAL_TRY(connection.queue(begin_moment));
  FRACTAL_TRY_INTO(const Rows rows, connection.run(look, Values(space)));
  if (rows.count() == 0) {
    return make_error(Errc::unavailable, "{}: the vector index has nothing of space {}", connection.server(), space);
  }
  FRACTAL_TRY_INTO(auto indexed, read_indexed(connection, rows, space));
  return SearchedSpace{.space = std::move(indexed), .graph = rows.integer(0, 8) != 0};
}

Result<VectorHits> search_indexed(Connection& connection, const SearchedSpace& searched, const VectorQuery& query) {
  const IndexedSpace& space = searched.space;
  if (!space.knows(query.as_of)) {
    return make_error(Errc::unavailable, "{}: the vector index is of sequence {}, the query asks for {}",
                      connection.server(), space.applied, query.as_of);
  }
  if (space.dimension == 0) return VectorHits{};
  FRACTAL_TRY(check_query(space.dimension, space.metric, query));
  return Search(connection, searched, query).run();
}

}  // namespace fractal::postgres_backend
