// Who may do what where: tokens, known by their SHA-256 alone.
#ifndef FRACTAL_SRC_SERVER_TOKENS_H
#define FRACTAL_SRC_SERVER_TOKENS_H

#include <fractal/result.h>

#include <array>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fractal::server {

enum class Permission { none, read, write, remove, admin };

// Of a token. An empty list of tenants or namespaces means all.
struct Rights {
  std::string name{};  // for the access log
  std::vector<std::string> tenants{}, namespaces{};
  bool read = true, write = true, remove = true, admin = true;
  std::string identity{};  // of the token, without telling it; a session has that of the token it came from
  std::string session{};   // its id; empty: the token itself

  bool may(Permission permission) const noexcept;
  bool may_see(std::string_view tenant, std::string_view space) const;
  bool may_see_tenant(std::string_view tenant) const;
};

// "tenants", "namespaces" ("*": all) and "permissions", as a token file has them.
std::string to_json(const Rights& rights);
// The rights of such an object; `rights` has what is left out. invalid_argument: something in it is wrong.
Result<Rights> rights_from(std::string_view object, Rights rights);
// What both allow; nullopt if that is no tenant or no namespace.
std::optional<Rights> common(const Rights& one, const Rights& other);
bool allows_no_more(const Rights& one, const Rights& other);

std::string hexadecimal(std::span<const unsigned char> bytes);
// Of a secret, as 64 hexadecimal digits.
std::string digest_of(std::string_view secret);

// Any thread.
class Tokens {
 public:
  // {"tokens": [{"name": "reader", "sha256": "<64 hex digits>", "tenants": ["alice"], "namespaces": ["*"],
  //   "permissions": ["read"]}]}; unknown members are errors.
  static Result<std::unique_ptr<Tokens>> from_file(const std::string& path);
  static std::unique_ptr<Tokens> of_one(std::string_view token);
  static std::unique_ptr<Tokens> none();  // everybody may do everything

  bool open() const noexcept { return open_; }
  // nullopt: no such token. Takes as long whichever it is.
  std::optional<Rights> find(std::string_view token) const;
  // The token with this identity, as long as there is one.
  std::optional<Rights> known(std::string_view identity) const;
  // Of from_file(): reads it again, or leaves all as it was.
  Result<void> reload();

 private:
  using Hash = std::array<unsigned char, 32>;
  struct Entry {
    Hash hash{};
    Rights rights{};
  };
  using Entries = std::vector<Entry>;
  std::shared_ptr<const Entries> entries() const;
  static Result<Hash> hash_from(std::string_view value);
  static Result<Entry> entry_from(std::string_view object);
  static Result<Entries> read(const std::string& path);

  bool open_ = false;
  std::string path_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Entries> entries_ = std::make_shared<Entries>();
};

}  // namespace fractal::server

#endif
