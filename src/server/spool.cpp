// Invariant: nobody but us ever has a name for the file: it is unlinked before the first byte is written.
#include "src/server/spool.h"

#include "src/error.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace fractal::server {
namespace {

std::string default_folder() {
  const std::string lasting = "/var/tmp";
  if (::access(lasting.c_str(), W_OK) == 0) return lasting;
  std::error_code error;
  const auto folder = std::filesystem::temp_directory_path(error);
  return error ? "." : folder.string();
}

}  // namespace

Result<std::unique_ptr<Spool>> Spool::make(const std::string& folder) {
  std::string path = (folder.empty() ? default_folder() : folder) + "/fractal-XXXXXX";
  const int descriptor = ::mkstemp(path.data());
  if (descriptor < 0) return make_error(Errc::io, "{}: {}", path, std::strerror(errno));
  auto spool = std::make_unique<Spool>();
  spool->file_.open(path, std::ios::in | std::ios::out | std::ios::binary);
  ::unlink(path.c_str());
  ::close(descriptor);
  if (!spool->file_) return make_error(Errc::io, "{}: cannot be opened", path);
  return spool;
}

Result<void> Spool::append(std::string_view bytes) {
  file_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file_) return Error{Errc::io, "a temporary file cannot be written"};
  return {};
}

Result<void> Spool::rewind() {
  file_.flush();
  if (file_) file_.seekg(0);
  if (!file_) return Error{Errc::io, "a temporary file cannot be written"};
  return {};
}

Result<std::string> Spool::read(std::size_t most) {
  std::string bytes(most, '\0');
  file_.read(bytes.data(), static_cast<std::streamsize>(most));
  if (file_.bad()) return Error{Errc::io, "a temporary file cannot be read"};
  bytes.resize(static_cast<std::size_t>(file_.gcount()));
  return bytes;
}

}  // namespace fractal::server
