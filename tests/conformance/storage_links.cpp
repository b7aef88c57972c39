// Storage conformance: links in both directions, by type, in pages, and as steps see them.
#include "storage_model.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <set>

namespace fractal::conformance {
namespace {

const Space here{"tenant", "links"};

LinkRow make_link(std::string from, std::string to, std::string type = "related", double strength = 1) {
  return {.from = std::move(from), .to = std::move(to), .type = std::move(type), .strength = strength};
}

struct Links {
  std::shared_ptr<Storage> storage = make_empty_storage();
  Model model;
  const std::string a = Coordinate{1}.key(), b = Coordinate{1, 2}.key(), c = Coordinate{-1}.key();

  void write(const std::function<void(Writer&)>& run) { commit(*storage, model, here, run); }
  std::unique_ptr<ReadView> view() { return storage->read(here).value(); }

  void fill() {
    write([&](Writer& writer) {
      for (const auto& [from, to] : {std::pair(a, b), {b, a}, {a, a}, {b, c}, {c, c}, {c, a}}) {
        for (const std::string type : {"related", "part_of", "Related", "\xc3\xa9t\xc3\xa9"}) {
          if (from == b && type == "Related") continue;
          writer.link(make_link(from, to, type, static_cast<double>(from.size()) / 3));
        }
      }
    });
  }

