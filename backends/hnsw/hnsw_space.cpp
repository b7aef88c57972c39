// Invariant: the rows in memory (flat_space.cpp) are complete with or without a graph; a generation takes
// the place of rows only if it holds every vector that was alive as of its sequence. What goes wrong with graphs
// and files is noted, and costs speed alone.
#include "backends/hnsw/hnsw_space.h"

#include "backends/hnsw/lay_out.h"
#include "src/error.h"
#include "src/id_table.h"
#include "src/memory_use.h"
#include "src/validate.h"
#include "src/vector_query.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace fractal::hnsw {
namespace {

constexpr double due_growth = 0.1;  // of the frozen rows
constexpr double due_dead = 0.2;
constexpr std::size_t remembered_questions = 64;
constexpr std::uint32_t questions_per_remembered = 16;

// The rows that no generation has.
std::size_t bytes_of_added(const FlatView& view) {
  return (view.rows - view.frozen_rows()) * VectorChunk::row_bytes(view.dimension);
}

}  // namespace

std::string Generations::to_string() const {
  std::string text;
  if (newest) text = newest->to_string();
  if (older) text.append(1, '\n').append(older->to_string());
  return text;
}

Result<Generations> Generations::parse(std::string_view text) {
  Generations generations;
  if (text.empty()) return generations;
  const std::size_t end = text.find('\n');
  FRACTAL_TRY_INTO(generations.newest, Published::parse(text.substr(0, end)));
  if (end != std::string_view::npos) { FRACTAL_TRY_INTO(generations.older, Published::parse(text.substr(end + 1))); }
  return generations;
}

Result<void> HnswSpace::apply(const SpaceRecord& to, std::uint64_t from, std::span<const VectorChange> changes) {
  return flat_.apply(to, from, changes);
}

Result<void> HnswSpace::catch_up(const SpaceRecord& to, const VectorIndex::Pull& pull) {
  if (!looked_for_files_.load(std::memory_order_acquire)) {
    if (auto loaded = load(to); !loaded) note(loaded.error().message);
  }
  auto caught_up = flat_.catch_up(to, pull);
  if (caught_up || caught_up.error().code != Errc::unavailable || setting_.most_bytes == 0) return caught_up;
  // Perhaps another process has put more of the rows into a file.
  if (const std::unique_lock building(build_mutex_, std::try_to_lock); building && !retired_) {
    const std::uint64_t before = flat_.view().frozen_rows();
    if (auto newer = take_newer(); !newer) note(newer.error().message);
    if (flat_.view().frozen_rows() != before) caught_up = flat_.catch_up(to, pull);
  }
  if (!caught_up) note(caught_up.error().message);
  return caught_up;
}

// Once, and only into an empty space: what has rows already need not wait for a build under way.
Result<void> HnswSpace::load(const SpaceRecord& to) {
  if (flat_.applied() != 0 || !setting_.folder) looked_for_files_ = true;
  const bool crowded = is_much(to.vectors * VectorChunk::row_bytes(to.dimension), setting_.most_bytes);
  if (looked_for_files_ || (to.vectors < setting_.options.graph_from && !crowded)) return {};
  const std::lock_guard building(build_mutex_);
  if (looked_for_files_.exchange(true) || flat_.applied() != 0) return {};
  FRACTAL_TRY_INTO(const auto text, setting_.home.published(number_));
  if (!text) return {};
  FRACTAL_TRY_INTO(const Generations generations, Generations::parse(*text));
  kept_ = generations;
  Result<void> last;
  for (const auto& published : {generations.newest, generations.older}) {
    if (!published || published->sequence > to.sequence || published->sequence < to.horizon) continue;
    auto generation = setting_.folder->read(number_, *published);
    last = generation ? adopt(*generation) : Result<void>(generation.error());
    if (last) return {};
    note(last.error().message);
  }
  return last;
}

