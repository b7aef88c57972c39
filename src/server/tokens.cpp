// Invariant: no token is kept or compared as text, and every entry is compared, whichever matches.
#include "src/server/tokens.h"

#include "src/error.h"
#include "src/json.h"
#include "src/json_scan.h"
#include "src/server/json_check.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <new>
#include <utility>

namespace fractal::server {
namespace {

bool contains(const std::vector<std::string>& list, std::string_view name) {
  return list.empty() || std::find(list.begin(), list.end(), name) != list.end();
}

std::optional<std::string> text_of(std::string_view value) {
  if (json::kind_of(value) != json::Kind::text) return std::nullopt;
  std::string text;
  json::append_decoded(json::unquote(value), text);
  return text;
}

Result<std::vector<std::string>> texts_of(std::string_view value, std::string_view name) {
  if (json::kind_of(value) != json::Kind::array) return make_error(Errc::invalid_argument, "{} is no list", name);
  std::vector<std::string> texts;
  json::MemberReader reader(value);
  for (json::Member element; reader.next(element);) {
    auto text = text_of(element.value);
    if (!text) return make_error(Errc::invalid_argument, "{} holds something that is no text", name);
    texts.push_back(std::move(*text));
  }
  if (texts.empty()) return make_error(Errc::invalid_argument, "{} is empty; [\"*\"] means all", name);
  return texts;
}

// Empty: all.
Result<std::vector<std::string>> names_of(std::string_view value, std::string_view name) {
  FRACTAL_TRY_INTO(auto names, texts_of(value, name));
  if (std::find(names.begin(), names.end(), "*") != names.end()) names.clear();
  return names;
}

std::string list_of(const std::vector<std::string>& texts) {
  std::string text = "[";
  for (const std::string& one : texts) text += (text.size() > 1 ? ", " : "") + json::quote(one);
  return text + "]";
}

std::string list_of_names(const std::vector<std::string>& names) { return names.empty() ? R"(["*"])" : list_of(names); }

// False: nothing is left. Empty: all.
bool keep_common(std::vector<std::string>& names, const std::vector<std::string>& others) {
  if (names.empty()) names = others;
  std::erase_if(names, [&](const std::string& name) { return !contains(others, name); });
  return !names.empty() || others.empty();
}

std::array<unsigned char, 32> sha256(std::string_view text) {
  // Fetched once: OpenSSL 3 looks for it in its providers each time that it is asked for by SHA256().
  static EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  std::array<unsigned char, 32> hash{};
  if (EVP_Digest(text.data(), text.size(), hash.data(), nullptr, algorithm, nullptr) != 1) throw std::bad_alloc();
  return hash;
}

Result<void> permit(Rights& rights, std::string_view value) {
  FRACTAL_TRY_INTO(const auto permissions, texts_of(value, "permissions"));
  rights.read = rights.write = rights.remove = rights.admin = false;
  for (const std::string& permission : permissions) {
    if (permission == "read")
      rights.read = true;
    else if (permission == "write")
      rights.write = true;
    else if (permission == "delete")
      rights.remove = true;
    else if (permission == "admin")
      rights.read = rights.write = rights.remove = rights.admin = true;
    else
      return make_error(Errc::invalid_argument, "\"{}\" is no permission: read, write, delete, admin", permission);
  }
  return {};
}

// Whether it is a member of rights, which then has been taken.
Result<bool> take(Rights& rights, const json::Member& member) {
  if (member.is("tenants")) {
    FRACTAL_TRY_INTO(rights.tenants, names_of(member.value, "tenants"));
  } else if (member.is("namespaces")) {
    FRACTAL_TRY_INTO(rights.namespaces, names_of(member.value, "namespaces"));
  } else if (member.is("permissions")) {
    FRACTAL_TRY(permit(rights, member.value));
  } else {
    return false;
  }
  return true;
}

}  // namespace

bool Rights::may(Permission permission) const noexcept {
  switch (permission) {
    case Permission::none: return true;
    case Permission::read: return read;
    case Permission::write: return write;
    case Permission::remove: return remove;
    case Permission::admin: return admin;
  }
  return false;
}

bool Rights::may_see(std::string_view tenant, std::string_view space) const {
  return contains(tenants, tenant) && contains(namespaces, space);
}

bool Rights::may_see_tenant(std::string_view tenant) const { return contains(tenants, tenant); }

std::string to_json(const Rights& rights) {
  std::vector<std::string> permissions;
  if (rights.read) permissions.emplace_back("read");
  if (rights.write) permissions.emplace_back("write");
  if (rights.remove) permissions.emplace_back("delete");
  if (rights.admin) permissions.emplace_back("admin");
  return fmt::format(R"({{"tenants": {}, "namespaces": {}, "permissions": {}}})", list_of_names(rights.tenants),
                     list_of_names(rights.namespaces), list_of(permissions));
}

Result<Rights> rights_from(std::string_view object, Rights rights) {
  json::MemberReader members(object);
  for (json::Member member; members.next(member);) {
    if (member.value != "null") FRACTAL_TRY(take(rights, member));
  }
  return rights;
}

std::optional<Rights> common(const Rights& one, const Rights& other) {
  Rights both = one;
  if (!keep_common(both.tenants, other.tenants) || !keep_common(both.namespaces, other.namespaces)) return std::nullopt;
  both.read = one.read && other.read;
  both.write = one.write && other.write;
  both.remove = one.remove && other.remove;
  both.admin = one.admin && other.admin;
  return both;
}

bool allows_no_more(const Rights& one, const Rights& other) {
  const auto both = common(one, other);
  return both && both->tenants == one.tenants && both->namespaces == one.namespaces && both->read == one.read &&
         both->write == one.write && both->remove == one.remove && both->admin == one.admin;
}

std::string hexadecimal(std::span<const unsigned char> bytes) { return fmt::format("{:02x}", fmt::join(bytes, "")); }

std::string digest_of(std::string_view secret) { return hexadecimal(sha256(secret)); }

std::unique_ptr<Tokens> Tokens::of_one(std::string_view token) {
  auto tokens = std::make_unique<Tokens>();
  const Rights rights{.name = "token", .identity = digest_of(token)};
  tokens->entries_ = std::make_shared<Entries>(Entries{{sha256(token), rights}});
  return tokens;
}

std::unique_ptr<Tokens> Tokens::none() {
  auto tokens = std::make_unique<Tokens>();
  tokens->open_ = true;
  return tokens;
}

Result<std::unique_ptr<Tokens>> Tokens::from_file(const std::string& path) {
  FRACTAL_TRY_INTO(auto entries, read(path));
  auto tokens = std::make_unique<Tokens>();
  tokens->path_ = path;
  tokens->entries_ = std::make_shared<Entries>(std::move(entries));
  return tokens;
}

Result<void> Tokens::reload() {
  if (path_.empty()) return {};
  FRACTAL_TRY_INTO(auto entries, read(path_));
  const std::lock_guard lock(mutex_);
  entries_ = std::make_shared<Entries>(std::move(entries));
  return {};
}

std::shared_ptr<const Tokens::Entries> Tokens::entries() const {
  const std::lock_guard lock(mutex_);
  return entries_;
}

std::optional<Rights> Tokens::known(std::string_view identity) const {
  const auto now = entries();
  const auto found =
      std::find_if(now->begin(), now->end(), [&](const Entry& entry) { return entry.rights.identity == identity; });
  return found == now->end() ? std::nullopt : std::optional(found->rights);
}

std::optional<Rights> Tokens::find(std::string_view token) const {
  const auto now = entries();
  const Hash hash = sha256(token);
  const Entry* found = nullptr;
  for (const Entry& entry : *now) {
    if (CRYPTO_memcmp(entry.hash.data(), hash.data(), hash.size()) == 0) found = &entry;
  }
  return found ? std::optional(found->rights) : std::nullopt;
}

Result<Tokens::Hash> Tokens::hash_from(std::string_view value) {
  const auto text = text_of(value);
  Hash hash{};
  long size = 0;
  unsigned char* bytes = text && text->size() == 2 * hash.size() ? OPENSSL_hexstr2buf(text->c_str(), &size) : nullptr;
  const bool good = bytes != nullptr && static_cast<std::size_t>(size) == hash.size();
  if (good) std::copy_n(bytes, hash.size(), hash.begin());
  OPENSSL_free(bytes);
  if (!good) return Error{Errc::invalid_argument, "sha256 is not a text of 64 hexadecimal digits"};
  return hash;
}

Result<Tokens::Entry> Tokens::entry_from(std::string_view object) {
  if (json::kind_of(object) != json::Kind::object) return Error{Errc::invalid_argument, "is no object"};
  Entry entry;
  entry.rights.read = entry.rights.write = entry.rights.remove = entry.rights.admin = false;
  bool hashed = false, placed = false, permitted = false;
  json::MemberReader members(object);
  for (json::Member member; members.next(member);) {
    if (member.is("name")) {
      entry.rights.name = text_of(member.value).value_or("");
    } else if (member.is("sha256")) {
      FRACTAL_TRY_INTO(entry.hash, hash_from(member.value));
      entry.rights.identity = hexadecimal(entry.hash);
      hashed = true;
    } else {
      FRACTAL_TRY_INTO(const bool taken, take(entry.rights, member));
      if (!taken) return make_error(Errc::invalid_argument, "\"{}\" is not known", member.key);
      placed = placed || member.is("tenants");
      permitted = permitted || member.is("permissions");
    }
  }
  if (hashed && placed && permitted) return entry;
  return Error{Errc::invalid_argument, "lacks one of sha256, tenants, permissions"};
}

Result<Tokens::Entries> Tokens::read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return make_error(Errc::io, "{}: cannot be read", path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::string key = "tokens";
  const std::string_view list = check_json(text).flaw == JsonFlaw::none ? json::find(text, {&key, 1}) : "";
  if (json::kind_of(list) != json::Kind::array) {
    return make_error(Errc::invalid_argument, "{}: not an object with a list \"tokens\"", path);
  }
  Entries entries;
  json::MemberReader reader(list);
  for (json::Member element; reader.next(element);) {
    auto entry = entry_from(element.value);
    if (!entry) return within(entry.error(), "{}: token {}", path, entries.size() + 1);
    const bool twice =
        std::any_of(entries.begin(), entries.end(), [&](const Entry& other) { return other.hash == entry->hash; });
    if (twice) return make_error(Errc::invalid_argument, "{}: token {} is there twice", path, entries.size() + 1);
    entries.push_back(std::move(*entry));
  }
  return entries;
}

}  // namespace fractal::server
