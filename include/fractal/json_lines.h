// A memory or a link as one line of JSON: what export_memories() writes and import_memories() reads.
//
//   fmt::print("{}\n", to_json(memory.retrieve({1, 2}).value()));
//   {"coordinate":[1.0,2.0],"payload":{"text":"tea"},"type":"episodic","importance":0.0,"metadata":{},"id":"...", ...}
//
// Only "coordinate" is needed to be read (an array, or a text as Coordinate::parse() takes it); of a link "from" and "to".
// Any thread may call these.
#ifndef FRACTAL_JSON_LINES_H
#define FRACTAL_JSON_LINES_H

#include <fractal/fractal_memory.h>

#include <string>
#include <string_view>
#include <variant>

namespace fractal {

// Without a line break at its end. A payload that has line breaks travels as the text "payload_text".
FRACTAL_API std::string to_json(const Memory& memory);
FRACTAL_API std::string to_json(const GraphLink& link);

// A line with "from" or "to" is a link. invalid_argument names the member that is wrong, or not known.
FRACTAL_API Result<std::variant<Memory, GraphLink>> parse_json_line(std::string_view line);

}  // namespace fractal

#endif
