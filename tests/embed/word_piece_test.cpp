// The tokens of 2,000 nasty texts are those of the reference (tools/embed_table/make_word_piece_vectors.py).
#include "embed/word_piece.h"
#include "embed/table_embedder.h"

#include <rapidjson/document.h>

#include <doctest/doctest.h>

#include <fstream>
#include <string>

using namespace fractal;

namespace {

std::vector<std::uint32_t> tokens_of(const TokenTable& table, std::string_view text) {
  std::vector<std::uint32_t> tokens;
  append_tokens(table, text, tokens);
  return tokens;
}

}  // namespace

TEST_CASE("The tokens of nasty texts are those of the reference") {
  const TokenTable table = TokenTable::view(compiled_table(), false).value();
  std::ifstream file(FRACTAL_TEST_DATA "/word_piece.jsonl");
  std::string line;
  int texts = 0;
  while (std::getline(file, line)) {
    rapidjson::Document row;
    REQUIRE(!row.Parse(line.data(), line.size()).HasParseError());
    const std::string_view text(row[0].GetString(), row[0].GetStringLength());
    std::vector<std::uint32_t> expected;
    for (const auto& each : row[1].GetArray()) {
      expected.push_back(each.GetInt() < 0 ? unknown_token : each.GetUint());
    }
    CAPTURE(line);
    CHECK(tokens_of(table, text) == expected);
    ++texts;
  }
  CHECK(texts == 2000);
}

TEST_CASE("Tokens are appended, and a long text has all of its own") {
  const TokenTable table = TokenTable::view(compiled_table(), false).value();
  std::vector<std::uint32_t> tokens = {7};
  append_tokens(table, "Cats", tokens);
  REQUIRE(tokens.size() == 2);
  CHECK(tokens[0] == 7);
  CHECK(table.text(tokens[1]) == "cats");

  std::string text;
  for (int i = 0; i < 100'000; ++i) text += "cats ";
  CHECK(tokens_of(table, text) == std::vector<std::uint32_t>(100'000, tokens[1]));
}
