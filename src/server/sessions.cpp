// Invariant: a session never allows more than the token that it was made from allows at that moment; its token itself is
// kept nowhere, its id is a part of the token's digest.
#include "src/server/sessions.h"

#include "src/error.h"

#include <openssl/rand.h>

#include <fmt/format.h>

#include <array>

namespace fractal::server {
namespace {

constexpr std::string_view mark = "fms_";
constexpr Cache::Bucket most_sessions{.per_second = 0.1, .burst = 1'000};  // of one token
constexpr std::size_t id_size = 32, identity_size = 64;

std::string key_of(std::string_view id) { return fmt::format("session/{}", id); }

std::string id_of(std::string_view token) { return digest_of(token).substr(0, id_size); }

Result<std::string> new_token() {
  std::array<unsigned char, 32> bytes{};
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
    return Error{Errc::unavailable, "session: the system has no random numbers"};
  }
  return std::string(mark) + hexadecimal(bytes);
}

bool may_everything(const Rights& rights) {
  return rights.admin && rights.tenants.empty() && rights.namespaces.empty();
}

}  // namespace

bool Sessions::looks_like(std::string_view token) { return token.starts_with(mark); }

Result<std::optional<Sessions::Opened>> Sessions::open(const Rights& rights, std::chrono::seconds life) {
  // No token may take all the room that there is for a day.
  FRACTAL_TRY_INTO(const auto taken, cache_.take(fmt::format("sessions/{}", rights.identity), most_sessions));
  if (!taken.granted) return std::optional<Opened>();
  FRACTAL_TRY_INTO(std::string token, new_token());
  std::string id = id_of(token);
  // The value: the identity of the token that it was made from, then the rights.
  FRACTAL_TRY(cache_.put(key_of(id), rights.identity + to_json(rights), life, Cache::Keep::until_over));
  const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  return std::optional(Opened{std::move(token), std::move(id), now + life});
}

Result<std::optional<Rights>> Sessions::at(std::string_view id) const {
  FRACTAL_TRY_INTO(const auto value, cache_.get(key_of(id)));
  if (!value || value->size() <= identity_size) return std::optional<Rights>();
  const auto parent = tokens_.known(std::string_view(*value).substr(0, identity_size));
  if (!parent) return std::optional<Rights>();
  FRACTAL_TRY_INTO(Rights rights, rights_from(std::string_view(*value).substr(identity_size), *parent));
  rights.session = id;
  return common(rights, *parent);
}

Result<std::optional<Rights>> Sessions::find(std::string_view token) const {
  if (!looks_like(token)) return std::optional<Rights>();
  return at(id_of(token));
}

Result<bool> Sessions::close(std::string_view id, const Rights& by) {
  FRACTAL_TRY_INTO(const auto rights, at(id));
  if (!rights) return false;
  const bool own = by.session.empty() ? rights->identity == by.identity : by.session == id;
  if (!own && !may_everything(by)) return false;
  return cache_.erase(key_of(id));
}

}  // namespace fractal::server
