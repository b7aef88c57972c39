#include "tests/postgres/statement_scope.h"

#include <fractal/backend.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <compare>
#include <map>
#include <regex>
#include <utility>
#include <vector>

namespace fractal::testing {
namespace {

// A table with rows of spaces, and the columns by which it is bound to one. Null: it has none.
struct SpaceTable {
  std::string_view name, number, id;
};
constexpr std::array<SpaceTable, 8> space_tables{{{"sfm_namespaces", "fm_number", {}},
                                                  {"sfm_memories", "fm_space", "fm_id"},
                                                  {"sfm_graph_links", "fm_space", {}},
                                                  {"sfm_vector_embeddings", {}, "fm_id"},
                                                  {"sfm_removals", "space", {}},
                                                  {"sfm_audit_log", "fm_space", {}},
                                                  {"sfm_keywords", {}, "id"},
                                                  {"sfm_field_values", "space", "id"}}};

const SpaceTable* table_named(std::string_view name) {
  for (const SpaceTable& table : space_tables) {
    if (table.name == name) return &table;
  }
  return nullptr;
}

// Parts that reach beyond a space, and may.
struct Allowed {
  std::string_view text, reason;
};
constexpr Allowed allowed[] = {
    {"EXISTS (SELECT FROM sfm_memories WHERE id = encode($2, 'hex')::uuid)",
     "the service's primary key, unique over all spaces: only whether it is taken is asked"},
    {"SELECT fm_tenant, fm_name FROM sfm_namespaces WHERE fm_number IS NOT NULL ORDER BY 1, 2",
     "which spaces there are: for spaces(), and to tell an erased space from one that never was"},
    {"SELECT n.fm_tenant, n.fm_name, m.fm_id, m.fm_key FROM sfm_memories AS m JOIN sfm_namespaces AS n ON n.fm_number "
     "= "
     "m.fm_space WHERE m.fm_unindexed AND (m.fm_space, m.fm_id) > ($1, $2) ORDER BY m.fm_space, m.fm_id LIMIT $3",
     "where other programs wrote rows that are not indexed: each is then read and written in its own space"}};

std::string replaced(std::string text, const std::string& pattern, const std::string& by) {
  return std::regex_replace(text, std::regex(pattern), by);
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> parts(1);
  std::size_t depth = 0;
  for (const char c : text) {
    depth += c == '(' ? 1 : c == ')' ? std::size_t(-1) : 0;
    if (c == ',' && depth == 0) {
      parts.emplace_back();
    } else if (c != ' ' || !parts.back().empty()) {
      parts.back() += c;
    }
  }
  return parts;
}

// Columns of "unnest($1, $2) AS w(tenant, name)" are the values that they are made of.
std::string with_arrays(std::string text) {
  static const std::regex table(R"(unnest\(((?:\$\d+(?:, )?)+)\) AS (\w+)\(([\w, ]+)\))");
  std::smatch match;
  while (std::regex_search(text, match, table)) {
    const auto values = split_list(match[1].str()), columns = split_list(match[3].str());
    const std::string alias = match[2];
    text.replace(static_cast<std::size_t>(match.position()), static_cast<std::size_t>(match.length()), "arrays");
    for (std::size_t i = 0; i < std::min(values.size(), columns.size()); ++i) {
      text = replaced(std::move(text), "\\b" + alias + "\\." + columns[i] + "\\b", "$$" + values[i].substr(1));
    }
  }
  return text;
}

std::string plain(std::string text) {
  for (const Allowed& part : allowed) {
    for (auto at = text.find(part.text); at != text.npos; at = text.find(part.text)) {
      text.replace(at, part.text.size(), "TRUE");
    }
  }
  text = replaced(std::move(text), "'[^']*'", "''");
  text = replaced(std::move(text), "\\s+", " ");
  text = replaced(std::move(text), R"(::\w+(\[\])?)", "");
  text = replaced(std::move(text), R"(= ANY\(\$(\d+)\))", "=ANY $$$1");
  text = replaced(std::move(text),
                  R"(\((\w+\.)?fm_tenant, (\w+\.)?fm_name\) IN \(SELECT \* FROM unnest\(\$(\d+), \$(\d+)\)\))",
                  "$1fm_tenant =ANY $$$3 AND $2fm_name =ANY $$$4");
  return with_arrays(std::move(text));
}

// The text without what is in brackets, which goes to `inner`.
std::string without_brackets(std::string_view text, std::vector<std::string>& inner) {
  std::string outer;
  std::size_t depth = 0, begin = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '(' && depth++ == 0) begin = at + 1;
    if (text[at] == ')' && --depth == 0) inner.emplace_back(text.substr(begin, at - begin));
    if (depth == 0 || (depth == 1 && text[at] == '(')) outer += text[at];
  }
  return outer;
}

std::vector<std::smatch> matches_of(const std::string& text, const std::regex& pattern) {
  return {std::sregex_iterator(text.begin(), text.end(), pattern), std::sregex_iterator()};
}

