// Strict JSON: what passes, what is refused, exact numbers, merge patches, and reading without a tree.
#include "json.h"
#include "json_scan.h"
#include "utf8.h"

#include <fractal/types.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

using namespace fractal;

namespace {

std::string nested(std::size_t levels) { return std::string(levels, '[') + std::string(levels, ']'); }

bool passes(std::string_view value) {
  const bool object = static_cast<bool>(json::check_object("{\"v\":" + std::string(value) + "}", "payload"));
  const bool document = static_cast<bool>(json::Document::parse(value));
  CHECK(object == document);
  return object;
}

Value number(std::string_view text) {
  const auto document = json::Document::parse(text);
  REQUIRE(document);
  const auto scanned = json::scalar_value(text);
  REQUIRE(scanned);
  CHECK(scanned->variant() == document->root().scalar().variant());
  return *scanned;
}

template <class T> bool holds(const Value& value, T expected) {
  const T* const held = std::get_if<T>(&value.variant());
  return held != nullptr && *held == expected;
}

std::string merged(std::string_view target, std::string_view patch) {
  auto result = json::merge_patch(target, patch);
  return result ? *result : result.error().message;
}

// A random JSON value; keys repeat, texts hold escapes.
std::string random_json(std::mt19937_64& random, int depth) {
  static const std::vector<std::string> scalars = {"null",
                                                   "true",
                                                   "false",
                                                   "0",
                                                   "-1",
                                                   "1.0",
                                                   "1e5",
                                                   "123456789012345678901234567890",
                                                   "\"\"",
                                                   "\"a\\\"b\"",
                                                   "\"\\\\\"",
                                                   "\"\\u00e9\"",
                                                   "\"\\ud83c\\udf75\"",
                                                   "\"{[,]}:\"",
                                                   "\"\xC3\xA9\\n\""};
  static const std::vector<std::string> keys = {"a", "b", "c", "\\u0061", "a b", "\\\"", "\xC3\xA9", ""};
  const std::string blank = random() % 4 == 0 ? " \n" : "";
  const std::size_t kind = random() % 4;
  if (depth == 0 || kind < 2) return scalars[random() % scalars.size()];
  std::string out = kind == 2 ? "[" : "{";
  for (std::size_t i = 0, n = random() % 4; i < n; ++i) {
    if (i > 0) out += "," + blank;
    if (kind == 3) out += "\"" + keys[random() % keys.size()] + "\"" + blank + ":" + blank;
    out += random_json(random, depth - 1) + blank;
  }
  return out + (kind == 2 ? "]" : "}");
}

std::string random_object(std::mt19937_64& random) {
  for (;;) {
    std::string text = random_json(random, 4);
    if (text.front() == '{') return text;
  }
}

// A document written again: equal texts mean equal values, with duplicate keys resolved.
std::string canonical(json::Node node) {
  if (node.is_scalar()) return json::to_json(node.scalar());
  std::string out;
  if (node.kind() == json::Kind::array) {
    for (std::size_t i = 0; i < node.size(); ++i) out += (i > 0 ? "," : "") + canonical(node.at(i));
    return "[" + out + "]";
  }
  std::vector<std::string> seen;
  node.for_each_member([&](std::string_view key, json::Node) {
    if (std::find(seen.begin(), seen.end(), key) == seen.end()) seen.emplace_back(key);
  });
  std::sort(seen.begin(), seen.end());
  for (const std::string& key : seen) {
    out += (out.empty() ? "" : ",") + json::quote(key) + ":" + canonical(*node.member(key));
  }
  return "{" + out + "}";
}

std::string canonical(std::string_view text) { return canonical(json::Document::parse(text).value().root()); }

// RFC 7396's pseudocode on documents, written as canonical text: a second opinion on merge_patch.
std::string merge_by_the_book(std::optional<json::Node> target, json::Node patch) {
  if (patch.kind() != json::Kind::object) return canonical(patch);
  const bool object = target && target->kind() == json::Kind::object;
  std::vector<std::string> keys;
  const auto note = [&](std::string_view key, json::Node) {
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.emplace_back(key);
  };
  if (object) target->for_each_member(note);
  patch.for_each_member(note);
  std::sort(keys.begin(), keys.end());
  std::string out;
  for (const std::string& key : keys) {
    const auto old = object ? target->member(key) : std::nullopt;
    const auto change = patch.member(key);
    if (change && change->kind() == json::Kind::null) continue;
    out += (out.empty() ? "" : ",") + json::quote(key) + ":" +
           (change ? merge_by_the_book(old, *change) : canonical(*old));
  }
  return "{" + out + "}";
}

}  // namespace

