// A schema of its own for each storage under test, on the server that FRACTAL_TEST_POSTGRES names.
#ifndef FRACTAL_TESTS_POSTGRES_FRESH_SCHEMA_H
#define FRACTAL_TESTS_POSTGRES_FRESH_SCHEMA_H

#include <string>

namespace fractal::testing {

// Throws where there is no server: a test that needs one fails.
std::string postgres_server();
// The URL of the server's database with a new, empty schema, which goes when the process ends.
std::string fresh_postgres_url();
// Statements without answers.
void run_on_postgres(const std::string& sql, const std::string& url = postgres_server());

}  // namespace fractal::testing

#endif
