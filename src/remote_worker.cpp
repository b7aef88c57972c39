// Invariant: one thread sends what apply() took, and follows the storage where something was left out. What it takes out of
// a space's queue counts as the queue's until it is sent.
//
// Cleaning. What was superseded up to C may be deleted if C was applied a grace ago, and if every reader knows of it: the
// mark's `cleaned` is written half a grace before, readers look at it every quarter, and a search takes no longer than
// another. Who holds a space for long (reconcile, verify, another load) is not waited for: the others have their turn.
#include "src/remote_index.h"

#include "src/error.h"
#include "src/guarded.h"

#include <algorithm>

namespace fractal {
namespace {
constexpr std::string_view name = "vector index";
constexpr std::chrono::milliseconds retry_after{1'000}, longest_tick{1'000};
constexpr std::size_t ids_per_cleaning = 1'000;
}  // namespace

RemoteIndex::RemoteIndex(std::shared_ptr<VersionStore> store, RemoteSource source, RemoteSetting setting)
    : store_(std::move(store)), source_(std::move(source)), setting_(setting) {
  own_control_.cancel = &stopping_;
  // An exception (out of memory) ends a round, not the program.
  worker_ = std::thread([this] {
    while (!stopping_) (void)guarded(name, [this]() -> Result<void> { return work(), Result<void>(); });
  });
}

// The worker may be in a call.
RemoteIndex::~RemoteIndex() {
  store_->stop();
  stopping_ = true;
  {
    const std::lock_guard lock(mutex_);
    wake_.notify_all();
    idle_.notify_all();
  }
  worker_.join();
}

void RemoteIndex::wake(std::uint64_t space) {
  const std::lock_guard lock(mutex_);
  due_.insert(space);
  wake_.notify_one();
}

void RemoteIndex::work() {
  const auto tick =
      std::min<std::chrono::milliseconds>(longest_tick, setting_.grace / 8 + std::chrono::milliseconds(1));
  auto next_round = Clock::now();
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    wake_.wait_until(lock, next_round, [this] { return stopping_ || !due_.empty(); });
    if (stopping_) return;
    std::set<std::uint64_t> due = std::exchange(due_, {});
    const bool erases = std::any_of(due.begin(), due.end(), [this](std::uint64_t n) { return erased_.contains(n); });
    lock.unlock();
    if (erases || Clock::now() >= next_round) {
      read_erased();
      forget_erased();
      spaces_.each([&](RemoteSpace& space) {
        const std::lock_guard turn(space.mutex);
        due.insert(space.place.number);
      });
      next_round = Clock::now() + tick;
    }
    for (const std::uint64_t number : due) {
      if (stopping_) return;
      work_on(number);
    }
    lock.lock();
    idle_.notify_all();
  }
}

void RemoteIndex::work_on(std::uint64_t number) {
  const auto space = spaces_.find(number);
  if (!space) return;
  {
    const std::lock_guard lock(space->mutex);
    if (Clock::now() < space->not_before) return;
  }
  const auto done = guarded(name, [&]() -> Result<void> {
    FRACTAL_TRY(send_queue(*space));
    FRACTAL_TRY(follow(*space));
    return clean(*space);
  });
  if (done || stopping_) return;
  note_failure(*space, done.error());
  const std::lock_guard lock(space->mutex);
  space->not_before = Clock::now() + retry_after;
}

Result<void> RemoteIndex::send_queue(RemoteSpace& space) {
  const std::unique_lock turn(space.feeding, std::try_to_lock);
  if (!turn) return {};
  ChangeQueue queue;
  Begun begun;
  bool in_place = false;
  {
    const std::lock_guard lock(space.mutex);
    if (space.queue.empty()) return {};
    std::swap(queue, space.queue);
    if (queue.to().sequence <= space.applied) return {};
    in_place = space.known && queue.from() <= space.applied;
    begun = RemoteIndex::begun(space);
    if (!in_place) {
      space.behind = true;
      return {};
    }
    space.in_flight = queue.bytes() + 1;
  }
  auto sent = guarded(name, [&] { return deliver(space, queue.to(), queue.changes(), begun, begun.epoch == 0); });
  const std::lock_guard lock(space.mutex);
  space.in_flight = 0;
  if (sent) return sent;
  // The storage has it all.
  space.queue = {};
  space.behind = true;
  return sent;
}

