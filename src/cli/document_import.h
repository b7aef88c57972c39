// Documents as memories: a number a document, one memory for it and one for each of its pieces below.
#ifndef FRACTAL_SRC_CLI_DOCUMENT_IMPORT_H
#define FRACTAL_SRC_CLI_DOCUMENT_IMPORT_H

#include <fractal/fractal_memory.h>

#include <functional>
#include <string>
#include <unordered_set>
#include <vector>

namespace fractal::cli {

// The document's memory at {under..., number}: {"title", "source", "digest"}. Its digest is written when all of its pieces
// are in, so that an import that was stopped does unfinished documents again and skips the others. What a changed document
// does not have any more is removed with the last batch.
class DocumentImport {
 public:
  DocumentImport(FractalMemory memory, Coordinate under, std::size_t batch);

  // False if it is in with this digest. The number of a document that was imported before stays.
  bool begin(const std::string& source, const std::string& title, const std::string& digest);
  // below: the piece's numbers after the document's. Stops at Ctrl-C between batches.
  void add(std::initializer_list<double> below, std::string payload);
  // At a coordinate of its own, that does not go with the document.
  void add_at(const Coordinate& coordinate, std::string payload);
  void finish();

  // Stored so far, in batches that are done.
  std::uint64_t memories() const noexcept { return memories_; }

 private:
  void store(Memory memory);
  void flush();
  void remove_leftovers();
  double next_number() const;

  FractalMemory memory_;
  Coordinate under_, document_;
  std::size_t batch_size_, bytes_ = 0;
  Batch batch_;
  std::string digest_;
  bool known_ = false;                    // it was there before
  std::unordered_set<std::string> kept_;  // keys of what a known document has now
  std::uint64_t stored_ = 0, memories_ = 0;
};

}  // namespace fractal::cli

#endif