TEST_CASE("valid JSON passes") {
  for (const char* good :
       {"null", "true", "0", "-0", "1.5e-10", "1E+5", "\"\"", "\"\\/\\b\\f\\n\\r\\t\\\"\\\\\"", "[]", "{}",
        "[1, [2, {\"a\": []}]]", "\"\xF0\x9F\x8D\xB5\"", "\"\\ud83c\\udf75\"", "1e308", "1e-400", "5e-324",
        "123456789012345678901234567890", "\"\x7f\"", "1.7976931348623157e308"}) {
    CAPTURE(good);
    CHECK(passes(good));
    CHECK(passes(std::string(" \t\r\n") + good + " \n"));
  }
}

TEST_CASE("invalid JSON is refused") {
  for (const std::string& bad : {std::string("nul"),
                                 std::string("True"),
                                 std::string("01"),
                                 std::string("-"),
                                 std::string("+1"),
                                 std::string("1."),
                                 std::string(".5"),
                                 std::string("1e"),
                                 std::string("0x1"),
                                 std::string("NaN"),
                                 std::string("Infinity"),
                                 std::string("-Infinity"),
                                 std::string("'a'"),
                                 std::string("\"a"),
                                 std::string("\"\\x\""),
                                 std::string("\"\\u12\""),
                                 std::string("\"\\u12g4\""),
                                 std::string("\"\n\""),
                                 std::string("\"\t\""),
                                 std::string("[1,]"),
                                 std::string("[1 2]"),
                                 std::string("[1"),
                                 std::string("{\"a\":1,}"),
                                 std::string("{a:1}"),
                                 std::string("{\"a\" 1}"),
                                 std::string("{\"a\"}"),
                                 std::string("1 2"),
                                 std::string("// c\n1"),
                                 std::string("/* c */1"),
                                 std::string("1e400"),
                                 std::string("-1e400"),
                                 "1" + std::string(309, '0'),
                                 std::string("1e99999999999"),
                                 std::string("\"\\u0000\""),
                                 std::string("\"a\\u0000b\""),
                                 std::string("{\"\\u0000\":1}"),
                                 std::string("\"\\ud800\""),
                                 std::string("\"\\ud800a\""),
                                 std::string("\"\\udc00\""),
                                 std::string("\"\\ud800\\u0041\""),
                                 std::string("\"\\udf75\\ud83c\""),
                                 std::string("\"\\ud83c\\ud83c\""),
                                 std::string("\"\0\"", 3),
                                 std::string("1\0", 2),
                                 std::string("\"\xff\""),
                                 std::string("\"\xC3\""),
                                 std::string("\"\xC0\xAF\""),
                                 std::string("\"\xED\xA0\x80\""),
                                 std::string("\"\xF4\x90\x80\x80\""),
                                 std::string("\xff"),
                                 std::string("]"),
                                 std::string("{]")}) {
    CAPTURE(bad);
    CHECK_FALSE(passes(bad));
  }
  for (const std::string& bad : {std::string(), std::string(" "), std::string("\xEF\xBB\xBF{}"), std::string("{}{}"),
                                 std::string("{} x"), std::string("{"), std::string("{}\0", 3)}) {
    CAPTURE(bad);
    CHECK_FALSE(json::check_object(bad, "payload"));
    CHECK_FALSE(json::Document::parse(bad));
  }
}

