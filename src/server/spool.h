// A body that is larger than memory should hold: on disk, in a file without a name.
#ifndef FRACTAL_SRC_SERVER_SPOOL_H
#define FRACTAL_SRC_SERVER_SPOOL_H

#include <fractal/result.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <memory>
#include <streambuf>
#include <string>
#include <string_view>

namespace fractal::server {

// The files and bytes of all spools there are. Any thread.
struct SpoolRoom {
  std::string folder{};  // empty: /var/tmp, which unlike /tmp is no memory, or what the system names instead
  std::uint64_t most_bytes = 0;
  std::size_t most_files = 64;
  std::atomic<std::uint64_t> bytes{0};
  std::atomic<std::size_t> files{0};
};

// One thread at a time. The file goes with this, and with the process, however that ends.
class Spool {
 public:
  // unavailable: there are as many as there may be. io: no file can be made. The room outlives it.
  static Result<std::unique_ptr<Spool>> make(SpoolRoom& room);
  ~Spool();
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  // unavailable: no room, or the disk is full.
  Result<void> append(std::string_view bytes);
  // Writes go to the end, until rewind(); then it is read from the beginning.
  std::iostream& stream() noexcept { return stream_; }
  Result<void> rewind();
  // The next bytes, at most so many; empty: that was all.
  Result<std::string> read(std::size_t most);

 private:
  class Buffer final : public std::streambuf {
   public:
    Buffer(SpoolRoom& room, int descriptor) : room_(room), descriptor_(descriptor) {}
    ~Buffer() override;
    bool rewind();

   private:
    int_type overflow(int_type next) override;
    int_type underflow() override;
    int sync() override { return flush() ? 0 : -1; }
    bool flush();

    SpoolRoom& room_;
    int descriptor_;
    std::uint64_t written_ = 0;
    std::array<char, 65'536> bytes_{};
  };

  Spool(SpoolRoom& room, int descriptor) : room_(room), buffer_(room, descriptor) {}
  SpoolRoom& room_;
  Buffer buffer_;
  std::iostream stream_{&buffer_};
};

}  // namespace fractal::server

#endif