std::string hex(std::string_view bytes) {
  std::string out = "\\x";
  for (const char c : bytes) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return out;
}

// What a value may be in a space.
struct Kinds {
  bool number = false, ids = false, words = false, tenant = false, name = false;
  friend auto operator<=>(const Kinds&, const Kinds&) = default;
};

// One id of the space, or an array of such.
bool are_ids(std::string_view text, std::uint64_t space) {
  const auto elements = split_list(text.starts_with('{') ? text.substr(1, text.size() - 2) : text);
  return std::all_of(elements.begin(), elements.end(), [space](const std::string& one) {
    const bool digits = !one.empty() && one.size() < 20 && one.find_first_not_of("0123456789") == one.npos;
    return digits && std::stoull(one) >> space_shift == space;
  });
}

bool are_words(std::string_view text, std::uint64_t space) {
  if (!text.starts_with('{')) return false;
  const auto elements = split_list(text.substr(1, text.size() - 2));
  return std::all_of(elements.begin(), elements.end(), [space](std::string_view one) {
    return one.substr(one.starts_with('"') ? 1 : 0).starts_with(fmt::format("{}:", space));
  });
}

// These bytes, or an array of nothing else.
bool are_bytes(std::string_view text, std::string_view bytes) {
  if (!text.starts_with('{')) return text == hex(bytes);
  const auto elements = split_list(text.substr(1, text.size() - 2));
  return std::all_of(elements.begin(), elements.end(),
                     [&](const std::string& one) { return one == fmt::format("\"\\{}\"", hex(bytes)); });
}

std::vector<Kinds> kinds_of(const std::vector<std::string>& values, const SpaceScope& scope) {
  std::vector<Kinds> kinds;
  for (const std::string& value : values) {
    kinds.push_back({.number = value == fmt::to_string(scope.number),
                     .ids = are_ids(value, scope.number),
                     .words = are_words(value, scope.number),
                     .tenant = are_bytes(value, scope.tenant),
                     .name = are_bytes(value, scope.name)});
  }
  return kinds;
}

struct Use {
  const SpaceTable* table = nullptr;
  std::string alias{};
  bool bound = false;
};

class Checker {
 public:
  explicit Checker(const std::vector<Kinds>& kinds) : kinds_(kinds) {}

  std::string check(const std::string& text, const std::vector<Use>& outer) {
    static const std::regex insert(R"(^\s*INSERT INTO (\w+) ?\()"), unions(" UNION (ALL )?");
    if (std::smatch match; std::regex_search(text, match, insert)) return check_insert(text, match[1]);
    std::vector<std::string> inner;
    const std::string flat = without_brackets(text, inner);
    std::vector<Use> uses = outer;
    for (std::sregex_token_iterator part(flat.begin(), flat.end(), unions, -1), end; part != end; ++part) {
      auto own = uses_in(part->str());
      bind(part->str(), own, outer);
      for (const Use& use : own) {
        if (!use.bound) return std::string(use.table->name);
      }
      uses.insert(uses.end(), own.begin(), own.end());
    }
    for (const std::string& one : inner) {
      if (auto table = check(one, uses); !table.empty()) return table;
    }
    return {};
  }

  static std::vector<Use> uses_in(const std::string& flat) {
    static const std::regex reference(R"((?:\b(?:FROM|JOIN|UPDATE|INTO)|,) (sfm_\w+)(?: AS (\w+))?)");
    std::vector<Use> uses;
    for (const std::smatch& match : matches_of(flat, reference)) {
      const SpaceTable* const table = table_named(match[1].str());
      if (table != nullptr) uses.push_back({table, match[2].matched ? match[2].str() : match[1].str(), false});
    }
    return uses;
  }

 private:
  // Of $number.
  Kinds kinds(const std::string& number) const {
    const std::size_t at = std::stoul(number);
    return at >= 1 && at <= kinds_.size() ? kinds_[at - 1] : Kinds{};
  }

  std::string check_insert(const std::string& text, const std::string& name) {
    std::vector<std::string> brackets;
    without_brackets(text, brackets);
    const SpaceTable* const table = table_named(name);
    if (table == nullptr) return {};
    const auto columns = split_list(brackets.at(0)), given = split_list(brackets.at(1));
    const auto written = [&](std::string_view column) {
      const auto at = static_cast<std::size_t>(std::find(columns.begin(), columns.end(), column) - columns.begin());
      return at < given.size() && given[at].starts_with('$') ? kinds(given[at].substr(1)) : Kinds{};
    };
    const bool of_space = table->name == "sfm_namespaces" ? written("fm_tenant").tenant && written("fm_name").name
                          : !table->number.empty()        ? written(table->number).number
                                                          : written(table->id).ids;
    if (!of_space) return name;
    for (const std::string& one : brackets) {
      if (auto inner = check(one, {}); !inner.empty()) return inner;
    }
    return {};
  }

