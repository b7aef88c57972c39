// What several commands show.
#ifndef FRACTAL_SRC_CLI_RECORDS_H
#define FRACTAL_SRC_CLI_RECORDS_H

#include "src/cli/json_object.h"
#include "src/cli/output.h"
#include "src/cli/table.h"

#include <fractal/fractal_memory.h>

#include <string>

namespace fractal::cli {

// "2026-05-01 12:00:03", by this machine's clock and zone.
std::string local_time(Time time);
std::string size_text(std::uint64_t bytes);
// "[1.0,2.0]"
std::string json_of(const Coordinate& coordinate);
// A memory in full, for people.
std::string card(const Memory& memory, const Terminal& terminal);
// Lists of name and value, without a heading.
Table facts();

}  // namespace fractal::cli

#endif
