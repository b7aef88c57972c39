// The part of a filter that Milvus checks itself: tests of $type, $created_at and $coordinate, and the subtree. Everything
// else of a filter is for the core, which checks every row anyway.
#ifndef FRACTAL_BACKENDS_MILVUS_CONDITION_H
#define FRACTAL_BACKENDS_MILVUS_CONDITION_H

#include "src/version_store.h"

#include <string>
#include <string_view>

namespace fractal::milvus {

// Over the fields "type", "created_at" and "place" of our collections.
VersionCondition condition_of(const Filter& filter, std::string_view prefix);

// A key as field "place" has it: hexadecimal, so that it is a plain text whose beginnings are those of the key.
std::string place_of(std::string_view key);

}  // namespace fractal::milvus

#endif
