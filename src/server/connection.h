// One client: reads its requests one after the other, and sends the replies.
#ifndef FRACTAL_SRC_SERVER_CONNECTION_H
#define FRACTAL_SRC_SERVER_CONNECTION_H

#include "src/server/access_log.h"
#include "src/server/dispatch.h"
#include "src/server/open_connections.h"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>

#include <atomic>
#include <memory>

namespace fractal::server {

// What all connections share.
struct Shared {
  const Service& service;
  boost::asio::thread_pool& workers;
  OpenConnections& connections;
  AccessLog& log;
  Metrics& metrics;
  std::atomic<std::size_t> waiting{0};  // requests that a work thread has, or will have
  std::atomic<std::size_t> slow{0};     // of them, slow operations
  std::atomic<std::size_t> streams{0};  // replies that wait for what comes
  std::atomic<std::size_t> bodies{0};   // bytes of requests that are there
};

using TcpStream = boost::beast::tcp_stream;
using TlsStream = boost::beast::ssl_stream<boost::beast::tcp_stream>;
using UnixStream = boost::beast::basic_stream<boost::asio::local::stream_protocol>;

// To the end of the connection. Runs on the stream's executor, by which nothing runs at the same time.
template <class Stream> boost::asio::awaitable<void> serve(std::shared_ptr<Stream> stream, Shared& shared);

}  // namespace fractal::server

#endif
