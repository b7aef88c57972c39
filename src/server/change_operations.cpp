// Invariant: a client that reads a stream to its end, and goes on with the last id that it saw, misses nothing; where that
// cannot be promised the stream says so, and ends.
#include "src/server/change_watch.h"
#include "src/server/operations.h"

#include <fmt/format.h>

#include <algorithm>

#include <charconv>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

namespace fractal::server {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t piece = 500;                 // changes
constexpr std::chrono::seconds heartbeat{15};      // or nobody would notice that the client is gone
constexpr std::chrono::seconds between_checks{1};  // of the token

// The place behind a change: the number of its space, which another one with the same name does not have, and its
// sequence there.
struct Place {
  std::optional<std::uint64_t> space{};  // nullopt: whichever it is
  std::uint64_t sequence = 0;
};

std::string id_of(std::uint64_t space, std::uint64_t sequence) { return fmt::format("{}-{}", space, sequence); }

// As WHATWG's HTML standard has it, section 9.2.6.
std::string event_of(std::uint64_t space, const Change& change) {
  const bool link = change.kind == ChangeKind::linked || change.kind == ChangeKind::unlinked;
  Object data;
  data.count("sequence", change.sequence);
  if (link) {
    data.text("from_coord", change.coordinate.to_string())
        .text("to_coord", change.to.to_string())
        .text("link_type", change.type);
  } else {
    data.text("coord", change.coordinate.to_string());
  }
  return fmt::format("id: {}\nevent: {}\ndata: {}\n\n", id_of(space, change.sequence), to_string(change.kind),
                     data.str());
}

class ChangeStream {
 public:
  ChangeStream(const Call& call, const SpaceState& state, std::uint64_t after, bool follow)
      : watcher_(call.service.changes, call.memory),
        permitted_(call.still_permitted),
        known_(state),
        after_(after),
        end_(follow ? std::nullopt : std::optional(state.sequence)) {}

  // nullopt: the end; empty: nothing new yet.
  std::optional<std::string> next() {
    if (done_ || !permitted_()) return std::nullopt;
    checked_ = Clock::now();
    const SpaceState state = watcher_.look();
    if ((known_.number != 0 && state.number != known_.number) || state.sequence < after_) return forgotten();
    const bool new_ones = all_sent_ != state.sequence;
    known_ = state;
    std::string text;
    if (new_ones) {
      const auto changes = watcher_.memory().changes(after_, piece);
      if (!changes && changes.error().code == Errc::not_found) return forgotten();
      for (const Change& change : changes.value()) {
        text += event_of(state.number, change);
        after_ = change.sequence;
      }
      if (changes->size() < piece) all_sent_ = state.sequence;
    }
    done_ = end_ && (after_ >= *end_ || all_sent_);
    if (done_ && text.empty()) return std::nullopt;
    if (text.empty() && checked_ - said_ >= heartbeat) text = ":\n\n";
    if (!text.empty()) said_ = checked_;
    return text;
  }

  // Whether next() would have nothing to say. Never waits.
  bool is_quiet() {
    const bool all = all_sent_ == known_.sequence && !done_;
    return all && Clock::now() - checked_ < between_checks && watcher_.is_quiet(known_);
  }

 private:
  std::string forgotten() {
    done_ = true;
    return "event: forgotten\ndata: {}\n\n";
  }

  ChangeWatch::Watcher watcher_;
  std::function<bool()> permitted_;
  SpaceState known_;
  std::uint64_t after_;
  std::optional<std::uint64_t> end_;       // nullopt: none
  std::optional<std::uint64_t> all_sent_;  // everything up to this sequence
  bool done_ = false;
  Clock::time_point said_ = Clock::now(), checked_ = said_;
};

std::optional<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

// An event's id, or a sequence number alone.
Place place_of(std::string_view text, const std::vector<std::string>& field) {
  const auto dash = text.find('-');
  const auto space = dash == text.npos ? std::nullopt : number_of(text.substr(0, dash));
  const auto sequence = number_of(dash == text.npos ? text : text.substr(dash + 1));
  if (!sequence || (dash != text.npos && !space)) refuse_value(field, "neither the id of an event nor a number");
  return {space, *sequence};
}

// Where to begin: behind what the client has seen, if that is still known.
std::uint64_t begin_of(const Call& call, const SpaceState& state) {
  const auto given = call.query.text("after");
  if (call.last_event.empty() && !given) return state.sequence;
  const Place place = call.last_event.empty() ? place_of(*given, {"query", "after"})
                                              : place_of(call.last_event, {"header", "Last-Event-ID"});
  // Pages behind the first one begin at some number: from 0 on, too, nothing may be forgotten.
  const auto known = call.memory.changes(std::max<std::uint64_t>(place.sequence, 1), 1);
  const bool forgotten = !known && known.error().code == Errc::not_found;
  if (place.sequence > state.sequence || (place.space && *place.space != state.number) || forgotten) {
    throw Refused{410, Say::changes_forgotten, id_of(place.space.value_or(state.number), place.sequence)};
  }
  (void)known.value();
  return place.sequence;
}

}  // namespace

Reply get_changes(Call& call) {
  const SpaceState state = call.memory.state().value();
  const std::uint64_t after = begin_of(call, state);
  const bool follow = call.query.flag("follow").value_or(true);
  const auto stream = std::make_shared<ChangeStream>(call, state, after, follow);
  // The id is the client's, who has seen everything up to here, though no event comes with it.
  Reply reply{.body = fmt::format("retry: 1000\nid: {}\n\n", id_of(state.number, after)), .type = "text/event-stream"};
  reply.headers.emplace_back("Cache-Control", "no-store");
  reply.more = [stream] { return stream->next(); };
  reply.patient = true;
  reply.pause = ChangeWatch::pause;
  reply.is_quiet = [stream] { return stream->is_quiet(); };
  return reply;
}

}  // namespace fractal::server
