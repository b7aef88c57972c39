// Invariant: the statement finds every memory that passes the filter, whatever the file holds; it says
// `exact` only if it finds no other. So a part that cannot be said in SQL is left out, only exact parts
// are negated, no expression is ever NULL, and no value of the caller is part of the text.
#include "backends/sqlite/filter_sql.h"

#include "src/key_range.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

namespace fractal::sqlite_backend {
namespace {

// From here on doubles and uint64 values fall together in sfm_field_values.
constexpr double two_to_63 = 9223372036854775808.0;
// More values than this in one statement are not worth a restriction.
constexpr std::size_t most_values = 20'000;

// A condition on one row. Unrestricted: everything may pass (`exact`: everything does).
struct Piece {
  bool restricted = false;
  bool exact = false;
  std::string text{};
  std::vector<Bound> values{};
  bool columns = false;  // it names columns of sfm_memories
  // A test of one indexed field: `text` without the frame `m.id IN (SELECT ...)`.
  std::int64_t field = 0;
  std::string condition{};
  int rank = 0;  // the lower, the fewer rows are expected
};

Piece unrestricted() { return {}; }
Piece always() { return {.restricted = false, .exact = true}; }
Piece never() { return {.restricted = true, .exact = true, .text = "0"}; }
Piece condition(std::string text, std::vector<Bound> values, bool exact) {
  return {.restricted = true, .exact = exact, .text = std::move(text), .values = std::move(values), .columns = true};
}

Piece negated(Piece piece) {
  if (!piece.exact) return unrestricted();
  if (!piece.restricted) return never();
  piece.text = "NOT (" + piece.text + ")";
  piece.field = 0;
  return piece;
}

Piece joined(std::vector<Piece> pieces, const char* operation) {
  Piece out{.restricted = true, .exact = true};
  for (Piece& piece : pieces) {
    out.exact = out.exact && piece.exact;
    out.columns = out.columns || piece.columns;
    out.text.append(out.text.empty() ? "(" : operation).append(piece.text);
    out.values.insert(out.values.end(), std::make_move_iterator(piece.values.begin()),
                      std::make_move_iterator(piece.values.end()));
  }
  out.text += ")";
  return out;
}

Piece all_of(std::vector<Piece> pieces) {
  bool exact = true;
  std::erase_if(pieces, [&](const Piece& piece) {
    exact = exact && piece.exact;
    return !piece.restricted;
  });
  if (pieces.empty()) return exact ? always() : unrestricted();
  Piece out = pieces.size() == 1 ? std::move(pieces.front()) : joined(std::move(pieces), " AND ");
  out.exact = exact;
  return out;
}

Piece any_of(std::vector<Piece> pieces) {
  if (pieces.empty()) return never();
  bool open = false;
  for (const Piece& piece : pieces) {
    if (!piece.restricted && piece.exact) return always();
    open = open || !piece.restricted;
  }
  if (open) return unrestricted();
  return pieces.size() == 1 ? std::move(pieces.front()) : joined(std::move(pieces), " OR ");
}

const char* sign_of(FilterOp op) {
  switch (op) {
    case FilterOp::lt: return "<";
    case FilterOp::le: return "<=";
    case FilterOp::gt: return ">";
    case FilterOp::ge: return ">=";
    default: return "=";
  }
}

// The bound itself is let in where the stored value may have been rounded or cut to it.
FilterOp widened(FilterOp op) { return op == FilterOp::lt ? FilterOp::le : op == FilterOp::gt ? FilterOp::ge : op; }

// A number as SQLite compares it. Not exact: several numbers are stored as this one.
struct Number {
  Bound value;
  bool exact = true;
};

std::optional<Number> number_of(const Value& value) {
  if (const auto* whole = std::get_if<std::int64_t>(&value.variant())) return Number{*whole, true};
  if (const auto* large = std::get_if<std::uint64_t>(&value.variant())) {
    return Number{static_cast<double>(*large), false};
  }
  if (const auto* real = std::get_if<double>(&value.variant())) {
    return Number{*real, *real < two_to_63};  // NaN is refused before it gets here
  }
  return std::nullopt;
}

// Comparison of a number column without NULL.
Piece compare_number(const char* column, FilterOp op, const Value& value) {
  auto number = number_of(value);
  if (!number) return never();
  return condition(fmt::format("{} {} ?", column, sign_of(number->exact ? op : widened(op))),
                   {std::move(number->value)}, number->exact);
}

// The values of sfm_field_values that a comparison wants; kinds are ranges.
Piece compare_stored(FilterOp op, const Value& value) {
  const bool upward = op == FilterOp::gt || op == FilterOp::ge;
  const bool downward = op == FilterOp::lt || op == FilterOp::le;
  if (auto number = number_of(value)) {
    Piece piece = compare_number("value", op, value);
    if (upward) piece.text += " AND value < ''";
    return piece;
  }
  if (const auto* text = std::get_if<std::string>(&value.variant())) {
    const bool exact = text->size() < field_text_bytes;
    std::string sql = fmt::format("value {} ?", sign_of(exact ? op : widened(op)));
    if (upward) sql += " AND value < x''";
    if (downward) sql += " AND value >= ''";
    return condition(std::move(sql), {BoundText{text->substr(0, field_text_bytes)}}, exact);
  }
  if (const auto* truth = std::get_if<bool>(&value.variant())) {
    std::string sql = fmt::format("value {} ?", sign_of(op));
    if (downward) sql += " AND value > x''";
    return condition(std::move(sql), {BoundBlob{std::string(1, *truth ? '\1' : '\0')}}, true);
  }
  if (op == FilterOp::lt || op == FilterOp::gt) return never();
  return condition("value = x''", {}, true);  // null is equal to itself
}

Piece prefix_stored(const Value& value) {
  const auto* text = std::get_if<std::string>(&value.variant());
  if (text == nullptr) return never();
  const std::string cut = text->substr(0, field_text_bytes);
  std::string end = prefix_end(cut);
  std::vector<Bound> values{BoundText{cut}};
  if (end.empty()) return condition("value >= ? AND value < x''", std::move(values), cut.size() == text->size());
  values.emplace_back(BoundText{std::move(end)});
  return condition("value >= ? AND value < ?", std::move(values), cut.size() == text->size());
}

// column = one of the values. SQLite builds a sorted set of a list and applies no conversion to it.
Piece in_list(const char* column, std::vector<Piece> equalities) {
  bool exact = true;
  std::vector<Bound> values;
  std::erase_if(equalities, [](const Piece& piece) { return piece.text == "0"; });
  if (equalities.empty()) return never();
  std::string text = fmt::format("{} IN (", column);
  for (Piece& piece : equalities) {
    exact = exact && piece.exact;
    text += values.empty() && text.back() == '(' ? "" : ", ";
    text += piece.values.empty() ? "x''" : "?";
    if (!piece.values.empty()) values.push_back(std::move(piece.values.front()));
  }
  return condition(text + ")", std::move(values), exact);
}

// A test of one indexed field, as one of a memory.
std::string framed(const Piece& piece) {
  return fmt::format("m.id IN (SELECT id FROM sfm_field_values WHERE space = ?1 AND field = {} AND {})", piece.field,
                     piece.condition);
}

class Compiler {
 public:
  explicit Compiler(std::span<const Field> fields) : fields_(fields) {}