  // What links() shows, each link once: a view may show a link of `both` at either end.
  std::vector<LinkRow> shown(const std::vector<std::string>& frontier, Direction direction, std::string_view type) {
    std::map<LinkName, LinkRow> out;
    const auto reading = view();
    std::size_t visits = 0;
    reading
        ->links(frontier, direction, type,
                [&](const LinkRow& link) {
                  out.emplace(LinkName{link.from, link.type, link.to}, link);
                  ++visits;
                  return true;
                })
        .value();
    if (direction != Direction::both) CHECK(visits == out.size());
    std::vector<LinkRow> links;
    for (const auto& [name, link] : out) links.push_back(link);
    return links;
  }
};

bool same_edge(const LinkRow& left, const LinkRow& right) {
  return std::tie(left.from, left.to, left.type, left.strength) ==
         std::tie(right.from, right.to, right.type, right.strength);
}

}  // namespace

TEST_CASE_FIXTURE(Links, "links: one comes back whole") {
  LinkRow link = make_link(a, b, std::string(limits::link_type, 'x'), std::numeric_limits<double>::denorm_min());
  link.metadata = "{\"note\": \"a\\nb\",\n \"\xc3\xa9\": [1, 2.50]}";
  link.created_at = at(253402300799999999);
  write([&](Writer& writer) {
    writer.link(link);
    CHECK_FALSE(writer.transaction().find_link(writer.number(), b, a, link.type).value().has_value());
    CHECK_FALSE(writer.transaction().find_link(writer.number(), a, b, "x").value().has_value());
  });
  const auto found = view()->get_link(a, b, link.type).value();
  REQUIRE(found);
  link.sequence = 1;
  CHECK(same(*found, link));
  CHECK_FALSE(view()->get_link(b, a, link.type).value().has_value());
  CHECK_FALSE(view()->get_link(a, b, "").value().has_value());
  compare(*storage, model);

  LinkRow again = make_link(a, b, link.type, -1.5);  // replaces strength, metadata and time
  again.metadata = "{}";
  again.created_at = at(0);
  write([&](Writer& writer) { writer.link(again); });
  CHECK(view()->get_link(a, b, link.type).value()->strength == -1.5);
  CHECK(view()->get_link(a, b, link.type).value()->metadata == again.metadata);
  CHECK(view()->space().links == 1);
  compare(*storage, model);
}

TEST_CASE_FIXTURE(Links, "links: by direction, type and frontier") {
  fill();
  const auto unknown = Coordinate{99}.key();
  const std::vector<std::vector<std::string>> frontiers{{},     {a},       {b},       {c},         {a, b},
                                                        {b, c}, {a, b, c}, {unknown}, {unknown, c}};
  for (const auto& frontier : frontiers) {
    for (const auto direction : {Direction::outgoing, Direction::incoming, Direction::both}) {
      for (const std::string_view type : {"", "related", "part_of", "Related", "\xc3\xa9t\xc3\xa9", "none"}) {
        const auto wanted = model.spaces[here].links_from_or_to(frontier, direction, type);
        CHECK(std::ranges::equal(shown(frontier, direction, type), wanted, same_edge));
      }
    }
  }
}

TEST_CASE_FIXTURE(Links, "links: a frontier of thousands") {
  std::vector<std::string> frontier;
  write([&](Writer& writer) {
    for (int i = 0; i < 3000; ++i) {
      frontier.push_back(Coordinate{1.0 * i}.key());
      writer.link(make_link(frontier.back(), Coordinate{1.0 * (i + 1)}.key(), i % 2 == 0 ? "even" : "odd"));
    }
  });
  CHECK(shown(frontier, Direction::outgoing, "").size() == 3000);
  CHECK(shown(frontier, Direction::incoming, "").size() == 2999);
  CHECK(shown(frontier, Direction::both, "odd").size() == 1500);
}

TEST_CASE_FIXTURE(Links, "links: stop when the visitor says so") {
  fill();
  const auto reading = view();
  for (const auto direction : {Direction::outgoing, Direction::incoming, Direction::both}) {
    for (std::size_t most = 1; most < 6; ++most) {
      std::size_t visits = 0;
      reading->links(std::vector{a, b, c}, direction, "", [&](const LinkRow&) { return ++visits < most; }).value();
      CHECK(visits == most);
    }
  }
}

TEST_CASE_FIXTURE(Links, "list_links: pages of every size, in the order from, type, to") {
  fill();
  write([&](Writer& writer) { writer.unlink(a, a, "related"); });
  std::vector<LinkRow> wanted;
  for (const auto& [name, link] : model.spaces[here].links) wanted.push_back(link);
  const auto reading = view();
  for (std::size_t size = 1; size <= wanted.size() + 1; ++size) {
    std::vector<LinkRow> found;
    for (std::optional<LinkRow> last;;) {
      const auto page = reading->list_links(last ? &*last : nullptr, size).value();
      REQUIRE(page.size() <= size);
      found.insert(found.end(), page.begin(), page.end());
      if (page.size() < size) break;
      last = page.back();
    }
    CHECK(std::ranges::equal(found, wanted, same));
  }
  const LinkRow gone = make_link(a, a, "related");  // a page that ended at a link that is gone
  const auto rest = reading->list_links(&gone, no_limit).value();
  const auto first = std::find_if(wanted.begin(), wanted.end(), [&](const LinkRow& link) {
    return std::tie(link.from, link.type, link.to) > std::tie(gone.from, gone.type, gone.to);
  });
  CHECK(std::equal(rest.begin(), rest.end(), first, wanted.end(), same));
  CHECK(reading->list_links(nullptr, 0).value().empty());
}

TEST_CASE_FIXTURE(Links, "links_of: both directions, a link to itself once, in order; what the step did shows") {
  fill();
  write([&](Writer& writer) {
    writer.check_reads();
    writer.link(make_link(c, b, "new"));
    writer.unlink(c, c, "part_of");
    CHECK_FALSE(writer.unlink(c, c, "part_of"));
    writer.check_reads();
    CHECK(writer.transaction().links_of(writer.number(), Coordinate{99}.key()).value().empty());
  });
  compare(*storage, model);
}

TEST_CASE_FIXTURE(Links, "links: go with their memory, in both directions") {
  fill();
  write([&](Writer& writer) { writer.store(make_memory({1})); });
  write([&](Writer& writer) { writer.remove(a); });
  CHECK(shown({a}, Direction::both, "").empty());
  CHECK_FALSE(shown({b, c}, Direction::both, "").empty());
  compare(*storage, model);
}

TEST_CASE_FIXTURE(Links, "links: an erased row leaves its links to the caller") {
  fill();
  MemoryId id = 0;
  write([&](Writer& writer) { id = writer.store(make_memory({1})); });
  commit(*storage, [&](WriteTransaction& transaction) {
    SpaceRecord* record = transaction.space(here).value();
    const Row row = transaction.find(record->number, a, Columns::header).value().value();
    transaction.erase(record->number, row).value();
    --record->memories;
  });
  CHECK_FALSE(view()->get(a, Columns::header).value().has_value());
  CHECK_FALSE(shown({a}, Direction::both, "").empty());
}

TEST_CASE_FIXTURE(Links, "links: none of another space") {
  fill();
  const Space other{"tenant2", "links"};
  commit(*storage, model, other, [&](Writer& writer) { writer.link(make_link(a, Coordinate{5}.key(), "elsewhere")); });
  CHECK(shown({a}, Direction::outgoing, "elsewhere").empty());
  CHECK_FALSE(view()->get_link(a, Coordinate{5}.key(), "elsewhere").value().has_value());
  compare(*storage, model);
}

}  // namespace fractal::conformance
