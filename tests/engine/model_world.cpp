// Invariant: each operation is done on both sides with equal arguments and at the same time of the clock, so
// whatever differs afterwards is a fault of one of the storages.
#include "tests/engine/model_world.h"

#include <fractal/format.h>

#include <array>
#include <numeric>
#include <sstream>
#include <utility>

namespace fractal::model {
namespace {

constexpr std::size_t operations_told = 40;

const std::array<Space, 3>& spaces_of_world() {
  static const std::array<Space, 3> spaces{Space{}, Space{"alice", "notes"}, Space{"über", "日本"}};
  return spaces;
}

std::vector<TextField> text_fields(std::size_t choice) {
  switch (choice) {
    case 0: return {};
    case 1: return {{"text", 2}, {"title", 1}, {"note", 1}};
    default: return {{"title", 4}, {"text", 1}, {"context", 0.5}, {"tags", 0.25}};
  }
}

}  // namespace

World::World(std::string name, std::uint64_t seed, Options options)
    : name_(std::move(name)),
      options_(std::move(options)),
      clock_(std::make_shared<std::atomic<std::int64_t>>(1'700'000'000'000'000)),
      memory_storage_(make_memory_storage()),
      random_(seed),
      values_(random_),
      comparison_(gives_dense_numbers()) {
  options_.path = fresh_place(folder_);
  options_.vector_index = fresh_vector_index(options_.path);
  options_.clock = [clock = clock_] { return Time(std::chrono::microseconds(*clock)); };
  if (!open()) report_ = "open failed\n" + report_;
}

const std::vector<World::Operation>& World::operations() {
  static const std::vector<Operation> all{{1100, &World::store},        {200, &World::store_if_absent},
                                          {800, &World::update},        {500, &World::remove},
                                          {800, &World::link},          {400, &World::unlink},
                                          {350, &World::batch},         {250, &World::move_clock},
                                          {6, &World::erase_space},     {6, &World::import},
                                          {6, &World::maintain},        {1, &World::purge},
                                          {4, &World::create_index},    {12, &World::reopen},
                                          {40, &World::snapshot},       {40, &World::release},
                                          {3, &World::verify},          {1, &World::repair},
                                          {1, &World::backup},          {1300, &World::retrieve},
                                          {150, &World::retrieve_many}, {500, &World::list},
                                          {300, &World::near},          {1000, &World::search},
                                          {700, &World::neighbors},     {500, &World::path},
                                          {150, &World::changes},       {60, &World::audit},
                                          {400, &World::stats},         {20, &World::export_lines},
                                          {10, &World::export_graph},   {20, &World::spaces}};
  return all;
}

bool World::step() {
  static const auto total = [] {
    std::size_t sum = 0;
    for (const Operation& operation : operations()) sum += operation.weight;
    return sum;
  }();
  if (!report_.empty()) return false;
  ++steps_;
  std::size_t at = random_.below(total);
  for (const Operation& operation : operations()) {
    if (at < operation.weight) return (this->*operation.run)();
    at -= operation.weight;
  }
  return true;
}

void World::note(std::string what) {
  const Space& space = spaces_of_world()[space_];
  last_.push_back(fmt::format("{:>7} {}/{} {}", steps_, space.tenant, space.name, what));
  if (last_.size() > operations_told) last_.pop_front();
}

bool World::disagree(const std::string& file, const std::string& memory) {
  report_ = fmt::format("{}: the last of these operations differs\n", name_);
  for (const std::string& operation : last_) report_ += operation + "\n";
  report_ += fmt::format("--- the storage:\n{}\n--- memory:\n{}\n", file, memory);
  return false;
}

template <class T> bool World::agree(const Result<T>& file, const Result<T>& memory) {
  if (!file || !memory) {
    if (!file && !memory && file.error() == memory.error()) return true;
    return disagree(file ? show(*file) : fmt::format("{}", file.error()),
                    memory ? show(*memory) : fmt::format("{}", memory.error()));
  }
  return comparison_.same(*file, *memory) || disagree(show(*file), show(*memory));
}

bool World::agree(const Result<void>& file, const Result<void>& memory) {
  const auto shown = [](const Result<void>& result) { return result ? "done" : fmt::format("{}", result.error()); };
  return shown(file) == shown(memory) || disagree(shown(file), shown(memory));
}

template <class T> bool World::wrote(const Result<T>& file, const Result<T>& memory) {
  ++(file ? writes_ : failed_writes_);
  return agree(file, memory);
}

std::size_t World::choose_space() {
  space_ = random_.below(4) % spaces_of_world().size();  // the first one twice as often
  return space_;
}

World::Sides World::sides() {
  ++reads_;
  choose_space();
  if (!pinned_.empty() && random_.one_in(4)) {
    const Pinned& pinned = pinned_[random_.below(pinned_.size())];
    space_ = pinned.space;
    note("(in a snapshot)");
    return {&pinned.file, &pinned.memory};
  }
  return {&file_[space_], &memory_[space_]};
}

bool World::open() {
  pinned_.clear();
  file_.clear();
  memory_.clear();
  Options memory_options = options_;
  memory_options.storage = memory_storage_;
  memory_options.vector_index = {};
  auto file = FractalMemory::open(options_);
  auto memory = FractalMemory::open(memory_options);
  if (!file || !memory) {
    return disagree(file ? "opened" : file.error().message, memory ? "opened" : memory.error().message);
  }
  for (const Space& space : spaces_of_world()) {
    file_.push_back(file->in(space));
    memory_.push_back(memory->in(space));
  }
  return true;
}

// ---- Writes ----

bool World::store() {
  const std::size_t s = choose_space();
  const Memory memory = values_.memory(around());
  const WriteOptions options = values_.condition();
  note(fmt::format("store {} if_version {}", show(memory), options.if_version.value_or(999)));
  return wrote(file_[s].store(memory, options), memory_[s].store(memory, options));
}

bool World::store_if_absent() {
  const std::size_t s = choose_space();
  const Memory memory = values_.memory(around());
  note("store_if_absent " + show(memory));
  return wrote(file_[s].store_if_absent(memory), memory_[s].store_if_absent(memory));
}

bool World::update() {
  const std::size_t s = choose_space();
  const Coordinate coordinate = values_.coordinate();
  const Patch patch = values_.patch(around());
  const WriteOptions options = values_.condition();
  note(fmt::format("update {} payload {} vector {} if_version {}", coordinate, patch.payload.value_or("-"),
                   patch.embedding.has_value(), options.if_version.value_or(999)));
  return wrote(file_[s].update(coordinate, patch, options), memory_[s].update(coordinate, patch, options));
}

bool World::remove() {
  const std::size_t s = choose_space();
  const Coordinate coordinate = values_.coordinate();
  const WriteOptions options = values_.condition();
  note(fmt::format("remove {} if_version {}", coordinate, options.if_version.value_or(999)));
  return wrote(file_[s].remove(coordinate, options), memory_[s].remove(coordinate, options));
}

bool World::link() {
  const std::size_t s = choose_space();
  const GraphLink link = values_.link(around());
  note("link " + show(link));
  return wrote(file_[s].link(link), memory_[s].link(link));
}

bool World::unlink() {
  const std::size_t s = choose_space();
  const Coordinate from = values_.coordinate(), to = values_.coordinate();
  const std::string type = values_.link_type();
  note(fmt::format("unlink {} -{}-> {}", from, type, to));
  return wrote(file_[s].unlink(from, to, type), memory_[s].unlink(from, to, type));
}

bool World::batch() {
  const std::size_t s = choose_space();
  const Batch batch = values_.batch(around());
  note(fmt::format("batch of {}", batch.size()));
  return wrote(file_[s].apply(batch), memory_[s].apply(batch));
}

bool World::move_clock() {
  const std::size_t by = random_.one_in(50) ? 100'000'000 : random_.below(400);
  *clock_ += static_cast<std::int64_t>(by);
  note(fmt::format("clock + {}", by));
  return true;
}

bool World::erase_space() {
  const std::size_t s = choose_space();
  note("erase_space");
  return wrote(file_[s].erase_space(), memory_[s].erase_space());
}

bool World::import() {
  const std::size_t from = choose_space(), to = choose_space();
  const ImportOptions options{.batch = 1 + random_.below(40)};
  std::stringstream file_lines, memory_lines;
  note(fmt::format("import of space {}", from));
  if (!agree(file_[from].export_memories(file_lines), memory_[from].export_memories(memory_lines))) return false;
  return wrote(file_[to].import_memories(file_lines, options), memory_[to].import_memories(memory_lines, options));
}

bool World::maintain() {
  choose_space();
  note("maintain");
  return wrote(file_[space_].maintain(), memory_[space_].maintain());
}

bool World::purge() {
  choose_space();
  note("purge");
  pinned_.clear();  // a snapshot keeps old bytes in the log
  return wrote(file_[space_].maintain({.purge = true}), memory_[space_].maintain({.purge = true}));
}

bool World::create_index() {
  choose_space();
  const char* const path = random_.pick(std::array{"year", "tag", "user.name", "a\\.b", "draft", "$type", ""});
  note(fmt::format("create_index {}", path));
  return agree(file_[space_].create_index(path), memory_[space_].create_index(path));
}

bool World::reopen() {
  choose_space();
  ++reopened_;
  options_.durability = random_.one_in(20)  ? Durability::full
                        : random_.one_in(4) ? Durability::normal
                                            : Durability::off;
  if (random_.one_in(4)) options_.text_fields = text_fields(random_.below(3));
  if (random_.one_in(8)) options_.indexed_fields = {"year", "tag"};
  note("reopen");
  return open();
}

bool World::snapshot() {
  const std::size_t s = choose_space();
  note("snapshot");
  auto file = file_[s].snapshot();
  auto memory = memory_[s].snapshot();
  if (!file || !memory)
    return disagree(file ? "taken" : file.error().message, memory ? "taken" : memory.error().message);
  if (pinned_.size() == 4) pinned_.erase(pinned_.begin());
  if (file->sequence() != memory->sequence()) return disagree(show(file->sequence()), show(memory->sequence()));
  pinned_.push_back({s, std::move(*file), std::move(*memory)});
  return true;
}

bool World::release() {
  choose_space();
  note("release snapshots");
  if (!pinned_.empty()) pinned_.erase(pinned_.begin());
  return true;
}

bool World::verify() {
  choose_space();
  note("verify");
  auto file = file_[space_].verify(), memory = memory_[space_].verify();
  if (!file || !memory) return disagree(file ? "done" : file.error().message, memory ? "done" : memory.error().message);
  if (!file->ok() || !memory->ok()) return disagree(show(file->problems), show(memory->problems));
  return agree(Result<std::uint64_t>(file->memories + file->vectors + file->links),
               Result<std::uint64_t>(memory->memories + memory->vectors + memory->links));
}

bool World::repair() {
  choose_space();
  note("repair");
  auto file = file_[space_].repair(), memory = memory_[space_].repair();
  if (!file || !memory) return disagree(file ? "done" : file.error().message, memory ? "done" : memory.error().message);
  return compare_all();
}

bool World::backup() {
  choose_space();
  note("backup");
  const std::string path = folder_.file(fmt::format("backup{}.db", ++backups_));
  if (!agree(file_[space_].backup(path), Result<void>())) return false;
  Options options = options_;
  options.path = path;
  options.vector_index = fresh_vector_index(path);
  auto copy = FractalMemory::open(options);
  if (!copy) return disagree(copy.error().message, "opened");
  for (std::size_t s = 0; s < spaces_of_world().size(); ++s) {
    space_ = s;
    const FractalMemory space = copy->in(spaces_of_world()[s]);
    if (!(has_own_backup() ? compare_space(space, memory_[s]) : compare_exports(space, memory_[s]))) return false;
  }
  return true;
}

// ---- Reads ----

bool World::retrieve() {
  const Sides at = sides();
  const Coordinate coordinate = values_.coordinate();
  note(fmt::format("retrieve {}", coordinate));
  return agree(at.file->retrieve(coordinate), at.memory->retrieve(coordinate));
}

bool World::retrieve_many() {
  const Sides at = sides();
  std::vector<Coordinate> coordinates(random_.below(6));
  for (Coordinate& coordinate : coordinates) coordinate = values_.coordinate();
  note(fmt::format("retrieve_many of {}", coordinates.size()));
  return agree(at.file->retrieve_many(coordinates), at.memory->retrieve_many(coordinates));
}

bool World::list() {
  const Sides at = sides();
  ListOptions options = values_.list_options(around());
  ListOptions of_memory = options;
  for (int page = 0; page < 4; ++page) {
    note(fmt::format("list by {} descending {} limit {} after {} within {} filter {}", static_cast<int>(options.order),
                     options.descending, options.limit, options.after, options.within, options.filter));
    const auto file = at.file->list(options), memory = at.memory->list(of_memory);
    if (!agree(file, memory)) return false;
    if (!file || file->next.empty()) return true;
    options.after = file->next;
    of_memory.after = memory->next;
  }
  return true;
}

bool World::near() {
  const Sides at = sides();
  const Coordinate coordinate = values_.coordinate();
  const NearOptions options = values_.near_options(around());
  note(fmt::format("near {} radius {} limit {} filter {}", coordinate, options.radius.value_or(-1), options.limit,
                   options.filter));
  return agree(at.file->near(coordinate, options), at.memory->near(coordinate, options));
}

bool World::search() {
  const Sides at = sides();
  const SearchOptions options = values_.search_options(around());
  const std::string text = random_.one_in(3) ? std::string() : values_.words(4);
  std::vector<float> vector;
  if (!random_.one_in(3)) vector = values_.vector();
  if (random_.one_in(100)) vector.push_back(1);
  note(fmt::format(
      "search \"{}\" vector {} mode {} fusion {} top_k {} offset {} alpha {} diversity {} within {} filter {}", text,
      vector.size(), options.mode, static_cast<int>(options.fusion), options.top_k, options.offset,
      options.alpha.value_or(-1), options.diversity, options.within, options.filter));
  const Query query{.text = text, .vector = vector};
  const auto file = at.file->search(query, options), memory = at.memory->search(query, options);
  if (file) {
    hits_ += file->hits.size();
    note_plan(*file);
  }
  return agree(file, memory);
}

void World::note_plan(const SearchResult& result) {
  if (result.visited == 0) return;
  ++(result.plan.find("rows") == result.plan.npos ? answered_by_index_ : answered_by_rows_);
}

bool World::neighbors() {
  const Sides at = sides();
  const Coordinate coordinate = values_.coordinate();
  const NeighborOptions options = values_.neighbor_options();
  note(fmt::format("neighbors {} hops {} direction {} type {} limit {} offset {}", coordinate, options.hops,
                   static_cast<int>(options.direction), options.type, options.limit, options.offset));
  return agree(at.file->neighbors(coordinate, options), at.memory->neighbors(coordinate, options));
}

bool World::path() {
  const Sides at = sides();
  const Coordinate from = values_.coordinate(), to = values_.coordinate();
  const PathOptions options = values_.path_options();
  note(fmt::format("path {} to {} max_hops {} direction {} type {} weighted {}", from, to, options.max_hops,
                   static_cast<int>(options.direction), options.type, options.weighted));
  return agree(at.file->path(from, to, options), at.memory->path(from, to, options));
}

bool World::changes() {
  const Sides at = sides();
  const auto stats = at.file->stats();
  if (!stats) return disagree(stats.error().message, "");
  const std::uint64_t back = random_.below(60);
  const std::uint64_t after = stats->sequence > back ? stats->sequence - back : 0;
  const std::size_t limit = random_.below(50);
  note(fmt::format("changes after {} limit {}", after, limit));
  return agree(at.file->changes(after, limit), at.memory->changes(after, limit));
}

bool World::audit() {
  const Sides at = sides();
  const std::size_t limit = random_.below(20);
  note(fmt::format("audit limit {}", limit));
  const auto file = at.file->audit(limit);
  const auto memory = at.memory->audit(limit);
  if (!agree(file, memory) || !file || file->empty()) return report_.empty();
  const std::uint64_t before = file->back().number;
  note(fmt::format("audit before {}", before));
  const auto older = at.file->audit(limit, before);
  const bool falling = !older || older->empty() || older->front().number < before;
  return falling && agree(older, at.memory->audit(limit, memory->back().number));
}

bool World::stats() {
  const Sides at = sides();
  note("stats");
  return agree(at.file->stats(), at.memory->stats());
}

bool World::export_lines() {
  const Sides at = sides();
  const ExportOptions options = values_.export_options(around());
  note(fmt::format("export within {} filter {} links {}", options.within, options.filter, options.links));
  std::ostringstream file, memory;
  if (!agree(at.file->export_memories(file, options), at.memory->export_memories(memory, options))) return false;
  const std::string file_text = without_ids(file.str()), memory_text = without_ids(memory.str());
  return file_text == memory_text || disagree(file_text, memory_text);
}

bool World::export_graph() {
  const Sides at = sides();
  const ExportOptions options = values_.export_options(around());
  const auto format = static_cast<GraphFormat>(random_.below(3));
  note(fmt::format("export_graph {} within {} filter {}", static_cast<int>(format), options.within, options.filter));
  std::ostringstream file, memory;
  if (!agree(at.file->export_graph(file, format, options), at.memory->export_graph(memory, format, options)))
    return false;
  return file.str() == memory.str() || disagree(file.str(), memory.str());
}

bool World::spaces() {
  choose_space();
  note("spaces");
  auto file = file_[space_].spaces(), memory = memory_[space_].spaces();
  if (file) std::sort(file->begin(), file->end());
  if (memory) std::sort(memory->begin(), memory->end());
  return agree(file, memory);
}

bool World::compare_exports(const Reads& file, const Reads& memory) {
  std::ostringstream file_out, memory_out;
  if (!agree(file.export_memories(file_out), memory.export_memories(memory_out))) return false;
  const std::string file_text = without_ids(file_out.str()), memory_text = without_ids(memory_out.str());
  return file_text == memory_text || disagree(file_text, memory_text);
}

bool World::compare_space(const Reads& file, const Reads& memory) {
  note("compare the whole space");
  if (!compare_exports(file, memory)) return false;
  for (const ListOrder order : {ListOrder::coordinate, ListOrder::created_at, ListOrder::importance}) {
    for (const bool descending : {false, true}) {
      const ListOptions options{.order = order, .descending = descending, .limit = 200, .embeddings = true};
      if (!agree(file.list(options), memory.list(options))) return false;
    }
  }
  const SearchOptions everything{.top_k = 1000, .explain = true};
  const std::vector<float> vector = values_.vector();
  return agree(file.search(vector, everything), memory.search(vector, everything)) &&
         agree(file.search("tea Ada river café", everything), memory.search("tea Ada river café", everything)) &&
         agree(file.changes(0, 5000), memory.changes(0, 5000)) && agree(file.audit(5000), memory.audit(5000)) &&
         agree(file.stats(), memory.stats());
}

bool World::compare_all() {
  for (std::size_t s = 0; s < file_.size(); ++s) {
    space_ = s;
    if (!compare_space(file_[s], memory_[s])) return false;
  }
  return true;
}

}  // namespace fractal::model
