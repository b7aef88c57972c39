// Row-level security: the server itself shows a transaction no rows but those of the spaces that it names.
#ifndef FRACTAL_BACKENDS_POSTGRES_ROW_SECURITY_H
#define FRACTAL_BACKENDS_POSTGRES_ROW_SECURITY_H

#include "backends/postgres/connection.h"

namespace fractal::postgres_backend {

// Whether the tables have it. One that has not shows everything, and to name spaces does nothing.
Result<bool> has_row_security(Connection& connection);
// In one transaction; does nothing if they have it.
Result<void> add_row_security(Connection& connection);

namespace sql {

// Until the end of the transaction.
inline constexpr Statement see_space{
    "see a space",
    "SELECT set_config('fractal.spaces', format('{%s}', fm_number), true) FROM sfm_namespaces WHERE "
    "fm_tenant = $1 AND fm_name = $2"};
inline constexpr Statement see_spaces{
    "see spaces",
    "SELECT set_config('fractal.spaces', COALESCE(array_agg(fm_number)::text, '{}'), true) FROM "
    "sfm_namespaces WHERE (fm_tenant, fm_name) IN (SELECT * FROM unnest($1::bytea[], $2::bytea[]))"};
inline constexpr Statement see_one_more{
    "see a space",
    "SELECT set_config('fractal.spaces', array_append(COALESCE(NULLIF(current_setting("
    "'fractal.spaces', true), ''), '{}')::bigint[], $1)::text, true)"};
inline constexpr Statement see_all{"see all spaces", "SELECT set_config('fractal.spaces', 'all', true)"};

}  // namespace sql
}  // namespace fractal::postgres_backend

#endif