TEST_CASE("check_object names the argument, the place and the reason") {
  const auto message = [](std::string_view text) { return json::check_object(text, "metadata").error().message; };
  CHECK(json::check_object("{}", "metadata"));
  CHECK(json::check_object(" \n{ } ", "metadata"));
  CHECK(message("[]") == "metadata: not a JSON object");
  CHECK(message(" \"a\"") == "metadata: not a JSON object");
  CHECK(message("\xff") == "metadata: not valid UTF-8");
  CHECK(message("{\"a\" 1}").find("metadata: not valid JSON at byte 5: ") == 0);
  CHECK(message("{\"a\": 1e999}").find("metadata: not valid JSON at byte 6") == 0);
  CHECK(message("{\"a\": \"\\u0000\"}").find("NUL") != std::string::npos);
  CHECK(message("{\"a\": \"\\udc00\"}").find("surrogate") != std::string::npos);
  CHECK(message("{\"a\": " + nested(600) + "}").find("512") != std::string::npos);
  CHECK(json::check_object("[]", "payload").error().code == Errc::invalid_argument);
}

TEST_CASE("the limit on depth is exact") {
  CHECK(json::Document::parse(nested(limits::json_depth)));
  CHECK_FALSE(json::Document::parse(nested(limits::json_depth + 1)));
  CHECK(json::check_object("{\"a\":" + nested(limits::json_depth - 1) + "}", "payload"));
  CHECK_FALSE(json::check_object("{\"a\":" + nested(limits::json_depth) + "}", "payload"));
  CHECK_FALSE(json::Document::parse(std::string(1'000'000, '[')));
  std::string wide = "[";
  for (int i = 0; i < 2000; ++i) wide += "[],{},";
  CHECK(json::Document::parse(wide + "0]"));
}

TEST_CASE("numbers are exact to 64 bits, and the nearest double beyond") {
  CHECK(holds(number("0"), std::int64_t{0}));
  CHECK(holds(number("-0"), std::int64_t{0}));
  CHECK(holds(number("9007199254740993"), std::int64_t{9007199254740993}));
  CHECK(holds(number("-9223372036854775808"), std::numeric_limits<std::int64_t>::min()));
  CHECK(holds(number("9223372036854775807"), std::numeric_limits<std::int64_t>::max()));
  CHECK(holds(number("9223372036854775808"), std::uint64_t{9223372036854775808u}));
  CHECK(holds(number("18446744073709551615"), std::numeric_limits<std::uint64_t>::max()));
  CHECK(holds(number("18446744073709551616"), 18446744073709551616.0));
  CHECK(holds(number("-9223372036854775809"), -9223372036854775808.0));
  CHECK(holds(number("1.0"), 1.0));
  CHECK(holds(number("1e2"), 100.0));
  CHECK(holds(number("0.1"), 0.1));
  CHECK(holds(number("2.2250738585072011e-308"), 2.2250738585072011e-308));
  CHECK(holds(number("5e-324"), 5e-324));
  CHECK(holds(number("1e-400"), 0.0));
  CHECK(holds(number("0.00000000000000000000001e-300"), 1e-323));
  CHECK(holds(number("179769313486231570000e288"), 1.7976931348623157e308));
  CHECK(std::signbit(std::get<double>(number("-1e-400").variant())));
  CHECK(std::signbit(std::get<double>(number("-0.0").variant())));
  CHECK(json::beyond_double("1e400"));
  CHECK(json::beyond_double("1" + std::string(400, '0') + "e-5"));
  CHECK(json::beyond_double("-0.0001e999"));
  CHECK_FALSE(json::beyond_double("1e-400"));
  CHECK_FALSE(json::beyond_double("0." + std::string(400, '0') + "1"));
  CHECK_FALSE(json::beyond_double("0." + std::string(400, '0') + "1e20"));
}

