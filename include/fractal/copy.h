// From one database to another: a file, a server, whatever open() takes.
//
//   auto from = fractal::FractalMemory::open("agent.db").value();
//   auto to = fractal::FractalMemory::open("postgres://app@db.example/memory").value();
//   for (const fractal::Space& space : from.spaces().value()) {
//     auto report = fractal::copy_space(from.in(space), to.in(space)).value();
//     for (const std::string& difference : report.differences) fmt::print("{}\n", difference);
//   }
//
// Any thread may call it. Others may read and write on both sides meanwhile.
#ifndef FRACTAL_COPY_H
#define FRACTAL_COPY_H

#include <fractal/fractal_memory.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace fractal {

struct CopyOptions {
  // What the target's space has and the source's has not is removed from it. Both sides are read once more for it.
  bool mirror = false;
  std::size_t batch = 1000;  // memories and links in one transaction; fewer if they have more than 8 MiB
  // progress(done, total) counts the memories and links that were copied, compared, and with `mirror` looked at.
  Control control{};
};

struct CopyReport {
  std::uint64_t memories = 0, links = 0;  // compared, and the same on both sides
  std::uint64_t written = 0;              // memories and links that this call wrote
  std::uint64_t removed = 0;              // those that it removed: gone from the source since, or by `mirror`
  std::uint64_t kept = 0;                 // those that the target alone has
  bool resumed = false;                   // it went on where an earlier copy stood
  std::uint64_t sequence = 0;             // of the source: the target shows what the space held then
  std::string digest{};         // SHA-256 over all that is the same: equal contents, equal digests, in any storage
  std::uint64_t different = 0;  // memories and links that disagree, and what the space says of its vectors
  std::vector<std::string> differences{};  // one sentence each, the first 100
  bool ok() const noexcept { return different == 0; }
};

// Makes the memories and links of `to`'s space those of `from`'s: each byte, id, version and time, vectors with the
// identity of their embedder. What the target has at the same coordinates is replaced. Not copied: what has expired, the
// audit log, what changes() knows of the past, indexed fields and text fields (of a database, not of a space:
// Options::text_fields).
//
// Moment. The source is read page by page, each page for itself; then changes() are followed until none is left, so that
// the target shows one moment of the source, `sequence`, whatever was written meanwhile.
// Stopped. Whole batches are there, and beside them, in the same transactions, a mark of where the copy stands. The same
// call goes on from there: after a Control that stopped it, a lost connection, a kill. Of a copy that was finished it takes
// what changed since; what the source removed since, the target loses, too. The mark is of the last source that was copied
// into the target's space: a copy from another begins anew.
// Comparison. At last both sides are read in order and compared. Differences (somebody else wrote to the target, a storage
// lost something) are in the report; the next call then begins anew.
//
// not_found: the source has no such space. conflict: the target's space has vectors of another embedder, dimension or
// metric; or the source has forgotten removals since the mark (Options::change_history), and the next call begins anew.
// invalid_argument: both are the same space.
FRACTAL_API Result<CopyReport> copy_space(const FractalMemory& from, const FractalMemory& to,
                                          const CopyOptions& options = {});

}  // namespace fractal

#endif
