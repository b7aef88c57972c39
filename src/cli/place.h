// Where a database is: a file, ":memory:", or the URL of a server.
#ifndef FRACTAL_SRC_CLI_PLACE_H
#define FRACTAL_SRC_CLI_PLACE_H

#include <string>
#include <string_view>

namespace fractal::cli {

inline bool in_process(std::string_view db) { return db == ":memory:"; }
bool is_url(std::string_view db);
// A usage error: it is a URL of a kind that this program does not know.
void check_place(const std::string& db);
// For people and logs: a URL without its passwords.
std::string shown(const std::string& db);

}  // namespace fractal::cli

#endif
