// Invariant: every call of SQLite passes through here exactly once, and one that fails has not touched the file.
#include "tests/faults/fault_vfs.h"

#include <sqlite3.h>

#include <array>
#include <limits>
#include <mutex>
#include <new>
#include <stdexcept>

namespace fractal::testing {
namespace {

constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();

struct State {
  std::mutex mutex;
  std::array<std::uint64_t, io_kinds> calls{};
  Io kind = Io::open;
  std::uint64_t first = never, last = never, failures = 0;
  Failure failure = Failure::error;
  bool real_syncs = false, logging = false;
  std::vector<IoEvent> log;
  sqlite3_vfs* inner = nullptr;
  sqlite3_vfs outer{};

  // True: this call must fail.
  bool count(Io io, const std::string& file) {
    const std::lock_guard lock(mutex);
    const std::uint64_t number = ++calls[static_cast<std::size_t>(io)];
    const bool fails = io == kind && number >= first && number <= last;
    if (fails) ++failures;
    if (logging && !fails && (io == Io::write || io == Io::sync || io == Io::truncate)) log.push_back({io, file});
    return fails;
  }
  int error(int code) const { return failure == Failure::disk_full ? SQLITE_FULL : code; }
};

State& state() {
  static State only;
  return only;
}

// What SQLite allocates for a file: this, and behind it the file of the real layer.
struct File {
  sqlite3_file base;
  std::string* name;
  sqlite3_file* inner() { return reinterpret_cast<sqlite3_file*>(this + 1); }
  const sqlite3_io_methods& methods() { return *inner()->pMethods; }
};
static_assert(sizeof(File) % alignof(std::max_align_t) == 0 || sizeof(File) % 8 == 0);

File& of(sqlite3_file* file) { return *reinterpret_cast<File*>(file); }

bool fails(Io io, sqlite3_file* file) { return state().count(io, *of(file).name); }

int close(sqlite3_file* file) {
  File& self = of(file);
  const int code = self.methods().xClose(self.inner());
  delete self.name;
  return code;
}
int read(sqlite3_file* file, void* target, int amount, sqlite3_int64 offset) {
  if (fails(Io::read, file)) return SQLITE_IOERR_READ;
  return of(file).methods().xRead(of(file).inner(), target, amount, offset);
}
int write(sqlite3_file* file, const void* source, int amount, sqlite3_int64 offset) {
  if (fails(Io::write, file)) return state().error(SQLITE_IOERR_WRITE);
  return of(file).methods().xWrite(of(file).inner(), source, amount, offset);
}
int truncate(sqlite3_file* file, sqlite3_int64 size) {
  if (fails(Io::truncate, file)) return SQLITE_IOERR_TRUNCATE;
  return of(file).methods().xTruncate(of(file).inner(), size);
}
int sync(sqlite3_file* file, int flags) {
  if (fails(Io::sync, file)) return SQLITE_IOERR_FSYNC;
  return state().real_syncs ? of(file).methods().xSync(of(file).inner(), flags) : SQLITE_OK;
}
int file_size(sqlite3_file* file, sqlite3_int64* size) { return of(file).methods().xFileSize(of(file).inner(), size); }
int lock(sqlite3_file* file, int level) {
  if (fails(Io::lock, file)) return SQLITE_IOERR_LOCK;
  return of(file).methods().xLock(of(file).inner(), level);
}
int unlock(sqlite3_file* file, int level) { return of(file).methods().xUnlock(of(file).inner(), level); }
int check_reserved_lock(sqlite3_file* file, int* result) {
  return of(file).methods().xCheckReservedLock(of(file).inner(), result);
}
int file_control(sqlite3_file* file, int operation, void* argument) {
  return of(file).methods().xFileControl(of(file).inner(), operation, argument);
}
int sector_size(sqlite3_file* file) { return of(file).methods().xSectorSize(of(file).inner()); }
int device_characteristics(sqlite3_file* file) { return of(file).methods().xDeviceCharacteristics(of(file).inner()); }
int shm_map(sqlite3_file* file, int region, int size, int extend, void volatile** target) {
  if (fails(Io::map, file)) return SQLITE_IOERR_SHMMAP;
  return of(file).methods().xShmMap(of(file).inner(), region, size, extend, target);
}
int shm_lock(sqlite3_file* file, int offset, int n, int flags) {
  // A lock cannot fail to be given back.
  if ((flags & SQLITE_SHM_LOCK) != 0 && fails(Io::lock, file)) return SQLITE_IOERR_SHMLOCK;
  return of(file).methods().xShmLock(of(file).inner(), offset, n, flags);
}
void shm_barrier(sqlite3_file* file) { of(file).methods().xShmBarrier(of(file).inner()); }
int shm_unmap(sqlite3_file* file, int remove) { return of(file).methods().xShmUnmap(of(file).inner(), remove); }

// Version 2: no mapped reads, so that every read is seen.
constexpr sqlite3_io_methods methods{2,
                                     close,
                                     read,
                                     write,
                                     truncate,
                                     sync,
                                     file_size,
                                     lock,
                                     unlock,
                                     check_reserved_lock,
                                     file_control,
                                     sector_size,
                                     device_characteristics,
                                     shm_map,
                                     shm_lock,
                                     shm_barrier,
                                     shm_unmap,
                                     nullptr,
                                     nullptr};

int open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* flags_out) {
  File& self = of(file);
  self.base.pMethods = nullptr;
  const std::string known = name == nullptr ? "" : name;
  if (state().count(Io::open, known)) return SQLITE_CANTOPEN;
  const int code = state().inner->xOpen(state().inner, name, self.inner(), flags, flags_out);
  if (code != SQLITE_OK) {
    if (self.inner()->pMethods != nullptr) self.inner()->pMethods->xClose(self.inner());
    return code;
  }
  self.name = new std::string(known);
  self.base.pMethods = &methods;
  return SQLITE_OK;
}
int remove(sqlite3_vfs*, const char* name, int sync_directory) {
  if (state().count(Io::remove, name)) return SQLITE_IOERR_DELETE;
  return state().inner->xDelete(state().inner, name, state().real_syncs ? sync_directory : 0);
}
int access(sqlite3_vfs*, const char* name, int flags, int* result) {
  return state().inner->xAccess(state().inner, name, flags, result);
}
int full_pathname(sqlite3_vfs*, const char* name, int size, char* target) {
  return state().inner->xFullPathname(state().inner, name, size, target);
}

}  // namespace

