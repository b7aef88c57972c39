// Invariant: the threads live inside Impl: when stop() has returned, none of them touches the memory, a socket or a file.
#include "src/server/change_watch.h"
#include "src/server/connection.h"
#include "src/server/health_probe.h"
#include "src/server/io_threads.h"
#include "src/server/metrics.h"
#include "src/server/sessions.h"
#include "src/server/spool.h"

#include "src/error.h"

#include <fractal/server.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <random>
#include <vector>

namespace fractal {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using Local = asio::local::stream_protocol;
using server::AccessLog;
using server::Metrics;
using server::OpenConnections;
using server::Service;
using server::Shared;
using server::TcpStream;
using server::TlsStream;
using server::Tokens;
using server::UnixStream;

constexpr std::chrono::milliseconds pause_before_accepting{20};

Result<std::unique_ptr<Tokens>> tokens_of(const ServerOptions& options) {
  if (!options.token_file.empty()) return Tokens::from_file(options.token_file);
  if (!options.token.empty()) return Tokens::of_one(options.token);
  return Tokens::none();
}

// For connections; some are left for files.
std::size_t most_descriptors() {
  constexpr std::size_t for_files = 256;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return for_files;
  return limit.rlim_cur > 2 * for_files ? limit.rlim_cur - for_files : limit.rlim_cur / 2;
}

std::string new_id() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}", random(), random());
}

Result<void> check(const ServerOptions& options) {
  const auto wrong = [](std::string_view why) { return make_error(Errc::invalid_argument, "server: {}", why); };
  if (!options.token_file.empty() && !options.token.empty()) return wrong("a token file and a token");
  const bool tokens = !options.token_file.empty() || !options.token.empty();
  if (tokens && options.open) return wrong("open to all, and tokens");
  if (!tokens && !options.open) return wrong("no token, and not open to all");
  if (options.tls_certificate.empty() != options.tls_key.empty()) return wrong("a certificate needs its key");
  if (options.address.empty() && options.unix_socket.empty()) return wrong("nothing to listen on");
  for (const double rate : {options.rate_limit, options.rate_burst}) {
    if (!std::isfinite(rate) || rate < 0) return wrong("a rate limit that is no number from 0 on");
  }
  if (options.io_threads == 0 || options.work_threads == 0) return wrong("no threads");
  if (!options.address.empty()) {
    error_code error;
    const auto address = asio::ip::make_address(options.address, error);
    if (error) return make_error(Errc::invalid_argument, "server: {} is not a numeric address", options.address);
    if (options.open && !address.is_loopback()) return wrong("open to all listens on a loopback address alone");
  }
  return {};
}

Result<void> remove_dead_socket(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return {};
  if (!S_ISSOCK(status.st_mode)) return make_error(Errc::io, "server: {} is there and no socket", path);
  asio::io_context context;
  Local::socket probe(context);
  error_code error;
  probe.connect(Local::endpoint(path), error);
  if (error != asio::error::connection_refused) {
    return make_error(Errc::io, "server: somebody serves {} already ({})", path,
                      error ? error.message() : "it answers");
  }
  ::unlink(path.c_str());
  return {};
}

}  // namespace

