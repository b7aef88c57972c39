// all-MiniLM-L6-v2 behind a server.
#include "contract.h"

#include <fractal/http_embedder.h>

#include "setting.h"

embedder_contract::Subject embedder_contract::make_subject() {
  return {
      .embedder = fractal::open_http_embedder(
                      {.url = setting::server().url("ok", "contract"), .model = "all-MiniLM-L6-v2", .digest = "01ab"})
                      .value(),
      .name = "http:all-MiniLM-L6-v2"};
}
