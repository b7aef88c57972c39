// Invariant: after fetch() the edges of a node are those of the look's moment, wherever they come from.
#include "src/links_at.h"

#include "src/error.h"
#include "src/link_rows.h"

#include <tuple>

namespace fractal {

Result<LinksAt> LinksAt::make(const Database& database, const Look& look, const std::string& type) {
  LinksAt links(look, type);
  if (look.space().links > 0) {
    const std::uint64_t most = database.memory_shares().views;
    const auto use_memory = [&](std::uint64_t bytes) {
      database.use_memory(look.space().number, MemoryUse::View::links, bytes);
    };
    links.space_ =
        database.link_graphs().find_or_add(look.space().number, [&] { return std::make_shared<SpaceGraph>(most); });
    const std::uint64_t expected = links.space_->bytes_to_load(look);
    if (expected != 0) use_memory(expected);
    auto lease = SpaceGraph::as_of(links.space_, look);
    if (lease && lease->get() != nullptr) {
      use_memory(lease->get()->bytes());
    } else if (expected != 0) {
      use_memory(links.space_->size().bytes);
    }
    FRACTAL_TRY_INTO(links.lease_, std::move(lease));
  }
  if (links.lease_.get() == nullptr) {
    links.own_ = std::make_unique<LinkGraph>();
  } else if (!type.empty()) {
    constexpr std::uint32_t no_type = ~std::uint32_t{0};
    links.only_ = links.graph().find_type(type).value_or(no_type);
  }
  return links;
}

LinksAt::~LinksAt() {
  if (space_ && read_ > 0) space_->count_read(read_);
}

std::optional<LinksAt::Node> LinksAt::node(const std::string& key) {
  return own_ ? std::optional(own_->node(key)) : graph().find(key);
}

Result<void> LinksAt::fetch(std::span<const Node> nodes, Direction direction) {
  if (!own_) return {};
  const bool out = direction != Direction::incoming, in = direction != Direction::outgoing;
  fetched_.resize(own_->nodes());
  for (const auto& [side, bit, wanted] :
       {std::tuple{Direction::outgoing, std::uint8_t{1}, out}, std::tuple{Direction::incoming, std::uint8_t{2}, in}}) {
    if (!wanted) continue;
    std::vector<std::string> keys;
    for (const Node node : nodes) {
      if ((fetched_[node] & bit) != 0) continue;
      fetched_[node] |= bit;
      keys.emplace_back(own_->key(node));
    }
    const auto ends = side == Direction::outgoing ? LinkGraph::Ends::from : LinkGraph::Ends::to;
    FRACTAL_TRY(look_.view().links(keys, side, type_, [&](const LinkRow& row) {
      own_->add(row, ends, false);
      ++read_;
      return true;
    }));
  }
  fetched_.resize(own_->nodes());
  return {};
}

Result<GraphLink> LinksAt::whole(std::uint32_t number) const {
  const LinkGraph::Link& link = graph().link(number);
  const std::string from(graph().key(link.from)), to(graph().key(link.to));
  if (link.whole) {
    GraphLink made{.type = graph().type(link.type), .strength = link.strength};
    made.created_at = Time(std::chrono::microseconds(link.created_at));
    FRACTAL_TRY_INTO(made.from, Coordinate::from_key(from));
    FRACTAL_TRY_INTO(made.to, Coordinate::from_key(to));
    return made;
  }
  FRACTAL_TRY_INTO(const auto row, look_.view().get_link(from, to, graph().type(link.type)));
  if (!row) return make_error(Errc::corruption, "walk: a link is in one index only; run verify()");
  return graph_link(*row);
}

bool LinksAt::is_better(std::uint32_t left, std::uint32_t right) const {
  const LinkGraph::Link &a = graph().link(left), &b = graph().link(right);
  if (a.strength != b.strength) return a.strength > b.strength;
  const auto rest = [this](const LinkGraph::Link& link) {
    return std::tuple(graph().key(link.from), std::string_view(graph().type(link.type)), graph().key(link.to));
  };
  return rest(a) < rest(b);
}

}  // namespace fractal
