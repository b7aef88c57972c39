// Documents as memories: a number a document, one memory for it and one for each of its pieces below.
#ifndef FRACTAL_SRC_CLI_DOCUMENT_IMPORT_H
#define FRACTAL_SRC_CLI_DOCUMENT_IMPORT_H

#include <fractal/fractal_memory.h>

#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace fractal::cli {

// The document's memory at {under..., number}: {"title", "source", "digest"}. Its digest is written when all of its pieces
// are in, so that an import that was stopped does unfinished documents again and skips the others. Pieces carry their
// source in the metadata, {"document": source}: nothing else is ever replaced or removed. What a changed document still has
// is not written again; what it has no more is removed.
class DocumentImport {
 public:
  DocumentImport(FractalMemory memory, Coordinate under, std::size_t batch);

  // False if it is in with this digest. The number of a document that was imported before stays.
  // own_coordinates: pieces come by add_at().
  bool begin(const std::string& source, const std::string& title, const std::string& digest, bool own_coordinates);
  // below: the piece's numbers after the document's. Stops at Ctrl-C between batches.
  void add(std::initializer_list<double> below, std::string payload);
  // At a coordinate of its own. What is there is replaced, but for memories of documents.
  void add_at(const Coordinate& coordinate, std::string payload);
  void finish();
  // What was not finished: the batch that is not written yet is dropped.
  void abandon();

  // Stored so far, in batches that are done.
  std::uint64_t memories() const noexcept { return memories_; }

 private:
  void store(Memory memory, WriteOptions options = {});
  void flush();
  void remember_pieces(bool own_coordinates);
  Coordinate next_free() const;

  FractalMemory memory_;
  Coordinate under_, document_;
  std::size_t batch_size_, bytes_ = 0;
  Batch batch_;
  std::string source_, digest_, metadata_;
  // Of a document that was in before, by key: hashes of its pieces' payloads, and what is among them and not its own.
  std::unordered_map<std::string, std::uint64_t> pieces_;
  std::unordered_set<std::string> strangers_;
  std::uint64_t stored_ = 0, memories_ = 0;
};

}  // namespace fractal::cli

#endif
