// Invariant: no operation runs before the token's rights to it, and to its tenant and namespace, have been found good;
// whatever it throws becomes a reply.
#include "src/server/dispatch.h"

#include "src/server/metrics.h"
#include "src/server/sessions.h"
#include "src/utf8.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>

namespace fractal::server {
namespace {

std::string allow_text(const std::vector<Method>& methods) {
  std::string text;
  for (const Method method : methods) {
    text += (text.empty() ? "" : ", ") + std::string(name_of(method));
    if (method == Method::get) text += ", HEAD";
  }
  return text;
}

// The token of "Bearer <token>"; nullopt: another scheme, or none.
std::optional<std::string_view> bearer_token(const std::optional<std::string_view>& header, bool any_case) {
  constexpr std::string_view scheme = "Bearer ";
  if (!header || header->size() < scheme.size()) return std::nullopt;
  const std::string_view given = header->substr(0, scheme.size());
  if (given != scheme && !(any_case && same_letters(given, scheme))) return std::nullopt;
  std::string_view token = header->substr(scheme.size());
  const auto begin = token.find_first_not_of(' ');
  return begin == std::string_view::npos ? std::string_view() : token.substr(begin);
}

// A session that cannot be looked up is neither good nor bad: 503.
std::optional<Rights> rights_of(const Service& service, std::string_view token) {
  if (auto rights = service.tokens.find(token)) return rights;
  auto rights = service.sessions.find(token);
  if (!rights) service.metrics.cache_failed();
  return std::move(rights).value();
}

// nullopt: nobody, and nobody is asked for.
std::optional<Rights> rights_of(const Service& service, const Operation& operation, const Request& request) {
  if (service.tokens.open()) return Rights{.name = "open", .identity = "open"};
  const bool strict = operation.guard == Guard::bearer;
  const bool optional = operation.guard == Guard::private_ && !service.options.private_stats;
  const auto token = bearer_token(request.authorization, !strict);
  if (!token) {
    if (optional && !request.authorization) return std::nullopt;
    throw Refused{401, strict ? Say::missing_authorization : Say::unauthorized};
  }
  auto rights = rights_of(service, *token);
  if (!rights) throw Refused{401, strict ? Say::invalid_token : Say::unauthorized};
  return rights;
}

// `host`: with or without a port.
bool is_this_machine(std::string_view host) {
  constexpr std::string_view six = "[::1]";
  const auto colon = host.rfind(':');
  if (colon != host.npos && host.find(']', colon) == host.npos) host = host.substr(0, colon);
  const bool four = host.starts_with("127.") && host.find_first_not_of("0123456789.") == host.npos;
  return host.empty() || host == six || four || same_letters(host, "localhost");
}

// Behind a browser's back a page of another site may ask what is open to everybody on this machine, by a name of its own
// that leads here, or by this machine's.
void check_origin(const Service& service, const Request& request) {
  if (!service.tokens.open()) return;
  std::string_view origin = request.origin.value_or("");
  const auto scheme = origin.find("://");
  if (scheme != origin.npos) origin.remove_prefix(scheme + 3);
  if (!is_this_machine(request.host.value_or("")) || !is_this_machine(origin) || request.fetch_site == "cross-site") {
    throw Refused{403, Say::permission_denied};
  }
}

// 0 of what is none: a cache of somebody else's may say anything.
std::string whole(double value) {
  return fmt::to_string(static_cast<std::uint64_t>(value > 0 ? std::min(value, 1e15) : 0));
}

// One bucket for each token and tenant. While the cache does not answer, each server counts by itself.
void check_rate(const Service& service, Admitted& admitted) {
  const Cache::Bucket bucket{service.options.rate_limit,
                             std::max({1.0, service.options.rate_limit, service.options.rate_burst})};
  if (bucket.per_second <= 0) return;
  const std::string key = fmt::format("rate/{}/{}", admitted.rights.identity, admitted.space.tenant);
  auto taken = service.cache.take(key, bucket);
  if (!taken) {
    service.metrics.cache_failed();
    taken = service.own_buckets.take(key, bucket);
  }
  if (!taken) return;
  const double until_full = (bucket.burst - taken->left) / bucket.per_second;
  const auto seconds = [](double time) { return whole(std::ceil(time)); };
  admitted.headers.emplace_back("X-RateLimit-Limit", whole(bucket.burst));
  admitted.headers.emplace_back("X-RateLimit-Remaining", whole(taken->left));
  admitted.headers.emplace_back("X-RateLimit-Reset", seconds(until_full));
  if (taken->granted) return;
  service.metrics.refused_by_rate();
  admitted.headers.emplace_back("Retry-After", seconds(std::chrono::duration<double>(taken->wait).count()));
  throw Refused{429, Say::rate_limited};
}

// A header, or the only name that the token is for, or "default".
std::string chosen(const std::optional<std::string_view>& header, const std::vector<std::string>& names) {
  const std::string_view name = trimmed(header.value_or(""));
  if (!name.empty()) return std::string(name);
  return names.size() == 1 ? names.front() : "default";
}

std::optional<Flaw> flaw_of_name(std::string_view name, std::string_view header) {
  const std::vector<std::string> place{"header", std::string(header)};
  if (name.size() > limits::space_name) {
    const std::string most = fmt::to_string(limits::space_name);
    return Flaw{"string_too_long", place, Say::string_too_long, most, fmt::format("{{\"max_length\": {}}}", most)};
  }
  if (!valid_text(name)) return Flaw{"string_unicode", place, Say::unicode_string};
  return std::nullopt;
}

void choose_space(const Request& request, const Rights& rights, Admitted& admitted) {
  admitted.space = {chosen(request.tenant, rights.tenants), chosen(request.space, rights.namespaces)};
  std::vector<Flaw> flaws;
  if (auto flaw = flaw_of_name(admitted.space.tenant, "X-Soma-Tenant")) flaws.push_back(std::move(*flaw));
  if (auto flaw = flaw_of_name(admitted.space.name, "X-Soma-Namespace")) flaws.push_back(std::move(*flaw));
  if (!flaws.empty()) throw Invalid{std::move(flaws)};
  if (!rights.may_see(admitted.space.tenant, admitted.space.name)) throw Refused{403, Say::permission_denied};
}

void check_rights(const Service& service, const Request& request, Admitted& admitted) {
  const Operation& operation = *admitted.operation;
  check_origin(service, request);
  if (operation.guard == Guard::open) return;
  const auto rights = rights_of(service, operation, request);
  if (!rights) return;  // the default tenant and namespace
  admitted.token = bearer_token(request.authorization, true).value_or("");
  admitted.rights = *rights;
  if (operation.of_a_space) choose_space(request, *rights, admitted);
  if (!rights->may(operation.permission)) throw Refused{403, Say::permission_denied};
  check_rate(service, admitted);
}

bool still_permitted(const Service& service, const Admitted& admitted) {
  if (service.tokens.open()) return true;
  const auto rights = rights_of(service, admitted.token);
  return rights && rights->may(admitted.operation->permission) &&
         rights->may_see(admitted.space.tenant, admitted.space.name);
}

// The target of a request to a proxy, "http://host/path", without what leads to here.
std::string_view path_of(std::string_view target) {
  if (target.starts_with('/')) return target;
  const auto scheme = target.find("://");
  if (scheme == target.npos) return target;
  const auto slash = target.find('/', scheme + 3);
  return slash == target.npos ? "/" : target.substr(slash);
}

// What a piece of our own code, or of the library, throws.
template <class Run> Reply replied(Language language, const Run& run) {
  try {
    return run();
  } catch (const Refused& refused) {
    return refusal(refused.status, refused.what, language, refused.value);
  } catch (const Invalid& invalid) { return flawed(invalid.flaws, language); } catch (const Exception& exception) {
    const Refused refused = refused_by(exception.error());
    return refusal(refused.status, refused.what, language, refused.value);
  } catch (const std::exception&) {  // no memory, say
    return refusal(500, Say::internal, language);
  }
}

}  // namespace

bool may_wait_to_admit(const Service& service, const Request& request) {
  if (!service.cache.may_wait() || (!request.authorization && !service.tokens.open())) return false;
  return service.options.rate_limit > 0 ||
         Sessions::looks_like(bearer_token(request.authorization, true).value_or(std::string_view()));
}

Admitted admit(const Service& service, const Request& request) {
  Admitted admitted;
  admitted.language = language_of(request.accept_language.value_or(""));
  const std::string_view target = path_of(request.target);
  const auto question = std::min(target.find('?'), target.size());
  Match found = match(request.method, target.substr(0, question));
  if (found.operation == nullptr) {
    if (found.allowed.empty()) {
      admitted.refused = refusal(404, Say::not_found, admitted.language);
    } else {
      admitted.refused = refusal(405, Say::method_not_allowed, admitted.language);
      admitted.refused.headers.emplace_back("Allow", allow_text(found.allowed));
    }
    return admitted;
  }
  admitted.operation = found.operation;
  admitted.route = found.operation->path;
  admitted.segment = std::move(found.segment);
  admitted.question = target.substr(std::min(question + 1, target.size()));
  admitted.parameters = parameters_of(admitted.question);
  admitted.last_event = request.last_event.value_or("");
  admitted.head = request.method == "HEAD";
  const Reply refused = replied(admitted.language, [&]() -> Reply {
    check_rights(service, request, admitted);
    return {};
  });
  if (refused.status != 200) {
    admitted.operation = nullptr;
    admitted.refused = refused;
  }
  return admitted;
}

Reply answer(const Service& service, const Admitted& admitted, std::string_view body, Spool* upload) {
  return replied(admitted.language, [&]() -> Reply {
    const Operation& operation = *admitted.operation;
    if (body.starts_with("\xEF\xBB\xBF")) body.remove_prefix(3);  // a byte order mark
    Call call{.service = service,
              .memory = service.memory.in(admitted.space),
              .rights = admitted.rights,
              .language = admitted.language,
              .segment = admitted.segment,
              .body_text = body,
              .question = admitted.question,
              .last_event = admitted.last_event,
              .head = admitted.head,
              .upload = upload,
              .still_permitted = [&] { return still_permitted(service, admitted); }};
    call.control.cancel = &service.giving_up;
    if (!operation.slow) call.control.deadline = std::chrono::steady_clock::now() + service.options.call_timeout;
    std::vector<Flaw> flaws;
    if (operation.query != nullptr) call.query = read_query(*operation.query, admitted.parameters, flaws);
    if (operation.body != nullptr && !read_body(*operation.body, body, call.body, flaws)) {
      throw Refused{400, Say::cannot_parse_body};
    }
    if (!flaws.empty()) throw Invalid{std::move(flaws)};
    return operation.run(call);
  });
}

}  // namespace fractal::server
