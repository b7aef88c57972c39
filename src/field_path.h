// Paths as in filter.h, taken apart.
#ifndef FRACTAL_SRC_FIELD_PATH_H
#define FRACTAL_SRC_FIELD_PATH_H

#include <fractal/filter.h>

#include <string>
#include <string_view>
#include <vector>

namespace fractal {

struct FieldPath {
  FilterField field = FilterField::payload;
  std::vector<std::string> keys;  // payload and metadata: the members to follow
  std::string problem;            // empty if the path is good
};

FieldPath parse_field_path(std::string_view path);
// The payload path of these members.
std::string payload_path(const std::vector<std::string>& keys);

}  // namespace fractal

#endif
