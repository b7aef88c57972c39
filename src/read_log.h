// What reads leave behind when it is asked for (access counts, audit of reads): kept in memory, and
// written with the next write to the space, so that a read never writes.
#ifndef FRACTAL_SRC_READ_LOG_H
#define FRACTAL_SRC_READ_LOG_H

#include <fractal/fractal_memory.h>

#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace fractal {

class ReadLog {
 public:
  struct Notes {
    std::map<std::string, std::uint64_t> accesses;  // by key of the coordinate
    std::vector<AuditRecord> records;
    bool empty() const noexcept { return accesses.empty() && records.empty(); }
  };

  ReadLog(bool count_accesses, bool audit_reads) noexcept
      : count_accesses_(count_accesses), audit_reads_(audit_reads) {}

  bool enabled() const noexcept { return count_accesses_ || audit_reads_; }
  void note(const Space& space, const Memory& memory, Time at);
  // Empties the notes of a space; give them back if the write fails.
  Notes take(const Space& space);
  void give_back(const Space& space, Notes notes);

 private:
  const bool count_accesses_;
  const bool audit_reads_;
  std::mutex mutex_;
  std::map<Space, Notes> notes_;
};

}  // namespace fractal

#endif
