// The contract of Embedder. Each case runs on what make_subject() gives.
#include "contract.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <numeric>
#include <span>
#include <string_view>
#include <thread>
#include <vector>

using embedder_contract::make_subject;
using embedder_contract::Subject;
using fractal::Control;
using fractal::EmbedderIdentity;
using fractal::Errc;

namespace {

using Texts = std::vector<std::string_view>;
using Vector = std::vector<float>;
using Vectors = std::vector<Vector>;

const Subject& subject() {
  static const Subject shared = make_subject();
  return shared;
}

Vectors embed(const Texts& texts, const Control& control = {}) {
  return subject().embedder->embed(texts, control).value();
}

const Texts& notes() {
  static const Texts texts{
      "A refrigerator keeps food cold in the kitchen",
      "The bicycle has a flat tyre",
      "She was afraid of being locked in a small room",
      "The bank raised its interest rates again",
      "Tea",
      "Photosynthesis turns light into sugar; plants live by it, and so do we, in the end.",
  };
  return texts;
}

double cosine(const Vector& a, const Vector& b) {
  const auto dot = [](const Vector& x, const Vector& y) {
    return std::inner_product(x.begin(), x.end(), y.begin(), 0.0);
  };
  return dot(a, b) / std::sqrt(dot(a, a) * dot(b, b));
}

// Empty: a whole vector, as the interface wants it.
std::string fault_of(const Vector& vector) {
  if (vector.size() != subject().embedder->identity().dimension) return "dimension " + std::to_string(vector.size());
  double squares = 0;
  for (const float x : vector) {
    if (!std::isfinite(x)) return "not finite";
    squares += double{x} * x;
  }
  if (squares == 0) return "all 0";
  if (subject().unit_length && std::abs(squares - 1) > 1e-5) return "length " + std::to_string(std::sqrt(squares));
  return "";
}

}  // namespace

TEST_CASE("an identity stays, and its text reads back") {
  const EmbedderIdentity& identity = subject().embedder->identity();
  CHECK(identity.name == subject().name);
  CHECK(identity.dimension >= 1);
  CHECK(identity.dimension <= fractal::limits::dimension);
  CHECK(identity.digest.empty() == !subject().has_digest);
  CHECK(EmbedderIdentity::parse(identity.to_string()).value() == identity);
  embed(notes());
  CHECK(&subject().embedder->identity() == &identity);
  CHECK(make_subject().embedder->identity() == identity);
  CHECK(subject().embedder->alpha() >= 0);
  CHECK(subject().embedder->alpha() <= 1);
}

TEST_CASE("one vector a text, whole") {
  const Vectors vectors = embed(notes());
  REQUIRE(vectors.size() == notes().size());
  for (const Vector& vector : vectors) CHECK(fault_of(vector) == "");
}

TEST_CASE("no texts, no vectors") { CHECK(embed({}).empty()); }

TEST_CASE("the order is that of the texts, and a vector is the same, bit for bit, alone, in company and again") {
  const Vectors together = embed(notes());
  Texts backwards(notes().rbegin(), notes().rend());
  const Vectors reversed = embed(backwards);
  Texts many;
  while (many.size() < 200) many.insert(many.end(), notes().begin(), notes().end());
  const Vectors among_many = embed(many);
  for (std::size_t i = 0; i < notes().size(); ++i) {
    CAPTURE(i);
    CHECK(together[i] == reversed[notes().size() - 1 - i]);
    CHECK(together[i] == embed({notes()[i]}).at(0));
    for (std::size_t j = i; j < many.size(); j += notes().size()) CHECK(together[i] == among_many[j]);
    for (std::size_t j = 0; j < i; ++j) CHECK(together[i] != together[j]);
  }
}

TEST_CASE("a second embedder of the same identity gives the same vectors") {
  CHECK(make_subject().embedder->embed(notes(), {}).value() == embed(notes()));
}

