// What the fault tests do to a database: small lists of steps that together touch every way of writing.
#ifndef FRACTAL_TESTS_FAULTS_WORKLOADS_H
#define FRACTAL_TESTS_FAULTS_WORKLOADS_H

#include <fractal/fractal_memory.h>

#include <functional>
#include <string>
#include <vector>

namespace fractal::testing {

// One call. Done again on the memory storage it must have the same effect.
struct Step {
  std::string name;
  // `scratch`: a path at which there is nothing, for what the step makes beside the database.
  std::function<Result<void>(const FractalMemory& memory, const std::string& scratch)> run;
  bool writes = true;
};

struct Workload {
  std::string name;
  std::vector<Step> before;  // without faults; none: the steps begin by making the file
  std::vector<Step> steps;
};

Workload fill_workload();    // a new file, stores, batches with vectors and words
Workload change_workload();  // updates, removals, links, conflicts
Workload upkeep_workload();  // maintain, purge, backup, create_index, erase_space

}  // namespace fractal::testing

#endif
