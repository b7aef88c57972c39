// Filters: their meaning on the committed vectors, refusals, the JSON form, exact comparison.
#include "field_path.h"
#include "filter_match.h"
#include "json.h"
#include "json_scan.h"

#include <fractal/backend.h>

#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <random>
#include <set>
#include <string>
#include <vector>

using namespace fractal;

namespace {

struct Case {
  std::string filter;
  Row row;
  bool matches = false;
};

std::string text_member(std::string_view object, std::string_view key, std::string_view otherwise) {
  const auto value = json::raw_member(object, key);
  if (!value) return std::string(otherwise);
  return json::kind_of(*value) == json::Kind::text ? std::get<std::string>(json::scalar_value(*value)->variant())
                                                   : std::string(*value);
}

Row read_row(std::string_view memory) {
  Row row;
  Memory& out = row.memory;
  out.coordinate = Coordinate::parse(text_member(memory, "coordinate", "")).value();
  out.payload = text_member(memory, "payload", "");
  out.metadata = text_member(memory, "metadata", "{}");
  out.type = parse_memory_type(text_member(memory, "type", "episodic")).value();
  out.importance = std::stod(text_member(memory, "importance", "0"));
  out.version = std::stoull(text_member(memory, "version", "1"));
  out.id = Uuid::parse(text_member(memory, "id", "018f3a2b-0000-7000-8000-000000000000")).value();
  out.created_at = parse_time(text_member(memory, "created_at", "2024-05-01T10:00:00Z")).value();
  out.updated_at = parse_time(text_member(memory, "updated_at", "2024-05-02T10:00:00Z")).value();
  if (const std::string text = text_member(memory, "expires_at", ""); !text.empty())
    out.expires_at = parse_time(text).value();
  return row;
}

const std::vector<Case>& vectors() {
  static const std::vector<Case> cases = [] {
    std::vector<Case> read;
    std::ifstream in(FRACTAL_TEST_DATA "/filter_vectors.jsonl");
    for (std::string line; std::getline(in, line);) {
      read.push_back({text_member(line, "filter", ""), read_row(json::raw_member(line, "memory").value()),
                      json::raw_member(line, "matches") == "true"});
    }
    return read;
  }();
  return cases;
}

bool passes(const Filter& filter, std::string payload) {
  Row row;
  row.memory.payload = std::move(payload);
  return matches(filter, row);
}

std::string problem(const Filter& filter) {
  const auto checked = filter.check();
  return checked ? "" : checked.error().message;
}

std::string parse_problem(std::string_view text) {
  const auto filter = Filter::parse(text);
  return filter ? "" : filter.error().message;
}

Value random_number(std::mt19937_64& random) {
  const std::int64_t near[] = {0, 1, -1, 1ll << 53, -(1ll << 53), INT64_MAX, INT64_MIN};
  switch (random() % 5) {
    case 0: return Value(static_cast<std::int64_t>(random()));
    case 1: return Value(random());
    case 2: return Value(static_cast<std::int64_t>(static_cast<std::uint64_t>(near[random() % 7]) + random() % 5 - 2));
    case 3: return Value(std::ldexp(static_cast<double>(random() % 4097) - 2048, static_cast<int>(random() % 80) - 16));
    default: return Value(static_cast<double>(near[random() % 7]) + static_cast<double>(random() % 5) - 2);
  }
}

// Exact for every integer of 64 bits and every double used here: an x87 long double has 64 bits of mantissa; elsewhere
// it has more or the test is left out.
long double widened(const Value& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value.variant())) return static_cast<long double>(*integer);
  if (const auto* natural = std::get_if<std::uint64_t>(&value.variant())) return static_cast<long double>(*natural);
  return std::get<double>(value.variant());
}

Value random_value(std::mt19937_64& random) {
  switch (random() % 6) {
    case 0: return Value();
    case 1: return Value(random() % 2 == 0);
    case 2: return Value(std::string(random() % 3, 'a'));
    case 3: return Value("q\"\\\n\xC3\xA9");
    default: return random_number(random);
  }
}

