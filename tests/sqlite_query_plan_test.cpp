// The plan of every statement that must not grow with the database: which index it uses, no scan of a
// table, no sorting. On an empty database without statistics, which is how plans are made in the field.
#include "sqlite_files.h"

#include "backends/sqlite/connection.h"
#include "backends/sqlite/filter_sql.h"
#include "backends/sqlite/postings.h"
#include "backends/sqlite/statements.h"

#include <doctest/doctest.h>

using namespace fractal;
using namespace fractal::test;
using namespace fractal::sqlite_backend;
using SqlQuery = fractal::sqlite_backend::Query;

namespace {

class Plans {
 public:
  Plans() {
    const auto storage = open_storage(folder_.file("a.db"));
    storage->create_index("topic", {}).value();
    storage->create_index("user.age", {}).value();
    connection_ = Connection::open(folder_.file("a.db"), Access::read, std::chrono::milliseconds(0)).value();
    register_postings(*connection_).value();
    fields_ = read_fields(*connection_).value();
  }

  std::string of(const std::string& sql) {
    const std::string explain = "EXPLAIN QUERY PLAN " + sql;
    SqlQuery query(*connection_, explain, "test");
    std::string plan;
    while (query.step().value()) plan.append(query.bytes(3)).append("\n");
    return plan;
  }
  std::string of(Sql sql) { return of(std::string(sql_text(sql).sql)); }
  std::string of(const Filter& filter, std::string_view prefix = {}) {
    filter.check().value();
    return of(filter_query(filter, prefix, fields_).sql);
  }

 private:
  Folder folder_;
  std::unique_ptr<Connection> connection_;
  std::vector<Field> fields_;
};

bool has(const std::string& plan, const std::string& words) { return plan.find(words) != std::string::npos; }

// Searches, never scans or sorts.
void is_direct(const std::string& plan, const std::string& index) {
  CAPTURE(plan);
  CHECK(has(plan, index));
  CHECK_FALSE(has(plan, "SCAN"));
  CHECK_FALSE(has(plan, "TEMP B-TREE"));
}

}  // namespace

