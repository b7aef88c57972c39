// What writers asked of the spaces of a database, and what they were answered, held against what is there in the end.
//
// It needs AuditOptions::payloads, a payload with a "token" of its own in each store and update, a type of its own for
// each link, no memory at the end of a link, and no change but through it. Then the n-th record of a space's audit log is
// the change with sequence n, and tells who made it.
#ifndef FRACTAL_TESTS_POSTGRES_LEDGER_H
#define FRACTAL_TESTS_POSTGRES_LEDGER_H

#include <fractal/fractal_memory.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace fractal::testing {

// One entry of a batch.
struct Attempt {
  enum class Answer {
    acknowledged,
    refused,  // not done, and said so
    unknown,  // `unavailable`: it may be done, or not
  };
  Answer answer = Answer::unknown;
  std::uint64_t batch = 0;
  std::string what{};        // see name_of_change()
  Written written{};         // of an acknowledged one
  bool may_be_none = false;  // removes and unlinks change nothing where there is nothing
};

// "store 1.0 w3.17", "remove 1.0", "link 1.0 -t-> 2.0": an entry of a batch and its audit record have the same.
std::string name_of_change(const Batch::Entry& entry);
std::string name_of_change(const AuditRecord& record);

// Any thread.
class Ledger {
 public:
  void note(const Space& space, const Batch& batch, const Result<Applied>& answer);

  struct Counts {
    std::uint64_t acknowledged = 0, refused = 0, unknown = 0;
  };
  Counts counts() const;
  // Sentences; none: every acknowledged change is there with its sequence and version, no refused one is, of the unknown
  // ones each batch is whole or absent, nothing else is there, and rows, links and changes() are what the log says.
  std::vector<std::string> differences(const FractalMemory& memory) const;

 private:
  struct OfSpace {
    Space space{};
    std::vector<Attempt> attempts{};
  };
  OfSpace& of(const Space& space);

  mutable std::mutex mutex_;
  std::uint64_t batches_ = 0;
  std::vector<OfSpace> spaces_{};
  std::vector<std::string> wrong_answers_{};  // errors that no network has
};

}  // namespace fractal::testing

#endif
