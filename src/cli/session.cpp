// Invariant: one handle at most is open, and it is that of settings().db.
#include "src/cli/session.h"

#include "src/cli/failure.h"
#include "src/cli/interrupt.h"
#include "src/cli/place.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

namespace fractal::cli {
namespace {

Options indexed_at(const std::string& url, Options options) {
  if (!url.empty()) check_url(url, vector_index_schemes());
  options.vector_index = url;
  return options;
}

Failure no_database(const std::string& db) {
  return {exit_backend, fmt::format("there is no database {0}; make one with: fractal --db {0} init", shown(db))};
}

}  // namespace

void Session::use(Settings settings) {
  if (settings.db != settings_.db || settings.vector_index != settings_.vector_index) {
    if (memory_ && in_process(settings_.db)) throw usage_error("another --db would lose the memories of :memory:");
    memory_.reset();
  }
  settings_ = std::move(settings);
}

FractalMemory Session::create(Options options) {
  check_place(settings_.db);
  options.path = settings_.db;
  options.space = settings_.space;
  memory_ = FractalMemory::open(indexed_at(settings_.vector_index, std::move(options))).value();
  return *memory_;
}

FractalMemory Session::memory(Access access, std::uint64_t budget) {
  if (!memory_) {
    memory_ = opened(settings_.db, access, indexed_at(settings_.vector_index, {.memory_budget = budget}));
  }
  return memory_->in(settings_.space);
}

FractalMemory Session::open(const std::string& db, Access access, Options options) {
  if (in_process(db) && db == settings_.db) return memory(access);
  return opened(db, access, std::move(options));
}

FractalMemory Session::opened(const std::string& db, Access access, Options options) {
  check_place(db);
  options.path = db;
  options.create = access == Access::create;
  std::error_code ignored;
  const bool file = !is_url(db) && !in_process(db);
  const bool missing = file && !std::filesystem::exists(db, ignored);
  options.read_only = file && !missing && access == Access::read && ::access(db.c_str(), W_OK) != 0;
  options.index.background = false;  // commands come and go: maintain makes graphs
  if (missing && !options.create) throw no_database(db);
  auto memory = FractalMemory::open(std::move(options));
  if (!memory && memory.error().code == Errc::not_found) throw no_database(db);
  return std::move(memory).value();
}

Control Session::control(Progress* progress) {
  Control control{.cancel = &interrupted()};
  if (progress) {
    control.progress = [progress](std::uint64_t done, std::uint64_t total) { progress->of(done, total); };
  }
  return control;
}

}  // namespace fractal::cli
