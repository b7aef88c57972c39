// The schemas of all operations.
#ifndef FRACTAL_SRC_SERVER_SCHEMAS_H
#define FRACTAL_SRC_SERVER_SCHEMAS_H

#include "src/server/schema.h"

namespace fractal::server::schemas {

// ---- Requests ----
extern const Schema nothing;  // no field
extern const Schema store_request, batch_request, batch_entry, patch_request, search_request, search_context;
extern const Schema search_query, list_query;
extern const Schema link_request, unlink_request, neighbors_query, path_query;
extern const Schema export_query, import_query, graph_export_query, changes_query;
extern const Schema session_request;
extern const Schema erase_query;

// ---- Answers ----
extern const Schema memory, store_response, patch_response, get_response, delete_response, batch_response, written;
extern const Schema search_hit, score_part, search_response, list_response;
extern const Schema link_response, unlink_response, neighbor, neighbors_response, path_response;
extern const Schema health_flags, health_response, health_service, health_database, health_tenant, health_system;
extern const Schema stats_response, ping_response, root_response, erase_response;
extern const Schema import_response, session_response, session_closed;
extern const Schema error_response, validation_item, validation_response;

}  // namespace fractal::server::schemas

#endif