Result<VectorHits> HnswSpace::search(const VectorQuery& query) {
  const bool small = !flat_.has_frozen();
  const Taken taken = flat_.take(query, small ? 1.0 / 64 : 1.0);
  const FlatView& view = taken.view;
  FRACTAL_TRY(check_moment(view, query));
  if (view.rows == 0) return VectorHits{};
  FRACTAL_TRY(check_query(view.dimension, view.metric, query));
  if (query.as_of >= view.changed && query.k == 0) {
    if (taken.allowed) return VectorHits{.matched = taken.allowed->slots.size()};
    if (query.allowed == nullptr) return VectorHits{.matched = view.living - taken.excluded};
  }
  const bool graph = view.frozen && !query.exact && view.living >= setting_.options.graph_from;
  if (graph && (taken.allowed || query.allowed == nullptr)) {
    remember(query.vector);
    return search_graph(taken, query);
  }
  return taken.allowed ? scan_slots(view, query, taken.allowed->slots) : scan_view(view, query);
}

// Every so many questions of a thread, and only if nobody else is at it: no query waits here.
void HnswSpace::remember(std::span<const float> question) {
  thread_local std::uint32_t asked = 0;
  if (++asked % questions_per_remembered != 0) return;
  const std::unique_lock lock(note_mutex_, std::try_to_lock);
  if (!lock) return;
  if (questions_.size() < remembered_questions) questions_.resize(questions_.size() + 1);
  questions_[next_question_++ % questions_.size()].assign(question.begin(), question.end());
}

std::vector<std::vector<float>> HnswSpace::remembered() const {
  const std::lock_guard lock(note_mutex_);
  return questions_;
}

void HnswSpace::note(std::string problem) {
  const std::lock_guard lock(note_mutex_);
  problem_ = std::move(problem);
}

std::string HnswSpace::problem() const {
  const std::lock_guard lock(note_mutex_);
  return problem_;
}

VectorIndex::Stats HnswSpace::stats() const {
  VectorIndex::Stats stats = flat_.stats();
  stats.graph_vectors = flat_.view().frozen_rows();
  if (setting_.folder) stats.file_bytes = setting_.folder->bytes(number_);
  const auto total = static_cast<double>(total_.load());
  if (total > 0) stats.building = std::min(1.0, std::max(1e-3, static_cast<double>(done_.load()) / total));
  return stats;
}

void HnswSpace::abandon() {
  const std::lock_guard publishing(publish_mutex_);
  retired_ = true;
}

void HnswSpace::retire() {
  abandon();
  const std::lock_guard building(build_mutex_);
}

bool HnswSpace::is_small() const { return !is_crowded() && flat_.view().living < setting_.options.graph_from; }

bool HnswSpace::is_crowded() const {
  return setting_.folder && setting_.options.map && is_much(bytes_of_added(flat_.view()), setting_.most_bytes);
}

bool HnswSpace::is_due() const {
  const FlatView view = flat_.view();
  if (is_small()) return false;
  const std::uint64_t failed = failed_at_.load();
  if (failed != 0 && view.rows < failed + failed / 10) return false;
  if (!view.frozen || is_crowded()) return view.rows > view.frozen_rows();
  const auto frozen = static_cast<double>(view.frozen_rows());
  const auto behind = static_cast<double>(view.rows - view.frozen_rows());
  return behind >= due_growth * frozen || static_cast<double>(view.rows - view.living) > due_dead * frozen;
}

bool HnswSpace::wants_other_codes() const {
  const FlatView view = flat_.view();
  return view.frozen && static_cast<const FrozenGraph&>(*view.frozen).generation->codes != setting_.options.codes;
}

Result<void> HnswSpace::build(bool anew, std::size_t threads, const KeepOn& keep_on) {
  const std::lock_guard building(build_mutex_);
  if (retired_) return {};
  FRACTAL_TRY(take_newer());
  if (!anew && !is_due() && !wants_other_codes()) return {};
  auto made = make(anew, threads, keep_on);
  done_ = total_ = 0;
  if (!made) {
    failed_at_ = flat_.stats().vectors;
    note(made.error().message);
    return made;
  }
  failed_at_ = 0;
  note({});
  return {};
}

