// Coordinates: text as Python writes and reads it, keys in numeric order, refusals.
#include <fractal/types.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <fstream>
#include <limits>
#include <random>
#include <string>
#include <vector>

using namespace fractal;

namespace {

struct Vector {
  double value;
  std::string text;
};

std::vector<Vector> read_vectors() {
  std::ifstream in(FRACTAL_TEST_DATA "/coordinates.tsv");
  std::vector<Vector> vectors;
  for (std::string line; std::getline(in, line);) {
    std::uint64_t bits = 0;
    std::from_chars(line.data(), line.data() + 16, bits, 16);
    vectors.push_back({std::bit_cast<double>(bits), line.substr(17)});
  }
  return vectors;
}

double random_double(std::mt19937_64& random) {
  for (;;) {
    const double value = std::bit_cast<double>(random());
    if (std::isfinite(value)) return value;
  }
}

}  // namespace

TEST_CASE("10,000 doubles are written as Python writes them, read back, and ordered by their keys") {
  std::vector<Vector> vectors = read_vectors();
  REQUIRE(vectors.size() == 10'000);
  for (const Vector& vector : vectors) {
    const Coordinate coordinate{vector.value};
    REQUIRE(coordinate.to_string() == vector.text);
    const auto parsed = Coordinate::parse(vector.text);
    REQUIRE(parsed);
    REQUIRE(std::bit_cast<std::uint64_t>((*parsed)[0]) == std::bit_cast<std::uint64_t>(vector.value));
    const auto from_key = Coordinate::from_key(coordinate.key());
    REQUIRE(from_key);
    REQUIRE(std::bit_cast<std::uint64_t>((*from_key)[0]) == std::bit_cast<std::uint64_t>(vector.value));
  }
  std::sort(vectors.begin(), vectors.end(), [](const Vector& a, const Vector& b) { return a.value < b.value; });
  for (std::size_t i = 1; i < vectors.size(); ++i) {
    const Coordinate before{vectors[i - 1].value}, after{vectors[i].value};
    REQUIRE(before.key() < after.key());
    REQUIRE(before < after);
  }
}

TEST_CASE("parse reads numbers as Python's float does") {
  const auto text_of = [](std::string_view text) {
    const auto parsed = Coordinate::parse(text);
    return parsed ? parsed->to_string() : parsed.error().message;
  };
  CHECK(text_of("1,2,3") == "1.0,2.0,3.0");
  CHECK(text_of(" 7 ,, 8 ") == "7.0,8.0");
  CHECK(text_of(",1,") == "1.0");
  CHECK(text_of("1_000") == "1000.0");
  CHECK(text_of("1_0.2_5e1_0") == "102500000000.0");
  CHECK(text_of(".5,5.,+5,-.5,007") == "0.5,5.0,5.0,-0.5,7.0");
  CHECK(text_of("1e3,1E+3,1e-7") == "1000.0,1000.0,1e-07");
  CHECK(text_of("-0,-0.0,-1e-400,1e-400") == "0.0,0.0,0.0,0.0");
  CHECK(text_of("0e999") == "0.0");
  CHECK(text_of("\xEF\xBC\x91\xEF\xBC\x92.\xEF\xBC\x95") == "12.5");  // full-width digits
  CHECK(text_of("\xD9\xA3_\xD9\xA4") == "34.0");                      // Arabic-Indic digits
  CHECK(text_of("\xF0\x9D\x9F\x97") == "9.0");                        // mathematical bold nine
  CHECK(text_of("\xC2\xA0"
                "1\xE3\x80\x80,\xE2\x80\x89"
                "2\x1c") == "1.0,2.0");  // blanks of Unicode
  CHECK(text_of("\t1\n,\r2\v") == "1.0,2.0");
}

TEST_CASE("what is no coordinate is refused") {
  for (const char* empty : {"", " ", ",", " , ,\t", "\xE3\x80\x80"}) {
    CAPTURE(empty);
    REQUIRE_FALSE(Coordinate::parse(empty));
    CHECK(Coordinate::parse(empty).error() == Error{Errc::invalid_argument, "Coordinate cannot be empty"});
  }
  for (const char* bad :
       {"a",     "1;2",      "1,b",          "0x10",          "1 2",  "1__0",   "_1",       "1_",    "1_.5",   "1._5",
        "1e",    "e5",       "1e_5",         "--1",           "+-1",  "-+1",    "++1",      "+",     "-",      ".",
        "1.2.3", "inf",      "-inf",         "Infinity",      "nan",  "NaN",    "+nan",     "1e400", "-1e400", "1d",
        "1f",    "\xC2\xBD", "\xE2\x85\xA7", "1\xE2\x80\x8B", "\xff", "1,\xC3", "\xCC\x81", "1e5.0"}) {
    CAPTURE(bad);
    const auto parsed = Coordinate::parse(bad);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().code == Errc::invalid_argument);
    CHECK(parsed.error().message.find("Invalid coordinate format: ") == 0);
  }
  CHECK(Coordinate::parse("1,x").error().message == "Invalid coordinate format: 1,x");
  CHECK_FALSE(Coordinate::parse(std::string_view("1\0", 2)));
}

