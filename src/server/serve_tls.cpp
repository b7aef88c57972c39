// Invariant: see exchange.h.
#include "src/server/exchange.h"

namespace fractal::server {

template boost::asio::awaitable<void> serve<TlsStream>(std::shared_ptr<TlsStream>, Shared&);

}  // namespace fractal::server
