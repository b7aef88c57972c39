// One request on its way through an operation.
#ifndef FRACTAL_SRC_SERVER_CALL_H
#define FRACTAL_SRC_SERVER_CALL_H

#include "src/server/fields.h"
#include "src/server/reply.h"
#include "src/server/tokens.h"

#include <fractal/cache.h>
#include <fractal/fractal_memory.h>
#include <fractal/server.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <string>

namespace fractal::server {

class ChangeWatch;
class HealthProbe;
class Metrics;
class Sessions;
class Spool;
struct SpoolRoom;

// What all requests share.
struct Service {
  FractalMemory memory;
  const ServerOptions& options;
  const Tokens& tokens;
  Cache& cache;
  Cache& own_buckets;  // of rate limits, while the cache does not answer
  Sessions& sessions;
  Metrics& metrics;
  HealthProbe& health;
  SpoolRoom& spools;
  ChangeWatch& changes;
  const std::string id;                // of this run of the server
  const std::atomic<bool>& giving_up;  // calls that still run shall stop
  std::chrono::steady_clock::time_point started;
};

struct Call {
  const Service& service;
  FractalMemory memory;  // the space of the request
  Rights rights{};
  Language language = Language::english;
  std::string segment{};  // what stands for {coord} or {id} in the path, decoded
  std::string_view body_text{};
  std::string_view question{};  // the target behind its "?", as it was sent
  std::string_view last_event{};
  bool head = false;        // the reply's headers alone are wanted
  Spool* upload = nullptr;  // the body of an operation that takes one of any size
  std::function<bool()> still_permitted{};
  Fields query{}, body{};  // views into what was sent
  Control control{};
};

// 400 as the contract has it, 422 if it is too long; `place` is that of its field.
Coordinate coordinate_of(std::string_view text, const std::vector<std::string>& place);

// Thrown like Refused, for the values of a request.
struct Invalid {
  std::vector<Flaw> flaws;
};
[[noreturn]] void refuse_value(const std::vector<std::string>& place, std::string_view why);

// The value, or a 422 where the library finds something wrong that the schema lets pass: a vector of another length, say.
template <class T> T accepted(Result<T> result, const std::vector<std::string>& place) {
  if (!result && (result.error().code == Errc::invalid_argument || result.error().code == Errc::unsupported)) {
    refuse_value(place, result.error().message);
  }
  return std::move(result).value();
}

// Of the library: what it refuses or cannot do, as a status.
Refused refused_by(const Error& error);

std::string iso_time(Time time);                       // "2026-11-22T16:21:13.203395+00:00"
std::string numbers_of(const Coordinate& coordinate);  // "[1.0, 2.0]"

}  // namespace fractal::server

#endif
