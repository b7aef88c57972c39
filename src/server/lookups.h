// The `filters` of the service: {"tag": "x", "year__gte": 2024, "author__name": "Ada"}, as Django reads them.
#ifndef FRACTAL_SRC_SERVER_LOOKUPS_H
#define FRACTAL_SRC_SERVER_LOOKUPS_H

#include <fractal/filter.h>
#include <fractal/result.h>

#include <string_view>

namespace fractal::server {

// A name is steps joined by "__", the last of which may be exact, gt, gte, lt, lte, in, contains, startswith, isnull or
// has_key. An object as a value asks for each of its members. invalid_argument: a lookup that we do not have (regex and
// what ignores case), or a value that does not suit it.
Result<Filter> filter_of_lookups(std::string_view object);

}  // namespace fractal::server

#endif