Filter random_filter(std::mt19937_64& random, int depth) {
  const std::string_view paths[] = {
      "v",           "a.b",      "a\\.b",    "\\$type", "$type", "$importance", "$metadata.source.kind",
      "$coordinate", "$version", "user.name"};
  const std::string_view path = paths[random() % std::size(paths)];
  if (depth > 0) {
    switch (random() % 5) {
      case 0: return random_filter(random, depth - 1) && random_filter(random, depth - 1);
      case 1: return random_filter(random, depth - 1) || random_filter(random, depth - 1);
      case 2: return !random_filter(random, depth - 1);
      default: break;
    }
  }
  switch (random() % 12) {
    case 0: return Filter::ne(path, random_value(random));
    case 1: return Filter::lt(path, random_value(random));
    case 2: return Filter::le(path, random_value(random));
    case 3: return Filter::gt(path, random_value(random));
    case 4: return Filter::ge(path, random_value(random));
    case 5: return Filter::in(path, {random_value(random), random_value(random)});
    case 6: return Filter::contains(path, random_value(random));
    case 7: return Filter::prefix(path, random() % 2 == 0 ? "" : "s");
    case 8: return Filter::exists(path);
    case 9: return random() % 8 == 0 ? Filter() : Filter::in(path, {});
    default: return Filter::eq(path, random_value(random));
  }
}

}  // namespace

TEST_CASE("the committed vectors") {
  REQUIRE(vectors().size() >= 2000);
  std::size_t passed = 0;
  std::set<std::string> filters;
  for (const Case& each : vectors()) {
    CAPTURE(each.filter);
    CAPTURE(each.row.memory.payload);
    const auto filter = Filter::parse(each.filter);
    REQUIRE(filter);
    CHECK(matches(*filter, each.row) == each.matches);
    CHECK(matches(!*filter, each.row) != each.matches);
    CHECK(matches(Filter::parse(filter->to_json()).value(), each.row) == each.matches);
    passed += each.matches;
    filters.insert(each.filter);
  }
  CHECK(passed >= 500);
  CHECK(filters.size() >= 200);
}

TEST_CASE("one matcher for many rows gives what matches() gives") {
  const auto filter = Filter::ge("v", 1) || Filter::eq("user.name", "Ada") || Filter::exists("$metadata.source.kind");
  FilterMatcher matcher(filter);
  std::size_t passed = 0;
  for (const Case& each : vectors()) {
    const bool expected = matches(filter, each.row);
    REQUIRE(matcher(each.row) == expected);
    passed += expected;
  }
  CHECK(passed > 100);
}

TEST_CASE("the calls and the JSON form mean the same") {
  const auto calls = Filter::eq("topic", "tea") && Filter::ge("year", 2024) && !Filter::exists("draft");
  const auto json =
      Filter::parse(R"({"topic": "tea", "year": {"$gte": 2024}, "$not": {"draft": {"$exists": true}}})").value();
  CHECK(calls.to_json() == json.to_json());
  CHECK(passes(calls, R"({"topic": "tea", "year": 2024})"));
  CHECK_FALSE(passes(calls, R"({"topic": "tea", "year": 2024, "draft": null})"));
  CHECK_FALSE(passes(calls, R"({"topic": "tea", "year": "2024"})"));
}

TEST_CASE("random filters survive their JSON form") {
  const unsigned seed = std::random_device{}();
  MESSAGE("seed ", seed);
  std::mt19937_64 random(seed);
  std::size_t passed = 0, asked = 0;
  for (int i = 0; i < 2000; ++i) {
    const Filter filter = random_filter(random, 4);
    CAPTURE(filter.to_json());
    REQUIRE(problem(filter) == "");
    const auto parsed = Filter::parse(filter.to_json());
    REQUIRE(parsed);
    REQUIRE(parsed->to_json() == filter.to_json());
    for (int n = 0; n < 20; ++n) {
      const Row& row = vectors()[random() % vectors().size()].row;
      const bool expected = matches(filter, row);
      REQUIRE(matches(*parsed, row) == expected);
      REQUIRE(matches(!filter, row) != expected);
      passed += expected;
      ++asked;
    }
  }
  CHECK(passed > asked / 20);
  CHECK(passed < asked - asked / 20);
}