const char* name_of(Io kind) {
  constexpr const char* names[] = {"open", "read", "write", "sync", "truncate", "remove", "lock", "map"};
  return names[static_cast<std::size_t>(kind)];
}

FaultVfs::FaultVfs() {
  State& own = state();
  own.inner = sqlite3_vfs_find(nullptr);
  if (own.inner == nullptr || own.inner == &own.outer) throw std::logic_error("one FaultVfs at a time");
  // Everything but files is the real layer's, which finds itself by the pointer it is given or needs none.
  own.outer = *own.inner;
  own.outer.szOsFile = static_cast<int>(sizeof(File)) + own.inner->szOsFile;
  own.outer.zName = "fractal_faults";
  own.outer.pNext = nullptr;
  own.outer.xOpen = open;
  own.outer.xDelete = remove;
  own.outer.xAccess = access;
  own.outer.xFullPathname = full_pathname;
  sync_for_real(false);
  heal();
  if (sqlite3_vfs_register(&own.outer, 1) != SQLITE_OK) throw std::runtime_error("sqlite3_vfs_register failed");
}

FaultVfs::~FaultVfs() {
  sqlite3_vfs_register(state().inner, 1);
  sqlite3_vfs_unregister(&state().outer);
}

void FaultVfs::fail(Io kind, std::uint64_t n, Lasting lasting, Failure failure) {
  State& own = state();
  const std::lock_guard lock(own.mutex);
  own.calls = {};
  own.failures = 0;
  own.kind = kind;
  own.first = n;
  own.last = lasting == Lasting::once ? n : never - 1;
  own.failure = failure;
}

void FaultVfs::heal() {
  State& own = state();
  const std::lock_guard lock(own.mutex);
  own.first = own.last = never;
}

std::uint64_t FaultVfs::calls(Io kind) const {
  State& own = state();
  const std::lock_guard lock(own.mutex);
  return own.calls[static_cast<std::size_t>(kind)];
}

std::uint64_t FaultVfs::failures() const {
  State& own = state();
  const std::lock_guard lock(own.mutex);
  return own.failures;
}

void FaultVfs::sync_for_real(bool real) {
  State& own = state();
  const std::lock_guard lock(own.mutex);
  own.real_syncs = real;
}

void FaultVfs::start_log() {
  State& own = state();
  const std::lock_guard lock(own.mutex);
  own.log.clear();
  own.logging = true;
}

std::size_t FaultVfs::log_size() const {
  State& own = state();
  const std::lock_guard lock(own.mutex);
  return own.log.size();
}

std::vector<IoEvent> FaultVfs::log_from(std::size_t begin) const {
  State& own = state();
  const std::lock_guard lock(own.mutex);
  return {own.log.begin() + static_cast<std::ptrdiff_t>(begin), own.log.end()};
}

}  // namespace fractal::testing
