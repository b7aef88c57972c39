// A client that keeps a server busy, made to take little of the machine itself: one thread, sockets that stay open, a
// request under way on each, replies read only as far as their end must be known.
#ifndef FRACTAL_BENCH_SERVER_LOAD_H
#define FRACTAL_BENCH_SERVER_LOAD_H

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fractal::bench {

struct Load {
  double seconds = 0;
  std::vector<double> latencies{};  // seconds, one a call

  double rate() const { return static_cast<double>(latencies.size()) / seconds; }
};

// As it goes over the wire, with keep-alive.
std::string http_request(std::string_view method, std::string_view path, std::string_view body = {});
constexpr std::string_view bearer_token = "a token of the bench";

// Sends each request once; the next one goes out wherever a reply came in. Throws unless every reply is a 200.
Load load_server(std::uint16_t port, std::size_t connections, std::span<const std::string> requests);
// The body of one reply.
std::string ask_server(std::uint16_t port, const std::string& request);

}  // namespace fractal::bench

#endif
