// The operations: routes with their permissions and schemas, each as a function from a call to a reply.
#ifndef FRACTAL_SRC_SERVER_OPERATIONS_H
#define FRACTAL_SRC_SERVER_OPERATIONS_H

#include "src/server/call.h"
#include "src/server/schema.h"
#include "src/server/tokens.h"

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace fractal::server {

enum class Method { get, post, patch, remove };
std::string_view name_of(Method method);

// How the token has to be given.
enum class Guard {
  open,      // none is asked for
  token,     // 401 "Unauthorized"
  bearer,    // 401 "Missing Authorization header" or "Invalid API token", as the service has it for /health
  private_,  // only with ServerOptions::private_stats; a token that is given counts
};

struct Operation {
  Method method;
  std::string_view path;  // "{coord}" or "{id}" at its end stands for one segment
  std::string_view id;    // operationId
  std::string_view summary;
  Reply (*run)(Call& call);
  Guard guard = Guard::token;
  Permission permission = Permission::read;
  const Schema* query = nullptr;
  const Schema* body = nullptr;
  const Schema* reply = nullptr;                            // null: not JSON
  std::vector<std::string_view> types{"application/json"};  // of the reply
  std::vector<unsigned> refusals{};                         // besides those that guard, query and body bring along
  std::string_view tag = "memories";
  bool described = true;  // in /openapi.json
  bool of_a_space = true;
  bool quick = false;    // runs on an I/O thread: at most one row is read, which costs less than to hand it over
  bool slow = false;     // takes as long as there are memories: never on all work threads at once
  bool streams = false;  // its reply may wait for what comes
  bool uploads = false;  // takes lines of any number as its body: Call::upload
};

std::span<const Operation> operations();
// The place in operations(); nullopt with an empty `allowed`: no such path; else wrong method.
struct Match {
  const Operation* operation = nullptr;
  std::vector<Method> allowed{};
  std::string segment{};
};
// `path`: percent-encoded, without the query.
Match match(std::string_view method, std::string_view path);
// "%2C" -> ","; a "+" stays.
std::string percent_decoded(std::string_view text, bool plus_is_blank);
Parameters parameters_of(std::string_view query);

// ---- Of memories ----
Reply store_memory(Call& call);
Reply get_memory(Call& call);
Reply patch_memory(Call& call);
Reply delete_memory(Call& call);
Reply list_memories(Call& call);
Reply batch_memories(Call& call);
Reply erase_space(Call& call);
Reply export_memories(Call& call);
Reply import_memories(Call& call);
Reply get_changes(Call& call);
// ---- Search ----
Reply search_by_query(Call& call);
Reply search_by_body(Call& call);
// ---- Graph ----
Reply store_link(Call& call);
Reply delete_link(Call& call);
Reply get_neighbors(Call& call);
Reply get_path(Call& call);
Reply export_graph(Call& call);
// ---- Sessions ----
Reply open_session(Call& call);
Reply close_session(Call& call);
// ---- State ----
Reply get_root(Call& call);
Reply get_ping(Call& call);
Reply get_healthz(Call& call);
Reply get_ready(Call& call);
Reply get_health(Call& call);
Reply get_stats(Call& call);
Reply get_metrics(Call& call);
Reply get_openapi(Call& call);
Reply get_docs(Call& call);

}  // namespace fractal::server

#endif
