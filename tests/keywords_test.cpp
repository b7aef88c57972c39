// Words: folding, stemming, scripts, questions, and which payload fields they come from.
#include "keywords.h"

#include "json.h"

#include <utf8proc.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

using namespace fractal;

namespace {

std::string words(std::string_view text) {
  std::string out;
  std::uint32_t count = 0;
  append_words(text, out, count);
  const auto blanks = static_cast<std::uint32_t>(std::count(out.begin(), out.end(), ' '));
  CHECK(count == (out.empty() ? 0 : blanks + 1));
  return out;
}

std::string terms(std::string_view text) {
  std::string out;
  for (const std::string& term : query_terms(text)) out += (out.empty() ? "" : " ") + term;
  return out;
}

// The same text in another normal form of Unicode.
std::string normalised(std::string_view text, utf8proc_option_t form) {
  utf8proc_uint8_t* out = nullptr;
  const auto length = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                   static_cast<utf8proc_ssize_t>(text.size()), &out, form);
  REQUIRE(length >= 0);
  std::string result(reinterpret_cast<const char*>(out), static_cast<std::size_t>(length));
  std::free(out);
  return result;
}

void append_point(std::uint32_t point, std::string& out) {
  utf8proc_uint8_t bytes[4];
  const auto length = utf8proc_encode_char(static_cast<utf8proc_int32_t>(point), bytes);
  out.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(length));
}

std::uint32_t random_point(std::mt19937_64& random) {
  static constexpr std::pair<std::uint32_t, std::uint32_t> ranges[] = {
      {0x20, 0x7E},     {0x61, 0x7A},     {0x80, 0x24F},    {0x300, 0x36F},   {0x370, 0x5FF},
      {0x900, 0x97F},   {0xE00, 0xE7F},   {0x1100, 0x11FF}, {0x2000, 0x206F}, {0x3040, 0x30FF},
      {0x4E00, 0x4E80}, {0xAC00, 0xAC80}, {0xFB00, 0xFB4F}, {0xFF00, 0xFFEF}, {0x1F300, 0x1F400}};
  const auto [first, last] = ranges[random() % std::size(ranges)];
  return first + static_cast<std::uint32_t>(random() % (last - first + 1));
}

std::string field_words(const TextFields& fields, std::string_view payload) {
  const Keywords found = fields.keywords(payload);
  std::string out;
  for (std::size_t column = 0; column < weight_classes; ++column) {
    out += found.text[column] + "(" + std::to_string(found.words[column]) + ")";
    if (column + 1 < weight_classes) out += "|";
  }
  return out;
}

}  // namespace

TEST_CASE("English text: case, stems, punctuation") {
  CHECK(words("") == "");
  CHECK(words(" .,;!? \n\t") == "");
  CHECK(words("Ada LIKES running; dogs, and the hopes of a connection.") ==
        "ada like run dog and the hope of a connect");
  CHECK(words("foo_bar-baz/qux (v2) 3.14 C++ a@b.org") == "foo bar baz qux v2 3 14 c a b org");
  CHECK(words("2024-05-01T10:00") == "2024 05 01t10 00");
  CHECK(words("generation Generations GENERATE") == "generat generat generat");
}

TEST_CASE("apostrophes: clitics go, other parts join") {
  CHECK(words("Ada's dogs' dog's") == "ada dog dog");
  CHECK(words("don't can't o'brien O'Brien's rock'n'roll") == "dont cant obrien obrien rocknrol");
  CHECK(words("we'll they've I'm you're she'd") == "we they i you she");
  CHECK(words("we\xE2\x80\x99ll don\xE2\x80\x99t Ada\xE2\x80\x99s dogs\xE2\x80\x99 l\xE2\x80\x99\xC3\xA9t\xC3\xA9") ==
        "we dont ada dog lete");
  CHECK(words("l'\xC3\xA9t\xC3\xA9") == "lete");
  CHECK(words("'quoted' ''double'' '") == "quot doubl");
  CHECK(words("\xE2\x80\x98quoted\xE2\x80\x99") == "quot");
}

