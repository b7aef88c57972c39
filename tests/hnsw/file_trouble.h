// Trouble with files, from the n-th call that changes something: an error, a full disk, or the end of the process.
#ifndef FRACTAL_TESTS_HNSW_FILE_TROUBLE_H
#define FRACTAL_TESTS_HNSW_FILE_TROUBLE_H

#include "backends/hnsw/files.h"

#include <cerrno>
#include <cstddef>
#include <string>

namespace fractal::testing {

enum class Trouble {
  error,        // this call fails, the next ones do not
  disk_full,    // a write is done in half, then every write fails until files are removed; other calls fail once
  stop,         // this call and all after it are not made
  stop_halfway  // the same, but of a write the first half is made
};
inline constexpr Trouble every_trouble[] = {Trouble::error, Trouble::disk_full, Trouble::stop, Trouble::stop_halfway};

// In force while it lives; then the one before is again.
class FaultsInForce : public hnsw::FileFaults {
 public:
  FaultsInForce() : before_(hnsw::file_faults) { hnsw::file_faults = this; }
  FaultsInForce(const FaultsInForce&) = delete;
  FaultsInForce& operator=(const FaultsInForce&) = delete;
  ~FaultsInForce() override { hnsw::file_faults = before_; }

 protected:
  // Nothing here cuts the power: what the system has is as good as on the disk.
  static int made_quickly(Call call) { return call == Call::sync || call == Call::sync_folder ? pretend : 0; }

 private:
  hnsw::FileFaults* before_;
};

// No trouble, but no waiting for the disk either.
class NoWaiting : public FaultsInForce {
 public:
  int before(Call call, const std::string&, std::size_t&) override { return made_quickly(call); }
};

// Calls are counted from 0.
class FileTrouble : public FaultsInForce {
 public:
  FileTrouble(Trouble trouble, std::size_t at) : trouble_(trouble), at_(at) {}

  bool met() const { return calls_ > at_; }

  int before(Call call, const std::string&, std::size_t& bytes) override {
    if (call == Call::open || call == Call::read || call == Call::map) { return met() && stops() ? EIO : 0; }
    const std::size_t number = calls_++;
    if (number < at_) return made_quickly(call);
    const bool writes = call == Call::write;
    switch (trouble_) {
      case Trouble::error: return number == at_ ? EIO : made_quickly(call);
      case Trouble::disk_full:
        if (call == Call::remove || call == Call::truncate) full_ = false;
        if (number == at_) {
          full_ = true;
          if (writes && bytes > 1) return bytes /= 2, 0;
          return ENOSPC;
        }
        return writes && full_ ? ENOSPC : made_quickly(call);
      case Trouble::stop_halfway:
        if (number == at_ && writes && bytes > 1) return bytes /= 2, 0;
        return EIO;
      case Trouble::stop: break;
    }
    return EIO;
  }

 private:
  bool stops() const { return trouble_ == Trouble::stop || trouble_ == Trouble::stop_halfway; }

  Trouble trouble_;
  std::size_t at_;
  std::size_t calls_ = 0;
  bool full_ = false;
};

}  // namespace fractal::testing

#endif
