// Invariant: one handle at most is open, and it is that of settings().db.
#include "src/cli/session.h"

#include "src/cli/failure.h"
#include "src/cli/interrupt.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

namespace fractal::cli {
namespace {

bool in_process(const std::string& db) { return db == ":memory:"; }

void check_backend(const std::string& db) {
  if (const std::size_t scheme = db.find("://"); scheme != db.npos) {
    throw usage_error(fmt::format("this program has no backend for {}://; give a file", db.substr(0, scheme)));
  }
}

}  // namespace

void Session::use(Settings settings) {
  if (settings.db != settings_.db) {
    if (memory_ && in_process(settings_.db)) throw usage_error("another --db would lose the memories of :memory:");
    memory_.reset();
  }
  settings_ = std::move(settings);
}

FractalMemory Session::create(Options options) {
  check_backend(settings_.db);
  options.path = settings_.db;
  options.space = settings_.space;
  memory_ = FractalMemory::open(std::move(options)).value();
  return *memory_;
}

FractalMemory Session::memory(Access access, std::uint64_t budget) {
  if (memory_) return memory_->in(settings_.space);
  const std::string& db = settings_.db;
  check_backend(db);
  Options options;
  std::error_code ignored;
  const bool there = in_process(db) || std::filesystem::exists(db, ignored);
  if (!there && access != Access::create) {
    throw Failure(exit_backend, fmt::format("there is no database {}; make one with: fractal --db {} init", db, db));
  }
  options.create = access == Access::create;
  options.read_only = there && !in_process(db) && access == Access::read && ::access(db.c_str(), W_OK) != 0;
  options.memory_budget = budget;
  options.index.background = false;  // commands come and go: maintain makes graphs
  return create(std::move(options));
}

Control Session::control(Progress* progress) {
  Control control{.cancel = &interrupted()};
  if (progress) {
    control.progress = [progress](std::uint64_t done, std::uint64_t total) { progress->of(done, total); };
  }
  return control;
}

}  // namespace fractal::cli