TEST_CASE("check refuses what is empty, not finite, or too long") {
  CHECK_FALSE(Coordinate().check());
  CHECK_FALSE(Coordinate{std::numeric_limits<double>::quiet_NaN()}.check());
  CHECK_FALSE(Coordinate{1, std::numeric_limits<double>::infinity()}.check());
  CHECK(Coordinate{1, std::numeric_limits<double>::infinity()}.check().error().message.find("component 1") !=
        std::string::npos);
  CHECK(Coordinate(std::vector<double>(128, 1.0)).check());
  CHECK_FALSE(Coordinate(std::vector<double>(129, 1.0)).check());
  CHECK(Coordinate(std::vector<double>(20, -1.2345678901234567e-300)).check());
  const std::vector<double> long_ones(22, -1.2345678901234567e-300);
  CHECK(Coordinate(long_ones).to_string().size() > limits::coordinate_text);
  CHECK_FALSE(Coordinate(long_ones).check());
  CHECK(Coordinate(long_ones).check().error().message.find("512") != std::string::npos);
  // Exactly at the limit: 102 times "10.0," and a last component of two characters more than one of these.
  std::vector<double> edge(102, 10.0);
  edge.push_back(1);
  CHECK(Coordinate(edge).to_string().size() == 513);
  CHECK_FALSE(Coordinate(edge).check());
  edge[0] = 1;
  CHECK(Coordinate(edge).to_string().size() == 512);
  CHECK(Coordinate(edge).check());
  CHECK_FALSE(Coordinate::parse(std::string(1000, '1')));
  std::string many;
  for (int i = 0; i < 10'000; ++i) many += "1,";
  CHECK_FALSE(Coordinate::parse(many));
}

TEST_CASE("minus zero is zero") {
  CHECK(Coordinate{-0.0} == Coordinate{0.0});
  CHECK(Coordinate{-0.0}.key() == Coordinate{0.0}.key());
  CHECK(Coordinate{-0.0}.to_string() == "0.0");
  std::string key(8, '\xff');
  key[0] = '\x7f';
  CHECK_FALSE(Coordinate::from_key(key));  // the key that -0 would have
}

TEST_CASE("keys that no coordinate has are refused as damage") {
  for (const std::string& key : {std::string(), std::string(7, 'a'), std::string(9, 'a'), std::string(8, '\xff'),
                                 std::string(8, '\0'), std::string(8 * 200, 'a')}) {
    const auto coordinate = Coordinate::from_key(key);
    REQUIRE_FALSE(coordinate);
    CHECK(coordinate.error().code == Errc::corruption);
  }
}

TEST_CASE("a subtree is a range of keys") {
  const Coordinate parent{1, 2};
  CHECK(Coordinate{1, 2, 3}.within(parent));
  CHECK(parent.within(parent));
  CHECK_FALSE(Coordinate{1}.within(parent));
  CHECK_FALSE(Coordinate{1, 3, 2}.within(parent));
  CHECK(Coordinate{1, 2, 3}.key().starts_with(parent.key()));
  CHECK(parent < Coordinate{1, 2, -1e308});
  CHECK(Coordinate{1, 2, 1e308} < Coordinate{1, 3});
  CHECK(Coordinate{-1} < Coordinate{-0.5});
}

TEST_CASE("distance") {
  CHECK(Coordinate{0, 0}.distance({3, 4}) == 5);
  CHECK(Coordinate{1, 1}.distance({1, 1}) == 0);
  CHECK(Coordinate{3e200, 0}.distance({0, 4e200}) == doctest::Approx(5e200));
  CHECK(Coordinate{3e-200, 0}.distance({0, 4e-200}) == doctest::Approx(5e-200));
  CHECK(std::isinf(Coordinate{1.7e308}.distance({-1.7e308})));
}

TEST_CASE("random coordinates: text, key, and both orders agree") {
  const unsigned seed = std::random_device{}();
  MESSAGE("seed ", seed);
  std::mt19937_64 random(seed);
  std::vector<Coordinate> all;
  for (int i = 0; i < 3000; ++i) {
    std::vector<double> components;
    const std::size_t size = 1 + random() % 4;
    for (std::size_t n = 0; n < size; ++n) {
      components.push_back(random() % 3 == 0 ? random_double(random) : static_cast<double>(random() % 5) - 2);
    }
    const Coordinate coordinate{std::span<const double>(components)};
    REQUIRE(Coordinate::parse(coordinate.to_string()).value() == coordinate);
    REQUIRE(Coordinate::from_key(coordinate.key()).value() == coordinate);
    all.push_back(coordinate);
  }
  for (int i = 0; i < 20'000; ++i) {
    const Coordinate& a = all[random() % all.size()];
    const Coordinate& b = all[random() % all.size()];
    REQUIRE((a < b) == (a.key() < b.key()));
    REQUIRE((a == b) == (a.key() == b.key()));
    REQUIRE(a.within(b) == a.key().starts_with(b.key()));
    const auto numeric = std::lexicographical_compare_three_way(a.components().begin(), a.components().end(),
                                                                b.components().begin(), b.components().end());
    REQUIRE((numeric < 0) == (a < b));
  }
}

TEST_CASE("random bytes never crash the parser, and what it takes is a good coordinate") {
  const unsigned seed = std::random_device{}();
  MESSAGE("seed ", seed);
  std::mt19937_64 random(seed);
  const std::string_view pieces[] = {
      "1",        "2",        "9",    "0",        ".",   ",",   "_", "e",   "-", "+", " ", "\t", "\xEF\xBC\x91",
      "\xD9\xA3", "\xC2\xA0", "\xff", "\xE3\x80", "inf", "nan", "x", "e400"};
  int good = 0;
  for (int i = 0; i < 50'000; ++i) {
    std::string text;
    for (std::size_t n = random() % 12; n > 0; --n) text += pieces[random() % std::size(pieces)];
    const auto parsed = Coordinate::parse(text);
    if (!parsed) continue;
    ++good;
    CHECK(parsed->check());
    CHECK(Coordinate::parse(parsed->to_string()).value() == *parsed);
  }
  CHECK(good > 1000);
}
