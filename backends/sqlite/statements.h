// The text of every statement that is prepared once and used again.
#ifndef FRACTAL_BACKENDS_SQLITE_STATEMENTS_H
#define FRACTAL_BACKENDS_SQLITE_STATEMENTS_H

#include <fractal/backend.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace fractal::sqlite_backend {

// Groups of three are for Columns::header, payload and all, in this order; of(first, columns) picks one.
enum class Sql : std::size_t {
  begin_read,
  begin_write,
  commit,
  savepoint,
  release,
  rollback_to,
  setting,
  set_setting,
  spaces,
  fields,
  audit_number,
  space_by_name,
  space_by_number,
  create_space,
  save_space,
  erase_space_row,
  get_header,
  get_payload,
  get_all,  // tenant, namespace, key
  find_header,
  find_payload,
  find_all,  // space, key
  fetch_header,
  fetch_payload,
  fetch_all,  // id
  scan_header,
  scan_payload,
  scan_all,  // after, last, limit
  insert_memory,
  update_memory,
  erase_memory,
  payload_of,
  add_accesses,
  insert_vector,
  replace_vector,
  erase_vector,
  insert_field_value,
  erase_field_value,
  erase_keywords,
  insert_keywords,
  find_link,
  put_link,
  erase_link,
  links_out_whole,
  links_in_whole,
  links_out,
  links_out_of_type,
  links_in,
  links_in_of_type,
  list_links,
  list_links_after,
  keys_from,
  keys_between,
  expired_of_view,
  expired_of_step,
  note_removal,
  prune_removals,
  insert_audit,
  oldest_audit_kept,
  prune_audit_count,
  prune_audit_age,
  audit_bounds,
  audit_page,
  changed_memories,
  changed_links,
  removals,
  every_vector,
  every_vector_with_fields,
  cleared_vectors,
  changed_vectors,
  changed_vectors_with_fields,
  removed_memories,
  postings,
  wipe_memories,
  wipe_vectors,
  wipe_keywords,
  wipe_links,
  wipe_removals,
  wipe_audit,
  wipe_field_values,
  count_,
};
inline constexpr std::size_t sql_count = static_cast<std::size_t>(Sql::count_);

struct SqlText {
  const char* operation = nullptr;  // for messages
  const char* sql = nullptr;
};
const SqlText& sql_text(Sql sql);

inline Sql of(Sql first, Columns columns) noexcept {
  return static_cast<Sql>(static_cast<std::size_t>(first) + static_cast<std::size_t>(columns));
}

// Which rows of an order by created_at or importance: those beyond a position with its value and a
// further id, or those beyond its value. Both at once would read all rows that share the value.
enum class Beyond { tie, value };
// A page of rows. Parameters: ?1 space, ?2 the prefix, ?3 the first key beyond it (if last_key), ?4 and
// ?5 the position (value and id; or key), ?6 limit. By coordinate, a position lies within the prefix.
// `beyond` is for orders by value without a prefix.
std::string list_text(const Scan& scan, bool last_key, Beyond beyond = Beyond::value);

}  // namespace fractal::sqlite_backend

#endif
