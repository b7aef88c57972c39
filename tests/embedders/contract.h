// What every embedder promises (fractal/embedder.h), in executable form: link contract.cpp with a file that defines
// make_subject().
#ifndef FRACTAL_TESTS_EMBEDDERS_CONTRACT_H
#define FRACTAL_TESTS_EMBEDDERS_CONTRACT_H

#include <fractal/embedder.h>

#include <memory>
#include <string>

namespace embedder_contract {

struct Subject {
  std::shared_ptr<fractal::Embedder> embedder{};
  std::string name{};
  bool has_digest = true;
  bool unit_length = true;
  // The nearest of a few notes is the one that a person would name.
  bool has_meaning = true;
  // A word that nobody knows, or none at all, has no vector.
  bool blank_is_empty = true;
};

// Always the same one, or an equal one.
Subject make_subject();

}  // namespace embedder_contract

#endif
