// Walks over everything that an export holds, page by page.
#ifndef FRACTAL_SRC_EXPORT_SCAN_H
#define FRACTAL_SRC_EXPORT_SCAN_H

#include "src/database.h"

#include <functional>
#include <memory>
#include <optional>

namespace fractal {

class ExportScan {
 public:
  // `pinned` if the caller reads from a snapshot.
  static Result<ExportScan> make(const Database& database, const Space& space, std::shared_ptr<Reads::Pinned> pinned,
                                 const ExportOptions& options);

  // Visible memories that pass, in the order of coordinates.
  Result<void> memories(const std::function<Result<void>(const Row&)>& visit) const;
  // Visible links with both ends inside, in the order (from, type, to). The look is that of the page.
  Result<void> links(const std::function<Result<void>(const Look&, const LinkRow&)>& visit) const;
  // Memories plus links, for progress.
  std::uint64_t total() const noexcept { return total_; }
  // Of the space's vectors, when the scan began.
  const std::string& embedder() const noexcept { return embedder_; }

 private:
  ExportScan(const Database& database, const Space& space, std::shared_ptr<Reads::Pinned> pinned,
             const ExportOptions& options)
      : database_(database), space_(space), pinned_(std::move(pinned)), options_(options) {}

  const Database& database_;
  const Space& space_;
  std::shared_ptr<Reads::Pinned> pinned_;
  const ExportOptions& options_;
  std::uint64_t total_ = 0;
  std::string embedder_;
};

}  // namespace fractal

#endif
