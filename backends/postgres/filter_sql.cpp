// Invariant: the statement finds every memory that passes the filter, whatever the tables hold; it says `exact` only if
// it finds no other. So a part that cannot be said in SQL is left out, only exact parts are negated, no expression is ever
// NULL, and no value of the caller is part of the text.
#include "backends/postgres/filter_sql.h"

#include "src/key_range.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace fractal::postgres_backend {
namespace {

constexpr double two_to_63 = 9223372036854775808.0;
// Doubles hold the whole numbers below it, and their order beyond.
constexpr double two_to_53 = 9007199254740992.0;
// A statement has 65,535 parameters at most; more values than this are not worth a restriction.
constexpr int most_values = 20'000;

// A condition on one row. Unrestricted: everything may pass (`exact`: everything does).
struct Piece {
  bool restricted = false;
  bool exact = false;
  std::string text{};
};

Piece unrestricted() { return {}; }
Piece always() { return {.restricted = false, .exact = true, .text = {}}; }
Piece never() { return {.restricted = true, .exact = true, .text = "FALSE"}; }
Piece condition(std::string text, bool exact = true) {
  return {.restricted = true, .exact = exact, .text = std::move(text)};
}

Piece negated(const Piece& piece) {
  if (!piece.exact) return unrestricted();
  return piece.restricted ? condition("NOT (" + piece.text + ")") : never();
}

Piece joined(const std::vector<Piece>& pieces, std::string_view operation, bool exact) {
  std::string text;
  for (const Piece& piece : pieces) text.append(text.empty() ? "(" : operation).append(piece.text);
  return condition(text + ")", exact);
}

Piece all_of(std::vector<Piece> pieces) {
  bool exact = true;
  for (const Piece& piece : pieces) exact = exact && piece.exact;
  std::erase_if(pieces, [](const Piece& piece) { return !piece.restricted; });
  if (pieces.empty()) return exact ? always() : unrestricted();
  return joined(pieces, " AND ", exact);
}

Piece any_of(const std::vector<Piece>& pieces) {
  if (pieces.empty()) return never();
  bool open = false, exact = true;
  for (const Piece& piece : pieces) {
    if (!piece.restricted && piece.exact) return always();
    open = open || !piece.restricted;
    exact = exact && piece.exact;
  }
  return open ? unrestricted() : joined(pieces, " OR ", exact);
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

bool is_ordering(FilterOp op) {
  return op == FilterOp::lt || op == FilterOp::le || op == FilterOp::gt || op == FilterOp::ge;
}
bool is_upward(FilterOp op) { return op == FilterOp::gt || op == FilterOp::ge; }
bool is_downward(FilterOp op) { return op == FilterOp::lt || op == FilterOp::le; }

// The bound itself is let in where the stored value may have been rounded or cut to it.
FilterOp widened(FilterOp op) { return op == FilterOp::lt ? FilterOp::le : op == FilterOp::gt ? FilterOp::ge : op; }

std::optional<double> number_of(const Value& value) {
  if (const auto* whole = std::get_if<std::int64_t>(&value.variant())) return static_cast<double>(*whole);
  if (const auto* large = std::get_if<std::uint64_t>(&value.variant())) return static_cast<double>(*large);
  if (const auto* real = std::get_if<double>(&value.variant())) return *real;
  return std::nullopt;
}

bool is_exact(double number) { return std::abs(number) < two_to_53; }

class Compiler {
 public:
  Compiler(std::span<const Field> fields, Values& values) : fields_(fields), values_(values) {}

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

  // The values of indexed fields decide about a row.
  bool asks_stored() const { return asks_stored_; }

 private:
  std::vector<Piece> pieces(const std::vector<Filter>& filters) {
    std::vector<Piece> out;
    out.reserve(filters.size());
    for (const Filter& filter : filters) out.push_back(piece(filter));
    return out;
  }

  Piece test(const FilterNode& node, FilterOp op) {
    if (!node.problem.empty() || values_.count() + static_cast<int>(node.values.size()) > most_values) {
      return unrestricted();
    }
    switch (node.field) {
      case FilterField::payload: return stored_field(node, op);
      case FilterField::importance:
        return of_values(node, op, [&](FilterOp o, const Value& v) { return importance(o, v); });
      case FilterField::version: return of_values(node, op, [&](FilterOp o, const Value& v) { return version(o, v); });
      case FilterField::created_at: return time("m.fm_created_at", node, op, false);
      case FilterField::updated_at: return time("m.fm_updated_at", node, op, false);
      case FilterField::expires_at: return time("m.fm_expires_at", node, op, true);
      case FilterField::id: return identity(node, op, [&](const std::string& text) { return uuid(text); });
      case FilterField::coordinate: return identity(node, op, [&](const std::string& text) { return key(text); });
      case FilterField::type:
      case FilterField::metadata: break;
    }
    return unrestricted();
  }

  template <class T> std::string bound(const T& value) {
    values_.add(value);
    return fmt::format("${}", values_.count());
  }

  // A number that is always there.
  template <class Compare> Piece of_values(const FilterNode& node, FilterOp op, const Compare& compare) {
    if (op == FilterOp::exists) return always();
    if (op == FilterOp::prefix || op == FilterOp::contains) return never();
    if (op != FilterOp::in) return compare(op, node.values.front());
    std::vector<Piece> equalities;
    for (const Value& value : node.values) equalities.push_back(compare(FilterOp::eq, value));
    return any_of(equalities);
  }

  Piece importance(FilterOp op, const Value& value) {
    const auto number = number_of(value);
    if (!number) return never();
    if (!std::holds_alternative<double>(value.variant()) && !is_exact(*number)) return unrestricted();
    return condition(fmt::format("m.importance {} {}", sign_of(op), bound(*number)));
  }

  // A column of whole numbers from 0 to 2^63 - 1.
  Piece whole(std::string_view column, FilterOp op, const Value& value) {
    if (const auto* number = std::get_if<std::int64_t>(&value.variant())) {
      return condition(fmt::format("{} {} {}", column, sign_of(op), bound(*number)));
    }
    if (std::holds_alternative<std::uint64_t>(value.variant())) return is_downward(op) ? always() : never();
    const auto* real = std::get_if<double>(&value.variant());
    if (real == nullptr) return never();
    if (*real >= two_to_63) return is_downward(op) ? always() : never();
    if (*real < -two_to_63) return is_upward(op) ? always() : never();
    const double below = std::floor(*real);
    if (below != *real && !is_ordering(op)) return never();
    // Between two whole numbers: above it means above the lower one.
    const FilterOp sign = below == *real ? op : is_upward(op) ? FilterOp::gt : FilterOp::le;
    return condition(fmt::format("{} {} {}", column, sign_of(sign), bound(static_cast<std::int64_t>(below))));
  }

  // Versions from 2^63 up are stored as negative numbers of the same bits.
  Piece version(FilterOp op, const Value& value) {
    const auto* real = std::get_if<double>(&value.variant());
    if (std::holds_alternative<std::uint64_t>(value.variant()) || (real != nullptr && *real >= two_to_63)) {
      return unrestricted();
    }
    Piece piece = whole("m.fm_version", op, value);
    if (!piece.restricted || piece.text == "FALSE") return piece;
    piece.text =
        is_upward(op) ? "(m.fm_version < 0 OR " + piece.text + ")" : "(m.fm_version >= 0 AND " + piece.text + ")";
    return piece;
  }

  Piece time(std::string_view column, const FilterNode& node, FilterOp op, bool optional) {
    const std::string there = fmt::format("{} IS NOT NULL", column);
    if (op == FilterOp::exists) return optional ? condition(there) : always();
    if (op == FilterOp::prefix || op == FilterOp::contains) return unrestricted();
    std::vector<Piece> tests;
    for (const Value& value : node.values) {
      const auto* text = std::get_if<std::string>(&value.variant());
      const auto parsed = text != nullptr ? parse_time(*text) : Result<Time>(Time());
      if (!parsed) return unrestricted();
      tests.push_back(whole(column, op == FilterOp::in ? FilterOp::eq : op, text != nullptr ? Value(*parsed) : value));
    }
    Piece piece = any_of(tests);
    if (!optional || piece.text == "FALSE") return piece;
    if (!piece.restricted) return piece.exact ? condition(there) : piece;
    return condition(fmt::format("({} AND {})", there, piece.text), piece.exact);
  }

  // There are two: the core says which of them pass.
  static Piece type(const Filter& filter) {
    std::vector<Piece> passing;
    for (const MemoryType type : {MemoryType::episodic, MemoryType::semantic}) {
      Row row;
      row.memory.type = type;
      if (!matches(filter, row)) continue;
      passing.push_back(condition(fmt::format("m.fm_type = {}", static_cast<int>(type))));
    }
    return passing.size() == 2 ? always() : any_of(passing);
  }

  // A field whose text form stands for one value of a column.
  template <class PieceOf> static Piece identity(const FilterNode& node, FilterOp op, const PieceOf& piece_of) {
    if (op == FilterOp::exists) return always();
    if (op != FilterOp::eq && op != FilterOp::in) return unrestricted();
    std::vector<Piece> equalities;
    for (const Value& value : node.values) {
      if (const auto* text = std::get_if<std::string>(&value.variant())) equalities.push_back(piece_of(*text));
    }
    return any_of(equalities);
  }

  Piece uuid(const std::string& text) {
    const auto uuid = Uuid::parse(text);
    if (!uuid || uuid->to_string() != text) return never();
    const std::string bytes(uuid->bytes.begin(), uuid->bytes.end());
    return condition("m.fm_uuid = " + bound(Bytes{bytes}));
  }

  Piece key(const std::string& text) {
    const auto coordinate = Coordinate::parse(text);
    if (!coordinate || coordinate->to_string() != text) return never();
    const std::string bytes = coordinate->key();
    return condition("m.fm_key = " + bound(Bytes{bytes}));
  }

  // ---- Indexed payload fields ----

  Piece stored_field(const FilterNode& node, FilterOp op) {
    const auto field =
        std::find_if(fields_.begin(), fields_.end(), [&](const Field& one) { return one.path == node.path; });
    if (field == fields_.end()) return unrestricted();
    std::vector<Piece> tests;
    switch (op) {
      case FilterOp::eq:
      case FilterOp::in:
        for (const Value& value : node.values) tests.push_back(stored_value(FilterOp::eq, value));
        break;
      case FilterOp::lt:
      case FilterOp::le:
      case FilterOp::gt:
      case FilterOp::ge: tests.push_back(stored_value(op, node.values.front())); break;
      case FilterOp::prefix: tests.push_back(stored_prefix(node.values.front())); break;
      default: return unrestricted();  // exists and contains also see arrays and objects
    }
    Piece piece = any_of(tests);
    if (piece.text == "FALSE") return piece;
    asks_stored_ = true;
    return condition(
        fmt::format("m.fm_id IN (SELECT f.id FROM sfm_field_values AS f WHERE f.space = $1 AND f.field = {} "
                    "AND {})",
                    field->number, piece.text),
        piece.exact);
  }

  Piece stored_value(FilterOp op, const Value& value) {
    if (const auto number = number_of(value)) {
      const bool exact = is_exact(*number);
      return condition(
          fmt::format("(f.kind = 2 AND f.number {} {})", sign_of(exact ? op : widened(op)), bound(*number)), exact);
    }
    if (const auto* text = std::get_if<std::string>(&value.variant())) {
      const bool exact = text->size() < field_text_bytes;
      return condition(fmt::format("(f.kind = 3 AND f.text {} {})", sign_of(exact ? op : widened(op)),
                                   bound(Bytes{std::string_view(*text).substr(0, field_text_bytes)})),
                       exact);
    }
    if (const auto* truth = std::get_if<bool>(&value.variant())) {
      return condition(fmt::format("(f.kind = 1 AND f.number {} {})", sign_of(op), bound(*truth ? 1.0 : 0.0)));
    }
    if (op == FilterOp::lt || op == FilterOp::gt) return never();
    return condition("(f.kind = 0)");  // null is equal to itself
  }

  Piece stored_prefix(const Value& value) {
    const auto* text = std::get_if<std::string>(&value.variant());
    if (text == nullptr) return never();
    const std::string cut = text->substr(0, field_text_bytes);
    const std::string end = prefix_end(cut);
    std::string test = "(f.kind = 3 AND f.text >= " + bound(Bytes{cut});
    if (!end.empty()) test += " AND f.text < " + bound(Bytes{end});
    return condition(test + ")", cut.size() == text->size());
  }

  std::span<const Field> fields_;
  Values& values_;
  bool asks_stored_ = false;
};

}  // namespace

FilterQuery filter_query(const Filter& filter, std::string_view prefix, std::span<const Field> fields,
                         std::uint64_t space, std::int64_t limit) {
  FilterQuery query;
  query.values.add(space);
  query.values.add(limit);
  Compiler compiler(fields, query.values);
  const Piece piece = compiler.piece(filter);
  query.exact = piece.exact;
  std::string place = "FROM sfm_memories AS m WHERE m.fm_space = $1";
  if (!prefix.empty()) {
    query.values.add(Bytes{prefix});
    place += fmt::format(" AND m.fm_key >= ${}", query.values.count());
    const std::string end = prefix_end(prefix);
    if (!end.empty()) {
      query.values.add(Bytes{end});
      place += fmt::format(" AND m.fm_key < ${}", query.values.count());
    }
  }
  query.sql = fmt::format("SELECT m.fm_id, false {}", place);
  if (piece.restricted) query.sql += " AND " + piece.text;
  if (compiler.asks_stored()) {
    query.sql += fmt::format(" AND NOT m.fm_unindexed UNION ALL SELECT m.fm_id, true {} AND m.fm_unindexed", place);
  }
  query.sql += " LIMIT $2";
  return query;
}

}  // namespace fractal::postgres_backend
