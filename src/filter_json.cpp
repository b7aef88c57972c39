// Invariant: parse(to_json(f)) passes the same memories as f, for every f that check() accepts.
#include <fractal/filter.h>

#include "json.h"
#include "utf8.h"

#include <fmt/format.h>

#include <cstddef>
#include <optional>
#include <utility>

namespace fractal {
namespace {

Error refused(std::string message) { return {Errc::invalid_argument, "filter: " + std::move(message)}; }

struct OperatorName {
  std::string_view name;
  FilterOp op;
};
constexpr OperatorName operator_names[] = {
    {"$eq", FilterOp::eq},         {"$ne", FilterOp::ne},
    {"$lt", FilterOp::lt},         {"$lte", FilterOp::le},
    {"$gt", FilterOp::gt},         {"$gte", FilterOp::ge},
    {"$in", FilterOp::in},         {"$contains", FilterOp::contains},
    {"$prefix", FilterOp::prefix}, {"$exists", FilterOp::exists},
};

std::optional<FilterOp> operator_named(std::string_view name) {
  for (const OperatorName& each : operator_names) {
    if (each.name == name) return each.op;
  }
  return std::nullopt;
}

std::string_view name_of(FilterOp op) {
  for (const OperatorName& each : operator_names) {
    if (each.op == op) return each.name;
  }
  return "$eq";
}

Filter scalar_test(FilterOp op, std::string_view path, Value value) {
  switch (op) {
    case FilterOp::ne: return Filter::ne(path, std::move(value));
    case FilterOp::lt: return Filter::lt(path, std::move(value));
    case FilterOp::le: return Filter::le(path, std::move(value));
    case FilterOp::gt: return Filter::gt(path, std::move(value));
    case FilterOp::ge: return Filter::ge(path, std::move(value));
    case FilterOp::contains: return Filter::contains(path, std::move(value));
    default: return Filter::eq(path, std::move(value));
  }
}

// "path": {"$op": operand}
Result<Filter> read_operator(std::string_view path, std::string_view name, json::Node operand) {
  const auto wrong = [&](std::string_view why) {
    return refused(fmt::format("\"{}\" of \"{}\" {}", excerpt(name), excerpt(path), why));
  };
  const std::optional<FilterOp> op = operator_named(name);
  if (!op) return wrong("is no operator (a member of a nested object is written \"outer.inner\")");
  switch (*op) {
    case FilterOp::in: {
      if (operand.kind() != json::Kind::array) return wrong("needs an array");
      std::vector<Value> values;
      values.reserve(operand.size());
      for (std::size_t i = 0; i < operand.size(); ++i) {
        if (!operand.at(i).is_scalar()) return wrong("holds an object or array");
        values.push_back(operand.at(i).scalar());
      }
      return Filter::in(path, std::move(values));
    }
    case FilterOp::prefix:
      if (operand.kind() != json::Kind::text) return wrong("needs a text");
      return Filter::prefix(path, operand.text());
    case FilterOp::exists:
      if (operand.kind() != json::Kind::boolean) return wrong("needs true or false");
      return std::get<bool>(operand.scalar().variant()) ? Filter::exists(path) : !Filter::exists(path);
    default:
      if (!operand.is_scalar()) return wrong("needs a text, number, bool or null");
      return scalar_test(*op, path, operand.scalar());
  }
}

// "path": scalar or {"$op": operand, ..}
Result<Filter> read_path(std::string_view path, json::Node value) {
  if (value.is_scalar()) return Filter::eq(path, value.scalar());
  if (value.kind() == json::Kind::array) {
    return refused(fmt::format("\"{}\" is an array: write {{\"$in\": [..]}} or {{\"$contains\": ..}}", excerpt(path)));
  }
  if (value.size() == 0) return refused(fmt::format("\"{}\" is an object without an operator", excerpt(path)));
  Filter all;
  std::optional<Error> error;
  value.for_each_member([&](std::string_view name, json::Node operand) {
    if (error) return;
    Result<Filter> one = read_operator(path, name, operand);
    if (!one) {
      error = std::move(one).error();
    } else {
      all = all && *one;
    }
  });
  if (error) return *error;
  return all;
}

Result<Filter> read_object(json::Node object, std::string_view where);

// "$and": [..] or "$or": [..]
Result<Filter> read_list(std::string_view name, json::Node list) {
  if (list.kind() != json::Kind::array) return refused(fmt::format("\"{}\" needs an array of objects", name));
  const bool all = name == "$and";
  Filter result = all ? Filter() : !Filter();
  for (std::size_t i = 0; i < list.size(); ++i) {
    Result<Filter> one = read_object(list.at(i), name);
    if (!one) return one;
    result = all ? result && *one : result || *one;
  }
  return result;
}

Result<Filter> read_member(std::string_view name, json::Node value) {
  if (name == "$and" || name == "$or") return read_list(name, value);
  if (name != "$not") return read_path(name, value);
  Result<Filter> inner = read_object(value, name);
  if (!inner) return inner;
  return !*inner;
}

Result<Filter> read_object(json::Node object, std::string_view where) {
  if (object.kind() != json::Kind::object) return refused(fmt::format("\"{}\" needs an object", where));
  Filter all;
  std::optional<Error> error;
  object.for_each_member([&](std::string_view name, json::Node value) {
    if (error) return;
    Result<Filter> one = read_member(name, value);
    if (!one) {
      error = std::move(one).error();
    } else {
      all = all && *one;
    }
  });
  if (error) return *error;
  return all;
}

std::string children_json(const FilterNode& node) {
  std::string out = "[";
  for (const Filter& child : node.children) {
    if (out.size() > 1) out += ", ";
    out += child.to_json();
  }
  return out += "]";
}

std::string operand_json(const FilterNode& node) {
  if (node.op == FilterOp::exists) return "true";
  if (node.op != FilterOp::in) return json::to_json(node.values.front());
  std::string out = "[";
  for (const Value& value : node.values) {
    if (out.size() > 1) out += ", ";
    out += json::to_json(value);
  }
  return out += "]";
}

}  // namespace

Result<Filter> Filter::parse(std::string_view json) {
  const Result<json::Document> document = json::Document::parse(json);
  if (!document) return refused(document.error().message);
  const json::Node root = document->root();
  if (root.kind() != json::Kind::object) return refused("not a JSON object");
  Result<Filter> filter = read_object(root, "filter");
  if (!filter) return filter;
  if (const auto ok = filter->check(); !ok) return ok.error();
  return filter;
}

std::string Filter::to_json() const {
  if (empty()) return "{}";
  switch (node_->op) {
    case FilterOp::all_of: return fmt::format("{{\"$and\": {}}}", children_json(*node_));
    case FilterOp::any_of: return fmt::format("{{\"$or\": {}}}", children_json(*node_));
    case FilterOp::none_of:
      if (node_->children.empty()) return "{}";  // refused by check()
      return fmt::format("{{\"$not\": {}}}", node_->children.front().to_json());
    case FilterOp::eq: return fmt::format("{{{}: {}}}", json::quote(node_->path), operand_json(*node_));
    default: break;
  }
  return fmt::format("{{{}: {{\"{}\": {}}}}}", json::quote(node_->path), name_of(node_->op), operand_json(*node_));
}

}  // namespace fractal
