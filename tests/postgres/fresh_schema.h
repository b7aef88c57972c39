// A schema of its own for each storage or index under test, on the servers that the environment names.
#ifndef FRACTAL_TESTS_POSTGRES_FRESH_SCHEMA_H
#define FRACTAL_TESTS_POSTGRES_FRESH_SCHEMA_H

#include <string>

namespace fractal::testing {

// FRACTAL_TEST_POSTGRES, and FRACTAL_TEST_PGVECTOR: the one with pgvector. They throw where there is no server: a test
// that needs one fails.
std::string postgres_server();
std::string pgvector_server();
// The URL of the server's database with a new, empty schema, which goes when the process ends.
std::string fresh_postgres_url(const std::string& server = postgres_server());
// Statements without answers.
void run_on_postgres(const std::string& sql, const std::string& url = postgres_server());
// One statement; the first value of its answer, as text.
std::string ask_postgres(const std::string& sql, const std::string& url = postgres_server());

}  // namespace fractal::testing

#endif
