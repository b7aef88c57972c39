// Objects that the library reads, not the fields of a schema: what they look like, for /openapi.json.
#ifndef FRACTAL_SRC_SERVER_SHAPES_H
#define FRACTAL_SRC_SERVER_SHAPES_H

#include <span>
#include <string_view>

namespace fractal::server {

// A component of /openapi.json that Field::shape names; those it points to are shapes too.
struct Shape {
  std::string_view name;
  std::string_view json;  // a JSON schema
};
std::span<const Shape> shapes();

// Of a text that is a coordinate. Blanks, and underscores between digits, are taken too.
inline constexpr std::string_view coordinate_pattern = R"(^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2})?)"
                                                       R"((,[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2})?)*$)";

// Of an event's id, or of the sequence number in it.
inline constexpr std::string_view event_pattern = "^([0-9]+-)?[0-9]+$";

// Of a time from 1970 on, beside the format date-time.
inline constexpr std::string_view time_pattern =
    R"(^(19[7-9][0-9]|[2-9][0-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt])"
    R"(([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]+)?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$)";

}  // namespace fractal::server

#endif
