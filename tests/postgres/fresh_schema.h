// A schema of its own for each storage or index under test, on the servers that the environment names.
#ifndef FRACTAL_TESTS_POSTGRES_FRESH_SCHEMA_H
#define FRACTAL_TESTS_POSTGRES_FRESH_SCHEMA_H

#include <string>

namespace fractal::testing {

// On the server that FRACTAL_TEST_POSTGRES names, or FRACTAL_TEST_PGVECTOR, the one with pgvector: the URL of a database
// of this process's own. They throw where there is no server: a test that needs one fails.
std::string postgres_server();
std::string pgvector_server();
// A new, empty schema, which goes with the database, when the process ends.
std::string make_schema(const std::string& server);
// The URL of the database with such a schema.
std::string fresh_postgres_url(const std::string& server = postgres_server());
// Statements without answers.
void run_on_postgres(const std::string& sql, const std::string& url = postgres_server());
// One statement; the first value of its answer, as text.
std::string ask_postgres(const std::string& sql, const std::string& url = postgres_server());

}  // namespace fractal::testing

#endif
