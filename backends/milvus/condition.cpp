// Invariant: what passes the filter passes the condition; and only that, if the condition says exact. No text of a filter
// gets into it: a coordinate goes in as its key in hexadecimal, a type and a time as numbers.
#include "backends/milvus/condition.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdint>
#include <limits>
#include <span>
#include <variant>
#include <vector>

namespace fractal::milvus {
namespace {

constexpr std::size_t longest = 64u << 10;  // of what is worth sending
// Of rows of kind 0, which are all that are asked for.
constexpr std::string_view everything = "kind == 0", nothing = "kind < 0";

VersionCondition exactly(std::string_view text) { return {.text = std::string(text), .exact = true}; }
VersionCondition unknown() { return {}; }

// There are two types: each is tried.
VersionCondition test_type(const Filter& test, bool negated) {
  std::vector<int> passing;
  for (const MemoryType type : {MemoryType::episodic, MemoryType::semantic}) {
    fractal::Row row;
    row.memory.type = type;
    if (matches(test, row) != negated) passing.push_back(static_cast<int>(type));
  }
  if (passing.size() != 1) return exactly(passing.empty() ? nothing : everything);
  return exactly(fmt::format("type == {}", passing.front()));
}

// Empty: it compares nothing. Of what is always there, the opposite is the negation.
std::string_view comparison(FilterOp op, bool negated) {
  switch (op) {
    case FilterOp::eq: return negated ? "!=" : "==";
    case FilterOp::ne: return negated ? "==" : "!=";
    case FilterOp::lt: return negated ? ">=" : "<";
    case FilterOp::le: return negated ? ">" : "<=";
    case FilterOp::gt: return negated ? "<=" : ">";
    case FilterOp::ge: return negated ? "<" : ">=";
    case FilterOp::in: return negated ? "not in" : "in";
    default: return "";
  }
}

VersionCondition test_created_at(const FilterNode& test, bool negated) {
  if (test.op == FilterOp::exists) return exactly(negated ? nothing : everything);
  const std::string_view compared = comparison(test.op, negated);
  if (compared.empty()) return unknown();
  std::vector<std::int64_t> times;
  for (const Value& value : test.values) {
    const auto* const time = std::get_if<std::int64_t>(&value.variant());
    if (time == nullptr || *time == std::numeric_limits<std::int64_t>::min()) return unknown();  // no literal for that
    times.push_back(*time);
  }
  if (times.empty()) return exactly(negated ? everything : nothing);
  if (test.op == FilterOp::in) return exactly(fmt::format("created_at {} [{}]", compared, fmt::join(times, ",")));
  return exactly(fmt::format("created_at {} {}", compared, times.front()));
}

VersionCondition test_coordinate(const FilterNode& test, bool negated) {
  if (test.op == FilterOp::exists) return exactly(negated ? nothing : everything);
  if (test.op == FilterOp::ne) negated = !negated;
  if (test.op != FilterOp::eq && test.op != FilterOp::ne && test.op != FilterOp::in) return unknown();
  std::string places;
  for (const Value& value : test.values) {
    // Another text than its own equals no coordinate.
    const auto* const text = std::get_if<std::string>(&value.variant());
    const auto coordinate = text != nullptr ? Coordinate::parse(*text) : Error{Errc::invalid_argument, {}};
    if (!coordinate || coordinate->to_string() != *text) continue;
    places += fmt::format("{}\"{}\"", places.empty() ? "" : ",", place_of(coordinate->key()));
  }
  if (places.empty()) return exactly(negated ? everything : nothing);
  return exactly(fmt::format("place {} [{}]", negated ? "not in" : "in", places));
}

VersionCondition read(const Filter& filter, bool negated);

// Of a conjunction a part will do; of a disjunction every one must be known.
VersionCondition read_children(const FilterNode& node, bool negated) {
  const bool all = (node.op == FilterOp::all_of) != negated;
  VersionCondition joined{.text = {}, .exact = true};
  for (const Filter& child : node.children) {
    const VersionCondition part = read(child, negated);
    joined.exact = joined.exact && part.exact;
    if (part.text.empty() && all) continue;
    if (part.text.empty()) return unknown();
    joined.text += fmt::format("{}({})", joined.text.empty() ? "" : all ? " && " : " || ", part.text);
  }
  return joined.text.empty() ? unknown() : joined;
}

// Negations go down to the tests: servers differ in what they take behind a `not`.
VersionCondition read(const Filter& filter, bool negated) {
  if (filter.empty()) return exactly(negated ? nothing : everything);
  const FilterNode& node = *filter.node();
  switch (node.op) {
    case FilterOp::all_of:
    case FilterOp::any_of: return read_children(node, negated);
    case FilterOp::none_of: return read(node.children.front(), !negated);
    default: break;
  }
  switch (node.field) {
    case FilterField::type: return test_type(filter, negated);
    case FilterField::created_at: return test_created_at(node, negated);
    case FilterField::coordinate: return test_coordinate(node, negated);
    default: return unknown();
  }
}

}  // namespace

VersionCondition condition_of(const Filter& filter, std::string_view prefix) {
  VersionCondition condition = read(filter, false);
  if (!prefix.empty()) {
    const std::string within = fmt::format("place like \"{}%\"", place_of(prefix));
    condition.text = condition.text.empty() ? within : fmt::format("{} && ({})", within, condition.text);
  }
  return condition.text.size() <= longest ? condition : unknown();
}

std::string place_of(std::string_view key) {
  const std::span bytes(reinterpret_cast<const unsigned char*>(key.data()), key.size());
  return fmt::format("{:02x}", fmt::join(bytes, ""));
}

}  // namespace fractal::milvus
