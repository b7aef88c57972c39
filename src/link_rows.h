#ifndef FRACTAL_SRC_LINK_ROWS_H
#define FRACTAL_SRC_LINK_ROWS_H

#include <fractal/backend.h>

#include "src/error.h"

namespace fractal {

inline Result<GraphLink> graph_link(const LinkRow& row) {
  GraphLink link{.type = row.type, .strength = row.strength, .metadata = row.metadata, .created_at = row.created_at};
  FRACTAL_TRY_INTO(link.from, Coordinate::from_key(row.from));
  FRACTAL_TRY_INTO(link.to, Coordinate::from_key(row.to));
  return link;
}

}  // namespace fractal

#endif
