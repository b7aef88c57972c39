// Invariant: after each trial the file holds what was acknowledged; of what failed, nothing or all of one step.
#include "tests/faults/trial.h"

#include "tests/faults/picture.h"

#include <fractal/format.h>

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <optional>
#include <utility>

namespace fractal::testing {
namespace {

Options options_for(const std::string& path) { return standing_clock({.path = path}); }

std::string bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Where two pictures part.
std::string difference(const std::string& left, const std::string& right) {
  const auto [at, other] = std::mismatch(left.begin(), left.end(), right.begin(), right.end());
  const auto begin = static_cast<std::size_t>(at - left.begin());
  const std::size_t from = begin < 200 ? 0 : begin - 200;
  return fmt::format("...{}\n--- expected\n...{}", left.substr(from, 500), right.substr(from, 500));
}

// The fault may be waiting for a read: then it happens once, and not again.
template <class Call> auto second_try(const FaultVfs& vfs, const Call& call) -> decltype(call()) {
  const std::uint64_t failures = vfs.failures();
  auto first = call();
  if (first || vfs.failures() == failures) return first;
  check_error(first.error(), "read");
  return call();
}

}  // namespace

void check_error(const Error& error, const std::string& where) {
  INFO(where);
  INFO(fmt::format("{}", error));
  CHECK((error.code == Errc::io || error.code == Errc::unavailable));
  CHECK_FALSE(error.message.empty());
}

const std::string& Expected::after(const std::vector<bool>& done) {
  const auto [place, is_new] = known_.try_emplace(done);
  if (!is_new) return place->second;
  const FractalMemory model = FractalMemory::open(standing_clock({})).value();
  for (const Step& step : work_.before) step.run(model, "").value();
  for (std::size_t i = 0; i < done.size(); ++i) {
    if (done[i] && work_.steps[i].writes) work_.steps[i].run(model, "").value();
  }
  place->second = picture(model).value();
  return place->second;
}

Trials::Trials(Workload work) : work_(std::move(work)), expected_(work_) {
  if (work_.before.empty()) return;
  {
    const FractalMemory memory = FractalMemory::open(options_for(file())).value();
    for (const Step& step : work_.before) step.run(memory, "").value();
  }
  prepared_ = bytes_of(file());
}

void Trials::lay_out() {
  folder_.empty();
  done_.assign(work_.steps.size(), false);
  uncertain_.clear();
  copied_.clear();
  if (prepared_.empty()) return;
  std::ofstream(file(), std::ios::binary) << prepared_;
}

bool Trials::run(const PlannedFault& fault) {
  INFO(fmt::format("{}: {} number {} fails {}", work_.name, name_of(fault.kind), fault.n,
                   fault.lasting == Lasting::once ? "once" : "for ever"));
  lay_out();
  vfs_.fail(fault.kind, fault.n, fault.lasting, fault.failure);
  auto memory = FractalMemory::open(options_for(file()));
  if (!memory) {
    check_error(memory.error(), "open");
    ++errors_;
    if (fault.lasting == Lasting::for_ever) vfs_.heal();
    memory = FractalMemory::open(options_for(file()));
    if (!memory) FAIL("open again: " << memory.error().message);
  }
  run_steps(*memory, fault);
  memory = Error{};  // closed while the fault lasts: moving the log into the file may stop half-way
  const bool reached = vfs_.failures() > 0;
  vfs_.heal();
  check_reopened();
  return reached;
}

void Trials::run_steps(const FractalMemory& memory, const PlannedFault& fault) {
  for (std::size_t i = 0; i < work_.steps.size(); ++i) run_step(memory, fault, i);
  if (fault.lasting == Lasting::for_ever) return;
  const auto now = second_try(vfs_, [&] { return picture(memory); });
  if (!now) FAIL("picture: " << now.error().message);
  if (*now != expected_.after(done_)) FAIL("at the end: " << difference(*now, expected_.after(done_)));
  const std::uint64_t failures = vfs_.failures();
  auto clean = verified(memory);
  if (vfs_.failures() > failures) clean = verified(memory);  // a page that cannot be read is a finding
  if (!clean) FAIL(clean.error().message);
}

void Trials::run_step(const FractalMemory& memory, const PlannedFault& fault, std::size_t i) {
  const Step& step = work_.steps[i];
  const auto run = [&] {
    auto result = step.run(memory, scratch());
    if (result && !step.writes) copied_ = expected_.after(done_);
    return result;
  };
  const auto result = run();
  done_[i] = result.has_value();
  if (result) return;
  ++errors_;
  check_error(result.error(), step.name);
  // A failed call changed nothing...
  const auto now = picture(memory);
  if (now && *now != expected_.after(done_)) {
    FAIL("after the failed " << step.name << " (" << result.error().message
                             << "): " << difference(*now, expected_.after(done_)));
  }
  if (fault.lasting == Lasting::for_ever) return uncertain_.push_back(i);
  // ...and may be made again, on the same handle.
  if (!now) FAIL("picture after " << step.name << ": " << now.error().message);
  const auto again = run();
  if (!again) FAIL(step.name << " again, after " << result.error().message << ": " << again.error().message);
  done_[i] = true;
}

void Trials::check_copy(const std::string& expected) {
  const auto copy = FractalMemory::open(options_for(scratch()));
  if (!copy) FAIL("backup: " << copy.error().message);
  const auto now = picture(*copy);
  if (!now) FAIL("backup: " << now.error().message);
  if (*now != expected) FAIL("backup: " << difference(*now, expected));
}

void Trials::check_reopened() {
  const auto memory = FractalMemory::open(options_for(file()));
  if (!memory) FAIL("reopen: " << memory.error().message);
  const auto now = picture(*memory);
  if (!now) FAIL("reopened: " << now.error().message);
  // The last write that failed may have reached the disk as a whole.
  bool known = *now == expected_.after(done_);
  for (std::size_t j = 0; !known && j < uncertain_.size(); ++j) {
    auto with = done_;
    with[uncertain_[j]] = true;
    known = *now == expected_.after(with);
  }
  if (!known) FAIL("reopened: " << difference(*now, expected_.after(done_)));
  const auto clean = verified(*memory);
  if (!clean) FAIL("reopened: " << clean.error().message);
  if (!copied_.empty()) check_copy(copied_);

  const Memory probe = numbered_memory(900);
  const auto written = memory->store(probe);
  if (!written) FAIL("write after reopening: " << written.error().message);
  const auto read = memory->retrieve(probe.coordinate);
  if (!read) FAIL("read after writing: " << read.error().message);
  CHECK(read->payload == probe.payload);
}

}  // namespace fractal::testing
