// Whether a statement keeps to the rows of one space, judged by its text and its values.
//
// Each table of a statement that holds rows of spaces must be bound where it is read or written: its column with the number
// of the space to a value that is this number, its ids to values of the space's range, its words to such as begin with the
// number, sfm_namespaces also to tenant and name; or by equality to a table that is. In an INSERT the value written counts.
// What cannot be told is no: the text must be as plain as the library's.
#ifndef FRACTAL_TESTS_POSTGRES_STATEMENT_SCOPE_H
#define FRACTAL_TESTS_POSTGRES_STATEMENT_SCOPE_H

#include "tests/postgres/statement_log.h"

#include <cstdint>
#include <set>
#include <string>

namespace fractal::testing {

struct SpaceScope {
  std::uint64_t number = 0;
  std::string tenant{}, name{};
};

// Empty: it does. Else the table that it does not bind. One thread at a time, as tables_used().
std::string beyond_scope(const LoggedStatement& statement, const SpaceScope& scope);

// "SELECT sfm_memories", "INSERT sfm_removals": what is done to which table with rows of spaces.
std::set<std::string> tables_used(const LoggedStatement& statement);

}  // namespace fractal::testing

#endif
