// What several operations read and write in the same way.
#ifndef FRACTAL_SRC_SERVER_RECORDS_H
#define FRACTAL_SRC_SERVER_RECORDS_H

#include "src/server/fields.h"

#include <fractal/fractal_memory.h>

#include <string>
#include <string_view>
#include <vector>

namespace fractal::server {

// JSON of schemas::memory.
std::string record_of(const Memory& memory);
// The coordinate in a field; throws Refused or Invalid. `place`: of the object.
Coordinate coordinate_at(const Fields& fields, std::string_view name, std::vector<std::string> place);
// `link_type`; null or empty: `otherwise`.
std::string link_type_of(const Fields& fields, std::string_view otherwise);
// from_coord, to_coord, link_type, strength, metadata.
GraphLink link_of(const Fields& fields, const std::vector<std::string>& place);
// `filters`, `filter` and `memory_type` together; throws Invalid. `where`: "query", or "body".
Filter filter_of(const Fields& fields, std::string_view where);

}  // namespace fractal::server

#endif
