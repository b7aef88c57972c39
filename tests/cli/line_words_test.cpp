#include "src/cli/line_words.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using fractal::cli::words_of;
using Words = std::vector<std::string>;

TEST_CASE("blanks, quotes and backslashes part words as in a shell") {
  CHECK(words_of("") == Words{});
  CHECK(words_of("  \t ") == Words{});
  CHECK(words_of("get 1,2") == Words{"get", "1,2"});
  CHECK(words_of(R"(search "green tea" 'it''s' a\ b)") == Words{"search", "green tea", "its", "a b"});
  CHECK(words_of(R"(a"b c"d "" '')") == Words{"ab cd", "", ""});
  CHECK(words_of(R"("a \"b\"" 'a \b')") == Words{R"(a "b")", R"(a \b)"});
}

TEST_CASE("JSON goes to the bracket that closes it") {
  CHECK(words_of(R"(store 1 {"a": {"b": [1, "}"]}} --type semantic)") ==
        Words{"store", "1", R"({"a": {"b": [1, "}"]}})", "--type", "semantic"});
  CHECK(words_of("x [1,\n 2] y") == Words{"x", "[1,\n 2]", "y"});
  CHECK(words_of(R"({"quote": "a \" {"})") == Words{R"({"quote": "a \" {"})"});
  CHECK(words_of("}") == Words{"}"});
}

TEST_CASE("what is open asks for more") {
  for (const char* line : {"'", "\"a", "store 1 {", "{\"a\": [1}", "{\"a", "[{}", "a 'b\" c"}) {
    CAPTURE(line);
    CHECK(!words_of(line));
  }
}