struct Server::Impl {
  Impl(FractalMemory given, ServerOptions wanted, std::unique_ptr<Tokens> those, std::unique_ptr<AccessLog> log)
      : options(std::move(wanted)),
        tokens(std::move(those)),
        access_log(std::move(log)),
        cache(options.cache ? options.cache : make_memory_cache(options.cache_bytes)),
        own_buckets(make_memory_cache(options.cache_bytes)),
        sessions(*cache, *tokens),
        spools{.folder = options.spool_folder, .most_bytes = options.most_spooled},
        service{.memory = std::move(given),
                .options = options,
                .tokens = *tokens,
                .cache = *cache,
                .own_buckets = *own_buckets,
                .sessions = sessions,
                .metrics = metrics,
                .health = health,
                .spools = spools,
                .changes = changes,
                .id = new_id(),
                .giving_up = giving_up,
                .started = std::chrono::steady_clock::now()},
        workers(options.work_threads),
        shared{service, workers, connections, *access_log, metrics},
        io(options.io_threads) {}
  ~Impl() { stop(std::chrono::milliseconds(4'500)); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Result<void> listen();
  Result<void> use_certificate();
  void run();
  void stop(std::chrono::milliseconds patience);

  template <class Accept> asio::awaitable<void> keep_accepting(Accept accept);
  asio::awaitable<bool> accept_tcp();  // false: not now
  asio::awaitable<bool> accept_local();
  asio::awaitable<void> pause();

  ServerOptions options;
  std::unique_ptr<Tokens> tokens;
  std::unique_ptr<AccessLog> access_log;
  std::shared_ptr<Cache> cache, own_buckets;
  server::Sessions sessions;
  Metrics metrics;
  server::HealthProbe health;
  server::SpoolRoom spools;
  server::ChangeWatch changes;
  std::atomic<bool> giving_up{false};
  Service service;
  OpenConnections connections;
  asio::thread_pool workers;
  Shared shared;
  server::IoThreads io;
  std::optional<asio::ssl::context> tls;
  std::optional<tcp::acceptor> tcp_acceptor;
  std::optional<Local::acceptor> local_acceptor;
  std::uint16_t port = 0;
  std::atomic<bool> stopping{false};
};

Result<void> Server::Impl::use_certificate() {
  if (options.tls_certificate.empty()) return {};
  tls.emplace(asio::ssl::context::tls_server);
  tls->set_options(asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1 |
                   asio::ssl::context::default_workarounds);
  error_code error;
  tls->use_certificate_chain_file(options.tls_certificate, error);
  if (error) return make_error(Errc::io, "server: certificate {}: {}", options.tls_certificate, error.message());
  tls->use_private_key_file(options.tls_key, asio::ssl::context::pem, error);
  if (error) return make_error(Errc::io, "server: key {}: {}", options.tls_key, error.message());
  return {};
}

Result<void> Server::Impl::listen() {
  FRACTAL_TRY(use_certificate());
  try {
    if (!options.address.empty()) {
      const tcp::endpoint endpoint(asio::ip::make_address(options.address), options.port);
      tcp_acceptor.emplace(io.next(), endpoint.protocol());
      tcp_acceptor->set_option(tcp::acceptor::reuse_address(true));
      tcp_acceptor->bind(endpoint);
      tcp_acceptor->listen(4'096);
      port = tcp_acceptor->local_endpoint().port();
    }
    if (!options.unix_socket.empty()) {
      FRACTAL_TRY(remove_dead_socket(options.unix_socket));
      local_acceptor.emplace(io.next(), Local::endpoint(options.unix_socket));
    }
  } catch (const boost::system::system_error& error) {
    return make_error(Errc::io, "server: {} port {} {}: {}", options.address, options.port, options.unix_socket,
                      error.code().message());
  }
  return {};
}

asio::awaitable<void> Server::Impl::pause() {
  asio::steady_timer timer(co_await asio::this_coro::executor, pause_before_accepting);
  error_code ignored;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

// Nothing that goes wrong with one connection ends the loop.
template <class Accept> asio::awaitable<void> Server::Impl::keep_accepting(Accept accept) {
  while (!stopping) {
    bool accepted = false;
    try {
      accepted = co_await accept();
    } catch (const std::exception&) {  // no memory, say
    }
    if (!accepted && !stopping) co_await pause();  // no descriptor left, say
  }
}

asio::awaitable<bool> Server::Impl::accept_tcp() {
  if (connections.count() >= options.most_connections) co_return false;
  error_code error;
  const asio::any_io_executor executor = io.next();
  tcp::socket socket = co_await tcp_acceptor->async_accept(executor, asio::redirect_error(asio::use_awaitable, error));
  if (error || stopping) co_return false;
  socket.set_option(tcp::no_delay(true), error);
  if (tls) {
    auto stream = std::make_shared<TlsStream>(TcpStream(std::move(socket)), *tls);
    asio::co_spawn(executor, server::serve(std::move(stream), shared), asio::detached);
  } else {
    auto stream = std::make_shared<TcpStream>(std::move(socket));
    asio::co_spawn(executor, server::serve(std::move(stream), shared), asio::detached);
  }
  co_return true;
}

asio::awaitable<bool> Server::Impl::accept_local() {
  if (connections.count() >= options.most_connections) co_return false;
  error_code error;
  const asio::any_io_executor executor = io.next();
  Local::socket socket =
      co_await local_acceptor->async_accept(executor, asio::redirect_error(asio::use_awaitable, error));
  if (error || stopping) co_return false;
  auto stream = std::make_shared<UnixStream>(std::move(socket));
  asio::co_spawn(executor, server::serve(std::move(stream), shared), asio::detached);
  co_return true;
}

void Server::Impl::run() {
  if (tcp_acceptor) {
    asio::co_spawn(tcp_acceptor->get_executor(), keep_accepting([this] { return accept_tcp(); }), asio::detached);
  }
  if (local_acceptor) {
    asio::co_spawn(local_acceptor->get_executor(), keep_accepting([this] { return accept_local(); }), asio::detached);
  }
  io.start();
}

void Server::Impl::stop(std::chrono::milliseconds patience) {
  if (stopping.exchange(true)) return;
  if (tcp_acceptor) asio::post(tcp_acceptor->get_executor(), [this] { tcp_acceptor->close(); });
  if (local_acceptor) {
    asio::post(local_acceptor->get_executor(), [this] { local_acceptor->close(); });
    ::unlink(options.unix_socket.c_str());
  }
  connections.stop(patience, [this] { giving_up = true; });
  workers.join();
  io.stop();
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::Server(Server&&) noexcept = default;
Server& Server::operator=(Server&&) noexcept = default;
Server::~Server() = default;

Result<Server> Server::start(FractalMemory memory, ServerOptions options) {
  FRACTAL_TRY(check(options));
  options.most_connections = std::min(options.most_connections, most_descriptors());
  FRACTAL_TRY_INTO(auto tokens, tokens_of(options));
  FRACTAL_TRY_INTO(auto log, AccessLog::open(options.access_log));
  auto impl = std::make_unique<Impl>(std::move(memory), std::move(options), std::move(tokens), std::move(log));
  FRACTAL_TRY(server::Spool::make(impl->spools));  // or the first export would find out
  auto listening = impl->listen();
  if (!listening) return std::move(listening).error();
  impl->run();
  return Server(std::move(impl));
}

std::uint16_t Server::port() const noexcept { return impl_->port; }

Result<void> Server::reload_tokens() { return impl_->tokens->reload(); }

void Server::stop(std::chrono::milliseconds patience) { impl_->stop(patience); }

}  // namespace fractal
