// JSON as jsonb takes it.
#ifndef FRACTAL_BACKENDS_POSTGRES_JSON_TEXT_H
#define FRACTAL_BACKENDS_POSTGRES_JSON_TEXT_H

#include <string>
#include <string_view>

namespace fractal::postgres_backend {

// The same JSON for the server's jsonb columns, which the service reads: jsonb refuses \u0000, half a surrogate pair and
// numbers of more than 131,072 digits, so those become U+FFFD and null. The core reads the text as it was sent.
std::string json_for_server(std::string_view json);

}  // namespace fractal::postgres_backend

#endif
