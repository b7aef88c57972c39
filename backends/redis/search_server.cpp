// Invariant: what was found was looked for in an FT index that had every row. A row is in it once its write has been
// answered, unless the server still reads rows that were there before the index: after it was made, and after data was
// loaded. Both are asked for, the second by the server's life. And nothing is cut short: queries have no time limit on the
// server, since what it has by then would look like an answer; how long we wait is our own affair.
#include "backends/redis/search_server.h"

#include "backends/redis/index_scripts.h"
#include "src/error.h"
#include "src/validate.h"
#include "src/version_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <thread>

namespace fractal::redis_backend {
namespace {

constexpr std::string_view links = "16", ef_construction = "200", ef_search = "200";
constexpr std::chrono::milliseconds scan_poll{10};
constexpr int most_lives = 3;  // of a server, during one call

bool says(const Reply& reply, std::string_view words) {
  const auto same = [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; };
  return reply.kind == Reply::Kind::error &&
         std::search(reply.text.begin(), reply.text.end(), words.begin(), words.end(), same) != reply.text.end();
}

// In the words of RediSearch 2.4 to 2.10, and of Redis 8.
bool is_unknown_index(const Reply& reply) {
  return says(reply, "no such index") || says(reply, "unknown index name") || says(reply, "index not found");
}

// What stands behind "name:" in what INFO says.
std::string_view info_value(std::string_view info, std::string_view name) {
  for (std::size_t at = info.find(name); at != info.npos; at = info.find(name, at + 1)) {
    if ((at != 0 && info[at - 1] != '\n') || info.substr(at + name.size(), 1) != ":") continue;
    const std::string_view rest = info.substr(at + name.size() + 1);
    return rest.substr(0, rest.find_first_of("\r\n"));
  }
  return {};
}

// Of FT.INFO's list of names and values; versions differ in how they write a number.
std::optional<double> number_in(const Reply& info, std::string_view name) {
  for (std::size_t i = 0; i + 1 < info.list.size(); i += 2) {
    if (info.list[i].text != name) continue;
    const Reply& value = info.list[i + 1];
    if (value.kind == Reply::Kind::number) return static_cast<double>(value.number);
    double number = 0;
    const char* const end = value.text.data() + value.text.size();
    if (std::from_chars(value.text.data(), end, number).ptr != end || value.text.empty()) return std::nullopt;
    return number;
  }
  return std::nullopt;
}

std::string life_of(const Reply& server, const Reply& replication) {
  return fmt::format("{} {} {}", info_value(server.text, "run_id"), info_value(replication.text, "master_replid"),
                     info_value(replication.text, "role"));
}

}  // namespace

// ---- Asking ------------------------------------------------------------------------------------------------------

Result<void> SearchServer::may_go_on(const Control* control) const {
  return Patience{.control = control, .stopping = &stopping_}.check(pool_.endpoint());
}

Result<std::vector<Reply>> SearchServer::ask_pool(std::span<const Command> commands, const Control* control) {
  FRACTAL_TRY(may_go_on(control));
  return pool_.ask(commands, Pool::Repeat::again, control, &stopping_);
}

Error SearchServer::said(const Command& command, const Reply& reply) const {
  const std::string_view what = command.script != nullptr ? "a script" : command.words.front();
  if (says(reply, "unknown command") && what.starts_with("FT.")) {
    return make_error(Errc::unsupported,
                      "{} has no vector search: its module \"search\" (RediSearch) is missing, which Redis Stack and "
                      "Redis 8 have",
                      name());
  }
  constexpr std::array<std::string_view, 9> passing{"LOADING", "MASTERDOWN", "TRYAGAIN",   "OOM",  "-OOM",
                                                    "MISCONF", "BUSY",       "NOREPLICAS", "MOVED"};
  const bool passes = std::any_of(passing.begin(), passing.end(), [&](auto start) { return reply.is_error(start); });
  if (passes || says(reply, "timeout limit") || says(reply, "limit exceeds") || is_unknown_index(reply) ||
      says(reply, "oom command not allowed") || reply.is_read_only()) {
    return make_error(Errc::unavailable, "{}: {}: {}", name(), what, reply.text);
  }
  const bool forbidden = reply.is_error("NOPERM") || reply.is_error("NOAUTH");
  return make_error(forbidden ? Errc::unsupported : Errc::io, "{}: {}: {}", name(), what, reply.text);
}

Result<std::vector<Reply>> SearchServer::ask(std::span<const Command> commands, const Control* control) {
  FRACTAL_TRY_INTO(auto replies, ask_pool(commands, control));
  for (std::size_t i = 0; i < replies.size(); ++i) {
    if (replies[i].kind == Reply::Kind::error) return said(commands[i], replies[i]);
  }
  return replies;
}

Result<Reply> SearchServer::ask_one(const Command& command, const Control* control) {
  FRACTAL_TRY_INTO(auto replies, ask({&command, 1}, control));
  return std::move(replies.front());
}

// ---- What it has to be -------------------------------------------------------------------------------------------

Result<bool> SearchServer::try_out() {
  FRACTAL_TRY_INTO(const bool answers, pool_.try_out());
  if (!answers) return false;
  const auto checked = check();
  if (!checked && checked.error().code != Errc::unavailable) return checked.error();
  return checked.has_value();
}

Result<void> SearchServer::check() {
  const std::array<Command, 3> commands{Command{{"INFO", "memory"}}, Command{{"INFO", "cluster"}},
                                        Command{{"FT._LIST"}}};
  FRACTAL_TRY_INTO(const auto replies, ask(commands, nullptr));
  if (info_value(replies[1].text, "cluster_enabled") == "1") {
    return make_error(Errc::unsupported, "{} is a cluster's node, and an FT index would be of this node's rows alone",
                      name());
  }
  const std::string_view policy = info_value(replies[0].text, "maxmemory_policy");
  if (!policy.starts_with("allkeys")) return {};
  return make_error(Errc::unsupported,
                    "{} throws out any key when memory is short (maxmemory-policy {}), so vectors would be missing "
                    "from answers; volatile-* and noeviction do not",
                    name(), policy);
}

// ---- FT indexes --------------------------------------------------------------------------------------------------

// Changes when a server starts, takes over, or becomes a replica: whenever it may load data.
Result<std::string> SearchServer::life(const Control* control) {
  const std::array<Command, 2> commands{Command{{"INFO", "server"}}, Command{{"INFO", "replication"}}};
  FRACTAL_TRY_INTO(const auto replies, ask(commands, control));
  return life_of(replies[0], replies[1]);
}

Result<void> SearchServer::make(const PlaceKeys& place, const VersionPlace& of, const std::string& index,
                                const Control* control) {
  const std::string dimension = fmt::to_string(of.dimension), prefix = place.living_prefix();
  const Command create{{"FT.CREATE",
                        index,
                        "ON",
                        "HASH",
                        "PREFIX",
                        "1",
                        prefix,
                        "SCHEMA",
                        "epoch",
                        "TAG",
                        "id",
                        "TAG",
                        "born",
                        "NUMERIC",
                        "vector",
                        "VECTOR",
                        "HNSW",
                        "10",
                        "TYPE",
                        "FLOAT32",
                        "DIM",
                        dimension,
                        "DISTANCE_METRIC",
                        metric_name(of.metric),
                        "M",
                        links,
                        "EF_CONSTRUCTION",
                        ef_construction}};
  FRACTAL_TRY_INTO(const auto replies, ask_pool({&create, 1}, control));
  const Reply& reply = replies.front();
  // Somebody else makes it, or has ended in doing so.
  if (reply.kind == Reply::Kind::error && !says(reply, "already exists")) return said(create, reply);
  return {};
}

// False: there is no such index. unavailable: it has not yet read all rows, or not been able to.
Result<bool> SearchServer::scanned(const std::string& index, const Control* control) {
  const Command info{{"FT.INFO", index}};
  FRACTAL_TRY_INTO(const auto replies, ask_pool({&info, 1}, control));
  const Reply& reply = replies.front();
  if (is_unknown_index(reply)) return false;
  if (reply.kind == Reply::Kind::error) return said(info, reply);
  const auto indexing = number_in(reply, "indexing"), percent = number_in(reply, "percent_indexed");
  const auto failures = number_in(reply, "hash_indexing_failures");
  if (!indexing || !percent || !failures) return make_error(Errc::io, "{}: FT.INFO cannot be understood", name());
  if (*failures != 0) {
    return make_error(Errc::unavailable,
                      "{}: the FT index {} could not take {} rows; FT.DROPINDEX it, and it will be made anew", name(),
                      index, *failures);
  }
  if (*indexing == 0 && *percent >= 1) return true;
  return make_error(Errc::unavailable, "{}: the FT index {} is still being filled", name(), index);
}

Result<void> SearchServer::await_scan(const std::string& index, Filling filling, const Control* control) {
  const auto until = Clock::now() + most_scan_;
  for (;;) {
    FRACTAL_TRY(may_go_on(control));
    auto done = scanned(index, control);
    if (done && !*done) return make_error(Errc::unavailable, "{}: the FT index {} is gone again", name(), index);
    if (done) return {};
    const bool over = filling == Filling::refuse || Clock::now() >= until;
    if (over || done.error().code != Errc::unavailable) return done.error();
    std::this_thread::sleep_for(scan_poll);
  }
}

// One that somebody dropped is made anew under a new name, and counts once it has all rows: nobody who knew the old one
// searches it before. Whoever comes then adopts it, also if its maker has not waited.
Result<std::string> SearchServer::current(const PlaceKeys& place, const VersionPlace& of, Filling filling,
                                          const Control* control) {
  const std::string pointer = place.current();
  FRACTAL_TRY_INTO(const Reply known, ask_one({{"GET", pointer}}, control));
  std::uint64_t n = 0;
  std::from_chars(known.text.data(), known.text.data() + known.text.size(), n);
  if (n != 0) {
    auto there = scanned(place.index(n), control);
    if (!there && (filling == Filling::refuse || there.error().code != Errc::unavailable)) return there.error();
    if (!there) FRACTAL_TRY(await_scan(place.index(n), filling, control));
    if (!there || *there) return place.index(n);
  }
  FRACTAL_TRY(make(place, of, place.index(n + 1), control));
  FRACTAL_TRY(await_scan(place.index(n + 1), filling, control));
  const std::string next = fmt::to_string(n + 1);
  FRACTAL_TRY_INTO(const Reply adopted, ask_one({{"1", pointer, known.text, next}, adopt_script}, control));
  if (adopted.text == next) return place.index(n + 1);
  return make_error(Errc::unavailable, "{}: another program has made an FT index just now", name());
}

Result<SearchServer::Ready> SearchServer::ready(const PlaceKeys& place, const VersionPlace& of, Filling filling,
                                                const Control* control) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = ready_.find(place.place()); found != ready_.end()) return found->second;
  }
  Ready made;
  FRACTAL_TRY_INTO(made.life, life(control));  // before: what begins meanwhile is another one
  FRACTAL_TRY_INTO(made.index, current(place, of, filling, control));
  const std::lock_guard lock(mutex_);
  return ready_[place.place()] = std::move(made);
}

