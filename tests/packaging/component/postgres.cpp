// No server is there: what can be seen is that the component is linked, and what it says.
#include <fractal/pgvector.h>
#include <fractal/postgres.h>

int main() {
  const auto storage = fractal::open_postgres_storage({.url = "not a URL"});
  const auto index = fractal::open_pgvector_index({.url = "not a URL"}, fractal::make_memory_storage());
  const auto wrong = fractal::Errc::invalid_argument;
  return !storage && storage.error().code == wrong && !index && index.error().code == wrong ? 0 : 1;
}
