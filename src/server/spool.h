// A body that is larger than memory should hold: on disk, in a file without a name.
#ifndef FRACTAL_SRC_SERVER_SPOOL_H
#define FRACTAL_SRC_SERVER_SPOOL_H

#include <fractal/result.h>

#include <cstddef>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>

namespace fractal::server {

// One thread at a time. The file goes with this, and with the process, however that ends.
class Spool {
 public:
  // Empty: /var/tmp, which unlike /tmp is no memory, or what the system names instead.
  static Result<std::unique_ptr<Spool>> make(const std::string& folder);

  Result<void> append(std::string_view bytes);
  // Writes go to the end, until rewind(); then it is read from the beginning.
  std::iostream& stream() noexcept { return file_; }
  Result<void> rewind();
  // The next bytes, at most so many; empty: that was all.
  Result<std::string> read(std::size_t most);

 private:
  std::fstream file_;
};

}  // namespace fractal::server

#endif
