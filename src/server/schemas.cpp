// Invariant: a schema is defined before another one points to it; nothing else describes a request or an answer.
#include "src/server/schemas.h"

#include "src/server/shapes.h"

#include <fractal/types.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace fractal::server::schemas {
namespace {

using enum FieldType;

constexpr auto most_top_k = static_cast<std::int64_t>(limits::top_k);

const std::vector<std::string_view> types{"episodic", "semantic"};
const std::vector<std::string_view> directions{"outgoing", "incoming", "both"};

constexpr auto most_integer = std::numeric_limits<std::int64_t>::max();

Field coordinate(std::string_view name, std::string_view about, bool required = true) {
  return {.name = name, .type = text, .about = about, .required = required, .pattern = coordinate_pattern};
}

Field coord(std::string_view about = "Numbers separated by commas, such as \"1,2,3\"") {
  return coordinate("coord", about);
}

Field within(bool nullable) {
  Field field = coordinate("within", "Only this coordinate and what begins with it", false);
  field.nullable = nullable;
  return field;
}

Field expires_at(std::string_view about) {
  return {.name = "expires_at",
          .type = text,
          .about = about,
          .nullable = true,
          .format = "date-time",
          .pattern = time_pattern};
}

Field if_version() {
  return {.name = "if_version",
          .type = integer,
          .about = "Only if it has this version (0: is not there), else 409",
          .nullable = true,
          .least = 0,
          .most = most_integer};
}

Field link_type(std::string_view about, std::string_view otherwise) {
  return {.name = "link_type",
          .type = text,
          .about = about,
          .nullable = true,
          .otherwise = otherwise,
          .longest = limits::link_type};
}

Field limit(std::string_view otherwise) {
  return {.name = "limit",
          .type = integer,
          .about = "At most so many",
          .otherwise = otherwise,
          .least = 0,
          .most = most_top_k};
}

Field offset() {
  return {.name = "offset",
          .type = integer,
          .about = "So many are skipped",
          .otherwise = "0",
          .least = 0,
          .most = most_top_k};
}

const Field query{.name = "query", .type = text, .about = "What to look for: words, or a question", .required = true};
const Field top_k{
    .name = "top_k", .type = integer, .about = "Hits wanted", .otherwise = "5", .least = 0, .most = most_top_k};
const Field filters{.name = "filters",
                    .type = object,
                    .about = "Payload members and their values; with lookups such as year__gte",
                    .nullable = true,
                    .shape = "Lookups"};
const Field filter{.name = "filter", .type = object, .about = "Filter algebra", .shape = "Filter"};

// Of a token's tenants or namespaces.
Field names(std::string_view name) {
  return {.name = name,
          .type = list,
          .about = "Of the token's",
          .nullable = true,
          .least = 1,
          .longest = 20,
          .element = text};
}

}  // namespace

const Schema nothing{"Nothing", {}};

const Schema store_request{"MemoryStoreRequest",
                           {coord(),
                            {.name = "payload", .type = object, .about = "Kept as sent", .required = true},
                            {.name = "memory_type", .type = text, .otherwise = "\"episodic\"", .choices = types},
                            {.name = "importance", .type = number, .otherwise = "0.0"},
                            {.name = "metadata", .type = object, .about = "Not searched by words", .nullable = true},
                            {.name = "embedding",
                             .type = vector,
                             .about = "As many numbers as the other vectors of the space have",
                             .nullable = true,
                             .longest = limits::dimension},
                            expires_at("From then on no answer has it: 2027-01-31T12:00:00Z"),
                            if_version()}};

const Schema patch_request{
    "MemoryPatchRequest",
    {{.name = "payload", .type = object, .about = "A JSON merge patch (RFC 7396)"},
     {.name = "metadata", .type = object, .about = "A JSON merge patch"},
     {.name = "memory_type", .type = text, .choices = types},
     {.name = "importance", .type = number},
     {.name = "embedding", .type = vector, .about = "Empty: removes the vector", .longest = limits::dimension},
     expires_at("null: never"),
     if_version()}};