TEST_CASE("fixed statements") {
  Plans plans;
  const std::string key = "USING INDEX sfm_memories_by_key (space=? AND coordinate_key=?)";
  const std::string id = "USING INTEGER PRIMARY KEY (rowid=?)";
  const std::pair<Sql, std::string> expected[] = {
      {Sql::setting, "sfm_settings USING PRIMARY KEY (name=?)"},
      {Sql::audit_number, "sfm_settings USING PRIMARY KEY (name=?)"},
      {Sql::space_by_name, "USING INDEX sqlite_autoindex_sfm_namespaces_1 (tenant=? AND namespace=?)"},
      {Sql::space_by_number, id},
      {Sql::save_space, id},
      {Sql::erase_space_row, id},
      {Sql::get_header, key},
      {Sql::get_payload, key},
      {Sql::get_all, key},
      {Sql::find_header, key},
      {Sql::find_payload, key},
      {Sql::find_all, key},
      {Sql::fetch_header, id},
      {Sql::fetch_payload, id},
      {Sql::fetch_all, id},
      {Sql::scan_header, "USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"},
      {Sql::scan_payload, "USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"},
      {Sql::scan_all, "USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"},
      {Sql::update_memory, id},
      {Sql::erase_memory, id},
      {Sql::payload_of, id},
      {Sql::erase_vector, id},
      {Sql::add_accesses, "sfm_memories_by_key (space=? AND coordinate_key=?)"},
      {Sql::erase_field_value, "USING PRIMARY KEY (space=? AND field=? AND value=? AND id=?)"},
      {Sql::find_link, "USING PRIMARY KEY (space=? AND from_key=? AND type=? AND to_key=?)"},
      {Sql::erase_link, "USING PRIMARY KEY (space=? AND from_key=? AND type=? AND to_key=?)"},
      {Sql::links_out_whole, "USING PRIMARY KEY (space=? AND from_key=?)"},
      {Sql::links_in_whole, "USING INDEX sfm_graph_links_by_target (space=? AND to_key=?)"},
      {Sql::links_out, "USING PRIMARY KEY (space=? AND from_key=?)"},
      {Sql::links_out_of_type, "USING PRIMARY KEY (space=? AND from_key=? AND type=?)"},
      {Sql::links_in, "USING COVERING INDEX sfm_graph_links_by_target (space=? AND to_key=?)"},
      {Sql::links_in_of_type, "USING COVERING INDEX sfm_graph_links_by_target (space=? AND to_key=? AND type=?)"},
      {Sql::list_links, "USING PRIMARY KEY (space=?)"},
      {Sql::list_links_after, "USING PRIMARY KEY (space=? AND (from_key,type,to_key)>(?,?,?))"},
      {Sql::keys_from, "USING COVERING INDEX sfm_memories_by_key (space=? AND coordinate_key>?)"},
      {Sql::keys_between,
       "USING COVERING INDEX sfm_memories_by_key (space=? AND coordinate_key>? AND coordinate_key<?)"},
      {Sql::expired_of_view, "USING INDEX sfm_memories_by_expires_at (space=? AND expires_at<?)"},
      {Sql::prune_removals, "USING PRIMARY KEY (space=? AND sequence<?)"},
      {Sql::oldest_audit_kept, "USING PRIMARY KEY (space=?)"},
      {Sql::prune_audit_count, "USING PRIMARY KEY (space=? AND number<?)"},
      {Sql::prune_audit_age, "USING PRIMARY KEY (space=?)"},
      {Sql::audit_bounds, "USING PRIMARY KEY (space=?)"},
      {Sql::audit_page, "USING PRIMARY KEY (space=? AND number<?)"},
      {Sql::changed_memories, "USING INDEX sfm_memories_by_sequence (space=? AND sequence>?)"},
      {Sql::changed_links, "USING COVERING INDEX sfm_graph_links_by_sequence (space=? AND sequence>?)"},
      {Sql::removals, "USING PRIMARY KEY (space=? AND sequence>?)"},
      {Sql::every_vector, "USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"},
      {Sql::every_vector_with_fields, "SEARCH e USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"},
      {Sql::changed_vectors_with_fields, "USING INDEX sfm_memories_by_sequence (space=? AND sequence>?)"},
      {Sql::changed_vectors, "USING COVERING INDEX sfm_memories_by_sequence (space=? AND sequence>?)"},
      {Sql::removed_memories, "USING PRIMARY KEY (space=? AND sequence>?)"},
      {Sql::wipe_memories, "USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"},
      {Sql::wipe_vectors, "USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"},
      {Sql::wipe_links, "(space=?)"},
      {Sql::wipe_removals, "USING PRIMARY KEY (space=?)"},
      {Sql::wipe_audit, "USING PRIMARY KEY (space=?)"},
      {Sql::wipe_field_values, "USING PRIMARY KEY (space=?)"},
  };
  for (const auto& [sql, index] : expected) {
    CAPTURE(sql_text(sql).sql);
    is_direct(plans.of(sql), index);
  }
}

TEST_CASE("statements whose plan is another") {
  Plans plans;
  // Few rows, in another order than that of their index.
  const std::string expired = plans.of(Sql::expired_of_step);
  CHECK(has(expired, "sfm_memories_by_expires_at (space=? AND expires_at<?)"));
  CHECK_FALSE(has(expired, "SCAN"));
  // FTS5 takes the match and the range of ids: M and the two bounds.
  const std::string postings = plans.of(Sql::postings);
  CAPTURE(postings);
  CHECK(has(postings, "VIRTUAL TABLE INDEX"));
  CHECK(has(postings, "M4><"));
  CHECK_FALSE(has(postings, "TEMP B-TREE"));
}