Result<void> RemoteIndex::follow(RemoteSpace& space) {
  SpaceRecord of;
  {
    const std::lock_guard lock(space.mutex);
    if (!space.behind) return {};
    of.space = space.place.space;
    of.number = space.place.number;
  }
  FRACTAL_TRY(source_.read(of.space, columns(), [&](const SpaceRecord& to, const Pull& pull) -> Result<void> {
    const auto now = to.number == of.number ? space_of(to) : nullptr;  // of another dimension, perhaps
    if (now.get() != &space) {                                         // erased: there is nothing to follow
      const std::lock_guard lock(space.mutex);
      space.behind = false;
      space.queue = {};
      return {};
    }
    const std::unique_lock turn(space.feeding, std::try_to_lock);
    if (!turn) return {};
    FRACTAL_TRY(read_mark(space, to, true, &own_control_));
    std::uint64_t applied = 0;
    {
      const std::lock_guard lock(space.mutex);
      applied = space.applied;
      // What comes from now on is after this view, or in it: the queue goes on from here.
      space.behind = false;
      space.queue = {};
      if (applied >= to.sequence) return {};
      space.in_flight = 1;
      space.tail = to.sequence;
    }
    auto pulled = guarded(name, [&] { return pull_into(space, to, pull, false); });
    const std::lock_guard lock(space.mutex);
    space.in_flight = 0;
    if (!pulled) {
      space.queue = {};
      space.behind = true;
    }
    return pulled;
  }));
  return send_queue(space);
}

Result<void> RemoteIndex::clean(RemoteSpace& space) {
  VersionPlace place;
  VersionMark mark;
  std::optional<std::uint64_t> announce, erase;
  bool old_epochs = false;
  {
    const std::lock_guard lock(space.mutex);
    const auto now = Clock::now();
    place = space.place;
    mark = space.mark;
    if (mark.epoch == 0) return {};
    old_epochs = space.old_epochs && now - space.epoch_since >= setting_.grace;
    if (!space.cleaning && !space.touched.empty()) {
      space.cleaning = {space.mark.applied, now};
      space.cleaned_ids = std::exchange(space.touched, {});
      space.announced = false;
    }
    if (space.cleaning && !space.announced && now - space.cleaning->second >= setting_.grace) {
      announce = space.cleaning->first;
    }
    if (space.cleaning && space.announced && now - space.cleaning->second >= setting_.grace / 2) {
      erase = space.cleaning->first;
    }
  }
  if (old_epochs) {
    FRACTAL_TRY(store_->erase_epochs_before(place, mark.epoch));
    const std::lock_guard lock(space.mutex);
    space.old_epochs = false;
  }
  if (announce) {
    FRACTAL_TRY(store_->put_cleaned(place, mark.epoch, *announce));
    const std::lock_guard lock(space.mutex);
    if (space.mark.epoch != mark.epoch || !space.cleaning) return {};
    space.mark.cleaned = std::max(space.mark.cleaned, *announce);
    space.announced = true;
    space.cleaning->second = Clock::now();
  }
  if (erase) return clean_superseded(space, *erase);
  return {};
}

Result<void> RemoteIndex::clean_superseded(RemoteSpace& space, std::uint64_t up_to) {
  VersionPlace place;
  VersionMark mark;
  std::vector<MemoryId> touched;
  {
    const std::lock_guard lock(space.mutex);
    place = space.place;
    mark = space.mark;
    touched = std::exchange(space.cleaned_ids, {});
    space.cleaning.reset();
  }
  std::sort(touched.begin(), touched.end());
  touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
  const VersionMoment moment{.epoch = mark.epoch, .as_of = up_to, .token = mark.token};
  const std::size_t step = std::min(ids_per_cleaning, store_->most_ids());
  std::size_t begin = 0;
  const auto cleaned = [&]() -> Result<void> {
    for (; begin < touched.size(); begin += step) {
      const std::span<const MemoryId> ids(touched.data() + begin, std::min(step, touched.size() - begin));
      FRACTAL_TRY(clean_some(place, moment, ids));
    }
    return {};
  };
  auto done = guarded(name, cleaned);
  if (!done) {
    // What is left comes again with the next ones.
    const std::lock_guard lock(space.mutex);
    space.touched.insert(space.touched.end(), touched.begin() + static_cast<std::ptrdiff_t>(begin), touched.end());
  }
  return done;
}

