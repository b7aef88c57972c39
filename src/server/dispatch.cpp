// Invariant: no operation runs before the token's rights to it, and to its tenant and namespace, have been found good;
// whatever it throws becomes a reply.
#include "src/server/dispatch.h"

#include "src/utf8.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

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
  const bool same = std::equal(scheme.begin(), scheme.end(), header->begin(), [&](char wanted, char given) {
    return wanted == given || (any_case && std::tolower(static_cast<unsigned char>(wanted)) ==
                                               std::tolower(static_cast<unsigned char>(given)));
  });
  if (!same) return std::nullopt;
  std::string_view token = header->substr(scheme.size());
  const auto begin = token.find_first_not_of(' ');
  return begin == std::string_view::npos ? std::string_view() : token.substr(begin);
}

// nullopt: nobody, and nobody is asked for.
std::optional<Rights> rights_of(const Service& service, const Operation& operation, const Request& request) {
  if (service.tokens.open()) return Rights{.name = "open"};
  const bool strict = operation.guard == Guard::bearer;
  const bool optional = operation.guard == Guard::private_ && !service.options.private_stats;
  const auto token = bearer_token(request.authorization, !strict);
  if (!token) {
    if (optional && !request.authorization) return std::nullopt;
    throw Refused{401, strict ? Say::missing_authorization : Say::unauthorized};
  }
  auto rights = service.tokens.find(*token);
  if (!rights) throw Refused{401, strict ? Say::invalid_token : Say::unauthorized};
  return rights;
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

void check_rights(const Service& service, const Request& request, Admitted& admitted) {
  const Operation& operation = *admitted.operation;
  if (operation.guard == Guard::open) return;
  const auto rights = rights_of(service, operation, request);
  if (!rights) return;  // the default tenant and namespace
  admitted.rights = *rights;
  admitted.space = {chosen(request.tenant, rights->tenants), chosen(request.space, rights->namespaces)};
  std::vector<Flaw> flaws;
  if (auto flaw = flaw_of_name(admitted.space.tenant, "X-Soma-Tenant")) flaws.push_back(std::move(*flaw));
  if (auto flaw = flaw_of_name(admitted.space.name, "X-Soma-Namespace")) flaws.push_back(std::move(*flaw));
  if (!flaws.empty()) throw Invalid{std::move(flaws)};
  if (!rights->may(operation.permission) || !rights->may_see(admitted.space.tenant, admitted.space.name)) {
    throw Refused{403, Say::permission_denied};
  }
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

Admitted admit(const Service& service, const Request& request) {
  Admitted admitted;
  admitted.language = language_of(request.accept_language.value_or(""));
  const auto question = std::min(request.target.find('?'), request.target.size());
  Match found = match(request.method, request.target.substr(0, question));
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
  admitted.coordinate = std::move(found.coordinate);
  admitted.parameters = parameters_of(request.target.substr(std::min(question + 1, request.target.size())));
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

Reply answer(const Service& service, const Admitted& admitted, std::string_view body) {
  return replied(admitted.language, [&]() -> Reply {
    const Operation& operation = *admitted.operation;
    if (body.starts_with("\xEF\xBB\xBF")) body.remove_prefix(3);  // a byte order mark
    Call call{.service = service,
              .memory = service.memory.in(admitted.space),
              .rights = admitted.rights,
              .language = admitted.language,
              .coordinate = admitted.coordinate,
              .body_text = body};
    call.control.cancel = &service.giving_up;
    call.control.deadline = std::chrono::steady_clock::now() + service.options.call_timeout;
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