namespace {

// The fields of a batch's entries. What is required, and what there is, hangs on `op`: see batch_entry.
const std::vector<Field> entry_fields{
    {.name = "op",
     .type = text,
     .about = "What to do",
     .otherwise = "\"store\"",
     .choices = {"store", "patch", "delete", "link", "unlink"}},
    coordinate("coord", "For store, patch and delete", false),
    {.name = "payload", .type = object},
    {.name = "memory_type", .type = text, .choices = types},
    {.name = "importance", .type = number},
    {.name = "metadata", .type = object, .nullable = true},
    {.name = "embedding", .type = vector, .nullable = true, .longest = limits::dimension},
    expires_at(""),
    if_version(),
    coordinate("from_coord", "For link and unlink", false),
    coordinate("to_coord", "", false),
    link_type("For link and unlink", "\"related\""),
    {.name = "strength", .type = number, .otherwise = "1.0"}};

Schema entry(std::string_view name, std::string_view op, const std::vector<std::string_view>& required,
             const std::vector<std::string_view>& optional) {
  const auto in = [](const std::vector<std::string_view>& names, std::string_view one) {
    return std::find(names.begin(), names.end(), one) != names.end();
  };
  Schema schema{name, {}};
  for (Field field : entry_fields) {
    if (field.name == "op") {
      field.choices = {op};
      if (op != "store") field.otherwise = {};
    }
    field.required = in(required, field.name) || (field.name == "op" && op != "store");
    if (field.required || field.name == "op" || in(optional, field.name)) schema.fields.push_back(std::move(field));
  }
  return schema;
}

const Schema batch_store = entry("MemoryBatchStore", "store", {"coord", "payload"},
                                 {"memory_type", "importance", "metadata", "embedding", "expires_at", "if_version"});
const Schema batch_patch =
    entry("MemoryBatchPatch", "patch", {"coord"},
          {"payload", "memory_type", "importance", "metadata", "embedding", "expires_at", "if_version"});
const Schema batch_delete = entry("MemoryBatchDelete", "delete", {"coord"}, {"if_version"});
const Schema batch_link =
    entry("MemoryBatchLink", "link", {"from_coord", "to_coord"}, {"link_type", "strength", "metadata"});
const Schema batch_unlink = entry("MemoryBatchUnlink", "unlink", {"from_coord", "to_coord"}, {"link_type"});

}  // namespace

const Schema batch_entry{
    "MemoryBatchEntry", entry_fields, {&batch_store, &batch_patch, &batch_delete, &batch_link, &batch_unlink}};

const Schema batch_request{"MemoryBatchRequest",
                           {{.name = "entries",
                             .type = list,
                             .about = "Done in order, all or none",
                             .required = true,
                             .longest = 10'000,
                             .of = &batch_entry}}};

const Schema search_query{
    "MemorySearchQuery",
    {query,
     top_k,
     offset(),
     filters,
     {.name = "memory_type", .type = text, .about = "Only memories of this type", .choices = types}}};

const Schema search_request{
    "MemorySearchRequest",
    {query,
     top_k,
     offset(),
     {.name = "memory_type", .type = text, .about = "Only memories of this type", .nullable = true, .choices = types},
     filters,
     {.name = "filter",
      .type = object,
      .about = "Filter algebra: {\"year\": {\"$gte\": 2024}, \"$not\": {..}}",
      .nullable = true,
      .shape = "Filter"},
     {.name = "vector",
      .type = FieldType::vector,
      .about = "Beside or instead of the text",
      .nullable = true,
      .longest = limits::dimension},
     {.name = "mode",
      .type = text,
      .otherwise = "\"automatic\"",
      .choices = {"automatic", "vector", "keyword", "hybrid"}},
     {.name = "context",
      .type = list,
      .about = "Coordinates; what is linked with them ranks higher",
      .nullable = true,
      .longest = 64,
      .element = text,
      .pattern = coordinate_pattern},
     within(true),
     {.name = "exact", .type = flag, .about = "Every vector is compared", .otherwise = "false"},
     {.name = "explain", .type = flag, .about = "Parts of each score", .otherwise = "false"}}};

