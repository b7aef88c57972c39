// Invariant: a vector that embed() returns came from the server, for the text at its place, and has the dimension of
// the identity. A request is sent at most options.attempts times, and only again where the first may not have counted.
#include <fractal/http_embedder.h>

#include "messages.h"
#include "post.h"

#include "src/error.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <random>
#include <span>
#include <string_view>
#include <thread>
#include <utility>

namespace fractal {
namespace {

using http::Post;
using http::Reply;
using http::Vectors;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::string_view operation = "embed over HTTP";

class HttpEmbedder final : public Embedder {
 public:
  HttpEmbedder(HttpEmbedderOptions options, std::string key, std::unique_ptr<Post> post)
      : options_(std::move(options)),
        key_(std::move(key)),
        post_(std::move(post)),
        identity_{"http:" + options_.model, options_.dimension, options_.digest} {}

  const EmbedderIdentity& identity() const noexcept override { return identity_; }
  double alpha() const noexcept override { return options_.alpha; }
  Result<Vectors> embed(std::span<const std::string_view> texts, const Control& control) const override;

  // For a dimension that the caller did not give.
  Result<void> ask_dimension(const Control& control);

 private:
  Result<Vectors> ask(std::span<const std::string_view> texts, const Control& control) const;
  Result<Vectors> read(const Reply& reply, std::size_t count) const;
  Result<void> wait(const Reply& reply, std::size_t attempt, const Control& control) const;
  std::size_t longest_answer(std::size_t texts) const;
  std::string complaint(const Reply& reply) const;

  HttpEmbedderOptions options_;
  std::string key_;
  std::unique_ptr<Post> post_;
  EmbedderIdentity identity_;
};

bool says_nothing(std::string_view text) { return text.find_first_not_of(" \t\r\n\f\v") == std::string_view::npos; }

// Worth another attempt: the server was busy, broken or not there.
bool may_pass(long status) { return status == 0 || status == 408 || status == 429 || status >= 500; }

// Where the batch that begins at `first` ends.
std::size_t batch_end(std::span<const std::string_view> texts, std::size_t first, const HttpEmbedderOptions& options) {
  std::size_t end = first + 1;
  std::size_t bytes = texts[first].size();
  while (end < texts.size() && end - first < options.batch_texts) {
    bytes += texts[end].size();
    if (bytes > options.batch_bytes) break;
    ++end;
  }
  return end;
}

Result<Vectors> HttpEmbedder::embed(std::span<const std::string_view> texts, const Control& control) const {
  FRACTAL_TRY(http::check_control(control, operation));
  std::vector<std::string_view> sent;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (says_nothing(texts[i])) continue;
    sent.push_back(texts[i]);
    places.push_back(i);
  }
  Vectors vectors(texts.size());
  for (std::size_t first = 0; first < sent.size();) {
    const std::size_t end = batch_end(sent, first, options_);
    FRACTAL_TRY_INTO(Vectors part, ask(std::span(sent).subspan(first, end - first), control));
    for (std::size_t i = 0; i < part.size(); ++i) vectors[places[first + i]] = std::move(part[i]);
    first = end;
  }
  return vectors;
}

Result<void> HttpEmbedder::ask_dimension(const Control& control) {
  const std::string_view probe = "How many components has a vector of this model?";
  FRACTAL_TRY_INTO(Vectors vectors, ask({&probe, 1}, control));
  if (vectors[0].empty() || vectors[0].size() > limits::dimension)
    return make_error(Errc::corruption, "{} {}: a vector of {} components; 1 to {} are possible", operation,
                      options_.url, vectors[0].size(), limits::dimension);
  identity_.dimension = vectors[0].size();
  return {};
}

Result<Vectors> HttpEmbedder::ask(std::span<const std::string_view> texts, const Control& control) const {
  const auto here = [&](const Error& error) { return within(error, "{} {}", operation, options_.url); };
  const auto question = http::write_question({.model = options_.model,
                                              .send_dimension = options_.send_dimension ? options_.dimension : 0,
                                              .base64 = options_.base64},
                                             texts);
  if (!question) return here(question.error());
  for (std::size_t attempt = 1;; ++attempt) {
    const auto reply = post_->send(*question, longest_answer(texts.size()), control);
    if (!reply) return here(reply.error());
    if (!may_pass(reply->status)) {
      auto vectors = read(*reply, texts.size());
      return vectors ? std::move(vectors) : here(vectors.error());
    }
    if (attempt >= options_.attempts)
      return here(make_error(Errc::unavailable, "{}, after {} attempts", complaint(*reply), attempt));
    if (const auto waited = wait(*reply, attempt, control); !waited) return here(waited.error());
  }
}

Result<Vectors> HttpEmbedder::read(const Reply& reply, std::size_t count) const {
  if (reply.status == 200) return http::read_answer(reply.body, count, identity_.dimension);
  if (reply.status == 401 || reply.status == 403)
    return make_error(Errc::invalid_argument, "{}; {}", complaint(reply),
                      options_.key_variable.empty() ? "no key was sent: key_variable is empty"
                                                    : "the key came from $" + options_.key_variable);
  return make_error(Errc::invalid_argument, "{}", complaint(reply));
}

// Half of the wait is left to chance, so that many callers do not come back at one moment.
Result<void> HttpEmbedder::wait(const Reply& reply, std::size_t attempt, const Control& control) const {
  thread_local std::minstd_rand random{std::random_device{}()};
  const double doubled = std::ldexp(static_cast<double>(options_.first_wait.count()),
                                    static_cast<int>(std::min<std::size_t>(attempt - 1, 40)));
  const double longest = std::min(doubled, static_cast<double>(options_.longest_wait.count()));
  milliseconds time(static_cast<milliseconds::rep>(longest * std::uniform_real_distribution<>(0.5, 1)(random)));
  if (reply.retry_after) time = std::max(time, *reply.retry_after);
  if (time > options_.longest_wait)
    return make_error(Errc::unavailable, "{}; it asks to wait for {} ms, longer than longest_wait", complaint(reply),
                      time.count());
  const auto until = steady_clock::now() + time;
  if (until >= control.deadline)
    return make_error(Errc::unavailable, "{}; the deadline is before the next attempt", complaint(reply));
  for (auto now = steady_clock::now(); now < until; now = steady_clock::now()) {
    FRACTAL_TRY(http::check_control(control, "waiting for the next attempt"));
    std::this_thread::sleep_for(std::min<steady_clock::duration>(until - now, milliseconds(20)));
  }
  return {};
}

// Room for each component as a long number on a line of its own.
std::size_t HttpEmbedder::longest_answer(std::size_t texts) const {
  const std::size_t dimension = identity_.dimension != 0 ? identity_.dimension : limits::dimension;
  return 65'536 + texts * (1'024 + dimension * 64);
}