TEST_CASE("accents and forms of Unicode do not matter") {
  CHECK(words("caf\xC3\xA9 cafe\xCC\x81 CAF\xC3\x89 cafe") == "cafe cafe cafe cafe");
  CHECK(words("stra\xC3\x9F"
              "e STRASSE") == "strass strass");
  CHECK(words("\xEF\xBC\xA6\xEF\xBD\x95\xEF\xBD\x8C\xEF\xBD\x8C \xEF\xAC\x81sh") ==
        "full fish");  // full width, ligature
  CHECK(words("\xC4\xB0stanbul") == "istanbul");
  CHECK(words("\xCE\xA3\xCE\xAF\xCF\x83\xCF\x85\xCF\x86\xCE\xBF\xCF\x82") ==
        words("\xCF\x83\xCE\xB9\xCF\x83\xCF\x85\xCF\x86\xCE\xBF\xCF\x83"));  // Greek, final sigma
  CHECK(words("\xD0\x9F\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82") ==
        "\xD0\xBF\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82");
  CHECK(words("co\xC2\xADop") == "coop");  // soft hyphen
  CHECK(words("na\xC3\xAFve") == words("naive"));
  CHECK(words("\xD7\xA9\xD6\xB8\xD7\x9C\xD7\x95\xD7\x9D") ==
        "\xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D");  // Hebrew without points
}

TEST_CASE("scripts without blanks: a character is a word; others keep their vowel signs") {
  CHECK(words("\xE6\x9D\xB1\xE4\xBA\xAC\xE3\x81\x8C") == "\xE6\x9D\xB1 \xE4\xBA\xAC \xE3\x81\x8C");
  CHECK(words("\xEF\xBD\xB6\xEF\xBE\x9E") == "\xE3\x82\xAC");  // half-width ka + voice mark = ga
  CHECK(words("GPT\xE6\xA8\xA1\xE5\x9E\x8B"
              "4") == "gpt \xE6\xA8\xA1 \xE5\x9E\x8B 4");
  CHECK(words("\xED\x95\x9C\xEA\xB5\xAD\xEC\x96\xB4 \xEC\x82\xAC\xEC\x9A\xA9") ==
        "\xED\x95\x9C\xEA\xB5\xAD\xEC\x96\xB4 \xEC\x82\xAC\xEC\x9A\xA9");  // Hangul by blanks
  CHECK(words("\xE0\xA4\xB9\xE0\xA4\xBF\xE0\xA4\xA8\xE0\xA5\x8D\xE0\xA4\xA6\xE0\xA5\x80") ==
        "\xE0\xA4\xB9\xE0\xA4\xBF\xE0\xA4\xA8\xE0\xA5\x8D\xE0\xA4\xA6\xE0\xA5\x80");  // Hindi
  CHECK(words("\xF0\x9F\x8D\xB5 tea \xF0\x9F\x8D\xB5") == "tea");
}

TEST_CASE("long runs are cut at a character") {
  CHECK(words(std::string(64, 'q')) == std::string(64, 'q'));
  CHECK(words(std::string(1000, 'q') + " b") == std::string(64, 'q') + " b");
  std::string cyrillic;
  for (int i = 0; i < 100; ++i) cyrillic += "\xD0\xB6";
  CHECK(words(cyrillic) == cyrillic.substr(0, 64));
  std::string odd = "a";
  for (int i = 0; i < 100; ++i) odd += "\xD0\xB6";
  CHECK(words(odd) == odd.substr(0, 63));
  std::string wide = "ab";
  for (int i = 0; i < 30; ++i) wide += "\xF0\x90\x90\xA8";  // Deseret, four bytes each
  CHECK(words(wide) == wide.substr(0, 62));
}

