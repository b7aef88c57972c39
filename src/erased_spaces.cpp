// Invariant: whoever changes the list has it for itself, in whatever process: a row that is written first keeps the others
// waiting until the commit, and what is read then is what they left.
#include "src/erased_spaces.h"

#include "src/error.h"
#include "src/followed_storage.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <sstream>
#include <string>

namespace fractal {
namespace {

constexpr std::string_view setting = "vector_index/erased";

// "number microseconds" of each.
std::vector<ErasedSpace> spaces_in(const std::string& text) {
  std::istringstream words(text);
  std::vector<ErasedSpace> spaces;
  std::uint64_t number = 0;
  std::int64_t at = 0;
  while (words >> number >> at) spaces.push_back({number, Time(std::chrono::microseconds(at))});
  return spaces;
}

std::string text_of(const std::vector<ErasedSpace>& spaces) {
  std::string text;
  for (const ErasedSpace& space : spaces) {
    text += fmt::format("{} {}\n", space.number, space.at.time_since_epoch().count());
  }
  return text;
}

}  // namespace

Result<std::vector<ErasedSpace>> erased_spaces(Storage& storage) {
  FRACTAL_TRY_INTO(const auto text, storage.setting(setting));
  return spaces_in(text.value_or(""));
}

Result<void> note_erased_space(WriteTransaction& transaction, Storage& storage, const ErasedSpace& erased) {
  return change_setting(transaction, storage, setting, [&](const std::string& text) {
    auto spaces = spaces_in(text);
    spaces.push_back(erased);
    return text_of(spaces);
  });
}

Result<void> forget_erased_space(Storage& storage, std::uint64_t number) {
  return change_setting(storage, setting, [&](const std::string& text) {
    auto spaces = spaces_in(text);
    std::erase_if(spaces, [&](const ErasedSpace& space) { return space.number == number; });
    return text_of(spaces);
  });
}

}  // namespace fractal
