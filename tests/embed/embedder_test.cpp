// The built-in embedder's promises, callables as embedders, and identities.
#include <fractal/embedder.h>

#include "tests/seeded_random.h"

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <cmath>
#include <limits>
#include <string>
#include <thread>
#include <vector>

using namespace fractal;
using fractal::testing::Random;

namespace {

using Vectors = std::vector<std::vector<float>>;

Vectors embed(const std::vector<std::string>& texts) {
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  return builtin_embedder()->embed(views, {}).value();
}

double similarity(const std::string& left, const std::string& right) {
  const Vectors vectors = embed({left, right});
  double sum = 0;
  for (std::size_t i = 0; i < vectors[0].size(); ++i) sum += static_cast<double>(vectors[0][i]) * vectors[1][i];
  return sum;
}

std::vector<std::string> random_texts(std::size_t count, std::uint64_t seed) {
  const std::array<std::string, 12> words = {"river", "Bank", "7",    "caf\u00e9", "the",    "\u4e2d",
                                             "?",     "qzx",  "swim", "ed",        "\u2603", "Lisbon"};
  Random random(seed);
  std::vector<std::string> texts(count);
  for (std::string& text : texts) {
    for (std::uint64_t n = random.next() % 20; n > 0; --n) text += words[random.next() % words.size()] + " ";
  }
  return texts;
}

Result<std::shared_ptr<Embedder>> giving(Vectors answer) {
  return make_embedder({.name = "test", .dimension = 2, .digest = {}},
                       [answer = std::move(answer)](auto, const Control&) { return answer; });
}

Errc code_of(const Vectors& answer, std::size_t texts) {
  const std::vector<std::string_view> views(texts, "x");
  return giving(answer).value()->embed(views, {}).error().code;
}

}  // namespace

TEST_CASE("The built-in embedder is one, and says who it is") {
  const auto embedder = builtin_embedder();
  REQUIRE(embedder);
  CHECK(embedder == builtin_embedder());
  CHECK(embedder->identity().name == "fractal-table-en");
  CHECK(embedder->identity().dimension == 256);
  CHECK(EmbedderIdentity::parse(embedder->identity().to_string()).value() == embedder->identity());
  CHECK(embedder->alpha() > 0);
  CHECK(embedder->alpha() < 1);
}

