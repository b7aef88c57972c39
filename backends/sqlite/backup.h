// A copy of the whole file, of one moment.
#ifndef FRACTAL_BACKENDS_SQLITE_BACKUP_H
#define FRACTAL_BACKENDS_SQLITE_BACKUP_H

#include "backends/sqlite/connection.h"

#include <string>

namespace fractal::sqlite_backend {

Result<void> back_up(Connection& source, const std::string& path, const Control& control);

}  // namespace fractal::sqlite_backend

#endif
