// The table that is compiled in.
#include "contract.h"

embedder_contract::Subject embedder_contract::make_subject() {
  return {.embedder = fractal::builtin_embedder(), .name = "fractal-table-en"};
}
