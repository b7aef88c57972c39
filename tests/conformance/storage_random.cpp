// Storage conformance: long random runs beside the model, with old views kept and steps that fail.
#include "storage_model.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

namespace fractal::conformance {
namespace {

constexpr std::size_t most_rows = 60, most_links = 80;

class Run {
 public:
  explicit Run(std::uint64_t seed) : random_(seed) {}

  void run(int steps) {
    for (int done = 0, commits = 0; done < steps; ++commits) {
      done += apply();
      read_something();
      if (random_.one_in(40)) keep_view();
      if (random_.one_in(40)) check_old_view();
      if (commits % 150 == 0) compare(*storage_, model_);
      if (commits % 1000 == 0) CHECK(storage_->verify({}).value().empty());
      if (random_.one_in(500)) storage_->maintain(old_.empty() && random_.one_in(2), {}).value();
      if (commits == 300) storage_->create_index("n", {}).value();
      if (commits == 600) storage_->create_index("deep.x", {}).value();
    }
    while (!old_.empty()) check_old_view();
    compare(*storage_, model_);
    CHECK(storage_->verify({}).value().empty());
  }

 private:
  Space some_space() { return {"tenant", fmt::format("space {}", random_.below(3))}; }

  // One commit of some steps; returns how many.
  int apply() {
    std::vector<WriteStep> steps(1 + random_.below(4));
    std::vector<bool> fails;
    for (WriteStep& step : steps) {
      fails.push_back(random_.one_in(8));
      step.run = [this, fail = fails.back()](WriteTransaction& transaction) -> Result<void> {
        const Model before = fail ? model_ : Model{};
        write(transaction);
        if (!fail) return {};
        model_ = before;
        if (random_.one_in(2)) throw std::runtime_error("thrown by a step");
        return Error{Errc::conflict, "refused by a step"};
      };
    }
    REQUIRE(storage_->apply(steps).has_value());
    for (std::size_t i = 0; i < steps.size(); ++i) REQUIRE(steps[i].outcome.has_value() == !fails[i]);
    return static_cast<int>(steps.size());
  }

  void write(WriteTransaction& transaction) {
    Writer writer(transaction, model_, some_space());
    for (std::uint64_t n = 1 + random_.below(4); n > 0; --n) write_one(writer);
    if (random_.one_in(50)) writer.check_reads();
    if (random_.one_in(300)) writer.erase_space();
  }

  std::string some_key(Writer& writer) {
    const auto& rows = writer.model().rows;
    if (rows.empty()) return {};
    return std::next(rows.begin(), static_cast<long>(random_.below(rows.size())))->second.key;
  }

  void write_one(Writer& writer) {
    const std::string key = some_key(writer);
    const bool full = writer.model().rows.size() > most_rows;
    switch (random_.below(20)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
        if (full)
          writer.remove(key);
        else
          writer.store(random_.memory(random_.one_in(3) ? 0 : 3), random_.keywords());
        break;
      case 5:
      case 6:
      case 7:
        if (!key.empty()) patch(writer, key);
        break;
      case 8:
        if (!key.empty()) writer.set_vector(key, random_.vector(random_.one_in(3) ? 0 : 3));
        break;
      case 9:
      case 10: writer.remove(random_.one_in(3) ? random_.key() : key); break;
      case 11:
      case 12:
      case 13:
        if (writer.model().links.size() < most_links) writer.link(near_rows(writer, random_.link()));
        break;
      case 14:
      case 15: unlink_some(writer); break;
      case 16: writer.add_accesses(random_.one_in(4) ? random_.key() : key, random_.below(4)); break;
      case 17: writer.setting(fmt::format("setting {}", random_.below(3)), random_.payload()); break;
      case 18: write_audit(writer); break;
      default: forget(writer); break;
    }
  }

  void patch(Writer& writer, const std::string& key) {
    const Memory other = random_.memory(0);
    const Keywords keywords = random_.keywords();
    const bool with_words = random_.one_in(2);
    writer.patch(
        key,
        [&](Memory& memory) {
          if (with_words) memory.payload = other.payload;
          if (random_.one_in(2)) memory.importance = other.importance;
          if (random_.one_in(2)) memory.expires_at = other.expires_at;
          if (random_.one_in(2)) memory.type = other.type;
          memory.metadata = other.metadata;
          memory.updated_at = other.updated_at;
          ++memory.version;
        },
        with_words ? &keywords : nullptr);
  }

  // Ends at memories that are there, mostly.
  LinkRow near_rows(Writer& writer, LinkRow link) {
    if (const auto key = some_key(writer); !key.empty() && !random_.one_in(5)) link.from = key;
    if (const auto key = some_key(writer); !key.empty() && !random_.one_in(5)) link.to = key;
    return link;
  }