TEST_CASE("trivial filters are simplified") {
  const auto tea = Filter::eq("topic", "tea"), year = Filter::ge("year", 2024),
             semantic = Filter::eq("$type", "semantic");
  CHECK(Filter().empty());
  CHECK((Filter() && tea).node() == tea.node());
  CHECK((tea && Filter()).node() == tea.node());
  CHECK((Filter() || tea).empty());
  CHECK((tea || Filter()).empty());
  CHECK((!!tea).node() == tea.node());
  CHECK((!!Filter()).empty());
  CHECK_FALSE(passes(!Filter(), "{}"));
  CHECK(passes(!Filter() || Filter::exists("a"), R"({"a":1})"));
  CHECK_FALSE(passes(!Filter() && tea, R"({"topic":"tea"})"));
  const auto chain = tea && year && semantic && Filter::exists("a");
  REQUIRE(chain.node()->children.size() == 4);
  CHECK(chain.node()->children.front().node() == semantic.node());  // the cheap test first
  CHECK(((tea || year) || (semantic || tea)).node()->children.size() == 4);
  CHECK(Filter().to_json() == "{}");
  CHECK((!Filter()).to_json() == R"({"$or": []})");
  CHECK(tea.to_json() == R"({"topic": "tea"})");
  CHECK(year.to_json() == R"({"year": {"$gte": 2024}})");
  CHECK(Filter::parse("{}")->empty());
  CHECK(Filter::parse(R"({"$and": []})")->empty());
  CHECK(Filter::parse(R"({"$or": [{"a": 1}, {}]})")->empty());
}

TEST_CASE("numbers compare exactly") {
  CHECK(compare(Value(9007199254740993), Value(9007199254740992.0)) > 0);
  CHECK(compare(Value(9007199254740992.0), Value(9007199254740993)) < 0);
  CHECK(compare(Value(INT64_MAX), Value(0x1p63)) < 0);
  CHECK(compare(Value(INT64_MIN), Value(-0x1p63)) == 0);
  CHECK(compare(Value(INT64_MIN), Value(-1e19)) > 0);
  CHECK(compare(Value(UINT64_MAX), Value(0x1p64)) < 0);
  CHECK(compare(Value(UINT64_MAX), Value(-1)) > 0);
  CHECK(compare(Value(UINT64_MAX), Value(-0.5)) > 0);
  CHECK(compare(Value(1), Value(1.5)) < 0);
  CHECK(compare(Value(-1), Value(-1.5)) > 0);
  CHECK(compare(Value(0), Value(-0.0)) == 0);
  CHECK(compare(Value(0), Value(5e-324)) < 0);
  CHECK(compare(Value(1), Value(std::numeric_limits<double>::quiet_NaN())) == std::partial_ordering::unordered);
  CHECK(compare(Value(1), Value(std::numeric_limits<double>::infinity())) < 0);
  CHECK(compare(Value("a"), Value("b")) < 0);
  CHECK(compare(Value("\xEF\xBF\xBF"), Value("\xF0\x90\x80\x80")) < 0);
  CHECK(compare(Value(false), Value(true)) < 0);
  CHECK(compare(Value(), Value()) == 0);
  CHECK(compare(Value(1), Value(true)) == std::partial_ordering::unordered);
  CHECK(compare(Value("1"), Value(1)) == std::partial_ordering::unordered);
  CHECK(compare(Value(), Value(false)) == std::partial_ordering::unordered);
  if constexpr (std::numeric_limits<long double>::digits >= 64) {
    const unsigned seed = std::random_device{}();
    MESSAGE("seed ", seed);
    std::mt19937_64 random(seed);
    for (int i = 0; i < 50'000; ++i) {
      const Value left = random_number(random), right = random_number(random);
      CAPTURE(json::to_json(left));
      CAPTURE(json::to_json(right));
      REQUIRE(compare(left, right) == (widened(left) <=> widened(right)));
    }
  }
}

TEST_CASE("paths") {
  const auto keys = [](std::string_view path) { return parse_field_path(path).keys; };
  using Keys = std::vector<std::string>;
  CHECK(keys("a.b.c") == Keys{"a", "b", "c"});
  CHECK(keys("a\\.b") == Keys{"a.b"});
  CHECK(keys("a\\\\.b") == Keys{"a\\", "b"});
  CHECK(keys("\\$x.$y") == Keys{"$x", "$y"});
  CHECK(keys("$metadata.a.b") == Keys{"a", "b"});
  CHECK(parse_field_path("$metadata.a").field == FilterField::metadata);
  CHECK(parse_field_path("$expires_at").field == FilterField::expires_at);
  for (const Keys& each : {Keys{"a"}, Keys{"a.b", "c"}, Keys{"$", "$"}, Keys{"\\", "\xC3\xA9"}, Keys{"$type"}}) {
    const FieldPath parsed = parse_field_path(payload_path(each));
    CHECK(parsed.problem == "");
    CHECK(parsed.keys == each);
    CHECK(parsed.field == FilterField::payload);
  }
}

