// Invariant: see exchange.h.
#include "src/server/exchange.h"

namespace fractal::server {

template boost::asio::awaitable<void> serve<TcpStream>(std::shared_ptr<TcpStream>, Shared&);

}  // namespace fractal::server