TEST_CASE("Unit length; nothing for a text that says nothing") {
  for (const auto& vector : embed({"hello", "Ada likes green tea", "7", std::string(100'000, '.'), "the"})) {
    REQUIRE(vector.size() == 256);
    double square = 0;
    for (const float each : vector) square += static_cast<double>(each) * each;
    CHECK(square == doctest::Approx(1).epsilon(1e-6));
  }
  for (const auto& vector : embed({"", " \t\n", "\u2603", "\U0001F600", std::string(101, 'x')})) CHECK(vector.empty());
  CHECK(embed({"cat \u2603 \U0001F600"}) == embed({"cat"}));
  CHECK(builtin_embedder()->embed({}, {}).value().empty());
}

TEST_CASE("A batch gives what its texts give alone, whatever the order, from many threads") {
  const auto texts = random_texts(600, fractal::testing::announced_seed("embedder"));
  const Vectors all = embed(texts);
  for (std::size_t i = 0; i < texts.size(); i += 7) CHECK(embed({texts[i]})[0] == all[i]);
  std::atomic<int> different = 0;
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      if (embed(texts) != all) ++different;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(different == 0);
}

TEST_CASE("Words in another order, case or with accents mean the same to it") {
  CHECK(embed({"the cat sat on the mat"}) == embed({"M\u00c0T the ON\tsat C\u0301at tHe"}));
}

TEST_CASE("Near in meaning is nearer than far") {
  CHECK(similarity("a device for keeping food cold", "refrigerator") >
        similarity("a device for keeping food cold", "violin") + 0.1);
  CHECK(similarity("fear of being shut in", "claustrophobia") > similarity("fear of being shut in", "gardening") + 0.1);
  CHECK(similarity("the doctor operated on her knee", "surgery in a hospital") >
        similarity("the doctor operated on her knee", "a football stadium") + 0.1);
  CHECK(similarity("what does Ada drink?", "Ada likes green tea") >
        similarity("what does Ada drink?", "Ada painted the fence"));
}

TEST_CASE("Invalid text, a passed deadline and a cancelled call are errors") {
  const auto embedder = builtin_embedder();
  const std::array<std::string_view, 2> texts = {"fine", "\xff"};
  const auto invalid = embedder->embed(texts, {});
  CHECK(invalid.error().code == Errc::invalid_argument);
  CHECK(invalid.error().message == "embed: text 1 is not UTF-8");
  Control late;
  late.deadline = std::chrono::steady_clock::now() - std::chrono::seconds(1);
  CHECK(embedder->embed(std::span(texts).first(1), late).error().code == Errc::unavailable);
}

TEST_CASE("A callable as an embedder: what it gives is checked") {
  const float infinity = std::numeric_limits<float>::infinity();
  CHECK(giving({{1, 2}, {}}).value()->embed(std::array<std::string_view, 2>{"a", "b"}, {}).value() ==
        Vectors{{1, 2}, {}});
  CHECK(code_of({}, 1) == Errc::corruption);
  CHECK(code_of({{1, 2}, {3, 4}}, 1) == Errc::corruption);
  CHECK(code_of({{1}}, 1) == Errc::corruption);
  CHECK(code_of({{1, 2, 3}}, 1) == Errc::corruption);
  CHECK(code_of({{1, infinity}}, 1) == Errc::corruption);
  CHECK(code_of({{1, std::nanf("")}}, 1) == Errc::corruption);
  CHECK(code_of({{0, -0.0f}}, 1) == Errc::corruption);
  // Not called for nothing.
  CHECK(giving({{1}}).value()->embed({}, {}).value().empty());

  const auto failing = make_embedder({.name = "test", .dimension = 2, .digest = {}}, [](auto, const Control&) {
    return Result<Vectors>(Error{Errc::unavailable, "busy"});
  });
  CHECK(failing.value()->embed(std::array<std::string_view, 1>{"a"}, {}).error() == Error{Errc::unavailable, "busy"});
}

TEST_CASE("make_embedder refuses a bad identity, function or alpha") {
  const EmbedFunction function = [](auto texts, const Control&) { return Vectors(texts.size()); };
  const EmbedderIdentity sound{.name = "test", .dimension = 3, .digest = "AB12"};
  const auto code = [&](const EmbedderIdentity& identity, const EmbedFunction& f, double alpha) {
    return make_embedder(identity, f, alpha).error().code;
  };
  CHECK(make_embedder(sound, function, 0).value()->alpha() == 0);
  CHECK(make_embedder(sound, function).value()->alpha() == 0.8);
  CHECK(make_embedder(sound, function).value()->identity() == sound);
  CHECK(code(sound, nullptr, 0.5) == Errc::invalid_argument);
  CHECK(code(sound, function, -0.1) == Errc::invalid_argument);
  CHECK(code(sound, function, 1.1) == Errc::invalid_argument);
  CHECK(code(sound, function, std::nan("")) == Errc::invalid_argument);
  CHECK(code({.name = "", .dimension = 3, .digest = {}}, function, 0.5) == Errc::invalid_argument);
  CHECK(code({.name = "a b", .dimension = 3, .digest = {}}, function, 0.5) == Errc::invalid_argument);
  CHECK(code({.name = "a\xff", .dimension = 3, .digest = {}}, function, 0.5) == Errc::invalid_argument);
  CHECK(code({.name = std::string(101, 'a'), .dimension = 3, .digest = {}}, function, 0.5) == Errc::invalid_argument);
  CHECK(code({.name = "a", .dimension = 0, .digest = {}}, function, 0.5) == Errc::invalid_argument);
  CHECK(code({.name = "a", .dimension = 16'385, .digest = {}}, function, 0.5) == Errc::invalid_argument);
  CHECK(code({.name = "a", .dimension = 3, .digest = "xyz"}, function, 0.5) == Errc::invalid_argument);
  CHECK(code({.name = "a", .dimension = 3, .digest = std::string(65, '0')}, function, 0.5) == Errc::invalid_argument);
}

TEST_CASE("Identities as text") {
  const EmbedderIdentity with{.name = "http:text-embedding-3-small", .dimension = 1536, .digest = "0123abcd"};
  CHECK(with.to_string() == "http:text-embedding-3-small 1536 0123abcd");
  CHECK(EmbedderIdentity::parse(with.to_string()).value() == with);
  const EmbedderIdentity without{.name = "\u00fc", .dimension = 1, .digest = {}};
  CHECK(without.to_string() == "\u00fc 1");
  CHECK(EmbedderIdentity::parse("\u00fc 1").value() == without);
  for (const std::string_view text : {"", "a", "a ", "a 0", "a 01", "a +1", "a -1", "a 1 ", "a 1  b", "a 1 b c", " 1",
                                      "a 1x", "a 1 g", "a 16385", "a 99999999999999999999", "a\t1", "a 1\n"}) {
    CAPTURE(text);
    CHECK(EmbedderIdentity::parse(text).error().code == Errc::invalid_argument);
  }
}
