// Invariant: every test is true or false for every memory, as filter.h says; nothing is rounded in a comparison.
#include "filter_match.h"

#include "field_path.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

namespace fractal {
namespace {

using std::partial_ordering;

partial_ordering reversed(partial_ordering order) noexcept {
  if (order == partial_ordering::less) return partial_ordering::greater;
  if (order == partial_ordering::greater) return partial_ordering::less;
  return order;
}

// The double is split into an integer of the other's type and a fraction, so nothing is rounded.
template <class Integer>
partial_ordering compare_integer(Integer left, double right, double lowest, double beyond) noexcept {
  if (std::isnan(right)) return partial_ordering::unordered;
  if (right < lowest) return partial_ordering::greater;
  if (right >= beyond) return partial_ordering::less;
  const double whole = std::floor(right);
  const auto integer = static_cast<Integer>(whole);
  if (left != integer) return left < integer ? partial_ordering::less : partial_ordering::greater;
  return whole < right ? partial_ordering::less : partial_ordering::equivalent;
}

struct Comparison {
  partial_ordering operator()(std::nullptr_t, std::nullptr_t) const { return partial_ordering::equivalent; }
  partial_ordering operator()(bool left, bool right) const { return left <=> right; }
  partial_ordering operator()(std::int64_t left, std::int64_t right) const { return left <=> right; }
  partial_ordering operator()(std::uint64_t left, std::uint64_t right) const { return left <=> right; }
  partial_ordering operator()(double left, double right) const { return left <=> right; }
  partial_ordering operator()(std::int64_t left, std::uint64_t right) const {
    return left < 0 ? partial_ordering::less : partial_ordering(static_cast<std::uint64_t>(left) <=> right);
  }
  partial_ordering operator()(std::int64_t left, double right) const {
    return compare_integer(left, right, -0x1p63, 0x1p63);
  }
  partial_ordering operator()(std::uint64_t left, double right) const {
    return compare_integer(left, right, 0, 0x1p64);
  }
  partial_ordering operator()(std::uint64_t left, std::int64_t right) const { return reversed((*this)(right, left)); }
  partial_ordering operator()(double left, std::int64_t right) const { return reversed((*this)(right, left)); }
  partial_ordering operator()(double left, std::uint64_t right) const { return reversed((*this)(right, left)); }
  partial_ordering operator()(const std::string& left, const std::string& right) const {
    return left.compare(right) <=> 0;
  }
  template <class Left, class Right> partial_ordering operator()(const Left&, const Right&) const {
    return partial_ordering::unordered;
  }
};

bool holds(FilterOp op, partial_ordering order) noexcept {
  switch (op) {
    case FilterOp::eq:
    case FilterOp::in: return order == 0;
    case FilterOp::ne: return order != 0;
    case FilterOp::lt: return order < 0;
    case FilterOp::le: return order <= 0;
    case FilterOp::gt: return order > 0;
    case FilterOp::ge: return order >= 0;
    default: return false;
  }
}

const std::string* as_text(const Value& value) noexcept { return std::get_if<std::string>(&value.variant()); }

// A text against a test. ne is the caller's: here the text is there.
bool text_test(const FilterNode& node, std::string_view text) {
  switch (node.op) {
    case FilterOp::exists: return true;
    case FilterOp::ne: {
      const std::string* const wanted = as_text(node.values.front());
      return wanted == nullptr || text != *wanted;
    }
    default: break;
  }
  for (const Value& value : node.values) {
    const std::string* const wanted = as_text(value);
    if (wanted == nullptr) continue;
    if (node.op == FilterOp::prefix     ? text.starts_with(*wanted)
        : node.op == FilterOp::contains ? text.find(*wanted) != std::string_view::npos
                                        : holds(node.op, text.compare(*wanted) <=> 0)) {
      return true;
    }
  }
  return false;
}

// A scalar that is not a text against a test.
bool scalar_test(const FilterNode& node, const Value& scalar) {
  if (node.op == FilterOp::exists) return true;
  return std::any_of(node.values.begin(), node.values.end(),
                     [&](const Value& value) { return holds(node.op, compare(scalar, value)); });
}

bool missing_test(const FilterNode& node) noexcept { return node.op == FilterOp::ne; }

bool built_in_test(const FilterNode& node, const Memory& memory) {
  switch (node.field) {
    case FilterField::type: return text_test(node, to_string(memory.type));
    case FilterField::importance: return scalar_test(node, Value(memory.importance));
    case FilterField::version: return scalar_test(node, Value(memory.version));
    case FilterField::created_at: return scalar_test(node, Value(memory.created_at));
    case FilterField::updated_at: return scalar_test(node, Value(memory.updated_at));
    case FilterField::expires_at:
      return memory.expires_at ? scalar_test(node, Value(*memory.expires_at)) : missing_test(node);
    case FilterField::id: return text_test(node, memory.id.to_string());
    case FilterField::coordinate: return text_test(node, memory.coordinate.to_string());
    case FilterField::payload:
    case FilterField::metadata: break;
  }
  return false;
}

// contains: an element of the array is equal.
bool array_has(std::string_view array, const Value& wanted, std::string& buffer) {
  const std::string* const text = as_text(wanted);
  json::MemberReader reader(array);
  for (json::Member element; reader.next(element);) {
    switch (json::kind_of(element.value)) {
      case json::Kind::array:
      case json::Kind::object: break;
      case json::Kind::text:
        if (text != nullptr && json::decode(json::unquote(element.value), buffer) == *text) return true;
        break;
      default:
        if (text != nullptr) break;
        if (const auto scalar = json::scalar_value(element.value); scalar && compare(*scalar, wanted) == 0) return true;
        break;
    }
  }
  return false;
}

// Any JSON value against a test; an empty view is a missing one.
bool value_test(const FilterNode& node, std::string_view value, std::string& buffer) {
  if (value.empty()) return missing_test(node);
  if (node.op == FilterOp::exists) return true;
  switch (json::kind_of(value)) {
    case json::Kind::text: return text_test(node, json::decode(json::unquote(value), buffer));
    case json::Kind::array:
      if (node.op == FilterOp::contains) return array_has(value, node.values.front(), buffer);
      break;
    case json::Kind::object: break;
    default:
      if (node.op == FilterOp::contains || node.op == FilterOp::prefix) return false;
      if (const std::optional<Value> scalar = json::scalar_value(value)) return scalar_test(node, *scalar);
      break;
  }
  return missing_test(node);  // objects and arrays equal nothing
}

}  // namespace

std::partial_ordering compare(const Value& left, const Value& right) noexcept {
  return std::visit(Comparison{}, left.variant(), right.variant());
}

std::string_view FilterMatcher::json_value(const FilterNode& node, const Memory& memory) {
  const bool in_payload = node.field == FilterField::payload;
  Members& members = in_payload ? payload_ : metadata_;
  if (!members.read) {
    members.read = true;
    json::MemberReader reader(in_payload ? memory.payload : memory.metadata);
    for (json::Member member; reader.next(member);) members.list.push_back(member);
  }
  const auto found = std::find_if(members.list.rbegin(), members.list.rend(),
                                  [&](const json::Member& member) { return member.is(node.keys.front()); });
  if (found == members.list.rend()) return {};
  if (node.keys.size() == 1) return found->value;
  if (json::kind_of(found->value) != json::Kind::object) return {};
  return json::find(found->value, std::span(node.keys).subspan(1));
}

bool FilterMatcher::passes(const FilterNode* node, const Memory& memory) {
  if (node == nullptr) return true;
  const auto child_passes = [&](const Filter& child) { return passes(child.node(), memory); };
  switch (node->op) {
    case FilterOp::all_of: return std::all_of(node->children.begin(), node->children.end(), child_passes);
    case FilterOp::any_of: return std::any_of(node->children.begin(), node->children.end(), child_passes);
    case FilterOp::none_of: return std::none_of(node->children.begin(), node->children.end(), child_passes);
    default: break;
  }
  if (!node->problem.empty()) return false;
  if (node->field != FilterField::payload && node->field != FilterField::metadata) return built_in_test(*node, memory);
  return value_test(*node, json_value(*node, memory), buffer_);
}

bool FilterMatcher::operator()(const Row& row) {
  for (Members* members : {&payload_, &metadata_}) {
    members->read = false;
    members->list.clear();
  }
  return passes(filter_.node(), row.memory);
}

bool matches(const Filter& filter, const Row& row) {
  if (filter.empty()) return true;
  return FilterMatcher(filter)(row);
}

std::optional<Value> value_at(std::string_view payload, std::string_view path) {
  const FieldPath parsed = parse_field_path(path);
  if (!parsed.problem.empty() || parsed.field != FilterField::payload) return std::nullopt;
  const std::string_view value = json::find(payload, parsed.keys);
  return value.empty() ? std::nullopt : json::scalar_value(value);
}

}  // namespace fractal