std::string HttpEmbedder::complaint(const Reply& reply) const {
  std::string words = http::read_complaint(reply.status == 0 || reply.target.empty() ? reply.body : reply.target, key_);
  if (reply.status == 0) return words;
  if (!reply.target.empty()) return fmt::format("status {}, a redirect to {}", reply.status, words);
  return fmt::format("status {}{}{}", reply.status, words.empty() ? "" : ": ", words);
}

// ---- Options -------------------------------------------------------------------------------------------------------

Error bad_option(std::string_view option, std::string_view problem) {
  return make_error(Errc::invalid_argument, "HttpEmbedderOptions::{}: {}", option, problem);
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 32 || c == 127; });
}

Result<void> check_url(std::string_view url) {
  const std::size_t host = url.starts_with("http://") ? 7 : url.starts_with("https://") ? 8 : 0;
  if (host == 0) return bad_option("url", "does not begin with http:// or https://");
  if (url.size() == host || url[host] == '/') return bad_option("url", "names no host");
  if (has_control(url) || url.find_first_of(" ?#") != std::string_view::npos)
    return bad_option("url", "has a blank, \"?\" or \"#\"; it is the address before \"/embeddings\"");
  if (url.find('@') != std::string_view::npos)
    return bad_option("url", "has an \"@\"; a key is taken from the environment (key_variable)");
  return {};
}

Result<void> check_options(const HttpEmbedderOptions& options) {
  FRACTAL_TRY(check_url(options.url));
  if (options.model.empty()) return bad_option("model", "is empty");
  const EmbedderIdentity identity{"http:" + options.model, std::max<std::size_t>(options.dimension, 1), options.digest};
  if (const auto checked = EmbedderIdentity::parse(identity.to_string()); !checked)
    return within(checked.error(), "HttpEmbedderOptions::model, dimension or digest");
  if (options.send_dimension && options.dimension == 0) return bad_option("send_dimension", "needs a dimension");
  if (options.batch_texts == 0 || options.batch_texts > 100'000) return bad_option("batch_texts", "1 to 100,000");
  if (options.batch_bytes == 0 || options.batch_bytes > (256u << 20)) return bad_option("batch_bytes", "1 to 256 MiB");
  if (options.connect_timeout.count() < 1) return bad_option("connect_timeout", "at least 1 ms");
  if (options.request_timeout.count() < 1) return bad_option("request_timeout", "at least 1 ms");
  if (options.attempts == 0) return bad_option("attempts", "at least 1");
  if (options.first_wait.count() < 0) return bad_option("first_wait", "not below 0");
  if (options.longest_wait < options.first_wait || options.longest_wait > std::chrono::hours(24))
    return bad_option("longest_wait", "first_wait to 24 hours");
  if (!(options.alpha >= 0 && options.alpha <= 1)) return bad_option("alpha", "0 to 1");
  return {};
}

Result<std::string> read_key(const std::string& variable) {
  if (variable.empty()) return std::string();
  const char* value = std::getenv(variable.c_str());  // NOLINT(concurrency-mt-unsafe): once, as documented
  if (value == nullptr || *value == '\0')
    return bad_option("key_variable", fmt::format("the environment has no key in ${}", variable));
  std::string key(value);
  if (has_control(key)) return bad_option("key_variable", fmt::format("${} has a line break or the like", variable));
  return key;
}

}  // namespace

Result<std::shared_ptr<Embedder>> open_http_embedder(HttpEmbedderOptions options, const Control& control) {
  while (options.url.ends_with('/')) options.url.pop_back();
  FRACTAL_TRY(check_options(options));
  FRACTAL_TRY(http::check_control(control, "open_http_embedder"));
  FRACTAL_TRY_INTO(std::string key, read_key(options.key_variable));
  FRACTAL_TRY_INTO(auto post, Post::open(options, key));
  auto embedder = std::make_shared<HttpEmbedder>(std::move(options), std::move(key), std::move(post));
  if (embedder->identity().dimension == 0) FRACTAL_TRY(embedder->ask_dimension(control));
  return std::shared_ptr<Embedder>(std::move(embedder));
}

}  // namespace fractal
