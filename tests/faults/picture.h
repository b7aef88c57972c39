// Everything that can be read from a database, as one text: two databases with equal pictures hold the same.
#ifndef FRACTAL_TESTS_FAULTS_PICTURE_H
#define FRACTAL_TESTS_FAULTS_PICTURE_H

#include <fractal/fractal_memory.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace fractal::testing {

// Of every space: rows, vectors, links and what some searches find, with their scores. Leaves out what tells how the
// state came about: sequence numbers, the ids made at random, and spaces with nothing in them.
Result<std::string> picture(const FractalMemory& memory);

// What verify() has to say, as an error if it is anything at all.
Result<void> verified(const FractalMemory& memory);

// A memory with text and vector made from its number.
Memory numbered_memory(int number);
std::string numbered_word(int number);
std::vector<float> numbered_vector(int number);

// Options on a file with a clock that stands still.
Options standing_clock(Options options);

}  // namespace fractal::testing

#endif