  struct Condition {
    std::string alias, column, sign;
    Kinds value;
  };

  // Conditions of this level that all must hold. None if there is an OR among them.
  std::vector<Condition> conditions_in(const std::string& flat) const {
    static const std::regex where(R"(\b(WHERE|ON)\b)"), either(R"(\bOR\b)");
    static const std::regex condition(R"((?:(\w+)\.)?(\w+) (=ANY|=|>=|<=|>|<|&&) \$(\d+))");
    static const std::regex between(R"((?:(\w+)\.)?(\w+) BETWEEN \$(\d+) AND \$(\d+))");
    std::smatch begin;
    if (!std::regex_search(flat, begin, where) || std::regex_search(flat, either)) return {};
    const std::string rest = begin.suffix();
    std::vector<Condition> all;
    for (const std::smatch& match : matches_of(rest, condition)) {
      all.push_back({match[1], match[2], match[3], kinds(match[4])});
    }
    for (const std::smatch& match : matches_of(rest, between)) {
      all.push_back({match[1], match[2], ">=", kinds(match[3])});
      all.push_back({match[1], match[2], "<=", kinds(match[4])});
    }
    return all;
  }

  bool binds(const Use& use, const std::vector<Condition>& conditions) const {
    bool lower = false, upper = false, tenant = false, name = false;
    for (const Condition& one : conditions) {
      if (!one.alias.empty() && one.alias != use.alias) continue;
      const bool equal = one.sign == "=" || one.sign == "=ANY";
      if (one.sign == "=" && one.column == use.table->number && one.value.number) return true;
      if (one.sign == "&&" && one.column == "terms" && one.value.words) return true;
      if (one.column == use.table->id && one.value.ids) {
        if (equal) return true;
        lower = lower || one.sign.starts_with('>');
        upper = upper || one.sign.starts_with('<');
      }
      tenant = tenant || (equal && one.column == "fm_tenant" && one.value.tenant);
      name = name || (equal && one.column == "fm_name" && one.value.name);
    }
    return (lower && upper) || (tenant && name && use.table->name == "sfm_namespaces");
  }

  // By values, or by equality with one that is bound.
  void bind(const std::string& flat, std::vector<Use>& own, const std::vector<Use>& outer) const {
    static const std::regex equality(R"((?:(\w+)\.)?(\w+) = (\w+)\.(\w+))");
    const auto conditions = conditions_in(flat);
    for (Use& use : own) use.bound = binds(use, conditions);
    const auto equalities = matches_of(flat, equality);
    for (std::size_t round = 0; round < own.size(); ++round) {
      for (const std::smatch& match : equalities) {
        const std::array<std::pair<std::string, std::string>, 2> sides{{{match[1], match[2]}, {match[3], match[4]}}};
        for (Use& use : own) {
          for (const std::size_t side : {0u, 1u}) {
            const auto& [alias, column] = sides[side];
            const bool by = column == use.table->number || column == use.table->id;
            if ((alias.empty() || use.alias == alias) && by && is_bound(sides[1 - side], own, outer)) use.bound = true;
          }
        }
      }
    }
  }

  static bool is_bound(const std::pair<std::string, std::string>& side, const std::vector<Use>& own,
                       const std::vector<Use>& outer) {
    for (const auto* uses : {&own, &outer}) {
      for (const Use& use : *uses) {
        const bool by = side.second == use.table->number || side.second == use.table->id;
        if (use.alias == side.first && use.bound && by) return true;
      }
    }
    return false;
  }

  const std::vector<Kinds>& kinds_;
};

}  // namespace

// The values count for what they may be, no more: many statements are the same by that.
std::string beyond_scope(const LoggedStatement& statement, const SpaceScope& scope) {
  static std::map<std::pair<std::string, std::vector<Kinds>>, std::string> known;
  auto kinds = kinds_of(statement.values, scope);
  const auto [entry, added] = known.try_emplace({statement.text, std::move(kinds)});
  if (added) entry->second = Checker(entry->first.second).check(plain(statement.text), {});
  return entry->second;
}

std::set<std::string> tables_used(const LoggedStatement& statement) {
  static const std::regex use(R"((INSERT INTO|DELETE FROM|UPDATE|FROM|JOIN) (sfm_\w+))");
  static std::map<std::string, std::set<std::string>> known;
  const auto [entry, added] = known.try_emplace(statement.text);
  std::set<std::string>& used = entry->second;
  if (!added) return used;
  const std::string text = plain(statement.text);
  for (const std::smatch& match : matches_of(text, use)) {
    const std::string how = match[1];
    const std::string verb = how == "FROM" || how == "JOIN" ? "SELECT" : how.substr(0, 6);
    if (table_named(match[2].str()) != nullptr) used.insert(verb + " " + match[2].str());
  }
  return used;
}

}  // namespace fractal::testing