TEST_CASE("meaning: the nearest note is the right one") {
  if (!subject().has_meaning) return;
  const Vectors vectors = embed(notes());
  const auto nearest = [&](std::string_view question) {
    const Vector asked = embed({question}).at(0);
    std::size_t best = 0;
    for (std::size_t i = 1; i < vectors.size(); ++i)
      if (cosine(asked, vectors[i]) > cosine(asked, vectors[best])) best = i;
    return best;
  };
  CHECK(nearest("fridge") == 0);
  CHECK(nearest("repairing a wheel of a bike") == 1);
  CHECK(nearest("fear of enclosed spaces") == 2);
  CHECK(nearest("the cost of borrowing money") == 3);
}

TEST_CASE("empty and blank texts have an empty vector or a whole one, and leave the others alone") {
  const Texts texts{"", notes()[0], " \t\n ", notes()[1], ""};
  const Vectors vectors = embed(texts);
  REQUIRE(vectors.size() == texts.size());
  for (const std::size_t blank : {0, 2, 4}) {
    if (subject().blank_is_empty) CHECK(vectors[blank].empty());
    if (!vectors[blank].empty()) CHECK(fault_of(vectors[blank]) == "");
  }
  CHECK(vectors[1] == embed({notes()[0]}).at(0));
  CHECK(vectors[3] == embed({notes()[1]}).at(0));
}

TEST_CASE("texts of any kind are embedded or refused") {
  std::string long_text;
  while (long_text.size() < 1'000'000) long_text += "tea and bicycles, ";
  const std::string long_word(5'000, 'x');
  const std::string nul("green\0tea", 9);
  const Texts texts{long_text,
                    long_word,
                    nul,
                    "\"quotes\" \\ and \x01 controls \x7f",
                    "Crème brûlée, ÄÖÜ, ẞ",
                    "冷蔵庫 для еды 🧊",
                    "e\u0301\u0301\u0301",
                    "\xef\xbb\xbf mark",
                    "[CLS] [SEP] ##ing",
                    "ﬁ ½ Ⅷ ａｂ"};
  for (const std::string_view text : texts) {
    CAPTURE(std::string(text.substr(0, 40)));
    const Vectors vectors = embed({text, notes()[0]});
    REQUIRE(vectors.size() == 2);
    if (!vectors[0].empty()) CHECK(fault_of(vectors[0]) == "");
    CHECK(fault_of(vectors[1]) == "");
  }
  for (const std::string_view text : {"\xff", "tea \xc3", "\xed\xa0\x80", "\xc0\xaf"}) {
    const auto vectors = subject().embedder->embed(Texts{text}, {});
    if (vectors && !vectors->at(0).empty()) CHECK(fault_of(vectors->at(0)) == "");
    if (!vectors) CHECK(vectors.error().code == Errc::invalid_argument);
  }
}

TEST_CASE("a call past its deadline, or cancelled, is unavailable") {
  std::atomic<bool> cancel = true;
  const auto past = std::chrono::steady_clock::now() - std::chrono::seconds(1);
  for (const Control& control : {Control{.deadline = past}, Control{.cancel = &cancel}}) {
    const auto vectors = subject().embedder->embed(notes(), control);
    REQUIRE(!vectors.has_value());
    CHECK(vectors.error().code == Errc::unavailable);
    CHECK(!vectors.error().message.empty());
  }
  cancel = false;
  CHECK(embed(notes(), {.cancel = &cancel}).size() == notes().size());
}

TEST_CASE("a long call ends soon after it is cancelled") {
  const Texts many(1'000'000, notes()[0]);
  std::atomic<bool> cancel = false;
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    cancel = true;
  });
  const auto vectors = subject().embedder->embed(many, {.cancel = &cancel});
  other.join();
  REQUIRE(!vectors.has_value());
  CHECK(vectors.error().code == Errc::unavailable);
}

TEST_CASE("many threads at once get what one gets") {
  const Vectors expected = embed(notes());
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (std::size_t thread = 0; thread < 8; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::size_t round = 0; round < 6; ++round) {
        const std::size_t i = (thread + round) % notes().size();
        const auto vectors = subject().embedder->embed(Texts{notes()[i], "", notes()[0]}, {});
        if (!vectors || vectors->at(0) != expected[i] || vectors->at(2) != expected[0]) ++wrong;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(wrong == 0);
}
