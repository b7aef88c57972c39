#include "backends/postgres/json_text.h"

#include <doctest/doctest.h>

#include <string>

using fractal::postgres_backend::json_for_server;

TEST_CASE("what jsonb takes goes out as it came in") {
  for (const char* json : {R"({})", R"({"a": [1, -2.5e3, true, null, "\\ \" \u00e9 \ud83d\ude00"]})", R"("1e99999")"}) {
    CHECK(json_for_server(json) == json);
  }
  CHECK(json_for_server("") == "{}");
}

TEST_CASE("what jsonb refuses is replaced, and nothing else") {
  CHECK(json_for_server(R"({"a\u0000b": "\u0000"})") == R"({"a\ufffdb": "\ufffd"})");
  CHECK(json_for_server(R"("\\u0000")") == R"("\\u0000")");  // a backslash and five letters
  CHECK(json_for_server(R"("\ud800")") == R"("\ufffd")");
  CHECK(json_for_server(R"("\ud800\ud800\udc00")") == R"("\ufffd\ud800\udc00")");
  CHECK(json_for_server(R"("\udc00x")") == R"("\ufffdx")");
  CHECK(json_for_server(R"([1e20000, -1E+999999999999, 1e-20000, 1e400])") == "[null, null, null, 1e400]");
  CHECK(json_for_server("[" + std::string(20'000, '7') + "]") == "[null]");
}
