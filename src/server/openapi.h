// The description of the interface, made from the table of operations and their schemas.
#ifndef FRACTAL_SRC_SERVER_OPENAPI_H
#define FRACTAL_SRC_SERVER_OPENAPI_H

#include <string>

namespace fractal::server {

const std::string& openapi();    // OpenAPI 3.1, JSON
const std::string& docs_page();  // HTML that needs nothing else

}  // namespace fractal::server

#endif
