// Which schemes of URLs this program can open.
#ifndef FRACTAL_SRC_STORAGE_SCHEMES_H
#define FRACTAL_SRC_STORAGE_SCHEMES_H

#include <fractal/backend.h>

#include <string_view>

namespace fractal {

// "postgres" of "postgres://host/database"; empty: a file's path.
std::string_view scheme_of(std::string_view path) noexcept;
inline bool is_url(std::string_view path) noexcept { return !scheme_of(path).empty(); }
Result<std::shared_ptr<Storage>> open_url(const Options& options);

}  // namespace fractal

#endif
