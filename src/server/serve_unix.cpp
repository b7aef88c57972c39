// Invariant: see exchange.h.
#include "src/server/exchange.h"

namespace fractal::server {

template boost::asio::awaitable<void> serve<UnixStream>(std::shared_ptr<UnixStream>, Shared&);

}  // namespace fractal::server