Result<void> SearchServer::prepare(const PlaceKeys& place, const VersionPlace& of, const Control* control) {
  FRACTAL_TRY(ready(place, of, Filling::await, control));
  return {};
}

void SearchServer::forget(const PlaceKeys& place) {
  const std::lock_guard lock(mutex_);
  ready_.erase(place.place());
}

// ---- Searching ---------------------------------------------------------------------------------------------------

Result<SearchServer::Found> SearchServer::nearest(const PlaceKeys& place, const VersionPlace& of,
                                                  const Question& question, std::span<const Command> then,
                                                  const Control* control) {
  const std::string k = fmt::to_string(question.k);
  const std::string query =
      fmt::format("({})=>[KNN {} @vector $vector EF_RUNTIME {} AS distance]", question.condition, k, ef_search);
  const std::string_view bytes(reinterpret_cast<const char*>(question.vector.data()), question.vector.size_bytes());
  for (int lives = 0; lives < most_lives; ++lives) {
    FRACTAL_TRY_INTO(const Ready known, ready(place, of, Filling::refuse, control));
    std::vector<Command> commands{{{"INFO", "server"}}, {{"INFO", "replication"}}};
    commands.push_back({{"FT.SEARCH", known.index, query, "NOCONTENT", "LIMIT", "0", k, "TIMEOUT", "0", "PARAMS", "2",
                         "vector", bytes, "DIALECT", "2"}});
    commands.insert(commands.end(), then.begin(), then.end());
    FRACTAL_TRY_INTO(auto replies, ask_pool(commands, control));
    const bool gone = is_unknown_index(replies[2]);
    for (std::size_t i = 0; i < replies.size() && !gone; ++i) {
      if (replies[i].kind == Reply::Kind::error) return said(commands[i], replies[i]);
    }
    if (gone || life_of(replies[0], replies[1]) != known.life) {
      forget(place);
      continue;
    }
    const Reply& rows = replies[2];
    if (rows.list.empty() || rows.list.front().number != static_cast<std::int64_t>(rows.list.size() - 1)) {
      return make_error(Errc::unavailable, "{}: FT.SEARCH gave a part of what it found", name());
    }
    Found found;
    for (std::size_t i = 1; i < rows.list.size(); ++i) found.keys.push_back(rows.list[i].text);
    found.replies.assign(std::make_move_iterator(replies.begin() + 3), std::make_move_iterator(replies.end()));
    return found;
  }
  forget(place);
  return make_error(Errc::unavailable, "{}: the server changes too often to be searched", name());
}

}  // namespace fractal::redis_backend
