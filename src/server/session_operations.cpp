// Invariant: nobody gets more rights by a session than by the token that it is made from, and a session makes no session.
#include "src/server/operations.h"

#include "src/server/sessions.h"

namespace fractal::server {
namespace {

// What a session costs is bounded, as their number is.
void check_size(const Rights& wanted, const Rights& own) {
  constexpr std::size_t most = 2'000;
  const std::string text = to_json(wanted);
  if (text.size() > most && text != to_json(own)) refuse_value({"body", "req"}, "tenants and namespaces are too long");
}

Reply too_many(Language language) {
  Reply reply = refusal(429, Say::rate_limited, language);
  reply.headers.emplace_back("Retry-After", "10");
  return reply;
}

}  // namespace

Reply open_session(Call& call) {
  if (call.service.tokens.open() || !call.rights.session.empty()) throw Refused{403, Say::permission_denied};
  const Rights wanted = accepted(rights_from(call.body_text, call.rights), {"body", "req"});
  check_size(wanted, call.rights);
  if (!allows_no_more(wanted, call.rights)) throw Refused{403, Say::permission_denied};
  const std::chrono::seconds life(call.body.integer("expires_in").value_or(3'600));
  const auto opened = call.service.sessions.open(wanted, life).value();
  if (!opened) return too_many(call.language);
  std::string body = Object()
                         .text("token", opened->token)
                         .text("id", opened->id)
                         .text("expires_at", iso_time(opened->expires_at))
                         .str();
  body.replace(body.size() - 1, 1, ", " + to_json(wanted).substr(1));
  Reply reply{.body = std::move(body)};
  reply.headers.emplace_back("Cache-Control", "no-store");
  return reply;
}

Reply close_session(Call& call) {
  const bool revoked = call.service.sessions.close(call.segment, call.rights).value();
  return {.body = Object().text("id", call.segment).flag("revoked", revoked).str()};
}

}  // namespace fractal::server
