// No server is there: what can be seen is that the component is linked, and what it says.
#include <fractal/postgres.h>

int main() {
  const auto storage = fractal::open_postgres_storage({.url = "not a URL"});
  return !storage && storage.error().code == fractal::Errc::invalid_argument ? 0 : 1;
}