TEST_CASE("a filter with a mistake is refused with the path named, and lets nothing pass") {
  for (const std::string& path :
       {std::string(""), std::string("."), std::string("a."), std::string(".a"), std::string("a..b"),
        std::string("a\\"), std::string("a\\b"), std::string("a\\$"), std::string("$"), std::string("$x"),
        std::string("$Type"), std::string("$type.x"), std::string("$metadata"), std::string("$metadata."),
        std::string("$metadata.a..b"), std::string("\xff"), std::string("a\0b", 3), std::string(513, 'a')}) {
    CAPTURE(path);
    const Filter filter = Filter::eq(path, 1);
    CHECK(problem(filter).find("filter: path \"") == 0);
    CHECK(filter.check().error().code == Errc::invalid_argument);
    CHECK(problem(Filter::exists("ok") && !filter) == problem(filter));
    CHECK(problem(Filter() || filter) == problem(filter));
    CHECK_FALSE(passes(filter, "{}"));
    CHECK_FALSE(value_at("{}", path));
  }
  CHECK(problem(Filter::eq(std::string(512, 'a'), 1)) == "");
  CHECK(problem(Filter::eq("x", std::nan(""))).find("\"x\"") != std::string::npos);
  CHECK(problem(Filter::lt("x", std::numeric_limits<double>::infinity())) != "");
  CHECK(problem(Filter::in("x", {1, -std::numeric_limits<double>::infinity()})) != "");
  CHECK(problem(Filter::eq("x", "\xff")) != "");
  CHECK(problem(Filter::eq("x", std::string("a\0", 2))) != "");
  CHECK(problem(Filter::prefix("x", "\xC3")) != "");
  CHECK(problem(Filter::eq("x", std::string(65'536, 'a'))) == "");
  CHECK(problem(Filter::eq("x", std::string(65'537, 'a'))).find("65536") != std::string::npos);
  CHECK(problem(Filter::gt("$created_at", "yesterday")).find("yesterday") != std::string::npos);
  CHECK(problem(Filter::prefix("$created_at", "2024")) != "");
  CHECK(problem(Filter::contains("$expires_at", "2024")) != "");
  CHECK(problem(Filter::gt("$created_at", "2024-05-01T10:00:00Z")) == "");
  CHECK(problem(Filter::in("$updated_at", {"2024-05-01T10:00:00Z", "x"})) != "");
}

TEST_CASE("the limits on size are exact") {
  Filter many;
  for (int i = 0; i < 256; ++i) many = many && Filter::ne("a" + std::to_string(i), i);
  CHECK(problem(many) == "");
  CHECK(passes(many, "{}"));
  CHECK(problem(many && Filter::exists("b")).find("256") != std::string::npos);
  CHECK(problem(!(many && Filter::exists("b")) || Filter::exists("c")).find("256") != std::string::npos);
  for (int i = 0; i < 100'000; ++i) many = many && Filter::exists("a");  // neither slow nor deep
  CHECK(problem(many).find("256") != std::string::npos);

  Filter deep = Filter::exists("a");
  for (int i = 0; i < 16; ++i) deep = !(deep || Filter::exists("b"));
  CHECK(problem(deep) == "");
  deep = deep || Filter::exists("b");
  CHECK(problem(deep).find("32") != std::string::npos);
  for (int i = 0; i < 100'000; ++i) deep = !(deep || Filter::exists("b"));
  CHECK(problem(deep) != "");

  CHECK(problem(Filter::in("a", std::vector<Value>(10'000, Value(1)))) == "");
  CHECK(problem(Filter::in("a", std::vector<Value>(10'001, Value(1)))).find("10000") != std::string::npos);

  std::string text = R"({"a":1})";
  for (int i = 0; i < 100; ++i) text = R"({"$not":{"$or":[)" + text + R"(,{"b":2}]}})";
  CHECK(parse_problem(text).find("deeper than 32") != std::string::npos);
  std::string wide = "{";
  for (int i = 0; i < 5000; ++i) wide += "\"m" + std::to_string(i) + "\":1,";
  CHECK(parse_problem(wide + "\"z\":1}").find("256") != std::string::npos);
}

TEST_CASE("a wrong JSON form is refused with the member named") {
  const auto names = [](std::string_view text, std::string_view part) {
    const std::string message = parse_problem(text);
    CAPTURE(text);
    CAPTURE(message);
    CHECK(message.find("filter: ") == 0);
    CHECK(message.find(part) != std::string::npos);
  };
  names("", "JSON");
  names("[]", "not a JSON object");
  names("{\"a\":}", "byte");
  names(R"({"a": [1]})", "\"a\"");
  names(R"({"a": {}})", "\"a\"");
  names(R"({"a": {"b": 1}})", "\"b\" of \"a\"");
  names(R"({"a": {"$regex": "x"}})", "$regex");
  names(R"({"a": {"$gte": 1, "x": 2}})", "\"x\"");
  names(R"({"a": {"$eq": [1]}})", "$eq");
  names(R"({"a": {"$gt": {}}})", "$gt");
  names(R"({"a": {"$in": 1}})", "$in");
  names(R"({"a": {"$in": [[1]]}})", "$in");
  names(R"({"a": {"$exists": 1}})", "$exists");
  names(R"({"a": {"$prefix": 1}})", "$prefix");
  names(R"({"a": {"$contains": []}})", "$contains");
  names(R"({"$and": {"a": 1}})", "$and");
  names(R"({"$or": [1]})", "$or");
  names(R"({"$not": [{"a": 1}]})", "$not");
  names(R"({"$nor": [{"a": 1}]})", "$nor");
  names(R"({"$and": [{"ok": 1}, {"a": {"$x": 1}}]})", "$x");
  names(R"({"a..b": 1})", "a..b");
  names(R"({"$created_at": "x"})", "$created_at");
  CHECK(passes(Filter::parse(R"({"a": 1, "a": 1.0})").value(), R"({"a": 1})"));
  CHECK_FALSE(passes(Filter::parse(R"({"a": 1, "a": 2})").value(), R"({"a": 1})"));  // both members count
}

TEST_CASE("value_at") {
  const std::string payload =
      R"({"a": {"b": [1], "c": "x\ty"}, "n": null, "d": 1.5, "a.b": true, "u": 18446744073709551615})";
  CHECK(std::get<std::string>(value_at(payload, "a.c")->variant()) == "x\ty");
  CHECK(std::holds_alternative<std::nullptr_t>(value_at(payload, "n")->variant()));
  CHECK(std::get<double>(value_at(payload, "d")->variant()) == 1.5);
  CHECK(std::get<bool>(value_at(payload, "a\\.b")->variant()));
  CHECK(std::get<std::uint64_t>(value_at(payload, "u")->variant()) == UINT64_MAX);
  CHECK_FALSE(value_at(payload, "a"));
  CHECK_FALSE(value_at(payload, "a.b"));
  CHECK_FALSE(value_at(payload, "x"));
  CHECK_FALSE(value_at(payload, "d.x"));
  CHECK_FALSE(value_at(payload, "$type"));
}

TEST_CASE("random bytes as filter or payload never crash") {
  const unsigned seed = std::random_device{}();
  MESSAGE("seed ", seed);
  std::mt19937_64 random(seed);
  const std::string_view pieces[] = {
      "{", "}",  "[",  "]",    "\"a\"",       "\"$or\"", "\"$in\"", "\"$not\"",        ":",      ",",
      "1", "\"", "\\", "null", "\"$exists\"", "true",    "\xff",    "\"$created_at\"", "\"$gt\""};
  const auto filter =
      Filter::eq("a", 1) || Filter::contains("b.c", "x") || Filter::gt("a.a", 0.5) || Filter::exists("$metadata.a");
  for (int i = 0; i < 30'000; ++i) {
    std::string text;
    if (i % 3 == 0) {
      text = vectors()[random() % vectors().size()].filter;
      text[random() % text.size()] = pieces[random() % std::size(pieces)].front();
    } else {
      for (std::size_t n = random() % 14; n > 0; --n) text += pieces[random() % std::size(pieces)];
    }
    if (const auto parsed = Filter::parse(text)) {
      CHECK(problem(*parsed) == "");
      CHECK(Filter::parse(parsed->to_json())->to_json() == parsed->to_json());
    }
    passes(filter, text);
    static_cast<void>(value_at(text, "a.b"));
    static_cast<void>(problem(Filter::eq(text, text)));
  }
}
