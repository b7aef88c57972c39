// Invariant: the key leaves this file only inside a request to the address of the options: redirects are not followed
// and nothing of the request is ever part of a message. No call outlives its Control by more than a poll.
#include "post.h"

#include "src/error.h"

#include <fractal/version.h>

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <new>
#include <utility>

namespace fractal::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds poll{50};
constexpr std::size_t idle_connections = 16;

// Once in a process, and never undone: others may use libcurl, too.
bool curl_is_ready() {
  static const bool ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  return ready;
}

struct Answer {
  std::string body{};
  std::size_t longest = 0;
  bool too_long = false;
};

std::size_t receive(char* bytes, std::size_t, std::size_t count, void* target) noexcept {
  auto& answer = *static_cast<Answer*>(target);
  answer.too_long = count > answer.longest - answer.body.size();
  if (answer.too_long) return CURL_WRITEFUNC_ERROR;
  try {
    answer.body.append(bytes, count);
  } catch (const std::bad_alloc&) { return CURL_WRITEFUNC_ERROR; }
  return count;
}

// The server, or what lies between, failed: that may pass.
bool may_pass(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_PARTIAL_FILE:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR: return true;
    default: return false;
  }
}

long as_long(milliseconds time) {
  return static_cast<long>(std::clamp<milliseconds::rep>(time.count(), 1, 2'000'000'000));
}

}  // namespace

Result<void> check_control(const Control& control, std::string_view operation) {
  if (control.cancel != nullptr && control.cancel->load())
    return make_error(Errc::unavailable, "{}: cancelled", operation);
  if (steady_clock::now() >= control.deadline) return make_error(Errc::unavailable, "{}: past its deadline", operation);
  return {};
}

struct Post::Shared {
  HttpEmbedderOptions options{};
  std::string address{};
  curl_slist* headers = nullptr;

  Shared() = default;
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  ~Shared() { curl_slist_free_all(headers); }

  bool add_header(const std::string& line) {
    curl_slist* longer = curl_slist_append(headers, line.c_str());
    if (longer != nullptr) headers = longer;
    return longer != nullptr;
  }
};

// A transfer is driven through the multi interface, since libcurl's own progress callback comes but once a second
// while nothing arrives.
class Post::Connection {
 public:
  static std::unique_ptr<Connection> make(const Shared& shared) {
    auto connection = std::make_unique<Connection>();
    return connection->set_up(shared) ? std::move(connection) : nullptr;
  }
  Connection() : multi_(curl_multi_init()), easy_(curl_easy_init()) {}
  ~Connection() {
    curl_easy_cleanup(easy_);
    curl_multi_cleanup(multi_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Result<Reply> send(const std::string& body, std::size_t longest_answer, const Control& control);

 private:
  bool set_up(const Shared& shared);
  Result<CURLcode> drive(const Control& control);
  Result<Reply> reply(CURLcode code, Answer answer);

  CURLM* multi_;
  CURL* easy_;
  std::array<char, CURL_ERROR_SIZE> words_{};
};

bool Post::Connection::set_up(const Shared& shared) {
  if (multi_ == nullptr || easy_ == nullptr) return false;
  bool good = true;
  const auto set = [&](CURLoption option, auto value) {
    good = curl_easy_setopt(easy_, option, value) == CURLE_OK && good;
  };
  const HttpEmbedderOptions& options = shared.options;
  set(CURLOPT_URL, shared.address.c_str());
#if LIBCURL_VERSION_NUM >= 0x075500
  set(CURLOPT_PROTOCOLS_STR, "http,https");
#else
  set(CURLOPT_PROTOCOLS, static_cast<long>(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
  set(CURLOPT_QUICK_EXIT, 1L);  // A cancelled call does not wait for a name server.
#endif
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_POST, 1L);
  set(CURLOPT_HTTPHEADER, shared.headers);
  set(CURLOPT_USERAGENT, "FractalMemory/" FRACTAL_VERSION_STRING);
  set(CURLOPT_CONNECTTIMEOUT_MS, as_long(options.connect_timeout));
  set(CURLOPT_TIMEOUT_MS, as_long(options.request_timeout));
  set(CURLOPT_SSL_VERIFYPEER, options.verify_tls ? 1L : 0L);
  set(CURLOPT_SSL_VERIFYHOST, options.verify_tls ? 2L : 0L);
  if (!options.ca_file.empty()) {
    set(CURLOPT_CAINFO, options.ca_file.c_str());
    set(CURLOPT_CAPATH, static_cast<char*>(nullptr));
  }
  set(CURLOPT_WRITEFUNCTION, &receive);
  set(CURLOPT_ERRORBUFFER, words_.data());
  return good;
}

Result<Reply> Post::Connection::send(const std::string& body, std::size_t longest_answer, const Control& control) {
  Answer answer{.longest = longest_answer};
  words_[0] = '\0';
  curl_easy_setopt(easy_, CURLOPT_POSTFIELDS, body.data());
  curl_easy_setopt(easy_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  curl_easy_setopt(easy_, CURLOPT_WRITEDATA, &answer);
  if (curl_multi_add_handle(multi_, easy_) != CURLM_OK)
    return make_error(Errc::io, "libcurl does not take the request");
  auto code = drive(control);
  curl_multi_remove_handle(multi_, easy_);  // What is unfinished is closed.
  if (!code) return std::move(code).error();
  return reply(*code, std::move(answer));
}

Result<CURLcode> Post::Connection::drive(const Control& control) {
  int running = 1;
  for (;;) {
    if (const CURLMcode code = curl_multi_perform(multi_, &running); code != CURLM_OK)
      return make_error(Errc::io, "libcurl: {}", curl_multi_strerror(code));
    if (running == 0) break;
    FRACTAL_TRY(check_control(control, "waiting for the server"));
    const auto left =
        std::chrono::ceil<milliseconds>(std::min<steady_clock::duration>(control.deadline - steady_clock::now(), poll));
    curl_multi_poll(multi_, nullptr, 0, static_cast<int>(left.count()), nullptr);
  }
  int rest = 0;
  const CURLMsg* message = curl_multi_info_read(multi_, &rest);
  if (message == nullptr || message->msg != CURLMSG_DONE) return make_error(Errc::io, "libcurl lost the request");
  return message->data.result;
}

Result<Reply> Post::Connection::reply(CURLcode code, Answer answer) {
  if (answer.too_long) return make_error(Errc::corruption, "the server's answer: more than {} bytes", answer.longest);
  if (code != CURLE_OK) {
    std::string words = words_[0] != '\0' ? words_.data() : curl_easy_strerror(code);
    if (!may_pass(code)) return make_error(Errc::io, "{}", words);
    return Reply{.body = std::move(words)};
  }
  Reply reply{.body = std::move(answer.body)};
  curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &reply.status);
  char* target = nullptr;
  curl_easy_getinfo(easy_, CURLINFO_REDIRECT_URL, &target);
  if (target != nullptr) reply.target = target;
  curl_off_t seconds = 0;
  curl_easy_getinfo(easy_, CURLINFO_RETRY_AFTER, &seconds);
  if (seconds > 0) reply.retry_after = milliseconds(std::min<curl_off_t>(seconds, 1'000'000) * 1000);
  return reply;
}

Post::Post(std::unique_ptr<Shared> shared) noexcept : shared_(std::move(shared)) {}
Post::~Post() = default;

Result<std::unique_ptr<Post>> Post::open(const HttpEmbedderOptions& options, std::string_view key) {
  if (!curl_is_ready()) return make_error(Errc::io, "libcurl could not be set up");
  auto shared = std::make_unique<Shared>();
  shared->options = options;
  shared->address = options.url + "/embeddings";
  // No "Expect: 100-continue": it costs a second where a server does not know it.
  bool good = shared->add_header("Content-Type: application/json") && shared->add_header("Accept: application/json") &&
              shared->add_header("Expect:");
  if (!key.empty()) good = shared->add_header(fmt::format("Authorization: Bearer {}", key)) && good;
  std::unique_ptr<Post> post(new Post(std::move(shared)));
  auto first = post->take();  // libcurl refuses options here rather than at the first text
  if (!good || first == nullptr) return make_error(Errc::io, "libcurl {} does not take the options", curl_version());
  post->give_back(std::move(first));
  return post;
}

std::unique_ptr<Post::Connection> Post::take() const {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      auto connection = std::move(idle_.back());
      idle_.pop_back();
      return connection;
    }
  }
  return Connection::make(*shared_);
}

void Post::give_back(std::unique_ptr<Connection> connection) const {
  const std::lock_guard lock(mutex_);
  if (idle_.size() < idle_connections) idle_.push_back(std::move(connection));
}

Result<Reply> Post::send(const std::string& body, std::size_t longest_answer, const Control& control) const {
  auto connection = take();
  if (connection == nullptr) return make_error(Errc::io, "libcurl could not make a connection");
  auto reply = connection->send(body, longest_answer, control);
  give_back(std::move(connection));
  return reply;
}

}  // namespace fractal::http
