// Invariant: the file has no name that anybody could open it by, and all spools together have no more than their room.
#include "src/server/spool.h"

#include "src/error.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace fractal::server {
namespace {

std::string default_folder() {
  constexpr const char* lasting = "/var/tmp";
  if (::access(lasting, W_OK) == 0) return lasting;
  std::error_code error;
  const auto folder = std::filesystem::temp_directory_path(error);
  return error ? "." : folder.string();
}

// -1: errno says why.
int open_nameless(const std::string& folder) {
  const int descriptor = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (descriptor >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT)) return descriptor;
  std::string path = folder + "/fractal-XXXXXX";  // a file system that knows no files without a name
  const int named = ::mkostemp(path.data(), O_CLOEXEC);
  if (named >= 0) ::unlink(path.c_str());
  return named;
}

}  // namespace

Spool::Buffer::~Buffer() {
  ::close(descriptor_);
  room_.bytes -= written_;
}

bool Spool::Buffer::flush() {
  const char* from = pbase();
  const auto size = static_cast<std::uint64_t>(pptr() - pbase());
  const bool room = room_.bytes.fetch_add(size) + size <= room_.most_bytes;
  written_ += size;
  while (room && from < pptr()) {
    const ssize_t done = ::write(descriptor_, from, static_cast<std::size_t>(pptr() - from));
    if (done < 0 && errno != EINTR) return false;
    if (done > 0) from += done;
  }
  setp(bytes_.data(), bytes_.data() + bytes_.size());
  return room;
}

Spool::Buffer::int_type Spool::Buffer::overflow(int_type next) {
  if (!flush()) return traits_type::eof();
  if (!traits_type::eq_int_type(next, traits_type::eof())) sputc(traits_type::to_char_type(next));
  return traits_type::not_eof(next);
}

Spool::Buffer::int_type Spool::Buffer::underflow() {
  ssize_t size = 0;
  do { size = ::read(descriptor_, bytes_.data(), bytes_.size()); } while (size < 0 && errno == EINTR);
  if (size <= 0) return traits_type::eof();
  setg(bytes_.data(), bytes_.data(), bytes_.data() + size);
  return traits_type::to_int_type(bytes_.front());
}

// From now on it is read.
bool Spool::Buffer::rewind() {
  const bool good = flush() && ::lseek(descriptor_, 0, SEEK_SET) == 0;
  setp(nullptr, nullptr);
  setg(bytes_.data(), bytes_.data(), bytes_.data());
  return good;
}

Result<std::unique_ptr<Spool>> Spool::make(SpoolRoom& room) {
  const bool granted = ++room.files <= room.most_files;
  const std::string folder = room.folder.empty() ? default_folder() : room.folder;
  const int descriptor = granted ? open_nameless(folder) : -1;
  if (descriptor >= 0) return std::unique_ptr<Spool>(new Spool(room, descriptor));
  --room.files;
  if (!granted) return make_error(Errc::unavailable, "{} exports and imports are under way", room.most_files);
  return make_error(Errc::io, "{}: no file can be made: {}", folder, std::generic_category().message(errno));
}

Spool::~Spool() { --room_.files; }

Result<void> Spool::append(std::string_view bytes) {
  stream_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!stream_) return Error{Errc::unavailable, "no room for a temporary file"};
  return {};
}

Result<void> Spool::rewind() {
  if (!stream_ || !buffer_.rewind()) return Error{Errc::unavailable, "no room for a temporary file"};
  return {};
}

Result<std::string> Spool::read(std::size_t most) {
  std::string bytes(most, '\0');
  stream_.read(bytes.data(), static_cast<std::streamsize>(most));
  if (stream_.bad()) return Error{Errc::io, "a temporary file cannot be read"};
  bytes.resize(static_cast<std::size_t>(stream_.gcount()));
  return bytes;
}

}  // namespace fractal::server
