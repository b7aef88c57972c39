// Invariant: every route is here once; validation, /openapi.json, the router and `Allow` read this table alone.
#include "src/server/operations.h"

#include "src/percent.h"
#include "src/server/schemas.h"

#include <algorithm>
#include <optional>

namespace fractal::server {
namespace {

using enum Method;

const std::vector<Operation>& table() {
  static const std::vector<Operation> operations{
      {.method = post,
       .path = "/memories",
       .id = "store_memory",
       .summary = "Store a memory, or replace the one at its coordinate",
       .run = store_memory,
       .permission = Permission::write,
       .body = &schemas::store_request,
       .reply = &schemas::store_response,
       .refusals = {409}},
      {.method = get,
       .path = "/memories",
       .id = "list_memories",
       .summary = "Memories page by page",
       .run = list_memories,
       .query = &schemas::list_query,
       .reply = &schemas::list_response},
      {.method = post,
       .path = "/memories/batch",
       .id = "batch_memories",
       .summary = "Many writes, all or nothing",
       .run = batch_memories,
       .permission = Permission::write,
       .body = &schemas::batch_request,
       .reply = &schemas::batch_response,
       .refusals = {404, 409}},
      {.method = get,
       .path = "/memories/export",
       .id = "export_memories",
       .summary = "Memories and links as lines of JSON, of one moment",
       .run = export_memories,
       .query = &schemas::export_query,
       .types = {"application/x-ndjson"},
       .slow = true},
      {.method = post,
       .path = "/memories/import",
       .id = "import_memories",
       .summary = "Such lines, in transactions of 1,000",
       .run = import_memories,
       .permission = Permission::write,
       .query = &schemas::import_query,
       .reply = &schemas::import_response,
       .refusals = {409, 413},
       .slow = true,
       .uploads = true},
      {.method = get,
       .path = "/memories/search",
       .id = "search_memories_by_query",
       .summary = "Search by words and meaning",
       .run = search_by_query,
       .query = &schemas::search_query,
       .reply = &schemas::search_response,
       .tag = "search"},
      {.method = post,
       .path = "/memories/search",
       .id = "search_memories",
       .summary = "Search by words, meaning or a vector",
       .run = search_by_body,
       .body = &schemas::search_request,
       .reply = &schemas::search_response,
       .tag = "search"},
      {.method = get,
       .path = "/memories/{coord}",
       .id = "get_memory",
       .summary = "The memory at a coordinate",
       .run = get_memory,
       .reply = &schemas::get_response,
       .refusals = {404},
       .quick = true},
      {.method = patch,
       .path = "/memories/{coord}",
       .id = "patch_memory",
       .summary = "Change parts of a memory",
       .run = patch_memory,
       .permission = Permission::write,
       .body = &schemas::patch_request,
       .reply = &schemas::patch_response,
       .refusals = {404, 409}},
      {.method = remove,
       .path = "/memories/{coord}",
       .id = "delete_memory",
       .summary = "Remove a memory with its links",
       .run = delete_memory,
       .permission = Permission::remove,
       .reply = &schemas::delete_response},
      {.method = post,
       .path = "/graph/link",
       .id = "store_link",
       .summary = "Link two coordinates",
       .run = store_link,
       .permission = Permission::write,
       .body = &schemas::link_request,
       .reply = &schemas::link_response,
       .tag = "graph"},
      {.method = remove,
       .path = "/graph/link",
       .id = "delete_link",
       .summary = "Remove a link",
       .run = delete_link,
       .permission = Permission::remove,
       .query = &schemas::unlink_request,
       .reply = &schemas::unlink_response,
       .tag = "graph"},
      {.method = get,
       .path = "/graph/neighbors",
       .id = "get_neighbors",
       .summary = "What a coordinate is linked with",
       .run = get_neighbors,
       .query = &schemas::neighbors_query,
       .reply = &schemas::neighbors_response,
       .tag = "graph"},
      {.method = get,
       .path = "/graph/path",
       .id = "get_path",
       .summary = "The shortest way between two coordinates",
       .run = get_path,
       .query = &schemas::path_query,
       .reply = &schemas::path_response,
       .tag = "graph"},
      {.method = get,
       .path = "/graph/export",
       .id = "export_graph",
       .summary = "Coordinates and links for other tools",
       .run = export_graph,
       .query = &schemas::graph_export_query,
       .types = {"application/json", "application/graphml+xml", "text/vnd.graphviz"},
       .tag = "graph",
       .slow = true},
      {.method = get,
       .path = "/changes",
       .id = "get_changes",
       .summary = "What changes, as server-sent events",
       .run = get_changes,
       .query = &schemas::changes_query,
       .types = {"text/event-stream"},
       .refusals = {410},
       .tag = "changes",
       .streams = true},
      {.method = post,
       .path = "/sessions",
       .id = "open_session",
       .summary = "A short-lived token with the same rights or fewer",
       .run = open_session,
       .permission = Permission::none,
       .body = &schemas::session_request,
       .reply = &schemas::session_response,
       .tag = "sessions",
       .of_a_space = false},
      {.method = remove,
       .path = "/sessions/{id}",
       .id = "close_session",
       .summary = "A session's token counts no more",
       .run = close_session,
       .permission = Permission::none,
       .reply = &schemas::session_closed,
       .tag = "sessions",
       .of_a_space = false},
      {.method = remove,
       .path = "/spaces",
       .id = "erase_space",
       .summary = "Erase everything of this tenant and namespace",
       .run = erase_space,
       .permission = Permission::admin,
       .query = &schemas::erase_query,
       .reply = &schemas::erase_response,
       .tag = "spaces"},
      {.method = get,
       .path = "/health",
       .id = "get_health",
       .summary = "Backends, totals and tenants",
       .run = get_health,
       .guard = Guard::bearer,
       .reply = &schemas::health_response,
       .tag = "state"},
      {.method = get,
       .path = "/test-stats",
       .id = "get_test_stats",
       .summary = "As /stats, with a token",
       .run = get_stats,
       .guard = Guard::bearer,
       .reply = &schemas::stats_response,
       .tag = "state"},
      {.method = get,
       .path = "/stats",
       .id = "get_stats",
       .summary = "Counts of a tenant's namespace",
       .run = get_stats,
       .guard = Guard::private_,
       .reply = &schemas::stats_response,
       .tag = "state"},
      {.method = get,
       .path = "/healthz",
       .id = "get_healthz",
       .summary = "Whether the backends work",
       .run = get_healthz,
       .guard = Guard::open,
       .permission = Permission::none,
       .reply = &schemas::health_flags,
       .tag = "state"},
      {.method = get,
       .path = "/readyz",
       .id = "get_readyz",
       .summary = "The same, always 200",
       .run = get_ready,
       .guard = Guard::open,
       .permission = Permission::none,
       .reply = &schemas::health_flags,
       .tag = "state"},
      {.method = get,
       .path = "/health/basic",
       .id = "get_health_basic",
       .summary = "The same, always 200",
       .run = get_ready,
       .guard = Guard::open,
       .permission = Permission::none,
       .reply = &schemas::health_flags,
       .tag = "state"},
      {.method = get,
       .path = "/ping",
       .id = "ping",
       .summary = "Whether the server answers",
       .run = get_ping,
       .guard = Guard::open,
       .permission = Permission::none,
       .reply = &schemas::ping_response,
       .tag = "state",
       .quick = true},
      {.method = get,
       .path = "/",
       .id = "root",
       .summary = "What this is",
       .run = get_root,
       .guard = Guard::open,
       .permission = Permission::none,
       .reply = &schemas::root_response,
       .tag = "state",
       .described = false,
       .quick = true},
      {.method = get,
       .path = "/metrics",
       .id = "get_metrics",
       .summary = "Counters for Prometheus",
       .run = get_metrics,
       .guard = Guard::open,
       .permission = Permission::none,
       .tag = "state",
       .described = false},
      {.method = get,
       .path = "/openapi.json",
       .id = "get_openapi",
       .summary = "This description",
       .run = get_openapi,
       .guard = Guard::open,
       .permission = Permission::none,
       .tag = "state",
       .described = false},
      {.method = get,
       .path = "/docs",
       .id = "get_docs",
       .summary = "This description, for people",
       .run = get_docs,
       .guard = Guard::open,
       .permission = Permission::none,
       .tag = "state",
       .described = false},
  };
  return operations;
}

// The segment that stands for the variable, still encoded; false: another path.
bool fits(std::string_view pattern, std::string_view path, std::string_view& segment) {
  if (!pattern.ends_with('}')) return pattern == path;
  const std::string_view prefix = pattern.substr(0, pattern.find('{'));
  if (!path.starts_with(prefix) || path.size() == prefix.size()) return false;
  segment = path.substr(prefix.size());
  return segment.find('/') == std::string_view::npos;
}

}  // namespace

std::string_view name_of(Method method) {
  switch (method) {
    case get: return "GET";
    case post: return "POST";
    case patch: return "PATCH";
    case remove: return "DELETE";
  }
  return {};
}

std::span<const Operation> operations() { return table(); }

Match match(std::string_view method, std::string_view path) {
  Match found;
  std::string_view matched;  // a fixed path goes before one with a variable
  for (const Operation& operation : table()) {
    std::string_view segment;
    if (!matched.empty() && operation.path != matched) continue;
    if (!fits(operation.path, path, segment)) continue;
    matched = operation.path;
    found.allowed.push_back(operation.method);
    const bool head = method == "HEAD" && operation.method == get;
    if (method != name_of(operation.method) && !head) continue;
    found.operation = &operation;
    found.segment = percent_decoded(segment, false);
  }
  return found;
}

std::string percent_decoded(std::string_view text, bool plus_is_blank) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = text[i] == '%' ? byte_of(text.substr(i + 1, 2)) : std::nullopt;
    if (byte) {
      decoded += *byte;
      i += 2;
    } else {
      decoded += text[i] == '+' && plus_is_blank ? ' ' : text[i];
    }
  }
  return decoded;
}

Parameters parameters_of(std::string_view query) {
  Parameters parameters;
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const std::string_view part = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (part.empty()) continue;
    const auto equals = std::min(part.find('='), part.size());
    parameters.emplace_back(percent_decoded(part.substr(0, equals), true),
                            percent_decoded(part.substr(std::min(equals + 1, part.size())), true));
  }
  return parameters;
}

}  // namespace fractal::server
