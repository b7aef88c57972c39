// No Redis is there: what can be seen is that the component is linked, with the server's, and what it says. An index opened
// without a server is behind, and rows are compared.
#include <fractal/redis.h>

#include <cstdio>

bool index_works() {
  const auto opened = fractal::FractalMemory::open({.path = ":memory:", .vector_index = "redis://127.0.0.1:1"});
  if (!opened) return std::fprintf(stderr, "%s\n", opened.error().message.c_str()), false;
  opened->store({.coordinate = {1}, .payload = "{}", .embedding = {1, 0}}).value();
  const std::vector<float> vector{1, 0};
  if (opened->search(vector).value().hits.size() != 1) return false;
  const auto refused = fractal::open_redis_index({.url = "redis://127.0.0.1:1/1"}, fractal::make_memory_storage());
  return !refused && refused.error().code == fractal::Errc::unsupported;
}

int main() {
  if (!index_works()) return 1;
  const auto none = fractal::open_redis_cache({.url = "not a URL"});
  const auto secure = fractal::open_cache("rediss://nowhere.invalid");
  return !none && none.error().code == fractal::Errc::invalid_argument && !secure &&
                 secure.error().code == fractal::Errc::unsupported
             ? 0
             : 1;
}
