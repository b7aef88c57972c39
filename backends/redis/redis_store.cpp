// Invariant: a version counts once its name is in the epoch's sorted set, where it comes after its row and in one go with
// the token of that write. Whatever is written or read names a write that has to be there: a server that lost data, and
// everything that is older than the loss, is not_found.
#include "backends/redis/redis_store.h"

#include "backends/redis/index_scripts.h"
#include "src/error.h"
#include "src/version_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <deque>
#include <iterator>
#include <random>

namespace fractal::redis_backend {
namespace {

constexpr std::size_t proposals_of_call = 10'000, ids_of_call = 4'000;
// Of one pipeline: the server puts each row into its graph before it goes on.
constexpr std::size_t rows_of_call = 100, bytes_of_call = 1u << 20;
constexpr std::size_t names_of_page = 4'000, fetched_bytes = 4u << 20;
constexpr std::string_view behind_kinds = "3";
constexpr std::size_t any_size = ~std::size_t{0};  // of a list
constexpr std::size_t most_raw = 16'384;
constexpr std::uint64_t most_sequence = 1ULL << 53;
constexpr unsigned random_bits = 20;
constexpr std::uint64_t no_write = 1;  // no write has this token

std::string bits() {
  std::random_device random;
  return fmt::to_string(random() & ((1u << random_bits) - 1));
}

std::string_view bytes_of(std::span<const float> vector) {
  return {reinterpret_cast<const char*>(vector.data()), vector.size_bytes()};
}

std::vector<float> vector_of(std::string_view bytes) {
  std::vector<float> vector(bytes.size() / sizeof(float));
  std::memcpy(vector.data(), bytes.data(), vector.size() * sizeof(float));
  return vector;
}

std::optional<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// A member of an epoch's sorted set of versions.
std::string member_of(std::string_view name, VersionKind kind) {
  return std::string(name) + static_cast<char>('0' + static_cast<int>(kind));
}

std::optional<StoredVersion> read_member(std::string_view member) {
  const auto named = version_of(member.substr(0, std::min(name_size, member.size())));
  if (!named || member.size() != name_size + 1 || member.back() < '0' || member.back() > '2') return std::nullopt;
  return StoredVersion{.id = named->id, .born = named->born, .kind = static_cast<VersionKind>(member.back() - '0')};
}

Result<std::vector<StoredVersion>> read_members(const Reply& members, std::uint64_t as_of) {
  std::vector<StoredVersion> versions;
  for (const Reply& member : members.list) {
    const auto version = read_member(member.text);
    if (!version) return make_error(Errc::io, "redis: the name of a version cannot be read");
    if (version->born <= as_of) versions.push_back(*version);
  }
  return versions;
}

// As a condition of an FT index. A tag is a text: exact, whatever its length.
std::string ids_in(const VersionPlace& place, std::span<const MemoryId> ids) {
  std::string condition = "@id:{";
  for (const MemoryId id : ids) {
    if (condition.back() != '{') condition += '|';
    condition += fmt::to_string(id - first_id(place.number));
  }
  return condition + "}";
}

// A script, and what follows behind it: views of both.
Command script(const char* lua, std::initializer_list<std::string_view> first, const std::vector<std::string>& rest) {
  Command command{first, lua};
  command.words.insert(command.words.end(), rest.begin(), rest.end());
  return command;
}

bool are_there(const Reply& scores) {
  return !scores.list.empty() && std::none_of(scores.list.begin(), scores.list.end(),
                                              [](const Reply& score) { return score.kind == Reply::Kind::nothing; });
}

// Texts of commands that are put together here: a Command has views of them.
class Pipeline {
 public:
  void add(std::vector<std::string> words) {
    texts_.push_back(std::move(words));
    Command command;
    for (const std::string& word : texts_.back()) command.words.emplace_back(word);
    commands_.push_back(std::move(command));
  }
  std::vector<Command>& commands() { return commands_; }

