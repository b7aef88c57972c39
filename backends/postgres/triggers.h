// What other programs write into the tables becomes the space's, in their own transaction.
#ifndef FRACTAL_BACKENDS_POSTGRES_TRIGGERS_H
#define FRACTAL_BACKENDS_POSTGRES_TRIGGERS_H

#include "backends/postgres/connection.h"

namespace fractal::postgres_backend {

// The functions that say what another program's row would be here, and what keeps it from being one. They touch no table.
Result<void> make_row_functions(Connection& connection);
// All functions and the triggers, anew. Within the transaction that makes the tables.
Result<void> make_triggers(Connection& connection);

}  // namespace fractal::postgres_backend

#endif
