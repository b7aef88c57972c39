// Whether a space holds what another held at a moment: for CopyReport.
#ifndef FRACTAL_SRC_SPACE_COMPARISON_H
#define FRACTAL_SRC_SPACE_COMPARISON_H

#include <fractal/copy.h>

#include "src/database.h"
#include "src/embed/sha256.h"

#include <functional>
#include <string>

namespace fractal {

struct CopySide {
  Database& database;
  const Space& space;
};

class SpaceComparison {
 public:
  // `moment`: the source's record then. What it changed later is left out. `step` is called for each memory and link.
  SpaceComparison(CopySide from, CopySide to, const SpaceRecord& moment, const Control& control,
                  std::function<Result<void>()> step)
      : from_(from), to_(to), moment_(moment), control_(control), step_(std::move(step)) {}

  // Fills in memories, links, kept, digest, different and differences.
  Result<void> run(CopyReport& report);

 private:
  Result<void> memories(CopyReport& report);
  Result<void> links(CopyReport& report);
  Result<void> vectors(CopyReport& report);
  template <class Item> Result<void> compare(const Item* source, const Item* target, CopyReport& report);

  const CopySide from_, to_;
  const SpaceRecord& moment_;
  const Control& control_;
  const std::function<Result<void>()> step_;
  Sha256 digest_;
  std::string canonical_, other_;
};

}  // namespace fractal

#endif