TEST_CASE("a document is walked by kind, index and name") {
  const auto document =
      json::Document::parse(R"({"a": [1, "x", null, true], "b": {"c": 2.5}, "a2": "é\n", "b": false})").value();
  const json::Node root = document.root();
  REQUIRE(root.kind() == json::Kind::object);
  CHECK(root.size() == 4);
  const json::Node list = root.member("a").value();
  REQUIRE(list.kind() == json::Kind::array);
  REQUIRE(list.size() == 4);
  CHECK(holds(list.at(0).scalar(), std::int64_t{1}));
  CHECK(list.at(1).text() == "x");
  CHECK(list.at(2).kind() == json::Kind::null);
  CHECK(holds(list.at(3).scalar(), true));
  CHECK(root.member("b")->kind() == json::Kind::boolean);  // the last of the name
  CHECK(root.member("a2")->text() == "\xC3\xA9\n");
  CHECK_FALSE(root.member("c"));
  std::string keys;
  root.for_each_member([&](std::string_view key, json::Node) { keys += std::string(key) + " "; });
  CHECK(keys == "a b a2 b ");
  json::Document moved = json::Document::parse("[1]").value();
  moved = json::Document::parse("[1, 2]").value();
  CHECK(moved.root().size() == 2);
}

TEST_CASE("merge_patch: the examples of RFC 7396") {
  CHECK(merged(R"({"a":"b"})", R"({"a":"c"})") == R"({"a":"c"})");
  CHECK(merged(R"({"a":"b"})", R"({"b":"c"})") == R"({"a":"b","b":"c"})");
  CHECK(merged(R"({"a":"b"})", R"({"a":null})") == R"({})");
  CHECK(merged(R"({"a":"b","b":"c"})", R"({"a":null})") == R"({"b":"c"})");
  CHECK(merged(R"({"a":["b"]})", R"({"a":"c"})") == R"({"a":"c"})");
  CHECK(merged(R"({"a":"c"})", R"({"a":["b"]})") == R"({"a":["b"]})");
  CHECK(merged(R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})") == R"({"a":{"b":"d"}})");
  CHECK(merged(R"({"a":[{"b":"c"}]})", R"({"a":[1]})") == R"({"a":[1]})");
  CHECK(merged(R"({"e":null})", R"({"a":1})") == R"({"e":null,"a":1})");
  CHECK(merged(R"({})", R"({"a":{"bb":{"ccc":null}}})") == R"({"a":{"bb":{}}})");
  // Section 3.
  CHECK(
      merged(
          R"({"title":"Goodbye!","author":{"givenName":"John","familyName":"Doe"},"tags":["example","sample"],"content":"This will be unchanged"})",
          R"({"title":"Hello!","phoneNumber":"+01-123-456-7890","author":{"familyName":null},"tags":["example"]})") ==
      R"({"title":"Hello!","author":{"givenName":"John"},"tags":["example"],"content":"This will be unchanged","phoneNumber":"+01-123-456-7890"})");
}

TEST_CASE("merge_patch leaves what it does not touch") {
  CHECK(merged(R"({ "x": 1.0, "y": 1e5 , "z":123456789012345678901234567890, "w": [ 1.50 , {"q" : -0}]})",
               R"({"x2":0.10})") ==
        R"({"x":1.0,"y":1e5,"z":123456789012345678901234567890,"w":[ 1.50 , {"q" : -0}],"x2":0.10})");
  CHECK(merged(R"({"a":1,"b":2,"a":3})", R"({"c":4})") == R"({"a":3,"b":2,"c":4})");
  CHECK(merged(R"({"a":1,"b":2,"a":3})", R"({"a":null})") == R"({"b":2})");
  CHECK(merged(R"({"a":1})", R"({"a":2,"a":3})") == R"({"a":3})");
  CHECK(merged(R"({"a":1})", R"({"a":2,"a":null})") == R"({})");
  CHECK(merged(R"({"a":1})", R"({"a":null,"a":2})") == R"({"a":2})");
  CHECK(merged(R"({"a":{"b":1}})", R"({"a":null,"a":{"c":2}})") == R"({"a":{"b":1,"c":2}})");
  CHECK(merged(R"({"\u0061":1})", R"({"a":2})") == R"({"\u0061":2})");
  CHECK(merged(R"({"a":{"b":1}})", R"({"a":{}})") == R"({"a":{"b":1}})");
  CHECK(merged(R"({"a":1})", R"({"a":{"b":null,"c":[null]}})") == R"({"a":{"c":[null]}})");
  CHECK(merged(R"({"a":{"b":1}})", "{}") == R"({"a":{"b":1}})");
  CHECK_FALSE(json::merge_patch("[]", "{}"));
  CHECK_FALSE(json::merge_patch("{}", "[]"));
  CHECK_FALSE(json::merge_patch("{}", "null"));
  CHECK_FALSE(json::merge_patch("{}", R"({"a":"\u0000"})"));
}