// What another process has built meanwhile.
Result<void> HnswSpace::take_newer() {
  if (!setting_.folder) return {};
  FRACTAL_TRY_INTO(const auto text, setting_.home.published(number_));
  FRACTAL_TRY_INTO(Generations generations, Generations::parse(text.value_or("")));
  const bool newer = generations.newest && (!kept_.newest || generations.newest->number > kept_.newest->number);
  kept_ = std::move(generations);
  if (!newer) return {};
  auto generation = setting_.folder->read(number_, *kept_.newest);
  if (!generation) {
    note(generation.error().message);
    return {};
  }
  if (auto adopted = adopt(*generation); !adopted) note(adopted.error().message);
  return {};
}

// For a build: the rows that no file has are copied, and the graph is there twice at its end (see Graph::build).
Result<void> HnswSpace::check_room(bool anew) const {
  const FlatView view = flat_.view();
  const std::uint64_t graph = view.rows * (20 + 8 * std::size_t{setting_.options.m});
  const std::uint64_t rows =
      can_extend(view, anew) ? bytes_of_added(view) : view.living * VectorChunk::row_bytes(view.dimension);
  const std::uint64_t memory = flat_.bytes() + rows + 2 * graph;
  if (setting_.most_bytes != 0 && memory > setting_.most_bytes) {
    return make_error(Errc::unavailable,
                      "vector index: to build the graph of {} vectors takes {} bytes, more than the {} that "
                      "Options::memory_budget leaves",
                      view.rows, memory, setting_.most_bytes);
  }
  if (!setting_.folder || !setting_.home.check_disk) return {};
  auto room = setting_.home.check_disk(setting_.folder->bytes(), rows + graph + (1u << 20));
  return room ? room : within(room.error(), "vector index: the graph of {} vectors", view.rows);
}

Result<void> HnswSpace::make(bool anew, std::size_t threads, const KeepOn& keep_on) {
  std::shared_ptr<void> writing;
  if (setting_.folder) {
    const auto wait = [&] { return !retired_ && keep_on(0, flat_.view().rows); };
    FRACTAL_TRY_INTO(writing, setting_.folder->lock(wait));
    if (!writing && anew) return make_error(Errc::unavailable, "vector index: another process builds");
    if (!writing) return {};    // what the other process makes is taken when it is there
    FRACTAL_TRY(take_newer());  // once more: nobody publishes from here on
    if (!anew && !is_due() && !wants_other_codes()) return {};
  }
  const FlatView view = flat_.view();
  FRACTAL_TRY(check_room(anew));
  FRACTAL_TRY_INTO(LaidOut laid_out, lay_out(view, number_, anew));
  Generation& generation = *laid_out.generation;
  generation.number = kept_.newest ? kept_.newest->number + 1 : 1;
  total_ = generation.rows;
  generation.codes = setting_.options.codes;
  const WalkCodes rows(generation, Codes::int8);
  Graph::Build build{.parameters = {setting_.options.m, setting_.options.ef_construction},
                     .threads = threads,
                     .previous = laid_out.previous};
  build.keep_on = [&](std::size_t done) {
    done_ = done;
    return !retired_ && keep_on(done, generation.rows);
  };
  FRACTAL_TRY_INTO(generation.graph, Graph::build(rows.rows(), build));
  const auto still = [&] { return !retired_ && keep_on(generation.rows, generation.rows); };
  FRACTAL_TRY_INTO(generation.calibration, calibrate(laid_out.generation, remembered(), still));
  auto kept = keep(laid_out.generation, anew, still);
  if (kept) return adopt(*kept);
  if (still()) FRACTAL_TRY(adopt(laid_out.generation));  // it serves from memory, and the error is noted
  return kept.error();
}

Result<void> HnswSpace::publish(const Generations& next) {
  const std::lock_guard publishing(publish_mutex_);
  if (retired_) return make_error(Errc::unavailable, "vector index: the space was dropped while its graph was built");
  return setting_.home.publish(number_, next.to_string());
}