TEST_CASE("the same word gives the same stem from and past the cache, and in every thread") {
  std::string text;
  for (int i = 0; i < 20'000; ++i)
    text += "word" + std::string(1, static_cast<char>('a' + i % 26)) +
            std::string(1, static_cast<char>('a' + i / 26 % 26)) + "ings ";
  const std::string once = words(text);
  CHECK(words(text) == once);
  std::vector<std::string> others(3);
  std::vector<std::thread> threads;
  for (std::string& other : others) {
    threads.emplace_back([&] {
      std::uint32_t count = 0;
      append_words(text, other, count);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& other : others) CHECK(other == once);
  CHECK(words("antidisestablishmentarianisms antidisestablishmentarianism") ==
        "antidisestablishmentarian antidisestablishmentarian");
}

TEST_CASE("random text: the normal forms agree, and words are clean") {
  const unsigned seed = std::random_device{}();
  MESSAGE("seed ", seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 5000; ++i) {
    std::string text;
    for (std::size_t n = random() % 30; n > 0; --n) append_point(random_point(random), text);
    CAPTURE(text);
    const std::string once = words(text);
    REQUIRE(words(normalised(text, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE))) == once);
    REQUIRE(words(normalised(text, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE))) == once);
    std::istringstream list(once);
    for (std::string word; list >> word;) {
      REQUIRE(word.size() <= 64);
      for (const char c : word) REQUIRE((static_cast<unsigned char>(c) >= 0x80 || std::islower(c) || std::isdigit(c)));
    }
  }
}

TEST_CASE("random bytes never crash") {
  const unsigned seed = std::random_device{}();
  MESSAGE("seed ", seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 20'000; ++i) {
    std::string text(random() % 40, ' ');
    for (char& c : text) c = static_cast<char>(random() % 3 == 0 ? random() : 'a' + random() % 26);
    const std::vector<char> exact(text.begin(), text.end());
    std::string out;
    std::uint32_t count = 0;
    append_words({exact.data(), exact.size()}, out, count);
    CHECK(query_terms(text).size() <= limits::query_terms);
    if (const auto fields = TextFields::parse(text))
      CHECK(TextFields::parse(fields->describe())->describe() == fields->describe());
    static_cast<void>(TextFields::standard().keywords(text));
  }
}

TEST_CASE("questions: stop words go unless nothing is left, each word once, 32 at most") {
  CHECK(terms("What does Ada drink, and what did she drink?") == "ada drink");
  CHECK(terms("to be or not to be") == "to be or not");
  CHECK(terms("Who isn't here? We're not; they don't.") == terms("who isn't here we're not they don't"));
  CHECK(terms("") == "");
  CHECK(terms("?!") == "");
  CHECK(terms("The Beatles' songs") == "beatl song");
  std::string many;
  for (int i = 0; i < 100; ++i) many += "the w" + std::to_string(i) + " ";
  const auto kept = query_terms(many);
  REQUIRE(kept.size() == limits::query_terms);
  CHECK(kept.front() == "w0");
  CHECK(kept.back() == "w31");
  CHECK(terms("green Tea TEAS green") == "green tea");
}

std::string marked(std::string_view text, std::string_view question) {
  std::string out;
  std::size_t done = 0;
  for (const TextRange& range : matching_words(text, question)) {
    out.append(text.substr(done, range.begin - done)).append("[");
    out.append(text.substr(range.begin, range.end - range.begin)).append("]");
    done = range.end;
  }
  return out.append(text.substr(done));
}

TEST_CASE("the words of a question in a text, by stems and without stop words") {
  CHECK(marked("She likes Green teas, not coffee.", "what green tea does she like?") ==
        "She likes [Green] [teas], not coffee.");
  CHECK(marked("A caf\u00e9-cr\u00e8me; Ada's own", "CAFE ada") == "A [caf\u00e9]-cr\u00e8me; [Ada's] own");
  CHECK(marked("'tea' (tea) tea_tea", "tea") == "'[tea]' ([tea]) [tea]_[tea]");
  CHECK(marked("\u732b\u304c\u5bdd\u308b", "\u732b") == "[\u732b]\u304c\u5bdd\u308b");
  CHECK(marked("\u201ctea\u201d, tea\u2026 tea\u2014coffee", "tea") ==
        "\u201c[tea]\u201d, [tea]\u2026 [tea]\u2014coffee");
  CHECK(marked("nothing here", "tea") == "nothing here");
  CHECK(marked("", "tea").empty());
  CHECK(marked("tea", "").empty() == false);
  CHECK(matching_words("tea", "").empty());
  CHECK(matching_words("tea \xFF", "tea").empty());
}

TEST_CASE("fields: columns by weight, the heaviest first") {
  const TextFields standard = TextFields::standard();
  CHECK(standard.weights() == std::array<double, 4>{1, 0.5, 0, 0});
  CHECK(standard.describe() == "text=1 content=1 summary=1 title=1 context=0.5");
  CHECK(field_words(standard,
                    R"({"context": "morning walk", "text": "Green tea", "title": "Tea", "other": "ignored"})") ==
        "green tea tea(3)|morn walk(2)|(0)|(0)");
  CHECK(field_words(standard, R"({"text": ["one cup", 2, null, ["x"], "two cups"]})") ==
        "one cup two cup(4)|(0)|(0)|(0)");
  CHECK(field_words(standard, R"({"text": "caf\u00e9\nbar", "text": "last \"one\""})") == "last one(2)|(0)|(0)|(0)");
  CHECK(field_words(standard, R"({"text": ""})") == "(0)|(0)|(0)|(0)");

  const auto mixed = TextFields::make({{"a.b", 0.5}, {"c\\.d", 2}, {"e", 0.5}, {"f", 10}, {"g", 1}}).value();
  CHECK(mixed.weights() == std::array<double, 4>{10, 2, 1, 0.5});
  CHECK(field_words(mixed, R"({"a": {"b": "alpha"}, "c.d": "delta", "e": "epsilon", "f": "phi", "g": ["gamma"]})") ==
        "phi(1)|delta(1)|gamma(1)|alpha epsilon(2)");
}

TEST_CASE("a payload without the fields gives all its texts") {
  const TextFields standard = TextFields::standard();
  CHECK(field_words(standard,
                    R"({"name": "Ada", "deep": {"list": ["green tea", {"x": "cup"}], "n": 5}, "flag": true})") ==
        "ada green tea cup(4)|(0)|(0)|(0)");
  CHECK(field_words(standard, R"({"text": 5, "name": "Ada"})") == "ada(1)|(0)|(0)|(0)");
  CHECK(field_words(standard, R"({"text": [], "name": "Ada"})") == "ada(1)|(0)|(0)|(0)");
  CHECK(field_words(standard, "{}") == "(0)|(0)|(0)|(0)");
  const auto all = TextFields::make({}).value();
  CHECK(all.weights() == std::array<double, 4>{1, 0, 0, 0});
  CHECK(field_words(all, R"({"text": "a1", "b": ["b1"]})") == "a1 b1(2)|(0)|(0)|(0)");
  std::string deep = "\"leaf\"";
  for (int i = 0; i < 511; ++i) deep = "[" + deep + "]";
  CHECK(field_words(standard, "{\"v\":" + deep + "}") == "leaf(1)|(0)|(0)|(0)");
}

TEST_CASE("fields are described in one line, and read back") {
  for (const std::vector<TextField>& fields : {std::vector<TextField>{},
                                               {{"a", 1}},
                                               {{"a b", 0.1}, {"c=d", 0.25}, {"e%20", 100}, {"f\\.g.h", 1e-9}},
                                               {{"\xC3\xA9\n", 1.0 / 3}, {"\\$type", 1.0 / 3}}}) {
    const auto made = TextFields::make(fields);
    REQUIRE(made);
    const std::string line = made->describe();
    CAPTURE(line);
    CHECK(line.find('\n') == std::string::npos);
    const auto again = TextFields::parse(line);
    REQUIRE(again);
    CHECK(again->describe() == line);
    CHECK(again->weights() == made->weights());
  }
  for (const char* bad :
       {"a", "a=", "=1", "a=x", "a=1 b", "a=1x", "a%2=1", "a%zz=1", "a=0", "a=1 a=1", "a=1  b=1", "$type=1"}) {
    CAPTURE(bad);
    REQUIRE_FALSE(TextFields::parse(bad));
    CHECK(TextFields::parse(bad).error().code == Errc::corruption);
  }
}

TEST_CASE("bad fields are refused") {
  const auto message = [](const std::vector<TextField>& fields) {
    const auto made = TextFields::make(fields);
    return made ? std::string() : made.error().message;
  };
  for (const double weight : {0.0, -1.0, 100.1, std::nan(""), HUGE_VAL})
    CHECK(message({{"a", weight}}).find("weight") != std::string::npos);
  CHECK(message({{"a", 100}}).empty());
  CHECK(message({{"", 1}}) != "");
  CHECK(message({{"a..b", 1}}).find("a..b") != std::string::npos);
  CHECK(message({{"$type", 1}}).find("$type") != std::string::npos);
  CHECK(message({{"$metadata.a", 1}}) != "");
  CHECK(message({{"a", 1}, {"a", 2}}).find("twice") != std::string::npos);
  CHECK(message({{"a", 1}, {"b", 2}, {"c", 3}, {"d", 4}, {"e", 5}}).find("4 different") != std::string::npos);
  std::vector<TextField> many;
  for (int i = 0; i < 32; ++i) many.push_back({"f" + std::to_string(i), 1});
  CHECK(message(many).empty());
  many.push_back({"more", 1});
  CHECK(message(many).find("32") != std::string::npos);
}