TEST_CASE("merge_patch agrees with the pseudocode of the RFC on random objects") {
  const unsigned seed = std::random_device{}();
  MESSAGE("seed ", seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 5000; ++i) {
    const std::string target = random_object(random), patch = random_object(random);
    CAPTURE(target);
    CAPTURE(patch);
    const auto result = json::merge_patch(target, patch);
    REQUIRE(result);
    REQUIRE(json::check_object(*result, "result"));
    const auto left = json::Document::parse(target).value(), right = json::Document::parse(patch).value();
    REQUIRE(canonical(*result) == merge_by_the_book(left.root(), right.root()));
  }
}

TEST_CASE("raw_member gives the bytes of a value") {
  const std::string object =
      R"( { "a" : [1, "]}"] , "b":"x\"y", "c":{"b":1} ,"n": -1.50, "a\u0062": true, "b" : null } )";
  CHECK(json::raw_member(object, "a") == R"([1, "]}"])");
  CHECK(json::raw_member(object, "b") == "null");
  CHECK(json::raw_member(object, "c") == R"({"b":1})");
  CHECK(json::raw_member(object, "n") == "-1.50");
  CHECK(json::raw_member(object, "ab") == "true");
  CHECK_FALSE(json::raw_member(object, "x"));
  CHECK_FALSE(json::raw_member("{}", ""));
}

TEST_CASE("texts and numbers as JSON") {
  CHECK(json::quote("a\"b\\c\n\t\r\b\f\x01\x1f\x7f\xC3\xA9") ==
        "\"a\\\"b\\\\c\\n\\t\\r\\b\\f\\u0001\\u001f\x7f\xC3\xA9\"");
  CHECK(json::to_json(Value()) == "null");
  CHECK(json::to_json(Value(true)) == "true");
  CHECK(json::to_json(Value(-3)) == "-3");
  CHECK(json::to_json(Value(std::numeric_limits<std::uint64_t>::max())) == "18446744073709551615");
  CHECK(json::to_json(Value(1.0)) == "1.0");
  CHECK(json::to_json(Value(1e-7)) == "1e-07");
  CHECK(json::to_json(Value(1e16)) == "1e+16");
  CHECK(json::to_json(Value(-0.0)) == "-0.0");
  CHECK(json::to_json(Value(std::nan(""))) == "null");
  CHECK(json::to_json(Value("x")) == "\"x\"");
}

TEST_CASE("scanning finds what the tree finds") {
  const unsigned seed = std::random_device{}();
  MESSAGE("seed ", seed);
  std::mt19937_64 random(seed);
  std::size_t found = 0;
  for (int i = 0; i < 5000; ++i) {
    const std::string text = random_object(random);
    CAPTURE(text);
    const auto document = json::Document::parse(text).value();
    for (const std::vector<std::string>& keys : {std::vector<std::string>{"a"},
                                                 {"b"},
                                                 {"\""},
                                                 {"a b"},
                                                 {"\xC3\xA9"},
                                                 {""},
                                                 {"a", "b"},
                                                 {"a", "a", "c"},
                                                 {"c", "\""}}) {
      std::optional<json::Node> node = document.root();
      for (const std::string& key : keys) {
        node = node && node->kind() == json::Kind::object ? node->member(key) : std::nullopt;
      }
      const std::string_view value = json::find(text, keys);
      REQUIRE(value.empty() != node.has_value());
      if (!node) continue;
      ++found;
      REQUIRE(json::kind_of(value) == node->kind());
      REQUIRE(canonical(value) == canonical(*node));
      if (node->is_scalar()) REQUIRE(json::scalar_value(value)->variant() == node->scalar().variant());
    }
  }
  CHECK(found > 1000);
}

