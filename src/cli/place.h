// Where a database is: a file, ":memory:", or the URL of a server.
#ifndef FRACTAL_SRC_CLI_PLACE_H
#define FRACTAL_SRC_CLI_PLACE_H

#include <fractal/backend.h>

#include <string>
#include <string_view>
#include <vector>

namespace fractal::cli {

inline bool in_process(std::string_view db) { return db == ":memory:"; }
// A usage error: it is a URL of a kind that this program does not know.
void check_place(const std::string& db);
// The same: it is no URL of one of these schemes. `otherwise`: what else might be given.
void check_url(const std::string& url, const std::vector<std::string>& schemes, std::string_view otherwise = {});
// For people and logs: a URL without its passwords.
std::string shown(const std::string& db);

}  // namespace fractal::cli

#endif
