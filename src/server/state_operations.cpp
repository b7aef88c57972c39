// Invariant: totals are of spaces that the token may see, and no other.
#include "src/server/operations.h"

#include "src/server/health_probe.h"
#include "src/server/metrics.h"
#include "src/server/openapi.h"

#include <fractal/version.h>

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <map>

namespace fractal::server {
namespace {

struct Totals {
  std::uint64_t memories = 0, episodic = 0, semantic = 0, links = 0, namespaces = 0;

  void add(const Stats& stats) {
    memories += stats.memories;
    episodic += stats.episodic;
    semantic += stats.semantic;
    links += stats.links;
    ++namespaces;
  }
  void add(const Totals& other) {
    memories += other.memories;
    episodic += other.episodic;
    semantic += other.semantic;
    links += other.links;
    namespaces += other.namespaces;
  }
};

// Without admin rights a token that is for every tenant gets to see that of the request alone.
std::map<std::string, Totals> totals_of(const Call& call) {
  std::map<std::string, Totals> tenants;
  for (const Space& space : call.memory.spaces().value()) {
    if (!call.rights.may_see(space.tenant, space.name)) continue;
    const bool all = !call.rights.tenants.empty() || call.rights.admin;
    if (!all && space.tenant != call.memory.space().tenant) continue;
    tenants[space.tenant].add(call.memory.in(space).stats().value());
  }
  return tenants;
}

std::string flags_of(bool healthy) {
  return Object().flag("kv_store", healthy).flag("vector_store", healthy).flag("graph_store", healthy).str();
}

bool healthy(const Call& call) { return call.service.health.healthy(call.memory); }

std::string system_text() {
  utsname name{};
  ::uname(&name);
  return Object()
      .text("python_version", "")
      .text("platform", fmt::format("{} {} {}", name.sysname, name.release, name.machine))
      .text("hostname", name.nodename)
      .count("process_id", static_cast<std::uint64_t>(::getpid()))
      .text("django_settings", "")
      .str();
}

double seconds_since(std::chrono::steady_clock::time_point then) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - then).count();
}

std::string service_text(const Health& health, double seconds) {
  std::vector<std::string> problems;
  for (const std::string& problem : health.problems) problems.push_back(quoted(problem));
  return Object()
      .text("name", health.backend.substr(0, health.backend.find(' ')))
      .flag("healthy", health.ok)
      .number("latency_ms", 1e3 * seconds)
      .raw("details", Object().text("backend", health.backend).raw("problems", array_of(problems)).str())
      .str();
}

// Of one that is not in this process: what it does not do is done without it, so the server is healthy all the same.
std::string cache_text(Cache& cache) {
  const auto begin = std::chrono::steady_clock::now();
  const auto answered = cache.get("health");
  std::vector<std::string> problems;
  if (!answered) problems.push_back(quoted(answered.error().message));
  return Object()
      .text("name", "cache")
      .flag("healthy", answered.has_value())
      .number("latency_ms", 1e3 * seconds_since(begin))
      .raw("details", Object().raw("problems", array_of(problems)).str())
      .str();
}

}  // namespace

Reply get_root(Call&) {
  return {.body = Object()
                      .text("status", "online")
                      .text("message", "FractalMemory API is running")
                      .text("metrics", "/metrics")
                      .str()};
}

Reply get_ping(Call&) { return {.body = Object().text("ping", "pong").str()}; }

Reply get_healthz(Call& call) {
  if (!healthy(call)) return refusal(503, Say::unhealthy, call.language);
  return {.body = flags_of(true)};
}

Reply get_ready(Call& call) { return {.body = flags_of(healthy(call))}; }

Reply get_health(Call& call) {
  const auto begin = std::chrono::steady_clock::now();
  const Health health = call.memory.health().value();
  const double latency = seconds_since(begin);
  Totals all;
  std::vector<std::string> tenants;
  for (const auto& [tenant, totals] : totals_of(call)) {
    all.add(totals);
    tenants.push_back(Object()
                          .text("tenant", tenant)
                          .count("total_memories", totals.memories)
                          .count("episodic", totals.episodic)
                          .count("semantic", totals.semantic)
                          .count("graph_links", totals.links)
                          .str());
  }
  std::vector<std::string> services{service_text(health, latency)};
  if (call.service.cache.may_wait()) services.push_back(cache_text(call.service.cache));
  const std::string database = Object()
                                   .count("total_memories", all.memories)
                                   .count("episodic_memories", all.episodic)
                                   .count("semantic_memories", all.semantic)
                                   .count("total_graph_links", all.links)
                                   .count("total_namespaces", all.namespaces)
                                   .str();
  const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  return {.body = Object()
                      .flag("healthy", health.ok)
                      .text("status", health.ok ? "healthy" : "unhealthy")
                      .text("version", version())
                      .number("uptime_seconds", seconds_since(call.service.started))
                      .text("timestamp", iso_time(now))
                      .raw("services", array_of(services))
                      .raw("database", database)
                      .raw("tenants", array_of(tenants))
                      .raw("system", system_text())
                      .str()};
}

Reply get_stats(Call& call) {
  const Stats stats = call.memory.stats().value();
  return {.body = Object()
                      .count("total_memories", stats.memories)
                      .count("episodic", stats.episodic)
                      .count("semantic", stats.semantic)
                      .text("namespace", call.memory.space().name)
                      .str()};
}

Reply get_metrics(Call& call) {
  std::string text = call.service.metrics.text();
  const Stats stats = call.memory.stats().value();
  const auto gauge = [&](std::string_view name, std::string_view help, double value) {
    add_metric(text, name, "gauge", help, value);
  };
  gauge("fractal_uptime_seconds", "Since the server started.", seconds_since(call.service.started));
  gauge("fractal_healthy", "1 if the backends work.", healthy(call) ? 1 : 0);
  gauge("fractal_file_bytes", "Of the database with its log.", static_cast<double>(stats.file_bytes));
  gauge("fractal_memory_bytes", "For vectors and links of all spaces.", static_cast<double>(stats.memory_bytes));
  return {.body = std::move(text), .type = "text/plain; version=0.0.4; charset=utf-8"};
}

Reply get_openapi(Call&) { return {.body = openapi()}; }

Reply get_docs(Call&) { return {.body = docs_page(), .type = "text/html; charset=utf-8"}; }

}  // namespace fractal::server
