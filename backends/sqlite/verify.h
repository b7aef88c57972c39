// What can disagree inside a file, found and mended.
#ifndef FRACTAL_BACKENDS_SQLITE_VERIFY_H
#define FRACTAL_BACKENDS_SQLITE_VERIFY_H

#include "backends/sqlite/connection.h"

#include <string>
#include <vector>

namespace fractal::sqlite_backend {

// All but what needs the writer, on a connection in a read transaction.
Result<std::vector<std::string>> find_problems(Connection& connection);
// FTS5 compares its index with its content. On the writer.
Result<std::vector<std::string>> find_keyword_problems(Connection& writer);
// Neither finds anything. Damage that stops the search counts as found.
Result<bool> is_sound(Connection& writer);
// On the writer, inside a transaction; one sentence for each thing done.
Result<std::vector<std::string>> mend(Connection& writer, const Control& control);

}  // namespace fractal::sqlite_backend

#endif
