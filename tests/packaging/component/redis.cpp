// No Redis is there: what can be seen is that the component is linked, with the server's, and what it says.
#include <fractal/redis.h>

int main() {
  const auto none = fractal::open_redis_cache({.url = "not a URL"});
  const auto secure = fractal::open_cache("rediss://nowhere.invalid");
  return !none && none.error().code == fractal::Errc::invalid_argument && !secure &&
                 secure.error().code == fractal::Errc::unsupported
             ? 0
             : 1;
}
