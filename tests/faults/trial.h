// One workload on a SQLite file while one I/O call fails, and everything that must hold then.
#ifndef FRACTAL_TESTS_FAULTS_TRIAL_H
#define FRACTAL_TESTS_FAULTS_TRIAL_H

#include "tests/faults/fault_vfs.h"
#include "tests/faults/workloads.h"
#include "tests/temporary_folder.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace fractal::testing {

// The picture of a database in which these steps of a workload were done and the others were not.
class Expected {
 public:
  explicit Expected(const Workload& work) : work_(work) {}
  const std::string& after(const std::vector<bool>& done);

 private:
  const Workload& work_;
  std::map<std::vector<bool>, std::string> known_;
};

struct PlannedFault {
  Io kind = Io::write;
  std::uint64_t n = 1;
  Lasting lasting = Lasting::once;
  Failure failure = Failure::error;
};

class Trials {
 public:
  explicit Trials(Workload work);
  // Checks (doctest) what must hold with this fault. False: the workload has no n-th call of the kind.
  bool run(const PlannedFault& fault);
  // Calls of the library that returned an error. Not every fault leads to one: SQLite can live with some.
  std::uint64_t errors() const noexcept { return errors_; }

 private:
  std::string file() const { return folder_.file("trial.db"); }
  std::string scratch() const { return folder_.file("copy.db"); }
  void lay_out();
  void run_steps(const FractalMemory& memory, const PlannedFault& fault);
  void run_step(const FractalMemory& memory, const PlannedFault& fault, std::size_t i);
  void check_copy(const std::string& expected);
  void check_reopened();

  FaultVfs vfs_;
  TemporaryFolder folder_;
  Workload work_;
  Expected expected_;
  std::string prepared_;  // bytes of the file with work_.before done; empty: there is no file
  std::vector<bool> done_;
  std::vector<std::size_t> uncertain_;  // steps that failed and were not tried again
  std::string copied_;                  // the picture that the backup must have; empty: none was made
  std::uint64_t errors_ = 0;
};

// A failing disk is `io`, or `unavailable` where SQLite takes it for a lock that is held.
void check_error(const Error& error, const std::string& where);

}  // namespace fractal::testing

#endif
