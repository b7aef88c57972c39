// Invariant: a node is finished when it is made and never changes; what is wrong with it stands in its
// `problem`; no tree is larger or deeper than the limits, whatever the caller combines.
#include <fractal/filter.h>
#include <fractal/types.h>

#include "field_path.h"
#include "utf8.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <utility>

namespace fractal {
namespace {

constexpr std::size_t most_tests = 256;
constexpr std::size_t most_values = 10'000;
constexpr std::size_t most_nesting = 32;
constexpr std::size_t longest_text = 65'536;

bool is_logic(const FilterNode& node) noexcept {
  return node.op == FilterOp::all_of || node.op == FilterOp::any_of || node.op == FilterOp::none_of;
}

bool is_time(FilterField field) noexcept {
  return field == FilterField::created_at || field == FilterField::updated_at || field == FilterField::expires_at;
}

std::size_t tests(const FilterNode* node) {
  if (node == nullptr) return 0;
  if (!is_logic(*node)) return 1;
  std::size_t sum = 0;
  for (const Filter& child : node->children) sum += tests(child.node());
  return sum;
}

std::size_t nesting(const FilterNode* node) {
  if (node == nullptr || !is_logic(*node)) return 0;
  std::size_t deepest = 0;
  for (const Filter& child : node->children) deepest = std::max(deepest, nesting(child.node()));
  return deepest + 1;
}

// The first problem in the tree; null if there is none.
const std::string* find_problem(const FilterNode* node) {
  if (node == nullptr) return nullptr;
  if (!node->problem.empty()) return &node->problem;
  for (const Filter& child : node->children) {
    if (const std::string* const problem = find_problem(child.node())) return problem;
  }
  return nullptr;
}

// Tests of the header are cheap, those of the payload need it scanned: they come last in && and ||.
bool reads_json(const FilterNode* node) {
  if (node == nullptr) return false;
  if (!is_logic(*node)) return node->field == FilterField::payload || node->field == FilterField::metadata;
  return std::any_of(node->children.begin(), node->children.end(),
                     [](const Filter& child) { return reads_json(child.node()); });
}

std::string value_problem(const Value& value) {
  if (const auto* real = std::get_if<double>(&value.variant()); real != nullptr && !std::isfinite(*real)) {
    return "the value is not a finite number";
  }
  if (const auto* text = std::get_if<std::string>(&value.variant())) {
    if (text->size() > longest_text) return fmt::format("the text is longer than {} bytes", longest_text);
    if (!valid_text(*text)) return "the text is not valid UTF-8 without NUL";
  }
  return {};
}

// Turns a text into microseconds; says what is wrong.
std::string to_microseconds(Value& value) {
  const auto* text = std::get_if<std::string>(&value.variant());
  if (text == nullptr) return {};
  const Result<Time> time = parse_time(*text);
  if (!time) return time.error().message;
  value = Value(*time);
  return {};
}

std::string test_problem(FilterNode& node) {
  if (node.values.size() > most_values) return fmt::format("more than {} values", most_values);
  const bool substring = node.op == FilterOp::prefix || node.op == FilterOp::contains;
  if (is_time(node.field) && substring) return "a time has no prefix and contains nothing";
  for (Value& value : node.values) {
    if (std::string problem = value_problem(value); !problem.empty()) return problem;
    if (!is_time(node.field)) continue;
    if (std::string problem = to_microseconds(value); !problem.empty()) return problem;
  }
  return {};
}

std::string size_problem(const FilterNode& node) {
  if (tests(&node) > most_tests) return fmt::format("filter: more than {} tests", most_tests);
  if (nesting(&node) > most_nesting) return fmt::format("filter: nested deeper than {}", most_nesting);
  return {};
}

// A logic node of these children; children with the same operation are taken in whole.
FilterNode combine(FilterOp op, std::initializer_list<const Filter*> parts) {
  FilterNode node;
  node.op = op;
  for (const Filter* part : parts) {
    const FilterNode* const inner = part->node();
    if (op != FilterOp::none_of && inner->op == op && inner->problem.empty()) {
      node.children.insert(node.children.end(), inner->children.begin(), inner->children.end());
    } else {
      node.children.push_back(*part);
    }
  }
  std::stable_partition(node.children.begin(), node.children.end(),
                        [](const Filter& child) { return !reads_json(child.node()); });
  node.problem = size_problem(node);
  if (!node.problem.empty()) node.children.clear();
  return node;
}

std::vector<Value> one(Value value) {
  std::vector<Value> values;
  values.push_back(std::move(value));
  return values;
}

}  // namespace

Filter Filter::test(int op, std::string_view path, std::vector<Value> values) {
  auto node = std::make_shared<FilterNode>();
  FieldPath parsed = parse_field_path(path);
  node->op = static_cast<FilterOp>(op);
  node->field = parsed.field;
  node->path = std::string(path);
  node->keys = std::move(parsed.keys);
  node->values = std::move(values);
  if (!parsed.problem.empty()) {
    node->problem = fmt::format("filter: path \"{}\" {}", excerpt(path), parsed.problem);
  } else if (const std::string problem = test_problem(*node); !problem.empty()) {
    node->problem = fmt::format("filter: path \"{}\": {}", excerpt(path), problem);
  }
  return Filter(std::move(node));
}

Filter Filter::eq(std::string_view path, Value value) { return test(int(FilterOp::eq), path, one(std::move(value))); }
Filter Filter::ne(std::string_view path, Value value) { return test(int(FilterOp::ne), path, one(std::move(value))); }
Filter Filter::lt(std::string_view path, Value value) { return test(int(FilterOp::lt), path, one(std::move(value))); }
Filter Filter::le(std::string_view path, Value value) { return test(int(FilterOp::le), path, one(std::move(value))); }
Filter Filter::gt(std::string_view path, Value value) { return test(int(FilterOp::gt), path, one(std::move(value))); }
Filter Filter::ge(std::string_view path, Value value) { return test(int(FilterOp::ge), path, one(std::move(value))); }
Filter Filter::in(std::string_view path, std::vector<Value> values) {
  return test(int(FilterOp::in), path, std::move(values));
}
Filter Filter::contains(std::string_view path, Value value) {
  return test(int(FilterOp::contains), path, one(std::move(value)));
}
Filter Filter::prefix(std::string_view path, std::string_view text) {
  return test(int(FilterOp::prefix), path, one(Value(text)));
}
Filter Filter::exists(std::string_view path) { return test(int(FilterOp::exists), path, {}); }

Filter operator&&(const Filter& left, const Filter& right) {
  if (left.empty()) return right;
  if (right.empty()) return left;
  return Filter(std::make_shared<const FilterNode>(combine(FilterOp::all_of, {&left, &right})));
}

Filter operator||(const Filter& left, const Filter& right) {
  // Everything, but a mistake in the other part must not be hidden.
  if (left.empty()) return find_problem(right.node()) != nullptr ? right : left;
  if (right.empty()) return find_problem(left.node()) != nullptr ? left : right;
  return Filter(std::make_shared<const FilterNode>(combine(FilterOp::any_of, {&left, &right})));
}

Filter operator!(const Filter& filter) {
  if (filter.empty()) {
    FilterNode nothing;
    nothing.op = FilterOp::any_of;
    return Filter(std::make_shared<const FilterNode>(std::move(nothing)));
  }
  const FilterNode& node = *filter.node();
  if (node.problem.empty()) {
    if (node.op == FilterOp::none_of) return node.children.front();
    if (node.op == FilterOp::any_of && node.children.empty()) return {};
  }
  return Filter(std::make_shared<const FilterNode>(combine(FilterOp::none_of, {&filter})));
}

Result<void> Filter::check() const {
  if (const std::string* const problem = find_problem(node())) return Error{Errc::invalid_argument, *problem};
  return {};
}

}  // namespace fractal