TEST_CASE("random bytes never crash any reader, and what passes is read alike by all") {
  const unsigned seed = std::random_device{}();
  MESSAGE("seed ", seed);
  std::mt19937_64 random(seed);
  const std::string_view pieces[] = {"{",   "}",    "[",    "]",    "\"",   ":",    ",",    "\\",
                                     "\\u", "d800", "0000", "a",    "1",    "-",    "e",    ".",
                                     " ",   "null", "true", "\xC3", "\xA9", "\xff", "\\\"", "\"a\":"};
  int good = 0;
  for (int i = 0; i < 60'000; ++i) {
    std::string text;
    if (i % 3 == 0) {
      text = random_object(random);
      for (std::size_t changes = random() % 3; changes > 0; --changes) {
        text[random() % text.size()] =
            i % 2 == 0 ? pieces[random() % std::size(pieces)].front() : static_cast<char>(random());
      }
    } else {
      for (std::size_t n = random() % 16; n > 0; --n) text += pieces[random() % std::size(pieces)];
    }
    // A copy of exact size, so that a read past the end is seen.
    const std::vector<char> exact(text.begin(), text.end());
    const std::string_view view(exact.data(), exact.size());
    const std::vector<std::string> keys = {"a", "b"};
    static_cast<void>(json::find(view, keys));
    static_cast<void>(json::raw_member(view, "a"));
    static_cast<void>(json::scalar_value(view));
    std::string decoded;
    json::append_decoded(view, decoded);
    const bool object = static_cast<bool>(json::check_object(view, "payload"));
    const auto document = json::Document::parse(view);
    REQUIRE(object == (document && document->root().kind() == json::Kind::object));
    if (!document) continue;
    ++good;
    REQUIRE(canonical(canonical(view)) == canonical(view));
  }
  CHECK(good > 1000);
}

TEST_CASE("UTF-8: each code point passes, each wrong form does not") {
  for (std::uint32_t point = 1; point <= 0x10FFFF; point += point < 0x3000 ? 1 : 37) {
    if (point >= 0xD800 && point <= 0xDFFF) continue;
    std::string text;
    if (point < 0x80) {
      text = {static_cast<char>(point)};
    } else if (point < 0x800) {
      text = {static_cast<char>(0xC0 | point >> 6), static_cast<char>(0x80 | (point & 63))};
    } else if (point < 0x10000) {
      text = {static_cast<char>(0xE0 | point >> 12), static_cast<char>(0x80 | (point >> 6 & 63)),
              static_cast<char>(0x80 | (point & 63))};
    } else {
      text = {static_cast<char>(0xF0 | point >> 18), static_cast<char>(0x80 | (point >> 12 & 63)),
              static_cast<char>(0x80 | (point >> 6 & 63)), static_cast<char>(0x80 | (point & 63))};
    }
    REQUIRE(valid_text(text));
    REQUIRE(valid_text("12345678" + text + "12345678"));
    if (text.size() > 1) REQUIRE_FALSE(valid_text(text.substr(0, text.size() - 1)));
    if (text.size() > 1) REQUIRE_FALSE(valid_text(text.substr(1)));
  }
  for (const char* bad :
       {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xED\xBF\xBF", "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFE", "\xC3(", "\xE2\x82(", "\xF0\x9F\x8D("}) {
    CHECK_FALSE(valid_utf8(bad));
  }
  CHECK(valid_utf8(std::string_view("a\0b", 3)));
  CHECK_FALSE(valid_text(std::string_view("a\0b", 3)));
  CHECK(excerpt(std::string(100, 'x')) == std::string(64, 'x') + "...");
  CHECK(excerpt("a\xff\n\xC3\xA9") == "a??\xC3\xA9");
  CHECK(valid_text(excerpt(std::string(63, 'x') + "\xC3\xA9\xC3\xA9")));
}