// Written, published, and read back as any other process would.
Result<std::shared_ptr<const Generation>> HnswSpace::keep(std::shared_ptr<Generation> made, bool anew,
                                                          const std::function<bool()>& still) {
  if (!setting_.folder) return std::shared_ptr<const Generation>(std::move(made));
  const Published* const older = kept_.newest && !anew ? &*kept_.newest : nullptr;
  FRACTAL_TRY_INTO(const Published published, setting_.folder->write(*made, older, still));
  const Generations next{published, anew ? std::nullopt : kept_.newest};
  auto done = publish(next);
  if (done) kept_ = next;
  std::vector<Published> wanted;  // if it was not published, its files go again
  for (const auto& one : {kept_.newest, kept_.older}) {
    if (one) wanted.push_back(*one);
  }
  auto tidied = setting_.folder->keep_only(number_, wanted);
  FRACTAL_TRY(std::move(done));
  FRACTAL_TRY(std::move(tidied));
  auto read = setting_.folder->read(number_, published);
  if (read || read.error().code != Errc::corruption || older == nullptr) return read;
  // Rows shared with the older generation went bad on the disk: all of it is written once more.
  made->number = published.number + 1;
  return keep(std::move(made), true, still);
}

Result<void> HnswSpace::adopt(const std::shared_ptr<const Generation>& generation) {
  Adoption adoption{.frozen = std::make_shared<FrozenGraph>(generation),
                    .dead = generation->dead,
                    .sequence = generation->sequence,
                    .dimension = generation->dimension,
                    .metric = generation->metric};
  // Deaths are counted per view: chunks of its own over the same images.
  std::size_t left = generation->rows;
  for (const auto& block : generation->blocks) {
    adoption.blocks.push_back(std::make_shared<VectorChunk>(block->capacity, block->dimension,
                                                            std::min(left, block->capacity), block->image(), block));
    left -= std::min(left, block->capacity);
  }
  return flat_.adopt(adoption);
}

Result<std::vector<std::string>> HnswSpace::verify(const SpaceRecord& record, const VectorIndex::Pull& pull,
                                                   const Control& control) const {
  std::vector<std::string> problems;
  const FlatView view = flat_.view();
  if (!view.knows(record.sequence)) return problems;  // it has moved on: nothing to be said about that moment
  IdTable<Slot> slots;
  std::size_t seen = 0;
  for (std::size_t c = 0, first = 0; first < view.rows; first += view.rows_of(c, first), ++c) {
    for (std::size_t row = 0; row < view.rows_of(c, first); ++row) {
      const VectorChunk& chunk = *(*view.chunks)[c];
      if (!chunk.is_alive(row, record.sequence)) continue;
      if (slots.find(chunk.ids[row]) != nullptr)
        problems.push_back(fmt::format("memory {} is in it twice", chunk.ids[row]));
      slots[chunk.ids[row]] = slot_of(c, row);
    }
  }
  Result<void> ok;
  FRACTAL_TRY(pull(0, [&](const VectorChange& change) {
    if (++seen % 1024 == 0) ok = check_control(control, "verify");
    if (!ok || change.vector.empty()) return ok.has_value();
    const Slot* const slot = slots.find(change.id);
    if (slot == nullptr) {
      problems.push_back(fmt::format("the vector of memory {} is not in it", change.id));
      return true;
    }
    const VectorChunk& chunk = view.chunk(*slot);
    if (change.vector.size() != chunk.dimension ||
        std::memcmp(change.vector.data(), chunk.vector(row_of(*slot)), change.vector.size_bytes()) != 0) {
      problems.push_back(fmt::format("the vector of memory {} is another than the row's", change.id));
    }
    slots.erase(change.id);
    return true;
  }));
  FRACTAL_TRY(std::move(ok));
  if (view.frozen) {
    const auto& frozen = static_cast<const FrozenGraph&>(*view.frozen);
    for (const Node node : frozen.graph().lost()) {
      const Slot slot = frozen.slot(node);
      problems.push_back(fmt::format("no walk leads to memory {} in its graph", view.chunk(slot).ids[row_of(slot)]));
    }
  }
  slots.each([&](MemoryId id, Slot) { problems.push_back(fmt::format("memory {} has no vector, but is in it", id)); });
  return problems;
}

}  // namespace fractal::hnsw