  void unlink_some(Writer& writer) {
    const auto& links = writer.model().links;
    if (links.empty()) return;
    const auto [from, type, to] = std::next(links.begin(), static_cast<long>(random_.below(links.size())))->first;
    writer.unlink(from, to, random_.one_in(4) ? "none" : type);
  }

  void write_audit(Writer& writer) {
    writer.audit({.at = at(static_cast<std::int64_t>(random_.below(1000))),
                  .action = "update",
                  .subject = random_.word(),
                  .version = random_.below(9),
                  .payload = random_.one_in(2) ? random_.payload() : ""});
  }

  void forget(Writer& writer) {
    const std::uint64_t sequence = writer.model().record.sequence;
    if (random_.one_in(2))
      writer.prune_removals(sequence - std::min<std::uint64_t>(sequence, random_.below(60)));
    else
      writer.prune_audit(random_.below(40), at(static_cast<std::int64_t>(random_.below(200))));
  }

  Filter some_filter() {
    switch (random_.below(8)) {
      case 0: return Filter::eq("n", random_.below(10));
      case 1: return Filter::ge("n", random_.below(10)) && Filter::lt("n", random_.below(10));
      case 2: return Filter::eq("topic", random_.word()) || Filter::eq("deep.x", nullptr);
      case 3: return !Filter::eq("deep.x", true);
      case 4: return Filter::ge("$importance", random_.importance());
      case 5: return Filter::eq("$type", "semantic") && Filter::exists("$expires_at");
      case 6: return Filter::in("topic", {random_.word(), random_.word(), 3});
      default: return Filter::contains("tags", random_.word()) && Filter::eq("$metadata.m", random_.below(5));
    }
  }

  // One question to the newest state.
  void read_something() {
    const Space space = some_space();
    if (!model_.spaces.contains(space)) return;
    const SpaceModel& model = model_.spaces[space];
    const auto view = storage_->read(space).value();
    switch (random_.below(4)) {
      case 0: {
        Scan scan{.order = static_cast<ListOrder>(random_.below(3)),
                  .descending = random_.one_in(2),
                  .prefix = random_.one_in(2) ? random_.coordinate().key() : "",
                  .limit = 1 + random_.below(20),
                  .columns = static_cast<Columns>(random_.below(3))};
        if (random_.one_in(2)) {
          scan.after = {random_.importance(), static_cast<std::int64_t>(random_.below(50)),
                        first_id(model.record.number) | random_.below(200), random_.key()};
        }
        CHECK(difference(view->list(scan).value(), model.list(scan), scan.columns) == "");
        break;
      }
      case 1: {
        const Filter filter = some_filter();
        const std::string prefix = random_.one_in(2) ? random_.coordinate().key() : "";
        const auto found = view->select(filter, prefix, no_limit).value();
        const auto wanted = model.select(filter, prefix);
        CHECK(found.complete);
        CHECK(std::includes(found.ids.begin(), found.ids.end(), wanted.begin(), wanted.end()));
        if (found.exact) CHECK(found.ids == wanted);
        break;
      }
      case 2: {
        const std::vector<std::string> frontier{random_.key(), random_.key(), random_.coordinate().key()};
        const auto direction = static_cast<Direction>(random_.below(3));
        const std::string type = random_.one_in(2) ? random_.link_type() : "";
        std::set<LinkName> found, wanted;
        view->links(frontier, direction, type,
                    [&](const LinkRow& link) { return found.emplace(link.from, link.type, link.to), true; })
            .value();
        for (const LinkRow& link : model.links_from_or_to(frontier, direction, type)) {
          wanted.emplace(link.from, link.type, link.to);
        }
        CHECK(found == wanted);
        break;
      }
      default: {
        const std::string key = random_.key();
        const auto found = storage_->get(space, key, Columns::all).value();
        const ModelRow* wanted = model.find(key);
        REQUIRE(found.has_value() == (wanted != nullptr));
        if (found) CHECK(difference(*found, wanted->row, Columns::all) == "");
        break;
      }
    }
  }

  void keep_view() {
    if (old_.size() > 3) return;
    const Space space = some_space();
    if (model_.spaces.contains(space)) old_.emplace_back(storage_->read(space).value(), model_.spaces[space]);
  }

  void check_old_view() {
    if (old_.empty()) return;
    const auto at = old_.begin() + static_cast<long>(random_.below(old_.size()));
    compare(*at->first, at->second);
    old_.erase(at);
  }

  Random random_;
  std::shared_ptr<Storage> storage_ = make_empty_storage();
  Model model_;
  std::vector<std::pair<std::unique_ptr<ReadView>, SpaceModel>> old_;
};

}  // namespace

TEST_CASE("random: 24,000 steps beside the model") {
  for (const std::uint64_t seed : {20'260'501U, 7U, 99'991U}) {
    MESSAGE("seed ", seed);
    Run(seed).run(8000);
  }
}

}  // namespace fractal::conformance