Result<void> RemoteIndex::clean_some(const VersionPlace& place, const VersionMoment& moment,
                                     std::span<const MemoryId> ids) {
  FRACTAL_TRY_INTO(auto versions, store_->versions(place, moment, ids, false, &own_control_));
  std::sort(versions.begin(), versions.end(), VersionOrder());
  std::vector<VersionStore::Name> superseded;
  for (std::size_t i = 0; i + 1 < versions.size(); ++i) {
    if (versions[i].id == versions[i + 1].id) superseded.emplace_back(versions[i].id, versions[i].born);
  }
  return superseded.empty() ? Result<void>() : store_->erase(place, moment.epoch, superseded);
}

// ---- Spaces that go ----------------------------------------------------------------------------------------------

void RemoteIndex::drop(std::uint64_t space) { spaces_.drop(space); }

void RemoteIndex::erase(std::uint64_t space) {
  spaces_.drop(space);
  {
    const std::lock_guard lock(mutex_);
    erased_.insert_or_assign(space, Erasure{.last = Clock::now() + setting_.grace});
    due_.insert(space);
    wake_.notify_one();
  }
  if (setting_.wait) forget_erased();
}

// What other programs have left, and this one before it ended.
void RemoteIndex::read_erased() {
  if (erased_read_ || !source_.erased) return;
  const auto left = guarded(name, [&] { return source_.erased(); });
  if (!left) return;  // again in the next round
  const std::lock_guard lock(mutex_);
  for (const ErasedSpace& space : *left) {
    const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now() - space.at);
    const auto left_of_grace = std::clamp<std::chrono::milliseconds>(setting_.grace - age, {}, setting_.grace);
    erased_.try_emplace(space.number, Erasure{.last = Clock::now() + left_of_grace});
  }
  erased_read_ = true;
}

// At once, and once more when nothing can be on its way any more.
void RemoteIndex::forget_erased() {
  std::vector<std::uint64_t> due;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [space, erasure] : erased_) {
      if (!erasure.done || Clock::now() >= erasure.last) due.push_back(space);
    }
  }
  for (const std::uint64_t space : due) {
    const auto began = Clock::now();
    const auto done = guarded(name, [&] { return store_->erase_space(space); });
    bool over = false;
    {
      const std::lock_guard lock(mutex_);
      erase_problem_ = done ? std::string() : done.error().message;
      if (!done) return;
      const auto found = erased_.find(space);
      if (found == erased_.end()) continue;
      found->second.done = true;
      over = began >= found->second.last;
    }
    if (!over) continue;
    if (source_.forget_erased && !guarded(name, [&] { return source_.forget_erased(space); })) return;
    const std::lock_guard lock(mutex_);
    erased_.erase(space);
  }
}

// ---- What is to be said of it ------------------------------------------------------------------------------------

VectorIndex::Stats RemoteIndex::stats(std::uint64_t number) {
  const auto space = spaces_.find(number);
  if (!space) return {};
  const std::lock_guard lock(space->mutex);
  return {.vectors = space->vectors, .bytes = space->bytes(), .applied = space->known ? space->applied : 0};
}

std::uint64_t RemoteIndex::applied(std::uint64_t space) { return RemoteIndex::stats(space).applied; }

std::uint64_t RemoteIndex::bytes(std::uint64_t number) {
  const auto space = spaces_.find(number);
  if (!space) return 0;
  const std::lock_guard lock(space->mutex);
  return space->bytes();
}

std::vector<std::string> RemoteIndex::problems() {
  std::vector<std::string> problems;
  if (auto problem = store_->problem(); !problem.empty()) problems.push_back("vector index: " + problem);
  {
    const std::lock_guard lock(mutex_);
    if (!erase_problem_.empty()) problems.push_back("vector index: erased spaces: " + erase_problem_);
  }
  spaces_.each([&](RemoteSpace& space) {
    const std::lock_guard lock(space.mutex);
    if (!space.problem.empty()) {
      problems.push_back(fmt::format("vector index: space {}: {}", space.place.number, space.problem));
    }
  });
  return problems;
}

bool RemoteIndex::flush(std::uint64_t number, const Control& control) {
  const auto sent = [&] {
    const auto space = spaces_.find(number);
    if (!space) return true;
    const std::lock_guard lock(space->mutex);
    return !space->sends() && !space->behind;
  };
  while (!sent()) {
    if (stopping_ || Clock::now() >= control.deadline || (control.cancel != nullptr && *control.cancel)) return false;
    wake(number);
    std::unique_lock lock(mutex_);
    idle_.wait_for(lock, std::chrono::milliseconds(20));
  }
  return true;
}

}  // namespace fractal
