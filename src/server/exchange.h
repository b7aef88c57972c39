// Requests and replies over one connection. Nothing here waits for another client or machine, and nothing but the reading
// of a row for the memory: calls run on work threads, and a client that is slow or silent costs a socket until its time is up.
// A reply is begun only when the request has been read to its end.
// A kind of stream takes a compiler a minute: each has a file of its own, serve_tcp.cpp and so on.
#ifndef FRACTAL_SRC_SERVER_EXCHANGE_H
#define FRACTAL_SRC_SERVER_EXCHANGE_H

#include "src/server/connection.h"

#include "src/server/metrics.h"
#include "src/server/spool.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <limits>
#include <random>
#include <utility>

namespace fractal::server {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;

template <class T> using Task = asio::awaitable<T>;

// Of a client that has sent more than we want to read: discarded, so that it gets to see the reply.
inline constexpr std::size_t most_discarded = 1u << 20;
inline constexpr std::chrono::seconds discard_time{2};
inline constexpr std::size_t read_ahead = 65'536;
inline constexpr std::size_t upload_piece = 256u << 10;

inline std::optional<std::string_view> view(const http::fields& fields, std::string_view name) {
  const auto at = fields.find({name.data(), name.size()});
  if (at == fields.end()) return std::nullopt;
  return std::string_view(at->value().data(), at->value().size());
}

// The client's, if it is one that a log can hold; else made.
inline std::string request_id(const http::fields& fields) {
  const auto given = view(fields, "X-Request-Id");
  const auto good = [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.'; };
  if (given && !given->empty() && given->size() <= 64 && std::all_of(given->begin(), given->end(), good)) {
    return std::string(*given);
  }
  thread_local std::mt19937_64 random{std::random_device{}()};
  return fmt::format("{:016x}", random());
}

// Where the body ends must be beyond doubt (RFC 9112, 6.1 and 3.2): another server in front of us might see it
// elsewhere. What the parser does not refuse by itself is refused here.
inline bool is_clear(const http::fields& fields, unsigned version) {
  const auto codings = fields.equal_range(http::field::transfer_encoding);
  const auto count = std::distance(codings.first, codings.second);
  if (count > 1 || (count == 1 && (version != 11 || !beast::iequals(codings.first->value(), "chunked")))) return false;
  const auto hosts = fields.equal_range(http::field::host);
  const auto host_count = std::distance(hosts.first, hosts.second);
  return host_count == 1 || (host_count == 0 && version == 10);
}

// A part of something that there is only so much of for all connections, until this goes.
class Share {
 public:
  Share(std::atomic<std::size_t>& used, std::size_t most) : used_(used), most_(most) {}
  ~Share() { release(); }
  Share(const Share&) = delete;
  Share& operator=(const Share&) = delete;

  void release() { used_ -= std::exchange(size_, 0); }
  // False, and it has what it had: there is not so much.
  bool grow_to(std::size_t size) {
    if (size <= size_) return true;
    const std::size_t more = size - size_;
    if (used_.fetch_add(more) + more > most_) {
      used_ -= more;
      return false;
    }
    size_ = size;
    return true;
  }

 private:
  std::atomic<std::size_t>& used_;
  const std::size_t most_;
  std::size_t size_ = 0;
};

class Counted {
 public:
  explicit Counted(Metrics& metrics) : metrics_(metrics) { metrics_.connection(1); }
  ~Counted() { metrics_.connection(-1); }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  Metrics& metrics_;
};

// What of a request counts when its body has been read.
struct Head {
  std::string method{};
  unsigned version = 11;
  bool keep_alive = false;
  std::string target{};

  template <class Request> static Head of(const Request& request) {
    const auto method = request.method_string(), target = request.target();
    return {std::string(method.data(), method.size()), request.version() == 10 ? 10U : 11U, request.keep_alive(),
            std::string(target.data(), target.size())};
  }
};

inline std::string date_now() { return fmt::format("{:%a, %d %b %Y %H:%M:%S GMT}", fmt::gmtime(std::time(nullptr))); }

template <class Stream> class Exchange {
 public:
  using Parser = http::request_parser<http::string_body>;

  Exchange(Stream& stream, Shared& shared, OpenConnections::Entry& entry)
      : stream_(stream),
        shared_(shared),
        options_(shared.service.options),
        entry_(entry),
        buffer_(2 * shared.service.options.most_header + read_ahead) {}

  Task<void> run() {
    for (;;) {  // g++ 12 makes a trap of: while (co_await ...) {}
      const bool more = co_await next_request();
      if (!more) co_return;
    }
  }

 private:
  auto expire_after(std::chrono::milliseconds time) { beast::get_lowest_layer(stream_).expires_after(time); }
  auto into(error_code& error) { return asio::redirect_error(asio::use_awaitable, error); }

  // False: the connection ends.
  Task<bool> next_request() {
    if (!entry_.idle(true)) co_return false;
    if (buffer_.size() == 0) {
      const bool there = co_await first_bytes();
      if (!there) co_return false;
    }
    if (!entry_.idle(false)) co_return false;

    Parser parser;
    parser.header_limit(static_cast<std::uint32_t>(options_.most_header));
    parser.body_limit(std::numeric_limits<std::uint64_t>::max());  // until the token is known
    expire_after(options_.header_timeout);
    error_code error;
    co_await http::async_read_header(stream_, buffer_, parser, into(error));
    begun_ = std::chrono::steady_clock::now();
    if (error) co_return co_await refuse_malformed(error);
    id_ = request_id(parser.get());
    const bool clear = is_clear(parser.get(), parser.get().version());
    if (!clear) co_return co_await refuse_malformed(http::error::bad_value);
    co_return co_await admitted(parser);
  }

  Task<bool> first_bytes() {
    expire_after(options_.idle_timeout);
    error_code error;
    const std::size_t size = co_await stream_.async_read_some(buffer_.prepare(1024), into(error));
    buffer_.commit(size);
    co_return !error && size > 0;
  }

  Task<bool> refuse_malformed(error_code error) {
    Admitted nobody;
    if (error == http::error::header_limit || error == http::error::buffer_overflow) {
      nobody.refused = refusal(431, Say::header_too_large, Language::english, fmt::to_string(options_.most_header));
    } else if (error.category() == http::make_error_code(http::error::bad_method).category() &&
               error != http::error::end_of_stream && error != http::error::partial_message) {
      nobody.refused = refusal(400, Say::bad_request, Language::english);
    } else {
      co_return false;  // gone, or too slow
    }
    id_ = request_id({});
    co_return co_await refuse(nobody, Head());
  }

  // The headers are there.
  Task<bool> admitted(Parser& parser) {
    const auto& request = parser.get();
    const auto target = request.target();
    const Request asked{.method = {request.method_string().data(), request.method_string().size()},
                        .target = {target.data(), target.size()},
                        .authorization = view(request, "Authorization"),
                        .accept_language = view(request, "Accept-Language"),
                        .tenant = view(request, "X-Soma-Tenant"),
                        .space = view(request, "X-Soma-Namespace"),
                        .host = view(request, "Host"),
                        .origin = view(request, "Origin"),
                        .fetch_site = view(request, "Sec-Fetch-Site"),
                        .last_event = view(request, "Last-Event-ID")};
    Admitted admitted;
    if (may_wait_to_admit(shared_.service, asked)) {
      const bool free = shared_.waiting.load() < options_.most_waiting;
      if (free) admitted = co_await on_worker([&] { return admit(shared_.service, asked); });
      if (!free) admitted.refused = refusal(503, Say::unavailable, Language::english);
    } else {
      admitted = admit(shared_.service, asked);
    }
    const Head head = Head::of(request);
    const Operation* const operation = admitted.operation;
    const bool wanted = operation != nullptr && (operation->body != nullptr || operation->uploads);
    const std::size_t most = most_body_of(admitted);
    const auto length = parser.content_length();
    const bool unknown = !length && !parser.is_done();
    if ((length && *length > most) || (unknown && !wanted)) co_return co_await refuse_large(admitted, head, most);
    if (operation != nullptr && operation->uploads) co_return co_await uploaded(admitted, parser, head);
    Share share(shared_.bodies, options_.most_bodies);
    error_code error;
    if (!parser.is_done()) {
      const bool goes_on = co_await expect_continue(request);
      if (!goes_on) co_return false;
      expire_after(options_.body_timeout);
      parser.body_limit(most);
    }
    while (!error && !parser.is_done()) {  // what was announced costs nothing until it is there
      co_await http::async_read_some(stream_, buffer_, parser, into(error));
      if (!share.grow_to(parser.get().body().size())) co_return co_await refuse_busy(admitted, head);
    }
    if (error == http::error::body_limit) co_return co_await refuse_large(admitted, head, most);
    if (error) co_return co_await refuse_malformed(error);
    bytes_in_ = request.body().size();
    co_return co_await reply_to(admitted, head, request.body(), nullptr);
  }

  // Who has no right to be here, or whose request needs none, sends no body into our memory.
  std::size_t most_body_of(const Admitted& admitted) const {
    if (admitted.operation != nullptr && admitted.operation->uploads) return options_.most_import;
    if (admitted.operation != nullptr && admitted.operation->body != nullptr) return options_.most_body;
    return std::min(options_.most_header, options_.most_body);
  }

  // The body goes to disk, chunk by chunk.
  Task<bool> uploaded(const Admitted& admitted, Parser& begun, const Head& head) {
    Share share(shared_.bodies, options_.most_bodies);
    const bool room = share.grow_to(upload_piece) && shared_.slow.load() < most_slow();
    if (!room) co_return co_await refuse_busy(admitted, head);
    const bool goes_on = co_await expect_continue(begun.get());
    if (!goes_on) co_return false;
    http::request_parser<http::buffer_body> parser(std::move(begun));
    parser.body_limit(options_.most_import);
    std::unique_ptr<Spool> spool;
    bool good = co_await on_worker([&] { return make_spool(spool); });
    std::string piece(upload_piece, '\0');
    error_code error;
    bytes_in_ = 0;
    while (good && !error && !parser.is_done()) {
      auto& body = parser.get().body();
      body.data = piece.data();
      body.size = piece.size();
      expire_after(options_.body_timeout);
      co_await http::async_read(stream_, buffer_, parser, into(error));
      if (error == http::error::need_buffer) error = {};
      const std::string_view bytes(piece.data(), piece.size() - body.size);
      bytes_in_ += bytes.size();
      good = co_await on_worker([&] { return spool->append(bytes).has_value(); });
    }
    if (error == http::error::body_limit) co_return co_await refuse_large(admitted, head, options_.most_import);
    if (error) co_return co_await refuse_malformed(error);
    if (!good) co_return co_await refuse_busy(admitted, head);
    co_return co_await reply_to(admitted, head, {}, spool.get());
  }

  bool make_spool(std::unique_ptr<Spool>& spool) const {
    auto made = Spool::make(shared_.service.spools);
    if (made) spool = std::move(*made);
    return made.has_value();
  }

  template <class Request> Task<bool> expect_continue(const Request& request) {
    const auto expect = request[http::field::expect];
    if (request.version() == 10 || !beast::iequals(expect, "100-continue")) co_return true;
    http::response<http::empty_body> go_on{http::status::continue_, request.version()};
    error_code error;
    expire_after(options_.header_timeout);
    co_await http::async_write(stream_, go_on, into(error));
    co_return !error;
  }

  Task<bool> refuse_large(const Admitted& admitted, const Head& head, std::size_t most) {
    co_return co_await refuse(admitted, head,
                              refusal(413, Say::body_too_large, admitted.language, fmt::to_string(most)));
  }

  Task<bool> refuse_busy(const Admitted& admitted, const Head& head) {
    co_return co_await refuse(admitted, head, refusal(503, Say::unavailable, admitted.language));
  }

  // By `reply`, unless it is refused anyway.
  Task<bool> refuse(const Admitted& admitted, const Head& head, Reply reply) {
    Admitted refused = admitted;
    if (admitted.operation != nullptr) refused.refused = std::move(reply);
    refused.operation = nullptr;
    co_return co_await refuse(refused, head);
  }

  // Answers before the request is read, and ends the connection.
  Task<bool> refuse(const Admitted& admitted, const Head& head) {
    close_ = true;
    co_await reply_to(admitted, head, {}, nullptr);
    co_await discard();
    co_return false;
  }

  Task<void> discard() {
    error_code error;
    if constexpr (!std::is_same_v<Stream, TlsStream>) {
      stream_.socket().shutdown(asio::socket_base::shutdown_send, error);
    }
    expire_after(discard_time);
    for (std::size_t discarded = 0; !error && discarded < most_discarded;) {
      buffer_.clear();
      discarded += co_await stream_.async_read_some(buffer_.prepare(16'384), into(error));
    }
  }

  // True: another request may follow.
  Task<bool> reply_to(const Admitted& admitted, const Head& head, std::string_view body, Spool* upload) {
    Reply reply = admitted.refused;
    Share slot(shared_.slow, most_slow()), stream(shared_.streams, options_.most_streams);
    if (admitted.operation != nullptr) {
      bool free = shared_.waiting.load() < options_.most_waiting;
      if (admitted.operation->slow) free = free && co_await slow_turn(slot, upload != nullptr);
      if (admitted.operation->streams) free = free && stream.grow_to(1);
      if (admitted.operation->quick) {
        reply = answer(shared_.service, admitted, body, upload);
      } else if (!free) {
        reply = refusal(503, Say::unavailable, admitted.language);
      } else {
        reply = co_await on_worker([&] { return answer(shared_.service, admitted, body, upload); });
      }
    }
    slot.release();
    for (const auto& header : admitted.headers) reply.headers.push_back(header);
    const bool keep = head.keep_alive && !close_ && !shared_.connections.stopping();
    const bool sent = co_await send(reply, head, keep, admitted.language);
    record(admitted, head, reply.status);
    const bool goes_on = sent && keep;
    co_return goes_on;
  }

  // Slow operations never have all work threads.
  std::size_t most_slow() const { return std::max<std::size_t>(1, options_.work_threads / 2); }

  // What took long to come waits for its turn, the others ask again.
  Task<bool> slow_turn(Share& slot, bool waits) {
    const auto deadline = std::chrono::steady_clock::now() + options_.call_timeout;
    bool granted = slot.grow_to(1);
    while (!granted && waits && std::chrono::steady_clock::now() < deadline) {
      const bool goes_on = co_await pause(std::chrono::milliseconds(50));
      if (!goes_on) co_return false;
      granted = slot.grow_to(1);
    }
    co_return granted;
  }

  template <class Run> Task<std::invoke_result_t<Run>> on_worker(Run run) {
    ++shared_.waiting;
    struct Done {
      std::atomic<std::size_t>& waiting;
      ~Done() { --waiting; }
    } done{shared_.waiting};
    co_return co_await asio::co_spawn(
        shared_.workers.get_executor(), [&run]() -> Task<std::invoke_result_t<Run>> { co_return run(); },
        asio::use_awaitable);
  }

  template <class Message> void fill(Message& message, const Reply& reply, bool keep, Language language) const {
    const auto set = [&](std::string_view name, std::string_view value) {
      message.set(beast::string_view(name.data(), name.size()), beast::string_view(value.data(), value.size()));
    };
    set("Date", date_now());
    set("Content-Type", reply.type);
    set("X-Content-Type-Options", "nosniff");
    set("Referrer-Policy", "same-origin");
    set("Cross-Origin-Opener-Policy", "same-origin");
    set("X-Request-Id", id_);
    if (reply.status >= 400) set("Content-Language", code_of(language));
    for (const auto& [name, value] : reply.headers) set(name, value);
    message.keep_alive(keep);
  }

  Task<bool> send(Reply& reply, const Head& head, bool keep, Language language) {
    expire_after(options_.body_timeout);
    error_code error;
    const auto status = static_cast<http::status>(reply.status);
    if (head.method == "HEAD") {
      http::response<http::empty_body> message{status, head.version};
      const bool ends = reply.more && head.version == 10;
      fill(message, reply, keep && !ends, language);
      if (!reply.more) message.content_length(reply.body.size());
      http::response_serializer<http::empty_body> serializer{message};
      co_await http::async_write_header(stream_, serializer, into(error));
      co_return !error && !ends;
    }
    if (!reply.more) {
      http::response<http::string_body> message{status, head.version, std::move(reply.body)};
      bytes_out_ = message.body().size();
      fill(message, reply, keep, language);
      message.prepare_payload();
      co_await http::async_write(stream_, message, into(error));
      co_return !error;
    }
    co_return co_await send_pieces(reply, head.version, keep, language);
  }

  // HTTP/1.0 knows no chunks: there the body ends with the connection.
  Task<bool> send_pieces(Reply& reply, unsigned version, bool keep, Language language) {
    const bool chunked = version == 11;
    http::response<http::empty_body> message{static_cast<http::status>(reply.status), version};
    fill(message, reply, keep && chunked, language);
    if (chunked) message.chunked(true);
    http::response_serializer<http::empty_body> serializer{message};
    error_code error;
    co_await http::async_write_header(stream_, serializer, into(error));
    std::optional<std::string> piece = std::move(reply.body);
    bool failed = false;
    while (!error && !failed && piece) {
      if (reply.patient) expire_after(options_.body_timeout);
      if (!piece->empty()) co_await send_piece(*piece, chunked, error);
      if (reply.pause.count() > 0) {
        const bool goes_on = co_await wait_for_more(reply, piece->empty());
        if (!goes_on) break;
      }
      if (!error) piece = co_await on_worker([&] { return next_piece(reply, failed); });
    }
    // What failed half way must not look whole: the connection ends without the last chunk, or as broken.
    if (failed) break_off();
    if (!error && !failed && chunked) co_await asio::async_write(stream_, http::make_chunk_last(), into(error));
    co_return !error && !failed && chunked;
  }

  Task<void> send_piece(const std::string& piece, bool chunked, error_code& error) {
    bytes_out_ += piece.size();
    if (chunked) {
      co_await asio::async_write(stream_, http::make_chunk(asio::buffer(piece)), into(error));
    } else {
      co_await asio::async_write(stream_, asio::buffer(piece), into(error));
    }
  }

  Task<bool> wait_for_more(const Reply& reply, bool nothing_new) {
    bool quiet = nothing_new, goes_on = !shared_.connections.stopping();
    while (quiet && goes_on) {
      goes_on = co_await pause(reply.pause);
      quiet = reply.is_quiet();
    }
    co_return goes_on;
  }

  // False: the server is stopping.
  Task<bool> pause(std::chrono::milliseconds time) {
    asio::steady_timer timer(co_await asio::this_coro::executor, time);
    error_code ignored;
    co_await timer.async_wait(into(ignored));
    co_return !shared_.connections.stopping();
  }

  // A reset instead of an orderly end.
  void break_off() {
    error_code ignored;
    beast::get_lowest_layer(stream_).socket().set_option(asio::socket_base::linger(true, 0), ignored);
    beast::get_lowest_layer(stream_).close();
  }

  static std::optional<std::string> next_piece(Reply& reply, bool& failed) {
    try {
      return reply.more();
    } catch (...) {
      failed = true;
      return std::nullopt;
    }
  }

  void record(const Admitted& admitted, const Head& head, unsigned status) {
    const auto took = std::chrono::steady_clock::now() - begun_;
    const std::string_view method =
        admitted.operation ? name_of(admitted.operation->method) : std::string_view("other");
    shared_.metrics.count(method, admitted.route, status, took);
    shared_.log.write({.id = id_,
                       .method = head.method,
                       .path = std::string_view(head.target).substr(0, head.target.find('?')),
                       .tenant = admitted.space.tenant,
                       .space = admitted.space.name,
                       .token = admitted.rights.name,
                       .status = status,
                       .bytes_in = std::exchange(bytes_in_, 0),
                       .bytes_out = std::exchange(bytes_out_, 0),
                       .took = took});
  }

  Stream& stream_;
  Shared& shared_;
  const ServerOptions& options_;
  OpenConnections::Entry& entry_;
  beast::flat_buffer buffer_;
  std::string id_;
  std::chrono::steady_clock::time_point begun_{};
  std::uint64_t bytes_in_ = 0, bytes_out_ = 0;
  bool close_ = false;
};

template <class Stream> Task<bool> begin(Stream& stream, const ServerOptions& options) {
  if constexpr (std::is_same_v<Stream, TlsStream>) {
    beast::get_lowest_layer(stream).expires_after(options.header_timeout);
    error_code error;
    co_await stream.async_handshake(asio::ssl::stream_base::server, asio::redirect_error(asio::use_awaitable, error));
    co_return !error;
  }
  co_return true;
}

template <class Stream> Task<void> end(Stream& stream) {
  error_code error;
  if constexpr (std::is_same_v<Stream, TlsStream>) {
    beast::get_lowest_layer(stream).expires_after(discard_time);
    co_await stream.async_shutdown(asio::redirect_error(asio::use_awaitable, error));
  }
  beast::get_lowest_layer(stream).socket().shutdown(asio::socket_base::shutdown_both, error);
  beast::get_lowest_layer(stream).close();
  co_return;
}

template <class Stream> Task<void> serve(std::shared_ptr<Stream> stream, Shared& shared) {
  const auto executor = co_await asio::this_coro::executor;
  const Counted counted(shared.metrics);
  {
    // Posted, for the stream belongs to its thread.
    const auto close = [executor, weak = std::weak_ptr<Stream>(stream)] {
      asio::post(executor, [weak] {
        if (const auto alive = weak.lock()) beast::get_lowest_layer(*alive).close();
      });
    };
    OpenConnections::Entry entry(shared.connections, close);
    const bool begun = co_await begin(*stream, shared.service.options);
    if (begun) {
      Exchange<Stream> exchange(*stream, shared, entry);
      co_await exchange.run();
      co_await end(*stream);
    }
    stream.reset();
  }
}

}  // namespace fractal::server

#endif