  std::vector<Piece> conjuncts(const Filter& filter) {
    std::vector<Piece> pieces;
    if (filter.empty()) return pieces;
    if (filter.node()->op != FilterOp::all_of) {
      pieces.push_back(piece(filter));
      return pieces;
    }
    for (const Filter& child : filter.node()->children) {
      auto more = conjuncts(child);
      pieces.insert(pieces.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
    }
    return pieces;
  }

 private:
  std::vector<Piece> pieces(const std::vector<Filter>& filters) {
    std::vector<Piece> out;
    out.reserve(filters.size());
    for (const Filter& filter : filters) out.push_back(piece(filter));
    return out;
  }

  Piece piece(const Filter& filter) {
    if (filter.empty()) return always();
    const FilterNode& node = *filter.node();
    if (node.field == FilterField::type && node.problem.empty()) return type(filter);
    switch (node.op) {
      case FilterOp::all_of: return all_of(pieces(node.children));
      case FilterOp::any_of: return any_of(pieces(node.children));
      case FilterOp::none_of: return negated(any_of(pieces(node.children)));
      case FilterOp::ne: return negated(test(node, FilterOp::eq));
      default: return test(node, node.op);
    }
  }

  Piece test(const FilterNode& node, FilterOp op) {
    values_ += node.values.size();
    if (!node.problem.empty() || values_ > most_values) return unrestricted();
    switch (node.field) {
      case FilterField::payload: return stored_field(node, op);
      case FilterField::importance: return number("m.importance", node, op);
      case FilterField::version: return version(node, op);
      case FilterField::created_at: return time("m.created_at", node, op, false);
      case FilterField::updated_at: return time("m.updated_at", node, op, false);
      case FilterField::expires_at: return time("m.expires_at", node, op, true);
      case FilterField::id: return identity(node, op, [](const std::string& text) { return uuid_piece(text); });
      case FilterField::coordinate: return identity(node, op, [](const std::string& text) { return key_piece(text); });
      case FilterField::type:
      case FilterField::metadata: break;
    }
    return unrestricted();
  }

  Piece stored_field(const FilterNode& node, FilterOp op) {
    const auto field =
        std::find_if(fields_.begin(), fields_.end(), [&](const Field& f) { return f.path == node.path; });
    if (field == fields_.end()) return unrestricted();
    Piece inner;
    switch (op) {
      case FilterOp::eq: inner = compare_stored(op, node.values.front()), inner.rank = 1; break;
      case FilterOp::in: inner = in_stored(node), inner.rank = 2; break;
      case FilterOp::prefix: inner = prefix_stored(node.values.front()), inner.rank = 3; break;
      case FilterOp::lt:
      case FilterOp::le:
      case FilterOp::gt:
      case FilterOp::ge: inner = compare_stored(op, node.values.front()), inner.rank = 4; break;
      default: return unrestricted();  // exists and contains also see arrays and objects
    }
    if (inner.text == "0") return inner;
    inner.condition = std::move(inner.text);
    inner.field = field->number;
    inner.text = framed(inner);
    inner.columns = false;
    return inner;
  }

  static Piece in_stored(const FilterNode& node) {
    std::vector<Piece> equalities;
    for (const Value& value : node.values) equalities.push_back(compare_stored(FilterOp::eq, value));
    return in_list("value", std::move(equalities));
  }

  // There are two: the core says which of them pass.
  static Piece type(const Filter& filter) {
    std::vector<Piece> passing;
    for (const MemoryType type : {MemoryType::episodic, MemoryType::semantic}) {
      Row row;
      row.memory.type = type;
      if (!matches(filter, row)) continue;
      passing.push_back(condition(fmt::format("m.memory_type = {}", static_cast<int>(type)), {}, true));
    }
    return passing.size() == 2 ? always() : any_of(std::move(passing));
  }

  static Piece number(const char* column, const FilterNode& node, FilterOp op) {
    if (op == FilterOp::exists) return always();
    if (op == FilterOp::prefix || op == FilterOp::contains) return never();
    if (op != FilterOp::in) return compare_number(column, op, node.values.front());
    std::vector<Piece> equalities;
    for (const Value& value : node.values) equalities.push_back(compare_number(column, FilterOp::eq, value));
    return in_list(column, std::move(equalities));
  }

  // Versions beyond int64 are stored as negative numbers of the same bits, in their order.
  static Piece version(const FilterNode& node, FilterOp op) {
    if (op == FilterOp::exists) return always();
    if (op == FilterOp::prefix || op == FilterOp::contains) return never();
    if (op != FilterOp::in) return compare_version(op, node.values.front());
    // A list, not a chain of OR: SQLite's expressions may be 1,000 deep.
    std::vector<Piece> equalities;
    for (const Value& value : node.values) {
      const auto* whole = std::get_if<std::int64_t>(&value.variant());
      const auto* real = std::get_if<double>(&value.variant());
      if ((whole && *whole < 0) || (real && *real < 0)) continue;
      equalities.push_back(compare_version(FilterOp::eq, value));
      if (!equalities.back().restricted) return unrestricted();
    }
    return in_list("m.version", std::move(equalities));
  }

  static Piece compare_version(FilterOp op, const Value& value) {
    const bool upward = op == FilterOp::gt || op == FilterOp::ge;
    const bool downward = op == FilterOp::lt || op == FilterOp::le;
    if (const auto* large = std::get_if<std::uint64_t>(&value.variant())) {
      std::string text = fmt::format("m.version {} ?", sign_of(op));
      if (upward) text += " AND m.version < 0";
      if (downward) text = "(m.version >= 0 OR " + text + ")";
      return condition(std::move(text), {static_cast<std::int64_t>(*large)}, true);
    }
    const auto* real = std::get_if<double>(&value.variant());
    if (real != nullptr && *real >= two_to_63) return unrestricted();
    Piece piece = compare_number("m.version", op, value);
    if (!piece.columns) return piece;
    piece.text = upward ? "(m.version < 0 OR " + piece.text + ")" : "(m.version >= 0 AND " + piece.text + ")";
    return piece;
  }

  static Piece time(const char* column, const FilterNode& node, FilterOp op, bool optional) {
    FilterNode plain{
        .op = op, .field = node.field, .path = {}, .keys = {}, .values = node.values, .children = {}, .problem = {}};
    for (Value& value : plain.values) {
      const auto* text = std::get_if<std::string>(&value.variant());
      if (text == nullptr) continue;
      const auto parsed = parse_time(*text);
      if (!parsed) return unrestricted();
      value = Value(*parsed);
    }
    if (op == FilterOp::prefix || op == FilterOp::contains) return unrestricted();
    Piece piece = number(column, plain, op);
    if (!optional || piece.text == "0") return piece;
    const std::string there = fmt::format("{} IS NOT NULL", column);
    if (!piece.restricted) return condition(there, {}, true);
    piece.text = fmt::format("({} AND {})", there, piece.text);
    return piece;
  }

  // A field whose text form stands for one value of a column.
  template <class PieceOf> static Piece identity(const FilterNode& node, FilterOp op, const PieceOf& piece_of) {
    if (op == FilterOp::exists) return always();
    if (op != FilterOp::eq && op != FilterOp::in) return unrestricted();
    std::vector<Piece> equalities;
    const char* column = "";
    for (const Value& value : node.values) {
      const auto* text = std::get_if<std::string>(&value.variant());
      if (text == nullptr) continue;
      auto [name, piece] = piece_of(*text);
      column = name;
      equalities.push_back(std::move(piece));
    }
    return in_list(column, std::move(equalities));
  }

  static std::pair<const char*, Piece> uuid_piece(const std::string& text) {
    const auto uuid = Uuid::parse(text);
    if (!uuid || uuid->to_string() != text) return {"m.uuid", never()};
    const std::string bytes(uuid->bytes.begin(), uuid->bytes.end());
    return {"m.uuid", condition("m.uuid = ?", {BoundBlob{bytes}}, true)};
  }

  static std::pair<const char*, Piece> key_piece(const std::string& text) {
    const auto coordinate = Coordinate::parse(text);
    if (!coordinate || coordinate->to_string() != text) return {"m.coordinate_key", never()};
    return {"m.coordinate_key", condition("m.coordinate_key = ?", {BoundBlob{coordinate->key()}}, true)};
  }

  std::span<const Field> fields_;
  std::size_t values_ = 0;
};

// A memory has one value at most at a path, so several tests of it, as the two ends of a range, are one of an entry.
void join_tests_of_one_field(std::vector<Piece>& pieces) {
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    Piece& first = pieces[i];
    if (first.field == 0) continue;
    for (std::size_t j = i + 1; j < pieces.size();) {
      Piece& other = pieces[j];
      if (other.field != first.field) {
        ++j;
        continue;
      }
      first.condition += " AND " + other.condition;
      first.text = framed(first);
      first.rank = std::min(first.rank, other.rank);
      first.values.insert(first.values.end(), std::make_move_iterator(other.values.begin()),
                          std::make_move_iterator(other.values.end()));
      pieces.erase(pieces.begin() + static_cast<std::ptrdiff_t>(j));
    }
  }
}

// The field test to begin with, if there is one.
std::vector<Piece>::iterator driver(std::vector<Piece>& pieces) {
  auto best = pieces.end();
  for (auto piece = pieces.begin(); piece != pieces.end(); ++piece) {
    if (piece->field != 0 && (best == pieces.end() || piece->rank < best->rank)) best = piece;
  }
  return best;
}

void append(FilterQuery& query, const std::string& text, std::vector<Bound>& values) {
  query.sql += " AND " + text;
  query.values.insert(query.values.end(), std::make_move_iterator(values.begin()),
                      std::make_move_iterator(values.end()));
}

}  // namespace

FilterQuery filter_query(const Filter& filter, std::string_view prefix, std::span<const Field> fields) {
  FilterQuery query{.sql = {}, .values = {}, .exact = true};
  std::vector<Piece> pieces = Compiler(fields).conjuncts(filter);
  std::erase_if(pieces, [&](const Piece& piece) {
    query.exact = query.exact && piece.exact;
    return !piece.restricted;
  });
  if (!prefix.empty()) {
    std::string end = prefix_end(prefix);
    Piece range = condition("m.coordinate_key >= ?", {BoundBlob{std::string(prefix)}}, true);
    if (!end.empty()) range.text += " AND m.coordinate_key < ?", range.values.emplace_back(BoundBlob{std::move(end)});
    pieces.push_back(std::move(range));
  }
  join_tests_of_one_field(pieces);
  const bool columns = std::any_of(pieces.begin(), pieces.end(), [](const Piece& piece) { return piece.columns; });
  const auto first = driver(pieces);
  if (first == pieces.end()) {
    query.sql = "SELECT m.id FROM sfm_memories AS m WHERE m.space = ?1";
  } else {
    const std::string test = fmt::format("field = {} AND {}", first->field, first->condition);
    query.sql = columns ? "SELECT m.id FROM sfm_field_values AS f CROSS JOIN sfm_memories AS m ON m.id = f.id "
                          "WHERE f.space = ?1"
                        : "SELECT m.id FROM sfm_field_values AS m WHERE m.space = ?1";
    append(query, test, first->values);
    pieces.erase(first);
  }
  for (Piece& piece : pieces) append(query, piece.text, piece.values);
  query.sql += " LIMIT ?";
  return query;
}

}  // namespace fractal::sqlite_backend