const Schema list_query{
    "MemoryListQuery",
    {{.name = "limit", .type = integer, .about = "Memories on a page", .otherwise = "100", .least = 1, .most = 10'000},
     {.name = "after", .type = text, .about = "`next` of the page before"},
     {.name = "order",
      .type = text,
      .otherwise = "\"coordinate\"",
      .choices = {"coordinate", "created_at", "importance"}},
     {.name = "descending", .type = flag, .otherwise = "false"},
     within(false),
     {.name = "memory_type", .type = text, .choices = types},
     filters,
     filter}};

const Schema link_request{"GraphLinkRequest",
                          {coordinate("from_coord", ""),
                           coordinate("to_coord", ""),
                           link_type("", "\"related\""),
                           {.name = "strength", .type = number, .otherwise = "1.0"},
                           {.name = "metadata", .type = object, .nullable = true}}};

const Schema unlink_request{"GraphUnlinkQuery",
                            {coordinate("from_coord", ""), coordinate("to_coord", ""), link_type("", "\"related\"")}};

const Schema neighbors_query{"GraphNeighborsQuery",
                             {coord(),
                              {.name = "k_hop",
                               .type = integer,
                               .about = "So many links away at most",
                               .otherwise = "1",
                               .least = 1,
                               .most = static_cast<std::int64_t>(limits::hops)},
                              limit("10"),
                              offset(),
                              link_type("Only links of this type", "null"),
                              {.name = "direction", .type = text, .otherwise = "\"outgoing\"", .choices = directions}}};

const Schema path_query{
    "GraphPathQuery",
    {coordinate("from_coord", ""),
     coordinate("to_coord", ""),
     {.name = "max_length",
      .type = integer,
      .about = "Coordinates on the path at most",
      .otherwise = "10",
      .least = 0,
      .most = static_cast<std::int64_t>(limits::hops) + 1},
     link_type("Only links of this type", "null"),
     {.name = "direction", .type = text, .otherwise = "\"outgoing\"", .choices = directions},
     {.name = "weighted", .type = flag, .about = "Least sum of 1 / strength", .otherwise = "false"}}};

const Schema export_query{
    "MemoryExportQuery",
    {within(false),
     {.name = "memory_type", .type = text, .choices = types},
     filters,
     filter,
     {.name = "embeddings", .type = flag, .about = "With the vectors", .otherwise = "true"},
     {.name = "links", .type = flag, .about = "With the links, after the memories", .otherwise = "true"}}};

const Schema import_query{"MemoryImportQuery",
                          {{.name = "from_line",
                            .type = integer,
                            .about = "Lines before it are skipped, but for the header",
                            .otherwise = "1",
                            .least = 1,
                            .most = most_integer}}};

const Schema graph_export_query{
    "GraphExportQuery",
    {{.name = "format", .type = text, .otherwise = "\"json\"", .choices = {"json", "graphml", "dot"}},
     within(false),
     {.name = "memory_type", .type = text, .choices = types},
     filters,
     filter}};

const Schema changes_query{
    "ChangesQuery",
    {{.name = "after",
      .type = text,
      .about = "The id of the last event that was seen, or a sequence number; missing: from now on. Last-Event-ID goes "
               "before it",
      .pattern = event_pattern},
     {.name = "follow",
      .type = flag,
      .about = "Wait for more; else the answer ends with what there is",
      .otherwise = "true"}}};

const Schema session_request{
    "SessionRequest",
    {names("tenants"),
     names("namespaces"),
     {.name = "permissions",
      .type = list,
      .about = "Of the token's",
      .nullable = true,
      .least = 1,
      .longest = 4,
      .choices = {"read", "write", "delete", "admin"},
      .element = text},
     {.name = "expires_in", .type = integer, .about = "Seconds", .otherwise = "3600", .least = 1, .most = 86'400}}};

const Schema erase_query{
    "SpaceEraseQuery",
    {{.name = "purge", .type = flag, .about = "Also rewrite the file: no byte stays in it", .otherwise = "false"}}};

const Schema memory{"MemoryRecord",
                    {{.name = "coordinate", .type = list, .required = true, .element = number},
                     {.name = "payload", .type = object, .required = true},
                     {.name = "memory_type", .type = text, .required = true, .choices = types},
                     {.name = "metadata", .type = object, .required = true},
                     {.name = "importance", .type = number, .required = true},
                     {.name = "created_at", .type = text, .required = true, .format = "date-time"},
                     {.name = "updated_at", .type = text, .required = true, .format = "date-time"},
                     {.name = "version", .type = integer, .required = true},
                     {.name = "id", .type = text, .required = true},
                     {.name = "expires_at", .type = text, .format = "date-time"}}};

const Schema store_response{"MemoryStoreResponse",
                            {{.name = "coord", .type = text, .about = "As sent", .required = true},
                             {.name = "memory_type", .type = text, .required = true, .choices = types},
                             {.name = "version", .type = integer, .required = true},
                             {.name = "created", .type = flag, .about = "There was none before", .required = true}}};

const Schema patch_response{
    "MemoryPatchResponse",
    {{.name = "coord", .type = text, .required = true}, {.name = "version", .type = integer, .required = true}}};

const Schema get_response{"MemoryGetResponse", {{.name = "memory", .type = schema, .required = true, .of = &memory}}};

const Schema delete_response{
    "MemoryDeleteResponse",
    {{.name = "coord", .type = text, .required = true}, {.name = "deleted", .type = flag, .required = true}}};

const Schema written{"WrittenEntry",
                     {{.name = "version", .type = integer, .required = true},
                      {.name = "created", .type = flag, .required = true},
                      {.name = "removed", .type = flag, .required = true}}};

const Schema batch_response{
    "MemoryBatchResponse",
    {{.name = "ok", .type = flag, .required = true},
     {.name = "sequence", .type = integer, .about = "Of the space's last change", .required = true},
     {.name = "written", .type = list, .about = "Entry by entry", .required = true, .of = &written}}};

const Schema score_part{"ScorePart",
                        {{.name = "name", .type = text, .required = true},
                         {.name = "value", .type = number, .required = true},
                         {.name = "contribution", .type = number, .required = true}}};

const Schema search_hit{"MemorySearchHit",
                        {{.name = "coordinate", .type = list, .required = true, .element = number},
                         {.name = "payload", .type = object, .required = true},
                         {.name = "memory_type", .type = text, .required = true, .choices = types},
                         {.name = "importance", .type = number, .required = true},
                         {.name = "score", .type = number, .about = "Higher is better", .required = true},
                         {.name = "explain", .type = list, .of = &score_part}}};

const Schema search_response{
    "MemorySearchResponse",
    {{.name = "memories", .type = list, .about = "The best first", .required = true, .of = &search_hit},
     {.name = "matched", .type = integer, .about = "Memories that could be ranked", .required = true},
     {.name = "exact",
      .type = flag,
      .about = "No memory outside would have ranked before one of these",
      .required = true},
     {.name = "sequence", .type = integer, .about = "The moment that the answer describes", .required = true},
     {.name = "mode", .type = text, .required = true}}};

const Schema list_response{"MemoryListResponse",
                           {{.name = "memories", .type = list, .required = true, .of = &memory},
                            {.name = "next",
                             .type = text,
                             .about = "For `after`; null: this was the last page",
                             .required = true,
                             .nullable = true}}};

const Schema link_response{"GraphLinkResponse",
                           {{.name = "from_coord", .type = text, .required = true},
                            {.name = "to_coord", .type = text, .required = true},
                            {.name = "link_type", .type = text, .required = true},
                            {.name = "ok", .type = flag, .required = true}}};

const Schema unlink_response{"GraphUnlinkResponse",
                             {{.name = "from_coord", .type = text, .required = true},
                              {.name = "to_coord", .type = text, .required = true},
                              {.name = "link_type", .type = text, .required = true},
                              {.name = "deleted", .type = flag, .required = true}}};

const Schema neighbor{"GraphNeighbor",
                      {{.name = "coordinate", .type = list, .required = true, .element = number},
                       {.name = "link_type", .type = text, .about = "Of the link that led to it", .required = true},
                       {.name = "strength", .type = number, .required = true},
                       {.name = "hops", .type = integer, .required = true}}};

const Schema neighbors_response{"GraphNeighborsResponse",
                                {{.name = "coord", .type = text, .required = true},
                                 {.name = "neighbors",
                                  .type = list,
                                  .about = "The nearest first, then the newest",
                                  .required = true,
                                  .of = &neighbor}}};

const Schema path_response{"GraphPathResponse",
                           {{.name = "from_coord", .type = text, .required = true},
                            {.name = "to_coord", .type = text, .required = true},
                            {.name = "path", .type = list, .required = true, .element = text},
                            {.name = "link_types", .type = list, .required = true, .element = text},
                            {.name = "found", .type = flag, .required = true}}};

const Schema health_flags{"HealthFlags",
                          {{.name = "kv_store", .type = flag, .required = true},
                           {.name = "vector_store", .type = flag, .required = true},
                           {.name = "graph_store", .type = flag, .required = true}}};

const Schema health_service{"HealthService",
                            {{.name = "name", .type = text, .required = true},
                             {.name = "healthy", .type = flag, .required = true},
                             {.name = "latency_ms", .type = number, .required = true},
                             {.name = "details", .type = object, .required = true}}};

const Schema health_database{"HealthDatabase",
                             {{.name = "total_memories", .type = integer, .required = true},
                              {.name = "episodic_memories", .type = integer, .required = true},
                              {.name = "semantic_memories", .type = integer, .required = true},
                              {.name = "total_graph_links", .type = integer, .required = true},
                              {.name = "total_namespaces", .type = integer, .required = true}}};

const Schema health_tenant{"HealthTenant",
                           {{.name = "tenant", .type = text, .required = true},
                            {.name = "total_memories", .type = integer, .required = true},
                            {.name = "episodic", .type = integer, .required = true},
                            {.name = "semantic", .type = integer, .required = true},
                            {.name = "graph_links", .type = integer, .required = true}}};

const Schema health_system{
    "HealthSystem",
    {{.name = "python_version", .type = text, .about = "Empty: there is none", .required = true},
     {.name = "platform", .type = text, .required = true},
     {.name = "hostname", .type = text, .required = true},
     {.name = "process_id", .type = integer, .required = true},
     {.name = "django_settings", .type = text, .about = "Empty: there are none", .required = true}}};

const Schema health_response{
    "HealthResponse",
    {{.name = "healthy", .type = flag, .required = true},
     {.name = "status", .type = text, .required = true, .choices = {"healthy", "degraded", "unhealthy"}},
     {.name = "version", .type = text, .required = true},
     {.name = "uptime_seconds", .type = number, .required = true},
     {.name = "timestamp", .type = text, .required = true, .format = "date-time"},
     {.name = "services", .type = list, .required = true, .of = &health_service},
     {.name = "database",
      .type = schema,
      .about = "Of the tenants that the token may see",
      .required = true,
      .of = &health_database},
     {.name = "tenants", .type = list, .required = true, .of = &health_tenant},
     {.name = "system", .type = schema, .required = true, .of = &health_system}}};

const Schema stats_response{"StatsResponse",
                            {{.name = "total_memories", .type = integer, .required = true},
                             {.name = "episodic", .type = integer, .required = true},
                             {.name = "semantic", .type = integer, .required = true},
                             {.name = "namespace", .type = text, .required = true}}};

const Schema ping_response{"PingResponse", {{.name = "ping", .type = text, .required = true}}};

const Schema root_response{"RootResponse",
                           {{.name = "status", .type = text, .required = true},
                            {.name = "message", .type = text, .required = true},
                            {.name = "metrics", .type = text, .required = true}}};

const Schema erase_response{"SpaceEraseResponse",
                            {{.name = "erased", .type = integer, .about = "Memories", .required = true},
                             {.name = "bytes_rewritten", .type = integer, .about = "By the purge", .required = true}}};

const Schema import_response{"MemoryImportResponse",
                             {{.name = "lines", .type = integer, .required = true},
                              {.name = "memories", .type = integer, .required = true},
                              {.name = "links", .type = integer, .required = true}}};

const Schema session_response{
    "SessionResponse",
    {{.name = "token", .type = text, .about = "Shown this once", .required = true},
     {.name = "id", .type = text, .about = "To revoke it by", .required = true},
     {.name = "expires_at", .type = text, .required = true},
     {.name = "tenants", .type = list, .about = "\"*\": all", .required = true, .element = text},
     {.name = "namespaces", .type = list, .about = "\"*\": all", .required = true, .element = text},
     {.name = "permissions", .type = list, .required = true, .element = text}}};

const Schema session_closed{"SessionClosedResponse",
                            {{.name = "id", .type = text, .required = true},
                             {.name = "revoked", .type = flag, .about = "It was there", .required = true}}};

const Schema error_response{"ErrorResponse", {{.name = "detail", .type = text, .required = true}}};

const Schema validation_item{"ValidationItem",
                             {{.name = "type", .type = text, .required = true},
                              {.name = "loc", .type = list, .required = true, .element = any},
                              {.name = "msg", .type = text, .required = true},
                              {.name = "ctx", .type = object}}};

const Schema validation_response{"ValidationResponse",
                                 {{.name = "detail", .type = list, .required = true, .of = &validation_item}}};

}  // namespace fractal::server::schemas