 private:
  std::deque<std::vector<std::string>> texts_{};
  std::vector<Command> commands_{};
};

}  // namespace

RedisStore::RedisStore(Address address, Pool::Limits limits, std::string base)
    : server_(std::move(address), limits), base_(std::move(base)) {}

std::size_t RedisStore::most_k() const { return proposals_of_call; }
std::size_t RedisStore::most_ids() const { return ids_of_call; }

// Until the mark has been read again nothing of the epoch is known to be there, and who still writes to it is refused.
Error RedisStore::lost(const VersionPlace& place, std::uint64_t epoch) {
  {
    const std::lock_guard lock(mutex_);
    writes_[{place.number, epoch}] = no_write;
  }
  return make_error(Errc::not_found, "{}: vectors of space {} that were there are lost", name(), place.number);
}

std::uint64_t RedisStore::last_write(const VersionPlace& place, std::uint64_t epoch) {
  const std::lock_guard lock(mutex_);
  const auto found = writes_.find({place.number, epoch});
  return found == writes_.end() ? 0 : found->second;
}

RedisStore::Writes RedisStore::writes_of(const VersionPlace& place, const VersionMoment& moment) {
  const std::uint64_t last = last_write(place, moment.epoch);
  return {fmt::to_string(moment.token), fmt::to_string(last == 0 ? moment.token : last)};
}

// Of each space the last epoch.
void RedisStore::note_write(const VersionPlace& place, std::uint64_t epoch, std::uint64_t token) {
  const std::lock_guard lock(mutex_);
  std::erase_if(writes_,
                [&](const auto& entry) { return entry.first.first == place.number && entry.first.second != epoch; });
  writes_[{place.number, epoch}] = token;
}

// ---- Writing -----------------------------------------------------------------------------------------------------

// Rows, and what makes them count, by one connection: to one server. What another version of the same name left is
// written over or removed.
Result<std::uint64_t> RedisStore::write(const VersionPlace& place, std::uint64_t epoch,
                                        std::span<const Version> versions, const Control* control) {
  const PlaceKeys place_keys = keys_of(place);
  const std::string epoch_text = hex(epoch);
  const EpochKeys keys(place_keys, place.number, epoch_text);
  const SpaceKeys space(place_keys, place.number);
  const std::string known = fmt::to_string(last_write(place, epoch)), random = bits();
  Pipeline pipeline;
  // Nothing is left behind on a server that has lost what was there: a write is refused before its rows are sent.
  if (known != "0") {
    FRACTAL_TRY_INTO(const Reply there, server_.ask_one({{"ZSCORE", keys.writes(), known}}, control));
    if (there.kind == Reply::Kind::nothing) return lost(place, epoch);
  }
  pipeline.add({"SADD", base_ + ":places", place_keys.member()});
  std::vector<std::string> members;
  for (const Version& version : versions) {
    const std::string name = version_name(version.id, version.born);
    members.push_back(member_of(name, version.kind));
    if (version.kind != VersionKind::living) pipeline.add({"UNLINK", keys.living_row(name)});
    if (version.kind != VersionKind::raw) pipeline.add({"UNLINK", keys.raw_row(name)});
    const std::string vector(bytes_of(version.vector));
    if (version.kind == VersionKind::raw) pipeline.add({"HSET", keys.raw_row(name), "vector", vector});
    if (version.kind != VersionKind::living) continue;
    pipeline.add({"HSET", keys.living_row(name), "epoch", keys.tag(), "id",
                  fmt::to_string(version.id - first_id(place.number)), "born", fmt::to_string(version.born), "vector",
                  vector});
  }
  Command counts{{"4", keys.rows(), keys.raw(), keys.writes(), space.epochs(), known, random, epoch_text},
                 write_script};
  counts.words.insert(counts.words.end(), members.begin(), members.end());
  pipeline.commands().push_back(std::move(counts));
  FRACTAL_TRY_INTO(const auto replies, server_.ask(pipeline.commands(), control));
  if (replies.back().kind == Reply::Kind::nothing) return lost(place, epoch);
  const auto token = number_of(replies.back().text);
  if (!token) return make_error(Errc::io, "{}: the token of a write cannot be read", name());
  note_write(place, epoch, *token);
  return *token;
}

Result<std::uint64_t> RedisStore::insert(const VersionPlace& place, std::uint64_t epoch,
                                         std::span<const Version> versions, const Control* control) {
  // `born` is compared by the server, as a double: exactly, up to here.
  for (const Version& version : versions) {
    if (version.born > most_sequence) {
      return make_error(Errc::unsupported, "{}: sequence {} is more than {}", name(), version.born, most_sequence);
    }
  }
  if (!versions.empty()) FRACTAL_TRY(server_.prepare(keys_of(place), place, control));
  std::uint64_t token = 0;
  for (std::size_t begin = 0; begin < versions.size();) {
    std::size_t end = begin, bytes = 0;
    while (end < versions.size() && end - begin < rows_of_call && bytes < bytes_of_call) {
      bytes += versions[end++].vector.size_bytes();
    }
    FRACTAL_TRY_INTO(token, write(place, epoch, versions.subspan(begin, end - begin), control));
    begin = end;
  }
  return token;
}

// The token says whether what it speaks of is there.
Result<void> RedisStore::put_mark(const VersionPlace& place, const VersionMark& mark, bool) {
  const PlaceKeys place_keys = keys_of(place);
  const std::string epoch = hex(mark.epoch), token = fmt::to_string(mark.token);
  const EpochKeys keys(place_keys, place.number, epoch);
  const SpaceKeys space(place_keys, place.number);
  const std::string text = mark_text(mark);
  FRACTAL_TRY_INTO(const Reply put,
                   server_.ask_one({{"2", space.marks(), keys.writes(), token, epoch, text}, mark_script}, nullptr));
  if (put.number == 0) return lost(place, mark.epoch);
  return {};
}

Result<void> RedisStore::put_cleaned(const VersionPlace& place, std::uint64_t epoch, std::uint64_t cleaned) {
  const SpaceKeys space(keys_of(place), place.number);
  const std::string epoch_text = hex(epoch), sequence = hex(cleaned);
  FRACTAL_TRY_INTO(const Reply put,
                   server_.ask_one({{"1", space.marks(), epoch_text, sequence}, cleaned_script}, nullptr));
  if (put.number == 0) return lost(place, epoch);
  return {};
}

Result<void> RedisStore::erase(const VersionPlace& place, std::uint64_t epoch, std::span<const Name> versions) {
  const EpochKeys keys(keys_of(place), place.number, hex(epoch));
  for (std::size_t begin = 0; begin < versions.size(); begin += rows_of_call) {
    Pipeline pipeline;
    for (const auto& [id, born] : versions.subspan(begin, std::min(rows_of_call, versions.size() - begin))) {
      const std::string name = version_name(id, born);
      pipeline.add({"ZREM", keys.rows(), member_of(name, VersionKind::living), member_of(name, VersionKind::raw),
                    member_of(name, VersionKind::removed)});
      pipeline.add({"ZREM", keys.raw(), member_of(name, VersionKind::raw)});
      pipeline.add({"UNLINK", keys.living_row(name), keys.raw_row(name)});
    }
    FRACTAL_TRY(server_.ask(pipeline.commands(), nullptr));
  }
  return {};
}

// Its mark first, its name in the list of epochs last: what breaks off is taken up again.
Result<void> RedisStore::erase_epoch(const PlaceKeys& place, std::uint64_t space, const std::string& epoch) {
  const EpochKeys keys(place, space, epoch);
  const SpaceKeys space_keys(place, space);
  const std::string cleaned = "c" + epoch, last = fmt::to_string(rows_of_call - 1);
  const std::array<Command, 2> first{Command{{"HDEL", space_keys.marks(), epoch, cleaned}},
                                     Command{{"UNLINK", keys.writes()}}};
  FRACTAL_TRY(server_.ask(first, nullptr));
  for (;;) {
    FRACTAL_TRY_INTO(const Reply page, server_.ask_one({{"ZRANGE", keys.rows(), "0", last}}, nullptr));
    if (page.list.empty()) break;
    Pipeline pipeline;
    for (const Reply& member : page.list) {
      const std::string_view name = std::string_view(member.text).substr(0, name_size);
      pipeline.add({"UNLINK", keys.living_row(name), keys.raw_row(name)});
      pipeline.add({"ZREM", keys.rows(), member.text});
    }
    FRACTAL_TRY(server_.ask(pipeline.commands(), nullptr));
  }
  const std::array<Command, 2> rest{Command{{"UNLINK", keys.rows(), keys.raw(), keys.writes()}},
                                    Command{{"ZREM", space_keys.epochs(), epoch}}};
  FRACTAL_TRY(server_.ask(rest, nullptr));
  return {};
}

Result<void> RedisStore::erase_epochs_before(const VersionPlace& place, std::uint64_t epoch) {
  const PlaceKeys keys = keys_of(place);
  const SpaceKeys space(keys, place.number);
  const std::string end = "(" + hex(epoch);
  FRACTAL_TRY_INTO(const Reply epochs, server_.ask_one({{"ZRANGEBYLEX", space.epochs(), "-", end}}, nullptr));
  for (const Reply& one : epochs.list) FRACTAL_TRY(erase_epoch(keys, place.number, one.text));
  return {};
}

Result<void> RedisStore::erase_space(std::uint64_t number) {
  const std::string key = base_ + ":places";
  FRACTAL_TRY_INTO(const Reply places, server_.ask_one({{"SMEMBERS", key}}, nullptr));
  for (const Reply& member : places.list) {
    for (const Metric metric : {Metric::cosine, Metric::dot, Metric::l2}) {
      const auto dimension = number_of(std::string_view(member.text).substr(0, member.text.find(':')));
      if (!dimension) continue;
      const PlaceKeys keys(base_, static_cast<std::uint32_t>(*dimension), metric);
      if (keys.member() != member.text) continue;
      const SpaceKeys space(keys, number);
      FRACTAL_TRY_INTO(const Reply epochs, server_.ask_one({{"ZRANGE", space.epochs(), "0", "-1"}}, nullptr));
      for (const Reply& one : epochs.list) FRACTAL_TRY(erase_epoch(keys, number, one.text));
      FRACTAL_TRY(server_.ask_one({{"UNLINK", space.marks(), space.epochs()}}, nullptr));
    }
  }
  return {};
}

// ---- Reading -----------------------------------------------------------------------------------------------------

// What a server has to be is looked at here, too, and its FT index: this is asked for every few seconds.
Result<VersionMark> RedisStore::mark(const VersionPlace& place, const Control* control) {
  const PlaceKeys keys = keys_of(place);
  const SpaceKeys space(keys, place.number);
  FRACTAL_TRY(server_.check());
  server_.forget(keys);
  FRACTAL_TRY_INTO(const Reply all, server_.ask_one({{"HGETALL", space.marks()}}, control));
  VersionMark mark;
  for (std::size_t i = 0; i + 1 < all.list.size(); i += 2) {
    const auto epoch = from_hex(all.list[i].text);
    if (!epoch || *epoch <= mark.epoch) continue;
    VersionMark read{.epoch = *epoch};
    if (!read_mark_text(all.list[i + 1].text, read)) {
      return make_error(Errc::io, "{}: a mark of space {} cannot be read", name(), place.number);
    }
    const EpochKeys epoch_keys(keys, place.number, all.list[i].text);
    const std::string token = fmt::to_string(read.token);
    FRACTAL_TRY_INTO(const Reply there, server_.ask_one({{"ZSCORE", epoch_keys.writes(), token}}, control));
    if (there.kind != Reply::Kind::nothing) mark = read;
  }
  for (std::size_t i = 0; i + 1 < all.list.size(); i += 2) {
    if (all.list[i].text == "c" + hex(mark.epoch)) mark.cleaned = from_hex(all.list[i + 1].text).value_or(0);
  }
  // What this process wrote and the server has not any more is left for read() to find: older moments go with it.
  const bool unknown = mark.epoch != 0 && last_write(place, mark.epoch) <= no_write;
  if (unknown) note_write(place, mark.epoch, mark.token);
  return mark;
}

// A list, and that the write of the moment is there, and this process' last: asked behind it, so that what is missing is not
// taken for what never was.
Result<Reply> RedisStore::read(const VersionPlace& place, const EpochKeys& keys, const VersionMoment& moment,
                               Command command, std::size_t size, const Control* control) {
  const Writes known = writes_of(place, moment);
  const std::array<Command, 2> commands{std::move(command),
                                        Command{{"ZMSCORE", keys.writes(), known.asked, known.last}}};
  FRACTAL_TRY_INTO(auto replies, server_.ask(commands, control));
  if (!are_there(replies.back())) return lost(place, moment.epoch);
  if (size != any_size && replies.front().list.size() != size) {
    return make_error(Errc::io, "{}: a reply has {} parts, not {}", name(), replies.front().list.size(), size);
  }
  return std::move(replies.front());
}

// Their vectors. A row that is not there is lost, unless its version has ceased to count: it was superseded, and erased
// just now.
Result<void> RedisStore::fetch(const VersionPlace& place, const EpochKeys& keys, const VersionMoment& moment,
                               std::vector<StoredVersion>& versions, const Control* control) {
  const std::size_t step = std::max<std::size_t>(fetched_bytes / (place.dimension * sizeof(float)), 1);
  std::vector<StoredVersion> missing;
  for (std::size_t begin = 0; begin < versions.size(); begin += step) {
    const auto some = std::span(versions).subspan(begin, std::min(step, versions.size() - begin));
    const std::string count = fmt::to_string(some.size());
    std::vector<std::string> rows;
    for (const StoredVersion& version : some) {
      rows.push_back(keys.row(version.kind, version_name(version.id, version.born)));
    }
    const Command ask = script(fetch_script, {count}, rows);
    FRACTAL_TRY_INTO(const Reply vectors, read(place, keys, moment, ask, some.size(), control));
    for (std::size_t i = 0; i < some.size(); ++i) {
      if (some[i].kind == VersionKind::removed) continue;
      if (vectors.list[i].kind == Reply::Kind::nothing) {
        missing.push_back(some[i]);
      } else {
        some[i].vector = vector_of(vectors.list[i].text);
      }
    }
  }
  if (missing.empty()) return {};
  FRACTAL_TRY(leave_counted(place, keys, moment, missing, control));
  if (!missing.empty()) return lost(place, moment.epoch);
  std::erase_if(versions, [](const StoredVersion& version) {
    return version.kind != VersionKind::removed && version.vector.empty();
  });
  return {};
}

// As many as were asked for, if there are so many that count: rows that do not are made up for by asking wider.
Result<std::vector<StoredVersion>> RedisStore::nearest(const VersionPlace& place, const VersionMoment& moment,
                                                       const NearestQuery& query) {
  for (std::size_t k = query.k;; k = std::min(4 * k, most_k())) {
    std::size_t found = 0;
    FRACTAL_TRY_INTO(auto proposals, counted_nearest(place, moment, query, k, found));
    if (proposals.size() >= query.k || found < k || k == most_k()) return proposals;
  }
}

Result<std::vector<StoredVersion>> RedisStore::counted_nearest(const VersionPlace& place, const VersionMoment& moment,
                                                               const NearestQuery& query, std::size_t k,
                                                               std::size_t& found_rows) {
  const PlaceKeys place_keys = keys_of(place);
  const EpochKeys keys(place_keys, place.number, hex(moment.epoch));
  std::string condition =
      fmt::format("@epoch:{{{}}} @born:[-inf {}]", keys.tag(), std::min(moment.as_of, most_sequence));
  if (!query.only.empty()) condition += " " + ids_in(place, query.only);
  if (!query.except.empty()) condition += " -" + ids_in(place, query.except);
  const Writes known = writes_of(place, moment);
  const Command check{{"ZMSCORE", keys.writes(), known.asked, known.last}};
  FRACTAL_TRY_INTO(const auto found,
                   server_.nearest(place_keys, place, {.condition = condition, .vector = query.vector, .k = k},
                                   {&check, 1}, query.control));
  if (!are_there(found.replies.front())) return lost(place, moment.epoch);
  found_rows = found.keys.size();
  std::vector<StoredVersion> proposals;
  for (const std::string& key : found.keys) {
    const auto name = version_of(std::string_view(key).substr(key.size() - std::min(name_size, key.size())));
    if (!name) return make_error(Errc::io, "{}: a row has a name that is not ours", this->name());
    proposals.push_back({.id = name->id, .born = name->born});
  }
  FRACTAL_TRY(leave_counted(place, keys, moment, proposals, query.control));
  FRACTAL_TRY(fetch(place, keys, moment, proposals, query.control));
  return proposals;
}

// Without rows of a write that broke off: those do not count.
Result<void> RedisStore::leave_counted(const VersionPlace& place, const EpochKeys& keys, const VersionMoment& moment,
                                       std::vector<StoredVersion>& versions, const Control* control) {
  if (versions.empty()) return {};
  std::vector<std::string> members;
  members.reserve(versions.size());
  for (const StoredVersion& version : versions) {
    members.push_back(member_of(version_name(version.id, version.born), version.kind));
  }
  Command ask{{"ZMSCORE", keys.rows()}};
  ask.words.insert(ask.words.end(), members.begin(), members.end());
  FRACTAL_TRY_INTO(const Reply scores, read(place, keys, moment, ask, versions.size(), control));
  std::size_t at = 0;
  std::erase_if(versions, [&](const StoredVersion&) { return scores.list[at++].kind == Reply::Kind::nothing; });
  return {};
}

Result<std::vector<StoredVersion>> RedisStore::versions(const VersionPlace& place, const VersionMoment& moment,
                                                        std::span<const MemoryId> ids, bool with_vectors,
                                                        const Control* control) {
  if (ids.empty()) return std::vector<StoredVersion>{};
  const EpochKeys keys(keys_of(place), place.number, hex(moment.epoch));
  std::vector<std::string> ranges;
  for (const MemoryId id : ids) {
    ranges.push_back("[" + hex(id));
    ranges.push_back("(" + version_name(id, moment.as_of) + std::string(behind_kinds));
  }
  const Command ask = script(versions_script, {"1", keys.rows()}, ranges);
  FRACTAL_TRY_INTO(const Reply members, read(place, keys, moment, ask, any_size, control));
  FRACTAL_TRY_INTO(auto found, read_members(members, moment.as_of));
  if (with_vectors) FRACTAL_TRY(fetch(place, keys, moment, found, control));
  return found;
}

Result<std::vector<StoredVersion>> RedisStore::raw_versions(const VersionPlace& place, const VersionMoment& moment,
                                                            const Control* control) {
  const EpochKeys keys(keys_of(place), place.number, hex(moment.epoch));
  const std::string last = fmt::to_string(most_raw);
  FRACTAL_TRY_INTO(const Reply members,
                   read(place, keys, moment, {{"ZRANGE", keys.raw(), "0", last}}, any_size, control));
  if (members.list.size() > most_raw) {
    return make_error(Errc::unavailable, "{}: too many vectors that the server cannot compare", name());
  }
  FRACTAL_TRY_INTO(auto found, read_members(members, moment.as_of));
  FRACTAL_TRY(fetch(place, keys, moment, found, control));
  return found;
}

// The sorted set has its own end. A memory's versions are in one page: the last one's are left to the next.
Result<void> RedisStore::list(const VersionPlace& place, const VersionMoment& moment, MemoryId, bool with_vectors,
                              const Visit& visit, const Control* control) {
  const EpochKeys keys(keys_of(place), place.number, hex(moment.epoch));
  const std::size_t fitting = fetched_bytes / (place.dimension * sizeof(float));
  std::size_t most = with_vectors ? std::clamp<std::size_t>(fitting, 64, names_of_page) : names_of_page;
  std::string from = "-";
  for (;;) {
    const std::string count = fmt::to_string(most);
    const Command ask{{"ZRANGEBYLEX", keys.rows(), from, "+", "LIMIT", "0", count}};
    FRACTAL_TRY_INTO(const Reply members, read(place, keys, moment, ask, any_size, control));
    FRACTAL_TRY_INTO(auto page, read_members(members, ~std::uint64_t{0}));
    const bool last = page.size() < most;
    if (!last && page.front().id == page.back().id) {
      most *= 2;
      continue;
    }
    if (!last) {
      const MemoryId next = page.back().id;
      std::erase_if(page, [&](const StoredVersion& version) { return version.id == next; });
      from = "[" + hex(next);
    }
    std::erase_if(page, [&](const StoredVersion& version) { return version.born > moment.as_of; });
    if (with_vectors) FRACTAL_TRY(fetch(place, keys, moment, page, control));
    if (!page.empty()) FRACTAL_TRY(visit(std::move(page)));
    if (last) return {};
  }
}

}  // namespace fractal::redis_backend
