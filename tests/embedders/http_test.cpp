// The HTTP embedder against a server that fails in every way: what is tried again, what is refused, what never leaves.
#include <fractal/http_embedder.h>

#include <doctest/doctest.h>

#include <stdlib.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "setting.h"

using fractal::Control;
using fractal::Errc;
using fractal::Error;
using fractal::HttpEmbedderOptions;
using fractal::open_http_embedder;
using setting::server;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

using Texts = std::vector<std::string_view>;
using Vectors = std::vector<std::vector<float>>;

const Texts two{"a refrigerator keeps food cold", "the bicycle has a flat tyre"};

// Options that wait little. The dimension is given, so that the first request is that of embed().
HttpEmbedderOptions options(std::string_view fault, std::string_view name = "x") {
  return {.url = server().url(fault, name),
          .model = "all-MiniLM-L6-v2",
          .dimension = 384,
          .request_timeout = milliseconds(10'000),
          .first_wait = milliseconds(1)};
}

fractal::Result<Vectors> embed(const HttpEmbedderOptions& chosen, const Texts& texts = two,
                               const Control& control = {}) {
  return open_http_embedder(chosen).value()->embed(texts, control);
}

const Vectors& expected() {
  static const Vectors vectors = embed(options("ok")).value();
  return vectors;
}

milliseconds since(steady_clock::time_point start) {
  return std::chrono::duration_cast<milliseconds>(steady_clock::now() - start);
}

bool holds(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a url may end with a slash; the dimension is asked for when it is not given") {
  auto chosen = options("ok", "probe");
  chosen.url += "/";
  chosen.dimension = 0;
  const auto embedder = open_http_embedder(chosen).value();
  CHECK(embedder->identity().dimension == 384);
  CHECK(server().requests("ok", "probe").size() == 1);
  CHECK(embedder->embed(two, {}).value() == expected());
  CHECK(server().requests("ok", "probe").size() == 2);
}

TEST_CASE("base64 gives the same vectors") {
  auto chosen = options("ok", "packed");
  chosen.base64 = true;
  CHECK(embed(chosen).value() == expected());
  CHECK(server().requests("ok", "packed") == std::vector<std::string>{"2 False base64"});
}

TEST_CASE("a model can be cut to size") {
  auto chosen = options("ok", "cut");
  chosen.dimension = 64;
  CHECK(embed(chosen).error().code == Errc::corruption);
  chosen.send_dimension = true;
  CHECK(embed(chosen).value().at(0).size() == 64);
}

TEST_CASE("batches hold at most so many texts and bytes; blank texts are not sent") {
  auto chosen = options("ok", "batches");
  chosen.batch_texts = 3;
  chosen.batch_bytes = 10;
  // 4 + 4, then 12 alone, then three of 1, then 1.
  const Texts texts{"food", "cold", "", "bicycle tyre", "a", " ", "b", "c", "d"};
  const Vectors vectors = embed(chosen, texts).value();
  const auto requests = server().requests("ok", "batches");
  REQUIRE(requests.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) CHECK(requests[i].substr(0, 1) == std::string("2131").substr(i, 1));
  for (std::size_t i = 0; i < texts.size(); ++i) {
    CAPTURE(i);
    const bool blank = i == 2 || i == 5;
    CHECK(vectors.at(i) == (blank ? std::vector<float>{} : embed(options("ok"), {texts[i]}).value().at(0)));
  }
  embed(options("ok", "nothing"), {"", "\n"}).value();
  CHECK(server().requests("ok", "nothing").empty());
}

TEST_CASE("a busy or broken server is asked again") {
  for (const char* fault : {"status-429x2", "status-500x3", "status-503x1", "status-408x2", "reset-2", "short-2"}) {
    CAPTURE(std::string(fault));
    const auto vectors = embed(options(fault, "again"));
    REQUIRE_MESSAGE(vectors.has_value(), (vectors ? "" : vectors.error().message));
    CHECK(*vectors == expected());
    CHECK(server().requests(fault, "again").size() == static_cast<std::size_t>(std::string(fault).back() - '0') + 1);
  }
}

TEST_CASE("but not for ever") {
  for (const char* fault : {"status-500x9", "status-429x9", "reset-9", "short-9"}) {
    CAPTURE(std::string(fault));
    const auto vectors = embed(options(fault, "bounded"));
    REQUIRE(!vectors.has_value());
    CHECK(vectors.error().code == Errc::unavailable);
    CHECK(holds(vectors.error().message, "after 4 attempts"));
    CHECK(server().requests(fault, "bounded").size() == 4);
  }
}

TEST_CASE("what the server refuses is not sent again") {
  for (const char* fault :
       {"status-400x9", "status-401x9", "status-403x9", "status-404x9", "status-413x9", "status-422x9"}) {
    CAPTURE(std::string(fault));
    const auto vectors = embed(options(fault, "refused"));
    REQUIRE(!vectors.has_value());
    CHECK(vectors.error().code == Errc::invalid_argument);
    CHECK(holds(vectors.error().message, std::string(fault).substr(7, 3) + " for a test"));
    CHECK(server().requests(fault, "refused").size() == 1);
  }
}

TEST_CASE("Retry-After is obeyed, or given up at once when it is too long") {
  const auto start = steady_clock::now();
  CHECK(embed(options("later-1", "waits")).value() == expected());
  CHECK(since(start) >= milliseconds(1000));

  auto chosen = options("later-3600", "too-long");
  const auto vectors = embed(chosen);
  CHECK(vectors.error().code == Errc::unavailable);
  CHECK(holds(vectors.error().message, "3600000 ms"));
  CHECK(server().requests("later-3600", "too-long").size() == 1);

  const Control soon{.deadline = steady_clock::now() + milliseconds(300)};
  const auto too_late = embed(options("later-2", "deadline"), two, soon);
  CHECK(too_late.error().code == Errc::unavailable);
  CHECK(holds(too_late.error().message, "deadline"));
}

TEST_CASE("a wrong answer is never passed on") {
  for (const char* fault :
       {"count", "twice", "noindex", "narrow", "component-nan", "component-infinite", "component-huge",
        "component-text", "component-null", "base64-bad", "base64-odd", "page", "deep", "cut", "endless"}) {
    CAPTURE(std::string(fault));
    const auto vectors = embed(options(fault, "wrong"));
    REQUIRE(!vectors.has_value());
    CHECK(vectors.error().code == Errc::corruption);
    CHECK(holds(vectors.error().message, "the server's answer"));
    CHECK(server().requests(fault, "wrong").size() == 1);
  }
}

TEST_CASE("the index tells the place; a vector of zeros is none") {
  CHECK(embed(options("reversed")).value() == expected());
  CHECK(embed(options("zero")).value() == Vectors{expected()[0], {}});
}

TEST_CASE("a silent server: the time-out of a request, then the next attempt") {
  auto chosen = options("hang-20", "silent");
  chosen.request_timeout = milliseconds(150);
  chosen.attempts = 2;
  const auto start = steady_clock::now();
  const auto vectors = embed(chosen);
  CHECK(vectors.error().code == Errc::unavailable);
  CHECK(holds(vectors.error().message, "after 2 attempts"));
  CHECK(since(start) < milliseconds(10'000));
  CHECK(server().requests("hang-20", "silent").size() == 2);
}

TEST_CASE("a deadline and a cancel flag end a request at once") {
  // Twenty seconds of silence, or of a trickle, against a wait that is many times what it should be.
  constexpr milliseconds bound{5'000};
  for (const char* fault : {"hang-20", "trickle-20", "status-500x99"}) {
    CAPTURE(std::string(fault));
    auto chosen = options(fault, "stopped");
    chosen.request_timeout = milliseconds(60'000);
    chosen.attempts = 99;
    chosen.first_wait = milliseconds(10'000);
    const auto start = steady_clock::now();
    std::atomic<bool> cancel = false;
    std::thread other([&] {
      std::this_thread::sleep_for(milliseconds(200));
      cancel = true;
    });
    const auto cancelled = embed(chosen, two, {.cancel = &cancel});
    other.join();
    REQUIRE(!cancelled.has_value());
    CHECK(cancelled.error().code == Errc::unavailable);
    CHECK(holds(cancelled.error().message, "cancelled"));
    const auto late = embed(chosen, two, {.deadline = steady_clock::now() + milliseconds(200)});
    REQUIRE(!late.has_value());
    CHECK(late.error().code == Errc::unavailable);
    CHECK(holds(late.error().message, "deadline"));
    CHECK(since(start) < bound);
  }
  CHECK(embed(options("trickle-1")).value() == expected());
}

TEST_CASE("a server that is not there") {
  auto chosen = options("ok");
  chosen.url = "http://127.0.0.1:1/v1";
  chosen.attempts = 3;
  const Error refused = embed(chosen).error();
  CHECK(refused.code == Errc::unavailable);
  CHECK(holds(refused.message, "127.0.0.1:1/v1"));
  CHECK(holds(refused.message, "after 3 attempts"));
  chosen.dimension = 0;
  CHECK(open_http_embedder(chosen).error().code == Errc::unavailable);
}

TEST_CASE("the key comes from the environment, goes to the server and nowhere else") {
  const std::string secret = "sk-secret/0123456789";
  ::setenv("FRACTAL_TEST_KEY", secret.c_str(), 1);
  ::unsetenv("FRACTAL_TEST_NO_KEY");
  auto chosen = options("ok", "key");
  chosen.key_variable = "FRACTAL_TEST_KEY";
  CHECK(embed(chosen).value() == expected());
  CHECK(server().requests("ok", "key") == std::vector<std::string>{"2 True float"});
  CHECK(server().requests("ok", "packed").size() <= 1);

  chosen.url = server().url("echo", "key");
  const Error told = embed(chosen).error();
  CHECK(told.code == Errc::invalid_argument);
  CHECK(holds(told.message, "a bad key: Bearer ***"));
  CHECK(holds(told.message, "$FRACTAL_TEST_KEY"));
  CHECK(!holds(told.message, secret));

  chosen.key_variable = "FRACTAL_TEST_NO_KEY";
  CHECK(open_http_embedder(chosen).error().code == Errc::invalid_argument);
  ::setenv("FRACTAL_TEST_NO_KEY", "two\r\nlines", 1);
  const Error lines = open_http_embedder(chosen).error();
  CHECK(lines.code == Errc::invalid_argument);
  CHECK(!holds(lines.message, "two"));
}

TEST_CASE("a redirect is not followed, so nothing goes to another address") {
  const Error error = embed(options("redirect-ok", "from")).error();
  CHECK(error.code == Errc::invalid_argument);
  CHECK(holds(error.message, "a redirect to http://127.0.0.1:"));
  CHECK(server().requests("ok", "redirected").empty());
}

TEST_CASE("TLS: a certificate must be trusted") {
  auto chosen = options("ok");
  chosen.url = server().secure_url("ok", "tls");
  const Error untrusted = embed(chosen).error();
  CHECK(untrusted.code == Errc::io);
  CHECK(holds(untrusted.message, "certificate"));
  CHECK(server().requests("ok", "tls").empty());
  chosen.verify_tls = false;
  CHECK(embed(chosen).value() == expected());
  chosen.verify_tls = true;
  chosen.ca_file = server().certificate();
  CHECK(embed(chosen).value() == expected());
  chosen.ca_file = "/no/such/file.pem";
  CHECK(embed(chosen).error().code == Errc::io);
}

TEST_CASE("options that cannot be are refused, with their name") {
  const auto refusal = [](auto change) {
    HttpEmbedderOptions chosen = options("ok");
    change(chosen);
    const auto opened = open_http_embedder(chosen);
    REQUIRE(!opened.has_value());
    CHECK(opened.error().code == Errc::invalid_argument);
    return opened.error().message;
  };
  for (const char* url : {"", "127.0.0.1/v1", "ftp://x/v1", "http://", "http:///v1", "http://x/v1?a=b", "http://x/ v1",
                          "https://user:secret@x/v1", "http://x/v1#a", "http://x/\nv1"}) {
    CAPTURE(std::string(url));
    const std::string message = refusal([&](auto& o) { o.url = url; });
    CHECK(holds(message, "url"));
    CHECK(!holds(message, "secret"));
  }
  CHECK(holds(refusal([](auto& o) { o.model = ""; }), "model"));
  CHECK(holds(refusal([](auto& o) { o.model = "two words"; }), "model"));
  CHECK(holds(refusal([](auto& o) { o.model = std::string(96, 'm'); }), "model"));
  CHECK(holds(refusal([](auto& o) { o.dimension = 100'000; }), "dimension"));
  CHECK(holds(refusal([](auto& o) { o.digest = "xyz"; }), "digest"));
  CHECK(holds(refusal([](auto& o) { o.dimension = 0, o.send_dimension = true; }), "send_dimension"));
  CHECK(holds(refusal([](auto& o) { o.batch_texts = 0; }), "batch_texts"));
  CHECK(holds(refusal([](auto& o) { o.batch_bytes = 0; }), "batch_bytes"));
  CHECK(holds(refusal([](auto& o) { o.connect_timeout = milliseconds(0); }), "connect_timeout"));
  CHECK(holds(refusal([](auto& o) { o.request_timeout = milliseconds(-1); }), "request_timeout"));
  CHECK(holds(refusal([](auto& o) { o.attempts = 0; }), "attempts"));
  CHECK(holds(refusal([](auto& o) { o.first_wait = milliseconds(-1); }), "first_wait"));
  CHECK(holds(refusal([](auto& o) { o.longest_wait = milliseconds(0); }), "longest_wait"));
  CHECK(holds(refusal([](auto& o) { o.alpha = std::nan(""); }), "alpha"));
}

TEST_CASE("a text that is not UTF-8 is refused before anything is sent") {
  CHECK(embed(options("ok", "bytes"), {"tea", "\xff"}).error().code == Errc::invalid_argument);
  CHECK(server().requests("ok", "bytes").empty());
}
