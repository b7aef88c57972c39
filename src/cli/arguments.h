// What people type, as values. All of these fail as wrong usage (exit code 2).
#ifndef FRACTAL_SRC_CLI_ARGUMENTS_H
#define FRACTAL_SRC_CLI_ARGUMENTS_H

#include "src/cli/failure.h"

#include <fractal/fractal_memory.h>

#include <string>
#include <vector>

namespace fractal::cli {

Coordinate coordinate_of(const std::string& text);
// Empty: an empty coordinate.
Coordinate optional_coordinate(const std::string& text);
// Each is a filter as filter.h writes it in JSON, or a test: path=value != >= <= > < and path~text (contains). All must
// hold. A value is JSON if it can be read as such, else a text.
inline constexpr const char* where_help = "A test, path=value (!= >= <= > <, ~ contains), or a filter in JSON";
Filter filter_of(const std::vector<std::string>& tests);
// "[0.1, 0.2]", or without brackets.
std::vector<float> vector_of(const std::string& text);
// "2027-01-31T12:00:00Z", or how long from now: "90s", "30m", "12h", "7d", "4w".
Time time_of(const std::string& text);
// The bytes of a file; "-" is standard input. exit code 4 if it cannot be read.
std::string contents_of(const std::string& file);
// By errno.
Failure cannot_read(const std::string& file);

}  // namespace fractal::cli

#endif