TEST_CASE("lists: a page costs a page, in every order and direction") {
  Plans plans;
  for (const Columns columns : {Columns::header, Columns::payload, Columns::all}) {
    for (const bool descending : {false, true}) {
      for (const bool after : {false, true}) {
        Scan scan{.descending = descending, .columns = columns};
        if (after) scan.after = Position{};
        scan.order = ListOrder::coordinate;
        is_direct(plans.of(list_text(scan, false)), "sfm_memories_by_key (space=?");
        for (const std::string value : {"created_at", "importance"}) {
          scan.order = value == "importance" ? ListOrder::importance : ListOrder::created_at;
          const std::string index = "sfm_memories_by_" + value + " (space=?";
          const std::string sign = descending ? "<?" : ">?";
          const std::string range = after ? " AND " + value + sign + ")" : ")";
          is_direct(plans.of(list_text(scan, false)), index + range);
          if (!after) continue;
          is_direct(plans.of(list_text(scan, false, Beyond::tie)),
                    index + " AND " + value + "=? AND rowid" + sign + ")");
        }
        scan.prefix = Coordinate{1}.key();
        scan.order = ListOrder::coordinate;
        const std::string subtree = "sfm_memories_by_key (space=? AND coordinate_key>? AND coordinate_key<?)";
        is_direct(plans.of(list_text(scan, true)), subtree);
        // A subtree in another order is sorted: its rows are read, not those of the space.
        scan.order = ListOrder::created_at;
        const std::string plan = plans.of(list_text(scan, true));
        CAPTURE(plan);
        CHECK(has(plan, subtree));
      }
    }
  }
}

TEST_CASE("filters on built-in fields") {
  Plans plans;
  const std::string sequence = "USING COVERING INDEX sfm_memories_by_sequence (space=?)";
  is_direct(plans.of(Filter{}), "USING COVERING INDEX");
  is_direct(plans.of(Filter{}, Coordinate{1}.key()),
            "USING COVERING INDEX sfm_memories_by_key (space=? AND coordinate_key>? AND coordinate_key<?)");
  is_direct(plans.of(Filter::eq("$type", "semantic")), sequence);
  is_direct(plans.of(Filter::ge("$version", 2)), sequence);
  is_direct(plans.of(Filter::gt("$updated_at", 5)), sequence);
  is_direct(plans.of(Filter::gt("$importance", 0.5)),
            "USING COVERING INDEX sfm_memories_by_importance (space=? AND importance>?)");
  is_direct(plans.of(Filter::eq("$importance", 1)),
            "USING COVERING INDEX sfm_memories_by_importance (space=? AND importance=?)");
  is_direct(plans.of(Filter::lt("$created_at", 5)),
            "USING COVERING INDEX sfm_memories_by_created_at (space=? AND created_at<?)");
  is_direct(plans.of(Filter::le("$expires_at", 5)),
            "USING COVERING INDEX sfm_memories_by_expires_at (space=? AND expires_at>? AND expires_at<?)");
  is_direct(plans.of(Filter::exists("$expires_at")), "USING COVERING INDEX sfm_memories_by_expires_at (space=?");
  is_direct(plans.of(Filter::eq("$coordinate", "1.0,2.0")), "sfm_memories_by_key (space=? AND coordinate_key=?)");
}

TEST_CASE("filters on indexed payload fields") {
  Plans plans;
  const std::string values = "USING PRIMARY KEY (space=? AND field=? AND value";
  is_direct(plans.of(Filter::eq("topic", "tea")), values + "=?)");
  is_direct(plans.of(Filter::in("topic", {"tea", "coffee"})), values + "=?)");
  is_direct(plans.of(Filter::prefix("topic", "te")), values + ">? AND value<?)");
  is_direct(plans.of(Filter::ge("user.age", 18)), values + ">? AND value<?)");
  is_direct(plans.of(Filter::lt("user.age", 18)), values + "<?)");
  const std::string both =
      plans.of(Filter::ge("user.age", 18) && Filter::eq("topic", "tea") && Filter::eq("$type", "semantic"));
  is_direct(both, "f " + values + "=?");
  CHECK(has(both, "m USING INTEGER PRIMARY KEY (rowid=?)"));
  const std::string either = plans.of(Filter::eq("topic", "tea") || Filter::eq("user.age", 3));
  CAPTURE(either);
  CHECK_FALSE(has(either, "SCAN m"));
  // Not indexed: nothing to restrict.
  CHECK(has(plans.of(Filter::eq("color", "red")), "USING COVERING INDEX"));
}
